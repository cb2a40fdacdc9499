//! Pictures of worlds that real runs leave, looked at as places.

use std::fmt::Write as _;

use super::flows::{End, Ending};
use super::layout::{Course, Layout, NARROW, PlacedRegion, Shape, WIDE, layout};
use super::picture::{NodeKind, Picture, picture};
use super::topology;
use crate::report::svg::Rect;
use crate::runner::report::RunReport;
use crate::{RunOptions, Source, load};

fn run(text: &str) -> RunReport {
    let scenario = load(Source::new("world.yaml", text)).unwrap_or_else(|it| panic!("{it:?}"));
    let mut options = RunOptions {
        select: &|_| true,
        seed: None,
        keep_frames: false,
        progress: &mut |_, _| true,
    };
    crate::run(&scenario, &mut options).report
}

const OFFICE: &str = r#"
title: Everything at once
accounts: ["1000000000000001", "2000000000000002"]
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-1, cidr: 172.16.1.0/24 }, { id: vsw-2, cidr: 172.16.2.0/24 } ] }
  - { id: vpc-b, cidr: 172.17.0.0/16, vswitches: [ { id: vsw-b, cidr: 172.17.1.0/24 } ] }
cen: [ { id: cen-1, vpcs: [vpc-a, vpc-b] } ]
security_groups:
  - id: sg-a
    vpc: vpc-a
    same_group: drop
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 22/80, source: 0.0.0.0/0 }
      - { direction: outbound, action: forbid, priority: 1, protocol: Custom TCP, port_range: 443/443, destination: 0.0.0.0/0 }
  - { id: sg-b, vpc: vpc-b }
instances:
  - { id: a-1, vswitch: vsw-1, ip: 172.16.1.10, public_ip: 47.96.20.1, security_groups: [sg-a], serves: [ssh, http] }
  - { id: a-2, vswitch: vsw-2, ip: 172.16.2.10, security_groups: [sg-a], serves: [ssh] }
  - { id: b-1, vswitch: vsw-b, ip: 172.17.1.10, security_groups: [sg-b] }
outside:
  - { id: office, ip: 198.51.100.20, serves: [https] }
services:
  - { id: dns, ip: 100.100.2.136, serves: [dns] }
on_premises:
  - { id: site, cidrs: [10.50.0.0/16], vpcs: [vpc-a], hosts: [ { id: admin, ip: 10.50.0.5 } ] }
expect:
  - { from: office, to: a-1, tcp: 22, verdict: allow }
  - { from: office, to: a-1, tcp: 80, verdict: allow }
  - { from: office, to: a-1, tcp: 23, verdict: allow }
  - { from: office, to: a-1, tcp: 8080, verdict: deny }
  - { from: a-1, to: office, tcp: 443, verdict: deny }
  - { from: a-1, to: a-2, tcp: 22, verdict: allow }
  - { from: a-1, to: b-1, tcp: 22, verdict: deny }
  - { from: a-2, to: dns, udp: 53, verdict: allow }
  - { from: admin, to: a-2, tcp: 22, verdict: allow }
  - { from: b-1, to: 172.30.0.1, tcp: 22, verdict: deny }
  - { from: a-2, to: a-1, tcp: 22, verdict: deny }
"#;

fn check(picture: &Picture, shape: &Shape) -> Layout {
    let layout = layout(picture, shape);
    let page = Rect { x: 0, y: 0, width: layout.width, height: layout.height };
    let boxes: Vec<Rect> = layout.nodes.iter().map(|node| node.rect).collect();
    for (index, a) in boxes.iter().enumerate() {
        assert!(is_within(*a, page), "{a:?} in {page:?}");
        for b in &boxes[index + 1..] {
            assert!(!overlap(*a, *b), "{a:?} and {b:?}");
        }
    }
    for region in &layout.regions {
        assert!(is_within(region.rect, page), "{:?}", region.rect);
        assert!(region.rect.height > 0);
    }
    check_regions(&layout.regions, &boxes);
    check_arrows(picture, &layout, &boxes, page);
    layout
}

