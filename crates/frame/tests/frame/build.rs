//! Frames built: bytes written out, and checksums as etherparse computes them.

use std::net::{IpAddr, Ipv6Addr};

use ringfence_frame::build::{self, Envelope, IcmpError, TcpFields};
use ringfence_frame::{
    Arp, ArpOperation, Body, IcmpKind, MacAddr, Neighbor, NeighborMessage, Protocol, TcpFlags,
    Transport, parse,
};

use crate::support::{IP, MAC_A, MAC_B, OVER_V4, OVER_V6, checksums_hold, ip, syn, v4, v6};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(name: &str, frame: &[u8], expected: &[&str]) {
    assert_eq!(hex(frame), expected.concat(), "{name}");
}

const ETHERNET_V4: &str = "00163e00000b00163e00000a0800";
const ETHERNET_V6: &str = "00163e00000b00163e00000a86dd";
const ADDRESSES_V4: &str = "0a0000010a000002";
const ADDRESSES_V6: &str = "fd000000000000000000000000000001fd000000000000000000000000000002";

#[test]
fn built_frames_byte_for_byte() {
    check(
        "tcp",
        &build::tcp(&v4(), &syn(), b"hi"),
        &[
            ETHERNET_V4,
            "4500002e00004000400626c8",
            ADDRESSES_V4,
            "9c4001bb01020304000000006002faf0",
            "82740000",
            "01030307",
            "6869",
        ],
    );
    check(
        "udp",
        &build::udp(&v4(), 53, 5353, b"abc"),
        &[ETHERNET_V4, "4500001f00000000401166cc", ADDRESSES_V4, "003514e9000b1255", "616263"],
    );
    check(
        "udp over IPv6",
        &build::udp(&v6(), 53, 5353, b""),
        &[ETHERNET_V6, "6000000000081140", ADDRESSES_V6, "003514e90008f0bb"],
    );
    check(
        "echo",
        &build::icmp(&v4(), 8, 0, [0x12, 0x34, 0, 1], b""),
        &[ETHERNET_V4, "4500001c00000000400166df", ADDRESSES_V4, "0800e5ca12340001"],
    );
    check(
        "raw",
        &build::raw(&v6(), Protocol(59), &[]),
        &[ETHERNET_V6, "6000000000003b40", ADDRESSES_V6],
    );
    check(
        "arp request",
        &build::arp_request(MAC_A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into()),
        &[
            "ffffffffffff00163e00000a0806",
            "0001080006040001",
            "00163e00000a0a000001",
            "0000000000000a000002",
        ],
    );
    check(
        "arp reply",
        &build::arp_reply(MAC_B, [10, 0, 0, 2].into(), MAC_A, [10, 0, 0, 1].into()),
        &[
            "00163e00000a00163e00000b0806",
            "0001080006040002",
            "00163e00000b0a000002",
            "00163e00000a0a000001",
        ],
    );
}

#[test]
fn checksums_hold_for_odd_and_even_lengths() {
    for envelope in [v4(), v6()] {
        for len in 0..40 {
            let payload: Vec<u8> = (0..len).map(|byte: u8| byte.wrapping_mul(37) ^ 0xc3).collect();
            checksums_hold("tcp", &build::tcp(&envelope, &syn(), &payload));
            checksums_hold("udp", &build::udp(&envelope, 1, 2, &payload));
            let echo = if envelope.source.is_ipv4() { 8 } else { 128 };
            checksums_hold("icmp", &build::icmp(&envelope, echo, 0, [1, 2, 3, 4], &payload));
        }
    }
}

/// "If the computed checksum is zero, it is transmitted as all ones."
#[test]
fn a_udp_checksum_is_never_zero() {
    for (envelope, over) in [(v4(), OVER_V4), (v6(), OVER_V6)] {
        let free = build::udp(&envelope, 1, 2, &[0, 0]);
        // adding its own checksum to the data brings the sum to all ones
        let payload = [free[over + 6], free[over + 7]];
        let frame = build::udp(&envelope, 1, 2, &payload);
        assert_eq!(frame[over + 6..over + 8], [0xff, 0xff]);
        checksums_hold("udp", &frame);
    }
}

#[test]
fn tcp_fields_are_read_back() {
    let fields = TcpFields {
        source_port: 1,
        target_port: 65_535,
        sequence: u32::MAX,
        acknowledgement: 0x8000_0001,
        flags: TcpFlags::FIN.with(TcpFlags::ACK),
        window: 513,
        window_scale: None,
    };
    let frame = parse(&build::tcp(&v6(), &fields, &[7; 9])).unwrap();
    let Transport::Tcp(tcp) = ip(&frame).transport else { panic!("{frame:?}") };
    let read = TcpFields {
        source_port: tcp.source_port,
        target_port: tcp.target_port,
        sequence: tcp.sequence,
        acknowledgement: tcp.acknowledgement,
        flags: tcp.flags,
        window: tcp.window,
        window_scale: tcp.window_scale,
    };
    assert_eq!((read, tcp.payload_len), (fields, 9));
}

