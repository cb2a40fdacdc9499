//! Timeouts, UDP, ICMP, other protocols, interfaces. Each test stands under the sentence of the
//! specification that it holds to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use ringfence_frame::{
    Direction, IcmpKind, Instant, Ip, Neighbor, NeighborMessage, Protocol, Transport, Tuple,
};
use ringfence_session::{FirstPacket, TcpMidstream, Timeouts};
use support::{LOCAL, LOCAL_V6, Line, REMOTE, REMOTE_V6, Walk, icmp, ip};

#[track_caller]
fn check(script: &str) {
    Walk::new().check(script);
}

/// "idle established TCP: packet at 909 s passes, at >910 s needs a rule again; UDP at >30 s
/// likewise" (vector 19); "A session dies when it was idle LONGER than its timeout; session time
/// counts whole milliseconds since the start, in every world."
#[test]
fn a_session_dies_when_it_was_idle_longer_than_its_timeout() {
    const CONNECTED: &str = "
        0 out A seq=1 ack=1 -> opens 1 opening until 20000
        0 in  A seq=1 ack=1 -> session 1 established until 910000";
    for (line, expected) in [
        ("909000        out A denied", "session 1 established until 1819000"),
        ("910000        out A denied", "session 1 established until 1820000"),
        ("910000.999999 out A denied", "session 1 established until 1820000"),
        ("910001        out A denied", "denied"),
        ("910001        out A       ", "opens 2 opening until 930001"),
    ] {
        check(&format!("{CONNECTED}\n{line} -> {expected}"));
    }
    // Part of a millisecond at its beginning counts for as little.
    check(
        "0.999999     out udp        -> opens 1 until 30000
         30000.999999 out udp denied -> session 1 until 60000
         60001        out udp denied -> denied",
    );
    check(
        "5.000001 out udp        -> opens 1 until 30005
         30006    out udp denied -> denied",
    );
}

/// "A session can last up to 910 s" is the "maximum IDLE timeout of ESTABLISHED TCP, not a hard
/// lifetime"
#[test]
fn the_timeout_is_not_a_hard_lifetime() {
    check(
        "0       out A        -> opens 1 opening until 20000
         1000    in  A        -> session 1 established until 911000
         900000  out A denied -> session 1 established until 1810000
         1800000 in  A denied -> session 1 established until 2710000
         2700000 in  A denied -> session 1 established until 3610000",
    );
}

/// "tcp_established 910 s, tcp_closed_and_time_wait 3 s, udp 30 s. Ours, unverified: tcp_opening
/// 20 s, icmp 30 s, other protocols 60 s."
#[test]
fn each_protocol_has_its_timeout() {
    check(
        "0 out S             -> opens 1 opening until 20000
         0 out udp           -> opens 2 until 30000
         0 out echo          -> opens 3 until 30000
         0 out icmp          -> opens 4 until 30000
         0 out gre           -> opens 5 until 60000
         0 out S v6          -> opens 6 opening until 20000
         0 out udp v6        -> opens 7 until 30000
         0 out echo v6       -> opens 8 until 30000
         0 out icmp v6       -> opens 9 until 30000
         0 out gre v6        -> opens 10 until 60000
         5 in  udp           -> session 2 until 30005
         5 in  echo-reply    -> session 3 until 30005
         5 in  icmp          -> session 4 until 30005
         5 in  gre           -> session 5 until 60005
         5 in  udp v6        -> session 7 until 30005
         5 in  echo-reply v6 -> session 8 until 30005
         5 in  icmp v6       -> session 9 until 30005
         5 in  gre v6        -> session 10 until 60005",
    );
    let mut walk = Walk::new();
    let secs = Duration::from_secs;
    walk.timeouts = Timeouts {
        tcp_opening: secs(1),
        tcp_established: secs(2),
        tcp_closed_and_time_wait: secs(3),
        udp: secs(4),
        udp_stream: secs(5),
        icmp: secs(6),
        other: Duration::from_micros(7_000_999),
    };
    walk.check(
        "0 out S seq=1          -> opens 1 opening until 1000
         0 in  A seq=9 ack=2    -> session 1 established until 2000
         0 in  R seq=9          -> session 1 established until 2000
         0 out A seq=2 ack=9    -> session 1 established until 2000
         0 in  R seq=9          -> session 1 closing until 3000
         0 out udp              -> opens 2 until 4000
         0 in  udp              -> session 2 until 5000
         0 out udp              -> session 2 until 5000
         0 in  echo             -> opens 3 until 6000
         0 in  echo             -> session 3 until 6000
         0 out echo-reply       -> session 3 until 6000
         0 in  gre              -> opens 4 until 7000
         0 out gre              -> session 4 until 7000",
    );
}

