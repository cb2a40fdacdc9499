//! What a frame says, read once and checked: after `parse` every accessor is infallible.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::{Family, Tuple};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

    /// Whether it addresses a group (broadcast included).
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<MacAddr, String> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let two_digits =
                |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            let part = parts.next().filter(two_digits);
            *octet = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(|| {
                format!("`{text}` is not a MAC address such as 00:16:3e:00:00:01")
            })?;
        }
        match parts.next() {
            None => Ok(MacAddr(octets)),
            Some(_) => Err(format!("`{text}` has more than six octets")),
        }
    }
}

/// An IP protocol number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP (IPv4)
    pub const ICMP: Protocol = Protocol(1);
    /// TCP
    pub const TCP: Protocol = Protocol(6);
    /// UDP
    pub const UDP: Protocol = Protocol(17);
    /// GRE
    pub const GRE: Protocol = Protocol(47);
    /// ICMPv6
    pub const ICMPV6: Protocol = Protocol(58);

    /// Whether packets of it carry ports (TCP and UDP).
    pub fn has_ports(self) -> bool {
        self == Protocol::TCP || self == Protocol::UDP
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::ICMP => f.write_str("icmp"),
            Protocol::TCP => f.write_str("tcp"),
            Protocol::UDP => f.write_str("udp"),
            Protocol::GRE => f.write_str("gre"),
            Protocol::ICMPV6 => f.write_str("icmpv6"),
            Protocol(number) => write!(f, "protocol {number}"),
        }
    }
}

/// A frame that has been read. Holds values, not borrows: 1 parse, then plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The Ethernet header.
    pub ethernet: Ethernet,
    /// What it carries.
    pub body: Body,
}

/// The Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ethernet {
    /// Where it comes from.
    pub source: MacAddr,
    /// Where it goes.
    pub target: MacAddr,
    /// The ethertype, host byte order.
    pub ethertype: u16,
}

/// What an Ethernet frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// An 802.1Q or 802.1ad tag.
    Vlan,
    /// Any other ethertype, 802.3 length fields included.
    Other,
}

/// Who asks and who answers in ARP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpOperation {
    /// who-has
    Request,
    /// is-at
    Reply,
    /// anything else
    Other(u16),
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Request or reply.
    pub operation: ArpOperation,
    /// Claimed hardware address of the sender.
    pub sender_mac: MacAddr,
    /// Claimed protocol address of the sender; 0.0.0.0 in a probe.
    pub sender_ip: Ipv4Addr,
    /// The hardware address asked about.
    pub target_mac: MacAddr,
    /// The protocol address asked about.
    pub target_ip: Ipv4Addr,
}

/// An IPv4 or IPv6 packet. Offsets count from the first byte of the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Target address.
    pub target: IpAddr,
    /// The upper-layer protocol, behind any IPv6 extension headers. In a later IPv6 fragment what
    /// its fragment header names, which may be an extension header that only the first one shows:
    /// fragments of IPv6 belong together by addresses and identification alone.
    pub protocol: Protocol,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 DF; always true for IPv6.
    pub dont_fragment: bool,
    /// Set if the packet is a fragment.
    pub fragment: Option<Fragment>,
    /// Offset of the IP header (14).
    pub ip_offset: usize,
    /// Offset of the upper-layer header, or of the fragment's data.
    pub transport_offset: usize,
    /// Offset just behind the packet; Ethernet padding lies beyond.
    pub end: usize,
    /// The upper layer.
    pub transport: Transport,
}

impl Ip {
    /// IPv4 or IPv6.
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// Length of the IP packet in bytes, header included: what an MTU limits.
    pub fn packet_len(&self) -> usize {
        self.end - self.ip_offset
    }

