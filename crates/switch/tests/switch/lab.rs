//! A small world behind a switch, frames to send into it, and one `check` for what became of them.
//!
//! ```text
//! vpc-shop   172.16.0.0/16   vsw-front 172.16.1.0/24  web .10 (public 47.96.10.1, IPv6)
//!                                                     app .11 (IPv6, not on the Internet)
//!                            vsw-back  172.16.2.0/24  db  .20 (public 47.96.10.2)
//! vpc-office 10.1.0.0/16     vsw-desk  10.1.1.0/24    pc  .30          joined by a CEN
//! vpc-twin   172.16.0.0/16   vsw-twin  172.16.1.0/24  twin .10         joined to nothing
//! on premises 192.168.0.0/16, joined to vpc-shop      desk .0.5
//! classic                                             old 10.200.0.5, old/public 47.96.20.5
//!                                                     cold 10.200.0.6
//! Internet                                            visitor 203.0.113.7, 2001:db8:f::7
//! ```
//!
//! Each interface has a basic group of its own, `sg-NAME`, with same-group Drop.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ringfence_cloud::{
    AccountIndex, Cen, Edge, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex,
    Network, OnPremises, OnPremisesIndex, Origin, OutsideHost, Place, VSwitch, VSwitchIndex, Vpc,
    VpcIndex, World,
};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Body, Direction, Frame, Instant, Ip, MacAddr, Protocol, TcpFlags, parse};
use ringfence_policy::{
    Action, Group, GroupKind, Nic, Object, PolicySet, PortList, PortListIndex, PortRange, Ports,
    PrefixList, PrefixListIndex, Priority, ProtocolMatch, Rule, RuleRef, SameGroup,
};
use ringfence_session::Timeouts;
use ringfence_switch::{
    Because, Change, Delivery, Fabric, FrameId, Recording, Side, Switch, SwitchOptions, Verdict,
};

pub const GATEWAY: MacAddr = MacAddr([0xee, 0xff, 0xff, 0xff, 0xff, 0xff]);
pub const SYN: TcpFlags = TcpFlags::SYN;
pub const ACK: TcpFlags = TcpFlags::ACK;
pub const RST: TcpFlags = TcpFlags::RST;
pub const SYN_ACK: TcpFlags = TcpFlags::SYN.with(TcpFlags::ACK);

const SHOP: VpcIndex = VpcIndex(0);
const OFFICE: VpcIndex = VpcIndex(1);
const TWIN: VpcIndex = VpcIndex(2);

/// The switch, its clock, and what came of what was sent.
pub struct Lab {
    pub switch: Switch,
    pub now: Instant,
    pub observer: Recording,
    next: FrameId,
    verdicts: Vec<(FrameId, Verdict)>,
}

/// The fabric with these rules, each `GROUP in|out allow|forbid PRIORITY PROTOCOL PORTS OBJECT`.
pub fn fabric(rules: &[&str]) -> Fabric {
    let mut fabric = empty_fabric();
    for line in rules {
        let (group, rule) = line.split_once(' ').unwrap();
        let group = fabric.policies.group_named(group).unwrap();
        let rule = read_rule(&fabric.policies, rule);
        fabric.policies.groups[group.as_usize()].rules.push(rule);
    }
    fabric
}

/// A rule without its group.
pub fn read_rule(policies: &PolicySet, line: &str) -> Rule {
    let words: Vec<&str> = line.split(' ').collect();
    let [direction, action, priority, protocol, ports, object, nic @ ..] = words.as_slice() else {
        panic!("`{line}` is no rule");
    };
    let protocol = match *protocol {
        "all" => ProtocolMatch::All,
        "tcp" => ProtocolMatch::Is(Protocol::TCP),
        "udp" => ProtocolMatch::Is(Protocol::UDP),
        "icmp" => ProtocolMatch::Is(Protocol::ICMP),
        "icmpv6" => ProtocolMatch::Is(Protocol::ICMPV6),
        "gre" => ProtocolMatch::Is(Protocol::GRE),
        other => panic!("protocol {other}"),
    };
    let ports = match *ports {
        "-1/-1" => Ports::Any,
        "prl" => Ports::List(PortListIndex(0)),
        range => {
            let (first, last) = range.split_once('/').unwrap();
            Ports::Range(PortRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap())
        }
    };
    let object = match *object {
        "pl" => Object::PrefixList(PrefixListIndex(0)),
        group if group.starts_with("sg-") => Object::Group(policies.group_named(group).unwrap()),
        cidr => Object::Cidr(cidr.parse().unwrap()),
    };
    Rule {
        id: String::new(),
        direction: match *direction {
            "in" => Direction::Inbound,
            "out" => Direction::Outbound,
            other => panic!("direction {other}"),
        },
        action: match *action {
            "allow" => Action::Allow,
            "forbid" => Action::Forbid,
            other => panic!("action {other}"),
        },
        priority: Priority::new(priority.parse().unwrap()).unwrap(),
        protocol,
        ports,
        source_ports: Vec::new(),
        object,
        own_addresses: Vec::new(),
        nic: if nic == ["internet"] { Nic::Internet } else { Nic::Intranet },
        icmp: None,
        description: String::new(),
        origin: Origin::nowhere(),
    }
}