/// "change TcpEstablishedTimeout 910->60: existing session keeps 910" (vector 20); "A change of a
/// timeout touches new sessions only."
#[test]
fn a_change_of_a_timeout_touches_new_sessions_only() {
    let mut walk = Walk::new();
    walk.check(
        "0  out A seq=1 ack=1 -> opens 1 opening until 20000
         10 in  A seq=1 ack=1 -> session 1 established until 910010
         20 out A local=2     -> opens 2 opening until 20020
         20 out udp           -> opens 3 until 30020",
    );
    let secs = Duration::from_secs;
    walk.timeouts = Timeouts {
        tcp_opening: secs(1),
        tcp_established: secs(60),
        tcp_closed_and_time_wait: secs(15),
        udp: secs(10),
        udp_stream: secs(10),
        icmp: secs(1),
        other: secs(1),
    };
    walk.check(
        "100 out A seq=1 ack=1         -> session 1 established until 910100
         100 in  A seq=1 ack=1 local=2 -> session 2 established until 910100
         100 in  udp                   -> session 3 until 30100
         110 in  R seq=1               -> session 1 closing until 3110
         200 out A seq=1 ack=1 local=4 -> opens 4 opening until 1200
         210 in  A seq=1 ack=1 local=4 -> session 4 established until 60210
         220 in  R seq=1 local=4       -> session 4 closing until 15220",
    );
}

/// "An allowed packet in one direction admits the reply direction." (vector 16: "the SYN-ACK/reply
/// passes (stateful)")
#[test]
fn an_allowed_packet_in_one_direction_admits_the_reply_direction() {
    check(
        "0 in  S  seq=1       -> opens 1 opening until 20000
         1 out SA ack=2 denied -> session 1 established until 910001
         2 in  udp             -> opens 2 until 30002
         3 out udp      denied -> session 2 until 30003
         4 in  gre             -> opens 3 until 60004
         5 out gre      denied -> session 3 until 60005",
    );
    // "an instance-initiated connection is DENIED"
    check(
        "0 in  S seq=1                -> opens 1 opening until 20000
         1 out S seq=1 local=2 denied -> denied",
    );
}

/// "Session = 5-tuple": a packet that differs in one part of it belongs to another.
#[test]
fn a_session_is_a_five_tuple() {
    check(
        "0 out udp local=1 remote=2        -> opens 1 until 30000
         1 out udp local=3 remote=2 denied -> denied
         1 out udp local=1 remote=4 denied -> denied
         1 out udp local=2 remote=1 denied -> denied
         1 in  udp local=2 remote=1 denied -> denied
         1 out S   local=1 remote=2 denied -> denied
         1 out udp local=1 remote=2 denied v6 -> denied
         1 in  udp local=1 remote=2 denied -> session 1 until 30001",
    );
    let mut walk = Walk::new();
    walk.check("0 out udp local=1 remote=2 -> opens 1 until 30000");
    let Line { nic, direction, ip, now, .. } = Line::read("1 out udp local=1 remote=2");
    let mut found = |ip: Ip| walk.find(nic, direction, &ip, now).is_some();
    assert!(found(ip));
    let other = "203.0.113.8".parse().unwrap();
    assert!(!found(Ip { source: other, ..ip }));
    assert!(!found(Ip { target: other, ..ip }));
    assert!(!found(Ip { source: ip.target, target: ip.source, ..ip }));
}

