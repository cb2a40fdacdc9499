//! Frames made from values, checksums included.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Frame, MacAddr, Protocol, TcpFlags};

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
pub fn tcp(envelope: &Envelope, fields: &TcpFields, payload: &[u8]) -> Vec<u8> {
    let _ = (envelope, fields, payload);
    unimplemented!()
}

/// A UDP datagram (DF clear).
pub fn udp(envelope: &Envelope, source_port: u16, target_port: u16, payload: &[u8]) -> Vec<u8> {
    let _ = (envelope, source_port, target_port, payload);
    unimplemented!()
}

/// An ICMP or ICMPv6 message, by the family of the envelope: type, code, the 4 bytes that follow
/// the checksum, and the rest.
pub fn icmp(
    envelope: &Envelope,
    icmp_type: u8,
    code: u8,
    rest: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let _ = (envelope, icmp_type, code, rest, payload);
    unimplemented!()
}

/// A packet of any protocol, its payload given as it is.
pub fn raw(envelope: &Envelope, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let _ = (envelope, protocol, payload);
    unimplemented!()
}

/// The ARP reply "`sender_ip` is at `sender_mac`", to the one who asked.
pub fn arp_reply(
    sender_mac: MacAddr,
    sender_ip: Ipv4Addr,
    target_mac: MacAddr,
    target_ip: Ipv4Addr,
) -> Vec<u8> {
    let _ = (sender_mac, sender_ip, target_mac, target_ip);
    unimplemented!()
}

/// The ARP request "who has `target_ip`", broadcast; a probe if `sender_ip` is 0.0.0.0.
pub fn arp_request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Vec<u8> {
    let _ = (sender_mac, sender_ip, target_ip);
    unimplemented!()
}

/// A solicited, overriding neighbour advertisement for `address` at `mac` (router flag set if
/// `router`), sent to `to` at `to_mac`.
pub fn neighbor_advertisement(
    mac: MacAddr,
    address: Ipv6Addr,
    router: bool,
    to_mac: MacAddr,
    to: Ipv6Addr,
) -> Vec<u8> {
    let _ = (mac, address, router, to_mac, to);
    unimplemented!()
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

/// An ICMP error about `packet` (an IP packet, header first), cut to what the RFCs allow to be
/// quoted (576 bytes for IPv4, 1,280 for IPv6).
pub fn icmp_error(envelope: &Envelope, error: IcmpError, packet: &[u8]) -> Vec<u8> {
    let _ = (envelope, error, packet);
    unimplemented!()
}

/// Cuts an IPv4 frame (read as `frame`) into fragments of at most `mtu` bytes of IP packet each;
/// a fragment is cut further. For IPv6, which routers never fragment, and for a frame that fits:
/// the frame alone.
pub fn fragments(bytes: &[u8], frame: &Frame, mtu: usize) -> Vec<Vec<u8>> {
    let _ = (bytes, frame, mtu);
    unimplemented!()
}

/// Cuts an IPv6 frame into fragments as a sending host does, with a fragment header and
/// `identification`.
pub fn ipv6_fragments(
    bytes: &[u8],
    frame: &Frame,
    mtu: usize,
    identification: u32,
) -> Vec<Vec<u8>> {
    let _ = (bytes, frame, mtu, identification);
    unimplemented!()
}
