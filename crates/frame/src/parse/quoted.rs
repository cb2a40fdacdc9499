//! The packet that an ICMP error quotes: read leniently, since routers cut it off, and since
//! checksums and lengths in it are often not what was sent.

use std::net::IpAddr;

use super::transport::{ICMP_LEN, identifier};
use super::{IPV4_LEN, IPV4_OFFSET, IPV6_LEN, chain, ipv4_at, ipv6_at};
use crate::bytes::u16_at;
use crate::{Family, Protocol, Quoted, Tuple};

/// Reads the packet that an ICMP error quotes, which may be cut off behind 8 bytes of its
/// transport header; `offset` is where the quoted IP header starts.
///
/// `None` if it does not name its flow: no whole IP header, a later fragment, or TCP, UDP or ICMP
/// with less than 8 bytes.
pub fn parse_quoted(bytes: &[u8], offset: usize) -> Option<Quoted> {
    let packet = bytes.get(offset..)?;
    match packet.first()? >> 4 {
        4 => ipv4(bytes, offset, packet),
        6 => ipv6(bytes, offset, packet),
        _ => None,
    }
}

fn ipv4(bytes: &[u8], offset: usize, packet: &[u8]) -> Option<Quoted> {
    let header = packet.first_chunk::<IPV4_LEN>()?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let later_fragment = u16_at(header, 6) & IPV4_OFFSET != 0;
    if header_len < IPV4_LEN || header_len > packet.len() || later_fragment {
        return None;
    }
    let addresses = (IpAddr::V4(ipv4_at(header, 12)), IpAddr::V4(ipv4_at(header, 16)));
    quoted(bytes, offset, offset + header_len, addresses, Protocol(header[9]))
}

fn ipv6(bytes: &[u8], offset: usize, packet: &[u8]) -> Option<Quoted> {
    let header = packet.first_chunk::<IPV6_LEN>()?;
    let chain = chain::walk(bytes, offset + IPV6_LEN, header[6])?;
    if chain.fragment.is_some_and(|fragment| fragment.is_later()) {
        return None;
    }
    let addresses = (IpAddr::V6(ipv6_at(header, 8)), IpAddr::V6(ipv6_at(header, 24)));
    quoted(bytes, offset, chain.end, addresses, chain.protocol)
}

fn quoted(
    bytes: &[u8],
    ip_offset: usize,
    transport_offset: usize,
    (source, target): (IpAddr, IpAddr),
    protocol: Protocol,
) -> Option<Quoted> {
    let segment = bytes.get(transport_offset..)?;
    let family = Family::of(source);
    let (source_port, target_port) = match (protocol, family) {
        (Protocol::TCP | Protocol::UDP, _) => {
            let header = segment.first_chunk::<8>()?;
            (u16_at(header, 0), u16_at(header, 2))
        }
        (Protocol::ICMP, Family::Ipv4) | (Protocol::ICMPV6, Family::Ipv6) => {
            let identifier = identifier(segment.first_chunk::<ICMP_LEN>()?, family);
            (identifier, identifier)
        }
        _ => (0, 0),
    };
    let tuple = Tuple { source, target, protocol, source_port, target_port };
    Some(Quoted { tuple, ip_offset, transport_offset })
}
