//! The flow table against its model (`support/plain`), which has one entry for each half: random
//! packets between interfaces and outside ports, translated or not, spoofed now and then; sessions
//! cut, timeouts and epochs changed, limits met, two workers in turn. After each step both have
//! the same sessions, and at the end every frame was counted for the sessions it was let through by.
//! A failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ringfence_frame::{
    Direction, Icmp, IcmpKind, Instant, Ip, Protocol, Tcp, TcpFlags, Transport, Udp,
};
use ringfence_session::{
    End, Family, FirstPacket, FlowWorker, Flows, FlowsConfig, Forward, Key, Limits, Opening,
    Passage, PortId, Room, Session, Step, TallySearch, TcpMidstream, TcpNote, Timeouts, V4, V6,
};
use support::plain::{SessionRef, Sessions};
use support::{Chance, ip};

const SEEDS: u64 = 4_000;
const STEPS: usize = 80;
const INTERFACES: u32 = 3;
const PORTS: [PortId; 5] = [0, 1, 2, 3, 4];

#[test]
fn the_table_agrees_with_its_model() {
    let mut seen = BTreeMap::new();
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut drive = Drive::new(seed);
            drive.run();
            drive.seen
        });
        let of_seed = outcome.unwrap_or_else(|cause| {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause)
        });
        for (what, count) in of_seed {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    // What the driver reached: a comparison that never got there would prove nothing.
    for (what, least) in [
        ("short way", 3_000),
        ("short way, tcp", 400),
        ("short way, both ends", 800),
        ("opened both", 8_000),
        ("opened one", 16_000),
        ("advanced both", 5_000),
        ("advanced one, opened one", 1_500),
        ("advanced one, passed the other unremembered", 60),
        ("session limit", 7_000),
        ("half-open limit", 4_000),
        ("cut", 4_000),
        ("quoted", 200),
        ("searched", 10_000),
    ] {
        let count = seen.get(what).copied().unwrap_or(0);
        assert!(count >= least, "{what}: {count} in all, fewer than {least}; {seen:?}");
    }
}

/// What the model keeps with a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Note {
    icmp: Option<(u8, u8)>,
    over_internet: bool,
    tally: u32,
    epoch: u32,
}

struct Drive {
    chance: Chance,
    now: Instant,
    is_v6: bool,
    epoch: u32,
    midstream: TcpMidstream,
    timeouts: Vec<Timeouts>,
    flows: Arc<Flows>,
    workers: Vec<FlowWorker>,
    model: Sessions<Note>,
    recent: Vec<Frame>,
    tallies: u32,
    /// Frames and bytes that each tally should have.
    counted: BTreeMap<u32, (u64, u64)>,
    search: Option<Search>,
    seen: BTreeMap<&'static str, u64>,
}

/// A search for the tallies that flows count for, under way.
struct Search {
    search: TallySearch,
    /// What was counted for when it began.
    held: Vec<u32>,
    told: Vec<u32>,
}

/// A packet on its way.
#[derive(Clone, Copy)]
struct Frame {
    from: PortId,
    /// Whose address the source is: where answers go.
    named: PortId,
    to: PortId,
    sent: Ip,
    arriving: Ip,
    len: u32,
}

impl Frame {
    /// The answer.
    fn answered(self) -> Frame {
        let Frame { named, to, sent, arriving, len, .. } = self;
        let turned = |packet: Ip| {
            let transport = match packet.transport {
                Transport::Tcp(tcp) => Transport::Tcp(Tcp {
                    source_port: tcp.target_port,
                    target_port: tcp.source_port,
                    ..tcp
                }),
                Transport::Udp(udp) => Transport::Udp(Udp {
                    source_port: udp.target_port,
                    target_port: udp.source_port,
                    ..udp
                }),
                Transport::Icmp(icmp) => Transport::Icmp(Icmp {
                    kind: match icmp.kind {
                        IcmpKind::Query => IcmpKind::Reply,
                        IcmpKind::Reply => IcmpKind::Query,
                        kind => kind,
                    },
                    ..icmp
                }),
                other => other,
            };
            Ip { source: packet.target, target: packet.source, transport, ..packet }
        };
        Frame {
            from: to,
            named: to,
            to: named,
            sent: turned(arriving),
            arriving: turned(sent),
            len,
        }
    }
}

