//! Frame checks: malformed, spoofed, not forwarded; and what the fabric answers itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{ArpOperation, Body, IcmpKind, MacAddr, Transport, parse};

use crate::lab::{GATEWAY, Lab, SYN, fabric, read, tcp};

const SPOOFED: &str = "deny admit spoofed";
const NOT_FORWARDED: &str = "deny admit not-forwarded";
const ANSWERED: &str = "allow admit always-allowed";
const OTHER_MAC: MacAddr = MacAddr([0, 0x16, 0x3e, 9, 9, 9]);
const OPEN: [&str; 2] =
    ["sg-web in allow 1 all -1/-1 0.0.0.0/0", "sg-app in allow 1 all -1/-1 0.0.0.0/0"];

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// Sends a frame that `make` changes on its way to being sent.
#[track_caller]
fn check(from: &str, target: &str, make: impl Fn(&mut Envelope), expected: &str) {
    let mut lab = Lab::new(&OPEN);
    let mut envelope = lab.envelope(from, target);
    make(&mut envelope);
    lab.check(from, &tcp(&envelope, (40_000, 80), SYN), expected);
    assert_eq!(
        lab.switch.session_count(),
        usize::from(expected.contains("#1")) * expected.matches('#').count()
    );
}

#[test]
fn spoofed() {
    let passes = "allow inbound sg-app/1, out allow default #1, in allow sg-app/1 #2";
    check("web", "172.16.1.11", |_| {}, passes);
    check("web", "172.16.1.11", |it| it.source = ip("172.16.1.110"), passes);
    check("web", "172.16.1.11", |it| it.source = ip("172.16.1.143"), passes);
    check("web", "172.16.1.11", |it| it.source = ip("172.16.1.144"), SPOOFED);
    check("web", "172.16.1.11", |it| it.source = ip("172.16.2.20"), SPOOFED);
    check("web", "172.16.1.11", |it| it.source = ip("47.96.10.1"), SPOOFED);
    check("web", "172.16.1.11", |it| it.source_mac = OTHER_MAC, SPOOFED);
    check("web", "2001:db8:1:1::11", |it| it.source = ip("2001:db8:1:1::12"), SPOOFED);
    check("web", "172.16.1.11", |it| it.source = ip("0.0.0.0"), SPOOFED);
    check("web", "172.16.1.11", |it| it.source = ip("169.254.0.1"), SPOOFED);
    check("web", "2001:db8:1:1::11", |it| it.source = ip("fe80::1"), SPOOFED);
    let visits = "allow inbound sg-web/1, in allow sg-web/1 #1";
    check("visitor", "47.96.10.1", |_| {}, visits);
    check("visitor", "47.96.10.1", |it| it.source = ip("203.0.113.8"), SPOOFED);
    check("visitor", "47.96.10.1", |it| it.source_mac = OTHER_MAC, SPOOFED);
    check("internet", "47.96.10.1", |it| it.source_mac = OTHER_MAC, visits);
    check("internet", "47.96.10.1", |it| it.source_mac = MacAddr::BROADCAST, SPOOFED);
    check("internet", "47.96.10.1", |it| it.source = ip("203.0.113.7"), SPOOFED);
    check("internet", "47.96.10.1", |it| it.source = ip("47.96.10.2"), SPOOFED);
    check("premises", "172.16.1.10", |it| it.source = ip("192.168.0.5"), SPOOFED);
    check("premises", "172.16.1.10", |it| it.source = ip("172.16.1.11"), SPOOFED);
    check("services", "172.16.1.10", |it| it.source = ip("172.16.1.11"), SPOOFED);
}

