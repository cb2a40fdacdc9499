//! Whether a packet can be delivered (TTL, MTU), how it looks behind the routers and the Internet
//! gateway on its way, and the ICMP errors with which the fabric says that it cannot.

use std::net::IpAddr;

use ringfence_cloud::{Place, Route, World};
use ringfence_frame::build::{Envelope, IcmpError, fragments, icmp_error};
use ringfence_frame::{Frame, Icmp, IcmpKind, Ip, MacAddr, Quoted, Transport, rewrite};

use crate::journey::{Arrival, Stop, Walk};
use crate::plane::Plane;
use crate::ports::PortFacts;
use crate::worker::State;
use crate::{Because, Observer, PortId, Sink, Stage};

/// TTL of the fabric's own packets.
const FABRIC_TTL: u8 = 64;

/// The link at which a packet goes out.
pub(crate) struct Exit {
    pub(crate) number: PortId,
    pub(crate) place: Place,
    gateway_mac: MacAddr,
    mac: MacAddr,
    mtu: usize,
}

impl Exit {
    pub(crate) fn of(plane: &Plane, place: Place) -> Exit {
        let number = plane.ports.number(place);
        let facts = &plane.ports.facts()[number as usize];
        let PortFacts { gateway_mac, target_mac, mtu, .. } = *facts;
        Exit { number, place, gateway_mac, mac: target_mac, mtu: mtu as usize }
    }
}

/// The packet as its receiver sees it.
pub(crate) fn arriving(packet: &Ip, route: &Route) -> Ip {
    let mut arriving = *packet;
    arriving.ttl = packet.ttl.saturating_sub(hops(route));
    arriving.source = route.source_becomes.unwrap_or(packet.source);
    arriving.target = route.target_becomes.unwrap_or(packet.target);
    // The sender of an error was the target of the packet that it quotes, and the other way round.
    if let Some(quoted) = quoted_mut(&mut arriving) {
        if quoted.tuple.target == packet.source {
            quoted.tuple.target = route.source_becomes.unwrap_or(packet.source);
        }
        if quoted.tuple.source == packet.target {
            quoted.tuple.source = route.target_becomes.unwrap_or(packet.target);
        }
    }
    arriving
}

/// Makes the frame what it is when it arrives so. If it does not fit the link, the fragments that
/// go out in its place.
pub(crate) fn rewrite(
    bytes: &mut [u8],
    frame: &Frame,
    packet: &Ip,
    arriving: &Ip,
    exit: &Exit,
) -> Option<Vec<Vec<u8>>> {
    rewrite::set_macs(bytes, exit.gateway_mac, exit.mac);
    if arriving.ttl != packet.ttl {
        rewrite::decrease_ttl(bytes, packet, packet.ttl - arriving.ttl);
    }
    if arriving.source != packet.source {
        rewrite::set_source(bytes, packet, arriving.source);
    }
    if arriving.target != packet.target {
        rewrite::set_target(bytes, packet, arriving.target);
    }
    if let (Some(before), Some(after)) = (quoted(packet), quoted(arriving)) {
        if before.tuple.source != after.tuple.source {
            rewrite::set_quoted_source(bytes, packet, &before, after.tuple.source);
        }
        if before.tuple.target != after.tuple.target {
            rewrite::set_quoted_target(bytes, packet, &before, after.tuple.target);
        }
    }
    (packet.packet_len() > exit.mtu).then(|| fragments(bytes, frame, exit.mtu))
}

impl State {
    /// "The VPC router, the CEN and the Internet gateway each take one from the TTL (same vSwitch:
    /// none); at zero the packet is dropped (ttl-exceeded) and the fabric answers with an ICMP
    /// error; too big with DF (or IPv6): too-big and an ICMP error, else it is fragmented."
    pub(crate) fn check_fit<S: Sink, O: Observer>(
        &mut self,
        world: &World,
        arrival: &Arrival<'_>,
        packet: &Ip,
        route: &Route,
        exit: &Exit,
        walk: &mut Walk<'_, S, O>,
    ) -> Result<(), Stop> {
        let (because, name, error) = if packet.ttl <= hops(route) {
            (Because::TtlExceeded, "icmp-time-exceeded", IcmpError::TimeExceeded)
        } else if packet.packet_len() > exit.mtu && packet.dont_fragment {
            let mtu = u32::try_from(exit.mtu).unwrap_or(u32::MAX);
            (Because::TooBig, "icmp-too-big", IcmpError::TooBig { mtu })
        } else {
            return Ok(());
        };
        if deserves_error(packet) {
            let bytes = fabric_error(world, arrival, packet, error);
            self.complain(arrival.number, bytes, name, walk);
        }
        Err(Stop::Denied(Stage::Route, because))
    }
}

/// The error about a packet, which is quoted as its sender knows it: as it came in.
fn fabric_error(world: &World, arrival: &Arrival<'_>, packet: &Ip, error: IcmpError) -> Vec<u8> {
    let mut sender_mac = [0; 6];
    sender_mac.copy_from_slice(&arrival.bytes[6..12]);
    let envelope = Envelope {
        source_mac: world.platform.gateway_mac,
        target_mac: MacAddr(sender_mac),
        source: nearest_gateway(world, arrival.port, packet.source),
        target: packet.source,
        ttl: FABRIC_TTL,
    };
    icmp_error(&envelope, error, &arrival.bytes[packet.ip_offset..packet.end])
}

/// No error is sent about an error, about a later fragment, or to nobody (RFC 1122, 3.2.2; RFC
/// 4443, 2.4 e).
fn deserves_error(packet: &Ip) -> bool {
    let about_error = matches!(
        packet.transport,
        Transport::Icmp(Icmp { kind: IcmpKind::Error { .. }, .. }) | Transport::LaterFragment
    );
    !about_error && !packet.source.is_unspecified()
}

/// The gateway of the sender's vSwitch, or the fabric's own address where none is nearer, of the
/// family of `to`.
fn nearest_gateway(world: &World, port: Place, to: IpAddr) -> IpAddr {
    let vswitch = match port {
        Place::Interface(index) => world.interface(index).vswitch,
        Place::Outside(_) | Place::Edge(_) => None,
    };
    let vswitch = vswitch.map(|index| &world.vswitches[index.as_usize()]);
    match to {
        IpAddr::V4(_) => {
            let gateway = vswitch.map(|vswitch| vswitch.gateway());
            IpAddr::V4(gateway.unwrap_or(world.platform.fabric_ipv4))
        }
        IpAddr::V6(_) => {
            let gateway = vswitch.and_then(|vswitch| vswitch.gateway_ipv6());
            IpAddr::V6(gateway.unwrap_or(world.platform.fabric_ipv6))
        }
    }
}

pub(crate) fn hops(route: &Route) -> u8 {
    u8::try_from(route.hops.len()).unwrap_or(u8::MAX)
}

fn quoted(packet: &Ip) -> Option<Quoted> {
    match packet.transport {
        Transport::Icmp(Icmp { kind: IcmpKind::Error { quoted, .. }, .. }) => quoted,
        _ => None,
    }
}

fn quoted_mut(packet: &mut Ip) -> Option<&mut Quoted> {
    match &mut packet.transport {
        Transport::Icmp(Icmp { kind: IcmpKind::Error { quoted, .. }, .. }) => quoted.as_mut(),
        _ => None,
    }
}
