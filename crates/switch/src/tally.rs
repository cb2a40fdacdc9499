//! What one worker counts, in flat tables by number, so that counting writes only what is the
//! worker's own. [`Counters`] is the same by name, summed by whoever reads.

use std::collections::BTreeMap;

use ringfence_cloud::{GroupIndex, InterfaceIndex, Place};
use ringfence_policy::{Because as Reason, Decision, RuleRef};
use ringfence_session::COUNTS;

use crate::rules::Rules;
use crate::{Because, Counters, InterfaceCounters, PortCounters, PortId, Ports, Traffic};

/// What decisions and sessions are counted under: a custom rule, or an implicit one of an
/// interface.
pub(crate) type TallyId = u32;

/// What decides where no custom rule does.
#[derive(Clone, Copy)]
enum Implicit {
    SameGroup,
    DefaultAllow,
    DefaultDeny,
    AlwaysAllowed,
    Platform,
}

/// Their names, in their order.
const IMPLICIT: [&str; 5] =
    ["same-group", "default-allow", "default-deny", "always-allowed", "platform"];

/// What a decision at an interface is counted under; `rule` is the id of a custom one.
pub(crate) fn of_decision(
    interface: InterfaceIndex,
    decision: Decision,
    rule: impl FnOnce(RuleRef) -> TallyId,
) -> TallyId {
    let implicit = match (decision.because, decision.allowed) {
        (Reason::Rule(custom), _) => return rule(custom),
        (Reason::SameGroup(_), _) => Implicit::SameGroup,
        (Reason::Default, true) => Implicit::DefaultAllow,
        (Reason::Default, false) => Implicit::DefaultDeny,
        (Reason::AlwaysAllowed, _) => Implicit::AlwaysAllowed,
        (Reason::Platform, _) => Implicit::Platform,
    };
    interface.0 * IMPLICIT_LEN + implicit as u32
}

/// The first id of a custom rule.
pub(crate) fn first_of_rules(interfaces: usize) -> TallyId {
    u32::try_from(interfaces).expect("interfaces are counted by 24 bits") * IMPLICIT_LEN
}

const IMPLICIT_LEN: u32 = 5;

/// One worker's counts.
pub(crate) struct Tallies {
    pub(crate) ports: Vec<PortTally>,
    /// Frames dropped, by port and [`Because::kind`].
    dropped: Vec<[u64; Because::NAMES.len()]>,
    answered: BTreeMap<(PortId, &'static str), u64>,
    /// Decisions, by [`TallyId`].
    decisions: Vec<u64>,
    /// Frames and bytes of sessions that have been flushed, by [`TallyId`].
    traffic: Vec<Traffic>,
}

/// One port's counts: on a cache line of its own what frames of established flows write.
#[derive(Clone, Copy, Default, Debug)]
#[repr(align(128))]
pub(crate) struct PortTally {
    /// Frames that went the short way in and out here: each is a session's hit as well.
    pub(crate) established_in: Traffic,
    pub(crate) established_out: Traffic,
    /// Frames that went the long way.
    pub(crate) other_in: Traffic,
    pub(crate) other_out: Traffic,
    pub(crate) other_session_hits: u64,
    pub(crate) sessions_opened: u64,
    pub(crate) sessions_cut: u64,
    pub(crate) icmp_errors: u64,
}

impl PortTally {
    fn traffic_in(&self) -> Traffic {
        self.established_in.and(self.other_in)
    }

    fn traffic_out(&self) -> Traffic {
        self.established_out.and(self.other_out)
    }

    fn session_hits(&self) -> u64 {
        self.established_in.frames + self.established_out.frames + self.other_session_hits
    }
}

impl Tallies {
    pub(crate) fn new(ports: &Ports) -> Tallies {
        Tallies {
            ports: vec![PortTally::default(); ports.len()],
            dropped: vec![[0; Because::NAMES.len()]; ports.len()],
            answered: BTreeMap::new(),
            decisions: Vec::new(),
            traffic: Vec::new(),
        }
    }

