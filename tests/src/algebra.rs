//! A second reading of part 0 of the specification, by set algebra: all packets that could cross
//! an interface in one direction are a space of boxes, and what the platform does is painted onto
//! it, the weakest first: the default, the rules from the largest priority number down (Allow
//! first and Forbid over it), same-group Accept, the port 25 block, always-allowed traffic. A
//! question is then one look-up. Nothing is sorted for a packet and no rule is asked whether it
//! matches.
//!
//! Shares with the first reading, `decide`, the validated groups and the words of the question;
//! who is a member of what, it finds out itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use ringfence_cloud::{GroupIndex, Interface, InterfaceIndex, Network, Reach, World};
use ringfence_frame::{Direction, Family, Protocol};
use ringfence_policy::{
    Action, Because, Decision, GroupKind, HealthChecks, Nic, Object, PolicySet, Port25, Ports,
    Profile, ProtocolMatch, Question, Rule, RuleRef, SameGroup, SameGroupOutbound,
};

use crate::intervals::Intervals;

type Interval = (u128, u128);

const ALL: Interval = (0, u128::MAX);
const ALL_LANES: Interval = (0, 3);
const INTERNAL: [Interval; 2] = [(0, 0), (2, 2)];
const INTERNET: [Interval; 2] = [(1, 1), (3, 3)];
const PRIORITY_LAST: u8 = 110;

/// The pictures of a world's interfaces, painted when they are first asked for.
pub struct Algebra<'a> {
    world: &'a World,
    policies: &'a PolicySet,
    pictures: HashMap<(InterfaceIndex, Direction), Picture>,
}

impl<'a> Algebra<'a> {
    /// Of this world under these groups.
    pub fn new(world: &'a World, policies: &'a PolicySet) -> Algebra<'a> {
        Algebra { world, policies, pictures: HashMap::new() }
    }

    /// The answer to a question.
    pub fn decide(&mut self, question: &Question) -> Decision {
        let key = (question.interface, question.direction);
        let (world, policies) = (self.world, self.policies);
        let picture = self.pictures.entry(key).or_insert_with(|| {
            let interface = world.interface(question.interface);
            Painter { world, policies, interface, direction: question.direction }.paint()
        });
        picture.at(&Point::of(question))
    }
}

/// A point of the space.
struct Point {
    /// Family and reach: IPv4 internal, IPv4 Internet, IPv6 internal, IPv6 Internet.
    lane: u128,
    /// Protocol, whether there is an ICMP message, its type and code; 8 bits each.
    message: u128,
    peer: u128,
    own: u128,
    target_port: u128,
    source_port: u128,
}

impl Point {
    fn of(question: &Question) -> Point {
        let Question { interface: _, direction, tuple, icmp, reach } = *question;
        let (own, peer) = match direction {
            Direction::Inbound => (tuple.target, tuple.source),
            Direction::Outbound => (tuple.source, tuple.target),
        };
        // "For ICMP the ports are no ports": 0 means none.
        let (target_port, source_port) = match tuple.protocol.has_ports() {
            true => (tuple.target_port, tuple.source_port),
            false => (0, 0),
        };
        Point {
            lane: lane(Family::of(peer), reach),
            message: icmp.map_or(no_message(tuple.protocol), |it| message(tuple.protocol, it)),
            peer: bits(peer),
            own: bits(own),
            target_port: target_port.into(),
            source_port: source_port.into(),
        }
    }
}

/// A product of intervals.
#[derive(Clone, Copy)]
struct Area {
    lane: Interval,
    message: Interval,
    peer: Interval,
    own: Interval,
    target_port: Interval,
    source_port: Interval,
}

const EVERYTHING: Area =
    Area { lane: ALL_LANES, message: ALL, peer: ALL, own: ALL, target_port: ALL, source_port: ALL };

type ByPort = Intervals<Intervals<Decision>>;
type ByAddress = Intervals<Intervals<ByPort>>;

/// What becomes of every packet, by lane, message, peer, own address, target and source port.
struct Picture(Intervals<Intervals<ByAddress>>);

impl Picture {
    fn plain(decision: Decision) -> Picture {
        let by_port = Intervals::everywhere(Intervals::everywhere(decision));
        let by_address = Intervals::everywhere(Intervals::everywhere(by_port));
        Picture(Intervals::everywhere(Intervals::everywhere(by_address)))
    }

    fn paint(&mut self, area: &Area, decision: Decision) {
        let lanes = self.0.within(area.lane).iter_mut();
        let messages = lanes.flat_map(|it| it.within(area.message));
        let peers = messages.flat_map(|it| it.within(area.peer));
        let own = peers.flat_map(|it| it.within(area.own));
        let target_ports = own.flat_map(|it| it.within(area.target_port));
        target_ports.for_each(|it| it.within(area.source_port).fill(decision));
    }

    fn at(&self, point: &Point) -> Decision {
        let by_address = self.0.at(point.lane).at(point.message);
        let by_port = by_address.at(point.peer).at(point.own);
        *by_port.at(point.target_port).at(point.source_port)
    }
}