/// "SourceDestCheck = false lifts the address check, not the MAC check. The same for what ARP, ND
/// and DHCP claim."
#[test]
fn an_interface_without_source_dest_check() {
    let mut fabric = fabric(&OPEN);
    fabric.world.interfaces[0].source_dest_check = false;
    let mut lab = Lab::of(fabric);
    let envelope = Envelope { source: ip("10.9.9.9"), ..lab.envelope("web", "172.16.1.11") };
    let passes = "allow inbound sg-app/1, out allow default #1, in allow sg-app/1 #2";
    lab.check("web", &tcp(&envelope, (40_000, 80), SYN), passes);
    let wrong_mac = Envelope { source_mac: OTHER_MAC, ..envelope };
    lab.check("web", &tcp(&wrong_mac, (40_000, 80), SYN), SPOOFED);
    let local = Envelope { source: ip("169.254.0.1"), ..envelope };
    lab.check("web", &tcp(&local, (40_000, 80), SYN), NOT_FORWARDED);
    let claim = build::arp_request(lab.mac("web"), [10, 9, 9, 9].into(), [172, 16, 1, 11].into());
    lab.check("web", &claim, ANSWERED);
    let claim = build::arp_request(OTHER_MAC, [10, 9, 9, 9].into(), [172, 16, 1, 11].into());
    lab.check("web", &claim, SPOOFED);
}

#[test]
fn not_forwarded() {
    check("web", "172.16.1.11", |it| it.target_mac = MacAddr::BROADCAST, NOT_FORWARDED);
    check("web", "172.16.1.11", |it| it.target_mac = MacAddr([1, 0, 0x5e, 0, 0, 1]), NOT_FORWARDED);
    for target in ["224.0.0.1", "255.255.255.255", "169.254.1.1", "ff02::1", "fe80::2"] {
        check("web", target, |_| {}, NOT_FORWARDED);
        check("visitor", target, |_| {}, NOT_FORWARDED);
    }
    // the sender comes first
    check("web", "224.0.0.1", |it| it.source = ip("172.16.1.11"), SPOOFED);
    let mut lab = Lab::new(&OPEN);
    for ethertype in [[0x81, 0x00], [0x88, 0xa8], [0x88, 0xcc], [0x00, 0x26]] {
        let mut frame = lab.tcp("web", "172.16.1.11", (40_000, 80), SYN);
        frame[12..14].copy_from_slice(&ethertype);
        lab.check("web", &frame, NOT_FORWARDED);
        frame[6..12].copy_from_slice(&OTHER_MAC.0);
        lab.check("web", &frame, SPOOFED);
    }
    lab.check_sum(0, 0);
    assert_eq!(
        lab.counters(),
        "web: in 8 (432 B) out 0 (0 B) errors 0 not-forwarded=4 spoofed=4\n"
    );
}

#[test]
fn malformed() {
    let mut lab = Lab::new(&OPEN);
    let good = lab.tcp("web", "172.16.1.11", (40_000, 80), SYN);
    lab.check("web", &good[..13], "deny parse malformed truncated");
    lab.check("web", &[], "deny parse malformed truncated");
    lab.check("web", &good[..40], "deny parse malformed ipv4-total-length");
    let mut checksum = good.clone();
    checksum[24] ^= 1;
    lab.check("web", &checksum, "deny parse malformed ipv4-checksum");
    let envelope = Envelope { source: ip("127.0.0.1"), ..lab.envelope("web", "172.16.1.11") };
    lab.check("web", &tcp(&envelope, (1, 2), SYN), "deny parse malformed martian");
    let mut arp = build::arp_request(lab.mac("web"), [172, 16, 1, 10].into(), [0; 4].into());
    arp[14] = 9;
    lab.check("web", &arp, "deny parse malformed arp");
    lab.check_sum(0, 0);
    assert_eq!(lab.counters(), "web: in 6 (203 B) out 0 (0 B) errors 0 malformed=6\n");
}

fn arp(lab: &Lab, from: &str, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    build::arp_request(lab.mac(from), sender.into(), target.into())
}

