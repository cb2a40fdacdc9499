//! "Who is reached, and how."

use std::collections::BTreeSet;
use std::net::IpAddr;

use ringfence_cloud::{Hop, Place, Reach, Route, Unreachable, World};

use crate::text::{at, world};

const WORLD: &str = "
vpc a 172.16.0.0/16 192.0.2.0/24 2001:db8:a::/56
vpc b 10.1.0.0/16 2001:db8:b::/56
vpc twin 172.16.0.0/16 2001:db8:c::/56 fd00:c::/56
vswitch a1 a 172.16.1.0/24 2001:db8:a:1::/64
vswitch a2 a 172.16.2.0/24
vswitch b1 b 10.1.1.0/24 2001:db8:b:1::/64
vswitch t1 twin 172.16.1.0/24 2001:db8:c:1::/64
vswitch t2 twin 172.16.2.0/24 fd00:c:0:2::/64
cen cen-1 a b
on-premises office 192.168.0.0/16 a
on-premises plant 192.168.0.0/16 twin
eni web a1 172.16.1.10,172.16.1.11,172.16.1.32/28,2001:db8:a:1::10 public=47.96.10.1 ipv6_internet
eni db a1 172.16.1.20,2001:db8:a:1::20
eni app a2 172.16.2.10 public=47.96.10.2
eni far b1 10.1.1.10,2001:db8:b:1::10
eni twin-web t1 172.16.1.10,2001:db8:c:1::10 public=47.96.10.3 ipv6_internet
eni twin-db t1 172.16.1.20,2001:db8:c:1::20
eni twin-local t2 172.16.2.20,fd00:c:0:2::20 ipv6_internet
classic old 10.80.0.5 47.97.0.5
classic inner 10.80.0.7
outside visitor internet 203.0.113.7,2001:db8:ff::7
outside scanner internet 203.0.113.8
outside desk on-premises_office 192.168.1.5
outside machine on-premises_plant 192.168.1.6
outside dns intranet_of_a 100.100.2.136,47.100.0.1
outside pod intranet_of_a 172.16.1.77
outside classic-dns intranet_of_the_classic_network 100.100.2.136
";

/// `WHERE Path[ internet]: HOP, HOP[; from ADDRESS][; to ADDRESS]`
fn shown(world: &World, route: &Route) -> String {
    let hops: Vec<String> = route
        .hops
        .iter()
        .map(|&hop| match hop {
            Hop::VpcRouter(vpc) => format!("router {}", world.vpcs[vpc.as_usize()].id),
            Hop::Cen(cen) => world.cens[cen.as_usize()].id.clone(),
            Hop::InternetGateway => "gateway".to_owned(),
        })
        .collect();
    let mut shown = format!("{} {:?}", world.place_name(route.to), route.path);
    if route.reach == Reach::Internet {
        shown += " internet";
    }
    shown += &format!(": {}", hops.join(", "));
    if let Some(source) = route.source_becomes {
        shown += &format!("; from {source}");
    }
    if let Some(target) = route.target_becomes {
        shown += &format!("; to {target}");
    }
    shown
}

/// What a sender sends with, if the table leaves it open.
fn usual_source(world: &World, from: Place, target: IpAddr) -> IpAddr {
    let Place::Interface(index) = from else { return target };
    match target {
        IpAddr::V4(_) => world.interface(index).primary.into(),
        IpAddr::V6(_) => world.interface(index).ipv6.first().map_or(target, |&v6| v6.into()),
    }
}

/// Checks each row (sender or `sender/source`, target, what is found) and returns the classes met.
fn check(table: &[(&str, &str, &str)]) -> BTreeSet<String> {
    let world = world(WORLD);
    assert_eq!(world.check(), []);
    let mut met = BTreeSet::new();
    for &(sender, target, expected) in table {
        let target = target.parse().unwrap();
        let (from, source) = match sender.split_once(" as ") {
            Some((from, source)) => (at(&world, from), source.parse().unwrap()),
            None => (at(&world, sender), usual_source(&world, at(&world, sender), target)),
        };
        let found = match world.locate(from, source, target) {
            Ok(route) => {
                met.insert(format!("{:?}", route.path));
                shown(&world, &route)
            }
            Err(error) => {
                met.insert(format!("{error:?}"));
                format!("{error:?}")
            }
        };
        assert_eq!(found, expected, "{sender} to {target}");
    }
    met
}

