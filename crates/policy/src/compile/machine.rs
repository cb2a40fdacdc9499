//! What one machine instruction does to a whole line: the rank of a key among sixteen, sixteen
//! rules held against a packet. Owns the two ways to do it, one for every machine and one for those
//! with AVX-512, and the choice between them.

#![allow(unsafe_code, reason = "vector instructions, of which each machine has its own")]

use super::arena::LINE;
use super::node::{FULL_WORDS, LIST_WORDS, OWN_RANGE, Packet};

/// Rules that are held against a packet at once.
pub(crate) const AT_ONCE: usize = 16;

/// How a machine compares.
pub(crate) trait Machine: Copy {
    /// How many of the ascending keys of a line come before the first above `key`.
    fn rank_words(self, line: &[u32; LINE], key: i32) -> u32;

    /// The same for a line of 32 halves, the lower half of each word first.
    fn rank_halves(self, line: &[u32; LINE], key: i16) -> u32;

    /// Which rules of a list match, the best in the lowest bit. `words`: keys, target ports and
    /// protocols of up to [`AT_ONCE`] rules.
    fn list(self, words: &[u32], packet: &Packet) -> u32;

    /// Which rules match but for what an extra asks. `words`: keys, first and last near addresses,
    /// source ports, target ports and protocols of up to [`AT_ONCE`] rules.
    fn full(self, words: &[u32], packet: &Packet) -> u32;
}

/// Any machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyMachine;

impl Machine for AnyMachine {
    #[inline(always)]
    fn rank_words(self, line: &[u32; LINE], key: i32) -> u32 {
        rank_words(line, key)
    }

    #[inline(always)]
    fn rank_halves(self, line: &[u32; LINE], key: i16) -> u32 {
        rank_halves(line, key)
    }

    #[inline(always)]
    fn list(self, words: &[u32], packet: &Packet) -> u32 {
        let count = words.len() / LIST_WORDS;
        let (ports, protocols) = words[count..].split_at(count);
        let rules = ports.iter().zip(protocols).enumerate();
        rules.fold(0, |mask, (place, (ports, protocol))| {
            let matches = is_within(*ports, packet.target_port) & packet.is_of(*protocol);
            mask | u32::from(matches) << place
        })
    }

    #[inline(always)]
    fn full(self, words: &[u32], packet: &Packet) -> u32 {
        let count = words.len() / FULL_WORDS;
        let part = |number: usize| &words[number * count..(number + 1) * count];
        let (first, last, source, target, flags) = (part(1), part(2), part(3), part(4), part(5));
        let mut mask = 0;
        for place in 0..count {
            let in_range =
                packet.own.wrapping_sub(first[place]) <= last[place].wrapping_sub(first[place]);
            let own = (flags[place] & OWN_RANGE == 0) | (packet.own_is_ipv4 & in_range);
            let matches = own
                & is_within(source[place], packet.source_port)
                & is_within(target[place], packet.target_port)
                & packet.is_of(flags[place]);
            mask |= u32::from(matches) << place;
        }
        mask
    }
}

#[inline(always)]
fn is_within(range_word: u32, port: u16) -> bool {
    let (first, last) = (range_word as u16, (range_word >> 16) as u16);
    port.wrapping_sub(first) <= last.wrapping_sub(first)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn rank_words(line: &[u32; LINE], key: i32) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpgt_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_packs_epi32, _mm_set1_epi32,
    };
    let vector = line.as_ptr().cast::<__m128i>();
    // SAFETY: every x86-64 has SSE2; the line is four vectors of 16 bytes, read unaligned.
    let above = unsafe {
        let key = _mm_set1_epi32(key);
        let above = |part| _mm_cmpgt_epi32(_mm_loadu_si128(vector.add(part)), key);
        let low = _mm_packs_epi32(above(0), above(1));
        let high = _mm_packs_epi32(above(2), above(3));
        _mm_movemask_epi8(_mm_packs_epi16(low, high))
    };
    (above | 1 << LINE).trailing_zeros()
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn rank_halves(line: &[u32; LINE], key: i16) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpgt_epi16, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_set1_epi16,
    };
    let vector = line.as_ptr().cast::<__m128i>();
    // SAFETY: as in `rank_words`.
    let (low, high) = unsafe {
        let key = _mm_set1_epi16(key);
        let above = |part| _mm_cmpgt_epi16(_mm_loadu_si128(vector.add(part)), key);
        let low = _mm_movemask_epi8(_mm_packs_epi16(above(0), above(1)));
        let high = _mm_movemask_epi8(_mm_packs_epi16(above(2), above(3)));
        (low.cast_unsigned(), high.cast_unsigned())
    };
    (u64::from(low) | u64::from(high) << LINE | 1 << (2 * LINE)).trailing_zeros()
}