/// "Each half of a flow (the sender's interface, the receiver's) is a session of its own: a rule
/// change may cut one and keep the other; the next packet is then decided by rules where the half
/// is gone."
#[test]
fn each_half_of_a_flow_is_a_session_of_its_own() {
    let mut walk = Walk::new();
    walk.check(
        "0 out udp nic=1 -> opens 1 until 30000
         0 in  udp nic=2 -> opens 2 until 30000
         5 out udp nic=1 -> session 1 until 30005
         6 in  udp nic=2 -> session 2 until 30006",
    );
    let Line { ip, direction, now, .. } = Line::read("7 in udp");
    let half = walk.find(2, direction, &ip, now).unwrap();
    assert_eq!((half.id.0, half.interface), (2, 2));
    walk.end(2, direction, &ip, now);
    walk.check(
        "8 out udp nic=1 denied -> session 1 until 30008
         9 in  udp nic=2 denied -> denied
         9 in  udp nic=2        -> opens 3 until 30009",
    );
}

/// One conversation at one interface is one session, whichever side opened it.
#[test]
fn a_conversation_is_one_session_whichever_way_it_opened() {
    check(
        "0 in  udp -> opens 1 until 30000
         1 out udp -> session 1 until 30001
         2 in  udp -> session 1 until 30002",
    );
    let mut walk = Walk::new();
    walk.check("0 in udp -> opens 1 until 30000");
    let session = walk.sessions()[0];
    assert_eq!(session.opened, Direction::Inbound);
    assert_eq!(session.tuple, Line::read("0 in udp").ip.tuple());
    assert_eq!((session.tcp, session.interface), (None, 1));
}

/// A packet from an address to itself names its session in each direction, too.
#[test]
fn a_packet_to_its_own_sender_has_a_direction() {
    let mut walk = Walk::new();
    let out = Line::read("0 out udp local=5 remote=6");
    let there = Ip { target: LOCAL, ..out.ip };
    let back = Ip { source: LOCAL, ..Line::read("0 in udp local=5 remote=6").ip };
    let now = Instant::START;
    walk.open(1, Direction::Outbound, &there, now);
    let mut found = |direction, ip: &Ip| walk.find(1, direction, ip, now).is_some();
    assert!(found(Direction::Outbound, &there));
    assert!(found(Direction::Inbound, &back));
    assert!(!found(Direction::Inbound, &there));
    assert!(!found(Direction::Outbound, &back));
}

/// "ICMP and ICMPv6 queries (echo, timestamp and the like): the session key is the identifier; a
/// request opens it, replies go the other way"
#[test]
fn a_request_opens_a_session_and_replies_go_the_other_way() {
    for v6 in ["", "v6"] {
        check(&format!(
            "0 out echo       id=7        {v6} -> opens 1 until 30000
             1 in  echo-reply id=7 denied {v6} -> session 1 until 30001
             2 out echo       id=7 denied {v6} -> session 1 until 30002
             3 in  echo-reply id=8 denied {v6} -> denied
             4 out echo       id=8 denied {v6} -> denied
             5 out echo-reply id=7 denied {v6} -> denied
             6 in  echo       id=7 denied {v6} -> denied
             7 in  icmp            denied {v6} -> denied"
        ));
    }
    // Both sides ping under one identifier: two sessions, each with its own replies.
    check(
        "0 out echo               -> opens 1 until 30000
         1 in  echo               -> opens 2 until 30001
         2 in  echo-reply denied  -> session 1 until 30002
         3 out echo-reply denied  -> session 2 until 30003
         4 out echo       denied  -> session 1 until 30004
         5 in  echo       denied  -> session 2 until 30005",
    );
    // An identifier of 0 is one.
    check(
        "0 out echo       id=0        -> opens 1 until 30000
         1 out icmp            denied -> denied
         2 in  echo-reply id=0 denied -> session 1 until 30002",
    );
}

