//! The account of a decision, for someone who learns: every rule considered, and why it won or
//! lost.

use ringfence_cloud::World;

use crate::{Decision, PolicySet, Question, RuleRef};

/// A decision with everything that was looked at on the way, in the order of the merged list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// What was decided; equal to `decide`'s answer.
    pub decision: Decision,
    /// Every rule of this direction and NIC of all groups of the interface, in the order in which
    /// they are tried.
    pub considered: Vec<Considered>,
    /// For a denial: the allow rule (of any group on the interface, this direction) that came
    /// nearest to allowing, with what it lacks.
    pub nearest: Option<Considered>,
}

/// One rule looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Considered {
    /// Which.
    pub rule: RuleRef,
    /// Why it does not match; empty if it matches.
    pub misses: Vec<Miss>,
}

/// What of a rule a packet does not meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Miss {
    /// Another protocol.
    Protocol,
    /// A target port outside the range.
    TargetPort,
    /// A source port outside the range.
    SourcePort,
    /// An address outside the authorization object.
    Object,
    /// An IPv6 packet and an IPv4 object, or the other way round.
    Family,
    /// A group object, and traffic that came over the Internet.
    NotInternal,
    /// The other address outside the five-tuple narrowing.
    OwnAddress,
    /// Another ICMP type or code.
    Icmp,
}

/// Decides as `decide` does, and tells how.
pub fn account(world: &World, policies: &PolicySet, question: &Question) -> Account {
    let _ = (world, policies, question);
    unimplemented!()
}
