//! A fabric from a shape and a seed: addresses by plan, groups and rules as people write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use ringfence_cloud::{
    AccountIndex, Cen, Edge, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex,
    Network, Origin, OutsideHost, VSwitch, VSwitchIndex, Vpc, VpcIndex, World,
};
use ringfence_frame::{Direction, MacAddr, Protocol};
use ringfence_policy::{
    Action, Group, GroupKind, Nic, Object, Options, PolicySet, PortRange, Ports, PrefixList,
    PrefixListIndex, Priority, ProtocolMatch, Rule, SameGroup,
};
use ringfence_switch::{Fabric, SwitchOptions};

use crate::WorldShape;
use crate::aimed;
use crate::rules::RuleShape;

const VPCS_MAX: u32 = 15;
const INTERFACES_PER_VPC_MAX: u32 = 1_000_000;
const PUBLIC_MAX: u32 = 65_536;
/// Interfaces in one vSwitch, a /20.
const INTERFACES_PER_VSWITCH: u32 = 4_000;
/// Place of the first interface in its vSwitch.
const FIRST_HOST: u32 = 16;
/// Addresses of the host on the Internet.
const INTERNET_ADDRESSES: u32 = 64;
/// 10.0.0.0/8: every VPC has a /12 of it.
const INSIDE: u32 = 10 << 24;
/// 2400:3200::/32: every VPC has a /48 of it, every vSwitch a /64 of that.
const INSIDE_IPV6: u128 = 0x2400_3200 << 96;
/// 47.96.0.0, where public addresses start.
const PUBLIC: u32 = 47 << 24 | 96 << 16;
/// 203.0.113.0, the host on the Internet.
const INTERNET: u32 = 203 << 24 | 113 << 8;
const INTERNET_IPV6: u128 = 0x2001_0db8_ffff << 80;
/// 100.0.0.0 to 100.63.255.255, what is in the prefix list.
const LISTED: u32 = 100 << 24;

/// What people open, and how often out of 100.
const SERVICES: [(Protocol, u16, u16, u32); 14] = [
    (Protocol::TCP, 22, 22, 14),
    (Protocol::TCP, 80, 80, 14),
    (Protocol::TCP, 443, 443, 16),
    (Protocol::TCP, 3_306, 3_306, 8),
    (Protocol::TCP, 3_389, 3_389, 5),
    (Protocol::TCP, 5_432, 5_432, 5),
    (Protocol::TCP, 6_379, 6_379, 6),
    (Protocol::TCP, 8_080, 8_080, 8),
    (Protocol::TCP, 8_000, 8_999, 5),
    (Protocol::TCP, 30_000, 32_767, 4),
    (Protocol::UDP, 53, 53, 6),
    (Protocol::UDP, 123, 123, 3),
    (Protocol::UDP, 514, 514, 3),
    (Protocol::UDP, 9_000, 9_100, 3),
];

pub(crate) fn fabric(shape: &WorldShape, seed: u64) -> Fabric {
    let shape = WorldShape {
        vpcs: shape.vpcs.clamp(1, VPCS_MAX),
        public: shape.public.min(PUBLIC_MAX),
        groups: shape.groups.max(1),
        groups_per_interface: shape.groups_per_interface.clamp(1, shape.groups.clamp(1, 16)),
        ..*shape
    };
    let most = INTERFACES_PER_VPC_MAX.saturating_mul(shape.vpcs);
    let shape = WorldShape { interfaces: shape.interfaces.min(most), ..shape };
    let mut world = world(&shape);
    world.index();
    let policies = policies(&shape, &world, &mut Pcg64::seed_from_u64(seed));
    let mut options = SwitchOptions::default();
    options.limits.sessions_max = shape.sessions_max;
    options.limits.sessions_per_interface_max = shape.sessions_max;
    options.limits.half_open_per_interface_max = shape.sessions_max;
    let timeouts = world.interfaces.iter().map(|_| Default::default()).collect();
    Fabric { world, policies, timeouts, options }
}

