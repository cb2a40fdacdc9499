//! Random groups: both types, accept and drop, every kind of authorization object, ties in
//! priority, five-tuple narrowing. In words, as a scenario has them, so that validation reads all.

use std::net::IpAddr;

use ipnet::IpNet;
use ringfence_cloud::{AccountIndex, GroupIndex, Network, Origin, VpcIndex, World};
use ringfence_policy::{
    Catalogue, GroupDraft, PortListDraft, PrefixListDraft, Profile, RuleDraft, Text,
};

use crate::dice::Dice;
use crate::world::GroupHead;

const PRIORITIES: [&str; 8] = ["1", "1", "1", "2", "2", "9", "10", "100"];
const PORT_RANGES: [&str; 12] = [
    "22/22",
    "80/80",
    "80/80",
    "79/81",
    "1/200",
    "443/8443",
    "1/65535",
    "25/25",
    "1/1",
    "65535/65535",
    "1024/65535",
    "prl-1",
];
const SOURCE_PORTS: [&str; 5] = ["40000/40000", "1024/65535", "1/1023", "39999/40001", "22/22"];
const PROTOCOLS: [&str; 18] = [
    "Custom TCP",
    "Custom TCP",
    "Custom TCP",
    "Custom TCP",
    "TCP",
    "Custom UDP",
    "Custom UDP",
    "All ICMP (IPv4)",
    "ICMP",
    "All ICMP (IPv6)",
    "GRE",
    "All",
    "All",
    "All",
    "All",
    "50",
    "6",
    "58",
];

/// The groups that there are, before anybody is in them.
pub fn heads(dice: &mut Dice, world: &World, profile: Profile) -> Vec<GroupHead> {
    let advanced_max = if profile == Profile::Alibaba { 2 } else { 0 };
    let mut heads = Vec::new();
    let mut add = |network, advanced| {
        let index = GroupIndex(heads.len() as u32);
        heads.push(GroupHead { index, network, advanced });
    };
    for vpc in 0..world.vpcs.len() as u32 {
        let network = Network::Vpc(VpcIndex(vpc));
        (0..dice.between(1, 4)).for_each(|_| add(network, false));
        (0..dice.between(0, advanced_max)).for_each(|_| add(network, true));
    }
    if dice.chance(40) {
        (0..dice.between(1, 3)).for_each(|_| add(Network::ClassicInternal, false));
    }
    heads
}

/// What is written in them. `world` has its interfaces.
pub fn catalogue(
    dice: &mut Dice,
    world: &World,
    heads: &[GroupHead],
    profile: Profile,
) -> Catalogue {
    let pool = Pool::of(world);
    let prefix_lists =
        vec![prefix_list(dice, "pl-v4", &pool.ipv4), prefix_list(dice, "pl-v6", &pool.ipv6)];
    let port_lists = vec![PortListDraft {
        id: text("prl-1"),
        max_entries: None,
        entries: dice.some(&PORT_RANGES[..11], 3).into_iter().map(text).collect(),
        origin: Origin::nowhere(),
    }];
    let mut groups: Vec<GroupDraft> = Vec::new();
    for head in heads {
        let mut writer = Writer { dice, world, heads, pool: &pool, own: *head, profile };
        let mut group = writer.group();
        let neighbours = groups.iter().filter(|it| it.network == head.network);
        let said: Vec<RuleDraft> = neighbours.flat_map(|it| it.rules.clone()).collect();
        writer.repeat(&mut group, &said);
        groups.push(group);
    }
    Catalogue { groups, prefix_lists, port_lists }
}

fn text(word: impl Into<String>) -> Text {
    Text { value: word.into(), origin: Origin::nowhere() }
}

/// Ranges worth writing: wide ones, those of the world, and those that end beside its addresses.
struct Pool {
    ipv4: Vec<IpNet>,
    ipv6: Vec<IpNet>,
    /// Addresses that interfaces have inside their networks, which may narrow a rule.
    own: Vec<(Network, IpNet)>,
}

