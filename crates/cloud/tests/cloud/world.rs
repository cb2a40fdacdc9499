//! Owners, neighbours, names, gateways, and which address a name means.

use std::net::IpAddr;

use ringfence_cloud::{InterfaceIndex, Network, Place, Reach, VpcIndex, World};
use ringfence_frame::Family;

use crate::text::{at, world};

const WORLD: &str = "
vpc a 172.16.0.0/16 2001:db8:a::/56
vpc b 10.1.0.0/16 2001:db8:b::/56
vpc twin 172.16.0.0/16
vswitch a1 a 172.16.1.0/24 2001:db8:a:1::/64
vswitch b1 b 10.1.1.0/24 2001:db8:b:1::/64
vswitch t1 twin 172.16.1.0/24
eni web a1 172.16.1.10,172.16.1.11,172.16.1.32/28,172.16.1.64/28,2001:db8:a:1::10,2001:db8:a:1:1::/80 public=47.96.10.1 ipv6_internet
eni db a1 172.16.1.20,172.16.1.48/28,2001:db8:a:1::20,2001:db8:a:1:2::/80
eni twin-web t1 172.16.1.10,172.16.1.40 public=47.96.10.3
eni far b1 10.1.1.10,2001:db8:b:1::10
classic old 10.80.0.5 47.97.0.5
classic inner 10.80.0.7
cen cen-2 b a
cen cen-1 a b
on-premises office 192.168.0.0/16 a
outside visitor internet 203.0.113.7
outside desk on-premises_office 192.168.1.5
outside dns intranet_of_a 100.100.2.136
outside classic-dns intranet_of_the_classic_network 100.100.2.136
";

fn name(world: &World, owner: Option<InterfaceIndex>) -> &str {
    owner.map_or("-", |owner| &world.interface(owner).name)
}

fn network(world: &World, name: &str) -> Network {
    let Place::Interface(index) = at(world, name) else { panic!("{name} is no interface") };
    world.interface(index).network
}

#[test]
fn owner_is_found_by_any_of_its_addresses_and_prefixes() {
    let world = world(WORLD);
    #[rustfmt::skip]
    let table = [
        // in whose network, address, owner
        ("web", "172.16.1.10", "web"),
        ("web", "172.16.1.11", "web"),
        ("web", "172.16.1.20", "db"),
        ("web", "172.16.1.31", "-"),
        ("web", "172.16.1.32", "web"),
        ("web", "172.16.1.47", "web"),
        ("web", "172.16.1.48", "db"),
        ("web", "172.16.1.63", "db"),
        ("web", "172.16.1.79", "web"),
        ("web", "172.16.1.80", "-"),
        ("web", "47.96.10.1", "-"),
        ("web", "2001:db8:a:1::10", "web"),
        ("web", "2001:db8:a:1:1:ffff:ffff:ffff", "web"),
        ("web", "2001:db8:a:1:2::", "db"),
        ("web", "2001:db8:a:1:3::", "-"),
        ("web", "10.1.1.10", "-"),
        ("twin-web", "172.16.1.10", "twin-web"),
        ("twin-web", "172.16.1.40", "twin-web"),
        ("twin-web", "172.16.1.20", "-"),
        ("far", "10.1.1.10", "far"),
        ("old", "10.80.0.5", "old"),
        ("old", "10.80.0.7", "inner"),
        ("old", "47.97.0.5", "-"),
        ("old/public", "47.97.0.5", "old/public"),
        ("old/public", "10.80.0.5", "-"),
    ];
    for (within, address, owner) in table {
        let found = world.owner(network(&world, within), address.parse().unwrap());
        assert_eq!(name(&world, found), owner, "{address} beside {within}");
    }
    assert_eq!(world.owner(Network::Vpc(VpcIndex(9)), "10.0.0.1".parse().unwrap()), None);
}

#[test]
fn owner_agrees_with_a_scan() {
    let world = world(WORLD);
    let base = u32::from_be_bytes([172, 16, 0, 0]);
    for address in (base..base + 1024).map(|bits| IpAddr::V4(bits.into())) {
        for vpc in [0, 1, 2].map(|i| Network::Vpc(VpcIndex(i))) {
            let scan =
                (0..).zip(&world.interfaces).find(|(_, it)| it.network == vpc && it.owns(address));
            let scan = scan.map(|(i, _)| InterfaceIndex(i));
            assert_eq!(world.owner(vpc, address), scan, "{address} in {vpc:?}");
        }
    }
}

/// "A public address is mapped one to one to a private one at the Internet gateway"; "IPv6 needs
/// `ipv6_internet: true` on the instance and is not mapped".
#[test]
fn owner_of_public_knows_mapped_classic_and_ipv6_addresses() {
    let world = world(WORLD);
    let table = [
        ("47.96.10.1", "web"),
        ("47.96.10.3", "twin-web"),
        ("47.97.0.5", "old/public"),
        ("2001:db8:a:1::10", "web"),
        ("2001:db8:a:1:1::7", "web"),
        ("2001:db8:a:1::20", "-"),
        ("2001:db8:a:1:2::7", "-"),
        ("2001:db8:b:1::10", "-"),
        ("172.16.1.10", "-"),
        ("10.80.0.5", "-"),
        ("47.96.10.2", "-"),
        ("203.0.113.7", "-"),
    ];
    for (address, owner) in table {
        let found = world.owner_of_public(address.parse().unwrap());
        assert_eq!(name(&world, found), owner, "{address}");
    }
}

