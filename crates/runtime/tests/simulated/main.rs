//! The simulated world end to end: guests, links and the real switch on one virtual clock.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod world;

use std::time::Duration;

use ringfence_cloud::Place;
use ringfence_endpoints::application::Application;
use ringfence_endpoints::generator::{Popularity, Sweep};
use ringfence_endpoints::{Generator, GeneratorConfig, KeepAlive, Progress, Seen, Task, TaskKind};
use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{Direction, Instant, MacAddr, Protocol, parse};
use ringfence_runtime::LinkConfig;
use ringfence_runtime::simulated::{CapturedFrame, Simulation};
use ringfence_switch::{Change, OnRuleChange, SwitchOptions};
use world::{
    APP, DB, SG_WEB, VISITOR, WEB, allow, allow_all, crowded, fabric, link_us, simulation,
};

const SECOND: Duration = Duration::from_secs(1);
const FABRIC: MacAddr = MacAddr([0xee, 0xff, 0xff, 0xff, 0xff, 0xff]);
const APP_MAC: MacAddr = MacAddr([0, 0x16, 0x3e, 0, 0, 2]);

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

fn task(target: &str, kind: TaskKind) -> Task {
    Task { target: target.parse().unwrap(), source: None, kind, timeout: 5 * SECOND }
}

fn tcp(target: &str, target_port: u16, application: Option<Application>) -> Task {
    let kind = TaskKind::Tcp { source_port: None, target_port, application, keep_alive: None };
    task(target, kind)
}

fn ping(target: &str) -> Task {
    task(target, TaskKind::Ping { identifier: 1, count: 2 })
}

fn open(link: LinkConfig) -> Simulation {
    simulation(fabric(allow_all(), SwitchOptions::default()), link, 1)
}

/// Runs a task of the guest at `from` to its end and asserts what it saw.
fn check(
    simulation: &mut Simulation,
    from: Place,
    task: Task,
    seen: Seen,
    detail: &str,
) -> Progress {
    let description = format!("{task:?}");
    let until = simulation.now() + task.timeout + SECOND;
    let now = simulation.now();
    let id = simulation.guest_mut(from).unwrap().start(task, now);
    simulation.run_until(until);
    assert_eq!(simulation.now(), until);
    let progress = simulation.guest(from).unwrap().progress(id).clone();
    assert_eq!(
        (progress.seen, progress.detail.as_str()),
        (Some(seen), detail),
        "{description}: {progress:?}"
    );
    progress
}

#[test]
fn round_trips_are_four_times_the_delay() {
    for delay_us in [0, 50, 3_000] {
        for target in ["172.16.1.10", "2001:db8:1:1::10"] {
            let mut simulation = open(link_us(delay_us));
            let rtt = us(4 * delay_us);
            let detail = "2 of 2 answered";
            let pinged = check(&mut simulation, APP, ping(target), Seen::Replied, detail);
            assert_eq!(pinged.round_trips, [rtt, rtt]);
            let http = tcp(target, 80, Some(Application::Http));
            let replied = check(&mut simulation, APP, http, Seen::Replied, "200 OK");
            assert_eq!(replied.round_trips, [rtt, rtt]);
        }
    }
}

#[test]
fn every_application_crosses_the_switch() {
    for application in Application::ALL {
        let mut simulation = open(LinkConfig::default());
        for (from, target) in [
            (APP, "172.16.1.10"),
            (APP, "2001:db8:1:1::10"),
            (DB, "172.16.1.10"),
            (VISITOR, "47.96.10.1"),
        ] {
            let now = simulation.now();
            let task = tcp(target, application.port(), Some(application));
            let id = simulation.guest_mut(from).unwrap().start(task, now);
            simulation.run_until(now + SECOND);
            let progress = simulation.guest(from).unwrap().progress(id);
            assert_eq!(progress.seen, Some(Seen::Replied), "{application:?} {from:?} {progress:?}");
        }
    }
}

/// "Deny = silent drop, no RST/ICMP"; a port where nobody listens answers.
#[test]
fn denied_is_silence_and_closed_is_a_refusal() {
    let rules = vec![allow(Protocol::TCP, Some((80, 81)), "0.0.0.0/0")];
    let fabric = fabric(rules, SwitchOptions::default());
    let mut simulation = simulation(fabric, LinkConfig::default(), 1);
    let http = || tcp("47.96.10.1", 80, Some(Application::Http));
    check(&mut simulation, VISITOR, http(), Seen::Replied, "200 OK");
    let closed = tcp("47.96.10.1", 81, None);
    check(&mut simulation, VISITOR, closed, Seen::Refused, "connection refused");
    let first = simulation.verdicts().len();
    let denied = tcp("47.96.10.1", 22, None);
    check(&mut simulation, VISITOR, denied, Seen::TimedOut, "no answer");
    let verdicts: Vec<_> = simulation.verdicts()[first..]
        .iter()
        .map(|logged| (logged.port, logged.verdict.allowed, logged.verdict.because.name()))
        .collect();
    // the SYN and its retransmissions after 1 s and 3 s
    assert_eq!(verdicts, [(VISITOR, false, "default"); 3]);
    check(&mut simulation, VISITOR, ping("47.96.10.1"), Seen::TimedOut, "0 of 2 answered");
}