impl Lab {
    pub fn new(rules: &[&str]) -> Lab {
        Lab::of(fabric(rules))
    }

    pub fn of(fabric: Fabric) -> Lab {
        assert_eq!(fabric.world.check(), [], "the lab's world is a valid one");
        Lab {
            switch: Switch::new(fabric),
            now: Instant::from_ms(1_000),
            observer: Recording::default(),
            next: 1,
            verdicts: Vec::new(),
        }
    }

    pub fn wait_ms(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    pub fn port(&self, name: &str) -> Place {
        let world = &self.switch.fabric().world;
        let interface = world.interface_named(name).map(Place::Interface);
        let outside = || world.outside_named(name).map(Place::Outside);
        let edge = || match name {
            "internet" => Some(Place::Edge(Edge::Internet)),
            "premises" => Some(Place::Edge(Edge::OnPremises(OnPremisesIndex(0)))),
            "services" => Some(Place::Edge(Edge::Intranet(Network::Vpc(SHOP)))),
            _ => None,
        };
        interface.or_else(outside).or_else(edge).unwrap()
    }

    pub fn interface(&self, name: &str) -> InterfaceIndex {
        self.switch.fabric().world.interface_named(name).unwrap()
    }

    pub fn group(&self, id: &str) -> GroupIndex {
        self.switch.fabric().policies.group_named(id).unwrap()
    }

    pub fn mac(&self, port: &str) -> MacAddr {
        let world = &self.switch.fabric().world;
        match self.port(port) {
            Place::Interface(index) => world.interface(index).mac,
            Place::Outside(index) => world.outside[index.as_usize()].mac,
            Place::Edge(_) => MacAddr([2, 0, 0, 0, 0, 1]),
        }
    }

    /// The first address of a port, in the family of `target`; anybody's at an edge.
    pub fn address(&self, port: &str, target: IpAddr) -> IpAddr {
        let world = &self.switch.fabric().world;
        let own: Vec<IpAddr> = match self.port(port) {
            Place::Interface(index) => {
                let interface = world.interface(index);
                let ipv6 = interface.ipv6.iter().map(|&address| IpAddr::V6(address));
                std::iter::once(interface.primary.into()).chain(ipv6).collect()
            }
            Place::Outside(index) => world.outside[index.as_usize()].addresses.clone(),
            Place::Edge(Edge::OnPremises(_)) => vec!["192.168.7.7".parse().unwrap()],
            Place::Edge(Edge::Intranet(_)) => vec!["100.100.100.200".parse().unwrap()],
            Place::Edge(Edge::Internet) => {
                vec!["198.51.100.9".parse().unwrap(), "2001:db8:f::9".parse().unwrap()]
            }
        };
        own.into_iter().find(|address| address.is_ipv4() == target.is_ipv4()).unwrap()
    }

    pub fn envelope(&self, from: &str, target: &str) -> Envelope {
        let target: IpAddr = target.parse().unwrap();
        Envelope {
            source_mac: self.mac(from),
            target_mac: GATEWAY,
            source: self.address(from, target),
            target,
            ttl: 64,
        }
    }

    pub fn tcp(&self, from: &str, target: &str, ports: (u16, u16), flags: TcpFlags) -> Vec<u8> {
        tcp(&self.envelope(from, target), ports, flags)
    }

    pub fn udp(&self, from: &str, target: &str, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        build::udp(&self.envelope(from, target), ports.0, ports.1, payload)
    }

    /// An echo request, or the reply to one.
    pub fn ping(&self, from: &str, target: &str, identifier: u16, reply: bool) -> Vec<u8> {
        let envelope = self.envelope(from, target);
        let icmp_type = match (envelope.target, reply) {
            (IpAddr::V4(_), false) => 8,
            (IpAddr::V4(_), true) => 0,
            (IpAddr::V6(_), false) => 128,
            (IpAddr::V6(_), true) => 129,
        };
        let [high, low] = identifier.to_be_bytes();
        build::icmp(&envelope, icmp_type, 0, [high, low, 0, 1], b"ping")
    }

    /// Hands a frame in; gives the verdicts that it brought about, with their frames' numbers.
    pub fn send(&mut self, port: &str, bytes: &[u8]) -> Vec<(FrameId, Verdict)> {
        let port = self.port(port);
        let id = self.next;
        self.next += 1;
        let Lab { switch, now, observer, verdicts, .. } = self;
        switch.handle_frame(port, id, bytes, *now, observer, verdicts);
        std::mem::take(verdicts)
    }

    pub fn expire(&mut self) -> Vec<(FrameId, Verdict)> {
        let Lab { switch, now, observer, verdicts, .. } = self;
        switch.expire(*now, observer, verdicts);
        std::mem::take(verdicts)
    }

    /// Sends a frame and compares what became of it, as [`Lab::tell`] says it; `held` if there is
    /// no verdict.
    #[track_caller]
    pub fn check(&mut self, port: &str, bytes: &[u8], expected: &str) {
        let told: Vec<String> =
            self.send(port, bytes).iter().map(|(_, verdict)| self.tell(verdict)).collect();
        let told = if told.is_empty() { "held".to_owned() } else { told.join("; ") };
        assert_eq!(told, expected, "from {port}");
    }

    /// Sends a frame that is to be delivered, checks it, and gives what came out (one frame).
    #[track_caller]
    pub fn deliver(&mut self, port: &str, bytes: &[u8], expected: &str) -> Delivery {
        self.check(port, bytes, expected);
        let delivery = self.switch.pull().expect("something came out");
        assert_eq!(self.switch.pull(), None, "only one frame came out");
        delivery
    }

    /// `allow STAGE BECAUSE, out ..., in ..., cut ...`, each side with its session if it has one.
    pub fn tell(&self, verdict: &Verdict) -> String {
        let Verdict {
            allowed,
            because,
            stage,
            tuple: _,
            to: _,
            outbound,
            inbound,
            sessions_cut,
            epoch: _,
        } = verdict;
        let mut told =
            format!("{} {} {}", word(*allowed), stage.name(), self.tell_because(*because));
        for (name, side) in [("out", outbound), ("in", inbound)] {
            if let Some(Side { interface: _, allowed, because, session }) = side {
                let because = self.tell_because(*because);
                write!(told, ", {name} {} {because}", word(*allowed)).unwrap();
                if let Some(session) = session {
                    write!(told, " #{}", session.0).unwrap();
                }
            }
        }
        for session in sessions_cut {
            write!(told, ", cut #{}", session.0).unwrap();
        }
        told
    }

    fn tell_because(&self, because: Because) -> String {
        let policies = &self.switch.fabric().policies;
        match because {
            Because::Rule(RuleRef { group, rule }) => {
                format!("{}/{}", policies.group(group).id, rule + 1)
            }
            Because::SameGroup(group) => format!("same-group {}", policies.group(group).id),
            Because::Malformed(what) => format!("malformed {}", what.name()),
            Because::Unreachable(why) => format!("unreachable ({why})"),
            other => other.name().to_owned(),
        }
    }

    /// Everything counted, one thing a line, zeros left out.
    pub fn counters(&self) -> String {
        let counters = self.switch.counters();
        let world = &self.switch.fabric().world;
        let mut told = String::new();
        let map = |map: &std::collections::BTreeMap<&str, u64>| {
            map.iter().map(|(name, count)| format!(" {name}={count}")).collect::<String>()
        };
        for (place, port) in &counters.ports {
            writeln!(
                told,
                "{}: in {} ({} B) out {} ({} B) errors {}{}{}",
                world.place_name(*place),
                port.frames_in,
                port.bytes_in,
                port.frames_out,
                port.bytes_out,
                port.icmp_errors,
                map(&port.dropped),
                map(&port.answered),
            )
            .unwrap();
        }
        for (interface, counted) in &counters.interfaces {
            writeln!(
                told,
                "{} sessions: opened {} cut {} hits {}{}",
                world.interface(*interface).name,
                counted.sessions_opened,
                counted.sessions_cut,
                counted.session_hits,
                map(&counted.implicit),
            )
            .unwrap();
        }
        for (rule, count) in &counters.rules {
            writeln!(told, "{}: {count}", self.tell_because(Because::Rule(*rule))).unwrap();
        }
        told
    }

    /// "every frame in is counted exactly once": delivered, answered, dropped, or waiting.
    #[track_caller]
    pub fn check_sum(&self, delivered: u64, waiting: u64) {
        let counters = self.switch.counters();
        let (taken, ended) = counters.ports.values().fold((0, 0), |(taken, ended), port| {
            let dropped: u64 = port.dropped.values().sum();
            let answered: u64 = port.answered.values().sum();
            (taken + port.frames_in, ended + dropped + answered)
        });
        assert_eq!(taken, ended + delivered + waiting, "{}", self.counters());
    }

    pub fn set_rules(&mut self, group: &str, rules: &[&str]) {
        let policies = &self.switch.fabric().policies;
        let rules = rules.iter().map(|rule| read_rule(policies, rule)).collect();
        self.switch.apply(Change::Rules(self.group(group), rules), self.now);
    }

    pub fn set_members(&mut self, interface: &str, groups: &[&str]) {
        let groups = groups.iter().map(|id| self.group(id)).collect();
        self.switch.apply(Change::Members(self.interface(interface), groups), self.now);
    }
}

fn word(allowed: bool) -> &'static str {
    if allowed { "allow" } else { "deny" }
}

