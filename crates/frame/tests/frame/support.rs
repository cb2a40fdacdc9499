//! Frames to test with, and a second opinion on checksums.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Body, Frame, Ip, MacAddr, Protocol, TcpFlags, parse};

pub const MAC_A: MacAddr = MacAddr([0x00, 0x16, 0x3e, 0x00, 0x00, 0x0a]);
pub const MAC_B: MacAddr = MacAddr([0x00, 0x16, 0x3e, 0x00, 0x00, 0x0b]);

/// Offset of the IP header.
pub const IP: usize = 14;
/// Offset of what an IPv4 header without options carries.
pub const OVER_V4: usize = 34;
/// Offset of what an IPv6 header without extension headers carries.
pub const OVER_V6: usize = 54;

pub fn v4() -> Envelope {
    Envelope {
        source_mac: MAC_A,
        target_mac: MAC_B,
        source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        target: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        ttl: 64,
    }
}

pub fn v6() -> Envelope {
    Envelope {
        source_mac: MAC_A,
        target_mac: MAC_B,
        source: IpAddr::V6("fd00::1".parse::<Ipv6Addr>().unwrap()),
        target: IpAddr::V6("fd00::2".parse::<Ipv6Addr>().unwrap()),
        ttl: 64,
    }
}

pub fn syn() -> TcpFields {
    TcpFields {
        source_port: 40_000,
        target_port: 443,
        sequence: 0x0102_0304,
        acknowledgement: 0,
        flags: TcpFlags::SYN,
        window: 64_240,
        window_scale: Some(7),
    }
}

/// One frame of every kind that the crate builds, named.
pub fn every_kind() -> Vec<(&'static str, Vec<u8>)> {
    let mut frames = vec![
        ("arp request", build::arp_request(MAC_A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into())),
        ("arp reply", build::arp_reply(MAC_B, [10, 0, 0, 2].into(), MAC_A, [10, 0, 0, 1].into())),
        ("neighbor advertisement", {
            let (IpAddr::V6(source), IpAddr::V6(target)) = (v6().source, v6().target) else {
                unreachable!("IPv6 addresses")
            };
            build::neighbor_advertisement(MAC_B, source, true, MAC_A, target)
        }),
    ];
    for (envelope, echo, unreachable) in [(v4(), 8, 3), (v6(), 128, 1)] {
        let udp = build::udp(&envelope, 5353, 53, b"question");
        frames.extend([
            ("tcp syn", build::tcp(&envelope, &syn(), b"")),
            ("tcp data", {
                let flags = TcpFlags::ACK.with(TcpFlags::PSH);
                let fields = TcpFields { flags, window_scale: None, ..syn() };
                build::tcp(&envelope, &fields, b"hello")
            }),
            ("udp", udp.clone()),
            ("echo", build::icmp(&envelope, echo, 0, [0x12, 0x34, 0, 1], b"ping")),
            ("error", build::icmp(&envelope, unreachable, 0, [0; 4], &udp[IP..])),
            ("too big", {
                let error = build::IcmpError::TooBig { mtu: 1400 };
                build::icmp_error(&envelope, error, &udp[IP..])
            }),
            ("gre", build::raw(&envelope, Protocol::GRE, &[0, 0, 8, 0, 1, 2, 3, 4])),
        ]);
        for fragment in cut(&build::udp(&envelope, 7, 9, &[0x5a; 100]), 72) {
            frames.push(("fragment", fragment));
        }
    }
    let fragmented = build::raw(
        &v6(),
        Protocol(0),
        &[
            60, 0, 1, 4, 0, 0, 0, 0, // hop-by-hop, then
            17, 0, 1, 4, 0, 0, 0, 0, // destination options, then UDP
            0, 7, 0, 9, 0, 8, 0, 0,
        ],
    );
    frames.push(("extension headers", fragmented));
    frames
}

/// A frame cut at `mtu`, whichever family.
pub fn cut(bytes: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let frame = parse(bytes).unwrap();
    match ip(&frame).source {
        IpAddr::V4(_) => build::fragments(bytes, &frame, mtu),
        IpAddr::V6(_) => build::ipv6_fragments(bytes, &frame, mtu, 0xdead_beef),
    }
}

pub fn ip(frame: &Frame) -> Ip {
    match frame.body {
        Body::Ip(ip) => ip,
        ref other => panic!("no IP packet but {other:?}"),
    }
}

/// `bytes` with `edits` made and the IPv4 header checksum made right again.
pub fn edited(bytes: &[u8], edits: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, new) in edits {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    if bytes[12..14] == [8, 0] {
        mend_ipv4(&mut bytes);
    }
    bytes
}

/// An IPv4 frame with `options` (a multiple of 4 bytes) put into its header.
pub fn with_options(bytes: &[u8], options: &[u8]) -> Vec<u8> {
    let mut frame = bytes[..OVER_V4].to_vec();
    frame.extend_from_slice(options);
    frame.extend_from_slice(&bytes[OVER_V4..]);
    frame[IP] = 0x45 + u8::try_from(options.len() / 4).unwrap();
    let total = u16::try_from(frame.len() - IP).unwrap();
    frame[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
    mend_ipv4(&mut frame);
    frame
}

fn mend_ipv4(bytes: &mut [u8]) {
    let header_len = bytes.get(IP).map_or(0, |first| usize::from(first & 15) * 4);
    let Some(header) = bytes.get_mut(IP..IP + header_len).filter(|it| it.len() >= 20) else {
        return;
    };
    header[10..12].fill(0);
    let mut sum: u32 =
        header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Asserts that every checksum in a whole packet is what etherparse computes.
pub fn checksums_hold(name: &str, bytes: &[u8]) {
    let sliced = SlicedPacket::from_ethernet(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    match sliced.net.as_ref().unwrap() {
        NetSlice::Ipv4(net) => {
            let header = net.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum(), "{name}: IPv4");
            match sliced.transport.unwrap() {
                TransportSlice::Tcp(tcp) => {
                    let expected =
                        tcp.calc_checksum_ipv4(header.source, header.destination).unwrap();
                    assert_eq!(tcp.checksum(), expected, "{name}: TCP");
                }
                TransportSlice::Udp(udp) => {
                    let expected =
                        udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap();
                    assert_eq!(udp.checksum(), expected, "{name}: UDP");
                }
                TransportSlice::Icmpv4(icmp) => {
                    let expected = icmp.icmp_type().calc_checksum(icmp.payload());
                    assert_eq!(icmp.checksum(), expected, "{name}: ICMP");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        NetSlice::Ipv6(net) => {
            let header = net.header().to_header();
            match sliced.transport.unwrap() {
                TransportSlice::Tcp(tcp) => {
                    let expected =
                        tcp.calc_checksum_ipv6(header.source, header.destination).unwrap();
                    assert_eq!(tcp.checksum(), expected, "{name}: TCP");
                }
                TransportSlice::Udp(udp) => {
                    let expected =
                        udp.to_header().calc_checksum_ipv6(&header, udp.payload()).unwrap();
                    assert_eq!(udp.checksum(), expected, "{name}: UDP");
                }
                TransportSlice::Icmpv6(icmp) => {
                    let valid = icmp.is_checksum_valid(header.source, header.destination);
                    assert!(valid, "{name}: ICMPv6");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        NetSlice::Arp(_) => panic!("{name}: ARP has no checksum"),
    }
}
