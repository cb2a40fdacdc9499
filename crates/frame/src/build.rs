//! Frames made from values, checksums included, without Ethernet padding.
//!
//! The IPv4 identification is 0; who sends datagrams that may be fragmented numbers them with
//! [`set_identification`](crate::rewrite::set_identification).

mod fragment;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use fragment::{fragments, ipv6_fragments};

use crate::bytes::{add, fold, put_u16};
use crate::parse::{
    ETHERNET_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP_LEN, IPV4_DONT_FRAGMENT,
    IPV4_LEN, IPV6_LEN, TCP_LEN, UDP_LEN,
};
use crate::{MacAddr, Protocol, TcpFlags};

/// The longest ICMP error, IP header included: RFC 1812, section 4.3.2.3.
const ICMP_ERROR_MAX: usize = 576;
/// The longest ICMPv6 error, IP header included: RFC 4443, section 2.4 (c).
const ICMPV6_ERROR_MAX: usize = 1_280;
/// The hop limit that proves that neighbour discovery was not routed (RFC 4861).
const HOP_LIMIT_ON_LINK: u8 = 255;

/// The addresses that every built packet needs. Both addresses are of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Ethernet source.
    pub source_mac: MacAddr,
    /// Ethernet target.
    pub target_mac: MacAddr,
    /// IP source.
    pub source: IpAddr,
    /// IP target.
    pub target: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// The fields of a TCP segment to build.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpFields {
    /// Source port.
    pub source_port: u16,
    /// Target port.
    pub target_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window, unscaled.
    pub window: u16,
    /// The window scale option.
    pub window_scale: Option<u8>,
}

