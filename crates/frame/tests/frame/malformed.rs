//! "Malformed, by class": every class at its edges, and what is just not malformed.

use ringfence_frame::build;
use ringfence_frame::{Malformed, Protocol, parse};

use crate::support::{IP, MAC_A, OVER_V4, OVER_V6, cut, edited, ip, syn, v4, v6, with_options};

/// `Ok` stands for any frame.
fn check(name: &str, bytes: &[u8], expected: Result<(), Malformed>) {
    assert_eq!(parse(bytes).map(drop), expected, "{name}");
}

fn tcp_v4() -> Vec<u8> {
    build::tcp(&v4(), &syn(), b"hello")
}

fn udp_v4() -> Vec<u8> {
    build::udp(&v4(), 1, 2, b"hello")
}

fn udp_v6() -> Vec<u8> {
    build::udp(&v6(), 1, 2, b"hello")
}

/// An IPv6 frame whose first header behind the fixed one is `first`.
fn chained(first: u8, payload: &[u8]) -> Vec<u8> {
    build::raw(&v6(), Protocol(first), payload)
}

/// A UDP header alone.
const UDP: [u8; 8] = [0, 1, 0, 2, 0, 8, 0, 0];

/// An extension header of 8 bytes, padded, with `next` behind it.
fn extension(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

/// A fragment header.
fn fragment_header(next: u8, offset: u16, more: bool) -> [u8; 8] {
    let [high, low] = (offset | u16::from(more)).to_be_bytes();
    [next, 0, high, low, 0, 0, 0, 1]
}

/// Cut off behind `len` bytes, the IPv4 total length made to fit.
fn shortened_v4(bytes: &[u8], len: usize) -> Vec<u8> {
    let total = u16::try_from(len - IP).unwrap().to_be_bytes();
    edited(&bytes[..len], &[(IP + 2, &total)])
}

fn shortened_v6(bytes: &[u8], len: usize) -> Vec<u8> {
    let payload = u16::try_from(len - OVER_V6).unwrap().to_be_bytes();
    edited(&bytes[..len], &[(IP + 4, &payload)])
}

#[test]
fn truncated() {
    let arp = build::arp_request(MAC_A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let short = Err(Malformed::Truncated);
    check("nothing", &[], short);
    check("13 bytes", &arp[..13], short);
    check("14 bytes of another ethertype", &edited(&arp[..14], &[(12, &[0x12, 0x34])]), Ok(()));
    check("ARP", &arp, Ok(()));
    check("ARP without its last byte", &arp[..41], short);
    check("IPv4 without its last byte", &udp_v4()[..33], short);
    check("IPv6 without its last byte", &udp_v6()[..53], short);
    check("IPv4, Ethernet header only", &udp_v4()[..14], short);
}

#[test]
fn arp() {
    let arp = build::arp_request(MAC_A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    for at in 14..20 {
        let edit = [arp[at] ^ 0x10];
        check(&format!("byte {at}"), &edited(&arp, &[(at, &edit)]), Err(Malformed::Arp));
    }
    check("operation 9", &edited(&arp, &[(20, &[0, 9])]), Ok(()));
}

#[test]
fn ip_version() {
    let wrong = Err(Malformed::IpVersion);
    check("6 in IPv4", &edited(&udp_v4(), &[(IP, &[0x65])]), wrong);
    check("0 in IPv4", &edited(&udp_v4(), &[(IP, &[0x05])]), wrong);
    check("4 in IPv6", &edited(&udp_v6(), &[(IP, &[0x45])]), wrong);
}

#[test]
fn ipv4_header_length() {
    let wrong = Err(Malformed::Ipv4HeaderLength);
    let bytes = udp_v4();
    check("4 words", &edited(&bytes, &[(IP, &[0x44])]), wrong);
    check("0 words", &edited(&bytes, &[(IP, &[0x40])]), wrong);
    // 20 + 13 bytes of packet hold 8 words but not 9
    check("beyond the frame", &edited(&bytes, &[(IP, &[0x49])]), wrong);
    check("with 40 bytes of options", &with_options(&bytes, &[1; 40]), Ok(()));
}

#[test]
fn ipv4_total_length() {
    let wrong = Err(Malformed::Ipv4TotalLength);
    let bytes = udp_v4();
    check("beyond the frame", &edited(&bytes, &[(IP + 2, &[0, 34])]), wrong);
    check("below the header", &edited(&bytes, &[(IP + 2, &[0, 19])]), wrong);
    let options = with_options(&bytes, &[1; 4]);
    check("below the options", &edited(&options, &[(IP + 2, &[0, 23])]), wrong);
    check("zero", &edited(&bytes, &[(IP + 2, &[0, 0])]), wrong);
    let padded = [&bytes[..], &[0; 13]].concat();
    check("Ethernet padding", &padded, Ok(()));
    assert_eq!(ip(&parse(&padded).unwrap()).end, bytes.len());
    let gre = build::raw(&v4(), Protocol::GRE, &[]);
    check("a header alone", &gre, Ok(()));
}

#[test]
fn ipv4_checksum() {
    let bytes = udp_v4();
    for bit in 0..16 {
        let mut bytes = bytes.clone();
        bytes[IP + 10 + bit / 8] ^= 1 << (bit % 8);
        check(&format!("bit {bit}"), &bytes, Err(Malformed::Ipv4Checksum));
    }
    let mut options = with_options(&bytes, &[1; 8]);
    options[OVER_V4 + 7] ^= 4;
    check("in the options", &options, Err(Malformed::Ipv4Checksum));
}

#[test]
fn ipv6_length() {
    let bytes = udp_v6();
    check("beyond the frame", &edited(&bytes, &[(IP + 4, &[0, 14])]), Err(Malformed::Ipv6Length));
    check("Ethernet padding", &[&bytes[..], &[0; 6]].concat(), Ok(()));
}

/// "a chain that hides the upper-layer header is malformed"
#[test]
fn ipv6_chain() {
    let hidden = Err(Malformed::Ipv6Chain);
    let chain = |headers: &[[u8; 8]]| headers.concat();
    check("hop-by-hop options first", &chained(0, &chain(&[extension(17), UDP])), Ok(()));
    let second = chain(&[extension(0), extension(17), UDP]);
    check("hop-by-hop options second", &chained(60, &second), hidden);
    check("routing", &chained(43, &chain(&[extension(17), UDP])), Ok(()));
    check("no extension header", &chained(60, &[]), hidden);
    check("7 bytes of one", &chained(60, &extension(17)[..7]), hidden);
    let mut long = chain(&[extension(17), UDP]);
    long[1] = 2;
    check("longer than the packet", &chained(60, &long), hidden);
    long[1] = 1;
    check("the upper layer behind the end", &chained(60, &long), Err(Malformed::TransportHeader));
    let eight = [[extension(60); 7].as_flattened(), &extension(17), &UDP].concat();
    check("8 headers", &chained(60, &eight), Ok(()));
    let nine = [&extension(60)[..], &eight].concat();
    check("9 headers", &chained(60, &nine), hidden);
    let header = fragment_header(47, 8, false);
    let later = [[extension(60); 7].as_flattened(), &extension(44), &header, &UDP].concat();
    check("9 headers, the last one a later fragment's", &chained(60, &later), hidden);
    check("authentication", &chained(51, &[&[17, 4], &[0; 22][..], &UDP].concat()), Ok(()));
    check("authentication, short", &chained(51, &[&[17, 4], &[0; 21][..]].concat()), hidden);
    check("no next header", &chained(59, &[]), Ok(()));
    check("ESP", &chained(50, &[]), Ok(()));
    let nested = chain(&[fragment_header(44, 0, true), fragment_header(17, 0, true), UDP]);
    check("a fragment in a fragment", &chained(44, &nested), hidden);
    let atomic = chain(&[fragment_header(44, 0, false), fragment_header(17, 0, true), UDP]);
    check("a fragment in an atomic fragment", &chained(44, &atomic), hidden);
    let first = chain(&[fragment_header(60, 0, true)]);
    check("a first fragment without its chain", &chained(44, &first), hidden);
    let first = chain(&[fragment_header(60, 0, true), extension(60)]);
    check("a first fragment with half its chain", &chained(44, &first), hidden);
    let jumbogram = edited(&chained(0, &chain(&[extension(17), UDP])), &[(IP + 4, &[0, 0])]);
    check("a jumbogram", &jumbogram, hidden);
}

#[test]
fn tcp_data_offset() {
    let wrong = Err(Malformed::TcpDataOffset);
    for (family, bytes, over) in
        [("IPv4", tcp_v4(), OVER_V4), ("IPv6", build::tcp(&v6(), &syn(), b"hello"), OVER_V6)]
    {
        let with = |words: u8| edited(&bytes, &[(over + 12, &[words << 4])]);
        check(&format!("{family}: 4 words"), &with(4), wrong);
        check(&format!("{family}: 0 words"), &with(0), wrong);
        check(&format!("{family}: 5 words"), &with(5), Ok(()));
        check(&format!("{family}: 28 of 29 bytes"), &with(7), Ok(()));
        check(&format!("{family}: 32 of 29 bytes"), &with(8), wrong);
    }
    let first = edited(
        &shortened_v4(&tcp_v4(), OVER_V4 + 24),
        &[(IP + 6, &[0x20, 0]), (OVER_V4 + 12, &[0xf0])],
    );
    check("options that go on in the next fragment", &first, Ok(()));
    let first = edited(&first, &[(OVER_V4 + 12, &[0x40])]);
    check("4 words in a first fragment", &first, wrong);
}

#[test]
fn udp_length() {
    let wrong = Err(Malformed::UdpLength);
    for (family, bytes, over) in [("IPv4", udp_v4(), OVER_V4), ("IPv6", udp_v6(), OVER_V6)] {
        for (len, expected) in [(0, wrong), (7, wrong), (8, wrong), (12, wrong), (14, wrong)] {
            let bytes = edited(&bytes, &[(over + 4, &[0, len])]);
            check(&format!("{family}: {len} of 13"), &bytes, expected);
        }
        check(&format!("{family}: 13 of 13"), &bytes, Ok(()));
        check(&format!("{family}: padded"), &[&bytes[..], &[0; 9]].concat(), Ok(()));
    }
    let first = edited(&shortened_v4(&udp_v4(), OVER_V4 + 8), &[(IP + 6, &[0x20, 0])]);
    check("longer than a first fragment", &first, Ok(()));
    let first = edited(&first, &[(OVER_V4 + 4, &[0, 7])]);
    check("7 in a first fragment", &first, wrong);
    let first = edited(
        &shortened_v4(&build::udp(&v4(), 1, 2, &[0; 16]), OVER_V4 + 16),
        &[(IP + 6, &[0x20, 0]), (OVER_V4 + 4, &[0, 15])],
    );
    check("shorter than a first fragment", &first, wrong);
}

#[test]
fn transport_header() {
    let short = Err(Malformed::TransportHeader);
    let echo = build::icmp(&v4(), 8, 0, [0; 4], b"");
    check("19 bytes of TCP", &shortened_v4(&tcp_v4(), OVER_V4 + 19), short);
    check("no TCP", &shortened_v4(&tcp_v4(), OVER_V4), short);
    check("7 bytes of UDP", &shortened_v4(&udp_v4(), OVER_V4 + 7), short);
    check("7 bytes of ICMP", &shortened_v4(&echo, OVER_V4 + 7), short);
    check("8 bytes of ICMP", &echo, Ok(()));
    check("7 bytes of UDP over IPv6", &shortened_v6(&udp_v6(), OVER_V6 + 7), short);
    let echo = build::icmp(&v6(), 128, 0, [0; 4], b"");
    check("7 bytes of ICMPv6", &shortened_v6(&echo, OVER_V6 + 7), short);
    check(
        "ICMPv6 over IPv4 is another protocol",
        &build::raw(&v4(), Protocol::ICMPV6, &[]),
        Ok(()),
    );
    check("ICMP over IPv6 is another protocol", &build::raw(&v6(), Protocol::ICMP, &[]), Ok(()));
    check("no byte of GRE", &build::raw(&v4(), Protocol::GRE, &[]), Ok(()));
    let atomic = [&fragment_header(17, 0, false)[..], &UDP[..7]].concat();
    check("an atomic fragment is a whole packet", &chained(44, &atomic), short);
}

/// "a first fragment without its whole TCP header (20 bytes), UDP or ICMP header (8) is malformed
/// (tiny fragment)"
#[test]
fn tiny_fragment() {
    let tiny = Err(Malformed::TinyFragment);
    let more: [(usize, &[u8]); 1] = [(IP + 6, &[0x20, 0])];
    let first = |bytes: &[u8], len| edited(&shortened_v4(bytes, OVER_V4 + len), &more);
    let tcp = tcp_v4();
    let echo = build::icmp(&v4(), 8, 0, [0; 4], b"12345678");
    check("16 bytes of TCP", &first(&tcp, 16), tiny);
    check("19 bytes of TCP", &first(&tcp, 19), tiny);
    check("24 bytes of TCP", &first(&tcp, 24), Ok(()));
    check("no byte of UDP", &first(&udp_v4(), 0), tiny);
    check("4 bytes of UDP", &first(&udp_v4(), 4), tiny);
    check("8 bytes of UDP", &first(&udp_v4(), 8), Ok(()));
    check("7 bytes of ICMP", &first(&echo, 7), tiny);
    check("8 bytes of ICMP", &first(&echo, 8), Ok(()));
    let gre = build::raw(&v4(), Protocol::GRE, &[0; 8]);
    check("GRE has no header to hide", &first(&gre, 8), Ok(()));
    let later = edited(&shortened_v4(&tcp, OVER_V4 + 8), &[(IP + 6, &[0x20, 1])]);
    check("8 bytes of a later fragment", &later, Ok(()));
    let over_v6 =
        |next, data: &[u8]| chained(44, &[&fragment_header(next, 0, true)[..], data].concat());
    check("16 bytes of TCP over IPv6", &over_v6(6, &tcp[OVER_V4..][..16]), tiny);
    check("24 bytes of TCP over IPv6", &over_v6(6, &tcp[OVER_V4..][..24]), Ok(()));
    check("7 bytes of ICMPv6", &over_v6(58, &[128, 0, 0, 0, 0, 0, 0]), tiny);
    let behind = [&extension(17)[..], &UDP[..7]].concat();
    check("7 bytes of UDP behind options", &over_v6(60, &behind), tiny);
}

#[test]
fn fragment_range() {
    let wrong = Err(Malformed::FragmentRange);
    let gre = |len: usize, word: u16| {
        let bytes = build::raw(&v4(), Protocol::GRE, &vec![0; len]);
        edited(&bytes, &[(IP + 6, &word.to_be_bytes())])
    };
    check("12 bytes, more follow", &gre(12, 0x2000), wrong);
    check("12 bytes later, more follow", &gre(12, 0x2001), wrong);
    check("12 bytes at the end", &gre(12, 0x0001), Ok(()));
    check("empty, more follow", &gre(0, 0x2000), wrong);
    check("empty at the end", &gre(0, 0x0001), wrong);
    // 20 bytes of header + 65,504 + 11 = 65,535
    check("up to the last byte", &gre(11, 65_504 / 8), Ok(()));
    check("a byte beyond it", &gre(12, 65_504 / 8), wrong);
    check("the last offset", &gre(8, 0x1fff), wrong);
    let v6 = |len: usize, offset, more| {
        chained(44, &[&fragment_header(47, offset, more)[..], &vec![0; len]].concat())
    };
    check("IPv6: 12 bytes, more follow", &v6(12, 8, true), wrong);
    check("IPv6: 12 bytes at the end", &v6(12, 8, false), Ok(()));
    check("IPv6: empty", &v6(0, 8, true), wrong);
    check("IPv6: up to the last byte", &v6(7, 65_528, false), Ok(()));
    check("IPv6: a byte beyond it", &v6(8, 65_528, false), wrong);
    let behind = |len: usize| {
        let header = fragment_header(47, 65_520, false);
        chained(60, &[&extension(44)[..], &header, &vec![0; len]].concat())
    };
    check("IPv6: up to the last byte behind options", &behind(7), Ok(()));
    check("IPv6: a byte beyond it behind options", &behind(8), wrong);
}

/// "a source that is loopback, multicast or broadcast (martian)"
#[test]
fn martian() {
    let martian = Err(Malformed::Martian);
    let cases = [
        ("127.0.0.1", martian),
        ("127.255.255.255", martian),
        ("128.0.0.1", Ok(())),
        ("223.255.255.255", Ok(())),
        ("224.0.0.1", martian),
        ("239.255.255.255", martian),
        ("240.0.0.1", Ok(())),
        ("255.255.255.255", martian),
        ("0.0.0.0", Ok(())), // DHCP
        ("0.0.0.1", martian),
        ("1.0.0.0", Ok(())),
        ("::1", martian),
        ("::", Ok(())), // duplicate address detection
        ("ff02::1", martian),
        ("fe80::1", Ok(())),
        ("fd00::1", Ok(())),
    ];
    for (source, expected) in cases {
        let source = source.parse().unwrap();
        let mut envelope = v4();
        if !matches!(source, std::net::IpAddr::V4(_)) {
            envelope = v6();
        }
        envelope.source = source;
        check(&source.to_string(), &build::udp(&envelope, 1, 2, b""), expected);
    }
}

#[test]
fn structure_comes_before_a_martian_source() {
    let mut envelope = v4();
    envelope.source = [127, 0, 0, 1].into();
    let bytes = build::udp(&envelope, 1, 2, b"");
    check("length", &edited(&bytes, &[(OVER_V4 + 4, &[0, 7])]), Err(Malformed::UdpLength));
}

#[test]
fn every_fragment_of_a_large_packet_is_well_formed() {
    for whole in [build::udp(&v4(), 1, 2, &[1; 4000]), build::udp(&v6(), 1, 2, &[1; 4000])] {
        let pieces = cut(&whole, 1500);
        assert_eq!(pieces.len(), 3);
        for piece in pieces {
            check("piece", &piece, Ok(()));
        }
    }
}

#[test]
fn all_lists_every_class_once_under_its_own_name() {
    let names: Vec<&str> = Malformed::ALL.iter().map(|class| class.name()).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((names.len(), distinct.len()), (14, 14));
}
