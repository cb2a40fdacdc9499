//! Guests that talk to each other over a fabric for tests.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod hub;

use std::net::IpAddr;
use std::time::Duration;

use hub::{DELAY, Hub, config};
use rand::{Rng, RngExt, SeedableRng};
use ringfence_endpoints::application::Application;
use ringfence_endpoints::{KeepAlive, Progress, Seen, Task, TaskKind};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Instant, MacAddr, Protocol, TcpFlags, Transport, parse};

const SECOND: Duration = Duration::from_secs(1);
const RTT: Duration = DELAY.saturating_mul(4);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn task(target: &str, kind: TaskKind) -> Task {
    Task { target: ip(target), source: None, kind, timeout: 5 * SECOND }
}

fn tcp(target: &str, target_port: u16, application: Option<Application>) -> Task {
    let kind = TaskKind::Tcp { source_port: None, target_port, application, keep_alive: None };
    task(target, kind)
}

fn udp(target: &str, target_port: u16, application: Option<Application>) -> Task {
    let kind = TaskKind::Udp { source_port: None, target_port, application, keep_alive: None };
    task(target, kind)
}

fn ping(target: &str, identifier: u16, count: u16) -> Task {
    task(target, TaskKind::Ping { identifier, count })
}

/// A client (guest 0 at .1) and a server of everything (guest 1 at .2).
fn pair() -> Hub {
    let mut server = config(2);
    server.serves = Application::ALL.map(|app| (app.port(), app)).to_vec();
    Hub::new(vec![config(1), server])
}

/// Runs one task of guest 0 to its end and asserts what it saw.
fn check(hub: &mut Hub, task: Task, seen: Seen, detail: &str) -> Progress {
    let description = format!("{task:?}");
    let until = hub.now + task.timeout + SECOND;
    let id = hub.start(0, task);
    hub.run_until(until);
    let progress = hub.progress(0, id).clone();
    assert_eq!(
        (progress.seen, progress.detail.as_str()),
        (Some(seen), detail),
        "{description}: {progress:?}"
    );
    progress
}

const ANSWERS: [(Application, &str); 12] = [
    (Application::Http, "200 OK"),
    (Application::Https, "TLS ServerHello"),
    (Application::Ssh, "SSH-2.0-ringfence"),
    (Application::Rdp, "connection confirmed"),
    (Application::Ftp, "47 bytes over a data connection"),
    (Application::Echo, "echo"),
    (Application::Dns, "A 192.0.2.53"),
    (Application::MySql, "MySQL 8.0.36-ringfence"),
    (Application::Oracle, "TNS accept"),
    (Application::SqlServer, "prelogin response"),
    (Application::PostgreSql, "AuthenticationOk"),
    (Application::Redis, "PONG"),
];

#[test]
fn every_application_answers_over_both_families() {
    for target in ["172.16.1.2", "2001:db8::2"] {
        for (application, detail) in ANSWERS {
            let mut hub = pair();
            let task = tcp(target, application.port(), Some(application));
            let progress = check(&mut hub, task, Seen::Replied, detail);
            assert_eq!(progress.source_port, 40_000);
            assert_eq!(progress.round_trips[0], RTT, "{application:?} over {target}");
            assert!(
                progress.round_trips[1] >= RTT
                    || application == Application::MySql
                    || application == Application::Ssh,
                "{application:?}: {progress:?}"
            );
        }
    }
}

#[test]
fn the_connection_alone_counts_where_no_application_is_spoken() {
    for target in ["172.16.1.2", "2001:db8::2"] {
        let mut hub = pair();
        let progress = check(&mut hub, tcp(target, 22, None), Seen::Connected, "connected");
        assert_eq!(progress.round_trips, [RTT]);
        // ARP or its like takes a round trip to the hub, the handshake one to the server
        assert_eq!(progress.finished, Some(Instant::START + RTT / 2 + RTT));
    }
}