/// What one end does with it, in the model.
#[derive(Clone, Copy)]
enum Does {
    Outside,
    Nothing,
    Advance(SessionRef),
    Open(Note),
}

impl Drive {
    fn new(seed: u64) -> Drive {
        let mut chance = Chance(seed);
        let limits = Limits {
            sessions_max: 2 + chance.below(12) as usize,
            sessions_per_interface_max: 1 + chance.below(7) as usize,
            half_open_per_interface_max: chance.below(5) as usize,
        };
        let flows = Arc::new(Flows::new(FlowsConfig {
            limits,
            capacity: chance.pick(&[16, 64]),
            interfaces: INTERFACES as usize,
            workers_max: 2,
            numbered: true,
            seed,
            huge_pages: false,
        }));
        let workers = (0..2).map(|_| flows.register().unwrap()).collect();
        assert!(flows.register().is_none());
        let mut drive = Drive {
            now: Instant::from_ns(chance.below(3_000_000)),
            is_v6: chance.one_in(2),
            epoch: 1,
            midstream: chance.pick(&[TcpMidstream::PickUp, TcpMidstream::Drop]),
            timeouts: Vec::new(),
            chance,
            flows,
            workers,
            model: Sessions::new(limits),
            recent: Vec::new(),
            tallies: 0,
            counted: BTreeMap::new(),
            search: None,
            seen: BTreeMap::new(),
        };
        drive.timeouts = (0..INTERFACES).map(|_| drive.some_timeouts()).collect();
        drive
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.pass_time();
            match self.chance.below(24) {
                0 => self.epoch += 1,
                1 => {
                    let interface = self.chance.below(u64::from(INTERFACES)) as usize;
                    self.timeouts[interface] = self.some_timeouts();
                }
                2 => self.cut(),
                4 => {
                    let slice_max = self.chance.pick(&[1, 64, usize::MAX]);
                    self.model.expire(self.now, slice_max);
                    let worker = self.chance.below(2) as usize;
                    self.workers[worker].expire(self.now, slice_max);
                }
                5 => self.quote(),
                6 => self.workers.swap(0, 1),
                _ => self.send(),
            }
            self.workers.iter_mut().for_each(FlowWorker::quiescent);
            self.compare();
            self.search();
        }
        self.compare_tallies();
        self.workers[0].expire(self.now, usize::MAX);
        self.model.expire(self.now, usize::MAX);
        assert_eq!(self.flows.len(), self.model.len());
        for interface in 0..INTERFACES {
            let own = self.model.iter().filter(|session| session.interface == interface);
            let opening = Some(ringfence_session::TcpPhase::Opening);
            let own: Vec<_> = own.collect();
            let half_open = own.iter().filter(|session| session.tcp == opening).count();
            assert_eq!(self.flows.usage(interface), (own.len(), half_open));
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_insert(0) += 1;
    }

    fn pass_time(&mut self) {
        let step_ns = self.chance.pick(&[0, 1, 300_000, 1_000_000, 2_500_000]);
        let mut then = self.now.as_ns() + step_ns;
        let deadlines: Vec<u64> = self.live().iter().map(|it| it.deadline.as_ms()).collect();
        if self.chance.one_in(12) && !deadlines.is_empty() {
            let around = self.chance.pick(&[0, 999_999, 1_000_000]);
            then = then.max(self.chance.pick(&deadlines) * 1_000_000 + around);
        }
        self.now = Instant::from_ns(then);
        // The model knows no worker that is behind, for whom the dead would count at a limit.
        for worker in &mut self.workers {
            worker.expire(self.now, 0);
        }
    }

