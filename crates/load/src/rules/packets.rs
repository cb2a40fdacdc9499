//! Packets drawn from a rule set without locality: each from the box of a rule picked at random,
//! one in ten from anywhere.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use ringfence_cloud::{GroupIndex, Reach};
use ringfence_frame::{Direction, Protocol, Tuple};
use ringfence_policy::{Object, PortRange, Ports, ProtocolMatch, Question, Rule};

use super::{RuleSet, world};

/// Draws `count` inbound questions at the set's interface; the same seed draws the same.
pub fn packets(set: &RuleSet, count: usize, seed: u64) -> Vec<Question> {
    let mut dice = Pcg64Mcg::seed_from_u64(seed);
    let mut members: BTreeMap<GroupIndex, Vec<Ipv4Addr>> = BTreeMap::new();
    for interface in &set.world.interfaces {
        for group in &interface.groups {
            members.entry(*group).or_default().push(interface.primary);
        }
    }
    let of = |group: &GroupIndex| set.policies.group(*group).rules.as_slice();
    let parts: Vec<&[Rule]> = set.groups().iter().map(of).collect();
    let rules = set.rule_count();
    let draw = |_| {
        let from_rule = (rules > 0 && !dice.random_ratio(1, 10)).then(|| {
            let mut place = dice.random_range(0..rules);
            for part in &parts {
                match part.get(place) {
                    Some(rule) => return rule,
                    None => place -= part.len(),
                }
            }
            unreachable!("a place is below the count of the rules")
        });
        let packet = match from_rule {
            Some(rule) => within(set, &members, rule, &mut dice),
            None => anywhere(&mut dice),
        };
        question(set, packet)
    };
    (0..count).map(draw).collect()
}

struct Packet {
    source: IpAddr,
    target: IpAddr,
    protocol: Protocol,
    source_port: u16,
    target_port: u16,
}

fn question(set: &RuleSet, packet: Packet) -> Question {
    let Packet { source, target, protocol, source_port, target_port } = packet;
    let (source_port, target_port) = match protocol.has_ports() {
        true => (source_port, target_port),
        false => (0, 0),
    };
    Question {
        interface: set.interface,
        direction: Direction::Inbound,
        tuple: Tuple { source, target, protocol, source_port, target_port },
        icmp: (protocol == Protocol::ICMP).then_some((8, 0)),
        reach: Reach::Internal,
    }
}

fn anywhere(dice: &mut Pcg64Mcg) -> Packet {
    Packet {
        source: Ipv4Addr::from_bits(dice.random()).into(),
        target: world::OWN.into(),
        protocol: if dice.random_ratio(3, 4) { Protocol::TCP } else { Protocol::UDP },
        source_port: dice.random(),
        target_port: dice.random(),
    }
}

fn within(
    set: &RuleSet,
    members: &BTreeMap<GroupIndex, Vec<Ipv4Addr>>,
    rule: &Rule,
    dice: &mut Pcg64Mcg,
) -> Packet {
    let mut packet = anywhere(dice);
    packet.source = match rule.object {
        Object::Cidr(range) => address(range, dice),
        Object::PrefixList(list) => match set.policies.prefix_list(list).entries.as_slice() {
            [] => packet.source,
            entries => address(entries[dice.random_range(0..entries.len())], dice),
        },
        Object::Group(group) => match members.get(&group).map(Vec::as_slice) {
            None | Some([]) => packet.source,
            Some(members) => members[dice.random_range(0..members.len())].into(),
        },
    };
    if let ProtocolMatch::Is(protocol) = rule.protocol {
        packet.protocol = protocol;
    }
    if let [own, ..] = rule.own_addresses.as_slice() {
        packet.target = address(*own, dice);
    }
    if let [range, ..] = rule.source_ports.as_slice() {
        packet.source_port = port(*range, dice);
    }
    match &rule.ports {
        Ports::Any => {}
        Ports::Range(range) => packet.target_port = port(*range, dice),
        Ports::List(list) => {
            if let [range, ..] = set.policies.port_list(*list).entries.as_slice() {
                packet.target_port = port(*range, dice);
            }
        }
    }
    packet
}

fn port(range: PortRange, dice: &mut Pcg64Mcg) -> u16 {
    dice.random_range(range.first()..=range.last())
}

fn address(range: IpNet, dice: &mut Pcg64Mcg) -> IpAddr {
    match range {
        IpNet::V4(net) => {
            let bits = dice.random_range(net.network().to_bits()..=net.broadcast().to_bits());
            Ipv4Addr::from_bits(bits).into()
        }
        IpNet::V6(net) => {
            let bits = dice.random_range(net.network().to_bits()..=net.broadcast().to_bits());
            std::net::Ipv6Addr::from_bits(bits).into()
        }
    }
}
