//! The index: from a key's hash to the line that holds the key. Owns buckets and the order in
//! which their words are written; knows of keys only what it is told (`is_same`).
//!
//! A key lies in its primary bucket, or in its secondary one, and then the primary counts it in
//! its overflow. A slot is claimed by a compare-and-swap from free, and nobody sees it until its
//! bit is set in `meta`. Whatever puts a key in does so by a compare-and-swap of the PRIMARY
//! bucket's `meta` with a new version, after having looked for the key: of two that put in one
//! key, the second one's fails, and it looks again.
//!
//! A line is taken out by whoever changes its slot to [`LEAVING`], and replaced in its slot by
//! whoever changes that: one compare-and-swap decides between them.
//!
//! Where both buckets of a key are full, a key of theirs moves from its primary bucket to its
//! secondary one: it is there, and counted, before it leaves. So a reader that finds nothing in a
//! bucket looks at the count after that, and if it finds nothing then, there was nothing.

use ringfence_memory::prefetch;

use crate::layout::{BUCKET_SLOTS, Bucket, matching};
use crate::sync::{AcqRel, Acquire, AtomicU32, Pages, Relaxed, Release, Zeroed};

/// A slot from which a line is being taken out.
const LEAVING: u32 = u32::MAX;

const MASK: u32 = (1 << BUCKET_SLOTS) - 1;
const OVERFLOW_SHIFT: u32 = 12;
const OVERFLOW_MAX: u32 = 63;
const VERSION: u32 = 1 << 18;

/// How often room is made before an index counts as full.
const MOVES_MAX: usize = 4;

