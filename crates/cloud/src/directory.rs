//! Look-up tables over a world: who owns an address, where, and which networks touch. Owns no fact
//! of its own: [`World::index`] makes it from the lists, and may at any time make it again.
//!
//! [`World::locate`] runs for every new flow, so nothing here scans interfaces: an address is one
//! hash look-up, and one binary search where prefixes are delegated; a joined VPC is one binary
//! search over its CEN's ranges.

use std::net::{IpAddr, Ipv4Addr};

use foldhash::fast::FixedState;

use crate::ranges::Ranges;
use crate::{
    Cen, CenIndex, Edge, Interface, InterfaceIndex, Network, OnPremisesIndex, OutsideIndex,
    VSwitchIndex, VpcIndex, World,
};

/// Made by [`World::index`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    /// For each interface.
    homes: Vec<Home>,
    vpcs: Vec<VpcDirectory>,
    /// The ranges of each CEN's VPCs.
    cens: Vec<Ranges<VpcIndex>>,
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

/// Where an interface is at home, in little memory.
#[derive(Clone, Copy, Debug)]
struct Home {
    vpc: Option<VpcIndex>,
    vswitch: Option<VSwitchIndex>,
}

/// One VPC's part.
#[derive(Clone, Debug, Default)]
struct VpcDirectory {
    owners: Owners,
    /// The CENs that join it to others, in order.
    cens: Vec<CenIndex>,
    on_premises: Vec<OnPremisesIndex>,
}

/// Nothing iterates over one, so that its order is never seen. The state is fixed as the keys are
/// the world's own: who sends packets cannot choose what is entered.
type HashMap<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// Who owns which address where an address means one interface.
#[derive(Clone, Debug, Default)]
struct Owners {
    ipv4: HashMap<u32, InterfaceIndex>,
    ipv6: HashMap<u128, InterfaceIndex>,
    /// Delegated prefixes.
    prefixes: Ranges<InterfaceIndex>,
}

/// Of two owners the first stays.
impl Owners {
    fn add_ipv4(&mut self, address: Ipv4Addr, owner: InterfaceIndex) {
        self.ipv4.entry(address.to_bits()).or_insert(owner);
    }

    fn add_ipv6(&mut self, interface: &Interface, owner: InterfaceIndex) {
        for address in &interface.ipv6 {
            self.ipv6.entry(address.to_bits()).or_insert(owner);
        }
        for prefix in interface.prefixes.iter().filter(|prefix| prefix.addr().is_ipv6()) {
            self.prefixes.add(*prefix, owner);
        }
    }

    fn add_all(&mut self, interface: &Interface, owner: InterfaceIndex) {
        self.add_ipv4(interface.primary, owner);
        for &address in &interface.secondary {
            self.add_ipv4(address, owner);
        }
        for prefix in interface.prefixes.iter().filter(|prefix| prefix.addr().is_ipv4()) {
            self.prefixes.add(*prefix, owner);
        }
        self.add_ipv6(interface, owner);
    }

    fn seal(&mut self) {
        self.prefixes.seal();
    }

    fn get(&self, address: IpAddr) -> Option<InterfaceIndex> {
        let listed = match address {
            IpAddr::V4(address) => self.ipv4.get(&address.to_bits()),
            IpAddr::V6(address) => self.ipv6.get(&address.to_bits()),
        };
        match listed {
            Some(owner) => Some(*owner),
            None => self.prefixes.get(address),
        }
    }
}

