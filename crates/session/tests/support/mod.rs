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

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_frame::{
    Direction, Icmp, IcmpKind, Instant, Ip, Protocol, Tcp, TcpFlags, Transport, Tuple, Udp,
};
use ringfence_session::plain::Session;
use ringfence_session::{
    FirstPacket, InterfaceId, Limit, Limits, SessionId, Sessions, TcpMidstream, Timeouts,
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

/// A table and what its owner holds beside it.
pub struct Walk {
    pub sessions: Sessions<&'static str>,
    pub timeouts: Timeouts,
    pub midstream: TcpMidstream,
}

impl Walk {
    pub fn new() -> Walk {
        Walk::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Walk {
        Walk {
            sessions: Sessions::new(limits),
            timeouts: Timeouts::default(),
            midstream: TcpMidstream::PickUp,
        }
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

    fn step(&mut self, line: &Line) -> String {
        let Line { now, nic, direction, ip, .. } = *line;
        if let Some(found) = self.sessions.find(nic, direction, &ip, now) {
            self.sessions.advance(found, direction, &ip, now);
            return format!("session {}", tell(self.sessions.get(found)));
        }
        match FirstPacket::of(&ip, self.midstream) {
            FirstPacket::Midstream => return "midstream".into(),
            _ if line.denied => return "denied".into(),
            FirstPacket::PassesUnremembered => return "passes".into(),
            FirstPacket::Opens => {}
        }
        match self.sessions.check_room(nic, &ip, &[], now) {
            Err(Limit::Sessions) => return "session-limit".into(),
            Err(Limit::HalfOpen) => return "half-open-limit".into(),
            Ok(()) => {}
        }
        let id = self.sessions.open(nic, direction, &ip, &self.timeouts, "", now);
        let found = self.sessions.find(nic, direction, &ip, now).expect("just opened");
        assert_eq!(found.id(), id);
        format!("opens {}", tell(self.sessions.get(found)))
    }

    /// The session that a packet of the script's kind finds.
    pub fn find(&self, packet: &str) -> Option<SessionId> {
        let Line { now, nic, direction, ip, .. } = Line::read(packet);
        self.sessions.find(nic, direction, &ip, now).map(|found| found.id())
    }

    /// The session that an error finds which quotes `tuple`.
    pub fn find_quoted(
        &self,
        at_ms: u64,
        nic: InterfaceId,
        direction: Direction,
        tuple: &Tuple,
    ) -> Option<u64> {
        let found = self.sessions.find_quoted(nic, direction, tuple, Instant::from_ms(at_ms));
        found.map(|found| found.id().0)
    }

    /// All sessions, one a line.
    pub fn list(&self) -> String {
        self.sessions.iter().map(tell).collect::<Vec<_>>().join("\n")
    }
}

fn tell<T>(session: &Session<T>) -> String {
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
