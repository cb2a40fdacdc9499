//! Candidates for lanes. A pair drawn blindly would hardly ever meet a narrow rule, so that most
//! are drawn from a rule: somebody whom it names, at a port that it names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use ringfence_cloud::{Edge, Interface, InterfaceIndex, Network, OutsideIndex, Place, World};
use ringfence_frame::{Direction, Family, Protocol, Tuple};
use ringfence_policy::{Object, PolicySet, Ports, ProtocolMatch, Rule};

use crate::lanes::SOURCE_PORT_MIN;
use crate::{BenchWorld, Fate, LaneWish, Way};

/// One of so many candidates is drawn blindly.
const BLIND_ONE_IN: u32 = 4;

pub(crate) struct Draw<'a> {
    world: &'a World,
    policies: &'a PolicySet,
    wish: LaneWish,
    protocol: Protocol,
    random: Pcg64,
    /// Addresses of the family with their owners, in order.
    owners: Vec<(IpAddr, InterfaceIndex)>,
    members: Vec<Vec<InterfaceIndex>>,
    /// Interfaces that have a public address of the family.
    public: Vec<InterfaceIndex>,
    /// Named hosts on the Internet with their addresses of the family.
    hosts: Vec<(OutsideIndex, IpAddr)>,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(world: &'a BenchWorld, wish: &LaneWish, seed: u64) -> Draw<'a> {
        let fabric = &world.fabric;
        let mut draw = Draw {
            world: &fabric.world,
            policies: &fabric.policies,
            wish: *wish,
            protocol: match (wish.protocol, wish.family) {
                (Protocol::ICMP | Protocol::ICMPV6, Family::Ipv4) => Protocol::ICMP,
                (Protocol::ICMP | Protocol::ICMPV6, Family::Ipv6) => Protocol::ICMPV6,
                (other, _) => other,
            },
            random: Pcg64::seed_from_u64(seed),
            owners: Vec::new(),
            members: vec![Vec::new(); fabric.policies.groups.len()],
            public: Vec::new(),
            hosts: Vec::new(),
        };
        draw.index();
        draw
    }

    fn index(&mut self) {
        for (number, interface) in (0..).map(InterfaceIndex).zip(&self.world.interfaces) {
            for group in &interface.groups {
                if let Some(members) = self.members.get_mut(group.as_usize()) {
                    members.push(number);
                }
            }
            if let Some(address) = address(interface, self.wish.family) {
                self.owners.push((address, number));
            }
            if public_address(interface, self.wish.family).is_some() {
                self.public.push(number);
            }
        }
        self.owners.sort_unstable();
        for (number, host) in (0..).map(OutsideIndex).zip(&self.world.outside) {
            let addresses = host.addresses.iter().copied();
            let of_family = addresses.filter(|&ip| Family::of(ip) == self.wish.family);
            if host.edge == Edge::Internet {
                self.hosts.extend(of_family.map(|address| (number, address)));
            }
        }
    }

    /// A sender and a packet without source port; `None` if this draw came to nothing.
    pub(crate) fn candidate(&mut self) -> Option<(Place, Tuple)> {
        let (from, source, target, rule) = match (self.wish.fate, self.wish.way) {
            (Fate::Unreachable, _) => self.nobody_there()?,
            (_, Way::FromInternet) => self.coming_from_internet()?,
            (_, Way::ToInternet) => self.going_to_internet()?,
            (_, Way::Hairpin) => self.hairpin()?,
            (Fate::DeniedOutbound, Way::Inside | Way::Joined) => self.by_sender()?,
            (_, Way::Inside | Way::Joined) => self.by_receiver()?,
        };
        let target_port = match (self.protocol.has_ports(), rule) {
            (false, _) => 0,
            (true, Some(rule)) => self.port_of(rule)?,
            (true, None) => self.random.random_range(1..SOURCE_PORT_MIN),
        };
        let protocol = self.protocol;
        Some((from, Tuple { source, target, protocol, source_port: 0, target_port }))
    }

    fn by_receiver(&mut self) -> Option<Candidate<'a>> {
        let receiver = self.wish.to.map_or_else(|| self.any_interface(), Some)?;
        let rule = self.rule(receiver, Direction::Inbound);
        let sender = match (self.wish.from, rule) {
            (Some(sender), _) => sender,
            (None, Some(rule)) => self.one_of(rule.object)?,
            (None, None) => self.any_interface()?,
        };
        let family = self.wish.family;
        let source = address(self.world.interface(sender), family)?;
        let target = address(self.world.interface(receiver), family)?;
        Some((Place::Interface(sender), source, target, rule))
    }

    fn by_sender(&mut self) -> Option<Candidate<'a>> {
        let sender = self.wish.from.map_or_else(|| self.any_interface(), Some)?;
        let rule = self.rule(sender, Direction::Outbound);
        let receiver = match (self.wish.to, rule) {
            (Some(receiver), _) => receiver,
            (None, Some(rule)) => self.one_of(rule.object)?,
            (None, None) => self.any_interface()?,
        };
        let family = self.wish.family;
        let source = address(self.world.interface(sender), family)?;
        let target = address(self.world.interface(receiver), family)?;
        Some((Place::Interface(sender), source, target, rule))
    }

    /// To a private address without owner, in the sender's own VPC.
    fn nobody_there(&mut self) -> Option<Candidate<'a>> {
        let sender = self.wish.from.map_or_else(|| self.any_interface(), Some)?;
        let interface = self.world.interface(sender);
        let source = address(interface, self.wish.family)?;
        let Network::Vpc(vpc) = interface.network else { return None };
        let of_family = |cidr: &&IpNet| Family::of(cidr.addr()) == self.wish.family;
        let cidr = *self.world.vpcs[vpc.as_usize()].cidrs.iter().find(of_family)?;
        let target = self.address_in(cidr);
        let is_free = self.world.owner(interface.network, target).is_none();
        is_free.then_some((Place::Interface(sender), source, target, None))
    }

    fn coming_from_internet(&mut self) -> Option<Candidate<'a>> {
        let (host, source) = pick(&self.hosts, &mut self.random)?;
        let receiver = match self.wish.to {
            Some(receiver) => receiver,
            None => pick(&self.public, &mut self.random)?,
        };
        let target = public_address(self.world.interface(receiver), self.wish.family)?;
        let rule = self.rule(receiver, Direction::Inbound);
        Some((Place::Outside(host), source, target, rule))
    }

    fn going_to_internet(&mut self) -> Option<Candidate<'a>> {
        let sender = self.public_sender()?;
        let (_, target) = pick(&self.hosts, &mut self.random)?;
        let source = address(self.world.interface(sender), self.wish.family)?;
        let rule = self.rule(sender, Direction::Outbound);
        Some((Place::Interface(sender), source, target, rule))
    }

    fn hairpin(&mut self) -> Option<Candidate<'a>> {
        let sender = self.public_sender()?;
        let receiver = match self.wish.to {
            Some(receiver) => receiver,
            None => pick(&self.public, &mut self.random)?,
        };
        let source = address(self.world.interface(sender), self.wish.family)?;
        let target = public_address(self.world.interface(receiver), self.wish.family)?;
        let rule = match self.wish.fate {
            Fate::DeniedOutbound => self.rule(sender, Direction::Outbound),
            _ => self.rule(receiver, Direction::Inbound),
        };
        Some((Place::Interface(sender), source, target, rule))
    }

    fn public_sender(&mut self) -> Option<InterfaceIndex> {
        match self.wish.from {
            Some(sender) => Some(sender),
            None => pick(&self.public, &mut self.random),
        }
    }

    fn any_interface(&mut self) -> Option<InterfaceIndex> {
        pick(&self.owners, &mut self.random).map(|(_, owner)| owner)
    }

    /// A rule of one of its groups that concerns the protocol; sometimes none on purpose.
    fn rule(&mut self, interface: InterfaceIndex, direction: Direction) -> Option<&'a Rule> {
        if self.random.random_range(0..BLIND_ONE_IN) == 0 {
            return None;
        }
        let group = pick(&self.world.interface(interface).groups, &mut self.random)?;
        let rules = &self.policies.groups.get(group.as_usize())?.rules;
        let concerns = |rule: &&Rule| {
            let protocol = match rule.protocol {
                ProtocolMatch::All => true,
                ProtocolMatch::Is(protocol) => protocol == self.protocol,
            };
            protocol && rule.direction == direction
        };
        if rules.is_empty() {
            return None;
        }
        let start = self.random.random_range(0..rules.len());
        rules[start..].iter().chain(&rules[..start]).find(concerns)
    }

    /// An interface that a rule names.
    fn one_of(&mut self, object: Object) -> Option<InterfaceIndex> {
        let range = match object {
            Object::Group(group) => {
                return pick(self.members.get(group.as_usize())?, &mut self.random);
            }
            Object::Cidr(range) => range,
            Object::PrefixList(list) => {
                pick(&self.policies.prefix_lists.get(list.0 as usize)?.entries, &mut self.random)?
            }
        };
        let first = self.owners.partition_point(|(address, _)| *address < range.network());
        let end = self.owners.partition_point(|(address, _)| *address <= range.broadcast());
        pick(self.owners.get(first..end)?, &mut self.random).map(|(_, owner)| owner)
    }

    fn address_in(&mut self, range: IpNet) -> IpAddr {
        match range {
            IpNet::V4(range) => {
                let (first, last) = (range.network().to_bits(), range.broadcast().to_bits());
                Ipv4Addr::from_bits(self.random.random_range(first..=last)).into()
            }
            IpNet::V6(range) => {
                let (first, last) = (range.network().to_bits(), range.broadcast().to_bits());
                Ipv6Addr::from_bits(self.random.random_range(first..=last)).into()
            }
        }
    }

    fn port_of(&mut self, rule: &Rule) -> Option<u16> {
        let range = match &rule.ports {
            Ports::Any => return Some(self.random.random_range(1..SOURCE_PORT_MIN)),
            Ports::Range(range) => *range,
            Ports::List(list) => {
                pick(&self.policies.port_lists.get(list.0 as usize)?.entries, &mut self.random)?
            }
        };
        Some(self.random.random_range(range.first()..=range.last()))
    }
}

/// A sender, its address, the target, and the rule whose port is to be taken.
type Candidate<'a> = (Place, IpAddr, IpAddr, Option<&'a Rule>);

fn pick<T: Copy>(list: &[T], random: &mut Pcg64) -> Option<T> {
    (!list.is_empty()).then(|| list[random.random_range(0..list.len())])
}

fn address(interface: &Interface, family: Family) -> Option<IpAddr> {
    match family {
        Family::Ipv4 => Some(interface.primary.into()),
        Family::Ipv6 => interface.ipv6.first().map(|&address| address.into()),
    }
}

fn public_address(interface: &Interface, family: Family) -> Option<IpAddr> {
    match (family, interface.network) {
        (Family::Ipv4, Network::ClassicPublic) => Some(interface.primary.into()),
        (Family::Ipv4, _) => interface.public_ip.map(IpAddr::V4),
        (Family::Ipv6, _) if interface.ipv6_internet => address(interface, family),
        (Family::Ipv6, _) => None,
    }
}
