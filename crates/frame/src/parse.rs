//! Bytes to a [`Frame`], or the reason why not: Ethernet, ARP and the two IP headers. What lies
//! behind them has files of its own: the IPv6 chain, the upper layer, the packet that an ICMP error
//! quotes. Judges structure and martian sources only; whose address it is, the switch knows.

mod chain;
mod quoted;
mod transport;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) use chain::{
    FRAGMENT as FRAGMENT_HEADER, FRAGMENT_LEN as FRAGMENT_HEADER_LEN, unfragmentable,
};
pub use quoted::parse_quoted;
pub(crate) use transport::{ICMP_LEN, TCP_LEN, UDP_LEN};

use crate::bytes::{add, fold, u16_at, u32_at};
use crate::{
    Arp, ArpOperation, Body, Ethernet, Family, Fragment, Frame, Ip, MacAddr, Malformed, Protocol,
};

/// Length of an Ethernet header without tags.
pub(crate) const ETHERNET_LEN: usize = 14;
/// Length of an IPv4 header without options.
pub(crate) const IPV4_LEN: usize = 20;
/// Length of the fixed IPv6 header.
pub(crate) const IPV6_LEN: usize = 40;
/// Length of an ARP packet for IPv4 over Ethernet.
const ARP_LEN: usize = 28;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_PROVIDER_VLAN: u16 = 0x88a8;

/// The IPv4 flag "more fragments", in the word that holds flags and offset.
pub(crate) const IPV4_MORE_FRAGMENTS: u16 = 0x2000;
/// The IPv4 flag "don't fragment", in the same word.
pub(crate) const IPV4_DONT_FRAGMENT: u16 = 0x4000;
/// The IPv4 fragment offset in 8-byte units, in the same word.
pub(crate) const IPV4_OFFSET: u16 = 0x1fff;

/// No reassembled packet is longer.
const PACKET_MAX: u32 = 65_535;

/// Reads a frame: Ethernet, ARP, IPv4, IPv6 with its extension headers, TCP, UDP, ICMP.
///
/// Layer 4 checksums are not checked.
///
/// # Errors
/// The first class of [`Malformed`] that the frame falls into, from the outer header to the inner
/// ones; a martian source comes last.
pub fn parse(bytes: &[u8]) -> Result<Frame, Malformed> {
    let header = bytes.first_chunk::<ETHERNET_LEN>().ok_or(Malformed::Truncated)?;
    let ethernet = Ethernet {
        source: mac_at(header, 6),
        target: mac_at(header, 0),
        ethertype: u16_at(header, 12),
    };
    let body = match ethernet.ethertype {
        ETHERTYPE_IPV4 => Body::Ip(ipv4(bytes)?),
        ETHERTYPE_IPV6 => Body::Ip(ipv6(bytes)?),
        ETHERTYPE_ARP => Body::Arp(arp(&bytes[ETHERNET_LEN..])?),
        ETHERTYPE_VLAN | ETHERTYPE_PROVIDER_VLAN => Body::Vlan,
        _ => Body::Other,
    };
    if let Body::Ip(ip) = &body
        && is_martian(ip.source)
    {
        return Err(Malformed::Martian);
    }
    Ok(Frame { ethernet, body })
}

fn arp(packet: &[u8]) -> Result<Arp, Malformed> {
    let packet = packet.first_chunk::<ARP_LEN>().ok_or(Malformed::Truncated)?;
    // hardware type 1, protocol type IPv4, lengths 6 and 4
    if packet[..6] != [0, 1, 8, 0, 6, 4] {
        return Err(Malformed::Arp);
    }
    let operation = match u16_at(packet, 6) {
        1 => ArpOperation::Request,
        2 => ArpOperation::Reply,
        other => ArpOperation::Other(other),
    };
    Ok(Arp {
        operation,
        sender_mac: mac_at(packet, 8),
        sender_ip: ipv4_at(packet, 14),
        target_mac: mac_at(packet, 18),
        target_ip: ipv4_at(packet, 24),
    })
}

