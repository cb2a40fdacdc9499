//! Random packets and questions, aimed at what the rules of a world turn on: ports beside a
//! rule's, addresses at the edges of a range, members and those who are none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ringfence_cloud::{Edge, InterfaceIndex, Network, Place, Reach, VpcIndex, World};
use ringfence_frame::{Direction, Family, Protocol, Tuple};
use ringfence_policy::{Object, PolicySet, Ports, ProtocolMatch, Question, Rule};
use ringfence_scenario::probe::Resolved;
use ringfence_switch::Fabric;

use crate::dice::Dice;

/// Protocols without ports and without messages of their own.
const OTHER_PROTOCOLS: [u8; 5] = [47, 47, 50, 89, 132];
const ICMP_MESSAGES: [(u8, u8); 6] = [(8, 0), (8, 0), (0, 0), (3, 4), (3, 1), (11, 0)];
const ICMPV6_MESSAGES: [(u8, u8); 6] = [(128, 0), (128, 0), (129, 0), (2, 0), (1, 4), (3, 0)];

/// Everything in a world that packets are aimed at.
pub struct Aim<'a> {
    fabric: &'a Fabric,
    /// Addresses that somebody has, and those beside the ranges of rules.
    addresses: Vec<IpAddr>,
    rules: Vec<&'a Rule>,
}