fn classes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// "An address means what the sender's own network finds: its VPC, then joined VPCs and on-premises
/// prefixes, then the Internet." "The VPC router, the CEN and the Internet gateway each take one
/// from the TTL (same vSwitch: none)". "A private address that nobody owns is unreachable."
#[test]
fn a_vpc_interface_finds_what_its_own_network_finds() {
    let met = check(&[
        ("web", "172.16.1.20", "db SameVSwitch: "),
        ("web", "172.16.1.10", "web SameVSwitch: "),
        ("web", "172.16.1.40", "web SameVSwitch: "),
        ("db", "172.16.1.11", "web SameVSwitch: "),
        ("db", "172.16.1.47", "web SameVSwitch: "),
        ("web", "2001:db8:a:1::20", "db SameVSwitch: "),
        ("twin-db", "172.16.1.10", "twin-web SameVSwitch: "),
        ("web", "172.16.2.10", "app SameVpc: router a"),
        ("app", "172.16.1.10", "web SameVpc: router a"),
        ("app", "172.16.1.33", "web SameVpc: router a"),
        ("db as 9.9.9.9", "172.16.2.10", "app SameVpc: router a"),
        ("web", "10.1.1.10", "far JoinedVpc: router a, cen-1, router b"),
        ("far", "172.16.1.10", "web JoinedVpc: router b, cen-1, router a"),
        ("db", "2001:db8:b:1::10", "far JoinedVpc: router a, cen-1, router b"),
        ("twin-web", "10.1.1.10", "NobodyOwnsIt"),
        ("db", "192.168.1.5", "desk OnPremises: router a"),
        ("db", "192.168.1.6", "on-premises office OnPremises: router a"),
        ("twin-db", "192.168.1.6", "machine OnPremises: router twin"),
        ("far", "192.168.1.5", "NobodyOwnsIt"),
        ("db", "172.16.1.77", "pod Intranet: router a"),
        ("db", "100.100.2.136", "dns Intranet: router a"),
        ("db", "47.100.0.1", "dns Intranet: router a"),
        ("far", "100.100.2.136", "NobodyOwnsIt"),
        ("db", "100.100.100.200", "intranet of a Intranet: router a"),
        ("far", "100.100.100.200", "intranet of b Intranet: router b"),
        ("web", "100.104.0.1", "NobodyOwnsIt"),
        ("web", "172.16.1.99", "NobodyOwnsIt"),
        ("web", "172.16.1.253", "NobodyOwnsIt"),
        ("web", "192.0.2.1", "NobodyOwnsIt"),
        ("far", "192.0.2.1", "NobodyOwnsIt"),
        ("web", "10.1.9.9", "NobodyOwnsIt"),
        ("web", "10.80.0.5", "NobodyOwnsIt"),
        ("web", "172.31.0.1", "NobodyOwnsIt"),
        ("web", "169.254.1.1", "NobodyOwnsIt"),
        ("web", "255.255.255.255", "NobodyOwnsIt"),
        ("web", "2001:db8:a:9::1", "NobodyOwnsIt"),
        ("web", "2001:db8:b:9::1", "NobodyOwnsIt"),
        ("web", "fd00::1", "NobodyOwnsIt"),
        ("web", "fe80::1", "NobodyOwnsIt"),
        ("web", "::ffff:203.0.113.7", "NobodyOwnsIt"),
    ]);
    let all = ["SameVSwitch", "SameVpc", "JoinedVpc", "OnPremises", "Intranet", "NobodyOwnsIt"];
    assert_eq!(met, classes(&all));
}

