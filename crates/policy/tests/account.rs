//! The account of a decision: what was considered and missed, and what came nearest.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use common::{Lab, Ready};
use ringfence_frame::Direction;
use ringfence_policy::{
    Account, Action, Because, Considered, Miss, Options, Profile, account, decide,
};

fn told(lab: &Ready, direction: Direction, packet: &str) -> Account {
    let question = lab.question("a", direction, packet);
    account(&lab.world, &lab.policies, &question)
}

fn misses(lab: &Ready, packet: &str) -> Vec<Miss> {
    let told = told(lab, Direction::Inbound, packet);
    assert_eq!(told.considered.len(), 1);
    told.considered[0].misses.clone()
}

fn one_rule(row: &str) -> Ready {
    let mut lab = Lab::new();
    lab.prefix_list("pl-four", None, &["10.0.0.0/8", "172.16.0.0/12"]);
    lab.prefix_list("pl-empty", None, &[]);
    lab.group("sg-b", &[]);
    lab.group("sg-a", &[row]);
    lab.host("a", &["172.16.1.1", "2001:db8:a::1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2", "2001:db8:a::2"], &["sg-b"]);
    lab.ready()
}

/// Every miss of a rule is told, not the first only.
#[test]
fn misses_are_exhaustive() {
    let lab = one_rule(
        "inbound | | | tcp | 80/80 | 10.0.0.0/8 | source_ports=22/22 | targets=172.16.1.1",
    );
    for (packet, expected) in [
        ("tcp 10.0.0.1:22 > 172.16.1.1:80", vec![]),
        ("udp 10.0.0.1:22 > 172.16.1.1:80", vec![Miss::Protocol]),
        ("tcp 10.0.0.1:22 > 172.16.1.1:81", vec![Miss::TargetPort]),
        ("tcp 10.0.0.1:23 > 172.16.1.1:80", vec![Miss::SourcePort]),
        ("tcp 11.0.0.1:22 > 172.16.1.1:80", vec![Miss::Object]),
        ("tcp 10.0.0.1:22 > 172.16.1.2:80", vec![Miss::OwnAddress]),
        (
            "icmp 8/0 11.0.0.1 > 172.16.1.2",
            vec![
                Miss::Protocol,
                Miss::TargetPort,
                Miss::SourcePort,
                Miss::Object,
                Miss::OwnAddress,
            ],
        ),
        ("tcp [2001:db8::1]:22 > [2001:db8:a::1]:80", vec![Miss::Family, Miss::OwnAddress]),
    ] {
        assert_eq!(misses(&lab, packet), expected, "{packet}");
    }
}