/// A TCP segment (DF set).
///
/// # Panics
/// If the addresses are of two families or the packet would be longer than 65,535 bytes.
pub fn tcp(envelope: &Envelope, fields: &TcpFields, payload: &[u8]) -> Vec<u8> {
    let TcpFields {
        source_port,
        target_port,
        sequence,
        acknowledgement,
        flags,
        window,
        window_scale,
    } = *fields;
    let options = window_scale.map(|shift| [1, 3, 3, shift]);
    let options = options.as_ref().map_or(&[][..], |options| options);
    let header_len = TCP_LEN + options.len();
    let header_words = u8::try_from(header_len / 4).expect("a TCP header has at most 15 words");

    let mut frame = ip_header(envelope, Protocol::TCP, true, header_len + payload.len());
    let at = frame.len();
    frame.extend_from_slice(&source_port.to_be_bytes());
    frame.extend_from_slice(&target_port.to_be_bytes());
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(&acknowledgement.to_be_bytes());
    frame.extend_from_slice(&[header_words << 4, flags.0]);
    frame.extend_from_slice(&window.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(options);
    frame.extend_from_slice(payload);
    let pseudo = pseudo_header(envelope, Protocol::TCP, frame.len() - at);
    let checksum = !fold(add(pseudo, &frame[at..]));
    put_u16(&mut frame, at + 16, checksum);
    frame
}

/// A UDP datagram (DF clear).
///
/// # Panics
/// As [`tcp`].
pub fn udp(envelope: &Envelope, source_port: u16, target_port: u16, payload: &[u8]) -> Vec<u8> {
    let len = UDP_LEN + payload.len();
    let mut frame = ip_header(envelope, Protocol::UDP, false, len);
    let at = frame.len();
    frame.extend_from_slice(&source_port.to_be_bytes());
    frame.extend_from_slice(&target_port.to_be_bytes());
    frame.extend_from_slice(&len_u16(len).to_be_bytes());
    frame.extend_from_slice(&[0; 2]);
    frame.extend_from_slice(payload);
    let pseudo = pseudo_header(envelope, Protocol::UDP, len);
    let checksum = udp_checksum(!fold(add(pseudo, &frame[at..])));
    put_u16(&mut frame, at + 6, checksum);
    frame
}

/// An ICMP or ICMPv6 message, by the family of the envelope: type, code, the 4 bytes that follow
/// the checksum, and the rest (DF clear).
///
/// # Panics
/// As [`tcp`].
pub fn icmp(
    envelope: &Envelope,
    icmp_type: u8,
    code: u8,
    rest: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let len = ICMP_LEN + payload.len();
    let (protocol, pseudo) = match envelope.source {
        IpAddr::V4(_) => (Protocol::ICMP, 0),
        IpAddr::V6(_) => (Protocol::ICMPV6, pseudo_header(envelope, Protocol::ICMPV6, len)),
    };
    let mut frame = ip_header(envelope, protocol, false, len);
    let at = frame.len();
    frame.extend_from_slice(&[icmp_type, code, 0, 0]);
    frame.extend_from_slice(&rest);
    frame.extend_from_slice(payload);
    let checksum = !fold(add(pseudo, &frame[at..]));
    put_u16(&mut frame, at + 2, checksum);
    frame
}

/// A packet of any protocol, its payload given as it is (DF clear).
///
/// # Panics
/// As [`tcp`].
pub fn raw(envelope: &Envelope, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let mut frame = ip_header(envelope, protocol, false, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// The ARP reply "`sender_ip` is at `sender_mac`", to the one who asked.
pub fn arp_reply(
    sender_mac: MacAddr,
    sender_ip: Ipv4Addr,
    target_mac: MacAddr,
    target_ip: Ipv4Addr,
) -> Vec<u8> {
    arp(2, target_mac, (sender_mac, sender_ip), (target_mac, target_ip))
}

/// The ARP request "who has `target_ip`", broadcast; a probe if `sender_ip` is 0.0.0.0.
pub fn arp_request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Vec<u8> {
    arp(1, MacAddr::BROADCAST, (sender_mac, sender_ip), (MacAddr([0; 6]), target_ip))
}

fn arp(
    operation: u8,
    to: MacAddr,
    (sender_mac, sender_ip): (MacAddr, Ipv4Addr),
    (target_mac, target_ip): (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_LEN + 28);
    ethernet_header(&mut frame, sender_mac, to, ETHERTYPE_ARP);
    // Ethernet, IPv4, and the lengths of their addresses
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend_from_slice(&sender_mac.0);
    frame.extend_from_slice(&sender_ip.octets());
    frame.extend_from_slice(&target_mac.0);
    frame.extend_from_slice(&target_ip.octets());
    frame
}

/// An overriding neighbour advertisement for `address` at `mac` (router flag set if `router`),
/// sent to `to` at `to_mac`; solicited unless `to` is a group, which is what answers a probe.
pub fn neighbor_advertisement(
    mac: MacAddr,
    address: Ipv6Addr,
    router: bool,
    to_mac: MacAddr,
    to: Ipv6Addr,
) -> Vec<u8> {
    const ROUTER: u8 = 0x80;
    const SOLICITED: u8 = 0x40;
    const OVERRIDE: u8 = 0x20;
    const TARGET_LINK_LAYER: u8 = 2;
    let mut flags = OVERRIDE;
    if router {
        flags |= ROUTER;
    }
    if !to.is_multicast() {
        flags |= SOLICITED;
    }
    let mut payload = [0; 24];
    payload[..16].copy_from_slice(&address.octets());
    payload[16..18].copy_from_slice(&[TARGET_LINK_LAYER, 1]);
    payload[18..].copy_from_slice(&mac.0);
    let envelope = Envelope {
        source_mac: mac,
        target_mac: to_mac,
        source: IpAddr::V6(address),
        target: IpAddr::V6(to),
        ttl: HOP_LIMIT_ON_LINK,
    };
    icmp(&envelope, 136, 0, [flags, 0, 0, 0], &payload)
}

/// Which ICMP error the fabric answers with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpError {
    /// TTL or hop limit used up.
    TimeExceeded,
    /// Fragmentation needed (IPv4) or packet too big (IPv6), with the MTU of the next hop.
    TooBig {
        /// Bytes.
        mtu: u32,
    },
}

/// An ICMP error about `packet` (an IP packet, header first), cut to what the RFCs allow an error
/// to be (576 bytes for IPv4, 1,280 for IPv6, its own headers included).
///
/// # Panics
/// As [`tcp`].
pub fn icmp_error(envelope: &Envelope, error: IcmpError, packet: &[u8]) -> Vec<u8> {
    let (icmp_type, code, rest, quote_max) = match (envelope.source, error) {
        (IpAddr::V4(_), IcmpError::TimeExceeded) => (11, 0, [0; 4], ICMP_ERROR_MAX - IPV4_LEN),
        (IpAddr::V4(_), IcmpError::TooBig { mtu }) => {
            let [high, low] = u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes();
            (3, 4, [0, 0, high, low], ICMP_ERROR_MAX - IPV4_LEN)
        }
        (IpAddr::V6(_), IcmpError::TimeExceeded) => (3, 0, [0; 4], ICMPV6_ERROR_MAX - IPV6_LEN),
        (IpAddr::V6(_), IcmpError::TooBig { mtu }) => {
            (2, 0, mtu.to_be_bytes(), ICMPV6_ERROR_MAX - IPV6_LEN)
        }
    };
    let quote_len = packet.len().min(quote_max - ICMP_LEN);
    icmp(envelope, icmp_type, code, rest, &packet[..quote_len])
}

/// Ethernet and IP header of a packet that carries `payload_len` bytes, room for them reserved.
fn ip_header(
    envelope: &Envelope,
    protocol: Protocol,
    dont_fragment: bool,
    payload_len: usize,
) -> Vec<u8> {
    let Envelope { source_mac, target_mac, source, target, ttl } = *envelope;
    let mut frame = Vec::with_capacity(ETHERNET_LEN + IPV6_LEN + payload_len);
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let flags = if dont_fragment { IPV4_DONT_FRAGMENT } else { 0 };
            ethernet_header(&mut frame, source_mac, target_mac, ETHERTYPE_IPV4);
            frame.extend_from_slice(&[0x45, 0]);
            frame.extend_from_slice(&len_u16(IPV4_LEN + payload_len).to_be_bytes());
            frame.extend_from_slice(&[0, 0]);
            frame.extend_from_slice(&flags.to_be_bytes());
            frame.extend_from_slice(&[ttl, protocol.0, 0, 0]);
            frame.extend_from_slice(&source.octets());
            frame.extend_from_slice(&target.octets());
            ipv4_checksum(&mut frame[ETHERNET_LEN..]);
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            ethernet_header(&mut frame, source_mac, target_mac, ETHERTYPE_IPV6);
            frame.extend_from_slice(&[0x60, 0, 0, 0]);
            frame.extend_from_slice(&len_u16(payload_len).to_be_bytes());
            frame.extend_from_slice(&[protocol.0, ttl]);
            frame.extend_from_slice(&source.octets());
            frame.extend_from_slice(&target.octets());
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            panic!("an envelope from {source} to {target}: two families")
        }
    }
    frame
}

