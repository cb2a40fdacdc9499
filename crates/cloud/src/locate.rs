//! Who has the target address, and by which path ([`World::locate`]). Owns the order in which
//! networks are asked, and what the Internet gateway translates. Whether a packet may go there is
//! for the rules, whether it fits (TTL, MTU) for the switch.

use std::net::IpAddr;

use crate::hops::{Hop, Hops};
use crate::{
    Edge, Interface, InterfaceIndex, Network, OnPremisesIndex, Place, Reach, VpcIndex, World,
};

/// The kind of way that a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Path {
    /// Inside one vSwitch (or back to the interface itself).
    SameVSwitch,
    /// Between vSwitches of one VPC.
    SameVpc,
    /// Between VPCs joined by a CEN.
    JoinedVpc,
    /// Between a VPC and a network on premises.
    OnPremises,
    /// Between a network and its cloud services or other hosts inside it.
    Intranet,
    /// Between an instance and the Internet.
    Internet,
    /// From one instance to another by its public address.
    InternetHairpin,
    /// Inside the classic network.
    ClassicInternal,
}

/// The way to a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where the packet comes out.
    pub to: Place,
    /// The kind of way.
    pub path: Path,
    /// Inside or over the Internet.
    pub reach: Reach,
    /// What takes one from the TTL, in order.
    pub hops: Hops,
    /// What the source address is behind the Internet gateway, if it is translated.
    pub source_becomes: Option<IpAddr>,
    /// What the target address is behind the Internet gateway, if it is translated.
    pub target_becomes: Option<IpAddr>,
}

/// Why there is no way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Unreachable {
    /// "A private address that nobody owns is unreachable."
    #[error("nobody owns this private address")]
    NobodyOwnsIt,
    /// "Without a public address there is no way to or from the Internet."
    #[error("the sender has no public address")]
    SenderHasNoPublicAddress,
    /// A public IPv6 address of an instance without `ipv6_internet`.
    #[error("the target does not reach the Internet")]
    TargetHasNoPublicAddress,
    /// The sender's network has no way to where the target lives.
    #[error("no way from the sender's network to the target")]
    NoWay,
    /// Both ends are outside: not carried by this fabric.
    #[error("both ends are outside the cloud")]
    BothOutside,
}

impl World {
    /// Finds the way from `from`, which sends with `source`, to `target`: "an address means what
    /// the sender's own network finds: its VPC, then joined VPCs and on-premises prefixes, then
    /// the Internet".
    ///
    /// # Errors
    /// Why there is no way.
    pub fn locate(
        &self,
        from: Place,
        source: IpAddr,
        target: IpAddr,
    ) -> Result<Route, Unreachable> {
        let edge = match from {
            Place::Interface(index) => {
                let sender = self.interface(index);
                return match sender.network {
                    Network::Vpc(vpc) => self.locate_from_vpc(vpc, sender, source, target),
                    Network::ClassicInternal => self.locate_from_classic_internal(target),
                    Network::ClassicPublic => {
                        self.locate_from_classic_public(sender, source, target)
                    }
                };
            }
            Place::Outside(index) => self.outside[index.as_usize()].edge,
            Place::Edge(edge) => edge,
        };
        match edge {
            Edge::Internet => self.locate_from_internet(target),
            Edge::OnPremises(site) => self.locate_from_on_premises(site, target),
            Edge::Intranet(network) => self.locate_from_intranet(network, target),
        }
    }

    fn locate_from_vpc(
        &self,
        vpc: VpcIndex,
        sender: &Interface,
        source: IpAddr,
        target: IpAddr,
    ) -> Result<Route, Unreachable> {
        if let Some(owner) = self.owner(Network::Vpc(vpc), target) {
            let to = Place::Interface(owner);
            return Ok(match self.interface(owner).vswitch == sender.vswitch {
                true => Route::inside(to, Path::SameVSwitch, Hops::of([])),
                false => Route::inside(to, Path::SameVpc, Hops::of([Hop::VpcRouter(vpc)])),
            });
        }
        let owners = self.joined_at(vpc, target).filter_map(|(other, cen)| {
            Some((other, cen, self.owner(Network::Vpc(other), target)?))
        });
        if let Some((other, cen, owner)) = owners.min_by_key(|&(other, _, _)| other) {
            let hops = Hops::of([Hop::VpcRouter(vpc), Hop::Cen(cen), Hop::VpcRouter(other)]);
            return Ok(Route::inside(Place::Interface(owner), Path::JoinedVpc, hops));
        }
        let router = Hops::of([Hop::VpcRouter(vpc)]);
        if let Some(to) = self.on_premises_host(vpc, target) {
            return Ok(Route::inside(to, Path::OnPremises, router));
        }
        if let Some(to) = self.service(Network::Vpc(vpc), target) {
            return Ok(Route::inside(to, Path::Intranet, router));
        }
        let in_joined = || self.joined_at(vpc, target).next().is_some();
        if self.nobody_owns([vpc], target) || in_joined() {
            return Err(Unreachable::NobodyOwnsIt);
        }
        let source_becomes = self.seen_from_internet(sender, source)?;
        self.over_internet(target, Some(Hop::VpcRouter(vpc)), source_becomes)
    }

