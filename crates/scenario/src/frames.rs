//! The frame of a question, and the frame that answers it.
//!
//! Owns which bytes stand for "a packet of this flow": a SYN, a datagram, an echo request. What
//! becomes of them is for the switch to say.

use ringfence_cloud::{Place, World};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Body, Icmp, Ip, MacAddr, Protocol, Tcp, TcpFlags, Transport, Tuple, parse};

use crate::probe::Resolved;

/// TTL of every packet made here: far more than any way through a fabric takes.
pub(crate) const TTL: u8 = 64;
/// Where our side of a TCP connection starts to count.
const FIRST_SEQUENCE: u32 = 1_000;
const WINDOW: u16 = 65_535;
/// What packets without a header of their own carry.
pub(crate) const PAYLOAD: &[u8] = b"ringfence";
/// Whoever has no MAC address in the world (locally administered).
const NAMELESS_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 1]);

/// The MAC address behind a port.
pub(crate) fn mac_of(world: &World, port: Place) -> MacAddr {
    match port {
        Place::Interface(index) => world.interface(index).mac,
        Place::Outside(index) => world.outside[index.as_usize()].mac,
        Place::Edge(_) => NAMELESS_MAC,
    }
}

/// The first frame of the flow that `packet` opens, as its sender puts it on the wire.
pub(crate) fn first_frame(world: &World, packet: &Resolved) -> Vec<u8> {
    let Resolved { port, tuple, icmp } = *packet;
    let envelope = Envelope {
        source_mac: mac_of(world, port),
        target_mac: world.platform.gateway_mac,
        source: tuple.source,
        target: tuple.target,
        ttl: TTL,
    };
    match (tuple.protocol, icmp) {
        (Protocol::TCP, _) => build::tcp(&envelope, &syn(tuple), &[]),
        (Protocol::UDP, _) => build::udp(&envelope, tuple.source_port, tuple.target_port, PAYLOAD),
        (Protocol::ICMP | Protocol::ICMPV6, Some((icmp_type, code))) => {
            icmp_message(&envelope, tuple, icmp_type, code)
        }
        (protocol, _) => build::raw(&envelope, protocol, PAYLOAD),
    }
}

fn syn(tuple: Tuple) -> TcpFields {
    TcpFields {
        source_port: tuple.source_port,
        target_port: tuple.target_port,
        sequence: FIRST_SEQUENCE,
        acknowledgement: 0,
        flags: TcpFlags::SYN,
        window: WINDOW,
        window_scale: None,
    }
}

/// A message with the flow's identifier where queries have theirs.
fn icmp_message(envelope: &Envelope, tuple: Tuple, icmp_type: u8, code: u8) -> Vec<u8> {
    let [high, low] = tuple.source_port.to_be_bytes();
    build::icmp(envelope, icmp_type, code, [high, low, 0, 1], PAYLOAD)
}

/// The message that answers an ICMP or ICMPv6 query, by its type; none for all others.
pub(crate) fn icmp_reply_type(protocol: Protocol, icmp_type: u8) -> Option<u8> {
    match (protocol, icmp_type) {
        (Protocol::ICMP, 8) => Some(0),
        (Protocol::ICMP, 13 | 15 | 17) | (Protocol::ICMPV6, 128) => Some(icmp_type + 1),
        _ => None,
    }
}

/// What the receiver of `delivered` sends back: SYN-ACK, datagram, echo reply, a packet of the
/// same protocol. None if nothing is ever sent back to that.
pub(crate) fn reply_frame(delivered: &[u8]) -> Option<Vec<u8>> {
    let frame = parse(delivered).ok()?;
    let Body::Ip(ip) = frame.body else { return None };
    let envelope = Envelope {
        source_mac: frame.ethernet.target,
        target_mac: frame.ethernet.source,
        source: ip.target,
        target: ip.source,
        ttl: TTL,
    };
    reply_to(&envelope, &ip)
}

fn reply_to(envelope: &Envelope, ip: &Ip) -> Option<Vec<u8>> {
    Some(match ip.transport {
        Transport::Tcp(tcp) => build::tcp(envelope, &syn_ack(&tcp), &[]),
        Transport::Udp(udp) => build::udp(envelope, udp.target_port, udp.source_port, PAYLOAD),
        Transport::Icmp(Icmp { icmp_type, code, identifier, .. }) => {
            let icmp_type = icmp_reply_type(ip.protocol, icmp_type)?;
            let [high, low] = identifier.to_be_bytes();
            build::icmp(envelope, icmp_type, code, [high, low, 0, 1], PAYLOAD)
        }
        Transport::Other => build::raw(envelope, ip.protocol, PAYLOAD),
        Transport::LaterFragment => return None,
    })
}

fn syn_ack(syn: &Tcp) -> TcpFields {
    TcpFields {
        source_port: syn.target_port,
        target_port: syn.source_port,
        sequence: FIRST_SEQUENCE,
        acknowledgement: syn.sequence.wrapping_add(1),
        flags: TcpFlags::SYN.with(TcpFlags::ACK),
        window: WINDOW,
        window_scale: None,
    }
}

/// The answer to `packet` as a question of its own: a new flow the other way, from where
/// `arrived` says that it came out. None if nothing answers such a packet.
pub(crate) fn reply_question(packet: &Resolved, to: Place, arrived: Tuple) -> Option<Resolved> {
    let icmp = match packet.icmp {
        Some((icmp_type, code)) => Some((icmp_reply_type(packet.tuple.protocol, icmp_type)?, code)),
        None => None,
    };
    Some(Resolved { port: to, tuple: arrived.reversed(), icmp })
}
