//! Why a frame cannot be read.

/// What is wrong with a malformed frame, by the classes of the specification (part 13).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Malformed {
    /// Shorter than an Ethernet header, or the ethertype's header does not fit.
    #[error("truncated frame")]
    Truncated,
    /// An ARP packet that is not Ethernet over IPv4.
    #[error("ARP packet that is not for IPv4 over Ethernet")]
    Arp,
    /// The version field is not what the ethertype says.
    #[error("wrong IP version")]
    IpVersion,
    /// IHL below 5 or beyond the packet.
    #[error("wrong IPv4 header length")]
    Ipv4HeaderLength,
    /// Total length below the header length or beyond the frame.
    #[error("wrong IPv4 total length")]
    Ipv4TotalLength,
    /// The header checksum is wrong.
    #[error("wrong IPv4 header checksum")]
    Ipv4Checksum,
    /// The payload length goes beyond the frame.
    #[error("wrong IPv6 payload length")]
    Ipv6Length,
    /// The chain of extension headers hides the upper-layer header or is too long.
    #[error("IPv6 extension header chain that hides the upper-layer header")]
    Ipv6Chain,
    /// TCP data offset below 5 or beyond the segment.
    #[error("wrong TCP data offset")]
    TcpDataOffset,
    /// UDP length below 8 or not what the packet holds.
    #[error("wrong UDP length")]
    UdpLength,
    /// A whole packet without its whole TCP (20 bytes), UDP or ICMP (8 bytes) header.
    #[error("truncated transport header")]
    TransportHeader,
    /// A first fragment without its whole TCP (20 bytes), UDP or ICMP (8 bytes) header.
    #[error("tiny fragment")]
    TinyFragment,
    /// A fragment that ends beyond 65,535 bytes, or whose length is no multiple of 8 though
    /// more follow, or that is empty.
    #[error("wrong fragment length or offset")]
    FragmentRange,
    /// A source that is loopback, multicast or broadcast.
    #[error("martian source address")]
    Martian,
}

impl Malformed {
    /// Every class, in the order in which they are declared.
    pub const ALL: [Malformed; 14] = [
        Malformed::Truncated,
        Malformed::Arp,
        Malformed::IpVersion,
        Malformed::Ipv4HeaderLength,
        Malformed::Ipv4TotalLength,
        Malformed::Ipv4Checksum,
        Malformed::Ipv6Length,
        Malformed::Ipv6Chain,
        Malformed::TcpDataOffset,
        Malformed::UdpLength,
        Malformed::TransportHeader,
        Malformed::TinyFragment,
        Malformed::FragmentRange,
        Malformed::Martian,
    ];

    /// The name that reports and scripts use: stable, kebab-case.
    pub fn name(self) -> &'static str {
        match self {
            Malformed::Truncated => "truncated",
            Malformed::Arp => "arp",
            Malformed::IpVersion => "ip-version",
            Malformed::Ipv4HeaderLength => "ipv4-header-length",
            Malformed::Ipv4TotalLength => "ipv4-total-length",
            Malformed::Ipv4Checksum => "ipv4-checksum",
            Malformed::Ipv6Length => "ipv6-length",
            Malformed::Ipv6Chain => "ipv6-chain",
            Malformed::TcpDataOffset => "tcp-data-offset",
            Malformed::UdpLength => "udp-length",
            Malformed::TransportHeader => "transport-header",
            Malformed::TinyFragment => "tiny-fragment",
            Malformed::FragmentRange => "fragment-range",
            Malformed::Martian => "martian",
        }
    }
}
