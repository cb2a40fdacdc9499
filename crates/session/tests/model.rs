//! The model of the table (`support/plain`) against a reference that is slower and more obvious: a list of sessions, each with all that
//! was seen of it, read anew for every packet. Random packets, times and limits drive both; a
//! failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use ringfence_frame::{
    Direction, IcmpKind, Instant, Ip, Protocol, Tcp, TcpFlags, Transport, Tuple, Udp,
};
use ringfence_session::{
    FirstPacket, InterfaceId, Limit, Limits, TcpMidstream, TcpPhase, Timeouts,
};
use support::plain::{Session, SessionRef, Sessions};
use support::{Chance, LOCAL, REMOTE, icmp, ip};

const SEEDS: Range<u64> = 0..10_000;
const STEPS: usize = 60;

#[test]
fn the_table_agrees_with_the_reference() {
    let mut seen = Seen::default();
    for seed in SEEDS {
        Drive::new(seed).run(&mut seen);
    }
    // What the driver reached: a comparison that never got there would prove nothing.
    let Seen { found, opened, refused, superseded, .. } = seen;
    let Seen { established, closed_by_rst, closed_by_fin, ignored, .. } = seen;
    let Seen { session_limit, half_open_limit, quoted, unremembered, midstream, .. } = seen;
    for (what, count, least) in [
        ("packet of a session", found, 60_000),
        ("opened", opened, 50_000),
        ("established", established, 10_000),
        ("closed by a RST", closed_by_rst, 5_000),
        ("of these, a refused connection", refused, 1_000),
        ("closed by the second FIN", closed_by_fin, 600),
        ("RST or FIN outside the window", ignored, 10_000),
        ("SYN on a closing session", superseded, 1_000),
        ("session limit", session_limit, 20_000),
        ("half-open limit", half_open_limit, 10_000),
        ("quoted by an error", quoted, 2_000),
        ("passed unremembered", unremembered, 10_000),
        ("midstream", midstream, 40_000),
    ] {
        assert!(count >= least, "{what}: {count} in all, fewer than {least}");
    }
}

/// How often what happened.
#[derive(Default)]
struct Seen {
    found: u64,
    opened: u64,
    established: u64,
    closed_by_rst: u64,
    refused: u64,
    closed_by_fin: u64,
    ignored: u64,
    superseded: u64,
    session_limit: u64,
    half_open_limit: u64,
    quoted: u64,
    unremembered: u64,
    midstream: u64,
}

// ---- the reference

/// One session, as the specification speaks of it.
#[derive(Clone, Debug)]
struct Known {
    id: u64,
    nic: InterfaceId,
    opened: Direction,
    tuple: Tuple,
    asks: Asks,
    since: Instant,
    timeouts: Timeouts,
    /// TCP segments that count, with whether the opener sent them.
    segments: Vec<(bool, Tcp)>,
    both_ways: bool,
    phase: Option<TcpPhase>,
    dies_after_ms: u64,
}

/// Whether a packet asks, answers, or neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asks {
    Question,
    Answer,
    Neither,
}

impl Asks {
    fn of(ip: &Ip) -> Asks {
        match ip.transport {
            Transport::Icmp(icmp) if icmp.kind == IcmpKind::Query => Asks::Question,
            Transport::Icmp(icmp) if icmp.kind == IcmpKind::Reply => Asks::Answer,
            _ => Asks::Neither,
        }
    }

    fn other_way(self) -> Asks {
        match self {
            Asks::Question => Asks::Answer,
            Asks::Answer => Asks::Question,
            Asks::Neither => Asks::Neither,
        }
    }
}

fn has(segment: &Tcp, flags: TcpFlags) -> bool {
    segment.flags.0 & flags.0 != 0
}

fn asks_for_a_connection(ip: &Ip) -> bool {
    match ip.transport {
        Transport::Tcp(segment) => {
            segment.flags.0 & (TcpFlags::SYN.0 | TcpFlags::ACK.0 | TcpFlags::RST.0)
                == TcpFlags::SYN.0
        }
        _ => false,
    }
}