/// "Without a public address there is no way to or from the Internet (because = unreachable); IPv6
/// needs `ipv6_internet: true` on the instance and is not mapped." "An instance that calls a
/// neighbour's public address leaves by the gateway: the neighbour sees the caller's public address
/// as source".
#[test]
fn a_vpc_interface_reaches_the_internet_by_its_public_address() {
    let met = check(&[
        ("web", "203.0.113.7", "visitor Internet internet: router a, gateway; from 47.96.10.1"),
        ("web", "198.51.100.1", "internet Internet internet: router a, gateway; from 47.96.10.1"),
        ("web as 172.16.1.11", "203.0.113.7", "SenderHasNoPublicAddress"),
        ("web as 172.16.1.33", "203.0.113.7", "SenderHasNoPublicAddress"),
        ("web as 9.9.9.9", "203.0.113.7", "SenderHasNoPublicAddress"),
        ("db", "203.0.113.7", "SenderHasNoPublicAddress"),
        ("db", "47.96.10.1", "SenderHasNoPublicAddress"),
        ("far", "47.100.0.1", "SenderHasNoPublicAddress"),
        (
            "app",
            "47.96.10.1",
            "web InternetHairpin internet: router a, gateway, router a; from 47.96.10.2; to \
             172.16.1.10",
        ),
        (
            "web",
            "47.96.10.1",
            "web InternetHairpin internet: router a, gateway, router a; from 47.96.10.1; to \
             172.16.1.10",
        ),
        (
            "web",
            "47.96.10.3",
            "twin-web InternetHairpin internet: router a, gateway, router twin; from 47.96.10.1; \
             to 172.16.1.10",
        ),
        (
            "web",
            "47.97.0.5",
            "old/public InternetHairpin internet: router a, gateway; from 47.96.10.1",
        ),
        ("web", "2001:db8:ff::7", "visitor Internet internet: router a, gateway"),
        ("web", "2001:db8:ff::9", "internet Internet internet: router a, gateway"),
        ("web as 2001:db8:ff::1", "2001:db8:ff::7", "SenderHasNoPublicAddress"),
        ("db", "2001:db8:ff::7", "SenderHasNoPublicAddress"),
        (
            "web",
            "2001:db8:c:1::10",
            "twin-web InternetHairpin internet: router a, gateway, router twin",
        ),
        (
            "web",
            "fd00:c:0:2::20",
            "twin-local InternetHairpin internet: router a, gateway, router twin",
        ),
        ("web", "2001:db8:c:1::20", "TargetHasNoPublicAddress"),
        ("db", "2001:db8:c:1::10", "SenderHasNoPublicAddress"),
        ("far", "2001:db8:c:1::10", "SenderHasNoPublicAddress"),
    ]);
    let all =
        ["Internet", "InternetHairpin", "SenderHasNoPublicAddress", "TargetHasNoPublicAddress"];
    assert_eq!(met, classes(&all));
}

/// "Two NICs: internal (InnerIpAddress) and public (PublicIpAddress)." "Internet ports and classic
/// NICs work alike."
#[test]
fn classic_nics_reach_their_own_side() {
    let met = check(&[
        ("old", "10.80.0.7", "inner ClassicInternal: "),
        ("old", "10.80.0.5", "old ClassicInternal: "),
        ("old", "100.100.2.136", "classic-dns Intranet: "),
        ("old", "100.100.100.200", "intranet of the classic network Intranet: "),
        ("old", "10.80.0.9", "NobodyOwnsIt"),
        ("old", "100.104.0.1", "NobodyOwnsIt"),
        ("old", "172.16.1.10", "NobodyOwnsIt"),
        ("old", "203.0.113.7", "NoWay"),
        ("old", "47.97.0.5", "NoWay"),
        ("old/public", "203.0.113.7", "visitor Internet internet: gateway"),
        ("old/public", "198.51.100.1", "internet Internet internet: gateway"),
        ("old/public as 9.9.9.9", "203.0.113.7", "SenderHasNoPublicAddress"),
        (
            "old/public",
            "47.96.10.1",
            "web InternetHairpin internet: gateway, router a; to 172.16.1.10",
        ),
        ("old/public", "47.97.0.5", "old/public InternetHairpin internet: gateway"),
        ("old/public", "10.80.0.7", "NobodyOwnsIt"),
        ("old/public", "172.16.1.10", "NobodyOwnsIt"),
        ("old/public", "100.100.100.200", "NobodyOwnsIt"),
        ("old/public", "2001:db8:ff::7", "SenderHasNoPublicAddress"),
    ]);
    let all = [
        "ClassicInternal",
        "Intranet",
        "Internet",
        "InternetHairpin",
        "NobodyOwnsIt",
        "NoWay",
        "SenderHasNoPublicAddress",
    ];
    assert_eq!(met, classes(&all));
}

