//! The reference: one packet, one interface, one direction, no session. Slow and obvious; it says
//! what a verdict is. Owns the reading of part 0; knows no session and no way back.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use ringfence_cloud::{GroupIndex, Interface, InterfaceIndex, Network, Reach, World};
use ringfence_frame::{Direction, Family, Ip, Protocol, Transport, Tuple};

use crate::{
    Action, GroupKind, HealthChecks, Miss, Nic, Object, PolicySet, Port25, PortRange, Ports,
    Profile, ProtocolMatch, Rule, RuleRef, SameGroup, SameGroupOutbound,
};

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
            Transport::Icmp(icmp) => Some((icmp.icmp_type, icmp.code)),
            _ => None,
        };
        Question { interface, direction, tuple: ip.tuple(), icmp, reach }
    }

    /// The interface on the other side, by who owns the address there, if the packet travels
    /// inside: what same-group Accept and group objects go by. "Same VPC required"; under aws
    /// "references across joined VPCs".
    pub fn peer(&self, world: &World, profile: Profile) -> Option<InterfaceIndex> {
        let network = world.interface(self.interface).network;
        if self.reach != Reach::Internal || Nic::of(network) != Nic::Intranet {
            return None;
        }
        let address = self.peer_address();
        world.owner(network, address).or_else(|| match (network, profile) {
            (Network::Vpc(vpc), Profile::Aws) => {
                let joined = world.joined_vpcs(vpc).into_iter();
                joined.map(Network::Vpc).find_map(|other| world.owner(other, address))
            }
            _ => None,
        })
    }

    pub(crate) fn peer_address(&self) -> IpAddr {
        match self.direction {
            Direction::Inbound => self.tuple.source,
            Direction::Outbound => self.tuple.target,
        }
    }
}

/// Why a decision fell as it did, where rules (custom or implicit) decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Because {
    /// A custom rule matched first.
    Rule(RuleRef),
    /// "sender's private IP belongs to an ENI that shares at least one basic group having
    /// InnerAccessPolicy=Accept with this ENI"; the group is the first such.
    SameGroup(GroupIndex),
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
///
/// A packet that an interface sends to one of its own addresses is decided like any other: an
/// interface "shares" its groups with itself, so an Accept group among them lets it in.
pub fn decide(world: &World, policies: &PolicySet, question: &Question) -> Decision {
    let asked = Asked::new(world, policies, question);
    if asked.is_always_allowed() {
        return Decision { allowed: true, because: Because::AlwaysAllowed };
    }
    if asked.is_blocked_port_25() {
        return Decision { allowed: false, because: Because::Platform };
    }
    if let Some(group) = asked.accepting_group() {
        return Decision { allowed: true, because: Because::SameGroup(group) };
    }
    for reference in asked.merged_rules() {
        let rule = policies.rule(reference);
        if asked.matches(rule) {
            let allowed = rule.action == Action::Allow;
            return Decision { allowed, because: Because::Rule(reference) };
        }
    }
    Decision { allowed: asked.default_allows(), because: Because::Default }
}

/// 100.64.0.0/10, "inbound ... for Alibaba health checks".
const HEALTH_CHECKS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10);

