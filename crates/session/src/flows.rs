//! All flows of a fabric: both families' tables and what they share. Workers change them
//! (`worker.rs`); whoever reports reads them here.

use std::sync::{Arc, Mutex, PoisonError};

use ringfence_frame::Instant;

use crate::held::MovedTallies;
use crate::kept::{IDLE_MAX_MS, KeptTimeouts, TimeoutNumbers};
use crate::quiescence::Quiescence;
use crate::sync::{Acquire, AtomicU64, Pages, Relaxed};
use crate::table::Table;
use crate::usage::Usage;
use crate::worker::FlowWorker;
use crate::{FlowsConfig, InterfaceId, MemoryUse, Session, SessionId, Timeouts, V4, V6};

/// All flows of a fabric, shared by its workers.
#[derive(Debug)]
pub struct Flows {
    v4: Table<V4>,
    v6: Table<V6>,
    pub(crate) usage: Usage,
    pub(crate) kept: KeptTimeouts,
    pub(crate) quiescence: Quiescence,
    /// Sessions opened so far, if they are numbered.
    numbers: Option<AtomicU64>,
    /// A millisecond of the run, at most a quarter of an hour ago: what the lower half of one, which
    /// is all that a line has, is completed by.
    clock: AtomicU64,
    /// Flows that passed unremembered for want of a place in the index.
    full: AtomicU64,
    /// What workers that are gone left behind. Locked by workers that come and go.
    orphans: Mutex<Vec<(u8, u32)>>,
    /// For a search of tallies (`held.rs`). Locked when the halves of a flow part.
    pub(crate) moved: Mutex<MovedTallies>,
    capacity: usize,
    pub(crate) seed: u64,
}

/// How far the clock may be behind.
const CLOCK_STEP_MS: u64 = 1 << 20;

impl Flows {
    /// An empty table.
    pub fn new(config: FlowsConfig) -> Flows {
        let pages = if config.huge_pages { Pages::Huge } else { Pages::Normal };
        Flows {
            v4: Table::new(&config, pages),
            v6: Table::new(&config, pages),
            usage: Usage::new(config.limits, config.interfaces),
            kept: KeptTimeouts::new(),
            quiescence: Quiescence::new(config.workers_max),
            numbers: config.numbered.then(|| AtomicU64::new(0)),
            clock: AtomicU64::new(0),
            full: AtomicU64::new(0),
            orphans: Mutex::default(),
            moved: Mutex::default(),
            capacity: config.capacity,
            seed: config.seed,
        }
    }

    /// A handle for one thread; `None` if as many as there may be are registered. What a worker has
    /// summed up and not given away ([`FlowWorker::drain_tallies`]) goes with it.
    pub fn register(self: &Arc<Flows>) -> Option<FlowWorker> {
        FlowWorker::new(self)
    }

    /// The numbers under which sessions keep these timeouts, for [`NewHalf`](crate::NewHalf).
    pub fn keep(&self, timeouts: &Timeouts) -> TimeoutNumbers {
        self.kept.numbers(timeouts)
    }

    /// Sessions (halves of flows) in the table, dead ones that were not expired yet included.
    pub fn len(&self) -> usize {
        self.usage.sessions()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sessions of an interface, and how many of them are half-open.
    pub fn usage(&self, interface: InterfaceId) -> (usize, usize) {
        self.usage.of(interface)
    }

    /// Flows that passed unremembered because the index had no place for them, which can only be when the
    /// table is as good as full.
    pub fn unremembered(&self) -> u64 {
        self.full.load(Relaxed)
    }

    /// Flows of each family that it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What the table takes up.
    pub fn memory_bytes(&self) -> MemoryUse {
        let (records_v4, index_v4, numbers_v4) = self.v4.bytes();
        let (records_v6, index_v6, numbers_v6) = self.v6.bytes();
        let shared = self.usage.bytes() + self.kept.bytes() + self.quiescence.bytes();
        MemoryUse {
            records_v4,
            index_v4,
            records_v6,
            index_v6,
            other: numbers_v4 + numbers_v6 + shared,
            huge_pages: self.v4.has_huge_pages() && self.v6.has_huge_pages(),
        }
    }

    /// All sessions, in the order in which they opened if they are numbered; dead ones that were
    /// not expired yet included. Slow, and while workers are at work one may come out half old,
    /// half new: for reports and tests.
    pub fn sessions(&self) -> Vec<Session> {
        let long_ms = |ms| self.long_ms(ms);
        let v4 = self.v4.halves().map(|line| self.v4.session(line, &self.kept, long_ms));
        let v6 = self.v6.halves().map(|line| self.v6.session(line, &self.kept, long_ms));
        let mut sessions: Vec<Session> = v4.chain(v6).collect();
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    /// Frames and bytes by tally that live flows have counted and no worker has summed up yet.
    /// Slow: for reports.
    pub fn running_tallies(&self, mut each: impl FnMut(u32, u64, u64)) {
        self.v4.running_tallies(&mut each);
        self.v6.running_tallies(&mut each);
    }

    #[inline]
    pub(crate) fn v4(&self) -> &Table<V4> {
        &self.v4
    }

    #[inline]
    pub(crate) fn v6(&self) -> &Table<V6> {
        &self.v6
    }

    /// The number of a session that opens.
    pub(crate) fn next_number(&self) -> SessionId {
        SessionId(self.numbers.as_ref().map_or(0, |numbers| numbers.fetch_add(1, Relaxed) + 1))
    }

    pub(crate) fn note_full(&self) {
        self.full.fetch_add(1, Relaxed);
    }

    /// The millisecond of the run of which `ms` is the lower half.
    pub(crate) fn long_ms(&self, ms: u32) -> u64 {
        let clock = self.clock.load(Acquire);
        let ahead = ms.wrapping_sub(clock as u32).cast_signed();
        clock.saturating_add_signed(i64::from(ahead))
    }

    /// Whether so much time has passed since anything happened that nothing can be alive: more
    /// than the lower half of a millisecond can tell.
    pub(crate) fn has_slept_through(&self, now: Instant) -> bool {
        let passed = now.as_ms().saturating_sub(self.clock.load(Relaxed));
        passed > u64::from(IDLE_MAX_MS) + CLOCK_STEP_MS
    }

    pub(crate) fn set_clock(&self, now: Instant) {
        let now_ms = now.as_ms();
        if now_ms.saturating_sub(self.clock.load(Relaxed)) >= CLOCK_STEP_MS {
            self.clock.fetch_max(now_ms, Relaxed);
        }
    }

    /// Begins to count sessions and time anew.
    pub(crate) fn begin_anew(&self) {
        if let Some(numbers) = &self.numbers {
            numbers.store(0, Relaxed);
        }
        self.clock.store(0, Relaxed);
        self.quiescence.begin_anew();
        self.v4.sweep.begin_anew();
        self.v6.sweep.begin_anew();
    }

    pub(crate) fn take_orphans(&self) -> Vec<(u8, u32)> {
        std::mem::take(&mut *self.orphans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn leave_orphans(&self, orphans: Vec<(u8, u32)>) {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).extend(orphans);
    }
}
