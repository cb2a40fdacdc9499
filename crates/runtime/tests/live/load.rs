//! Load tests: what is right passes, what is wrong is found, on one worker and on two.

use std::time::Duration;

use ringfence_endpoints::generator::{Accounts, Expected, Pattern, Rate, Reason, Spacing};
use ringfence_runtime::live::{Check, LoadEnd, LoadOptions, LoadResult, LoadTest, Until, Updates};
use ringfence_switch::Counters;

use super::world::{Flip, allowed, controller, mixed, mixed_pattern, options, traffic, world};

const FRAMES: u64 = 40_000;

/// A mixed load on so many workers, two queues.
fn run(workers: usize, options: &LoadOptions) -> (LoadResult, LoadEnd) {
    let world = world();
    let traffic = traffic(mixed(&world), 2, &mixed_pattern());
    let mut test = LoadTest::start(controller(&world, workers), traffic, options).unwrap();
    let opened = test.open().unwrap();
    let answered = test.answer().unwrap();
    assert_eq!((opened.frames(), answered.frames()), (1_200, 1_200));
    let result = test.run(Until::Frames(FRAMES), None).unwrap();
    (result, test.finish().unwrap())
}

/// What the switch counted is what the checker counted.
fn check_counters(counters: &Counters, accounts: &Accounts) {
    let ports = || counters.ports.values();
    let frames_in: u64 = ports().map(|port| port.frames_in).sum();
    let frames_out: u64 = ports().map(|port| port.frames_out).sum();
    let dropped: u64 = ports().flat_map(|port| port.dropped.values()).sum();
    let expected: u64 = accounts.dropped.values().sum();
    assert_eq!((frames_in, frames_out, dropped), (accounts.sent, accounts.delivered, expected));
    let decisions: u64 = counters.rules.values().sum();
    let implicit: u64 =
        counters.interfaces.values().flat_map(|interface| interface.implicit.values()).sum();
    let opened: u64 = counters.interfaces.values().map(|interface| interface.sessions_opened).sum();
    // the sender's side and the receiver's of each packet that opened something or was denied
    assert_eq!(decisions + implicit, opened + 2 * dropped);
}

#[test]
fn mixed_traffic_meets_its_fate_on_one_worker_and_on_two() {
    for workers in [1, 2] {
        let (result, end) = run(workers, &options(workers));
        let accounts = &end.accounts;
        assert!(accounts.is_clean(), "{workers} workers: {accounts} {:?}", accounts.findings);
        assert_eq!(accounts.sent, FRAMES + 2_400);
        assert_eq!((result.frames(), result.stale), (FRAMES, 0));
        assert_eq!(result.workers.len(), workers);
        assert!(result.workers.iter().all(|worker| worker.frames == FRAMES / workers as u64));
        assert!(result.frames_per_second() > 0.0 && result.bytes() > 60 * FRAMES);
        check_counters(&end.counters, accounts);
    }
}

#[test]
fn a_wrong_expectation_is_found() {
    let world = world();
    let mut flows = mixed(&world);
    let leak = flows.iter().position(|flow| !flow.fresh && !flow.replies).unwrap();
    let delivered = flows.iter().position(|flow| flow.replies).unwrap();
    let [drop, deliver] = [leak, delivered].map(|flow| flows[flow].expected);
    flows[delivered].expected = Expected::Dropped(Reason::new(1).unwrap());
    flows[delivered].replies = false;
    flows[leak].expected = deliver;
    assert_ne!(drop, deliver);
    let traffic = traffic(flows, 2, &mixed_pattern());
    let mut test = LoadTest::start(controller(&world, 2), traffic, &options(2)).unwrap();
    test.open().unwrap();
    test.run(Until::Frames(FRAMES), None).unwrap();
    let accounts = test.finish().unwrap().accounts;
    assert!(accounts.leaks > 0 && accounts.false_drops > 0, "{accounts}");
    assert_eq!((accounts.lost, accounts.surplus), (0, 0), "{accounts}");
}

#[test]
fn unchecked_drops_count_as_lost_and_unchecked_frames_too() {
    let check = |check: Check| run(1, &LoadOptions { check, ..options(1) }).1;
    let all = check(Check::Everything).accounts;
    let dropped: u64 = all.dropped.values().sum();
    let deliveries = check(Check::Deliveries).accounts;
    assert_eq!((deliveries.delivered, deliveries.lost), (all.delivered, dropped));
    let nothing = check(Check::Nothing);
    assert_eq!(nothing.accounts.lost, all.sent);
    let frames_in: u64 = nothing.counters.ports.values().map(|port| port.frames_in).sum();
    assert_eq!(frames_in, all.sent);
}