    fn locate_from_classic_internal(&self, target: IpAddr) -> Result<Route, Unreachable> {
        let network = Network::ClassicInternal;
        if let Some(owner) = self.owner(network, target) {
            return Ok(Route::inside(Place::Interface(owner), Path::ClassicInternal, Hops::of([])));
        }
        match self.service(network, target) {
            Some(to) => Ok(Route::inside(to, Path::Intranet, Hops::of([]))),
            None if self.nobody_owns([], target) => Err(Unreachable::NobodyOwnsIt),
            None => Err(Unreachable::NoWay),
        }
    }

    fn locate_from_classic_public(
        &self,
        sender: &Interface,
        source: IpAddr,
        target: IpAddr,
    ) -> Result<Route, Unreachable> {
        if self.nobody_owns([], target) {
            return Err(Unreachable::NobodyOwnsIt);
        }
        if !sender.owns(source) {
            return Err(Unreachable::SenderHasNoPublicAddress);
        }
        self.over_internet(target, None, None)
    }

    fn locate_from_internet(&self, target: IpAddr) -> Result<Route, Unreachable> {
        if let Some(owner) = self.owner_of_public(target) {
            return Ok(self.to_instance(
                owner,
                target,
                Path::Internet,
                Hops::of([Hop::InternetGateway]),
            ));
        }
        Err(if self.is_ipv6_without_internet(target) {
            Unreachable::TargetHasNoPublicAddress
        } else if self.is_internal(target) {
            Unreachable::NobodyOwnsIt
        } else {
            Unreachable::BothOutside
        })
    }

    /// "On-premises prefixes are reachable from VPCs that the scenario joins to them", and the
    /// other way.
    fn locate_from_on_premises(
        &self,
        site: OnPremisesIndex,
        target: IpAddr,
    ) -> Result<Route, Unreachable> {
        let Some(network) = self.on_premises.get(site.as_usize()) else {
            return Err(Unreachable::NoWay);
        };
        for &vpc in &network.vpcs {
            if let Some(owner) = self.owner(Network::Vpc(vpc), target) {
                let to = Place::Interface(owner);
                return Ok(Route::inside(to, Path::OnPremises, Hops::of([Hop::VpcRouter(vpc)])));
            }
        }
        Err(if self.at_site(site, target).is_some() {
            Unreachable::BothOutside
        } else if self.nobody_owns(network.vpcs.iter().copied(), target) {
            Unreachable::NobodyOwnsIt
        } else {
            Unreachable::NoWay
        })
    }

    fn locate_from_intranet(&self, network: Network, target: IpAddr) -> Result<Route, Unreachable> {
        let (hops, vpc) = match network {
            Network::Vpc(vpc) => (Hops::of([Hop::VpcRouter(vpc)]), Some(vpc)),
            Network::ClassicInternal => (Hops::of([]), None),
            Network::ClassicPublic => return Err(Unreachable::NoWay),
        };
        if let Some(owner) = self.owner(network, target) {
            return Ok(Route::inside(Place::Interface(owner), Path::Intranet, hops));
        }
        Err(if self.service(network, target).is_some() {
            Unreachable::BothOutside
        } else if self.nobody_owns(vpc, target) {
            Unreachable::NobodyOwnsIt
        } else {
            Unreachable::NoWay
        })
    }

    /// The host on premises that `vpc` finds at `target`: before all a named one.
    fn on_premises_host(&self, vpc: VpcIndex, target: IpAddr) -> Option<Place> {
        let sites = self.on_premises_of(vpc);
        let named = |&site: &_| self.outside_at(Edge::OnPremises(site), target);
        match sites.iter().find_map(named) {
            Some(host) => Some(Place::Outside(host)),
            None => sites.iter().find_map(|&site| self.at_site(site, target)),
        }
    }