#[test]
fn udp_is_answered_over_both_families() {
    for target in ["172.16.1.2", "2001:db8::2"] {
        let mut hub = pair();
        let dns = Some(Application::Dns);
        let progress = check(&mut hub, udp(target, 53, dns), Seen::Replied, "A 192.0.2.53");
        assert_eq!(progress.round_trips, [RTT]);
        check(&mut hub, udp(target, 7, None), Seen::Replied, "echo");
    }
}

/// "denied" (silence) and "closed" (RST) are told apart
#[test]
fn closed_and_denied_are_told_apart() {
    for target in ["172.16.1.2", "2001:db8::2"] {
        let mut hub = pair();
        let closed = check(&mut hub, tcp(target, 81, None), Seen::Refused, "connection refused");
        assert_eq!(closed.round_trips, []);
        check(&mut hub, udp(target, 81, None), Seen::IcmpError, "port unreachable");

        let started = hub.now;
        hub.filter(|_, _| false);
        let denied = check(&mut hub, tcp(target, 80, None), Seen::TimedOut, "no answer");
        assert_eq!(denied.finished, Some(started + 5 * SECOND));
        check(&mut hub, udp(target, 53, None), Seen::TimedOut, "no answer");
        check(&mut hub, ping(target, 1, 3), Seen::TimedOut, "0 of 3 answered");
    }
}

#[test]
fn pings_to_several_targets_at_once_are_not_mixed_up() {
    let mut hub = Hub::new(vec![config(1), config(2), config(3)]);
    hub.filter(|ip, _| ip.target != "172.16.1.3".parse::<IpAddr>().unwrap());
    let targets = ["172.16.1.2", "172.16.1.3", "2001:db8::2", "2001:db8::3"];
    let tasks: Vec<_> = targets.iter().map(|target| hub.start(0, ping(target, 7, 2))).collect();
    hub.run_until(Instant::START + 10 * SECOND);
    let seen: Vec<_> = tasks.iter().map(|&id| hub.progress(0, id).clone()).collect();
    let outcome: Vec<_> = seen.iter().map(|p| (p.seen.unwrap(), p.detail.as_str())).collect();
    assert_eq!(
        outcome,
        [
            (Seen::Replied, "2 of 2 answered"),
            (Seen::TimedOut, "0 of 2 answered"),
            (Seen::Replied, "2 of 2 answered"),
            (Seen::Replied, "2 of 2 answered"),
        ]
    );
    assert_eq!(seen[0].round_trips, [RTT, RTT]);
    assert_eq!(seen[0].source_port, 7);
    assert_eq!(seen[0].finished, Some(Instant::START + RTT / 2 + SECOND + RTT));
}

#[test]
fn nobody_answers_for_the_neighbour() {
    let mut hub = Hub::new(vec![config(1)]);
    let mut alone = Hub::new(vec![]);
    alone.guests.push(hub.guests.remove(0));
    for (target, detail) in
        [("172.16.1.2", "no answer to ARP"), ("2001:db8::2", "no answer to neighbor solicitation")]
    {
        let started = alone.now;
        let id = alone.guests[0].start(tcp(target, 80, None), started);
        let mut questions = 0;
        for ms in 0..6_000 {
            let now = started + Duration::from_millis(ms);
            while ringfence_endpoints::Endpoint::pull(&mut alone.guests[0], now).is_some() {
                questions += 1;
            }
        }
        let progress = alone.guests[0].progress(id);
        assert_eq!((progress.seen, progress.detail.as_str()), (Some(Seen::TimedOut), detail));
        assert!((3..=6).contains(&questions), "{questions} questions");
        alone.now = started + 10 * SECOND;
    }
}

/// "FTP between groups opens 21 only: the control connection works, a passive data connection does
/// not"
#[test]
fn ftp_with_its_data_connection_denied() {
    for target in ["172.16.1.2", "2001:db8::2"] {
        let mut hub = pair();
        hub.filter(|ip, _| match ip.transport {
            Transport::Tcp(tcp) => tcp.source_port == 21 || tcp.target_port == 21,
            _ => true,
        });
        let task = tcp(target, 21, Some(Application::Ftp));
        let detail = "control connection ok, data timed out";
        check(&mut hub, task, Seen::TimedOut, detail);
    }
}