impl<'a> Aim<'a> {
    /// What to aim at in `fabric`.
    pub fn at(fabric: &'a Fabric) -> Aim<'a> {
        let mut addresses = Vec::new();
        for interface in &fabric.world.interfaces {
            addresses.push(IpAddr::V4(interface.primary));
            addresses.extend(interface.secondary.iter().map(|it| IpAddr::V4(*it)));
            addresses.extend(interface.ipv6.iter().map(|it| IpAddr::V6(*it)));
            addresses.extend(interface.public_ip.map(IpAddr::V4));
            addresses.extend(interface.prefixes.iter().flat_map(edges));
        }
        addresses.extend(fabric.world.outside.iter().flat_map(|it| it.addresses.iter().copied()));
        addresses.push(IpAddr::V4(fabric.world.platform.metadata_server));
        let rules: Vec<&Rule> = fabric.policies.groups.iter().flat_map(|it| &it.rules).collect();
        for rule in &rules {
            if let Object::Cidr(range) = rule.object {
                addresses.extend(edges(&range));
            }
        }
        let lists = fabric.policies.prefix_lists.iter().flat_map(|it| &it.entries);
        addresses.extend(lists.flat_map(edges));
        addresses.retain(|it| can_be_a_target(*it));
        Aim { fabric, addresses, rules }
    }

    /// A packet that somebody may send, with an address of its own.
    pub fn packet(&self, dice: &mut Dice) -> Resolved {
        let (port, source) = self.sender(dice);
        let same_family: Vec<IpAddr> = self
            .addresses
            .iter()
            .copied()
            .filter(|it| Family::of(*it) == Family::of(source))
            .collect();
        let target = match dice.chance(75) {
            true => self.neighbour(dice, source).unwrap_or_else(|| dice.pick(&same_family)),
            false => dice.pick(&same_family),
        };
        let rule = self.rule_met(dice, port, target);
        let (protocol, icmp) = self.protocol_of(dice, rule, Family::of(source));
        let (protocol, icmp) = match (protocol, icmp) {
            (Protocol::ICMP | Protocol::ICMPV6, None) => self.protocol(dice, Family::of(source)),
            sendable => sendable,
        };
        let (source_port, target_port) = match (protocol, icmp) {
            (Protocol::TCP | Protocol::UDP, _) => match rule {
                Some(rule) => self.ports_at(dice, rule),
                None => (self.source_port(dice), self.target_port(dice)),
            },
            (_, Some((8 | 128 | 0 | 129, _))) => (77, 77),
            _ => (0, 0),
        };
        let tuple = Tuple { source, target, protocol, source_port, target_port };
        Resolved { port, tuple, icmp }
    }

    /// A question as no frame need ask it: any address at any interface, most often about one of
    /// the interface's own rules.
    pub fn question(&self, dice: &mut Dice) -> Question {
        let interface = InterfaceIndex(dice.between(0, self.world().interfaces.len() - 1) as u32);
        let direction = dice.pick(&[Direction::Inbound, Direction::Outbound]);
        let rules: Vec<&Rule> = self.rules_of(interface, direction);
        let rule = dice.pick_any(&rules).filter(|_| dice.chance(75));
        let peers = rule.map(|it| self.object_edges(it.object)).unwrap_or_default();
        let peer = dice.pick_any(&peers).unwrap_or_else(|| dice.pick(&self.addresses));
        let fit = |it: &IpAddr| it.is_ipv6() == peer.is_ipv6();
        let any: Vec<IpAddr> = self.addresses.iter().copied().filter(fit).collect();
        let narrowed = rule.map(|it| it.own_addresses.iter().flat_map(edges).collect());
        let mut own_addresses: Vec<IpAddr> = narrowed.unwrap_or_default();
        if own_addresses.is_empty() || dice.chance(30) {
            own_addresses = own(self.world(), interface);
        }
        own_addresses.retain(fit);
        let own = match dice.chance(90) {
            true => dice.pick_any(&own_addresses).unwrap_or_else(|| dice.pick(&any)),
            false => dice.pick(&any),
        };
        let (source, target) = match direction {
            Direction::Inbound => (peer, own),
            Direction::Outbound => (own, peer),
        };
        let (protocol, icmp) = self.protocol_of(dice, rule, Family::of(peer));
        let (source_port, target_port) = match (protocol.has_ports(), rule) {
            (true, Some(rule)) => self.ports_at(dice, rule),
            (true, None) => (self.source_port(dice), self.target_port(dice)),
            (false, _) => (0, 0),
        };
        let tuple = Tuple { source, target, protocol, source_port, target_port };
        let reach = dice.pick(&[Reach::Internal, Reach::Internal, Reach::Internet]);
        Question { interface, direction, tuple, icmp, reach }
    }

    /// A rule that a packet from this port to `target` may meet on either side.
    fn rule_met(&self, dice: &mut Dice, port: Place, target: IpAddr) -> Option<&'a Rule> {
        let world = self.world();
        let mut rules = match port {
            Place::Interface(sender) => self.rules_of(sender, Direction::Outbound),
            Place::Outside(_) | Place::Edge(_) => Vec::new(),
        };
        let receivers = (0..).map(InterfaceIndex).zip(&world.interfaces);
        for (receiver, interface) in receivers {
            if interface.owns(target) || interface.public_ip.map(IpAddr::V4) == Some(target) {
                rules.extend(self.rules_of(receiver, Direction::Inbound));
            }
        }
        let rule = dice.pick_any(&rules);
        rule.filter(|_| dice.chance(75))
    }

