//! The reference on paper and frames through the switch, asked the same questions: each answer
//! written out, both made to give it.

#![allow(clippy::unwrap_used)]

use ringfence_cloud::{Edge, Network, OnPremisesIndex, Place, VpcIndex};
use ringfence_frame::{Protocol, Tuple};
use ringfence_scenario::answer::{Answer, same_verdict};
use ringfence_scenario::probe::{Resolved, resolve};
use ringfence_scenario::probes::parse_probe_line;
use ringfence_scenario::{Explainer, Scenario, Source, load, paper};
use ringfence_switch::{Because, Stage, Verdict};

const WORLD: &str = r#"
title: Every way there is
vpcs:
  - id: vpc-a
    cidr: 172.16.0.0/16
    ipv6_cidr: 2408:4005:1::/56
    vswitches:
      - { id: vsw-1, cidr: 172.16.1.0/24, ipv6_cidr: "2408:4005:1::/64" }
      - { id: vsw-2, cidr: 172.16.2.0/24 }
  - { id: vpc-b, cidr: 172.17.0.0/16, vswitches: [ { id: vsw-b, cidr: 172.17.1.0/24 } ] }
  - { id: vpc-c, cidr: 172.18.0.0/16, vswitches: [ { id: vsw-c, cidr: 172.18.1.0/24 } ] }
cen:
  - { id: cen-1, vpcs: [vpc-a, vpc-b] }
on_premises:
  - { id: dc, cidrs: [10.10.0.0/16], vpcs: [vpc-a], hosts: [ { id: dc-1, ip: 10.10.1.1 } ] }
security_groups:
  - id: sg-web
    vpc: vpc-a
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, action: forbid, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 198.51.100.0/24 }
      - { direction: inbound, action: allow, priority: 5, protocol: GRE, port_range: -1/-1, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 5, protocol: All ICMP (IPv4), port_range: -1/-1, source: 203.0.113.7/32 }
      - { direction: outbound, action: forbid, priority: 1, protocol: Custom TCP, port_range: 8080/8080, destination: 0.0.0.0/0 }
      - { direction: outbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 25/25, destination: 0.0.0.0/0 }
  - id: sg-db
    vpc: vpc-a
    type: advanced
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 3306/3306, source: 172.16.1.0/24 }
  - { id: sg-b, vpc: vpc-b, rules: [ { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 22/22, source: 172.16.0.0/16 } ] }
  - { id: sg-c, vpc: vpc-c }
  - id: sg-classic
    network: classic
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0, nic: internet }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 81/81, source: 10.0.0.9/32, nic: intranet }
instances:
  - { id: web-1, vswitch: vsw-1, ip: 172.16.1.10, ipv6: "2408:4005:1::10", ipv6_internet: true, public_ip: 47.96.10.1, security_groups: [sg-web] }
  - { id: web-2, vswitch: vsw-2, ip: 172.16.2.10, public_ip: 47.96.10.2, security_groups: [sg-web] }
  - { id: db-1, vswitch: vsw-2, ip: 172.16.2.20, security_groups: [sg-db] }
  - { id: b-1, vswitch: vsw-b, ip: 172.17.1.10, security_groups: [sg-b] }
  - { id: c-1, vswitch: vsw-c, ip: 172.18.1.10, security_groups: [sg-c] }
  - { id: old-1, network: classic, ip: 10.0.0.8, public_ip: 47.97.0.8, security_groups: [sg-classic] }
  - { id: old-2, network: classic, ip: 10.0.0.9, security_groups: [sg-classic] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
  - { id: crawler, ip: 198.51.100.9 }
"#;

/// A question, and its answer: verdict, because, stage, rule, the sides asked.
type Case = (&'static str, &'static str);

fn scenario() -> Scenario {
    match load(Source::new("world.yaml", WORLD)) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics:#?}"),
    }
}

fn brief(answer: &Answer) -> String {
    let rule = answer.rule.as_ref().map(|rule| format!(" {}", rule.id)).unwrap_or_default();
    let side = |side: &Option<ringfence_scenario::answer::SideAnswer>| {
        side.as_ref().map_or("-", |side| side.verdict).to_owned()
    };
    format!(
        "{} {}{rule} at {}, out {} in {}",
        answer.verdict,
        answer.because,
        answer.stage,
        side(&answer.outbound),
        side(&answer.inbound)
    )
}