#[test]
fn a_wrong_protocol_ends_without_harm() {
    let mut hub = pair();
    for (port, application, seen, detail) in [
        (22, Application::Http, Seen::Reset, "the answer is not http"),
        (3306, Application::Redis, Seen::Reset, "the answer is not redis"),
        (80, Application::MySql, Seen::TimedOut, "connected, then no answer"),
        (80, Application::Https, Seen::Reset, "the answer is not https"),
        (443, Application::Http, Seen::Reset, "closed by the other side"),
        (443, Application::Rdp, Seen::Reset, "closed by the other side"),
        (5432, Application::Oracle, Seen::Reset, "closed by the other side"),
        (6379, Application::Ftp, Seen::TimedOut, "connected, then no answer"),
    ] {
        check(&mut hub, tcp("172.16.1.2", port, Some(application)), seen, detail);
    }
}

fn kept_alive(target: &str, port: u16, application: Option<Application>) -> Task {
    let keep_alive = Some(KeepAlive { interval: 10 * SECOND, until: Instant::from_ms(95_000) });
    let kind =
        TaskKind::Tcp { source_port: Some(50_123), target_port: port, application, keep_alive };
    task(target, kind)
}

#[test]
fn a_flow_is_kept_alive_until_it_is_cut() {
    let cut = Instant::from_ms(45_000);
    for application in [None, Some(Application::Http), Some(Application::Ftp)] {
        let port = application.map_or(3389, Application::port);
        for is_cut in [false, true] {
            let mut hub = pair();
            hub.filter(move |_, now| !is_cut || now < cut);
            let id = hub.start(0, kept_alive("172.16.1.2", port, application));
            hub.run_until(Instant::from_ms(200_000));
            let progress = hub.progress(0, id);
            let seen = if application.is_some() { Seen::Replied } else { Seen::Connected };
            assert_eq!(progress.seen, Some(seen));
            assert_eq!(progress.rounds_answered, if is_cut { 4 } else { 9 }, "{application:?}");
            let last = progress.last_answer.unwrap();
            let expected = Instant::from_ms(if is_cut { 40_000 } else { 90_000 });
            assert!(last > expected && last < expected + 20 * RTT, "{last:?}");
            assert_eq!(progress.source_port, 50_123);
        }
    }
}

#[test]
fn a_kept_alive_udp_flow_is_cut() {
    let mut hub = pair();
    hub.filter(|_, now| now < Instant::from_ms(45_000));
    let keep_alive = Some(KeepAlive { interval: 10 * SECOND, until: Instant::from_ms(95_000) });
    let kind = TaskKind::Udp { source_port: None, target_port: 7, application: None, keep_alive };
    let id = hub.start(0, task("172.16.1.2", kind));
    hub.run_until(Instant::from_ms(200_000));
    let progress = hub.progress(0, id);
    assert_eq!(progress.seen, Some(Seen::Replied));
    assert_eq!(progress.rounds_answered, 4);
    assert_eq!(progress.round_trips, [RTT; 5]);
    assert_eq!(progress.last_answer, Some(Instant::START + RTT / 2 + 40 * SECOND + RTT));
}

#[test]
fn an_open_connection_that_is_reset_is_told_apart() {
    let mut hub = pair();
    // the server's answer comes back as a RST
    let id = hub.start(0, tcp("172.16.1.2", 80, Some(Application::MySql)));
    hub.run_until(Instant::from_ms(100));
    let envelope = Envelope {
        source_mac: hub::FABRIC,
        target_mac: config(1).mac,
        source: ip("172.16.1.2"),
        target: ip("172.16.1.1"),
        ttl: 64,
    };
    let ack = hub.forwarded.iter().rev().find_map(|(_, to, bytes)| {
        let frame = parse(bytes).ok()?;
        match frame.body {
            ringfence_frame::Body::Ip(ip) => match ip.transport {
                Transport::Tcp(tcp) if *to == 1 => Some(tcp),
                _ => None,
            },
            _ => None,
        }
    });
    let ack = ack.unwrap();
    let fields = TcpFields {
        source_port: 80,
        target_port: ack.source_port,
        sequence: ack.acknowledgement,
        flags: TcpFlags::RST,
        ..TcpFields::default()
    };
    hub.inject(0, &build::tcp(&envelope, &fields, &[]));
    let progress = hub.progress(0, id);
    assert_eq!(
        (progress.seen, progress.detail.as_str()),
        (Some(Seen::Reset), "reset by the other side")
    );
}

