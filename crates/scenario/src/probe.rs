//! A question about one packet: who, to whom, what; and what that means in a world.
//!
//! Specification part 13, "Who is reached, and how".

use std::net::IpAddr;

use ringfence_cloud::{InterfaceIndex, Network, OutsideIndex, Place, Reach, World};
use ringfence_frame::{Family, Protocol, Tuple};

/// Who is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Party {
    /// `ID`, `ID/eth1`; `ID/public` and `ID/private` say outright which address.
    Interface {
        /// Which.
        interface: InterfaceIndex,
        /// `Some(Internet)` for `/public`, `Some(Internal)` for `/private`.
        side: Option<Reach>,
    },
    /// An outside host.
    Outside(OutsideIndex),
    /// An address, in a network if written `vpc-id:address`.
    Address {
        /// The address.
        address: IpAddr,
        /// The network.
        network: Option<Network>,
    },
}

/// A question about one packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The sender.
    pub from: Party,
    /// The receiver.
    pub to: Party,
    /// Protocol.
    pub protocol: Protocol,
    /// Source port (TCP, UDP) or ICMP identifier.
    pub source_port: u16,
    /// Target port (TCP, UDP).
    pub target_port: u16,
    /// ICMP or ICMPv6 type and code.
    pub icmp: Option<(u8, u8)>,
    /// For ids: which of their addresses.
    pub family: Family,
    /// Picks the NIC in the classic network and the path in a VPC.
    pub network: Option<Reach>,
}

/// A probe made concrete: the packet, and the port that it comes in at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Where the packet comes in.
    pub port: Place,
    /// Its key as it comes in there.
    pub tuple: Tuple,
    /// ICMP or ICMPv6 type and code.
    pub icmp: Option<(u8, u8)>,
}

/// Why a probe means nothing in a world.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeError {
    /// No such id.
    #[error("`{name}` is no instance, interface or outside host of this scenario{suggestion}")]
    UnknownParty {
        /// What was written.
        name: String,
        /// `; did you mean ...`, or empty.
        suggestion: String,
    },
    /// An address that two own.
    #[error("{0} belongs to more than one interface; write vpc-id:address")]
    Ambiguous(IpAddr),
    /// The party has no address of that family, or no public one.
    #[error("`{name}` has no {what} address")]
    NoAddress {
        /// Who.
        name: String,
        /// `IPv6`, `public`, ...
        what: &'static str,
    },
    /// Two families in one packet.
    #[error("the sender's address is {0}, the receiver's is {1}: one packet has one family")]
    MixedFamilies(IpAddr, IpAddr),
    /// TCP and UDP need a target port.
    #[error("a {0} probe needs a target port")]
    NoTargetPort(Protocol),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Reads a party as scripts and scenario files write it.
///
/// # Errors
/// [`ProbeError::UnknownParty`] with a suggestion.
pub fn parse_party(world: &World, text: &str) -> Result<Party, ProbeError> {
    let _ = (world, text);
    unimplemented!()
}

/// Makes a probe concrete.
///
/// # Errors
/// Why it means nothing here.
pub fn resolve(world: &World, probe: &Probe) -> Result<Resolved, ProbeError> {
    let _ = (world, probe);
    unimplemented!()
}
