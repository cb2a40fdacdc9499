//! Limits, expiry, order, and what else holds for the table as a whole.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use ringfence_frame::{Direction, Instant};
use ringfence_session::{Limit, Limits, SessionId, Sessions, Timeouts};
use support::{Line, Walk};

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
    let rows: [(_, _, &[u32], _); 9] = [
        (1, udp, &[], Ok(())),
        (1, udp, &[2], Ok(())),
        (1, udp, &[1], Err(Limit::Sessions)),
        (1, udp, &[2, 2], Err(Limit::Sessions)),
        (2, syn, &[1], Ok(())),
        (2, udp, &[2], Ok(())),
        (2, syn, &[2], Err(Limit::HalfOpen)),
        (1, syn, &[], Err(Limit::HalfOpen)),
        (1, syn, &[2, 2], Err(Limit::Sessions)),
    ];
    for (nic, ip, others, expected) in rows {
        assert_eq!(walk.sessions.check_room(nic, &ip, others, now), expected);
    }
    walk.check("1 out udp -> opens 2 until 30001");
    assert_eq!(walk.sessions.check_room(2, &udp, &[], now), Ok(()));
    assert_eq!(walk.sessions.check_room(2, &udp, &[1], now), Err(Limit::Sessions));
    assert_eq!(walk.sessions.check_room(1, &udp, &[], now), Err(Limit::Sessions));
}

/// Places are given back however a session ends.
#[test]
fn an_ended_session_gives_its_place_back() {
    let mut walk = Walk::limited(limits(1, 1, 1));
    walk.check("0 out S -> opens 1 opening until 20000");
    let Line { ip, direction, now, .. } = Line::read("1 out S");
    let found = walk.sessions.find(1, direction, &ip, now).unwrap();
    assert_eq!(walk.sessions.remove(found).id, SessionId(1));
    assert_eq!((walk.sessions.len(), walk.sessions.is_empty()), (0, true));
    assert_eq!(walk.sessions.next_deadline(), None);
    walk.check(
        "2 out S         -> opens 2 opening until 20002
         3 out S local=2 -> session-limit",
    );
    assert_eq!((walk.sessions.len(), walk.sessions.is_empty()), (1, false));
    assert_eq!(walk.sessions.expire(Instant::from_ms(20_003), 1), 1);
    assert_eq!(walk.sessions.len(), 0);
    walk.check("20003 out S local=2 -> opens 3 opening until 40003");
    walk.sessions.clear();
    assert_eq!((walk.sessions.len(), walk.sessions.iter().count()), (0, 0));
    assert_eq!(walk.sessions.next_deadline(), None);
    // counting at 1 again, the limits stay
    walk.check(
        "0 out S         -> opens 1 opening until 20000
         0 out S local=2 -> session-limit",
    );
}

/// `expire` removes what is dead, in slices, and the next deadline is the moment to call it.
#[test]
fn the_dead_are_expired_in_slices() {
    let mut walk = Walk::new();
    walk.check(
        "0 out udp local=1 -> opens 1 until 30000
         0 out udp local=2 -> opens 2 until 30000
         0 out udp local=3 -> opens 3 until 30000
         5 out udp local=4 -> opens 4 until 30005",
    );
    let sessions = &mut walk.sessions;
    let at = Instant::from_ms;
    assert_eq!(sessions.next_deadline(), Some(at(30_001)));
    assert_eq!(sessions.expire(at(30_000), 9), 0);
    assert_eq!(sessions.expire(at(30_001), 0), 0);
    assert_eq!(sessions.expire(at(30_001), 2), 2);
    assert_eq!((sessions.len(), sessions.next_deadline()), (2, Some(at(30_001))));
    assert_eq!(sessions.expire(at(30_001), 2), 1);
    assert_eq!((sessions.len(), sessions.next_deadline()), (1, Some(at(30_006))));
    assert_eq!(sessions.expire(at(30_005), 2), 0);
    assert_eq!(sessions.expire(at(30_006), 2), 1);
    assert_eq!((sessions.len(), sessions.next_deadline()), (0, None));
}

/// A refreshed session moves in the queue when its old deadline comes, one whose deadline came
/// nearer at once. A slice counts both.
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
    assert_eq!(walk.sessions.next_deadline(), Some(at(20_001)));
    assert_eq!(walk.sessions.expire(at(20_001), 1), 0);
    assert_eq!(walk.sessions.next_deadline(), Some(at(30_001)));
    assert_eq!(walk.sessions.expire(at(30_001), 2), 1);
    assert_eq!(walk.sessions.next_deadline(), Some(at(910_021)));
    walk.check("40000 in R seq=6 -> session 1 closing until 43000");
    assert_eq!(walk.sessions.next_deadline(), Some(at(43_001)));
    assert_eq!(walk.sessions.expire(at(43_000), 9), 0);
    assert_eq!(walk.sessions.expire(at(43_001), 9), 1);
    assert_eq!(walk.sessions.next_deadline(), None);
}

