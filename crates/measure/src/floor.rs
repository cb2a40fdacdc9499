//! Yardsticks of the machine itself: random cache lines with prefetch, and copying. What a structure
//! costs is quoted as a ratio to these, measured in the same run.

use std::sync::atomic::{AtomicU64, Ordering};

use ringfence_memory::prefetch;

/// Words in a cache line.
const LINE_WORDS: usize = 8;
/// Lines asked for before the first of them is used.
const BATCH: usize = 32;

/// What is done to each line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// It is read.
    Read,
    /// It is read and written, so that it has to go back to memory.
    Write,
}

/// A walk over random lines of some memory, which is the caller's, so that it lies on the same kind
/// of pages as what is compared with it.
#[derive(Debug)]
pub struct RandomLines<'a> {
    memory: &'a [AtomicU64],
    state: u64,
    seen: u64,
}

impl<'a> RandomLines<'a> {
    /// A walk over whole lines of `memory`. `None` if there is not one.
    pub fn new(memory: &'a [AtomicU64], seed: u64) -> Option<RandomLines<'a>> {
        match memory.len() < LINE_WORDS {
            true => None,
            false => Some(RandomLines { memory, state: seed, seen: 0 }),
        }
    }

    /// Touches every line once, so that all memory is there.
    pub fn fill(&self) {
        for word in self.memory.iter().step_by(LINE_WORDS) {
            word.store(1, Ordering::Relaxed);
        }
    }

    /// Visits at least `count` lines in batches and says how many it were.
    pub fn visit(&mut self, count: u64, visit: Visit) -> u64 {
        let lines = (self.memory.len() / LINE_WORDS) as u64;
        let batches = count.div_ceil(BATCH as u64);
        for _ in 0..batches {
            let mut places = [0usize; BATCH];
            for place in &mut places {
                let line = (u128::from(self.next()) * u128::from(lines)) >> 64;
                *place = line as usize * LINE_WORDS;
                prefetch(&self.memory[*place]);
            }
            for place in places {
                let word = &self.memory[place];
                let value = word.load(Ordering::Relaxed);
                if visit == Visit::Write {
                    word.store(value.wrapping_add(1), Ordering::Relaxed);
                }
                self.seen = self.seen.wrapping_add(value);
            }
        }
        std::hint::black_box(self.seen);
        batches * BATCH as u64
    }

    /// SplitMix64: a few clocks, and no line is favoured.
    #[inline]
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Copies frames of `frame_bytes` from one pool to another until the shorter of them is through, and
/// says how many it were.
pub fn copy_frames(source: &[u8], target: &mut [u8], frame_bytes: usize) -> u64 {
    if frame_bytes == 0 {
        return 0;
    }
    let mut frames = 0;
    let pairs = source.chunks_exact(frame_bytes).zip(target.chunks_exact_mut(frame_bytes));
    for (from, to) in pairs {
        // hidden from the optimiser, which would make one copy of them all
        std::hint::black_box(&mut *to).copy_from_slice(std::hint::black_box(from));
        frames += 1;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::{RandomLines, Visit, copy_frames};
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_line_is_visited_and_about_equally() {
        let memory: Vec<AtomicU64> = (0..64 * 8).map(|_| AtomicU64::new(0)).collect();
        let mut lines = RandomLines::new(&memory, 1).unwrap();
        assert_eq!(lines.visit(64_000, Visit::Write), 64_000);
        let visits: Vec<u64> =
            memory.iter().step_by(8).map(|word| word.load(Ordering::Relaxed)).collect();
        assert_eq!(visits.iter().sum::<u64>(), 64_000);
        assert!(visits.iter().all(|it| (800..1_200).contains(it)), "{visits:?}");
        let others = memory.iter().enumerate().filter(|(place, _)| place % 8 != 0);
        assert!(others.into_iter().all(|(_, word)| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn reading_leaves_memory_alone() {
        let memory: Vec<AtomicU64> = (0..16).map(|_| AtomicU64::new(7)).collect();
        let mut lines = RandomLines::new(&memory, 1).unwrap();
        assert_eq!(lines.visit(33, Visit::Read), 64);
        assert!(memory.iter().all(|word| word.load(Ordering::Relaxed) == 7));
        assert!(RandomLines::new(&memory[..7], 1).is_none());
    }

    #[test]
    fn frames_are_copied_whole() {
        let source: Vec<u8> = (0..200).collect();
        let mut target = vec![0; 150];
        assert_eq!(copy_frames(&source, &mut target, 64), 2);
        assert_eq!(target[..128], source[..128]);
        assert!(target[128..].iter().all(|byte| *byte == 0));
        assert_eq!(copy_frames(&source, &mut target, 0), 0);
    }
}
