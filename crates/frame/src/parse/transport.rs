//! The upper layer: TCP, UDP, ICMP and ICMPv6, as far as tracking needs them.

use super::{ipv6_at, length, mac_at, parse_quoted};
use crate::bytes::{u16_at, u32_at};
use crate::{
    Family, Fragment, Icmp, IcmpKind, MacAddr, Malformed, Neighbor, NeighborMessage, Protocol, Tcp,
    TcpFlags, Transport, Udp,
};

/// Length of a TCP header without options.
pub(crate) const TCP_LEN: usize = 20;
/// Length of a UDP header, and of what every ICMP message begins with.
pub(crate) const UDP_LEN: usize = 8;
/// Length of an ICMP header.
pub(crate) const ICMP_LEN: usize = 8;
/// RFC 7323, section 2.3: a larger shift count is taken as 14.
const WINDOW_SCALE_MAX: u8 = 14;

/// Reads the upper layer at `offset`; `bytes` ends where the packet ends.
#[inline]
pub(super) fn read(
    bytes: &[u8],
    offset: usize,
    family: Family,
    protocol: Protocol,
    fragment: Option<Fragment>,
) -> Result<Transport, Malformed> {
    if fragment.is_some_and(|fragment| fragment.offset != 0) {
        return Ok(Transport::LaterFragment);
    }
    let whole = fragment.is_none();
    // "a first fragment without its whole TCP header (20 bytes), UDP or ICMP header (8) is
    // malformed (tiny fragment)"
    let short = if whole { Malformed::TransportHeader } else { Malformed::TinyFragment };
    let segment = &bytes[offset..];
    match (protocol, family) {
        (Protocol::TCP, _) => {
            let header = segment.first_chunk().ok_or(short)?;
            Ok(Transport::Tcp(tcp(header, segment, whole)?))
        }
        (Protocol::UDP, _) => {
            let header = segment.first_chunk().ok_or(short)?;
            Ok(Transport::Udp(udp(header, segment, whole)?))
        }
        (Protocol::ICMP, Family::Ipv4) | (Protocol::ICMPV6, Family::Ipv6) => {
            let header = segment.first_chunk().ok_or(short)?;
            Ok(Transport::Icmp(icmp(header, bytes, offset, family)))
        }
        _ => Ok(Transport::Other),
    }
}

#[inline]
fn tcp(header: &[u8; TCP_LEN], segment: &[u8], whole: bool) -> Result<Tcp, Malformed> {
    let header_len = usize::from(header[12] >> 4) * 4;
    // the options of a first fragment may go on in the next one
    if header_len < TCP_LEN || (whole && header_len > segment.len()) {
        return Err(Malformed::TcpDataOffset);
    }
    let flags = TcpFlags(header[13]);
    let window_scale = if flags.contains(TcpFlags::SYN) {
        window_scale(&segment[TCP_LEN..header_len.min(segment.len())])
    } else {
        None
    };
    Ok(Tcp {
        source_port: u16_at(header, 0),
        target_port: u16_at(header, 2),
        sequence: u32_at(header, 4),
        acknowledgement: u32_at(header, 8),
        flags,
        window: u16_at(header, 14),
        window_scale,
        payload_len: length(segment.len().saturating_sub(header_len)),
    })
}

/// The window scale among TCP options; of several the last one counts, as in Linux.
fn window_scale(mut options: &[u8]) -> Option<u8> {
    let mut found = None;
    loop {
        options = match *options {
            [] | [0, ..] => return found,
            [1, ref rest @ ..] => rest,
            [3, 3, shift, ref rest @ ..] => {
                found = Some(shift.min(WINDOW_SCALE_MAX));
                rest
            }
            [_, len, ..] if len >= 2 => match options.get(usize::from(len)..) {
                Some(rest) => rest,
                None => return found,
            },
            _ => return found,
        };
    }
}

#[inline]
fn udp(header: &[u8; UDP_LEN], segment: &[u8], whole: bool) -> Result<Udp, Malformed> {
    let len = usize::from(u16_at(header, 4));
    let held = segment.len();
    if len < UDP_LEN || len < held || (whole && len != held) {
        return Err(Malformed::UdpLength);
    }
    Ok(Udp {
        source_port: u16_at(header, 0),
        target_port: u16_at(header, 2),
        payload_len: length(held - UDP_LEN),
    })
}

