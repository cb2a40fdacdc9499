//! Read at a glance or read in full: one answer. Forwarded in one step or in several: one frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::quick::{
    IPV6_LINK, Macs, Quick, QuickTcp, QuickV4, QuickV6, forward_v4, forward_v6, link_word,
    link_word_v4, quick, quick_v4, quick_v6, tcp_v4, tcp_v6, translate_v4,
};
use ringfence_frame::{Body, MacAddr, TcpFlags, Transport, parse, rewrite};

use crate::support::{IP, MAC_A, MAC_B, OVER_V4, OVER_V6, edited, every_kind, ip, syn, v4, v6};

/// What `quick` must say, told from what `parse` says.
fn expected(bytes: &[u8]) -> Quick {
    let Ok(frame) = parse(bytes) else { return Quick::Other };
    let Body::Ip(ip) = frame.body else { return Quick::Other };
    let (source_port, target_port, tcp) = match ip.transport {
        Transport::Udp(udp) => (udp.source_port, udp.target_port, QuickTcp::default()),
        Transport::Tcp(tcp) => {
            let noted = QuickTcp {
                acknowledgement: tcp.acknowledgement,
                window: tcp.window,
                flags: tcp.flags.0,
            };
            (tcp.source_port, tcp.target_port, noted)
        }
        _ => return Quick::Other,
    };
    if ip.fragment.is_some() || frame.ethernet.target.is_multicast() {
        return Quick::Other;
    }
    let (protocol, ttl) = (ip.protocol.0, ip.ttl);
    match (ip.source, ip.target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let no_sender = source.is_loopback();
            if ip.transport_offset != OVER_V4
                || no_sender
                || ![source, target].map(is_host).eq(&[true; 2])
            {
                return Quick::Other;
            }
            Quick::V4(QuickV4 {
                source: source.to_bits(),
                target: target.to_bits(),
                source_port,
                target_port,
                packet_len: u16::try_from(ip.packet_len()).unwrap(),
                protocol,
                ttl,
                dont_fragment: ip.dont_fragment,
                tcp,
            })
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let on_link = |it: Ipv6Addr| it.is_multicast() || it.is_unicast_link_local();
            let plain = ip.transport_offset == OVER_V6 && !source.is_unspecified();
            if !plain || on_link(source) || on_link(target) {
                return Quick::Other;
            }
            Quick::V6(QuickV6 {
                source: source.to_bits(),
                target: target.to_bits(),
                source_port,
                target_port,
                packet_len: u32::try_from(ip.packet_len()).unwrap(),
                protocol,
                ttl,
                tcp,
            })
        }
        _ => unreachable!("two families"),
    }
}

fn is_host(address: Ipv4Addr) -> bool {
    !address.is_multicast() && !address.is_link_local() && (1..240).contains(&address.octets()[0])
}

#[track_caller]
fn check(what: &str, bytes: &[u8]) -> Quick {
    let expected = expected(bytes);
    assert_eq!(quick(bytes), expected, "{what}: {bytes:02x?}");
    match expected {
        Quick::V4(packet) => {
            assert_eq!(quick_v4(bytes), Some(packet), "{what}: {bytes:02x?}");
            if packet.protocol == 6 {
                assert_eq!(tcp_v4(bytes), packet.tcp, "{what}: {bytes:02x?}");
            }
        }
        Quick::V6(packet) => {
            assert_eq!(quick_v6(bytes), Some(packet), "{what}: {bytes:02x?}");
            if packet.protocol == 6 {
                assert_eq!(tcp_v6(bytes), packet.tcp, "{what}: {bytes:02x?}");
            }
        }
        Quick::Other => {
            // nobody is harmed by what only addresses rule out
            let _ = (quick_v4(bytes), quick_v6(bytes), tcp_v4(bytes), tcp_v6(bytes));
        }
    }
    expected
}

