//! The index: from a key's hash to the line that holds the key. Owns buckets and the order in
//! which their words are written; knows of keys only what it is told (`is_same`).
//!
//! A key lies in its primary bucket, or in its secondary one, and then the primary counts it in
//! its overflow. A slot is claimed by a compare-and-swap from free, and nobody sees it until its
//! bit is set in `meta`. Whatever puts a key in does so by a compare-and-swap of the PRIMARY
//! bucket's `meta` with a new version, after having looked for the key: of two that put in one
//! key, the second one's fails, and it looks again. Nothing ever moves, so that a reader that finds
//! nothing has met a moment when there was nothing.
//!
//! A line is taken out by whoever changes its slot to [`LEAVING`], and replaced in its slot by
//! whoever changes that: one compare-and-swap decides between them.

use crate::layout::{BUCKET_SLOTS, Bucket, matching, prefetch};
use crate::sync::{AcqRel, Acquire, AtomicU32, Pages, Relaxed, Release, Zeroed};

/// A slot from which a line is being taken out.
const LEAVING: u32 = u32::MAX;

const MASK: u32 = (1 << BUCKET_SLOTS) - 1;
const OVERFLOW_SHIFT: u32 = 12;
const OVERFLOW_MAX: u32 = 63;
const VERSION: u32 = 1 << 18;

/// A primary bucket that holds this many keys gives way to an emptier secondary one: more leaves
/// too many full buckets in a full table, fewer sends too many look-ups to a second bucket.
const GIVES_WAY: u32 = 10;

/// The index of one table.
#[derive(Debug)]
pub(crate) struct Index {
    buckets: Zeroed<Bucket>,
}

/// What came of putting in a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Put {
    /// It is in.
    Done,
    /// It was in, at this line.
    Exists(u32),
    /// Both its buckets are full.
    Full,
}

/// A slot that this thread has claimed.
#[derive(Clone, Copy)]
struct Claim {
    bucket: usize,
    slot: usize,
    /// Whether it is its key's secondary bucket, where it is seen already.
    second: bool,
}

impl Index {
    /// With room for `keys`, at a load at which next to no pair of buckets is full.
    pub(crate) fn new(keys: usize, pages: Pages) -> Index {
        // 0.79 full, and some more that make small tables roomy.
        let count = keys.saturating_mul(100) / (BUCKET_SLOTS * 79) + 4;
        Index { buckets: Zeroed::new(count, pages) }
    }

    /// Bytes that it takes up.
    pub(crate) fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch(self.primary(hash));
    }

    /// The line under `hash` that `is_same`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let bucket = self.primary(hash);
        let meta = bucket.meta.load(Acquire);
        if let Some(line) = bucket.find(meta, tag(hash), &mut is_same) {
            return Some(line);
        }
        match meta >> OVERFLOW_SHIFT & OVERFLOW_MAX {
            0 => None,
            _ => self.find_second(hash, is_same),
        }
    }

    #[cold]
    fn find_second(&self, hash: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let bucket = &self.buckets[self.places(hash).1];
        bucket.find(bucket.meta.load(Acquire), tag(hash), &mut is_same)
    }

    /// Calls `near` with the lines that may be those of `hash`, or asks for the secondary bucket.
    /// Returns the likeliest one's slot.
    #[inline]
    pub(crate) fn look_ahead(&self, hash: u64, near: impl Fn(u32)) -> u32 {
        let bucket = self.primary(hash);
        let meta = bucket.meta.load(Acquire);
        let mut matching = bucket.matching(tag(hash)) & meta & MASK;
        if matching == 0 {
            if meta & (OVERFLOW_MAX << OVERFLOW_SHIFT) != 0 {
                prefetch(&self.buckets[self.places(hash).1]);
            }
            return 0;
        }
        let first = bucket.slots[matching.trailing_zeros() as usize].load(Acquire);
        near(first.wrapping_sub(1));
        matching &= matching - 1;
        while matching != 0 {
            near(bucket.slots[matching.trailing_zeros() as usize].load(Relaxed).wrapping_sub(1));
            matching &= matching - 1;
        }
        first
    }

    /// Puts in `line` under `hash`, unless another line there `is_same`.
    pub(crate) fn insert(&self, hash: u64, line: u32, is_same: impl Fn(u32) -> bool) -> Put {
        let (first, second) = self.places(hash);
        let primary = &self.buckets[first];
        let mut is_same = |other| other != line && is_same(other);
        let mut claimed: Option<Claim> = None;
        loop {
            let meta = primary.meta.load(Acquire);
            let mut found = primary.find(meta, tag(hash), &mut is_same);
            if found.is_none() && meta >> OVERFLOW_SHIFT & OVERFLOW_MAX != 0 {
                found = self.find_second(hash, &mut is_same);
            }
            if let Some(found) = found {
                let Some(claim) = claimed.take() else { return Put::Exists(found) };
                self.give_up(claim);
                // What was found may be of one that in turn has found this claim, and gives up.
                if claim.second {
                    continue;
                }
                return Put::Exists(found);
            }
            if claimed.is_none() {
                claimed = self.claim(first, second, meta, hash, line);
            }
            let Some(claim) = claimed else { return Put::Full };
            let changed = match claim.second {
                false => meta | 1 << claim.slot,
                true => with_overflow(meta, 1),
            };
            let next = changed.wrapping_add(VERSION);
            if primary.meta.compare_exchange(meta, next, AcqRel, Relaxed).is_ok() {
                return Put::Done;
            }
        }
    }

    /// Takes `line` out from under `hash`; false if it does not lie there.
    pub(crate) fn remove(&self, hash: u64, line: u32) -> bool {
        let (first, second) = self.places(hash);
        for place in [first, second] {
            let bucket = &self.buckets[place];
            let Some(slot) = bucket.slot_of(line, tag(hash)) else { continue };
            if bucket.slots[slot].compare_exchange(line + 1, LEAVING, AcqRel, Relaxed).is_err() {
                continue;
            }
            bucket.meta.fetch_and(!(1 << slot), AcqRel);
            bucket.slots[slot].store(0, Release);
            if place == second {
                let fewer = |meta| Some(with_overflow(meta, -1));
                let meta = &self.buckets[first].meta;
                meta.fetch_update(AcqRel, Relaxed, fewer).expect("it always gives a value");
            }
            return true;
        }
        false
    }

    /// Puts `new`, which has the same key, where `old` lies; false if `old` does not lie there.
    pub(crate) fn replace(&self, hash: u64, old: u32, new: u32) -> bool {
        let (first, second) = self.places(hash);
        [first, second].into_iter().any(|place| {
            let bucket = &self.buckets[place];
            bucket.slot_of(old, tag(hash)).is_some_and(|slot| {
                bucket.slots[slot].compare_exchange(old + 1, new + 1, AcqRel, Relaxed).is_ok()
            })
        })
    }

    #[inline]
    fn primary(&self, hash: u64) -> &Bucket {
        &self.buckets[self.scaled(hash >> 32)]
    }

    #[inline]
    fn places(&self, hash: u64) -> (usize, usize) {
        let first = self.scaled(hash >> 32);
        let second = self.scaled(hash & 0xffff_ffff);
        match second == first {
            false => (first, second),
            true if first + 1 == self.buckets.len() => (first, 0),
            true => (first, first + 1),
        }
    }

    #[inline]
    fn scaled(&self, half: u64) -> usize {
        ((half * self.buckets.len() as u64) >> 32) as usize
    }

    fn claim(&self, first: usize, second: usize, meta: u32, hash: u64, line: u32) -> Option<Claim> {
        let own = (meta & MASK).count_ones();
        let other = || (self.buckets[second].meta.load(Acquire) & MASK).count_ones();
        let order = match own >= GIVES_WAY && other() < own {
            false => [first, second],
            true => [second, first],
        };
        order.into_iter().find_map(|bucket| {
            let slot = self.buckets[bucket].claim(line, tag(hash))?;
            let claim = Claim { bucket, slot, second: bucket == second };
            if claim.second {
                let seen = |meta: u32| Some((meta | 1 << slot).wrapping_add(VERSION));
                let meta = &self.buckets[bucket].meta;
                meta.fetch_update(AcqRel, Relaxed, seen).expect("it always gives a value");
            }
            Some(claim)
        })
    }

    fn give_up(&self, claim: Claim) {
        let bucket = &self.buckets[claim.bucket];
        if claim.second {
            bucket.meta.fetch_and(!(1 << claim.slot), AcqRel);
        }
        bucket.slots[claim.slot].store(0, Release);
    }
}

