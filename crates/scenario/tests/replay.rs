//! Captures through the switch: what is said of each frame, in which order, and what comes out.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write;

use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::capture::{self, Record};
use ringfence_frame::{Body, Direction, MacAddr, Protocol, TcpFlags, parse, rewrite};
use ringfence_scenario::changes::parse_control;
use ringfence_scenario::replay::{
    Input, ReplayError, Replayed, Summary, check as check_whole, parse_port, replay,
};
use ringfence_scenario::{Scenario, Source, load};
use serde_json::{Value, json};

const WORLD: &str = "
title: Two machines and a visitor
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-a, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-web
    vpc: vpc-a
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom UDP, port_range: 53/53, source: 0.0.0.0/0 }
  - { id: sg-app, vpc: vpc-a }
  - { id: sg-old, network: classic }
instances:
  - id: web
    vswitch: vsw-a
    ip: 172.16.1.10
    public_ip: 47.96.10.1
    security_groups: [sg-web]
    interfaces: [ { id: eth1, vswitch: vsw-a, ip: 172.16.1.50, security_groups: [sg-app] } ]
  - { id: web_eth1, vswitch: vsw-a, ip: 172.16.1.51, security_groups: [sg-app] }
  - { id: app, vswitch: vsw-a, ip: 172.16.1.11, security_groups: [sg-app] }
  - { id: old, network: classic, ip: 10.0.0.8, public_ip: 47.97.0.8, security_groups: [sg-old] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
";

const WEB: &str = "172.16.1.10";
const APP: &str = "172.16.1.11";
const VISITOR: &str = "203.0.113.7";
const GATEWAY: MacAddr = MacAddr([0xee, 0xff, 0xff, 0xff, 0xff, 0xff]);
const MS: u64 = 1_000_000;
/// When the captures were made: their own epoch, not the replay's.
const EPOCH_NS: u64 = 1_700_000_000_000_000_000;

fn world() -> Scenario {
    load(Source::new("world.yaml", WORLD)).unwrap()
}

fn mac(address: &str) -> MacAddr {
    match address.strip_prefix("172.16.1.") {
        Some(last) => MacAddr([0x00, 0x16, 0x3e, 16, 1, last.parse().unwrap()]),
        None => world().fabric.world.outside.iter().find(|it| it.name == "visitor").unwrap().mac,
    }
}

fn envelope(source: &str, target: &str) -> Envelope {
    Envelope {
        source_mac: mac(source),
        target_mac: GATEWAY,
        source: source.parse().unwrap(),
        target: target.parse().unwrap(),
        ttl: 64,
    }
}

fn tcp(source: &str, target: &str, ports: (u16, u16), flags: TcpFlags) -> Vec<u8> {
    let fields = TcpFields {
        source_port: ports.0,
        target_port: ports.1,
        sequence: 1,
        acknowledgement: 2,
        flags,
        window: 1_000,
        window_scale: None,
    };
    build::tcp(&envelope(source, target), &fields, &[])
}

fn syn(source: &str, target: &str, ports: (u16, u16)) -> Vec<u8> {
    tcp(source, target, ports, TcpFlags::SYN)
}

fn ack(source: &str, target: &str, ports: (u16, u16)) -> Vec<u8> {
    tcp(source, target, ports, TcpFlags::ACK)
}

fn udp(source: &str, target: &str, ports: (u16, u16)) -> Vec<u8> {
    build::udp(&envelope(source, target), ports.0, ports.1, b"question")
}

/// A datagram to port 53 in three fragments.
fn fragments(identification: u16) -> [Vec<u8>; 3] {
    let mut bytes = build::udp(&envelope(APP, WEB), 5_000, 53, &[7; 1_400]);
    let Body::Ip(ip) = parse(&bytes).unwrap().body else { unreachable!() };
    rewrite::set_identification(&mut bytes, &ip, identification);
    build::fragments(&bytes, &parse(&bytes).unwrap(), 600).try_into().unwrap()
}

fn record(at_ns: u64, bytes: &[u8]) -> Record {
    Record { at_ns: EPOCH_NS + at_ns, direction: None, bytes: bytes.to_vec(), cut_off: false }
}

/// Frames and changes to be replayed.
#[derive(Default)]
struct Tape {
    inputs: Vec<(String, Vec<Record>)>,
    control: String,
}

impl Tape {
    /// A file of its own for a port.
    fn file(mut self, port: &str, records: impl IntoIterator<Item = Record>) -> Tape {
        self.inputs.push((port.to_owned(), records.into_iter().collect()));
        self
    }

    fn control(mut self, at_ns: u64, change: &Value) -> Tape {
        let mut line = change.clone();
        line["at_ns"] = json!(at_ns);
        writeln!(self.control, "{line}").unwrap();
        self
    }

    fn inputs(&self, scenario: &Scenario) -> Vec<Input> {
        let inputs = self.inputs.iter().map(|(port, records)| Input {
            port: parse_port(&scenario.fabric.world, port).unwrap(),
            file: format!("{port}.pcap"),
            records: records.clone(),
        });
        inputs.collect()
    }

    fn play(&self) -> Played {
        let scenario = world();
        let inputs = self.inputs(&scenario);
        check_whole(&scenario.fabric.world, &inputs).unwrap();
        let control = Source::new("control.jsonl", &self.control);
        let changes = parse_control(&scenario.fabric, &control).unwrap();
        let mut verdicts = Vec::new();
        let replayed =
            replay(&scenario.fabric, &inputs, &changes, &mut verdicts, &mut || true).unwrap();
        Played { verdicts: String::from_utf8(verdicts).unwrap(), replayed }
    }
}

struct Played {
    verdicts: String,
    replayed: Replayed,
}

/// `12 app 5ms allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2, cut [2]`
fn tell(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["format_version"], "1.0");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let because = |value: &Value| match value["rule"]["id"].as_str() {
        Some(rule) => rule.to_owned(),
        None => word(&value["because"]),
    };
    let at_ns = value["at_ns"].as_u64().unwrap();
    let at = match at_ns % MS {
        0 => format!("{}ms", at_ns / MS),
        _ => format!("{at_ns}ns"),
    };
    let mut told = format!(
        "{} {} {at} {} {} {}",
        value["frame"],
        word(&value["port"]),
        word(&value["verdict"]),
        word(&value["stage"]),
        because(&value),
    );
    for (name, key) in [("out", "outbound"), ("in", "inbound")] {
        if let Some(side) = value.get(key) {
            assert_eq!(side["stage"], key);
            write!(told, ", {name} {} {}", word(&side["verdict"]), because(side)).unwrap();
            if let Some(session) = side.get("session") {
                write!(told, " #{session}").unwrap();
            }
        }
    }
    if let Some(cut) = value.get("sessions_cut") {
        write!(told, ", cut {cut}").unwrap();
    }
    told
}

