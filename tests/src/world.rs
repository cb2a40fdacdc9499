//! Random worlds: one to three VPCs with equal or different ranges, CEN, networks on premises,
//! services, the classic network, instances with every kind of address. What is allowed in them
//! is drawn in [`crate::groups`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ringfence_cloud::{
    AccountIndex, Cen, Edge, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex,
    Network, OnPremises, OnPremisesIndex, Origin, OutsideHost, VSwitch, VSwitchIndex, Vpc,
    VpcIndex, World,
};
use ringfence_frame::MacAddr;
use ringfence_policy::{
    HealthChecks, Options, Port25, Profile, SameGroupOutbound, Severity, validate,
};
use ringfence_session::{TcpMidstream, Timeouts};
use ringfence_switch::{Fabric, SwitchOptions};

use crate::dice::Dice;
use crate::groups;

/// Draws a world with its groups.
///
/// # Errors
/// The first thing that the platform refuses about what was drawn, in words.
pub fn draw(seed: u64) -> Result<Fabric, String> {
    let mut dice = Dice::new(seed);
    let mut draft = Draft { world: World::default(), dice: &mut dice, hosts: 0 };
    draft.networks();
    let options = options(draft.dice);
    let heads = groups::heads(draft.dice, &draft.world, options.profile);
    draft.instances(&heads);
    draft.outside();
    let mut world = draft.world;
    if let Some(problem) = world.check().into_iter().next() {
        return Err(problem.message);
    }
    world.index();
    let catalogue = groups::catalogue(&mut dice, &world, &heads, options.profile);
    let (policies, _) = validate(&world, &catalogue, options).map_err(|violations| {
        let refused = violations.into_iter().find(|it| it.severity == Severity::Error);
        refused.map(|it| format!("{}: {}", it.code, it.message)).unwrap_or_default()
    })?;
    let timeouts = vec![Timeouts::default(); world.interfaces.len()];
    let tcp_midstream = match dice.chance(25) {
        true => TcpMidstream::Drop,
        false => TcpMidstream::PickUp,
    };
    let options = SwitchOptions { tcp_midstream, ..SwitchOptions::default() };
    Ok(Fabric { world, policies, timeouts, options })
}

fn options(dice: &mut Dice) -> Options {
    if dice.chance(20) {
        return Options::of(dice.pick(&[Profile::Aws, Profile::Neutron]));
    }
    let same_group_outbound = match dice.chance(30) {
        true => SameGroupOutbound::AcceptAlways,
        false => SameGroupOutbound::CustomRulesFirst,
    };
    let health_checks = match dice.chance(30) {
        true => HealthChecks::NeedARule,
        false => HealthChecks::AlwaysAllowed,
    };
    let port_25 = if dice.chance(20) { Port25::Open } else { Port25::Blocked };
    Options { same_group_outbound, health_checks, port_25, ..Options::default() }
}

/// A group before its rules: what an interface must know to join it.
#[derive(Clone, Copy, Debug)]
pub struct GroupHead {
    /// Counts the catalogue's groups.
    pub index: GroupIndex,
    /// Its network.
    pub network: Network,
    /// Whether it is an advanced one.
    pub advanced: bool,
}

struct Draft<'d> {
    world: World,
    dice: &'d mut Dice,
    /// Interfaces so far, which tells addresses of all networks apart where they must be.
    hosts: u8,
}

