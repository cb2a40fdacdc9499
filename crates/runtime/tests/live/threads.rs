//! The threads themselves: rings in and out, sleep and wake, shares of a batch, pause, stop, panics.

use std::time::{Duration, Instant as Clock};

use ringfence_endpoints::generator::FlowSpec;
use ringfence_frame::Instant;
use ringfence_frame::batch::FrameBatch;
use ringfence_load::BenchWorld;
use ringfence_policy::RuleRef;
use ringfence_runtime::live::{
    Frames, Live, LiveError, LiveOptions, Outlets, PortQueue, RingReceiver, RingSender, ring,
};

use super::world::{Flip, allowed, controller, traffic, world};

/// Long enough for a worker to fall asleep.
const NAP: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker that nobody wakes sleeps longer than any test waits.
fn options() -> LiveOptions {
    let sleep_max = 4 * PATIENCE;
    LiveOptions { huge_pages: false, sleep_max, ..LiveOptions::default() }
}

/// A frame of each flow.
fn frames(flows: Vec<FlowSpec>) -> Vec<(u32, u64, Vec<u8>)> {
    let count = flows.len();
    let mut generator = traffic(flows, 1, &Default::default()).generators.remove(0);
    let mut batch = FrameBatch::new(count);
    assert_eq!(generator.fill(&mut batch, 0), count);
    batch.iter().map(|(meta, bytes)| (meta.port, meta.id, bytes.to_vec())).collect()
}

fn nap() {
    // a receive on a channel that nobody sends to
    let (_sender, never) = crossbeam_channel::bounded::<()>(0);
    let _ = never.recv_timeout(NAP);
}

/// Whether it becomes so before long.
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test that waits for threads")]
    let start = Clock::now();
    while start.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// One worker, a ring in, and a ring out at the port where a flow comes out.
struct Rig {
    live: Live<RingReceiver, Outlets>,
    enter: RingSender,
    leave: RingReceiver,
    frames: Vec<(u32, u64, Vec<u8>)>,
}

impl Rig {
    /// `frames` frames of one flow.
    fn new(world: &BenchWorld, leave_max: usize) -> Rig {
        let flow = allowed(world, 1).remove(0);
        let ringfence_endpoints::generator::Expected::Delivered(arriving) = flow.expected else {
            panic!("{flow:?}");
        };
        let (enter, entered) = ring(64);
        let (left, leave) = ring(leave_max);
        let mut outlets = Outlets::new();
        outlets.connect(arriving.port, left);
        let seats = vec![(vec![entered], outlets)];
        let live = Live::start(controller(world, 1), seats, &options()).unwrap();
        Rig { live, enter, leave, frames: frames(vec![flow]) }
    }

    fn send(&mut self, id: u64) -> bool {
        let (port, _, bytes) = &self.frames[0];
        self.enter.push(bytes, *port, id, 0)
    }

    fn receive(&mut self) -> Option<u64> {
        let mut got = None;
        soon(|| {
            got = self.leave.pop(|meta, _| meta.id);
            got.is_some()
        });
        got
    }
}

#[test]
fn a_worker_sleeps_and_is_woken_by_a_frame() {
    let mut rig = Rig::new(&world(), 64);
    for id in 0..3 {
        nap();
        assert!(rig.send(id));
        assert_eq!(rig.receive(), Some(id));
    }
    let sleeps = rig.live.on(0, |seat| seat.progress().sleeps).unwrap();
    assert!(sleeps >= 3, "{sleeps}");
    let stopped = rig.live.stop().unwrap();
    let counted: u64 = stopped.counters.ports.values().map(|port| port.frames_out).sum();
    assert_eq!((counted, stopped.seats.len()), (3, 1));
}

#[test]
fn a_worker_asleep_holds_up_no_change() {
    let world = world();
    let mut rig = Rig::new(&world, 64);
    let flip = Flip::new(&world);
    nap();
    for epoch in 1..=4 {
        let applied = rig.live.apply(flip.change(epoch)).unwrap();
        assert!(applied.wait < Duration::from_secs(1), "{applied:?}");
        nap();
    }
    assert!(rig.send(7));
    let dropped = |rig: &mut Rig| -> u64 {
        let counters = rig.live.counters().unwrap();
        counters.ports.values().flat_map(|port| port.dropped.values()).sum()
    };
    assert!(soon(|| dropped(&mut rig) == 1), "judged by the rules of epoch 4");
}

#[test]
fn a_full_ring_drops_by_name() {
    let mut rig = Rig::new(&world(), 2);
    rig.live.pause().unwrap();
    assert!((0..64).all(|id| rig.send(id)));
    assert!(!rig.send(64));
    nap();
    assert!(rig.leave.is_empty(), "a paused worker takes nothing");
    rig.live.resume().unwrap();
    assert!(soon(|| rig.enter.room() == 64));
    let stopped = rig.live.stop().unwrap();
    let ports = || stopped.counters.ports.values();
    let dropped: u64 = ports().filter_map(|port| port.dropped.get("queue-full")).sum();
    assert_eq!((dropped, rig.leave.len()), (62, 2));
}