impl Pool {
    fn of(world: &World) -> Pool {
        let wide = [
            "0.0.0.0/0",
            "0.0.0.0/0",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "203.0.113.0/24",
            "47.96.0.0/16",
            "192.168.0.0/16",
            "::/0",
            "::/0",
            "2001:db8::/32",
            "fd00::/8",
            "2400::/12",
        ];
        let mut all: Vec<IpNet> = wide.iter().filter_map(|it| it.parse().ok()).collect();
        all.extend(world.vswitches.iter().map(|it| IpNet::V4(it.cidr)));
        all.extend(world.vswitches.iter().filter_map(|it| it.ipv6_cidr.map(IpNet::V6)));
        let mut own = Vec::new();
        for interface in &world.interfaces {
            let v4 = std::iter::once(interface.primary).chain(interface.secondary.iter().copied());
            let v6 = interface.ipv6.iter().copied().map(IpAddr::V6);
            let single = v4.map(IpAddr::V4).chain(v6).map(IpNet::from);
            let ranges = single.chain(interface.prefixes.iter().copied());
            own.extend(ranges.map(|it| (interface.network, it)));
            all.extend(interface.public_ip.map(|it| IpNet::from(IpAddr::V4(it))));
        }
        let hosts = world.outside.iter().flat_map(|it| &it.addresses);
        all.extend(hosts.map(|it| IpNet::from(*it)));
        all.extend(own.iter().map(|(_, it)| *it));
        let beside = own.iter().filter_map(|(_, it)| {
            let len = it.prefix_len().checked_sub(2)?;
            IpNet::new(it.addr(), len).ok().map(|it| it.trunc())
        });
        all.extend(beside.collect::<Vec<_>>());
        let (ipv4, ipv6) = all.into_iter().partition(|it| it.addr().is_ipv4());
        Pool { ipv4, ipv6, own }
    }
}

fn prefix_list(dice: &mut Dice, id: &str, from: &[IpNet]) -> PrefixListDraft {
    let most = dice.between(1, 4);
    let entries = dice.some(from, most).into_iter().map(|it| text(it.to_string())).collect();
    let (id, origin) = (text(id), Origin::nowhere());
    PrefixListDraft { id, max_entries: None, family: None, entries, origin }
}

struct Writer<'a> {
    dice: &'a mut Dice,
    world: &'a World,
    heads: &'a [GroupHead],
    pool: &'a Pool,
    own: GroupHead,
    profile: Profile,
}

/// Groups belong to the two accounts in turn.
fn account(index: GroupIndex) -> AccountIndex {
    AccountIndex(index.0 % 2)
}

fn id(index: GroupIndex) -> String {
    format!("sg-{}", index.0)
}

