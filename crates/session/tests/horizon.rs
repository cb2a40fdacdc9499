//! Workers judge by moments of their own, and none is deprived of a session that is alive at its
//! moment by one that is further on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ringfence_frame::{Direction, Instant};
use ringfence_session::{FlowWorker, Limit, Limits};
use support::{Line, One, Walk};

/// Alive until then.
const DEADLINE: Instant = Instant::from_ms(30_000);
const LATER: Instant = Instant::from_ms(30_001);

/// Two flows, and a worker beside the one that opened them.
fn with_another(limits: Limits, check: impl Fn(&mut One, FlowWorker)) {
    let mut walk = Walk::limited(limits);
    walk.check(
        "0 out udp local=1 -> opens 1 until 30000
         0 out udp local=2 -> opens 2 until 30000",
    );
    walk.both(|one| {
        let other = one.flows.register().unwrap();
        check(one, other);
    });
}

fn find(worker: &FlowWorker, now: Instant) -> bool {
    let ip = Line::read("0 out udp local=1").ip;
    worker.find(1, Direction::Outbound, &ip, now).is_some()
}

fn sweep(worker: &mut FlowWorker, now: Instant) -> usize {
    worker.expire(now, usize::MAX)
}

#[test]
fn what_a_worker_that_is_behind_can_find_stays() {
    with_another(Limits::default(), |one, mut behind| {
        assert_eq!(sweep(&mut behind, DEADLINE), 0);
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        assert_eq!(sweep(&mut one.worker, Instant::from_ms(90_000)), 0);
        // each by its own moment
        assert_eq!((find(&one.worker, LATER), find(&behind, DEADLINE)), (false, true));
        // whoever is the last to come so far sweeps, or anybody after that
        assert_eq!(sweep(&mut behind, LATER), 2);
        assert_eq!((one.flows.len(), sweep(&mut one.worker, LATER)), (0, 0));
    });
    with_another(Limits::default(), |one, mut behind| {
        assert_eq!(sweep(&mut behind, DEADLINE), 0);
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        assert_eq!(behind.expire(LATER, 0), 0);
        assert_eq!(sweep(&mut one.worker, LATER), 2);
    });
}

/// A worker says how far it has come when it sweeps or opens.
#[test]
fn who_opens_a_flow_has_come_so_far() {
    with_another(Limits::default(), |one, mut behind| {
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        let room = behind.reserve(&[2], &Line::read("0 out udp").ip, LATER).unwrap();
        behind.release(room);
        assert_eq!(sweep(&mut one.worker, LATER), 2);
    });
}

#[test]
fn nobody_waits_for_who_sleeps_or_is_gone() {
    with_another(Limits::default(), |one, mut other| {
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        other.sleep();
        assert_eq!(sweep(&mut one.worker, LATER), 2);
    });
    with_another(Limits::default(), |one, other| {
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        drop(other);
        assert_eq!(sweep(&mut one.worker, LATER), 2);
    });
}

/// What was swept while a worker slept stays so, and from its awakening on nothing is until it is seen how
/// far it has come. One that is new is one that wakes.
#[test]
fn who_wakes_holds_sweeping_where_it_is() {
    with_another(Limits::default(), |one, mut other| {
        other.sleep();
        assert_eq!(sweep(&mut one.worker, DEADLINE), 0);
        other.wake();
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        let third = one.flows.register().unwrap();
        assert!(find(&other, DEADLINE) && find(&third, DEADLINE));
        assert_eq!(other.expire(LATER, 0), 0);
        assert_eq!(sweep(&mut one.worker, LATER), 0);
        drop(third);
        assert_eq!(sweep(&mut one.worker, LATER), 2);
    });
}

/// "Dead sessions do not count" when they are dead for all; and what one can still find makes no
/// room for another.
#[test]
fn room_is_made_of_what_is_dead_for_all() {
    let limits = Limits { sessions_max: 2, ..Limits::default() };
    with_another(limits, |one, mut other| {
        let ip = Line::read("0 out udp local=3").ip;
        assert_eq!(sweep(&mut other, DEADLINE), 0);
        assert_eq!(one.worker.reserve(&[1], &ip, LATER).unwrap_err(), (0, Limit::Sessions));
        other.sleep();
        let room = one.worker.reserve(&[1], &ip, LATER).unwrap();
        one.worker.release(room);
        assert_eq!(one.flows.len(), 0);
    });
}

/// A worker that is awake and never does anything holds sweeping back for six days: longer than that, and
/// the table's clock could not tell the dead from the living.
#[test]
fn who_never_does_anything_is_waited_for_six_days() {
    let last = DEADLINE.as_ms() + (1 << 29);
    with_another(Limits::default(), |one, _idle| {
        assert_eq!(sweep(&mut one.worker, Instant::from_ms(last)), 0);
        assert_eq!(sweep(&mut one.worker, Instant::from_ms(last + 1)), 2);
    });
}

/// Who forgets everything begins at the beginning of time, and so does whoever comes then.
#[test]
fn time_begins_anew() {
    let mut walk = Walk::new();
    walk.both(|One { flows, worker, .. }| {
        let mut other = flows.register().unwrap();
        sweep(&mut other, Instant::from_ms(1_000_000));
        sweep(worker, Instant::from_ms(1_000_000))
    });
    walk.clear();
    walk.check("0 out udp local=1 -> opens 1 until 30000");
    walk.both(|One { flows, worker, .. }| {
        assert_eq!(sweep(worker, DEADLINE), 0);
        let other = flows.register().unwrap();
        assert_eq!(sweep(worker, LATER), 0);
        drop(other);
        assert_eq!(sweep(worker, LATER), 1);
    });
}
