//! Limits, expiry, order, and what else holds for the table as a whole.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use ringfence_frame::{Direction, Instant};
use ringfence_session::{Limit, Limits};
use support::{Line, One, Walk};

fn limits(sessions: usize, per_interface: usize, half_open: usize) -> Limits {
    Limits {
        sessions_max: sessions,
        sessions_per_interface_max: per_interface,
        half_open_per_interface_max: half_open,
    }
}

/// "Defaults: 1,000,000 sessions a fabric, 250,000 an interface, of these half-open at most a
/// quarter"
#[test]
fn the_default_limits() {
    assert_eq!(Limits::default(), limits(1_000_000, 250_000, 250_000 / 4));
}

/// "At a limit the NEW flow is dropped (session-limit, half-open-limit); nothing live is evicted."
#[test]
fn at_a_limit_the_new_flow_is_dropped() {
    // of the fabric
    Walk::limited(limits(2, 9, 9)).check(
        "0 out udp nic=1         -> opens 1 until 30000
         1 out udp nic=2         -> opens 2 until 30001
         2 out udp nic=3         -> session-limit
         3 out udp nic=1 local=2 -> session-limit
         4 in  udp nic=1         -> session 1 until 30004
         5 in  udp nic=2         -> session 2 until 30005",
    );
    // of the interface, which leaves the others whole
    Walk::limited(limits(9, 2, 9)).check(
        "0 out udp local=1       -> opens 1 until 30000
         1 out udp local=2       -> opens 2 until 30001
         2 out udp local=3       -> session-limit
         2 out S   local=3       -> session-limit
         3 in  udp local=1       -> session 1 until 30003
         4 in  udp local=2       -> session 2 until 30004
         5 out udp local=3 nic=2 -> opens 3 until 30005",
    );
    // of the half-open ones
    Walk::limited(limits(9, 9, 2)).check(
        "0  out S  local=1          -> opens 1 opening until 20000
         1  out A  local=2          -> opens 2 opening until 20001
         2  out S  local=3          -> half-open-limit
         3  out S  local=1          -> session 1 opening until 20003
         4  out S  local=3 nic=2    -> opens 3 opening until 20004
         5  out udp                 -> opens 4 until 30005
         6  out gre                 -> opens 5 until 60006
         7  in  SA local=1 ack=1    -> session 1 established until 910007
         8  out S  local=3          -> opens 6 opening until 20008
         9  out S  local=4          -> half-open-limit
         10 in  RA local=3 ack=1    -> session 6 closing until 3010
         11 out S  local=4          -> opens 7 opening until 20011
         12 out S  local=5          -> half-open-limit",
    );
    // No room at all.
    Walk::limited(limits(0, 9, 9)).check("0 out udp -> session-limit");
    Walk::limited(limits(9, 0, 9)).check("0 out udp -> session-limit");
    Walk::limited(limits(9, 9, 0)).check("0 out S -> half-open-limit");
    // Both at once.
    Walk::limited(limits(0, 9, 0)).check("0 out S -> session-limit");
}

/// A session that died does not count, whether or not it was expired; it must not be the oldest.
#[test]
fn dead_sessions_do_not_count() {
    Walk::limited(limits(2, 9, 9)).check(
        "0     out gre nic=1 -> opens 1 until 60000
         1     out udp nic=2 -> opens 2 until 30001
         30001 out udp nic=3 -> session-limit
         30002 out udp nic=3 -> opens 3 until 60002
         30003 out udp nic=2 -> session-limit",
    );
    Walk::limited(limits(9, 2, 9)).check(
        "0     out udp nic=2   -> opens 1 until 30000
         0     out udp nic=3   -> opens 2 until 30000
         1     out udp         -> opens 3 until 30001
         1     out gre         -> opens 4 until 60001
         30001 out udp local=2 -> session-limit
         30002 out udp local=2 -> opens 5 until 60002
         30003 out udp         -> session-limit",
    );
    Walk::limited(limits(9, 9, 1)).check(
        "0     out S          -> opens 1 opening until 20000
         20000 out S  local=2 -> half-open-limit
         20001 out S  local=2 -> opens 2 opening until 40001
         20002 out S  local=3 -> half-open-limit",
    );
    // One that was refreshed since it was queued lives.
    Walk::limited(limits(2, 9, 9)).check(
        "0     out udp local=1 -> opens 1 until 30000
         1     out udp local=2 -> opens 2 until 30001
         20000 in  udp local=1 -> session 1 until 50000
         30001 out udp local=3 -> session-limit
         30002 out udp local=3 -> opens 3 until 60002
         30003 out udp local=4 -> session-limit
         30004 in  udp local=1 -> session 1 until 60004",
    );
}

