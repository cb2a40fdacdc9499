//! Worlds as text, one thing a line, so that a table can hold them. The line is the origin.
//!
//! ```text
//! vpc ID CIDR...
//! vswitch ID VPC CIDR [IPV6-CIDR]
//! cen ID VPC...
//! on-premises ID CIDR,... VPC...
//! eni NAME VSWITCH ADDRESS,PREFIX,... [public=ADDRESS] [ipv6_internet] [mac=MAC]
//! classic NAME ADDRESS [PUBLIC-ADDRESS] [mac=MAC]
//! outside NAME PLACE ADDRESS,... [mac=MAC]    PLACE as `at` reads it, with `_` for a space
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use ringfence_cloud::{
    AccountIndex, Cen, Edge, Instance, InstanceIndex, Interface, InterfaceIndex, Network,
    OnPremises, OnPremisesIndex, Origin, OutsideHost, Place, VSwitch, VSwitchIndex, Vpc, VpcIndex,
    World,
};
use ringfence_frame::MacAddr;

pub fn world(text: &str) -> World {
    let mut world = World::default();
    for (line, words) in (1..).zip(text.trim().lines()) {
        let words: Vec<&str> = words.split_whitespace().collect();
        let origin = Origin { file: Arc::from("world"), line, column: 1, start: 0, len: 1 };
        add(&mut world, &words, origin);
    }
    world.index();
    world
}

/// A place by its name: a port's, or an edge's as `place_name` has it.
pub fn at(world: &World, name: &str) -> Place {
    let port = world.interface_named(name).map(Place::Interface);
    let port = port.or_else(|| world.outside_named(name).map(Place::Outside));
    let mut edges = vec![
        Edge::Internet,
        Edge::Intranet(Network::ClassicInternal),
        Edge::Intranet(Network::ClassicPublic),
    ];
    edges.extend((0..).zip(&world.vpcs).map(|(i, _)| Edge::Intranet(Network::Vpc(VpcIndex(i)))));
    let sites = (0..).zip(&world.on_premises);
    edges.extend(sites.map(|(i, _)| Edge::OnPremises(OnPremisesIndex(i))));
    let mut edges = edges.into_iter().map(Place::Edge);
    port.or_else(|| edges.find(|&edge| world.place_name(edge) == name))
        .unwrap_or_else(|| panic!("no place `{name}`"))
}

fn option<T: std::str::FromStr>(words: &[&str], name: &str) -> Option<T> {
    let value = words.iter().find_map(|word| word.strip_prefix(name));
    value.map(|value| value.parse().ok().unwrap())
}

fn list<T: std::str::FromStr>(words: &str) -> Vec<T> {
    words.split(',').map(|word| word.parse().ok().unwrap()).collect()
}

fn vpc_named(world: &World, id: &str) -> VpcIndex {
    VpcIndex(world.vpcs.iter().position(|vpc| vpc.id == id).unwrap().try_into().unwrap())
}

fn add(world: &mut World, words: &[&str], origin: Origin) {
    let id = words[1].to_owned();
    let vpcs = |ids: &[&str]| ids.iter().map(|id| vpc_named(world, id)).collect::<Vec<VpcIndex>>();
    match words[0] {
        "vpc" => {
            let cidrs = words[2..].iter().map(|cidr| cidr.parse().unwrap()).collect();
            world.vpcs.push(Vpc { id, account: AccountIndex(0), cidrs, origin });
        }
        "vswitch" => world.vswitches.push(VSwitch {
            id,
            vpc: vpc_named(world, words[2]),
            cidr: words[3].parse().unwrap(),
            ipv6_cidr: words.get(4).map(|cidr| cidr.parse().unwrap()),
            origin,
        }),
        "cen" => world.cens.push(Cen { id, vpcs: vpcs(&words[2..]), origin }),
        "on-premises" => {
            let (cidrs, vpcs) = (list(words[2]), vpcs(&words[3..]));
            world.on_premises.push(OnPremises { id, cidrs, vpcs, origin });
        }
        "eni" => add_eni(world, words, origin),
        "classic" => add_classic(world, words, origin),
        "outside" => world.outside.push(OutsideHost {
            name: id,
            edge: match at(world, &words[2].replace('_', " ")) {
                Place::Edge(edge) => edge,
                other => panic!("{other:?} is no edge"),
            },
            addresses: list(words[3]),
            mac: option(words, "mac=").unwrap_or(MacAddr([2, 0, 0, 0, 0, 1])),
            mtu: 1500,
            origin,
        }),
        other => panic!("what is a {other}?"),
    }
}

/// "An instance without a `mac` gets 00:16:3e and the last three octets of its primary IPv4
/// address."
fn interface(name: &str, network: Network, primary: Ipv4Addr, words: &[&str]) -> Interface {
    let [_, b, c, d] = primary.octets();
    Interface {
        name: name.to_owned(),
        instance: InstanceIndex(0),
        network,
        vswitch: None,
        mac: option(words, "mac=").unwrap_or(MacAddr([0x00, 0x16, 0x3e, b, c, d])),
        primary,
        secondary: vec![],
        ipv6: vec![],
        prefixes: vec![],
        public_ip: option(words, "public="),
        ipv6_internet: words.contains(&"ipv6_internet"),
        source_dest_check: true,
        groups: vec![],
        mtu: 1500,
        origin: Origin::nowhere(),
    }
}

fn add_eni(world: &mut World, words: &[&str], origin: Origin) {
    let vswitch = world.vswitches.iter().position(|vswitch| vswitch.id == words[2]).unwrap();
    let mut owned = words[3].split(',');
    let network = Network::Vpc(world.vswitches[vswitch].vpc);
    let mut eni = interface(words[1], network, owned.next().unwrap().parse().unwrap(), words);
    eni.vswitch = Some(VSwitchIndex(vswitch.try_into().unwrap()));
    for address in owned {
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => eni.secondary.push(v4),
            Ok(IpAddr::V6(v6)) => eni.ipv6.push(v6),
            Err(_) => eni.prefixes.push(address.parse::<IpNet>().unwrap()),
        }
    }
    add_instance(world, vec![eni], origin);
}

fn add_classic(world: &mut World, words: &[&str], origin: Origin) {
    let (name, primary) = (words[1], words[2].parse().unwrap());
    let mut nics = vec![interface(name, Network::ClassicInternal, primary, words)];
    if let Some(public) = words.get(3).and_then(|word| word.parse().ok()) {
        nics.push(interface(&format!("{name}/public"), Network::ClassicPublic, public, &[]));
    }
    add_instance(world, nics, origin);
}

fn add_instance(world: &mut World, interfaces: Vec<Interface>, origin: Origin) {
    let instance = InstanceIndex(world.instances.len().try_into().unwrap());
    let mut indexes = vec![];
    for interface in interfaces {
        indexes.push(InterfaceIndex(world.interfaces.len().try_into().unwrap()));
        world.interfaces.push(Interface { instance, origin: origin.clone(), ..interface });
    }
    let id = world.interface(indexes[0]).name.clone();
    let account = AccountIndex(0);
    world.instances.push(Instance { id, account, interfaces: indexes, origin });
}
