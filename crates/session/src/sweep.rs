//! Who is dead: hints say when a record may be, and a sweep over all hints looks at those that are
//! due. A hint is two bytes, so that a sweep is short, and never more than half a minute ahead, so
//! that its 65 s do not run out of meaning; a record that lives longer is looked at more than once.
//! A half that is dead is never found, whether or not it was swept away. A sweep goes by the horizon
//! (`quiescence.rs`), and so takes nothing that any worker can still find alive.

use crate::Family;
use crate::life::Hands;
use crate::sync::{AcqRel, Acquire, AtomicU32, Relaxed, Release};
use crate::table::was_idle_longer;
use crate::way::{self, HALVES, READY};

/// How far ahead a hint may lie.
const AHEAD_MAX_MS: u32 = 30_000;

/// If the last sweep began longer ago than this, no hint means anything, and all are due.
const SWEEP_MAX_MS: u32 = 32_000;

/// Hints that are taken on at a time.
const STEP: u32 = 64;

/// Records that are looked at together, so that the memory of each is waited for behind the others'.
const GROUP: usize = 32;

/// How many hints are looked at for a new flow that met a limit.
const AT_LIMIT: u32 = 4096;

/// How far the sweep is. Workers take steps from one cursor, so that one that sleeps leaves none.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The next hint; at or behind the end when the sweep is complete.
    cursor: AtomicU32,
    /// Where it ends: behind the records that were in use when it began. What comes into use
    /// meanwhile is for the next one, or else a growing table's sweep would never be complete.
    end: AtomicU32,
    /// The millisecond at which this sweep began.
    began: AtomicU32,
    /// And the one before.
    before: AtomicU32,
    /// The millisecond after the last one in which all hints were looked at by one worker.
    whole: AtomicU32,
    /// The same, of a part for a new flow that met a limit.
    pressed: AtomicU32,
}

impl Sweep {
    pub(crate) fn begin_anew(&self) {
        let Sweep { cursor, end, began, before, whole, pressed } = self;
        for word in [cursor, end, began, before, whole, pressed] {
            word.store(0, Release);
        }
    }
}

/// Records that may be dead and are to be looked at, their lines asked for.
struct Due {
    records: [u32; GROUP],
    len: usize,
}

impl Due {
    fn none() -> Due {
        Due { records: [0; GROUP], len: 0 }
    }

    fn push(&mut self, record: u32) {
        self.records[self.len] = record;
        self.len += 1;
    }

    fn is_full(&self) -> bool {
        self.len == GROUP
    }
}

/// The hint of a record that was refreshed at `last_ms` and may be idle for `idle_ms`.
pub(crate) fn hint(now_ms: u32, last_ms: u32, idle_ms: u32) -> u16 {
    let left = last_ms.wrapping_add(idle_ms).wrapping_add(1).wrapping_sub(now_ms);
    let left = left.cast_signed().clamp(0, AHEAD_MAX_MS as i32).cast_unsigned();
    match now_ms.wrapping_add(left) as u16 {
        // 0 is no hint; a millisecond too early does no harm.
        0 => u16::MAX,
        hint => hint,
    }
}

