//! A question about one packet: who, to whom, what; and what that means in a world.
//!
//! Specification part 13, "Who is reached, and how".

use std::net::IpAddr;

use ringfence_cloud::{
    Edge, Instance, InterfaceIndex, Network, OnPremisesIndex, OutsideIndex, Place, Reach, VpcIndex,
    World,
};
use ringfence_frame::{Family, Protocol, Tuple};

use crate::diagnostic::suggestion;

/// Who is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Party {
    /// `ID`, `ID/eth1`; `ID/public` and `ID/private` say outright which address.
    Interface {
        /// Which.
        interface: InterfaceIndex,
        /// `Some(Internet)` for `/public`, `Some(Internal)` for `/private`.
        side: Option<Reach>,
    },
    /// An outside host.
    Outside(OutsideIndex),
    /// An address, in a network if written `vpc-id:address`.
    Address {
        /// The address.
        address: IpAddr,
        /// The network.
        network: Option<Network>,
    },
}

/// A question about one packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The sender.
    pub from: Party,
    /// The receiver.
    pub to: Party,
    /// Protocol.
    pub protocol: Protocol,
    /// Source port (TCP, UDP) or ICMP identifier.
    pub source_port: u16,
    /// Target port (TCP, UDP).
    pub target_port: u16,
    /// ICMP or ICMPv6 type and code.
    pub icmp: Option<(u8, u8)>,
    /// For ids: which of their addresses.
    pub family: Family,
    /// Picks the NIC in the classic network and the path in a VPC.
    pub network: Option<Reach>,
}

/// A probe made concrete: the packet, and the port that it comes in at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Where the packet comes in.
    pub port: Place,
    /// Its key as it comes in there.
    pub tuple: Tuple,
    /// ICMP or ICMPv6 type and code.
    pub icmp: Option<(u8, u8)>,
}

/// Why a probe means nothing in a world.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeError {
    /// No such id.
    #[error("`{name}` is no instance, interface or outside host of this scenario{suggestion}")]
    UnknownParty {
        /// What was written.
        name: String,
        /// `; did you mean ...`, or empty.
        suggestion: String,
    },
    /// An address that two own.
    #[error("{0} belongs to more than one interface; write vpc-id:address")]
    Ambiguous(IpAddr),
    /// The party has no address of that family, or no public one.
    #[error("`{name}` has no {what} address")]
    NoAddress {
        /// Who.
        name: String,
        /// `IPv6`, `public`, ...
        what: &'static str,
    },
    /// Two families in one packet.
    #[error("the sender's address is {0}, the receiver's is {1}: one packet has one family")]
    MixedFamilies(IpAddr, IpAddr),
    /// ICMP goes over IPv4 alone, ICMPv6 over IPv6 alone.
    #[error("a packet from {source_address} to {target} cannot be {protocol}; {} is meant", other_icmp(*.protocol))]
    FamilyOfIcmp {
        /// The sender's address.
        source_address: IpAddr,
        /// The receiver's.
        target: IpAddr,
        /// ICMP or ICMPv6.
        protocol: Protocol,
    },
    /// `vpc-id:address` as receiver, and the sender does not reach that network at that address.
    #[error(
        "{address} of {network} is not what the sender finds at that address: it finds {found}"
    )]
    FoundElsewhere {
        /// The address.
        address: IpAddr,
        /// The network that was named.
        network: String,
        /// Who is there in the sender's own network.
        found: String,
    },
    /// TCP and UDP need a target port.
    #[error("a {0} probe needs a target port")]
    NoTargetPort(Protocol),
    /// A line that is no probe, in words.
    #[error("{0}")]
    Unreadable(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl ProbeError {
    /// The code whose longer text `explain-code` prints.
    pub fn code(&self) -> &'static str {
        match self {
            ProbeError::UnknownParty { .. } => "RF0301",
            ProbeError::Ambiguous(_)
            | ProbeError::NoAddress { .. }
            | ProbeError::MixedFamilies(..)
            | ProbeError::FamilyOfIcmp { .. }
            | ProbeError::FoundElsewhere { .. }
            | ProbeError::Other(_) => "RF0303",
            ProbeError::NoTargetPort(_) => "RF0007",
            ProbeError::Unreadable(_) => "RF0008",
        }
    }
}

