//! The word of a line that says where its frames go; in the first line of a record it says as
//! well how the record stands, so that one compare-and-swap decides who ends or advances it.

use crate::{Forward, PortId};

const PORT: u64 = 0xff_ffff;
const HOPS_SHIFT: u32 = 24;
const KEPT_SHIFT: u32 = 32;

/// The source address is translated.
pub(crate) const SOURCE_TRANSLATED: u64 = 1 << 48;
/// The target address is translated.
pub(crate) const TARGET_TRANSLATED: u64 = 1 << 49;
/// The forwarding of this line is known.
pub(crate) const FUSED: u64 = 1 << 50;
/// Plain frames of this line change nothing but when it dies, its note and its counts.
pub(crate) const SETTLED: u64 = 1 << 51;
/// The half at this line reached its peer over the Internet.
pub(crate) const INTERNET: u64 = 1 << 52;

// Of the record, in its first line:

/// The first packet ran on the second line.
pub(crate) const OPENER_1: u64 = 1 << 53;
/// The record was completed; before, it lies in the index for other openers only.
pub(crate) const READY: u64 = 1 << 62;

const PHASE_SHIFT: u32 = 60;
const PHASE: u64 = 3 << PHASE_SHIFT;

/// The half of line 0 or 1 lives.
#[inline]
pub(crate) const fn half(line: u32) -> u64 {
    1 << (54 + (line & 1))
}

/// Both halves.
pub(crate) const HALVES: u64 = half(0) | half(1);

/// Counts are owed to the tally of the half of line 0 or 1 when the record goes.
#[inline]
pub(crate) const fn owed(line: u32) -> u64 {
    1 << (56 + (line & 1))
}

/// Line 0 or 1 was put into the index.
#[inline]
pub(crate) const fn indexed(line: u32) -> u64 {
    1 << (58 + (line & 1))
}

/// How far a conversation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// One direction seen.
    OneWay,
    /// Both.
    BothWays,
    /// TCP that has ended.
    Closing,
}

#[inline]
pub(crate) fn phase(way: u64) -> Phase {
    match (way & PHASE) >> PHASE_SHIFT {
        0 => Phase::OneWay,
        1 => Phase::BothWays,
        _ => Phase::Closing,
    }
}

#[inline]
pub(crate) fn with_phase(way: u64, phase: Phase) -> u64 {
    way & !PHASE | (phase as u64) << PHASE_SHIFT
}

/// The line on which the first packet ran.
#[inline]
pub(crate) fn opener(way: u64) -> u32 {
    u32::from(way & OPENER_1 != 0)
}

/// The number under which the half's timeouts are kept.
#[inline]
pub(crate) fn kept(way: u64) -> u16 {
    (way >> KEPT_SHIFT) as u16
}

#[inline]
pub(crate) fn with_kept(way: u64, kept: u16) -> u64 {
    way & !(0xffff << KEPT_SHIFT) | u64::from(kept) << KEPT_SHIFT
}

#[inline]
pub(crate) fn forward(way: u64) -> Forward {
    Forward {
        port: (way & PORT) as PortId,
        hops: (way >> HOPS_SHIFT) as u8,
        source_translated: way & SOURCE_TRANSLATED != 0,
        target_translated: way & TARGET_TRANSLATED != 0,
    }
}

pub(crate) fn with_forward(way: u64, forward: &Forward) -> u64 {
    let Forward { port, hops, source_translated, target_translated } = *forward;
    let cleared = way & !(PORT | 0xff << HOPS_SHIFT | SOURCE_TRANSLATED | TARGET_TRANSLATED);
    cleared
        | u64::from(port) & PORT
        | u64::from(hops) << HOPS_SHIFT
        | if source_translated { SOURCE_TRANSLATED } else { 0 }
        | if target_translated { TARGET_TRANSLATED } else { 0 }
}
