//! Packets as frames that a port sends.

use std::net::IpAddr;

use ringfence_cloud::{Place, World};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{MacAddr, Protocol, TcpFlags};
use ringfence_scenario::probe::Resolved;

/// The MAC address of a port; one of many at an edge.
pub fn mac(world: &World, port: Place) -> MacAddr {
    match port {
        Place::Interface(index) => world.interface(index).mac,
        Place::Outside(index) => world.outside[index.as_usize()].mac,
        Place::Edge(_) => MacAddr([0x02, 0, 0, 0, 2, 1]),
    }
}

/// Who sends to whom, on the sender's wire.
pub fn envelope(world: &World, port: Place, source: IpAddr, target: IpAddr) -> Envelope {
    let target_mac = world.platform.gateway_mac;
    Envelope { source_mac: mac(world, port), target_mac, source, target, ttl: 64 }
}

/// The frame of a first packet: a SYN, a datagram, a message.
pub fn first(world: &World, packet: &Resolved) -> Vec<u8> {
    let Resolved { port, tuple, icmp } = *packet;
    let envelope = envelope(world, port, tuple.source, tuple.target);
    transport(&envelope, packet, icmp, TcpFlags::SYN)
}

/// The frame that answers a packet that came out at `port`: SYN-ACK, datagram, echo reply. `None`
/// if nothing answers such a packet.
pub fn answer(world: &World, packet: &Resolved) -> Option<Vec<u8>> {
    let Resolved { port, tuple, icmp } = *packet;
    let icmp = match icmp {
        Some((8, 0)) => Some((0, 0)),
        Some((128, 0)) => Some((129, 0)),
        Some(_) => return None,
        None => None,
    };
    let reversed = Resolved { port, tuple: tuple.reversed(), icmp };
    let envelope = envelope(world, port, tuple.target, tuple.source);
    Some(transport(&envelope, &reversed, icmp, TcpFlags::SYN.with(TcpFlags::ACK)))
}

fn transport(
    envelope: &Envelope,
    packet: &Resolved,
    icmp: Option<(u8, u8)>,
    flags: TcpFlags,
) -> Vec<u8> {
    let tuple = packet.tuple;
    match (tuple.protocol, icmp) {
        (Protocol::TCP, _) => {
            let fields = TcpFields {
                source_port: tuple.source_port,
                target_port: tuple.target_port,
                flags,
                window: 64_000,
                ..TcpFields::default()
            };
            build::tcp(envelope, &fields, &[])
        }
        (Protocol::UDP, _) => build::udp(envelope, tuple.source_port, tuple.target_port, b"hello"),
        (Protocol::ICMP | Protocol::ICMPV6, Some((icmp_type, code))) => {
            let [high, low] = tuple.source_port.to_be_bytes();
            build::icmp(envelope, icmp_type, code, [high, low, 0, 1], b"ping")
        }
        (protocol, _) => build::raw(envelope, protocol, b"\0\0\x08\0payload"),
    }
}