/// "a reply without session is decided by rules": allowed, it opens one ("Every allow opens a
/// session"), in which the requests go the other way.
#[test]
fn a_reply_without_session_is_decided_by_rules() {
    check(
        "0 in  echo-reply denied -> denied
         1 in  echo-reply        -> opens 1 until 30001
         2 in  echo-reply denied -> session 1 until 30002
         3 out echo       denied -> session 1 until 30003
         4 in  echo       denied -> denied
         5 out echo-reply denied -> denied",
    );
}

/// "GRE and other protocols: the session key is addresses and protocol."
#[test]
fn other_protocols_are_keyed_by_addresses_and_protocol() {
    let mut walk = Walk::new();
    walk.check("0 out gre -> opens 1 until 60000");
    let gre = Line::read("1 out gre").ip;
    let mut found = |ip: Ip| walk.find(1, Direction::Outbound, &ip, Instant::START).is_some();
    assert!(found(gre));
    assert!(!found(Ip { protocol: Protocol(50), ..gre }));
    assert!(!found(Ip { source: LOCAL_V6, target: REMOTE_V6, ..gre }));
}

/// "Every allow opens a session, whichever step gave it; RSTs and ICMP errors open none."
#[test]
fn icmp_errors_open_none() {
    check(
        "0 in icmp-error        -> passes
         1 in icmp-error denied -> denied
         2 in icmp-error v6     -> passes",
    );
    // Nor does one belong to a session by its own addresses.
    check(
        "0 out icmp              -> opens 1 until 30000
         1 in  icmp-error denied -> denied
         2 in  icmp              -> session 1 until 30002",
    );
    let neighbor =
        Neighbor { message: NeighborMessage::NeighborSolicitation, target: None, link_layer: None };
    for (transport, expected) in [
        (icmp(IcmpKind::Query, 1), FirstPacket::Opens),
        (icmp(IcmpKind::Reply, 1), FirstPacket::Opens),
        (icmp(IcmpKind::Other, 0), FirstPacket::Opens),
        (icmp(IcmpKind::MulticastListener, 0), FirstPacket::Opens),
        (icmp(IcmpKind::Neighbor(neighbor), 0), FirstPacket::Opens),
        (
            icmp(IcmpKind::Error { quoted: None, path_mtu: true }, 0),
            FirstPacket::PassesUnremembered,
        ),
        (Transport::Other, FirstPacket::Opens),
        (Transport::LaterFragment, FirstPacket::PassesUnremembered),
    ] {
        let packet = ip(LOCAL_V6, REMOTE_V6, Protocol::ICMPV6, transport);
        for midstream in [TcpMidstream::PickUp, TcpMidstream::Drop] {
            assert_eq!(FirstPacket::of(&packet, midstream), expected, "{transport:?}");
        }
    }
    let udp = Line::read("0 out udp").ip;
    assert_eq!(FirstPacket::of(&udp, TcpMidstream::Drop), FirstPacket::Opens);
}