#[inline]
fn ipv4(bytes: &[u8]) -> Result<Ip, Malformed> {
    let packet = &bytes[ETHERNET_LEN..];
    let header = packet.first_chunk::<IPV4_LEN>().ok_or(Malformed::Truncated)?;
    if header[0] >> 4 != 4 {
        return Err(Malformed::IpVersion);
    }
    let header_len = usize::from(header[0] & 0x0f) * 4;
    if header_len < IPV4_LEN || header_len > packet.len() {
        return Err(Malformed::Ipv4HeaderLength);
    }
    let total_len = usize::from(u16_at(header, 2));
    if total_len < header_len || total_len > packet.len() {
        return Err(Malformed::Ipv4TotalLength);
    }
    if fold(add(0, &packet[..header_len])) != 0xffff {
        return Err(Malformed::Ipv4Checksum);
    }

    let word = u16_at(header, 6);
    let len = length(total_len - header_len);
    let fragment = Fragment {
        identification: u32::from(u16_at(header, 4)),
        offset: u32::from(word & IPV4_OFFSET) * 8,
        len,
        more: word & IPV4_MORE_FRAGMENTS != 0,
    };
    let fragment = (fragment.offset != 0 || fragment.more).then_some(fragment);
    let protocol = Protocol(header[9]);
    let transport_offset = ETHERNET_LEN + header_len;
    let end = ETHERNET_LEN + total_len;
    let transport =
        transport::read(&bytes[..end], transport_offset, Family::Ipv4, protocol, fragment)?;
    check_range(fragment, length(header_len))?;
    Ok(Ip {
        source: IpAddr::V4(ipv4_at(header, 12)),
        target: IpAddr::V4(ipv4_at(header, 16)),
        protocol,
        ttl: header[8],
        dont_fragment: word & IPV4_DONT_FRAGMENT != 0,
        fragment,
        ip_offset: ETHERNET_LEN,
        transport_offset,
        end,
        transport,
    })
}

#[inline]
fn ipv6(bytes: &[u8]) -> Result<Ip, Malformed> {
    let packet = &bytes[ETHERNET_LEN..];
    let header = packet.first_chunk::<IPV6_LEN>().ok_or(Malformed::Truncated)?;
    if header[0] >> 4 != 6 {
        return Err(Malformed::IpVersion);
    }
    let packet_len = IPV6_LEN + usize::from(u16_at(header, 4));
    if packet_len > packet.len() {
        return Err(Malformed::Ipv6Length);
    }

    let end = ETHERNET_LEN + packet_len;
    let bytes = &bytes[..end];
    let start = ETHERNET_LEN + IPV6_LEN;
    let chain = chain::walk(bytes, start, header[6]).ok_or(Malformed::Ipv6Chain)?;
    let fragment = chain.fragment.map(|header| header.fragment(end));
    let transport = transport::read(bytes, chain.end, Family::Ipv6, chain.protocol, fragment)?;
    if let Some(header) = chain.fragment {
        // the payload length of the reassembled packet counts what stands before the fragment
        // header, too (RFC 8200, section 4.5)
        check_range(fragment, length(header.unfragmentable_end - start))?;
    }
    Ok(Ip {
        source: IpAddr::V6(ipv6_at(header, 8)),
        target: IpAddr::V6(ipv6_at(header, 24)),
        protocol: chain.protocol,
        ttl: header[7],
        dont_fragment: true,
        fragment,
        ip_offset: ETHERNET_LEN,
        transport_offset: chain.end,
        end,
        transport,
    })
}

/// Refuses a fragment that is empty, that cannot be followed by the more it announces, or that
/// ends, with `unfragmentable` bytes repeated in front, beyond the longest packet.
fn check_range(fragment: Option<Fragment>, unfragmentable: u32) -> Result<(), Malformed> {
    let Some(Fragment { offset, len, more, identification: _ }) = fragment else {
        return Ok(());
    };
    let uneven = more && !len.is_multiple_of(8);
    if len == 0 || uneven || unfragmentable + offset + len > PACKET_MAX {
        return Err(Malformed::FragmentRange);
    }
    Ok(())
}

/// "a source that is loopback, multicast or broadcast (martian)"; of 0.0.0.0/8, which names hosts
/// of "this network", only the unspecified address may stand on a wire (DHCP).
fn is_martian(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(source) => {
            source.is_loopback()
                || source.is_multicast()
                || source.is_broadcast()
                || (source.octets()[0] == 0 && !source.is_unspecified())
        }
        IpAddr::V6(source) => source.is_loopback() || source.is_multicast(),
    }
}

/// A length inside one packet.
#[inline]
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an IP packet is shorter than 4 GiB")
}

fn mac_at(bytes: &[u8], at: usize) -> MacAddr {
    MacAddr(octets_at(bytes, at))
}

fn ipv4_at(bytes: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32_at(bytes, at))
}

fn ipv6_at(bytes: &[u8], at: usize) -> Ipv6Addr {
    Ipv6Addr::from(octets_at::<16>(bytes, at))
}

/// The field at `at`, which the caller has checked to lie inside.
fn octets_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the field lies inside")
}
