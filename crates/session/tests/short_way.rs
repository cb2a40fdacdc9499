//! When frames take the short way, and that it costs no allocation: nor does anything else once the
//! table has been used for a while.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use ringfence_frame::{Direction, Instant, Ip};
use ringfence_session::{
    End, FlowWorker, Flows, FlowsConfig, Forward, Key, Limits, Opening, Passage, PortId, Step,
    TcpNote, Timeouts, V4,
};
use support::{Line, config};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: it does what the system's does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps to what is asked of it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One end of all flows here, and the other one.
const NEAR: PortId = 1;
const FAR: PortId = 2;

struct Pair {
    flows: Arc<Flows>,
    worker: FlowWorker,
    epoch: u32,
    timeouts: Timeouts,
}

impl Pair {
    fn new() -> Pair {
        let flows =
            Arc::new(Flows::new(FlowsConfig { numbered: false, ..config(Limits::default()) }));
        let worker = flows.register().unwrap();
        Pair { flows, worker, epoch: 1, timeouts: Timeouts::default() }
    }

    /// A packet from near (`out`) to far or back, let through wherever there is no session. Says
    /// which way it went.
    fn pass(&mut self, line: &str) -> &'static str {
        let Line { now, direction, ip, .. } = Line::read(line);
        self.pass_ip(direction, &ip, now)
    }

    fn pass_ip(&mut self, direction: Direction, ip: &Ip, now: Instant) -> &'static str {
        let (from, to) = match direction {
            Direction::Outbound => (NEAR, FAR),
            Direction::Inbound => (FAR, NEAR),
        };
        if self.takes_the_short_way(from, to, ip, now) {
            return "short";
        }
        let halves = [(from, Direction::Outbound), (to, Direction::Inbound)]
            .map(|(port, direction)| self.worker.find(port, direction, ip, now));
        let ports: &[PortId] = match halves {
            [None, None] => &[from, to],
            [Some(_), Some(_)] => &[],
            [None, _] => &[from],
            [_, None] => &[to],
        };
        let room = self.worker.reserve(ports, ip, now).unwrap();
        let opening = Opening { timeouts: &self.timeouts, over_internet: false, tally: 5 };
        let step = |half| match half {
            Some(half) => Step::Advance(half),
            None => Step::Open(opening),
        };
        let passage = Passage {
            sent: ip,
            arriving: ip,
            sender: End { port: from, step: step(halves[0]) },
            receiver: End { port: to, step: step(halves[1]) },
            there: Forward { port: to, hops: 3, ..Forward::default() },
            back: Some(Forward { port: from, hops: 3, ..Forward::default() }),
            epoch: self.epoch,
            len: 100,
        };
        let opened = self.worker.commit(&passage, Some(room), now);
        self.worker.quiescent();
        match opened.into_iter().flatten().count() {
            0 => "advanced",
            1 => "opened one",
            _ => "opened both",
        }
    }

    fn takes_the_short_way(&self, from: PortId, to: PortId, ip: &Ip, now: Instant) -> bool {
        let tcp = match ip.transport {
            ringfence_frame::Transport::Tcp(segment) if segment.flags.0 & 7 != 0 => return false,
            ringfence_frame::Transport::Tcp(segment) => Some(TcpNote {
                acknowledgement: Some(segment.acknowledgement),
                window: segment.window,
            }),
            _ => None,
        };
        let Some(Key::V4(key)) = Key::of(from, Direction::Outbound, ip) else { panic!("IPv4") };
        let (worker, now_ms) = (&self.worker, now.as_ms() as u32);
        let Some(found) = worker.established::<V4>(&key, self.epoch, now_ms) else {
            return false;
        };
        assert_eq!(found.forward(), Forward { port: to, hops: 3, ..Forward::default() });
        assert_eq!((found.sender_session(), found.receiver_session()), (None, None));
        found.touch(now_ms, 100, tcp);
        true
    }

    #[track_caller]
    fn check(&mut self, script: &str) {
        for line in script.lines().map(str::trim) {
            let (packet, expected) = line.split_once("->").unwrap();
            assert_eq!(self.pass(packet), expected.trim(), "{line}");
        }
    }
}