/// "ICMP errors ... that quote a packet of a live session pass each interface in the direction in
/// which that session's replies to the quoted packet travel"
#[test]
fn an_error_passes_where_the_replies_to_the_quoted_packet_travel() {
    use Direction::{Inbound, Outbound};
    let mut walk = Walk::new();
    walk.check(
        "0 out udp        -> opens 1 until 30000
         0 in  S  seq=1   -> opens 2 opening until 20000
         0 out echo id=7  -> opens 3 until 30000
         0 in  echo-reply id=9 -> opens 4 until 30000
         0 out gre        -> opens 5 until 60000
         0 out icmp       -> opens 6 until 30000
         0 in  echo id=7  -> opens 7 until 30000",
    );
    for (quoted, direction, expected) in [
        ("0 out udp", Inbound, Some(1)),
        ("0 out udp", Outbound, None),
        ("0 in  udp", Outbound, Some(1)),
        ("0 in  udp", Inbound, None),
        ("0 out udp local=1", Inbound, None),
        ("0 in  S", Outbound, Some(2)),
        ("0 in  S", Inbound, None),
        ("0 out S", Inbound, Some(2)),
        // Whether a quoted message was the request or the reply cannot be told: the request.
        ("0 out echo id=7", Inbound, Some(3)),
        ("0 in  echo id=7", Outbound, Some(7)),
        ("0 out echo id=7", Outbound, None),
        ("0 in  echo id=9", Outbound, Some(4)),
        ("0 out echo id=9", Inbound, Some(4)),
        ("0 out echo id=8", Inbound, None),
        ("0 out gre", Inbound, Some(5)),
        ("0 in  gre", Outbound, Some(5)),
        ("0 out gre", Outbound, None),
        ("0 in  icmp", Outbound, Some(6)),
    ] {
        let tuple = Line::read(quoted).ip.tuple();
        assert_eq!(walk.find_quoted(9, 1, direction, &tuple), expected, "{quoted} {direction}");
        assert_eq!(walk.find_quoted(9, 2, direction, &tuple), None, "another interface: {quoted}");
        let dead = walk.find_quoted(60_001, 1, direction, &tuple);
        assert_eq!(dead, None, "not live: {quoted}");
    }
    let udp = Line::read("0 out udp").ip.tuple();
    assert_eq!(walk.find_quoted(30_000, 1, Inbound, &udp), Some(1));
    assert_eq!(walk.find_quoted(30_001, 1, Inbound, &udp), None);
    // An ICMPv6 query, and a closing session, which lives.
    walk.check(
        "10 in  echo v6 id=3    -> opens 8 until 30010
         20 out RA seq=0 ack=2  -> session 2 closing until 3020",
    );
    let echo = Line::read("0 in echo v6 id=3").ip.tuple();
    assert_eq!(walk.find_quoted(30, 1, Outbound, &echo), Some(8));
    let syn = Line::read("0 in S").ip.tuple();
    assert_eq!(walk.find_quoted(3020, 1, Outbound, &syn), Some(2));
}

/// The protocol of a quoted packet says whether it can be a query: equal ports do not.
#[test]
fn a_quoted_packet_of_another_protocol_is_no_query() {
    let mut walk = Walk::new();
    walk.check("0 out echo id=7 -> opens 1 until 30000");
    let quoted = Tuple {
        source: LOCAL,
        target: REMOTE,
        protocol: Protocol::UDP,
        source_port: 7,
        target_port: 7,
    };
    assert_eq!(walk.find_quoted(1, 1, Direction::Inbound, &quoted), None);
    let quoted = Tuple { protocol: Protocol::ICMP, ..quoted };
    assert_eq!(walk.find_quoted(1, 1, Direction::Inbound, &quoted), Some(1));
}

/// "(because = session), and refresh nothing"; and "all fragments of a packet share the verdict of
/// the first one": a later one says nothing of its own.
#[test]
fn errors_and_later_fragments_refresh_nothing() {
    let mut walk = Walk::new();
    walk.check("0 out udp -> opens 1 until 30000");
    let quoted = Line::read("0 out udp").ip.tuple();
    for what in ["icmp-error", "later"] {
        let Line { ip, now, .. } = Line::read(&format!("500 in {what}"));
        assert_eq!(walk.find(1, Direction::Inbound, &ip, now), None);
        assert_eq!(walk.find_quoted(500, 1, Direction::Inbound, &quoted), Some(1));
        walk.both(|one| one.advance_quoted(1, Direction::Inbound, &ip, &quoted, now));
        assert_eq!(walk.sessions()[0].deadline, Instant::from_ms(30_000));
    }
    // The port 0 that stands in a later fragment's key finds no session with port 0.
    walk.check("600 out udp local=0 remote=0 -> opens 2 until 30600");
    assert_eq!(walk.find_line("601 out later"), None);
    assert_eq!(walk.find_line("601 out udp local=0 remote=0").map(|id| id.0), Some(2));
    walk.check("602 out later -> passes");
}

