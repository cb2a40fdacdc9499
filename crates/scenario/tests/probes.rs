//! Who is meant by a probe, and where its packet comes in: specification part 13, "Who is reached,
//! and how".

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // tests that bound the time ask a clock

use ringfence_cloud::World;
use ringfence_scenario::probe::{ProbeError, parse_party, resolve};
use ringfence_scenario::probes::parse_probe_line;
use ringfence_scenario::{Source, load};

const WORLD: &str = "
title: Several networks
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, ipv6_cidr: '2408:4005:1::/56', vswitches: [ { id: vsw-a, cidr: 172.16.1.0/24, ipv6_cidr: '2408:4005:1::/64' } ] }
  - { id: vpc-b, cidr: 172.17.0.0/16, vswitches: [ { id: vsw-b, cidr: 172.17.1.0/24 } ] }
  - { id: vpc-twin, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-twin, cidr: 172.16.1.0/24 } ] }
cen: [ { id: cen-1, vpcs: [vpc-a, vpc-b] } ]
on_premises:
  - { id: branch, cidrs: [10.50.0.0/16], vpcs: [vpc-twin] }
  - { id: office, cidrs: [10.50.0.0/16], vpcs: [vpc-a], hosts: [ { id: desk, ip: 10.50.0.5 } ] }
services: [ { id: dns, ip: 100.100.2.136 } ]
outside:
  - { id: visitor, ip: 203.0.113.7, ipv6: '2001:db8:7::7' }
  - { id: ipv4-only, ip: 203.0.113.8 }
security_groups:
  - { id: sg-a, vpc: vpc-a }
  - { id: sg-b, vpc: vpc-b }
  - { id: sg-twin, vpc: vpc-twin }
  - { id: sg-classic, network: classic }
instances:
  - id: web
    vswitch: vsw-a
    ip: 172.16.1.10
    public_ip: 47.96.10.1
    ipv6: '2408:4005:1::10'
    ipv6_internet: true
    secondary_ips: [172.16.1.11]
    security_groups: [sg-a]
    interfaces: [ { id: eth1, vswitch: vsw-a, ip: 172.16.1.50, security_groups: [sg-a] } ]
  - { id: near, vswitch: vsw-a, ip: 172.16.1.20, security_groups: [sg-a] }
  - { id: joined, vswitch: vsw-b, ip: 172.17.1.10, public_ip: 47.96.10.2, security_groups: [sg-b] }
  - { id: twin, vswitch: vsw-twin, ip: 172.16.1.20, public_ip: 47.96.10.3, security_groups: [sg-twin] }
  - { id: old, network: classic, ip: 10.1.0.10, public_ip: 47.98.1.10, security_groups: [sg-classic] }
  - { id: older, network: classic, ip: 10.1.0.11, public_ip: 47.98.1.11, security_groups: [sg-classic] }
  - { id: inner, network: classic, ip: 10.1.0.12, security_groups: [sg-classic] }
";

fn world() -> World {
    load(Source::new("world.yaml", WORLD)).unwrap().fabric.world
}

/// `port: packet`, or what is wrong.
fn answer(world: &World, line: &str) -> String {
    let packet = parse_probe_line(world, line).and_then(|probe| resolve(world, &probe));
    match packet {
        Ok(packet) => format!("{}: {}", world.place_name(packet.port), packet.tuple),
        Err(error) => format!("error: {error}"),
    }
}

/// What becomes of a TCP probe from one to another, with more fields (`,"family":"ipv6"`).
fn check(from: &str, to: &str, more: &str, expected: &str) {
    let world = world();
    let line = format!(
        r#"{{"from":"{from}","to":"{to}","protocol":"tcp","target_port":80,"source_port":9{more}}}"#
    );
    assert_eq!(answer(&world, &line), expected, "{line}");
}

#[test]
fn an_id_as_target_means_its_private_address_inside() {
    check("near", "web", "", "near: tcp 172.16.1.20:9 > 172.16.1.10:80");
    check("joined", "web", "", "joined: tcp 172.17.1.10:9 > 172.16.1.10:80");
    check("desk", "web", "", "desk: tcp 10.50.0.5:9 > 172.16.1.10:80");
    check("old", "older", "", "old: tcp 10.1.0.10:9 > 10.1.0.11:80");
    check("near", "web/eth1", "", "near: tcp 172.16.1.20:9 > 172.16.1.50:80");
    check("web/eth1", "near", "", "web/eth1: tcp 172.16.1.50:9 > 172.16.1.20:80");
}