/// "a port's share of a batch is bounded": a queue that is never empty leaves the others theirs.
#[test]
fn a_flood_leaves_others_their_share() {
    let world = world();
    let flows = allowed(&world, 200);
    let ringfence_endpoints::generator::Expected::Delivered(arriving) = flows[0].expected else {
        panic!("{:?}", flows[0]);
    };
    let (port, _, bytes) = frames(flows[..1].to_vec()).remove(0);
    let (mut flood, flooded) = ring(1_000);
    let (mut modest, visited) = ring(1_000);
    let (left, mut leave) = ring(2_000);
    let mut outlets = Outlets::new();
    outlets.connect(arriving.port, left);
    let seats = vec![(vec![flooded, visited], outlets)];
    let mut live = Live::start(controller(&world, 1), seats, &options()).unwrap();
    live.pause().unwrap();
    assert!((0..1_000).all(|_| flood.push(&bytes, port, 0, 0)));
    assert!((0..100).all(|_| modest.push(&bytes, port, 1, 0)));
    live.resume().unwrap();
    assert!(soon(|| flood.room() == 1_000 && modest.room() == 1_000));
    live.stop().unwrap();
    let order: Vec<u64> = std::iter::from_fn(|| leave.pop(|meta, _| meta.id)).collect();
    assert_eq!(order.len(), 1_100);
    // each batch of 32 takes 8 of each queue in turn, as long as both have frames
    for batch in order.chunks(32).take(6) {
        assert_eq!(batch.iter().filter(|&&id| id == 1).count(), 16, "{batch:?}");
    }
    let last = order.iter().rposition(|&id| id == 1).unwrap();
    assert!(last < 2 * 100 + 2 * 32, "the last of 100 frames came at place {last}");
}

struct Bomb;

impl PortQueue for Bomb {
    fn pull(&mut self, _: &mut Frames, _: usize, now: Instant) -> usize {
        assert!(now < Instant::from_ms(20), "planted");
        0
    }

    fn next_wakeup(&self, _: Instant) -> Option<Instant> {
        Some(Instant::from_ms(20))
    }
}

#[test]
fn a_panic_is_reported_and_holds_up_nobody() {
    let world = world();
    let seats = vec![(vec![Bomb], Outlets::new())];
    let mut live = Live::start(controller(&world, 1), seats, &options()).unwrap();
    let mut error = None;
    soon(|| {
        error = live.check().err();
        error.is_some()
    });
    let Some(LiveError::Panicked(0, message)) = error else { panic!("{error:?}") };
    assert!(message.contains("planted"), "{message}");
    let flip = Flip::new(&world);
    assert!(live.apply(flip.change(1)).is_ok(), "a worker that is no more judges nothing");
    assert!(matches!(live.counters(), Err(LiveError::Panicked(0, _))));
    assert!(matches!(live.stop(), Err(LiveError::Panicked(0, _))));
}

#[test]
fn more_workers_than_the_switch_is_laid_out_for_are_refused() {
    let seats = vec![(Vec::<RingReceiver>::new(), Outlets::new()), (Vec::new(), Outlets::new())];
    let refused = Live::start(controller(&world(), 1), seats, &options()).err();
    assert_eq!(refused, Some(LiveError::TooManyWorkers(1, 2)));
}

#[test]
fn names_are_found_and_follow_changes() {
    let world = world();
    let seats = vec![(Vec::<RingReceiver>::new(), Outlets::new())];
    let mut live = Live::start(controller(&world, 1), seats, &options()).unwrap();
    let directory = std::sync::Arc::clone(live.directory());
    let name = world.fabric.world.interfaces[7].name.clone();
    assert_eq!(directory.port(&name), Some(7));
    assert_eq!(directory.port("nobody"), None);
    let internet = directory.port("internet").unwrap();
    assert_eq!(world.fabric.world.place_name(world.ports.place(internet)), "internet");

    let group = &world.fabric.policies.groups[1];
    let index = directory.group(&group.id).unwrap();
    let [first, second] = [0, 1].map(|rule| group.rules[rule].id.clone());
    assert_eq!(directory.rule(&group.id, &second), Some(RuleRef { group: index, rule: 1 }));
    let mut rules = group.rules.clone();
    rules.remove(0);
    live.apply(ringfence_switch::Change::Rules(index, rules)).unwrap();
    assert_eq!(directory.rule(&group.id, &first), None);
    assert_eq!(directory.rule(&group.id, &second), Some(RuleRef { group: index, rule: 0 }));
    let mut renamed = group.rules[2].clone();
    renamed.id = "renamed".to_owned();
    let place = RuleRef { group: index, rule: 1 };
    live.apply(ringfence_switch::Change::Rule(place, Box::new(renamed))).unwrap();
    assert_eq!(directory.rule(&group.id, "renamed"), Some(place));
    assert_eq!(directory.rule(&group.id, &group.rules[2].id), None);
    let last = &group.rules.last().unwrap().id;
    let place = group.rules.len() as u32 - 2;
    assert_eq!(directory.rule(&group.id, last), Some(RuleRef { group: index, rule: place }));
}
