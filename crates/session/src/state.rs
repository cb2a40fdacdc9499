//! What a packet without a session may do, and where a TCP session stands.

use ringfence_frame::{IcmpKind, Ip, TcpFlags, Transport};

use crate::tcp;

/// Option `tcp_midstream`: what becomes of a TCP packet without SYN and without session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TcpMidstream {
    /// If a rule allows it, it opens a session.
    #[default]
    PickUp,
    /// Only a SYN without ACK opens one; everything else is dropped (because = midstream).
    Drop,
}

/// What an allowed packet without session does to the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FirstPacket {
    /// Opens a session.
    Opens,
    /// Passes if a rule allows it, and nothing is remembered (RST, ICMP errors, and a later
    /// fragment, whose packet is judged by its first one).
    PassesUnremembered,
    /// Is dropped before any rule is asked (TCP under `tcp_midstream: drop`).
    Midstream,
}

impl FirstPacket {
    /// Sorts a packet for which no live session was found.
    pub fn of(ip: &Ip, midstream: TcpMidstream) -> FirstPacket {
        match ip.transport {
            Transport::Tcp(segment) => match midstream {
                _ if tcp::is_opening_syn(&segment) => FirstPacket::Opens,
                TcpMidstream::Drop => FirstPacket::Midstream,
                TcpMidstream::PickUp if segment.flags.contains(TcpFlags::RST) => {
                    FirstPacket::PassesUnremembered
                }
                TcpMidstream::PickUp => FirstPacket::Opens,
            },
            Transport::Icmp(icmp) => match icmp.kind {
                IcmpKind::Error { .. } => FirstPacket::PassesUnremembered,
                IcmpKind::Query
                | IcmpKind::Reply
                | IcmpKind::Neighbor(_)
                | IcmpKind::MulticastListener
                | IcmpKind::Other => FirstPacket::Opens,
            },
            Transport::LaterFragment => FirstPacket::PassesUnremembered,
            Transport::Udp(_) | Transport::Other => FirstPacket::Opens,
        }
    }
}

/// Where a TCP session stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TcpPhase {
    /// One direction seen.
    Opening,
    /// Both directions seen; one FIN alone stays here.
    Established,
    /// Both FINs, or a RST, believed.
    Closing,
}
