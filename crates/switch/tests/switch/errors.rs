//! ICMP errors: about a live session they are the session's, whatever the rules say, and through
//! the Internet gateway what they quote is translated with them.

use std::net::IpAddr;

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{Icmp, IcmpKind, Quoted, Transport};

use crate::lab::{Lab, SYN, read};

const DNS: &str = "sg-web in allow 1 udp 53/53 0.0.0.0/0";

/// An error from the port about `packet` (a frame that came out there), to who sent it.
fn error(lab: &Lab, from: &str, icmp_type: u8, code: u8, about: &[u8]) -> Vec<u8> {
    let (_, ip) = read(about);
    let envelope = lab.envelope(from, &ip.source.to_string());
    build::icmp(&envelope, icmp_type, code, [0; 4], &about[14..])
}

fn quoted(bytes: &[u8]) -> Quoted {
    match read(bytes).1.transport {
        Transport::Icmp(Icmp { kind: IcmpKind::Error { quoted: Some(quoted), .. }, .. }) => quoted,
        other => panic!("no error: {other:?}"),
    }
}

/// What an error quotes, and that all its checksums are right: it is rebuilt from the packet that
/// its receiver had sent.
#[track_caller]
fn check_quote(lab: &Lab, to: &str, delivered: &[u8], sent: &[u8]) {
    let (frame, ip) = read(delivered);
    let sent_quote = quoted(delivered);
    assert_eq!(sent_quote.tuple, read(sent).1.tuple(), "quoted as its sender knows it");
    assert_eq!(frame.ethernet.target, lab.mac(to));
    let (_, quoted_ip) = read(&[&sent[..14], &delivered[sent_quote.ip_offset..ip.end]].concat());
    let Transport::Icmp(icmp) = ip.transport else { panic!("{ip:?}") };
    let envelope = Envelope {
        source_mac: frame.ethernet.source,
        target_mac: frame.ethernet.target,
        source: ip.source,
        target: ip.target,
        ttl: ip.ttl,
    };
    let mut quote = sent[14..].to_vec();
    quote[8] = quoted_ip.ttl;
    let checksum_at = if quoted_ip.source.is_ipv4() { 10..12 } else { 0..0 };
    let header = &delivered[sent_quote.ip_offset..];
    quote[checksum_at.clone()].copy_from_slice(&header[checksum_at]);
    let rebuilt = build::icmp(&envelope, icmp.icmp_type, icmp.code, [0; 4], &quote);
    assert_eq!(delivered, rebuilt, "checksums");
}

#[test]
fn an_error_about_a_live_session_passes_inside() {
    let mut lab = Lab::new(&[DNS, "sg-web out forbid 1 icmp -1/-1 0.0.0.0/0"]);
    let query = lab.udp("app", "172.16.1.10", (5_000, 53), b"?");
    let opened = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    let came = lab.deliver("app", &query, opened);
    let unreachable = error(&lab, "web", 3, 3, came.bytes());
    let passes = "allow inbound session, out allow session #2, in allow session #1";
    let delivery = lab.deliver("web", &unreachable, passes);
    check_quote(&lab, "app", delivery.bytes(), &query);

    // "... and refresh nothing"
    lab.wait_ms(20_000);
    lab.deliver("web", &unreachable, passes);
    lab.wait_ms(10_001);
    let denied = "deny outbound sg-web/2, out deny sg-web/2";
    lab.check("web", &unreachable, denied);
    assert_eq!(lab.switch.session_count(), 0);
}

#[test]
fn an_error_is_no_way_around_the_rules() {
    let mut lab = Lab::new(&[DNS, "sg-web out forbid 1 icmp -1/-1 0.0.0.0/0"]);
    let query = lab.udp("app", "172.16.1.10", (5_000, 53), b"?");
    let opened = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    let came = lab.deliver("app", &query, opened);
    let denied = "deny outbound sg-web/2, out deny sg-web/2";
    // about a packet of the session, to somebody else
    let envelope = lab.envelope("web", "172.16.2.20");
    let elsewhere = build::icmp(&envelope, 3, 3, [0; 4], &came.bytes()[14..]);
    lab.check("web", &elsewhere, denied);
    // about a packet of no session
    let other = lab.udp("app", "172.16.1.10", (5_001, 53), b"?");
    let about_other = error(&lab, "web", 3, 3, &other);
    lab.check("web", &about_other, denied);
    // about a packet that went the other way
    let reply = lab.udp("web", "172.16.1.11", (53, 5_000), b"!");
    let envelope = lab.envelope("web", "172.16.1.11");
    let own = build::icmp(&envelope, 3, 3, [0; 4], &reply[14..]);
    lab.check("web", &own, denied);
    // about nothing that can be read
    let unread = build::icmp(&envelope, 3, 3, [0; 4], &came.bytes()[14..40]);
    lab.check("web", &unread, denied);
    // and it opens nothing where a rule allows it
    lab.set_rules("sg-app", &["in allow 1 icmp -1/-1 0.0.0.0/0"]);
    lab.set_rules("sg-web", &["in allow 1 udp 53/53 0.0.0.0/0"]);
    let allowed = "allow inbound sg-app/1, out allow default, in allow sg-app/1";
    lab.check("web", &about_other, allowed);
    assert_eq!(lab.switch.session_count(), 2);
}