/// Boxes hold each other or keep apart.
fn check_regions(regions: &[PlacedRegion], nodes: &[Rect]) {
    let inner = regions.iter().map(|region| region.rect).chain(nodes.iter().copied());
    for region in regions {
        for other in inner.clone().filter(|other| *other != region.rect) {
            let are_apart = !overlap(region.rect, other);
            let is_nested = is_within(other, region.rect) || is_within(region.rect, other);
            assert!(are_apart || is_nested, "{:?} and {other:?}", region.rect);
        }
    }
}

fn check_arrows(picture: &Picture, layout: &Layout, nodes: &[Rect], page: Rect) {
    let mut labels: Vec<Rect> = Vec::new();
    let mut lanes: Vec<(i32, i32, i32)> = Vec::new();
    for (arrow, placed) in picture.arrows.iter().zip(&layout.arrows) {
        let (sender, receiver) = match placed.at_sender {
            true => (placed.labelled, placed.other),
            false => (placed.other, placed.labelled),
        };
        for (touch, node) in [(sender, arrow.from), (receiver, arrow.to)] {
            let rect = nodes[node];
            let edge = if touch.side < 0 { rect.x } else { rect.right() };
            assert_eq!(touch.x, edge, "{}", arrow.title);
            assert!((rect.y..=rect.bottom()).contains(&touch.y), "{}", arrow.title);
        }
        assert!(is_within(placed.label, page), "{:?}", placed.label);
        for other in labels.iter().chain(nodes) {
            assert!(!overlap(placed.label, *other), "the label of {} at {other:?}", arrow.title);
        }
        labels.push(placed.label);
        if let Course::Lane(x) = placed.course {
            let (low, high) = (sender.y.min(receiver.y), sender.y.max(receiver.y));
            assert!(x <= page.right(), "{}", arrow.title);
            for (lane, a, b) in &lanes {
                assert!(*lane != x || *b < low || high < *a, "{} shares a lane", arrow.title);
            }
            lanes.push((x, low, high));
        }
    }
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn is_within(inner: Rect, outer: Rect) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

#[test]
fn arrows_end_where_the_verdict_fell() {
    let picture = picture(&run(OFFICE));
    let name = |index: usize| picture.nodes[index].title.as_str();
    let found: Vec<_> = picture
        .arrows
        .iter()
        .map(|it| (name(it.from), name(it.to), it.words.join(" "), it.ending, it.decided))
        .collect();
    let expected = [
        ("office", "a-1", "tcp/22 tcp/80", Ending::Arrives, End::Receiver),
        ("office", "a-1", "tcp/23", Ending::Refused, End::Receiver),
        ("office", "a-1", "tcp/8080", Ending::AtReceiver, End::Receiver),
        ("a-1", "office", "tcp/443", Ending::AtSender, End::Sender),
        ("a-1", "a-2", "tcp/22", Ending::Arrives, End::Receiver),
        ("a-1", "b-1", "tcp/22", Ending::AtReceiver, End::Receiver),
        ("a-2", "dns@vpc-a", "udp/53", Ending::Arrives, End::Sender),
        ("admin", "a-2", "tcp/22", Ending::Arrives, End::Receiver),
        ("b-1", "172.30.0.1", "tcp/22", Ending::Between, End::Sender),
        ("a-2", "a-1", "tcp/22", Ending::Arrives, End::Receiver),
    ];
    let expected = expected
        .map(|(from, to, words, ending, decided)| (from, to, words.to_owned(), ending, decided));
    assert_eq!(found, expected);
    let failed: Vec<bool> = picture.arrows.iter().map(|arrow| arrow.failed).collect();
    assert_eq!(failed.iter().filter(|failed| **failed).count(), 1);
    assert!(failed[9], "a-2 was expected to be kept out of a-1");
    assert_eq!(picture.left_out, [""; 0]);
}

#[test]
fn everything_has_a_place_of_its_own() {
    let picture = picture(&run(OFFICE));
    let wide = check(&picture, &WIDE);
    let narrow = check(&picture, &NARROW);
    assert!(wide.width > 2 * narrow.width);
    assert!(narrow.width <= 390, "it fits a phone: {}", narrow.width);
    let ids: Vec<&str> = wide.regions.iter().map(|region| region.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "internet",
            "on-premises site",
            "nowhere",
            "vpc-a",
            "vsw-1",
            "vsw-2",
            "services of vpc-a",
            "vpc-b",
            "vsw-b",
            "services of vpc-b"
        ]
    );
}