    fn send(&mut self) {
        let frame = self.frame();
        if self.chance.one_in(2) && self.short_way(&frame) {
            return;
        }
        let Frame { from, to, sent, arriving, len, .. } = frame;
        let Some(sender) = self.ask(from, Direction::Outbound, &sent) else { return };
        let Some(receiver) = self.ask(to, Direction::Inbound, &arriving) else { return };
        let Some(room) = self.reserve([(from, sender), (to, receiver)], &sent, &arriving) else {
            return;
        };
        // Dropped elsewhere: nothing changes.
        if self.chance.one_in(12) {
            return self.workers[0].release(room);
        }
        match [sender, receiver] {
            [Does::Open(_), Does::Open(_)] => self.note("opened both"),
            [Does::Open(_), Does::Outside] | [Does::Outside, Does::Open(_)] => {
                self.note("opened one");
            }
            [Does::Advance(_), Does::Advance(_)] => self.note("advanced both"),
            [Does::Advance(_), Does::Open(_)] | [Does::Open(_), Does::Advance(_)] => {
                self.note("advanced one, opened one");
            }
            [Does::Advance(_), Does::Nothing] | [Does::Nothing, Does::Advance(_)] => {
                self.note("advanced one, passed the other unremembered");
            }
            _ => {}
        }
        let timeouts = self.timeouts.clone();
        let worker = &self.workers[0];
        let step = |does: &Does, port: PortId, direction, packet: &Ip| match does {
            Does::Outside => Step::Outside,
            Does::Nothing => Step::Nothing,
            Does::Advance(_) => {
                Step::Advance(worker.find(port, direction, packet, self.now).unwrap())
            }
            Does::Open(note) => Step::Open(Opening {
                timeouts: &timeouts[port as usize],
                over_internet: note.over_internet,
                tally: note.tally,
            }),
        };
        let sender_step = step(&sender, from, Direction::Outbound, &sent);
        let receiver_step = step(&receiver, to, Direction::Inbound, &arriving);
        let back = Forward { port: from, hops: 1, ..Forward::default() };
        let passage = Passage {
            sent: &sent,
            arriving: &arriving,
            sender: End { port: from, step: sender_step },
            receiver: End { port: to, step: receiver_step },
            there: Forward { port: to, hops: 2, ..Forward::default() },
            back: (from == frame.named && !self.chance.one_in(4)).then_some(back),
            epoch: self.epoch,
            len,
        };
        let opened = self.workers[0].commit(&passage, Some(room), self.now);
        let expected = [
            self.install(sender, from, Direction::Outbound, &sent, len),
            self.install(receiver, to, Direction::Inbound, &arriving, len),
        ];
        assert_eq!(opened.map(|id| id.map(|id| id.0)), expected);
    }

    /// Whether the frame went the short way; then the model says that it may.
    fn short_way(&mut self, frame: &Frame) -> bool {
        let tcp = match frame.sent.transport {
            Transport::Tcp(segment) => {
                let special = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;
                if segment.flags.0 & special != 0 {
                    return false;
                }
                let acknowledges = segment.flags.contains(TcpFlags::ACK);
                Some(TcpNote {
                    acknowledgement: acknowledges.then_some(segment.acknowledgement),
                    window: segment.window,
                })
            }
            Transport::LaterFragment => return false,
            _ => None,
        };
        let went = match Key::of(frame.from, Direction::Outbound, &frame.sent) {
            None => false,
            Some(Key::V4(key)) => self.short_way_in::<V4>(&key, frame, tcp),
            Some(Key::V6(key)) => self.short_way_in::<V6>(&key, frame, tcp),
        };
        if !went {
            return false;
        }
        self.note("short way");
        if tcp.is_some() {
            self.note("short way, tcp");
        }
        let mut ends = 0;
        for (port, direction, packet) in [
            (frame.from, Direction::Outbound, frame.sent),
            (frame.to, Direction::Inbound, frame.arriving),
        ] {
            if port < INTERFACES {
                ends += 1;
                let found = self.model.find(port, direction, &packet, self.now);
                let found = found.expect("both ends have a session");
                let Note { epoch, tally, .. } = self.model.get(found).note;
                assert_eq!(epoch, self.epoch, "found good under the epoch");
                self.model.advance(found, direction, &packet, self.now);
                self.count(tally, frame.len);
            }
        }
        if ends == 2 {
            self.note("short way, both ends");
        }
        true
    }