impl Known {
    fn is_of(&self, nic: InterfaceId, direction: Direction, tuple: Tuple, asks: Asks) -> bool {
        self.nic == nic
            && if direction == self.opened {
                tuple == self.tuple && asks == self.asks
            } else {
                tuple.reversed() == self.tuple && asks == self.asks.other_way()
            }
    }

    fn idle_ms(&self) -> u64 {
        let timeouts = &self.timeouts;
        let timeout = match (self.tuple.protocol, self.phase) {
            (_, Some(TcpPhase::Opening)) => timeouts.tcp_opening,
            (_, Some(TcpPhase::Established)) => timeouts.tcp_established,
            (_, Some(TcpPhase::Closing)) => timeouts.tcp_closed_and_time_wait,
            (Protocol::UDP, _) if self.both_ways => timeouts.udp_stream,
            (Protocol::UDP, _) => timeouts.udp,
            (Protocol::ICMP, _) => timeouts.icmp,
            _ => timeouts.other,
        };
        timeout.as_millis() as u64
    }

    fn last(&self, by_opener: bool, wanted: impl Fn(&Tcp) -> bool) -> Option<Tcp> {
        let mut sent = self.segments.iter().rev().filter(|(opener, _)| *opener == by_opener);
        sent.find(|(_, segment)| wanted(segment)).map(|(_, segment)| *segment)
    }

    fn syn(&self, by_opener: bool) -> Option<Tcp> {
        self.last(by_opener, |segment| has(segment, TcpFlags::SYN))
    }

    /// Where the numbers begin and end (both inside) that the opener may send, or its peer.
    fn window(&self, to_opener: bool) -> Option<(u32, u64)> {
        let acknowledging = self.last(to_opener, |segment| has(segment, TcpFlags::ACK));
        let syns = self.syn(to_opener).zip(self.syn(!to_opener));
        let Some((receivers, senders)) = syns else {
            return acknowledging.map(|segment| (segment.acknowledgement, 65_536));
        };
        let Some(segment) = acknowledging else {
            return Some((senders.sequence.wrapping_add(1), u64::from(receivers.window)));
        };
        let scaled = receivers.window_scale.is_some() && senders.window_scale.is_some();
        let factor = match has(&segment, TcpFlags::SYN) || !scaled {
            true => 1,
            false => 1 << receivers.window_scale.unwrap(),
        };
        Some((segment.acknowledgement, u64::from(segment.window) * factor))
    }

    fn is_inside(&self, by_opener: bool, number: u64) -> bool {
        self.window(!by_opener).is_some_and(|(begin, len)| {
            let distance = (i128::from(number) - i128::from(begin)).rem_euclid(1 << 32);
            distance <= i128::from(len)
        })
    }

    fn refuses(&self, by_opener: bool, segment: &Tcp) -> bool {
        self.phase == Some(TcpPhase::Opening)
            && !by_opener
            && has(segment, TcpFlags::ACK)
            && self.syn(true).is_some_and(|syn| {
                (0..=syn.payload_len).any(|taken| {
                    segment.acknowledgement == syn.sequence.wrapping_add(1).wrapping_add(taken)
                })
            })
    }

    fn has_fin(&self, by_opener: bool) -> bool {
        let later = self.segments.iter().skip(1);
        later
            .into_iter()
            .any(|(opener, segment)| *opener == by_opener && has(segment, TcpFlags::FIN))
    }

