//! Runs: what came true, what did not and in which words, sessions under every `on_rule_change`,
//! the same bytes twice.

#![allow(clippy::unwrap_used)]

use ringfence_scenario::runner::report::{ExpectationReport, Status};
use ringfence_scenario::{
    RunOptions, RunOutput, Scenario, Source, captures, flow_log, junit, load,
};

const TOPOLOGY: &str = r#"
title: A run
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-1, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-web
    vpc: vpc-a
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 22/22, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom UDP, port_range: 7/7, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: GRE, port_range: -1/-1, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: All ICMP (IPv4), port_range: -1/-1, source: 0.0.0.0/0 }
instances:
  - { id: web-1, vswitch: vsw-1, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg-web], serves: [http, echo] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
"#;

fn scenario(rest: &str) -> Scenario {
    match load(Source::new("run.yaml", &format!("{TOPOLOGY}{rest}"))) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics:#?}"),
    }
}

fn run(scenario: &Scenario) -> RunOutput {
    let mut options =
        RunOptions { select: &|_| true, seed: None, keep_frames: true, progress: &mut |_, _| true };
    ringfence_scenario::run(scenario, &mut options)
}

/// Runs a scenario and gives, for each expectation, its outcome and its failures.
fn check(rest: &str, expected: &[(&str, &[&str])]) -> RunOutput {
    let output = run(&scenario(rest));
    let found: Vec<(&str, Vec<&str>)> = output
        .report
        .expectations
        .iter()
        .map(|it| (it.outcome.as_str(), it.failures.iter().map(String::as_str).collect()))
        .collect();
    let expected: Vec<(&str, Vec<&str>)> =
        expected.iter().map(|(outcome, failures)| (*outcome, failures.to_vec())).collect();
    assert_eq!(found, expected);
    let failed = expected.iter().filter(|(_, failures)| !failures.is_empty()).count();
    assert_eq!(
        (output.report.passed, output.report.failed, output.report.skipped),
        (expected.len() - failed, failed, 0)
    );
    output
}

#[test]
fn denied_is_silence_and_closed_is_a_reset() {
    check(
        r#"
expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1, sees: replied }
  - { from: visitor, to: web-1, tcp: 80, application: none, verdict: allow, sees: connected }
  - { from: visitor, to: web-1, tcp: 22, verdict: allow, sees: refused }
  - { from: visitor, to: web-1, tcp: 23, verdict: deny, because: default, stage: inbound, sees: timed out }
  - { from: visitor, to: web-1, udp: 7, verdict: allow, sees: replied }
  - { from: visitor, to: web-1, icmp: true, verdict: allow, sees: replied }
  - { from: visitor, to: web-1, gre: true, verdict: allow, sees: sent }
  - { from: visitor, to: web-1, icmp: { type: 13, code: 0 }, verdict: allow, rule: sg-web/5 }
  - { from: 198.51.100.1, to: web-1, tcp: 80, verdict: allow, sees: replied }
  - { from: 198.51.100.2, to: web-1, tcp: 80, verdict: allow, sees: replied }
  - { from: web-1, to: 198.51.100.3, tcp: 80, verdict: allow, because: default, sees: timed out }
  - { from: web-1, to: 172.16.1.99, tcp: 80, verdict: deny, because: unreachable, stage: route }
"#,
        &[
            ("allowed, replied", &[]),
            ("allowed, connected", &[]),
            ("allowed, closed (RST)", &[]),
            ("denied (silence)", &[]),
            ("allowed, replied", &[]),
            ("allowed, replied", &[]),
            ("allowed, sent", &[]),
            ("allowed", &[]),
            ("allowed, replied", &[]),
            ("allowed, replied", &[]),
            ("allowed, no answer", &[]),
            ("unreachable (silence)", &[]),
        ],
    );
}

