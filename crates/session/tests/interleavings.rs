//! The table under a scheduler that decides who runs next at every access to an atomic, many times
//! over: the sources are compiled anew with the scheduler's atomics in the place of the
//! machine's. It keeps to one order of all accesses; what weaker orders there may be is argued
//! where the orderings stand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    dead_code,
    unused_imports,
    reason = "the sources are here as a whole, the tests use parts"
)]
#![allow(missing_docs, unreachable_pub, reason = "the sources say what is public")]

#[path = "../src/fast.rs"]
mod fast;
#[path = "../src/flows.rs"]
mod flows;
#[path = "../src/fused.rs"]
mod fused;
#[path = "../src/held.rs"]
mod held;
#[path = "../src/index.rs"]
mod index;
#[path = "../src/kept.rs"]
mod kept;
#[path = "../src/layout.rs"]
mod layout;
#[path = "../src/life.rs"]
mod life;
#[path = "../src/limits.rs"]
mod limits;
#[path = "../src/open.rs"]
mod open;
#[path = "../src/passage.rs"]
mod passage;
#[path = "../src/place.rs"]
mod place;
#[path = "../src/quiescence.rs"]
mod quiescence;
#[path = "../src/records.rs"]
mod records;
#[path = "../src/state.rs"]
mod state;
#[path = "../src/sweep.rs"]
mod sweep;
#[path = "../src/table.rs"]
mod table;
#[path = "../src/tallies.rs"]
mod tallies;
#[path = "../src/tcp.rs"]
mod tcp;
#[path = "../src/timeouts.rs"]
mod timeouts;
#[path = "../src/usage.rs"]
mod usage;
#[path = "../src/way.rs"]
mod way;
#[path = "../src/wire_key.rs"]
mod wire_key;
#[path = "../src/worker.rs"]
mod worker;

pub use fast::{Established, Likely};
pub use flows::Flows;
pub use fused::{Keyed, NewFlow, NewHalf};
pub use held::TallySearch;
pub use kept::TimeoutNumbers;
pub use limits::{Limit, Limits};
pub use passage::{
    End, FlowsConfig, Forward, InterfaceId, MemoryUse, Opening, Passage, Session, SessionId, Step,
    TcpNote,
};
pub use state::{FirstPacket, TcpMidstream, TcpPhase};
pub use timeouts::{TimeoutError, Timeouts};
pub use wire_key::{Family, Key, KeyV4, KeyV6, PORTS_MAX, PortId, Requests, V4, V6};
pub use worker::{FlowWorker, HalfRef, Room};

/// In the place of `src/sync.rs`.
mod sync {
    #![allow(unsafe_code, reason = "the trait that it stands for is unsafe")]

    pub(crate) use shuttle::sync::atomic::{
        AtomicU16, AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
        Ordering::Release, Ordering::SeqCst, fence,
    };

    pub(crate) const REAL: bool = false;

    #[derive(Clone, Copy)]
    pub(crate) enum Pages {
        Normal,
        Huge,
    }

    /// # Safety
    /// None: elements are made one by one.
    pub unsafe trait ZeroIsValid: Default {}
    // SAFETY: see the trait.
    unsafe impl ZeroIsValid for AtomicU16 {}
    // SAFETY: see the trait.
    unsafe impl ZeroIsValid for AtomicU64 {}
    // SAFETY: see the trait.
    unsafe impl ZeroIsValid for [AtomicU64; 2] {}
    // SAFETY: see the trait.
    unsafe impl ZeroIsValid for [AtomicU64; 5] {}

    #[derive(Debug)]
    pub(crate) struct Zeroed<T>(Box<[T]>);

    impl<T: Default> Zeroed<T> {
        pub(crate) fn new(len: usize, _pages: Pages) -> Zeroed<T> {
            Zeroed((0..len).map(|_| T::default()).collect())
        }

        pub(crate) fn has_huge_pages(&self) -> bool {
            false
        }
    }

    impl<T> std::ops::Deref for Zeroed<T> {
        type Target = [T];

        fn deref(&self) -> &[T] {
            &self.0
        }
    }
}

/// As the crate says.
const COUNTS: bool = true;

use std::sync::Arc;