#[test]
fn only_tcp_sets_dont_fragment() {
    let frames = [
        (build::tcp(&v4(), &syn(), b""), true),
        (build::udp(&v4(), 1, 2, b""), false),
        (build::icmp(&v4(), 8, 0, [0; 4], b""), false),
        (build::raw(&v4(), Protocol::GRE, b""), false),
        (build::udp(&v6(), 1, 2, b""), true), // nobody fragments IPv6 on the way
    ];
    for (bytes, expected) in frames {
        assert_eq!(ip(&parse(&bytes).unwrap()).dont_fragment, expected);
    }
}

#[test]
fn arp_is_read_back() {
    let bytes = build::arp_request(MAC_A, [0, 0, 0, 0].into(), [10, 0, 0, 2].into());
    let frame = parse(&bytes).unwrap();
    assert_eq!(frame.ethernet.target, MacAddr::BROADCAST);
    let expected = Arp {
        operation: ArpOperation::Request,
        sender_mac: MAC_A,
        sender_ip: [0, 0, 0, 0].into(),
        target_mac: MacAddr([0; 6]),
        target_ip: [10, 0, 0, 2].into(),
    };
    assert_eq!(frame.body, Body::Arp(expected));
}

#[test]
fn an_advertisement_is_solicited_unless_sent_to_a_group() {
    let address: Ipv6Addr = "fd00::1".parse().unwrap();
    let cases = [("fd00::2", true, 0xe0), ("fd00::2", false, 0x60), ("ff02::1", true, 0xa0)];
    for (to, router, flags) in cases {
        let bytes =
            build::neighbor_advertisement(MAC_A, address, router, MAC_B, to.parse().unwrap());
        checksums_hold(to, &bytes);
        let frame = parse(&bytes).unwrap();
        let packet = ip(&frame);
        assert_eq!((packet.ttl, packet.source), (255, IpAddr::V6(address)));
        assert_eq!(bytes[OVER_V6 + 4], flags, "{to}");
        let Transport::Icmp(icmp) = packet.transport else { panic!("{frame:?}") };
        let neighbor = Neighbor {
            message: NeighborMessage::NeighborAdvertisement,
            target: Some(address),
            link_layer: Some(MAC_A),
        };
        assert_eq!((icmp.icmp_type, icmp.kind), (136, IcmpKind::Neighbor(neighbor)));
    }
}

fn check_error(
    envelope: Envelope,
    error: IcmpError,
    payload_len: usize,
    header: [u8; 2],
    rest: [u8; 4],
    packet_len: usize,
) {
    let quoted = build::udp(&envelope, 1000, 2000, &vec![1; payload_len]);
    let bytes = build::icmp_error(&envelope, error, &quoted[IP..]);
    checksums_hold("error", &bytes);
    let frame = parse(&bytes).unwrap();
    let packet = ip(&frame);
    let at = packet.transport_offset;
    assert_eq!(packet.packet_len(), packet_len);
    assert_eq!((&bytes[at..at + 2], &bytes[at + 4..at + 8]), (&header[..], &rest[..]));
    assert_eq!(bytes[at + 8..], quoted[IP..][..bytes.len() - at - 8]);
    let Transport::Icmp(icmp) = packet.transport else { panic!("{frame:?}") };
    let path_mtu = matches!(error, IcmpError::TooBig { .. });
    let quoted = Some(parse(&quoted).map(|frame| ip(&frame).tuple()).unwrap());
    let IcmpKind::Error { quoted: read, path_mtu: read_mtu } = icmp.kind else {
        panic!("{icmp:?}")
    };
    assert_eq!((read.map(|it| it.tuple), read_mtu), (quoted, path_mtu));
}

#[test]
fn errors_quote_as_much_as_the_rfcs_allow() {
    let too_big = IcmpError::TooBig { mtu: 1400 };
    let huge = IcmpError::TooBig { mtu: 70_000 };
    let expired = IcmpError::TimeExceeded;
    check_error(v4(), expired, 10, [11, 0], [0; 4], 20 + 8 + 38);
    check_error(v4(), too_big, 2000, [3, 4], [0, 0, 5, 120], 576);
    check_error(v4(), huge, 2000, [3, 4], [0, 0, 255, 255], 576);
    check_error(v6(), expired, 10, [3, 0], [0; 4], 40 + 8 + 58);
    check_error(v6(), too_big, 2000, [2, 0], [0, 0, 5, 120], 1280);
    check_error(v6(), huge, 2000, [2, 0], [0, 1, 0x11, 0x70], 1280);
}

#[test]
fn the_longest_packets_can_be_built() {
    for (envelope, header_len) in [(v4(), 20), (v6(), 0)] {
        let payload = vec![0x77; 65_535 - header_len - 8];
        let bytes = build::udp(&envelope, 1, 2, &payload);
        assert!(parse(&bytes).is_ok());
        checksums_hold("longest", &bytes);
    }
}
