//! The plain frames, read at a glance: untagged Ethernet, IPv4 without options or IPv6 without
//! extension headers, unfragmented, TCP or UDP, host to host. Owns nothing that [`parse`] does not
//! know as well, and rewrites nothing that [`rewrite`](crate::rewrite) would not rewrite so: it is
//! the same answer sooner. Whatever is not plain is left to them.
//!
//! Straight-line code: an established frame pays for this on every journey.
//!
//! [`parse`]: crate::parse

mod forward;

pub use forward::{Macs, forward_v4, forward_v6};

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
    let Some(header) = bytes.first_chunk::<IP>() else { return Quick::Other };
    match be16(header, 12) {
        ETHERTYPE_IPV4 => quick_v4(bytes).map_or(Quick::Other, Quick::V4),
        ETHERTYPE_IPV6 => quick_v6(bytes).map_or(Quick::Other, Quick::V6),
        _ => Quick::Other,
    }
}

/// Reads a plain IPv4 frame; see [`quick`].
#[inline(always)]
pub fn quick_v4(bytes: &[u8]) -> Option<QuickV4> {
    const ETHERTYPE_VERSION_LENGTH: u32 = (ETHERTYPE_IPV4 as u32) << 16 | 0x4500;
    let frame = bytes.first_chunk::<UDP_V4>()?;
    let head = be32(frame, 12);
    let word = be16(frame, IP + 6);
    let [ttl, protocol] = be16(frame, IP + 8).to_be_bytes();
    let (source, target) = (be32(frame, IP + 12), be32(frame, IP + 16));
    let packet_len = be16(frame, IP + 2);

    let plain = head & 0xffff_ff00 == ETHERTYPE_VERSION_LENGTH
        && frame[0] & 1 == 0
        && word & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET) == 0
        && IP + usize::from(packet_len) <= bytes.len()
        && ipv4_sum_holds(frame)
        && is_host_v4(source)
        && source >> 24 != 127
        && is_host_v4(target);
    if !plain {
        return None;
    }
    let end = IP + usize::from(packet_len);
    let tcp = match protocol {
        UDP => udp(be16(frame, OVER_V4 + 4), OVER_V4, end)?,
        TCP => tcp(bytes.first_chunk::<TCP_V4>()?.last_chunk()?, OVER_V4, end)?,
        _ => return None,
    };
    Some(QuickV4 {
        source,
        target,
        source_port: be16(frame, OVER_V4),
        target_port: be16(frame, OVER_V4 + 2),
        packet_len,
        protocol,
        ttl,
        dont_fragment: word & IPV4_DONT_FRAGMENT != 0,
        tcp,
    })
}

/// Reads a plain IPv6 frame; see [`quick`].
#[inline]
pub fn quick_v6(bytes: &[u8]) -> Option<QuickV6> {
    const ETHERTYPE_VERSION: u32 = (ETHERTYPE_IPV6 as u32) << 16 | 0x6000;
    let frame = bytes.first_chunk::<UDP_V6>()?;
    let head = be32(frame, 12);
    let over_len = be16(frame, IP + 4);
    let [protocol, ttl] = be16(frame, IP + 6).to_be_bytes();
    let (source, target) = (be128(frame, IP + 8), be128(frame, IP + 24));
    let end = OVER_V6 + usize::from(over_len);

    let plain = head & 0xffff_f000 == ETHERTYPE_VERSION
        && frame[0] & 1 == 0
        && end <= bytes.len()
        && is_host_v6(source)
        && source > 1
        && is_host_v6(target);
    if !plain {
        return None;
    }
    let tcp = match protocol {
        UDP => udp(be16(frame, OVER_V6 + 4), OVER_V6, end)?,
        TCP => tcp(bytes.first_chunk::<TCP_V6>()?.last_chunk()?, OVER_V6, end)?,
        _ => return None,
    };
    Some(QuickV6 {
        source,
        target,
        source_port: be16(frame, OVER_V6),
        target_port: be16(frame, OVER_V6 + 2),
        packet_len: u32::from(over_len) + IPV6_LEN as u32,
        protocol,
        ttl,
        tcp,
    })
}

/// The Ethernet source of a frame of at least 12 bytes, as [`MacAddr::bits`] has it; 0, nobody's,
/// for a shorter one.
#[inline]
pub fn source_mac_bits(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk::<12>()
        .map_or(0, |header| u64::from(be16(header, 6)) << 32 | u64::from(be32(header, 8)))
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
    (header_len >= TCP_LEN && at + header_len <= end).then(|| QuickTcp {
        acknowledgement: be32(header, 8),
        window: be16(header, 14),
        flags: header[13],
    })
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

/// Whether the sum over the IPv4 header is all ones. A sum of 16-bit words in any byte order is so
/// where it is a multiple of 65,535 (and not 0, which a header's is not), and so is a sum of the
/// 32-bit words that hold them.
#[inline]
fn ipv4_sum_holds(frame: &[u8; UDP_V4]) -> bool {
    let word = |at: usize| u64::from(be32(frame, IP + at).to_be());
    let sum = word(0) + word(4) + word(8) + word(12) + word(16);
    sum.is_multiple_of(0xffff)
}

#[inline]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn be32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn be64<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

#[inline]
fn be128<const N: usize>(bytes: &[u8; N], at: usize) -> u128 {
    u128::from(be64(bytes, at)) << 64 | u128::from(be64(bytes, at + 8))
}
