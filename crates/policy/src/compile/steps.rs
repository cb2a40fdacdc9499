//! The steps around the rules, precomputed for one set of groups: always-allowed, the block of port
//! 25, same-group, default. Owns their order; leaves the rules to others.

use std::net::{IpAddr, Ipv4Addr};

use ringfence_cloud::{GroupIndex, Reach};
use ringfence_frame::{Direction, Protocol};

use crate::{
    Because, Decision, GroupKind, HealthChecks, Nic, PolicySet, Port25, Profile, Question,
    SameGroup, SameGroupOutbound,
};

/// 100.64.0.0/10, "inbound ... for Alibaba health checks".
const HEALTH_CHECKS: (u32, u32) = (0xffc0_0000, 0x6440_0000);

/// What an interface with these groups at this kind of NIC decides without looking at a rule.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    metadata_server: Ipv4Addr,
    nic: Nic,
    allows_health_checks: bool,
    blocks_port_25: bool,
    /// Basic groups with same-group Accept, in the order of attachment; by direction.
    accepting: [Vec<GroupIndex>; 2],
    outbound_default: bool,
    /// By direction: far IPv4 addresses under this mask are what this says, or no step before the
    /// rules asks for them.
    special: [(u32, u32); 2],
}

/// What a packet shows at one interface: its far and its near address, and the far interface's
/// groups where they count.
pub(crate) struct Sides<'a> {
    pub(crate) remote: IpAddr,
    pub(crate) own: IpAddr,
    /// None over the Internet, at a public NIC, and where nobody is there.
    pub(crate) peer: &'a [GroupIndex],
}

impl Steps {
    pub(crate) fn new(
        policies: &PolicySet,
        metadata_server: Ipv4Addr,
        groups: &[GroupIndex],
        nic: Nic,
    ) -> Steps {
        let options = policies.options;
        let is_alibaba = options.profile == Profile::Alibaba;
        let accepts = |index: &GroupIndex| {
            let group = policies.group(*index);
            group.kind == GroupKind::Basic && group.same_group == SameGroup::Accept
        };
        let inbound: Vec<_> = match is_alibaba {
            true => groups.iter().copied().filter(accepts).collect(),
            false => Vec::new(),
        };
        let outbound = match options.same_group_outbound {
            SameGroupOutbound::AcceptAlways => inbound.clone(),
            SameGroupOutbound::CustomRulesFirst => Vec::new(),
        };
        let is_basic = |index: &GroupIndex| policies.group(*index).kind == GroupKind::Basic;
        let allows_health_checks =
            options.health_checks == HealthChecks::AlwaysAllowed && nic == Nic::Intranet;
        let no_address = (0, 1);
        Steps {
            metadata_server,
            nic,
            allows_health_checks,
            blocks_port_25: options.port_25 == Port25::Blocked,
            accepting: [inbound, outbound],
            outbound_default: is_alibaba && !groups.is_empty() && groups.iter().all(is_basic),
            special: [
                if allows_health_checks { HEALTH_CHECKS } else { no_address },
                (u32::MAX, metadata_server.to_bits()),
            ],
        }
    }

    pub(crate) fn nic(&self) -> Nic {
        self.nic
    }

    pub(crate) fn metadata_server(&self) -> Ipv4Addr {
        self.metadata_server
    }

    #[inline]
    pub(crate) fn sides<'a>(
        &self,
        question: &Question,
        peer: Option<&'a [GroupIndex]>,
    ) -> Sides<'a> {
        let remote = match question.direction {
            Direction::Inbound => question.tuple.source,
            Direction::Outbound => question.tuple.target,
        };
        let peer = peer.filter(|_| self.counts_peer(question)).unwrap_or_default();
        Sides { remote, own: own_address(question), peer }
    }

    /// Whether the peer's groups count for a question.
    #[inline(always)]
    pub(crate) fn counts_peer(&self, question: &Question) -> bool {
        question.reach == Reach::Internal && self.nic == Nic::Intranet
    }

    /// Whether a packet with IPv4 at both ends may be decided before the rules; true more often
    /// than it is so, and cheaper to tell.
    #[inline(always)]
    pub(crate) fn may_decide(&self, question: &Question, remote: u32, has_peer: bool) -> bool {
        let direction = direction_index(question.direction);
        let (mask, address) = self.special[direction];
        let is_special = remote & mask == address;
        let is_icmp = question.tuple.protocol == Protocol::ICMP;
        let is_port_25 = question.tuple.target_port == 25;
        let accepts = has_peer & !self.accepting[direction].is_empty();
        is_special | is_icmp | is_port_25 | accepts
    }

    /// What is decided before any rule is looked at.
    #[inline]
    pub(crate) fn before_rules(&self, question: &Question, sides: &Sides<'_>) -> Option<Decision> {
        if self.is_always_allowed(question, sides) {
            return Some(Decision { allowed: true, because: Because::AlwaysAllowed });
        }
        if self.blocks_port_25
            && question.tuple.target_port == 25
            && question.tuple.protocol == Protocol::TCP
            && question.direction == Direction::Outbound
            && question.reach == Reach::Internet
        {
            return Some(Decision { allowed: false, because: Because::Platform });
        }
        let accepting = &self.accepting[direction_index(question.direction)];
        let group = accepting.iter().copied().find(|group| sides.peer.contains(group))?;
        Some(Decision { allowed: true, because: Because::SameGroup(group) })
    }

    #[inline]
    fn is_always_allowed(&self, question: &Question, sides: &Sides<'_>) -> bool {
        if let Some((icmp_type, code)) = question.icmp {
            let is_path_mtu = match (question.tuple.source, question.tuple.protocol) {
                (IpAddr::V4(_), Protocol::ICMP) => (icmp_type, code) == (3, 4),
                (IpAddr::V6(_), Protocol::ICMPV6) => icmp_type == 2,
                _ => false,
            };
            if is_path_mtu {
                return true;
            }
        }
        let IpAddr::V4(remote) = sides.remote else { return false };
        match question.direction {
            Direction::Outbound => remote == self.metadata_server,
            Direction::Inbound => {
                let (mask, address) = HEALTH_CHECKS;
                self.allows_health_checks && remote.to_bits() & mask == address
            }
        }
    }

    /// What is decided where no rule matches.
    #[inline]
    pub(crate) fn default(&self, direction: Direction) -> Decision {
        let allowed = direction == Direction::Outbound && self.outbound_default;
        Decision { allowed, because: Because::Default }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.accepting.iter().map(|it| size_of::<GroupIndex>() * it.capacity()).sum()
    }
}

/// The address on the interface's side.
#[inline]
pub(crate) fn own_address(question: &Question) -> IpAddr {
    match question.direction {
        Direction::Inbound => question.tuple.target,
        Direction::Outbound => question.tuple.source,
    }
}

#[inline]
pub(crate) fn direction_index(direction: Direction) -> usize {
    match direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
    }
}