impl Played {
    #[track_caller]
    fn check(&self, expected: &[&str]) -> &Played {
        let told: Vec<String> = self.verdicts.lines().map(tell).collect();
        assert_eq!(told, expected);
        self
    }

    #[track_caller]
    fn check_summary(&self, expected: &Summary) -> &Played {
        assert_eq!(self.replayed.summary, *expected);
        self
    }

    /// What came out: when, to whom, and what was said of it.
    #[track_caller]
    fn check_captures(&self, expected: &[(&str, &[(u64, &str)])]) -> &Played {
        let found: Vec<(&str, Vec<(u64, String)>)> = self
            .replayed
            .captures
            .iter()
            .map(|(name, bytes)| (name.as_str(), read_with_comments(bytes)))
            .collect();
        let expected: Vec<(&str, Vec<(u64, String)>)> = expected
            .iter()
            .map(|(name, frames)| {
                (*name, frames.iter().map(|&(at, said)| (at, said.to_owned())).collect())
            })
            .collect();
        assert_eq!(found, expected);
        self
    }
}

/// The reader does not keep comments; they stand in the blocks as they are.
fn read_with_comments(bytes: &[u8]) -> Vec<(u64, String)> {
    const ENHANCED_PACKET: u32 = 6;
    const COMMENT: u16 = 1;
    let u16_at = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let records = capture::read_all(bytes).unwrap();
    assert!(records.iter().all(|it| it.direction == Some(Direction::Inbound) && !it.cut_off));
    let mut comments = Vec::new();
    let mut block = 0;
    while block < bytes.len() {
        let (kind, len) = (u32_at(block), u32_at(block + 4) as usize);
        if kind == ENHANCED_PACKET {
            let mut option = block + 28 + (u32_at(block + 20) as usize).next_multiple_of(4);
            while u16_at(option) != COMMENT {
                option += 4 + usize::from(u16_at(option + 2)).next_multiple_of(4);
            }
            let text = &bytes[option + 4..option + 4 + usize::from(u16_at(option + 2))];
            comments.push(String::from_utf8(text.to_vec()).unwrap());
        }
        block += len;
    }
    records.iter().map(|record| record.at_ns).zip(comments).collect()
}

