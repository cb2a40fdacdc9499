//! A rewritten frame is the frame that would have been built so.

use std::net::IpAddr;

use proptest::prelude::*;
use ringfence_frame::build::{self, Envelope};
use ringfence_frame::rewrite;
use ringfence_frame::{
    Family, IcmpKind, Ip, MacAddr, Protocol, Quoted, TcpFlags, Transport, parse,
};

use crate::support::{IP, OVER_V4, OVER_V6, cut, edited, ip, syn, v4, v6, with_options};

type Build = fn(&Envelope) -> Vec<u8>;

/// Frames whose checksums cover the addresses in every way there is.
const KINDS: [(&str, Build); 9] = [
    ("tcp", |envelope| build::tcp(envelope, &syn(), b"odd")),
    ("udp", |envelope| build::udp(envelope, 1, 2, b"even")),
    ("udp without checksum", |envelope| {
        let mut bytes = build::udp(envelope, 1, 2, b"even");
        let over = if envelope.source.is_ipv4() { OVER_V4 } else { OVER_V6 };
        bytes[over + 6..over + 8].fill(0);
        bytes
    }),
    ("echo", |envelope| {
        let echo = if envelope.source.is_ipv4() { 8 } else { 128 };
        build::icmp(envelope, echo, 0, [1, 2, 3, 4], b"ping")
    }),
    ("gre", |envelope| build::raw(envelope, Protocol::GRE, b"tunnelled")),
    ("first fragment", |envelope| cut(&build::udp(envelope, 1, 2, &[7; 99]), 88)[0].clone()),
    ("later fragment", |envelope| cut(&build::udp(envelope, 1, 2, &[7; 99]), 88)[1].clone()),
    ("padded", |envelope| {
        let mut bytes = build::tcp(envelope, &syn(), b"");
        bytes.extend_from_slice(&[0xaa; 7]);
        bytes
    }),
    ("options", |envelope| {
        let bytes = build::tcp(envelope, &syn(), b"x");
        if envelope.source.is_ipv4() { with_options(&bytes, &[1; 12]) } else { bytes }
    }),
];

fn family(address: IpAddr) -> Envelope {
    match Family::of(address) {
        Family::Ipv4 => v4(),
        Family::Ipv6 => v6(),
    }
}

/// Whether the address is no martian: a frame to compare with must be readable to be cut.
fn may_send(source: IpAddr) -> bool {
    parse(&build::udp(&Envelope { source, ..family(source) }, 1, 2, b"")).is_ok()
}

/// Rewrites every kind of frame from the usual addresses to these.
fn check(source: IpAddr, target: IpAddr) {
    let before = family(source);
    let after = Envelope { source, target, ..before };
    for (name, build) in KINDS {
        let mut bytes = build(&before);
        let packet = ip(&parse(&bytes).unwrap());
        rewrite::set_source(&mut bytes, &packet, source);
        rewrite::set_target(&mut bytes, &packet, target);
        assert_eq!(bytes, build(&after), "{name}: {source} > {target}");
    }
}

fn quoted(bytes: &[u8]) -> (Ip, Quoted) {
    let packet = ip(&parse(bytes).unwrap());
    match packet.transport {
        Transport::Icmp(icmp) => match icmp.kind {
            IcmpKind::Error { quoted: Some(quoted), .. } => (packet, quoted),
            other => panic!("no quote in {other:?}"),
        },
        other => panic!("no ICMP but {other:?}"),
    }
}

/// Rewrites the quote in an error about every kind of frame, whole and cut off.
fn check_quoted(source: IpAddr, target: IpAddr) {
    let before = family(source);
    let after = Envelope { source, target, ..before };
    let error = build::IcmpError::TimeExceeded;
    for (name, build) in KINDS.into_iter().filter(|(name, _)| *name != "later fragment") {
        let (inner_before, inner_after) = (build(&before), build(&after));
        let header = ip(&parse(&inner_before).unwrap()).transport_offset;
        for len in [header + 8, header + 16, header + 18, inner_before.len()] {
            let len = len.min(inner_before.len());
            let mut bytes = build::icmp_error(&before, error, &inner_before[IP..len]);
            let (packet, quoted) = quoted(&bytes);
            rewrite::set_quoted_source(&mut bytes, &packet, &quoted, source);
            rewrite::set_quoted_target(&mut bytes, &packet, &quoted, target);
            let expected = build::icmp_error(&before, error, &inner_after[IP..len]);
            assert_eq!(bytes, expected, "{name}, {len} bytes: {source} > {target}");
        }
    }
}

#[test]
fn written_out() {
    for (source, target) in [
        ("192.168.255.1", "8.8.8.8"),
        ("255.255.0.0", "0.0.0.1"),
        ("10.0.0.1", "10.0.0.2"), // nothing changes
        ("10.0.0.2", "10.0.0.1"),
        ("2001:db8::ffff", "fe80::1"),
        ("fd00::2", "fd00::1"),
    ] {
        check(source.parse().unwrap(), target.parse().unwrap());
        check_quoted(source.parse().unwrap(), target.parse().unwrap());
    }
}