struct Painter<'a> {
    world: &'a World,
    policies: &'a PolicySet,
    interface: &'a Interface,
    direction: Direction,
}

impl Painter<'_> {
    fn paint(&self) -> Picture {
        let mut picture = Picture::plain(self.default());
        for priority in (1..=PRIORITY_LAST).rev() {
            for action in [Action::Allow, Action::Forbid] {
                self.paint_rules(&mut picture, priority, action);
            }
        }
        self.paint_same_group(&mut picture);
        self.paint_port_25(&mut picture);
        self.paint_always_allowed(&mut picture);
        picture
    }

    /// "default: basic IN deny / basic OUT allow / advanced IN deny / advanced OUT deny". The other
    /// profiles have no implicit allow.
    fn default(&self) -> Decision {
        let groups = &self.interface.groups;
        let all_basic = groups.iter().all(|it| self.policies.group(*it).kind == GroupKind::Basic);
        let allowed = self.is_alibaba() && self.direction == Direction::Outbound && all_basic;
        Decision { allowed, because: Because::Default }
    }

    fn is_alibaba(&self) -> bool {
        self.policies.options.profile == Profile::Alibaba
    }

    /// One layer. "Among matching rules of equal priority and action the first named is: groups in
    /// the order in which they are attached, then rules in their order in the group": the first is
    /// painted last.
    fn paint_rules(&self, picture: &mut Picture, priority: u8, action: Action) {
        for &group in self.interface.groups.iter().rev() {
            let rules = &self.policies.group(group).rules;
            for (number, rule) in (0..rules.len() as u32).zip(rules).rev() {
                let counts = rule.priority.get() == priority
                    && rule.action == action
                    && rule.direction == self.direction
                    && rule.nic == self.nic();
                if counts {
                    let because = Because::Rule(RuleRef { group, rule: number });
                    let decision = Decision { allowed: action == Action::Allow, because };
                    self.paint_rule(picture, rule, decision);
                }
            }
        }
    }

    /// "Traffic on the public NIC meets only NicType=internet rules; on the internal NIC only
    /// NicType=intranet rules"; "VPC rules: intranet only".
    fn nic(&self) -> Nic {
        match self.interface.network {
            Network::ClassicPublic => Nic::Internet,
            Network::ClassicInternal | Network::Vpc(_) => Nic::Intranet,
        }
    }

    fn paint_rule(&self, picture: &mut Picture, rule: &Rule, decision: Decision) {
        let any = vec![(ALL_LANES, ALL)];
        let own = match rule.own_addresses.is_empty() {
            true => any,
            false => rule.own_addresses.iter().map(range).collect(),
        };
        let target_ports = match rule.ports {
            Ports::Any => vec![ALL],
            Ports::Range(range) => vec![(range.first().into(), range.last().into())],
            Ports::List(list) => {
                let entries = self.policies.port_list(list).entries.iter();
                entries.map(|it| (it.first().into(), it.last().into())).collect()
            }
        };
        let source_ports = match rule.source_ports.is_empty() {
            true => vec![ALL],
            false => {
                let ranges = rule.source_ports.iter();
                ranges.map(|it| (it.first().into(), it.last().into())).collect()
            }
        };
        let message = messages(rule);
        for (lane, peer) in self.object(rule.object) {
            for &(own_lane, own) in &own {
                let Some(lane) = meet(lane, own_lane) else { continue };
                for &target_port in &target_ports {
                    for &source_port in &source_ports {
                        let area = Area { lane, message, peer, own, target_port, source_port };
                        picture.paint(&area, decision);
                    }
                }
            }
        }
    }

    fn object(&self, object: Object) -> Vec<(Interval, Interval)> {
        match object {
            Object::Cidr(cidr) => vec![range(&cidr)],
            Object::PrefixList(list) => {
                self.policies.prefix_list(list).entries.iter().map(range).collect()
            }
            Object::Group(group) => self.members(group),
        }
    }

    /// "Group object: matches the INTERNAL IPs of the members' ENIs, internal network only"; "their
    /// IPv6, secondary IPs and delegated prefixes" as well.
    fn members(&self, group: GroupIndex) -> Vec<(Interval, Interval)> {
        let network = self.policies.group(group).network;
        let members = self.world.interfaces.iter();
        let members = members.filter(|it| it.network == network && it.groups.contains(&group));
        members.flat_map(addresses).collect()
    }

    /// "sender's private IP belongs to an ENI that shares at least one basic group having
    /// InnerAccessPolicy=Accept with this ENI -> ALLOW, regardless of custom rules"; outbound only
    /// under the option `accept-always`.
    fn paint_same_group(&self, picture: &mut Picture) {
        let outbound = self.policies.options.same_group_outbound;
        let is_first = outbound == SameGroupOutbound::CustomRulesFirst;
        if !self.is_alibaba() || (self.direction == Direction::Outbound && is_first) {
            return;
        }
        for &group in self.interface.groups.iter().rev() {
            let described = self.policies.group(group);
            // A public NIC has no internal side.
            if described.kind != GroupKind::Basic
                || described.same_group != SameGroup::Accept
                || described.network != self.interface.network
            {
                continue;
            }
            let decision = Decision { allowed: true, because: Because::SameGroup(group) };
            for (lane, peer) in self.members(group) {
                picture.paint(&Area { lane, peer, ..EVERYTHING }, decision);
            }
        }
    }

    /// "Outbound TCP 25 to the Internet, IPv4 and IPv6".
    fn paint_port_25(&self, picture: &mut Picture) {
        let blocked = self.policies.options.port_25 == Port25::Blocked;
        if self.direction == Direction::Inbound || !blocked {
            return;
        }
        let decision = Decision { allowed: false, because: Because::Platform };
        for lane in INTERNET {
            let message = protocol(Protocol::TCP);
            picture.paint(&Area { lane, message, target_port: (25, 25), ..EVERYTHING }, decision);
        }
    }

    /// Section 3.6, and option `health_checks`.
    fn paint_always_allowed(&self, picture: &mut Picture) {
        let decision = Decision { allowed: true, because: Because::AlwaysAllowed };
        let fragmentation_needed = message(Protocol::ICMP, (3, 4));
        let too_big = [0, u8::MAX].map(|code| message(Protocol::ICMPV6, (2, code)));
        let too_big = (too_big[0], too_big[1]);
        for message in [(fragmentation_needed, fragmentation_needed), too_big] {
            picture.paint(&Area { message, ..EVERYTHING }, decision);
        }
        match self.direction {
            Direction::Outbound => {
                let server = IpNet::from(IpAddr::V4(self.world.platform.metadata_server));
                let (lane, peer) = range(&server);
                picture.paint(&Area { lane, peer, ..EVERYTHING }, decision);
            }
            Direction::Inbound => {
                let counts = self.policies.options.health_checks == HealthChecks::AlwaysAllowed
                    && self.interface.network != Network::ClassicPublic;
                if counts {
                    let checkers = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10);
                    let (lane, peer) = range(&IpNet::V4(checkers));
                    picture.paint(&Area { lane, peer, ..EVERYTHING }, decision);
                }
            }
        }
    }
}

