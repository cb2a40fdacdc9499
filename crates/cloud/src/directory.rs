//! Look-up tables over a world: who owns an address, where, and which networks touch. Owns no fact
//! of its own: [`World::index`] makes it from the lists, and may at any time make it again.
//!
//! [`World::locate`] runs for every new flow, so nothing here scans interfaces: an address is one
//! hash look-up, and one binary search where prefixes are delegated.

use std::hash::Hash;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use ipnet::IpNet;

use crate::{
    CenIndex, Edge, Interface, InterfaceIndex, Network, OnPremisesIndex, OutsideIndex, VpcIndex,
    World,
};

/// Made by [`World::index`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    vpcs: Vec<VpcDirectory>,
    classic_internal: Owners,
    classic_public: Owners,
    public: Owners,
    /// IPv6 addresses in VPCs that do not reach the Internet.
    ipv6_not_public: Owners,
    outside_ipv4: HashMap<(Edge, u32), OutsideIndex>,
    outside_ipv6: HashMap<(Edge, u128), OutsideIndex>,
    pub(crate) interface_by_name: HashMap<String, InterfaceIndex>,
    pub(crate) outside_by_name: HashMap<String, OutsideIndex>,
}

/// One VPC's part.
#[derive(Clone, Debug, Default)]
struct VpcDirectory {
    owners: Owners,
    /// Joined VPCs in order, each with the first CEN that joins it.
    joined: Vec<(VpcIndex, CenIndex)>,
    on_premises: Vec<OnPremisesIndex>,
}

/// Nothing iterates over one, so that its order is never seen. The state is fixed as the keys are
/// the world's own: who sends packets cannot choose what is entered.
type HashMap<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// Who owns which address where an address means one interface.
#[derive(Clone, Debug, Default)]
struct Owners {
    ipv4: OwnersOf<u32>,
    ipv6: OwnersOf<u128>,
}

/// The addresses of one family, as numbers.
#[derive(Clone, Debug, Default)]
struct OwnersOf<A> {
    addresses: HashMap<A, InterfaceIndex>,
    /// Delegated prefixes (the first and the last address), sorted once [`OwnersOf::seal`] has run.
    /// [`World::check`] refuses overlapping ones.
    prefixes: Vec<(A, A, InterfaceIndex)>,
}

impl<A: Copy + Ord + Hash> OwnersOf<A> {
    /// Of two owners the first stays.
    fn add(&mut self, address: A, owner: InterfaceIndex) {
        self.addresses.entry(address).or_insert(owner);
    }

    fn seal(&mut self) {
        self.prefixes.sort_by_key(|&(first, _, _)| first);
    }

    fn get(&self, address: A) -> Option<InterfaceIndex> {
        match self.addresses.get(&address) {
            Some(owner) => Some(*owner),
            None if self.prefixes.is_empty() => None,
            None => self.get_by_prefix(address),
        }
    }

    fn get_by_prefix(&self, address: A) -> Option<InterfaceIndex> {
        let after = self.prefixes.partition_point(|&(first, _, _)| first <= address);
        let (_, last, owner) = *self.prefixes.get(after.checked_sub(1)?)?;
        (address <= last).then_some(owner)
    }
}

impl Owners {
    fn add_ipv6(&mut self, interface: &Interface, owner: InterfaceIndex) {
        for address in &interface.ipv6 {
            self.ipv6.add(address.to_bits(), owner);
        }
        for prefix in &interface.prefixes {
            if let IpNet::V6(prefix) = prefix {
                let range = (prefix.network().to_bits(), prefix.broadcast().to_bits(), owner);
                self.ipv6.prefixes.push(range);
            }
        }
    }

    fn add_all(&mut self, interface: &Interface, owner: InterfaceIndex) {
        for address in std::iter::once(&interface.primary).chain(&interface.secondary) {
            self.ipv4.add(address.to_bits(), owner);
        }
        for prefix in &interface.prefixes {
            if let IpNet::V4(prefix) = prefix {
                let range = (prefix.network().to_bits(), prefix.broadcast().to_bits(), owner);
                self.ipv4.prefixes.push(range);
            }
        }
        self.add_ipv6(interface, owner);
    }

    fn seal(&mut self) {
        self.ipv4.seal();
        self.ipv6.seal();
    }

    fn get(&self, address: IpAddr) -> Option<InterfaceIndex> {
        match address {
            IpAddr::V4(address) => self.ipv4.get(address.to_bits()),
            IpAddr::V6(address) => self.ipv6.get(address.to_bits()),
        }
    }
}

impl World {
    /// Makes the look-up tables. Call it once the lists are complete, and again whenever
    /// anything but a membership changed.
    pub fn index(&mut self) {
        let mut directory = Directory { vpcs: self.vpc_directories(), ..Directory::default() };
        for (i, interface) in (0..).zip(&self.interfaces) {
            directory.add_interface(InterfaceIndex(i), interface);
        }
        for (i, host) in (0..).zip(&self.outside) {
            let index = OutsideIndex(i);
            directory.outside_by_name.entry(host.name.clone()).or_insert(index);
            for &address in &host.addresses {
                directory.add_outside(host.edge, address, index);
            }
        }
        directory.seal();
        self.directory = directory;
    }