    fn short_way_in<F: Family>(
        &mut self,
        key: &F::Key,
        frame: &Frame,
        tcp: Option<TcpNote>,
    ) -> bool {
        let (worker, now_ms) = (&self.workers[0], self.now.as_ms() as u32);
        let hash = worker.hash::<F>(key);
        worker.prefetch_bucket::<F>(hash);
        let likely = worker.prefetch_line::<F>(key, hash);
        let looked_for = worker.established::<F>(key, self.epoch, now_ms);
        // its bucket may name another line first, but never none
        let found = worker.established_at::<F>(likely, key, self.epoch, now_ms);
        assert!(found.is_none() || looked_for.is_some());
        assert!(looked_for.is_none() || !likely.is_none());
        let Some(found) = looked_for else { return false };
        let session = |port: PortId, direction, packet: &Ip| {
            let found = self.model.find(port, direction, packet, self.now);
            found.map(|found| found.id()).filter(|_| port < INTERFACES)
        };
        let sender = session(frame.from, Direction::Outbound, &frame.sent);
        let receiver = session(frame.to, Direction::Inbound, &frame.arriving);
        assert_eq!((found.sender_session(), found.receiver_session()), (sender, receiver));
        assert_eq!(found.forward().port, frame.to);
        found.touch(now_ms, frame.len, tcp);
        true
    }

    /// Asks one end: `None` drops the packet.
    fn ask(&mut self, port: PortId, direction: Direction, packet: &Ip) -> Option<Does> {
        if port >= INTERFACES {
            return Some(Does::Outside);
        }
        let found = self.model.find(port, direction, packet, self.now);
        let half = self.workers[0].find(port, direction, packet, self.now);
        let worker = &self.workers[0];
        let ids = (found.map(|it| it.id()), half.map(|half| worker.session(half).id));
        assert_eq!(ids.0, ids.1);
        if let (Some(found), Some(half)) = (found, half) {
            assert_eq!(worker.epoch(half), self.model.get(found).note.epoch);
            worker.restamp(half, self.epoch);
            self.model.note_mut(found).epoch = self.epoch;
            return Some(Does::Advance(found));
        }
        match FirstPacket::of(packet, self.midstream) {
            FirstPacket::Midstream => None,
            _ if self.chance.one_in(8) => None,
            FirstPacket::PassesUnremembered => Some(Does::Nothing),
            FirstPacket::Opens => {
                self.tallies += 1;
                let icmp = match packet.transport {
                    Transport::Icmp(Icmp { icmp_type, code, .. }) => Some((icmp_type, code)),
                    _ => None,
                };
                let over_internet = self.chance.one_in(2);
                Some(Does::Open(Note {
                    icmp,
                    over_internet,
                    tally: self.tallies,
                    epoch: self.epoch,
                }))
            }
        }
    }

    fn reserve(&mut self, ends: [(PortId, Does); 2], sent: &Ip, arriving: &Ip) -> Option<Room> {
        let packets = [sent, arriving];
        let opens = |(_, does): &(PortId, Does)| matches!(does, Does::Open(_));
        let opening: Vec<(PortId, &Ip)> = ends
            .iter()
            .zip(packets)
            .filter(|(end, _)| opens(end))
            .map(|((port, _), packet)| (*port, packet))
            .collect();
        let ports: Vec<PortId> = opening.iter().map(|(port, _)| *port).collect();
        let expected = opening.iter().enumerate().find_map(|(position, (port, packet))| {
            let others = &ports[..position];
            let room = self.model.check_room(*port, packet, others, self.now);
            room.err().map(|limit| (position, limit))
        });
        match self.workers[0].reserve(&ports, sent, self.now) {
            Ok(room) => {
                assert_eq!(expected, None);
                Some(room)
            }
            Err(refused) => {
                assert_eq!(Some(refused), expected);
                self.note(match refused.1 {
                    ringfence_session::Limit::Sessions => "session limit",
                    ringfence_session::Limit::HalfOpen => "half-open limit",
                });
                None
            }
        }
    }

    fn install(
        &mut self,
        does: Does,
        port: PortId,
        direction: Direction,
        packet: &Ip,
        len: u32,
    ) -> Option<u64> {
        match does {
            Does::Outside | Does::Nothing => None,
            Does::Advance(found) => {
                let tally = self.model.get(found).note.tally;
                self.count(tally, len);
                self.model.advance(found, direction, packet, self.now);
                None
            }
            Does::Open(note) => {
                self.count(note.tally, len);
                let timeouts = self.timeouts[port as usize];
                Some(self.model.open(port, direction, packet, &timeouts, note, self.now).0)
            }
        }
    }

