//! What a well-formed frame says.

use std::net::IpAddr;

use ringfence_frame::build::{self, TcpFields};
use ringfence_frame::{
    Body, Ethernet, Fragment, Frame, Icmp, IcmpKind, Ip, MacAddr, Neighbor, NeighborMessage,
    Protocol, Tcp, TcpFlags, Transport, Tuple, Udp, parse,
};

use crate::support::{IP, MAC_A, MAC_B, edited, ip, syn, v4, v6, with_options};

fn check(name: &str, bytes: &[u8], expected: Frame) {
    assert_eq!(parse(bytes), Ok(expected), "{name}");
}

fn ethernet(ethertype: u16) -> Ethernet {
    Ethernet { source: MAC_A, target: MAC_B, ethertype }
}

#[test]
fn a_whole_packet() {
    let tcp = Tcp {
        source_port: 40_000,
        target_port: 443,
        sequence: 0x0102_0304,
        acknowledgement: 0,
        flags: TcpFlags::SYN,
        window: 64_240,
        window_scale: Some(7),
        payload_len: 5,
    };
    let packet = Ip {
        source: v4().source,
        target: v4().target,
        protocol: Protocol::TCP,
        ttl: 64,
        dont_fragment: true,
        fragment: None,
        ip_offset: 14,
        transport_offset: 34,
        end: 34 + 24 + 5,
        transport: Transport::Tcp(tcp),
    };
    let expected = Frame { ethernet: ethernet(0x0800), body: Body::Ip(packet) };
    let bytes = build::tcp(&v4(), &syn(), b"hello");
    check("IPv4", &bytes, expected);
    check("IPv4, padded", &[&bytes[..], b"padding"].concat(), expected);

    let body = Body::Ip(Ip { transport_offset: 42, end: 71, ..packet });
    check("IPv4 with options", &with_options(&bytes, &[1; 8]), Frame { body, ..expected });

    let body = Body::Ip(Ip {
        source: v6().source,
        target: v6().target,
        transport_offset: 54,
        end: 83,
        ..packet
    });
    let expected = Frame { ethernet: ethernet(0x86dd), body };
    check("IPv6", &build::tcp(&v6(), &syn(), b"hello"), expected);
}

#[test]
fn a_fragment_behind_extension_headers() {
    let packet = [
        [44, 0, 1, 4, 0, 0, 0, 0],         // hop-by-hop options
        [60, 0, 0, 1, 0xa, 0xb, 0xc, 0xd], // fragment 0, more follow
        [17, 0, 1, 4, 0, 0, 0, 0],         // destination options
        [0, 7, 0, 9, 1, 0, 0, 0],          // UDP, 256 bytes
        [1, 2, 3, 4, 5, 6, 7, 8],
    ]
    .concat();
    let fragment = Fragment { identification: 0x0a0b_0c0d, offset: 0, len: 24, more: true };
    let udp = Udp { source_port: 7, target_port: 9, payload_len: 8 };
    let expected = Ip {
        source: v6().source,
        target: v6().target,
        protocol: Protocol::UDP,
        ttl: 64,
        dont_fragment: true,
        fragment: Some(fragment),
        ip_offset: 14,
        transport_offset: 78,
        end: 94,
        transport: Transport::Udp(udp),
    };
    let frame = |packet| Frame { ethernet: ethernet(0x86dd), body: Body::Ip(packet) };
    check("first", &build::raw(&v6(), Protocol(0), &packet), frame(expected));

    let later = [&packet[..8], &[60, 0, 0, 24, 0xa, 0xb, 0xc, 0xd], b"123456"].concat();
    let later_expected = Ip {
        protocol: Protocol(60),
        fragment: Some(Fragment { offset: 24, len: 6, more: false, ..fragment }),
        transport_offset: 70,
        end: 76,
        transport: Transport::LaterFragment,
        ..expected
    };
    check("later", &build::raw(&v6(), Protocol(0), &later), frame(later_expected));

    let atomic = [&packet[..8], &[17, 0, 0, 0, 0xa, 0xb, 0xc, 0xd], &[0, 7, 0, 9, 0, 8, 0, 0]];
    let atomic_expected = Ip {
        fragment: None,
        transport_offset: 70,
        end: 78,
        transport: Transport::Udp(Udp { payload_len: 0, ..udp }),
        ..expected
    };
    check("atomic", &build::raw(&v6(), Protocol(0), &atomic.concat()), frame(atomic_expected));
}

