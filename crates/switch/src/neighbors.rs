//! ARP and ND, answered by the fabric, and what else stays on the link: DHCP, router solicitations
//! and MLD. "Switching is by address, not by learned MACs": nothing is learned from what is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_cloud::Place;
use ringfence_frame::build::{arp_reply, neighbor_advertisement};
use ringfence_frame::{
    Arp, ArpOperation, Ethernet, Family, Icmp, IcmpKind, Ip, MacAddr, Neighbor, NeighborMessage,
    Transport, Udp,
};

use crate::Because;
use crate::admit::{Sender, is_broadcast, is_link_local};

/// Something for the fabric itself.
pub(crate) struct Request {
    /// What it was.
    pub(crate) name: &'static str,
    /// The frame to answer with, if any.
    pub(crate) answer: Option<Vec<u8>>,
}

impl Request {
    fn absorbed(name: &'static str) -> Request {
        Request { name, answer: None }
    }
}

/// "ARP and ND for any address of the subnet, the gateway's included, are answered [...] except an
/// address of the asking interface itself, and except probes (ARP from 0.0.0.0, ND from ::), or a
/// guest's own duplicate address detection would fail".
pub(crate) fn arp(sender: Sender<'_>, arp: &Arp) -> Result<Request, Because> {
    let Arp { operation, sender_mac, sender_ip, target_mac: _, target_ip } = *arp;
    let probes = sender_ip.is_unspecified();
    if !sender.has_mac(sender_mac) || !(probes || sender.may_send_from(sender_ip.into())) {
        return Err(Because::Spoofed);
    }
    match operation {
        ArpOperation::Request if probes => Ok(Request::absorbed("arp-probe")),
        ArpOperation::Request if sender_ip == target_ip => {
            Ok(Request::absorbed("arp-announcement"))
        }
        ArpOperation::Request => {
            let gateway_mac = sender.world.platform.gateway_mac;
            let answer = answers_for(sender, target_ip.into())
                .then(|| arp_reply(gateway_mac, target_ip, sender_mac, sender_ip));
            Ok(Request { name: "arp-request", answer })
        }
        ArpOperation::Reply => Ok(Request::absorbed("arp-reply")),
        ArpOperation::Other(_) => Err(Because::NotForwarded),
    }
}

/// Reads ND, router solicitations, MLD and DHCP; `None` for every other packet. "Admitted though
/// not an address of the interface: unspecified and link-local sources, for DHCP, ND, router
/// solicitation and MLD only (MLD and other link-local traffic is then not-forwarded)".
pub(crate) fn link_local(
    sender: Sender<'_>,
    bytes: &[u8],
    ethernet: &Ethernet,
    ip: &Ip,
) -> Option<Result<Request, Because>> {
    let read = match ip.transport {
        Transport::Icmp(Icmp { kind: IcmpKind::Neighbor(neighbor), .. }) => {
            nd(sender, ethernet, ip, &neighbor)
        }
        Transport::Icmp(Icmp { kind: IcmpKind::MulticastListener, .. }) => {
            Err(Because::NotForwarded)
        }
        Transport::Udp(udp) if is_dhcp(ip, &udp) => dhcp(sender, bytes, ip),
        Transport::Udp(_)
        | Transport::Tcp(_)
        | Transport::Icmp(_)
        | Transport::Other
        | Transport::LaterFragment => return None,
    };
    let admitted =
        ip.source.is_unspecified() || is_link_local(ip.source) || sender.may_send_from(ip.source);
    Some(if admitted { read } else { Err(Because::Spoofed) })
}

fn nd(
    sender: Sender<'_>,
    ethernet: &Ethernet,
    ip: &Ip,
    neighbor: &Neighbor,
) -> Result<Request, Because> {
    let Neighbor { message, target, link_layer } = *neighbor;
    if link_layer.is_some_and(|claimed| !sender.has_mac(claimed)) {
        return Err(Because::Spoofed);
    }
    // RFC 4861, 7.1: a hop limit below 255 has been routed; RFC 6980: ND is not fragmented.
    if ip.ttl != u8::MAX || ip.fragment.is_some() {
        return Err(Because::NotForwarded);
    }
    match (message, target) {
        (NeighborMessage::RouterSolicitation, _) => Ok(Request::absorbed("router-solicitation")),
        (NeighborMessage::NeighborSolicitation, Some(target)) => {
            Ok(solicitation(sender, ethernet.source, ip.source, target))
        }
        (NeighborMessage::NeighborAdvertisement, Some(target)) => {
            let claimed = IpAddr::V6(target);
            match is_link_local(claimed) || sender.may_send_from(claimed) {
                true => Ok(Request::absorbed("neighbor-advertisement")),
                false => Err(Because::Spoofed),
            }
        }
        (
            NeighborMessage::NeighborSolicitation
            | NeighborMessage::NeighborAdvertisement
            | NeighborMessage::RouterAdvertisement
            | NeighborMessage::Redirect,
            _,
        ) => Err(Because::NotForwarded),
    }
}

