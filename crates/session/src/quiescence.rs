//! When nobody can hold a reference any more. Each worker says once a batch that it holds none, by
//! showing the epoch that it has seen; the epoch moves on when every worker that is awake shows it.
//! What was taken out of the index under epoch `e` is nobody's once the epoch is `e + 2`.
//!
//! Why: a worker that shows `e + 1` has seen the epoch's change to it, and so everything that was
//! taken out under `e` ([`Quiescence::tag`] is a link of the chain that the change continues); it can no
//! longer find it. That all show `e + 1` was seen before the change to `e + 2`.
//!
//! And when nobody can find a session alive any more. Workers judge their batches by moments of
//! their own: one that was descheduled in the middle of a batch is behind the others. So each shows
//! how far it has come, and the horizon is the earliest of these moments, of those that are awake.
//! What is dead there is dead for all.

use crossbeam_utils::CachePadded;

use crate::sync::{AcqRel, Acquire, AtomicU64, Relaxed, Release, SeqCst, fence};

const FREE: u64 = 0;
const ASLEEP: u64 = u64::MAX;

/// How far a worker that is awake can hold the horizon back: six days. Added to the longest time
/// that a session lives, that is less than what the table's clock can tell apart.
const HELD_BACK_MAX_MS: u64 = 1 << 29;

#[derive(Debug)]
pub(crate) struct Quiescence {
    epoch: CachePadded<AtomicU64>,
    /// The latest horizon that was looked for, in milliseconds of the run.
    horizon_ms: CachePadded<AtomicU64>,
    seats: Box<[CachePadded<Seat>]>,
}

/// What one worker shows. Written by it alone while it sits there.
#[derive(Debug, Default)]
struct Seat {
    /// The epoch that it has seen, or [`FREE`], or [`ASLEEP`].
    shown: AtomicU64,
    /// No batch that it judges from now on is of an earlier millisecond. What another worker that
    /// sat here has reached, it has: they have one clock.
    reached_ms: AtomicU64,
}

impl Seat {
    fn is_awake(&self) -> bool {
        !matches!(self.shown.load(Acquire), FREE | ASLEEP)
    }
}

impl Quiescence {
    pub(crate) fn new(workers_max: usize) -> Quiescence {
        Quiescence {
            epoch: CachePadded::new(AtomicU64::new(1)),
            horizon_ms: CachePadded::default(),
            seats: (0..workers_max).map(|_| CachePadded::default()).collect(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.seats)
    }

    /// A seat for a worker, asleep.
    pub(crate) fn sit(&self) -> Option<usize> {
        self.seats
            .iter()
            .position(|seat| seat.shown.compare_exchange(FREE, ASLEEP, AcqRel, Relaxed).is_ok())
    }

    /// Leaves a seat.
    pub(crate) fn stand(&self, seat: usize) {
        self.seats[seat].shown.store(FREE, Release);
    }

    /// From now on this worker may hold references, and holds the horizon where it is.
    pub(crate) fn wake(&self, seat: usize) {
        self.seats[seat].shown.store(self.epoch.load(Acquire), Relaxed);
        // Either whoever moves the epoch on sees this seat awake, or this worker sees what had been
        // taken out before. The same of who looks for the horizon and the clock that both read.
        fence(SeqCst);
    }

    /// From now on this worker holds none.
    pub(crate) fn sleep(&self, seat: usize) {
        self.seats[seat].shown.store(ASLEEP, Release);
    }

    /// At this moment this worker, which is awake, holds none.
    #[inline]
    pub(crate) fn pass(&self, seat: usize) {
        let epoch = self.epoch.load(Acquire);
        let shown = &self.seats[seat].shown;
        if shown.load(Relaxed) != epoch {
            shown.store(epoch, Release);
        }
    }

    /// The epoch under which everything counts as taken out that was until now.
    pub(crate) fn tag(&self) -> u64 {
        self.epoch.fetch_add(0, AcqRel)
    }

    /// Moves the epoch on if every worker has seen it. Returns the epoch.
    pub(crate) fn advance(&self) -> u64 {
        let epoch = self.epoch.load(Acquire);
        fence(SeqCst);
        let all = self.seats.iter().all(|seat| {
            let shown = seat.shown.load(Acquire);
            shown == FREE || shown == ASLEEP || shown == epoch
        });
        match all && self.epoch.compare_exchange(epoch, epoch + 1, AcqRel, Acquire).is_ok() {
            true => epoch + 1,
            false => self.epoch.load(Acquire),
        }
    }

    /// This worker judges by `now_ms` or later from now on.
    pub(crate) fn reach(&self, seat: usize, now_ms: u64) {
        let reached_ms = &self.seats[seat].reached_ms;
        if reached_ms.load(Relaxed) < now_ms {
            // What it found at earlier moments it has read.
            reached_ms.store(now_ms, Release);
        }
    }

    /// The millisecond that no worker is before any more, asked at `now_ms`. It never goes back:
    /// a worker that has woken since holds it where it is, for its clock is not behind.
    pub(crate) fn horizon_ms(&self, now_ms: u64) -> u64 {
        // Whoever is not seen awake wakes after the asker has read the clock.
        fence(SeqCst);
        let awake = self.seats.iter().filter(|seat| seat.is_awake());
        let reached_ms = awake.map(|seat| seat.reached_ms.load(Acquire)).min();
        let horizon_ms = reached_ms.unwrap_or(now_ms).min(now_ms);
        let horizon_ms = horizon_ms.max(now_ms.saturating_sub(HELD_BACK_MAX_MS));
        match self.last_horizon_ms() {
            last_ms if horizon_ms > last_ms => {
                self.horizon_ms.fetch_max(horizon_ms, AcqRel).max(horizon_ms)
            }
            last_ms => last_ms,
        }
    }

    /// The horizon when it was last asked for.
    pub(crate) fn last_horizon_ms(&self) -> u64 {
        self.horizon_ms.load(Acquire)
    }

    /// Lets time begin anew, where only one worker is.
    pub(crate) fn begin_anew(&self) {
        self.horizon_ms.store(0, Release);
        self.seats.iter().for_each(|seat| seat.reached_ms.store(0, Release));
    }
}