/// Reads a party as scripts and scenario files write it: a port name, `ID/public`, `ID/private`,
/// an address, `VPC-ID:address` (`classic:address` for the classic network).
///
/// # Errors
/// [`ProbeError::UnknownParty`] with a suggestion.
pub fn parse_party(world: &World, text: &str) -> Result<Party, ProbeError> {
    let text = text.trim();
    if let Some(interface) = world.interface_named(text) {
        return Ok(Party::Interface { interface, side: None });
    }
    if let Some(host) = world.outside_named(text) {
        return Ok(Party::Outside(host));
    }
    if let Ok(address) = text.parse() {
        return Ok(Party::Address { address, network: None });
    }
    if let Some((name, side)) = text.rsplit_once('/') {
        let side = match side {
            "public" => Some(Reach::Internet),
            "private" => Some(Reach::Internal),
            _ => None,
        };
        if let (Some(interface), Some(_)) = (world.interface_named(name), side) {
            return Ok(Party::Interface { interface, side });
        }
    }
    if let Some((name, address)) = text.split_once(':')
        && let Ok(address) = address.trim().parse()
        && let Some(network) = network_named(world, name)
    {
        return Ok(Party::Address { address, network: Some(network) });
    }
    Err(unknown_party(world, text))
}

fn network_named(world: &World, name: &str) -> Option<Network> {
    if let Some((index, _)) = (0..).zip(&world.vpcs).find(|(_, vpc)| vpc.id == name) {
        return Some(Network::Vpc(VpcIndex(index)));
    }
    (name == "classic").then_some(Network::ClassicInternal)
}

fn unknown_party(world: &World, text: &str) -> ProbeError {
    let interfaces = world.interfaces.iter().map(|it| it.name.as_str());
    let outside = world.outside.iter().map(|it| it.name.as_str());
    let near = suggestion(text, interfaces.chain(outside));
    ProbeError::UnknownParty {
        name: text.to_owned(),
        suggestion: near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default(),
    }
}

/// Reads both parties of a probe. The name of a cloud service, which is one host in each network,
/// means the one in the other party's network.
///
/// # Errors
/// For each party as [`parse_party`].
pub fn parse_parties(
    world: &World,
    from: &str,
    to: &str,
) -> (Result<Party, ProbeError>, Result<Party, ProbeError>) {
    let (sender, receiver) = (parse_party(world, from), parse_party(world, to));
    match (sender, receiver) {
        (Err(error), Ok(other)) => (service_beside(world, from, &other).ok_or(error), Ok(other)),
        (Ok(other), Err(error)) => {
            let service = service_beside(world, to, &other).ok_or(error);
            (Ok(other), service)
        }
        both => both,
    }
}

/// The cloud service called `name` in the network in which `other` is.
fn service_beside(world: &World, name: &str, other: &Party) -> Option<Party> {
    let network = network_of(world, other)?;
    let suffix = match network {
        Network::Vpc(vpc) => world.vpcs.get(vpc.as_usize())?.id.as_str(),
        Network::ClassicInternal | Network::ClassicPublic => "classic",
    };
    world.outside_named(&format!("{}@{suffix}", name.trim())).map(Party::Outside)
}

/// The network in which a party is, if it is in one.
fn network_of(world: &World, party: &Party) -> Option<Network> {
    let network = match *party {
        Party::Interface { interface, .. } => world.interface(interface).network,
        Party::Outside(host) => match world.outside.get(host.as_usize())?.edge {
            Edge::Intranet(network) => network,
            Edge::OnPremises(site) => {
                let site = world.on_premises.get(site.as_usize())?;
                Network::Vpc(*site.vpcs.first()?)
            }
            Edge::Internet => return None,
        },
        Party::Address { network: Some(network), .. } => network,
        Party::Address { address, network: None } => {
            let owner = match owners(world, address).as_slice() {
                [(Place::Interface(owner), _)] => *owner,
                _ => return None,
            };
            world.interface(owner).network
        }
    };
    Some(match network {
        Network::ClassicPublic => Network::ClassicInternal,
        network => network,
    })
}