pub fn tcp(
    envelope: &Envelope,
    (source_port, target_port): (u16, u16),
    flags: TcpFlags,
) -> Vec<u8> {
    let fields = TcpFields {
        source_port,
        target_port,
        sequence: 1_000,
        acknowledgement: if flags.contains(ACK) { 1_001 } else { 0 },
        flags,
        window: 64_000,
        window_scale: None,
    };
    build::tcp(envelope, &fields, b"")
}

/// A built frame, read back.
#[track_caller]
pub fn read(bytes: &[u8]) -> (Frame, Ip) {
    let frame = parse(bytes).unwrap();
    match frame.body {
        Body::Ip(ip) => (frame, ip),
        other => panic!("no IP packet: {other:?}"),
    }
}

fn empty_fabric() -> Fabric {
    let mut world = World::default();
    world.accounts = vec!["1600".to_owned()];
    add_networks(&mut world);
    add_instances(&mut world);
    add_outside(&mut world);
    let names = world.interfaces.iter().map(|interface| interface.name.clone());
    let ids = names.map(|name| format!("sg-{name}")).chain(["sg-peers".to_owned()]);
    let networks = world.interfaces.iter().map(|interface| match interface.network {
        Network::ClassicPublic => Network::ClassicInternal,
        network => network,
    });
    let networks = networks.chain([Network::Vpc(SHOP)]);
    let groups = ids.zip(networks).map(|(id, network)| Group {
        same_group: if id == "sg-peers" { SameGroup::Accept } else { SameGroup::Drop },
        id,
        account: AccountIndex(0),
        network,
        kind: GroupKind::Basic,
        rules: Vec::new(),
        origin: Origin::nowhere(),
    });
    let policies = PolicySet {
        groups: groups.collect(),
        prefix_lists: vec![PrefixList {
            id: "pl-1".to_owned(),
            max_entries: 10,
            entries: vec!["203.0.113.0/24".parse().unwrap()],
            origin: Origin::nowhere(),
        }],
        port_lists: vec![PortList {
            id: "prl-1".to_owned(),
            max_entries: 10,
            entries: vec![PortRange::new(80, 80).unwrap()],
            origin: Origin::nowhere(),
        }],
        ..PolicySet::default()
    };
    world.index();
    let timeouts = vec![Timeouts::default(); world.interfaces.len()];
    Fabric { world, policies, timeouts, options: SwitchOptions::default() }
}

