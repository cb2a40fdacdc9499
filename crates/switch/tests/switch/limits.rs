//! Limits of the session table: "at a limit the NEW flow is dropped; nothing live is evicted",
//! and the stage is the side whose limit it is.

use ringfence_session::Limits;
use ringfence_switch::SwitchOptions;

use crate::lab::{Lab, SYN, SYN_ACK, fabric};

fn lab(limits: Limits) -> Lab {
    let mut fabric = fabric(&["sg-web in allow 1 all -1/-1 0.0.0.0/0"]);
    fabric.options = SwitchOptions { limits, ..SwitchOptions::default() };
    Lab::of(fabric)
}

#[test]
fn of_the_receiver() {
    let mut lab = lab(Limits { sessions_per_interface_max: 1, ..Limits::default() });
    let visit = lab.udp("visitor", "47.96.10.1", (5_000, 53), b"");
    lab.check("visitor", &visit, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let query = lab.udp("app", "172.16.1.10", (5_000, 53), b"");
    let limited = "deny inbound session-limit, out allow default, in deny session-limit";
    lab.check("app", &query, limited);
    assert_eq!(lab.switch.session_count(), 1);
    lab.check("visitor", &visit, "allow inbound session, in allow session #1");
    // dead ones make room
    lab.wait_ms(30_001);
    lab.check("app", &query, "allow inbound sg-web/1, out allow default #2, in allow sg-web/1 #3");
    lab.check_sum(3, 0);
    assert_eq!(
        lab.counters(),
        "web: in 0 (0 B) out 3 (126 B) errors 0\n\
         app: in 2 (84 B) out 0 (0 B) errors 0 session-limit=1\n\
         visitor: in 2 (84 B) out 0 (0 B) errors 0\n\
         web sessions: opened 2 cut 0 hits 1\n\
         app sessions: opened 1 cut 0 hits 0 default-allow=2\n\
         sg-web/1: 3\n"
    );
}

#[test]
fn of_the_sender() {
    let mut lab = lab(Limits { sessions_per_interface_max: 1, ..Limits::default() });
    let out = lab.udp("app", "100.100.100.200", (5_000, 53), b"");
    lab.check("app", &out, "allow outbound always-allowed, out allow always-allowed #1");
    let query = lab.udp("app", "172.16.1.10", (5_000, 53), b"");
    let limited = "deny outbound session-limit, out deny session-limit, in allow sg-web/1";
    lab.check("app", &query, limited);
    assert_eq!(lab.switch.session_count(), 1);
}

#[test]
fn of_the_fabric_for_both_halves() {
    let mut lab = lab(Limits { sessions_max: 3, ..Limits::default() });
    let query = lab.udp("app", "172.16.1.10", (5_000, 53), b"");
    lab.check("app", &query, "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2");
    let query = lab.udp("app", "172.16.1.10", (5_001, 53), b"");
    let limited = "deny inbound session-limit, out allow default, in deny session-limit";
    lab.check("app", &query, limited);
    let visit = lab.udp("visitor", "47.96.10.1", (5_000, 53), b"");
    lab.check("visitor", &visit, "allow inbound sg-web/1, in allow sg-web/1 #3");
    let visit = lab.udp("visitor", "47.96.10.1", (5_001, 53), b"");
    lab.check("visitor", &visit, "deny inbound session-limit, in deny session-limit");
}

#[test]
fn of_half_open_ones() {
    let mut lab = lab(Limits { half_open_per_interface_max: 1, ..Limits::default() });
    let syn = |lab: &Lab, port| lab.tcp("visitor", "47.96.10.1", (port, 80), SYN);
    let first = syn(&lab, 1_000);
    lab.check("visitor", &first, "allow inbound sg-web/1, in allow sg-web/1 #1");
    let second = syn(&lab, 1_001);
    lab.check("visitor", &second, "deny inbound half-open-limit, in deny half-open-limit");
    let query = lab.udp("visitor", "47.96.10.1", (5_000, 53), b"");
    lab.check("visitor", &query, "allow inbound sg-web/1, in allow sg-web/1 #2");
    let reply = lab.tcp("web", "203.0.113.7", (80, 1_000), SYN_ACK);
    lab.check("web", &reply, "allow outbound session, out allow session #1");
    lab.check("visitor", &second, "allow inbound sg-web/1, in allow sg-web/1 #3");
    assert_eq!(
        lab.switch.counters().ports[&lab.port("visitor")].dropped,
        [("half-open-limit", 1)].into()
    );
}

/// Both halves are the same interface's.
#[test]
fn of_an_interface_that_talks_to_itself() {
    let mut lab = lab(Limits { sessions_per_interface_max: 1, ..Limits::default() });
    let query = lab.udp("web", "172.16.1.10", (5_000, 53), b"");
    let limited = "deny inbound session-limit, out allow default, in deny session-limit";
    lab.check("web", &query, limited);
    assert_eq!(lab.switch.session_count(), 0);
}
