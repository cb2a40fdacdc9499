//! Kinds of addresses: which are never a host's, which never cross the Internet. And which address
//! of an interface a name means ([`World::address_meant`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ringfence_frame::Family;

use crate::{Edge, InterfaceIndex, Network, Place, Reach, World};

const fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len))
}

const fn v6(address: Ipv6Addr, len: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(address, len))
}

/// What no interface and no host can have, with what it is called.
pub(crate) const NEVER_A_HOST: [(IpNet, &str); 10] = [
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved or broadcast"),
    (v6(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (v6(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), "IPv4-mapped"),
    (v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), "link-local"),
    (v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8), "multicast"),
];

/// Hosts have these, and the Internet does not carry them.
const PRIVATE: [IpNet; 5] = [
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v4(100, 64, 0, 0, 10),
    v6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
];

/// Whether the Internet does not carry `address`. The ranges set aside for documentation and
/// benchmarks count as public: made-up worlds give them to hosts on the Internet.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            NOT_CARRIED_V4.iter().any(|&(base, mask)| bits & mask == base)
        }
        IpAddr::V6(_) => {
            PRIVATE.iter().any(|range| range.contains(&address)) || never_a_host(address).is_some()
        }
    }
}

/// The IPv4 ranges of both lists as numbers and masks: every new flow to the Internet asks.
const NOT_CARRIED_V4: [(u32, u32); 9] = {
    let mut ranges = [(0, 0); 9];
    let mut count = 0;
    let mut i = 0;
    while i < NEVER_A_HOST.len() + PRIVATE.len() {
        let range = if i < PRIVATE.len() { PRIVATE[i] } else { NEVER_A_HOST[i - PRIVATE.len()].0 };
        if let IpNet::V4(range) = range {
            let mask = u32::MAX << (32 - range.prefix_len());
            ranges[count] = (range.addr().to_bits() & mask, mask);
            count += 1;
        }
        i += 1;
    }
    assert!(count == ranges.len());
    ranges
};

/// What kind of address this is, if no host can have it.
pub(crate) fn never_a_host(address: IpAddr) -> Option<&'static str> {
    NEVER_A_HOST.iter().find(|(range, _)| range.contains(&address)).map(|&(_, kind)| kind)
}

/// Whether two ranges share an address.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

impl World {
    /// Whether `address` has a meaning inside a network only: private, or a cloud service's.
    pub fn is_internal(&self, address: IpAddr) -> bool {
        is_private(address) || self.is_platform(address)
    }

    /// Whether `address` is the platform's: the metadata server's, or a cloud service's.
    pub(crate) fn is_platform(&self, address: IpAddr) -> bool {
        address == IpAddr::V4(self.platform.metadata_server)
            || self.platform.service_ranges.iter().any(|range| range.contains(&address))
    }

    /// The address that the name of `to` means to `from`: "An id as target means its private
    /// address if the sender is in the same VPC, in a VPC joined by the CEN, or on the classic
    /// internal network; else its public address." A host on premises that reaches the target's
    /// VPC, and a host inside its network, mean the private address as well. `network` picks
    /// outright. An IPv6 address is not mapped: the first one is meant either way.
    ///
    /// `to` may be either NIC of a classic instance if the public address is meant; the public NIC
    /// has no private one. `None` if there is no such address.
    pub fn address_meant(
        &self,
        from: Place,
        to: InterfaceIndex,
        family: Family,
        network: Option<Reach>,
    ) -> Option<IpAddr> {
        let interface = self.interface(to);
        if family == Family::Ipv6 {
            return interface.ipv6.first().copied().map(IpAddr::V6);
        }
        let reach = network.unwrap_or_else(|| match self.is_inside_with(from, interface.network) {
            true => Reach::Internal,
            false => Reach::Internet,
        });
        let address = match (interface.network, reach) {
            (Network::Vpc(_) | Network::ClassicInternal, Reach::Internal)
            | (Network::ClassicPublic, Reach::Internet) => Some(interface.primary),
            (Network::Vpc(_), Reach::Internet) => interface.public_ip,
            (Network::ClassicInternal, Reach::Internet) => self.public_nic_beside(to),
            (Network::ClassicPublic, Reach::Internal) => None,
        };
        address.map(IpAddr::V4)
    }

    fn public_nic_beside(&self, classic_internal: InterfaceIndex) -> Option<Ipv4Addr> {
        let instance = self.interface(classic_internal).instance;
        let siblings = self.instances.get(instance.as_usize())?.interfaces.iter();
        let mut siblings = siblings.map(|&sibling| self.interface(sibling));
        siblings.find(|nic| nic.network == Network::ClassicPublic).map(|nic| nic.primary)
    }

    fn is_inside_with(&self, from: Place, network: Network) -> bool {
        if network == Network::ClassicPublic {
            return false;
        }
        let edge = match from {
            Place::Interface(index) => {
                let own = self.interface(index).network;
                return match (own, network) {
                    (Network::Vpc(own), Network::Vpc(other)) => {
                        own == other || self.is_joined(own, other)
                    }
                    _ => own == network,
                };
            }
            Place::Outside(index) => self.outside[index.as_usize()].edge,
            Place::Edge(edge) => edge,
        };
        match (edge, network) {
            (Edge::Intranet(own), _) => own == network,
            (Edge::OnPremises(site), Network::Vpc(vpc)) => self.on_premises_of(vpc).contains(&site),
            (Edge::OnPremises(_) | Edge::Internet, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{NEVER_A_HOST, PRIVATE, is_private};

    #[test]
    fn private_by_number_is_private_by_range() {
        let listed = |address: IpAddr| {
            let mut ranges = PRIVATE.iter().chain(NEVER_A_HOST.iter().map(|(range, _)| range));
            ranges.any(|range| range.contains(&address))
        };
        for half in 0..=u16::MAX {
            for low in [0, 1, u16::MAX] {
                let address = Ipv4Addr::from_bits(u32::from(half) << 16 | u32::from(low)).into();
                assert_eq!(is_private(address), listed(address), "{address}");
            }
        }
    }
}
