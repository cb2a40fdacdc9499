//! A plain frame made ready for its way out, in place: what [`rewrite`](crate::rewrite) does in
//! several steps, in one. Checksums are kept right incrementally (RFC 1624), so that what was wrong
//! before stays wrong. Reads what it needs from the frame again: that is in the first-level cache.

use super::{IP, OVER_V4, OVER_V6, UDP, be16, be32};
use crate::MacAddr;
use crate::build::udp_checksum;
use crate::parse::IPV6_LEN;

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

/// Makes a plain IPv4 frame ready to go out over a link that carries packets of `mtu` bytes: writes
/// the Ethernet addresses and takes `hops` from the TTL. `false`, and nothing is changed, if it is
/// longer than that or its TTL is not larger than `hops`.
#[inline(always)]
pub fn forward_v4(bytes: &mut [u8], macs: &Macs, mtu: u32, hops: u8) -> bool {
    let Some(frame) = bytes.first_chunk_mut::<OVER_V4>() else { return false };
    if !fits_v4(frame, mtu, hops) {
        return false;
    }
    put::<0, 12, _>(frame, macs.0);
    frame[IP + 8] -= hops;
    let checksum = [frame[IP + 10], frame[IP + 11]];
    put::<{ IP + 10 }, 2, _>(frame, less_ttl(checksum, hops));
    true
}

/// As [`forward_v4`], for IPv6.
#[inline(always)]
pub fn forward_v6(bytes: &mut [u8], macs: &Macs, mtu: u32, hops: u8) -> bool {
    let Some(frame) = bytes.first_chunk_mut::<OVER_V6>() else { return false };
    if !fits_v6(frame, mtu, hops) {
        return false;
    }
    put::<0, 12, _>(frame, macs.0);
    frame[IP + 7] -= hops;
    true
}

/// Whether a plain IPv4 frame fits a link that carries packets of `mtu` bytes, and its TTL is larger
/// than `hops`.
#[inline(always)]
pub fn fits_v4(bytes: &[u8], mtu: u32, hops: u8) -> bool {
    let frame = bytes.first_chunk::<OVER_V4>();
    frame.is_some_and(|frame| frame[IP + 8] > hops && u32::from(be16(frame, IP + 2)) <= mtu)
}

/// As [`fits_v4`], for IPv6.
#[inline(always)]
pub fn fits_v6(bytes: &[u8], mtu: u32, hops: u8) -> bool {
    let packet_len = |frame| u32::from(be16::<OVER_V6>(frame, IP + 4)) + IPV6_LEN as u32;
    let frame = bytes.first_chunk::<OVER_V6>();
    frame.is_some_and(|frame| frame[IP + 7] > hops && packet_len(frame) <= mtu)
}

/// Gives a plain IPv4 frame other addresses.
#[inline(never)]
pub fn translate_v4(bytes: &mut [u8], new_source: Option<u32>, new_target: Option<u32>) {
    let Some(frame) = bytes.first_chunk_mut::<OVER_V4>() else { return };
    let protocol = frame[IP + 9];
    let (source, target) = (be32(frame, IP + 12), be32(frame, IP + 16));
    let new_source = new_source.unwrap_or(source);
    let new_target = new_target.unwrap_or(target);
    put::<{ IP + 12 }, 4, _>(frame, new_source.to_be_bytes());
    put::<{ IP + 16 }, 4, _>(frame, new_target.to_be_bytes());
    let change = difference(source, new_source) + difference(target, new_target);
    let checksum = mended(be16(frame, IP + 10), change);
    put::<{ IP + 10 }, 2, _>(frame, checksum.to_be_bytes());
    mend_transport(bytes, protocol, change);
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

/// ~m + m' over the two words of an address; 0 if it stays, as the checksum must.
#[inline]
fn difference(old: u32, new: u32) -> u32 {
    let words = |bits: u32| (bits >> 16) + (bits & 0xffff);
    if old == new { 0 } else { words(!old) + words(new) }
}

/// The checksum of a header whose TTL is `hops` less. A sum of 16-bit words is the same in any byte order
/// (RFC 1071), so both are added as they lie, and ~m + m' of the word that begins with the TTL is
/// all ones less `hops` where the first byte counts least.
#[inline(always)]
fn less_ttl(checksum: [u8; 2], hops: u8) -> [u8; 2] {
    let change = if hops == 0 { 0 } else { 0xffff - u16::from(hops) };
    let (sum, carry) = (!u16::from_le_bytes(checksum)).overflowing_add(change);
    (!(sum + u16::from(carry))).to_le_bytes()
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