#[test]
fn misses_of_groups_lists_and_messages() {
    let lab = one_rule("inbound | | | all | | sg-b");
    assert_eq!(misses(&lab, "gre 172.16.1.2 > 172.16.1.1"), []);
    assert_eq!(misses(&lab, "gre 2001:db8:a::2 > 2001:db8:a::1"), []);
    assert_eq!(misses(&lab, "gre 172.16.1.3 > 172.16.1.1"), [Miss::Object]);
    assert_eq!(misses(&lab, "internet gre 172.16.1.2 > 172.16.1.1"), [Miss::NotInternal]);
    let lab = one_rule("inbound | | | all | | pl-four");
    assert_eq!(misses(&lab, "gre 10.0.0.1 > 172.16.1.1"), []);
    assert_eq!(misses(&lab, "gre 11.0.0.1 > 172.16.1.1"), [Miss::Object]);
    assert_eq!(misses(&lab, "gre 2001:db8::1 > 2001:db8:a::1"), [Miss::Family]);
    let lab = one_rule("inbound | | | all | | pl-empty");
    assert_eq!(misses(&lab, "gre 10.0.0.1 > 172.16.1.1"), [Miss::Object]);

    let mut lab = Lab::new();
    lab.options = Options::of(Profile::Aws);
    lab.group("sg-a", &["inbound | | | icmp | | 0.0.0.0/0 | icmp_type=8 | icmp_code=0"]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    assert_eq!(misses(&lab, "icmp 8/0 10.0.0.1 > 172.16.1.1"), []);
    assert_eq!(misses(&lab, "icmp 0/0 10.0.0.1 > 172.16.1.1"), [Miss::Icmp]);
    assert_eq!(misses(&lab, "gre 10.0.0.1 > 172.16.1.1"), [Miss::Protocol, Miss::Icmp]);
}

#[track_caller]
fn nearest(rows: &[&str], packet: &str, expected: Option<(&str, &[Miss])>) {
    let mut lab = Lab::new();
    lab.group("sg-a", rows);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    let nearest = told(&lab, Direction::Inbound, packet).nearest;
    let found =
        nearest.map(|Considered { rule, misses }| (lab.policies.rule(rule).id.clone(), misses));
    assert_eq!(found, expected.map(|(id, misses)| (id.to_owned(), misses.to_vec())));
}

#[test]
fn nearest_allow() {
    let packet = "tcp 10.0.0.1 > 172.16.1.1:80";
    nearest(&[], packet, None);
    nearest(&["inbound | drop | | all | | 0.0.0.0/0"], packet, None);
    nearest(&["outbound | | | tcp | 80/80 | 0.0.0.0/0"], packet, None);
    nearest(&["inbound | | | tcp | 80/80 | 0.0.0.0/0"], packet, None);
    nearest(
        &["inbound | | | udp | 81/81 | 0.0.0.0/0", "inbound | | | tcp | 81/81 | 0.0.0.0/0"],
        packet,
        Some(("sg-a/2", &[Miss::TargetPort])),
    );
    // Of equals the first tried: priority goes before place.
    nearest(
        &["inbound | | 2 | tcp | 81/81 | 0.0.0.0/0", "inbound | | 1 | tcp | 80/80 | 11.0.0.0/8"],
        packet,
        Some(("sg-a/2", &[Miss::Object])),
    );
    nearest(
        &["inbound | | | tcp | 81/81 | 0.0.0.0/0", "inbound | | | tcp | 80/80 | 11.0.0.0/8"],
        packet,
        Some(("sg-a/1", &[Miss::TargetPort])),
    );
    // A Forbid won over it: nothing is missing.
    nearest(
        &["inbound | | 2 | tcp | 80/80 | 0.0.0.0/0", "inbound | drop | 1 | all | | 10.0.0.0/8"],
        packet,
        Some(("sg-a/1", &[])),
    );
}

/// A generator that a seed determines (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

fn random_row(dice: &mut Dice, own: &str, is_advanced: bool) -> String {
    let (direction, action) =
        (dice.pick(&["inbound", "outbound"]), dice.pick(&["allow", "forbid"]));
    let priority = dice.roll(3) + 1;
    let (protocol, ports) = match dice.roll(4) {
        0 => ("all", "-1/-1"),
        1 => ("gre", "-1/-1"),
        _ => (dice.pick(&["tcp", "udp"]), dice.pick(&["80/80", "79/81", "1/65535", "prl-a"])),
    };
    let mut objects = vec!["0.0.0.0/0", "::/0", "172.16.1.0/31", "172.16.1.3", "pl-a"];
    let others = ["sg-0", "sg-1", "sg-2"].into_iter().filter(|id| *id != own);
    objects.extend(others.filter(|_| !is_advanced));
    let object = dice.pick(&objects);
    format!("{direction} | {action} | {priority} | {protocol} | {ports} | {object}")
}

fn random_lab(dice: &mut Dice) -> Lab {
    let mut lab = Lab::new();
    let is_advanced = dice.roll(3) == 0;
    lab.prefix_list("pl-a", None, &["172.16.1.2/32", "203.0.113.0/24"]);
    lab.port_list("prl-a", None, &["80/80", "443/443"]);
    for id in ["sg-0", "sg-1", "sg-2"] {
        let rows: Vec<String> =
            (0..dice.roll(8)).map(|_| random_row(dice, id, is_advanced)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        match (is_advanced, dice.roll(2)) {
            (true, _) => lab.advanced(id, &rows),
            (false, 0) => lab.isolating(id, &rows),
            (false, _) => lab.group(id, &rows),
        };
    }
    let memberships: [&[&str]; 5] =
        [&["sg-0"], &["sg-1"], &["sg-1", "sg-0"], &["sg-2", "sg-1"], &["sg-2", "sg-0", "sg-1"]];
    for (name, last) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        let addresses = [format!("172.16.1.{last}"), format!("2001:db8:a::{last}")];
        let groups = memberships[dice.roll(memberships.len())];
        lab.host(name, &[&addresses[0], &addresses[1]], groups);
    }
    lab
}

fn random_packet(dice: &mut Dice, direction: Direction) -> String {
    let (own, peer) = match dice.roll(4) {
        0 => ("2001:db8:a::1", dice.pick(&["2001:db8:a::2", "2001:db8:a::4", "2001:db8::7"])),
        _ => ("172.16.1.1", dice.pick(&["172.16.1.2", "172.16.1.3", "172.16.1.4", "203.0.113.7"])),
    };
    let (source, target) = match direction {
        Direction::Inbound => (peer, own),
        Direction::Outbound => (own, peer),
    };
    let reach = dice.pick(&["", "", "internet "]);
    let target = match target.contains(':') {
        true => format!("[{target}]"),
        false => target.to_owned(),
    };
    match dice.roll(4) {
        0 => format!("{reach}gre {source} > {}", target.trim_matches(['[', ']'])),
        _ => {
            let (protocol, port) =
                (dice.pick(&["tcp", "udp"]), dice.pick(&["80", "81", "443", "0"]));
            format!("{reach}{protocol} {source} > {target}:{port}")
        }
    }
}

/// `account` decides as `decide` does; what it tells agrees with what was decided.
#[test]
fn accounts_agree_with_decisions() {
    let (mut by_rule, mut by_default, mut by_group) = (0, 0, 0);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let lab = random_lab(&mut dice).ready();
        for _ in 0..40 {
            let direction = [Direction::Inbound, Direction::Outbound][dice.roll(2)];
            let packet = random_packet(&mut dice, direction);
            let question = lab.question("a", direction, &packet);
            let told = account(&lab.world, &lab.policies, &question);
            let context = format!("seed {seed}: {packet} {direction}");
            assert_eq!(told.decision, decide(&lab.world, &lab.policies, &question), "{context}");
            let rules = || told.considered.iter().map(|c| (c, lab.policies.rule(c.rule)));
            assert!(
                rules().is_sorted_by_key(|(_, rule)| (rule.priority, rule.action)),
                "{context}"
            );
            assert!(rules().all(|(_, rule)| rule.direction == direction), "{context}");
            let groups = &lab.world.interface(question.interface).groups;
            let all = groups.iter().flat_map(|group| &lab.policies.group(*group).rules);
            let count = all.filter(|rule| rule.direction == direction).count();
            assert_eq!(told.considered.len(), count, "{context}");
            let first = rules().find(|(considered, _)| considered.misses.is_empty());
            match told.decision.because {
                Because::Rule(reference) => {
                    let (considered, rule) = first.unwrap();
                    assert_eq!(considered.rule, reference, "{context}");
                    assert_eq!(told.decision.allowed, rule.action == Action::Allow, "{context}");
                    by_rule += 1;
                }
                Because::Default => {
                    assert_eq!(first, None, "{context}");
                    by_default += 1;
                }
                Because::SameGroup(_) => {
                    assert!(told.decision.allowed, "{context}");
                    assert_eq!(direction, Direction::Inbound, "{context}");
                    by_group += 1;
                }
                Because::AlwaysAllowed | Because::Platform => panic!("{context}"),
            }
            let least = rules()
                .filter(|(_, rule)| rule.action == Action::Allow && !told.decision.allowed)
                .map(|(considered, _)| considered.misses.len())
                .min();
            assert_eq!(told.nearest.map(|nearest| nearest.misses.len()), least, "{context}");
        }
    }
    assert_eq!((by_rule, by_default, by_group), (3297, 7835, 868));
}