fn add_networks(world: &mut World) {
    let vpc = |id: &str, cidrs: &[&str]| Vpc {
        id: id.to_owned(),
        account: AccountIndex(0),
        cidrs: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        origin: Origin::nowhere(),
    };
    world.vpcs = vec![
        vpc("vpc-shop", &["172.16.0.0/16", "2001:db8:1::/56"]),
        vpc("vpc-office", &["10.1.0.0/16"]),
        vpc("vpc-twin", &["172.16.0.0/16"]),
    ];
    let vswitch = |id: &str, vpc, cidr: &str, ipv6: Option<&str>| VSwitch {
        id: id.to_owned(),
        vpc,
        cidr: cidr.parse().unwrap(),
        ipv6_cidr: ipv6.map(|cidr| cidr.parse().unwrap()),
        origin: Origin::nowhere(),
    };
    world.vswitches = vec![
        vswitch("vsw-front", SHOP, "172.16.1.0/24", Some("2001:db8:1:1::/64")),
        vswitch("vsw-back", SHOP, "172.16.2.0/24", None),
        vswitch("vsw-desk", OFFICE, "10.1.1.0/24", None),
        vswitch("vsw-twin", TWIN, "172.16.1.0/24", None),
    ];
    world.cens =
        vec![Cen { id: "cen-1".to_owned(), vpcs: vec![SHOP, OFFICE], origin: Origin::nowhere() }];
    world.on_premises = vec![OnPremises {
        id: "premises".to_owned(),
        cidrs: vec!["192.168.0.0/16".parse().unwrap()],
        vpcs: vec![SHOP],
        origin: Origin::nowhere(),
    }];
}