    fn take(&mut self, direction: Direction, ip: &Ip, now: Instant, seen: &mut Seen) {
        let by_opener = direction == self.opened;
        let before = self.phase;
        if let Transport::Tcp(segment) = ip.transport {
            if before == Some(TcpPhase::Closing) {
                return;
            }
            let begin = u64::from(segment.sequence);
            let syn_len = u64::from(has(&segment, TcpFlags::SYN));
            let fin = begin + syn_len + u64::from(segment.payload_len);
            if has(&segment, TcpFlags::RST) {
                let refuses = self.refuses(by_opener, &segment);
                if !refuses && !self.is_inside(by_opener, begin) {
                    seen.ignored += 1;
                    return;
                }
                seen.closed_by_rst += 1;
                seen.refused += u64::from(refuses);
                self.phase = Some(TcpPhase::Closing);
            } else {
                let inside = self.is_inside(by_opener, begin) || self.is_inside(by_opener, fin);
                if has(&segment, TcpFlags::FIN) && !inside {
                    seen.ignored += 1;
                    return;
                }
                self.segments.push((by_opener, segment));
                if !by_opener {
                    self.phase = Some(TcpPhase::Established);
                }
                if self.has_fin(true) && self.has_fin(false) {
                    seen.closed_by_fin += 1;
                    self.phase = Some(TcpPhase::Closing);
                }
            }
            let established = Some(TcpPhase::Established);
            seen.established += u64::from(before != established && self.phase == established);
        }
        self.both_ways |= !by_opener;
        self.dies_after_ms = now.as_ms() + self.idle_ms();
    }
}

fn first_packet(ip: &Ip, midstream: TcpMidstream) -> FirstPacket {
    let rst = |segment: Tcp| has(&segment, TcpFlags::RST);
    match ip.transport {
        Transport::Tcp(_) if asks_for_a_connection(ip) => FirstPacket::Opens,
        Transport::Tcp(_) if midstream == TcpMidstream::Drop => FirstPacket::Midstream,
        Transport::Tcp(segment) if rst(segment) => FirstPacket::PassesUnremembered,
        _ => FirstPacket::Opens,
    }
}

// ---- the driver

struct Drive {
    seed: u64,
    chance: Chance,
    now: Instant,
    limits: Limits,
    midstream: TcpMidstream,
    known: Vec<Known>,
    opened: u64,
    table: Sessions<u64>,
}

impl Drive {
    fn new(seed: u64) -> Drive {
        let mut chance = Chance(seed);
        let limits = Limits {
            sessions_max: 1 + chance.below(8) as usize,
            sessions_per_interface_max: 1 + chance.below(5) as usize,
            half_open_per_interface_max: chance.below(4) as usize,
        };
        let midstream = chance.pick(&[TcpMidstream::PickUp, TcpMidstream::Drop]);
        let table = Sessions::new(limits);
        let now = Instant::from_ns(chance.below(3_000_000));
        Drive { seed, chance, now, limits, midstream, known: Vec::new(), opened: 0, table }
    }

    fn run(&mut self, seen: &mut Seen) {
        for step in 0..STEPS {
            self.pass_time();
            if self.chance.one_in(6) {
                let slice_max = self.chance.pick(&[0, 1, 2, usize::MAX]);
                assert!(self.table.expire(self.now, slice_max) <= slice_max);
            }
            match self.chance.below(12) {
                0 => self.quote(seen),
                1 => self.end_one(),
                _ => self.send(seen),
            }
            self.compare(step);
        }
        self.table.expire(self.now, usize::MAX);
        assert_eq!(self.table.len(), self.known.len(), "{}", self.seed);
    }

    fn pass_time(&mut self) {
        let step_ns = self.chance.pick(&[0, 1, 300_000, 1_000_000, 2_500_000]);
        let mut then = self.now.as_ns() + step_ns;
        if self.chance.one_in(8) && !self.known.is_empty() {
            let which = self.chance.below(self.known.len() as u64) as usize;
            let around = self.chance.pick(&[0, 999_999, 1_000_000]);
            then = then.max(self.known[which].dies_after_ms * 1_000_000 + around);
        }
        self.now = Instant::from_ns(then);
        let now_ms = self.now.as_ms();
        self.known.retain(|known| now_ms <= known.dies_after_ms);
    }

