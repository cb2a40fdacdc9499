//! What few machine instructions do to a whole line: the rank of a key among sixteen, sixteen rules
//! held against a packet. Owns how every machine does it, and the choice of those that have wider
//! vectors.

#![allow(unsafe_code, reason = "vector instructions, of which each machine has its own")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::arena::LINE;
use super::node::{FULL_WORDS, LIST_WORDS, OWN_RANGE, Packet};

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2Machine;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512Machine;

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
        list(words, packet)
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

/// Four rules of a list at once, from the last ones on.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn list(words: &[u32], packet: &Packet) -> u32 {
    const FOUR: usize = 4;
    let count = words.len() / LIST_WORDS;
    let (ports, protocols) = words[count..].split_at(count);
    if let ([ports], [protocol]) = (ports, protocols) {
        return u32::from(is_within(*ports, packet.target_port) & packet.is_of(*protocol));
    }
    let (mut ports_end, mut end) = (2 * count, words.len());
    let mut mask = 0;
    // Four words that end where a part does may begin in the one before.
    while let (Some(ports), Some(protocols)) =
        (words[..ports_end].last_chunk::<FOUR>(), words[..end].last_chunk::<FOUR>())
    {
        let four = four_of_list(ports, protocols, packet);
        let left = ports_end - count;
        if left <= FOUR {
            return mask | four >> (FOUR - left);
        }
        mask |= four << (left - FOUR);
        (ports_end, end) = (ports_end - FOUR, end - FOUR);
    }
    mask
}

/// Which of four rules match.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn four_of_list(ports: &[u32; 4], protocols: &[u32; 4], packet: &Packet) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_castsi128_ps, _mm_cmpeq_epi32, _mm_cmpgt_epi32,
        _mm_loadu_si128, _mm_movemask_ps, _mm_or_si128, _mm_set1_epi32, _mm_setzero_si128,
        _mm_srli_epi32, _mm_xor_si128,
    };
    // SAFETY: every x86-64 has SSE2; four words are 16 bytes, read unaligned.
    let misses = unsafe {
        let ports = _mm_loadu_si128(ports.as_ptr().cast::<__m128i>());
        let protocols = _mm_loadu_si128(protocols.as_ptr().cast::<__m128i>());
        let port = _mm_set1_epi32(packet.target_port.into());
        let first = _mm_and_si128(ports, _mm_set1_epi32(0xffff));
        let below = _mm_cmpgt_epi32(first, port);
        let above = _mm_cmpgt_epi32(port, _mm_srli_epi32::<16>(ports));
        let differs = _mm_xor_si128(protocols, _mm_set1_epi32(packet.protocol.into()));
        let asked = _mm_and_si128(_mm_srli_epi32::<8>(protocols), _mm_set1_epi32(0xff));
        let is_same = _mm_cmpeq_epi32(_mm_and_si128(differs, asked), _mm_setzero_si128());
        let is_other = _mm_xor_si128(is_same, _mm_set1_epi32(-1));
        _mm_movemask_ps(_mm_castsi128_ps(_mm_or_si128(_mm_or_si128(below, above), is_other)))
    };
    !misses.cast_unsigned() & 0xf
}

#[cfg(not(target_arch = "x86_64"))]
fn list(words: &[u32], packet: &Packet) -> u32 {
    let count = words.len() / LIST_WORDS;
    let (ports, protocols) = words[count..].split_at(count);
    let rules = ports.iter().zip(protocols).enumerate();
    rules.fold(0, |mask, (place, (ports, protocol))| {
        let matches = is_within(*ports, packet.target_port) & packet.is_of(*protocol);
        mask | u32::from(matches) << place
    })
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

/// The machine that this process runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Here {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512Machine),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2Machine),
    Any,
}

impl Here {
    /// Finds out which it is.
    pub(crate) fn detect() -> Here {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(machine) = Avx512Machine::detect() {
                return Here::Avx512(machine);
            }
            if let Some(machine) = Avx2Machine::detect() {
                return Here::Avx2(machine);
            }
        }
        Here::Any
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::node::{
        FULL_WORDS, LIST_WORDS, OWN_RANGE, Packet, protocol_word, range_word,
    };
    use super::{AT_ONCE, AnyMachine, Avx2Machine, Avx512Machine, LINE, Machine};