    /// What each VPC is joined to; owners come later. A CEN of n VPCs costs n² here, as it joins as
    /// many pairs.
    fn vpc_directories(&self) -> Vec<VpcDirectory> {
        let mut vpcs = vec![VpcDirectory::default(); self.vpcs.len()];
        for (i, cen) in (0..).zip(&self.cens) {
            for vpc in &cen.vpcs {
                let Some(directory) = vpcs.get_mut(vpc.as_usize()) else { continue };
                let others = cen.vpcs.iter().filter(|other| *other != vpc);
                directory.joined.extend(others.map(|&other| (other, CenIndex(i))));
            }
        }
        for (i, site) in (0..).zip(&self.on_premises) {
            for vpc in &site.vpcs {
                let Some(directory) = vpcs.get_mut(vpc.as_usize()) else { continue };
                // a site's VPCs come one after the other: said twice, joined once
                if directory.on_premises.last() != Some(&OnPremisesIndex(i)) {
                    directory.on_premises.push(OnPremisesIndex(i));
                }
            }
        }
        for directory in &mut vpcs {
            directory.joined.sort_unstable();
            directory.joined.dedup_by_key(|&mut (other, _)| other);
        }
        vpcs
    }

    /// The interface that owns `address` inside `network`.
    pub fn owner(&self, network: Network, address: IpAddr) -> Option<InterfaceIndex> {
        let directory = &self.directory;
        match network {
            Network::Vpc(vpc) => directory.vpcs.get(vpc.as_usize())?.owners.get(address),
            Network::ClassicInternal => directory.classic_internal.get(address),
            Network::ClassicPublic => directory.classic_public.get(address),
        }
    }

    /// The interface to which the public address belongs: mapped to a VPC interface, of a classic
    /// public NIC, or an IPv6 address that reaches the Internet.
    pub fn owner_of_public(&self, address: IpAddr) -> Option<InterfaceIndex> {
        self.directory.public.get(address)
    }

    /// Whether `address` is an instance's IPv6 address that does not reach the Internet.
    pub(crate) fn is_ipv6_without_internet(&self, address: IpAddr) -> bool {
        self.directory.ipv6_not_public.get(address).is_some()
    }

    /// The named outside host at `edge` that has `address`.
    pub fn outside_at(&self, edge: Edge, address: IpAddr) -> Option<OutsideIndex> {
        let found = match address {
            IpAddr::V4(address) => self.directory.outside_ipv4.get(&(edge, address.to_bits())),
            IpAddr::V6(address) => self.directory.outside_ipv6.get(&(edge, address.to_bits())),
        };
        found.copied()
    }

    /// The VPCs joined to `vpc`, each with the CEN that joins it.
    pub(crate) fn joined(&self, vpc: VpcIndex) -> &[(VpcIndex, CenIndex)] {
        self.directory.vpcs.get(vpc.as_usize()).map_or(&[], |vpc| &vpc.joined)
    }

    /// The networks on premises joined to `vpc`.
    pub(crate) fn on_premises_of(&self, vpc: VpcIndex) -> &[OnPremisesIndex] {
        self.directory.vpcs.get(vpc.as_usize()).map_or(&[], |vpc| &vpc.on_premises)
    }
}

impl Directory {
    fn add_interface(&mut self, index: InterfaceIndex, interface: &Interface) {
        self.interface_by_name.entry(interface.name.clone()).or_insert(index);
        match interface.network {
            Network::Vpc(vpc) => {
                if let Some(vpc) = self.vpcs.get_mut(vpc.as_usize()) {
                    vpc.owners.add_all(interface, index);
                }
                if let Some(public) = interface.public_ip {
                    self.public.ipv4.add(public.to_bits(), index);
                }
                // "IPv6 needs `ipv6_internet: true` on the instance and is not mapped."
                let ipv6 = match interface.ipv6_internet {
                    true => &mut self.public,
                    false => &mut self.ipv6_not_public,
                };
                ipv6.add_ipv6(interface, index);
            }
            Network::ClassicInternal => self.classic_internal.add_all(interface, index),
            Network::ClassicPublic => {
                self.classic_public.add_all(interface, index);
                self.public.add_all(interface, index);
            }
        }
    }

    /// Of two hosts the first stays.
    fn add_outside(&mut self, edge: Edge, address: IpAddr, host: OutsideIndex) {
        match address {
            IpAddr::V4(address) => {
                self.outside_ipv4.entry((edge, address.to_bits())).or_insert(host);
            }
            IpAddr::V6(address) => {
                self.outside_ipv6.entry((edge, address.to_bits())).or_insert(host);
            }
        }
    }

    fn seal(&mut self) {
        let vpcs = self.vpcs.iter_mut().map(|vpc| &mut vpc.owners);
        let others = [
            &mut self.classic_internal,
            &mut self.classic_public,
            &mut self.public,
            &mut self.ipv6_not_public,
        ];
        vpcs.chain(others).for_each(Owners::seal);
    }
}