#[test]
fn every_frame_has_a_latency_and_every_verdict_is_kept() {
    let options = LoadOptions { latency: true, log: FRAMES as usize, ..options(2) };
    let world = world();
    let rate = Rate { frames_per_second: 200_000, spacing: Spacing::Poisson };
    let pattern = Pattern { rate: Some(rate), ..mixed_pattern() };
    let traffic = traffic(mixed(&world), 2, &pattern);
    let mut test = LoadTest::start(controller(&world, 2), traffic, &options).unwrap();
    test.open().unwrap();
    test.answer().unwrap();
    test.take_log().unwrap();
    let result = test.run(Until::Frames(FRAMES), None).unwrap();
    let latencies = result.latencies.unwrap();
    let counts = latencies.kinds().map(|(_, histogram)| histogram.len());
    assert_eq!(counts.iter().sum::<u64>(), FRAMES);
    let [established, new, denied, slow] = counts;
    assert!(established > FRAMES / 2 && new > 0 && denied > FRAMES / 10 && slow == 0);
    // a schedule of 200,000 a second for each of two queues
    let elapsed = result.workers.iter().map(|worker| worker.elapsed).max().unwrap();
    assert!(elapsed > Duration::from_millis(80), "{elapsed:?}");

    let logs = test.take_log().unwrap();
    let kept: usize = logs.iter().map(|(log, missed)| log.len() + *missed as usize).sum();
    assert_eq!((kept as u64, logs[0].1), (FRAMES, 0));
    let dropped = logs.iter().flat_map(|(log, _)| log).filter(|logged| !logged.allowed).count();
    assert_eq!(dropped as u64, denied);
    for (log, _) in &logs {
        assert!(log.is_sorted_by_key(|logged| logged.at));
        assert!(log.iter().all(|logged| logged.epoch == 0));
    }
    // a second run begins its schedule anew
    let again = test.run(Until::For(Duration::from_millis(50)), None).unwrap();
    for worker in &again.workers {
        let due = 200_000.0 * worker.elapsed.as_secs_f64();
        let sent = worker.frames as f64;
        assert!(sent > 1_000.0 && sent < 1.1 * due + 200.0, "{sent} frames, {due} due");
    }
    let accounts = test.finish().unwrap().accounts;
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
}

/// Rules go and come back while frames flow: each frame is judged by those of its batch's epoch, and
/// none by those that a change, returned before the frame was pulled, has replaced.
#[test]
fn no_frame_is_judged_by_old_rules_after_a_change_has_returned() {
    let world = world();
    let flows = allowed(&world, 400);
    let flip = Flip::new(&world);
    for workers in [1, 2] {
        let mut traffic = traffic(flows.clone(), 2, &Pattern::default());
        flip.expect(&world, &flows, &mut traffic);
        let controller = controller(&world, workers);
        let mut test = LoadTest::start(controller, traffic, &options(workers)).unwrap();
        test.open().unwrap();
        let mut next = |epoch| Some(flip.change(epoch));
        let updates = Updates { per_second: 500, next: &mut next };
        let result = test.run(Until::For(Duration::from_millis(300)), Some(updates)).unwrap();
        assert_eq!(result.stale, 0);
        let changes = &result.updates.changes;
        assert!(changes.len() >= 8, "{} changes", changes.len());
        assert!(changes.iter().map(|made| made.applied.epoch).eq(1..=changes.len() as u32));
        let end = test.finish().unwrap();
        let accounts = &end.accounts;
        assert!(accounts.is_clean(), "{workers} workers: {accounts} {:?}", accounts.findings);
        assert!(!accounts.dropped.is_empty() && accounts.delivered > 400, "{accounts}");
    }
}

/// The same with a checker that knows the first rules only: it would tell.
#[test]
fn changed_rules_show_in_the_accounts() {
    let world = world();
    let flip = Flip::new(&world);
    let traffic = traffic(allowed(&world, 400), 2, &Pattern::default());
    let mut test = LoadTest::start(controller(&world, 2), traffic, &options(2)).unwrap();
    test.open().unwrap();
    for epoch in 1..=4 {
        assert_eq!(test.apply(flip.change(epoch)).unwrap().epoch, epoch);
    }
    test.run(Until::Frames(FRAMES), None).unwrap();
    let accounts = test.finish().unwrap().accounts;
    assert_eq!(accounts.false_drops, FRAMES, "{accounts}");
}
