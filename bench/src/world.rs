//! A world of a given size as the text of a scenario, and questions about it.

use std::fmt::Write;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// How large.
#[derive(Clone, Copy)]
pub(crate) struct WorldSize {
    pub(crate) groups: usize,
    pub(crate) rules: usize,
    pub(crate) instances: usize,
}

const PER_VSWITCH: usize = 250;

fn address(instance: usize) -> String {
    format!("172.16.{}.{}", instance / PER_VSWITCH, instance % PER_VSWITCH + 1)
}

fn public_address(instance: usize) -> String {
    format!("47.100.{}.{}", instance / PER_VSWITCH, instance % PER_VSWITCH + 1)
}

/// The scenario: one VPC, groups with rules of every kind, instances in one to three groups.
pub(crate) fn scenario(size: WorldSize, seed: u64) -> String {
    let mut chance = Pcg64::seed_from_u64(seed);
    let mut text = String::from("title: A world made for measuring\nvpcs:\n");
    text.push_str("  - id: vpc-1\n    cidr: 172.16.0.0/12\n    vswitches:\n");
    for vswitch in 0..size.instances.div_ceil(PER_VSWITCH) {
        line(&mut text, &format!("      - {{ id: vsw-{vswitch}, cidr: 172.16.{vswitch}.0/24 }}"));
    }
    text.push_str("security_groups:\n");
    for group in 0..size.groups {
        line(&mut text, &format!("  - id: sg-{group}\n    vpc: vpc-1\n    rules:"));
        let mut group_objects = 0;
        for _ in 0..size.rules / size.groups {
            let rule = rule(&mut chance, group, size.groups, &mut group_objects);
            line(&mut text, &format!("      - {{ {rule} }}"));
        }
    }
    text.push_str("instances:\n");
    for instance in 0..size.instances {
        let mut groups: Vec<usize> =
            (0..chance.random_range(1..=3)).map(|_| chance.random_range(0..size.groups)).collect();
        groups.sort_unstable();
        groups.dedup();
        let groups: Vec<String> = groups.iter().map(|group| format!("sg-{group}")).collect();
        line(
            &mut text,
            &format!(
                "  - {{ id: i-{instance}, vswitch: vsw-{}, ip: {}, public_ip: {}, security_groups: [{}] }}",
                instance / PER_VSWITCH,
                address(instance),
                public_address(instance),
                groups.join(", ")
            ),
        );
    }
    text
}

fn rule(chance: &mut Pcg64, group: usize, groups: usize, group_objects: &mut usize) -> String {
    let (direction, side) =
        if chance.random_ratio(2, 3) { ("inbound", "source") } else { ("outbound", "destination") };
    let action = if chance.random_ratio(4, 5) { "allow" } else { "forbid" };
    let priority = chance.random_range(1..=100);
    let first = chance.random_range(1..=65_000);
    let last = first + chance.random_range(0..=500);
    let protocol = ["Custom TCP", "Custom UDP"][chance.random_range(0..2)];
    let other = chance.random_range(0..groups);
    let object = if other != group && *group_objects < 20 && chance.random_ratio(1, 3) {
        *group_objects += 1;
        format!("sg-{other}")
    } else {
        let bits = chance.random_range(0..=16) + 16;
        let base = u32::from_be_bytes([172, 16, chance.random_range(0..4), chance.random()]);
        let masked = base >> (32 - bits) << (32 - bits);
        format!("{}/{bits}", std::net::Ipv4Addr::from(masked))
    };
    format!(
        "direction: {direction}, action: {action}, priority: {priority}, protocol: {protocol}, \
         port_range: {first}/{last}, {side}: {object}"
    )
}

/// Questions, one a line: between instances, from and to the Internet, by id and by address.
pub(crate) fn probes(size: WorldSize, probes: usize, seed: u64) -> String {
    let mut chance = Pcg64::seed_from_u64(seed.wrapping_add(1));
    let mut text = String::new();
    for _ in 0..probes {
        let from = chance.random_range(0..size.instances);
        let to = chance.random_range(0..size.instances);
        let (from, to) = match chance.random_range(0..4) {
            0 => (format!("203.0.113.{}", chance.random_range(1..255)), public_address(to)),
            1 => (format!("i-{from}"), format!("198.51.100.{}", chance.random_range(1..255))),
            2 => (address(from), address(to)),
            _ => (format!("i-{from}"), format!("i-{to}")),
        };
        let protocol = ["tcp", "udp"][chance.random_range(0..2)];
        let port = chance.random_range(1..=65_535);
        line(
            &mut text,
            &format!(
                r#"{{"from":"{from}","to":"{to}","protocol":"{protocol}","target_port":{port}}}"#
            ),
        );
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
