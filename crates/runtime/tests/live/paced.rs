//! Load tests on a schedule: every frame meets its fate and has a latency, a full queue loses, what
//! is late is late, and what is wrong is found.

use std::time::Duration;

use ringfence_cloud::InterfaceIndex;
use ringfence_endpoints::generator::{Expected, FlowSpec, Pattern, Rate, Spacing, Traffic};
use ringfence_load::BenchWorld;
use ringfence_runtime::live::{Pace, PacedOptions, PacedResult, PacedTest};

use super::world::{allowed, controller, mixed, mixed_pattern, options, traffic, world};

const RUN: Duration = Duration::from_millis(60);
const RUNS_MAX: usize = 50;

fn paced(world: &BenchWorld) -> PacedOptions {
    let question = world.arp_question(InterfaceIndex(1));
    PacedOptions { question, live: options(1).live, ..PacedOptions::default() }
}

fn pace(frames: u64, fresh: u64, questions_per_second: u64) -> Pace {
    let rate = |frames_per_second| Rate { frames_per_second, spacing: Spacing::Constant };
    Pace { frames: rate(frames), fresh: rate(fresh), questions_per_second }
}

fn start(world: &BenchWorld, traffic: Traffic) -> PacedTest {
    PacedTest::start(controller(world, 1), traffic, &paced(world)).unwrap()
}

fn count(result: &PacedResult, kind: &str) -> u64 {
    let found = result.latencies.iter().find(|(name, _)| *name == kind);
    found.map_or(0, |(_, histogram)| histogram.len())
}

#[test]
fn every_frame_meets_its_fate_and_has_a_latency() {
    let world = world();
    let mut test = start(&world, traffic(mixed(&world), 1, &mixed_pattern()));
    test.open().unwrap();
    let mut kinds = [0; 4];
    // once, unless somebody else has the cores
    for _ in 0..RUNS_MAX {
        let result = test.run(&pace(100_000, 10_000, 1_000), RUN).unwrap();
        let seen = ["established", "new", "denied", "slow path"].map(|it| count(&result, it));
        assert_eq!(seen.iter().sum::<u64>(), result.met);
        assert_eq!(result.met, result.due - result.lost);
        kinds = std::array::from_fn(|kind| kinds[kind] + seen[kind]);
        if kinds.iter().zip([2_000, 100, 500, 20]).all(|(kind, enough)| *kind > enough) {
            break;
        }
    }
    assert!(kinds.iter().all(|&frames| frames > 20), "{kinds:?}");
    let end = test.finish().unwrap();
    let accounts = &end.accounts;
    assert!(end.is_clean(), "{accounts} {:?}", accounts.findings);
    assert!(end.asked > 20 && end.answered == end.asked);
    let counters = end.counters.unwrap();
    let frames_in: u64 = counters.ports.values().map(|port| port.frames_in).sum();
    assert_eq!(frames_in, accounts.sent - accounts.overflowed + end.asked);
}

#[test]
fn an_empty_pipeline_gives_back_what_it_gets() {
    let world = world();
    let flows = mixed(&world).into_iter().map(FlowSpec::returned).collect();
    let traffic = traffic(flows, 1, &mixed_pattern());
    let mut test = PacedTest::start_empty(traffic, &paced(&world)).unwrap();
    test.open().unwrap();
    let result = test.run(&pace(100_000, 10_000, 1_000), RUN).unwrap();
    assert_eq!((count(&result, "empty"), result.latencies.len()), (result.met, 1));
    assert!(result.met > 0 && result.worker_gap > Duration::ZERO);
    let end = test.finish().unwrap();
    let accounts = &end.accounts;
    assert!(end.is_clean() && end.asked > 0, "{accounts} {:?}", accounts.findings);
    assert_eq!(accounts.delivered, accounts.sent - accounts.overflowed);
}

/// A latency that ran from when a frame was sent would hide that it was sent late.
#[test]
fn what_is_late_for_the_schedule_has_waited_since() {
    let world = world();
    let mut test = start(&world, traffic(allowed(&world, 100), 1, &Pattern::default()));
    test.open().unwrap();
    let most = pace(1_000_000_000, 0, 0);
    let result = test.run(&most, RUN).unwrap();
    let [(_, established)] = &result.latencies[..] else { panic!("{:?}", result.latencies) };
    assert!(u128::from(established.max()) > RUN.as_nanos() / 2, "{} ns", established.max());
    assert!(result.loss() > 0.5, "{}", result.loss());
    let end = test.finish().unwrap();
    assert!(end.is_clean(), "{}", end.accounts);
}

/// More comes at once than the queue holds.
#[test]
fn what_finds_the_queue_full_is_lost_and_nothing_else() {
    let world = world();
    let traffic = traffic(allowed(&world, 100), 1, &Pattern::default());
    let few = PacedOptions { queue: 32, ..paced(&world) };
    let mut test = PacedTest::start(controller(&world, 1), traffic, &few).unwrap();
    test.open().unwrap();
    let mut lost = 0;
    for _ in 0..RUNS_MAX {
        let result = test.run(&pace(1_000_000_000, 0, 1_000_000_000), RUN / 6).unwrap();
        let counts = count(&result, "established") + count(&result, "slow path");
        assert_eq!((result.met, result.met), (counts, result.due - result.lost));
        lost += result.lost;
        if lost > 0 {
            break;
        }
    }
    let end = test.finish().unwrap();
    assert!(end.is_clean(), "{} {:?}", end.accounts, end.accounts.findings);
    assert!(lost > 0 && end.asked > 0);
}

#[test]
fn a_wrong_expectation_and_a_wrong_answer_are_found() {
    let world = world();
    let mut flows = mixed(&world);
    let denied = flows.iter().position(|flow| matches!(flow.expected, Expected::Dropped(_)));
    let delivered = flows.iter().find(|flow| !flow.fresh).unwrap().expected;
    flows[denied.unwrap()].expected = delivered;
    let mut wrong = paced(&world);
    wrong.question.as_mut().unwrap().answer[41] ^= 1;
    let traffic = traffic(flows, 1, &mixed_pattern());
    let mut test = PacedTest::start(controller(&world, 1), traffic, &wrong).unwrap();
    test.open().unwrap();
    test.run(&pace(100_000, 0, 1_000), RUN).unwrap();
    let end = test.finish().unwrap();
    assert!(!end.is_clean() && end.asked > 0 && end.answered == 0);
    assert!(end.accounts.false_drops > 0 && end.accounts.leaks >= end.asked, "{}", end.accounts);
}