use ringfence_frame::{Direction, Instant, Ip, Protocol, Tcp, TcpFlags, Transport, Udp};
use shuttle::thread;

/// Two interfaces of every flow here.
const NEAR: PortId = 0;
const FAR: PortId = 1;
const EPOCH: u32 = 1;

/// Tries many schedules of what `body` does to a new table.
fn check(schedules: usize, sessions_max: usize, body: fn(&Arc<Flows>)) {
    let test = move || {
        let limits = Limits {
            sessions_max,
            sessions_per_interface_max: sessions_max,
            half_open_per_interface_max: sessions_max,
        };
        let flows = Arc::new(Flows::new(FlowsConfig {
            limits,
            capacity: 2,
            interfaces: 2,
            workers_max: 3,
            numbered: true,
            seed: 3,
            huge_pages: false,
        }));
        body(&flows);
        settle(&flows);
    };
    shuttle::check_random(test, schedules);
    shuttle::check_pct(test, schedules, 3);
}

/// What holds when all is quiet: what is counted is there, and every record that is not comes back.
fn settle(flows: &Arc<Flows>) {
    let sessions = flows.sessions();
    assert_eq!(flows.len(), sessions.len());
    for interface in [NEAR, FAR] {
        let own = sessions.iter().filter(|session| session.interface == interface);
        let opening = own.clone().filter(|session| session.tcp == Some(TcpPhase::Opening));
        assert_eq!(flows.usage(interface), (own.clone().count(), opening.count()));
    }
    let mut worker = flows.register().unwrap();
    worker.clear();
    assert_eq!((flows.len(), flows.sessions().len()), (0, 0));
    let count = flows.v4().store.used();
    // A worker that goes gives back all that it holds.
    drop(worker);
    let (mut own, mut free) = (Vec::new(), Vec::new());
    while let Some(record) = flows.v4().take_record(&mut own) {
        free.push(record);
    }
    free.sort_unstable();
    free.dedup();
    assert_eq!(free.len() as u32, flows.v4().store.capacity(), "of {count} that were used");
}

fn udp(flow: u16, is_answer: bool) -> Ip {
    let (near, far) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let (source, target) = if is_answer { (far, near) } else { (near, far) };
    let (source_port, target_port) = if is_answer { (53, flow) } else { (flow, 53) };
    let transport = Transport::Udp(Udp { source_port, target_port, payload_len: 0 });
    packet(source, target, Protocol::UDP, transport)
}

fn tcp(is_answer: bool, flags: TcpFlags, sequence: u32, acknowledgement: u32) -> Ip {
    let (near, far) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let (source, target) = if is_answer { (far, near) } else { (near, far) };
    let (source_port, target_port) = if is_answer { (80, 4000) } else { (4000, 80) };
    let transport = Transport::Tcp(Tcp {
        source_port,
        target_port,
        sequence,
        acknowledgement,
        flags,
        window: 1000,
        window_scale: None,
        payload_len: 0,
    });
    packet(source, target, Protocol::TCP, transport)
}

fn packet(source: [u8; 4], target: [u8; 4], protocol: Protocol, transport: Transport) -> Ip {
    Ip {
        source: source.into(),
        target: target.into(),
        protocol,
        ttl: 64,
        dont_fragment: true,
        fragment: None,
        ip_offset: 14,
        transport_offset: 34,
        end: 60,
        transport,
    }
}

fn ports(ip: &Ip) -> [PortId; 2] {
    if ip.source == std::net::IpAddr::from([10, 0, 0, 1]) { [NEAR, FAR] } else { [FAR, NEAR] }
}

