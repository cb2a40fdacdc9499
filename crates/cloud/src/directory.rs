//! Look-up tables over a world: who owns an address, where, and which networks touch. Owns no fact
//! of its own: [`World::index`] makes it from the lists, and may at any time make it again.
//!
//! [`World::locate`] runs for every new flow, so nothing here scans interfaces: an address is one
//! hash look-up, and one binary search where prefixes are delegated.

use std::collections::HashMap;
use std::net::IpAddr;

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
    outside_by_address: HashMap<(Edge, IpAddr), OutsideIndex>,
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

/// Who owns which address where an address means one interface.
#[derive(Clone, Debug, Default)]
struct Owners {
    addresses: HashMap<IpAddr, InterfaceIndex>,
    /// Delegated prefixes, sorted once [`Owners::seal`] has run. [`World::check`] refuses
    /// overlapping ones.
    prefixes: Vec<(IpNet, InterfaceIndex)>,
}

impl Owners {
    /// Of two owners the first stays.
    fn add(&mut self, address: impl Into<IpAddr>, owner: InterfaceIndex) {
        self.addresses.entry(address.into()).or_insert(owner);
    }

    fn add_ipv6(&mut self, interface: &Interface, owner: InterfaceIndex) {
        for &address in &interface.ipv6 {
            self.add(address, owner);
        }
        let prefixes = interface.prefixes.iter().filter(|prefix| prefix.addr().is_ipv6());
        self.prefixes.extend(prefixes.map(|prefix| (prefix.trunc(), owner)));
    }

    fn add_all(&mut self, interface: &Interface, owner: InterfaceIndex) {
        self.add(interface.primary, owner);
        for &address in &interface.secondary {
            self.add(address, owner);
        }
        let prefixes = interface.prefixes.iter().filter(|prefix| prefix.addr().is_ipv4());
        self.prefixes.extend(prefixes.map(|prefix| (prefix.trunc(), owner)));
        self.add_ipv6(interface, owner);
    }

    fn seal(&mut self) {
        self.prefixes.sort_by_key(|(prefix, _)| prefix.network());
    }

    fn get(&self, address: IpAddr) -> Option<InterfaceIndex> {
        self.addresses.get(&address).copied().or_else(|| self.get_by_prefix(address))
    }

    fn get_by_prefix(&self, address: IpAddr) -> Option<InterfaceIndex> {
        let after = self.prefixes.partition_point(|(prefix, _)| prefix.network() <= address);
        let (prefix, owner) = self.prefixes.get(after.checked_sub(1)?)?;
        prefix.contains(&address).then_some(*owner)
    }
}

impl World {
    /// Makes the look-up tables. Call it once the lists are complete, and again whenever
    /// anything but a membership changed.
    pub fn index(&mut self) {
        let mut directory = Directory {
            vpcs: (0..).zip(&self.vpcs).map(|(i, _)| self.vpc_directory(VpcIndex(i))).collect(),
            ..Directory::default()
        };
        for (i, interface) in (0..).zip(&self.interfaces) {
            directory.add_interface(InterfaceIndex(i), interface);
        }
        for (i, host) in (0..).zip(&self.outside) {
            let index = OutsideIndex(i);
            directory.outside_by_name.entry(host.name.clone()).or_insert(index);
            for &address in &host.addresses {
                directory.outside_by_address.entry((host.edge, address)).or_insert(index);
            }
        }
        directory.seal();
        self.directory = directory;
    }

    fn vpc_directory(&self, vpc: VpcIndex) -> VpcDirectory {
        let joined = self.joined_vpcs(vpc).into_iter().filter_map(|other| {
            let joins = |vpcs: &[VpcIndex]| vpcs.contains(&vpc) && vpcs.contains(&other);
            let (cen, _) = (0..).zip(&self.cens).find(|(_, cen)| joins(&cen.vpcs))?;
            Some((other, CenIndex(cen)))
        });
        let sites = (0..).zip(&self.on_premises).filter(|(_, site)| site.vpcs.contains(&vpc));
        VpcDirectory {
            owners: Owners::default(),
            joined: joined.collect(),
            on_premises: sites.map(|(i, _)| OnPremisesIndex(i)).collect(),
        }
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
        self.directory.outside_by_address.get(&(edge, address)).copied()
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
                    self.public.add(public, index);
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