/// "TcpEstablishedTimeout one of 30,60,80,100,200,300,500,700,910; TcpClosedAndTimeWaitTimeout
/// 3..15; UdpTimeout one of 10,20,30,60,80,100"
#[test]
fn the_platform_offers_some_timeouts_only() {
    let default = Timeouts::default();
    let verdict = |timeouts: Timeouts| timeouts.check_platform().map_err(|e| e.to_string());
    assert_eq!(verdict(default), Ok(()));
    let accepted = |set: &dyn Fn(&mut Timeouts, Duration), ms: u64| {
        let mut timeouts = default;
        set(&mut timeouts, Duration::from_millis(ms));
        timeouts.check_platform().is_ok()
    };
    let offered = |set: &dyn Fn(&mut Timeouts, Duration)| -> Vec<u64> {
        (0..=2_000).filter(|half_secs| accepted(set, half_secs * 500)).collect()
    };
    let halves = |secs: &[u64]| secs.iter().map(|secs| secs * 2).collect::<Vec<_>>();
    assert_eq!(
        offered(&|timeouts, timeout| timeouts.tcp_established = timeout),
        halves(&[30, 60, 80, 100, 200, 300, 500, 700, 910])
    );
    assert_eq!(
        offered(&|timeouts, timeout| timeouts.tcp_closed_and_time_wait = timeout),
        halves(&[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    );
    assert_eq!(
        offered(&|timeouts, timeout| timeouts.udp = timeout),
        halves(&[10, 20, 30, 60, 80, 100])
    );
    let zero = Duration::ZERO;
    for (timeouts, expected) in [
        (
            Timeouts { tcp_established: zero, tcp_closed_and_time_wait: zero, ..default },
            "tcp_established must be one of 30, 60, 80, 100, 200, 300, 500, 700, 910 s",
        ),
        (
            Timeouts { tcp_closed_and_time_wait: zero, udp: zero, ..default },
            "tcp_closed_and_time_wait must be 3 to 15 s",
        ),
        (Timeouts { udp: zero, ..default }, "udp must be one of 10, 20, 30, 60, 80, 100 s"),
    ] {
        assert_eq!(verdict(timeouts), Err(expected.to_string()));
    }
}

/// A timeout beyond what a millisecond clock of 32 bits can tell apart is cut to half of that, 12
/// days, and time that passes unseen, however long, brings nobody back to life.
#[test]
fn an_endless_timeout_ends_after_twelve_days() {
    const CUT: u64 = 1 << 30;
    let mut walk = Walk::new();
    walk.timeouts.udp = Duration::MAX;
    walk.check("5 out udp -> opens 1 until 1073741829");
    let Line { ip, direction, .. } = Line::read("0 out udp");
    let mut lives = |at_ms| walk.find(1, direction, &ip, Instant::from_ms(at_ms)).is_some();
    assert!(lives(CUT + 5));
    for later in [CUT + 6, CUT * 2, CUT * 3, CUT * 4 + 5, CUT * 400] {
        assert!(!lives(later), "{later}");
    }
    assert_eq!(walk.expire(Instant::FAR_FUTURE), 1);
    walk.clear();
    walk.check("2000000000 out udp -> opens 1 until 3073741824");
    assert_eq!(walk.expire(Instant::from_ms(CUT + 2_000_000_000)), 0);
    assert_eq!(walk.expire(Instant::from_ms(CUT + 2_000_000_001)), 1);
}