/// "FTP between groups opens 21 only: the control connection works, a passive data connection does
/// not"
#[test]
fn ftp_without_its_data_ports() {
    let rules = vec![allow(Protocol::TCP, Some((21, 21)), "0.0.0.0/0")];
    let fabric = fabric(rules, SwitchOptions::default());
    let mut simulation = simulation(fabric, LinkConfig::default(), 1);
    let ftp = tcp("172.16.1.10", 21, Some(Application::Ftp));
    let detail = "control connection ok, data timed out";
    check(&mut simulation, APP, ftp, Seen::TimedOut, detail);
}

fn kept_alive(interval: Duration, until: Instant) -> Task {
    let keep_alive = Some(KeepAlive { interval, until });
    let kind = TaskKind::Tcp {
        source_port: None,
        target_port: 80,
        application: Some(Application::Http),
        keep_alive,
    };
    task("172.16.1.10", kind)
}

#[test]
fn a_rule_change_cuts_a_flow() {
    for (on_rule_change, rounds) in [(OnRuleChange::CutIfDenied, 2), (OnRuleChange::Keep, 5)] {
        let options = SwitchOptions { on_rule_change, ..SwitchOptions::default() };
        let mut simulation = simulation(fabric(allow_all(), options), LinkConfig::default(), 1);
        let task = kept_alive(10 * SECOND, Instant::from_ms(55_000));
        let id = simulation.guest_mut(APP).unwrap().start(task, Instant::START);
        simulation.run_until(Instant::from_ms(25_000));
        simulation.apply(Change::Rules(SG_WEB, Vec::new()));
        simulation.run_until(Instant::from_ms(60_000));
        let progress = simulation.guest(APP).unwrap().progress(id);
        assert_eq!(progress.seen, Some(Seen::Replied));
        assert_eq!(progress.rounds_answered, rounds, "{on_rule_change:?}");
        let cut: usize =
            simulation.verdicts().iter().map(|logged| logged.verdict.sessions_cut.len()).sum();
        assert_eq!(cut > 0, on_rule_change == OnRuleChange::CutIfDenied);
    }
}

/// "idle established TCP: packet at 909 s passes, at >910 s needs a rule again"
#[test]
fn an_idle_session_dies_after_910_s() {
    for (interval_s, rounds) in [(909, 3), (911, 0)] {
        let options =
            SwitchOptions { on_rule_change: OnRuleChange::Keep, ..SwitchOptions::default() };
        let mut simulation = simulation(fabric(allow_all(), options), LinkConfig::default(), 1);
        let task = kept_alive(interval_s * SECOND, Instant::from_ms(3_000_000));
        let id = simulation.guest_mut(APP).unwrap().start(task, Instant::START);
        simulation.run_until(Instant::from_ms(1_000));
        simulation.apply(Change::Rules(SG_WEB, Vec::new()));
        simulation.run_until(Instant::from_ms(3_100_000));
        let progress = simulation.guest(APP).unwrap().progress(id);
        assert_eq!(progress.rounds_answered, rounds, "{interval_s} s: {progress:?}");
    }
}

fn lossy_run(seed: u64) -> (Vec<CapturedFrame>, u64) {
    let link = LinkConfig { loss: 0.1, ..LinkConfig::default() };
    let mut simulation = simulation(fabric(allow_all(), SwitchOptions::default()), link, seed);
    for application in Application::ALL {
        let now = simulation.now();
        for from in [APP, DB] {
            let task = tcp("172.16.1.10", application.port(), Some(application));
            simulation.guest_mut(from).unwrap().start(task, now);
        }
        simulation.run_until(now + SECOND);
    }
    simulation.run_until(Instant::from_ms(60_000));
    (simulation.frames().to_vec(), simulation.frames_lost())
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (first, second, other) = (lossy_run(1), lossy_run(1), lossy_run(2));
    assert!(first.0.len() > 200, "{} frames", first.0.len());
    assert!(first.1 > 10, "{} lost", first.1);
    assert!(first == second);
    assert!(first != other);
    assert!(first.0.is_sorted_by_key(|frame| frame.at));
}