/// "A public address is mapped one to one to a private one at the Internet gateway; groups see the
/// private side." "On-premises prefixes are reachable from VPCs that the scenario joins to them."
#[test]
fn hosts_outside_reach_what_their_edge_touches() {
    let met = check(&[
        ("visitor", "47.96.10.1", "web Internet internet: gateway, router a; to 172.16.1.10"),
        (
            "internet",
            "47.96.10.3",
            "twin-web Internet internet: gateway, router twin; to 172.16.1.10",
        ),
        ("visitor", "47.97.0.5", "old/public Internet internet: gateway"),
        ("visitor", "2001:db8:a:1::10", "web Internet internet: gateway, router a"),
        ("visitor", "fd00:c:0:2::20", "twin-local Internet internet: gateway, router twin"),
        ("visitor", "2001:db8:a:1::20", "TargetHasNoPublicAddress"),
        ("visitor", "203.0.113.8", "BothOutside"),
        ("visitor", "198.51.100.1", "BothOutside"),
        ("visitor", "2001:db8:ff::8", "BothOutside"),
        ("visitor", "172.16.1.10", "NobodyOwnsIt"),
        ("visitor", "192.168.1.5", "NobodyOwnsIt"),
        ("visitor", "100.100.100.200", "NobodyOwnsIt"),
        ("desk", "172.16.1.10", "web OnPremises: router a"),
        ("desk", "172.16.2.10", "app OnPremises: router a"),
        ("on-premises office", "172.16.1.33", "web OnPremises: router a"),
        ("machine", "172.16.1.10", "twin-web OnPremises: router twin"),
        ("desk", "172.16.1.99", "NobodyOwnsIt"),
        ("desk", "192.0.2.1", "NobodyOwnsIt"),
        ("desk", "10.1.1.10", "NobodyOwnsIt"),
        ("desk", "192.168.7.7", "BothOutside"),
        ("desk", "47.96.10.1", "NoWay"),
        ("desk", "203.0.113.7", "NoWay"),
        ("dns", "172.16.1.10", "web Intranet: router a"),
        ("intranet of a", "172.16.2.10", "app Intranet: router a"),
        ("intranet of twin", "172.16.1.10", "twin-web Intranet: router twin"),
        ("dns", "172.16.1.77", "BothOutside"),
        ("dns", "100.100.100.200", "BothOutside"),
        ("dns", "172.16.1.99", "NobodyOwnsIt"),
        ("dns", "10.1.1.10", "NobodyOwnsIt"),
        ("dns", "203.0.113.7", "NoWay"),
        ("classic-dns", "10.80.0.5", "old Intranet: "),
        ("intranet of the classic network", "10.80.0.7", "inner Intranet: "),
        ("classic-dns", "10.80.0.9", "NobodyOwnsIt"),
        ("classic-dns", "47.97.0.5", "NoWay"),
        ("public side of the classic network", "47.97.0.5", "NoWay"),
    ]);
    let all = [
        "Internet",
        "OnPremises",
        "Intranet",
        "TargetHasNoPublicAddress",
        "BothOutside",
        "NobodyOwnsIt",
        "NoWay",
    ];
    assert_eq!(met, classes(&all));
}

/// "its VPC, then joined VPCs": of several joined ones that own the address the first in the file,
/// by the first CEN that joins it, wherever the CENs stand. Only those of one CEN are apart.
#[test]
fn the_first_joined_vpc_that_owns_it_has_it() {
    let world = world(
        "
vpc a 10.0.0.0/16 fd00:a::/56
vpc b 10.1.0.0/16 10.9.0.0/16 fd00:b::/56
vpc c 10.1.0.0/16 fd00:c::/56
vpc d 10.0.0.0/16
vswitch a1 a 10.0.1.0/24
vswitch b1 b 10.1.1.0/24
vswitch b9 b 10.9.1.0/24 fd00:b::/64
vswitch c1 c 10.1.1.0/24 fd00:c::/64
vswitch d1 d 10.0.1.0/24
eni asks a1 10.0.1.10
eni in-b b1 10.1.1.10
eni in-c c1 10.1.1.10,fd00:c::10
eni only-c c1 10.1.1.11
eni in-b9 b9 10.9.1.10,10.9.1.64/28,fd00:b::10
eni in-d d1 10.0.1.20
cen to-c a c
cen twice b a b
cen again c a
",
    );
    assert_eq!(world.check(), []);
    let asks = at(&world, "asks");
    for (target, expected) in [
        ("10.1.1.10", "in-b JoinedVpc: router a, twice, router b"),
        ("10.1.1.11", "only-c JoinedVpc: router a, to-c, router c"),
        ("10.9.1.10", "in-b9 JoinedVpc: router a, twice, router b"),
        ("10.9.1.79", "in-b9 JoinedVpc: router a, twice, router b"),
        ("fd00:b::10", "in-b9 JoinedVpc: router a, twice, router b"),
        ("fd00:c::10", "in-c JoinedVpc: router a, to-c, router c"),
    ] {
        let route = world.locate(asks, [10, 0, 1, 10].into(), target.parse().unwrap());
        assert_eq!(shown(&world, &route.unwrap()), expected, "{target}");
    }
    for target in ["10.1.1.12", "10.9.1.80", "fd00:c::11", "10.0.1.20"] {
        let route = world.locate(asks, [10, 0, 1, 10].into(), target.parse().unwrap());
        assert_eq!(route, Err(Unreachable::NobodyOwnsIt), "{target}");
    }
}
