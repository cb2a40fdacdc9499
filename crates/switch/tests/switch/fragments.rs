//! "All fragments of a packet share the verdict of the first one."

use ringfence_frame::Instant;
use ringfence_frame::build::{self, Envelope};
use ringfence_frame::rewrite::set_identification;

use crate::lab::{Lab, fabric, read};

const DNS: &str = "sg-web in allow 1 udp 53/53 0.0.0.0/0";
const OPENED: &str = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
const DENIED: &str = "deny inbound default, out allow default, in deny default";
const OVERLAP: &str = "deny parse fragment-overlap";

/// A datagram of 3 fragments (576, 576 and the rest of its bytes).
fn datagram(lab: &Lab, target: &str, port: u16, identification: u16) -> Vec<Vec<u8>> {
    let payload: Vec<u8> = (0..1_400_u16).map(|byte| byte.to_be_bytes()[1]).collect();
    let mut frame = lab.udp("app", target, (5_000, port), &payload);
    let (_, ip) = read(&frame);
    set_identification(&mut frame, &ip, identification);
    let (parsed, _) = read(&frame);
    let fragments = build::fragments(&frame, &parsed, 600);
    assert_eq!(fragments.len(), 3);
    fragments
}

/// Sends a frame and says what became of it and of others.
#[track_caller]
fn check(lab: &mut Lab, bytes: &[u8], expected: &[&str]) {
    let verdicts = lab.send("app", bytes);
    let told: Vec<String> =
        verdicts.iter().map(|(id, verdict)| format!("{id} {}", lab.tell(verdict))).collect();
    assert_eq!(told, expected);
}

fn came_out(lab: &mut Lab) -> Vec<u64> {
    std::iter::from_fn(|| lab.switch.pull()).map(|delivery| delivery.frame().unwrap()).collect()
}

#[test]
fn in_order() {
    let mut lab = Lab::new(&[DNS]);
    let fragments = datagram(&lab, "172.16.1.10", 53, 1);
    for (id, fragment) in (1..).zip(&fragments) {
        check(&mut lab, fragment, &[&format!("{id} {OPENED}")]);
    }
    assert_eq!(came_out(&mut lab), [1, 2, 3]);
    lab.check_sum(3, 0);
    assert_eq!(
        lab.counters(),
        "web: in 0 (0 B) out 3 (1510 B) errors 0\n\
         app: in 3 (1510 B) out 0 (0 B) errors 0\n\
         web sessions: opened 1 cut 0 hits 0\n\
         app sessions: opened 1 cut 0 hits 0 default-allow=1\n\
         sg-web/1: 1\n"
    );
}

#[test]
fn later_ones_wait_for_the_first() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    check(&mut lab, &third, &[]);
    check(&mut lab, &second, &[]);
    lab.check_sum(0, 2);
    assert_eq!(came_out(&mut lab), [0; 0]);
    lab.wait_ms(2_000);
    let (one, two, three) = (format!("3 {OPENED}"), format!("1 {OPENED}"), format!("2 {OPENED}"));
    check(&mut lab, &first, &[&one, &two, &three]);
    assert_eq!(came_out(&mut lab), [3, 1, 2]);
    lab.check_sum(3, 0);
}

/// A rule's place is one under the rules that decided the first fragment, whatever they are now.
#[test]
fn a_later_one_is_decided_with_the_first() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    let epoch = |lab: &mut Lab, bytes: &[u8]| lab.send("app", bytes)[0].1.epoch;
    assert_eq!(epoch(&mut lab, &first), 0);
    lab.set_rules("sg-web", &[]);
    lab.set_rules("sg-web", &["in allow 1 all -1/-1 0.0.0.0/0"]);
    assert_eq!(epoch(&mut lab, &second), 0);
    lab.set_rules("sg-web", &[]);
    assert_eq!(epoch(&mut lab, &third), 0);
    let whole = lab.udp("app", "172.16.1.10", (5_001, 53), &[]);
    assert_eq!(epoch(&mut lab, &whole), 3);
}

#[test]
fn all_share_a_denial() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 54, 1).try_into().unwrap();
    check(&mut lab, &third, &[]);
    check(&mut lab, &first, &[&format!("2 {DENIED}"), &format!("1 {DENIED}")]);
    check(&mut lab, &second, &[&format!("3 {DENIED}")]);
    assert_eq!(came_out(&mut lab), [0; 0]);
    assert_eq!(
        lab.counters(),
        "app: in 3 (1510 B) out 0 (0 B) errors 0 default=3\n\
         web sessions: opened 0 cut 0 hits 0 default-deny=1\n\
         app sessions: opened 0 cut 0 hits 0 default-allow=1\n"
    );
}