#[test]
fn what_does_not_come_true_is_said() {
    check(
        r#"
expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: deny }
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/2 }
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, because: same-group }
  - { from: visitor, to: web-1, tcp: 23, verdict: deny, stage: outbound }
  - { from: visitor, to: web-1, tcp: 23, verdict: deny, rule: sg-web/1 }
  - { from: visitor, to: web-1, tcp: 22, verdict: allow, sees: replied }
"#,
        &[
            (
                "allowed, replied",
                &["expected deny, the verdict is allow (rule sg-web/1 at inbound)"],
            ),
            ("allowed, replied", &["rule sg-web/2 was to decide, rule sg-web/1 did"]),
            ("allowed, replied", &["expected because = same-group, it is rule"]),
            ("denied (silence)", &["expected the verdict at outbound, it fell at inbound"]),
            (
                "denied (silence)",
                &["rule sg-web/1 was to decide, the verdict is deny (default at inbound)"],
            ),
            ("allowed, closed (RST)", &["the guest was to see `replied`, and saw `refused`"]),
        ],
    );
}

/// Each `on_rule_change`, with a change that takes the rule away and one that leaves it.
#[test]
fn sessions_under_each_on_rule_change() {
    let taken_away = "[]";
    let left = "[ { direction: inbound, action: allow, priority: 9, protocol: All, port_range: -1/-1, source: 0.0.0.0/0 } ]";
    // under flush the next packet is decided as new, so that the rules decide alone
    for (mode, rules, kept) in [
        ("cut-if-denied", taken_away, false),
        ("cut-if-denied", left, true),
        ("keep", taken_away, true),
        ("keep", left, true),
        ("flush", taken_away, false),
        ("flush", left, true),
        ("flush-inbound", taken_away, false),
        ("flush-inbound", left, true),
    ] {
        for what in ["tcp: 80", "udp: 7", "icmp: true", "gre: true"] {
            let rest = format!(
                r#"
options: {{ on_rule_change: {mode} }}
changes:
  - {{ at: 5s, set_rules: {{ group: sg-web, rules: {rules} }} }}
expect:
  - {{ from: visitor, to: web-1, {what}, at: 1s, verdict: allow, session: {{ kept: {kept}, every: 1s, until: 12s }} }}
"#
            );
            let output = run(&scenario(&rest));
            let report = &output.report.expectations[0];
            assert_eq!(report.failures, Vec::<String>::new(), "{mode} {rules} {what}");
            let session = report.session.as_ref().unwrap();
            assert_eq!((session.kept, session.kept_on_paper), (kept, kept), "{mode} {what}");
            let cut = usize::from(!kept && mode != "keep");
            let cuts: u64 =
                output.report.counters.interfaces.iter().map(|it| it.sessions_cut).sum();
            assert!(cuts >= cut as u64, "{mode} {rules} {what}: {cuts} cut");
        }
    }
}

/// With `tcp_midstream: drop` a flushed connection cannot be picked up again, a datagram can.
#[test]
fn a_flushed_connection_is_midstream() {
    let rest = |what: &str, kept: bool| {
        format!(
            r#"
options: {{ on_rule_change: flush, tcp_midstream: drop }}
changes:
  - {{ at: 5s, set_rules: {{ group: sg-web, rules: [ {{ direction: inbound, action: allow, priority: 9, protocol: All, port_range: -1/-1, source: 0.0.0.0/0 }} ] }} }}
expect:
  - {{ from: visitor, to: web-1, {what}, at: 1s, verdict: allow, session: {{ kept: {kept}, every: 1s, until: 12s }} }}
"#
        )
    };
    check(&rest("tcp: 80", false), &[("allowed, replied", &[])]);
    check(&rest("udp: 7", true), &[("allowed, replied", &[])]);
}

#[test]
fn a_session_that_is_not_as_expected_fails_twice() {
    check(
        r#"
expect:
  - { from: visitor, to: web-1, udp: 7, at: 0s, verdict: allow, session: { kept: false, every: 1s, until: 5s } }
"#,
        &[(
            "allowed, replied",
            &[
                "the session was to be cut, and was kept (4 rounds were answered)",
                "the session was to be cut, and on paper it is kept",
            ],
        )],
    );
}