impl<F: Family> Hands<'_, F> {
    /// Looks at no more than about `hints_max` hints from where the last one stopped; returns how
    /// many halves were dead.
    pub(crate) fn sweep(&mut self, hints_max: usize) -> usize {
        let used = self.table.store.used();
        let hints_max = u32::try_from(hints_max).unwrap_or(u32::MAX);
        if hints_max >= used {
            return self.sweep_whole(used);
        }
        // A whole sweep takes a second, so that a small table is not swept all the time.
        let sweep = &self.table.sweep;
        let passed = self.now_ms.wrapping_sub(sweep.began.load(Acquire)).saturating_add(1);
        let due = (used / 1024).max(STEP).saturating_mul(passed);
        let at = sweep.cursor.load(Relaxed);
        let is_on = at < sweep.end.load(Relaxed);
        let left = if is_on { due.saturating_sub(at) } else { due };
        self.sweep_steps(used, hints_max.min(left))
    }

    /// In one millisecond nobody dies that was not dead at its beginning.
    fn sweep_whole(&mut self, used: u32) -> usize {
        let sweep = &self.table.sweep;
        let next = self.now_ms.wrapping_add(1);
        if sweep.whole.swap(next, AcqRel) == next {
            return 0;
        }
        let late = self.is_late();
        let mut group = Due::none();
        let ended = self.look(0, used, late, &mut group) + self.visit(&mut group);
        sweep.before.store(self.now_ms, Release);
        sweep.began.store(self.now_ms, Release);
        sweep.cursor.store(used, Release);
        ended
    }

    fn sweep_steps(&mut self, used: u32, hints: u32) -> usize {
        let sweep = &self.table.sweep;
        let at = sweep.cursor.load(Acquire);
        if at >= sweep.end.load(Acquire) && !self.begin(at, used) {
            return 0;
        }
        let last = sweep.end.load(Acquire).min(used);
        let (mut looked, mut ended) = (0, 0);
        let mut group = Due::none();
        while looked < hints {
            let begin = sweep.cursor.fetch_add(STEP, AcqRel);
            if begin >= last {
                break;
            }
            let end = begin.saturating_add(STEP).min(last);
            ended += self.look(begin, end, self.is_late(), &mut group);
            looked += STEP;
        }
        ended + self.visit(&mut group)
    }

    /// Begins a new sweep, unless one began in this millisecond or somebody else does.
    fn begin(&self, at: u32, used: u32) -> bool {
        let sweep = &self.table.sweep;
        let began = sweep.began.load(Acquire);
        if began == self.now_ms {
            return false;
        }
        // First the end: with the cursor at 0 and an old one the others would stop too early.
        sweep.end.store(used, Release);
        if sweep.cursor.compare_exchange(at, 0, AcqRel, Relaxed).is_err() {
            return false;
        }
        sweep.before.store(began, Release);
        sweep.began.store(self.now_ms, Release);
        true
    }

    fn is_late(&self) -> bool {
        let before = self.table.sweep.before.load(Acquire);
        self.now_ms.wrapping_sub(before) > SWEEP_MAX_MS
    }

    /// Makes room if there are dead ones: "dead sessions do not count". All of a small table is
    /// looked at, and a part of a large one, once a millisecond.
    pub(crate) fn press(&mut self) -> usize {
        let used = self.table.store.used();
        if used <= AT_LIMIT {
            return self.sweep_whole(used);
        }
        let next = self.now_ms.wrapping_add(1);
        match self.table.sweep.pressed.swap(next, AcqRel) == next {
            true => 0,
            false => self.sweep_steps(used, AT_LIMIT),
        }
    }

    /// Ends every half; returns how many.
    pub(crate) fn end_all(&mut self) -> usize {
        (0..self.table.store.used()).map(|record| self.end(record, HALVES)).sum()
    }

    /// Gathers the records that are due, and visits them in groups; the last group is left to the
    /// caller. Returns how many halves were dead.
    fn look(&mut self, begin: u32, end: u32, all: bool, group: &mut Due) -> usize {
        let now = self.now_ms as u16;
        let mut ended = 0;
        for record in begin..end {
            let hint = self.table.hints[record as usize].load(Relaxed);
            if hint != 0 && (all || now.wrapping_sub(hint).cast_signed() >= 0) {
                self.table.prefetch_record(record);
                group.push(record);
                if group.is_full() {
                    ended += self.visit(group);
                }
            }
        }
        ended
    }

    /// Ends what is dead of a group: first the buckets of all are asked for.
    fn visit(&mut self, group: &mut Due) -> usize {
        let records = &group.records[..group.len];
        let mut dead = [None; GROUP];
        for (dead, record) in dead.iter_mut().zip(records) {
            *dead = self.dead_halves(*record);
            if dead.is_some_and(|dead| dead != 0) {
                self.table.prefetch_bucket_of(2 * record);
                self.table.prefetch_bucket_of(2 * record + 1);
            }
        }
        let mut ended = 0;
        for (dead, record) in dead.into_iter().zip(records) {
            let Some(dead) = dead else { continue };
            if dead != 0 {
                ended += self.end(*record, dead);
            }
            if let Some(idle) = self.idle_ms(*record) {
                let next = hint(self.now_ms, self.table.last(*record), idle);
                self.table.hints[*record as usize].store(next, Relaxed);
            }
        }
        group.len = 0;
        ended
    }

    /// Those halves of a record in use that are dead.
    fn dead_halves(&self, record: u32) -> Option<u64> {
        let control = self.table.control(record).load(Acquire);
        if control & READY == 0 || control & HALVES == 0 {
            return None;
        }
        let last = self.table.last(record);
        let kept = &self.flows.kept;
        let dead = [2 * record, 2 * record + 1]
            .into_iter()
            .filter(|line| control & way::half(*line) != 0)
            .filter(|line| was_idle_longer(self.now_ms, last, self.table.idle_ms(*line, kept)))
            .fold(0, |dead, line| dead | way::half(line));
        Some(dead)
    }
}
