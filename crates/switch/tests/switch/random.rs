//! Whatever comes in: no panic, every frame counted exactly once, and what goes out can be read.

use std::collections::BTreeSet;

use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Body, Protocol, TcpFlags, parse};
use ringfence_session::Limits;
use ringfence_switch::{OnRuleChange, SwitchOptions};

use crate::lab::{Lab, fabric};

const PORTS: [&str; 13] = [
    "web",
    "app",
    "db",
    "pc",
    "twin",
    "old",
    "old/public",
    "cold",
    "visitor",
    "desk",
    "internet",
    "premises",
    "services",
];
const IPV6_PORTS: [&str; 4] = ["web", "app", "visitor", "internet"];
const TARGETS: [&str; 13] = [
    "172.16.1.10",
    "172.16.1.11",
    "172.16.2.20",
    "10.1.1.30",
    "10.200.0.5",
    "47.96.10.1",
    "47.96.10.2",
    "47.96.20.5",
    "203.0.113.7",
    "192.168.0.5",
    "100.100.100.200",
    "172.16.1.99",
    "224.0.0.1",
];
const IPV6_TARGETS: [&str; 4] =
    ["2001:db8:1:1::10", "2001:db8:1:1::11", "2001:db8:f::7", "ff02::1"];

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[7]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A valid packet, or the fragments of one, in any order.
fn packet(dice: &mut Dice, lab: &Lab, from: &str, last: &[u8]) -> Vec<Vec<u8>> {
    let is_ipv6 = IPV6_PORTS.contains(&from) && dice.one_in(3);
    let target = if is_ipv6 { dice.pick(&IPV6_TARGETS) } else { dice.pick(&TARGETS) };
    let ttl = if dice.one_in(4) { dice.byte() % 5 } else { 64 };
    let envelope = Envelope { ttl, ..lab.envelope(from, target) };
    let source_port = 5_000 + u16::from(dice.byte() % 3);
    let target_port = 80 + u16::from(dice.byte() % 3);
    let len = if dice.one_in(4) { dice.below(3_000) } else { dice.below(64) };
    let payload = vec![dice.byte(); len];
    let flags = [0x02, 0x12, 0x10, 0x04, 0x11, dice.byte()];
    let frame = match dice.below(7) {
        0 | 1 => {
            let flags = TcpFlags(dice.pick(&flags));
            let fields = TcpFields { source_port, target_port, flags, ..TcpFields::default() };
            build::tcp(&envelope, &fields, &payload)
        }
        2 | 3 => build::udp(&envelope, source_port, target_port, &payload),
        4 => build::icmp(&envelope, dice.byte(), 0, [0; 4], &payload),
        5 => {
            let icmp_type = if is_ipv6 { 1 + dice.byte() % 4 } else { dice.pick(&[3, 11, 12]) };
            let quote = last.get(14..).unwrap_or_default();
            build::icmp(&envelope, icmp_type, dice.byte() % 5, [0; 4], quote)
        }
        _ => build::raw(&envelope, Protocol(dice.byte()), &payload),
    };
    let Ok(parsed) = parse(&frame) else { return vec![frame] };
    let mtu = 600 + dice.below(1_000);
    let mut frames = match is_ipv6 {
        false => build::fragments(&frame, &parsed, mtu),
        true => build::ipv6_fragments(&frame, &parsed, mtu, 7),
    };
    if dice.one_in(2) {
        frames.reverse();
    }
    if dice.one_in(6) {
        frames.pop();
    }
    frames
}

/// ARP, or bytes that are nothing at all.
fn other(dice: &mut Dice, lab: &Lab, from: &str) -> Vec<u8> {
    match dice.below(2) {
        0 => {
            let (source, target) = ([172, 16, 1, 10].into(), [172, 16, 1, dice.byte()].into());
            build::arp_request(lab.mac(from), source, target)
        }
        _ => (0..dice.below(100)).map(|_| dice.byte()).collect(),
    }
}

fn mutate(dice: &mut Dice, frame: &mut Vec<u8>) {
    for _ in 0..dice.below(4) {
        if !frame.is_empty() {
            // headers are where it matters
            let end = if dice.one_in(2) { frame.len().min(80) } else { frame.len() };
            let at = dice.below(end);
            frame[at] = dice.byte();
        }
    }
    match dice.below(8) {
        0 => frame.truncate(dice.below(frame.len() + 1)),
        1 => frame.resize(frame.len() + dice.below(64), dice.byte()),
        _ => {}
    }
    // a right header checksum lets a change reach what lies behind
    if frame.len() >= 34 && dice.one_in(2) {
        frame[24..26].fill(0);
        let words =
            frame[14..34].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
        let sum: u32 = words.sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    }
}