/// What an interface has inside its network.
fn addresses(interface: &Interface) -> Vec<(Interval, Interval)> {
    let ipv4 = std::iter::once(interface.primary).chain(interface.secondary.iter().copied());
    let ipv6 = interface.ipv6.iter().copied().map(IpAddr::V6);
    let single = ipv4.map(IpAddr::V4).chain(ipv6).map(IpNet::from);
    let ranges = single.chain(interface.prefixes.iter().copied());
    let inside = |(lanes, peer): (Interval, Interval)| {
        let internal = INTERNAL.into_iter().filter_map(move |it| meet(it, lanes));
        internal.map(move |lane| (lane, peer))
    };
    ranges.map(|it| range(&it)).flat_map(inside).collect()
}

fn lane(family: Family, reach: Reach) -> u128 {
    match (family, reach) {
        (Family::Ipv4, Reach::Internal) => 0,
        (Family::Ipv4, Reach::Internet) => 1,
        (Family::Ipv6, Reach::Internal) => 2,
        (Family::Ipv6, Reach::Internet) => 3,
    }
}

fn message(protocol: Protocol, (icmp_type, code): (u8, u8)) -> u128 {
    u128::from(u32::from_be_bytes([protocol.0, 1, icmp_type, code]))
}

fn no_message(protocol: Protocol) -> u128 {
    u128::from(u32::from_be_bytes([protocol.0, 0, 0, 0]))
}

fn protocol(protocol: Protocol) -> Interval {
    (no_message(protocol), message(protocol, (u8::MAX, u8::MAX)))
}

fn messages(rule: &Rule) -> Interval {
    let ProtocolMatch::Is(number) = rule.protocol else { return ALL };
    let Some(icmp) = rule.icmp else { return protocol(number) };
    let (type_first, type_last) = icmp.icmp_type.map_or((0, u8::MAX), |it| (it, it));
    let (code_first, code_last) = icmp.code.map_or((0, u8::MAX), |it| (it, it));
    (message(number, (type_first, code_first)), message(number, (type_last, code_last)))
}

/// The lanes and the addresses of a range: "IPv4 objects never match IPv6 packets and vice versa".
fn range(range: &IpNet) -> (Interval, Interval) {
    let lanes = match range {
        IpNet::V4(_) => (0, 1),
        IpNet::V6(_) => (2, 3),
    };
    (lanes, (bits(range.network()), bits(range.broadcast())))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(it) => it.to_bits().into(),
        IpAddr::V6(it) => it.to_bits(),
    }
}

fn meet(a: Interval, b: Interval) -> Option<Interval> {
    let (first, last) = (a.0.max(b.0), a.1.min(b.1));
    (first <= last).then_some((first, last))
}