#[test]
fn raw_packets_are_sent_and_answered_by_nobody() {
    for (target, icmp) in [("172.16.1.2", Protocol::ICMP), ("2001:db8::2", Protocol::ICMPV6)] {
        let mut hub = pair();
        let kind = TaskKind::Raw { protocol: 47, payload: vec![0, 0, 8, 0, 1, 2, 3, 4] };
        check(&mut hub, task(target, kind), Seen::Sent, "sent");
        let protocols: Vec<_> = hub
            .forwarded
            .iter()
            .filter_map(|(_, to, bytes)| match parse(bytes).ok()?.body {
                ringfence_frame::Body::Ip(ip) if ip.ttl == 64 => Some((*to, ip.protocol)),
                _ => None,
            })
            .collect();
        assert_eq!(protocols, [(1, Protocol::GRE), (0, icmp)], "the server has no GRE");
    }
}

#[test]
fn a_second_address_is_a_source_and_is_served() {
    let mut client = config(1);
    client.addresses.extend((100..120).map(|n| ringfence_endpoints::GuestAddress {
        address: ip(&format!("172.16.1.{n}")),
        prefix_len: 24,
    }));
    client.serves = vec![(80, Application::Http)];
    let mut server = config(2);
    server.serves = vec![(80, Application::Http)];
    let mut hub = Hub::new(vec![client, server]);
    let mut secondary = tcp("172.16.1.2", 80, Some(Application::Http));
    secondary.source = Some(ip("172.16.1.119"));
    let progress = check(&mut hub, secondary, Seen::Replied, "200 OK");
    assert_eq!(progress.source, Some(ip("172.16.1.119")));
    let id = hub.start(1, tcp("172.16.1.110", 80, Some(Application::Http)));
    hub.run_until(hub.now + SECOND);
    assert_eq!(hub.progress(1, id).seen, Some(Seen::Replied));
    let own = tcp("172.16.1.105", 80, Some(Application::Http));
    let sent = hub.sent;
    check(&mut hub, own, Seen::Replied, "200 OK");
    assert_eq!(hub.sent, sent, "what a guest says to itself does not leave it");
}

/// The SYNs of a burst beyond what is served at a time are not answered; they come again.
#[test]
fn many_connections_at_once() {
    let mut hub = pair();
    let http = || tcp("172.16.1.2", 80, Some(Application::Http));
    let tasks: Vec<_> = (0..300).map(|_| hub.start(0, http())).collect();
    hub.run_until(Instant::START + 4 * SECOND);
    let all: Vec<_> = tasks.iter().map(|&id| hub.progress(0, id)).collect();
    assert!(all.iter().all(|progress| progress.seen == Some(Seen::Replied)));
    let ports: Vec<_> = all.iter().map(|progress| progress.source_port).collect();
    assert_eq!(ports, (40_000..40_300).collect::<Vec<_>>());
    let at_once = all.iter().filter(|progress| progress.round_trips[0] == RTT).count();
    assert_eq!(at_once, 256);
}

#[test]
fn a_source_port_can_be_used_again() {
    let mut hub = pair();
    let again = || {
        let mut task = tcp("172.16.1.2", 80, Some(Application::Http));
        if let TaskKind::Tcp { source_port, .. } = &mut task.kind {
            *source_port = Some(33_333);
        }
        task
    };
    for _ in 0..3 {
        let id = hub.start(0, again());
        hub.run_until(hub.now + SECOND);
        let progress = hub.progress(0, id);
        assert_eq!(progress.seen, Some(Seen::Replied), "{progress:?}");
    }
}

