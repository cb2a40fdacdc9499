//! Which guests of a scenario are real, and what is made for each: a network namespace, and a TAP device
//! for each of its ports. Owns what is made until it is dropped.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_cloud::{Network, Place, World};
use ringfence_endpoints::GuestConfig;
use ringfence_endpoints::tap::Tap;
use ringfence_frame::batch::SLOT_LEN;
use ringfence_host::{Attached, Card, HostError, Namespaces, Nic, NicAddress, NicRoute};
use ringfence_runtime::live::TapPort;
use ringfence_scenario::Scenario;
use ringfence_scenario::model::AttachedTo;

use crate::outcome::Failure;

/// A guest that is to be real.
pub(super) struct Real {
    /// The instance or host.
    pub(super) guest: String,
    pub(super) ports: Vec<RealPort>,
}

/// One of its ports.
pub(super) struct RealPort {
    pub(super) place: Place,
    pub(super) config: GuestConfig,
    device: String,
}

/// Guests that are simulated.
pub(super) type Simulated = Vec<(Place, GuestConfig)>;

/// Namespaces that go when this is dropped.
pub(super) struct Made {
    namespaces: Namespaces,
    names: Vec<String>,
}

/// What an Ethernet header takes of a slot.
const ETHERNET_LEN: usize = 14;

/// The guests that are to be real, by name, and those that are simulated.
pub(super) fn divide(
    scenario: &Scenario,
    all_by_tap: bool,
) -> Result<(Vec<Real>, Simulated), Failure> {
    let mut named: BTreeMap<Place, Option<String>> = BTreeMap::new();
    for attached in &scenario.attached {
        match &attached.to {
            AttachedTo::Tap(device) => named.insert(attached.place, Some(device.clone())),
            AttachedTo::Interface(_) => {
                let at = &attached.origin;
                return Err(Failure::Usage(format!(
                    "{at}: interfaces of the machine cannot be attached yet; attach a `tap`"
                )));
            }
        };
    }
    let mut real: BTreeMap<String, Vec<RealPort>> = BTreeMap::new();
    let mut simulated = Vec::new();
    for (place, config) in ringfence_scenario::guests(scenario, scenario.seed) {
        let device = named.get(&place).cloned();
        let Some(device) = device.or(all_by_tap.then_some(None)) else {
            simulated.push((place, config));
            continue;
        };
        if config.mtu + ETHERNET_LEN > SLOT_LEN {
            return Err(Failure::Usage(format!(
                "the link of `{}` has an MTU of {} bytes: frames of at most {SLOT_LEN} bytes go through a live fabric",
                config.name, config.mtu
            )));
        }
        let guest = config.name.split('/').next().unwrap_or_default().to_owned();
        let ports = real.entry(guest).or_default();
        let device = device.filter(|_| ports.is_empty());
        let device = device.unwrap_or_else(|| format!("eth{}", ports.len()));
        ports.push(RealPort { place, config, device });
    }
    let real = real.into_iter().map(|(guest, ports)| Real { guest, ports }).collect();
    Ok((real, simulated))
}

impl Made {
    pub(super) fn new(namespaces: Namespaces) -> Made {
        Made { namespaces, names: Vec::new() }
    }

    /// Makes a guest's namespace and devices, and sets them up.
    pub(super) fn make(
        &mut self,
        real: &Real,
        attached: &Attached,
        world: &World,
        with_addresses: bool,
    ) -> Result<Vec<(Place, TapPort)>, Failure> {
        self.namespaces.create(&attached.namespace)?;
        self.names.push(attached.namespace.clone());
        let made = self.namespaces.within(&attached.namespace, || {
            let open = |port: &RealPort| -> Result<(Place, TapPort), HostError> {
                let tap = Tap::open(&port.device).map_err(|error| HostError::Device {
                    device: port.device.clone(),
                    what: "make a TAP device",
                    error: error.to_string(),
                })?;
                nic(port, &real.ports, world, with_addresses).set_up()?;
                Ok((port.place, TapPort::new(tap)))
            };
            real.ports.iter().map(open).collect::<Result<Vec<_>, HostError>>()
        })?;
        Ok(made?)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in self.names.drain(..) {
            // whoever comes after finds what could not be removed by `clean`
            let _ = self.namespaces.delete(&name);
        }
    }
}

/// What is said of a guest.
pub(super) fn attached(fabric: &str, real: &Real) -> Attached {
    let card = |port: &RealPort| Card {
        port: port.config.name.clone(),
        device: port.device.clone(),
        addresses: port
            .config
            .addresses
            .iter()
            .map(|it| format!("{}/{}", it.address, it.prefix_len))
            .collect(),
    };
    Attached {
        guest: real.guest.clone(),
        namespace: format!("rf-{fabric}-{}", real.guest),
        cards: real.ports.iter().map(card).collect(),
    }
}

/// The card of a port, among all ports of its guest.
fn nic(port: &RealPort, all: &[RealPort], world: &World, with_addresses: bool) -> Nic {
    let GuestConfig { mac, addresses, gateway_ipv4, gateway_ipv6, mtu, .. } = &port.config;
    let mut nic = Nic {
        device: port.device.clone(),
        mac: mac.0,
        mtu: u32::try_from(*mtu).unwrap_or(u32::MAX),
        addresses: Vec::new(),
        routes: Vec::new(),
    };
    if !with_addresses {
        return nic;
    }
    let given = addresses.iter();
    nic.addresses =
        given.map(|it| NicAddress { address: it.address, prefix_len: it.prefix_len }).collect();
    let is_public = |port: &RealPort| network(port.place, world) == Some(Network::ClassicPublic);
    let gateways = [gateway_ipv4.map(IpAddr::V4), gateway_ipv6.map(IpAddr::V6)];
    let reached: &[NicAddress] = match all.iter().any(is_public) {
        // a classic instance reaches the Internet by its public NIC, and the rest by the other one
        true if is_public(port) => &EVERYWHERE,
        true => &CLASSIC_INTRANET,
        false if all.first().is_some_and(|first| first.place == port.place) => &EVERYWHERE,
        false => &[],
    };
    for gateway in gateways.into_iter().flatten() {
        let has_family = |it: &NicAddress| it.address.is_ipv6() == gateway.is_ipv6();
        if nic.addresses.iter().any(has_family) {
            let targets = reached.iter().filter(|it| has_family(it));
            nic.routes.extend(targets.map(|&target| NicRoute { target, gateway }));
        }
    }
    nic
}

const EVERYWHERE: [NicAddress; 2] = [
    NicAddress { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 0 },
    NicAddress { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix_len: 0 },
];
/// What a classic instance reaches by its private NIC.
const CLASSIC_INTRANET: [NicAddress; 2] = [
    NicAddress { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), prefix_len: 8 },
    NicAddress { address: IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), prefix_len: 10 },
];

fn network(place: Place, world: &World) -> Option<Network> {
    match place {
        Place::Interface(index) => Some(world.interface(index).network),
        Place::Outside(_) | Place::Edge(_) => None,
    }
}