/// "a packet at 909 s passes, at >910 s needs a rule again; UDP at >30 s likewise"
#[test]
fn idle_timeouts() {
    for (every, kept) in [("30s", true), ("31s", false)] {
        check(
            &format!(
                r#"
changes:
  - {{ at: 5s, set_rules: {{ group: sg-web, rules: [] }} }}
options: {{ on_rule_change: keep }}
expect:
  - {{ from: visitor, to: web-1, udp: 7, at: 1s, verdict: allow, session: {{ kept: {kept}, every: {every}, until: 100s }} }}
"#
            ),
            &[("allowed, replied", &[])],
        );
    }
}

fn ports(output: &RunOutput) -> Vec<(u16, u64)> {
    let expectations = output.report.expectations.iter();
    expectations.map(|it| (it.packet.as_ref().unwrap().source_port, it.at_ns / 1_000_000)).collect()
}

#[test]
fn flows_do_not_meet() {
    let output = check(
        r#"
expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1 }
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1 }
  - { from: visitor, to: web-1, gre: true, verdict: allow, rule: sg-web/4 }
  - { from: visitor, to: web-1, gre: true, verdict: allow, rule: sg-web/4 }
  - { from: visitor, to: web-1, icmp: true, verdict: allow, rule: sg-web/5 }
  - { from: visitor, to: web-1, icmp: true, verdict: allow, rule: sg-web/5 }
"#,
        &[
            ("allowed, replied", &[]),
            ("allowed, replied", &[]),
            ("allowed, sent", &[]),
            ("allowed, sent", &[]),
            ("allowed, replied", &[]),
            ("allowed, replied", &[]),
        ],
    );
    // the second GRE packet waits until the session of the first one (60 s) is gone
    let expected = [(40_000, 0), (40_001, 10), (0, 20), (0, 62_020), (40_000, 40), (40_001, 50)];
    assert_eq!(ports(&output), expected);
}

#[test]
fn a_flow_waits_for_those_that_are_kept_going() {
    let output = check(
        r#"
expect:
  - { from: visitor, to: web-1, gre: true, verdict: allow, session: { kept: true, every: 1s, until: 30s } }
  - { from: visitor, to: web-1, gre: true, verdict: allow, rule: sg-web/4 }
"#,
        &[("allowed, sent", &[]), ("allowed, sent", &[])],
    );
    assert_eq!(ports(&output), [(0, 0), (0, 92_000)]);
}

#[test]
fn a_source_port_that_a_rule_names_is_not_changed() {
    let output = check(
        r#"
changes:
  - at: 1s
    set_rules:
      group: sg-web
      rules:
        - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0, source_ports: 40000/40000 }
expect:
  - { name: a, from: visitor, to: web-1, tcp: 80, at: 2s, verdict: allow, rule: sg-web/1 }
  - { name: b, from: visitor, to: web-1, tcp: 80, at: 700s, verdict: allow, rule: sg-web/1 }
"#,
        &[("allowed, replied", &[]), ("allowed, replied", &[])],
    );
    assert_eq!(ports(&output), [(40_000, 2_000), (40_000, 700_000)]);
}

#[test]
fn a_flow_that_would_have_to_wait_past_a_change_is_refused() {
    let output = run(&scenario(
        r#"
changes:
  - { at: 30s, set_rules: { group: sg-web, rules: [] } }
expect:
  - { from: visitor, to: web-1, gre: true, verdict: allow }
  - { from: visitor, to: web-1, gre: true, verdict: allow }
"#,
    ));
    let statuses: Vec<Status> = output.report.expectations.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Status::Passed, Status::Failed]);
    let failure = &output.report.expectations[1].failures[0];
    assert!(failure.contains("say when this one starts (at)"), "{failure}");
}

