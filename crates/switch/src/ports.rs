//! Ports by number, which is how the data plane knows them: what a worker needs of a port while it
//! forwards, in one small record each.

use ringfence_cloud::{
    Edge, InterfaceIndex, Network, OnPremisesIndex, OutsideIndex, Place, VpcIndex, World,
};
use ringfence_frame::MacAddr;
use ringfence_frame::quick::{Macs, link_word_v4};

/// A port's number: interfaces first, in the order of the world, then named outside hosts, then
/// edges.
pub type PortId = u32;

/// Every port of a world.
#[derive(Debug)]
pub struct Ports {
    facts: Vec<PortFacts>,
    interfaces: u32,
    outside: u32,
    on_premises: u32,
    vpcs: u32,
}

/// What the data plane knows of a port, on a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct PortFacts {
    /// The `link_word` of IPv4 frames that may come in here, and which of its bits have to be so:
    /// "a frame whose source MAC is not the port's" is spoofed, but an edge is many hosts.
    link: u64,
    link_bits: u64,
    /// The Ethernet addresses of every frame that goes out here: "receive everything from there
    /// (source MAC ee:ff:ff:ff:ff:ff, target MAC their own)".
    pub(crate) macs: Macs,
    pub(crate) gateway_mac: MacAddr,
    pub(crate) target_mac: MacAddr,
    /// Bytes of IP packet that the link carries.
    pub(crate) mtu: u32,
    /// The public address of the interface, mapped one to one to `primary`; 0 if none.
    pub(crate) public: u32,
    /// Its primary address.
    pub(crate) primary: u32,
    pub(crate) place: Place,
}

const _: () = assert!(size_of::<PortFacts>() == 64, "a port's facts are a cache line");

impl Ports {
    /// The ports of `world`.
    ///
    /// # Panics
    /// If there are more than 2^24: the session table has no room for a larger number.
    pub fn new(world: &World) -> Ports {
        let count = |len: usize| u32::try_from(len).expect("ports are counted by 24 bits");
        let mut ports = Ports {
            facts: Vec::new(),
            interfaces: count(world.interfaces.len()),
            outside: count(world.outside.len()),
            on_premises: count(world.on_premises.len()),
            vpcs: count(world.vpcs.len()),
        };
        let last = ports.number(Place::Edge(Edge::Intranet(Network::ClassicPublic)));
        assert!(last < ringfence_session::PORTS_MAX, "{last} ports are more than 2^24");
        ports.facts = (0..=last).map(|number| PortFacts::of(world, ports.place(number))).collect();
        ports
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there is none; there always are edges.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// The number of a port.
    pub fn number(&self, place: Place) -> PortId {
        let hosts = self.interfaces + self.outside;
        match place {
            Place::Interface(InterfaceIndex(interface)) => interface,
            Place::Outside(OutsideIndex(host)) => self.interfaces + host,
            Place::Edge(Edge::Internet) => hosts,
            Place::Edge(Edge::OnPremises(OnPremisesIndex(site))) => hosts + 1 + site,
            Place::Edge(Edge::Intranet(network)) => {
                let networks = hosts + 1 + self.on_premises;
                match network {
                    Network::Vpc(VpcIndex(vpc)) => networks + vpc,
                    Network::ClassicInternal => networks + self.vpcs,
                    Network::ClassicPublic => networks + self.vpcs + 1,
                }
            }
        }
    }

    /// The port of a number.
    pub fn place(&self, number: PortId) -> Place {
        if let Some(facts) = self.facts.get(number as usize) {
            return facts.place;
        }
        let Some(host) = number.checked_sub(self.interfaces) else {
            return Place::Interface(InterfaceIndex(number));
        };
        let Some(edge) = host.checked_sub(self.outside) else {
            return Place::Outside(OutsideIndex(host));
        };
        let Some(site) = edge.checked_sub(1) else { return Place::Edge(Edge::Internet) };
        let Some(network) = site.checked_sub(self.on_premises) else {
            return Place::Edge(Edge::OnPremises(OnPremisesIndex(site)));
        };
        Place::Edge(Edge::Intranet(match network.checked_sub(self.vpcs) {
            None => Network::Vpc(VpcIndex(network)),
            Some(0) => Network::ClassicInternal,
            Some(_) => Network::ClassicPublic,
        }))
    }

    /// Whether a port is a network interface, whose crossings are decided.
    pub(crate) fn is_interface(&self, number: PortId) -> bool {
        number < self.interfaces
    }

    /// What is known of each port, by number.
    #[inline]
    pub(crate) fn facts(&self) -> &[PortFacts] {
        &self.facts
    }
}

impl PortFacts {
    fn of(world: &World, place: Place) -> PortFacts {
        let gateway_mac = world.platform.gateway_mac;
        let (mac, mtu, public, primary) = match place {
            Place::Interface(index) => {
                let interface = world.interface(index);
                let public = interface.public_ip.map_or(0, |public| public.to_bits());
                (Some(interface.mac), interface.mtu, public, interface.primary.to_bits())
            }
            Place::Outside(index) => {
                let host = &world.outside[index.as_usize()];
                (Some(host.mac), host.mtu, 0, 0)
            }
            Place::Edge(_) => (None, usize::MAX, 0, 0),
        };
        let target_mac = mac.unwrap_or(gateway_mac);
        let (link, link_bits) = match mac {
            Some(mac) => (link_word_v4(mac), u64::MAX),
            None => (link_word_v4(MacAddr([0; 6])), GROUP_AND_TYPE),
        };
        PortFacts {
            link,
            link_bits,
            macs: Macs::new(gateway_mac, target_mac),
            gateway_mac,
            target_mac,
            mtu: u32::try_from(mtu).unwrap_or(u32::MAX),
            public,
            primary,
            place,
        }
    }

    /// Whether an IPv4 frame with this `link_word` may come in.
    #[inline(always)]
    pub(crate) fn sends(&self, link: u64) -> bool {
        (link ^ self.link) & self.link_bits == 0
    }
}

/// The bits of a `link_word` that must be so at an edge: whether the sender is a group, and the type.
const GROUP_AND_TYPE: u64 = 1 << 56 | 0xffff;

#[cfg(test)]
mod tests {
    use ringfence_cloud::{AccountIndex, Edge, Network, OnPremises, Origin, Place, Vpc, World};

    use super::Ports;

    #[test]
    fn every_port_has_a_number_of_its_own() {
        let vpc = Vpc {
            id: String::new(),
            account: AccountIndex(0),
            cidrs: Vec::new(),
            origin: Origin::nowhere(),
        };
        let site = OnPremises {
            id: String::new(),
            cidrs: Vec::new(),
            vpcs: Vec::new(),
            origin: Origin::nowhere(),
        };
        let mut world = World::default();
        world.vpcs.extend([vpc.clone(), vpc]);
        world.on_premises.extend([site.clone(), site]);
        let ports = Ports::new(&world);
        assert_eq!(ports.len(), 1 + 2 + 2 + 2);
        for number in 0..7 {
            assert_eq!(ports.number(ports.place(number)), number);
        }
        assert_eq!(ports.place(0), Place::Edge(Edge::Internet));
        assert_eq!(ports.place(6), Place::Edge(Edge::Intranet(Network::ClassicPublic)));
    }
}