fn summary() -> Summary {
    Summary {
        allowed: 0,
        changes: 0,
        denied: BTreeMap::new(),
        format_version: "1.0",
        frames: 0,
        frames_out: BTreeMap::new(),
        sessions_cut: 0,
        sessions_opened: 0,
        skipped: 0,
    }
}

fn denied(reasons: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    reasons.iter().copied().collect()
}

fn out(ports: &[(&str, u64)]) -> BTreeMap<String, u64> {
    ports.iter().map(|&(port, count)| (port.to_owned(), count)).collect()
}

const OPENED: &str = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
const LIVES: &str = "allow inbound session, out allow session #1, in allow session #2";

#[test]
fn a_connection_and_its_sessions() {
    let tape = Tape::default()
        .file(
            "app",
            [record(0, &syn(APP, WEB, (4_000, 80))), record(2 * MS, &ack(APP, WEB, (4_000, 80)))],
        )
        .file("web", [record(MS, &tcp(WEB, APP, (80, 4_000), TcpFlags(0x12)))])
        .file("visitor", [record(3 * MS, &syn(VISITOR, "47.96.10.1", (5_000, 80)))]);
    let played = tape.play();
    played
        .check(&[
            &format!("1 app 0ms {OPENED}"),
            "2 web 1ms allow inbound session, out allow session #2, in allow session #1",
            &format!("3 app 2ms {LIVES}"),
            "4 visitor 3ms allow inbound sg-web/1, in allow sg-web/1 #3",
        ])
        .check_captures(&[
            ("app.pcapng", &[(MS, "allow: session (inbound)")]),
            (
                "web.pcapng",
                &[
                    (0, "allow: rule sg-web/1 (inbound)"),
                    (2 * MS, "allow: session (inbound)"),
                    (3 * MS, "allow: rule sg-web/1 (inbound)"),
                ],
            ),
        ])
        .check_summary(&Summary {
            allowed: 4,
            frames: 4,
            frames_out: out(&[("app", 1), ("web", 3)]),
            sessions_opened: 3,
            ..summary()
        });
    let first: Value = serde_json::from_str(played.verdicts.lines().next().unwrap()).unwrap();
    let rule = json!({
        "action": "allow", "direction": "inbound", "group": "sg-web", "id": "sg-web/1", "priority": 1
    });
    assert_eq!(
        first,
        json!({
            "at_ns": 0,
            "because": "rule",
            "format_version": "1.0",
            "frame": 1,
            "inbound": {
                "because": "rule", "interface": "web", "rule": rule, "session": 2,
                "stage": "inbound", "verdict": "allow",
            },
            "outbound": {
                "because": "default", "interface": "app", "session": 1, "stage": "outbound",
                "verdict": "allow",
            },
            "port": "app",
            "rule": rule,
            "stage": "inbound",
            "to": "web",
            "verdict": "allow",
        })
    );
    // what came out is what went in, as its receiver sees it
    let came = capture::read_all(&*played.replayed.captures["web.pcapng"]).unwrap();
    let mut expected = syn(APP, WEB, (4_000, 80));
    rewrite::set_macs(&mut expected, GATEWAY, mac(WEB));
    assert_eq!(came[0].bytes, expected);
}

