//! The guests of a scenario: one at every interface and outside host.

use std::net::IpAddr;

use ringfence_cloud::{Interface, Place, World};
use ringfence_endpoints::application::Application;
use ringfence_endpoints::{GuestAddress, GuestConfig};
use ringfence_frame::{Family, MacAddr};

use crate::Scenario;

/// What a link of an edge carries.
const EDGE_MTU: usize = 1_500;

/// What lives at each interface and named outside host, in port order. `seed` is the run's.
pub fn guests(scenario: &Scenario, seed: u64) -> Vec<(Place, GuestConfig)> {
    let world = &scenario.fabric.world;
    let guest = |(&place, serves): (&Place, &Vec<(u16, Application)>)| {
        (place, guest(world, place, serves, seed))
    };
    scenario.serves.iter().map(guest).collect()
}

/// What lives at a place.
pub(crate) fn guest(
    world: &World,
    place: Place,
    serves: &[(u16, Application)],
    seed: u64,
) -> GuestConfig {
    let (mac, addresses, mtu) = match place {
        Place::Interface(index) => {
            let interface = world.interface(index);
            (interface.mac, interface_addresses(world, interface), interface.mtu)
        }
        Place::Outside(index) => {
            let host = &world.outside[index.as_usize()];
            (host.mac, host.addresses.iter().copied().map(alone).collect(), host.mtu)
        }
        // what is delivered at an edge goes to the gateway's MAC address
        Place::Edge(_) => (world.platform.gateway_mac, Vec::new(), EDGE_MTU),
    };
    let vswitch = match place {
        Place::Interface(index) => world.interface(index).vswitch,
        Place::Outside(_) | Place::Edge(_) => None,
    };
    let vswitch = vswitch.map(|index| &world.vswitches[index.as_usize()]);
    GuestConfig {
        name: world.place_name(place),
        mac,
        addresses,
        gateway_ipv4: Some(vswitch.map_or(world.platform.fabric_ipv4, |it| it.gateway())),
        gateway_ipv6: Some(
            vswitch.and_then(|it| it.gateway_ipv6()).unwrap_or(world.platform.fabric_ipv6),
        ),
        mtu,
        serves: serves.to_vec(),
        seed: seed ^ u64_of(mac),
    }
}

/// Each guest draws its own numbers.
fn u64_of(MacAddr(octets): MacAddr) -> u64 {
    octets.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet))
}

fn interface_addresses(world: &World, interface: &Interface) -> Vec<GuestAddress> {
    let vswitch = interface.vswitch.map(|index| &world.vswitches[index.as_usize()]);
    let ipv4_len = vswitch.map_or(32, |it| it.cidr.prefix_len());
    let ipv6_len = vswitch.and_then(|it| it.ipv6_cidr).map_or(128, |cidr| cidr.prefix_len());
    let ipv4 = std::iter::once(interface.primary).chain(interface.secondary.iter().copied());
    let ipv4 = ipv4.map(|it| GuestAddress { address: it.into(), prefix_len: ipv4_len });
    let ipv6 = interface.ipv6.iter();
    let ipv6 = ipv6.map(|&it| GuestAddress { address: it.into(), prefix_len: ipv6_len });
    ipv4.chain(ipv6).collect()
}

/// An address without a subnet.
pub(crate) fn alone(address: IpAddr) -> GuestAddress {
    let prefix_len = match Family::of(address) {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    };
    GuestAddress { address, prefix_len }
}