#[test]
fn expectations_without_a_time_come_before_the_first_change() {
    let mut rest = String::from(
        "changes:\n  - { at: 50ms, set_rules: { group: sg-web, rules: [] } }\nexpect:\n",
    );
    for _ in 0..20 {
        rest += "  - { from: visitor, to: web-1, tcp: 80, application: none, verdict: allow, rule: sg-web/1 }\n";
    }
    let output = run(&scenario(&rest));
    assert_eq!((output.report.passed, output.report.failed), (20, 0));
    let last = output.report.expectations.last().unwrap();
    assert!(last.at_ns < 50_000_000, "{}", last.at_ns);
}

#[test]
fn both_ways_are_told_step_by_step() {
    let output = check(
        "expect:\n  - { from: visitor, to: web-1, tcp: 80, verdict: allow }\n",
        &[("allowed, replied", &[])],
    );
    let report: &ExpectationReport = &output.report.expectations[0];
    let walk = format!("{}\n--\n{}", report.walk.join("\n"), report.walk_back.join("\n"));
    insta::assert_snapshot!(walk);
}

/// What is left of a run as text: report, captures, flow log, JUnit.
fn bytes(output: &RunOutput) -> Vec<u8> {
    let mut all = serde_json::to_vec(&output.report).unwrap();
    flow_log::write(output, &mut all).unwrap();
    all.extend(junit::to_xml(std::slice::from_ref(&output.report)).unwrap().bytes());
    let files = std::cell::RefCell::new(Vec::new());
    captures::write(output, |name| {
        files.borrow_mut().push(name.to_owned());
        Ok(Stream(&files))
    })
    .unwrap();
    all.extend(files.into_inner().concat().bytes());
    all
}

/// A stream that ends in a list of texts, so that captures can be compared as bytes.
struct Stream<'a>(&'a std::cell::RefCell<Vec<String>>);

impl std::io::Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().push(format!("{bytes:02x?}"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const LOADED: &str = r#"
links:
  visitor: { delay: 5ms, loss: 0.1 }
  web-1: { delay: 100us, bandwidth: 10 Mbit/s }
traffic:
  - { name: load, from: visitor, to: web-1, udp: 7, flows: 4, rate: 100, frame_bytes: 200, start: 0s, duration: 2s }
expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, sees: replied }
"#;

#[test]
fn two_runs_leave_the_same_bytes() {
    let scenario = scenario(LOADED);
    let (one, two) = (run(&scenario), run(&scenario));
    assert_eq!(bytes(&one), bytes(&two));
    let mut options = RunOptions {
        select: &|_| true,
        seed: Some(scenario.seed + 1),
        keep_frames: true,
        progress: &mut |_, _| true,
    };
    let other = ringfence_scenario::run(&scenario, &mut options);
    assert_ne!(bytes(&one), bytes(&other), "loss depends on the seed");
}

#[test]
fn generators_are_measured() {
    let output = run(&scenario(LOADED));
    let [generator] = &output.report.generators[..] else { panic!("one generator") };
    assert_eq!((generator.frames_sent, generator.offered_pps), (200, 100));
    assert!((150..200).contains(&generator.frames_received), "{}", generator.frames_received);
    let latency = generator.latency_ns.as_ref().unwrap();
    // two links, and 200 bytes at 10 Mbit/s
    assert!((5_100_000..=5_600_000).contains(&latency.min), "{}", latency.min);
    let counted: u64 = latency.histogram.iter().map(|bucket| bucket.frames).sum();
    assert_eq!(counted, generator.frames_received);
}

#[test]
fn a_stopped_run_says_what_it_did_not_look_at() {
    let scenario = scenario(
        r#"
expect:
  - { from: visitor, to: web-1, tcp: 80, at: 0s, verdict: allow }
  - { from: visitor, to: web-1, tcp: 80, at: 10s, verdict: allow }
  - { from: visitor, to: web-1, tcp: 80, at: 20s, verdict: allow }
"#,
    );
    let mut options = RunOptions {
        select: &|_| true,
        seed: None,
        keep_frames: false,
        progress: &mut |done, _| done < 2,
    };
    let report = ringfence_scenario::run(&scenario, &mut options).report;
    let statuses: Vec<Status> = report.expectations.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Status::Passed, Status::Skipped, Status::Skipped]);
    assert_eq!((report.passed, report.failed, report.skipped), (1, 0, 2));
}