/// A question with what is looked up once for it.
pub(crate) struct Asked<'a> {
    world: &'a World,
    policies: &'a PolicySet,
    question: &'a Question,
    interface: &'a Interface,
    /// "Traffic on the public NIC meets only NicType=internet rules; on the internal NIC only
    /// NicType=intranet rules"; a VPC has intranet rules only.
    nic: Nic,
    /// See [`Question::peer`].
    peer: Option<&'a Interface>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(
        world: &'a World,
        policies: &'a PolicySet,
        question: &'a Question,
    ) -> Asked<'a> {
        let interface = world.interface(question.interface);
        let nic = Nic::of(interface.network);
        let peer = question.peer(world, policies.options.profile);
        let peer = peer.map(|index| world.interface(index));
        Asked { world, policies, question, interface, nic, peer }
    }

    fn peer_address(&self) -> IpAddr {
        self.question.peer_address()
    }

    fn own_address(&self) -> IpAddr {
        match self.question.direction {
            Direction::Inbound => self.question.tuple.target,
            Direction::Outbound => self.question.tuple.source,
        }
    }

    /// Section 3.6: path MTU discovery errors both ways, the metadata server outbound, health
    /// checks inbound ("to VPC interfaces and to the classic internal NIC").
    fn is_always_allowed(&self) -> bool {
        let tuple = self.question.tuple;
        let path_mtu = match (tuple.family(), tuple.protocol, self.question.icmp) {
            (Family::Ipv4, Protocol::ICMP, Some((icmp_type, code))) => (icmp_type, code) == (3, 4),
            (Family::Ipv6, Protocol::ICMPV6, Some((icmp_type, _))) => icmp_type == 2,
            _ => false,
        };
        if path_mtu {
            return true;
        }
        match (self.question.direction, self.peer_address()) {
            (Direction::Outbound, IpAddr::V4(target)) => {
                target == self.world.platform.metadata_server
            }
            (Direction::Inbound, IpAddr::V4(source)) => {
                self.policies.options.health_checks == HealthChecks::AlwaysAllowed
                    && self.nic == Nic::Intranet
                    && HEALTH_CHECKS.contains(&source)
            }
            (_, IpAddr::V6(_)) => false,
        }
    }

    /// "Outbound TCP 25 to the Internet is blocked by the platform; SG rules cannot open it".
    fn is_blocked_port_25(&self) -> bool {
        let Question { direction, tuple, reach, .. } = *self.question;
        self.policies.options.port_25 == Port25::Blocked
            && direction == Direction::Outbound
            && reach == Reach::Internet
            && tuple.protocol == Protocol::TCP
            && tuple.target_port == 25
    }

    /// The first group with same-group Accept that both sides are in, where that counts: inbound
    /// always, outbound as an option, and never where groups only ever allow by rules.
    fn accepting_group(&self) -> Option<GroupIndex> {
        let options = self.policies.options;
        let counts = match self.question.direction {
            Direction::Inbound => true,
            Direction::Outbound => options.same_group_outbound == SameGroupOutbound::AcceptAlways,
        };
        if !counts || options.profile != Profile::Alibaba {
            return None;
        }
        let peer = self.peer?;
        self.interface.groups.iter().copied().find(|index| {
            let group = self.policies.group(*index);
            group.kind == GroupKind::Basic
                && group.same_group == SameGroup::Accept
                && peer.groups.contains(index)
        })
    }

    /// "custom rules of ALL groups on the ENI, this direction, merged; sort by priority ascending,
    /// then Drop before Accept"; equals stay "groups in the order in which they are attached, then
    /// rules in their order in the group".
    pub(crate) fn merged_rules(&self) -> impl Iterator<Item = RuleRef> + use<> {
        let mut merged = Vec::new();
        for &group in &self.interface.groups {
            for (place, rule) in (0..).zip(&self.policies.group(group).rules) {
                if rule.direction == self.question.direction && rule.nic == self.nic {
                    merged.push((rule.priority, rule.action, RuleRef { group, rule: place }));
                }
            }
        }
        merged.sort_by_key(|&(priority, action, _)| (priority, action));
        merged.into_iter().map(|(_, _, reference)| reference)
    }

    /// "basic IN deny / basic OUT allow / advanced IN deny / advanced OUT deny". The other profiles
    /// know no implicit allow: what a new AWS or Neutron group lets out, a rule in it says. An
    /// interface without groups (no valid scenario has one) passes nothing.
    fn default_allows(&self) -> bool {
        let mut groups = self.interface.groups.iter().map(|&index| self.policies.group(index));
        self.question.direction == Direction::Outbound
            && self.policies.options.profile == Profile::Alibaba
            && !self.interface.groups.is_empty()
            && groups.all(|group| group.kind == GroupKind::Basic)
    }

    pub(crate) fn matches(&self, rule: &Rule) -> bool {
        Self::KEYS.iter().all(|key| key(self, rule).is_none())
    }

    pub(crate) fn misses(&self, rule: &Rule) -> Vec<Miss> {
        Self::KEYS.iter().filter_map(|key| key(self, rule)).collect()
    }

    /// The match keys of 3.4, each saying what it misses.
    const KEYS: [fn(&Asked<'a>, &Rule) -> Option<Miss>; 6] = [
        Asked::protocol_misses,
        Asked::target_port_misses,
        Asked::source_port_misses,
        Asked::object_misses,
        Asked::own_address_misses,
        Asked::icmp_misses,
    ];

    fn protocol_misses(&self, rule: &Rule) -> Option<Miss> {
        let matches = match rule.protocol {
            ProtocolMatch::All => true,
            ProtocolMatch::Is(protocol) => protocol == self.question.tuple.protocol,
        };
        (!matches).then_some(Miss::Protocol)
    }

    /// "DESTINATION port in BOTH directions". A packet without ports meets no rule that names some.
    fn target_port_misses(&self, rule: &Rule) -> Option<Miss> {
        let tuple = self.question.tuple;
        let ranges = match &rule.ports {
            Ports::Any => return None,
            Ports::Range(range) => std::slice::from_ref(range),
            Ports::List(list) => &self.policies.port_list(*list).entries,
        };
        let matches = tuple.protocol.has_ports() && any_contains(ranges, tuple.target_port);
        (!matches).then_some(Miss::TargetPort)
    }

    fn source_port_misses(&self, rule: &Rule) -> Option<Miss> {
        let tuple = self.question.tuple;
        let matches = rule.source_ports.is_empty()
            || (tuple.protocol.has_ports() && any_contains(&rule.source_ports, tuple.source_port));
        (!matches).then_some(Miss::SourcePort)
    }

    /// "IPv4 objects never match IPv6 packets and vice versa"; a group object "matches the INTERNAL
    /// IPs of the members' ENIs, internal network only".
    fn object_misses(&self, rule: &Rule) -> Option<Miss> {
        let ranges = match &rule.object {
            Object::Group(_) if self.question.reach == Reach::Internet => {
                return Some(Miss::NotInternal);
            }
            Object::Group(group) => {
                let is_member = self.peer.is_some_and(|peer| peer.groups.contains(group));
                return (!is_member).then_some(Miss::Object);
            }
            Object::Cidr(range) => std::slice::from_ref(range),
            Object::PrefixList(list) => &self.policies.prefix_list(*list).entries,
        };
        let address = self.peer_address();
        if ranges.iter().any(|range| range.contains(&address)) {
            return None;
        }
        let is_other_family = |range: &IpNet| range.addr().is_ipv4() != address.is_ipv4();
        match !ranges.is_empty() && ranges.iter().all(is_other_family) {
            true => Some(Miss::Family),
            false => Some(Miss::Object),
        }
    }

    fn own_address_misses(&self, rule: &Rule) -> Option<Miss> {
        let address = self.own_address();
        let matches = rule.own_addresses.is_empty()
            || rule.own_addresses.iter().any(|range| range.contains(&address));
        (!matches).then_some(Miss::OwnAddress)
    }

    fn icmp_misses(&self, rule: &Rule) -> Option<Miss> {
        let wanted = rule.icmp?;
        let matches = self.question.icmp.is_some_and(|(icmp_type, code)| {
            wanted.icmp_type.is_none_or(|wanted| wanted == icmp_type)
                && wanted.code.is_none_or(|wanted| wanted == code)
        });
        (!matches).then_some(Miss::Icmp)
    }
}

fn any_contains(ranges: &[PortRange], port: u16) -> bool {
    ranges.iter().any(|range| range.contains(port))
}
