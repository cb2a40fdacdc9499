//! Changes to a frame in place, checksums kept right incrementally (RFC 1624): what was wrong
//! before stays wrong, so that no change hides a corruption.
//!
//! Every function takes the frame together with what [`parse`](crate::parse) said of it; offsets
//! stay true, addresses in the [`Ip`] do not.

use std::net::IpAddr;

use crate::build::udp_checksum;
use crate::bytes::{add, fold, u16_at};
use crate::{Family, Ip, MacAddr, Protocol, Quoted, Transport};

/// Writes both Ethernet addresses.
pub fn set_macs(bytes: &mut [u8], source: MacAddr, target: MacAddr) {
    put(bytes, 0, target.0);
    put(bytes, 6, source.0);
}

/// Takes `by` from the TTL or hop limit, which must be larger.
pub fn decrease_ttl(bytes: &mut [u8], ip: &Ip, by: u8) {
    match ip.family() {
        Family::Ipv4 => {
            // the checksum counts words: TTL and protocol are one
            let at = ip.ip_offset + 8;
            let ttl = bytes[at].saturating_sub(by);
            let change = replace(bytes, at, &[ttl, bytes[at + 1]]);
            mend(bytes, ip.ip_offset + IPV4_CHECKSUM, change);
        }
        Family::Ipv6 => {
            let at = ip.ip_offset + 7;
            bytes[at] = bytes[at].saturating_sub(by);
        }
    }
}

/// Writes the IPv4 identification; IPv6 has it in fragments only and is left alone.
pub fn set_identification(bytes: &mut [u8], ip: &Ip, identification: u16) {
    if ip.family() == Family::Ipv4 {
        let change = replace(bytes, ip.ip_offset + 4, &identification.to_be_bytes());
        mend(bytes, ip.ip_offset + IPV4_CHECKSUM, change);
    }
}

/// Writes another source address of the same family; mends the IPv4 header checksum and, where
/// the packet carries it (not in a later fragment), the transport checksum.
///
/// # Panics
/// If the address is of the other family.
pub fn set_source(bytes: &mut [u8], ip: &Ip, source: IpAddr) {
    set_address(bytes, ip, Side::Source, source);
}

/// As [`set_source`], for the target address.
///
/// # Panics
/// If the address is of the other family.
pub fn set_target(bytes: &mut [u8], ip: &Ip, target: IpAddr) {
    set_address(bytes, ip, Side::Target, target);
}

/// Translates the source address of the packet quoted in an ICMP error (its header checksum,
/// its transport checksum if present, and the ICMP checksum around it).
///
/// # Panics
/// If the address is of the other family.
pub fn set_quoted_source(bytes: &mut [u8], ip: &Ip, quoted: &Quoted, source: IpAddr) {
    set_quoted_address(bytes, ip, quoted, Side::Source, source);
}

/// As [`set_quoted_source`], for the target address.
///
/// # Panics
/// If the address is of the other family.
pub fn set_quoted_target(bytes: &mut [u8], ip: &Ip, quoted: &Quoted, target: IpAddr) {
    set_quoted_address(bytes, ip, quoted, Side::Target, target);
}

/// Offset of the checksum in an IPv4 header.
const IPV4_CHECKSUM: usize = 10;
/// Offset of the checksum in an ICMP or ICMPv6 header.
const ICMP_CHECKSUM: usize = 2;

/// Which address of a packet.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

/// A transport checksum that covers the addresses.
#[derive(Clone, Copy)]
struct Covering {
    /// Where it stands, from the first byte of the frame.
    at: usize,
    /// "An all zero transmitted checksum value means that the transmitter generated no checksum"
    /// (RFC 768).
    optional: bool,
}

impl Covering {
    fn of(protocol: Protocol, family: Family, transport_offset: usize) -> Option<Covering> {
        match (protocol, family) {
            (Protocol::TCP, _) => Some(Covering { at: transport_offset + 16, optional: false }),
            (Protocol::UDP, _) => Some(Covering { at: transport_offset + 6, optional: true }),
            (Protocol::ICMPV6, Family::Ipv6) => {
                Some(Covering { at: transport_offset + ICMP_CHECKSUM, optional: false })
            }
            _ => None,
        }
    }

