//! Whichever way frames go through a switch, the same becomes of them: one by one with every step told
//! or without, in batches, by one worker or two, in the simulated world and by worker threads on
//! the machine's clock. Compared frame by frame on random histories of random worlds: the
//! verdict with all that is in it, what comes out where and when, byte by byte, and every counter.
//!
//! `RINGFENCE_WORLDS` says how many histories, `RINGFENCE_SEED` the first one's seed.

#![allow(clippy::print_stdout, reason = "a test says what it met")]

mod live;
mod ways;

use std::collections::BTreeMap;
use std::time::Duration;

use ringfence_frame::Instant;
use ringfence_session::Timeouts;
use ringfence_switch::Verdict;
use ringfence_tests::dice::Dice;
use ringfence_tests::history::{self, History};
use ringfence_tests::setting;

use ways::{Batch, Log, Outcome};

const WORLDS: u64 = 300;
const SEED: u64 = 40_000;

#[test]
fn every_way_through_a_switch_ends_alike() {
    let (first, worlds) = settings();
    let mut met = Met::default();
    for seed in first..first + worlds {
        let Ok(history) = history::draw(seed, default_or_short) else { continue };
        let log = on_a_virtual_clock(history);
        let outcome = ways::one_by_one(&log, true);
        compare(seed, &log, "one by one, all steps told", &outcome);
        met.count(&outcome);
    }
    met.check(worlds);
}

#[test]
fn worker_threads_end_like_every_other_way() {
    let (first, worlds) = settings();
    let mut met = Met::default();
    // a quarter: they take real time
    for seed in (first..first + worlds).step_by(4) {
        let Ok(history) = history::draw(seed, milliseconds) else { continue };
        let (log, outcome) = live::play(history);
        compare(seed, &log, "worker threads", &outcome);
        met.count(&outcome);
    }
    met.check(worlds / 4);
}

fn settings() -> (u64, u64) {
    let (first, worlds) = (setting("RINGFENCE_SEED", SEED), setting("RINGFENCE_WORLDS", WORLDS));
    println!("{worlds} histories from seed {first}");
    (first, worlds)
}

/// The two interfaces of a flow often have different ones.
fn default_or_short(dice: &mut Dice) -> Timeouts {
    let mut timeouts = Timeouts::default();
    if dice.chance(50) {
        timeouts.udp = Duration::from_secs(20);
        timeouts.udp_stream = Duration::from_secs(80);
        timeouts.tcp_opening = Duration::from_secs(30);
        timeouts.tcp_established = Duration::from_secs(60);
        timeouts.icmp = Duration::from_millis(250);
    }
    timeouts
}

/// Short enough for flows to die while worker threads play.
fn milliseconds(dice: &mut Dice) -> Timeouts {
    let mut short = || Duration::from_millis(dice.between(1, 8) as u64);
    Timeouts {
        tcp_opening: short(),
        tcp_established: short(),
        tcp_closed_and_time_wait: short(),
        udp: short(),
        udp_stream: short(),
        icmp: short(),
        other: short(),
    }
}

fn on_a_virtual_clock(history: History) -> Log {
    let History { fabric, steps } = history;
    let (mut at, mut next) = (Instant::START, 1);
    let batches = steps.into_iter().map(|step| {
        at += step.passes;
        let frames = (next..).zip(step.frames).map(|(id, (port, bytes))| (id, port, bytes));
        let frames: Vec<_> = frames.collect();
        next += frames.len() as u64;
        Batch { at, change: step.change, worker: step.worker, frames }
    });
    Log { batches: batches.collect(), fabric }
}

/// Plays the log every other way.
fn compare(seed: u64, log: &Log, way: &str, outcome: &Outcome) {
    for (other, of_other) in [
        ("one by one, all steps told", ways::one_by_one(log, true)),
        ("one by one", ways::one_by_one(log, false)),
        ("batches of one worker", ways::batches(log, 1)),
        ("batches of two workers", ways::batches(log, 2)),
        ("simulated", ways::simulated(log)),
    ] {
        if let Some(difference) = outcome.difference(&of_other) {
            panic!("seed {seed}: {way}, and {other}: {difference}");
        }
    }
    let frames: usize = log.batches.iter().map(|batch| batch.frames.len()).sum();
    assert_eq!((outcome.verdicts.len(), outcome.left), (frames, 0), "seed {seed}");
}

/// What histories have reached: a comparison of what never happens would prove nothing.
#[derive(Default)]
struct Met {
    frames: u64,
    by_reason: BTreeMap<&'static str, u64>,
    sessions_cut: u64,
    changed: u64,
}

impl Met {
    fn count(&mut self, outcome: &Outcome) {
        for verdict in outcome.verdicts.values() {
            let Verdict { because, sessions_cut, epoch, .. } = verdict;
            self.frames += 1;
            *self.by_reason.entry(because.name()).or_default() += 1;
            self.sessions_cut += sessions_cut.len() as u64;
            self.changed += u64::from(*epoch > 0);
        }
    }

    fn check(&self, worlds: u64) {
        let Met { frames, by_reason, sessions_cut, changed } = self;
        println!("{frames} frames, {changed} under changed rules, {sessions_cut} sessions cut");
        println!("{by_reason:#?}");
        // so often at least, of so many histories
        let enough = |count: u64, least: u64| count >= least * worlds / WORLDS;
        for (reason, least) in [
            ("session", 20_000),
            ("rule", 2_000),
            ("default", 2_000),
            ("same-group", 100),
            ("midstream", 100),
            ("malformed", 500),
            ("spoofed", 50),
            ("unreachable", 500),
            ("too-big", 50),
            ("ttl-exceeded", 50),
            ("fragment-overlap", 50),
            ("fragment-timeout", 500),
        ] {
            let met = by_reason.get(reason).copied().unwrap_or_default();
            assert!(enough(met, least), "{reason}: {met}");
        }
        assert!(enough(*sessions_cut, 200), "{sessions_cut} sessions cut");
        assert!(enough(*changed, 50_000), "{changed} frames under changed rules");
    }
}
