//! Answers come back the way that a packet went, or they do not.

use std::net::IpAddr;

use ringfence_cloud::{Hop, Path, Place, Route, World};

use crate::text::{at, world};

const WORLD: &str = "
vpc a 172.16.0.0/16 2001:db8:a::/56
vpc b 10.1.0.0/16
vpc twin 172.16.0.0/16
vswitch a1 a 172.16.1.0/24 2001:db8:a:1::/64
vswitch a2 a 172.16.2.0/24
vswitch b1 b 10.1.1.0/24
vswitch t1 twin 172.16.1.0/24
cen cen-1 a b
on-premises office 192.168.0.0/16 a b
eni web a1 172.16.1.10,172.16.1.11,172.16.1.32/28,2001:db8:a:1::10 public=47.96.10.1 ipv6_internet
eni db a1 172.16.1.20
eni app a2 172.16.2.10 public=47.96.10.2
eni far b1 10.1.1.10
eni twin-web t1 172.16.1.10 public=47.96.10.3
classic old 10.80.0.5 47.97.0.5
classic inner 10.80.0.7
outside visitor internet 203.0.113.7,2001:db8:ff::7
outside desk on-premises_office 192.168.1.5
outside dns intranet_of_a 100.100.2.136
outside classic-dns intranet_of_the_classic_network 100.100.2.136
";

/// The way of an answer that comes back, as (hops there, hops back).
fn hops(world: &World, from: &str, source: IpAddr, target: IpAddr) -> Option<(usize, usize)> {
    let from = at(world, from);
    let there = world.locate(from, source, target).unwrap();
    let back = world.is_symmetric(from, source, target, &there);
    assert_eq!(neighbor(world, from, source, target), inside(&there, back.as_ref()));
    let back = back?;
    mirrors(world, from, source, target, &there, &back);
    Some((there.hops.len(), back.hops.len()))
}

/// Who is reached in the sender's own VPC, and by how many routers, by the short question.
fn neighbor(world: &World, from: Place, source: IpAddr, target: IpAddr) -> Option<(Place, usize)> {
    let Place::Interface(from) = from else { return None };
    let (to, is_routed) = world.neighbor(from, source, target)?;
    Some((Place::Interface(to), usize::from(is_routed)))
}

/// The same by the ways there and back.
fn inside(there: &Route, back: Option<&Route>) -> Option<(Place, usize)> {
    let is_inside = |route: &Route| matches!(route.path, Path::SameVSwitch | Path::SameVpc);
    (is_inside(there) && is_inside(back?)).then_some((there.to, there.hops.len()))
}

/// What the answer to the answer meets is the way there.
fn mirrors(
    world: &World,
    from: Place,
    source: IpAddr,
    target: IpAddr,
    there: &Route,
    back: &Route,
) {
    assert_eq!(back.to, from);
    assert_eq!((back.path, back.reach), (there.path, there.reach));
    let seen_source = there.source_becomes.unwrap_or(source);
    let seen_target = there.target_becomes.unwrap_or(target);
    assert_eq!(back.source_becomes.unwrap_or(seen_target), target);
    assert_eq!(back.target_becomes.unwrap_or(seen_source), source);
    let again = world.is_symmetric(there.to, seen_target, seen_source, back);
    assert_eq!(again.as_ref(), Some(there));
    let reversed: Vec<Hop> = back.hops.iter().rev().copied().collect();
    assert_eq!(reversed, there.hops.to_vec());
}

