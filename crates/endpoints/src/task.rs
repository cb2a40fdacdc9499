//! What a guest is asked to do, and what it saw.

use std::net::IpAddr;
use std::time::Duration;

use ringfence_frame::Instant;

use crate::application::Application;

/// A task's number at its guest.
pub type TaskId = usize;

/// Something for a guest to do as a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Whom to reach.
    pub target: IpAddr,
    /// From which of its addresses; its first of the family if absent.
    pub source: Option<IpAddr>,
    /// How.
    pub kind: TaskKind,
    /// When to give up.
    pub timeout: Duration,
}

/// How to reach it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskKind {
    /// Connects, and speaks the application's first exchange if one is given (otherwise the
    /// connection alone counts).
    Tcp {
        /// Source port; an ephemeral one if absent.
        source_port: Option<u16>,
        /// Target port.
        target_port: u16,
        /// What to speak.
        application: Option<Application>,
        /// Keeps the connection open after the exchange and sends a byte (or repeats the
        /// application's request) every `interval`, until `until`; the server's side answers it.
        keep_alive: Option<KeepAlive>,
    },
    /// Sends a datagram and waits for an answer.
    Udp {
        /// Source port; an ephemeral one if absent.
        source_port: Option<u16>,
        /// Target port.
        target_port: u16,
        /// What to speak; an echo of a few bytes if absent.
        application: Option<Application>,
        /// Sends again every `interval`.
        keep_alive: Option<KeepAlive>,
    },
    /// Echo requests. The outcome is known when all are answered, or at the timeout: replied if
    /// any was.
    Ping {
        /// ICMP identifier.
        identifier: u16,
        /// How many, one a second.
        count: u16,
    },
    /// One packet of any protocol (GRE and others), no answer expected.
    Raw {
        /// Protocol number.
        protocol: u8,
        /// Its payload.
        payload: Vec<u8>,
    },
}

/// How to keep a flow going.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepAlive {
    /// Between two rounds.
    pub interval: Duration,
    /// When to stop and close.
    pub until: Instant,
}

/// What a guest saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Seen {
    /// TCP: the connection was established (no application asked for).
    Connected,
    /// The other side answered: application exchange complete, UDP answer, echo reply.
    Replied,
    /// TCP: answered with RST before it was established: a closed port.
    Refused,
    /// TCP: established, then reset or closed by the other side before the exchange was complete.
    Reset,
    /// Nothing came back in time: silence.
    TimedOut,
    /// An ICMP error came back.
    IcmpError,
    /// A packet for which no answer is expected was sent.
    Sent,
}

/// How far a task is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The outcome, once there is one.
    pub seen: Option<Seen>,
    /// When it started, and when the outcome was known.
    pub started: Instant,
    /// When the outcome was known.
    pub finished: Option<Instant>,
    /// What was exchanged, in a few words for reports: `SSH-2.0-ringfence`, `200 OK`; or what went
    /// wrong: `connected, then no answer`, `control connection ok, data timed out` (FTP, whose
    /// outcome is that of the data connection then).
    pub detail: String,
    /// Source port or ICMP identifier in use, to find its frames by.
    pub source_port: u16,
    /// Source address in use.
    pub source: Option<IpAddr>,
    /// Round trips measured (connection set-up, echo, exchange), in order.
    pub round_trips: Vec<Duration>,
    /// Rounds of a kept-alive flow that were answered.
    pub rounds_answered: u32,
    /// When the last round was answered.
    pub last_answer: Option<Instant>,
}