#[test]
fn each_direction_takes_it_once_it_changes_nothing() {
    let mut pair = Pair::new();
    pair.check(
        "0 out udp -> opened both
         1 out udp -> short
         2 in  udp -> advanced
         3 in  udp -> short
         4 out udp -> short",
    );
    pair.check(
        "0  out S  seq=1          -> opened both
         1  in  SA seq=5 ack=2    -> advanced
         2  out A  seq=2 ack=6    -> short
         3  in  A  seq=6 ack=2    -> short
         4  out FA seq=2 ack=6    -> advanced
         5  in  A  seq=6 ack=3    -> short
         6  in  FA seq=6 ack=3    -> advanced
         7  out A  seq=3 ack=7    -> advanced
         8  out S  seq=9          -> opened both
         9  out A  seq=10         -> short",
    );
}

#[test]
fn a_new_epoch_is_found_good_by_each_direction() {
    let mut pair = Pair::new();
    pair.check(
        "0 out udp -> opened both
         1 in  udp -> advanced
         2 in  udp -> short",
    );
    pair.epoch = 2;
    pair.check(
        "3 in  udp -> advanced
         4 in  udp -> short
         4 out udp -> short",
    );
    pair.epoch = 1;
    pair.check("5 in udp -> advanced");
}

#[test]
fn a_flow_that_has_lost_a_half_goes_the_long_way() {
    for port in [NEAR, FAR] {
        let mut pair = Pair::new();
        pair.check(
            "0 out udp -> opened both
             1 in  udp -> advanced",
        );
        let line = if port == NEAR { "2 out udp" } else { "2 in udp" };
        let Line { now, ip, .. } = Line::read(line);
        let found = pair.worker.find(port, Direction::Outbound, &ip, now).unwrap();
        pair.worker.end(found, now);
        let other = if port == NEAR { "2 in udp" } else { "2 out udp" };
        assert_eq!(pair.pass(other), "opened one");
        assert_eq!((pair.pass(line), pair.pass(other)), ("advanced", "advanced"));
    }
}

#[test]
fn one_that_was_idle_too_long_is_opened_anew() {
    let mut pair = Pair::new();
    pair.check(
        "0     out udp -> opened both
         1     in  udp -> advanced
         30001 out udp -> advanced
         60001 in  udp -> advanced
         90001 in  udp -> short
         120002 in  udp -> opened both",
    );
}

/// Counts that would overflow are summed up before.
#[test]
fn nothing_is_lost_when_counts_overflow() {
    let mut pair = Pair::new();
    pair.check("0 out udp -> opened both");
    let Line { ip, .. } = Line::read("0 out udp");
    let Some(Key::V4(key)) = Key::of(NEAR, Direction::Outbound, &ip) else { panic!("IPv4") };
    for _ in 0..10 {
        let found = pair.worker.established::<V4>(&key, 1, 5).unwrap();
        found.touch(5, 1 << 30, None);
    }
    let mut sum = (0, 0);
    let mut add = |tally, frames, bytes| {
        assert_eq!(tally, 5);
        sum = (sum.0 + frames, sum.1 + bytes);
    };
    pair.worker.drain_tallies(&mut add);
    pair.flows.running_tallies(&mut add);
    // Each frame counts for both halves.
    assert_eq!(sum, (22, 2 * (10 << 30) + 200));
}

/// "No allocation per established frame and, in steady state, per new flow."
#[test]
fn nothing_allocates_in_steady_state() {
    let mut pair = Pair::new();
    let packets: Vec<(Ip, Ip)> = (0..500)
        .map(|port| {
            let read = |way| Line::read(&format!("0 {way} udp local={port}")).ip;
            (read("out"), read("in"))
        })
        .collect();
    let mut round = |begin_ms: u64| {
        let at = Instant::from_ms(begin_ms);
        for (there, back) in &packets {
            assert_eq!(pair.pass_ip(Direction::Outbound, there, at), "opened both");
            assert_eq!(pair.pass_ip(Direction::Outbound, there, at), "short");
            assert_eq!(pair.pass_ip(Direction::Inbound, back, at), "advanced");
            assert_eq!(pair.pass_ip(Direction::Inbound, back, at), "short");
        }
        let mut ended = 0;
        for step in 0..2_000 {
            ended += pair.worker.expire(Instant::from_ms(begin_ms + 30_001 + step), 64);
            pair.worker.quiescent();
        }
        assert_eq!(ended, 1000);
        pair.worker.drain_tallies(|_, frames, _| assert_eq!(frames, 2 * 500 * 4));
    };
    for begin_ms in [0, 40_000, 80_000] {
        round(begin_ms);
    }
    let before = ALLOCATIONS.with(Cell::get);
    for begin_ms in [120_000, 160_000] {
        round(begin_ms);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
}