#[test]
fn an_ipv4_fragment() {
    let bytes = build::udp(&v4(), 7, 9, &[0; 24]);
    let cases = [
        (0x2000, Some((0, true)), false),
        (0x2001, Some((8, true)), false),
        (0x0003, Some((24, false)), false),
        (0x6000, Some((0, true)), true),
        (0x4000, None, true),
        (0x8000, None, false), // the reserved bit
    ];
    for (word, fragment, dont_fragment) in cases {
        let word: u16 = word;
        let edits: [(usize, &[u8]); 2] = [(IP + 4, &[0xab, 0xcd]), (IP + 6, &word.to_be_bytes())];
        let packet = ip(&parse(&edited(&bytes, &edits)).unwrap());
        let fragment = fragment.map(|(offset, more)| Fragment {
            identification: 0xabcd,
            offset,
            len: 32,
            more,
        });
        let later = fragment.is_some_and(|it| it.offset > 0);
        let udp = Udp { source_port: 7, target_port: 9, payload_len: 24 };
        let transport = if later { Transport::LaterFragment } else { Transport::Udp(udp) };
        assert_eq!(
            (packet.fragment, packet.dont_fragment, packet.transport),
            (fragment, dont_fragment, transport),
            "{word:#06x}"
        );
        let ports = (packet.tuple().source_port, packet.tuple().target_port);
        assert_eq!(ports, if later { (0, 0) } else { (7, 9) }, "{word:#06x}");
    }
}

#[test]
fn what_is_not_read_further() {
    let bytes = build::udp(&v4(), 1, 2, b"");
    let cases = [
        (0x8100, Body::Vlan),
        (0x88a8, Body::Vlan),
        (0x88cc, Body::Other),
        (0x0026, Body::Other), // an 802.3 length
        (0x0000, Body::Other),
    ];
    for (ethertype, body) in cases {
        let mut bytes = bytes.clone();
        bytes[12..14].copy_from_slice(&u16::to_be_bytes(ethertype));
        check(&format!("{ethertype:#06x}"), &bytes, Frame { ethernet: ethernet(ethertype), body });
    }
}

/// TCP options go into the room that the window scale option and the payload take.
fn check_window_scale(name: &str, flags: TcpFlags, options: &[u8], expected: Option<u8>) {
    let fields = TcpFields { flags, window_scale: None, ..syn() };
    let mut bytes = build::tcp(&v4(), &fields, options);
    bytes[46] = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
    let Transport::Tcp(tcp) = ip(&parse(&bytes).unwrap()).transport else { panic!("no TCP") };
    assert_eq!((tcp.window_scale, tcp.payload_len), (expected, 0), "{name}");
}

#[test]
fn window_scale() {
    let syn = TcpFlags::SYN;
    let syn_ack = TcpFlags::SYN.with(TcpFlags::ACK);
    check_window_scale("none", syn, &[], None);
    check_window_scale("alone", syn, &[3, 3, 9, 0], Some(9));
    check_window_scale("of a SYN-ACK", syn_ack, &[3, 3, 0, 0], Some(0));
    check_window_scale("of an ACK", TcpFlags::ACK, &[3, 3, 9, 0], None);
    check_window_scale("too large", syn, &[3, 3, 200, 0], Some(14));
    check_window_scale("behind others", syn, &[2, 4, 5, 180, 4, 2, 1, 3, 3, 8, 0, 0], Some(8));
    check_window_scale("the last of two", syn, &[3, 3, 1, 3, 3, 2, 0, 0], Some(2));
    check_window_scale("behind the end", syn, &[0, 3, 3, 9], None);
    check_window_scale("of a wrong length", syn, &[3, 4, 9, 0], None);
    check_window_scale("cut off", syn, &[1, 1, 3, 3], None);
    check_window_scale("behind a length of 0", syn, &[2, 0, 0, 0, 3, 3, 9, 0], None);
    check_window_scale("behind a length of 1", syn, &[2, 1, 3, 3, 9, 0, 0, 0], None);
    check_window_scale("behind a length beyond the header", syn, &[2, 9, 0, 0, 3, 3, 9, 0], None);
}

/// Kind and identifier by type and code.
type KindsOf<'a> = &'a dyn Fn(u8, u8) -> (IcmpKind, u16);