/// A closing session that a SYN replaces is live until it is, and counts.
#[test]
fn a_closing_session_counts() {
    Walk::limited(limits(1, 1, 1)).check(
        "0    out S  seq=1        -> opens 1 opening until 20000
         10   in  RA ack=2        -> session 1 closing until 3010
         20   out S  seq=9        -> session-limit
         30   out A  seq=2        -> session 1 closing until 3010
         3011 out S  seq=9        -> opens 2 opening until 23011",
    );
    Walk::limited(limits(2, 2, 1)).check(
        "0  out S  seq=1          -> opens 1 opening until 20000
         10 in  RA ack=2          -> session 1 closing until 3010
         20 out S  seq=9          -> opens 2 opening until 20020
         30 out udp               -> opens 3 until 30030
         40 out udp local=2       -> session-limit",
    );
}

/// The other half of a flow takes a place in the fabric, and none at this interface.
#[test]
fn room_is_kept_for_the_other_half() {
    let mut walk = Walk::limited(limits(3, 2, 1));
    let udp = Line::read("0 out udp local=9").ip;
    let syn = Line::read("0 out S local=9").ip;
    let now = Instant::START;
    walk.check("0 out S -> opens 1 opening until 20000");
    let rows: [(_, _, &[u32], _); 7] = [
        (1, udp, &[], Ok(())),
        (1, udp, &[2], Ok(())),
        (1, udp, &[1], Err(Limit::Sessions)),
        (2, syn, &[1], Err(Limit::HalfOpen)),
        (2, udp, &[2], Ok(())),
        (2, syn, &[2], Err(Limit::HalfOpen)),
        (1, syn, &[], Err(Limit::HalfOpen)),
    ];
    for (nic, ip, others, expected) in rows {
        assert_eq!(walk.room(nic, &ip, others, now), expected);
    }
    walk.check("1 out udp -> opens 2 until 30001");
    assert_eq!(walk.room(2, &udp, &[], now), Ok(()));
    assert_eq!(walk.room(2, &udp, &[1], now), Err(Limit::Sessions));
    assert_eq!(walk.room(1, &udp, &[], now), Err(Limit::Sessions));
}

/// Places are given back however a session ends.
#[test]
fn an_ended_session_gives_its_place_back() {
    let mut walk = Walk::limited(limits(1, 1, 1));
    walk.check("0 out S -> opens 1 opening until 20000");
    let Line { ip, direction, now, .. } = Line::read("1 out S");
    walk.end(1, direction, &ip, now);
    assert_eq!(walk.len(), 0);
    walk.check(
        "2 out S         -> opens 2 opening until 20002
         3 out S local=2 -> session-limit",
    );
    assert_eq!(walk.len(), 1);
    assert_eq!(walk.expire(Instant::from_ms(20_003)), 1);
    assert_eq!(walk.len(), 0);
    walk.check("20003 out S local=2 -> opens 3 opening until 40003");
    walk.clear();
    assert_eq!((walk.len(), walk.sessions().len()), (0, 0));
    // counting at 1 again, the limits stay
    walk.check(
        "0 out S         -> opens 1 opening until 20000
         0 out S local=2 -> session-limit",
    );
}

/// `expire` removes what is dead, all or in slices.
#[test]
fn the_dead_are_expired() {
    let mut walk = Walk::new();
    walk.check(
        "0 out udp local=1 -> opens 1 until 30000
         0 out udp local=2 -> opens 2 until 30000
         0 out udp local=3 -> opens 3 until 30000
         5 out udp local=4 -> opens 4 until 30005",
    );
    let at = Instant::from_ms;
    assert_eq!(walk.expire(at(30_000)), 0);
    assert_eq!(walk.both(|one| one.worker.expire(at(30_001), 0)), 0);
    assert_eq!((walk.expire(at(30_001)), walk.len()), (3, 1));
    assert_eq!((walk.expire(at(30_005)), walk.len()), (0, 1));
    assert_eq!((walk.expire(at(30_006)), walk.len()), (1, 0));
}

/// A refreshed session is let live when its old deadline comes, one whose deadline came nearer is
/// looked at in time.
#[test]
fn deadlines_move_both_ways() {
    let mut walk = Walk::new();
    let at = Instant::from_ms;
    walk.check(
        "0   out S  seq=1           -> opens 1 opening until 20000
         0   out udp                -> opens 2 until 30000
         10  in  SA seq=5 ack=2     -> session 1 established until 910010
         20  out A  seq=2 ack=6     -> session 1 established until 910020",
    );
    assert_eq!(walk.expire(at(20_001)), 0);
    assert_eq!(walk.expire(at(30_001)), 1);
    walk.check("40000 in R seq=6 -> session 1 closing until 43000");
    assert_eq!(walk.expire(at(43_000)), 0);
    assert_eq!(walk.expire(at(43_001)), 1);
}