    /// Makes room for every id that the rules use.
    pub(crate) fn fit(&mut self, rules: &Rules) {
        let len = rules.tallies as usize;
        if self.decisions.len() < len {
            self.decisions.resize(len, 0);
            self.traffic.resize(len, Traffic::default());
        }
    }

    /// Forgets what was counted under an id that is to mean something new.
    pub(crate) fn clear(&mut self, id: TallyId) {
        self.decisions[id as usize] = 0;
        self.traffic[id as usize] = Traffic::default();
    }

    #[inline(always)]
    pub(crate) fn port(&mut self, port: PortId) -> &mut PortTally {
        &mut self.ports[port as usize]
    }

    pub(crate) fn count_decision(&mut self, id: TallyId) {
        if COUNTS {
            self.decisions[id as usize] += 1;
        }
    }

    pub(crate) fn count_traffic(&mut self, id: TallyId, frames: u64, bytes: u64) {
        self.traffic[id as usize].add(Traffic { frames, bytes });
    }

    pub(crate) fn count_drop(&mut self, port: PortId, because: Because) {
        if COUNTS {
            self.dropped[port as usize][because.kind()] += 1;
        }
    }

    pub(crate) fn count_answer(&mut self, port: PortId, name: &'static str) {
        *self.answered.entry((port, name)).or_default() += 1;
    }

    /// Adds everything counted to `counters`, under the names of the moment.
    pub(crate) fn add_to(&self, counters: &mut Counters, ports: &Ports, rules: &Rules) {
        for (number, tally) in (0..).zip(&self.ports) {
            let place = ports.place(number);
            self.add_port(counters, place, number, tally);
            if let Place::Interface(interface) = place {
                self.add_interface(counters, interface, tally);
            }
        }
        for (&(number, name), count) in &self.answered {
            let port = counters.ports.entry(ports.place(number)).or_default();
            *port.answered.entry(name).or_default() += count;
        }
        for (group, ids) in (0..).zip(rules.rule_tallies.iter()) {
            for (rule, &id) in (0..).zip(ids.iter()) {
                let reference = RuleRef { group: GroupIndex(group), rule };
                add(&mut counters.rules, reference, self.decisions[id as usize]);
                let traffic = self.traffic[id as usize];
                if traffic != Traffic::default() {
                    counters.rule_traffic.entry(reference).or_default().add(traffic);
                }
            }
        }
    }

    fn add_port(&self, counters: &mut Counters, place: Place, number: PortId, tally: &PortTally) {
        let dropped = &self.dropped[number as usize];
        let (came, went) = (tally.traffic_in(), tally.traffic_out());
        if came.frames + went.frames + tally.icmp_errors == 0
            && dropped.iter().all(|&count| count == 0)
        {
            return;
        }
        let port: &mut PortCounters = counters.ports.entry(place).or_default();
        port.frames_in += came.frames;
        port.bytes_in += came.bytes;
        port.frames_out += went.frames;
        port.bytes_out += went.bytes;
        port.icmp_errors += tally.icmp_errors;
        for (name, &count) in Because::NAMES.iter().zip(dropped) {
            add(&mut port.dropped, name, count);
        }
    }

    fn add_interface(&self, counters: &mut Counters, interface: InterfaceIndex, tally: &PortTally) {
        let PortTally { sessions_opened, sessions_cut, .. } = *tally;
        let session_hits = tally.session_hits();
        let first = (interface.0 * IMPLICIT_LEN) as usize;
        let implicit = self.decisions.get(first..first + IMPLICIT.len()).unwrap_or_default();
        let decided: u64 = implicit.iter().sum();
        if session_hits + sessions_opened + sessions_cut + decided == 0 {
            return;
        }
        let counted: &mut InterfaceCounters = counters.interfaces.entry(interface).or_default();
        counted.session_hits += session_hits;
        counted.sessions_opened += sessions_opened;
        counted.sessions_cut += sessions_cut;
        for (name, &count) in IMPLICIT.into_iter().zip(implicit) {
            add(&mut counted.implicit, name, count);
        }
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, count: u64) {
    if count > 0 {
        *counts.entry(key).or_default() += count;
    }
}