#[test]
fn a_flow_log_has_a_record_for_each_side_and_action() {
    let output = check(
        r#"
expect:
  - { from: visitor, to: web-1, tcp: 80, application: none, verdict: allow }
  - { from: visitor, to: web-1, tcp: 23, verdict: deny }
"#,
        &[("allowed, connected", &[]), ("denied (silence)", &[])],
    );
    let mut log = Vec::new();
    flow_log::write(&output, &mut log).unwrap();
    insta::assert_snapshot!(String::from_utf8(log).unwrap());
    assert_eq!(flow_log::FIELDS.split(' ').count(), 21);
}

#[test]
fn captures_say_why() {
    let output = check(
        "expect:\n  - { from: visitor, to: web-1, tcp: 23, verdict: deny }\n",
        &[("denied (silence)", &[])],
    );
    let files = std::cell::RefCell::new(Vec::new());
    captures::write(&output, |name| {
        files.borrow_mut().push(name.to_owned());
        Ok(Stream(&files))
    })
    .unwrap();
    assert!(files.borrow().iter().any(|name| name == "visitor"));
    let comment = format!("{:02x?}", b"deny: default (inbound)");
    let all = files.into_inner().concat().replace("][", ", ");
    assert!(all.contains(comment.trim_matches(['[', ']'])), "the comment is there");
    assert_eq!(captures::file_stem("web-1/eth1"), "web-1_eth1");
}

#[test]
fn junit_has_a_case_for_each_expectation() {
    let output = run(&scenario(
        r#"
expect:
  - { name: "open & <shut>", from: visitor, to: web-1, tcp: 80, verdict: allow }
  - { from: visitor, to: web-1, tcp: 23, verdict: allow }
"#,
    ));
    insta::assert_snapshot!(junit::to_xml(&[output.report]).unwrap());
}

#[test]
fn a_session_says_why_it_lived_or_died() {
    let reason = |mode: &str, port: &str| {
        let text = format!(
            "
options: {{ on_rule_change: {mode}, tcp_midstream: drop }}
changes:
  - at: 5500ms
    set_rules:
      group: sg-web
      rules:
        - {{ direction: inbound, action: allow, priority: 1, protocol: Custom UDP, port_range: 7/7, source: 0.0.0.0/0 }}
expect:
  - {{ from: visitor, to: web-1, {port}, at: 1s, verdict: allow, session: {{ kept: true, every: 1s, until: 12s }} }}
"
        );
        run(&scenario(&text)).report.expectations[0].session.as_ref().unwrap().reason.clone()
    };
    let kept = "its packets passed by the session that the first one opened";
    assert_eq!(reason("keep", "tcp: 80"), kept);
    assert_eq!(reason("cut-if-denied", "udp: 7"), kept);
    let cut = reason("cut-if-denied", "tcp: 80");
    assert!(cut.starts_with("a change had ended its session by the packet at 6"), "{cut}");
    assert!(cut.contains("a packet was denied: because it opens no TCP connection"), "{cut}");
    let flushed = reason("flush", "udp: 7");
    assert!(flushed.starts_with("a change had ended its session by the packet at 6"), "{flushed}");
    assert!(flushed.contains("was decided anew: by rule sg-web/1"), "{flushed}");
    let closed = reason("keep", "tcp: 443");
    assert!(closed.starts_with("it never opened: by the default of a basic group"), "{closed}");
}
