//! Who has the target address, and by which path.

use std::net::IpAddr;

use crate::{CenIndex, Place, Reach, VpcIndex, World};

/// A device on the way that takes one from the TTL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hop {
    /// The router of a VPC.
    VpcRouter(VpcIndex),
    /// A CEN.
    Cen(CenIndex),
    /// The Internet gateway, where public addresses are mapped to private ones.
    InternetGateway,
}

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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where the packet comes out.
    pub to: Place,
    /// The kind of way.
    pub path: Path,
    /// Inside or over the Internet.
    pub reach: Reach,
    /// What takes one from the TTL, in order.
    pub hops: Vec<Hop>,
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
        let _ = (from, source, target);
        unimplemented!()
    }
}