#[test]
fn every_kind_cut_at_every_length_and_padded() {
    let mut plain = 0;
    for (name, bytes) in every_kind() {
        let whole = check(name, &bytes);
        plain += usize::from(whole != Quick::Other);
        for len in 0..bytes.len() {
            assert_eq!(check(name, &bytes[..len]), Quick::Other, "{name} cut at {len}");
        }
        let padded = [&bytes[..], &[0xaa; 20]].concat();
        assert_eq!(check(name, &padded), whole, "{name} padded");
    }
    assert_eq!(plain, 6, "TCP twice and UDP once, of each family");
}

#[test]
fn addresses_that_no_host_sends_from_or_that_stay_on_the_link() {
    for (source, target, plain) in [
        ("10.0.0.1", "10.0.0.2", true),
        ("223.255.255.255", "1.0.0.0", true),
        ("128.0.0.1", "126.255.255.255", true),
        ("169.253.255.255", "169.255.0.0", true),
        ("10.0.0.1", "127.0.0.1", true), // whose it is, others know
        ("127.0.0.1", "10.0.0.2", false),
        ("0.0.0.0", "10.0.0.2", false),
        ("0.0.0.1", "10.0.0.2", false),
        ("10.0.0.1", "0.0.0.1", false),
        ("224.0.0.1", "10.0.0.2", false),
        ("255.255.255.255", "10.0.0.2", false),
        ("240.0.0.1", "10.0.0.2", false),
        ("169.254.0.1", "10.0.0.2", false),
        ("10.0.0.1", "169.254.169.254", false),
        ("10.0.0.1", "239.255.255.255", false),
        ("10.0.0.1", "255.255.255.255", false),
        ("fd00::1", "2001:db8::1", true),
        ("::2", "::1", true),
        ("fe7f::1", "fec0::1", true),
        ("::1", "fd00::1", false),
        ("::", "fd00::1", false),
        ("ff02::1", "fd00::1", false),
        ("fe80::1", "fd00::1", false),
        ("febf::1", "fd00::1", false),
        ("fd00::1", "fe80::1", false),
        ("fd00::1", "ff02::1", false),
    ] {
        let source: IpAddr = source.parse().unwrap();
        let envelope = Envelope { source, target: target.parse().unwrap(), ..v4() };
        for bytes in [build::udp(&envelope, 1, 2, b""), build::tcp(&envelope, &syn(), b"")] {
            let what = format!("{source} > {target}");
            assert_eq!(check(&what, &bytes) != Quick::Other, plain, "{what}");
        }
    }
}

#[test]
fn a_frame_to_a_group_is_not_plain() {
    for envelope in [v4(), v6()] {
        let to_all = Envelope { target_mac: MacAddr::BROADCAST, ..envelope };
        assert_eq!(check("broadcast", &build::udp(&to_all, 1, 2, b"")), Quick::Other);
    }
}

/// Whole plain frames: random hosts, ports, flags, payloads.
fn plain_frame(chance: &mut Chance) -> Vec<u8> {
    let (source, target) = match chance.below(2) {
        0 => {
            let mut host = || {
                let [a, b, c, d] = chance.word().to_be_bytes();
                IpAddr::from([[10, 47, 172, 223][usize::from(a) % 4], b, c, d])
            };
            (host(), host())
        }
        _ => {
            let mut host = || IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, chance.low(), chance.low()]);
            (host(), host())
        }
    };
    let ttl = u8::try_from(chance.below(256)).unwrap();
    let envelope = Envelope { source_mac: MAC_A, target_mac: MAC_B, source, target, ttl };
    let payload = vec![0x5a; chance.below(40)];
    match chance.below(2) {
        0 => build::udp(&envelope, chance.low(), chance.low(), &payload),
        _ => {
            let fields = TcpFields {
                source_port: chance.low(),
                target_port: chance.low(),
                sequence: chance.word(),
                acknowledgement: chance.word(),
                flags: TcpFlags(chance.low().to_be_bytes()[0]),
                window: chance.low(),
                window_scale: (chance.below(2) == 0).then_some(7),
            };
            build::tcp(&envelope, &fields, &payload)
        }
    }
}

