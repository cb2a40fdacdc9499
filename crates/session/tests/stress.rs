//! Real threads on one small table for two seconds: flows open, meet their answers on another
//! thread, die, and are opened again, while their records go from hand to hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "threads that run at once are what is tested")]

mod support;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringfence_frame::{Direction, Instant, Ip, Protocol, Transport, Udp};
use ringfence_session::{
    End, FlowWorker, Flows, FlowsConfig, Forward, HalfRef, Key, KeyV4, Limits, Opening, Passage,
    PortId, Step, Timeouts, V4,
};
use support::{Chance, ip};

const THREADS: u64 = 4;
const FLOWS: u64 = 600;
const STEPS: u64 = 2_000_000;
const LEN: u32 = 100;

/// Each flow has a tally of its own, so that a frame counted for another is seen.
struct Shared {
    flows: Arc<Flows>,
    now_ms: AtomicU64,
    /// Halves that were let through, by flow: what should be counted.
    passed: Vec<AtomicU64>,
    drained: std::sync::Mutex<BTreeMap<u32, u64>>,
}

impl Shared {
    fn now(&self) -> Instant {
        Instant::from_ms(self.now_ms.load(Ordering::Relaxed))
    }
}

fn packet(flow: u64, is_answer: bool) -> Ip {
    let near = Ipv4Addr::new(10, 0, 0, 1).into();
    let far = Ipv4Addr::new(10, 0, 0, 2).into();
    let (local, remote) = (1000 + flow as u16, 53);
    let udp =
        |source_port, target_port| Transport::Udp(Udp { source_port, target_port, payload_len: 0 });
    match is_answer {
        false => ip(near, far, Protocol::UDP, udp(local, remote)),
        true => ip(far, near, Protocol::UDP, udp(remote, local)),
    }
}

/// One frame, by a worker that alone handles this direction of this flow.
fn send(shared: &Shared, worker: &mut FlowWorker, flow: u64, is_answer: bool) {
    let packet = packet(flow, is_answer);
    let ports: [PortId; 2] = if is_answer { [1, 0] } else { [0, 1] };
    let now = shared.now();
    let Some(Key::V4(key)) = Key::of(ports[0], Direction::Outbound, &packet) else { panic!() };
    if short(worker, &key, now.as_ms() as u32, ports[1]) {
        shared.passed[flow as usize].fetch_add(2, Ordering::Relaxed);
        return;
    }
    let [from, to] = ports;
    let halves = [
        worker.find(from, Direction::Outbound, &packet, now),
        worker.find(to, Direction::Inbound, &packet, now),
    ];
    for half in halves.into_iter().flatten() {
        assert_eq!(worker.session(half).tally, flow as u32, "a half of another flow");
    }
    let missing: Vec<PortId> =
        ports.into_iter().zip(halves).filter(|(_, half)| half.is_none()).map(|it| it.0).collect();
    let Ok(room) = worker.reserve(&missing, &packet, now) else { return };
    let timeouts = Timeouts::default();
    let opening = Opening { timeouts: &timeouts, over_internet: false, tally: flow as u32 };
    let step = |half: Option<HalfRef>| half.map_or(Step::Open(opening), Step::Advance);
    worker.commit(
        &Passage {
            sent: &packet,
            arriving: &packet,
            sender: End { port: from, step: step(halves[0]) },
            receiver: End { port: to, step: step(halves[1]) },
            there: Forward { port: to, ..Forward::default() },
            back: Some(Forward { port: from, ..Forward::default() }),
            epoch: 1,
            len: LEN,
        },
        Some(room),
        now,
    );
    shared.passed[flow as usize].fetch_add(2, Ordering::Relaxed);
}

fn short(worker: &FlowWorker, key: &KeyV4, now_ms: u32, to: PortId) -> bool {
    let hash = worker.hash::<V4>(key);
    let likely = worker.prefetch_line::<V4>(key, hash);
    let found = worker.established_at::<V4>(likely, key, 1, now_ms);
    found.is_some_and(|found| {
        assert_eq!(found.forward().port, to);
        found.touch(now_ms, LEN, None);
        true
    })
}

fn work(shared: &Shared, thread: u64) {
    let mut worker = shared.flows.register().unwrap();
    let mut chance = Chance(thread);
    for step in 0..STEPS {
        // Half of the directions are this thread's: the answers to a flow are another one's.
        let flow = chance.below(FLOWS);
        let is_answer = chance.one_in(2);
        if (flow + u64::from(is_answer)) % THREADS == thread {
            send(shared, &mut worker, flow, is_answer);
        }
        if step % 16 == 0 {
            worker.quiescent();
        }
        match chance.below(256) {
            0 if thread == 0 => {
                shared.now_ms.fetch_add(300, Ordering::Relaxed);
            }
            1 | 2 => {
                worker.expire(shared.now(), 64);
            }
            3 => {
                let now = shared.now();
                let packet = packet(flow, false);
                let found = worker.find(0, Direction::Outbound, &packet, now);
                found.into_iter().for_each(|half| worker.end(half, now));
            }
            4 => {
                worker.sleep();
                worker.wake();
            }
            _ => {}
        }
    }
    for _ in 0..8 {
        worker.quiescent();
        std::thread::yield_now();
    }
    let mut drained = shared.drained.lock().unwrap();
    worker.drain_tallies(|tally, frames, bytes| {
        assert_eq!(bytes, frames * u64::from(LEN));
        *drained.entry(tally).or_insert(0) += frames;
    });
}

#[test]
fn threads_share_a_table() {
    let limits = Limits {
        sessions_max: 900,
        sessions_per_interface_max: 450,
        half_open_per_interface_max: 450,
    };
    let flows = Arc::new(Flows::new(FlowsConfig {
        limits,
        capacity: 450,
        interfaces: 2,
        workers_max: THREADS as usize,
        numbered: false,
        seed: 5,
        huge_pages: false,
    }));
    let shared = Shared {
        flows: Arc::clone(&flows),
        now_ms: AtomicU64::new(u64::from(u32::MAX) - 10_000),
        passed: (0..FLOWS).map(|_| AtomicU64::new(0)).collect(),
        drained: std::sync::Mutex::default(),
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let shared = &shared;
            scope.spawn(move || work(shared, thread));
        }
    });
    assert_eq!(flows.len(), flows.sessions().len());
    assert_eq!(flows.unremembered(), 0);
    let (near, far) = (flows.usage(0).0, flows.usage(1).0);
    assert_eq!(near + far, flows.len());
    // All that is left goes, and every record comes back.
    let mut worker = flows.register().unwrap();
    worker.expire(shared.now() + Duration::from_secs(60), usize::MAX);
    assert_eq!((flows.len(), flows.usage(0), flows.usage(1)), (0, (0, 0), (0, 0)));
    for _ in 0..4 {
        worker.quiescent();
    }
    let mut counted = shared.drained.into_inner().unwrap();
    worker.drain_tallies(|tally, frames, _| *counted.entry(tally).or_insert(0) += frames);
    let passed: u64 = shared.passed.iter().map(|passed| passed.load(Ordering::Relaxed)).sum();
    let counted: u64 = counted.values().sum();
    // A frame that meets a half which another thread ends at that moment counts for nobody; one
    // that is being counted while its flow is summed up for the last time, twice.
    assert!(counted.abs_diff(passed) < passed / 50, "{counted} of {passed}");
    assert!(passed > 100_000, "{passed}");
}
