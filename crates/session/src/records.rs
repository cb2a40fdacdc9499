//! Which records are free. Records are given out in order at first, so that memory nobody needs is
//! never touched; those that come back go to the worker that brought them, and in chunks to a
//! stack that all workers share. A free record's first line holds the links.

use crate::layout::Line;
use crate::sync::{self, AcqRel, Acquire, AtomicU32, AtomicU64, Relaxed};
use crate::table::Table;
use crate::{Family, FlowsConfig};

/// Records that move between a worker and the stack at a time.
const CHUNK: usize = if sync::REAL { 32 } else { 2 };

/// Free records that no worker has.
#[derive(Debug)]
pub(crate) struct Store {
    /// Records from here on were never given out.
    fresh: AtomicU32,
    capacity: u32,
    /// The first chunk: a count of changes, so that nobody takes one that came back for the one
    /// it saw; then its first record plus 1.
    chunks: AtomicU64,
}

impl Store {
    pub(crate) fn new(config: &FlowsConfig) -> Store {
        // Some more, so that what workers hold back, what is not yet quiescent and halves that
        // part from each other do not make a full table of one with room.
        let spare = config.capacity / 1024 + config.workers_max * 4 * CHUNK + 2 * CHUNK;
        let records = config.capacity.saturating_add(spare).min((1 << 31) - 2);
        let capacity = u32::try_from(records).expect("it is below 2^31");
        Store { fresh: AtomicU32::new(0), capacity, chunks: AtomicU64::new(0) }
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Records from here on were never used.
    pub(crate) fn used(&self) -> u32 {
        self.fresh.load(Acquire)
    }
}

impl<F: Family> Table<F> {
    /// A free record, by way of `own`, the free records of this worker.
    pub(crate) fn take_record(&self, own: &mut Vec<u32>) -> Option<u32> {
        if own.is_empty() && !self.pop_chunk(own) {
            let more = |fresh: u32| {
                let end = fresh.saturating_add(CHUNK as u32).min(self.store.capacity);
                (end > fresh).then_some(end)
            };
            let begin = self.store.fresh.fetch_update(AcqRel, Acquire, more).ok()?;
            let end = begin.saturating_add(CHUNK as u32).min(self.store.capacity);
            own.extend((begin..end).rev());
        }
        let taken = own.pop();
        // The next one, which another flow will ask for soon.
        if let Some(next) = own.last() {
            self.prefetch_record(*next);
        }
        taken
    }

    /// Takes a record back that nobody refers to.
    pub(crate) fn give_record(&self, own: &mut Vec<u32>, record: u32) {
        own.push(record);
        if own.len() >= 3 * CHUNK {
            // The oldest ones: the youngest are near.
            let chunk: [u32; CHUNK] = std::array::from_fn(|place| own[place]);
            own.drain(..CHUNK);
            self.push_chunk(&chunk);
        }
    }

    /// Gives all free records of a worker that leaves.
    pub(crate) fn give_all(&self, own: &mut Vec<u32>) {
        own.chunks(CHUNK).for_each(|chunk| self.push_chunk(chunk));
        own.clear();
    }

    fn push_chunk(&self, chunk: &[u32]) {
        let Some(first) = chunk.first() else { return };
        for (place, record) in chunk.iter().enumerate() {
            let next = chunk.get(place + 1).map_or(0, |next| next + 1);
            self.head(*record).syn.store(u64::from(next), Relaxed);
        }
        let head = self.head(*first);
        let mut seen = self.store.chunks.load(Acquire);
        loop {
            head.note.store(seen & 0xffff_ffff, Relaxed);
            let next = changed(seen, u64::from(*first) + 1);
            match self.store.chunks.compare_exchange(seen, next, AcqRel, Acquire) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    fn pop_chunk(&self, own: &mut Vec<u32>) -> bool {
        let mut seen = self.store.chunks.load(Acquire);
        loop {
            let Some(first) = (seen as u32).checked_sub(1) else { return false };
            let below = self.head(first).note.load(Relaxed) & 0xffff_ffff;
            match self.store.chunks.compare_exchange(seen, changed(seen, below), AcqRel, Acquire) {
                Ok(_) => {
                    let mut next = Some(first);
                    while let Some(record) = next {
                        own.push(record);
                        next = (self.head(record).syn.load(Relaxed) as u32).checked_sub(1);
                    }
                    return true;
                }
                Err(other) => seen = other,
            }
        }
    }

    fn head(&self, record: u32) -> &Line<F::Words> {
        self.line(2 * record)
    }
}

fn changed(seen: u64, first: u64) -> u64 {
    (seen >> 32).wrapping_add(1) << 32 | first
}
