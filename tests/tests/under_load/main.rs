//! Correct under load: two workers share the flows of a random world between them, each frame of a flow
//! going to the worker that has its port, while a third thread changes rules, memberships, lists
//! and timeouts without end. Every verdict, with the epoch of its rules and by the moment of its
//! batch, is compared with the reference, which replays each flow in the order in which its frames
//! were judged (`ringfence_tests::flow`).
//!
//! A flow has one frame on its way at a time, so that this order is known; thousands of flows have one
//! at any time. Time is a clock that the workers turn, so that flows die all the time, some to the
//! millisecond; a worker may judge a batch by an earlier moment than the other one has come to.
//!
//! ```text
//! RINGFENCE_FRAMES=100000000 cargo test --release -p ringfence-tests --test under_load -- --ignored --nocapture
//! ```

#![allow(clippy::print_stdout, reason = "a test says what it met")]

mod met;
mod talk;
mod thread;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use ringfence_frame::Instant;
use ringfence_scenario::paper;
use ringfence_session::Timeouts;
use ringfence_switch::{Controller, Counters, Fabric, Layout, Ports};
use ringfence_tests::dice::Dice;
use ringfence_tests::flow::{Flow, key_at};
use ringfence_tests::history::{Changes, WORKERS};
use ringfence_tests::packets::Aim;
use ringfence_tests::{setting, world};

use met::Met;
use talk::Talk;
use thread::{Shared, Thread};

const SEED: u64 = 7_000;
const FLOWS: usize = 4_000;

#[test]
fn every_verdict_of_a_short_load() {
    run(200_000, 4);
}

#[test]
#[ignore = "takes minutes"]
fn every_verdict_of_a_long_load() {
    let frames = setting("RINGFENCE_FRAMES", 100_000_000);
    run(frames, frames.div_ceil(2_000_000));
}

/// Judges so many frames, in so many worlds.
fn run(frames: u64, worlds: u64) {
    let first = setting("RINGFENCE_SEED", SEED);
    println!("{frames} frames in {worlds} worlds from seed {first}");
    let fabrics = (first..).filter_map(|seed| Some((seed, fabric(seed)?)));
    let mut met = Met::default();
    for (seed, fabric) in fabrics.take(worlds as usize) {
        met.add(&load(seed, fabric, frames / worlds));
    }
    println!("{met:#?}");
    met.check();
}

fn fabric(seed: u64) -> Option<Fabric> {
    let mut fabric = world::draw(seed).ok()?;
    let mut dice = Dice::new(seed);
    fabric.timeouts.iter_mut().for_each(|it| *it = timeouts(&mut dice));
    Some(fabric)
}

/// Short ones, so that flows die all the time; those of a flow's two interfaces differ.
fn timeouts(dice: &mut Dice) -> Timeouts {
    let mut some = || Duration::from_millis(dice.between(4, 60) as u64);
    Timeouts {
        tcp_opening: some(),
        tcp_established: some(),
        tcp_closed_and_time_wait: some(),
        udp: some(),
        udp_stream: some(),
        icmp: some(),
        other: some(),
    }
}

/// Flows of which no two are one at any port; most are let through at first.
fn talks(fabric: &Fabric, dice: &mut Dice) -> Vec<Talk> {
    let aim = Aim::at(fabric);
    let mut keys = HashSet::new();
    let mut talks = Vec::new();
    for _ in 0..20 * FLOWS {
        let mut packet = aim.packet(dice);
        if packet.tuple.protocol.has_ports() && dice.chance(60) {
            packet.tuple.source_port = dice.u16();
        }
        if !dice.chance(15) && !paper::verdict(fabric, &packet).allowed {
            continue;
        }
        let Some(flow) = Flow::of(fabric, packet) else { continue };
        let both = flow.sent.each_ref().map(key_at);
        if both.iter().all(|key| !keys.contains(key)) {
            keys.extend(both);
            talks.push(Talk::new(flow));
        }
        if talks.len() == FLOWS {
            break;
        }
    }
    talks
}

/// Judges the frames of one world; what was met.
fn load(seed: u64, fabric: Fabric, frames: u64) -> Met {
    let mut dice = Dice::new(!seed);
    let layout = Layout { workers_max: WORKERS, ..Layout::default() };
    let mut controller = Controller::new(fabric.clone(), layout);
    let shared = Shared::new(&fabric, frames);
    let mut threads: Vec<Thread> = (0..WORKERS)
        .map(|number| {
            let worker = controller.worker().expect("the layout has room for it");
            Thread::new(number, worker, Arc::clone(&shared), dice.u64())
        })
        .collect();
    let ports = Ports::new(&fabric.world);
    for talk in talks(&fabric, &mut dice) {
        threads[talk.worker(&ports)].take(talk);
    }
    let changes_made = std::thread::scope(|scope| {
        for thread in &mut threads {
            scope.spawn(|| thread.run());
        }
        change(&fabric, &mut controller, &shared, &mut dice)
    });
    if let Some(failure) = shared.failure() {
        panic!("seed {seed}: {failure}");
    }
    let mut met = Met { changes: changes_made, ..Met::default() };
    threads.iter().for_each(|thread| met.add(&thread.met));
    let left = finish(threads, &shared, &mut met);
    assert_eq!(left, 0, "seed {seed}: sessions that never end");
    met
}

/// Changes what is enforced until all frames are judged; how often.
fn change(fabric: &Fabric, controller: &mut Controller, shared: &Shared, dice: &mut Dice) -> u64 {
    let mut changes = Changes::of(fabric, timeouts);
    let (_sender, never) = channel::<()>();
    let mut epoch = 0;
    while !shared.is_over() {
        let change = changes.make(dice);
        epoch += 1;
        shared.enforce(epoch, changes.now().clone());
        assert_eq!(controller.apply(change), epoch);
        while !controller.plane().is_in_force(epoch) && !shared.is_over() {
            std::thread::yield_now();
        }
        if controller.plane().is_in_force(epoch) {
            shared.announce(epoch);
        }
        // now one upon the other, now with time for flows to be established in between
        let pause = dice.pick(&[0, 0, 50, 500, 5_000, 20_000]);
        let _ = never.recv_timeout(Duration::from_micros(pause));
    }
    epoch.into()
}

/// Compares what was counted; lets everything time out, and gives what is left.
fn finish(threads: Vec<Thread>, shared: &Shared, met: &mut Met) -> usize {
    let mut counters = Counters::default();
    let mut workers: Vec<_> = threads.into_iter().map(Thread::into_worker).collect();
    workers.iter().for_each(|worker| worker.add_counters(&mut counters));
    let ports = counters.ports.values();
    let frames_in: u64 = ports.clone().map(|port| port.frames_in).sum();
    let frames_out: u64 = ports.clone().map(|port| port.frames_out).sum();
    let dropped: u64 = ports.flat_map(|port| port.dropped.values()).sum();
    let interfaces = counters.interfaces.values();
    let opened: u64 = interfaces.clone().map(|it| it.sessions_opened).sum();
    let cut: u64 = interfaces.map(|it| it.sessions_cut).sum();
    assert_eq!(
        (frames_in, frames_out, dropped, opened, cut),
        (met.frames, met.frames - met.denied, met.denied, met.opened, met.cut),
        "counted, and met"
    );
    workers.iter_mut().for_each(|worker| worker.wake());
    let last = Instant::from_ns(shared.clock.load(Ordering::SeqCst)) + Duration::from_secs(10);
    for round in 0..4 {
        for worker in &mut workers {
            thread::expire(worker, last + Duration::from_millis(round));
        }
    }
    workers[0].plane().flows().len()
}