/// "Frames are taken in order of (time, port name, place in the file)".
#[test]
fn the_order_of_frames() {
    let probe = |source: &str, port: u16| udp(source, WEB, (port, 9));
    Tape::default()
        .file(
            "web/eth1",
            [record(7, &probe("172.16.1.50", 1)), record(5, &probe("172.16.1.50", 2))],
        )
        .file("app", [record(7, &probe(APP, 3)), record(7, &probe(APP, 4))])
        .file("visitor", [record(6, &udp(VISITOR, "47.96.10.1", (5, 9)))])
        .file("app", [record(5, &probe(APP, 6)), record(7, &probe(APP, 7))])
        .play()
        .check(&[
            "1 app 0ms deny inbound default, out allow default, in deny default",
            "2 web/eth1 0ms deny inbound default, out allow default, in deny default",
            "3 visitor 1ns deny inbound default, in deny default",
            "4 app 2ns deny inbound default, out allow default, in deny default",
            "5 app 2ns deny inbound default, out allow default, in deny default",
            "6 app 2ns deny inbound default, out allow default, in deny default",
            "7 web/eth1 2ns deny inbound default, out allow default, in deny default",
        ])
        .check_captures(&[])
        .check_summary(&Summary { frames: 7, denied: denied(&[("default", 7)]), ..summary() });
}

/// Of two frames of one moment and port the one that stands first in its file is the first; files
/// of one port are read in the order in which they were given.
#[test]
fn the_place_in_the_file_decides() {
    let first = syn(APP, WEB, (1, 80));
    let second = ack(APP, WEB, (1, 80));
    let in_one = Tape::default().file("app", [record(0, &first), record(0, &second)]);
    let in_two = Tape::default().file("app", [record(0, &first)]).file("app", [record(0, &second)]);
    for tape in [in_one, in_two] {
        tape.play().check(&[&format!("1 app 0ms {OPENED}"), &format!("2 app 0ms {LIVES}")]);
    }
}

#[test]
fn a_changed_rule_cuts_before_the_frames_of_its_moment() {
    let data = ack(APP, WEB, (4_000, 80));
    Tape::default()
        .file(
            "app",
            [
                record(0, &syn(APP, WEB, (4_000, 80))),
                record(10 * MS - 1, &data),
                record(10 * MS, &data),
                record(11 * MS, &data),
                record(12 * MS, &data),
            ],
        )
        // a whole minute later, when nothing comes any more
        .control(60_000 * MS, &json!({"set_rules": {"group": "sg-web", "rules": []}}))
        .control(
            12 * MS,
            &json!({"set_rules": {"group": "sg-web", "rules": [
                {"direction": "inbound", "action": "forbid", "priority": 2, "protocol": "Custom TCP",
                 "port_range": "1/65535", "source": "0.0.0.0/0"},
                {"direction": "inbound", "action": "allow", "priority": 1, "protocol": "Custom TCP",
                 "port_range": "80/80", "source": "sg-app", "id": "from-app"}]}}),
        )
        .control(10 * MS, &json!({"set_rules": {"group": "sg-web", "rules": []}}))
        .play()
        .check(&[
            &format!("1 app 0ms {OPENED}"),
            &format!("2 app 9999999ns {LIVES}"),
            "3 app 10ms deny inbound default, out allow session #1, in deny default, cut [2]",
            "4 app 11ms deny inbound default, out allow session #1, in deny default",
            "5 app 12ms allow inbound from-app, out allow session #1, in allow from-app #3",
        ])
        .check_summary(&Summary {
            allowed: 3,
            changes: 2,
            denied: denied(&[("default", 2)]),
            frames: 5,
            frames_out: out(&[("web", 3)]),
            sessions_cut: 1,
            sessions_opened: 3,
            ..summary()
        });
}

