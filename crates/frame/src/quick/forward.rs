//! A plain frame made ready for its way out, in place: what [`rewrite`](crate::rewrite) does in
//! several steps, in one. Checksums are kept right incrementally (RFC 1624), so that what was wrong
//! before stays wrong.

use super::{IP, OVER_V4, OVER_V6, QuickV4, UDP, be16};
use crate::MacAddr;
use crate::build::udp_checksum;

/// Both Ethernet addresses as they stand in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Macs([u8; 12]);

impl Macs {
    /// From `source` to `target`.
    pub fn new(source: MacAddr, target: MacAddr) -> Macs {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (target.0, source.0);
        Macs([a, b, c, d, e, f, g, h, i, j, k, l])
    }
}

/// Writes the Ethernet addresses, takes `hops` from the TTL (which must be larger), and translates
/// what is given. `packet` is what [`quick_v4`](super::quick_v4) said of these bytes; others than
/// those are left as they are.
#[inline]
pub fn forward_v4(
    bytes: &mut [u8],
    macs: &Macs,
    hops: u8,
    new_source: Option<u32>,
    new_target: Option<u32>,
    packet: &QuickV4,
) {
    let Some(frame) = bytes.first_chunk_mut::<OVER_V4>() else { return };
    let hops = hops.min(packet.ttl);
    put::<0, 12, _>(frame, macs.0);
    frame[IP + 8] = packet.ttl - hops;
    // ~m + m' of the word that holds TTL and protocol
    let mut change = if hops == 0 { 0 } else { 0xffff - (u32::from(hops) << 8) };
    if new_source.is_some() || new_target.is_some() {
        let addresses =
            difference(packet.source, new_source) + difference(packet.target, new_target);
        put::<{ IP + 12 }, 4, _>(frame, new_source.unwrap_or(packet.source).to_be_bytes());
        put::<{ IP + 16 }, 4, _>(frame, new_target.unwrap_or(packet.target).to_be_bytes());
        change += addresses;
        mend_transport(bytes, packet.protocol, addresses);
    }
    let Some(frame) = bytes.first_chunk_mut::<OVER_V4>() else { return };
    let checksum = mended(be16(frame, IP + 10), change);
    put::<{ IP + 10 }, 2, _>(frame, checksum.to_be_bytes());
}

/// Writes the Ethernet addresses and takes `hops` from the hop limit, which must be larger. IPv6
/// addresses are not translated.
#[inline]
pub fn forward_v6(bytes: &mut [u8], macs: &Macs, hops: u8) {
    let Some(frame) = bytes.first_chunk_mut::<OVER_V6>() else { return };
    put::<0, 12, _>(frame, macs.0);
    frame[IP + 7] = frame[IP + 7].saturating_sub(hops);
}

/// What the transport checksum must know: the addresses are under it.
#[inline]
fn mend_transport(bytes: &mut [u8], protocol: u8, change: u32) {
    let at = OVER_V4 + if protocol == UDP { 6 } else { 16 };
    let Some(field) = bytes.get_mut(at..at + 2).and_then(<[u8]>::first_chunk_mut) else { return };
    let old = u16::from_be_bytes(*field);
    if protocol == UDP {
        // "An all zero transmitted checksum value means that the transmitter generated no
        // checksum" (RFC 768)
        if old != 0 {
            *field = udp_checksum(mended(old, change)).to_be_bytes();
        }
    } else {
        *field = mended(old, change).to_be_bytes();
    }
}

/// ~m + m' over the two words of an address.
#[inline]
fn difference(old: u32, new: Option<u32>) -> u32 {
    let words = |bits: u32| (bits >> 16) + (bits & 0xffff);
    new.map_or(0, |new| words(!old) + words(new))
}

/// HC' = ~(~HC + ~m + m')
#[inline]
fn mended(checksum: u16, change: u32) -> u16 {
    let sum = u32::from(!checksum) + change;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = sum.to_be_bytes();
    !u16::from_be_bytes([high, low])
}

/// One store. (`copy_from_slice` is a call here.)
#[inline]
fn put<const AT: usize, const N: usize, const LEN: usize>(frame: &mut [u8; LEN], new: [u8; N]) {
    const { assert!(AT + N <= LEN) };
    if let Some(place) = frame[AT..].first_chunk_mut() {
        *place = new;
    }
}