#[test]
fn two_runs_send_the_same_frames() {
    let run = || {
        let mut hub = pair();
        for (application, _) in ANSWERS {
            hub.start(0, tcp("172.16.1.2", application.port(), Some(application)));
            hub.start(0, tcp("2001:db8::2", application.port(), Some(application)));
        }
        hub.start(0, ping("172.16.1.2", 9, 4));
        hub.start(0, udp("172.16.1.2", 53, Some(Application::Dns)));
        hub.run_until(Instant::from_ms(30_000));
        hub.forwarded
    };
    let (first, second) = (run(), run());
    assert!(first.len() > 200, "{} frames", first.len());
    assert!(first == second);
}

#[test]
fn idle_guests_sleep() {
    let mut hub = pair();
    check(&mut hub, tcp("172.16.1.2", 80, Some(Application::Http)), Seen::Replied, "200 OK");
    hub.run_until(hub.now + 100 * SECOND);
    let now = hub.now;
    for guest in &mut hub.guests {
        assert_eq!(ringfence_endpoints::Endpoint::next_wakeup(guest, now), None);
    }
}

#[test]
fn a_data_port_takes_one_connection() {
    let mut hub = pair();
    let id = hub.start(0, kept_alive("172.16.1.2", 21, Some(Application::Ftp)));
    hub.run_until(Instant::from_ms(20_000));
    assert_eq!(hub.progress(0, id).seen, Some(Seen::Replied));
    check(&mut hub, tcp("172.16.1.2", 50_000, None), Seen::Refused, "connection refused");
}

/// The server hangs up on one who speaks nonsense, and does not wait for ever for its consent.
#[test]
fn a_server_closes_and_forgets() {
    let mut hub = pair();
    hub.filter(|_, _| false);
    let envelope = Envelope {
        source: ip("172.16.1.1"),
        target: ip("172.16.1.2"),
        target_mac: config(2).mac,
        ..from_server("172.16.1.1")
    };
    let mut fields = TcpFields {
        source_port: 1_000,
        target_port: 3389,
        flags: TcpFlags::SYN,
        window: 60_000,
        ..TcpFields::default()
    };
    hub.inject(1, &build::tcp(&envelope, &fields, &[]));
    let answer = ringfence_endpoints::Endpoint::pull(&mut hub.guests[1], hub.now).unwrap();
    let sequence = u32::from_be_bytes(answer[38..42].try_into().unwrap());
    fields.sequence = 1;
    fields.acknowledgement = sequence.wrapping_add(1);
    fields.flags = TcpFlags::ACK;
    hub.inject(1, &build::tcp(&envelope, &fields, b"nonsense"));
    let now = hub.now;
    let is_fin = |hub: &mut Hub| {
        let frame = ringfence_endpoints::Endpoint::pull(&mut hub.guests[1], now)?;
        Some(TcpFlags(frame[47]).contains(TcpFlags::FIN))
    };
    assert_eq!(is_fin(&mut hub), Some(true));
    hub.run_until(hub.now + 61 * SECOND);
    let now = hub.now;
    assert_eq!(ringfence_endpoints::Endpoint::next_wakeup(&mut hub.guests[1], now), None);
}

fn from_server(target: &str) -> Envelope {
    let source = if target.contains(':') { "2001:db8::2" } else { "172.16.1.2" };
    let own = if target.contains(':') { "2001:db8::1" } else { "172.16.1.1" };
    Envelope {
        source_mac: hub::FABRIC,
        target_mac: config(1).mac,
        source: ip(source),
        target: ip(own),
        ttl: 64,
    }
}

/// An ICMP error about a packet from guest 0's port 40000 to `port` at `target`.
fn icmp_error(target: &str, port: u16, protocol: Protocol, icmp_type: u8, code: u8) -> Vec<u8> {
    let envelope = from_server(target);
    let quoted = Envelope { source: envelope.target, target: ip(target), ..envelope };
    let quoted = match protocol {
        Protocol::TCP => {
            let fields = TcpFields {
                source_port: 40_000,
                target_port: port,
                flags: TcpFlags::SYN,
                ..TcpFields::default()
            };
            build::tcp(&quoted, &fields, &[])
        }
        _ => build::udp(&quoted, 40_000, port, b"x"),
    };
    build::icmp(&envelope, icmp_type, code, [0; 4], &quoted[14..])
}