fn world(shape: &WorldShape) -> World {
    let mut world = World::default();
    world.accounts.push("1".to_owned());
    for vpc in 0..shape.vpcs {
        let ranges: [IpNet; 2] = [
            Ipv4Net::new_assert(Ipv4Addr::from_bits(INSIDE + (vpc << 20)), 12).into(),
            Ipv6Net::new_assert(vpc_ipv6(vpc), 48).into(),
        ];
        let id = format!("vpc-{vpc}");
        let cidrs = ranges.to_vec();
        world.vpcs.push(Vpc { id, account: AccountIndex(0), cidrs, origin: Origin::nowhere() });
    }
    if shape.vpcs > 1 {
        let vpcs = (0..shape.vpcs).map(VpcIndex).collect();
        world.cens.push(Cen { id: "cen-0".to_owned(), vpcs, origin: Origin::nowhere() });
    }
    let origin = Origin::nowhere();
    let per_vpc = shape.interfaces.div_ceil(shape.vpcs);
    let vswitches = per_vpc.div_ceil(INTERFACES_PER_VSWITCH).max(1);
    for vpc in 0..shape.vpcs {
        for number in 0..vswitches {
            let start = Ipv4Addr::from_bits(INSIDE + (vpc << 20) + (number << 12));
            let ipv6 = vpc_ipv6(vpc).to_bits() + (u128::from(number) << 64);
            world.vswitches.push(VSwitch {
                id: format!("vsw-{vpc}-{number}"),
                vpc: VpcIndex(vpc),
                cidr: Ipv4Net::new_assert(start, 20),
                ipv6_cidr: Some(Ipv6Net::new_assert(Ipv6Addr::from_bits(ipv6), 64)),
                origin: origin.clone(),
            });
        }
    }
    for index in 0..shape.interfaces {
        let interface = interface(shape, &world.vswitches, vswitches, index, &origin);
        world.instances.push(Instance {
            id: interface.name.clone(),
            account: AccountIndex(0),
            interfaces: vec![InterfaceIndex(index)],
            origin: origin.clone(),
        });
        world.interfaces.push(interface);
    }
    if shape.public > 0 {
        world.outside.push(internet(&origin));
    }
    world
}

fn vpc_ipv6(vpc: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(INSIDE_IPV6 + (u128::from(vpc) << 80))
}

fn interface(
    shape: &WorldShape,
    all_vswitches: &[VSwitch],
    vswitches: u32,
    index: u32,
    origin: &Origin,
) -> Interface {
    let (vpc, place) = (index % shape.vpcs, index / shape.vpcs);
    let vswitch = vpc * vswitches + place / INTERFACES_PER_VSWITCH;
    let host = FIRST_HOST + place % INTERFACES_PER_VSWITCH;
    let ranges = &all_vswitches[vswitch as usize];
    let primary = Ipv4Addr::from_bits(ranges.cidr.network().to_bits() + host);
    let [_, b, c, d] = primary.octets();
    let ipv6 = ranges.ipv6_cidr.map(|range| range.network().to_bits() + u128::from(host));
    let is_public = index < shape.public;
    let groups = (0..shape.groups_per_interface)
        .map(|i| GroupIndex(vpc * shape.groups + (place + i) % shape.groups));
    Interface {
        name: format!("i-{index}"),
        instance: InstanceIndex(index),
        network: Network::Vpc(VpcIndex(vpc)),
        vswitch: Some(VSwitchIndex(vswitch)),
        mac: MacAddr([0x00, 0x16, 0x3e, b, c, d]),
        primary,
        secondary: Vec::new(),
        ipv6: ipv6.map(Ipv6Addr::from_bits).into_iter().collect(),
        prefixes: Vec::new(),
        public_ip: is_public.then(|| Ipv4Addr::from_bits(PUBLIC + index)),
        ipv6_internet: is_public,
        source_dest_check: true,
        groups: groups.collect(),
        mtu: 1_500,
        origin: origin.clone(),
    }
}

