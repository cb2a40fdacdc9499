//! The chain of IPv6 extension headers, walked and bounded.

use crate::bytes::{u16_at, u32_at};
use crate::{Fragment, Protocol};

/// Extension headers of one packet at most. RFC 8200 recommends no more than 7 different ones.
const HEADERS_MAX: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// Length of a fragment header.
pub(crate) const FRAGMENT_LEN: usize = 8;

/// Where the chain leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// The upper layer; in a later fragment what its fragment header names, which may be another
    /// extension header in the first fragment.
    pub(super) protocol: Protocol,
    /// Offset of the upper layer, or of a later fragment's data.
    pub(super) end: usize,
    /// The fragment header of a packet that is a fragment.
    pub(super) fragment: Option<FragmentHeader>,
}

/// A fragment header.
#[derive(Clone, Copy, Debug)]
pub(super) struct FragmentHeader {
    /// Offset of the fragment header itself: what stands before is repeated in every fragment.
    pub(super) unfragmentable_end: usize,
    identification: u32,
    offset: u32,
    more: bool,
}

impl FragmentHeader {
    /// Whether the fragment is not the first of its packet.
    pub(super) fn is_later(&self) -> bool {
        self.offset != 0
    }

    /// The fragment whose packet ends at `end`.
    pub(super) fn fragment(&self, end: usize) -> Fragment {
        let FragmentHeader { unfragmentable_end, identification, offset, more } = *self;
        Fragment {
            identification,
            offset,
            len: super::length(end - unfragmentable_end - FRAGMENT_LEN),
            more,
        }
    }
}

/// Follows the chain from `start` (just behind the fixed header, whose next header is `next`) to
/// the upper layer or to the end of `bytes`.
///
/// `None` if "a chain ... hides the upper-layer header": it runs out of the packet, is longer than
/// [`HEADERS_MAX`], has hop-by-hop options in another place than the first, or a fragment in a
/// fragment. An atomic fragment (RFC 6946) is a whole packet.
pub(super) fn walk(bytes: &[u8], start: usize, next: u8) -> Option<Chain> {
    let mut chain = Chain { protocol: Protocol(next), end: start, fragment: None };
    let mut fragment_seen = false;
    for count in 0..=HEADERS_MAX {
        let number = chain.protocol.0;
        match number {
            HOP_BY_HOP if count > 0 => return None,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS => {}
            _ => return Some(chain),
        }
        if count == HEADERS_MAX {
            return None;
        }

        let header = bytes.get(chain.end..)?.first_chunk::<8>()?;
        let len = match number {
            FRAGMENT if fragment_seen => return None,
            FRAGMENT => FRAGMENT_LEN,
            AUTHENTICATION => (usize::from(header[1]) + 2) * 4,
            _ => (usize::from(header[1]) + 1) * 8,
        };
        if number == FRAGMENT {
            fragment_seen = true;
            chain.fragment = read_fragment(header, chain.end);
        }
        chain.protocol = Protocol(header[0]);
        chain.end += len;
        if chain.end > bytes.len() {
            return None;
        }
        if chain.fragment.is_some_and(|header| header.is_later()) {
            return Some(chain);
        }
    }
    None
}

/// Where the part of a packet ends that every fragment repeats, and where the next header field of
/// that part stands: up to the routing header, else the hop-by-hop options, else the fixed header
/// (RFC 8200, section 4.5). `None` if there is a fragment header already.
pub(crate) fn unfragmentable(bytes: &[u8], ip_offset: usize) -> Option<(usize, usize)> {
    let mut next_header_at = ip_offset + 6;
    let mut end = ip_offset + super::IPV6_LEN;
    let mut found = (end, next_header_at);
    loop {
        let number = *bytes.get(next_header_at)?;
        match number {
            FRAGMENT => return None,
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {}
            _ => return Some(found),
        }
        next_header_at = end;
        end += (usize::from(*bytes.get(end + 1)?) + 1) * 8;
        if number != DESTINATION_OPTIONS {
            found = (end, next_header_at);
        }
    }
}

fn read_fragment(header: &[u8; FRAGMENT_LEN], at: usize) -> Option<FragmentHeader> {
    let word = u16_at(header, 2);
    let offset = u32::from(word & 0xfff8);
    let more = word & 1 != 0;
    let identification = u32_at(header, 4);
    let atomic = offset == 0 && !more;
    (!atomic).then_some(FragmentHeader { unfragmentable_end: at, identification, offset, more })
}
