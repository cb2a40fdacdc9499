//! First frames of flows, as far as they are plain: what is read of them instead of a full parse.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_frame::quick::{self, QuickV4, QuickV6};
use ringfence_frame::{Protocol, TcpFlags, Tuple};
use ringfence_session::{V4, V6};

use crate::established::Plain;
use crate::foreseen::{Column, Openings};

/// What a plain frame says, as far as it matters to the first one of a flow.
pub(crate) struct First {
    pub(crate) tuple: Tuple,
    pub(crate) ttl: u8,
    /// Length of the IP packet.
    pub(crate) packet_len: u32,
}

/// In what first frames of the two families differ.
pub(crate) trait Begins: Plain {
    /// Bytes of a plain packet's headers, if it is UDP.
    const UDP_HEADERS_LEN: u32;

    /// What is foreseen of such frames.
    fn column(openings: &mut Openings) -> &mut Column<Self>;

    /// Reads a frame whose ethertype is right, if it is plain and may begin a flow.
    fn first(bytes: &[u8]) -> Option<First>;
}

impl Begins for V4 {
    const UDP_HEADERS_LEN: u32 = 20 + 8;

    #[inline(always)]
    fn column(openings: &mut Openings) -> &mut Column<V4> {
        &mut openings.v4
    }

    #[inline(always)]
    fn first(bytes: &[u8]) -> Option<First> {
        let packet = quick::quick_v4(bytes).filter(QuickV4::is_between_hosts)?;
        let QuickV4 { source, target, source_port, target_port, protocol, .. } = packet;
        may_begin(protocol, packet.tcp.flags).then(|| First {
            tuple: Tuple {
                source: IpAddr::V4(Ipv4Addr::from_bits(source)),
                target: IpAddr::V4(Ipv4Addr::from_bits(target)),
                protocol: Protocol(protocol),
                source_port,
                target_port,
            },
            ttl: packet.ttl,
            packet_len: packet.packet_len.into(),
        })
    }
}

impl Begins for V6 {
    const UDP_HEADERS_LEN: u32 = 40 + 8;

    #[inline(always)]
    fn column(openings: &mut Openings) -> &mut Column<V6> {
        &mut openings.v6
    }

    #[inline(always)]
    fn first(bytes: &[u8]) -> Option<First> {
        let packet = quick::quick_v6(bytes).filter(QuickV6::is_between_hosts)?;
        let QuickV6 { source, target, source_port, target_port, protocol, .. } = packet;
        may_begin(protocol, packet.tcp.flags).then(|| First {
            tuple: Tuple {
                source: IpAddr::V6(Ipv6Addr::from_bits(source)),
                target: IpAddr::V6(Ipv6Addr::from_bits(target)),
                protocol: Protocol(protocol),
                source_port,
                target_port,
            },
            ttl: packet.ttl,
            packet_len: packet.packet_len,
        })
    }
}

/// Whether a frame may be the first one of a flow. TCP begins with a SYN here, whatever may be picked
/// up in its midst.
#[inline(always)]
fn may_begin(protocol: u8, tcp_flags: u8) -> bool {
    const SYN: u8 = TcpFlags::SYN.0;
    const NOT_OPENING: u8 = TcpFlags::ACK.0 | TcpFlags::RST.0;
    protocol == Protocol::UDP.0 || tcp_flags & (SYN | NOT_OPENING) == SYN
}