fn ethernet_header(frame: &mut Vec<u8>, source: MacAddr, target: MacAddr, ethertype: u16) {
    frame.extend_from_slice(&target.0);
    frame.extend_from_slice(&source.0);
    frame.extend_from_slice(&ethertype.to_be_bytes());
}

/// Writes the checksum of an IPv4 header.
fn ipv4_checksum(header: &mut [u8]) {
    put_u16(header, 10, 0);
    let checksum = !fold(add(0, header));
    put_u16(header, 10, checksum);
}

/// The sum of the pseudo header over `len` bytes of upper layer.
fn pseudo_header(envelope: &Envelope, protocol: Protocol, len: usize) -> u32 {
    let addresses =
        [envelope.source, envelope.target].into_iter().fold(0, |sum, address| match address {
            IpAddr::V4(address) => add(sum, &address.octets()),
            IpAddr::V6(address) => add(sum, &address.octets()),
        });
    addresses + u32::from(protocol.0) + u32::from(len_u16(len))
}

/// "If the computed checksum is zero, it is transmitted as all ones" (RFC 768).
pub(crate) fn udp_checksum(computed: u16) -> u16 {
    if computed == 0 { 0xffff } else { computed }
}

fn len_u16(len: usize) -> u16 {
    u16::try_from(len).expect("a packet to build has at most 65,535 bytes")
}
