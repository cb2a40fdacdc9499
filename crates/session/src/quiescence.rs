//! When nobody can hold a reference any more. Each worker says once a batch that it holds none, by
//! showing the epoch that it has seen; the epoch moves on when every worker that is awake shows it.
//! What was taken out of the index under epoch `e` is nobody's once the epoch is `e + 2`.
//!
//! Why: a worker that shows `e + 1` has seen the epoch's change to it, and so everything that was
//! taken out under `e` ([`Quiescence::tag`] is a link of the chain that the change continues); it can no
//! longer find it. That all show `e + 1` was seen before the change to `e + 2`.

use crossbeam_utils::CachePadded;

use crate::sync::{AcqRel, Acquire, AtomicU64, Relaxed, Release, SeqCst, fence};

const FREE: u64 = 0;
const ASLEEP: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Quiescence {
    epoch: CachePadded<AtomicU64>,
    seats: Box<[CachePadded<AtomicU64>]>,
}

impl Quiescence {
    pub(crate) fn new(workers_max: usize) -> Quiescence {
        Quiescence {
            epoch: CachePadded::new(AtomicU64::new(1)),
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
            .position(|seat| seat.compare_exchange(FREE, ASLEEP, AcqRel, Relaxed).is_ok())
    }

    /// Leaves a seat.
    pub(crate) fn stand(&self, seat: usize) {
        self.seats[seat].store(FREE, Release);
    }

    /// From now on this worker may hold references.
    pub(crate) fn wake(&self, seat: usize) {
        self.seats[seat].store(self.epoch.load(Acquire), Relaxed);
        // Either whoever moves the epoch on sees this seat awake, or this worker sees what had been
        // taken out before.
        fence(SeqCst);
    }

    /// From now on this worker holds none.
    pub(crate) fn sleep(&self, seat: usize) {
        self.seats[seat].store(ASLEEP, Release);
    }

    /// At this moment this worker, which is awake, holds none.
    #[inline]
    pub(crate) fn pass(&self, seat: usize) {
        let epoch = self.epoch.load(Acquire);
        let shown = &self.seats[seat];
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
            let shown = seat.load(Acquire);
            shown == FREE || shown == ASLEEP || shown == epoch
        });
        match all && self.epoch.compare_exchange(epoch, epoch + 1, AcqRel, Acquire).is_ok() {
            true => epoch + 1,
            false => self.epoch.load(Acquire),
        }
    }
}