    fn mend(self, bytes: &mut [u8], change: u32) -> u32 {
        if !self.optional {
            return mend(bytes, self.at, change);
        }
        let old = u16_at(bytes, self.at);
        if old == 0 {
            return 0;
        }
        let new = udp_checksum(mended(old, change));
        replace(bytes, self.at, &new.to_be_bytes())
    }
}

fn set_address(bytes: &mut [u8], ip: &Ip, side: Side, address: IpAddr) {
    let (change, _) = replace_address(bytes, ip.ip_offset, ip.family(), side, address);
    let covering = match ip.transport {
        Transport::Tcp(_) | Transport::Udp(_) | Transport::Icmp(_) => {
            Covering::of(ip.protocol, ip.family(), ip.transport_offset)
        }
        Transport::Other | Transport::LaterFragment => None,
    };
    if let Some(covering) = covering {
        covering.mend(bytes, change);
    }
}

fn set_quoted_address(bytes: &mut [u8], ip: &Ip, quoted: &Quoted, side: Side, address: IpAddr) {
    let family = quoted.tuple.family();
    let bytes = &mut bytes[..ip.end];
    let (change, mut around) = replace_address(bytes, quoted.ip_offset, family, side, address);
    let covering = Covering::of(quoted.tuple.protocol, family, quoted.transport_offset)
        .filter(|covering| covering.at + 2 <= bytes.len());
    if let Some(covering) = covering {
        around += covering.mend(bytes, change);
    }
    mend(bytes, ip.transport_offset + ICMP_CHECKSUM, around);
}

/// Writes an address into the IP header at `ip_offset` and mends that header's checksum. Gives the
/// change to a sum that covers the address, and to a sum that covers the whole header.
fn replace_address(
    bytes: &mut [u8],
    ip_offset: usize,
    family: Family,
    side: Side,
    address: IpAddr,
) -> (u32, u32) {
    match (address, family) {
        (IpAddr::V4(address), Family::Ipv4) => {
            let at = match side {
                Side::Source => 12,
                Side::Target => 16,
            };
            let change = replace(bytes, ip_offset + at, &address.octets());
            (change, change + mend(bytes, ip_offset + IPV4_CHECKSUM, change))
        }
        (IpAddr::V6(address), Family::Ipv6) => {
            let at = match side {
                Side::Source => 8,
                Side::Target => 24,
            };
            let change = replace(bytes, ip_offset + at, &address.octets());
            (change, change)
        }
        (IpAddr::V4(_), Family::Ipv6) | (IpAddr::V6(_), Family::Ipv4) => {
            panic!("{address} written into a packet of the other family")
        }
    }
}

/// Writes `new` at `at` and gives the [`difference`].
fn replace<const N: usize>(bytes: &mut [u8], at: usize, new: &[u8; N]) -> u32 {
    let old = put(bytes, at, *new);
    difference(&old, new)
}

/// Writes `new` at `at`, which the caller has checked to lie inside, and gives what was there. The
/// length is known where this is compiled, so that it is one store.
fn put<const N: usize>(bytes: &mut [u8], at: usize, new: [u8; N]) -> [u8; N] {
    let place = bytes[at..].first_chunk_mut().expect("the field lies inside");
    std::mem::replace(place, new)
}

/// What replacing `old` by `new`, of one even length, adds to a sum over them: ~m + m'.
fn difference(old: &[u8], new: &[u8]) -> u32 {
    let (old, _) = old.as_chunks::<2>();
    let removed: u32 = old.iter().map(|word| u32::from(!u16::from_be_bytes(*word))).sum();
    add(removed, new)
}

/// Mends the checksum at `at` and gives the [`difference`] that this makes.
fn mend(bytes: &mut [u8], at: usize, change: u32) -> u32 {
    let new = mended(u16_at(bytes, at), change);
    replace(bytes, at, &new.to_be_bytes())
}

/// HC' = ~(~HC + ~m + m')
fn mended(checksum: u16, change: u32) -> u16 {
    !fold(u32::from(!checksum) + change)
}