/// A slice is spent on refreshed sessions as well: a call costs no more than it says.
#[test]
fn a_slice_counts_refreshed_sessions() {
    let mut walk = Walk::new();
    walk.check(
        "0 out udp local=1 -> opens 1 until 30000
         1 out udp local=2 -> opens 2 until 30001
         9 out udp local=1 -> session 1 until 30009",
    );
    let now = Instant::from_ms(30_002);
    assert_eq!(walk.sessions.expire(now, 1), 0);
    assert_eq!(walk.sessions.next_deadline(), Some(now));
    assert_eq!(walk.sessions.expire(now, 1), 1);
    assert_eq!(walk.sessions.next_deadline(), Some(Instant::from_ms(30_010)));
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
    assert_eq!(walk.sessions.expire(Instant::from_ms(20_001), 9), 1);
    walk.check("20001 out echo -> opens 4 until 50001");
    assert_eq!(walk.list(), "2 until 60001\n3 until 30002\n4 until 50001");
    // A dead one under the same key is replaced, and listed until then.
    assert_eq!(walk.find("30003 out udp"), None);
    assert_eq!(walk.sessions.len(), 3);
    walk.check("30003 out udp -> opens 5 until 60003");
    assert_eq!(walk.list(), "2 until 60001\n4 until 50001\n5 until 60003");
    assert_eq!(walk.sessions.len(), 3);
}

/// The owner's note stays with its session.
#[test]
fn a_session_keeps_its_note() {
    let mut sessions: Sessions<String> = Sessions::new(Limits::default());
    let timeouts = Timeouts::default();
    let now = Instant::START;
    let first = Line::read("0 out udp local=1").ip;
    let second = Line::read("0 out udp local=2").ip;
    let out = Direction::Outbound;
    sessions.open(1, out, &first, &timeouts, "first".into(), now);
    sessions.open(1, out, &second, &timeouts, "second".into(), now);
    let found = sessions.find(1, out, &first, now).unwrap();
    sessions.note_mut(found).push_str(" changed");
    assert_eq!(sessions.get(found).note, "first changed");
    let other = sessions.find(1, out, &second, now).unwrap();
    assert_eq!(sessions.get(other).note, "second");
    assert_eq!(sessions.remove(found).note, "first changed");
}

/// A reference to a session that has ended is a mistake of the caller, not another session.
#[test]
#[should_panic(expected = "a reference is used before the table changes")]
fn a_reference_to_an_ended_session_is_refused() {
    let mut walk = Walk::new();
    walk.check("0 out udp -> opens 1 until 30000");
    let Line { ip, direction, now, .. } = Line::read("0 out udp");
    let found = walk.sessions.find(1, direction, &ip, now).unwrap();
    walk.sessions.remove(found);
    walk.check("1 out udp -> opens 2 until 30001");
    walk.sessions.get(found);
}

/// The same, for a change.
#[test]
#[should_panic(expected = "a reference is used before the table changes")]
fn an_advance_of_an_ended_session_is_refused() {
    let mut walk = Walk::new();
    walk.check("0 out udp -> opens 1 until 30000");
    let Line { ip, direction, now, .. } = Line::read("0 out udp");
    let found = walk.sessions.find(1, direction, &ip, now).unwrap();
    walk.sessions.remove(found);
    walk.check("1 out udp -> opens 2 until 30001");
    walk.sessions.advance(found, direction, &ip, now);
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
        walk.sessions.clear();
        for port in 0..COUNT {
            let id = walk.sessions.open(1, out, &line(port), &walk.timeouts, "", at(port));
            assert_eq!(id.0, u64::from(port) + 1, "round {round}");
        }
        for port in 0..COUNT {
            let found = walk.sessions.find(1, out, &line(port), at(COUNT)).unwrap();
            assert_eq!(found.id().0, u64::from(port) + 1);
        }
        for expired in 0..u64::from(COUNT) {
            let now = Instant::from_ms(100_001 + expired);
            assert_eq!(walk.sessions.next_deadline(), Some(now));
            assert_eq!(walk.sessions.expire(now, usize::MAX), 1);
        }
        assert!(walk.sessions.is_empty());
    }
}