impl World {
    /// Makes the look-up tables. Call it once the lists are complete, and again whenever
    /// anything but a membership changed.
    pub fn index(&mut self) {
        let mut directory = Directory {
            vpcs: self.vpc_directories(),
            cens: self.cens.iter().map(|cen| self.ranges_of(cen)).collect(),
            ..Directory::default()
        };
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

    /// What each VPC is joined to; owners come later.
    fn vpc_directories(&self) -> Vec<VpcDirectory> {
        let mut vpcs = vec![VpcDirectory::default(); self.vpcs.len()];
        for (i, cen) in (0..).zip(&self.cens) {
            for vpc in &cen.vpcs {
                if let Some(vpc) = vpcs.get_mut(vpc.as_usize()) {
                    vpc.cens.push(CenIndex(i));
                }
            }
        }
        for (i, site) in (0..).zip(&self.on_premises) {
            for vpc in &site.vpcs {
                if let Some(vpc) = vpcs.get_mut(vpc.as_usize()) {
                    vpc.on_premises.push(OnPremisesIndex(i));
                }
            }
        }
        for vpc in &mut vpcs {
            // named twice, joined once
            vpc.cens.dedup();
            vpc.on_premises.dedup();
        }
        vpcs
    }

    fn ranges_of(&self, cen: &Cen) -> Ranges<VpcIndex> {
        let mut ranges = Ranges::default();
        for &index in &cen.vpcs {
            let vpc = self.vpcs.get(index.as_usize());
            for &range in vpc.into_iter().flat_map(|vpc| &vpc.cidrs) {
                ranges.add(range, index);
            }
        }
        ranges.seal();
        ranges
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

    /// The interface of `from`'s own VPC that has `target`, and whether a router lies between them, if
    /// `from` is who has `source` there: what [`World::locate`] finds first, both ways. Interfaces
    /// of one VPC have no other way to each other's private addresses.
    pub fn neighbor(
        &self,
        from: InterfaceIndex,
        source: IpAddr,
        target: IpAddr,
    ) -> Option<(InterfaceIndex, bool)> {
        let directory = &self.directory;
        let home = directory.homes.get(from.as_usize())?;
        let owners = &directory.vpcs.get(home.vpc?.as_usize())?.owners;
        let to = owners.get(target)?;
        let is_routed = directory.homes.get(to.as_usize())?.vswitch != home.vswitch;
        (owners.get(source) == Some(from)).then_some((to, is_routed))
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

    /// The VPCs that a CEN joins to `vpc` (itself among them) in whose ranges `address` lies, each
    /// with that CEN: at most one for each, as VPCs that a CEN joins have ranges apart.
    pub(crate) fn joined_at(
        &self,
        vpc: VpcIndex,
        address: IpAddr,
    ) -> impl Iterator<Item = (VpcIndex, CenIndex)> {
        self.cens_of(vpc).iter().filter_map(move |&cen| {
            Some((self.directory.cens.get(cen.as_usize())?.get(address)?, cen))
        })
    }

    /// Whether a CEN joins these two.
    pub(crate) fn is_joined(&self, a: VpcIndex, b: VpcIndex) -> bool {
        let cens = self.cens_of(b);
        self.cens_of(a).iter().any(|cen| cens.binary_search(cen).is_ok())
    }

    fn cens_of(&self, vpc: VpcIndex) -> &[CenIndex] {
        self.directory.vpcs.get(vpc.as_usize()).map_or(&[], |vpc| &vpc.cens)
    }

    /// The networks on premises joined to `vpc`.
    pub(crate) fn on_premises_of(&self, vpc: VpcIndex) -> &[OnPremisesIndex] {
        self.directory.vpcs.get(vpc.as_usize()).map_or(&[], |vpc| &vpc.on_premises)
    }
}

impl Directory {
    fn add_interface(&mut self, index: InterfaceIndex, interface: &Interface) {
        let vpc = match interface.network {
            Network::Vpc(vpc) => Some(vpc),
            Network::ClassicInternal | Network::ClassicPublic => None,
        };
        self.homes.push(Home { vpc, vswitch: interface.vswitch });
        self.interface_by_name.entry(interface.name.clone()).or_insert(index);
        match interface.network {
            Network::Vpc(vpc) => {
                if let Some(vpc) = self.vpcs.get_mut(vpc.as_usize()) {
                    vpc.owners.add_all(interface, index);
                }
                if let Some(public) = interface.public_ip {
                    self.public.add_ipv4(public, index);
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