    fn count(&mut self, tally: u32, len: u32) {
        let sum = self.counted.entry(tally).or_default();
        *sum = (sum.0 + 1, sum.1 + u64::from(len));
    }

    fn live(&self) -> Vec<support::plain::Session<Note>> {
        let is_live =
            |session: &&support::plain::Session<Note>| self.now.as_ms() <= session.deadline.as_ms();
        self.model.iter().filter(is_live).copied().collect()
    }

    /// A session is cut, as a rule change would.
    fn cut(&mut self) {
        let live = self.live();
        if live.is_empty() {
            return;
        }
        let session = self.chance.pick(&live);
        let back = session.opened.opposite();
        let id = session.id;
        let found = self.model.find_quoted(session.interface, back, &session.tuple, self.now);
        let half = self.workers[0].find_quoted(session.interface, back, &session.tuple, self.now);
        let (found, half) = (found.unwrap(), half.unwrap());
        assert_eq!(found.id(), self.workers[0].session(half).id);
        // Of two that ping each other the search prefers one.
        if found.id() == id {
            self.note("cut");
            self.model.remove(found);
            self.workers[0].end(half, self.now);
        }
    }

    fn quote(&mut self) {
        let frame = self.frame();
        let direction = self.chance.pick(&[Direction::Inbound, Direction::Outbound]);
        let port = self.chance.below(u64::from(INTERFACES)) as PortId;
        let tuple = frame.sent.tuple();
        let found = self.model.find_quoted(port, direction, &tuple, self.now);
        let half = self.workers[0].find_quoted(port, direction, &tuple, self.now);
        let id = half.map(|half| self.workers[0].session(half).id);
        assert_eq!(found.map(|found| found.id()), id);
        if found.is_some() {
            self.note("quoted");
        }
    }

    fn compare(&self) {
        let is_live = |session: &Session| self.now.as_ms() <= session.deadline.as_ms();
        let table: Vec<Session> = self.flows.sessions().into_iter().filter(is_live).collect();
        let told = |session: support::plain::Session<Note>| {
            let Note { icmp, over_internet, tally, epoch } = session.note;
            Session {
                id: session.id,
                interface: session.interface,
                opened: session.opened,
                tuple: session.tuple,
                icmp,
                over_internet,
                deadline: session.deadline,
                tcp: session.tcp,
                tally,
                epoch,
            }
        };
        let model: Vec<Session> = self.live().into_iter().map(told).collect();
        assert_eq!(table, model);
    }

    /// A slice of a search: what was counted for when it began and still is at its end is told by then,
    /// wherever it has moved in between.
    fn search(&mut self) {
        let live: Vec<u32> = self.live().iter().map(|session| session.note.tally).collect();
        let mut under_way = self.search.take().unwrap_or_else(|| Search {
            search: self.flows.search_tallies(),
            held: live.clone(),
            told: Vec::new(),
        });
        let slice_max = self.chance.pick(&[1, 2, 16]);
        let Search { search, held, told } = &mut under_way;
        if !self.flows.held_tallies(search, slice_max, |tally| told.push(tally)) {
            self.search = Some(under_way);
            return;
        }
        let missed = held.iter().find(|tally| live.contains(tally) && !told.contains(tally));
        assert_eq!(missed, None, "{told:?}");
        self.note("searched");
    }

    fn compare_tallies(&mut self) {
        for _ in 0..4 {
            self.workers.iter_mut().for_each(FlowWorker::quiescent);
        }
        let mut sums: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        let mut add = |tally, frames, bytes| {
            let sum = sums.entry(tally).or_default();
            *sum = (sum.0 + frames, sum.1 + bytes);
        };
        self.flows.running_tallies(&mut add);
        self.workers.iter_mut().for_each(|worker| worker.drain_tallies(&mut add));
        sums.retain(|_, sum| *sum != (0, 0));
        assert_eq!(sums, self.counted);
    }