/// As a switch that lets everything through: looks for both halves, opens what is not there.
/// Returns how many sessions it opened; `None` if a limit stood in the way.
fn send(worker: &mut FlowWorker, ip: &Ip, now: Instant) -> Option<usize> {
    let [from, to] = ports(ip);
    let halves = [
        worker.find(from, Direction::Outbound, ip, now),
        worker.find(to, Direction::Inbound, ip, now),
    ];
    let missing: Vec<PortId> = [from, to]
        .into_iter()
        .zip(halves)
        .filter(|(_, half)| half.is_none())
        .map(|(port, _)| port)
        .collect();
    let room = worker.reserve(&missing, ip, now).ok()?;
    let timeouts = Timeouts::default();
    let step = |half| match half {
        Some(half) => Step::Advance(half),
        None => Step::Open(Opening { timeouts: &timeouts, over_internet: false, tally: 1 }),
    };
    let opened = worker.commit(
        &Passage {
            sent: ip,
            arriving: ip,
            sender: End { port: from, step: step(halves[0]) },
            receiver: End { port: to, step: step(halves[1]) },
            there: Forward { port: to, ..Forward::default() },
            back: Some(Forward { port: from, ..Forward::default() }),
            epoch: EPOCH,
            len: 60,
        },
        Some(room),
        now,
    );
    Some(opened.into_iter().flatten().count())
}

fn short<'a>(worker: &'a FlowWorker, ip: &Ip, now_ms: u32) -> Option<Established<'a, V4>> {
    let Some(Key::V4(key)) = Key::of(ports(ip)[0], Direction::Outbound, ip) else { panic!("IPv4") };
    worker.established::<V4>(&key, EPOCH, now_ms)
}

/// Runs `two` beside this thread's `one`, each with a worker.
fn beside<R: Send + 'static>(
    flows: &Arc<Flows>,
    one: impl FnOnce(&mut FlowWorker) -> R,
    two: impl FnOnce(&mut FlowWorker) -> R + Send + 'static,
) -> (R, R) {
    let mut other = flows.register().unwrap();
    let mut own = flows.register().unwrap();
    let thread = thread::spawn(move || {
        let seen = two(&mut other);
        other.sleep();
        seen
    });
    let seen = one(&mut own);
    own.sleep();
    (seen, thread.join().unwrap())
}

const START: Instant = Instant::START;

#[test]
fn two_that_open_one_flow_open_it_once() {
    check(1_500, 8, |flows| {
        let open = |worker: &mut FlowWorker| send(worker, &udp(1, false), START);
        let (one, two) = beside(flows, open, open);
        assert_eq!(one.unwrap() + two.unwrap(), 2);
        assert_eq!(flows.len(), 2);
    });
}

#[test]
fn two_directions_that_meet_two_workers_are_one_flow() {
    check(1_500, 8, |flows| {
        let (one, two) = beside(
            flows,
            |worker| send(worker, &udp(1, false), START),
            |worker| send(worker, &udp(1, true), START),
        );
        assert_eq!(one.unwrap() + two.unwrap(), 2);
        let sessions = flows.sessions();
        assert_eq!(sessions.len(), 2);
        assert_ne!(sessions[0].opened, sessions[1].opened);
    });
}

#[test]
fn the_last_place_is_given_once() {
    check(1_500, 3, |flows| {
        let (one, two) = beside(
            flows,
            |worker| send(worker, &udp(1, false), START),
            |worker| send(worker, &udp(2, false), START),
        );
        // Neither of two that are in each other's way need get it; both never do.
        assert!(one.unwrap_or(0) + two.unwrap_or(0) <= 2);
        assert!(flows.len() <= 2);
    });
}

#[test]
fn what_is_found_beside_a_removal_is_what_was_looked_for() {
    check(1_500, 8, |flows| {
        let mut first = flows.register().unwrap();
        for flow in 1..3 {
            send(&mut first, &udp(flow, false), START);
        }
        drop(first);
        beside(
            flows,
            |worker| {
                for _ in 0..3 {
                    let ip = udp(1, false);
                    if let Some(half) = worker.find(NEAR, Direction::Outbound, &ip, START) {
                        assert_eq!(worker.session(half).tuple, ip.tuple());
                    }
                    if let Some(found) = short(worker, &ip, 0) {
                        assert_eq!(found.forward().port, FAR);
                        found.touch(0, 60, None);
                    }
                    // That one stays.
                    let other = worker.find(NEAR, Direction::Outbound, &udp(2, false), START);
                    assert_eq!(worker.session(other.unwrap()).tuple, udp(2, false).tuple());
                    assert!(short(worker, &udp(2, false), 0).is_some());
                    worker.quiescent();
                }
            },
            |worker| {
                for port in [NEAR, FAR] {
                    let way = if port == NEAR { Direction::Outbound } else { Direction::Inbound };
                    let half = worker.find(port, way, &udp(1, false), START).unwrap();
                    worker.end(half, START);
                }
                for flow in 3..5 {
                    worker.quiescent();
                    send(worker, &udp(flow, false), START);
                }
            },
        );
    });
}