#[test]
fn every_plain_frame_is_read() {
    let mut chance = Chance::seeded(1);
    for _ in 0..20_000 {
        let bytes = plain_frame(&mut chance);
        assert_ne!(check("plain", &bytes), Quick::Other);
    }
}

#[test]
fn a_million_mutated_frames() {
    let mut chance = Chance::seeded(2);
    let mut plain = 0;
    for _ in 0..1_000 {
        let original = plain_frame(&mut chance);
        for _ in 0..1_000 {
            let mut bytes = original.clone();
            for _ in 0..=chance.below(3) {
                let at = chance.below(bytes.len().min(OVER_V6 + 20));
                let [by, how, ..] = chance.word().to_be_bytes();
                bytes[at] = if how & 1 == 0 { bytes[at] ^ (1 << (by & 7)) } else { by };
            }
            if chance.below(8) == 0 {
                bytes.truncate(chance.below(bytes.len() + 1));
            }
            if chance.below(2) == 0 && bytes.len() > IP + 20 {
                bytes = edited(&bytes, &[]);
            }
            plain += u32::from(check("mutated", &bytes) != Quick::Other);
        }
    }
    assert!((300_000..900_000).contains(&plain), "{plain} of a million are plain");
}

/// What a translation may do to both addresses.
fn translations(chance: &mut Chance) -> [Option<u32>; 2] {
    [(); 2].map(|()| (chance.below(2) == 0).then(|| chance.word()))
}

fn check_forward(bytes: &[u8], hops: u8, [source, target]: [Option<u32>; 2]) {
    let macs = (MacAddr([1, 2, 3, 4, 5, 6]), MacAddr([7, 8, 9, 10, 11, 12]));
    let both = Macs::new(macs.0, macs.1);
    let packet = ip(&parse(bytes).unwrap());
    let mut slow = bytes.to_vec();
    rewrite::set_macs(&mut slow, macs.0, macs.1);
    if hops > 0 {
        rewrite::decrease_ttl(&mut slow, &packet, hops);
    }
    let mut fast = bytes.to_vec();
    match quick(bytes) {
        Quick::V4(quick) => {
            let address = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            if let Some(source) = source {
                rewrite::set_source(&mut slow, &packet, address(source));
            }
            if let Some(target) = target {
                rewrite::set_target(&mut slow, &packet, address(target));
            }
            let len = u32::from(quick.packet_len);
            assert!(!forward_v4(&mut fast, &both, len - 1, hops), "too long");
            assert!(!forward_v4(&mut fast, &both, len, quick.ttl), "TTL used up");
            assert_eq!(fast, bytes, "what is not forwarded stays as it is");
            let fits = forward_v4(&mut fast, &both, len, hops);
            assert_eq!(fits, quick.ttl > hops);
            translate_v4(&mut fast, source, target);
        }
        Quick::V6(quick) => {
            let (len, ttl) = (quick.packet_len, quick.ttl);
            assert!(!forward_v6(&mut fast, &both, len - 1, hops), "too long");
            assert!(!forward_v6(&mut fast, &both, len, ttl), "hop limit used up");
            assert_eq!(fast, bytes, "what is not forwarded stays as it is");
            assert_eq!(forward_v6(&mut fast, &both, len, hops), ttl > hops);
        }
        Quick::Other => panic!("not plain: {bytes:02x?}"),
    }
    assert_eq!(fast, slow, "{hops} hops, {source:?} > {target:?} from {bytes:02x?}");
}

