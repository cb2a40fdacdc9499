//! Addresses of interfaces and of hosts outside: usable where they are, inside their vSwitch, not
//! the platform's, and nobody else's.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::collisions::{Claim, Collision, Home, collisions};
use super::{ProblemKind, Problems};
use crate::address::{is_private, never_a_host};
use crate::{Edge, Interface, Network, OnPremisesIndex, OutsideHost, VSwitch, VpcIndex, World};

pub(super) fn check(world: &World, problems: &mut Problems) {
    for interface in &world.interfaces {
        check_interface(world, problems, interface);
    }
    for host in &world.outside {
        check_outside(world, problems, host);
    }
    check_duplicates(world, problems);
}

fn check_interface(world: &World, problems: &mut Problems, interface: &Interface) {
    let Interface { name, origin, .. } = interface;
    let vswitch = interface.vswitch.and_then(|index| world.vswitches.get(index.as_usize()));
    for range in ranges_of(interface) {
        if let Some(kind) = never_a_host(range.network()) {
            let message = format!("the address {} of `{name}` is {kind}", shown(range));
            let help = "no interface can have it: take another";
            problems.add(ProblemKind::UnusableAddress, origin, message, help);
            continue;
        }
        match (interface.network, vswitch) {
            (Network::Vpc(_), Some(vswitch)) => {
                check_in_vswitch(problems, interface, vswitch, range);
            }
            (Network::Vpc(_), None) => {}
            (Network::ClassicInternal | Network::ClassicPublic, _) => {
                check_classic(world, problems, interface, range);
            }
        }
    }
    let Some(public) = interface.public_ip else {
        return;
    };
    let (message, help) = if !matches!(interface.network, Network::Vpc(_)) {
        let help = "in the classic network the public NIC has the public address";
        (format!("{public} is mapped to the classic NIC `{name}`"), help)
    } else if let Some(kind) = not_public(world, public.into()) {
        (format!("the public address {public} of `{name}` is {kind}"), PUBLIC_HELP)
    } else {
        return;
    };
    problems.add(ProblemKind::UnusableAddress, origin, message, help);
}

fn check_classic(world: &World, problems: &mut Problems, interface: &Interface, range: IpNet) {
    let (name, address) = (&interface.name, range.network());
    let shown = shown(range);
    let (message, help) = if address.is_ipv6() {
        let message = format!("`{name}` in the classic network has the IPv6 address {shown}");
        (message, "the classic network has no IPv6")
    } else if interface.network == Network::ClassicPublic {
        let Some(kind) = not_public(world, address) else {
            return;
        };
        (format!("the address {shown} of the public NIC `{name}` is {kind}"), PUBLIC_HELP)
    } else if !is_private(address) || world.is_platform(address) {
        let message =
            format!("the classic internal address {shown} of `{name}` is not a private one");
        (message, "take one such as 10.0.0.5")
    } else {
        return;
    };
    problems.add(ProblemKind::UnusableAddress, &interface.origin, message, help);
}

const PUBLIC_HELP: &str = "take one that the Internet carries, such as 47.96.10.1";

/// Why the Internet does not carry `address`.
fn not_public(world: &World, address: IpAddr) -> Option<&'static str> {
    let platform = world.is_platform(address).then_some("the platform's own");
    platform.or_else(|| never_a_host(address)).or_else(|| is_private(address).then_some("private"))
}

fn check_in_vswitch(
    problems: &mut Problems,
    interface: &Interface,
    vswitch: &VSwitch,
    range: IpNet,
) {
    let (name, id) = (&interface.name, &vswitch.id);
    let shown = shown(range);
    let home = match range {
        IpNet::V4(_) => Some(IpNet::V4(vswitch.cidr)),
        IpNet::V6(_) => vswitch.ipv6_cidr.map(IpNet::V6),
    };
    let Some(home) = home else {
        let message = format!("`{name}` has {shown}, but its vSwitch `{id}` has no IPv6 range");
        let help = format!("give `{id}` an IPv6 range that holds it");
        problems.add(ProblemKind::AddressOutsideVSwitch, &interface.origin, message, &help);
        return;
    };
    let help = match usable(home) {
        Some((first, last)) => format!("take one from {first} to {last}"),
        None => format!("{home} is too small for any instance"),
    };
    let (kind, message) = if !home.contains(&range) {
        let message = format!("{shown} of `{name}` is outside its vSwitch `{id}` ({home})");
        (ProblemKind::AddressOutsideVSwitch, message)
    } else if is_reserved(home, range) {
        let message = format!(
            "{shown} of `{name}` takes what the platform keeps in vSwitch `{id}` ({home}): the \
             first and the last three addresses"
        );
        (ProblemKind::ReservedAddress, message)
    } else {
        return;
    };
    problems.add(kind, &interface.origin, message, &help);
}

/// "The first and the last three are reserved." A delegated IPv6 prefix may cover them: nobody
/// counts the addresses of an IPv6 vSwitch, and its first /80 is the obvious one to delegate.
fn is_reserved(vswitch: IpNet, range: IpNet) -> bool {
    if matches!(range, IpNet::V6(prefix) if prefix.prefix_len() < 128) {
        return false;
    }
    let (first, last) = (bits(vswitch.network()), bits(vswitch.broadcast()));
    let taken = bits(range.network())..=bits(range.broadcast());
    [first, last, last.saturating_sub(1), last.saturating_sub(2)]
        .iter()
        .any(|it| taken.contains(it))
}

