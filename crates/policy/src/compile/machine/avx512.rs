//! Machines with AVX-512: sixteen rules are one vector, and what a compare says is a mask.

use std::arch::x86_64::*;

use super::super::arena::LINE;
use super::super::node::{FULL_WORDS, LIST_WORDS, OWN_RANGE, Packet};
use super::{AT_ONCE, Machine};

/// A machine with AVX-512. Whoever has one has asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512Machine(());

impl Avx512Machine {
    /// This machine, if it is one.
    #[inline]
    pub(crate) fn detect() -> Option<Avx512Machine> {
        let is_wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        is_wide.then_some(Avx512Machine(()))
    }
}

impl Machine for Avx512Machine {
    #[inline(always)]
    fn rank_words(self, line: &[u32; LINE], key: i32) -> u32 {
        // SAFETY: a value of this type is made on machines with AVX-512 only; a line is 64
        // bytes.
        let below = unsafe {
            let line = _mm512_loadu_si512(line.as_ptr().cast());
            _mm512_cmple_epi32_mask(line, _mm512_set1_epi32(key))
        };
        u32::from(below).count_ones()
    }

    #[inline(always)]
    fn rank_halves(self, line: &[u32; LINE], key: i16) -> u32 {
        // SAFETY: as in `rank_words`.
        let below = unsafe {
            let line = _mm512_loadu_si512(line.as_ptr().cast());
            _mm512_cmple_epi16_mask(line, _mm512_set1_epi16(key))
        };
        below.count_ones()
    }

    #[inline(always)]
    fn list(self, words: &[u32], packet: &Packet) -> u32 {
        let count = (words.len() / LIST_WORDS).min(AT_ONCE);
        // SAFETY: the machine is one with AVX-512; `words` holds three times `count` words.
        match count {
            0..=8 => unsafe { list_of_8(words.as_ptr(), count, packet) },
            _ => unsafe { list_of_16(words.as_ptr(), count, packet) },
        }
    }

    #[inline(always)]
    fn full(self, words: &[u32], packet: &Packet) -> u32 {
        let count = (words.len() / FULL_WORDS).min(AT_ONCE);
        // SAFETY: as in `list`, with six times `count` words.
        match count {
            0..=8 => unsafe { full_of_8(words.as_ptr(), count, packet) },
            _ => unsafe { full_of_16(words.as_ptr(), count, packet) },
        }
    }
}

/// The compares of up to as many rules as a vector has lanes, for vectors of one width.
macro_rules! of_width {
    (
        $mask:ty, $list:ident, $full:ident, $load:ident, $set1:ident, $and:ident,
        $xor:ident, $sub:ident, $shift:ident, $le:ident, $le_unsigned:ident, $testn:ident
    ) => {
        /// Which rules of a list match.
        ///
        /// # Safety
        /// The machine has AVX-512; three times `count` words can be read.
        #[inline(always)]
        unsafe fn $list(words: *const u32, count: usize, packet: &Packet) -> u32 {
            let lanes = ((1_u32 << count) - 1) as $mask;
            // SAFETY: the caller's promise, and no lane beyond `count` is read.
            let matches = unsafe {
                let part = |number| $load(lanes, words.add(number * count).cast());
                let (ports, protocols) = (part(1), part(2));
                let port = $set1(packet.target_port.into());
                let first = $and(ports, $set1(0xffff));
                let differs = $xor(protocols, $set1(packet.protocol.into()));
                let asked = $and($shift::<8>(protocols), $set1(0xff));
                $le(first, port) & $le(port, $shift::<16>(ports)) & $testn(differs, asked)
            };
            u32::from(matches & lanes)
        }

        /// Which rules match but for what an extra asks.
        ///
        /// # Safety
        /// The machine has AVX-512; six times `count` words can be read.
        #[inline(always)]
        unsafe fn $full(words: *const u32, count: usize, packet: &Packet) -> u32 {
            let lanes = ((1_u32 << count) - 1) as $mask;
            // SAFETY: the caller's promise, and no lane beyond `count` is read.
            let matches = unsafe {
                let part = |number| $load(lanes, words.add(number * count).cast());
                let (first, last, flags) = (part(1), part(2), part(5));
                let address = $set1(packet.own.cast_signed());
                let in_range = $le_unsigned($sub(address, first), $sub(last, first));
                let is_ipv4 = <$mask>::from(packet.own_is_ipv4).wrapping_neg();
                let free = $testn(flags, $set1(OWN_RANGE.cast_signed()));
                let within = |ranges, port: u16| {
                    let port = $set1(port.into());
                    let first = $and(ranges, $set1(0xffff));
                    $le(first, port) & $le(port, $shift::<16>(ranges))
                };
                let differs = $xor(flags, $set1(packet.protocol.into()));
                let asked = $and($shift::<8>(flags), $set1(0xff));
                ((in_range & is_ipv4) | free)
                    & within(part(3), packet.source_port)
                    & within(part(4), packet.target_port)
                    & $testn(differs, asked)
            };
            u32::from(matches & lanes)
        }
    };
}

of_width!(
    u8,
    list_of_8,
    full_of_8,
    _mm256_maskz_loadu_epi32,
    _mm256_set1_epi32,
    _mm256_and_si256,
    _mm256_xor_si256,
    _mm256_sub_epi32,
    shift_of_8,
    _mm256_cmple_epi32_mask,
    _mm256_cmple_epu32_mask,
    _mm256_testn_epi32_mask
);
of_width!(
    u16,
    list_of_16,
    full_of_16,
    _mm512_maskz_loadu_epi32,
    _mm512_set1_epi32,
    _mm512_and_si512,
    _mm512_xor_si512,
    _mm512_sub_epi32,
    shift_of_16,
    _mm512_cmple_epi32_mask,
    _mm512_cmple_epu32_mask,
    _mm512_testn_epi32_mask
);

/// # Safety
/// The machine has AVX-512.
#[inline(always)]
unsafe fn shift_of_8<const BITS: i32>(words: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_srli_epi32::<BITS>(words) }
}

/// # Safety
/// The machine has AVX-512.
#[inline(always)]
unsafe fn shift_of_16<const BITS: u32>(words: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe { _mm512_srli_epi32::<BITS>(words) }
}