#[test]
fn captures_and_verdicts_tell_which_frame() {
    let mut simulation = open(link_us(50));
    check(&mut simulation, APP, ping("172.16.1.10"), Seen::Replied, "2 of 2 answered");
    let crossed: Vec<_> = simulation
        .frames()
        .iter()
        .map(|frame| (frame.at.as_ns() / 1_000, frame.port, frame.direction, frame.frame))
        .collect();
    let (out, into) = (Direction::Outbound, Direction::Inbound);
    assert_eq!(
        crossed,
        [
            (50, APP, out, Some(1)), // ARP
            (50, APP, into, None),
            (150, APP, out, Some(2)),
            (150, WEB, into, Some(2)),
            (250, WEB, out, Some(3)),
            (250, APP, into, Some(3)),
            (1_000_150, APP, out, Some(4)),
            (1_000_150, WEB, into, Some(4)),
            (1_000_250, WEB, out, Some(5)),
            (1_000_250, APP, into, Some(5)),
        ]
    );
    let verdicts: Vec<_> = simulation
        .verdicts()
        .iter()
        .map(|logged| (logged.frame, logged.port, logged.verdict.because.name()))
        .collect();
    assert_eq!(
        verdicts,
        [
            (1, APP, "always-allowed"),
            (2, APP, "rule"),
            (3, WEB, "session"),
            (4, APP, "session"),
            (5, WEB, "session"),
        ]
    );
    assert!(simulation.events().iter().any(|(frame, _)| *frame == 5));
}

fn envelope() -> Envelope {
    Envelope {
        source_mac: APP_MAC,
        target_mac: FABRIC,
        source: "172.16.1.11".parse().unwrap(),
        target: "172.16.1.10".parse().unwrap(),
        ttl: 64,
    }
}

/// A fragment that is held gets its verdict late, and its place by its number.
#[test]
fn verdicts_stand_in_frame_order() {
    let mut simulation = open(LinkConfig::default());
    let whole = build::udp(&envelope(), 1_000, 2_000, &[7; 2_000]);
    let mut parts = build::fragments(&whole, &parse(&whole).unwrap(), 1_500);
    assert_eq!(parts.len(), 2);
    parts.reverse();
    for (number, part) in (0..).zip(parts) {
        simulation.run_until(Instant::from_ms(10 * number));
        simulation.inject(APP, part);
    }
    simulation.run_until(Instant::from_ms(1_000));
    let verdicts: Vec<_> = simulation
        .verdicts()
        .iter()
        .filter(|logged| logged.port == APP)
        .map(|logged| (logged.frame, logged.at.as_ms(), logged.verdict.allowed))
        .collect();
    assert_eq!(verdicts[..2], [(1, 0, true), (2, 10, true)]);
    let arrived: Vec<_> = simulation
        .frames()
        .iter()
        .filter(|frame| frame.port == WEB && frame.direction == Direction::Inbound)
        .map(|frame| frame.frame)
        .collect();
    assert_eq!(arrived, [Some(2), Some(1)]);
}

/// A later fragment whose first one does not come, and sessions that nobody uses.
#[test]
fn what_times_out_is_told_and_forgotten() {
    let mut simulation = open(LinkConfig::default());
    let whole = build::udp(&envelope(), 1_000, 2_000, &[7; 2_000]);
    let parts = build::fragments(&whole, &parse(&whole).unwrap(), 1_500);
    simulation.inject(APP, parts[1].clone());
    simulation.run_until(Instant::from_ms(1_900));
    assert_eq!(simulation.verdicts(), []);
    simulation.run_until(Instant::from_ms(2_100));
    let verdicts: Vec<_> = simulation
        .verdicts()
        .iter()
        .map(|logged| (logged.frame, logged.verdict.allowed, logged.verdict.because.name()))
        .collect();
    assert_eq!(verdicts, [(1, false, "fragment-timeout")]);
    check(&mut simulation, APP, ping("172.16.1.10"), Seen::Replied, "2 of 2 answered");
    assert_eq!(simulation.switch().session_count(), 2);
    simulation.run_until(simulation.now() + 60 * SECOND);
    assert_eq!(simulation.switch().session_count(), 0);
}

fn generator(rate: u64, duration: Duration) -> Generator {
    Generator::new(GeneratorConfig {
        envelope: envelope(),
        protocol: Protocol::UDP,
        target_port: 9_000,
        flows: 4,
        popularity: Popularity::Uniform,
        new_flows: 0,
        sweep: Sweep::default(),
        rate,
        frame_lens: vec![1_000],
        start: Instant::from_ms(1),
        duration,
        seed: 5,
    })
}

