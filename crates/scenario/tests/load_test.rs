//! A scenario's generators as a load test: flows, their answers, what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;

use ringfence_cloud::Unreachable;
use ringfence_endpoints::generator::{self, Expected, Fresh, Sizes, Traffic};
use ringfence_frame::Instant;
use ringfence_frame::batch::FrameBatch;
use ringfence_load::{Drive, reason, reference};
use ringfence_scenario::load_test::{ScenarioLoad, load_test};
use ringfence_scenario::{Source, load};
use ringfence_switch::{Because, Controller, Layout, Stage};

fn scenario(traffic: &str, more: &str) -> Result<ScenarioLoad, String> {
    let text = format!(
        "title: t
vpcs: [ {{ id: v, cidr: 10.0.0.0/16, vswitches: [ {{ id: s, cidr: 10.0.1.0/24 }} ] }} ]
security_groups:
  - id: sg
    vpc: v
    rules: [ {{ direction: inbound, action: allow, priority: 1, protocol: Custom UDP, port_range: 7/7, source: 10.0.1.10/32 }} ]
  - {{ id: sg-empty, vpc: v, rules: [] }}
instances:
  - {{ id: a, vswitch: s, ip: 10.0.1.10, security_groups: [sg] }}
  - {{ id: b, vswitch: s, ip: 10.0.1.11, security_groups: [sg] }}
  - {{ id: c, vswitch: s, ip: 10.0.1.12, security_groups: [sg-empty] }}
{more}
traffic: [{traffic}]
expect: [ {{ from: a, to: b, udp: 7, verdict: allow }} ]
"
    );
    let scenario = load(Source::new("t.yaml", &text)).map_err(|found| format!("{found:?}"))?;
    load_test(&scenario).map_err(|error| error.to_string())
}

#[test]
fn flows_have_the_answers_of_the_reference() {
    let load = scenario(
        "{ from: a, to: b, udp: 7, flows: 30, rate: 300, frame_bytes: 60, duration: 1s },
         { from: c, to: b, udp: 7, flows: 5, rate: 100, frame_bytes: 260, duration: 1s }",
        "",
    )
    .unwrap();
    assert_eq!((load.flows.len(), load.rate, load.generators), (35, 400, 2));
    let sizes = [64, 64, 64, 64, 64, 64, 64, 64, 64, 264, 264, 264];
    assert_eq!(load.pattern.sizes, Sizes::OneOf(sizes));
    assert!((load.pattern.denied_share - 0.25).abs() < 1e-9);
    let delivered = |flow: &&_| matches!(flow, Expected::Delivered(_));
    let expected: Vec<Expected> = load.flows.iter().map(|(flow, _)| flow.expected).collect();
    assert_eq!(expected.iter().filter(delivered).count(), 30);
    let mut keys = HashSet::new();
    for (flow, frames) in &load.flows {
        let is_delivered = delivered(&&flow.expected);
        assert!((frames - if is_delivered { 10.0 } else { 20.0 }).abs() < 1e-9);
        let from = load.world.ports.place(flow.port);
        let answer = reference(&load.world.fabric, from, flow.headers.tuple);
        assert_eq!(answer.dropped.is_none(), delivered(&&flow.expected));
        assert!(keys.insert((flow.port, flow.headers.tuple)));
    }
}

#[test]
fn generators_between_the_same_ends_do_not_meet() {
    let one = "{ from: a, to: b, udp: 7, flows: 1000, rate: 1, duration: 1s }";
    let load = scenario(&format!("{one}, {one}"), "").unwrap();
    let keys: HashSet<_> = load.flows.iter().map(|(flow, _)| flow.headers.tuple).collect();
    assert_eq!(keys.len(), 2_000);
}

#[test]
fn some_flows_are_more_popular_and_some_are_new() {
    let load = scenario(
        "{ from: a, to: b, udp: 7, flows: 3, popularity: zipf, new_flows: 56, rate: 100, \
         frame_bytes: imix, duration: 1s }",
        "",
    )
    .unwrap();
    let frames: Vec<f64> = load.flows.iter().map(|(_, frames)| *frames).collect();
    for (found, wanted) in frames.iter().zip([24.0, 12.0, 8.0, 56.0]) {
        assert!((found - wanted).abs() < 1e-9, "{frames:?}");
    }
    let (new, _) = load.flows[3];
    assert!(new.fresh && matches!(new.expected, Expected::Delivered(_)));
    assert_eq!(load.pattern.fresh, Fresh::Share(0.56));
    assert_eq!(load.live_flows, 3 + 32_768);
    let imix = [64, 64, 64, 64, 64, 64, 64, 570, 570, 570, 570, 1_518];
    assert_eq!(load.pattern.sizes, Sizes::OneOf(imix));
}

