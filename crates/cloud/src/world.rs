//! What there is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ringfence_frame::MacAddr;

use crate::Origin;
use crate::directory::Directory;

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into the list that it counts.
            pub fn as_usize(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

index! {
    /// Counts [`World::accounts`].
    AccountIndex,
    /// Counts [`World::vpcs`].
    VpcIndex,
    /// Counts [`World::vswitches`].
    VSwitchIndex,
    /// Counts [`World::cens`].
    CenIndex,
    /// Counts [`World::on_premises`].
    OnPremisesIndex,
    /// Counts [`World::instances`].
    InstanceIndex,
    /// Counts [`World::interfaces`].
    InterfaceIndex,
    /// Counts [`World::outside`].
    OutsideIndex,
    /// Counts the security groups of the policy that goes with this world.
    GroupIndex,
}

/// Everything that has a place in the network.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Account ids.
    pub accounts: Vec<String>,
    /// VPCs.
    pub vpcs: Vec<Vpc>,
    /// vSwitches of all VPCs.
    pub vswitches: Vec<VSwitch>,
    /// CENs.
    pub cens: Vec<Cen>,
    /// Networks on premises.
    pub on_premises: Vec<OnPremises>,
    /// Instances.
    pub instances: Vec<Instance>,
    /// Their network interfaces.
    pub interfaces: Vec<Interface>,
    /// Named hosts outside: on the Internet, on premises, cloud services.
    pub outside: Vec<OutsideHost>,
    /// Constants of the platform.
    pub platform: Platform,
    pub(crate) directory: Directory,
}

/// Constants of a platform (from the scenario's profile).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Platform {
    /// What answers ARP and ND for the whole network, and the source of every frame delivered.
    pub gateway_mac: MacAddr,
    /// The metadata server, which every VPC reaches.
    pub metadata_server: Ipv4Addr,
    /// Ranges of cloud services: reached inside every network, never over the Internet.
    pub service_ranges: Vec<IpNet>,
    /// Source of the fabric's own ICMP errors where no gateway of a vSwitch is nearer (IPv4).
    pub fabric_ipv4: Ipv4Addr,
    /// The same for IPv6.
    pub fabric_ipv6: Ipv6Addr,
}

impl Default for Platform {
    /// Alibaba Cloud.
    fn default() -> Platform {
        Platform {
            gateway_mac: MacAddr([0xee, 0xff, 0xff, 0xff, 0xff, 0xff]),
            metadata_server: Ipv4Addr::new(100, 100, 100, 200),
            service_ranges: vec![
                ipnet::Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10).into(),
            ],
            fabric_ipv4: Ipv4Addr::new(100, 64, 0, 1),
            fabric_ipv6: Ipv6Addr::new(0xfe80, 0, 0, 0, 0xecff, 0xffff, 0xfeff, 0xffff),
        }
    }
}

/// A VPC.
#[derive(Clone, Debug)]
pub struct Vpc {
    /// Id.
    pub id: String,
    /// Whose.
    pub account: AccountIndex,
    /// Its ranges: primary, secondary, IPv6.
    pub cidrs: Vec<IpNet>,
    /// Where it was said.
    pub origin: Origin,
}

/// A vSwitch.
#[derive(Clone, Debug)]
pub struct VSwitch {
    /// Id.
    pub id: String,
    /// In which VPC.
    pub vpc: VpcIndex,
    /// Its IPv4 range.
    pub cidr: ipnet::Ipv4Net,
    /// Its IPv6 range.
    pub ipv6_cidr: Option<ipnet::Ipv6Net>,
    /// Where it was said.
    pub origin: Origin,
}

/// A Cloud Enterprise Network: joins VPCs.
#[derive(Clone, Debug)]
pub struct Cen {
    /// Id.
    pub id: String,
    /// The VPCs that it joins.
    pub vpcs: Vec<VpcIndex>,
    /// Where it was said.
    pub origin: Origin,
}

/// A network on premises that some VPCs reach.
#[derive(Clone, Debug)]
pub struct OnPremises {
    /// Id.
    pub id: String,
    /// Its ranges.
    pub cidrs: Vec<IpNet>,
    /// The VPCs joined to it.
    pub vpcs: Vec<VpcIndex>,
    /// Where it was said.
    pub origin: Origin,
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Id.
    pub id: String,
    /// Whose.
    pub account: AccountIndex,
    /// Its interfaces, the primary one first. A classic instance has its internal NIC first and
    /// its public NIC, if any, second.
    pub interfaces: Vec<InterfaceIndex>,
    /// Where it was said.
    pub origin: Origin,
}

/// A network in which an address means one interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Network {
    /// A VPC.
    Vpc(VpcIndex),
    /// The classic network's internal side.
    ClassicInternal,
    /// The classic network's public NICs; their addresses are public ones.
    ClassicPublic,
}