impl Bucket {
    #[inline]
    fn find(&self, meta: u32, tag: u8, is_same: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        let mut matching = self.matching(tag) & meta & MASK;
        while matching != 0 {
            let slot = self.slots[matching.trailing_zeros() as usize].load(Acquire);
            matching &= matching - 1;
            if slot != 0 && slot != LEAVING && is_same(slot - 1) {
                return Some(slot - 1);
            }
        }
        None
    }

    /// Slots whose tag is `tag`, one bit for each, whether or not they are taken.
    #[inline]
    fn matching(&self, tag: u8) -> u32 {
        let (tags, more) = (self.tags.load(Relaxed), self.more_tags.load(Relaxed));
        matching(tags, more, tag)
    }

    fn slot_of(&self, line: u32, tag: u8) -> Option<usize> {
        let mut matching = self.matching(tag) & self.meta.load(Acquire) & MASK;
        while matching != 0 {
            let slot = matching.trailing_zeros() as usize;
            if self.slots[slot].load(Acquire) == line + 1 {
                return Some(slot);
            }
            matching &= matching - 1;
        }
        None
    }

    /// Claims a free slot, so that nobody else writes its tag.
    fn claim(&self, line: u32, tag: u8) -> Option<usize> {
        let free = |slot: &AtomicU32| {
            slot.load(Relaxed) == 0 && slot.compare_exchange(0, line + 1, AcqRel, Relaxed).is_ok()
        };
        let slot = self.slots.iter().position(free)?;
        if slot < 8 {
            let shift = slot * 8;
            let old = (self.tags.load(Relaxed) >> shift) as u8;
            self.tags.fetch_xor(u64::from(old ^ tag) << shift, Release);
        } else {
            let shift = (slot - 8) * 8;
            let old = (self.more_tags.load(Relaxed) >> shift) as u8;
            self.more_tags.fetch_xor(u32::from(old ^ tag) << shift, Release);
        }
        Some(slot)
    }
}

/// The byte of a hash by which a bucket's keys are told apart; the buckets come from other bits.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 32) as u8
}

fn with_overflow(meta: u32, more: i32) -> u32 {
    let overflow = meta >> OVERFLOW_SHIFT & OVERFLOW_MAX;
    // Once it is full nobody knows how many there are; it stays.
    let next = match overflow {
        OVERFLOW_MAX => OVERFLOW_MAX,
        _ => overflow.saturating_add_signed(more),
    };
    meta & !(OVERFLOW_MAX << OVERFLOW_SHIFT) | next << OVERFLOW_SHIFT
}