#[test]
fn a_generator_is_measured_against_its_plan() {
    let mut simulation = open(link_us(50));
    simulation.attach_generator(APP, generator(10_000, SECOND));
    simulation.run_until(Instant::from_ms(3_000));
    let report = simulation.generators()[0].1.report();
    assert_eq!((report.frames_sent, report.frames_received), (10_000, 10_000));
    assert_eq!(report.bytes_received, 10_000_000);
    let (low, high) = (report.latency_ns.min(), report.latency_ns.max());
    assert!(low.abs_diff(100_000) < 200 && high.abs_diff(100_000) < 200, "{low} {high}");
    // what was generated is not shown to the guest: it would answer each with an ICMP error
    assert_eq!(simulation.switch().counters().ports[&WEB].frames_in, 0);
}

/// The receiver's link carries half of what is sent: its output queue fills, and what does not fit
/// is dropped at the switch.
#[test]
fn a_narrow_link_fills_the_output_queue() {
    let options = SwitchOptions { output_queue_max: 100, ..SwitchOptions::default() };
    let mut simulation = simulation(fabric(allow_all(), options), link_us(50), 1);
    // 8 kbit a frame: 500 frames a second
    simulation.set_link(WEB, LinkConfig { bandwidth_bps: Some(4_000_000), ..link_us(50) });
    simulation.attach_generator(APP, generator(1_000, 2 * SECOND));
    simulation.run_until(Instant::from_ms(10_000));
    let report = simulation.generators()[0].1.report();
    assert_eq!(report.frames_sent, 2_000);
    let dropped = simulation.switch().counters().ports[&APP].dropped["queue-full"];
    assert_eq!(report.frames_received + dropped, 2_000);
    // in 2 s the link takes 1,000, the queue 100 and the link's own place one more
    assert!((1_100..=1_102).contains(&report.frames_received), "{}", report.frames_received);
    // the last in a full queue waits for 100 frames of 2 ms each, and takes 2 ms itself
    let worst_us = report.latency_ns.max() / 1_000;
    assert!((200_000..205_000).contains(&worst_us), "{worst_us} us");
}

#[test]
fn endpoints_that_answer_each_other_for_ever_do_not_stop_time() {
    let mut simulation = open(link_us(0));
    let echo_to_echo = build::udp(&Envelope { source_mac: APP_MAC, ..envelope() }, 7, 7, b"x");
    // `db` and `web` both serve echo; a datagram from echo to echo is answered for ever
    let looping = Envelope {
        source_mac: MacAddr([0, 0x16, 0x3e, 0, 0, 3]),
        source: "172.16.2.20".parse().unwrap(),
        ..envelope()
    };
    simulation.apply(Change::Rules(ringfence_cloud::GroupIndex(2), allow_all()));
    simulation.inject(DB, build::udp(&looping, 7, 7, b"x"));
    simulation.inject(APP, echo_to_echo);
    simulation.run_until(Instant::from_ms(5));
    assert_eq!(simulation.now(), Instant::from_ms(5));
    assert!(simulation.verdicts().len() > 1_000);
}

/// A thousand guests sleep, ten keep a flow each for 900 s: virtual time is what happens, not what
/// passes.
#[test]
fn a_thousand_idle_guests_sleep() {
    let fabric = crowded(allow_all(), SwitchOptions::default(), 1_000);
    let mut simulation = simulation(fabric, LinkConfig::default(), 1);
    let until = Instant::from_ms(900_500);
    let talkers = (3..13).map(|index| Place::Interface(ringfence_cloud::InterfaceIndex(index)));
    let talkers: Vec<Place> = talkers.collect();
    for &talker in &talkers {
        let task = kept_alive(10 * SECOND, until);
        assert_eq!(simulation.guest_mut(talker).unwrap().start(task, Instant::START), 0);
    }
    simulation.run_until(Instant::from_ms(1_000_000));
    for &talker in &talkers {
        let progress = simulation.guest(talker).unwrap().progress(0);
        assert_eq!((progress.seen, progress.rounds_answered), (Some(Seen::Replied), 90));
    }
    // ARP, handshake and first exchange; request, answer and acknowledgement 90 times; the end
    assert_eq!(simulation.verdicts().len(), 10 * (1 + 3 + 3 + 90 * 3 + 4));
}

#[test]
fn a_port_without_guest_absorbs() {
    let mut simulation = Simulation::new(
        ringfence_switch::Switch::new(fabric(allow_all(), SwitchOptions::default())),
        1,
        ringfence_runtime::simulated::RecordingOptions::default(),
    );
    simulation.inject(APP, build::udp(&envelope(), 1, 2, b"x"));
    simulation.run_until(Instant::from_ms(1));
    assert_eq!(simulation.verdicts().len(), 1);
    assert!(simulation.verdicts()[0].verdict.allowed);
    assert_eq!(simulation.switch().counters().ports[&WEB].frames_out, 1);
    assert_eq!((simulation.frames().len(), simulation.events().len()), (0, 0));
}