/// Everybody who owns `address` somewhere, each with the source address with which packets of
/// `address` come in at its port.
fn owners(world: &World, address: IpAddr) -> Vec<(Place, IpAddr)> {
    let vpcs = (0..).zip(&world.vpcs).map(|(i, _)| Network::Vpc(VpcIndex(i)));
    let networks = vpcs.chain([Network::ClassicInternal]);
    let mut owners: Vec<(Place, IpAddr)> = networks
        .filter_map(|network| world.owner(network, address))
        .map(|owner| (Place::Interface(owner), address))
        .collect();
    if let Some(owner) = world.owner_of_public(address) {
        let interface = world.interface(owner);
        let source = match (interface.network, address) {
            (Network::Vpc(_), IpAddr::V4(_)) => IpAddr::V4(interface.primary),
            _ => address,
        };
        if !owners.contains(&(Place::Interface(owner), source)) {
            owners.push((Place::Interface(owner), source));
        }
    }
    owners.extend(hosts_with(world, address).map(|host| (Place::Outside(host), address)));
    owners
}

/// The named hosts that have `address`, at whatever edge.
fn hosts_with(world: &World, address: IpAddr) -> impl Iterator<Item = OutsideIndex> {
    let sites = (0..).zip(&world.on_premises);
    let sites = sites.map(|(i, _)| Edge::OnPremises(OnPremisesIndex(i)));
    let vpcs = (0..).zip(&world.vpcs).map(|(i, _)| Edge::Intranet(Network::Vpc(VpcIndex(i))));
    let edges = [Edge::Internet, Edge::Intranet(Network::ClassicInternal)].into_iter();
    edges.chain(sites).chain(vpcs).filter_map(move |edge| world.outside_at(edge, address))
}

/// Makes a probe concrete.
///
/// # Errors
/// Why it means nothing here.
pub fn resolve(world: &World, probe: &Probe) -> Result<Resolved, ProbeError> {
    let family = family(probe);
    let (port, source) = sender(world, probe, family)?;
    let target = receiver(world, probe, family, port, source)?;
    let (port, source, target) = through_classic_nic(world, probe, family, (port, source, target))?;
    if Family::of(source) != Family::of(target) {
        return Err(ProbeError::MixedFamilies(source, target));
    }
    let has_its_family = match probe.protocol {
        Protocol::ICMP => source.is_ipv4(),
        Protocol::ICMPV6 => source.is_ipv6(),
        _ => true,
    };
    if !has_its_family {
        let protocol = probe.protocol;
        return Err(ProbeError::FamilyOfIcmp { source_address: source, target, protocol });
    }
    if let Party::Address { network: Some(network), .. } = probe.to {
        found_in(world, (port, source, target), network)?;
    }
    let (source_port, target_port) = match (probe.protocol, probe.icmp) {
        (Protocol::TCP | Protocol::UDP, _) => (probe.source_port, probe.target_port),
        (Protocol::ICMP | Protocol::ICMPV6, Some((kind, _))) if is_query(probe.protocol, kind) => {
            (probe.source_port, probe.source_port)
        }
        _ => (0, 0),
    };
    let protocol = probe.protocol;
    let tuple = Tuple { source, target, protocol, source_port, target_port };
    Ok(Resolved { port, tuple, icmp: probe.icmp })
}

/// "`vpc-id:address` names an address in a given VPC", but a packet carries no VPC: unless it goes
/// there, or nowhere, it is not the packet that was meant.
fn found_in(
    world: &World,
    (port, source, target): (Place, IpAddr, IpAddr),
    network: Network,
) -> Result<(), ProbeError> {
    let Ok(route) = world.locate(port, source, target) else { return Ok(()) };
    let edge = match route.to {
        Place::Interface(index) => {
            if world.interface(index).network == network {
                return Ok(());
            }
            None
        }
        Place::Outside(host) => world.outside.get(host.as_usize()).map(|host| host.edge),
        Place::Edge(edge) => Some(edge),
    };
    let is_there = match (edge, network) {
        (Some(Edge::Intranet(there)), _) => there == network,
        (Some(Edge::OnPremises(site)), Network::Vpc(vpc)) => {
            world.on_premises.get(site.as_usize()).is_some_and(|site| site.vpcs.contains(&vpc))
        }
        _ => false,
    };
    match is_there {
        true => Ok(()),
        false => Err(ProbeError::FoundElsewhere {
            address: target,
            network: network_name(world, network),
            found: world.place_name(route.to),
        }),
    }
}

fn network_name(world: &World, network: Network) -> String {
    match network {
        Network::Vpc(vpc) => world.vpcs.get(vpc.as_usize()).map(|vpc| vpc.id.clone()),
        Network::ClassicInternal | Network::ClassicPublic => None,
    }
    .unwrap_or_else(|| "the classic network".to_owned())
}