/// An ICMP error ends the task whose packet it quotes, before anything else has come; that a packet
/// was too long is TCP's own business.
#[test]
fn icmp_errors_end_the_task_that_they_quote() {
    let tcp_task = |target: &str| tcp(target, 80, None);
    let udp_task = |target: &str| udp(target, 80, None);
    let check = |task: Task, error: &[u8], seen: Option<Seen>, detail: &str| {
        let mut hub = pair();
        hub.filter(|_, _| false);
        let description = format!("{task:?}");
        let id = hub.start(0, task);
        hub.run_until(Instant::from_ms(10));
        hub.inject(0, error);
        let progress = hub.progress(0, id);
        assert_eq!((progress.seen, progress.detail.as_str()), (seen, detail), "{description}");
    };
    let (t, u) = (Protocol::TCP, Protocol::UDP);
    let (v4, v6) = ("172.16.1.2", "2001:db8::2");
    let is_error = Some(Seen::IcmpError);
    check(tcp_task(v4), &icmp_error(v4, 80, t, 11, 0), is_error, "time exceeded");
    check(tcp_task(v4), &icmp_error(v4, 80, t, 3, 1), is_error, "host unreachable");
    check(tcp_task(v4), &icmp_error(v4, 80, t, 3, 13), is_error, "administratively prohibited");
    check(tcp_task(v4), &icmp_error(v4, 80, t, 3, 4), None, "");
    check(tcp_task(v4), &icmp_error(v4, 81, t, 11, 0), None, "");
    check(tcp_task(v4), &icmp_error("172.16.1.3", 80, t, 11, 0), None, "");
    check(tcp_task(v4), &icmp_error(v4, 80, u, 11, 0), None, "");
    check(tcp_task(v6), &icmp_error(v6, 80, t, 3, 0), is_error, "time exceeded");
    check(tcp_task(v6), &icmp_error(v6, 80, t, 1, 0), is_error, "network unreachable");
    check(tcp_task(v6), &icmp_error(v6, 80, t, 2, 0), None, "");
    check(udp_task(v4), &icmp_error(v4, 80, u, 3, 4), is_error, "fragmentation needed");
    check(udp_task(v6), &icmp_error(v6, 80, u, 2, 0), is_error, "packet too big");
    check(udp_task(v6), &icmp_error(v6, 80, u, 1, 4), is_error, "port unreachable");
    check(udp_task(v6), &icmp_error(v6, 80, t, 1, 4), None, "");

    let mut hub = pair();
    let id = hub.start(0, tcp("172.16.1.2", 80, Some(Application::MySql)));
    hub.run_until(Instant::from_ms(10));
    hub.inject(0, &icmp_error("172.16.1.2", 80, t, 11, 0));
    assert_eq!(hub.progress(0, id).seen, None, "it is connected");
}

#[test]
fn only_the_answer_to_a_ping_is_one() {
    let check = |change: fn(&mut Envelope, &mut u16, &mut Vec<u8>), is_answer: bool| {
        let mut hub = pair();
        hub.filter(|_, _| false);
        let id = hub.start(0, ping("172.16.1.2", 77, 1));
        hub.run_until(Instant::from_ms(10));
        let (mut envelope, mut identifier) = (from_server("172.16.1.2"), 77);
        let mut payload = b"ringfence ringfence ringfence ringfence ringfence ringfe".to_vec();
        change(&mut envelope, &mut identifier, &mut payload);
        let [high, low] = identifier.to_be_bytes();
        let mut reply = build::icmp(&envelope, 0, 0, [high, low, 0, 0], &payload);
        if payload.is_empty() {
            // a sound payload under a wrong checksum
            let sound = b"ringfence ringfence ringfence ringfence ringfence ringfe";
            reply = build::icmp(&envelope, 0, 0, [high, low, 0, 0], sound);
            reply[36] ^= 1;
        }
        hub.inject(0, &reply);
        let progress = hub.progress(0, id);
        assert_eq!(progress.seen, is_answer.then_some(Seen::Replied));
    };
    check(|_, _, _| {}, true);
    check(|envelope, _, _| envelope.source = ip("172.16.1.3"), false);
    check(|_, identifier, _| *identifier = 78, false);
    check(|_, _, payload| payload[3] = b'X', false);
    check(|_, _, payload| payload.clear(), false);
}