    /// The host of this network on premises, named or not.
    fn at_site(&self, site: OnPremisesIndex, target: IpAddr) -> Option<Place> {
        let edge = Edge::OnPremises(site);
        if let Some(host) = self.outside_at(edge, target) {
            return Some(Place::Outside(host));
        }
        let cidrs = &self.on_premises.get(site.as_usize())?.cidrs;
        cidrs.iter().any(|cidr| cidr.contains(&target)).then_some(Place::Edge(edge))
    }

    /// The cloud service (or other host) inside `network`: "the scenario declares those that it
    /// needs, the metadata server is always there".
    fn service(&self, network: Network, target: IpAddr) -> Option<Place> {
        let edge = Edge::Intranet(network);
        let is_metadata_server = target == IpAddr::V4(self.platform.metadata_server);
        match self.outside_at(edge, target) {
            Some(host) => Some(Place::Outside(host)),
            None => is_metadata_server.then_some(Place::Edge(edge)),
        }
    }

    /// Whether an address without owner in `vpcs` stays without: "A private address that nobody
    /// owns is unreachable." So is one in these VPCs' own ranges, public or not, and a cloud
    /// service that nobody declared.
    fn nobody_owns(&self, vpcs: impl IntoIterator<Item = VpcIndex>, target: IpAddr) -> bool {
        let in_vpc = |vpc: VpcIndex| {
            let vpc = self.vpcs.get(vpc.as_usize());
            vpc.is_some_and(|vpc| vpc.cidrs.iter().any(|cidr| cidr.contains(&target)))
        };
        vpcs.into_iter().any(in_vpc)
            || (self.is_internal(target) && self.owner_of_public(target).is_none())
    }

    /// What the Internet sees of a VPC interface that sends with `source`: "A public address is
    /// mapped one to one to a private one at the Internet gateway", the primary one; IPv6 "is not
    /// mapped" (`None`).
    fn seen_from_internet(
        &self,
        sender: &Interface,
        source: IpAddr,
    ) -> Result<Option<IpAddr>, Unreachable> {
        match (source, sender.public_ip) {
            (IpAddr::V4(v4), Some(public)) if v4 == sender.primary => Ok(Some(public.into())),
            (IpAddr::V6(_), _) if sender.ipv6_internet && sender.owns(source) => Ok(None),
            _ => Err(Unreachable::SenderHasNoPublicAddress),
        }
    }

    /// From an instance out by the Internet gateway. `router` is what comes before it.
    fn over_internet(
        &self,
        target: IpAddr,
        router: Option<Hop>,
        source_becomes: Option<IpAddr>,
    ) -> Result<Route, Unreachable> {
        let gateway = Hop::InternetGateway;
        let hops = match router {
            Some(router) => Hops::of([router, gateway]),
            None => Hops::of([gateway]),
        };
        // "An instance that calls a neighbour's public address leaves by the gateway: the
        // neighbour sees the caller's public address as source".
        if let Some(owner) = self.owner_of_public(target) {
            let route = self.to_instance(owner, target, Path::InternetHairpin, hops);
            return Ok(Route { source_becomes, ..route });
        }
        if self.is_ipv6_without_internet(target) {
            return Err(Unreachable::TargetHasNoPublicAddress);
        }
        Ok(Route {
            to: match self.outside_at(Edge::Internet, target) {
                Some(host) => Place::Outside(host),
                None => Place::Edge(Edge::Internet),
            },
            path: Path::Internet,
            reach: Reach::Internet,
            hops,
            source_becomes,
            target_becomes: None,
        })
    }

    /// The last stretch from the Internet gateway to an instance. `hops` are those so far.
    fn to_instance(
        &self,
        owner: InterfaceIndex,
        target: IpAddr,
        path: Path,
        mut hops: Hops,
    ) -> Route {
        let interface = self.interface(owner);
        let mut target_becomes = None;
        if let Network::Vpc(vpc) = interface.network {
            hops = hops.then(Hop::VpcRouter(vpc));
            target_becomes = target.is_ipv4().then_some(IpAddr::V4(interface.primary));
        }
        Route {
            to: Place::Interface(owner),
            path,
            reach: Reach::Internet,
            hops,
            source_becomes: None,
            target_becomes,
        }
    }
}

impl Route {
    fn inside(to: Place, path: Path, hops: Hops) -> Route {
        Route { to, path, reach: Reach::Internal, hops, source_becomes: None, target_becomes: None }
    }
}
