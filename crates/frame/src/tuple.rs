//! The flow key: what names a conversation at one interface.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Protocol;

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4
    Ipv4,
    /// IPv6
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }
}

/// Addresses, protocol and ports as one packet carries them, in its own direction.
///
/// For ICMP and ICMPv6 queries both ports hold the identifier ("the session key is the
/// identifier"), so that [`Tuple::reversed`] turns a request into its reply. For GRE, other
/// protocols and other ICMP messages both are 0 ("the session key is addresses and protocol").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tuple {
    /// Who sends.
    pub source: IpAddr,
    /// Who is to receive.
    pub target: IpAddr,
    /// IP protocol number.
    pub protocol: Protocol,
    /// Source port, or ICMP identifier, or 0.
    pub source_port: u16,
    /// Target port, or ICMP identifier, or 0.
    pub target_port: u16,
}

impl Tuple {
    /// The key of the answers.
    pub fn reversed(self) -> Tuple {
        Tuple {
            source: self.target,
            target: self.source,
            protocol: self.protocol,
            source_port: self.target_port,
            target_port: self.source_port,
        }
    }

    /// IPv4 or IPv6.
    pub fn family(self) -> Family {
        Family::of(self.source)
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::TCP | Protocol::UDP => write!(
                f,
                "{} {} > {}",
                self.protocol,
                SocketAddr::new(self.source, self.source_port),
                SocketAddr::new(self.target, self.target_port)
            ),
            _ => write!(f, "{} {} > {}", self.protocol, self.source, self.target),
        }
    }
}

/// Which way a packet crosses a network interface, seen from its instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// To the instance.
    Inbound,
    /// From the instance.
    Outbound,
}

impl Direction {
    /// The other way.
    pub fn opposite(self) -> Direction {
        match self {
            Direction::Inbound => Direction::Outbound,
            Direction::Outbound => Direction::Inbound,
        }
    }

    /// `inbound` or `outbound`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
