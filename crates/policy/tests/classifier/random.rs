//! Random worlds, rules and packets, more crossed and tied than anybody would write them: few
//! addresses and ports, so that objects nest and ranges meet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ringfence_cloud::{
    AccountIndex, Cen, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex, Network,
    Origin, Reach, Vpc, VpcIndex, World,
};
use ringfence_frame::{Direction, MacAddr, Protocol, Tuple};
use ringfence_policy::{
    Action, Group, GroupKind, HealthChecks, IcmpMatch, Nic, Object, Options, PolicySet, Port25,
    PortList, PortListIndex, PortRange, Ports, PrefixList, PrefixListIndex, Priority, Profile,
    ProtocolMatch, Question, Rule, SameGroup, SameGroupOutbound,
};

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.u64() % count as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

pub const GROUPS: usize = 7;

/// Two joined VPCs and the classic network, nine interfaces.
pub fn world(dice: &mut Dice) -> World {
    let mut world = World::default();
    world.accounts.push("1000".to_owned());
    for id in ["vpc-a", "vpc-b"] {
        let cidrs = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()].to_vec();
        let account = AccountIndex(0);
        world.vpcs.push(Vpc { id: id.to_owned(), account, cidrs, origin: Origin::nowhere() });
    }
    let vpcs = vec![VpcIndex(0), VpcIndex(1)];
    world.cens.push(Cen { id: "cen".to_owned(), vpcs, origin: Origin::nowhere() });
    let vpc = |number| Network::Vpc(VpcIndex(number));
    let classic = [Network::ClassicInternal, Network::ClassicPublic];
    let networks = [vpc(0), vpc(0), vpc(0), vpc(0), vpc(1), vpc(1), classic[0], classic[1]];
    for (number, network) in (0_u8..).zip(networks) {
        let index = InterfaceIndex(number.into());
        world.instances.push(Instance {
            id: format!("i-{number}"),
            account: AccountIndex(0),
            interfaces: vec![index],
            origin: Origin::nowhere(),
        });
        let mut groups = Vec::new();
        for _ in 0..dice.below(5) {
            let group = GroupIndex(dice.below(GROUPS) as u32);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        world.interfaces.push(Interface {
            name: format!("i-{number}"),
            instance: InstanceIndex(number.into()),
            network,
            vswitch: None,
            mac: MacAddr([2, 0, 0, 0, 0, number]),
            primary: own_ipv4(number),
            secondary: Vec::new(),
            ipv6: vec![own_ipv6(number)],
            prefixes: Vec::new(),
            public_ip: None,
            ipv6_internet: true,
            source_dest_check: true,
            groups,
            mtu: 1500,
            origin: Origin::nowhere(),
        });
    }
    world.index();
    world
}

fn own_ipv4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, number / 3, number)
}

fn own_ipv6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, u16::from(number) / 3, 0, 0, 0, number.into())
}

fn address(dice: &mut Dice) -> IpAddr {
    let number = dice.below(10) as u8;
    if dice.chance(30) {
        return match dice.below(6) {
            0 => Ipv6Addr::UNSPECIFIED.into(),
            1 => Ipv6Addr::from_bits(u128::MAX).into(),
            _ => own_ipv6(number).into(),
        };
    }
    match dice.below(12) {
        0 => Ipv4Addr::UNSPECIFIED.into(),
        1 => Ipv4Addr::BROADCAST.into(),
        2 => Ipv4Addr::new(100, 100, 100, 200).into(),
        3 => Ipv4Addr::new(100, 64 + dice.below(64) as u8, 1, number).into(),
        4 => Ipv4Addr::new(127, 255, 255, 255).into(),
        _ => own_ipv4(number).into(),
    }
}

fn range(dice: &mut Dice) -> IpNet {
    let address = address(dice);
    let lengths: &[u8] = match address {
        IpAddr::V4(_) => &[0, 1, 8, 10, 16, 22, 24, 29, 30, 31, 32, 32, 32],
        IpAddr::V6(_) => &[0, 1, 32, 48, 64, 96, 124, 127, 128, 128],
    };
    IpNet::new(address, dice.pick(lengths)).unwrap().trunc()
}

fn port(dice: &mut Dice) -> u16 {
    dice.pick(&[1, 2, 22, 25, 80, 80, 81, 443, 1023, 1024, 8080, 65_534, 65_535])
}

