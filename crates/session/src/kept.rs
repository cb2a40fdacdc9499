//! Timeouts that sessions keep: each triple that ever opened one has a number, so that a line
//! carries two bytes instead of twelve. Numbers are given once and never taken back.

use ringfence_frame::Protocol;

use crate::Timeouts;
use crate::sync::{self, AcqRel, Acquire, AtomicU64, Pages, Release, Zeroed};
use crate::way::Phase;

/// Longer timeouts are cut to this (12 days): half of what a millisecond clock of 32 bits tells
/// apart.
pub(crate) const IDLE_MAX_MS: u32 = 1 << 30;

/// Triples that can be told apart.
const KEPT_MAX: u16 = if sync::REAL { u16::MAX } else { 8 };

const CLAIMED: u64 = 1 << 32;
const SET: u64 = 1 << 33;

/// Milliseconds that a session may be idle: one direction seen, both, closing.
pub(crate) type Idle = [u32; 3];

/// The numbers under which an interface's timeouts are kept, by what sessions of each protocol keep
/// ([`Flows::keep`](crate::Flows::keep)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutNumbers([u16; 4]);

impl TimeoutNumbers {
    /// A number whatever the protocol.
    pub(crate) fn only(number: u16) -> TimeoutNumbers {
        TimeoutNumbers([number; 4])
    }

    #[inline]
    pub(crate) fn of(&self, protocol: Protocol) -> u16 {
        match protocol {
            Protocol::TCP => self.0[0],
            Protocol::UDP => self.0[1],
            Protocol::ICMP | Protocol::ICMPV6 => self.0[2],
            _ => self.0[3],
        }
    }
}

/// One protocol of each kind that [`TimeoutNumbers::of`] tells apart, in its order.
const KINDS: [Protocol; 4] = [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol::GRE];

/// All triples.
#[derive(Debug)]
pub(crate) struct KeptTimeouts {
    /// Two words for each: the first two values; the third with `CLAIMED` and `SET`.
    words: Zeroed<AtomicU64>,
}

impl KeptTimeouts {
    pub(crate) fn new() -> KeptTimeouts {
        KeptTimeouts { words: Zeroed::new(2 * usize::from(KEPT_MAX), Pages::Normal) }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    /// The numbers of what sessions of any protocol keep.
    pub(crate) fn numbers(&self, timeouts: &Timeouts) -> TimeoutNumbers {
        TimeoutNumbers(KINDS.map(|protocol| self.number(timeouts, protocol)))
    }

    /// The number of what a session of `protocol` keeps. With more than 65,535 different triples
    /// the later ones get the number of another.
    pub(crate) fn number(&self, timeouts: &Timeouts, protocol: Protocol) -> u16 {
        let idle @ [one_way, both_ways, closing] = triple(timeouts, protocol);
        let mixed = idle.iter().fold(0u32, |hash, ms| (hash ^ ms).wrapping_mul(0x9e37_79b9));
        let first = (mixed >> 16) as u16 % KEPT_MAX;
        let (low, high) = (u64::from(one_way) << 32 | u64::from(both_ways), u64::from(closing));
        for number in (first..KEPT_MAX).chain(0..first) {
            let [lows, highs] = self.at(number);
            let mut seen = highs.load(Acquire);
            if seen == 0 {
                match highs.compare_exchange(0, high | CLAIMED, AcqRel, Acquire) {
                    Ok(_) => {
                        lows.store(low, Release);
                        highs.store(high | CLAIMED | SET, Release);
                        return number;
                    }
                    Err(other) => seen = other,
                }
            }
            if seen == high | CLAIMED | SET && lows.load(Acquire) == low {
                return number;
            }
        }
        first
    }

    /// How long a session that keeps `number` may be idle.
    #[inline]
    pub(crate) fn idle_ms(&self, number: u16, phase: Phase) -> u32 {
        let [lows, highs] = self.at(number);
        match phase {
            Phase::OneWay => (lows.load(Acquire) >> 32) as u32,
            Phase::BothWays => lows.load(Acquire) as u32,
            Phase::Closing => highs.load(Acquire) as u32,
        }
    }

    #[inline]
    fn at(&self, number: u16) -> [&AtomicU64; 2] {
        let position = usize::from(number) * 2;
        [&self.words[position], &self.words[position + 1]]
    }
}

fn triple(timeouts: &Timeouts, protocol: Protocol) -> Idle {
    let kept = timeouts.kept_by(protocol);
    let cut = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX).min(IDLE_MAX_MS);
    [cut(kept.one_way_ms), cut(kept.both_ways_ms), cut(kept.closing_ms)]
}
