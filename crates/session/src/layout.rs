//! What lies where: the line that one direction's frames read and write, the bucket of the index,
//! and the comparison of many tags at once. Owns the sizes and the few unsafe words that vouch for them.

#![allow(unsafe_code, reason = "vouches that zeroed memory is a line, and compares tags")]

use crate::sync::{self, AtomicU32, AtomicU64, ZeroIsValid};

/// Keys in a bucket.
pub(crate) const BUCKET_SLOTS: usize = 12;

/// What one direction's frames of a flow read and write. A record is two of them, side by side.
///
/// Its direction's frames alone write `last`, `note`, `syn` and `counts` (with plain loads and
/// stores: one port, one worker); whoever opens, closes or ends may write the rest.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Line<W> {
    /// The port at which its frames come in, and their tuple there.
    pub(crate) key: W,
    /// Where they go, and in the first line of a record how the record stands (`way.rs`).
    pub(crate) way: AtomicU64,
    /// The epoch under which all was last found good, times two, plus 1 if at both ends.
    pub(crate) stamp: AtomicU32,
    /// The millisecond at which this direction last refreshed the record.
    pub(crate) last: AtomicU32,
    /// Milliseconds for which all live halves outlive `last`.
    pub(crate) idle: AtomicU32,
    /// Frames and bytes (`tallies.rs`).
    pub(crate) counts: AtomicU32,
    /// What frames of this line's half are counted for. In an IPv6 line all from here on is on the
    /// second cache line, which UDP's established frames do without.
    pub(crate) tally: AtomicU32,
    /// What this direction last acknowledged and advertised, or type and code (`tcp.rs`).
    pub(crate) note: AtomicU64,
    /// This direction's SYN (`tcp.rs`).
    pub(crate) syn: AtomicU64,
}

/// Twelve keys: a byte of the hash and the line of each.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    /// Tags of slots 0 to 7, then 8 to 11.
    pub(crate) tags: AtomicU64,
    pub(crate) more_tags: AtomicU32,
    /// Which slots are taken, how many of its keys lie elsewhere, and a version (`index.rs`).
    pub(crate) meta: AtomicU32,
    /// Line plus 1; 0 is free.
    pub(crate) slots: [AtomicU32; BUCKET_SLOTS],
}

const _: () = {
    const fn is(real: usize, size: usize) -> bool {
        !sync::REAL || real == size
    }
    assert!(is(size_of::<Line<[AtomicU64; 2]>>(), 64), "an IPv4 line is a cache line");
    assert!(is(size_of::<Line<[AtomicU64; 5]>>(), 128), "an IPv6 line is two");
    assert!(is(core::mem::offset_of!(Line<[AtomicU64; 5]>, tally), 64), "one is enough for UDP");
    assert!(is(size_of::<Bucket>(), 64), "a bucket is a cache line");
};

// SAFETY: its other fields are atomic numbers, of which zero is one.
unsafe impl<W: ZeroIsValid> ZeroIsValid for Line<W> {}
// SAFETY: all its fields are atomic numbers.
unsafe impl ZeroIsValid for Bucket {}

/// Which of twelve tags (8 and 4 bytes) are `tag`, one bit for each; higher bits are anything.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn matching(tags: u64, more: u32, tag: u8) -> u32 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    // SAFETY: every x86_64 has SSE2.
    unsafe {
        let tags = _mm_set_epi64x(i64::from(more), tags.cast_signed());
        let equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8(tag.cast_signed()));
        _mm_movemask_epi8(equal).cast_unsigned()
    }
}

/// Which of twelve tags (8 and 4 bytes) are `tag`, one bit for each; higher bits are anything.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn matching(tags: u64, more: u32, tag: u8) -> u32 {
    (0..12).fold(0, |mask, slot| {
        let byte = if slot < 8 { tags >> (slot * 8) } else { u64::from(more) >> ((slot - 8) * 8) };
        mask | u32::from(byte as u8 == tag) << slot
    })
}