#[test]
fn an_answer_comes_back_to_who_has_the_address() {
    let world = world(WORLD);
    assert_eq!(world.check(), []);
    let table = [
        // in a VPC: one vSwitch, two, any address of one's own
        ("web", "172.16.1.10", "172.16.1.20", Some((0, 0))),
        ("web", "172.16.1.10", "172.16.2.10", Some((1, 1))),
        ("web", "172.16.1.11", "172.16.2.10", Some((1, 1))),
        ("app", "172.16.2.10", "172.16.1.40", Some((1, 1))),
        ("web", "172.16.1.10", "172.16.1.11", Some((0, 0))),
        // joined VPCs
        ("web", "172.16.1.10", "10.1.1.10", Some((3, 3))),
        ("far", "10.1.1.10", "172.16.1.33", Some((3, 3))),
        // public addresses, to the Internet, from it, and between instances
        ("web", "172.16.1.10", "203.0.113.7", Some((2, 2))),
        ("web", "172.16.1.10", "198.51.100.1", Some((2, 2))),
        ("web", "2001:db8:a:1::10", "2001:db8:ff::7", Some((2, 2))),
        ("visitor", "203.0.113.7", "47.96.10.1", Some((2, 2))),
        ("internet", "198.51.100.1", "47.96.10.1", Some((2, 2))),
        ("visitor", "203.0.113.7", "47.97.0.5", Some((1, 1))),
        ("app", "172.16.2.10", "47.96.10.1", Some((3, 3))),
        ("web", "172.16.1.10", "47.96.10.1", Some((3, 3))),
        ("web", "172.16.1.10", "47.96.10.3", Some((3, 3))),
        ("web", "172.16.1.10", "47.97.0.5", Some((2, 2))),
        ("old/public", "47.97.0.5", "47.96.10.1", Some((2, 2))),
        ("old/public", "47.97.0.5", "203.0.113.7", Some((1, 1))),
        // classic, services, on premises
        ("old", "10.80.0.5", "10.80.0.7", Some((0, 0))),
        ("old", "10.80.0.5", "100.100.2.136", Some((0, 0))),
        ("web", "172.16.1.10", "100.100.2.136", Some((1, 1))),
        ("dns", "100.100.2.136", "172.16.1.10", Some((1, 1))),
        ("web", "172.16.1.10", "100.100.100.200", Some((1, 1))),
        ("db", "172.16.1.20", "192.168.1.5", Some((1, 1))),
        ("desk", "192.168.1.5", "10.1.1.10", Some((1, 1))),
        ("on-premises office", "192.168.7.7", "172.16.1.10", Some((1, 1))),
    ];
    for (from, source, target, expected) in table {
        let (source, target) = (source.parse().unwrap(), target.parse().unwrap());
        assert_eq!(hops(&world, from, source, target), expected, "{from}: {source} > {target}");
    }
}

/// Without source check an interface sends with addresses that it does not have; hosts outside
/// with any.
#[test]
fn an_answer_goes_to_the_owner_of_the_address_whoever_used_it() {
    let world = world(WORLD);
    let table = [
        ("db", "172.16.1.10", "172.16.2.10"),  // another interface's
        ("db", "172.16.1.99", "172.16.2.10"),  // nobody's
        ("db", "10.1.1.10", "172.16.2.10"),    // one in a joined VPC
        ("db", "203.0.113.7", "172.16.2.10"),  // one on the Internet
        ("web", "203.0.113.7", "172.16.1.20"), // and no public address to answer with
        ("web", "192.168.1.5", "172.16.2.10"), // one on premises
        ("dns", "203.0.113.7", "172.16.1.10"), // from inside, of outside
        ("intranet of a", "100.64.9.9", "172.16.1.10"), // nobody declared it
        ("desk", "203.0.113.7", "172.16.1.10"), // from premises, of the Internet
        ("internet", "203.0.113.7", "47.96.10.1"), // a named host's
        ("visitor", "203.0.113.8", "47.96.10.1"), // an unnamed one's
        ("internet", "172.16.1.20", "47.96.10.1"), // another interface's private one
        ("internet", "47.96.10.2", "47.96.10.1"), // another interface's public one
    ];
    for (from, source, target) in table {
        let (source, target) = (source.parse().unwrap(), target.parse().unwrap());
        assert_eq!(hops(&world, from, source, target), None, "{from}: {source} > {target}");
    }
}