#[test]
fn what_is_not_for_a_guest_is_not_answered() {
    let mut hub = pair();
    let sound = Envelope { target_mac: config(2).mac, ..from_server("172.16.1.1") };
    let check = |hub: &mut Hub, target: &str, target_mac: MacAddr, answers: usize| {
        let fields = TcpFields {
            source_port: 1_000,
            target_port: 81,
            flags: TcpFlags::SYN,
            ..TcpFields::default()
        };
        let envelope =
            Envelope { source: ip("172.16.1.1"), target: ip(target), target_mac, ..sound };
        hub.inject(1, &build::tcp(&envelope, &fields, &[]));
        let mut seen = 0;
        while ringfence_endpoints::Endpoint::pull(&mut hub.guests[1], hub.now).is_some() {
            seen += 1;
        }
        assert_eq!(seen, answers, "{target} at {target_mac}");
    };
    check(&mut hub, "172.16.1.2", config(2).mac, 1);
    check(&mut hub, "172.16.1.9", config(2).mac, 0);
    check(&mut hub, "172.16.1.2", config(3).mac, 0);
    check(&mut hub, "224.0.0.1", MacAddr::BROADCAST, 0);
}

#[test]
fn neighbor_advertisements_from_beyond_the_link_are_not_believed() {
    for (ttl, frames) in [(255, 1), (64, 0)] {
        let mut hub = pair();
        let id = hub.guests[0].start(tcp("2001:db8::2", 80, None), Instant::START);
        let question = ringfence_endpoints::Endpoint::pull(&mut hub.guests[0], Instant::START);
        assert!(question.is_some());
        let mut answer = build::neighbor_advertisement(
            hub::FABRIC,
            "2001:db8::2".parse().unwrap(),
            true,
            config(1).mac,
            "2001:db8::1".parse().unwrap(),
        );
        answer[21] = ttl;
        hub.inject(0, &answer);
        let sent = ringfence_endpoints::Endpoint::pull(&mut hub.guests[0], Instant::START);
        assert_eq!(usize::from(sent.is_some()), frames, "hop limit {ttl}");
        assert_eq!(hub.progress(0, id).seen, None);
    }
}

/// Connections whose other end vanished are forgotten, half-open ones and those being closed.
#[test]
fn connections_that_nobody_ends_are_forgotten() {
    let mut hub = pair();
    // SYNs arrive, nothing comes back
    hub.filter(|ip, _| ip.target == "172.16.1.2".parse::<IpAddr>().unwrap());
    check(&mut hub, tcp("172.16.1.2", 80, None), Seen::TimedOut, "no answer");
    hub.run_until(hub.now + 30 * SECOND);
    // the connection stands, and is cut before either side can close it
    let mut hub_of_the_cut = pair();
    let cut = Instant::from_ms(15_000);
    hub_of_the_cut.filter(move |_, now| now < cut);
    let keep_alive = Some(KeepAlive { interval: 10 * SECOND, until: Instant::from_ms(16_000) });
    let kind = TaskKind::Tcp {
        source_port: None,
        target_port: 80,
        application: Some(Application::Http),
        keep_alive,
    };
    hub_of_the_cut.start(0, task("172.16.1.2", kind));
    hub_of_the_cut.run_until(Instant::from_ms(80_000));
    for mut hub in [hub, hub_of_the_cut] {
        let now = hub.now;
        for guest in &mut hub.guests {
            assert_eq!(ringfence_endpoints::Endpoint::next_wakeup(guest, now), None);
        }
    }
}

