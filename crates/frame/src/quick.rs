//! The plain frames, read at a glance: untagged Ethernet, IPv4 without options or IPv6 without
//! extension headers, unfragmented, TCP or UDP, host to host. Owns nothing that [`parse`] does not
//! know as well, and rewrites nothing that [`rewrite`](crate::rewrite) would not rewrite so: it is
//! the same answer sooner. Whatever is not plain is left to them.
//!
//! Straight-line code: an established frame pays for this on every journey.
//!
//! [`parse`]: crate::parse

mod forward;

pub use forward::{Macs, fits_v4, fits_v6, forward_v4, forward_v6, translate_v4};

use crate::parse::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_DONT_FRAGMENT, IPV4_LEN, IPV4_MORE_FRAGMENTS, IPV4_OFFSET,
    IPV6_LEN, TCP_LEN, UDP_LEN,
};
use crate::{MacAddr, Protocol};

/// What a plain frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quick {
    /// A plain IPv4 frame.
    V4(QuickV4),
    /// A plain IPv6 frame.
    V6(QuickV6),
    /// Anything else: [`parse`](crate::parse) tells.
    Other,
}

/// A plain IPv4 frame's fields, host byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QuickV4 {
    /// Source address.
    pub source: u32,
    /// Target address.
    pub target: u32,
    /// Source port.
    pub source_port: u16,
    /// Target port.
    pub target_port: u16,
    /// Length of the IP packet in bytes, header included: what an MTU limits.
    pub packet_len: u16,
    /// 6 (TCP) or 17 (UDP).
    pub protocol: u8,
    /// TTL.
    pub ttl: u8,
    /// DF.
    pub dont_fragment: bool,
    /// What TCP says.
    pub tcp: QuickTcp,
}

/// A plain IPv6 frame's fields, host byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QuickV6 {
    /// Source address.
    pub source: u128,
    /// Target address.
    pub target: u128,
    /// Source port.
    pub source_port: u16,
    /// Target port.
    pub target_port: u16,
    /// Length of the IP packet in bytes, header included: what an MTU limits.
    pub packet_len: u32,
    /// 6 (TCP) or 17 (UDP).
    pub protocol: u8,
    /// Hop limit.
    pub ttl: u8,
    /// What TCP says.
    pub tcp: QuickTcp,
}

/// The fields of a TCP header that an established flow notes; all 0 in UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QuickTcp {
    /// Acknowledgement number; meaningless without ACK.
    pub acknowledgement: u32,
    /// The window field, unscaled.
    pub window: u16,
    /// Flags, as [`TcpFlags`](crate::TcpFlags) holds them.
    pub flags: u8,
}

/// Offset of the IP header.
const IP: usize = 14;
/// Offset of what an IPv4 header without options carries.
const OVER_V4: usize = IP + IPV4_LEN;
/// Offset of what an IPv6 header without extension headers carries.
const OVER_V6: usize = IP + IPV6_LEN;
/// The shortest frames there are of each kind.
const UDP_V4: usize = OVER_V4 + UDP_LEN;
const TCP_V4: usize = OVER_V4 + TCP_LEN;
const UDP_V6: usize = OVER_V6 + UDP_LEN;
const TCP_V6: usize = OVER_V6 + TCP_LEN;

const TCP: u8 = Protocol::TCP.0;
const UDP: u8 = Protocol::UDP.0;

/// Reads a plain frame.
///
/// Not plain is all that [`parse`](crate::parse) refuses, and besides: tags, ARP, IPv4 options,
/// IPv6 extension headers, fragments, every protocol but TCP and UDP, a frame to a group or to
/// everybody, and addresses that no host has (unspecified, link-local, reserved).
#[inline]
pub fn quick(bytes: &[u8]) -> Quick {
    match link_word(bytes) as u16 {
        ETHERTYPE_IPV4 => match quick_v4(bytes) {
            Some(packet) if packet.is_between_hosts() => Quick::V4(packet),
            _ => Quick::Other,
        },
        ETHERTYPE_IPV6 => match quick_v6(bytes) {
            Some(packet) if packet.is_between_hosts() => Quick::V6(packet),
            _ => Quick::Other,
        },
        _ => Quick::Other,
    }
}

/// Reads a frame whose ethertype is IPv4's ([`link_word`] tells), if it is plain but for its
/// addresses, which are not looked at: the flow that is found by them vouches for them.
#[inline(always)]
pub fn quick_v4(bytes: &[u8]) -> Option<QuickV4> {
    let frame = bytes.first_chunk::<UDP_V4>()?;
    // version to fragment offset; TTL to source; target and ports
    let (head, middle, whom) = (be64(frame, IP), be64(frame, IP + 8), be64(frame, IP + 16));
    let packet_len = (head >> 32) as u16;
    let end = IP + usize::from(packet_len);
    let plain = head >> 56 == 0x45
        && head as u16 & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET) == 0
        && frame[0] & 1 == 0
        && end <= bytes.len()
        && ipv4_sum_holds(head, middle, whom >> 32);
    if !plain {
        return None;
    }
    let protocol = (middle >> 48) as u8;
    let tcp = match protocol {
        UDP => udp(be16(frame, OVER_V4 + 4), OVER_V4, end)?,
        TCP => tcp(bytes.first_chunk::<TCP_V4>()?.last_chunk()?, OVER_V4, end)?,
        _ => return None,
    };
    Some(QuickV4 {
        source: middle as u32,
        target: (whom >> 32) as u32,
        source_port: (whom >> 16) as u16,
        target_port: whom as u16,
        packet_len,
        protocol,
        ttl: (middle >> 56) as u8,
        dont_fragment: head as u16 & IPV4_DONT_FRAGMENT != 0,
        tcp,
    })
}

