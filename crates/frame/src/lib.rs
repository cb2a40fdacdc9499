//! Bytes on a wire: checked views of them, flow keys, frame building, time, and the capture format.
//!
//! Owns every byte layout that Ringfence knows. Knows nothing of networks, groups or sessions.
//! Pure: opens nothing, asks no clock, draws no random number ([`capture`] reads and writes
//! through `std::io` traits that the caller hands in).

pub mod batch;
pub mod build;
mod bytes;
pub mod capture;
mod malformed;
mod packet;
mod parse;
pub mod quick;
pub mod rewrite;
mod time;
mod tuple;

pub use malformed::Malformed;
pub use packet::{
    Arp, ArpOperation, Body, Ethernet, Fragment, Frame, Icmp, IcmpKind, Ip, MacAddr, Neighbor,
    NeighborMessage, Protocol, Quoted, Tcp, TcpFlags, Transport, Udp,
};
pub use parse::{parse, parse_quoted};
pub use time::Instant;
pub use tuple::{Direction, Family, Tuple};
