//! A small world: `web` and `app` in one vSwitch, `db` in another of the same VPC, `visitor` on the
//! Internet. Each instance has a basic group of its own, `sg-NAME`, with same-group Drop.

use std::net::IpAddr;
use std::time::Duration;

use ringfence_cloud::{
    AccountIndex, Edge, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex, Network,
    Origin, OutsideHost, OutsideIndex, Place, VSwitch, VSwitchIndex, Vpc, VpcIndex, World,
};
use ringfence_endpoints::application::Application;
use ringfence_endpoints::{Guest, GuestAddress, GuestConfig};
use ringfence_frame::{Direction, Instant, MacAddr, Protocol};
use ringfence_policy::{
    Action, Group, GroupKind, Nic, Object, PolicySet, PortRange, Ports, Priority, ProtocolMatch,
    Rule, SameGroup,
};
use ringfence_runtime::LinkConfig;
use ringfence_runtime::simulated::{RecordingOptions, Simulation};
use ringfence_switch::{Fabric, Switch, SwitchOptions};

pub const WEB: Place = Place::Interface(InterfaceIndex(0));
pub const APP: Place = Place::Interface(InterfaceIndex(1));
pub const DB: Place = Place::Interface(InterfaceIndex(2));
pub const VISITOR: Place = Place::Outside(OutsideIndex(0));
pub const SG_WEB: GroupIndex = GroupIndex(0);

/// An inbound rule that allows `protocol` to `ports` from everywhere.
pub fn allow(protocol: Protocol, ports: Option<(u16, u16)>, from: &str) -> Rule {
    Rule {
        id: String::new(),
        direction: Direction::Inbound,
        action: Action::Allow,
        priority: Priority::new(1).unwrap(),
        protocol: ProtocolMatch::Is(protocol),
        ports: match ports {
            Some((first, last)) => Ports::Range(PortRange::new(first, last).unwrap()),
            None => Ports::Any,
        },
        source_ports: Vec::new(),
        object: Object::Cidr(from.parse().unwrap()),
        own_addresses: Vec::new(),
        nic: Nic::Intranet,
        icmp: None,
        description: String::new(),
        origin: Origin::nowhere(),
    }
}

/// Everything inbound, both families.
pub fn allow_all() -> Vec<Rule> {
    ["0.0.0.0/0", "::/0"]
        .map(|from| Rule { protocol: ProtocolMatch::All, ..allow(Protocol::TCP, None, from) })
        .to_vec()
}

pub fn fabric(web_rules: Vec<Rule>, options: SwitchOptions) -> Fabric {
    crowded(web_rules, options, 0)
}

/// The world with so many instances more, in the group of `app`.
pub fn crowded(web_rules: Vec<Rule>, options: SwitchOptions, extra: u32) -> Fabric {
    let mut world = World::default();
    world.accounts = vec!["1600".to_owned()];
    let vpc = VpcIndex(0);
    world.vpcs = vec![Vpc {
        id: "vpc-shop".to_owned(),
        account: AccountIndex(0),
        cidrs: vec!["172.16.0.0/16".parse().unwrap(), "2001:db8:1::/56".parse().unwrap()],
        origin: Origin::nowhere(),
    }];
    let vswitch = |id: &str, cidr: &str, ipv6: Option<&str>| VSwitch {
        id: id.to_owned(),
        vpc,
        cidr: cidr.parse().unwrap(),
        ipv6_cidr: ipv6.map(|cidr| cidr.parse().unwrap()),
        origin: Origin::nowhere(),
    };
    world.vswitches = vec![
        vswitch("vsw-front", "172.16.1.0/24", Some("2001:db8:1:1::/64")),
        vswitch("vsw-back", "172.16.2.0/24", None),
        vswitch("vsw-extra", "172.16.96.0/20", None),
    ];
    add(&mut world, "web", 0, "172.16.1.10", Some("2001:db8:1:1::10"), Some("47.96.10.1"));
    add(&mut world, "app", 0, "172.16.1.11", Some("2001:db8:1:1::11"), None);
    add(&mut world, "db", 1, "172.16.2.20", None, None);
    for number in 0..extra {
        let primary = format!("172.16.{}.{}", 100 + number / 200, 1 + number % 200);
        add(&mut world, &format!("extra-{number}"), 2, &primary, None, None);
    }
    world.outside = vec![OutsideHost {
        name: "visitor".to_owned(),
        edge: Edge::Internet,
        addresses: vec!["203.0.113.7".parse().unwrap()],
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1_500,
        origin: Origin::nowhere(),
    }];
    let group = |id: &str, rules| Group {
        id: id.to_owned(),
        account: AccountIndex(0),
        network: Network::Vpc(vpc),
        kind: GroupKind::Basic,
        same_group: SameGroup::Drop,
        rules,
        origin: Origin::nowhere(),
    };
    let groups =
        vec![group("sg-web", web_rules), group("sg-app", Vec::new()), group("sg-db", Vec::new())];
    world.index();
    assert_eq!(world.check(), []);
    let timeouts = vec![Default::default(); world.interfaces.len()];
    Fabric { world, policies: PolicySet { groups, ..PolicySet::default() }, timeouts, options }
}