#[test]
fn else_its_public_address() {
    check("visitor", "web", "", "visitor: tcp 203.0.113.7:9 > 47.96.10.1:80");
    check("twin", "web", "", "twin: tcp 172.16.1.20:9 > 47.96.10.1:80");
    check("old", "web", "", "old/public: tcp 47.98.1.10:9 > 47.96.10.1:80");
    check("visitor", "old", "", "visitor: tcp 203.0.113.7:9 > 47.98.1.10:80");
    check("near", "old", "", "near: tcp 172.16.1.20:9 > 47.98.1.10:80");
}

#[test]
fn a_side_says_it_outright() {
    check("near", "web/public", "", "near: tcp 172.16.1.20:9 > 47.96.10.1:80");
    check("visitor", "web/private", "", "visitor: tcp 203.0.113.7:9 > 172.16.1.10:80");
    check("near", "web", r#","network":"internet""#, "near: tcp 172.16.1.20:9 > 47.96.10.1:80");
    check(
        "visitor",
        "web",
        r#","network":"intranet""#,
        "visitor: tcp 203.0.113.7:9 > 172.16.1.10:80",
    );
    check("old/public", "older", "", "old/public: tcp 47.98.1.10:9 > 47.98.1.11:80");
    check("old", "older/public", "", "old/public: tcp 47.98.1.10:9 > 47.98.1.11:80");
    check(
        "old",
        "older",
        r#","network":"internet""#,
        "old/public: tcp 47.98.1.10:9 > 47.98.1.11:80",
    );
    check("web/public", "joined", "", "web: tcp 172.16.1.10:9 > 47.96.10.2:80");
}

#[test]
fn without_a_public_address_nobody_is_reached_from_outside() {
    // A verdict can be given: the private address means nothing on the Internet.
    check("visitor", "near", "", "visitor: tcp 203.0.113.7:9 > 172.16.1.20:80");
    // Here somebody else has it, and must not be met in its place.
    check("twin", "near", "", "error: `near` has no public address");
    check("near", "web/eth1/public", "", "error: `web/eth1` has no public address");
}

#[test]
fn the_classic_network_picks_a_nic_by_the_target() {
    check("old", "visitor", "", "old/public: tcp 47.98.1.10:9 > 203.0.113.7:80");
    check("old", "10.1.0.11", "", "old: tcp 10.1.0.10:9 > 10.1.0.11:80");
    check("old", "47.98.1.11", "", "old/public: tcp 47.98.1.10:9 > 47.98.1.11:80");
    check("old", "dns", "", "old: tcp 10.1.0.10:9 > 100.100.2.136:80");
    check("old", "visitor", r#","network":"intranet""#, "old: tcp 10.1.0.10:9 > 203.0.113.7:80");
    check("inner", "visitor", "", "inner: tcp 10.1.0.12:9 > 203.0.113.7:80");
    let expected = "error: `inner` has no public address";
    check("inner", "visitor", r#","network":"internet""#, expected);
}

#[test]
fn an_address_that_one_owns_is_that_ones() {
    check("172.16.1.11", "near", "", "web: tcp 172.16.1.11:9 > 172.16.1.20:80");
    check("172.17.1.10", "near", "", "joined: tcp 172.17.1.10:9 > 172.16.1.20:80");
    check("203.0.113.7", "web", "", "visitor: tcp 203.0.113.7:9 > 47.96.10.1:80");
    check("10.50.0.5", "web", "", "desk: tcp 10.50.0.5:9 > 172.16.1.10:80");
    check("10.1.0.10", "older", "", "old: tcp 10.1.0.10:9 > 10.1.0.11:80");
}

#[test]
fn a_public_address_as_sender_is_its_instance() {
    check("47.96.10.1", "joined/public", "", "web: tcp 172.16.1.10:9 > 47.96.10.2:80");
    check("47.98.1.10", "visitor", "", "old/public: tcp 47.98.1.10:9 > 203.0.113.7:80");
    let to = "2001:db8:7::7";
    let expected = "web: tcp [2408:4005:1::10]:9 > [2001:db8:7::7]:80";
    check("2408:4005:1::10", to, "", expected);
}

#[test]
fn an_address_that_two_own_is_an_error_unless_it_says_where() {
    let expected = "error: 172.16.1.20 belongs to more than one interface; write vpc-id:address";
    check("172.16.1.20", "web", "", expected);
    check("vpc-a:172.16.1.20", "web", "", "near: tcp 172.16.1.20:9 > 172.16.1.10:80");
    check("vpc-twin:172.16.1.20", "web", "", "twin: tcp 172.16.1.20:9 > 47.96.10.1:80");
    check("classic:10.1.0.10", "older", "", "old: tcp 10.1.0.10:9 > 10.1.0.11:80");
}

#[test]
fn an_address_that_nobody_owns_is_somebody_outside() {
    check("198.51.100.9", "web", "", "internet: tcp 198.51.100.9:9 > 47.96.10.1:80");
    check("10.50.9.9", "twin", "", "on-premises branch: tcp 10.50.9.9:9 > 172.16.1.20:80");
    check("10.50.9.9", "web", "", "on-premises office: tcp 10.50.9.9:9 > 172.16.1.10:80");
    let expected = "intranet of vpc-a: tcp 172.16.1.99:9 > 172.16.1.10:80";
    check("vpc-a:172.16.1.99", "web", "", expected);
    let expected = "intranet of vpc-a: tcp 100.64.0.9:9 > 172.16.1.10:80";
    check("100.64.0.9", "web", "", expected);
    let expected = "intranet of the classic network: tcp 100.64.0.9:9 > 10.1.0.10:80";
    check("100.64.0.9", "old", "", expected);
    let expected = "intranet of vpc-a: tcp 192.0.2.1:9 > 172.16.1.10:80";
    check("192.0.2.1", "web", r#","network":"intranet""#, expected);
    let expected = "error: 100.64.0.9 is inside a network, and the target does not say in which; \
                    write VPC-ID:address";
    check("100.64.0.9", "visitor", "", expected);
}

#[test]
fn a_cloud_service_is_the_one_of_the_other_partys_network() {
    check("near", "dns", "", "near: tcp 172.16.1.20:9 > 100.100.2.136:80");
    check("dns", "joined", "", "dns@vpc-b: tcp 100.100.2.136:9 > 172.17.1.10:80");
    check("dns", "old", "", "dns@classic: tcp 100.100.2.136:9 > 10.1.0.10:80");
    check("dns@vpc-twin", "twin", "", "dns@vpc-twin: tcp 100.100.2.136:9 > 172.16.1.20:80");
    check("100.100.2.136", "near", "", "dns@vpc-a: tcp 100.100.2.136:9 > 172.16.1.20:80");
    check("172.16.1.10", "dns", "", "web: tcp 172.16.1.10:9 > 100.100.2.136:80");
}

#[test]
fn families() {
    let six = r#","family":"ipv6""#;
    check("visitor", "web", six, "visitor: tcp [2001:db8:7::7]:9 > [2408:4005:1::10]:80");
    check("web", "2001:db8:9::9", "", "web: tcp [2408:4005:1::10]:9 > [2001:db8:9::9]:80");
    check("2001:db8:9::9", "web", "", "internet: tcp [2001:db8:9::9]:9 > [2408:4005:1::10]:80");
    check("visitor", "near", six, "error: `near` has no IPv6 address");
    check("ipv4-only", "web", six, "error: `ipv4-only` has no IPv6 address");
    let expected = "error: the sender's address is 203.0.113.9, the receiver's is 2001:db8::1: one \
                    packet has one family";
    check("203.0.113.9", "2001:db8::1", "", expected);
}

#[test]
fn unknown_parties_are_told_with_a_suggestion() {
    let expected = "error: `webb` is no instance, interface or outside host of this scenario; did \
                    you mean `web`?";
    check("visitor", "webb", "", expected);
    let expected = "error: `nobody` is no instance, interface or outside host of this scenario";
    check("nobody", "web", "", expected);
    let expected = "error: `vpc-x:10.0.0.1` is no instance, interface or outside host of this \
                    scenario";
    check("vpc-x:10.0.0.1", "web", "", expected);
}

#[test]
fn lines() {
    let world = world();
    let check = |line: &str, expected: &str| assert_eq!(answer(&world, line), expected, "{line}");
    let to = r#""from":"visitor","to":"web""#;
    check(
        &format!(r#"{{{to},"protocol":"TCP","target_port":443}}"#),
        "visitor: tcp 203.0.113.7:40000 > 47.96.10.1:443",
    );
    check(
        &format!(r#"{{{to},"protocol":6,"target_port":0}}"#),
        "visitor: tcp 203.0.113.7:40000 > 47.96.10.1:0",
    );
    check(&format!(r#"{{{to},"protocol":"udp"}}"#), "error: a udp probe needs a target port");
    check(&format!(r#"{{{to},"protocol":"gre"}}"#), "visitor: gre 203.0.113.7 > 47.96.10.1");
    check(&format!(r#"{{{to},"protocol":50}}"#), "visitor: protocol 50 203.0.113.7 > 47.96.10.1");
    let six = "visitor: icmpv6 2001:db8:7::7 > 2408:4005:1::10";
    check(&format!(r#"{{{to},"protocol":"icmpv6"}}"#), six);
    let unknown = answer(&world, &format!(r#"{{{to},"protocol":"tcp","target_port":1,"port":2}}"#));
    assert!(unknown.starts_with("error: unknown field `port`"), "{unknown}");
    for (field, word) in [("protocol", "\"sctpp\""), ("protocol", "256"), ("family", "\"ipv5\"")] {
        let line = match field {
            "protocol" => format!(r#"{{{to},"protocol":{word},"target_port":1}}"#),
            _ => format!(r#"{{{to},"protocol":"tcp","target_port":1,"{field}":{word}}}"#),
        };
        assert!(answer(&world, &line).starts_with("error: "), "{line}");
    }
    for line in ["", "{}", "[]", "null", "{\"from\":1}", "\u{0}"] {
        assert!(answer(&world, line).starts_with("error: "), "{line}");
    }
}

#[test]
fn icmp_types_and_identifiers() {
    let world = world();
    let packet = |more: &str| {
        let line =
            format!(r#"{{"from":"visitor","to":"web","protocol":"icmp","source_port":7{more}}}"#);
        let packet = resolve(&world, &parse_probe_line(&world, &line).unwrap()).unwrap();
        (packet.icmp.unwrap(), packet.tuple.source_port, packet.tuple.target_port)
    };
    assert_eq!(packet(""), ((8, 0), 7, 7));
    assert_eq!(packet(r#","icmp_type":13"#), ((13, 0), 7, 7));
    assert_eq!(packet(r#","icmp_type":3,"icmp_code":4"#), ((3, 4), 0, 0));
}

#[test]
fn parties_of_any_text_never_panic() {
    let world = world();
    for text in ["", "/", ":", "@", "/public", "web/", "web/public/public", "::", "vpc-a:", "é/é:é"]
    {
        let party = parse_party(&world, text);
        let unknown = matches!(party, Err(ProbeError::UnknownParty { .. }));
        assert_eq!(unknown, text != "::", "{text}: {party:?}");
    }
}

/// The bound is for a release build of the whole command; here it shows that nothing is scanned.
#[test]
fn a_hundred_thousand_lines_are_read_in_no_time() {
    let world = world();
    let started = std::time::Instant::now();
    let line = r#"{"from":"203.0.113.99","to":"web","protocol":"tcp","target_port":80}"#;
    for _ in 0..100_000 {
        resolve(&world, &parse_probe_line(&world, line).unwrap()).unwrap();
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn an_address_in_a_network_is_met_there_or_not_at_all() {
    check("near", "vpc-a:172.16.1.10", "", "near: tcp 172.16.1.20:9 > 172.16.1.10:80");
    check("joined", "vpc-a:172.16.1.10", "", "joined: tcp 172.17.1.10:9 > 172.16.1.10:80");
    check("near", "vpc-a:10.50.0.5", "", "near: tcp 172.16.1.20:9 > 10.50.0.5:80");
    check(
        "near",
        "vpc-b:100.100.2.136",
        "",
        "error: 100.100.2.136 of vpc-b is not what the sender finds at that address: it finds dns@vpc-a",
    );
    check(
        "web",
        "vpc-twin:172.16.1.20",
        "",
        "error: 172.16.1.20 of vpc-twin is not what the sender finds at that address: it finds near",
    );
    check(
        "web",
        "classic:203.0.113.7",
        "",
        "error: 203.0.113.7 of the classic network is not what the sender finds at that address: it finds visitor",
    );
    // nobody is met: a verdict (unreachable), no error
    check("joined", "vpc-twin:172.16.1.99", "", "joined: tcp 172.17.1.10:9 > 172.16.1.99:80");
    check("old", "vpc-a:172.16.1.10", "", "old: tcp 10.1.0.10:9 > 172.16.1.10:80");
}

#[test]
fn icmp_is_of_ipv4_and_icmpv6_of_ipv6() {
    let world = world();
    let ask = |protocol: &str, from: &str, to: &str, more: &str| {
        let line = format!(r#"{{"from":"{from}","to":"{to}","protocol":"{protocol}"{more}}}"#);
        answer(&world, &line)
    };
    assert_eq!(
        ask("icmpv6", "172.16.1.10", "172.16.1.50", ""),
        "error: a packet from 172.16.1.10 to 172.16.1.50 cannot be icmpv6; icmp is meant"
    );
    assert_eq!(
        ask("icmp", "visitor", "2408:4005:1::10", ""),
        "error: a packet from 2001:db8:7::7 to 2408:4005:1::10 cannot be icmp; icmpv6 is meant"
    );
    assert_eq!(
        ask("icmp", "visitor", "web", r#","family":"ipv6""#),
        "error: a packet from 2001:db8:7::7 to 2408:4005:1::10 cannot be icmp; icmpv6 is meant"
    );
    assert_eq!(
        ask("icmpv6", "visitor", "web", ""),
        "visitor: icmpv6 2001:db8:7::7 > 2408:4005:1::10"
    );
}