    const SEED: u64 = 0x3a1d;

    struct Dice(u64);

    impl Dice {
        fn below(&mut self, count: u32) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(0x9e37_79b9);
            (self.0 >> 33) as u32 % count
        }

        /// Few values, the ends among them, so that they meet.
        fn word(&mut self) -> u32 {
            [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, u32::MAX][self.below(7) as usize]
        }

        fn port(&mut self) -> u16 {
            [0, 1, 2, 0x7fff, 0x8000, 0xfffe, u16::MAX][self.below(7) as usize]
        }

        fn range(&mut self) -> u32 {
            let (a, b) = (self.port(), self.port());
            range_word((a.min(b), a.max(b)))
        }

        fn protocol(&mut self) -> u8 {
            [6, 17, 1, 0, 255][self.below(5) as usize]
        }

        fn packet(&mut self) -> Packet {
            Packet {
                own: self.word(),
                source_port: self.port(),
                target_port: self.port(),
                own_is_ipv4: self.below(2) == 0,
                protocol: self.protocol(),
                protocol_class: 0,
            }
        }

        fn flags(&mut self) -> u32 {
            let protocol = (self.below(3) > 0).then(|| self.protocol());
            protocol_word(protocol) | if self.below(2) == 0 { OWN_RANGE } else { 0 }
        }
    }

    #[test]
    fn every_machine_compares_alike() {
        println!("seed {SEED:#x}");
        match Avx512Machine::detect() {
            Some(machine) => compare(machine),
            None => println!("no AVX-512 here, nothing to compare"),
        }
        match Avx2Machine::detect() {
            Some(machine) => compare(machine),
            None => println!("no AVX2 here, nothing to compare"),
        }
    }

    fn compare(wide: impl Machine) {
        let mut dice = Dice(SEED);
        let mut met = [0_u32; 2];
        for _ in 0..20_000 {
            let mut words: [u32; LINE] = std::array::from_fn(|_| dice.word());
            words.sort_by_key(|word| word.cast_signed());
            let key = dice.word().cast_signed();
            assert_eq!(AnyMachine.rank_words(&words, key), wide.rank_words(&words, key));
            let mut halves: [u16; 2 * LINE] = std::array::from_fn(|_| dice.port());
            halves.sort_by_key(|half| half.cast_signed());
            let pair = |at: usize| u32::from(halves[2 * at]) | u32::from(halves[2 * at + 1]) << 16;
            let line: [u32; LINE] = std::array::from_fn(pair);
            let key = dice.port().cast_signed();
            assert_eq!(AnyMachine.rank_halves(&line, key), wide.rank_halves(&line, key));

            let count = dice.below(AT_ONCE as u32 + 1) as usize;
            let packet = dice.packet();
            let mut words = vec![0; count * LIST_WORDS];
            for place in 0..count {
                words[count + place] = dice.range();
                words[2 * count + place] = dice.flags() & !OWN_RANGE;
            }
            let list = AnyMachine.list(&words, &packet);
            assert_eq!(list, wide.list(&words, &packet), "{words:?} {packet:?}");
            let mut words = vec![0; count * FULL_WORDS];
            for place in 0..count {
                let (a, b) = (dice.word(), dice.word());
                words[count + place] = a.min(b);
                words[2 * count + place] = a.max(b);
                words[3 * count + place] = dice.range();
                words[4 * count + place] = dice.range();
                words[5 * count + place] = dice.flags();
            }
            let full = AnyMachine.full(&words, &packet);
            assert_eq!(full, wide.full(&words, &packet), "{words:?} {packet:?}");
            met[0] += list.count_ones();
            met[1] += full.count_ones();
        }
        assert!(met[0] > 10_000 && met[1] > 3_000, "hardly anything matched: {met:?}");
    }
}