/// The index of one table.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) buckets: Zeroed<Bucket>,
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
        match overflow(bucket.meta.load(Acquire)) {
            0 => None,
            _ => self.find_second(hash, is_same),
        }
    }

    fn find_second(&self, hash: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let bucket = &self.buckets[self.places(hash).1];
        bucket.find(bucket.meta.load(Acquire), tag(hash), &mut is_same)
    }

    /// Calls `near` with the lines that may be those of `hash`, or asks for the secondary bucket.
    /// Returns the likeliest one's slot, 0 if there is none, [`LEAVING`] if the secondary bucket
    /// has to be looked at.
    #[inline(always)]
    pub(crate) fn look_ahead(&self, hash: u64, near: impl Fn(u32)) -> u32 {
        let bucket = self.primary(hash);
        let meta = bucket.meta.load(Acquire);
        let mut matching = bucket.matching(tag(hash)) & meta & MASK;
        if matching == 0 {
            if overflow(meta) == 0 {
                return 0;
            }
            prefetch(&self.buckets[self.places(hash).1]);
            return LEAVING;
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

    /// Puts in `line` under `hash`, unless another line there `is_same`. `hash_of` is asked of lines
    /// that may have to move.
    pub(crate) fn insert(
        &self,
        hash: u64,
        line: u32,
        is_same: impl Fn(u32) -> bool,
        hash_of: impl Fn(u32) -> u64,
    ) -> Put {
        let (first, second) = self.places(hash);
        let primary = &self.buckets[first];
        let mut is_same = |other| other != line && is_same(other);
        let mut claimed: Option<Claim> = None;
        let mut moves = 0;
        loop {
            let meta = primary.meta.load(Acquire);
            let mut found = primary.find(meta, tag(hash), &mut is_same);
            if found.is_none() && overflow(primary.meta.load(Acquire)) != 0 {
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
                claimed = self.claim(first, second, hash, line);
            }
            let Some(claim) = claimed else {
                moves += 1;
                let can_move = |place| self.make_room(place, &hash_of);
                if moves > MOVES_MAX || !(can_move(first) || can_move(second)) {
                    return Put::Full;
                }
                continue;
            };
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
        // All of it: one that moves is in both for a moment, and whoever moves it gives way.
        let mut any = self.remove_from(first, first, hash, line);
        if overflow(self.buckets[first].meta.load(Acquire)) != 0 {
            any |= self.remove_from(first, second, hash, line);
        }
        any
    }

    fn remove_from(&self, first: usize, place: usize, hash: u64, line: u32) -> bool {
        let mut any = false;
        while let Some(slot) = self.buckets[place].slot_of(line, tag(hash)) {
            any |= self.take_out(first, place, slot, line);
        }
        any
    }

    /// Takes `line` out of a slot; false if it is not there any more.
    fn take_out(&self, first: usize, place: usize, slot: usize, line: u32) -> bool {
        let bucket = &self.buckets[place];
        if bucket.slots[slot].compare_exchange(line + 1, LEAVING, AcqRel, Relaxed).is_err() {
            return false;
        }
        bucket.meta.fetch_and(!(1 << slot), AcqRel);
        bucket.slots[slot].store(0, Release);
        if place != first {
            self.buckets[first].change(|meta| with_overflow(meta, -1));
        }
        true
    }

    /// Moves a key of a full bucket to its secondary bucket.
    #[cold]
    fn make_room(&self, place: usize, hash_of: &impl Fn(u32) -> u64) -> bool {
        let bucket = &self.buckets[place];
        (0..BUCKET_SLOTS).any(|slot| {
            let seen = bucket.slots[slot].load(Acquire);
            let is_taken = bucket.meta.load(Acquire) >> slot & 1 == 1;
            if seen == 0 || seen == LEAVING || !is_taken {
                return false;
            }
            let (line, hash) = (seen - 1, hash_of(seen - 1));
            let (first, second) = self.places(hash);
            if first != place {
                return false;
            }
            let Some(to) = self.buckets[second].claim(line, tag(hash)) else { return false };
            // Counted before it is seen, so that whoever takes it out there finds it counted.
            bucket.change(|meta| with_overflow(meta, 1).wrapping_add(VERSION));
            self.buckets[second].change(|meta| (meta | 1 << to).wrapping_add(VERSION));
            let moved = self.take_out(first, place, slot, line);
            if !moved {
                self.take_out(first, second, to, line);
            }
            moved
        })
    }

    /// Puts `new`, which has the same key and goes on for `old`, where that lies; false if it does
    /// not lie there.
    pub(crate) fn replace(&self, hash: u64, old: u32, new: u32) -> bool {
        let (first, second) = self.places(hash);
        self.buckets[first].replace(old, new, tag(hash))
            || self.buckets[second].replace(old, new, tag(hash))
    }

    /// Puts `new`, which has the same key, where `old` lies that nobody wants any more. Only in its
    /// primary bucket: in the other one there may be a copy on its way, which is taken out, and the
    /// key has to be put in ([`Index::insert`]) after all.
    pub(crate) fn supersede(&self, hash: u64, old: u32, new: u32) -> bool {
        let (first, second) = self.places(hash);
        if self.buckets[first].replace(old, new, tag(hash)) {
            return true;
        }
        if let Some(slot) = self.buckets[second].slot_of(old, tag(hash)) {
            self.take_out(first, second, slot, old);
        }
        false
    }

    #[inline(always)]
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

    #[inline(always)]
    fn scaled(&self, half: u64) -> usize {
        ((half * self.buckets.len() as u64) >> 32) as usize
    }

    fn claim(&self, first: usize, second: usize, hash: u64, line: u32) -> Option<Claim> {
        [first, second].into_iter().find_map(|bucket| {
            let slot = self.buckets[bucket].claim(line, tag(hash))?;
            let claim = Claim { bucket, slot, second: bucket == second };
            if claim.second {
                self.buckets[bucket].change(|meta| (meta | 1 << slot).wrapping_add(VERSION));
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

    fn change(&self, to: impl Fn(u32) -> u32) {
        let changed = self.meta.fetch_update(AcqRel, Relaxed, |meta| Some(to(meta)));
        debug_assert!(changed.is_ok(), "there is always a value");
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

    fn replace(&self, old: u32, new: u32, tag: u8) -> bool {
        self.slot_of(old, tag).is_some_and(|slot| {
            self.slots[slot].compare_exchange(old + 1, new + 1, AcqRel, Relaxed).is_ok()
        })
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

#[inline]
fn overflow(meta: u32) -> u32 {
    (meta >> OVERFLOW_SHIFT) & OVERFLOW_MAX
}

fn with_overflow(meta: u32, more: i32) -> u32 {
    // Once it is full nobody knows how many there are; it stays.
    let next = match overflow(meta) {
        OVERFLOW_MAX => OVERFLOW_MAX,
        few => few.saturating_add_signed(more),
    };
    meta & !(OVERFLOW_MAX << OVERFLOW_SHIFT) | next << OVERFLOW_SHIFT
}