    fn send(&mut self, seen: &mut Seen) {
        let mut nic = 1 + self.chance.below(2) as InterfaceId;
        let direction = self.chance.pick(&[Direction::Inbound, Direction::Outbound]);
        let mut ip = self.packet(nic, direction);
        // Twice in three times for a TCP session that is there, so that some grow old.
        let tcp = self.known.iter().filter(|known| known.phase.is_some());
        let tcp: Vec<_> = tcp.map(|known| (known.nic, known.opened, known.tuple)).collect();
        if !tcp.is_empty() && !self.chance.one_in(3) {
            let (its_nic, opened, tuple) = self.chance.pick(&tcp);
            let tuple = if direction == opened { tuple } else { tuple.reversed() };
            let segment = Transport::Tcp(self.segment(its_nic, direction, tuple));
            nic = its_nic;
            ip = support::ip(tuple.source, tuple.target, Protocol::TCP, segment);
        }
        let of = |known: &Known| known.is_of(nic, direction, ip.tuple(), Asks::of(&ip));
        let error = matches!(ip.transport, Transport::Icmp(icmp)
            if matches!(icmp.kind, IcmpKind::Error { .. }));
        let position = if error { None } else { self.known.iter().position(of) };
        let superseded = position.is_some_and(|position| {
            self.known[position].phase == Some(TcpPhase::Closing) && asks_for_a_connection(&ip)
        });
        let expected = position.filter(|_| !superseded);
        let found = self.table.find(nic, direction, &ip, self.now);
        let expected_id = expected.map(|position| self.known[position].id);
        assert_eq!(found.map(|found| found.id().0), expected_id, "seed {}", self.seed);
        // A packet that is dropped elsewhere changes nothing.
        if self.chance.one_in(10) {
            return;
        }
        match (found, expected) {
            (Some(found), Some(position)) => {
                seen.found += 1;
                self.table.advance(found, direction, &ip, self.now);
                self.known[position].take(direction, &ip, self.now, seen);
            }
            _ if error => {
                let sort = FirstPacket::of(&ip, self.midstream);
                assert_eq!(sort, FirstPacket::PassesUnremembered, "seed {}", self.seed);
            }
            _ => self.first(nic, direction, &ip, superseded.then_some(position).flatten(), seen),
        }
    }

    fn first(
        &mut self,
        nic: InterfaceId,
        direction: Direction,
        ip: &Ip,
        superseded: Option<usize>,
        seen: &mut Seen,
    ) {
        let sort = FirstPacket::of(ip, self.midstream);
        assert_eq!(sort, first_packet(ip, self.midstream), "seed {}", self.seed);
        match sort {
            FirstPacket::Opens => {}
            FirstPacket::PassesUnremembered => return seen.unremembered += 1,
            FirstPacket::Midstream => return seen.midstream += 1,
        }
        let others: &[InterfaceId] = self.chance.pick(&[&[], &[1], &[2]]);
        let room = self.table.check_room(nic, ip, others, self.now);
        assert_eq!(room, self.room(nic, ip, others), "seed {}", self.seed);
        match room {
            Ok(()) => {}
            Err(Limit::Sessions) => return seen.session_limit += 1,
            Err(Limit::HalfOpen) => return seen.half_open_limit += 1,
        }
        if let Some(position) = superseded {
            seen.superseded += 1;
            self.known.remove(position);
        }
        seen.opened += 1;
        self.opened += 1;
        let timeouts = self.timeouts();
        let mut known = Known {
            id: self.opened,
            nic,
            opened: direction,
            tuple: ip.tuple(),
            asks: Asks::of(ip),
            since: self.now,
            timeouts,
            segments: Vec::new(),
            both_ways: false,
            phase: None,
            dies_after_ms: 0,
        };
        if let Transport::Tcp(segment) = ip.transport {
            known.segments.push((true, segment));
            known.phase = Some(TcpPhase::Opening);
        }
        known.dies_after_ms = self.now.as_ms() + known.idle_ms();
        self.known.push(known);
        let id = self.table.open(nic, direction, ip, &timeouts, self.opened, self.now);
        assert_eq!(id.0, self.opened, "seed {}", self.seed);
    }

