//! Packets for tests, and a walk of them past a table as a switch would lead it.
//!
//! A script has one packet a line:
//!
//! ```text
//! MILLISECONDS  out|in  WHAT  [word=value ...]  ->  what came of it
//! ```
//!
//! WHAT is TCP flags (`S SA A FA F R RA`, or `none`), or `udp`, `echo`, `echo-reply`, `icmp`,
//! `icmp-error`, `gre`, `later`. Words: `nic` (1), `v6`, `local` and `remote` (ports, or for
//! echo the identifier as `id`), `seq`, `ack`, `win`, `scale`, `len`. Every packet is allowed by
//! the rules, unless the line says `denied`, and every limit is asked.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; tests may panic")]

pub mod plain;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ringfence_frame::{
    Direction, Icmp, IcmpKind, Instant, Ip, Protocol, Tcp, TcpFlags, Transport, Tuple, Udp,
};
use ringfence_session::{
    End, FirstPacket, FlowWorker, Flows, FlowsConfig, Forward, HalfRef, InterfaceId, Limit, Limits,
    Opening, Passage, PortId, Session, SessionId, Step, TcpMidstream, Timeouts,
};

/// The addresses of the instance and of its peer.
pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 1, 10));
pub const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
pub const LOCAL_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10));
pub const REMOTE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 7));

pub fn ip(source: IpAddr, target: IpAddr, protocol: Protocol, transport: Transport) -> Ip {
    Ip {
        source,
        target,
        protocol,
        ttl: 64,
        dont_fragment: true,
        fragment: None,
        ip_offset: 14,
        transport_offset: 34,
        end: 100,
        transport,
    }
}

pub fn icmp(kind: IcmpKind, identifier: u16) -> Transport {
    Transport::Icmp(Icmp { icmp_type: 0, code: 0, identifier, kind })
}

/// A port behind which is no interface.
pub const OUTSIDE: PortId = 1000;

pub fn config(limits: Limits) -> FlowsConfig {
    let capacity = limits.sessions_max.min(40_000);
    FlowsConfig {
        limits,
        capacity,
        interfaces: 16,
        workers_max: 4,
        numbered: true,
        seed: 7,
        huge_pages: false,
    }
}

/// Two tables: in one every flow is a record of both directions, in the other of one half. What
/// comes of a packet is the same.
pub struct Walk {
    pub fused: One,
    pub alone: One,
    pub timeouts: Timeouts,
    pub midstream: TcpMidstream,
}

/// A table and its only worker.
pub struct One {
    pub flows: Arc<Flows>,
    pub worker: FlowWorker,
    is_fused: bool,
}

impl One {
    pub fn new(limits: Limits, is_fused: bool) -> One {
        let flows = Arc::new(Flows::new(config(limits)));
        let worker = flows.register().expect("the first one");
        One { flows, worker, is_fused }
    }

    pub fn find(&self, nic: InterfaceId, way: Direction, ip: &Ip, now: Instant) -> Option<HalfRef> {
        self.worker.find(nic, way, ip, now)
    }

    /// Advances the session that `quoted` finds, by a packet that finds none.
    pub fn advance_quoted(
        &mut self,
        nic: InterfaceId,
        direction: Direction,
        ip: &Ip,
        quoted: &Tuple,
        now: Instant,
    ) {
        let found = self.worker.find_quoted(nic, direction, quoted, now).expect("there is one");
        assert_eq!(self.commit((nic, direction, ip), Step::Advance(found), now), None);
    }

    fn commit(
        &mut self,
        (nic, direction, ip): (InterfaceId, Direction, &Ip),
        step: Step<'_>,
        now: Instant,
    ) -> Option<SessionId> {
        let room = match step {
            Step::Open(_) => {
                Some(self.worker.reserve(&[nic], ip, now).expect("room was asked for"))
            }
            _ => None,
        };
        let own = End { port: nic, step };
        let other = End { port: OUTSIDE, step: Step::Outside };
        let (sender, receiver) = turn(direction, own, other);
        let there = Forward { port: receiver.port, ..Forward::default() };
        let back = Forward { port: sender.port, ..Forward::default() };
        let passage = Passage {
            sent: ip,
            arriving: ip,
            sender,
            receiver,
            there,
            back: self.is_fused.then_some(back),
            epoch: 1,
            len: 100,
        };
        let opened = self.worker.commit(&passage, room, now);
        self.worker.quiescent();
        let (own, other) = turn(direction, opened[0], opened[1]);
        assert_eq!(other, None);
        own
    }
}