fn check(cases: &[Case]) {
    let scenario = scenario();
    let mut explainer = Explainer::new(scenario.fabric.clone());
    for (question, expected) in cases {
        let probe = parse_probe_line(&scenario.fabric.world, question).unwrap();
        let packet = resolve(&scenario.fabric.world, &probe).unwrap();
        let on_paper = paper::verdict(&scenario.fabric, &packet);
        assert_eq!(brief(&Answer::of(&scenario.fabric, &on_paper)), *expected, "{question}");
        // also compares the two as values
        let verdict = explainer.verdict(&packet).unwrap();
        assert!(same_verdict(&verdict, &on_paper), "{question}: {verdict:#?}");
    }
}

#[test]
fn the_internet() {
    check(&[
        (
            r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":80}"#,
            "allow rule sg-web/1 at inbound, out - in allow",
        ),
        (
            r#"{"from":"crawler","to":"web-1","protocol":"tcp","target_port":80}"#,
            "deny rule sg-web/2 at inbound, out - in deny",
        ),
        (
            r#"{"from":"203.0.113.99","to":"47.96.10.1","protocol":"tcp","target_port":81}"#,
            "deny default at inbound, out - in deny",
        ),
        (
            r#"{"from":"web-1","to":"visitor","protocol":"udp","target_port":53}"#,
            "allow default at outbound, out allow in -",
        ),
        (
            r#"{"from":"web-1","to":"8.8.8.8","protocol":"tcp","target_port":8080}"#,
            "deny rule sg-web/5 at outbound, out deny in -",
        ),
        (
            r#"{"from":"web-1","to":"visitor","protocol":"tcp","target_port":25}"#,
            "deny platform at outbound, out deny in -",
        ),
        (
            r#"{"from":"b-1","to":"visitor","protocol":"tcp","target_port":80}"#,
            "deny unreachable at route, out allow in -",
        ),
        (
            r#"{"from":"visitor","to":"172.16.2.20","protocol":"tcp","target_port":3306}"#,
            "deny unreachable at route, out - in -",
        ),
        (
            r#"{"from":"visitor","to":"crawler","protocol":"tcp","target_port":80}"#,
            "deny unreachable at route, out - in -",
        ),
        (
            r#"{"from":"visitor","to":"web-1","protocol":"icmp"}"#,
            "allow rule sg-web/4 at inbound, out - in allow",
        ),
        (
            r#"{"from":"crawler","to":"web-1","protocol":"icmp","icmp_type":3,"icmp_code":4}"#,
            "allow always-allowed at inbound, out - in allow",
        ),
        (
            r#"{"from":"2001:db8::1","to":"web-1","protocol":"tcp","target_port":80}"#,
            "deny default at inbound, out - in deny",
        ),
    ]);
}

#[test]
fn a_neighbour_by_its_public_address_is_a_stranger() {
    check(&[
        (
            r#"{"from":"web-1","to":"web-2/public","protocol":"tcp","target_port":22}"#,
            "deny default at inbound, out allow in deny",
        ),
        (
            r#"{"from":"web-1","to":"web-2/public","protocol":"tcp","target_port":80}"#,
            "allow rule sg-web/1 at inbound, out allow in allow",
        ),
        (
            r#"{"from":"web-1","to":"web-2","protocol":"tcp","target_port":22}"#,
            "allow same-group at inbound, out allow in allow",
        ),
        (
            r#"{"from":"web-1","to":"web-2","protocol":"tcp","target_port":8080}"#,
            "deny rule sg-web/5 at outbound, out deny in -",
        ),
    ]);
}