    fn room(&self, nic: InterfaceId, ip: &Ip, others: &[InterfaceId]) -> Result<(), Limit> {
        let own = self.known.iter().filter(|known| known.nic == nic);
        let half_open = own.clone().filter(|known| known.phase == Some(TcpPhase::Opening)).count();
        let another = usize::from(others.contains(&nic));
        if self.known.len() + others.len() + 1 > self.limits.sessions_max
            || own.count() + another + 1 > self.limits.sessions_per_interface_max
        {
            return Err(Limit::Sessions);
        }
        let opening = usize::from(matches!(ip.transport, Transport::Tcp(_)));
        if opening == 1 && half_open + another + 1 > self.limits.half_open_per_interface_max {
            return Err(Limit::HalfOpen);
        }
        Ok(())
    }

    /// An ICMP error about one of the tuples in use.
    fn quote(&mut self, seen: &mut Seen) {
        let nic = 1 + self.chance.below(2) as InterfaceId;
        let direction = self.chance.pick(&[Direction::Inbound, Direction::Outbound]);
        let quoted = self.packet(nic, direction.opposite()).tuple();
        let kinds: &[Asks] = match quoted.protocol {
            Protocol::ICMP => &[Asks::Question, Asks::Answer, Asks::Neither],
            _ => &[Asks::Neither],
        };
        let expected = kinds.iter().find_map(|asks| {
            self.known.iter().find(|known| known.is_of(nic, direction.opposite(), quoted, *asks))
        });
        let found = self.table.find_quoted(nic, direction, &quoted, self.now);
        let expected_id = expected.map(|known| known.id);
        assert_eq!(found.map(|found| found.id().0), expected_id, "seed {}", self.seed);
        seen.quoted += u64::from(found.is_some());
    }

    /// A session is cut.
    fn end_one(&mut self) {
        if self.known.is_empty() || !self.chance.one_in(3) {
            return;
        }
        let which = self.chance.below(self.known.len() as u64) as usize;
        let known = self.known.remove(which);
        let found = self.table_find(&known);
        assert_eq!(self.table.remove(found).note, known.id, "seed {}", self.seed);
    }

    fn table_find(&self, known: &Known) -> SessionRef {
        let back = known.opened.opposite();
        let found = self.table.find_quoted(known.nic, back, &known.tuple, self.now);
        let found = found.filter(|found| found.id().0 == known.id);
        // Of two that ping each other, an error's search prefers one; by its packet each is found.
        found.unwrap_or_else(|| {
            let kind = match known.asks {
                Asks::Question => IcmpKind::Query,
                Asks::Answer => IcmpKind::Reply,
                Asks::Neither => IcmpKind::Other,
            };
            let transport = icmp(kind, known.tuple.source_port);
            let packet = ip(known.tuple.source, known.tuple.target, Protocol::ICMP, transport);
            self.table.find(known.nic, known.opened, &packet, self.now).expect("it is known")
        })
    }

    fn compare(&self, step: usize) {
        let Drive { seed, now, .. } = *self;
        let is_live = |session: &&Session<u64>| now.as_ms() <= session.deadline.as_ms();
        let table: Vec<_> = self.table.iter().filter(is_live).copied().collect();
        let reference = |known: &Known| Session {
            id: ringfence_session::SessionId(known.id),
            interface: known.nic,
            opened: known.opened,
            tuple: known.tuple,
            since: known.since,
            deadline: Instant::from_ms(known.dies_after_ms),
            tcp: known.phase,
            note: known.id,
        };
        let reference: Vec<_> = self.known.iter().map(reference).collect();
        assert_eq!(table, reference, "seed {seed}, step {step}");
        for known in &self.known {
            assert_eq!(self.table.get(self.table_find(known)).id.0, known.id, "seed {seed}");
        }
        let first = self.known.iter().map(|known| known.dies_after_ms).min();
        let next_ms = self.table.next_deadline().map(Instant::as_ms);
        assert_eq!(next_ms.is_some(), !self.table.is_empty(), "seed {seed}, step {step}");
        if let Some(first) = first {
            assert!(next_ms.unwrap() <= first + 1, "seed {seed}, step {step}");
        }
    }

    fn timeouts(&mut self) -> Timeouts {
        let chance = &mut self.chance;
        let mut timeout = || Duration::from_micros(chance.pick(&[2_000, 9_500, 20_000, 50_000]));
        Timeouts {
            tcp_opening: timeout(),
            tcp_established: timeout(),
            tcp_closed_and_time_wait: timeout(),
            udp: timeout(),
            udp_stream: timeout(),
            icmp: timeout(),
            other: timeout(),
        }
    }