/// A network interface (ENI, or NIC of a classic instance).
#[derive(Clone, Debug)]
pub struct Interface {
    /// Port name: `web-1`, `web-1/eth1`, `web-1/public`.
    pub name: String,
    /// Whose.
    pub instance: InstanceIndex,
    /// Where it is attached.
    pub network: Network,
    /// Its vSwitch, in a VPC.
    pub vswitch: Option<VSwitchIndex>,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Primary address (private; for a classic public NIC the public one).
    pub primary: Ipv4Addr,
    /// Secondary private IPv4 addresses.
    pub secondary: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Delegated prefixes, IPv4 and IPv6.
    pub prefixes: Vec<IpNet>,
    /// The public address mapped one to one to `primary`.
    pub public_ip: Option<Ipv4Addr>,
    /// Whether its IPv6 addresses reach the Internet.
    pub ipv6_internet: bool,
    /// Whether packets must carry one of its own addresses as source.
    pub source_dest_check: bool,
    /// Its security groups, in the order in which they are attached.
    pub groups: Vec<GroupIndex>,
    /// Bytes of IP packet that its link carries.
    pub mtu: usize,
    /// Where it was said.
    pub origin: Origin,
}

impl Interface {
    /// Whether `address` is one of its own: primary, secondary, IPv6, or in a delegated prefix.
    pub fn owns(&self, address: IpAddr) -> bool {
        let listed = match address {
            IpAddr::V4(v4) => v4 == self.primary || self.secondary.contains(&v4),
            IpAddr::V6(v6) => self.ipv6.contains(&v6),
        };
        listed || self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }
}

/// Where outside the cloud's instances something lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Edge {
    /// The Internet.
    Internet,
    /// A network on premises.
    OnPremises(OnPremisesIndex),
    /// Inside a network, but no instance of this world: cloud services, other tenants, pods.
    Intranet(Network),
}

/// A named host outside. A cloud service is one host in each network that reaches it.
#[derive(Clone, Debug)]
pub struct OutsideHost {
    /// Port name.
    pub name: String,
    /// Where it lives.
    pub edge: Edge,
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Bytes of IP packet that its link carries.
    pub mtu: usize,
    /// Where it was said.
    pub origin: Origin,
}

/// Somewhere a frame comes from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// A network interface.
    Interface(InterfaceIndex),
    /// A named host outside.
    Outside(OutsideIndex),
    /// Whoever lives there and has no name.
    Edge(Edge),
}

/// Whether a packet travels inside (VPC, joined VPCs, on premises, services, classic internal
/// network) or over the Internet. Group objects match inside only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// Over the internal network.
    Internal,
    /// Over the Internet.
    Internet,
}

impl World {
    /// The interface called so (a port name).
    pub fn interface_named(&self, name: &str) -> Option<InterfaceIndex> {
        self.directory.interface_by_name.get(name).copied()
    }

    /// The outside host called so.
    pub fn outside_named(&self, name: &str) -> Option<OutsideIndex> {
        self.directory.outside_by_name.get(name).copied()
    }

    /// An interface.
    pub fn interface(&self, index: InterfaceIndex) -> &Interface {
        &self.interfaces[index.as_usize()]
    }

    /// The VPCs that a CEN joins to `vpc`, itself left out, in order, none twice. Reads the lists;
    /// needs no index.
    pub fn joined_vpcs(&self, vpc: VpcIndex) -> Vec<VpcIndex> {
        let mut joined: Vec<VpcIndex> = self
            .cens
            .iter()
            .filter(|cen| cen.vpcs.contains(&vpc))
            .flat_map(|cen| cen.vpcs.iter().copied())
            .filter(|&other| other != vpc)
            .collect();
        joined.sort_unstable();
        joined.dedup();
        joined
    }

    /// The name of a place, as reports print it: a port name, `internet`, `on-premises ID`,
    /// `intranet of VPC-ID`, `intranet of the classic network`.
    pub fn place_name(&self, place: Place) -> String {
        match place {
            Place::Interface(index) => self.interface(index).name.clone(),
            Place::Outside(index) => self.outside[index.as_usize()].name.clone(),
            Place::Edge(Edge::Internet) => "internet".to_owned(),
            Place::Edge(Edge::OnPremises(site)) => {
                format!("on-premises {}", self.on_premises[site.as_usize()].id)
            }
            Place::Edge(Edge::Intranet(network)) => match network {
                Network::Vpc(vpc) => format!("intranet of {}", self.vpcs[vpc.as_usize()].id),
                Network::ClassicInternal => "intranet of the classic network".to_owned(),
                Network::ClassicPublic => "public side of the classic network".to_owned(),
            },
        }
    }
}

impl VSwitch {
    /// "The gateway is the third address from the end of the vSwitch (.253 in a /24)".
    pub fn gateway(&self) -> Ipv4Addr {
        let first = self.cidr.network().to_bits();
        let last = self.cidr.broadcast().to_bits();
        Ipv4Addr::from_bits(last.saturating_sub(2).max(first))
    }

    /// The same place in the IPv6 range.
    pub fn gateway_ipv6(&self) -> Option<Ipv6Addr> {
        self.ipv6_cidr.map(|cidr| {
            let first = cidr.network().to_bits();
            let last = cidr.broadcast().to_bits();
            Ipv6Addr::from_bits(last.saturating_sub(2).max(first))
        })
    }
}
