//! Is the sender who it says it is, and may what it sends go any further. What the fabric answers
//! itself is read in `neighbors`.

use std::net::IpAddr;

use ringfence_cloud::{Edge, Network, Place, World};
use ringfence_frame::{Body, Ethernet, Frame, Ip, MacAddr};

use crate::Because;
use crate::journey::Arrival;
use crate::neighbors::{self, Request};

/// What has been admitted.
pub(crate) enum Admitted {
    /// A packet to forward.
    Packet(Ip),
    /// Something for the fabric itself.
    Request(Request),
}

/// "frame checks (malformed, spoofed, not-forwarded)", the last two.
pub(crate) fn admit(
    world: &World,
    arrival: &Arrival<'_>,
    frame: &Frame,
) -> Result<Admitted, Because> {
    let sender = Sender { world, port: arrival.port };
    if !sender.has_mac(frame.ethernet.source) {
        return Err(Because::Spoofed);
    }
    match &frame.body {
        Body::Arp(arp) => neighbors::arp(sender, arp).map(Admitted::Request),
        Body::Ip(ip) => match neighbors::link_local(sender, arrival.bytes, &frame.ethernet, ip) {
            Some(request) => request.map(Admitted::Request),
            None => packet(sender, &frame.ethernet, ip).map(|()| Admitted::Packet(*ip)),
        },
        Body::Vlan | Body::Other => Err(Because::NotForwarded),
    }
}

fn packet(sender: Sender<'_>, ethernet: &Ethernet, ip: &Ip) -> Result<(), Because> {
    if !sender.may_send_from(ip.source) {
        return Err(Because::Spoofed);
    }
    let stays_on_link = ethernet.target.is_multicast()
        || ip.target.is_multicast()
        || is_broadcast(ip.target)
        || is_link_local(ip.target)
        || is_link_local(ip.source)
        || ip.source.is_unspecified();
    match stays_on_link {
        true => Err(Because::NotForwarded),
        false => Ok(()),
    }
}

pub(crate) fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Who sends at a port.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) world: &'a World,
    pub(crate) port: Place,
}

impl Sender<'_> {
    /// "a frame whose source MAC is not the port's"; an edge is many hosts.
    pub(crate) fn has_mac(self, mac: MacAddr) -> bool {
        match self.port {
            Place::Interface(index) => mac == self.world.interface(index).mac,
            Place::Outside(index) => mac == self.world.outside[index.as_usize()].mac,
            Place::Edge(_) => !mac.is_multicast(),
        }
    }

    /// "or whose source address is none of the interface's (primary, secondary, IPv6, delegated
    /// prefixes); SourceDestCheck = false lifts the address check, not the MAC check".
    pub(crate) fn may_send_from(self, source: IpAddr) -> bool {
        match self.port {
            Place::Interface(index) => {
                let interface = self.world.interface(index);
                !interface.source_dest_check || interface.owns(source)
            }
            Place::Outside(_) => self.owns(source),
            Place::Edge(edge) => !self.is_taken(edge, source),
        }
    }

    /// Whether `address` is the sender's own. Nobody in particular lives at an edge.
    pub(crate) fn owns(self, address: IpAddr) -> bool {
        match self.port {
            Place::Interface(index) => self.world.interface(index).owns(address),
            Place::Outside(index) => {
                self.world.outside[index.as_usize()].addresses.contains(&address)
            }
            Place::Edge(_) => false,
        }
    }

    /// Whether an interface or a named host of the network at that edge has `address`.
    fn is_taken(self, edge: Edge, address: IpAddr) -> bool {
        let interface = match edge {
            Edge::Internet => self.world.owner_of_public(address),
            Edge::Intranet(network) => self.world.owner(network, address),
            Edge::OnPremises(site) => {
                let vpcs = &self.world.on_premises[site.as_usize()].vpcs;
                vpcs.iter().find_map(|&vpc| self.world.owner(Network::Vpc(vpc), address))
            }
        };
        interface.is_some() || self.world.outside_at(edge, address).is_some()
    }
}