    fn rules_of(&self, interface: InterfaceIndex, direction: Direction) -> Vec<&'a Rule> {
        let groups = &self.world().interface(interface).groups;
        let rules = groups.iter().flat_map(|it| &self.fabric.policies.group(*it).rules);
        rules.filter(|it| it.direction == direction).collect()
    }

    /// Addresses in an authorization object and beside it.
    fn object_edges(&self, object: Object) -> Vec<IpAddr> {
        match object {
            Object::Cidr(range) => edges(&range),
            Object::PrefixList(list) => {
                self.fabric.policies.prefix_list(list).entries.iter().flat_map(edges).collect()
            }
            Object::Group(group) => {
                let interfaces = (0..).map(InterfaceIndex).zip(&self.world().interfaces);
                let members = interfaces.filter(|(_, it)| it.groups.contains(&group));
                members.flat_map(|(index, _)| own(self.world(), index)).collect()
            }
        }
    }

    fn protocol_of(
        &self,
        dice: &mut Dice,
        rule: Option<&Rule>,
        family: Family,
    ) -> (Protocol, Option<(u8, u8)>) {
        match rule.map(|it| it.protocol) {
            Some(ProtocolMatch::Is(Protocol::ICMP)) if family == Family::Ipv4 => {
                (Protocol::ICMP, Some(dice.pick(&ICMP_MESSAGES)))
            }
            Some(ProtocolMatch::Is(Protocol::ICMPV6)) if family == Family::Ipv6 => {
                (Protocol::ICMPV6, Some(dice.pick(&ICMPV6_MESSAGES)))
            }
            Some(ProtocolMatch::Is(protocol)) if dice.chance(85) => (protocol, None),
            _ => self.protocol(dice, family),
        }
    }

    /// Source and target port inside a rule's ranges or beside them.
    fn ports_at(&self, dice: &mut Dice, rule: &Rule) -> (u16, u16) {
        let sources: Vec<(u16, u16)> =
            rule.source_ports.iter().map(|it| (it.first(), it.last())).collect();
        let source_port = match sources.is_empty() {
            true => self.source_port(dice),
            false => beside(dice, &sources),
        };
        (source_port, beside(dice, &ports_of(&self.fabric.policies, rule)))
    }

    fn world(&self) -> &'a World {
        &self.fabric.world
    }

    fn sender(&self, dice: &mut Dice) -> (Place, IpAddr) {
        let world = self.world();
        if dice.chance(70) {
            let index = InterfaceIndex(dice.between(0, world.interfaces.len() - 1) as u32);
            let checked = world.interface(index).source_dest_check;
            let source = match !checked && dice.chance(25) {
                true => dice.pick(&[
                    IpAddr::V4(Ipv4Addr::new(172, 30, 0, 9)),
                    IpAddr::V4(world.interfaces[0].primary),
                    IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 9)),
                ]),
                false => dice.pick(&own(world, index)),
            };
            return (Place::Interface(index), source);
        }
        if dice.chance(75) {
            let index = dice.between(0, world.outside.len() - 1);
            let source = dice.pick(&world.outside[index].addresses);
            return (Place::Outside(ringfence_cloud::OutsideIndex(index as u32)), source);
        }
        let in_vpc = Edge::Intranet(Network::Vpc(VpcIndex(0)));
        let mut strangers = vec![
            (Edge::Internet, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9))),
            (Edge::Internet, IpAddr::V6(Ipv6Addr::new(0x2400, 9, 0, 0, 0, 0, 0, 9))),
            (Edge::Internet, IpAddr::V4(Ipv4Addr::new(203, 0, 113, 99))),
            (in_vpc, IpAddr::V4(Ipv4Addr::new(100, 64, 77, 1))),
            (in_vpc, IpAddr::V4(Ipv4Addr::new(100, 127, 255, 255))),
            (in_vpc, IpAddr::V4(Ipv4Addr::new(100, 128, 0, 0))),
            (in_vpc, IpAddr::V4(Ipv4Addr::new(10, 0, 1, 240))),
            (Edge::Intranet(Network::ClassicInternal), IpAddr::V4(Ipv4Addr::new(10, 201, 0, 1))),
        ];
        if !world.on_premises.is_empty() {
            let site = Edge::OnPremises(ringfence_cloud::OnPremisesIndex(0));
            strangers.push((site, IpAddr::V4(Ipv4Addr::new(192, 168, 7, 7))));
        }
        let (edge, source) = dice.pick(&strangers);
        (Place::Edge(edge), source)
    }

    /// An address of an interface that the sender may well reach.
    fn neighbour(&self, dice: &mut Dice, source: IpAddr) -> Option<IpAddr> {
        let world = self.world();
        let index = InterfaceIndex(dice.between(0, world.interfaces.len() - 1) as u32);
        let mut addresses = own(world, index);
        addresses.extend(world.interface(index).public_ip.map(IpAddr::V4));
        addresses.retain(|it| it.is_ipv6() == source.is_ipv6());
        dice.pick_any(&addresses)
    }

    fn protocol(&self, dice: &mut Dice, family: Family) -> (Protocol, Option<(u8, u8)>) {
        let (icmp, messages) = match family {
            Family::Ipv4 => (Protocol::ICMP, ICMP_MESSAGES),
            Family::Ipv6 => (Protocol::ICMPV6, ICMPV6_MESSAGES),
        };
        match dice.between(0, 99) {
            0..=54 => (Protocol::TCP, None),
            55..=74 => (Protocol::UDP, None),
            75..=89 => (icmp, Some(dice.pick(&messages))),
            _ => (Protocol(dice.pick(&OTHER_PROTOCOLS)), None),
        }
    }

    fn target_port(&self, dice: &mut Dice) -> u16 {
        if dice.chance(15) {
            return dice.pick(&[0, 1, 22, 25, 25, 53, 80, 443, 40_000, 65_535]);
        }
        let with_ports: Vec<&Rule> = self
            .rules
            .iter()
            .copied()
            .filter(|it| matches!(it.protocol, ProtocolMatch::Is(it) if it.has_ports()))
            .collect();
        let Some(rule) = dice.pick_any(&with_ports) else { return dice.u16() };
        beside(dice, &ports_of(&self.fabric.policies, rule))
    }

    fn source_port(&self, dice: &mut Dice) -> u16 {
        dice.pick(&[40_000, 40_000, 40_000, 39_999, 40_001, 39_998, 1_023, 1_024, 22, 1, 0, 65_535])
    }
}

