//! A scenario's generators as a load test: flows, their answers, what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;

use ringfence_endpoints::generator::{Expected, Sizes};
use ringfence_load::reference;
use ringfence_scenario::load_test::{ScenarioLoad, load_test};
use ringfence_scenario::{Source, load};

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
    assert_eq!(load.pattern.sizes, Sizes::Fixed(114));
    assert!((load.pattern.denied_share - 0.25).abs() < 1e-9);
    let delivered = |flow: &&_| matches!(flow, Expected::Delivered(_));
    let expected: Vec<Expected> = load.flows.iter().map(|flow| flow.expected).collect();
    assert_eq!(expected.iter().filter(delivered).count(), 30);
    let mut keys = HashSet::new();
    for flow in &load.flows {
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
    let keys: HashSet<_> = load.flows.iter().map(|flow| flow.headers.tuple).collect();
    assert_eq!(keys.len(), 2_000);
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
