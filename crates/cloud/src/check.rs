//! What a world must keep to. Owns the list of problems and their order; what they are is in the
//! rooms below: names and MAC addresses, ranges, addresses. Says nothing of groups and rules.

mod addresses;
mod collisions;
mod names;
mod ranges;

use crate::{Origin, World};

/// Something that cannot be so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Which class.
    pub kind: ProblemKind,
    /// Where it was said.
    pub origin: Origin,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// The other place that it collides with.
    pub related: Option<Origin>,
}

/// The classes of problems, each with a diagnostic code of its own in the scenario crate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ProblemKind {
    /// Two things of one name.
    DuplicateId,
    /// Two interfaces (or outside hosts) that own one address in one network, or a delegated
    /// prefix that covers another's address.
    DuplicateAddress,
    /// Two interfaces in one network that have one MAC address.
    DuplicateMac,
    /// An interface's address outside its vSwitch.
    AddressOutsideVSwitch,
    /// One of the addresses that the platform keeps for itself: the first and the last three.
    ReservedAddress,
    /// A vSwitch outside its VPC's ranges.
    VSwitchOutsideVpc,
    /// Two vSwitches of a VPC, or two VPCs joined by a CEN, or a VPC and a network on premises
    /// joined to it, that overlap.
    OverlappingRanges,
    /// An address or range that cannot be used for this (public where private is needed, loopback,
    /// multicast, in the platform's own ranges, host outside its on-premises ranges).
    UnusableAddress,
}

impl World {
    /// Every problem, in the order of the file. Works on the lists alone, indexed or not.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        names::check(self, &mut problems);
        ranges::check(self, &mut problems);
        addresses::check(self, &mut problems);
        problems.list.sort_by(|a, b| a.origin.cmp(&b.origin));
        problems.list
    }
}

/// What was found so far.
#[derive(Default)]
struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, kind: ProblemKind, origin: &Origin, message: String, help: &str) {
        self.list.push(Problem {
            kind,
            origin: origin.clone(),
            message,
            help: help.to_owned(),
            related: None,
        });
    }

    fn add_pair(
        &mut self,
        kind: ProblemKind,
        (origin, related): (&Origin, &Origin),
        message: String,
        help: &str,
    ) {
        self.list.push(Problem {
            kind,
            origin: origin.clone(),
            message,
            help: help.to_owned(),
            related: Some(related.clone()),
        });
    }
}