fn add(
    world: &mut World,
    name: &str,
    vswitch: u32,
    primary: &str,
    ipv6: Option<&str>,
    public_ip: Option<&str>,
) {
    let index = u32::try_from(world.interfaces.len()).unwrap();
    world.instances.push(Instance {
        id: name.to_owned(),
        account: AccountIndex(0),
        interfaces: vec![InterfaceIndex(index)],
        origin: Origin::nowhere(),
    });
    world.interfaces.push(Interface {
        name: name.to_owned(),
        instance: InstanceIndex(index),
        network: Network::Vpc(VpcIndex(0)),
        vswitch: Some(VSwitchIndex(vswitch)),
        mac: mac(index),
        primary: primary.parse().unwrap(),
        secondary: Vec::new(),
        ipv6: ipv6.map(|address| address.parse().unwrap()).into_iter().collect(),
        prefixes: Vec::new(),
        public_ip: public_ip.map(|address| address.parse().unwrap()),
        ipv6_internet: false,
        source_dest_check: true,
        groups: vec![GroupIndex(if index < 3 { index } else { 1 })],
        mtu: 1_500,
        origin: Origin::nowhere(),
    });
}

fn mac(index: u32) -> MacAddr {
    let [_, _, high, low] = (index + 1).to_be_bytes();
    MacAddr([0, 0x16, 0x3e, 0, high, low])
}

/// A guest everywhere; `web` and `db` serve everything.
pub fn simulation(fabric: Fabric, link: LinkConfig, seed: u64) -> Simulation {
    let world = fabric.world.clone();
    let recording = RecordingOptions { frames: true, events: true };
    let mut simulation = Simulation::new(Switch::new(fabric), seed, recording);
    for (index, interface) in (0..).zip(&world.interfaces) {
        let ipv6 = interface.ipv6.iter().map(|&address| (IpAddr::V6(address), 64));
        let addresses = std::iter::once((IpAddr::V4(interface.primary), 24)).chain(ipv6);
        let config = guest(&interface.name, interface.mac, addresses.collect(), index);
        let place = Place::Interface(InterfaceIndex(index));
        simulation.attach_guest(place, Guest::new(config, Instant::START), link);
    }
    let host = &world.outside[0];
    let addresses = host.addresses.iter().map(|&address| (address, 24)).collect();
    let config = guest(&host.name, host.mac, addresses, 100);
    simulation.attach_guest(VISITOR, Guest::new(config, Instant::START), link);
    simulation
}

fn guest(name: &str, mac: MacAddr, addresses: Vec<(IpAddr, u8)>, seed: u32) -> GuestConfig {
    let serves = match name {
        "web" | "db" => Application::ALL.map(|app| (app.port(), app)).to_vec(),
        _ => Vec::new(),
    };
    let gateway = |v4: bool| addresses.iter().find(|(address, _)| address.is_ipv4() == v4);
    let gateway_ipv4 = gateway(true).and_then(|(address, _)| match address {
        IpAddr::V4(own) => Some([own.octets()[0], own.octets()[1], own.octets()[2], 253].into()),
        IpAddr::V6(_) => None,
    });
    GuestConfig {
        name: name.to_owned(),
        mac,
        addresses: addresses
            .iter()
            .map(|&(address, prefix_len)| GuestAddress { address, prefix_len })
            .collect(),
        gateway_ipv4,
        gateway_ipv6: gateway(false).map(|_| "2001:db8:1:1::1".parse().unwrap()),
        mtu: 1_500,
        serves,
        seed: u64::from(seed),
    }
}

pub fn link_us(delay_us: u64) -> LinkConfig {
    LinkConfig { delay: Duration::from_micros(delay_us), ..LinkConfig::default() }
}