#[test]
fn changed_members_and_timeouts() {
    let question = |port: u16| udp(APP, WEB, (port, 53));
    let answer = |port: u16| udp(WEB, APP, (53, port));
    Tape::default()
        .file(
            "app",
            [
                record(0, &question(1)),
                record(2 * MS, &question(2)),
                record(10_003 * MS, &question(3)),
            ],
        )
        .file(
            "web",
            [
                // both are idle for longer than 10 s
                record(10_004 * MS, &answer(1)),
                record(10_005 * MS, &answer(2)),
                record(10_006 * MS, &answer(3)),
            ],
        )
        .control(MS, &json!({"set_timeouts": {"interface": "app", "udp": "10s"}}))
        .control(10_003 * MS, &json!({"set_members": {"interface": "web", "groups": ["sg-app"]}}))
        .play()
        .check(&[
            "1 app 0ms allow inbound sg-web/2, out allow default #1, in allow sg-web/2 #2",
            "2 app 2ms allow inbound sg-web/2, out allow default #3, in allow sg-web/2 #4",
            "3 app 10003ms allow inbound same-group, out allow default #5, in allow same-group #6",
            // "touches new sessions only"
            "4 web 10004ms allow inbound session, out allow session #2, in allow session #1",
            // the half at app is over, the half at web lives
            "5 web 10005ms allow inbound same-group, out allow session #4, in allow same-group #7",
            "6 web 10006ms allow inbound session, out allow session #6, in allow session #5",
        ])
        .check_summary(&Summary {
            allowed: 6,
            changes: 2,
            frames: 6,
            frames_out: out(&[("app", 3), ("web", 3)]),
            sessions_opened: 7,
            ..summary()
        });
}

const FRAGMENT: &str = "allow inbound sg-web/2, out allow default #1, in allow sg-web/2 #2";

#[test]
fn fragments_that_wait_are_told_in_their_place() {
    let [first, second, third] = fragments(1);
    Tape::default()
        .file(
            "app",
            [
                record(0, &third),
                record(MS, &udp(APP, WEB, (1, 9))),
                record(2 * MS, &second),
                record(3 * MS, &first),
            ],
        )
        .play()
        .check(&[
            &format!("1 app 0ms {FRAGMENT}"),
            "2 app 1ms deny inbound default, out allow default, in deny default",
            &format!("3 app 2ms {FRAGMENT}"),
            &format!("4 app 3ms {FRAGMENT}"),
        ])
        .check_captures(&[(
            "web.pcapng",
            &[
                (3 * MS, "allow: rule sg-web/2 (inbound)"),
                (3 * MS, "allow: rule sg-web/2 (inbound)"),
                (3 * MS, "allow: rule sg-web/2 (inbound)"),
            ],
        )])
        .check_summary(&Summary {
            allowed: 3,
            denied: denied(&[("default", 1)]),
            frames: 4,
            frames_out: out(&[("web", 3)]),
            sessions_opened: 2,
            ..summary()
        });
}

/// "At most 2 s": then it is dropped, whether or not anything comes after it.
#[test]
fn fragments_that_wait_too_long() {
    let [first, second, third] = fragments(1);
    let [_, late, _] = fragments(2);
    const TIMEOUT: &str = "deny parse fragment-timeout";
    Tape::default()
        .file(
            "app",
            [
                record(0, &third),
                record(MS, &second),
                record(2_000 * MS + 1, &first),
                record(2_001 * MS, &late),
            ],
        )
        .play()
        .check(&[
            &format!("1 app 0ms {TIMEOUT}"),
            &format!("2 app 1ms {TIMEOUT}"),
            &format!("3 app 2000000001ns {FRAGMENT}"),
            &format!("4 app 2001ms {TIMEOUT}"),
        ])
        .check_summary(&Summary {
            allowed: 1,
            denied: denied(&[("fragment-timeout", 3)]),
            frames: 4,
            frames_out: out(&[("web", 1)]),
            sessions_opened: 2,
            ..summary()
        });
}