#[test]
fn an_error_from_outside_is_translated_with_what_it_quotes() {
    let mut lab = Lab::new(&[]);
    let query = lab.udp("web", "203.0.113.7", (5_000, 53), b"?");
    let came = lab.deliver("web", &query, "allow outbound default, out allow default #1");
    assert_eq!(read(came.bytes()).1.tuple().to_string(), "udp 47.96.10.1:5000 > 203.0.113.7:53");
    let passes = "allow inbound session, in allow session #1";
    let unreachable = error(&lab, "visitor", 3, 3, came.bytes());
    let delivery = lab.deliver("visitor", &unreachable, passes);
    check_quote(&lab, "web", delivery.bytes(), &query);
    // a router on the way says so, too
    let exceeded = error(&lab, "internet", 11, 0, came.bytes());
    let delivery = lab.deliver("internet", &exceeded, passes);
    check_quote(&lab, "web", delivery.bytes(), &query);
}

#[test]
fn an_error_to_outside_is_translated_with_what_it_quotes() {
    let mut lab = Lab::new(&[DNS]);
    let query = lab.udp("visitor", "47.96.10.1", (5_000, 53), b"?");
    let came = lab.deliver("visitor", &query, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let unreachable = error(&lab, "web", 3, 3, came.bytes());
    let passes = "allow outbound session, out allow session #1";
    let delivery = lab.deliver("web", &unreachable, passes);
    check_quote(&lab, "visitor", delivery.bytes(), &query);
}

#[test]
fn an_error_through_the_hairpin_is_translated_twice() {
    let mut lab = Lab::new(&["sg-db in allow 1 tcp 3306/3306 0.0.0.0/0"]);
    let syn = lab.tcp("web", "47.96.10.2", (40_000, 3_306), SYN);
    let opened = "allow inbound sg-db/1, out allow default #1, in allow sg-db/1 #2";
    let came = lab.deliver("web", &syn, opened);
    assert_eq!(read(came.bytes()).1.tuple().to_string(), "tcp 47.96.10.1:40000 > 172.16.2.20:3306");
    let unreachable = error(&lab, "db", 3, 1, came.bytes());
    let passes = "allow inbound session, out allow session #2, in allow session #1";
    let delivery = lab.deliver("db", &unreachable, passes);
    check_quote(&lab, "web", delivery.bytes(), &syn);
}

/// Vector 23: "frag-needed ICMP with IN Drop ALL -> ALLOW", and "packet too big".
#[test]
fn path_mtu_errors_always_pass() {
    let mut lab = Lab::new(&[
        "sg-web in forbid 1 all -1/-1 0.0.0.0/0",
        "sg-web in forbid 1 all -1/-1 ::/0",
        "sg-app out forbid 1 all -1/-1 0.0.0.0/0",
    ]);
    let other = lab.udp("web", "172.16.1.11", (1, 2), b"");
    let needed = error(&lab, "app", 3, 4, &other);
    let always = "allow inbound always-allowed, out allow always-allowed, in allow always-allowed";
    lab.check("app", &needed, always);
    let denied = error(&lab, "app", 3, 3, &other);
    lab.check("app", &denied, "deny outbound sg-app/1, out deny sg-app/1");
    let other = lab.udp("web", "2001:db8:f::7", (1, 2), b"");
    let too_big = error(&lab, "visitor", 2, 0, &other);
    lab.check("visitor", &too_big, "allow inbound always-allowed, in allow always-allowed");
    assert_eq!(lab.switch.session_count(), 0);
}

#[test]
fn no_error_about_an_error() {
    let mut lab = Lab::new(&[]);
    let query = lab.udp("app", "172.16.2.20", (5_000, 53), b"?");
    let envelope = Envelope { ttl: 1, ..lab.envelope("app", "172.16.2.20") };
    let error = build::icmp(&envelope, 3, 3, [0; 4], &query[14..]);
    lab.check("app", &error, "deny route ttl-exceeded, out allow default");
    assert_eq!(lab.switch.pull(), None);
    let ping = build::icmp(&envelope, 8, 0, [0; 4], b"");
    lab.check("app", &ping, "deny route ttl-exceeded, out allow default");
    let error = lab.switch.pull().unwrap();
    assert_eq!(quoted(error.bytes()).tuple.target, "172.16.2.20".parse::<IpAddr>().unwrap());
}

#[test]
fn an_error_about_a_condemned_session_finds_it_cut() {
    let mut lab = Lab::new(&[DNS]);
    let query = lab.udp("app", "172.16.1.10", (5_000, 53), b"?");
    let opened = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    let came = lab.deliver("app", &query, opened);
    lab.set_rules("sg-web", &["out forbid 1 icmp -1/-1 0.0.0.0/0"]);
    let unreachable = error(&lab, "web", 3, 3, came.bytes());
    lab.check("web", &unreachable, "deny outbound sg-web/1, out deny sg-web/1, cut #2");
}