/// A record is not used again while somebody may refer to it.
#[test]
fn a_reference_holds_until_its_worker_is_quiescent() {
    check(1_500, 16, |flows| {
        let mut first = flows.register().unwrap();
        send(&mut first, &udp(1, false), START);
        drop(first);
        beside(
            flows,
            |worker| {
                for _ in 0..2 {
                    let found = worker.find(NEAR, Direction::Outbound, &udp(1, false), START);
                    let Some(half) = found else { return };
                    for _ in 0..4 {
                        thread::yield_now();
                        assert_eq!(worker.session(half).tuple, udp(1, false).tuple());
                    }
                    worker.quiescent();
                }
            },
            |worker| {
                for flow in 1..8 {
                    send(worker, &udp(flow, false), START);
                    for (port, way) in [(NEAR, Direction::Outbound), (FAR, Direction::Inbound)] {
                        let half = worker.find(port, way, &udp(flow, false), START).unwrap();
                        worker.end(half, START);
                    }
                    worker.quiescent();
                }
            },
        );
    });
}

/// A worker that is behind finds what is alive at its moment, whatever one that is further on sweeps.
#[test]
fn expiry_beside_a_worker_that_is_behind() {
    check(1_500, 8, |flows| {
        let mut first = flows.register().unwrap();
        send(&mut first, &udp(1, false), START);
        drop(first);
        let (opened, _) = beside(
            flows,
            |worker| {
                let in_time = Instant::from_ms(30_000);
                worker.expire(in_time, 0);
                assert!(worker.find(FAR, Direction::Inbound, &udp(1, false), in_time).is_some());
                short(worker, &udp(1, false), 30_000).unwrap().touch(30_000, 60, None);
                worker.quiescent();
                send(worker, &udp(1, true), in_time)
            },
            |worker| {
                for now_ms in [30_001, 60_000] {
                    worker.expire(Instant::from_ms(now_ms), usize::MAX);
                    worker.quiescent();
                }
                None
            },
        );
        assert_eq!((opened, flows.len()), (Some(0), 2));
    });
}

/// A worker that wakes and then reads the clock finds what is alive by it, whatever one sweeps that has
/// read the same clock; and what nobody can find any more is gone in the end.
#[test]
fn expiry_beside_a_worker_that_wakes() {
    check(1_500, 8, |flows| {
        let mut first = flows.register().unwrap();
        send(&mut first, &udp(1, false), START);
        drop(first);
        let clock = Arc::new(sync::AtomicU64::new(30_000));
        let hand = Arc::clone(&clock);
        beside(
            flows,
            move |worker| {
                for _ in 0..2 {
                    worker.sleep();
                    worker.wake();
                    let now_ms = clock.load(sync::SeqCst);
                    let now = Instant::from_ms(now_ms);
                    let found = worker.find(NEAR, Direction::Outbound, &udp(1, false), now);
                    assert_eq!(found.is_some(), now_ms <= 30_000, "at {now_ms}");
                    worker.expire(now, 0);
                }
            },
            move |worker| {
                for _ in 0..2 {
                    let now_ms = hand.fetch_add(1, sync::SeqCst) + 1;
                    worker.expire(Instant::from_ms(now_ms), usize::MAX);
                    worker.quiescent();
                }
            },
        );
        let mut last = flows.register().unwrap();
        last.expire(Instant::from_ms(30_002), usize::MAX);
        assert_eq!(flows.len(), 0);
    });
}