/// "All fragments of a packet share the verdict of the first one", and it is told under the rules
/// of that moment: the rule may be gone, or another may stand in its place.
#[test]
fn fragments_around_a_change_of_rules() {
    let [first, second, third] = fragments(1);
    let forbid = json!({"set_rules": {"group": "sg-web", "rules": [
        {"direction": "inbound", "action": "forbid", "priority": 1, "protocol": "All",
         "port_range": "-1/-1", "source": "0.0.0.0/0"}]}});
    Tape::default()
        .file(
            "app",
            [
                record(0, &first),
                record(2 * MS, &second),
                record(3 * MS, &udp(APP, WEB, (5_000, 53))),
                record(2_000 * MS, &third),
            ],
        )
        .control(MS, &json!({"set_rules": {"group": "sg-web", "rules": []}}))
        .control(2 * MS, &forbid)
        .control(2_000 * MS, &json!({"set_rules": {"group": "sg-web", "rules": []}}))
        .play()
        .check(&[
            &format!("1 app 0ms {FRAGMENT}"),
            &format!("2 app 2ms {FRAGMENT}"),
            "3 app 3ms deny inbound sg-web/1, out allow session #1, in deny sg-web/1, cut [2]",
            &format!("4 app 2000ms {FRAGMENT}"),
        ])
        .check_captures(&[(
            "web.pcapng",
            &[
                (0, "allow: rule sg-web/2 (inbound)"),
                (2 * MS, "allow: rule sg-web/2 (inbound)"),
                (2_000 * MS, "allow: rule sg-web/2 (inbound)"),
            ],
        )])
        .check_summary(&Summary {
            allowed: 3,
            changes: 3,
            denied: denied(&[("rule", 1)]),
            frames: 4,
            frames_out: out(&[("web", 3)]),
            sessions_cut: 1,
            sessions_opened: 2,
            ..summary()
        });
}

#[test]
fn frames_that_are_not_what_they_should_be() {
    Tape::default()
        .file(
            "app",
            [
                record(0, &syn("172.16.1.12", WEB, (1, 80))),
                record(1, &[0; 5]),
                record(2, &[]),
                record(3, &udp(APP, "224.0.0.1", (1, 53))),
                record(4, &udp(APP, "172.16.9.9", (1, 53))),
                record(5, &udp(APP, VISITOR, (1, 53))),
            ],
        )
        .play()
        .check(&[
            "1 app 0ms deny admit spoofed",
            "2 app 1ns deny parse malformed",
            "3 app 2ns deny parse malformed",
            "4 app 3ns deny admit not-forwarded",
            "5 app 4ns deny route unreachable, out allow default",
            "6 app 5ns deny route unreachable, out allow default",
        ])
        .check_summary(&Summary {
            denied: denied(&[
                ("malformed", 2),
                ("not-forwarded", 1),
                ("spoofed", 1),
                ("unreachable", 2),
            ]),
            frames: 6,
            ..summary()
        });
}

/// "Frames that a capture marks as sent TO the instance (pcapng direction, or source MAC
/// ee:ff:ff:ff:ff:ff) are skipped and counted": the clock starts with them, numbers do not.
#[test]
fn frames_sent_to_the_port_are_skipped() {
    let question = udp(APP, WEB, (1, 53));
    let mut delivered = udp(WEB, APP, (53, 1));
    rewrite::set_macs(&mut delivered, GATEWAY, mac(APP));
    let marked = |at_ns, direction| Record { direction, ..record(at_ns, &question) };
    // one that is not taken need not be whole
    let cut_off = Record { cut_off: true, ..marked(0, Some(Direction::Inbound)) };
    Tape::default()
        .file(
            "app",
            [
                cut_off,
                record(1, &delivered),
                marked(2, Some(Direction::Outbound)),
                marked(3, Some(Direction::Inbound)),
                marked(4, None),
            ],
        )
        .play()
        .check(&[
            "1 app 2ns allow inbound sg-web/2, out allow default #1, in allow sg-web/2 #2",
            "2 app 4ns allow inbound session, out allow session #1, in allow session #2",
        ])
        .check_summary(&Summary {
            allowed: 2,
            frames: 2,
            frames_out: out(&[("web", 2)]),
            sessions_opened: 2,
            skipped: 3,
            ..summary()
        });
}

#[test]
fn what_the_fabric_says_itself() {
    let mut dying = envelope(APP, WEB);
    dying.ttl = 0;
    let arp = build::arp_request(mac(APP), APP.parse().unwrap(), WEB.parse().unwrap());
    Tape::default()
        .file("app", [record(0, &arp), record(5, &build::udp(&dying, 1, 53, b"question"))])
        .play()
        .check(&[
            "1 app 0ms allow admit always-allowed",
            "2 app 5ns deny route ttl-exceeded, out allow default",
        ])
        .check_captures(&[("app.pcapng", &[(0, "the fabric's own"), (5, "the fabric's own")])])
        .check_summary(&Summary {
            allowed: 1,
            denied: denied(&[("ttl-exceeded", 1)]),
            frames: 2,
            frames_out: out(&[("app", 2)]),
            ..summary()
        });
}