#[test]
fn joined_vpcs_are_in_order_and_none_twice() {
    let world = world(
        "vpc a 10.0.0.0/16\nvpc b 10.1.0.0/16\nvpc c 10.2.0.0/16\nvpc d 10.3.0.0/16\n\
         cen one c a c\ncen two b a\ncen three a c",
    );
    let joined = |i| world.joined_vpcs(VpcIndex(i));
    assert_eq!(joined(0), [VpcIndex(1), VpcIndex(2)]);
    assert_eq!(joined(1), [VpcIndex(0)]);
    assert_eq!(joined(2), [VpcIndex(0)]);
    assert_eq!(joined(3), []);
    assert_eq!(joined(9), []);
}

#[test]
fn place_name_is_what_reports_print() {
    let world = world(WORLD);
    let names = [
        "web",
        "old/public",
        "visitor",
        "internet",
        "on-premises office",
        "intranet of a",
        "intranet of the classic network",
        "public side of the classic network",
    ];
    for name in names {
        assert_eq!(world.place_name(at(&world, name)), name);
    }
    assert_eq!(world.interface_named("nobody"), None);
    assert_eq!(world.outside_named("web"), None);
}

/// "The gateway is the third address from the end of the vSwitch (.253 in a /24)".
#[test]
fn gateway_is_the_third_address_from_the_end() {
    let table = [
        (
            "172.16.1.0/24 2001:db8:a:1::/64",
            "172.16.1.253",
            Some("2001:db8:a:1:ffff:ffff:ffff:fffd"),
        ),
        ("10.0.0.0/16", "10.0.255.253", None),
        ("192.168.0.16/29", "192.168.0.21", None),
        ("192.168.0.16/31 2001:db8::8/127", "192.168.0.16", Some("2001:db8::8")),
        ("192.168.0.16/32", "192.168.0.16", None),
        ("0.0.0.0/32", "0.0.0.0", None),
    ];
    for (cidrs, ipv4, ipv6) in table {
        let world = world(&format!("vpc a\nvswitch v a {cidrs}"));
        let vswitch = &world.vswitches[0];
        assert_eq!(vswitch.gateway().to_string(), ipv4, "{cidrs}");
        assert_eq!(vswitch.gateway_ipv6().map(|it| it.to_string()).as_deref(), ipv6, "{cidrs}");
    }
}

/// "An id as target means its private address if the sender is in the same VPC, in a VPC joined by
/// the CEN, or on the classic internal network; else its public address."
#[test]
fn an_id_means_the_private_address_inside_and_else_the_public_one() {
    let world = world(WORLD);
    use Family::{Ipv4, Ipv6};
    use Reach::{Internal, Internet};
    #[rustfmt::skip]
    let table = [
        // from, to, family, network, address
        ("web",             "web",        Ipv4, None,           "172.16.1.10"),
        ("db",              "web",        Ipv4, None,           "172.16.1.10"),
        ("db",              "web",        Ipv4, Some(Internet), "47.96.10.1"),
        ("far",             "web",        Ipv4, None,           "172.16.1.10"),
        ("twin-web",        "web",        Ipv4, None,           "47.96.10.1"),
        ("twin-web",        "web",        Ipv4, Some(Internal), "172.16.1.10"),
        ("twin-web",        "db",         Ipv4, None,           "-"),
        ("visitor",         "web",        Ipv4, None,           "47.96.10.1"),
        ("internet",        "web",        Ipv4, None,           "47.96.10.1"),
        ("desk",            "web",        Ipv4, None,           "172.16.1.10"),
        ("on-premises office", "web",     Ipv4, None,           "172.16.1.10"),
        ("desk",            "twin-web",   Ipv4, None,           "47.96.10.3"),
        ("desk",            "old",        Ipv4, None,           "47.97.0.5"),
        ("dns",             "web",        Ipv4, None,           "172.16.1.10"),
        ("intranet of twin", "web",       Ipv4, None,           "47.96.10.1"),
        ("old",             "inner",      Ipv4, None,           "10.80.0.7"),
        ("inner",           "old",        Ipv4, None,           "10.80.0.5"),
        ("inner",           "old",        Ipv4, Some(Internet), "47.97.0.5"),
        ("classic-dns",     "old",        Ipv4, None,           "10.80.0.5"),
        ("old/public",      "inner",      Ipv4, None,           "-"),
        ("old/public",      "old",        Ipv4, None,           "47.97.0.5"),
        ("old/public",      "old/public", Ipv4, None,           "47.97.0.5"),
        ("inner",           "old/public", Ipv4, None,           "47.97.0.5"),
        ("inner",           "old/public", Ipv4, Some(Internal), "-"),
        ("old",             "web",        Ipv4, None,           "47.96.10.1"),
        ("web",             "old",        Ipv4, None,           "47.97.0.5"),
        ("visitor",         "web",        Ipv6, None,           "2001:db8:a:1::10"),
        ("db",              "web",        Ipv6, Some(Internet), "2001:db8:a:1::10"),
        ("visitor",         "twin-web",   Ipv6, None,           "-"),
    ];
    for (from, to, family, network, address) in table {
        let target = world.interface_named(to).unwrap();
        let meant = world.address_meant(at(&world, from), target, family, network);
        let meant = meant.map_or("-".to_owned(), |meant| meant.to_string());
        assert_eq!(meant, address, "{to} to {from}, {family:?}, {network:?}");
    }
}
