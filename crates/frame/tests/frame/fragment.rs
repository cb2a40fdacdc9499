//! Packets cut into fragments, and put together again by etherparse.

use etherparse::SlicedPacket;
use etherparse::defrag::IpDefragPool;
use ringfence_frame::build;
use ringfence_frame::{Fragment, Protocol, parse};

use crate::support::{IP, OVER_V4, cut, edited, ip, syn, v4, v6, with_options};

/// The data of all pieces in order of their offsets.
fn put_together(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut data: Vec<(u32, &[u8])> = pieces
        .iter()
        .map(|piece| {
            let packet = ip(&parse(piece).unwrap());
            let fragment = packet.fragment.unwrap();
            (fragment.offset, &piece[packet.end - fragment.len as usize..packet.end])
        })
        .collect();
    data.sort_unstable();
    data.iter().flat_map(|(_, data)| data.iter().copied()).collect()
}

/// What etherparse makes of the pieces, handed over last one first.
fn put_together_by_etherparse(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut pool = IpDefragPool::<(), ()>::new();
    let mut whole = None;
    for piece in pieces.iter().rev() {
        let sliced = SlicedPacket::from_ethernet(piece).unwrap();
        assert!(whole.is_none(), "whole before the first piece");
        whole = pool.process_sliced_packet(&sliced, (), ()).unwrap();
    }
    whole.unwrap().payload
}

/// Cuts `bytes`, whose first `repeated` bytes stand in every fragment (behind them an IPv6
/// fragment header of `header` bytes); `lens` are the bytes of data to find in the pieces.
fn check(name: &str, bytes: &[u8], mtu: usize, (repeated, header): (usize, usize), lens: &[u32]) {
    let whole = ip(&parse(bytes).unwrap());
    let pieces = cut(bytes, mtu);
    let mut offset = 0;
    for (index, piece) in pieces.iter().enumerate() {
        let packet = ip(&parse(piece).unwrap());
        assert!(packet.packet_len() <= mtu, "{name}: piece {index} fits");
        assert_eq!(packet.end, piece.len(), "{name}: no padding");
        assert_eq!(
            (packet.source, packet.target, packet.ttl, packet.dont_fragment),
            (whole.source, whole.target, whole.ttl, whole.dont_fragment),
            "{name}: piece {index}"
        );
        let identification = if header == 0 { 0x0102 } else { 0xdead_beef };
        let more = index + 1 < lens.len();
        let expected = Fragment { identification, offset, len: lens[index], more };
        assert_eq!(packet.fragment, Some(expected), "{name}: piece {index}");
        assert_eq!(piece[..12], bytes[..12], "{name}: addresses of piece {index}");
        offset += lens[index];
    }
    assert_eq!(pieces.len(), lens.len(), "{name}");
    assert_eq!(put_together(&pieces), bytes[repeated..whole.end], "{name}: together");
    // etherparse takes the data of later fragments for the extension header that the first one
    // begins with
    let last = ip(&parse(&pieces[pieces.len() - 1]).unwrap());
    if last.protocol == whole.protocol {
        let data = put_together_by_etherparse(&pieces);
        assert_eq!(data, bytes[repeated..whole.end], "{name}: together, as etherparse does it");
    }
    assert!(pieces.iter().all(|piece| piece.len() > repeated + header), "{name}: no empty piece");
}

/// An IPv4 frame that carries identification 0x0102.
fn identified(bytes: &[u8]) -> Vec<u8> {
    edited(bytes, &[(IP + 4, &[1, 2])])
}

#[test]
fn ipv4() {
    let udp = identified(&build::udp(&v4(), 1, 2, &pattern(92)));
    let at = (OVER_V4, 0);
    check("two, even", &udp, 72, at, &[48, 52]);
    check("an mtu that is no multiple of 8", &udp, 75, at, &[48, 52]);
    check("one byte too long", &udp, 119, at, &[96, 4]);
    check("the smallest mtu", &udp, 28, at, &[8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 4]);
    let padded = [&udp[..], &[0xee; 10]].concat();
    check("Ethernet padding", &padded, 72, at, &[48, 52]);
    // "DF is left to the caller"
    let tcp = identified(&build::tcp(&v4(), &syn(), &pattern(2000)));
    check("DF", &tcp, 1500, at, &[1480, 544]);
    let gre = identified(&build::raw(&v4(), Protocol::GRE, &pattern(65_515)));
    let mut lens = vec![9_176; 7];
    lens.push(1_283);
    check("the longest packet", &gre, 9_200, at, &lens);
}