#[cfg(not(target_arch = "x86_64"))]
fn rank_words(line: &[u32; LINE], key: i32) -> u32 {
    line.iter().map(|it| u32::from(it.cast_signed() <= key)).sum()
}

#[cfg(not(target_arch = "x86_64"))]
fn rank_halves(line: &[u32; LINE], key: i16) -> u32 {
    let halves = line.iter().flat_map(|word| [*word as i16, (*word >> 16) as i16]);
    halves.map(|it| u32::from(it <= key)).sum()
}

#[cfg(target_arch = "x86_64")]
pub(crate) use wide::WideMachine;

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m512i, _mm512_and_si512, _mm512_cmple_epi16_mask, _mm512_cmple_epi32_mask,
        _mm512_cmple_epu32_mask, _mm512_loadu_si512, _mm512_maskz_loadu_epi32, _mm512_set1_epi16,
        _mm512_set1_epi32, _mm512_srli_epi32, _mm512_sub_epi32, _mm512_testn_epi32_mask,
        _mm512_xor_si512,
    };

    use super::{AT_ONCE, FULL_WORDS, LINE, LIST_WORDS, Machine, OWN_RANGE, Packet};

    /// A machine with AVX-512. Whoever has one has asked.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct WideMachine(());

    impl WideMachine {
        /// This machine, if it is one.
        #[inline]
        pub(crate) fn detect() -> Option<WideMachine> {
            let is_wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("popcnt");
            is_wide.then_some(WideMachine(()))
        }
    }

    impl Machine for WideMachine {
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
            let lanes = ((1_u32 << count) - 1) as u16;
            // SAFETY: as in `rank_words`; `words` holds three times `count` words, and no lane
            // beyond `count` is read.
            let matches = unsafe {
                let part = |number| load(lanes, words.as_ptr().add(number * count));
                ports(part(1), packet.target_port) & protocol(part(2), packet.protocol)
            };
            u32::from(matches & lanes)
        }

        #[inline(always)]
        fn full(self, words: &[u32], packet: &Packet) -> u32 {
            let count = (words.len() / FULL_WORDS).min(AT_ONCE);
            let lanes = ((1_u32 << count) - 1) as u16;
            // SAFETY: as in `list`, with six times `count` words.
            let matches = unsafe {
                let part = |number| load(lanes, words.as_ptr().add(number * count));
                let (first, flags) = (part(1), part(5));
                let address = _mm512_set1_epi32(packet.own.cast_signed());
                let in_range = _mm512_cmple_epu32_mask(
                    _mm512_sub_epi32(address, first),
                    _mm512_sub_epi32(part(2), first),
                );
                let is_ipv4 = u16::from(packet.own_is_ipv4).wrapping_neg();
                let free =
                    _mm512_testn_epi32_mask(flags, _mm512_set1_epi32(OWN_RANGE.cast_signed()));
                ((in_range & is_ipv4) | free)
                    & ports(part(3), packet.source_port)
                    & ports(part(4), packet.target_port)
                    & protocol(flags, packet.protocol)
            };
            u32::from(matches & lanes)
        }
    }

    /// The first words, one in each lane that `lanes` names.
    ///
    /// # Safety
    /// The machine has AVX-512; the words of the lanes named can be read.
    #[inline(always)]
    unsafe fn load(lanes: u16, words: *const u32) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_maskz_loadu_epi32(lanes, words.cast()) }
    }

    /// # Safety
    /// The machine has AVX-512.
    #[inline(always)]
    unsafe fn ports(ranges: __m512i, port: u16) -> u16 {
        // SAFETY: the caller's promise.
        unsafe {
            let port = _mm512_set1_epi32(port.into());
            let first = _mm512_and_si512(ranges, _mm512_set1_epi32(0xffff));
            let last = _mm512_srli_epi32::<16>(ranges);
            _mm512_cmple_epi32_mask(first, port) & _mm512_cmple_epi32_mask(port, last)
        }
    }

    /// # Safety
    /// The machine has AVX-512.
    #[inline(always)]
    unsafe fn protocol(words: __m512i, protocol: u8) -> u16 {
        // SAFETY: the caller's promise.
        unsafe {
            let differs = _mm512_xor_si512(words, _mm512_set1_epi32(protocol.into()));
            let asked = _mm512_and_si512(_mm512_srli_epi32::<8>(words), _mm512_set1_epi32(0xff));
            _mm512_testn_epi32_mask(differs, asked)
        }
    }
}