/// "ARP and ND for any address of the subnet, the gateway's included, are answered with
/// ee:ff:ff:ff:ff:ff [M], except an address of the asking interface itself, and except probes".
#[test]
fn arp_is_answered_by_the_fabric() {
    let check = |from: &str, sender: [u8; 4], target: [u8; 4], answered: bool| {
        let mut lab = Lab::new(&[]);
        let frame = arp(&lab, from, sender, target);
        lab.check(from, &frame, ANSWERED);
        let answer = lab.switch.pull();
        assert_eq!(answer.is_some(), answered, "{from} asks for {target:?}");
        if let Some(answer) = answer {
            let read = parse(answer.bytes()).unwrap();
            let Body::Arp(reply) = read.body else { panic!("{read:?}") };
            assert_eq!((answer.port(), answer.frame()), (lab.port(from), None));
            assert_eq!((read.ethernet.source, read.ethernet.target), (GATEWAY, lab.mac(from)));
            assert_eq!(reply.operation, ArpOperation::Reply);
            assert_eq!((reply.sender_mac, reply.sender_ip), (GATEWAY, Ipv4Addr::from(target)));
            assert_eq!((reply.target_mac, reply.target_ip), (lab.mac(from), sender.into()));
        }
        lab.check_sum(0, 0);
    };
    let web = [172, 16, 1, 10];
    check("web", web, [172, 16, 1, 11], true);
    check("web", web, [172, 16, 1, 99], true);
    check("web", web, [172, 16, 1, 253], true);
    check("web", web, [172, 16, 2, 20], false);
    check("web", web, [172, 16, 1, 110], false);
    check("web", [172, 16, 1, 110], web, false);
    check("web", web, web, false);
    check("web", [0; 4], [172, 16, 1, 11], false);
    check("web", [0; 4], web, false);
    check("visitor", [203, 0, 113, 7], [47, 96, 10, 1], true);
    check("visitor", [203, 0, 113, 7], [203, 0, 113, 1], true);
    check("internet", [198, 51, 100, 9], [47, 96, 10, 1], true);
    check("old/public", [47, 96, 20, 5], [47, 96, 20, 1], true);
    check("old", [10, 200, 0, 5], [10, 200, 0, 1], true);
}

#[test]
fn arp_claims() {
    let mut lab = Lab::new(&[]);
    let own: Ipv4Addr = [172, 16, 1, 10].into();
    let other: Ipv4Addr = [172, 16, 1, 11].into();
    let claim = build::arp_request(lab.mac("web"), other, own);
    lab.check("web", &claim, SPOOFED);
    let mut claim = build::arp_request(lab.mac("web"), own, other);
    claim[22..28].copy_from_slice(&OTHER_MAC.0);
    lab.check("web", &claim, SPOOFED);
    let mut probe = build::arp_request(lab.mac("web"), Ipv4Addr::UNSPECIFIED, other);
    probe[22..28].copy_from_slice(&OTHER_MAC.0);
    lab.check("web", &probe, SPOOFED);
    let link_local = build::arp_request(lab.mac("web"), [169, 254, 0, 1].into(), other);
    lab.check("web", &link_local, SPOOFED);
    let reply = build::arp_reply(lab.mac("web"), own, lab.mac("app"), other);
    lab.check("web", &reply, ANSWERED);
    let poison = build::arp_reply(lab.mac("web"), [172, 16, 1, 253].into(), lab.mac("app"), other);
    lab.check("web", &poison, SPOOFED);
    let probe = build::arp_request(lab.mac("web"), Ipv4Addr::UNSPECIFIED, own);
    lab.check("web", &probe, ANSWERED);
    let announcement = build::arp_request(lab.mac("web"), own, own);
    lab.check("web", &announcement, ANSWERED);
    let request = build::arp_request(lab.mac("web"), own, other);
    lab.check("web", &request, ANSWERED);
    let mut odd = request;
    odd[21] = 8;
    lab.check("web", &odd, NOT_FORWARDED);
    lab.check_sum(0, 0);
    assert_eq!(
        lab.counters(),
        "web: in 10 (420 B) out 1 (42 B) errors 0 not-forwarded=1 spoofed=5 \
         arp-announcement=1 arp-probe=1 arp-reply=1 arp-request=1\n"
    );
}

