//! Groups as people write them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use ringfence_cloud::{InterfaceIndex, Origin, World};
use ringfence_frame::Protocol;
use ringfence_policy::{
    Action, Object, PolicySet, PortRange, Ports, PrefixList, PrefixListIndex, ProtocolMatch, Rule,
};

use super::{RuleSet, world};

/// Groups attached to the interface.
const ATTACHED: usize = 4;
/// "AuthorizedGroupRule.LimitExceed (20 group rules)": groups that rules name.
const NAMED: usize = 20;
/// Addresses of a large prefix list, and members of the named groups together.
const LARGE: usize = 10_000;
/// "prefix lists: MaxEntries 1..200".
const LIST_ENTRIES: usize = 200;

/// Ports that people open, most wanted first.
const SERVICES: [u16; 28] = [
    443, 80, 22, 3306, 8080, 6379, 3389, 5432, 8443, 53, 9200, 27_017, 2181, 9092, 21, 25, 123,
    1433, 5672, 8000, 8888, 9000, 9090, 10_250, 6443, 11_211, 1521, 445,
];

pub(super) fn draw(count: usize, seed: u64) -> RuleSet {
    let mut dice = Pcg64Mcg::seed_from_u64(seed);
    let mut policies = PolicySet::default();
    let mut world = World::default();
    let vpc = world::vpc(&mut world);
    let members = if count < 1_000 { LARGE / 10 } else { LARGE };
    let lists = (count / 1_000).clamp(1, 8);
    for number in 0..lists {
        let entries = match number == 0 && count >= 1_000 {
            true => LARGE,
            false => LIST_ENTRIES,
        };
        policies.prefix_lists.push(prefix_list(&mut dice, number, entries));
    }
    let mut rules: Vec<_> = (0..count).map(|_| rule(&mut dice, lists)).collect();
    let mut attached = Vec::new();
    for part in (0..ATTACHED).rev() {
        let rest = rules.split_off(count * part / ATTACHED);
        attached.insert(0, rest);
    }
    let attached = attached.into_iter().map(|rules| world::group(&mut policies, rules)).collect();
    let interface = world::interface(&mut world, vpc, world::OWN, attached);
    for number in ATTACHED..ATTACHED + NAMED {
        let named = world::group(&mut policies, Vec::new());
        debug_assert_eq!(named.as_usize(), number);
    }
    let mut taken = BTreeSet::from([world::OWN]);
    while taken.len() <= members {
        let address = host(&mut dice);
        if taken.insert(address) {
            let first = dice.random_range(0..NAMED);
            let number = |it: usize| ringfence_cloud::GroupIndex((ATTACHED + it) as u32);
            let mut groups = vec![number(first)];
            if dice.random_ratio(1, 3) {
                groups.push(number((first + 1 + dice.random_range(0..NAMED - 1)) % NAMED));
            }
            let _: InterfaceIndex = world::interface(&mut world, vpc, address, groups);
        }
    }
    world.index();
    RuleSet { world, policies, interface }
}

/// An address in 10.0.0.0/8.
fn host(dice: &mut Pcg64Mcg) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 | dice.random_range(0..1 << 24))
}

fn network(dice: &mut Pcg64Mcg, length: u8) -> IpNet {
    // Two in three rules are about one's own networks.
    let address = match dice.random_ratio(2, 3) {
        true => host(dice),
        false => Ipv4Addr::from_bits(dice.random_range(0x0100_0000..0xe000_0000)),
    };
    IpNet::from(Ipv4Net::new_assert(address, length).trunc())
}

fn prefix_list(dice: &mut Pcg64Mcg, number: usize, entries: usize) -> PrefixList {
    let mut held = BTreeSet::new();
    while held.len() < entries {
        let length = if dice.random_ratio(3, 4) { 32 } else { dice.random_range(24..=30) };
        held.insert(network(dice, length));
    }
    PrefixList {
        id: format!("pl-{number}"),
        max_entries: u32::try_from(entries).expect("few entries"),
        entries: held.into_iter().collect(),
        origin: Origin::nowhere(),
    }
}

fn rule(dice: &mut Pcg64Mcg, lists: usize) -> Rule {
    let object = match dice.random_range(0..100) {
        0..18 => Object::Cidr(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0).into()),
        18..48 => Object::Cidr(network(dice, 32)),
        48..70 => Object::Cidr(network(dice, 24)),
        70..78 => Object::Cidr(network(dice, 16)),
        78..81 => {
            let length = dice.random_range(17..=30);
            Object::Cidr(network(dice, length))
        }
        81..93 => {
            let group = ATTACHED + dice.random_range(0..NAMED);
            Object::Group(ringfence_cloud::GroupIndex(group as u32))
        }
        _ => Object::PrefixList(PrefixListIndex(dice.random_range(0..lists) as u32)),
    };
    let mut rule = world::rule(object);
    let (mut protocol, mut ports) = protocol_and_ports(dice);
    // Nobody opens everything to everybody on purpose.
    if matches!(object, Object::Cidr(range) if range.prefix_len() == 0) {
        let everything = PortRange::new(1, 65_535).map(Ports::Range);
        while Some(&ports) == everything.as_ref() || protocol == ProtocolMatch::All {
            (protocol, ports) = protocol_and_ports(dice);
        }
    }
    rule.protocol = protocol;
    rule.ports = ports;
    if dice.random_ratio(8, 100) {
        rule.action = Action::Forbid;
    }
    if dice.random_ratio(1, 5) {
        rule.priority = world::priority([2, 5, 10, 50, 100][dice.random_range(0..5)]);
    }
    rule
}

fn protocol_and_ports(dice: &mut Pcg64Mcg) -> (ProtocolMatch, Ports) {
    let protocol = match dice.random_range(0..100) {
        0..82 => Protocol::TCP,
        82..92 => Protocol::UDP,
        92..96 => return (ProtocolMatch::Is(Protocol::ICMP), Ports::Any),
        96..97 => return (ProtocolMatch::Is(Protocol::GRE), Ports::Any),
        _ => return (ProtocolMatch::All, Ports::Any),
    };
    let (first, last) = match dice.random_range(0..100) {
        0..62 => {
            // The more wanted a service, the more often it is written.
            let place = dice.random_range(0..SERVICES.len()) * dice.random_range(1..=4) / 4;
            (SERVICES[place], SERVICES[place])
        }
        62..80 => {
            let port = dice.random_range(1024..=32_767);
            (port, port)
        }
        80..94 => {
            let port = SERVICES[dice.random_range(0..SERVICES.len())];
            (port, port.saturating_add(dice.random_range(1..=100)))
        }
        94..97 => (30_000, 32_767),
        _ => (1, 65_535),
    };
    let range = PortRange::new(first, last).expect("ports drawn are in order");
    (ProtocolMatch::Is(protocol), Ports::Range(range))
}