#[test]
fn the_first_one_does_not_come() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    check(&mut lab, &third, &[]);
    lab.wait_ms(1_500);
    check(&mut lab, &second, &[]);
    lab.wait_ms(500);
    assert_eq!(lab.expire(), []);
    let deadline = lab.switch.next_deadline().unwrap();
    assert_eq!(deadline, Instant::from_ns(3_000_000_001));
    lab.now = deadline;
    let told: Vec<String> =
        lab.expire().iter().map(|(id, verdict)| format!("{id} {}", lab.tell(verdict))).collect();
    assert_eq!(told, ["1 deny parse fragment-timeout", "2 deny parse fragment-timeout"]);
    assert_eq!(lab.switch.next_deadline(), None);
    // forgotten: the first one starts anew
    check(&mut lab, &first, &[&format!("3 {OPENED}")]);
    lab.check_sum(1, 0);
    assert_eq!(lab.switch.counters().ports[&lab.port("app")].dropped["fragment-timeout"], 2);
}

/// "The 2 s of a fragment run from the first fragment seen of the packet, whichever it was", and a
/// frame that comes later finds them over.
#[test]
fn a_later_frame_finds_the_time_over() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    check(&mut lab, &third, &[]);
    lab.wait_ms(2_001);
    check(&mut lab, &first, &["1 deny parse fragment-timeout", &format!("2 {OPENED}")]);
    lab.wait_ms(2_000);
    check(&mut lab, &second, &[&format!("3 {OPENED}")]);
    lab.wait_ms(1);
    check(&mut lab, &third, &[]);
}

#[test]
fn an_overlap_drops_what_is_held_and_what_comes() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    let (parsed, _) = read(&second);
    let pieces = build::fragments(&second, &parsed, 300);
    check(&mut lab, &second, &[]);
    check(&mut lab, &third, &[]);
    let (one, two) = (format!("1 {OVERLAP}"), format!("2 {OVERLAP}"));
    check(&mut lab, &pieces[1], &[&format!("3 {OVERLAP}"), &one, &two]);
    check(&mut lab, &first, &[&format!("4 {OVERLAP}")]);
    assert_eq!(came_out(&mut lab), [0; 0]);
    assert_eq!(lab.switch.session_count(), 0);
    lab.check_sum(0, 0);
    lab.wait_ms(2_001);
    check(&mut lab, &first, &[&format!("5 {OPENED}")]);
}

/// "what was delivered stays"
#[test]
fn an_overlap_after_the_first() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    check(&mut lab, &first, &[&format!("1 {OPENED}")]);
    check(&mut lab, &first, &[&format!("2 {OVERLAP}")]);
    check(&mut lab, &second, &[&format!("3 {OVERLAP}")]);
    check(&mut lab, &third, &[&format!("4 {OVERLAP}")]);
    assert_eq!(came_out(&mut lab), [1]);
    lab.check_sum(1, 0);
}

#[test]
fn packets_are_told_apart() {
    let mut lab = Lab::new(&[DNS]);
    let [_, _, third] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    let [first, _, _] = datagram(&lab, "172.16.1.10", 53, 2).try_into().unwrap();
    check(&mut lab, &third, &[]);
    check(&mut lab, &first, &[&format!("2 {OPENED}")]);
    let [first, _, _] = datagram(&lab, "172.16.1.110", 53, 1).try_into().unwrap();
    check(
        &mut lab,
        &first,
        &["3 allow inbound sg-web/1, out allow default #3, in allow sg-web/1 #4"],
    );
    lab.check_sum(2, 1);
}

/// "at most 64 such packets for an interface, then it is dropped (fragment-limit)"
#[test]
fn no_more_than_64_packets_wait() {
    let mut lab = Lab::new(&[DNS]);
    for identification in 0..64 {
        let fragments = datagram(&lab, "172.16.1.10", 53, identification);
        check(&mut lab, &fragments[2], &[]);
    }
    let other = datagram(&lab, "172.16.1.10", 53, 64);
    check(&mut lab, &other[2], &["65 deny parse fragment-limit"]);
    // a packet that waits already may have another fragment, and a first one is not waiting
    let waiting = datagram(&lab, "172.16.1.10", 53, 0);
    check(&mut lab, &waiting[1], &[]);
    check(&mut lab, &other[0], &[&format!("67 {OPENED}")]);
    // one packet decided is one more that may wait
    assert_eq!(lab.send("app", &waiting[0]).len(), 3);
    let another = datagram(&lab, "172.16.1.10", 53, 65);
    check(&mut lab, &another[1], &[]);
    lab.check_sum(4, 64);
    lab.wait_ms(2_001);
    assert_eq!(lab.expire().len(), 64);
    lab.check_sum(4, 0);
    let dropped = &lab.switch.counters().ports[&lab.port("app")].dropped;
    assert_eq!(dropped, &[("fragment-limit", 1), ("fragment-timeout", 64)].into());
}