/// An ICMPv6 message with its options.
fn icmpv6(lab: &Lab, source: &str, target: &str, icmp_type: u8, body: &[u8]) -> Vec<u8> {
    let envelope = Envelope {
        source_mac: lab.mac("web"),
        target_mac: MacAddr([0x33, 0x33, 0, 0, 0, 1]),
        source: ip(source),
        target: ip(target),
        ttl: 255,
    };
    build::icmp(&envelope, icmp_type, 0, [0; 4], body)
}

/// A solicitation or advertisement of `address`, with a link-layer option.
fn nd(lab: &Lab, source: &str, icmp_type: u8, address: &str, option: u8, mac: MacAddr) -> Vec<u8> {
    let address: Ipv6Addr = address.parse().unwrap();
    let mut body = address.octets().to_vec();
    body.extend_from_slice(&[option, 1]);
    body.extend_from_slice(&mac.0);
    icmpv6(lab, source, "ff02::1:ff00:11", icmp_type, &body)
}

#[test]
fn nd_is_answered_by_the_fabric() {
    let check = |source: &str, address: &str, answered: bool, router: bool| {
        let mut lab = Lab::new(&[]);
        let frame = nd(&lab, source, 135, address, 1, lab.mac("web"));
        lab.check("web", &frame, ANSWERED);
        let answer = lab.switch.pull();
        assert_eq!(answer.is_some(), answered, "{source} asks for {address}");
        if let Some(answer) = answer {
            let (frame, packet) = read(answer.bytes());
            assert_eq!((frame.ethernet.source, frame.ethernet.target), (GATEWAY, lab.mac("web")));
            assert_eq!((packet.source, packet.target, packet.ttl), (ip(address), ip(source), 255));
            let Transport::Icmp(icmp) = packet.transport else { panic!("{packet:?}") };
            let IcmpKind::Neighbor(neighbor) = icmp.kind else { panic!("{icmp:?}") };
            assert_eq!(icmp.icmp_type, 136);
            assert_eq!(neighbor.link_layer, Some(GATEWAY));
            assert_eq!(answer.bytes()[58] & 0x80 != 0, router);
        }
    };
    let web = "2001:db8:1:1::10";
    check(web, "2001:db8:1:1::11", true, false);
    check("fe80::1", "2001:db8:1:1::11", true, false);
    check(web, "2001:db8:1:1:ffff:ffff:ffff:fffd", true, true);
    check(web, "fe80::ecff:ffff:feff:ffff", true, true);
    check(web, web, false, false);
    check(web, "2001:db8:1:2::11", false, false);
    check(web, "fe80::5", false, false);
    check("::", "2001:db8:1:1::11", false, false);
    check("::", web, false, false);
}