    fn some_timeouts(&mut self) -> Timeouts {
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

    /// The address of whoever is behind a port, among neighbours or on the Internet.
    fn address(&self, port: PortId, is_public: bool) -> IpAddr {
        let host = if is_public { 0x100 } else { 0 } + port as u16;
        match self.is_v6 {
            false => IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + u32::from(host))),
            true => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)),
        }
    }

    /// A packet, most of the time one of a flow that was met before.
    fn frame(&mut self) -> Frame {
        if self.recent.is_empty() || self.chance.one_in(4) {
            let frame = self.any_frame();
            self.recent.truncate(5);
            self.recent.insert(0, frame);
            return frame;
        }
        let frame = self.chance.pick(&self.recent);
        let frame = if self.chance.one_in(2) { frame } else { frame.answered() };
        let Transport::Tcp(segment) = frame.sent.transport else { return frame };
        let segment = self.segment(segment.source_port, segment.target_port);
        let transport = Transport::Tcp(segment);
        let (sent, arriving) = (frame.sent, frame.arriving);
        Frame {
            sent: Ip { transport, ..sent },
            arriving: Ip { transport, ..arriving },
            len: 60 + self.chance.below(1400) as u32,
            ..frame
        }
    }

    fn any_frame(&mut self) -> Frame {
        let from = self.chance.pick(&PORTS);
        let to = self.chance.pick(&PORTS);
        // Who is reached at the public address is translated, and so is who reaches it.
        let is_public = self.chance.one_in(3);
        let named = if self.chance.one_in(16) { self.chance.pick(&PORTS) } else { from };
        let (source_port, target_port) = self.chance.pick(&[(80, 80), (80, 81), (81, 80)]);
        let identifier = self.chance.pick(&[0, 80]);
        let icmp_protocol = if self.is_v6 { Protocol::ICMPV6 } else { Protocol::ICMP };
        let (icmp_type, code) = (self.chance.below(9) as u8, self.chance.below(3) as u8);
        let message = |kind| Transport::Icmp(Icmp { icmp_type, code, identifier, kind });
        let (protocol, transport) = match self.chance.below(16) {
            0..=3 => {
                (Protocol::UDP, Transport::Udp(Udp { source_port, target_port, payload_len: 0 }))
            }
            4 => (icmp_protocol, message(IcmpKind::Query)),
            5 => (icmp_protocol, message(IcmpKind::Reply)),
            6 => (icmp_protocol, message(IcmpKind::Error { quoted: None, path_mtu: false })),
            7 => (Protocol::GRE, Transport::Other),
            8 => (Protocol::UDP, Transport::LaterFragment),
            _ => (Protocol::TCP, Transport::Tcp(self.segment(source_port, target_port))),
        };
        let packet = |is_translated: bool| {
            let source = self.address(named, is_public && is_translated);
            let target = self.address(to, is_public && !is_translated);
            ip(source, target, protocol, transport)
        };
        let (sent, arriving) = (packet(false), packet(true));
        Frame { from, named, to, sent, arriving, len: 60 + self.chance.below(1400) as u32 }
    }

    fn segment(&mut self, source_port: u16, target_port: u16) -> Tcp {
        let chance = &mut self.chance;
        let any = TcpFlags(chance.next() as u8 & 0x17);
        let flags = chance.pick(&[
            TcpFlags::SYN,
            TcpFlags::SYN,
            TcpFlags::SYN.with(TcpFlags::ACK),
            TcpFlags::ACK,
            TcpFlags::ACK,
            TcpFlags::ACK,
            TcpFlags::ACK,
            TcpFlags::FIN.with(TcpFlags::ACK),
            TcpFlags::RST,
            any,
        ]);
        // Few numbers close to each other, so that many lie on an edge of a window.
        let number = |chance: &mut Chance| chance.pick(&[0, 1, 2, 3, u32::MAX]);
        Tcp {
            source_port,
            target_port,
            sequence: number(chance),
            acknowledgement: number(chance),
            flags,
            window: chance.pick(&[0, 1, 10, 65_535]),
            window_scale: chance.pick(&[None, Some(0), Some(2), Some(14)]),
            payload_len: chance.pick(&[0, 0, 1, 5]),
        }
    }
}

/// Histories of either family are driven.
#[test]
fn both_families_are_driven() {
    let of = |seed| Drive::new(seed).is_v6;
    assert!((0..8).any(of) && !(0..8).all(of));
}