impl Writer<'_> {
    fn group(&mut self) -> GroupDraft {
        let same_group = match self.own.advanced || !self.is_alibaba() {
            true => None,
            false => self.dice.pick(&[None, Some("accept"), Some("drop")]),
        };
        let kind = match self.own.advanced {
            true => Some("advanced"),
            false => self.dice.pick(&[None, Some("basic"), Some("normal")]),
        };
        let count = self.dice.between(0, 7);
        GroupDraft {
            id: text(id(self.own.index)),
            account: account(self.own.index),
            network: self.own.network,
            kind: kind.map(text),
            same_group: same_group.map(text),
            rules: (0..count).map(|_| self.rule()).collect(),
            origin: Origin::nowhere(),
        }
    }

    /// Says again what was said, in this group or in another, the other way round or under another
    /// priority: ties, and Forbid against Allow.
    fn repeat(&mut self, group: &mut GroupDraft, said: &[RuleDraft]) {
        let mut said = said.to_vec();
        said.extend(group.rules.iter().cloned());
        // An advanced group cannot name a group, nor a group itself, nor may another account's
        // group be named without its account.
        let itself = id(self.own.index);
        said.retain(|it| {
            let object = it.source.as_ref().or(it.destination.as_ref());
            let object = object.map_or("", |it| it.value.as_str());
            let names_a_group = object.contains("sg-") && self.own.advanced;
            !names_a_group && !object.starts_with("sg-") && !object.ends_with(&itself)
        });
        for _ in 0..self.dice.between(0, 4) {
            if said.is_empty() {
                return;
            }
            let mut rule = said[self.dice.between(0, said.len() - 1)].clone();
            if self.is_alibaba() && self.dice.chance(50) {
                let forbids = rule.action.is_some_and(|it| it.value == "Forbid");
                rule.action = Some(text(if forbids { "Allow" } else { "Forbid" }));
            }
            if self.dice.chance(40) {
                rule.priority = Some(text(self.dice.pick(&PRIORITIES)));
            }
            let place = self.dice.between(0, group.rules.len());
            group.rules.insert(place, rule);
        }
    }

    fn is_alibaba(&self) -> bool {
        self.profile == Profile::Alibaba
    }

    fn is_classic(&self) -> bool {
        self.own.network == Network::ClassicInternal
    }

    fn rule(&mut self) -> RuleDraft {
        let inbound = self.dice.chance(60);
        let is_ipv6 = !self.is_classic() && self.dice.chance(35);
        let nic = match self.is_classic() {
            true => self.dice.pick(&[None, Some("internet"), Some("intranet"), Some("intranet")]),
            false => self.dice.pick(&[None, None, Some("intranet")]),
        };
        let protocol = self.protocol(is_ipv6);
        let has_ports = matches!(protocol, "Custom TCP" | "TCP" | "Custom UDP" | "6");
        let ports =
            self.dice.pick(if self.is_classic() { &PORT_RANGES[..11] } else { &PORT_RANGES });
        let source_ports =
            (has_ports && self.dice.chance(15)).then(|| self.dice.pick(&SOURCE_PORTS));
        let groups_count = !self.own.advanced && (!self.is_classic() || nic == Some("intranet"));
        let object = self.object(is_ipv6, groups_count);
        let narrowed =
            if self.dice.chance(20) { self.narrowing(is_ipv6, &object, nic) } else { Vec::new() };
        let (object, narrowed) = (Some(text(object)), narrowed.into_iter().map(text).collect());
        let (source, destination, sources, targets) = match inbound {
            true => (object, None, Vec::new(), narrowed),
            false => (None, object, narrowed, Vec::new()),
        };
        let forbids = self.is_alibaba() && self.dice.chance(45);
        let (icmp_type, icmp_code) = self.icmp(protocol);
        RuleDraft {
            id: None,
            direction: text(if inbound { "Inbound" } else { "Outbound" }),
            action: Some(text(if forbids { "Forbid" } else { "Allow" })),
            priority: Some(text(self.dice.pick(&PRIORITIES))),
            protocol: text(protocol),
            port_range: Some(text(if has_ports { ports } else { "-1/-1" })),
            source_ports: source_ports.map(text),
            source,
            destination,
            sources,
            targets,
            nic: nic.map(text),
            icmp_type: icmp_type.map(text),
            icmp_code: icmp_code.map(text),
            description: None,
            origin: Origin::nowhere(),
        }
    }

    fn protocol(&mut self, is_ipv6: bool) -> &'static str {
        let protocol = self.dice.pick(&PROTOCOLS);
        match (protocol, is_ipv6) {
            ("All ICMP (IPv6)" | "58", false) => "All ICMP (IPv4)",
            ("All ICMP (IPv4)" | "ICMP", true) => "All ICMP (IPv6)",
            _ => protocol,
        }
    }

    /// Type and code, which other profiles than Alibaba Cloud's know.
    fn icmp(&mut self, protocol: &str) -> (Option<&'static str>, Option<&'static str>) {
        let is_icmp = protocol.contains("ICMP") || protocol == "58";
        match is_icmp && !self.is_alibaba() && self.dice.chance(60) {
            true => self.dice.pick(&[
                (Some("8"), None),
                (Some("8"), Some("0")),
                (Some("128"), Some("-1")),
                (Some("3"), Some("1")),
                (Some("1"), Some("4")),
                (Some("-1"), None),
                (Some("0"), Some("0")),
            ]),
            false => (None, None),
        }
    }

    /// "References across joined VPCs" are AWS's.
    fn may_name(&self, other: &GroupHead) -> bool {
        let is_joined = match (self.own.network, other.network) {
            (Network::Vpc(own), Network::Vpc(other)) => {
                self.world.joined_vpcs(own).contains(&other)
            }
            _ => false,
        };
        let is_own = other.index == self.own.index;
        match self.profile {
            Profile::Alibaba => other.network == self.own.network && !is_own && !other.advanced,
            Profile::Neutron => other.network == self.own.network,
            Profile::Aws => other.network == self.own.network || is_joined,
        }
    }

    /// A range, a group, or a prefix list.
    fn object(&mut self, is_ipv6: bool, groups_count: bool) -> String {
        let others: Vec<GroupIndex> =
            self.heads.iter().filter(|it| self.may_name(it)).map(|it| it.index).collect();
        if groups_count && !others.is_empty() && self.dice.chance(35) {
            let group = self.dice.pick(&others);
            let owner = account(group);
            let own = account(self.own.index);
            return match owner == own && self.dice.chance(70) {
                true => id(group),
                false => format!("{}/{}", self.world.accounts[owner.as_usize()], id(group)),
            };
        }
        if !self.is_classic() && self.dice.chance(15) {
            return if is_ipv6 { "pl-v6" } else { "pl-v4" }.to_owned();
        }
        let from = if is_ipv6 { &self.pool.ipv6 } else { &self.pool.ipv4 };
        self.dice.pick(from).to_string()
    }

    /// The instance's own side: a few addresses, or a range around one.
    fn narrowing(&mut self, is_ipv6: bool, object: &str, nic: Option<&str>) -> Vec<String> {
        let network = match nic {
            Some("internet") | None if self.is_classic() => Network::ClassicPublic,
            _ => self.own.network,
        };
        let own = self.pool.own.iter().filter(|(of, _)| *of == network).map(|(_, it)| *it);
        let fit: Vec<IpNet> =
            own.filter(|it| it.addr().is_ipv6() == is_ipv6 && it.to_string() != object).collect();
        let most = self.dice.between(1, 2);
        let chosen = self.dice.some(&fit, most).into_iter();
        let widened = chosen.map(|it| {
            let len = if self.dice.chance(30) { it.prefix_len() - 4 } else { it.prefix_len() };
            IpNet::new(it.addr(), len).map_or(it, |it| it.trunc()).to_string()
        });
        widened.filter(|it| it != object).collect()
    }
}