impl Draft<'_> {
    fn networks(&mut self) {
        self.world.accounts = vec!["1001".to_owned(), "1002".to_owned()];
        let count = self.dice.between(1, 3) as u8;
        let equal_ranges = count > 1 && self.dice.chance(40);
        for number in 0..count {
            self.vpc(number, if equal_ranges { 0 } else { number });
        }
        if count > 1 && self.dice.chance(if equal_ranges { 5 } else { 60 }) {
            let most = self.dice.between(2, count.into());
            let vpcs = (0..most as u32).map(VpcIndex).collect();
            self.world.cens.push(Cen { id: "cen-1".to_owned(), vpcs, origin: Origin::nowhere() });
        }
        if self.dice.chance(40) {
            let all: Vec<_> = (0..u32::from(count)).map(VpcIndex).collect();
            let most = if equal_ranges { 1 } else { self.dice.between(1, all.len()) };
            let vpcs = self.dice.some(&all, most);
            let cidrs = vec![v4_range([192, 168, 0, 0], 16), v6_range([0xfd00, 1, 0, 0], 32)];
            let (id, origin) = ("idc".to_owned(), Origin::nowhere());
            self.world.on_premises.push(OnPremises { id, cidrs, vpcs, origin });
        }
    }

    fn vpc(&mut self, number: u8, range: u8) {
        let second = if self.dice.chance(8) { 30 } else { 10 };
        let vpc = VpcIndex(number.into());
        self.world.vpcs.push(Vpc {
            id: format!("vpc-{number}"),
            account: AccountIndex(u32::from(number % 2)),
            cidrs: vec![
                v4_range([second, range, 0, 0], 16),
                v6_range([0x2001, 0xdb8, range.into(), 0], 48),
            ],
            origin: Origin::nowhere(),
        });
        for part in 1..=self.dice.between(1, 2) as u8 {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, range.into(), part.into(), 0, 0, 0, 0);
            let has_ipv6 = self.dice.chance(80);
            self.world.vswitches.push(VSwitch {
                id: format!("vsw-{number}-{part}"),
                vpc,
                cidr: Ipv4Net::new_assert(Ipv4Addr::new(second, range, part, 0), 24),
                ipv6_cidr: has_ipv6.then(|| Ipv6Net::new_assert(v6, 64)),
                origin: Origin::nowhere(),
            });
        }
    }

    fn instances(&mut self, heads: &[GroupHead]) {
        let vswitches: Vec<u32> = (0..).take(self.world.vswitches.len()).collect();
        for _ in 0..self.dice.between(2, 6) {
            let home = VSwitchIndex(self.dice.pick(&vswitches));
            let vpc = self.world.vswitches[home.as_usize()].vpc;
            let instance = self.instance(self.dice_account());
            self.vpc_interface(instance, home, heads, "");
            if self.dice.chance(15) {
                let same_vpc = |it: &VSwitchIndex| self.world.vswitches[it.as_usize()].vpc == vpc;
                let homes: Vec<_> =
                    vswitches.iter().map(|it| VSwitchIndex(*it)).filter(same_vpc).collect();
                let home = self.dice.pick(&homes);
                self.vpc_interface(instance, home, heads, "/eth1");
            }
        }
        if heads.iter().any(|head| head.network == Network::ClassicInternal) {
            for _ in 0..self.dice.between(1, 3) {
                self.classic_instance(heads);
            }
        }
    }

    fn dice_account(&self) -> AccountIndex {
        AccountIndex(u32::from(self.hosts % 2))
    }

    fn instance(&mut self, account: AccountIndex) -> InstanceIndex {
        let number = self.world.instances.len() as u32;
        self.world.instances.push(Instance {
            id: format!("i-{number}"),
            account,
            interfaces: Vec::new(),
            origin: Origin::nowhere(),
        });
        InstanceIndex(number)
    }

    fn groups_in(&mut self, heads: &[GroupHead], network: Network) -> Vec<GroupIndex> {
        let of = |advanced: bool| {
            let fit = heads.iter().filter(|it| it.network == network && it.advanced == advanced);
            fit.map(|it| it.index).collect::<Vec<_>>()
        };
        let (basic, advanced) = (of(false), of(true));
        let from = match !advanced.is_empty() && self.dice.chance(30) {
            true => advanced,
            false => basic,
        };
        let most = self.dice.between(1, 3);
        self.dice.some(&from, most)
    }

    fn vpc_interface(
        &mut self,
        instance: InstanceIndex,
        vswitch: VSwitchIndex,
        heads: &[GroupHead],
        suffix: &str,
    ) {
        let VSwitch { vpc, cidr, ipv6_cidr, .. } = self.world.vswitches[vswitch.as_usize()];
        let host = self.hosts;
        // Where ranges are equal, so are some of the addresses in them.
        let in_vswitch =
            self.world.interfaces.iter().filter(|it| it.vswitch == Some(vswitch)).count() as u8;
        let [a, b, c, _] = cidr.network().octets();
        let v4 = |last: u8| Ipv4Addr::new(a, b, c, last);
        let mut secondary = Vec::new();
        if self.dice.chance(35) {
            secondary.push(v4(100 + in_vswitch));
        }
        let mut ipv6 = Vec::new();
        let mut prefixes = Vec::new();
        if self.dice.chance(20) {
            prefixes.push(IpNet::V4(Ipv4Net::new_assert(v4(128 + 16 * (in_vswitch % 6)), 28)));
        }
        if let Some(cidr) = ipv6_cidr {
            let [s0, s1, s2, s3, ..] = cidr.network().segments();
            for nth in 0..self.dice.between(0, 2) as u16 {
                let last = u16::from(host) * 16 + nth + 1;
                ipv6.push(Ipv6Addr::new(s0, s1, s2, s3, 0, 0, 0, last));
            }
            if self.dice.chance(20) {
                let start = Ipv6Addr::new(s0, s1, s2, s3, 0x100 + u16::from(host), 0, 0, 0);
                prefixes.push(IpNet::V6(Ipv6Net::new_assert(start, 80)));
            }
        }
        let public_ip = self.dice.chance(50).then(|| Ipv4Addr::new(47, 96, 0, 10 + host));
        let interface = Interface {
            name: format!("i-{}{suffix}", instance.0),
            instance,
            network: Network::Vpc(vpc),
            vswitch: Some(vswitch),
            mac: self.mac(),
            primary: v4(10 + in_vswitch),
            secondary,
            ipv6,
            prefixes,
            public_ip,
            ipv6_internet: self.dice.chance(50),
            source_dest_check: self.dice.chance(85),
            groups: self.groups_in(heads, Network::Vpc(vpc)),
            mtu: 1_500,
            origin: Origin::nowhere(),
        };
        self.add(interface);
    }

    fn classic_instance(&mut self, heads: &[GroupHead]) {
        let instance = self.instance(self.dice_account());
        let groups = self.groups_in(heads, Network::ClassicInternal);
        let name = format!("i-{}", instance.0);
        let host = self.hosts;
        let internal = Interface {
            name: name.clone(),
            instance,
            network: Network::ClassicInternal,
            vswitch: None,
            mac: self.mac(),
            primary: Ipv4Addr::new(10, 200, 0, 10 + host),
            secondary: Vec::new(),
            ipv6: Vec::new(),
            prefixes: Vec::new(),
            public_ip: None,
            ipv6_internet: false,
            source_dest_check: true,
            groups,
            mtu: 1_500,
            origin: Origin::nowhere(),
        };
        self.add(internal.clone());
        if self.dice.chance(75) {
            let public = Interface {
                name: format!("{name}/public"),
                network: Network::ClassicPublic,
                mac: self.mac(),
                primary: Ipv4Addr::new(47, 100, 0, 10 + host),
                ..internal
            };
            self.add(public);
        }
    }

    fn add(&mut self, interface: Interface) {
        let index = InterfaceIndex(self.world.interfaces.len() as u32);
        self.world.instances[interface.instance.as_usize()].interfaces.push(index);
        self.world.interfaces.push(interface);
        self.hosts += 1;
    }

    fn mac(&self) -> MacAddr {
        MacAddr([0x00, 0x16, 0x3e, 0, 0, self.hosts])
    }

    fn outside(&mut self) {
        let visitor_v6 = Ipv6Addr::new(0x2400, 1, 0, 0, 0, 0, 0, 7);
        self.host(
            "visitor",
            Edge::Internet,
            &[Ipv4Addr::new(203, 0, 113, 7).into(), visitor_v6.into()],
        );
        if self.dice.chance(50) {
            self.host("mail", Edge::Internet, &[Ipv4Addr::new(8, 8, 8, 8).into()]);
        }
        if !self.world.on_premises.is_empty() && self.dice.chance(80) {
            let v6 = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 5);
            let edge = Edge::OnPremises(OnPremisesIndex(0));
            self.host("office", edge, &[Ipv4Addr::new(192, 168, 1, 5).into(), v6.into()]);
        }
        for vpc in 0..self.world.vpcs.len() as u32 {
            let edge = Edge::Intranet(Network::Vpc(VpcIndex(vpc)));
            if self.dice.chance(30) {
                self.host(&format!("dns-{vpc}"), edge, &[Ipv4Addr::new(100, 100, 2, 136).into()]);
            }
            if self.dice.chance(30) {
                self.host(&format!("slb-{vpc}"), edge, &[Ipv4Addr::new(100, 64, 0, 9).into()]);
            }
        }
    }

    fn host(&mut self, name: &str, edge: Edge, addresses: &[IpAddr]) {
        let number = self.world.outside.len() as u8;
        self.world.outside.push(OutsideHost {
            name: name.to_owned(),
            edge,
            addresses: addresses.to_vec(),
            mac: MacAddr([0x02, 0, 0, 0, 1, number]),
            mtu: 1_500,
            origin: Origin::nowhere(),
        });
    }
}

fn v4_range([a, b, c, d]: [u8; 4], len: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len))
}

fn v6_range([a, b, c, d]: [u16; 4], len: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), len))
}
