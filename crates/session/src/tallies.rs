//! Frames and bytes by tally. A line counts its own direction's; they are added to the tallies of
//! the halves that they are owed to when a half ends or a record goes, or before they overflow.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::Family;
use crate::sync::{Acquire, Relaxed};
use crate::table::Table;
use crate::way;

/// Sums of one worker.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    sums: HashMap<u32, (u64, u64), FixedState>,
    /// Room to sort them.
    sorted: Vec<(u32, u64, u64)>,
}

impl Tallies {
    pub(crate) fn add(&mut self, tally: u32, frames: u64, bytes: u64) {
        if frames != 0 || bytes != 0 {
            let sum = self.sums.entry(tally).or_default();
            *sum = (sum.0 + frames, sum.1 + bytes);
        }
    }

    /// Gives all sums, by tally, and forgets them.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(u32, u64, u64)) {
        self.sorted
            .extend(self.sums.drain().map(|(tally, (frames, bytes))| (tally, frames, bytes)));
        self.sorted.sort_unstable_by_key(|(tally, ..)| *tally);
        self.sorted.drain(..).for_each(|(tally, frames, bytes)| each(tally, frames, bytes));
    }
}

/// One frame of `len` bytes more, of which there is at least one; `None` if that does not fit.
#[inline(always)]
pub(crate) fn counted(counts: u64, len: u32) -> Option<u64> {
    // There are not more frames than bytes: where these fit, those do.
    let next = counts.wrapping_add(1 << 32 | u64::from(len));
    (next as u32 >= len).then_some(next)
}

impl<F: Family> Table<F> {
    /// What both directions of a record have counted.
    fn counts(&self, record: u32) -> (u64, u64) {
        let [first, second] = self.pair(record);
        let (first, second) = (first.counts.load(Relaxed), second.counts.load(Relaxed));
        let bytes = u64::from(first as u32) + u64::from(second as u32);
        ((first >> 32) + (second >> 32), bytes)
    }

    /// Adds what a record has counted to the tallies of the halves owed (bits of `way::owed`).
    pub(crate) fn credit(&self, record: u32, owed: u64, tallies: &mut Tallies) {
        self.each_owed(record, owed, |tally, frames, bytes| tallies.add(tally, frames, bytes));
    }

    pub(crate) fn each_owed(&self, record: u32, owed: u64, mut each: impl FnMut(u32, u64, u64)) {
        let (frames, bytes) = self.counts(record);
        for line in 0..2 {
            if owed & way::owed(line) != 0 {
                each(self.line(2 * record + line).tally.load(Relaxed), frames, bytes);
            }
        }
    }

    /// What live records have counted.
    pub(crate) fn running_tallies(&self, mut each: impl FnMut(u32, u64, u64)) {
        for record in 0..self.store.used() {
            let control = self.control(record).load(Acquire);
            if control & way::READY != 0 {
                self.each_owed(record, control, &mut each);
            }
        }
    }

    /// Adds what one line has counted, before it overflows, and begins anew.
    #[cold]
    pub(crate) fn flush(&self, record: u32, run: u32, tallies: &mut Tallies) {
        let line = self.line(2 * record + run);
        let counts = line.counts.load(Relaxed);
        line.counts.store(0, Relaxed);
        let control = self.control(record).load(Acquire);
        for owner in 0..2 {
            if control & way::owed(owner) != 0 {
                let tally = self.line(2 * record + owner).tally.load(Relaxed);
                tallies.add(tally, counts >> 32, u64::from(counts as u32));
            }
        }
    }
}