#[test]
fn ipv6() {
    let udp = build::udp(&v6(), 1, 2, &pattern(92));
    check("two", &udp, 104, (54, 8), &[56, 44]);
    check("Ethernet padding", &[&udp[..], &[0; 3]].concat(), 104, (54, 8), &[56, 44]);
    let datagram = &udp[54..];
    let hop_by_hop = [&[17, 0, 1, 4, 0, 0, 0, 0], datagram].concat();
    let hop_by_hop = build::raw(&v6(), Protocol(0), &hop_by_hop);
    check("hop-by-hop options", &hop_by_hop, 104, (62, 8), &[48, 48, 4]);
    let options = [&[17, 0, 1, 4, 0, 0, 0, 0], datagram].concat();
    let options = build::raw(&v6(), Protocol(60), &options);
    check("destination options are cut", &options, 104, (54, 8), &[56, 52]);
    let routed = [&[43, 0, 1, 4, 0, 0, 0, 0], &[17, 0, 0, 0, 0, 0, 0, 0], datagram].concat();
    let routed = build::raw(&v6(), Protocol(60), &routed);
    check("destination options before routing", &routed, 104, (70, 8), &[40, 40, 20]);
}

#[test]
fn a_fragment_is_cut_further() {
    let udp = identified(&build::udp(&v4(), 1, 2, &pattern(492)));
    let outer = cut(&udp, 276);
    assert_eq!(outer.len(), 2);
    let inner: Vec<_> = outer.iter().flat_map(|piece| cut(piece, 120)).collect();
    let found: Vec<_> = inner
        .iter()
        .map(|piece| ip(&parse(piece).unwrap()).fragment.unwrap())
        .map(|fragment| (fragment.offset, fragment.len, fragment.more))
        .collect();
    let expected = [
        (0, 96, true),
        (96, 96, true),
        (192, 64, true),
        (256, 96, true),
        (352, 96, true),
        (448, 52, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(put_together(&inner), udp[OVER_V4..]);
}

#[test]
fn options_without_the_copied_flag_stay_in_the_first() {
    let udp = identified(&build::udp(&v4(), 1, 2, &pattern(92)));
    // record route; no operation; loose source route; end
    let options = [7, 7, 4, 9, 9, 9, 9, 1, 131, 3, 4, 0];
    let bytes = with_options(&udp, &options);
    let pieces = cut(&bytes, 84);
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[0][OVER_V4..OVER_V4 + 12], options);
    for piece in &pieces[1..] {
        assert_eq!(piece[OVER_V4..OVER_V4 + 12], [1, 1, 1, 1, 1, 1, 1, 1, 131, 3, 4, 0]);
        assert!(parse(piece).is_ok());
    }
    assert_eq!(put_together(&pieces), bytes[OVER_V4 + 12..]);
    for broken in [[7, 0, 0, 0], [7, 1, 7, 9], [1, 1, 1, 7]] {
        let pieces = cut(&with_options(&udp, &broken), 84);
        assert_eq!(pieces.len(), 2, "{broken:?}");
    }
}

#[test]
fn what_is_not_cut() {
    let v4_udp = build::udp(&v4(), 1, 2, &[0; 92]);
    let v6_udp = build::udp(&v6(), 1, 2, &[0; 92]);
    let arp = build::arp_request(crate::support::MAC_A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let padded = [&v4_udp[..], &[0; 5]].concat();
    let frame = |bytes: &[u8]| parse(bytes).unwrap();
    let alone = |name: &str, pieces: Vec<Vec<u8>>, bytes: &[u8]| {
        assert_eq!(pieces, [bytes.to_vec()], "{name}");
    };
    let fragments = build::fragments;
    let v6_fragments = |bytes: &[u8], mtu| build::ipv6_fragments(bytes, &frame(bytes), mtu, 1);
    alone("fits", fragments(&v4_udp, &frame(&v4_udp), 120), &v4_udp);
    alone("fits, padded", fragments(&padded, &frame(&padded), 120), &padded);
    alone("mtu 27", fragments(&v4_udp, &frame(&v4_udp), 27), &v4_udp);
    alone("mtu 0", fragments(&v4_udp, &frame(&v4_udp), 0), &v4_udp);
    alone("IPv6 by a router", fragments(&v6_udp, &frame(&v6_udp), 100), &v6_udp);
    alone("ARP", fragments(&arp, &frame(&arp), 10), &arp);
    alone("IPv6 that fits", v6_fragments(&v6_udp, 140), &v6_udp);
    alone("IPv6, mtu 55", v6_fragments(&v6_udp, 55), &v6_udp);
    alone("IPv4 as IPv6", v6_fragments(&v4_udp, 60), &v4_udp);
    let fragment = &v6_fragments(&v6_udp, 120)[0];
    alone("an IPv6 fragment", v6_fragments(fragment, 80), fragment);
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| u8::try_from(index % 251).unwrap()).collect()
}