fn icmp(header: &[u8; ICMP_LEN], bytes: &[u8], offset: usize, family: Family) -> Icmp {
    let [icmp_type, code, ..] = *header;
    let kind = match family {
        Family::Ipv4 => icmp_v4_kind(icmp_type),
        Family::Ipv6 => icmp_v6_kind(icmp_type),
    };
    let identifier = identifier(header, family);
    let kind = match kind {
        Kind::Query => IcmpKind::Query,
        Kind::Reply => IcmpKind::Reply,
        Kind::Error => IcmpKind::Error {
            quoted: parse_quoted(bytes, offset + ICMP_LEN)
                .filter(|quoted| quoted.tuple.family() == family),
            path_mtu: match family {
                Family::Ipv4 => (icmp_type, code) == (3, 4),
                Family::Ipv6 => icmp_type == 2,
            },
        },
        Kind::Neighbor(message) => IcmpKind::Neighbor(neighbor(message, &bytes[offset..])),
        Kind::MulticastListener => IcmpKind::MulticastListener,
        Kind::Other => IcmpKind::Other,
    };
    Icmp { icmp_type, code, identifier, kind }
}

/// The identifier of a query or reply whose header this is, else 0.
pub(super) fn identifier(header: &[u8; ICMP_LEN], family: Family) -> u16 {
    let kind = match family {
        Family::Ipv4 => icmp_v4_kind(header[0]),
        Family::Ipv6 => icmp_v6_kind(header[0]),
    };
    match kind {
        Kind::Query | Kind::Reply => u16_at(header, 4),
        Kind::Error | Kind::Neighbor(_) | Kind::MulticastListener | Kind::Other => 0,
    }
}

/// What the type alone says.
enum Kind {
    Query,
    Reply,
    Error,
    Neighbor(NeighborMessage),
    MulticastListener,
    Other,
}

fn icmp_v4_kind(icmp_type: u8) -> Kind {
    match icmp_type {
        8 | 13 | 15 | 17 => Kind::Query,
        0 | 14 | 16 | 18 => Kind::Reply,
        3 | 11 | 12 => Kind::Error,
        _ => Kind::Other,
    }
}

fn icmp_v6_kind(icmp_type: u8) -> Kind {
    match icmp_type {
        128 => Kind::Query,
        129 => Kind::Reply,
        1..=4 => Kind::Error,
        130..=132 | 143 => Kind::MulticastListener,
        133 => Kind::Neighbor(NeighborMessage::RouterSolicitation),
        134 => Kind::Neighbor(NeighborMessage::RouterAdvertisement),
        135 => Kind::Neighbor(NeighborMessage::NeighborSolicitation),
        136 => Kind::Neighbor(NeighborMessage::NeighborAdvertisement),
        137 => Kind::Neighbor(NeighborMessage::Redirect),
        _ => Kind::Other,
    }
}

fn neighbor(name: NeighborMessage, message: &[u8]) -> Neighbor {
    const SOURCE_LINK_LAYER: u8 = 1;
    const TARGET_LINK_LAYER: u8 = 2;
    let (options_at, has_target, option) = match name {
        NeighborMessage::RouterSolicitation => (8, false, SOURCE_LINK_LAYER),
        NeighborMessage::RouterAdvertisement => (16, false, SOURCE_LINK_LAYER),
        NeighborMessage::NeighborSolicitation => (24, true, SOURCE_LINK_LAYER),
        NeighborMessage::NeighborAdvertisement => (24, true, TARGET_LINK_LAYER),
        NeighborMessage::Redirect => (40, false, TARGET_LINK_LAYER),
    };
    let options = message.get(options_at..);
    Neighbor {
        message: name,
        target: options.filter(|_| has_target).map(|_| ipv6_at(message, 8)),
        link_layer: options.and_then(|options| link_layer(options, option)),
    }
}

/// The first option of type `wanted`, which is the one that receivers take.
fn link_layer(mut options: &[u8], wanted: u8) -> Option<MacAddr> {
    while let [kind, units, ..] = *options {
        let len = usize::from(units) * 8;
        if len == 0 || len > options.len() {
            return None;
        }
        if kind == wanted {
            return Some(mac_at(options, 2));
        }
        options = &options[len..];
    }
    None
}