/// A SYN replaces a closing flow, once.
#[test]
fn two_syns_on_a_closing_flow() {
    check(1_000, 8, |flows| {
        let mut first = flows.register().unwrap();
        send(&mut first, &tcp(false, TcpFlags::SYN, 1, 0), START);
        send(&mut first, &tcp(true, TcpFlags::RST.with(TcpFlags::ACK), 0, 2), START);
        assert_eq!(flows.usage(NEAR), (1, 0));
        drop(first);
        let open = |worker: &mut FlowWorker| send(worker, &tcp(false, TcpFlags::SYN, 9, 0), START);
        let (one, two) = beside(flows, open, open);
        assert_eq!(one.unwrap() + two.unwrap(), 2);
        assert_eq!((flows.usage(NEAR), flows.usage(FAR)), ((1, 1), (1, 1)));
    });
}

/// Both sides say at once that they are done: one of them sees that both have.
#[test]
fn two_fins_at_once_close() {
    check(1_000, 8, |flows| {
        let mut first = flows.register().unwrap();
        send(&mut first, &tcp(false, TcpFlags::SYN, 1, 0), START);
        send(&mut first, &tcp(true, TcpFlags::SYN.with(TcpFlags::ACK), 5, 2), START);
        send(&mut first, &tcp(false, TcpFlags::ACK, 2, 6), START);
        drop(first);
        let fin = TcpFlags::FIN.with(TcpFlags::ACK);
        beside(
            flows,
            move |worker| send(worker, &tcp(false, fin, 2, 6), START),
            move |worker| send(worker, &tcp(true, fin, 6, 2), START),
        );
        let sessions = flows.sessions();
        assert!(sessions.iter().all(|session| session.tcp == Some(TcpPhase::Closing)));
        assert_eq!(sessions.len(), 2);
        let mut worker = flows.register().unwrap();
        assert!(short(&worker, &tcp(false, TcpFlags::ACK, 3, 7), 0).is_none());
        worker.quiescent();
    });
}

/// A half is cut while its flow is found good: it is not found good for it.
#[test]
fn a_cut_beside_a_pairing() {
    check(1_000, 8, |flows| {
        let mut first = flows.register().unwrap();
        send(&mut first, &udp(1, false), START);
        drop(first);
        beside(
            flows,
            |worker| send(worker, &udp(1, true), START),
            |worker| {
                let half = worker.find(FAR, Direction::Inbound, &udp(1, false), START);
                half.into_iter().for_each(|half| worker.end(half, START));
                None
            },
        );
        let worker = flows.register().unwrap();
        for ip in [udp(1, false), udp(1, true)] {
            let [from, to] = ports(&ip);
            let both = worker.find(from, Direction::Outbound, &ip, START).is_some()
                && worker.find(to, Direction::Inbound, &ip, START).is_some();
            assert!(both || short(&worker, &ip, 0).is_none(), "{ip:?}");
        }
    });
}

/// A half moves to a record that a search for tallies may have passed, and is the only one that counts
/// for its tally: the search tells it.
#[test]
fn a_search_for_tallies_beside_a_half_that_moves() {
    check(1_500, 8, |flows| {
        let mut worker = flows.register().unwrap();
        let end = |worker: &mut FlowWorker, flow, side: usize| {
            let ip = udp(flow, false);
            let way = [Direction::Outbound, Direction::Inbound][side];
            let half = worker.find(ports(&ip)[side], way, &ip, START).unwrap();
            worker.end(half, START);
        };
        (0..3).for_each(|flow| assert_eq!(send(&mut worker, &udp(flow, false), START), Some(2)));
        // A free record before that of the last flow.
        [0, 1].into_iter().for_each(|side| end(&mut worker, 0, side));
        (0..3).for_each(|_| worker.quiescent());
        [0, 1].into_iter().for_each(|side| end(&mut worker, 1, side));
        let thread = thread::spawn({
            let flows = Arc::clone(flows);
            move || {
                let (mut search, mut told) = (flows.search_tallies(), Vec::new());
                while !flows.held_tallies(&mut search, 1, |tally| told.push(tally)) {}
                told
            }
        });
        let ip = udp(2, false);
        let half = worker.find(NEAR, Direction::Outbound, &ip, START).unwrap();
        let passage = Passage {
            sent: &ip,
            arriving: &ip,
            sender: End { port: NEAR, step: Step::Advance(half) },
            receiver: End { port: FAR, step: Step::Nothing },
            there: Forward { port: FAR, ..Forward::default() },
            back: None,
            epoch: EPOCH,
            len: 60,
        };
        worker.commit(&passage, None, START);
        end(&mut worker, 2, 1);
        (0..3).for_each(|_| worker.quiescent());
        assert!(thread.join().unwrap().contains(&1));
    });
}

