//! Why a frame passes or not, and at which stage: the order at an interface, both sides of a flow,
//! and what sessions do to it.

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{Instant, Protocol};
use ringfence_policy::GroupKind;
use ringfence_session::TcpMidstream;
use ringfence_switch::Event;

use crate::lab::{ACK, Lab, RST, SYN, SYN_ACK, fabric, read};

const PING: &str = "sg-web in allow 1 icmp -1/-1 0.0.0.0/0";
const HTTP: &str = "sg-web in allow 1 tcp 80/80 0.0.0.0/0";

#[test]
fn a_flow_is_remembered_at_both_interfaces_and_its_replies_pass() {
    let mut lab = Lab::new(&[HTTP]);
    let syn = lab.tcp("app", "172.16.1.10", (40_000, 80), SYN);
    lab.check("app", &syn, "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2");
    let reply = lab.tcp("web", "172.16.1.11", (80, 40_000), SYN_ACK);
    let replied = "allow inbound session, out allow session #2, in allow session #1";
    lab.check("web", &reply, replied);
    let forward = "allow inbound session, out allow session #1, in allow session #2";
    let ack = lab.tcp("app", "172.16.1.10", (40_000, 80), ACK);
    lab.check("app", &ack, forward);
    assert_eq!(lab.switch.session_count(), 2);
    lab.check_sum(3, 0);
    assert_eq!(
        lab.counters(),
        "web: in 1 (54 B) out 2 (108 B) errors 0\n\
         app: in 2 (108 B) out 1 (54 B) errors 0\n\
         web sessions: opened 1 cut 0 hits 2\n\
         app sessions: opened 1 cut 0 hits 2 default-allow=1\n\
         sg-web/1: 1\n"
    );
}

#[test]
fn a_flow_that_the_receiver_denies_opens_no_session_at_the_sender() {
    let mut lab = Lab::new(&[HTTP]);
    let syn = lab.tcp("app", "172.16.1.10", (40_000, 22), SYN);
    let denied = "deny inbound default, out allow default, in deny default";
    lab.check("app", &syn, denied);
    lab.check("app", &syn, denied);
    assert_eq!(lab.switch.session_count(), 0);
    assert_eq!(lab.switch.pull(), None);
    lab.check_sum(0, 0);
    assert_eq!(
        lab.counters(),
        "app: in 2 (108 B) out 0 (0 B) errors 0 default=2\n\
         web sessions: opened 0 cut 0 hits 0 default-deny=2\n\
         app sessions: opened 0 cut 0 hits 0 default-allow=2\n"
    );
}

#[test]
fn every_step_at_an_interface_in_its_order() {
    let check = |rules: &[&str], from: &str, frame: &dyn Fn(&Lab) -> Vec<u8>, expected: &str| {
        let mut lab = Lab::new(rules);
        let frame = frame(&lab);
        lab.check(from, &frame, expected);
    };
    let to_metadata = |lab: &Lab| lab.tcp("web", "100.100.100.200", (40_000, 80), SYN);
    let deny_out = "sg-web out forbid 1 all -1/-1 0.0.0.0/0";
    check(
        &[deny_out],
        "web",
        &to_metadata,
        "allow outbound always-allowed, out allow always-allowed #1",
    );
    let smtp = |lab: &Lab| lab.tcp("web", "203.0.113.7", (40_000, 25), SYN);
    let open_25 = "sg-web out allow 1 tcp 25/25 0.0.0.0/0";
    check(&[open_25], "web", &smtp, "deny outbound platform, out deny platform");
    let smtp_inside = |lab: &Lab| lab.tcp("web", "192.168.0.5", (40_000, 25), SYN);
    check(&[], "web", &smtp_inside, "allow outbound default, out allow default #1");
    let https = |lab: &Lab| lab.tcp("web", "203.0.113.7", (40_000, 443), SYN);
    check(&[deny_out], "web", &https, "deny outbound sg-web/1, out deny sg-web/1");
    let health = |lab: &Lab| lab.tcp("services", "172.16.1.10", (40_000, 80), SYN);
    check(&[], "services", &health, "allow inbound always-allowed, in allow always-allowed #1");
    let visit = |lab: &Lab| lab.tcp("visitor", "47.96.10.1", (40_000, 80), SYN);
    check(&[], "visitor", &visit, "deny inbound default, in deny default");
    check(&[HTTP], "visitor", &visit, "allow inbound sg-web/1, in allow sg-web/1 #1");
}

#[test]
fn same_group_accept_stands_before_custom_rules_inbound() {
    let mut lab = Lab::new(&["sg-peers in forbid 1 all -1/-1 0.0.0.0/0"]);
    lab.set_members("web", &["sg-web", "sg-peers"]);
    lab.set_members("app", &["sg-peers"]);
    let syn = lab.tcp("app", "172.16.1.10", (40_000, 22), SYN);
    lab.check(
        "app",
        &syn,
        "allow inbound same-group sg-peers, out allow default #1, in allow same-group sg-peers #2",
    );
    let other = lab.tcp("db", "172.16.1.10", (40_000, 22), SYN);
    lab.check("db", &other, "deny inbound sg-peers/1, out allow default, in deny sg-peers/1");
}

