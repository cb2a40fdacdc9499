//! What is counted.

use std::collections::BTreeMap;

use ringfence_cloud::{InterfaceIndex, Place};
use ringfence_policy::RuleRef;
use ringfence_session::COUNTS;

/// Frames and bytes of one port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortCounters {
    /// Frames taken in.
    pub frames_in: u64,
    /// Bytes taken in.
    pub bytes_in: u64,
    /// Frames put out, the fabric's own answers included.
    pub frames_out: u64,
    /// Bytes put out.
    pub bytes_out: u64,
    /// Frames that came in here and were dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Frames that were for the fabric itself, answered or not, by what they were: `arp-request`,
    /// `arp-probe`, `arp-announcement`, `arp-reply`, `neighbor-solicitation`, `neighbor-probe`,
    /// `neighbor-advertisement`, `router-solicitation`, `dhcp`.
    pub answered: BTreeMap<&'static str, u64>,
    /// ICMP errors that the fabric sent here.
    pub icmp_errors: u64,
}

/// Decisions at one interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InterfaceCounters {
    /// Sessions opened.
    pub sessions_opened: u64,
    /// Sessions cut by a rule change.
    pub sessions_cut: u64,
    /// Frames that a live session let cross.
    pub session_hits: u64,
    /// Decisions by the implicit rules, by name: `same-group`, `default-allow`, `default-deny`,
    /// `always-allowed`, `platform`.
    pub implicit: BTreeMap<&'static str, u64>,
}

/// Everything counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// By port.
    pub ports: BTreeMap<Place, PortCounters>,
    /// By interface.
    pub interfaces: BTreeMap<InterfaceIndex, InterfaceCounters>,
    /// Decisions of each custom rule (first packets, re-decisions, denied packets). A rule that
    /// stays where it is in its group keeps its count when others of the group change.
    pub rules: BTreeMap<RuleRef, u64>,
    /// What sessions that each custom rule let in have carried, both directions, as far as they
    /// have ended or have been flushed.
    pub rule_traffic: BTreeMap<RuleRef, Traffic>,
}

/// Frames and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Bytes, Ethernet headers included.
    pub bytes: u64,
}

impl Traffic {
    #[inline(always)]
    pub(crate) fn add(&mut self, other: Traffic) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }

    pub(crate) fn and(mut self, other: Traffic) -> Traffic {
        self.add(other);
        self
    }

    /// One frame more.
    #[inline(always)]
    pub(crate) fn count(&mut self, bytes: u64) {
        if COUNTS {
            self.add(Traffic { frames: 1, bytes });
        }
    }
}