fn internet(origin: &Origin) -> OutsideHost {
    let v4 = (0..INTERNET_ADDRESSES).map(|i| IpAddr::V4(Ipv4Addr::from_bits(INTERNET + 1 + i)));
    let v6 = (0..u128::from(INTERNET_ADDRESSES))
        .map(|i| IpAddr::V6(Ipv6Addr::from_bits(INTERNET_IPV6 + 1 + i)));
    OutsideHost {
        name: "internet-host".to_owned(),
        edge: Edge::Internet,
        addresses: v4.chain(v6).collect(),
        mac: MacAddr([0x02, 0, 0, 0, 0, 1]),
        mtu: 1_500,
        origin: origin.clone(),
    }
}

fn policies(shape: &WorldShape, world: &World, random: &mut Pcg64) -> PolicySet {
    let mut policies = PolicySet { options: Options::default(), ..PolicySet::default() };
    if shape.prefix_list > 0 {
        // every other /32, so that none can be joined to its neighbour
        let entries = (0..shape.prefix_list)
            .map(|i| Ipv4Net::new_assert(Ipv4Addr::from_bits(LISTED + 2 * (i % (1 << 21))), 32));
        policies.prefix_lists.push(PrefixList {
            id: "pl-listed".to_owned(),
            max_entries: shape.prefix_list,
            entries: entries.map(IpNet::V4).collect(),
            origin: Origin::nowhere(),
        });
    }
    for vpc in 0..shape.vpcs {
        for number in 0..shape.groups {
            let id = format!("sg-{vpc}-{number}");
            let rules = Vec::new();
            let number = GroupIndex(vpc * shape.groups + number);
            let rules = Writer { shape, world, vpc, random, group: &id, number, rules }.rules();
            policies.groups.push(Group {
                id,
                account: AccountIndex(0),
                network: Network::Vpc(VpcIndex(vpc)),
                kind: GroupKind::Basic,
                same_group: SameGroup::Drop,
                rules,
                origin: Origin::nowhere(),
            });
        }
    }
    policies
}

/// Writes the rules of one group.
struct Writer<'a> {
    shape: &'a WorldShape,
    world: &'a World,
    vpc: u32,
    random: &'a mut Pcg64,
    group: &'a str,
    number: GroupIndex,
    rules: Vec<Rule>,
}