#[test]
fn inside() {
    check(&[
        (
            r#"{"from":"web-1","to":"db-1","protocol":"tcp","target_port":3306}"#,
            "allow rule sg-db/1 at inbound, out allow in allow",
        ),
        (
            r#"{"from":"web-2","to":"db-1","protocol":"tcp","target_port":3306}"#,
            "deny default at inbound, out allow in deny",
        ),
        (
            r#"{"from":"db-1","to":"web-1","protocol":"tcp","target_port":80}"#,
            "deny default at outbound, out deny in -",
        ),
        (
            r#"{"from":"db-1","to":"100.100.100.200","protocol":"tcp","target_port":80}"#,
            "allow always-allowed at outbound, out allow in -",
        ),
        (
            r#"{"from":"web-1","to":"b-1","protocol":"tcp","target_port":22}"#,
            "allow rule sg-b/1 at inbound, out allow in allow",
        ),
        (
            r#"{"from":"web-1","to":"172.18.1.10","protocol":"tcp","target_port":22}"#,
            "deny unreachable at route, out allow in -",
        ),
        (
            r#"{"from":"web-1","to":"172.16.9.9","protocol":"tcp","target_port":22}"#,
            "deny unreachable at route, out allow in -",
        ),
        (
            r#"{"from":"dc-1","to":"web-1","protocol":"gre"}"#,
            "allow rule sg-web/3 at inbound, out - in allow",
        ),
        (
            r#"{"from":"web-1","to":"10.10.7.7","protocol":47}"#,
            "allow default at outbound, out allow in -",
        ),
        (
            r#"{"from":"dc-1","to":"b-1","protocol":"tcp","target_port":22}"#,
            "deny unreachable at route, out - in -",
        ),
        (
            r#"{"from":"web-1","to":"224.0.0.9","protocol":"udp","target_port":520}"#,
            "deny not-forwarded at admit, out - in -",
        ),
        (
            r#"{"from":"web-1","to":"255.255.255.255","protocol":"udp","target_port":9}"#,
            "deny not-forwarded at admit, out - in -",
        ),
    ]);
}

#[test]
fn the_classic_network() {
    check(&[
        (
            r#"{"from":"visitor","to":"old-1","protocol":"tcp","target_port":80}"#,
            "allow rule sg-classic/1 at inbound, out - in allow",
        ),
        (
            r#"{"from":"old-2","to":"old-1","protocol":"tcp","target_port":80}"#,
            "allow same-group at inbound, out allow in allow",
        ),
        (
            r#"{"from":"visitor","to":"old-1","protocol":"tcp","target_port":81}"#,
            "deny default at inbound, out - in deny",
        ),
        (
            r#"{"from":"old-1","to":"visitor","protocol":"tcp","target_port":443}"#,
            "allow default at outbound, out allow in -",
        ),
        (
            r#"{"from":"old-1","to":"visitor","protocol":"tcp","target_port":25}"#,
            "deny platform at outbound, out deny in -",
        ),
        (
            r#"{"from":"old-2","to":"visitor","protocol":"tcp","target_port":443,"network":"intranet"}"#,
            "deny unreachable at route, out allow in -",
        ),
    ]);
}