/// "`/` becomes `_`"; two ports never share a file.
#[test]
fn names_of_files() {
    let ping = |target: &str| build::raw(&envelope(APP, target), Protocol::GRE, &[]);
    Tape::default()
        .file("app", [record(0, &ping("172.16.1.50")), record(1, &ping("172.16.1.51"))])
        .play()
        .check(&[
            "1 app 0ms allow inbound same-group, out allow default #1, in allow same-group #2",
            "2 app 1ns allow inbound same-group, out allow default #3, in allow same-group #4",
        ])
        .check_captures(&[
            ("web_eth1-2.pcapng", &[(1, "allow: same-group sg-app (inbound)")]),
            ("web_eth1.pcapng", &[(0, "allow: same-group sg-app (inbound)")]),
        ]);
}

#[test]
fn names_of_ports() {
    let scenario = world();
    let world = &scenario.fabric.world;
    for name in ["web", "web/eth1", "old", "old/public", "visitor"] {
        let port = parse_port(world, name).unwrap();
        assert_eq!(world.place_name(port), name);
    }
    for (name, suggestion) in [
        ("wep", "; did you mean `web`?"),
        ("web/public", "; did you mean `web`?"),
        ("172.16.1.10", ""),
        ("", ""),
    ] {
        let error = parse_port(world, name).unwrap_err();
        let expected =
            ReplayError::UnknownPort { name: name.to_owned(), suggestion: suggestion.to_owned() };
        assert_eq!(error, expected);
    }
}

#[test]
fn frames_that_are_not_whole_are_refused() {
    let scenario = world();
    let whole = record(0, &udp(APP, WEB, (1, 53)));
    let cut_off = Record { cut_off: true, bytes: whole.bytes[..40].to_vec(), ..whole.clone() };
    let tape = Tape::default().file("app", [whole.clone()]).file("web", [whole, cut_off]);
    let error = check_whole(&scenario.fabric.world, &tape.inputs(&scenario)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "web.pcap: record 2: the capture holds 40 bytes and not the whole frame"
    );
}

#[test]
fn nothing_in_nothing_out() {
    for tape in [Tape::default(), Tape::default().file("app", [])] {
        tape.play().check(&[]).check_captures(&[]).check_summary(&summary());
    }
}

#[test]
fn the_same_bytes_twice() {
    let [first, second, third] = fragments(1);
    let tape = Tape::default()
        .file("app", [record(0, &third), record(1, &syn(APP, WEB, (1, 80))), record(2, &first)])
        .file("visitor", [record(1, &syn(VISITOR, "47.96.10.1", (1, 80))), record(9, &second)])
        .control(1, &json!({"set_rules": {"group": "sg-web", "rules": []}}));
    let (one, two) = (tape.play(), tape.play());
    assert_eq!(one.verdicts, two.verdicts);
    assert_eq!(one.replayed.captures, two.replayed.captures);
    assert_eq!(one.replayed.summary, two.replayed.summary);
    assert_eq!(one.verdicts.lines().count(), 5);
}

/// What has been taken is told to the end, what is held included.
#[test]
fn a_replay_that_is_stopped() {
    let scenario = world();
    let [_, _, third] = fragments(1);
    let other = udp(APP, WEB, (1, 9));
    let tape =
        Tape::default().file("app", [record(0, &third), record(1, &other), record(2, &other)]);
    let (mut asked, mut verdicts) = (0, Vec::new());
    let mut go_on = || {
        asked += 1;
        asked <= 2
    };
    let inputs = tape.inputs(&scenario);
    let replayed = replay(&scenario.fabric, &inputs, &[], &mut verdicts, &mut go_on).unwrap();
    let verdicts = String::from_utf8(verdicts).unwrap();
    Played { verdicts, replayed }
        .check(&[
            "1 app 0ms deny parse fragment-timeout",
            "2 app 1ns deny inbound default, out allow default, in deny default",
        ])
        .check_summary(&Summary {
            denied: denied(&[("default", 1), ("fragment-timeout", 1)]),
            frames: 2,
            ..summary()
        });
}
