//! The packet that an ICMP error quotes.

use ringfence_frame::build;
use ringfence_frame::{IcmpKind, Protocol, Quoted, Transport, Tuple, parse, parse_quoted};

use crate::support::{IP, OVER_V4, OVER_V6, cut, edited, ip, syn, v4, v6, with_options};

/// Quotes `packet`, a frame that may be cut off, in an error of its family. Expected are the
/// protocol, the ports, and the offset of the transport header in the quote.
fn check(name: &str, packet: &[u8], expected: Option<(Protocol, u16, u16, usize)>) {
    let (envelope, icmp_type) = if packet[12..14] == [8, 0] { (v4(), 3) } else { (v6(), 1) };
    let quote = &packet[IP..];
    let bytes = build::icmp(&envelope, icmp_type, 1, [0; 4], quote);
    let outer = ip(&parse(&bytes).unwrap());
    let quote_at = outer.transport_offset + 8;
    let expected = expected.map(|(protocol, source_port, target_port, transport_at)| Quoted {
        tuple: Tuple {
            source: envelope.source,
            target: envelope.target,
            protocol,
            source_port,
            target_port,
        },
        ip_offset: quote_at,
        transport_offset: quote_at + transport_at,
    });
    let Transport::Icmp(icmp) = outer.transport else { panic!("{name}") };
    assert_eq!(icmp.kind, IcmpKind::Error { quoted: expected, path_mtu: false }, "{name}");
    assert_eq!(parse_quoted(&bytes, quote_at), expected, "{name}");
}

#[test]
fn whole_and_cut_off() {
    let families = [(v4(), OVER_V4, Protocol::ICMP), (v6(), OVER_V6, Protocol::ICMPV6)];
    for (envelope, over, icmp) in families {
        let (echo, echo_reply, unreachable) =
            if icmp == Protocol::ICMP { (8, 0, 3) } else { (128, 129, 1) };
        let header = over - IP;
        let tcp = build::tcp(&envelope, &syn(), b"data");
        check("tcp", &tcp, Some((Protocol::TCP, 40_000, 443, header)));
        check("8 bytes of TCP", &tcp[..over + 8], Some((Protocol::TCP, 40_000, 443, header)));
        check("7 bytes of TCP", &tcp[..over + 7], None);
        check("no TCP", &tcp[..over], None);
        check("half an IP header", &tcp[..over - 1], None);
        check("nothing", &tcp[..IP], None);
        let udp = build::udp(&envelope, 1, 2, b"data");
        check("udp", &udp, Some((Protocol::UDP, 1, 2, header)));
        let query = build::icmp(&envelope, echo, 0, [0x12, 0x34, 0, 9], b"data");
        check("echo", &query, Some((icmp, 0x1234, 0x1234, header)));
        let reply = build::icmp(&envelope, echo_reply, 0, [1, 2, 0, 9], b"");
        check("echo reply", &reply, Some((icmp, 0x0102, 0x0102, header)));
        let error = build::icmp(&envelope, unreachable, 0, [1, 2, 3, 4], b"");
        check("an error has no identifier", &error, Some((icmp, 0, 0, header)));
        let gre = build::raw(&envelope, Protocol::GRE, b"");
        check("GRE needs no byte", &gre, Some((Protocol::GRE, 0, 0, header)));
    }
}

#[test]
fn what_routers_do_to_it() {
    let tcp = build::tcp(&v4(), &syn(), b"data");
    let mut wrong = tcp.clone();
    wrong[IP + 10] ^= 0x55;
    wrong[IP + 2..IP + 4].copy_from_slice(&[0xff, 0xff]);
    check("checksum and length are not checked", &wrong, Some((Protocol::TCP, 40_000, 443, 20)));
    check("options", &with_options(&tcp, &[1; 8]), Some((Protocol::TCP, 40_000, 443, 28)));
    let mut beyond = tcp[..OVER_V4 + 8].to_vec();
    beyond[IP] = 0x4f;
    check("a header beyond the quote", &beyond, None);
    beyond[IP] = 0x44;
    check("a header too short", &beyond, None);
    beyond[IP] = 0x65;
    check("the other version", &beyond, None);
    let mut v6 = build::udp(&v6(), 1, 2, b"data");
    v6[IP] = 0x50;
    check("no version", &v6, None);
}

#[test]
fn of_a_fragment_only_the_first_names_its_flow() {
    for (envelope, header) in [(v4(), 20), (v6(), 48)] {
        let pieces = cut(&build::udp(&envelope, 1, 2, &[0; 100]), 100);
        check("first", &pieces[0], Some((Protocol::UDP, 1, 2, header)));
        check("later", &pieces[1], None);
    }
    let shortened = edited(&build::udp(&v4(), 1, 2, &[0; 8]), &[(IP + 6, &[0x00, 0x01])]);
    check("last", &shortened, None);
}

#[test]
fn extension_headers_are_walked() {
    let udp = [0, 1, 0, 2, 0, 8, 0, 0];
    let packet = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp].concat();
    let packet = build::raw(&v6(), Protocol(60), &packet);
    check("destination options", &packet, Some((Protocol::UDP, 1, 2, 48)));
    check("cut off within the options", &packet[..OVER_V6 + 7], None);
    check("cut off within UDP", &packet[..OVER_V6 + 15], None);
}

#[test]
fn an_offset_beyond_the_frame() {
    let bytes = build::udp(&v4(), 1, 2, b"");
    for offset in [bytes.len(), bytes.len() + 1, usize::MAX] {
        assert_eq!(parse_quoted(&bytes, offset), None);
    }
}

/// Ethernet padding behind the error is no part of the quote.
#[test]
fn padding_is_not_quoted() {
    let tcp = build::tcp(&v4(), &syn(), b"");
    let bytes = build::icmp(&v4(), 3, 1, [0; 4], &tcp[IP..OVER_V4 + 4]);
    let padded = [&bytes[..], &[0; 20]].concat();
    let Transport::Icmp(icmp) = ip(&parse(&padded).unwrap()).transport else { panic!("no ICMP") };
    assert_eq!(icmp.kind, IcmpKind::Error { quoted: None, path_mtu: false });
}

#[test]
fn a_packet_of_the_other_family_is_not_quoted() {
    for (outer, icmp_type, inner) in [(v4(), 3, v6()), (v6(), 1, v4())] {
        let quote = build::udp(&inner, 1, 2, b"");
        let bytes = build::icmp(&outer, icmp_type, 1, [0; 4], &quote[IP..]);
        let Transport::Icmp(icmp) = ip(&parse(&bytes).unwrap()).transport else {
            panic!("no ICMP")
        };
        assert_eq!(icmp.kind, IcmpKind::Error { quoted: None, path_mtu: false });
    }
}
