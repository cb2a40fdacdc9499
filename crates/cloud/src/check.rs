//! What a world must keep to.

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
    /// Two interfaces (or outside hosts) that own one address in one network.
    DuplicateAddress,
    /// Two ports that have one MAC address.
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
        unimplemented!()
    }
}