#[test]
fn a_sweep_is_a_flow_for_each_target() {
    // 10.0.1.11 is `b` of the same group, .12 is `c` without a rule, .13 is nobody's
    let sweep = "{ from: a, to: b, udp: 6, sweep: { hosts: 3, ports: 2 }, rate: 60, duration: 1s }";
    let load = scenario(sweep, "").unwrap();
    let expected = |stage, because| Expected::Dropped(reason(stage, because));
    let found: Vec<Option<Expected>> = load
        .flows
        .iter()
        .map(|(flow, frames)| {
            assert!((frames - 10.0).abs() < 1e-9 && !flow.fresh);
            matches!(flow.expected, Expected::Dropped(_)).then_some(flow.expected)
        })
        .collect();
    let denied = Some(expected(Stage::Inbound, Because::Default));
    assert_eq!((found.len(), found[0], found[1]), (6, None, None));
    assert_eq!([found[2], found[3]], [denied; 2]);
    let nobody = Because::Unreachable(Unreachable::NobodyOwnsIt);
    assert_eq!([found[4], found[5]], [Some(expected(Stage::Route, nobody)); 2]);
    assert!((load.pattern.denied_share - 4.0 / 6.0).abs() < 1e-9);
}

/// `x` floods `b`, to which `a` talks as well.
fn flooded(more: &str) -> ScenarioLoad {
    let flood = "{ from: x, to: b/public, tcp: 9, syn_flood: true, rate: 60, duration: 1s }";
    let text = format!(
        "title: t
vpcs: [ {{ id: v, cidr: 10.0.0.0/16, vswitches: [ {{ id: s, cidr: 10.0.1.0/24 }} ] }} ]
security_groups:
  - id: sg
    vpc: v
    rules: [ {{ direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 9/9, source: 0.0.0.0/0 }} ]
instances:
  - {{ id: a, vswitch: s, ip: 10.0.1.10, security_groups: [sg] }}
  - {{ id: b, vswitch: s, ip: 10.0.1.11, public_ip: 47.96.10.1, security_groups: [sg] }}
outside: [ {{ id: x, ip: 203.0.113.7 }} ]
{more}
traffic: [{flood}, {{ from: a, to: b, tcp: 9, flows: 7, rate: 1, duration: 1s }}]
expect: [ {{ from: a, to: b, tcp: 9, verdict: allow }} ]
"
    );
    let scenario = load(Source::new("t.yaml", &text)).unwrap();
    load_test(&scenario).unwrap()
}

#[test]
fn a_flood_has_reached_its_limit() {
    let load = flooded("options: { limits: { half_open_per_interface: 100 } }");
    // seven of somebody else, and as many as are left
    let opened: Vec<f64> = load.flows[7..100].iter().map(|(_, frames)| *frames).collect();
    assert_eq!((opened, load.flows.len()), (vec![0.0; 93], 101));
    let (flood, frames) = load.flows[100];
    let limited = Expected::Dropped(reason(Stage::Inbound, Because::HalfOpenLimit));
    assert_eq!((flood.expected, flood.fresh, frames), (limited, true, 60.0));
    assert!(load.world.fabric.timeouts.iter().all(|it| it.tcp_opening.as_secs() >= 100_000));
    assert_eq!(load.live_flows, 100);
}

#[test]
fn a_flood_that_finds_room_is_let_through() {
    let load = flooded("");
    let (flood, _) = load.flows[7];
    assert!(flood.fresh && matches!(flood.expected, Expected::Delivered(_)));
    assert_eq!((load.flows.len(), load.live_flows), (8, 7 + 32_768));
}

/// What the reference and the limits foretell comes true, frame by frame.
#[test]
fn every_frame_of_a_flood_meets_its_fate() {
    let load = flooded("options: { limits: { half_open_per_interface: 100 } }");
    let controller = Controller::new(load.world.fabric.clone(), Layout::default());
    let mut worker = controller.worker().unwrap();
    let traffic = Traffic::weighted(load.flows, 1, |_| 0, &load.pattern, 1).unwrap();
    let Traffic { mut generators, mut checker } = traffic;
    let (mut batch, mut drive) = (FrameBatch::new(48), Drive::default());
    for stage in [generator::Stage::Open, generator::Stage::Steady] {
        generators[0].begin(stage);
        for step in 1..40 {
            let now = Instant::from_ms(step);
            generators[0].fill(&mut batch, now.as_ns());
            drive.run(&mut worker, &mut batch, now, &mut checker);
        }
    }
    let accounts = checker.finish(&generators);
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
    let limited = reason(Stage::Inbound, Because::HalfOpenLimit);
    assert!(accounts.dropped[&limited] > 1_500, "{accounts}");
}

#[test]
fn what_is_no_load_is_refused() {
    let check = |traffic: &str, more: &str, words: &[&str]| {
        let refused = scenario(traffic, more).unwrap_err();
        for word in words {
            assert!(refused.contains(word), "{refused}");
        }
    };
    let many = "{ from: a, to: b, udp: 7, flows: 40000, rate: 1, duration: 1s }";
    check("", "", &["t.yaml", "no `traffic`"]);
    check(&format!("{many}, {many}"), "", &["t.yaml:13:", "no source ports are left"]);
    check(
        many,
        "options: { limits: { sessions_per_interface: 100 } }",
        &["t.yaml:13:", "101 flows at `a`", "100"],
    );
    let long = "{ from: a, to: b, udp: 7, flows: 1, rate: 1, frame_bytes: 1514, duration: 1s }";
    check(long, "links: { b: { mtu: 1400 } }", &["1514 bytes", "1400"]);
}