impl Walk {
    pub fn new() -> Walk {
        Walk::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Walk {
        Walk {
            fused: One::new(limits, true),
            alone: One::new(limits, false),
            timeouts: Timeouts::default(),
            midstream: TcpMidstream::PickUp,
        }
    }

    /// Does the same to both tables, and returns what came of it, which is the same.
    #[track_caller]
    pub fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut One) -> T) -> T {
        let seen = act(&mut self.fused);
        assert_eq!(seen, act(&mut self.alone), "a fused record, and one of one half");
        seen
    }

    /// Plays a script and compares what came of each line.
    #[track_caller]
    pub fn check(&mut self, script: &str) {
        let lines: Vec<&str> = script.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let mut seen = String::new();
        let mut wanted = String::new();
        for line in lines {
            let (packet, expected) = line.split_once("->").expect("a line has an arrow");
            let outcome = self.step(&Line::read(packet));
            seen += &format!("{} -> {outcome}\n", packet.trim());
            wanted += &format!("{} -> {}\n", packet.trim(), expected.trim());
        }
        assert!(seen == wanted, "seen:\n{seen}\nwanted:\n{wanted}");
    }

    #[track_caller]
    fn step(&mut self, line: &Line) -> String {
        let Line { now, nic, direction, ip, .. } = *line;
        if let Some(session) = self.find(nic, direction, &ip, now) {
            self.advance(nic, direction, &ip, now);
            let found = self.by_id(session.id);
            return format!("session {}", tell(&found));
        }
        match FirstPacket::of(&ip, self.midstream) {
            FirstPacket::Midstream => return "midstream".into(),
            _ if line.denied => return "denied".into(),
            FirstPacket::PassesUnremembered => return "passes".into(),
            FirstPacket::Opens => {}
        }
        match self.room(nic, &ip, &[], now) {
            Err(Limit::Sessions) => return "session-limit".into(),
            Err(Limit::HalfOpen) => return "half-open-limit".into(),
            Ok(()) => {}
        }
        let id = self.open(nic, direction, &ip, now);
        let found = self.find(nic, direction, &ip, now).expect("just opened");
        assert_eq!(found.id, id);
        format!("opens {}", tell(&found))
    }

    #[track_caller]
    pub fn find(
        &mut self,
        nic: InterfaceId,
        direction: Direction,
        ip: &Ip,
        now: Instant,
    ) -> Option<Session> {
        self.both(|one| one.find(nic, direction, ip, now).map(|found| one.worker.session(found)))
    }

    /// The session that an error finds which quotes `tuple`.
    pub fn find_quoted(
        &mut self,
        at_ms: u64,
        nic: InterfaceId,
        direction: Direction,
        tuple: &Tuple,
    ) -> Option<u64> {
        self.both(|One { worker, .. }| {
            let found = worker.find_quoted(nic, direction, tuple, Instant::from_ms(at_ms));
            found.map(|found| worker.session(found).id.0)
        })
    }

    /// The session that a packet of the script's kind finds.
    pub fn find_line(&mut self, packet: &str) -> Option<SessionId> {
        let Line { now, nic, direction, ip, .. } = Line::read(packet);
        self.find(nic, direction, &ip, now).map(|found| found.id)
    }

    pub fn by_id(&mut self, id: SessionId) -> Session {
        let sessions = self.sessions();
        *sessions.iter().find(|session| session.id == id).expect("a session that there is")
    }

    pub fn sessions(&mut self) -> Vec<Session> {
        self.both(|one| one.flows.sessions())
    }

    pub fn len(&mut self) -> usize {
        self.both(|one| one.flows.len())
    }

    pub fn open(
        &mut self,
        nic: InterfaceId,
        direction: Direction,
        ip: &Ip,
        now: Instant,
    ) -> SessionId {
        let timeouts = self.timeouts;
        let step = Step::Open(Opening { timeouts: &timeouts, over_internet: false, tally: 1 });
        let id = self.both(|one| one.commit((nic, direction, ip), step, now));
        id.expect("it opens one")
    }

    pub fn advance(&mut self, nic: InterfaceId, direction: Direction, ip: &Ip, now: Instant) {
        self.both(|one| {
            let found = one.find(nic, direction, ip, now).expect("there is one");
            assert_eq!(one.commit((nic, direction, ip), Step::Advance(found), now), None);
        });
    }

    pub fn end(&mut self, nic: InterfaceId, direction: Direction, ip: &Ip, now: Instant) {
        self.both(|one| {
            let found = one.find(nic, direction, ip, now).expect("there is one");
            one.worker.end(found, now);
            one.worker.quiescent();
        });
    }

    pub fn room(
        &mut self,
        nic: InterfaceId,
        ip: &Ip,
        others: &[InterfaceId],
        now: Instant,
    ) -> Result<(), Limit> {
        let halves: Vec<InterfaceId> = others.iter().copied().chain([nic]).collect();
        self.both(|One { worker, .. }| match worker.reserve(&halves, ip, now) {
            Ok(room) => {
                worker.release(room);
                Ok(())
            }
            Err((_, limit)) => Err(limit),
        })
    }

    pub fn expire(&mut self, now: Instant) -> usize {
        self.both(|one| one.worker.expire(now, usize::MAX))
    }

    pub fn clear(&mut self) {
        self.both(|one| one.worker.clear());
    }

    /// All sessions, one a line.
    pub fn list(&mut self) -> String {
        self.sessions().iter().map(tell).collect::<Vec<_>>().join("\n")
    }
}