/// Frames carry every ICMP type and every protocol number; paper reads them as the parser does.
#[test]
fn every_icmp_type_and_every_protocol() {
    let scenario = scenario();
    let world = &scenario.fabric.world;
    let mut explainer = Explainer::new(scenario.fabric.clone());
    let mut asked = 0;
    for (from, to) in [("visitor", "web-1"), ("web-1", "visitor"), ("web-1", "web-2")] {
        for protocol in 0..=255_u8 {
            let line = format!(
                r#"{{"from":"{from}","to":"{to}","protocol":{protocol},"target_port":80}}"#
            );
            let probe = parse_probe_line(world, &line).unwrap();
            let Ok(packet) = resolve(world, &probe) else { continue };
            // headers of IPv6, which no IPv4 packet and no upper layer of ours has
            explainer.verdict(&packet).unwrap_or_else(|error| panic!("{line}: {error}"));
            asked += 1;
        }
    }
    assert!(asked >= 3 * 255, "{asked}");
    for (protocol, from, to) in [
        ("icmp", "visitor", "web-1"),
        ("icmp", "web-1", "visitor"),
        ("icmpv6", "2001:db8::1", "2408:4005:1::10"),
        ("icmpv6", "2408:4005:1::10", "2001:db8::1"),
    ] {
        for icmp_type in 0..=255_u8 {
            let line = format!(
                r#"{{"from":"{from}","to":"{to}","protocol":"{protocol}","icmp_type":{icmp_type}}}"#
            );
            let probe = parse_probe_line(world, &line).unwrap();
            let packet: Resolved = resolve(world, &probe).unwrap();
            explainer.verdict(&packet).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}

/// Packets that no probe makes: a source that is somebody else's, or nobody's.
#[test]
fn who_may_send() {
    let scenario = scenario();
    let world = &scenario.fabric.world;
    let web_1 = Place::Interface(world.interface_named("web-1").unwrap());
    let visitor = Place::Outside(world.outside_named("visitor").unwrap());
    let vpc_a = Place::Edge(Edge::Intranet(Network::Vpc(VpcIndex(0))));
    let site = Place::Edge(Edge::OnPremises(OnPremisesIndex(0)));
    let internet = Place::Edge(Edge::Internet);
    let mut explainer = Explainer::new(scenario.fabric.clone());
    for (port, source, target, expected) in [
        (web_1, "172.16.1.11", "172.16.2.10", "deny spoofed at admit"),
        (web_1, "47.96.10.1", "172.16.2.10", "deny spoofed at admit"),
        (web_1, "127.0.0.1", "172.16.2.10", "deny malformed at parse"),
        (web_1, "224.0.0.1", "172.16.2.10", "deny malformed at parse"),
        (web_1, "0.0.0.1", "172.16.2.10", "deny malformed at parse"),
        (web_1, "169.254.1.1", "172.16.2.10", "deny spoofed at admit"),
        (web_1, "172.16.1.10", "169.254.1.1", "deny not-forwarded at admit"),
        (visitor, "203.0.113.8", "47.96.10.1", "deny spoofed at admit"),
        // an edge is everybody who is nobody else
        (internet, "47.96.10.2", "47.96.10.1", "deny spoofed at admit"),
        (internet, "203.0.113.7", "47.96.10.1", "deny spoofed at admit"),
        (internet, "203.0.113.8", "47.96.10.1", "allow rule at inbound"),
        (vpc_a, "172.16.2.10", "172.16.1.10", "deny spoofed at admit"),
        (vpc_a, "172.16.2.99", "172.16.1.10", "allow rule at inbound"),
        (site, "172.16.2.10", "172.16.1.10", "deny spoofed at admit"),
        (site, "10.10.1.1", "172.16.1.10", "deny spoofed at admit"),
        (site, "10.10.1.2", "172.16.1.10", "allow rule at inbound"),
    ] {
        let tuple = Tuple {
            source: source.parse().unwrap(),
            target: target.parse().unwrap(),
            protocol: Protocol::TCP,
            source_port: 40_000,
            target_port: 80,
        };
        let packet = Resolved { port, tuple, icmp: None };
        let verdict = explainer.verdict(&packet).unwrap();
        let answer = Answer::of(&scenario.fabric, &verdict);
        let found = format!("{} {} at {}", answer.verdict, answer.because, answer.stage);
        assert_eq!(found, expected, "{source} > {target}");
    }
}

/// Everything but the sessions counts when two verdicts are compared.
#[test]
fn what_makes_verdicts_differ() {
    let scenario = scenario();
    let mut explainer = Explainer::new(scenario.fabric.clone());
    let line = r#"{"from":"web-1","to":"web-2","protocol":"tcp","target_port":22}"#;
    let probe = parse_probe_line(&scenario.fabric.world, line).unwrap();
    let packet = resolve(&scenario.fabric.world, &probe).unwrap();
    let verdict = explainer.verdict(&packet).unwrap();
    let changes: [fn(&mut Verdict); 9] = [
        |it| it.allowed = false,
        |it| it.because = Because::Default,
        |it| it.stage = Stage::Outbound,
        |it| it.tuple = None,
        |it| it.to = None,
        |it| it.outbound = None,
        |it| it.inbound = None,
        |it| it.outbound.as_mut().unwrap().because = Because::AlwaysAllowed,
        |it| it.inbound.as_mut().unwrap().allowed = false,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = verdict.clone();
        change(&mut other);
        assert!(!same_verdict(&verdict, &other), "change {number}");
    }
    let mut other = verdict.clone();
    other.inbound.as_mut().unwrap().session = None;
    other.epoch += 1;
    assert!(same_verdict(&verdict, &other));
}