    fn packet(&mut self, nic: InterfaceId, direction: Direction) -> Ip {
        let chance = &mut self.chance;
        let (mut source, mut target) = (LOCAL, REMOTE);
        if chance.one_in(10) {
            target = chance.pick::<IpAddr>(&[LOCAL, IpAddr::from([203, 0, 113, 8])]);
        }
        let (mut source_port, mut target_port) = (chance.pick(&[80, 81]), 80);
        if direction == Direction::Inbound {
            (source, target) = (target, source);
            (source_port, target_port) = (target_port, source_port);
        }
        let identifier = chance.pick(&[0, 80]);
        let (protocol, transport) = match chance.below(16) {
            0 => (Protocol::UDP, Transport::Udp(Udp { source_port, target_port, payload_len: 0 })),
            1 => (Protocol::ICMP, icmp(IcmpKind::Query, identifier)),
            2 => (Protocol::ICMP, icmp(IcmpKind::Reply, identifier)),
            3 => {
                let error = IcmpKind::Error { quoted: None, path_mtu: false };
                (Protocol::ICMP, icmp(chance.pick(&[IcmpKind::Other, error]), 0))
            }
            4 => (chance.pick(&[Protocol::GRE, Protocol(50)]), Transport::Other),
            _ => {
                let tuple =
                    Tuple { source, target, protocol: Protocol::TCP, source_port, target_port };
                (Protocol::TCP, Transport::Tcp(self.segment(nic, direction, tuple)))
            }
        };
        ip(source, target, protocol, transport)
    }

    /// A segment whose numbers lie around the edges that its session has.
    fn segment(&mut self, nic: InterfaceId, direction: Direction, tuple: Tuple) -> Tcp {
        let known = self.known.iter().find(|k| k.is_of(nic, direction, tuple, Asks::Neither));
        let chance = &mut self.chance;
        let mut edges = vec![1_000, u32::MAX];
        let mut acknowledgements = vec![1_000, 1_001, u32::MAX, 0];
        if let Some(known) = known {
            let by_opener = direction == known.opened;
            if let Some((begin, len)) = known.window(!by_opener) {
                edges = vec![begin, begin, begin, begin.wrapping_add(len as u32)];
            }
            if let Some(syn) = known.syn(!by_opener) {
                let next = syn.sequence.wrapping_add(1);
                acknowledgements = vec![next, next.wrapping_add(syn.payload_len)];
            }
        }
        let around = [0, 0, 0, 1, u32::MAX];
        // Any combination of the flags that matter, now and then.
        let any = TcpFlags(chance.next() as u8 & 0x17);
        let flags = chance.pick(&[
            TcpFlags::SYN,
            TcpFlags::SYN,
            TcpFlags::SYN.with(TcpFlags::ACK),
            TcpFlags::ACK,
            TcpFlags::ACK,
            TcpFlags::FIN.with(TcpFlags::ACK),
            TcpFlags::FIN.with(TcpFlags::ACK),
            TcpFlags::RST,
            TcpFlags::RST.with(TcpFlags::ACK),
            any,
        ]);
        let sequence = chance.pick(&edges).wrapping_add(chance.pick(&around));
        let acknowledgement = chance.pick(&acknowledgements).wrapping_add(chance.pick(&around));
        let payload_len = chance.pick(&[0, 0, 1, 5]);
        // One that begins before the edge, so that its FIN lies on it.
        let sequence = match chance.one_in(3) {
            true => sequence.wrapping_sub(payload_len),
            false => sequence,
        };
        Tcp {
            source_port: tuple.source_port,
            target_port: tuple.target_port,
            sequence,
            acknowledgement,
            flags,
            window: chance.pick(&[0, 1, 10, 65_535]),
            window_scale: chance.pick(&[None, Some(0), Some(2), Some(14)]),
            payload_len,
        }
    }
}
