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

/// Bits of a line's counts that are bytes; those above are frames.
const BYTES_BITS: u32 = 19;
const FRAME: u32 = 1 << BYTES_BITS;
/// The highest bit of either: where one is set it is time to begin anew, and where none is there is
/// room for one frame more.
const FULL: u32 = 1 << 31 | LEN_MAX;
const LEN_MAX: u32 = 1 << (BYTES_BITS - 1);

/// One frame of `len` bytes more; `None` if it is time to begin anew.
#[inline(always)]
pub(crate) fn counted(counts: u32, len: u32) -> Option<u32> {
    (counts & FULL == 0 && len <= LEN_MAX).then_some(counts.wrapping_add(FRAME | len))
}

/// Frames and bytes.
fn parts(counts: u32) -> (u64, u64) {
    (u64::from(counts >> BYTES_BITS), u64::from(counts & (FRAME - 1)))
}

impl<F: Family> Table<F> {
    /// What both directions of a record have counted.
    fn counts(&self, record: u32) -> (u64, u64) {
        let [first, second] = self.pair(record).map(|line| parts(line.counts.load(Relaxed)));
        (first.0 + second.0, first.1 + second.1)
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

    /// Adds what one line has counted to the tallies of the halves owed and begins anew, with a frame of
    /// `len` bytes.
    #[cold]
    pub(crate) fn flush(&self, line: u32, len: u32, tallies: &mut Tallies) {
        let counts = &self.line(line).counts;
        let (mut frames, mut bytes) = parts(counts.load(Relaxed));
        let next = counted(0, len).unwrap_or_else(|| {
            (frames, bytes) = (frames + 1, bytes + u64::from(len));
            0
        });
        counts.store(next, Relaxed);
        let control = self.control(line / 2).load(Acquire);
        for owner in [line & !1, line | 1] {
            if control & way::owed(owner) != 0 {
                tallies.add(self.line(owner).tally.load(Relaxed), frames, bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEN_MAX, counted, parts};

    #[test]
    fn counts_are_full_by_frames_or_by_bytes() {
        for (len, most) in [(60, 4_096), (1_500, 175), (LEN_MAX - 1, 2), (LEN_MAX, 1)] {
            let (mut counts, mut frames) = (0, 0);
            while let Some(next) = counted(counts, len) {
                (counts, frames) = (next, frames + 1);
                assert_eq!(parts(counts), (frames, u64::from(len) * frames));
            }
            assert_eq!(frames, most, "of {len} bytes");
        }
        assert_eq!(counted(0, LEN_MAX + 1), None);
        assert_eq!(counted(0, u32::MAX), None);
    }
}