fn tell(session: &Session) -> String {
    let Session { id, deadline, tcp, .. } = session;
    let phase = tcp.map(|phase| format!("{phase:?} ").to_lowercase()).unwrap_or_default();
    format!("{} {phase}until {}", id.0, deadline.as_ms())
}

/// One line of a script.
pub struct Line {
    pub now: Instant,
    pub nic: InterfaceId,
    pub direction: Direction,
    pub ip: Ip,
    pub denied: bool,
}

impl Line {
    #[track_caller]
    pub fn read(text: &str) -> Line {
        let mut words = text.split_whitespace();
        let at: f64 = words.next().unwrap().parse().expect("milliseconds");
        let direction = match words.next() {
            Some("out") => Direction::Outbound,
            Some("in") => Direction::Inbound,
            other => panic!("{other:?} is no direction"),
        };
        let what = words.next().expect("a kind of packet");
        let words: Vec<&str> = words.collect();
        let value = |name: &str| -> Option<u32> {
            words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let has = |name: &str| words.contains(&name);
        let port = |name: &str, default: u16| value(name).map_or(default, |port| port as u16);
        let (local, remote) = (port("local", 40_000), port("remote", 80));
        let (source_port, target_port) = turn(direction, local, remote);
        let addresses = if has("v6") { (LOCAL_V6, REMOTE_V6) } else { (LOCAL, REMOTE) };
        let (source, target) = turn(direction, addresses.0, addresses.1);
        let icmp_protocol = if has("v6") { Protocol::ICMPV6 } else { Protocol::ICMP };
        let id = port("id", 7);
        let (protocol, transport) = match what {
            "udp" => {
                let udp = Udp { source_port, target_port, payload_len: 10 };
                (Protocol::UDP, Transport::Udp(udp))
            }
            "echo" => (icmp_protocol, icmp(IcmpKind::Query, id)),
            "echo-reply" => (icmp_protocol, icmp(IcmpKind::Reply, id)),
            "icmp" => (icmp_protocol, icmp(IcmpKind::Other, 0)),
            "icmp-error" => {
                (icmp_protocol, icmp(IcmpKind::Error { quoted: None, path_mtu: false }, 0))
            }
            "gre" => (Protocol::GRE, Transport::Other),
            "later" => (Protocol::UDP, Transport::LaterFragment),
            flags => {
                let tcp = Tcp {
                    source_port,
                    target_port,
                    sequence: value("seq").unwrap_or(0),
                    acknowledgement: value("ack").unwrap_or(0),
                    flags: read_flags(flags),
                    window: value("win").unwrap_or(1000) as u16,
                    window_scale: value("scale").map(|scale| scale as u8),
                    payload_len: value("len").unwrap_or(0),
                };
                (Protocol::TCP, Transport::Tcp(tcp))
            }
        };
        Line {
            now: Instant::from_ns((at * 1e6) as u64),
            nic: value("nic").unwrap_or(1),
            direction,
            ip: ip(source, target, protocol, transport),
            denied: has("denied"),
        }
    }
}

fn turn<T>(direction: Direction, local: T, remote: T) -> (T, T) {
    match direction {
        Direction::Outbound => (local, remote),
        Direction::Inbound => (remote, local),
    }
}

fn read_flags(letters: &str) -> TcpFlags {
    if letters == "none" {
        return TcpFlags::default();
    }
    letters.chars().fold(TcpFlags::default(), |flags, letter| {
        flags.with(match letter {
            'F' => TcpFlags::FIN,
            'S' => TcpFlags::SYN,
            'R' => TcpFlags::RST,
            'P' => TcpFlags::PSH,
            'A' => TcpFlags::ACK,
            other => panic!("{other} is no TCP flag"),
        })
    })
}

/// Chance from a seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len() as u64) as usize]
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}