#[test]
fn icmp_kinds() {
    let error = |path_mtu| IcmpKind::Error { quoted: None, path_mtu };
    let v4_kinds = |icmp_type, code| match (icmp_type, code) {
        (8 | 13 | 15 | 17, _) => (IcmpKind::Query, 0x1234),
        (0 | 14 | 16 | 18, _) => (IcmpKind::Reply, 0x1234),
        (3, 4) => (error(true), 0),
        (3 | 11 | 12, _) => (error(false), 0),
        _ => (IcmpKind::Other, 0),
    };
    let neighbor =
        |message| (IcmpKind::Neighbor(Neighbor { message, target: None, link_layer: None }), 0);
    let v6_kinds = |icmp_type, _| match icmp_type {
        128 => (IcmpKind::Query, 0x1234),
        129 => (IcmpKind::Reply, 0x1234),
        2 => (error(true), 0),
        1 | 3 | 4 => (error(false), 0),
        130..=132 | 143 => (IcmpKind::MulticastListener, 0),
        133 => neighbor(NeighborMessage::RouterSolicitation),
        134 => neighbor(NeighborMessage::RouterAdvertisement),
        135 => neighbor(NeighborMessage::NeighborSolicitation),
        136 => neighbor(NeighborMessage::NeighborAdvertisement),
        137 => neighbor(NeighborMessage::Redirect),
        _ => (IcmpKind::Other, 0),
    };
    let families: [(_, KindsOf); 2] = [(v4(), &v4_kinds), (v6(), &v6_kinds)];
    for (envelope, kinds) in families {
        for icmp_type in 0..=255 {
            for code in [0, 3, 4] {
                let bytes = build::icmp(&envelope, icmp_type, code, [0x12, 0x34, 0, 1], b"");
                let packet = ip(&parse(&bytes).unwrap());
                let (kind, identifier) = kinds(icmp_type, code);
                let expected = Icmp { icmp_type, code, identifier, kind };
                assert_eq!(packet.transport, Transport::Icmp(expected));
                let tuple = Tuple {
                    source: envelope.source,
                    target: envelope.target,
                    protocol: packet.protocol,
                    source_port: identifier,
                    target_port: identifier,
                };
                assert_eq!(packet.tuple(), tuple);
            }
        }
    }
}

fn check_neighbor(
    name: &str,
    icmp_type: u8,
    message: &[&[u8]],
    target: Option<&str>,
    link_layer: Option<MacAddr>,
) {
    let bytes = build::icmp(&v6(), icmp_type, 0, [0; 4], &message.concat());
    let Transport::Icmp(icmp) = ip(&parse(&bytes).unwrap()).transport else { panic!("{name}") };
    let IcmpKind::Neighbor(neighbor) = icmp.kind else { panic!("{name}: {icmp:?}") };
    let target = target.map(|target| target.parse().unwrap());
    assert_eq!((neighbor.target, neighbor.link_layer), (target, link_layer), "{name}");
}

#[test]
fn neighbor_discovery() {
    let IpAddr::V6(address) = v6().target else { unreachable!("an IPv6 address") };
    let target = &address.octets()[..];
    let source_option = [&[1, 1], &MAC_A.0[..]].concat();
    let target_option = [&[2, 1], &MAC_B.0[..]].concat();
    let (source, other) = (&source_option[..], &target_option[..]);
    let fd = Some("fd00::2");
    check_neighbor("solicitation", 135, &[target, source], fd, Some(MAC_A));
    check_neighbor("solicitation without option", 135, &[target], fd, None);
    check_neighbor("solicitation with the other option", 135, &[target, other], fd, None);
    check_neighbor("advertisement", 136, &[target, other], fd, Some(MAC_B));
    check_neighbor("behind another option", 136, &[target, source, other], fd, Some(MAC_B));
    check_neighbor("an option of length 0", 136, &[target, &[5, 0, 0, 0], other], fd, None);
    check_neighbor("an option cut off", 136, &[target, &other[..7]], fd, None);
    check_neighbor("a target cut off", 136, &[&target[..15]], None, None);
    check_neighbor("router solicitation", 133, &[source], None, Some(MAC_A));
    check_neighbor("router advertisement", 134, &[&[0; 8], source], None, Some(MAC_A));
    check_neighbor("redirect", 137, &[target, target, other], None, Some(MAC_B));
}
