//! Where frames go and how they look there: every way, translation, TTL, MTU, what is out of reach.

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{Transport, parse};

use crate::lab::{ACK, Lab, SYN, SYN_ACK, fabric, read, tcp};

const ALLOW_ALL: [&str; 9] = [
    "sg-web in allow 1 all -1/-1 0.0.0.0/0",
    "sg-app in allow 1 all -1/-1 0.0.0.0/0",
    "sg-db in allow 1 all -1/-1 0.0.0.0/0",
    "sg-pc in allow 1 all -1/-1 0.0.0.0/0",
    "sg-old in allow 1 all -1/-1 0.0.0.0/0",
    "sg-old/public in allow 1 all -1/-1 0.0.0.0/0 internet",
    "sg-cold in allow 1 all -1/-1 0.0.0.0/0",
    "sg-web in allow 1 all -1/-1 ::/0",
    "sg-app in allow 1 all -1/-1 ::/0",
];

/// Sends one UDP datagram and checks where it comes out, with which addresses and TTL, and that
/// its checksum is right.
fn check_way(from: &str, target: &str, expected: &str) {
    let mut lab = Lab::new(&ALLOW_ALL);
    let frame = lab.udp(from, target, (5_000, 6_000), b"way");
    let verdicts = lab.send(from, &frame);
    let [(1, verdict)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    assert!(verdict.allowed, "{from} to {target}: {}", lab.tell(verdict));
    let delivery = lab.switch.pull().unwrap();
    assert_eq!(verdict.to, Some(delivery.port()));
    let (frame, ip) = read(delivery.bytes());
    let name = lab.switch.fabric().world.place_name(delivery.port());
    assert_eq!(format!("{name}: {} > {} ttl {}", ip.source, ip.target, ip.ttl), expected);
    let envelope = Envelope {
        source_mac: frame.ethernet.source,
        target_mac: frame.ethernet.target,
        source: ip.source,
        target: ip.target,
        ttl: ip.ttl,
    };
    assert_eq!(delivery.bytes(), build::udp(&envelope, 5_000, 6_000, b"way"), "checksums");
}

#[test]
fn every_way() {
    check_way("app", "172.16.1.10", "web: 172.16.1.11 > 172.16.1.10 ttl 64");
    check_way("app", "172.16.2.20", "db: 172.16.1.11 > 172.16.2.20 ttl 63");
    check_way("app", "10.1.1.30", "pc: 172.16.1.11 > 10.1.1.30 ttl 61");
    check_way("pc", "172.16.1.11", "app: 10.1.1.30 > 172.16.1.11 ttl 61");
    check_way("app", "192.168.0.5", "desk: 172.16.1.11 > 192.168.0.5 ttl 63");
    check_way("app", "192.168.9.9", "on-premises premises: 172.16.1.11 > 192.168.9.9 ttl 63");
    check_way("desk", "172.16.1.11", "app: 192.168.0.5 > 172.16.1.11 ttl 63");
    check_way("premises", "172.16.1.11", "app: 192.168.7.7 > 172.16.1.11 ttl 63");
    check_way(
        "app",
        "100.100.100.200",
        "intranet of vpc-shop: 172.16.1.11 > 100.100.100.200 ttl 63",
    );
    check_way("web", "203.0.113.7", "visitor: 47.96.10.1 > 203.0.113.7 ttl 62");
    check_way("web", "198.51.100.1", "internet: 47.96.10.1 > 198.51.100.1 ttl 62");
    check_way("visitor", "47.96.10.1", "web: 203.0.113.7 > 172.16.1.10 ttl 62");
    check_way("internet", "47.96.10.1", "web: 198.51.100.9 > 172.16.1.10 ttl 62");
    check_way("web", "47.96.10.2", "db: 47.96.10.1 > 172.16.2.20 ttl 61");
    check_way("web", "47.96.10.1", "web: 47.96.10.1 > 172.16.1.10 ttl 61");
    check_way("cold", "10.200.0.5", "old: 10.200.0.6 > 10.200.0.5 ttl 64");
    check_way("visitor", "47.96.20.5", "old/public: 203.0.113.7 > 47.96.20.5 ttl 63");
    check_way("old/public", "203.0.113.7", "visitor: 47.96.20.5 > 203.0.113.7 ttl 63");
    check_way("web", "47.96.20.5", "old/public: 47.96.10.1 > 47.96.20.5 ttl 62");
    check_way("visitor", "2001:db8:1:1::10", "web: 2001:db8:f::7 > 2001:db8:1:1::10 ttl 62");
    check_way("web", "2001:db8:1:1::11", "app: 2001:db8:1:1::10 > 2001:db8:1:1::11 ttl 64");
}

#[test]
fn a_hairpin_reply_finds_its_way_and_its_sessions() {
    let mut lab = Lab::new(&["sg-db in allow 1 tcp 3306/3306 47.96.10.1/32"]);
    let syn = lab.tcp("web", "47.96.10.2", (40_000, 3_306), SYN);
    let delivery = lab.deliver(
        "web",
        &syn,
        "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2",
    );
    assert_eq!(read(delivery.bytes()).1.source, "47.96.10.1".parse::<std::net::IpAddr>().unwrap());
    let reply = lab.tcp("db", "47.96.10.1", (3_306, 40_000), SYN_ACK);
    let delivery = lab.deliver(
        "db",
        &reply,
        "allow inbound session, out allow session #2, in allow session #1",
    );
    let (_, ip) = read(delivery.bytes());
    assert_eq!(delivery.port(), lab.port("web"));
    assert_eq!(ip.tuple().to_string(), "tcp 47.96.10.2:3306 > 172.16.1.10:40000");
}

/// "the neighbour sees the caller's public address as source, and no group object matches it"
#[test]
fn a_group_object_does_not_match_over_the_internet() {
    let mut lab = Lab::new(&["sg-db in allow 1 tcp 3306/3306 sg-web"]);
    let inside = lab.tcp("web", "172.16.2.20", (40_000, 3_306), SYN);
    lab.check("web", &inside, "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2");
    let outside = lab.tcp("web", "47.96.10.2", (40_000, 3_306), SYN);
    lab.check("web", &outside, "deny inbound default, out allow default, in deny default");
}

#[test]
fn equal_address_ranges_side_by_side() {
    let mut lab = Lab::new(&ALLOW_ALL);
    let to_nobody = lab.tcp("twin", "172.16.1.11", (40_000, 80), SYN);
    lab.check(
        "twin",
        &to_nobody,
        "deny route unreachable (nobody owns this private address), out allow default",
    );
}

#[test]
fn what_cannot_be_reached() {
    let check = |from: &str, target: &str, port: u16, expected: &str| {
        let mut lab = Lab::new(&[
            "sg-app out forbid 1 tcp 81/81 0.0.0.0/0",
            "sg-app out allow 1 tcp 25/25 0.0.0.0/0",
        ]);
        let frame = lab.tcp(from, target, (40_000, port), SYN);
        lab.check(from, &frame, expected);
        assert_eq!(lab.switch.pull(), None, "unreachable is silent");
        assert_eq!(lab.switch.session_count(), 0);
    };
    let nobody = "deny route unreachable (nobody owns this private address)";
    check("app", "172.16.1.99", 80, &format!("{nobody}, out allow default"));
    check("app", "10.99.0.1", 80, &format!("{nobody}, out allow default"));
    check("app", "172.16.1.99", 81, "deny outbound sg-app/1, out deny sg-app/1");
    check("app", "172.16.1.99", 25, &format!("{nobody}, out allow sg-app/2"));
    let no_public = "deny route unreachable (the sender has no public address)";
    check("app", "203.0.113.7", 80, &format!("{no_public}, out allow default"));
    check("app", "203.0.113.7", 25, "deny outbound platform, out deny platform");
    check("visitor", "172.16.1.10", 80, nobody);
    check(
        "visitor",
        "198.51.100.1",
        80,
        "deny route unreachable (both ends are outside the cloud)",
    );
    check(
        "visitor",
        "2001:db8:1:1::11",
        80,
        "deny route unreachable (the target does not reach the Internet)",
    );
    check(
        "old",
        "203.0.113.7",
        80,
        "deny route unreachable (no way from the sender's network to the target), out allow default",
    );
}

/// "The VPC router, the CEN and the Internet gateway each take one from the TTL (same vSwitch:
/// none); at zero the packet is dropped (ttl-exceeded) and the fabric answers with an ICMP error".
#[test]
fn ttl() {
    let check = |from: &str, target: &str, ttl: u8, error_from: Option<&str>| {
        let mut lab = Lab::new(&ALLOW_ALL);
        let envelope = Envelope { ttl, ..lab.envelope(from, target) };
        let frame = build::udp(&envelope, 5_000, 6_000, b"way");
        let verdicts = lab.send(from, &frame);
        let delivery = lab.switch.pull().unwrap();
        let Some(error_from) = error_from else {
            assert!(verdicts[0].1.allowed, "{}", lab.tell(&verdicts[0].1));
            return;
        };
        let told = lab.tell(&verdicts[0].1);
        assert!(told.starts_with("deny route ttl-exceeded"), "{told}");
        assert_eq!(delivery.port(), lab.port(from));
        assert_eq!(delivery.frame(), None);
        let (error, ip) = read(delivery.bytes());
        assert_eq!(error.ethernet.target, lab.mac(from));
        assert_eq!(ip.source.to_string(), error_from);
        assert_eq!(ip.target, envelope.source);
        let Transport::Icmp(icmp) = ip.transport else { panic!("{ip:?}") };
        assert_eq!(icmp.icmp_type, if ip.source.is_ipv4() { 11 } else { 3 });
        assert!(delivery.bytes().ends_with(&frame[14..]), "quoted as it was sent");
        assert_eq!(lab.switch.session_count(), 0);
        let port = &lab.switch.counters().ports[&lab.port(from)];
        assert_eq!((port.icmp_errors, port.frames_out, port.frames_in), (1, 1, 1));
        assert_eq!(port.dropped.get("ttl-exceeded"), Some(&1));
    };
    check("app", "172.16.1.10", 1, None);
    check("app", "172.16.2.20", 2, None);
    check("app", "172.16.2.20", 1, Some("172.16.1.253"));
    check("app", "10.1.1.30", 3, Some("172.16.1.253"));
    check("app", "10.1.1.30", 4, None);
    check("web", "203.0.113.7", 2, Some("172.16.1.253"));
    check("web", "203.0.113.7", 3, None);
    check("visitor", "47.96.10.1", 2, Some("100.64.0.1"));
    check("web", "2001:db8:f::7", 2, Some("2001:db8:1:1:ffff:ffff:ffff:fffd"));
}

#[test]
fn a_sender_that_rules_deny_hears_nothing_of_the_ttl() {
    let mut lab = Lab::new(&["sg-app out forbid 1 all -1/-1 0.0.0.0/0"]);
    let envelope = Envelope { ttl: 1, ..lab.envelope("app", "172.16.2.20") };
    let frame = tcp(&envelope, (40_000, 80), SYN);
    lab.check("app", &frame, "deny outbound sg-app/1, out deny sg-app/1");
    assert_eq!(lab.switch.pull(), None);
}

fn lab_with_narrow_db() -> Lab {
    let mut fabric = fabric(&ALLOW_ALL);
    fabric.world.interfaces[2].mtu = 600;
    fabric.world.interfaces[1].mtu = 1_280;
    Lab::of(fabric)
}

#[test]
fn too_big_with_df_is_answered() {
    let mut lab = lab_with_narrow_db();
    let envelope = lab.envelope("app", "172.16.2.20");
    let fields = build::TcpFields {
        source_port: 40_000,
        target_port: 80,
        flags: ACK,
        ..build::TcpFields::default()
    };
    let frame = build::tcp(&envelope, &fields, &[7; 561]);
    lab.check("app", &frame, "deny route too-big, out allow default");
    let error = lab.switch.pull().unwrap();
    let (_, ip) = read(error.bytes());
    assert_eq!((ip.source.to_string(), error.port()), ("172.16.1.253".to_owned(), lab.port("app")));
    let Transport::Icmp(icmp) = ip.transport else { panic!("{ip:?}") };
    assert_eq!((icmp.icmp_type, icmp.code), (3, 4));
    assert_eq!(error.bytes()[40..42], 600_u16.to_be_bytes());
    let fits = build::tcp(&envelope, &fields, &[7; 560]);
    lab.check("app", &fits, "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2");

    let frame = lab.udp("web", "2001:db8:1:1::11", (5_000, 6_000), &[7; 1_233]);
    lab.check("web", &frame, "deny route too-big, out allow default");
    let _fits = lab.switch.pull().unwrap();
    let error = lab.switch.pull().unwrap();
    let (_, ip) = read(error.bytes());
    let Transport::Icmp(icmp) = ip.transport else { panic!("{ip:?}") };
    assert_eq!(icmp.icmp_type, 2);
    assert_eq!(error.bytes()[58..62], 1_280_u32.to_be_bytes());
}

#[test]
fn too_big_without_df_is_fragmented() {
    let mut lab = lab_with_narrow_db();
    let payload: Vec<u8> = (0..1_400_u16).map(|byte| byte.to_be_bytes()[1]).collect();
    let frame = lab.udp("app", "172.16.2.20", (5_000, 6_000), &payload);
    lab.check("app", &frame, "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2");
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    while let Some(delivery) = lab.switch.pull() {
        assert_eq!((delivery.port(), delivery.frame()), (lab.port("db"), Some(1)));
        let (_, ip) = read(delivery.bytes());
        assert!(ip.packet_len() <= 600);
        offsets.push((ip.fragment.unwrap().offset, ip.ttl));
        data.extend_from_slice(&delivery.bytes()[ip.transport_offset..ip.end]);
    }
    assert_eq!(offsets, [(0, 63), (576, 63), (1_152, 63)]);
    assert_eq!(data, frame[34..]);
}

#[test]
fn a_full_output_queue_drops_and_nothing_is_committed() {
    let mut fabric = fabric(&ALLOW_ALL);
    fabric.options.output_queue_max = 2;
    fabric.world.interfaces[2].mtu = 600;
    let mut lab = Lab::of(fabric);
    let small = lab.udp("app", "172.16.2.20", (5_000, 6_000), b"1");
    let large = lab.udp("app", "172.16.2.20", (5_001, 6_000), &[0; 1_400]);
    let full = "deny deliver queue-full, out allow default, in allow sg-db/1";
    lab.check("app", &large, full);
    assert_eq!(lab.switch.session_count(), 0);
    let opened = "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2";
    lab.check("app", &small, opened);
    let known = "allow inbound session, out allow session #1, in allow session #2";
    lab.check("app", &small, known);
    lab.wait_ms(20_000);
    let full = "deny deliver queue-full, out allow session #1, in allow session #2";
    lab.check("app", &small, full);
    let other = lab.udp("app", "172.16.1.10", (5_000, 6_000), b"1");
    lab.check("app", &other, "allow inbound sg-web/1, out allow default #3, in allow sg-web/1 #4");
    let ports: Vec<_> = std::iter::from_fn(|| lab.switch.pull()).map(|it| it.port()).collect();
    assert_eq!(ports, [lab.port("db"), lab.port("db"), lab.port("web")]);
    // what was dropped did not refresh
    lab.wait_ms(10_001);
    lab.check("app", &small, "allow inbound sg-db/1, out allow default #5, in allow sg-db/1 #6");
    assert_eq!(lab.switch.counters().ports[&lab.port("app")].dropped["queue-full"], 2);
}

#[test]
fn frames_are_pulled_in_order_whatever_the_port() {
    let mut lab = Lab::new(&ALLOW_ALL);
    for (source_port, target) in
        [(1, "172.16.1.10"), (2, "172.16.2.20"), (3, "172.16.1.10"), (4, "172.16.2.20")]
    {
        let frame = lab.udp("app", target, (source_port, 6_000), b"");
        lab.send("app", &frame);
    }
    let numbers = |deliveries: Vec<ringfence_switch::Delivery>| -> Vec<Option<u64>> {
        deliveries.iter().map(ringfence_switch::Delivery::frame).collect()
    };
    let (web, db) = (lab.port("web"), lab.port("db"));
    let from_db = lab.switch.pull_from(db).into_iter().collect();
    assert_eq!(numbers(from_db), [Some(2)]);
    let all = std::iter::from_fn(|| lab.switch.pull()).collect();
    assert_eq!(numbers(all), [Some(1), Some(3), Some(4)]);
    assert_eq!(lab.switch.pull_from(web), None);
    for _ in 0..1_000 {
        let frame = lab.udp("app", "172.16.1.10", (1, 6_000), b"");
        lab.send("app", &frame);
        assert!(lab.switch.pull_from(web).is_some());
    }
    assert_eq!(lab.switch.pull(), None);
}

#[test]
fn frames_for_another_mac_are_switched_by_address() {
    let mut lab = Lab::new(&ALLOW_ALL);
    let envelope = Envelope { target_mac: lab.mac("db"), ..lab.envelope("app", "172.16.1.10") };
    let frame = build::udp(&envelope, 1, 2, b"");
    let opened = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    let delivery = lab.deliver("app", &frame, opened);
    assert_eq!(delivery.port(), lab.port("web"));
    assert_eq!(parse(delivery.bytes()).unwrap().ethernet.target, lab.mac("web"));
}
