//! The classifier: the pooled rules of an ordered set of groups at one kind of NIC, compiled so
//! that a look-up costs the same whether there are a hundred rules or a hundred thousand. It gives
//! the answer of [`crate::decide`], deciding rule included, on every packet.
//!
//! Owns the compiled form. Who is a member of what is no part of it: the groups of the interface on
//! the other side come with the question, so that a membership change compiles nothing.

mod arena;
mod batch;
mod build;
mod change;
mod dispatch;
mod flat;
mod kept;
mod key;
mod machine;
mod node;
mod objects;
mod plain;
mod steps;
mod table;
mod tree;
mod update;
mod walk;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use batch::{LANES, Lane};
use kept::KeptRules;
use key::{GROUPS_MAX, Key, RULES_MAX};
use machine::{Here, Machine};
use node::Packet;
use plain::PlainList;
use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;
use ringfence_memory::prefetch_at;
use steps::{Sides, Steps, direction_index};
use table::{Keyed, Table, belongs};

use crate::{Because, Decision, Nic, PolicySet, Question, Rule, RuleRef};

/// In the order of [`direction_index`].
const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

/// The compiled rules of an ordered set of groups at one kind of NIC, both directions. Immutable;
/// shared by every interface that has these groups in this order.
#[derive(Clone, Debug)]
pub struct Classifier {
    here: Here,
    groups: Vec<GroupIndex>,
    steps: Steps,
    rules: [Rules; 2],
    /// What the rules of each group were, unless they are a plain list.
    kept: Vec<Arc<KeptRules>>,
}

/// The rules of one direction.
#[derive(Clone, Debug)]
enum Rules {
    Compiled(Arc<Table>),
    /// More groups, or more rules in one, than keys tell apart.
    Plain(Arc<PlainList>),
}

impl Classifier {
    /// Compiles the rules of `groups`, in the order in which they are attached, that guard `nic`.
    ///
    /// # Panics
    /// If `policies` has no such group, or a rule names a list that it does not have.
    pub fn compile(
        policies: &PolicySet,
        metadata_server: Ipv4Addr,
        groups: &[GroupIndex],
        nic: Nic,
    ) -> Classifier {
        let mut classifier = Classifier {
            here: Here::detect(),
            groups: groups.to_vec(),
            steps: Steps::new(policies, metadata_server, groups, nic),
            rules: DIRECTIONS.map(|direction| Rules::new(policies, groups, nic, direction)),
            kept: Vec::new(),
        };
        if let Some(tables) = classifier.tables() {
            let kept = |group: &GroupIndex| {
                Arc::new(KeptRules::new(&policies.group(*group).rules, nic, tables))
            };
            classifier.kept = groups.iter().map(kept).collect();
        }
        classifier
    }

    /// The groups that it was compiled from, in their order.
    pub fn groups(&self) -> &[GroupIndex] {
        &self.groups
    }

    /// Decides. `peer`: the groups of the interface that owns the remote address, where the packet
    /// travels inside; none if nobody owns it. Allocates nothing.
    pub fn decide(&self, question: &Question, peer: Option<&[GroupIndex]>) -> Decision {
        dispatch::decide(self, question, peer)
    }

    /// Decides many at once, which hides the memory that each waits for behind the others. The
    /// answers are those of [`Classifier::decide`], in order; as many as the shorter slice holds.
    /// Allocates nothing.
    pub fn decide_batch(&self, asked: &[(Question, Option<&[GroupIndex]>)], out: &mut [Decision]) {
        let count = asked.len().min(out.len());
        dispatch::decide_batch(self, &asked[..count], &mut out[..count]);
    }

    #[inline(always)]
    fn decide_on(
        &self,
        machine: impl Machine,
        question: &Question,
        peer: Option<&[GroupIndex]>,
    ) -> Decision {
        if let Some((packet, remote)) = ipv4(question)
            && let Rules::Compiled(table) = &self.rules[direction_index(question.direction)]
        {
            let counts_peer = self.steps.counts_peer(question);
            let peer = peer.filter(|_| counts_peer).unwrap_or_default();
            if !self.steps.may_decide(question, remote, !peer.is_empty()) {
                let key = table.find_ipv4(machine, packet, remote, question, peer);
                return self.decision(key, question.direction);
            }
        }
        let sides = self.steps.sides(question, peer);
        match self.steps.before_rules(question, &sides) {
            Some(decision) => decision,
            None => self.by_rules(machine, question, &sides),
        }
    }

    #[inline(always)]
    fn by_rules(&self, machine: impl Machine, question: &Question, sides: &Sides<'_>) -> Decision {
        match &self.rules[direction_index(question.direction)] {
            Rules::Compiled(table) => {
                self.decision(table.find(machine, question, sides), question.direction)
            }
            Rules::Plain(list) => {
                let decision = list.decide(question, sides);
                decision.unwrap_or_else(|| self.steps.default(question.direction))
            }
        }
    }