fn add_instances(world: &mut World) {
    let vpc = |vpc, vswitch| (Network::Vpc(vpc), Some(VSwitchIndex(vswitch)));
    add_interface(world, "web", vpc(SHOP, 0), "172.16.1.10", Some("47.96.10.1"));
    add_interface(world, "app", vpc(SHOP, 0), "172.16.1.11", None);
    add_interface(world, "db", vpc(SHOP, 1), "172.16.2.20", Some("47.96.10.2"));
    add_interface(world, "pc", vpc(OFFICE, 2), "10.1.1.30", None);
    add_interface(world, "twin", vpc(TWIN, 3), "172.16.1.10", None);
    add_interface(world, "old", (Network::ClassicInternal, None), "10.200.0.5", None);
    add_interface(world, "old/public", (Network::ClassicPublic, None), "47.96.20.5", None);
    add_interface(world, "cold", (Network::ClassicInternal, None), "10.200.0.6", None);
    world.interfaces[0].ipv6 = vec!["2001:db8:1:1::10".parse().unwrap()];
    world.interfaces[0].ipv6_internet = true;
    world.interfaces[0].secondary = vec![Ipv4Addr::new(172, 16, 1, 110)];
    world.interfaces[0].prefixes = vec!["172.16.1.128/28".parse().unwrap()];
    world.interfaces[1].ipv6 = vec!["2001:db8:1:1::11".parse().unwrap()];
}

fn add_interface(
    world: &mut World,
    name: &str,
    (network, vswitch): (Network, Option<VSwitchIndex>),
    primary: &str,
    public_ip: Option<&str>,
) {
    let index = u32::try_from(world.interfaces.len()).unwrap();
    let instance = match name.split_once('/') {
        Some((instance, _)) => {
            let place = world.instances.iter().position(|other| other.id == instance).unwrap();
            world.instances[place].interfaces.push(InterfaceIndex(index));
            InstanceIndex(u32::try_from(place).unwrap())
        }
        None => {
            world.instances.push(Instance {
                id: name.to_owned(),
                account: AccountIndex(0),
                interfaces: vec![InterfaceIndex(index)],
                origin: Origin::nowhere(),
            });
            InstanceIndex(u32::try_from(world.instances.len() - 1).unwrap())
        }
    };
    world.interfaces.push(Interface {
        name: name.to_owned(),
        instance,
        network,
        vswitch,
        mac: MacAddr([0, 0x16, 0x3e, 0, 0, u8::try_from(index + 1).unwrap()]),
        primary: primary.parse().unwrap(),
        secondary: Vec::new(),
        ipv6: Vec::<Ipv6Addr>::new(),
        prefixes: Vec::new(),
        public_ip: public_ip.map(|public| public.parse().unwrap()),
        ipv6_internet: false,
        source_dest_check: true,
        groups: vec![GroupIndex(index)],
        mtu: 1_500,
        origin: Origin::nowhere(),
    });
}

fn add_outside(world: &mut World) {
    let host = |name: &str, edge, last, addresses: &[&str]| OutsideHost {
        name: name.to_owned(),
        edge,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        mac: MacAddr([2, 0, 0, 0, 1, last]),
        mtu: 1_500,
        origin: Origin::nowhere(),
    };
    world.outside = vec![
        host("visitor", Edge::Internet, 1, &["203.0.113.7", "2001:db8:f::7"]),
        host("desk", Edge::OnPremises(OnPremisesIndex(0)), 2, &["192.168.0.5"]),
    ];
}