fn port_range(dice: &mut Dice) -> PortRange {
    let (a, b) = (port(dice), port(dice));
    match dice.chance(50) {
        true => PortRange::new(a, a).unwrap(),
        false => PortRange::new(a.min(b), a.max(b)).unwrap(),
    }
}

fn protocol(dice: &mut Dice) -> Protocol {
    let known = [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol::ICMPV6, Protocol::GRE];
    match dice.chance(10) {
        true => Protocol(dice.pick(&[0, 50, 132, 255])),
        false => known[(dice.below(9)).saturating_sub(4)],
    }
}

/// How the rules of a policy are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub rules: usize,
    pub five_tuple_percent: usize,
    /// Rules that name 0.0.0.0/0 or ::/0.
    pub anywhere_percent: usize,
    pub profile: Profile,
}

pub fn rule(dice: &mut Dice, shape: Shape, network: Network) -> Rule {
    let is_classic = network == Network::ClassicInternal;
    let object = match dice.below(10) {
        _ if dice.chance(shape.anywhere_percent) => {
            Object::Cidr(dice.pick(&["0.0.0.0/0", "0.0.0.0/0", "::/0"]).parse().unwrap())
        }
        0 | 1 => Object::Group(GroupIndex(dice.below(GROUPS) as u32)),
        2 => Object::PrefixList(PrefixListIndex(dice.below(PREFIX_LISTS) as u32)),
        _ => Object::Cidr(range(dice)),
    };
    let five_tuple = dice.chance(shape.five_tuple_percent);
    let several = |percent: usize, dice: &mut Dice| match five_tuple && dice.chance(percent) {
        true => 1 + dice.below(2),
        false => 0,
    };
    let own = several(70, dice);
    let sources = several(40, dice);
    let icmp = (shape.profile == Profile::Aws && dice.chance(20)).then(|| IcmpMatch {
        icmp_type: dice.chance(70).then(|| dice.pick(&[0, 3, 8])),
        code: dice.chance(50).then(|| dice.pick(&[0, 4])),
    });
    Rule {
        id: String::new(),
        direction: dice.pick(&[Direction::Inbound, Direction::Outbound]),
        action: dice.pick(&[Action::Allow, Action::Allow, Action::Forbid]),
        priority: Priority::new(dice.pick(&[1, 1, 1, 2, 50, 100, 110])).unwrap(),
        protocol: match dice.chance(15) {
            true => ProtocolMatch::All,
            false => ProtocolMatch::Is(protocol(dice)),
        },
        ports: match dice.below(10) {
            0 | 1 => Ports::Any,
            2 => Ports::List(PortListIndex(dice.below(PORT_LISTS) as u32)),
            _ => Ports::Range(port_range(dice)),
        },
        source_ports: (0..sources).map(|_| port_range(dice)).collect(),
        object,
        own_addresses: (0..own).map(|_| range(dice)).collect(),
        nic: match is_classic && dice.chance(40) {
            true => Nic::Internet,
            false => Nic::Intranet,
        },
        icmp,
        description: String::new(),
        origin: Origin::nowhere(),
    }
}

pub const PREFIX_LISTS: usize = 4;
pub const PORT_LISTS: usize = 3;

pub fn prefix_list(dice: &mut Dice, number: usize) -> PrefixList {
    PrefixList {
        id: format!("pl-{number}"),
        max_entries: 20,
        entries: (0..dice.below(12)).map(|_| range(dice)).collect(),
        origin: Origin::nowhere(),
    }
}

pub fn port_list(dice: &mut Dice, number: usize) -> PortList {
    PortList {
        id: format!("prl-{number}"),
        max_entries: 20,
        entries: (0..dice.below(6)).map(|_| port_range(dice)).collect(),
        origin: Origin::nowhere(),
    }
}