#[test]
fn nd_claims() {
    let mut lab = Lab::new(&[]);
    let own_mac = lab.mac("web");
    let web = "2001:db8:1:1::10";
    let app = "2001:db8:1:1::11";
    let frames = [
        (nd(&lab, app, 135, web, 1, own_mac), SPOOFED),
        (nd(&lab, web, 135, app, 1, OTHER_MAC), SPOOFED),
        (nd(&lab, "fe80::1", 135, app, 1, OTHER_MAC), SPOOFED),
        (nd(&lab, web, 136, app, 2, own_mac), SPOOFED),
        (nd(&lab, web, 136, web, 2, OTHER_MAC), SPOOFED),
        (nd(&lab, web, 136, web, 2, own_mac), ANSWERED),
        (nd(&lab, "fe80::1", 136, "fe80::1", 2, own_mac), ANSWERED),
        (nd(&lab, "::", 135, web, 14, own_mac), ANSWERED),
        (icmpv6(&lab, "fe80::1", "ff02::2", 133, &[]), ANSWERED),
        (icmpv6(&lab, "::", "ff02::2", 133, &[]), ANSWERED),
        (icmpv6(&lab, app, "ff02::2", 133, &[]), SPOOFED),
        (icmpv6(&lab, "fe80::1", "ff02::1", 134, &[0; 8]), NOT_FORWARDED),
        (icmpv6(&lab, "fe80::1", app, 137, &[0; 32]), NOT_FORWARDED),
        (icmpv6(&lab, web, app, 135, &[0; 3]), NOT_FORWARDED),
        (icmpv6(&lab, "::", "ff02::16", 143, &[0; 16]), NOT_FORWARDED),
        (icmpv6(&lab, "fe80::1", "ff02::16", 143, &[0; 16]), NOT_FORWARDED),
        (icmpv6(&lab, app, "ff02::16", 143, &[0; 16]), SPOOFED),
    ];
    for (frame, expected) in frames {
        lab.check("web", &frame, expected);
    }
    let mut routed = nd(&lab, web, 135, app, 1, own_mac);
    routed[21] = 254;
    lab.check("web", &routed, NOT_FORWARDED);
    lab.check_sum(0, 0);
    assert_eq!(
        lab.counters(),
        "web: in 18 (1423 B) out 0 (0 B) errors 0 not-forwarded=6 spoofed=7 \
         neighbor-advertisement=2 neighbor-probe=1 router-solicitation=2\n"
    );
}

#[test]
fn dhcp_is_the_fabrics() {
    let message = |client: [u8; 4], mac: MacAddr| {
        let mut message = vec![0; 240];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[12..16].copy_from_slice(&client);
        message[28..34].copy_from_slice(&mac.0);
        message
    };
    let mut lab = Lab::new(&OPEN);
    let own_mac = lab.mac("web");
    let own = [172, 16, 1, 10];
    let mut check = |source: &str, target: &str, client, mac, expected: &str| {
        let broadcast = target == "255.255.255.255";
        let target_mac = if broadcast { MacAddr::BROADCAST } else { GATEWAY };
        let envelope = Envelope { source: ip(source), target_mac, ..lab.envelope("web", target) };
        lab.check("web", &build::udp(&envelope, 68, 67, &message(client, mac)), expected);
    };
    let all = "255.255.255.255";
    check("0.0.0.0", all, [0; 4], own_mac, ANSWERED);
    check("172.16.1.10", all, own, own_mac, ANSWERED);
    check("0.0.0.0", all, [0; 4], OTHER_MAC, SPOOFED);
    check("0.0.0.0", all, [172, 16, 1, 11], own_mac, SPOOFED);
    check("172.16.1.11", all, [0; 4], own_mac, SPOOFED);
    check("0.0.0.0", "172.16.1.11", [0; 4], own_mac, ANSWERED);
    let forwarded = "allow inbound sg-app/1, out allow default #1, in allow sg-app/1 #2";
    check("172.16.1.10", "172.16.1.11", own, own_mac, forwarded);
    let envelope = Envelope { source: ip("0.0.0.0"), ..lab.envelope("web", all) };
    lab.check("web", &build::udp(&envelope, 68, 67, &[0; 33]), NOT_FORWARDED);
    lab.check("web", &build::udp(&envelope, 68, 68, &message([0; 4], own_mac)), SPOOFED);
    let long = build::udp(&envelope, 68, 67, &message([0; 4], own_mac));
    let fragments = build::fragments(&long, &read(&long).0, 200);
    lab.check("web", &fragments[0], SPOOFED);
    let offer = Envelope { target_mac: MacAddr::BROADCAST, ..lab.envelope("web", all) };
    lab.check("web", &build::udp(&offer, 67, 68, &message([0; 4], own_mac)), NOT_FORWARDED);
    let solicit = Envelope { source: ip("fe80::1"), ..lab.envelope("web", "ff02::1:2") };
    lab.check("web", &build::udp(&solicit, 546, 547, b"solicit"), ANSWERED);
    assert_eq!(lab.switch.counters().ports[&lab.port("web")].answered["dhcp"], 4);
    lab.check_sum(1, 0);
}