    #[inline(always)]
    fn decision(&self, key: Key, direction: Direction) -> Decision {
        if key == Key::NONE {
            return self.steps.default(direction);
        }
        let reference = RuleRef { group: self.groups[key.group()], rule: key.rule() };
        Decision { allowed: key.allows(), because: Because::Rule(reference) }
    }

    /// Up to [`LANES`] questions.
    #[inline(always)]
    fn decide_chunk(
        &self,
        machine: impl Machine,
        asked: &[(Question, Option<&[GroupIndex]>)],
        out: &mut [Decision],
    ) {
        for (_, peer) in asked {
            prefetch_at(peer.unwrap_or_default().as_ptr());
        }
        // Inbound lanes from the front, outbound ones from the back.
        let mut lanes = [Lane::IDLE; LANES];
        let (mut inbound, mut outbound) = (0, LANES);
        for (number, (question, peer)) in asked.iter().enumerate() {
            let Some((packet, remote)) = ipv4(question) else {
                out[number] = self.decide_on(machine, question, *peer);
                continue;
            };
            let is_inbound = question.direction == Direction::Inbound;
            let has_peer =
                peer.is_some_and(|it| !it.is_empty()) && self.steps.counts_peer(question);
            if self.steps.may_decide(question, remote, has_peer) {
                let sides = self.steps.sides(question, *peer);
                if let Some(decision) = self.steps.before_rules(question, &sides) {
                    out[number] = decision;
                    continue;
                }
            }
            outbound -= usize::from(!is_inbound);
            let place = if is_inbound { inbound } else { outbound };
            inbound += usize::from(is_inbound);
            lanes[place % LANES].start(number, packet, remote, has_peer);
        }
        let parts = [0..inbound, outbound..LANES];
        for ((rules, part), direction) in self.rules.iter().zip(parts).zip(DIRECTIONS) {
            let lanes = &mut lanes[part];
            match rules {
                _ if lanes.is_empty() => {}
                Rules::Compiled(table) => {
                    table.find_batch(machine, lanes, asked);
                    for lane in lanes {
                        out[lane.number as usize] = self.decision(lane.best, direction);
                    }
                }
                Rules::Plain(_) => {
                    for lane in lanes {
                        let (question, peer) = &asked[lane.number as usize];
                        out[lane.number as usize] = self.decide_on(machine, question, *peer);
                    }
                }
            }
        }
    }

    /// Bytes that it holds, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Classifier>()
            + self.groups.capacity() * size_of::<GroupIndex>()
            + self.steps.memory_bytes()
            + self.rules.iter().map(Rules::memory_bytes).sum::<usize>()
            + self.kept.iter().map(|it| size_of::<KeptRules>() + it.memory_bytes()).sum::<usize>()
    }
}

/// A packet with IPv4 at both ends, and its far address.
#[inline(always)]
fn ipv4(question: &Question) -> Option<(Packet, u32)> {
    let tuple = &question.tuple;
    let (IpAddr::V4(source), IpAddr::V4(target)) = (&tuple.source, &tuple.target) else {
        return None;
    };
    let (remote, own) = match question.direction {
        Direction::Inbound => (source.to_bits(), target.to_bits()),
        Direction::Outbound => (target.to_bits(), source.to_bits()),
    };
    Some((Packet::at(question, own, true), remote))
}

impl Rules {
    fn new(policies: &PolicySet, groups: &[GroupIndex], nic: Nic, direction: Direction) -> Rules {
        let fits = |group: &GroupIndex| policies.group(*group).rules.len() <= RULES_MAX;
        if groups.len() > GROUPS_MAX || !groups.iter().all(fits) {
            return Rules::Plain(Arc::new(PlainList::new(policies, groups, nic, direction)));
        }
        let keyed = keyed(policies, groups, nic, direction, |_| true);
        Rules::Compiled(Arc::new(Table::new(policies, keyed)))
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Rules::Compiled(table) => size_of::<Table>() + table.memory_bytes(),
            Rules::Plain(list) => size_of::<PlainList>() + list.memory_bytes(),
        }
    }
}

/// The rules of one direction with their keys.
fn keyed<'a>(
    policies: &'a PolicySet,
    groups: &[GroupIndex],
    nic: Nic,
    direction: Direction,
    is_wanted: impl Fn(&Rule) -> bool,
) -> Vec<Keyed<'a>> {
    let mut keyed = Vec::new();
    for (position, group) in groups.iter().enumerate() {
        for (place, rule) in (0..).zip(&policies.group(*group).rules) {
            if belongs(rule, direction, nic) && is_wanted(rule) {
                keyed.push((Key::new(rule.priority, rule.action, position, place), rule));
            }
        }
    }
    keyed
}
