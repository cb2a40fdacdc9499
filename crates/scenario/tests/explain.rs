//! Explanations as people read them and as scripts do.

#![allow(clippy::unwrap_used)]

use ringfence_scenario::probe::resolve;
use ringfence_scenario::probes::parse_probe_line;
use ringfence_scenario::{Explainer, Explanation, Source, load};
use serde_json::Value;
use std::collections::BTreeMap;

const WORLD: &str = r#"
title: Things to explain
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-1, cidr: 172.16.1.0/24 } ] }
security_groups:
  - { id: sg-empty, vpc: vpc-a }
  - id: sg-web
    vpc: vpc-a
    rules:
      - { direction: inbound, action: allow, priority: 5, protocol: Custom TCP, port_range: 22/22, source: 203.0.113.0/24 }
      - { direction: inbound, action: forbid, priority: 5, protocol: Custom TCP, port_range: 1/1024, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 81/81, source: sg-empty }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom UDP, port_range: 53/53, source: "::/0" }
  - id: sg-locked
    vpc: vpc-a
    rules:
      - { direction: outbound, action: forbid, priority: 1, protocol: All, port_range: -1/-1, destination: 0.0.0.0/0 }
  - { id: sg-advanced, vpc: vpc-a, type: advanced }
instances:
  - { id: web-1, vswitch: vsw-1, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg-web, sg-empty] }
  - { id: empty-1, vswitch: vsw-1, ip: 172.16.1.11, public_ip: 47.96.10.2, security_groups: [sg-empty] }
  - { id: locked-1, vswitch: vsw-1, ip: 172.16.1.12, security_groups: [sg-locked] }
  - { id: locked-2, vswitch: vsw-1, ip: 172.16.1.13, security_groups: [sg-locked] }
  - { id: advanced-1, vswitch: vsw-1, ip: 172.16.1.14, public_ip: 47.96.10.3, security_groups: [sg-advanced] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
"#;

fn explain(question: &str) -> Explanation {
    let scenario = load(Source::new("world.yaml", WORLD)).unwrap();
    let probe = parse_probe_line(&scenario.fabric.world, question).unwrap();
    let packet = resolve(&scenario.fabric.world, &probe).unwrap();
    Explainer::new(scenario.fabric).explain(&packet).unwrap()
}

#[test]
fn an_allowed_packet() {
    let explanation =
        explain(r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":80}"#);
    insta::assert_snapshot!(explanation.to_string());
}

#[test]
fn a_forbid_rule_wins_a_tie() {
    let explanation =
        explain(r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":22}"#);
    insta::assert_snapshot!(explanation.to_string());
}

#[test]
fn groups_without_rules_and_same_group_accept() {
    let explanation =
        explain(r#"{"from":"empty-1","to":"web-1","protocol":"tcp","target_port":22}"#);
    insta::assert_snapshot!(explanation.to_string());
}

#[test]
fn a_denial_tells_what_was_nearest() {
    let explanation =
        explain(r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":8080}"#);
    let nearest = explanation.inbound_account.unwrap().nearest.unwrap();
    assert_eq!(nearest.id, "sg-web/3");
    assert_eq!(nearest.lacks, ["target port 8080 is not in 80/80"]);
    assert_eq!(nearest.origin, "world.yaml:12:9");
}

/// Every implicit rule by its name.
#[test]
fn implicit_rules_by_name() {
    for (question, reason) in [
        (
            r#"{"from":"visitor","to":"empty-1","protocol":"tcp","target_port":80}"#,
            "by the default of a basic group: inbound deny",
        ),
        (
            r#"{"from":"empty-1","to":"visitor","protocol":"tcp","target_port":80}"#,
            "by the default of a basic group: outbound allow",
        ),
        (
            r#"{"from":"visitor","to":"advanced-1","protocol":"tcp","target_port":80}"#,
            "by the default of an advanced group: inbound deny",
        ),
        (
            r#"{"from":"advanced-1","to":"visitor","protocol":"tcp","target_port":80}"#,
            "by the default of an advanced group: outbound deny",
        ),
        (
            r#"{"from":"web-1","to":"empty-1","protocol":"tcp","target_port":80}"#,
            "by the same-group Accept of sg-empty",
        ),
        (
            r#"{"from":"advanced-1","to":"100.100.100.200","protocol":"tcp","target_port":80}"#,
            "because this traffic is always allowed",
        ),
        (
            r#"{"from":"empty-1","to":"visitor","protocol":"tcp","target_port":25}"#,
            "by the platform's block of outbound TCP port 25 to the Internet",
        ),
        (
            r#"{"from":"web-1","to":"172.16.9.9","protocol":"tcp","target_port":25}"#,
            "because nobody owns this private address",
        ),
    ] {
        assert_eq!(explain(question).reason, reason, "{question}");
    }
}

#[test]
fn notes_name_the_traps() {
    let notes = |question: &str| {
        let explanation = explain(question);
        let accounts = explanation.outbound_account.into_iter().chain(explanation.inbound_account);
        accounts.flat_map(|account| account.notes).collect::<Vec<String>>()
    };
    let empty = notes(r#"{"from":"visitor","to":"empty-1","protocol":"tcp","target_port":80}"#);
    assert_eq!(
        empty,
        [
            "no rule matches: default of a basic group: inbound deny",
            "sg-empty contains no rules, and so denies all inbound access; only its members would \
             be let in, by its same-group Accept",
        ]
    );
    let locked = notes(r#"{"from":"locked-1","to":"locked-2","protocol":"tcp","target_port":80}"#);
    assert_eq!(
        locked,
        ["both are members of sg-locked, whose same-group Accept lets in, but out of the sender \
          custom rules come first (same_group_outbound: custom-rules-first)"]
    );
}

#[test]
fn the_way_back() {
    let explanation =
        explain(r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":80}"#);
    let back = explanation.way_back.unwrap();
    let reply = back.reply.unwrap();
    assert_eq!((reply.verdict, reply.because), ("allow", "session"));
    assert_eq!(back.by_rules_alone.unwrap().because, "default");

    // a denied packet has no answer, but a way back all the same
    let explanation = explain(r#"{"from":"visitor","to":"advanced-1","protocol":"icmp"}"#);
    let back = explanation.way_back.unwrap();
    assert_eq!(back.reply, None);
    let by_rules = back.by_rules_alone.unwrap();
    assert_eq!((by_rules.verdict, by_rules.stage), ("deny", "outbound"));

    // nothing answers an error
    let explanation =
        explain(r#"{"from":"visitor","to":"web-1","protocol":"icmp","icmp_type":3,"icmp_code":4}"#);
    assert_eq!(explanation.way_back, None);
}

#[test]
fn an_answer_has_sorted_keys() {
    let explanation =
        explain(r#"{"from":"web-1","to":"advanced-1","protocol":"tcp","target_port":80}"#);
    let raw = serde_json::to_string(&explanation.answer).unwrap();
    let sorted: BTreeMap<String, Value> = serde_json::from_str(&raw).unwrap();
    assert_eq!(raw, serde_json::to_string(&sorted).unwrap());
    insta::assert_snapshot!(raw);
}
