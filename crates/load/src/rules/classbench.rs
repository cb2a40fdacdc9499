//! Five-tuple rules as ClassBench's filter sets have them (Taylor and Turner, 2007). The shares of
//! the access list are those of its seed `acl1`; the firewall's follow the classes that the paper
//! tells apart, with shares of our own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use ringfence_frame::Protocol;
use ringfence_policy::{Action, Object, PortRange, Ports, ProtocolMatch, Rule};

use super::world;

/// How one end's port is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PortClass {
    /// Any.
    Wildcard,
    /// 1024 to 65535.
    High,
    /// 1 to 1023.
    Low,
    /// Some other range.
    Range,
    /// One.
    Exact,
}

use PortClass::{Exact, High, Low, Range, Wildcard};

/// Thousandths, source and target port class.
type PortClasses = &'static [(u32, PortClass, PortClass)];
/// Thousandths, length of the source's and of the target's prefix.
type Lengths = &'static [(u32, u8, u8)];

struct Profile {
    /// Thousandths; none: all protocols.
    protocols: &'static [(u32, Option<Protocol>)],
    classes: PortClasses,
    lengths: fn(PortClass) -> Lengths,
    /// Chance in a hundred that a node of the address tree has two children, by depth, for the
    /// number of rules that the profile was taken from.
    source_forks: [u8; 32],
    target_forks: [u8; 32],
    ports: &'static [u16],
    ranges: &'static [(u16, u16)],
}

/// Rules of `acl1`.
const SCALE: f64 = 733.0;

const ACL: Profile = Profile {
    protocols: &[
        (85, None),
        (31, Some(Protocol::ICMP)),
        (873, Some(Protocol::TCP)),
        (11, Some(Protocol::UDP)),
    ],
    classes: &[(216, Wildcard, Wildcard), (131, Wildcard, Range), (653, Wildcard, Exact)],
    lengths: |target| match target {
        Wildcard => &[
            (489, 32, 32),
            (112, 32, 24),
            (99, 23, 32),
            (81, 32, 22),
            (54, 23, 16),
            (27, 31, 32),
            (18, 30, 32),
            (18, 30, 22),
            (9, 23, 31),
            (9, 31, 22),
            (60, 23, 8),
            (9, 0, 8),
            (5, 0, 13),
            (5, 0, 0),
        ],
        Range => &[(953, 32, 32), (35, 31, 32), (12, 23, 32)],
        _ => &[
            (847, 32, 32),
            (42, 32, 22),
            (28, 23, 32),
            (26, 31, 32),
            (16, 32, 31),
            (14, 30, 22),
            (12, 32, 30),
            (7, 31, 22),
            (5, 23, 28),
        ],
    },
    source_forks: [
        0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 67, 80, 78,
        75, 75, 53, 26,
    ],
    target_forks: [
        100, 100, 67, 75, 83, 40, 31, 24, 20, 8, 8, 18, 24, 22, 18, 14, 9, 10, 5, 7, 4, 9, 4, 10,
        7, 9, 8, 7, 10, 14, 10, 9,
    ],
    ports: &[
        1521, 1521, 1521, 1526, 1221, 1433, 1525, 135, 14_753, 1712, 1711, 1704, 1708, 5555, 1705,
        6000, 20, 21, 1724, 1717, 1707, 1733, 1706, 5540, 5541, 1734, 1489, 1490, 5632, 5631, 6789,
        1715, 2121, 443, 80,
    ],
    ranges: &[
        (1600, 1649),
        (1300, 1349),
        (1300, 1350),
        (7500, 7599),
        (2200, 2210),
        (1025, 65_535),
        (1700, 1750),
        (5001, 65_535),
        (32_200, 32_207),
        (8000, 8100),
        (61_700, 61_709),
        (61_500, 61_509),
        (61_100, 61_119),
        (62_200, 62_239),
    ],
};

const FIREWALL: Profile = Profile {
    protocols: &[
        (90, None),
        (60, Some(Protocol::ICMP)),
        (620, Some(Protocol::TCP)),
        (220, Some(Protocol::UDP)),
        (10, Some(Protocol::GRE)),
    ],
    classes: &[
        (200, Wildcard, Wildcard),
        (40, Wildcard, High),
        (10, Wildcard, Low),
        (70, Wildcard, Range),
        (400, Wildcard, Exact),
        (40, High, Wildcard),
        (20, High, High),
        (80, High, Exact),
        (80, Exact, Wildcard),
        (30, Exact, Exact),
        (20, Low, Exact),
        (10, Range, Exact),
    ],
    lengths: |_| {
        &[
            (220, 0, 32),
            (120, 32, 0),
            (80, 0, 24),
            (50, 24, 0),
            (20, 0, 0),
            (80, 16, 32),
            (60, 24, 24),
            (200, 32, 32),
            (90, 24, 32),
            (80, 32, 24),
        ]
    },
    source_forks: [
        100, 80, 80, 70, 70, 60, 50, 40, 30, 30, 25, 25, 25, 20, 20, 20, 20, 15, 15, 15, 15, 15,
        10, 10, 20, 20, 20, 20, 20, 20, 20, 20,
    ],
    target_forks: [
        100, 100, 70, 70, 60, 40, 30, 30, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 15,
        15, 15, 20, 25, 25, 25, 25, 20, 20, 20,
    ],
    ports: &[
        80, 80, 443, 443, 25, 53, 21, 22, 23, 110, 123, 139, 143, 161, 389, 445, 514, 636, 993,
        1433, 1494, 1521, 3389, 8080,
    ],
    ranges: &[(20, 21), (67, 68), (137, 139), (161, 162), (1024, 5000), (6000, 6063), (8080, 8090)],
};

