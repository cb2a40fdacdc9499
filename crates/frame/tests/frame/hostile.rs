//! No bytes make the crate panic, and what it accepts stays accepted when it is changed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use ringfence_frame::{
    Body, Family, Frame, IcmpKind, Ip, MacAddr, Transport, build, capture, parse, parse_quoted,
    rewrite,
};

use crate::support::{MAC_A, every_kind};

/// Everything that a switch does to a frame, done to these bytes.
fn exercise(bytes: &[u8]) {
    for offset in 0..=bytes.len() + 1 {
        if let Some(quoted) = parse_quoted(bytes, offset) {
            assert_eq!(quoted.ip_offset, offset);
            assert!(quoted.transport_offset <= bytes.len());
        }
    }
    let Ok(frame) = parse(bytes) else { return };
    let Body::Ip(ip) = frame.body else { return };
    assert!(ip.ip_offset < ip.transport_offset);
    assert!(ip.transport_offset <= ip.end && ip.end <= bytes.len());
    assert_eq!(Family::of(ip.source), Family::of(ip.target));
    exercise_fragments(bytes, &frame, &ip);
    exercise_rewrite(bytes, &frame, &ip);
}

fn exercise_fragments(bytes: &[u8], frame: &Frame, ip: &Ip) {
    for mtu in [0, 20, 28, 47, 68, 100] {
        let pieces = match ip.family() {
            Family::Ipv4 => build::fragments(bytes, frame, mtu),
            Family::Ipv6 => build::ipv6_fragments(bytes, frame, mtu, 1),
        };
        assert!(!pieces.is_empty());
        if pieces.len() == 1 {
            assert_eq!(pieces[0], bytes);
            continue;
        }
        for piece in pieces {
            // a first piece may have become too small for its headers, but no worse than that
            match parse(&piece) {
                Ok(Frame { body: Body::Ip(piece), .. }) => assert!(piece.packet_len() <= mtu),
                Ok(other) => panic!("{other:?}"),
                Err(class) => assert!(
                    matches!(class.name(), "tiny-fragment" | "ipv6-chain"),
                    "{class} at mtu {mtu}"
                ),
            }
        }
    }
}

fn exercise_rewrite(bytes: &[u8], frame: &Frame, ip: &Ip) {
    let address = match ip.family() {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(172, 16, 9, 9)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 9, 9, 9, 9, 9)),
    };
    let mut changed = bytes.to_vec();
    rewrite::set_macs(&mut changed, MAC_A, MacAddr::BROADCAST);
    rewrite::set_source(&mut changed, ip, address);
    rewrite::set_target(&mut changed, ip, address);
    rewrite::decrease_ttl(&mut changed, ip, 1);
    rewrite::set_identification(&mut changed, ip, 77);
    let mut expected = *ip;
    expected.source = address;
    expected.target = address;
    expected.ttl = ip.ttl.saturating_sub(1);
    if let (Some(fragment), Family::Ipv4) = (&mut expected.fragment, ip.family()) {
        fragment.identification = 77;
    }
    if let Transport::Icmp(icmp) = &mut expected.transport
        && let IcmpKind::Error { quoted: Some(quoted), .. } = &mut icmp.kind
    {
        rewrite::set_quoted_source(&mut changed, ip, quoted, address);
        rewrite::set_quoted_target(&mut changed, ip, quoted, address);
        quoted.tuple.source = address;
        quoted.tuple.target = address;
    }
    let mut ethernet = frame.ethernet;
    ethernet.source = MAC_A;
    ethernet.target = MacAddr::BROADCAST;
    assert_eq!(parse(&changed), Ok(Frame { ethernet, body: Body::Ip(expected) }));

    // there and back again leaves nothing behind, unless a sum had the two forms of zero
    let mut back = bytes.to_vec();
    rewrite::set_source(&mut back, ip, address);
    rewrite::set_source(&mut back, ip, ip.source);
    let differing = back.iter().zip(bytes).filter(|(a, b)| a != b).count();
    assert!(differing <= 2, "{differing} bytes differ");
}

/// A frame of some kind, with some bytes changed, cut off or padded.
fn mutated_frame() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let len = prop_oneof![4 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (prop::sample::select(every_kind()), edits, len, 0..8_usize, any::<bool>()).prop_map(
        |((_, mut bytes), edits, len, padding, mend)| {
            for (index, value) in edits {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(len) = len {
                bytes.truncate(len.index(bytes.len() + 1));
            }
            bytes.extend(std::iter::repeat_n(0, padding));
            if mend && bytes.get(12..14) == Some(&[8, 0]) {
                bytes = crate::support::edited(&bytes, &[]);
            }
            bytes
        },
    )
}

fn many() -> ProptestConfig {
    ProptestConfig::with_cases(4096)
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
    }

    /// Random bytes behind an ethertype and a version, which random bytes alone seldom have.
    #[test]
    fn random_packets(v6: bool, mut bytes in prop::collection::vec(any::<u8>(), 15..200)) {
        let (ethertype, version) = if v6 { ([0x86, 0xdd], 0x60) } else { ([8, 0], 0x45) };
        bytes[12..14].copy_from_slice(&ethertype);
        bytes[14] = version;
        if bytes.len() >= 34 {
            let total = u16::try_from(bytes.len() - 14).unwrap();
            let (at, len) = if v6 { (18, total.saturating_sub(40)) } else { (16, total) };
            bytes[at..at + 2].copy_from_slice(&len.to_be_bytes());
            if !v6 {
                bytes = crate::support::edited(&bytes, &[]);
            }
        }
        exercise(&bytes);
    }

    /// Chains of extension headers, most of them nonsense.
    #[test]
    fn random_chains(
        first in prop::sample::select(vec![0_u8, 43, 44, 51, 60]),
        headers in prop::collection::vec(
            (prop::sample::select(vec![0_u8, 6, 17, 43, 44, 51, 58, 59, 60]), 0..3_u8, any::<[u8; 6]>()),
            0..11,
        ),
    ) {
        let mut payload = Vec::new();
        for (next, len, rest) in headers {
            payload.extend_from_slice(&[next, len]);
            payload.extend_from_slice(&rest);
        }
        exercise(&build::raw(&crate::support::v6(), ringfence_frame::Protocol(first), &payload));
    }

    #[test]
    fn mutated_frames(bytes in mutated_frame()) {
        exercise(&bytes);
    }

    #[test]
    fn random_captures(
        magic in prop::sample::select(vec![
            [0x0a, 0x0d, 0x0d, 0x0a], [0xa1, 0xb2, 0xc3, 0xd4], [0x4d, 0x3c, 0xb2, 0xa1],
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [&magic[..], &bytes].concat();
        let _ = capture::read_all(&bytes[..]);
    }

    #[test]
    fn mutated_captures(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        len in any::<prop::sample::Index>(),
        cut: bool,
        which in 0..crate::capture::FILES,
    ) {
        let mut bytes = crate::capture::file(which);
        for (index, value) in edits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(len.index(bytes.len()));
        }
        if let Ok(records) = capture::read_all(&bytes[..]) {
            let held: usize = records.iter().map(|record| record.bytes.len()).sum();
            prop_assert!(held <= bytes.len());
        }
    }
}

#[test]
fn every_kind_is_accepted() {
    for (name, bytes) in every_kind() {
        assert!(parse(&bytes).is_ok(), "{name}");
        exercise(&bytes);
    }
}