fn change(dice: &mut Dice, lab: &mut Lab) {
    let rules = [
        "in allow 1 all -1/-1 0.0.0.0/0",
        "in forbid 1 udp -1/-1 0.0.0.0/0",
        "in allow 2 all -1/-1 ::/0",
        "out forbid 1 tcp 80/80 0.0.0.0/0",
    ];
    match dice.below(3) {
        0 => lab.set_members("web", dice.pick(&[&["sg-web", "sg-peers"][..], &["sg-peers"]])),
        1 => lab.set_members("app", dice.pick(&[&["sg-app"][..], &["sg-peers"]])),
        _ => {
            let group = dice.pick(&["sg-web", "sg-app", "sg-db", "sg-peers"]);
            lab.set_rules(group, &[dice.pick(&rules), dice.pick(&rules)]);
        }
    }
}

/// What is checked after every frame.
#[derive(Default)]
struct Books {
    sent: u64,
    delivered: u64,
    verdicts: u64,
    waiting: BTreeSet<u64>,
}

impl Books {
    fn enter(&mut self, lab: &mut Lab, from: &str, frame: &[u8]) {
        self.sent += 1;
        self.waiting.insert(self.sent);
        let verdicts = lab.send(from, frame);
        self.close(lab, &verdicts);
    }

    fn close(&mut self, lab: &mut Lab, verdicts: &[(u64, ringfence_switch::Verdict)]) {
        for (id, verdict) in verdicts {
            assert!(self.waiting.remove(id), "one verdict for each frame");
            self.verdicts += 1;
            let answered = verdict.stage == ringfence_switch::Stage::Admit;
            self.delivered += u64::from(verdict.allowed && !answered);
        }
        while let Some(delivery) = lab.switch.pull() {
            let read = parse(delivery.bytes()).expect("what goes out can be read");
            assert!(!matches!(read.body, Body::Vlan | Body::Other));
        }
        lab.check_sum(self.delivered, self.waiting.len() as u64);
    }
}

/// Runs one world; gives the reasons for which frames were dropped in it.
fn run(seed: u64, on_rule_change: OnRuleChange) -> BTreeSet<&'static str> {
    let dice = &mut Dice(seed);
    let mut fabric = fabric(&[
        "sg-web in allow 1 all -1/-1 0.0.0.0/0",
        "sg-db in allow 1 tcp 80/81 0.0.0.0/0",
        "sg-pc in allow 1 udp -1/-1 0.0.0.0/0",
        "sg-app in allow 1 all -1/-1 ::/0",
    ]);
    fabric.world.interfaces[2].mtu = 576;
    let limits =
        Limits { sessions_max: 24, sessions_per_interface_max: 12, half_open_per_interface_max: 3 };
    fabric.options = SwitchOptions { limits, on_rule_change, ..SwitchOptions::default() };
    let lab = &mut Lab::of(fabric);
    let mut books = Books::default();
    let mut last = Vec::new();
    for _ in 0..3_000 {
        let from = dice.pick(&PORTS);
        let frames = match dice.one_in(10) {
            true => vec![other(dice, lab, from)],
            false => packet(dice, lab, from, &last),
        };
        for mut frame in frames {
            if dice.one_in(3) {
                mutate(dice, &mut frame);
            }
            books.enter(lab, from, &frame);
            last = frame;
            last.truncate(1_000);
        }
        if dice.one_in(30) {
            lab.wait_ms(dice.next() % dice.pick(&[100, 3_000, 100_000]));
        }
        if dice.one_in(20) {
            change(dice, lab);
        }
        assert!(lab.switch.session_count() <= 24);
    }
    lab.wait_ms(10_000_000);
    let verdicts = lab.expire();
    books.close(lab, &verdicts);
    assert_eq!(books.verdicts, books.sent);
    assert_eq!((lab.switch.session_count(), lab.switch.next_deadline()), (0, None));
    assert!(books.delivered > 150, "{} delivered", books.delivered);
    let counters = lab.switch.counters();
    counters.ports.values().flat_map(|port| port.dropped.keys().copied()).collect()
}

#[test]
fn any_frames() {
    use OnRuleChange::{CutIfDenied, Flush, FlushInbound, Keep};
    let mut reasons = BTreeSet::new();
    for seed in 0..8 {
        eprintln!("seed {seed}");
        for on_rule_change in [CutIfDenied, Keep, Flush, FlushInbound] {
            reasons.extend(run(seed, on_rule_change));
        }
    }
    let all = [
        "default",
        "fragment-overlap",
        "fragment-timeout",
        "half-open-limit",
        "malformed",
        "not-forwarded",
        "rule",
        "session-limit",
        "spoofed",
        "too-big",
        "ttl-exceeded",
        "unreachable",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), all);
}
