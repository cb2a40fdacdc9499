//! Machines with AVX2: eight rules are one vector, and sixteen are two.

use std::arch::x86_64::*;

use super::super::arena::LINE;
use super::super::node::{FULL_WORDS, LIST_WORDS, OWN_RANGE, Packet};
use super::{AT_ONCE, Machine};

/// A machine with AVX2. Whoever has one has asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2Machine(());

/// Words of a vector.
const LANES: usize = 8;
const _: () = assert!(LINE == 2 * LANES && AT_ONCE == 2 * LANES);

impl Avx2Machine {
    /// This machine, if it is one.
    pub(crate) fn detect() -> Option<Avx2Machine> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Avx2Machine(()))
    }
}

impl Machine for Avx2Machine {
    #[inline(always)]
    fn rank_words(self, line: &[u32; LINE], key: i32) -> u32 {
        let line = line.as_ptr().cast::<__m256i>();
        // SAFETY: a value of this type is made on machines with AVX2 only; a line is two vectors.
        let above = unsafe {
            let key = _mm256_set1_epi32(key);
            let above = |part| _mm256_cmpgt_epi32(_mm256_loadu_si256(line.add(part)), key);
            _mm256_movemask_epi8(_mm256_packs_epi32(above(0), above(1)))
        };
        // Two bits a word; which is whose is mixed up, and does not matter.
        LINE as u32 - above.count_ones() / 2
    }

    #[inline(always)]
    fn rank_halves(self, line: &[u32; LINE], key: i16) -> u32 {
        let line = line.as_ptr().cast::<__m256i>();
        // SAFETY: as in `rank_words`.
        let above = unsafe {
            let key = _mm256_set1_epi16(key);
            let above = |part| _mm256_cmpgt_epi16(_mm256_loadu_si256(line.add(part)), key);
            _mm256_movemask_epi8(_mm256_packs_epi16(above(0), above(1)))
        };
        2 * LINE as u32 - above.count_ones()
    }

    #[inline(always)]
    fn list(self, words: &[u32], packet: &Packet) -> u32 {
        let count = (words.len() / LIST_WORDS).min(AT_ONCE);
        // SAFETY: the machine is one with AVX2; `words` holds three times `count` words, and those of
        // the second call begin behind the ones of the first.
        unsafe {
            let first = list(words.as_ptr(), count, count.min(LANES), packet);
            match count.checked_sub(LANES) {
                None | Some(0) => first,
                Some(more) => first | list(words.as_ptr().add(LANES), count, more, packet) << LANES,
            }
        }
    }

    #[inline(always)]
    fn full(self, words: &[u32], packet: &Packet) -> u32 {
        let count = (words.len() / FULL_WORDS).min(AT_ONCE);
        // SAFETY: as in `list`, with six times `count` words.
        unsafe {
            let first = full(words.as_ptr(), count, count.min(LANES), packet);
            match count.checked_sub(LANES) {
                None | Some(0) => first,
                Some(more) => first | full(words.as_ptr().add(LANES), count, more, packet) << LANES,
            }
        }
    }
}

/// Which of `taken` rules of a list match, whose parts are `count` words apart.
///
/// # Safety
/// The machine has AVX2, `taken` is at most [`LANES`], and so many words of each of the three parts
/// can be read.
#[inline(always)]
unsafe fn list(words: *const u32, count: usize, taken: usize, packet: &Packet) -> u32 {
    // SAFETY: the caller's promise, and no lane beyond `taken` is read.
    let matches = unsafe {
        let lanes = lanes(taken);
        let part =
            |number: usize| _mm256_maskload_epi32(words.add(number * count).cast::<i32>(), lanes);
        let matches = _mm256_andnot_si256(
            is_outside(part(1), packet.target_port),
            is_of(part(2), packet.protocol),
        );
        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(matches, lanes)))
    };
    matches.cast_unsigned()
}

/// Which of `taken` rules match but for what an extra asks, whose parts are `count` words apart.
///
/// # Safety
/// The machine has AVX2, `taken` is at most [`LANES`], and so many words of each of the six parts can
/// be read.
#[inline(always)]
unsafe fn full(words: *const u32, count: usize, taken: usize, packet: &Packet) -> u32 {
    // SAFETY: the caller's promise, and no lane beyond `taken` is read.
    let matches = unsafe {
        let lanes = lanes(taken);
        let part =
            |number: usize| _mm256_maskload_epi32(words.add(number * count).cast::<i32>(), lanes);
        let (first, last, flags) = (part(1), part(2), part(5));
        let past = _mm256_sub_epi32(_mm256_set1_epi32(packet.own.cast_signed()), first);
        let is_in = _mm256_cmpeq_epi32(_mm256_min_epu32(past, _mm256_sub_epi32(last, first)), past);
        let is_ipv4 = _mm256_set1_epi32(-i32::from(packet.own_is_ipv4));
        let own_range = _mm256_set1_epi32(OWN_RANGE.cast_signed());
        let is_free =
            _mm256_cmpeq_epi32(_mm256_and_si256(flags, own_range), _mm256_setzero_si256());
        let own = _mm256_or_si256(is_free, _mm256_and_si256(is_in, is_ipv4));
        let is_outside = _mm256_or_si256(
            is_outside(part(3), packet.source_port),
            is_outside(part(4), packet.target_port),
        );
        let others = _mm256_andnot_si256(is_outside, is_of(flags, packet.protocol));
        let matches = _mm256_and_si256(_mm256_and_si256(own, others), lanes);
        _mm256_movemask_ps(_mm256_castsi256_ps(matches))
    };
    matches.cast_unsigned()
}

/// All ones in the first `taken` lanes.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn lanes(taken: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(taken as i32), numbers)
    }
}

/// Where a port does not lie in the range of a lane.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn is_outside(ranges: __m256i, port: u16) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let port = _mm256_set1_epi32(port.into());
        let below = _mm256_cmpgt_epi32(_mm256_and_si256(ranges, _mm256_set1_epi32(0xffff)), port);
        _mm256_or_si256(below, _mm256_cmpgt_epi32(port, _mm256_srli_epi32::<16>(ranges)))
    }
}

/// Where a protocol is the one that is asked for, if one is.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn is_of(flags: __m256i, protocol: u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let differs = _mm256_xor_si256(flags, _mm256_set1_epi32(protocol.into()));
        let asked = _mm256_and_si256(_mm256_srli_epi32::<8>(flags), _mm256_set1_epi32(0xff));
        _mm256_cmpeq_epi32(_mm256_and_si256(differs, asked), _mm256_setzero_si256())
    }
}