fn other_icmp(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::ICMP => Protocol::ICMPV6,
        _ => Protocol::ICMP,
    }
}

/// Echo, timestamp, information and address mask, and IPv6 echo: those that carry an identifier.
fn is_query(protocol: Protocol, kind: u8) -> bool {
    match protocol {
        Protocol::ICMP => matches!(kind, 0 | 8 | 13..=18),
        _ => matches!(kind, 128 | 129),
    }
}

/// An address decides for both parties; else ICMPv6 does, else what the probe says.
fn family(probe: &Probe) -> Family {
    match (&probe.from, &probe.to) {
        (Party::Address { address, .. }, _) | (_, Party::Address { address, .. }) => {
            Family::of(*address)
        }
        _ if probe.protocol == Protocol::ICMPV6 => Family::Ipv6,
        _ => probe.family,
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

fn no_address(world: &World, place: Place, what: &'static str) -> ProbeError {
    ProbeError::NoAddress { name: world.place_name(place), what }
}

/// Where the packet comes in, and with which source. Of a classic instance the internal NIC, until
/// the target is known.
fn sender(world: &World, probe: &Probe, family: Family) -> Result<(Place, IpAddr), ProbeError> {
    match probe.from {
        Party::Interface { interface, .. } => {
            let place = Place::Interface(interface);
            Ok((place, own_address(world, interface, family)?))
        }
        Party::Outside(host) => {
            let place = Place::Outside(host);
            let address = host_address(world, host, family);
            Ok((place, address.ok_or_else(|| no_address(world, place, family_name(family)))?))
        }
        Party::Address { address, network } => sender_at(world, probe, address, network),
    }
}

fn own_address(
    world: &World,
    interface: InterfaceIndex,
    family: Family,
) -> Result<IpAddr, ProbeError> {
    let it = world.interface(interface);
    match family {
        Family::Ipv4 => Ok(IpAddr::V4(it.primary)),
        Family::Ipv6 => {
            let first = it.ipv6.first().copied().map(IpAddr::V6);
            first.ok_or_else(|| no_address(world, Place::Interface(interface), "IPv6"))
        }
    }
}

fn host_address(world: &World, host: OutsideIndex, family: Family) -> Option<IpAddr> {
    let addresses = &world.outside.get(host.as_usize())?.addresses;
    addresses.iter().copied().find(|&address| Family::of(address) == family)
}

/// "An address in a probe's `from` that nobody owns is an anonymous outside host; one that two own
/// is an error." A public address of an instance is that instance, which sends with its primary
/// private address.
fn sender_at(
    world: &World,
    probe: &Probe,
    address: IpAddr,
    network: Option<Network>,
) -> Result<(Place, IpAddr), ProbeError> {
    if let Some(network) = network {
        let place = match world.owner(network, address) {
            Some(owner) => Place::Interface(owner),
            None => match world.outside_at(Edge::Intranet(network), address) {
                Some(host) => Place::Outside(host),
                None => anonymous(world, probe, address, Some(network))?,
            },
        };
        return Ok((place, address));
    }
    let target = network_of(world, &probe.to);
    let owners = owners(world, address);
    // A cloud service is one host in each network: the one in the target's is meant.
    let beside = target.and_then(|network| world.outside_at(Edge::Intranet(network), address));
    match owners.as_slice() {
        [owner] => Ok(*owner),
        [] => Ok((anonymous(world, probe, address, None)?, address)),
        _ if owners.iter().all(|(place, _)| matches!(place, Place::Outside(_))) => {
            match beside.or_else(|| world.outside_at(Edge::Internet, address)) {
                Some(host) => Ok((Place::Outside(host), address)),
                None => Err(ProbeError::Ambiguous(address)),
            }
        }
        _ => Err(ProbeError::Ambiguous(address)),
    }
}

/// Where somebody without a name lives who has `address`.
fn anonymous(
    world: &World,
    probe: &Probe,
    address: IpAddr,
    network: Option<Network>,
) -> Result<Place, ProbeError> {
    let near = network.or_else(|| network_of(world, &probe.to));
    let holds =
        |site: &&ringfence_cloud::OnPremises| site.cidrs.iter().any(|cidr| cidr.contains(&address));
    let joined = |site: &&ringfence_cloud::OnPremises| match near {
        Some(Network::Vpc(vpc)) => site.vpcs.contains(&vpc),
        _ => false,
    };
    let sites = || (0..).zip(&world.on_premises).filter(|(_, site)| holds(site));
    let site = sites().find(|(_, site)| joined(site));
    let site = site.or_else(|| sites().next().filter(|_| network.is_none()));
    if let Some((site, _)) = site {
        return Ok(Place::Edge(Edge::OnPremises(OnPremisesIndex(site))));
    }
    let of_service = world.platform.service_ranges.iter().any(|range| range.contains(&address));
    let inside = network.is_some() || of_service || probe.network == Some(Reach::Internal);
    if !inside {
        return Ok(Place::Edge(Edge::Internet));
    }
    match near.or_else(|| only_network(world)) {
        Some(network) => Ok(Place::Edge(Edge::Intranet(network))),
        None => Err(ProbeError::Other(format!(
            "{address} is inside a network, and the target does not say in which; \
             write VPC-ID:address"
        ))),
    }
}

/// The network of a world that has but one.
fn only_network(world: &World) -> Option<Network> {
    let classic = world.interfaces.iter().any(|it| it.network == Network::ClassicInternal);
    match (world.vpcs.len(), classic) {
        (1, false) => Some(Network::Vpc(VpcIndex(0))),
        (0, true) => Some(Network::ClassicInternal),
        _ => None,
    }
}

/// The address to which the packet goes.
fn receiver(
    world: &World,
    probe: &Probe,
    family: Family,
    port: Place,
    source: IpAddr,
) -> Result<IpAddr, ProbeError> {
    match probe.to {
        Party::Address { address, .. } => Ok(address),
        Party::Outside(host) => host_address(world, host, family)
            .ok_or_else(|| no_address(world, Place::Outside(host), family_name(family))),
        Party::Interface { interface, side } => {
            // `ID/public` as sender goes out by the Internet gateway.
            let sent = match probe.from {
                Party::Interface { side, .. } => side,
                Party::Outside(_) | Party::Address { .. } => None,
            };
            let network = side.or(probe.network).or(sent);
            if let Some(address) = world.address_meant(port, interface, family, network) {
                return Ok(address);
            }
            let what = match (family, network) {
                (Family::Ipv6, _) => "IPv6",
                (Family::Ipv4, Some(Reach::Internal)) => "private",
                (Family::Ipv4, _) => "public",
            };
            // "Without a public address there is no way to or from the Internet (because =
            // unreachable)": a verdict, not an error, as long as nobody else is met instead.
            let private = IpAddr::V4(world.interface(interface).primary);
            let unreachable = world.locate(port, source, private).is_err();
            match what == "public" && unreachable {
                true => Ok(private),
                false => Err(no_address(world, Place::Interface(interface), what)),
            }
        }
    }
}

/// "In the classic network `network` picks the NIC": by default an internal target the internal
/// one, every other the public one.
fn through_classic_nic(
    world: &World,
    probe: &Probe,
    family: Family,
    (port, source, target): (Place, IpAddr, IpAddr),
) -> Result<(Place, IpAddr, IpAddr), ProbeError> {
    let Party::Interface { interface, side } = probe.from else {
        return Ok((port, source, target));
    };
    let it = world.interface(interface);
    if it.network != Network::ClassicInternal || family == Family::Ipv6 {
        return Ok((port, source, target));
    }
    let public = match side.or(probe.network) {
        Some(Reach::Internet) => true,
        Some(Reach::Internal) => false,
        None => !world.is_internal(target),
    };
    if !public {
        return Ok((port, source, target));
    }
    let instance = &world.instances[it.instance.as_usize()];
    match public_nic(world, instance) {
        Some(nic) => {
            let source = IpAddr::V4(world.interface(nic).primary);
            let port = Place::Interface(nic);
            let target = receiver(world, probe, family, port, source)?;
            Ok((port, source, target))
        }
        None if side.or(probe.network).is_some() => Err(no_address(world, port, "public")),
        None => Ok((port, source, target)),
    }
}

fn public_nic(world: &World, instance: &Instance) -> Option<InterfaceIndex> {
    let is_public =
        |nic: &&InterfaceIndex| world.interface(**nic).network == Network::ClassicPublic;
    instance.interfaces.iter().find(is_public).copied()
}