fn usable(vswitch: IpNet) -> Option<(IpAddr, IpAddr)> {
    let (first, last) = (bits(vswitch.network()), bits(vswitch.broadcast()));
    let (first, last) = (first.checked_add(1)?, last.checked_sub(3)?);
    let address = |bits: u128| match vswitch {
        IpNet::V4(_) => u32::try_from(bits).ok().map(|bits| IpAddr::V4(bits.into())),
        IpNet::V6(_) => Some(IpAddr::V6(Ipv6Addr::from_bits(bits))),
    };
    (first <= last).then_some((address(first)?, address(last)?))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn check_outside(world: &World, problems: &mut Problems, host: &OutsideHost) {
    let OutsideHost { name, origin, .. } = host;
    for &address in &host.addresses {
        let (what, help) = match host.edge {
            Edge::Intranet(_) if world.is_platform(address) => continue,
            Edge::Internet => match not_public(world, address) {
                Some(kind) => (format!("{kind}, but it lives on the Internet"), PUBLIC_HELP),
                None => continue,
            },
            Edge::Intranet(_) | Edge::OnPremises(_) if never_a_host(address).is_some() => {
                let kind = never_a_host(address).unwrap_or_default();
                (kind.to_owned(), "no host can have it: take another")
            }
            Edge::OnPremises(site) => match world.on_premises.get(site.as_usize()) {
                Some(site) if !site.cidrs.iter().any(|cidr| cidr.contains(&address)) => (
                    format!("outside the ranges of its on-premises network `{}`", site.id),
                    "take an address in its ranges, or add a range",
                ),
                _ => continue,
            },
            Edge::Intranet(_) => continue,
        };
        let message = format!("the address {address} of `{name}` is {what}");
        problems.add(ProblemKind::UnusableAddress, origin, message, help);
    }
}

/// Where an address means one port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    Vpc(VpcIndex),
    ClassicInternal,
    Internet,
    OnPremises(OnPremisesIndex),
}

impl Space {
    /// The addresses of classic public NICs are the Internet's.
    fn of(network: Network) -> Space {
        match network {
            Network::Vpc(vpc) => Space::Vpc(vpc),
            Network::ClassicInternal => Space::ClassicInternal,
            Network::ClassicPublic => Space::Internet,
        }
    }
}

fn check_duplicates(world: &World, problems: &mut Problems) {
    let interfaces = world.interfaces.iter().flat_map(claims_of_interface);
    let outside = world.outside.iter().flat_map(claims_of_outside);
    for Collision { first, second } in collisions(interfaces.chain(outside).collect()) {
        let (mine, others) = (shown(second.range), shown(first.range));
        let message = if first.range != second.range {
            format!("{mine} of `{}` overlaps {others} of `{}`", second.name, first.name)
        } else if first.name == second.name {
            format!("`{}` has {mine} twice", second.name)
        } else {
            format!("`{}` has {mine}, which is `{}`'s", second.name, first.name)
        };
        let help = "in one network an address means one port: take another";
        let places = (second.origin, first.origin);
        problems.add_pair(ProblemKind::DuplicateAddress, places, message, help);
    }
}

fn claims_of_interface(interface: &Interface) -> impl Iterator<Item = Claim<'_, Space>> {
    let Interface { name, origin, .. } = interface;
    let inside = Space::of(interface.network);
    let claim = move |space, range, home| Claim { space, range, home, name: name.as_str(), origin };
    let own = ranges_of(interface).map(move |range| claim(inside, range, None));
    let mapped = interface.public_ip.map(|ip| claim(Space::Internet, IpAddr::V4(ip).into(), None));
    // Two of one VPC that have one IPv6 address collide in the VPC already.
    let public_ipv6 = match interface.network {
        Network::Vpc(vpc) if interface.ipv6_internet => Some(Home::Vpc(vpc)),
        _ => None,
    };
    let ipv6 = public_ipv6.into_iter().flat_map(move |home| {
        let ipv6 = ranges_of(interface).filter(|range| range.addr().is_ipv6());
        ipv6.map(move |range| claim(Space::Internet, range, Some(home)))
    });
    own.chain(mapped).chain(ipv6)
}

fn claims_of_outside(host: &OutsideHost) -> impl Iterator<Item = Claim<'_, Space>> {
    let OutsideHost { name, origin, .. } = host;
    let space = match host.edge {
        Edge::Internet => Space::Internet,
        Edge::OnPremises(site) => Space::OnPremises(site),
        Edge::Intranet(network) => Space::of(network),
    };
    let ranges = host.addresses.iter().map(|&address| IpNet::from(address));
    ranges.map(move |range| Claim { space, range, home: None, name, origin })
}

/// What an interface owns inside its network, an address as a range of one.
fn ranges_of(interface: &Interface) -> impl Iterator<Item = IpNet> {
    let ipv4 = std::iter::once(interface.primary).chain(interface.secondary.iter().copied());
    let ipv6 = interface.ipv6.iter().copied().map(IpAddr::V6);
    let prefixes = interface.prefixes.iter().map(IpNet::trunc);
    ipv4.map(IpAddr::V4).chain(ipv6).map(IpNet::from).chain(prefixes)
}

/// A range of one as the address that it is.
fn shown(range: IpNet) -> String {
    match range.prefix_len() == range.max_prefix_len() {
        true => range.addr().to_string(),
        false => range.to_string(),
    }
}