    /// The key of the flow in this packet's direction. A later fragment has no ports (0).
    pub fn tuple(&self) -> Tuple {
        let (source_port, target_port) = match self.transport {
            Transport::Tcp(tcp) => (tcp.source_port, tcp.target_port),
            Transport::Udp(udp) => (udp.source_port, udp.target_port),
            Transport::Icmp(icmp) => (icmp.identifier, icmp.identifier),
            Transport::Other | Transport::LaterFragment => (0, 0),
        };
        let Ip { source, target, protocol, .. } = *self;
        Tuple { source, target, protocol, source_port, target_port }
    }
}

/// Where a fragment belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Identification (16 bits for IPv4).
    pub identification: u32,
    /// Offset in bytes of its data in the whole packet's payload.
    pub offset: u32,
    /// Bytes of data.
    pub len: u32,
    /// Whether more follow.
    pub more: bool,
}

/// The upper layer of an IP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP
    Tcp(Tcp),
    /// UDP
    Udp(Udp),
    /// ICMP or ICMPv6, whichever the family says
    Icmp(Icmp),
    /// GRE and everything else
    Other,
    /// Not the first fragment of its packet: no header here.
    LaterFragment,
}

/// TCP flags as they stand in the header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// SYN
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// RST
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// PSH
    pub const PSH: TcpFlags = TcpFlags(0x08);
    /// ACK
    pub const ACK: TcpFlags = TcpFlags(0x10);

    /// Whether all of `other` are set.
    pub fn contains(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn with(self, other: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | other.0)
    }
}

/// The TCP header's fields that tracking needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp {
    /// Source port.
    pub source_port: u16,
    /// Target port.
    pub target_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; meaningless without ACK.
    pub acknowledgement: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// The window field, unscaled.
    pub window: u16,
    /// The window scale option of a SYN, 0 to 14 (larger values read as 14).
    pub window_scale: Option<u8>,
    /// Bytes of data behind the header in this packet (of the whole segment for a first fragment
    /// only what this fragment holds).
    pub payload_len: u32,
}

/// The UDP header's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Udp {
    /// Source port.
    pub source_port: u16,
    /// Target port.
    pub target_port: u16,
    /// Bytes of data.
    pub payload_len: u32,
}

/// How an ICMP or ICMPv6 message is tracked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpKind {
    /// Echo, timestamp, information, address mask: asks under an identifier.
    Query,
    /// The answer to a query, under the same identifier.
    Reply,
    /// Unreachable, time exceeded, parameter problem, packet too big: quotes a packet. `None` if
    /// the quoted packet cannot be read. The path-MTU ones are `Error` with `path_mtu` true.
    Error {
        /// The packet quoted.
        quoted: Option<Quoted>,
        /// Type 3 code 4, or ICMPv6 packet too big.
        path_mtu: bool,
    },
    /// Neighbour discovery (ICMPv6 133 to 137).
    Neighbor(Neighbor),
    /// Multicast listener discovery (ICMPv6 130 to 132, 143).
    MulticastListener,
    /// Anything else.
    Other,
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// Type.
    pub icmp_type: u8,
    /// Code.
    pub code: u8,
    /// The identifier of a query or reply, else 0.
    pub identifier: u16,
    /// What it is to a tracker.
    pub kind: IcmpKind,
}

/// A neighbour discovery message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbor {
    /// Which one.
    pub message: NeighborMessage,
    /// The target of a solicitation or advertisement.
    pub target: Option<std::net::Ipv6Addr>,
    /// The link-layer address option, source or target.
    pub link_layer: Option<MacAddr>,
}

/// Which neighbour discovery message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighborMessage {
    /// 133
    RouterSolicitation,
    /// 134
    RouterAdvertisement,
    /// 135
    NeighborSolicitation,
    /// 136
    NeighborAdvertisement,
    /// 137
    Redirect,
}

/// The packet that an ICMP error quotes: as much as identifies its flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// The quoted packet's key, in the quoted packet's direction.
    pub tuple: Tuple,
    /// Offset of the quoted IP header, from the first byte of the frame.
    pub ip_offset: usize,
    /// Offset of the quoted transport header, from the first byte of the frame.
    pub transport_offset: usize,
}