#[test]
fn a_flood_of_first_fragments_is_bounded() {
    let mut lab = Lab::new(&[DNS]);
    let mut dropped = 0;
    for identification in 0..9_000 {
        let fragments = datagram(&lab, "172.16.1.10", 53, identification);
        let verdicts = lab.send("app", &fragments[0]);
        dropped += usize::from(lab.tell(&verdicts[0].1) == "deny parse fragment-limit");
        lab.switch.pull();
    }
    assert_eq!(dropped, 9_000 - 8_192);
    lab.wait_ms(2_001);
    assert_eq!(lab.expire(), []);
    let fragments = datagram(&lab, "172.16.1.10", 53, 9_000);
    assert!(lab.send("app", &fragments[0])[0].1.allowed);
}

#[test]
fn later_ones_are_translated_and_routed_like_the_first() {
    let mut fabric = fabric(&["sg-db in allow 1 udp 53/53 47.96.10.1/32"]);
    fabric.world.interfaces[2].mtu = 300;
    let mut lab = Lab::of(fabric);
    let payload: Vec<u8> = (0..1_000_u16).map(|byte| byte.to_be_bytes()[1]).collect();
    let frame = lab.udp("web", "47.96.10.2", (5_000, 53), &payload);
    let (parsed, _) = read(&frame);
    let fragments = build::fragments(&frame, &parsed, 600);
    lab.check("web", &fragments[1], "held");
    let opened = "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2";
    lab.check("web", &fragments[0], &format!("{opened}; {opened}"));
    let mut data = Vec::new();
    let mut numbers = Vec::new();
    while let Some(delivery) = lab.switch.pull() {
        let (_, ip) = read(delivery.bytes());
        assert!(ip.packet_len() <= 300);
        assert_eq!(format!("{} {} {}", ip.source, ip.target, ip.ttl), "47.96.10.1 172.16.2.20 61");
        assert_eq!(ip.fragment.unwrap().offset as usize, data.len());
        data.extend_from_slice(&delivery.bytes()[ip.transport_offset..ip.end]);
        numbers.push(delivery.frame().unwrap());
    }
    assert_eq!(numbers, [2, 2, 2, 1, 1]);
    let received = Envelope {
        source: "47.96.10.1".parse().unwrap(),
        target: "172.16.2.20".parse().unwrap(),
        ..lab.envelope("web", "172.16.2.20")
    };
    assert_eq!(data, build::udp(&received, 5_000, 53, &payload)[34..], "checksum and data");
}

#[test]
fn a_later_one_has_a_ttl_of_its_own_and_no_error_is_sent_about_it() {
    let mut lab = Lab::new(&["sg-db in allow 1 udp 53/53 0.0.0.0/0"]);
    let mut fragments = datagram(&lab, "172.16.2.20", 53, 1);
    let opened = "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2";
    check(&mut lab, &fragments[0], &[&format!("1 {opened}")]);
    let (_, ip) = read(&fragments[1]);
    ringfence_frame::rewrite::decrease_ttl(&mut fragments[1], &ip, 63);
    let exceeded = "deny route ttl-exceeded, out allow default #1, in allow sg-db/1 #2";
    check(&mut lab, &fragments[1], &[&format!("2 {exceeded}")]);
    check(&mut lab, &fragments[2], &[&format!("3 {opened}")]);
    assert_eq!(came_out(&mut lab), [1, 3]);
    lab.check_sum(2, 0);
}

#[test]
fn ipv6_fragments_share_too() {
    let mut lab = Lab::new(&["sg-app in allow 1 udp 53/53 ::/0"]);
    let frame = lab.udp("web", "2001:db8:1:1::11", (5_000, 53), &[7; 2_000]);
    let (parsed, _) = read(&frame);
    let fragments = build::ipv6_fragments(&frame, &parsed, 1_280, 77);
    assert_eq!(fragments.len(), 2);
    lab.check("web", &fragments[1], "held");
    let opened = "allow inbound sg-app/1, out allow default #1, in allow sg-app/1 #2";
    lab.check("web", &fragments[0], &format!("{opened}; {opened}"));
    assert_eq!(came_out(&mut lab), [2, 1]);
}

#[test]
fn a_tiny_first_fragment_is_malformed_and_a_spoofed_one_known_to_nobody() {
    let mut lab = Lab::new(&[DNS]);
    let [first, second, _] = datagram(&lab, "172.16.1.10", 53, 1).try_into().unwrap();
    let mut spoofed = first.clone();
    spoofed[6..12].copy_from_slice(&lab.mac("web").0);
    check(&mut lab, &spoofed, &["1 deny admit spoofed"]);
    check(&mut lab, &second, &[]);
    let mut fabric_side = first;
    fabric_side[0] = 1;
    check(&mut lab, &fabric_side, &["3 deny admit not-forwarded"]);
    lab.check_sum(0, 1);
}