#[test]
fn forwarded_as_rewritten() {
    let mut chance = Chance::seeded(3);
    for _ in 0..100_000 {
        let mut bytes = plain_frame(&mut chance);
        let ttl_at = if bytes[12] == 8 { IP + 8 } else { IP + 7 };
        let hops = u8::try_from(chance.below(6)).unwrap().min(bytes[ttl_at].saturating_sub(1));
        let udp_checksum = if bytes[12] == 8 { OVER_V4 + 6 } else { OVER_V6 + 6 };
        // none, a wrong one, and all ones
        match chance.below(4) {
            0 => bytes[udp_checksum..udp_checksum + 2].fill(0),
            1 => bytes[udp_checksum] ^= 0x40,
            2 => bytes[udp_checksum..udp_checksum + 2].fill(0xff),
            _ => {}
        }
        if quick(&bytes) != Quick::Other && bytes[ttl_at] > hops {
            check_forward(&bytes, hops, translations(&mut chance));
        }
    }
}

/// The computed checksum of UDP is zero: all ones are sent.
#[test]
fn a_udp_checksum_never_becomes_zero() {
    for host in 0..=u16::MAX {
        let [c, d] = host.to_be_bytes();
        let after = Envelope { source: [47, 96, c, d].into(), ..v4() };
        let free = build::udp(&after, 1, 2, &[0, 0]);
        let payload = [free[OVER_V4 + 6], free[OVER_V4 + 7]];
        let bytes = build::udp(&v4(), 1, 2, &payload);
        let mut out = bytes.clone();
        assert!(forward_v4(&mut out, &Macs::new(MAC_A, MAC_B), 1_500, 0));
        translate_v4(&mut out, Some(u32::from_be_bytes([47, 96, c, d])), None);
        assert_eq!(out[OVER_V4 + 6..OVER_V4 + 8], [0xff, 0xff]);
    }
}

#[test]
fn one_header_checksum_holds_and_no_other() {
    let mut bytes = build::udp(&v4(), 1, 2, b"");
    let right = [bytes[IP + 10], bytes[IP + 11]];
    for checksum in 0..=u16::MAX {
        bytes[IP + 10..IP + 12].copy_from_slice(&checksum.to_be_bytes());
        let plain = check("checksum", &bytes) != Quick::Other;
        assert_eq!(plain, checksum.to_be_bytes() == right, "{checksum:#06x}");
    }
}

/// HC' = ~(~HC + ~m + m') meets 0 and all ones at some identification.
#[test]
fn any_header_checksum() {
    for word in 0..=u16::MAX {
        let bytes = edited(&build::udp(&v4(), 1, 2, b""), &[(IP + 4, &word.to_be_bytes())]);
        for hops in [0, 2] {
            check_forward(&bytes, hops, [None, None]);
            check_forward(&bytes, hops, [Some(0x2f60_0a01), Some(0xffff_ffff)]);
        }
    }
    // a header of checksum 0 also holds with all ones there
    let zero = (0..=u16::MAX)
        .map(|word| edited(&build::udp(&v4(), 1, 2, b""), &[(IP + 4, &word.to_be_bytes())]))
        .find(|bytes| bytes[IP + 10..IP + 12] == [0, 0]);
    let mut bytes = zero.unwrap();
    bytes[IP + 10..IP + 12].fill(0xff);
    for hops in 0..3 {
        check_forward(&bytes, hops, [None, None]);
    }
}

#[test]
fn a_link_is_one_word() {
    let (four, six) = (build::udp(&v4(), 1, 2, b""), build::udp(&v6(), 1, 2, b""));
    assert_eq!(MAC_A.bits(), 0x0016_3e00_000a);
    assert_ne!(MAC_A.bits(), MAC_B.bits());
    assert_eq!(link_word(&four), link_word_v4(MAC_A));
    assert_eq!(link_word(&four), 0x0016_3e00_000a_0800);
    assert_eq!(link_word(&six) ^ IPV6_LINK, link_word_v4(MAC_A));
    assert_eq!(link_word(&four[..13]), 0);
}

/// SplitMix64: the test's own chance, so that a seed says everything.
struct Chance(u64);

impl Chance {
    fn seeded(seed: u64) -> Chance {
        eprintln!("seed {seed}");
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    fn low(&mut self) -> u16 {
        (self.next() >> 48) as u16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