proptest! {
    #[test]
    fn any_ipv4_addresses(source: [u8; 4], target: [u8; 4]) {
        prop_assume!(may_send(source.into()));
        check(source.into(), target.into());
        check_quoted(source.into(), target.into());
    }

    #[test]
    fn any_ipv6_addresses(source: [u8; 16], target: [u8; 16]) {
        prop_assume!(may_send(source.into()));
        check(source.into(), target.into());
        check_quoted(source.into(), target.into());
    }

    /// "the computed checksum is zero": 0xffff must come out of the incremental way, too.
    #[test]
    fn a_udp_checksum_never_becomes_zero(source: [u8; 4], word: u16) {
        let before = v4();
        let source = IpAddr::from(source);
        let after = Envelope { source, ..before };
        let free = build::udp(&after, 1, 2, &[0, 0]);
        let payload = [free[OVER_V4 + 6], free[OVER_V4 + 7]];
        let mut bytes = build::udp(&before, 1, 2, &payload);
        let packet = ip(&parse(&bytes).unwrap());
        rewrite::set_source(&mut bytes, &packet, source);
        prop_assert_eq!(&bytes[OVER_V4 + 6..OVER_V4 + 8], &[0xff, 0xff]);
        // and back, from 0xffff on
        rewrite::set_source(&mut bytes, &packet, before.source);
        prop_assert_eq!(&bytes, &build::udp(&before, 1, 2, &payload));
        rewrite::set_identification(&mut bytes, &packet, word);
        let expected = edited(&bytes, &[(IP + 4, &word.to_be_bytes())]);
        prop_assert_eq!(bytes, expected);
    }

    #[test]
    fn any_ttl(ttl: u8, by: u8) {
        prop_assume!(by < ttl);
        for envelope in [v4(), v6()] {
            let mut bytes = build::tcp(&Envelope { ttl, ..envelope }, &syn(), b"");
            let packet = ip(&parse(&bytes).unwrap());
            rewrite::decrease_ttl(&mut bytes, &packet, by);
            let expected = build::tcp(&Envelope { ttl: ttl - by, ..envelope }, &syn(), b"");
            prop_assert_eq!(bytes, expected);
        }
    }
}

/// Where a checksum would stand that was cut off, Ethernet padding may follow.
#[test]
fn padding_behind_a_quote_is_left_alone() {
    let inner = build::tcp(&v4(), &syn(), b"");
    let after = build::tcp(&Envelope { source: [8, 8, 8, 8].into(), ..v4() }, &syn(), b"");
    let error = |quote: &[u8]| {
        let error = build::icmp_error(&v4(), build::IcmpError::TimeExceeded, quote);
        [&error[..], &[0xaa; 9]].concat()
    };
    let mut bytes = error(&inner[IP..OVER_V4 + 16]);
    let (packet, quoted) = quoted(&bytes);
    rewrite::set_quoted_source(&mut bytes, &packet, &quoted, [8, 8, 8, 8].into());
    assert_eq!(bytes, error(&after[IP..OVER_V4 + 16]));
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut bytes = build::tcp(&v4(), &syn(), b"");
    bytes[OVER_V4 + 16] ^= 0x40;
    let packet = ip(&parse(&bytes).unwrap());
    rewrite::set_source(&mut bytes, &packet, [172, 16, 0, 1].into());
    let after = Envelope { source: [172, 16, 0, 1].into(), ..v4() };
    let right = build::tcp(&after, &syn(), b"");
    assert_ne!(bytes, right);
    assert_eq!(bytes[..OVER_V4 + 16], right[..OVER_V4 + 16]);
}

#[test]
fn macs() {
    let (source, target) = (MacAddr([1, 2, 3, 4, 5, 6]), MacAddr([7, 8, 9, 10, 11, 12]));
    let mut bytes = build::udp(&v4(), 1, 2, b"");
    rewrite::set_macs(&mut bytes, source, target);
    let after = Envelope { source_mac: source, target_mac: target, ..v4() };
    assert_eq!(bytes, build::udp(&after, 1, 2, b""));
}

#[test]
fn an_ipv6_packet_has_no_identification() {
    let mut bytes = build::udp(&v6(), 1, 2, b"");
    let before = bytes.clone();
    let packet = ip(&parse(&bytes).unwrap());
    rewrite::set_identification(&mut bytes, &packet, 7);
    assert_eq!(bytes, before);
}

#[test]
fn flags_are_sets() {
    let both = TcpFlags::SYN.with(TcpFlags::ACK);
    assert!(both.contains(TcpFlags::SYN) && both.contains(TcpFlags::ACK));
    assert!(!TcpFlags::SYN.contains(both) && !both.contains(TcpFlags::RST));
}