#[test]
fn a_picture_says_in_words_what_it_shows() {
    let run = run(OFFICE);
    let topology = topology(&run, "s1");
    for svg in [&topology.wide, &topology.narrow] {
        for words in [
            "office to a-1, tcp/22, tcp/80: allowed.",
            "office to a-1, tcp/23: allowed, and refused by a closed port (RST).",
            "office to a-1, tcp/8080: denied at the receiver&#39;s interface, silently.",
            "a-1 to office, tcp/443: denied at the sender&#39;s interface, silently.",
            "b-1 to 172.30.0.1, tcp/22: not delivered.",
            "a-2 to a-1, tcp/22: allowed; not as expected.",
            "CEN cen-1 joins vpc-a, vpc-b.",
            "site is joined to vpc-a.",
        ] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }
    assert_eq!(topology.joins, ["CEN cen-1 joins vpc-a, vpc-b", "site is joined to vpc-a"]);
}

/// A vSwitch with many instances, of which some talk to their neighbours.
fn crowd(instances: u32, flows: u32) -> String {
    let mut text = String::from(
        "title: A crowd
vpcs: [ { id: vpc-x, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-x, cidr: 172.16.0.0/20 } ] } ]
security_groups: [ { id: sg-even, vpc: vpc-x }, { id: sg-odd, vpc: vpc-x } ]
instances:
",
    );
    for number in 0..instances {
        let (high, low) = (number / 200, number % 200 + 10);
        let group = if number % 2 == 0 { "sg-even" } else { "sg-odd" };
        let (id, ip) = (format!("i-{number}"), format!("172.16.{high}.{low}"));
        let groups = format!("security_groups: [{group}]");
        writeln!(text, "  - {{ id: {id}, vswitch: vsw-x, ip: {ip}, {groups} }}").unwrap();
    }
    text.push_str("expect:\n");
    for number in 0..flows {
        let (from, to) = (2 * number, 2 * number + 1);
        writeln!(text, "  - {{ from: i-{from}, to: i-{to}, tcp: 80, verdict: deny }}").unwrap();
    }
    text
}

#[test]
fn many_instances_are_counted_together() {
    // instances, flows: boxes that stand for one, boxes that stand for many
    let cases = [
        (60, 1, 60, vec![]),
        (61, 1, 2, vec!["30 instances", "29 instances"]),
        (200, 20, 40, vec!["80 instances", "80 instances"]),
        (200, 21, 0, vec!["100 instances", "100 instances"]),
    ];
    for (instances, flows, alone, expected) in cases {
        let picture = picture(&run(&crowd(instances, flows)));
        let crowds: Vec<&str> = picture
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Crowd)
            .map(|node| node.title.as_str())
            .collect();
        assert_eq!(crowds, expected, "{instances} instances, {flows} flows");
        assert_eq!(picture.nodes.len() - crowds.len(), alone, "{instances}, {flows}");
        let arrows = if alone == 0 { 1 } else { flows as usize };
        assert_eq!(picture.arrows.len(), arrows, "{instances}, {flows}");
        check(&picture, &WIDE);
        check(&picture, &NARROW);
    }
}
