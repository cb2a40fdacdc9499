//! The classifier: the pooled rules of an ordered set of groups at one kind of NIC, compiled so
//! that a look-up costs the same whether there are a hundred rules or a hundred thousand. It gives
//! the answer of [`crate::decide`], deciding rule included, on every packet.
//!
//! Owns the compiled form. Who is a member of what is no part of it: the groups of the interface on
//! the other side come with the question, so that a membership change compiles nothing.

mod plain;
mod steps;

use std::net::Ipv4Addr;

use plain::PlainList;
use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;
use steps::{Steps, direction_index};

use crate::{Decision, Nic, PolicySet, PortListIndex, PrefixListIndex, Question};

/// The compiled rules of an ordered set of groups at one kind of NIC, both directions. Immutable;
/// shared by every interface that has these groups in this order.
#[derive(Clone, Debug)]
pub struct Classifier {
    groups: Vec<GroupIndex>,
    steps: Steps,
    directions: [PlainList; 2],
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
        let list = |direction| PlainList::new(policies, groups, nic, direction);
        Classifier {
            groups: groups.to_vec(),
            steps: Steps::new(policies, metadata_server, groups, nic),
            directions: [list(Direction::Inbound), list(Direction::Outbound)],
        }
    }

    /// The groups that it was compiled from, in their order.
    pub fn groups(&self) -> &[GroupIndex] {
        &self.groups
    }

    /// Decides. `peer`: the groups of the interface that owns the remote address, where the packet
    /// travels inside; none if nobody owns it. Allocates nothing.
    pub fn decide(&self, question: &Question, peer: Option<&[GroupIndex]>) -> Decision {
        let sides = self.steps.sides(question, peer);
        if let Some(decision) = self.steps.before_rules(question, &sides) {
            return decision;
        }
        let list = &self.directions[direction_index(question.direction)];
        list.decide(question, &sides).unwrap_or_else(|| self.steps.default(question.direction))
    }

    /// Decides many at once, which hides the memory that each waits for behind the others. The
    /// answers are those of [`Classifier::decide`], in order; as many as the shorter slice holds.
    /// Allocates nothing.
    pub fn decide_batch(&self, asked: &[(Question, Option<&[GroupIndex]>)], out: &mut [Decision]) {
        for ((question, peer), decision) in asked.iter().zip(out) {
            *decision = self.decide(question, *peer);
        }
    }

    /// Bytes that it holds, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Classifier>()
            + self.groups.capacity() * size_of::<GroupIndex>()
            + self.steps.memory_bytes()
            + self.directions.iter().map(PlainList::memory_bytes).sum::<usize>()
    }

    /// The classifier after the rules of one of its groups have changed. `policies` is the state
    /// after the change; nothing else in it may differ from what this classifier was made from.
    pub fn with_rules(&self, policies: &PolicySet, changed: GroupIndex) -> Classifier {
        match self.groups.contains(&changed) {
            true => self.compiled_anew(policies),
            false => self.clone(),
        }
    }

    /// The classifier after the entries of a prefix list have changed.
    pub fn with_prefix_list(&self, policies: &PolicySet, _list: PrefixListIndex) -> Classifier {
        self.compiled_anew(policies)
    }

    /// The classifier after the entries of a port list have changed.
    pub fn with_port_list(&self, policies: &PolicySet, _list: PortListIndex) -> Classifier {
        self.compiled_anew(policies)
    }

    fn compiled_anew(&self, policies: &PolicySet) -> Classifier {
        let metadata_server = self.steps.metadata_server();
        Classifier::compile(policies, metadata_server, &self.groups, self.steps.nic())
    }
}