/// As [`quick_v4`], for IPv6.
#[inline(always)]
pub fn quick_v6(bytes: &[u8]) -> Option<QuickV6> {
    let frame = bytes.first_chunk::<UDP_V6>()?;
    // version to hop limit
    let head = be64(frame, IP);
    let over_len = (head >> 16) as u16;
    let end = OVER_V6 + usize::from(over_len);
    if head >> 60 != 6 || frame[0] & 1 != 0 || end > bytes.len() {
        return None;
    }
    let protocol = (head >> 8) as u8;
    let tcp = match protocol {
        UDP => udp(be16(frame, OVER_V6 + 4), OVER_V6, end)?,
        TCP => tcp(bytes.first_chunk::<TCP_V6>()?.last_chunk()?, OVER_V6, end)?,
        _ => return None,
    };
    let ports = be32(frame, OVER_V6);
    Some(QuickV6 {
        source: be128(frame, IP + 8),
        target: be128(frame, IP + 24),
        source_port: (ports >> 16) as u16,
        target_port: ports as u16,
        packet_len: u32::from(over_len) + IPV6_LEN as u32,
        protocol,
        ttl: head as u8,
        tcp,
    })
}

impl QuickV4 {
    /// Whether a host may send from its source, and a router may forward to its target.
    #[inline]
    pub fn is_between_hosts(&self) -> bool {
        is_host_v4(self.source) && self.source >> 24 != 127 && is_host_v4(self.target)
    }
}

impl QuickV6 {
    /// Whether a host may send from its source, and a router may forward to its target.
    #[inline]
    pub fn is_between_hosts(&self) -> bool {
        is_host_v6(self.source) && self.source > 1 && is_host_v6(self.target)
    }
}

/// Source address and type of a frame's Ethernet header in one word, the type in its lower 16 bits;
/// 0, which is nobody's, for a frame that is shorter.
#[inline(always)]
pub fn link_word(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<IP>().map_or(0, |header| be64(header, 6))
}

/// The [`link_word`] of IPv4 frames from `source`.
pub const fn link_word_v4(source: MacAddr) -> u64 {
    source.bits() << 16 | ETHERTYPE_IPV4 as u64
}

/// In what the [`link_word`] of IPv6 frames differs from that of IPv4 frames.
pub const IPV6_LINK: u64 = (ETHERTYPE_IPV4 ^ ETHERTYPE_IPV6) as u64;

/// What a plain TCP frame says; anything at all, but no panic, for others.
#[inline(always)]
pub fn tcp_v4(bytes: &[u8]) -> QuickTcp {
    bytes
        .first_chunk::<TCP_V4>()
        .and_then(|frame| frame.last_chunk())
        .map_or(QuickTcp::default(), said)
}

/// As [`tcp_v4`], for IPv6.
#[inline(always)]
pub fn tcp_v6(bytes: &[u8]) -> QuickTcp {
    bytes
        .first_chunk::<TCP_V6>()
        .and_then(|frame| frame.last_chunk())
        .map_or(QuickTcp::default(), said)
}

impl MacAddr {
    /// As a number of 48 bits.
    #[inline]
    pub const fn bits(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

/// A datagram from `at` on whose header says `len` ends where its packet ends.
#[inline]
fn udp(len: u16, at: usize, end: usize) -> Option<QuickTcp> {
    let len = usize::from(len);
    (len >= UDP_LEN && at + len == end).then(QuickTcp::default)
}

/// A segment from `at` on has its whole header in a packet that ends at `end`.
#[inline]
fn tcp(header: &[u8; TCP_LEN], at: usize, end: usize) -> Option<QuickTcp> {
    let header_len = usize::from(header[12] >> 4) * 4;
    (header_len >= TCP_LEN && at + header_len <= end).then(|| said(header))
}

#[inline]
fn said(header: &[u8; TCP_LEN]) -> QuickTcp {
    QuickTcp { acknowledgement: be32(header, 8), window: be16(header, 14), flags: header[13] }
}

/// Neither of "this network", nor multicast, reserved or broadcast, nor link-local.
#[inline]
fn is_host_v4(address: u32) -> bool {
    const FIRST: u32 = 0x0100_0000;
    const MULTICAST: u32 = 0xe000_0000;
    address.wrapping_sub(FIRST) < MULTICAST - FIRST && address >> 16 != 0xa9fe
}

/// Neither multicast nor link-local.
#[inline]
fn is_host_v6(address: u128) -> bool {
    let first = (address >> 112) as u16;
    first < 0xff00 && first & 0xffc0 != 0xfe80
}

/// Whether the sum over an IPv4 header of 20 bytes, in these words, is all ones. A sum of 16-bit words
/// is so where it is a multiple of 65,535 (and not 0, which a header's is not), and so is a sum of
/// the 32-bit words that hold them.
#[inline(always)]
fn ipv4_sum_holds(head: u64, middle: u64, target: u64) -> bool {
    let halves = |word: u64| (word >> 32) + (word & 0xffff_ffff);
    (halves(head) + halves(middle) + target).is_multiple_of(0xffff)
}

#[inline(always)]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    bytes[at..].first_chunk().map_or(0, |word| u16::from_be_bytes(*word))
}

#[inline(always)]
fn be32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
}

#[inline(always)]
fn be64<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_be_bytes(*word))
}

#[inline(always)]
fn be128<const N: usize>(bytes: &[u8; N], at: usize) -> u128 {
    u128::from(be64(bytes, at)) << 64 | u128::from(be64(bytes, at + 8))
}