/// Every address that an interface has inside, ends of prefixes for prefixes.
fn own(world: &World, index: InterfaceIndex) -> Vec<IpAddr> {
    let interface = world.interface(index);
    let mut addresses = vec![IpAddr::V4(interface.primary), IpAddr::V4(interface.primary)];
    addresses.extend(interface.secondary.iter().map(|it| IpAddr::V4(*it)));
    addresses.extend(interface.ipv6.iter().map(|it| IpAddr::V6(*it)));
    for prefix in &interface.prefixes {
        addresses.extend([prefix.network(), prefix.broadcast()]);
    }
    addresses
}

fn ports_of(policies: &PolicySet, rule: &Rule) -> Vec<(u16, u16)> {
    match rule.ports {
        Ports::Any => vec![(1, u16::MAX)],
        Ports::Range(range) => vec![(range.first(), range.last())],
        Ports::List(list) => {
            policies.port_list(list).entries.iter().map(|it| (it.first(), it.last())).collect()
        }
    }
}

fn beside(dice: &mut Dice, ranges: &[(u16, u16)]) -> u16 {
    let Some((first, last)) = dice.pick_any(ranges) else { return dice.u16() };
    dice.pick(&[first, last, first.saturating_sub(1), last.saturating_add(1)])
}

/// The ends of a range and what lies beside them.
fn edges(range: &IpNet) -> Vec<IpAddr> {
    let (first, last) = (range.network(), range.broadcast());
    [Some(first), Some(last), step(first, -1), step(last, 1)].into_iter().flatten().collect()
}

fn step(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(it) => {
            it.to_bits().checked_add_signed(by.into()).map(|it| IpAddr::V4(it.into()))
        }
        IpAddr::V6(it) => {
            it.to_bits().checked_add_signed(by.into()).map(|it| IpAddr::V6(it.into()))
        }
    }
}

/// Leaves out what the fabric does not forward.
fn can_be_a_target(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => !(it.is_multicast() || it.is_broadcast() || it.is_link_local()),
        IpAddr::V6(it) => !(it.is_multicast() || it.is_unicast_link_local()),
    }
}