/// Rules like those of `acl1`.
pub(super) fn acl(count: usize, seed: u64) -> Vec<Rule> {
    draw(&ACL, count, seed)
}

/// Rules of a firewall.
pub(super) fn firewall(count: usize, seed: u64) -> Vec<Rule> {
    draw(&FIREWALL, count, seed)
}

/// No rule twice, the first of a hundred parts at priority 1 and so on, so that lists of this size
/// keep their order but for what forbids.
fn draw(profile: &Profile, count: usize, seed: u64) -> Vec<Rule> {
    let mut dice = Pcg64Mcg::seed_from_u64(seed);
    // A tree of addresses that was taken from few rules would not have room for many.
    let growth = (count as f64 / SCALE).log2().max(0.0) / 5.0 + 1.0;
    let sources = AddressTree { forks: profile.source_forks, growth, seed };
    let targets = AddressTree { forks: profile.target_forks, growth, seed: !seed };
    let mut rules = Vec::with_capacity(count);
    let mut known = BTreeSet::new();
    while rules.len() < count {
        let (_, protocol) = pick(&mut dice, profile.protocols, |it| it.0);
        let (mut source_class, mut target_class) = (Wildcard, Wildcard);
        if protocol.is_some_and(Protocol::has_ports) {
            (_, source_class, target_class) = pick(&mut dice, profile.classes, |it| it.0);
        }
        let (_, source_length, target_length) =
            pick(&mut dice, (profile.lengths)(target_class), |it| it.0);
        let source = sources.prefix(&mut dice, source_length);
        let target = targets.prefix(&mut dice, target_length);
        let source_ports = ports(profile, &mut dice, source_class);
        let target_ports = ports(profile, &mut dice, target_class);
        if !known.insert((source, target, source_ports, target_ports, protocol)) {
            continue;
        }
        let mut rule = world::rule(Object::Cidr(source.into()));
        rule.protocol = protocol.map_or(ProtocolMatch::All, ProtocolMatch::Is);
        rule.ports = target_ports.map_or(Ports::Any, Ports::Range);
        rule.source_ports = source_ports.into_iter().collect();
        if target.prefix_len() > 0 {
            rule.own_addresses.push(target.into());
        }
        if dice.random_ratio(1, 4) {
            rule.action = Action::Forbid;
        }
        rule.priority = world::priority((rules.len() * 100 / count) as u8 + 1);
        rules.push(rule);
    }
    rules
}

/// One of them, by their weights.
fn pick<T: Copy>(dice: &mut Pcg64Mcg, from: &[T], weight: impl Fn(&T) -> u32) -> T {
    let mut rest = dice.random_range(0..from.iter().map(&weight).sum());
    for one in from {
        match rest.checked_sub(weight(one)) {
            Some(less) => rest = less,
            None => return *one,
        }
    }
    unreachable!("what was drawn is less than all weights together")
}

fn ports(profile: &Profile, dice: &mut Pcg64Mcg, class: PortClass) -> Option<PortRange> {
    let (first, last) = match class {
        Wildcard => return None,
        High => (1024, 65_535),
        Low => (1, 1023),
        Range => match dice.random_ratio(3, 4) {
            true => profile.ranges[dice.random_range(0..profile.ranges.len())],
            false => {
                let first = dice.random_range(1024..65_000);
                (first, first + dice.random_range(1..500))
            }
        },
        Exact => {
            let port = match dice.random_ratio(4, 5) {
                true => profile.ports[dice.random_range(0..profile.ports.len())],
                false => dice.random_range(1024..=65_535),
            };
            (port, port)
        }
    };
    PortRange::new(first, last)
}

/// A binary tree of addresses in which most nodes have one child, so that prefixes share what comes
/// first and nest.
struct AddressTree {
    forks: [u8; 32],
    growth: f64,
    seed: u64,
}

impl AddressTree {
    fn prefix(&self, dice: &mut Pcg64Mcg, length: u8) -> Ipv4Net {
        let mut bits = 0_u32;
        for depth in 0..length {
            let node = mix(self.seed ^ (u64::from(bits) << 8) ^ u64::from(depth));
            let forks = f64::from(self.forks[usize::from(depth)]).max(2.0) * self.growth;
            let heavy = (node >> 32) as u32 & 1;
            let turns = ((node % 100) as f64) < forks && dice.random_ratio(1, 3);
            bits |= (heavy ^ u32::from(turns)) << (31 - depth);
        }
        Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), length)
    }
}

/// SplitMix64's last steps: what a node of a tree is like, without the tree.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