/// Small slices, as a worker takes them once a batch, find all within seconds, and once it is so
/// late that no hint means anything as well.
#[test]
fn slices_find_all() {
    for (begin, step_ms) in [(0, 1), (65_000, 1), (u64::from(u32::MAX) - 40_000, 20)] {
        let mut walk = Walk::new();
        for port in 0..5_000 {
            let ip = Line::read(&format!("0 out udp local={port}")).ip;
            walk.open(1, Direction::Outbound, &ip, Instant::from_ms(begin));
        }
        let mut found = 0;
        for step in 0..5_000 {
            let now = Instant::from_ms(begin + 30_001 + step * step_ms);
            found += walk.both(|one| one.worker.expire(now, 64));
        }
        assert_eq!((found, walk.len()), (5_000, 0), "from {begin}");
    }
}

/// Sessions are listed and numbered as they opened, whichever slots are free.
#[test]
fn sessions_are_listed_in_the_order_in_which_they_opened() {
    let mut walk = Walk::new();
    walk.check(
        "0     out S   -> opens 1 opening until 20000
         1     out gre -> opens 2 until 60001
         2     out udp -> opens 3 until 30002",
    );
    assert_eq!(walk.list(), "1 opening until 20000\n2 until 60001\n3 until 30002");
    assert_eq!(walk.expire(Instant::from_ms(20_001)), 1);
    walk.check("20001 out echo -> opens 4 until 50001");
    assert_eq!(walk.list(), "2 until 60001\n3 until 30002\n4 until 50001");
    // A dead one under the same key is replaced, and listed until then.
    assert_eq!(walk.find_line("30003 out udp"), None);
    assert_eq!(walk.len(), 3);
    walk.check("30003 out udp -> opens 5 until 60003");
    assert_eq!(walk.list(), "2 until 60001\n4 until 50001\n5 until 60003");
    assert_eq!(walk.len(), 3);
}

/// What the switch keeps with a session, and what it is counted for.
#[test]
fn a_session_keeps_its_note() {
    let mut walk = Walk::new();
    walk.check("0 in echo -> opens 1 until 30000");
    let session = walk.sessions()[0];
    assert_eq!((session.icmp, session.over_internet), (Some((0, 0)), false));
    assert_eq!((session.tally, session.epoch), (1, 1));
    let Line { ip, direction, now, .. } = Line::read("0 in echo");
    let half = |one: &One| one.find(1, direction, &ip, now).unwrap();
    for (epoch, expected) in [(3, 3), (2, 3), (4, 4)] {
        walk.both(|one| one.worker.restamp(half(one), epoch));
        assert_eq!(walk.both(|one| one.worker.epoch(half(one))), expected);
    }
}

/// What is done to a half that has ended does nothing, and nothing to another one.
#[test]
fn a_reference_to_an_ended_session_does_nothing() {
    let mut walk = Walk::new();
    walk.check("0 out udp -> opens 1 until 30000");
    let Line { ip, direction, now, .. } = Line::read("0 out udp");
    walk.both(|one| {
        let found = one.find(1, direction, &ip, now).unwrap();
        one.worker.end(found, now);
        one.worker.end(found, now);
        assert_eq!(one.find(1, direction, &ip, now), None);
        assert_eq!(one.worker.session(found).id.0, 1);
    });
    assert_eq!(walk.len(), 0);
    walk.check("1 out udp -> opens 2 until 30001");
}

/// Many sessions: each is found, they end in order of their deadlines, and the places are used
/// again.
#[test]
fn many_sessions() {
    const COUNT: u16 = 20_000;
    let mut walk = Walk::new();
    let line = |port: u16| Line::read(&format!("0 out udp local={port}")).ip;
    let at = |ms: u16| Instant::from_ms(u64::from(ms));
    let out = Direction::Outbound;
    walk.timeouts.udp = Duration::from_secs(100);
    for round in 0..2 {
        walk.clear();
        for port in 0..COUNT {
            let id = walk.open(1, out, &line(port), at(port));
            assert_eq!(id.0, u64::from(port) + 1, "round {round}");
        }
        for port in 0..COUNT {
            let found = walk.find(1, out, &line(port), at(COUNT)).unwrap();
            assert_eq!(found.id.0, u64::from(port) + 1);
        }
        for expired in (0..u64::from(COUNT)).step_by(100) {
            assert_eq!(walk.expire(Instant::from_ms(100_000 + expired + 100)), 100);
        }
        assert_eq!(walk.len(), 0);
    }
}