fn solicitation(
    sender: Sender<'_>,
    asker_mac: MacAddr,
    asker: IpAddr,
    target: Ipv6Addr,
) -> Request {
    let asker = match asker {
        IpAddr::V6(asker) if !asker.is_unspecified() => asker,
        IpAddr::V6(_) | IpAddr::V4(_) => return Request::absorbed("neighbor-probe"),
    };
    let answer = answers_for(sender, target.into()).then(|| {
        let mac = sender.world.platform.gateway_mac;
        neighbor_advertisement(mac, target, is_router(sender, target), asker_mac, asker)
    });
    Request { name: "neighbor-solicitation", answer }
}

/// Whether the fabric says "at my MAC" when `sender` asks for `address`. "Internet ports and
/// classic NICs work alike": they have no subnet, so that every address is at the gateway.
fn answers_for(sender: Sender<'_>, address: IpAddr) -> bool {
    if sender.owns(address) || address.is_multicast() || address.is_unspecified() {
        return false;
    }
    let world = sender.world;
    let vswitch = match sender.port {
        Place::Interface(index) => world.interface(index).vswitch,
        Place::Outside(_) | Place::Edge(_) => None,
    };
    let Some(vswitch) = vswitch.map(|index| &world.vswitches[index.as_usize()]) else {
        return !is_link_local(address) || address == IpAddr::V6(world.platform.fabric_ipv6);
    };
    match address {
        IpAddr::V4(address) => vswitch.cidr.contains(&address),
        IpAddr::V6(address) => {
            address == world.platform.fabric_ipv6
                || vswitch.ipv6_cidr.is_some_and(|cidr| cidr.contains(&address))
        }
    }
}

fn is_router(sender: Sender<'_>, address: Ipv6Addr) -> bool {
    let world = sender.world;
    let gateway = match sender.port {
        Place::Interface(index) => world
            .interface(index)
            .vswitch
            .and_then(|index| world.vswitches[index.as_usize()].gateway_ipv6()),
        Place::Outside(_) | Place::Edge(_) => None,
    };
    address == world.platform.fabric_ipv6 || gateway == Some(address)
}

/// What a DHCP client says to whichever server hears it. To a server by its address it speaks as
/// any other packet does.
fn is_dhcp(ip: &Ip, udp: &Udp) -> bool {
    let Udp { source_port, target_port, .. } = *udp;
    let to_all = ip.target.is_multicast() || is_broadcast(ip.target) || ip.source.is_unspecified();
    let ports = match ip.family() {
        Family::Ipv4 => (68, 67),
        Family::Ipv6 => (546, 547),
    };
    ip.fragment.is_none() && to_all && (source_port, target_port) == ports
}

/// Checks what a DHCP client claims, the address that it has and its MAC. DHCPv6 names the client
/// by an identifier that is no address.
fn dhcp(sender: Sender<'_>, bytes: &[u8], ip: &Ip) -> Result<Request, Because> {
    const UDP_LEN: usize = 8;
    const CLIENT_ADDRESS: usize = 12;
    const CLIENT_MAC: usize = 28;
    if ip.family() == Family::Ipv6 {
        return Ok(Request::absorbed("dhcp"));
    }
    let message = bytes.get(ip.transport_offset + UDP_LEN..ip.end).unwrap_or_default();
    let address = message.get(CLIENT_ADDRESS..).and_then(|rest| rest.first_chunk::<4>());
    let mac = message.get(CLIENT_MAC..).and_then(|rest| rest.first_chunk::<6>());
    let (Some(address), Some(mac)) = (address, mac) else { return Err(Because::NotForwarded) };
    let address = Ipv4Addr::from(*address);
    let has_address = address.is_unspecified() || sender.may_send_from(address.into());
    match has_address && sender.has_mac(MacAddr(*mac)) {
        true => Ok(Request::absorbed("dhcp")),
        false => Err(Because::Spoofed),
    }
}