// ---- the index alone, where keys have to move

/// Lines 0 to 11 fill bucket 0, 12 to 23 bucket 1; what comes then has those two.
fn hash_of(line: u32) -> u64 {
    let (first, second) = match line {
        0..12 => (0, 1 + u64::from(line) % 3),
        12..24 => (1, 2 + u64::from(line) % 2),
        _ => (0, 1),
    };
    // The upper bits of either half name a bucket of four, the lowest of the first are the tag.
    // 24 and 25 have one key, and so one hash.
    let tag = u64::from(if line == 25 { 24 } else { line });
    first << 62 | tag << 32 | second << 30
}

fn crowded() -> Arc<index::Index> {
    let index = Arc::new(index::Index::new(0, sync::Pages::Normal));
    for line in 0..24 {
        assert_eq!(insert(&index, line), index::Put::Done);
    }
    index
}

fn insert(index: &index::Index, line: u32) -> index::Put {
    let is_same = |other: u32| other == line || (other.max(line) == 25 && other.min(line) == 24);
    index.insert(hash_of(line), line, is_same, hash_of)
}

fn has(index: &index::Index, line: u32) -> bool {
    index.find(hash_of(line), |other| other == line) == Some(line)
}

/// All go, and nothing is left behind.
fn clear(index: &index::Index, lines: impl Iterator<Item = u32>) {
    for line in lines {
        assert!(index.remove(hash_of(line), line), "{line}");
        assert!(!index.remove(hash_of(line), line), "{line} was there twice");
    }
    for bucket in index.buckets.iter() {
        let below_the_version = bucket.meta.load(sync::SeqCst) & 0x3_ffff;
        assert_eq!(below_the_version, 0, "keys, and how many lie elsewhere");
        assert!(bucket.slots.iter().all(|slot| slot.load(sync::SeqCst) == 0));
    }
}

fn check_index(body: fn()) {
    shuttle::check_random(body, 1_500);
    shuttle::check_pct(body, 1_500, 3);
}

#[test]
fn keys_that_move_are_found_all_the_time() {
    check_index(|| {
        let index = crowded();
        let reader = {
            let index = Arc::clone(&index);
            thread::spawn(move || {
                for line in (0..24).chain(0..24) {
                    assert!(has(&index, line), "{line}");
                }
            })
        };
        for line in 26..29 {
            assert_eq!(insert(&index, line), index::Put::Done);
        }
        reader.join().unwrap();
        assert!((0..24).chain(26..29).all(|line| has(&index, line)));
        clear(&index, (0..24).chain(26..29));
    });
}

#[test]
fn keys_that_move_are_taken_out_and_replaced() {
    check_index(|| {
        let index = crowded();
        let other = {
            let index = Arc::clone(&index);
            thread::spawn(move || {
                for line in 0..4 {
                    assert!(index.remove(hash_of(line), line), "{line}");
                }
            })
        };
        let third = {
            let index = Arc::clone(&index);
            thread::spawn(move || assert_eq!(insert(&index, 26), index::Put::Done))
        };
        assert_eq!(insert(&index, 27), index::Put::Done);
        other.join().unwrap();
        third.join().unwrap();
        assert!((4..24).chain(26..28).all(|line| has(&index, line)));
        clear(&index, (4..24).chain(26..28));
    });
}

#[test]
fn one_key_goes_in_once_though_others_move() {
    check_index(|| {
        let index = crowded();
        let other = {
            let index = Arc::clone(&index);
            thread::spawn(move || insert(&index, 25))
        };
        let own = insert(&index, 24);
        let other = other.join().unwrap();
        let winner = match (own, other) {
            (index::Put::Done, index::Put::Exists(24)) => 24,
            (index::Put::Exists(25), index::Put::Done) => 25,
            both => panic!("{both:?}"),
        };
        assert!((0..24).chain([winner]).all(|line| has(&index, line)));
        clear(&index, (0..24).chain([winner]));
    });
}
