//! The model of the flow table: one entry for each half, one owner, ordinary collections. It was the
//! table of an earlier version; here it says what the lock-free one has to answer.

#![allow(unused_imports, reason = "each test file uses its part")]

mod entry;
mod key;
mod table;
mod tcp;

use ringfence_frame::Protocol;
use ringfence_session::Timeouts;

pub use table::{Session, SessionRef, Sessions};

/// The timeouts of one session, as they were when it opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    one_way_ms: u64,
    both_ways_ms: u64,
    closing_ms: u64,
}

fn kept_by(timeouts: &Timeouts, protocol: Protocol) -> Kept {
    let (one_way, both_ways) = match protocol {
        Protocol::TCP => (timeouts.tcp_opening, timeouts.tcp_established),
        Protocol::UDP => (timeouts.udp, timeouts.udp_stream),
        Protocol::ICMP | Protocol::ICMPV6 => (timeouts.icmp, timeouts.icmp),
        _ => (timeouts.other, timeouts.other),
    };
    let ms = |timeout: std::time::Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    Kept {
        one_way_ms: ms(one_way),
        both_ways_ms: ms(both_ways),
        closing_ms: ms(timeouts.tcp_closed_and_time_wait),
    }
}
