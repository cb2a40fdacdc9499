//! The reference: one packet, one interface, one direction, no session.

use ringfence_cloud::{InterfaceIndex, Reach, World};
use ringfence_frame::{Direction, Ip, Tuple};

use crate::{PolicySet, RuleRef};

/// What is asked: may this packet cross this interface?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// The interface.
    pub interface: InterfaceIndex,
    /// Which way the packet crosses it.
    pub direction: Direction,
    /// The packet's key as this interface sees it: private addresses of its own, public ones of
    /// whoever is met over the Internet. For ICMP the ports are no ports.
    pub tuple: Tuple,
    /// ICMP or ICMPv6 type and code.
    pub icmp: Option<(u8, u8)>,
    /// Whether the packet comes or goes over the Internet.
    pub reach: Reach,
}

impl Question {
    /// The question that a packet asks.
    pub fn of(interface: InterfaceIndex, direction: Direction, ip: &Ip, reach: Reach) -> Question {
        let icmp = match ip.transport {
            ringfence_frame::Transport::Icmp(icmp) => Some((icmp.icmp_type, icmp.code)),
            _ => None,
        };
        Question { interface, direction, tuple: ip.tuple(), icmp, reach }
    }
}

/// Why a decision fell as it did, where rules (custom or implicit) decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Because {
    /// A custom rule matched first.
    Rule(RuleRef),
    /// "sender's private IP belongs to an ENI that shares at least one basic group having
    /// InnerAccessPolicy=Accept with this ENI"; the group is the first such.
    SameGroup(ringfence_cloud::GroupIndex),
    /// No rule matched: the default of the group type.
    Default,
    /// Section 3.6.
    AlwaysAllowed,
    /// The platform's block of port 25.
    Platform,
}

/// The answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Decision {
    /// Whether the packet may cross.
    pub allowed: bool,
    /// Why.
    pub because: Because,
}

/// Decides by a straight reading of part 0, steps in the order of part 13: always-allowed, the
/// platform's port 25 block, same-group, custom rules, default.
pub fn decide(world: &World, policies: &PolicySet, question: &Question) -> Decision {
    let _ = (world, policies, question);
    unimplemented!()
}