/// Connects to every server and says random things, then random frames.
#[test]
fn servers_and_guests_survive_noise() {
    const SEED: u64 = 7;
    println!("seed {SEED}");
    let mut random = rand_pcg::Pcg64::seed_from_u64(SEED);
    let mut hub = pair();
    let envelope = Envelope {
        source_mac: hub::FABRIC,
        target_mac: config(2).mac,
        source: ip("172.16.1.9"),
        target: ip("172.16.1.2"),
        ttl: 64,
    };
    for round in 0..3_000u32 {
        let application = Application::ALL[round as usize % 12];
        let mut fields = TcpFields {
            source_port: 1_024 + (round % 60_000) as u16,
            target_port: application.port(),
            sequence: 1_000,
            flags: TcpFlags::SYN,
            window: 60_000,
            ..TcpFields::default()
        };
        hub.inject(1, &build::tcp(&envelope, &fields, &[]));
        let mut acknowledged = None;
        while let Some(bytes) = ringfence_endpoints::Endpoint::pull(&mut hub.guests[1], hub.now) {
            if let Ok(frame) = parse(&bytes)
                && let ringfence_frame::Body::Ip(ip) = frame.body
                && let Transport::Tcp(tcp) = ip.transport
                && tcp.target_port == fields.source_port
            {
                acknowledged = Some(tcp.sequence.wrapping_add(1));
            }
        }
        let mut noise = vec![0; random.random_range(0..600)];
        random.fill_bytes(&mut noise);
        // half of the time something that starts well
        if let Some(start) = STARTS.get(random.random_range(0..2 * STARTS.len())) {
            let len = start.len().min(noise.len());
            noise[..len].copy_from_slice(&start[..len]);
        }
        fields.sequence = 1_001;
        fields.acknowledgement = acknowledged.unwrap_or(0);
        fields.flags = TcpFlags::ACK.with(TcpFlags::PSH);
        hub.inject(1, &build::tcp(&envelope, &fields, &noise));
        hub.inject(1, &build::udp(&envelope, 5_353, 53, &noise));
        fields.flags = TcpFlags::RST;
        fields.sequence = 1_001 + noise.len() as u32;
        hub.inject(1, &build::tcp(&envelope, &fields, &[]));
        let mut frame = build::tcp(&envelope, &fields, &noise);
        for _ in 0..3 {
            let at = random.random_range(12..frame.len());
            frame[at] = random.random();
        }
        hub.inject(1, &frame);
        random.fill_bytes(&mut noise);
        hub.inject(1, &noise);
    }
    check(&mut hub, tcp("172.16.1.2", 80, Some(Application::Http)), Seen::Replied, "200 OK");
}

const STARTS: [&[u8]; 10] = [
    b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    &[22, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3],
    b"SSH-2.0-",
    &[3, 0, 0, 19, 14, 0xe0],
    b"USER x\r\nEPSV\r\nRETR f\r\nPASV\r\nRETR f\r\nQUIT\r\n",
    &[0, 12, 0, 1, 1, 0, 0, 1],
    &[1, 0, 0, 0, 1, 0, 0, 0],
    &[0x12, 1, 0, 30, 0, 0, 1, 0, 0, 0, 26, 0, 6, 0xff],
    &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f, 0, 0, 0, 9, 0, 3, 0, 0],
    b"*7\r\n$4\r\nPING\r\n",
];

#[test]
fn a_task_that_cannot_be_carried_out_says_so() {
    let mut only_ipv4 = config(1);
    only_ipv4.addresses.truncate(1);
    let mut hub = Hub::new(vec![only_ipv4, config(2)]);
    let detail = "no source address of this family";
    check(&mut hub, tcp("2001:db8::2", 80, None), Seen::TimedOut, detail);
    check(&mut hub, tcp("172.16.1.2", 0, None), Seen::TimedOut, "no such port");
    let kind = TaskKind::Raw { protocol: 47, payload: vec![0; 70_000] };
    check(&mut hub, task("172.16.1.2", kind), Seen::TimedOut, "longer than a packet");
}