impl Writer<'_> {
    fn rules(mut self) -> Vec<Rule> {
        match self.shape.rule_shape {
            RuleShape::Groups => {
                self.let_in_lanes();
                self.rules.truncate(self.shape.rules as usize);
                while self.rules.len() < self.shape.rules as usize {
                    self.one_as_people_write_it();
                }
            }
            RuleShape::Acl | RuleShape::Firewall => self.as_classbench_has_them(),
        }
        self.forbid_out();
        self.rules
    }

    fn as_classbench_has_them(&mut self) {
        let Writer { shape, world, number, .. } = *self;
        let interfaces = || world.interfaces.iter();
        let senders: Vec<Ipv4Addr> = interfaces().map(|it| it.primary).collect();
        let guarded = interfaces().filter(|it| it.groups.contains(&number));
        let guarded: Vec<Ipv4Addr> = guarded.map(|it| it.primary).collect();
        let ends = [&senders[..], &guarded];
        let mut rules = aimed::rules(shape.rule_shape, shape.rules as usize, ends, self.random);
        for (place, rule) in rules.iter_mut().enumerate() {
            rule.id = format!("{}/{}", self.group, place + 1);
        }
        self.rules = rules;
    }

    /// Twelve rules that make lanes of every kind possible: inside by UDP, TCP and echo, from
    /// anywhere by UDP and TCP 443; the first eight hosts of the first vSwitch have no echo.
    fn let_in_lanes(&mut self) {
        let inside = [
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(INSIDE), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(INSIDE_IPV6), 32)),
        ];
        for (object, echo) in inside.into_iter().zip([Protocol::ICMP, Protocol::ICMPV6]) {
            for protocol in [Protocol::UDP, Protocol::TCP] {
                self.add(Direction::Inbound, protocol, Some((9_000, 9_999)), Object::Cidr(object));
            }
            self.add(Direction::Inbound, echo, None, Object::Cidr(object));
        }
        for anywhere in anywhere() {
            for protocol in [Protocol::UDP, Protocol::TCP] {
                self.add(Direction::Inbound, protocol, Some((443, 443)), Object::Cidr(anywhere));
            }
        }
        for (few, echo) in first_hosts().into_iter().zip([Protocol::ICMP, Protocol::ICMPV6]) {
            self.add(Direction::Inbound, echo, None, Object::Cidr(few));
            self.last().action = Action::Forbid;
            self.last().priority = priority_of(99);
        }
    }

    fn forbid_out(&mut self) {
        for anywhere in anywhere() {
            for protocol in [Protocol::UDP, Protocol::TCP] {
                let ports = Some((6_000, 6_063));
                self.add(Direction::Outbound, protocol, ports, Object::Cidr(anywhere));
                self.last().action = Action::Forbid;
            }
        }
    }

    fn one_as_people_write_it(&mut self) {
        let mut draw = self.random.random_range(0..100);
        let service = SERVICES.iter().find(|service| {
            let found = draw < service.3;
            draw = draw.saturating_sub(service.3);
            found
        });
        let &(protocol, first, last, _) = service.unwrap_or(&SERVICES[0]);
        let object = self.object();
        self.add(Direction::Inbound, protocol, Some((first, last)), object);
        let priority = match self.random.random_range(0..10) {
            0..7 => 1,
            _ => self.random.random_range(1..=99),
        };
        self.last().priority = priority_of(priority);
        if self.random.random_range(0..100) < 3 {
            self.last().action = Action::Forbid;
        }
    }

    fn object(&mut self) -> Object {
        let len = match self.random.random_range(0..100) {
            0..45 => 32,
            45..70 => 24,
            70..80 => 20,
            80..86 => 12,
            86..90 => 0,
            90..96 => {
                let group = self.random.random_range(0..self.shape.groups);
                return Object::Group(GroupIndex(self.vpc * self.shape.groups + group));
            }
            _ if self.shape.prefix_list > 0 => return Object::PrefixList(PrefixListIndex(0)),
            _ => 24,
        };
        let count = self.world.interfaces.len();
        let address = match count {
            0 => Ipv4Addr::from_bits(INSIDE),
            _ => self.world.interfaces[self.random.random_range(0..count)].primary,
        };
        Object::Cidr(IpNet::V4(Ipv4Net::new_assert(address, len).trunc()))
    }

    fn add(
        &mut self,
        direction: Direction,
        protocol: Protocol,
        ports: Option<(u16, u16)>,
        object: Object,
    ) {
        let range = ports.and_then(|(first, last)| PortRange::new(first, last));
        self.rules.push(Rule {
            id: format!("{}/{}", self.group, self.rules.len() + 1),
            direction,
            action: Action::Allow,
            priority: priority_of(100),
            protocol: ProtocolMatch::Is(protocol),
            ports: range.map_or(Ports::Any, Ports::Range),
            source_ports: Vec::new(),
            object,
            own_addresses: Vec::new(),
            nic: Nic::Intranet,
            icmp: None,
            description: String::new(),
            origin: Origin::nowhere(),
        });
    }

    fn last(&mut self) -> &mut Rule {
        self.rules.last_mut().expect("a rule was just added")
    }
}

fn anywhere() -> [IpNet; 2] {
    [
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
    ]
}

/// The first eight interfaces of the first VPC.
fn first_hosts() -> [IpNet; 2] {
    let v4 = Ipv4Addr::from_bits(INSIDE + FIRST_HOST);
    let v6 = Ipv6Addr::from_bits(INSIDE_IPV6 + u128::from(FIRST_HOST));
    [IpNet::V4(Ipv4Net::new_assert(v4, 29)), IpNet::V6(Ipv6Net::new_assert(v6, 125))]
}

fn priority_of(number: u8) -> Priority {
    Priority::new(number).expect("priorities are 1 to 100 here")
}