/// Vector 16: "advanced: IN Accept TCP 443, no OUT rules: the SYN-ACK/reply passes (stateful, S1);
/// an instance-initiated connection is DENIED".
#[test]
fn an_advanced_group_answers_and_does_not_call() {
    let mut fabric = fabric(&["sg-web in allow 1 tcp 443/443 0.0.0.0/0"]);
    fabric.policies.groups[0].kind = GroupKind::Advanced;
    let mut lab = Lab::of(fabric);
    let syn = lab.tcp("visitor", "47.96.10.1", (40_000, 443), SYN);
    lab.check("visitor", &syn, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let reply = lab.tcp("web", "203.0.113.7", (443, 40_000), SYN_ACK);
    lab.check("web", &reply, "allow outbound session, out allow session #1");
    let call = lab.tcp("web", "203.0.113.7", (50_000, 443), SYN);
    lab.check("web", &call, "deny outbound default, out deny default");
}

/// Vector 19: "idle established TCP: packet at 909 s passes, at >910 s needs a rule again; UDP at
/// >30 s likewise".
#[test]
fn idle_sessions_die() {
    let mut lab = Lab::new(&[HTTP, "sg-web in allow 1 udp 53/53 0.0.0.0/0"]);
    let syn = lab.tcp("visitor", "47.96.10.1", (40_000, 80), SYN);
    lab.check("visitor", &syn, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let reply = lab.tcp("web", "203.0.113.7", (80, 40_000), SYN_ACK);
    lab.check("web", &reply, "allow outbound session, out allow session #1");
    lab.set_rules("sg-web", &["in allow 1 udp 53/53 0.0.0.0/0"]);
    lab.set_rules("sg-web", &["in allow 1 tcp 80/80 0.0.0.0/0"]);
    lab.wait_ms(909_000);
    let data = lab.tcp("visitor", "47.96.10.1", (40_000, 80), ACK);
    lab.check("visitor", &data, "allow inbound session, in allow session #1");
    lab.wait_ms(910_000);
    lab.check("visitor", &data, "allow inbound session, in allow session #1");
    lab.wait_ms(910_001);
    lab.check("visitor", &data, "allow inbound sg-web/1, in allow sg-web/1 #2");

    let query = lab.udp("app", "172.16.1.10", (5_353, 53), b"?");
    lab.set_rules("sg-web", &["in allow 1 udp 53/53 0.0.0.0/0"]);
    lab.check("app", &query, "allow inbound sg-web/1, out allow default #3, in allow sg-web/1 #4");
    lab.wait_ms(30_000);
    lab.check("app", &query, "allow inbound session, out allow session #3, in allow session #4");
    lab.wait_ms(30_001);
    lab.check("app", &query, "allow inbound sg-web/1, out allow default #5, in allow sg-web/1 #6");
}

#[test]
fn a_dropped_frame_does_not_refresh() {
    let mut lab = Lab::new(&["sg-web in allow 1 udp 53/53 0.0.0.0/0"]);
    let query = lab.udp("app", "172.16.1.10", (5_353, 53), b"?");
    lab.check("app", &query, "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2");
    lab.set_rules("sg-web", &[]);
    lab.wait_ms(20_000);
    let denied = "deny inbound default, out allow session #1, in deny default";
    lab.check("app", &query, &format!("{denied}, cut #2"));
    lab.wait_ms(10_001);
    lab.check("app", &query, "deny inbound default, out allow default, in deny default");
    assert_eq!(lab.expire(), []);
    assert_eq!(lab.switch.session_count(), 0);
    assert_eq!(lab.switch.next_deadline(), None);
}

#[test]
fn a_reset_opens_nothing() {
    let mut lab = Lab::new(&[HTTP]);
    let reset = lab.tcp("visitor", "47.96.10.1", (40_000, 80), RST);
    lab.check("visitor", &reset, "allow inbound sg-web/1, in allow sg-web/1");
    assert_eq!(lab.switch.session_count(), 0);
}

#[test]
fn midstream_is_picked_up_or_dropped() {
    let check = |midstream, flags, expected: &str| {
        let mut fabric = fabric(&[HTTP]);
        fabric.options.tcp_midstream = midstream;
        let mut lab = Lab::of(fabric);
        let frame = lab.tcp("visitor", "47.96.10.1", (40_000, 80), flags);
        lab.check("visitor", &frame, expected);
        lab
    };
    let opened = "allow inbound sg-web/1, in allow sg-web/1 #1";
    check(TcpMidstream::PickUp, ACK, opened);
    check(TcpMidstream::PickUp, SYN_ACK, opened);
    check(TcpMidstream::Drop, SYN, opened);
    let midstream = "deny inbound midstream, in deny midstream";
    check(TcpMidstream::Drop, SYN_ACK, midstream);
    check(TcpMidstream::Drop, RST, midstream);
    let lab = check(TcpMidstream::Drop, ACK, midstream);
    assert_eq!(lab.counters(), "visitor: in 1 (54 B) out 0 (0 B) errors 0 midstream=1\n");
}

/// Vector 18: "IN Accept ICMP: any type/code v4 ALLOW; ICMPv6 DENY".
#[test]
fn ping_needs_a_rule_of_its_family() {
    let mut lab = Lab::new(&[PING]);
    let ping = lab.ping("visitor", "47.96.10.1", 7, false);
    lab.check("visitor", &ping, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let pong = lab.ping("web", "203.0.113.7", 7, true);
    lab.check("web", &pong, "allow outbound session, out allow session #1");
    let other = lab.ping("visitor", "47.96.10.1", 8, true);
    lab.check("visitor", &other, "allow inbound sg-web/1, in allow sg-web/1 #2");
    let ping = lab.ping("visitor", "2001:db8:1:1::10", 7, false);
    lab.check("visitor", &ping, "deny inbound default, in deny default");
}

#[test]
fn gre_is_a_session_of_addresses_and_protocol() {
    let mut lab = Lab::new(&["sg-web in allow 1 gre -1/-1 0.0.0.0/0"]);
    let envelope = lab.envelope("app", "172.16.1.10");
    let there = build::raw(&envelope, Protocol::GRE, &[0; 12]);
    lab.check("app", &there, "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2");
    let envelope = lab.envelope("web", "172.16.1.11");
    let back = build::raw(&envelope, Protocol::GRE, &[0; 12]);
    lab.check("web", &back, "allow inbound session, out allow session #2, in allow session #1");
}

#[test]
fn the_observer_is_told_each_step() {
    let mut lab = Lab::new(&[HTTP]);
    let syn = lab.tcp("visitor", "47.96.10.1", (40_000, 80), SYN);
    lab.check("visitor", &syn, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let names: Vec<String> = lab
        .observer
        .events
        .iter()
        .map(|(frame, event)| {
            let name = match event {
                Event::Parsed(_) => "parsed",
                Event::Admitted(_) => "admitted",
                Event::Located(_) => "located",
                Event::NoWay(_) => "no way",
                Event::Crossed(direction, _) => direction.name(),
                Event::Routed { .. } => "routed",
                Event::Opened(..) => "opened",
                Event::Cut(..) => "cut",
                Event::Held => "held",
                Event::Answered(_) => "answered",
                Event::Delivered(_) => "delivered",
            };
            format!("{frame} {name}")
        })
        .collect();
    assert_eq!(
        names,
        ["1 parsed", "1 admitted", "1 located", "1 routed", "1 inbound", "1 opened", "1 delivered"]
    );
    assert!(lab.observer.events.contains(&(1, Event::Routed { ttl: 62 })));
}

#[test]
fn reset_forgets_everything_but_the_rules() {
    let mut lab = Lab::new(&[]);
    lab.set_rules("sg-web", &["in allow 1 tcp 80/80 0.0.0.0/0"]);
    let syn = lab.tcp("visitor", "47.96.10.1", (40_000, 80), SYN);
    let opened = "allow inbound sg-web/1, in allow sg-web/1 #1";
    lab.check("visitor", &syn, opened);
    let datagram = lab.udp("visitor", "47.96.10.1", (5_000, 53), &[0; 2_000]);
    let fragments = ringfence_frame::build::fragments(&datagram, &read(&datagram).0, 1_500);
    lab.check("visitor", &fragments[1], "held");
    lab.switch.reset();
    assert_eq!(lab.switch.session_count(), 0);
    assert_eq!(lab.switch.pull(), None);
    assert_eq!(lab.switch.next_deadline(), None);
    assert_eq!(lab.counters(), "");
    lab.check("visitor", &syn, opened);
}

#[test]
fn an_interface_may_talk_to_itself() {
    let mut lab = Lab::new(&["sg-web in allow 1 all -1/-1 0.0.0.0/0"]);
    let opened = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    let same_ports = Envelope { ..lab.envelope("web", "172.16.1.10") };
    let frame = build::udp(&same_ports, 7, 7, b"me");
    lab.check("web", &frame, opened);
    lab.check("web", &frame, "allow inbound session, out allow session #2, in allow session #2");
    let frame = build::udp(&same_ports, 8, 9, b"me");
    lab.check("web", &frame, "allow inbound sg-web/1, out allow default #3, in allow sg-web/1 #4");
    lab.check("web", &frame, "allow inbound session, out allow session #3, in allow session #4");
}

#[test]
fn padding_is_no_matter() {
    let mut lab = Lab::new(&[HTTP]);
    let mut syn = lab.tcp("app", "172.16.1.10", (40_000, 80), SYN);
    syn.resize(60, 0);
    let opened = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    let delivery = lab.deliver("app", &syn, opened);
    assert_eq!(delivery.port(), lab.port("web"));
    assert_eq!(delivery.frame(), Some(1));
    let (frame, ip) = read(delivery.bytes());
    assert_eq!(frame.ethernet.source, crate::lab::GATEWAY);
    assert_eq!(frame.ethernet.target, lab.mac("web"));
    assert_eq!(ip.ttl, 64);
    assert_eq!(Instant::from_ms(1_000), lab.now);
}