pub fn policies(dice: &mut Dice, shape: Shape) -> PolicySet {
    let groups = (0..GROUPS).map(|number| {
        let network = match number {
            5.. => Network::ClassicInternal,
            _ => Network::Vpc(VpcIndex(0)),
        };
        Group {
            id: format!("sg-{number}"),
            account: AccountIndex(0),
            network,
            kind: dice.pick(&[GroupKind::Basic, GroupKind::Basic, GroupKind::Advanced]),
            same_group: dice.pick(&[SameGroup::Accept, SameGroup::Drop, SameGroup::Drop]),
            rules: (0..dice.below(shape.rules + 1)).map(|_| rule(dice, shape, network)).collect(),
            origin: Origin::nowhere(),
        }
    });
    let groups = groups.collect();
    PolicySet {
        groups,
        prefix_lists: (0..PREFIX_LISTS).map(|number| prefix_list(dice, number)).collect(),
        port_lists: (0..PORT_LISTS).map(|number| port_list(dice, number)).collect(),
        options: Options {
            profile: shape.profile,
            same_group_outbound: dice
                .pick(&[SameGroupOutbound::CustomRulesFirst, SameGroupOutbound::AcceptAlways]),
            health_checks: dice.pick(&[HealthChecks::AlwaysAllowed, HealthChecks::NeedARule]),
            port_25: dice.pick(&[Port25::Blocked, Port25::Open]),
        },
    }
}

/// A packet at a corner of a rule's box, or one step outside, or anywhere.
pub fn question(dice: &mut Dice, world: &World, policies: &PolicySet) -> Question {
    let interface = InterfaceIndex(dice.below(world.interfaces.len()) as u32);
    let mut remote = address(dice);
    let mut own = match dice.chance(70) {
        true => world.interface(interface).primary.into(),
        false => address(dice),
    };
    let (mut source_port, mut target_port) = (port(dice), port(dice));
    let mut protocol = protocol(dice);
    let mut direction = dice.pick(&[Direction::Inbound, Direction::Outbound]);
    let groups = &world.interface(interface).groups;
    let rules: Vec<_> = groups.iter().flat_map(|it| &policies.group(*it).rules).collect();
    if !rules.is_empty() && dice.chance(85) {
        let rule = rules[dice.below(rules.len())];
        direction = rule.direction;
        remote = match rule.object {
            Object::Cidr(range) => near(dice, range),
            Object::PrefixList(list) => match policies.prefix_list(list).entries.as_slice() {
                [] => remote,
                entries => {
                    let entry = dice.pick(entries);
                    near(dice, entry)
                }
            },
            Object::Group(_) => remote,
        };
        if let [first, ..] = rule.own_addresses.as_slice() {
            own = near(dice, *first);
        }
        match &rule.ports {
            Ports::Range(range) => target_port = near_port(dice, *range),
            Ports::List(list) => {
                if let [first, ..] = policies.port_list(*list).entries.as_slice() {
                    target_port = near_port(dice, *first);
                }
            }
            Ports::Any => {}
        }
        if let [first, ..] = rule.source_ports.as_slice() {
            source_port = near_port(dice, *first);
        }
        if let ProtocolMatch::Is(of) = rule.protocol
            && dice.chance(90)
        {
            protocol = of;
        }
    }
    if dice.chance(3) {
        target_port = 0;
    }
    let (source, target) = match direction {
        Direction::Inbound => (remote, own),
        Direction::Outbound => (own, remote),
    };
    let is_icmp = protocol == Protocol::ICMP || protocol == Protocol::ICMPV6;
    let icmp =
        (is_icmp || dice.chance(1)).then(|| (dice.pick(&[0, 2, 3, 8]), dice.pick(&[0, 1, 4])));
    let reach = dice.pick(&[Reach::Internal, Reach::Internal, Reach::Internet]);
    let tuple = Tuple { source, target, protocol, source_port, target_port };
    Question { interface, direction, tuple, icmp, reach }
}

fn near_port(dice: &mut Dice, range: PortRange) -> u16 {
    let (first, last) = (range.first(), range.last());
    match dice.below(5) {
        0 => first.wrapping_sub(1),
        1 => last.wrapping_add(1),
        2 => last,
        _ => first,
    }
}

fn near(dice: &mut Dice, range: IpNet) -> IpAddr {
    match range {
        IpNet::V4(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let bits = match dice.below(5) {
                0 => first.wrapping_sub(1),
                1 => last.wrapping_add(1),
                2 => last,
                _ => first,
            };
            Ipv4Addr::from_bits(bits).into()
        }
        IpNet::V6(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let bits = match dice.below(5) {
                0 => first.wrapping_sub(1),
                1 => last.wrapping_add(1),
                2 => last,
                _ => first,
            };
            Ipv6Addr::from_bits(bits).into()
        }
    }
}
