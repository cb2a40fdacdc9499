//! What passes between the switch and the table: a packet that was allowed, what it does at
//! either end, where frames of its flow go, and what is told of a session.

use ringfence_frame::{Direction, Instant, Ip, Tuple};

use crate::worker::HalfRef;
use crate::{Limits, PortId, TcpPhase, Timeouts};

/// A network interface, by the number that the switch gives it.
pub type InterfaceId = u32;

/// A session's number, counted from 1 as they open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// How a table is laid out.
#[derive(Clone, Copy, Debug)]
pub struct FlowsConfig {
    /// How many sessions there may be.
    pub limits: Limits,
    /// Flows of each address family that have room: records of two directions.
    pub capacity: usize,
    /// Interfaces: their numbers are below this, ports from it on are outside.
    pub interfaces: usize,
    /// Workers that may be registered at a time.
    pub workers_max: usize,
    /// Whether sessions get numbers, from 1 as they open, which costs memory and a shared counter.
    pub numbered: bool,
    /// Secret of the hash.
    pub seed: u64,
    /// Whether to ask for huge pages.
    pub huge_pages: bool,
}

impl Default for FlowsConfig {
    fn default() -> FlowsConfig {
        FlowsConfig {
            limits: Limits::default(),
            capacity: 1 << 20,
            interfaces: 1 << 10,
            workers_max: 16,
            numbered: false,
            seed: 0,
            huge_pages: false,
        }
    }
}

/// Where the frames of one direction go on, and how they are changed on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Forward {
    /// The port at which they go out.
    pub port: PortId,
    /// Routers on the way: what the TTL loses.
    pub hops: u8,
    /// Whether the source address is translated.
    pub source_translated: bool,
    /// Whether the target address is translated.
    pub target_translated: bool,
}

/// A packet that was allowed everywhere, and what it does to the table.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// As the sender's port knows it.
    pub sent: &'a Ip,
    /// As the receiver's port knows it.
    pub arriving: &'a Ip,
    /// Where it came in.
    pub sender: End<'a>,
    /// Where it goes out.
    pub receiver: End<'a>,
    /// The way of this packet.
    pub there: Forward,
    /// The way of the answers from the receiver's port; `None` if they do not come back to the
    /// sender this way, so that each direction has to be looked at on its own.
    pub back: Option<Forward>,
    /// The epoch under which both ends were found good.
    pub epoch: u32,
    /// Bytes of the frame.
    pub len: u32,
}

/// One end of a packet's way.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The port there.
    pub port: PortId,
    /// What the packet does to the session of the interface there.
    pub step: Step<'a>,
}

/// What a packet does to one end's session.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// No interface here.
    Outside,
    /// It passes unremembered.
    Nothing,
    /// It advances and refreshes a live session.
    Advance(HalfRef),
    /// It opens one.
    Open(Opening<'a>),
}

/// The circumstances of a first packet at one end.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The interface's timeouts, of which the session keeps those of its protocol.
    pub timeouts: &'a Timeouts,
    /// Whether the peer was reached over the Internet.
    pub over_internet: bool,
    /// What frames and bytes are counted for.
    pub tally: u32,
}

/// What is remembered of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its number; 0 where sessions are not numbered.
    pub id: SessionId,
    /// Whose it is.
    pub interface: InterfaceId,
    /// Which way its first packet crossed the interface.
    pub opened: Direction,
    /// The first packet's key, in that packet's direction.
    pub tuple: Tuple,
    /// Type and code of the first packet, for ICMP.
    pub icmp: Option<(u8, u8)>,
    /// Whether the peer was reached over the Internet.
    pub over_internet: bool,
    /// When it dies if nothing refreshes it: it is dead at any whole millisecond later than this.
    pub deadline: Instant,
    /// Where it stands, for TCP.
    pub tcp: Option<TcpPhase>,
    /// What its frames and bytes are counted for.
    pub tally: u32,
    /// The epoch under which it was last found good.
    pub epoch: u32,
}

/// What a frame of an established TCP flow has to leave behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpNote {
    /// The acknowledgement number, if ACK is set.
    pub acknowledgement: Option<u32>,
    /// The window field, unscaled.
    pub window: u16,
}

/// Bytes of memory that a table asked for; pages never touched are not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryUse {
    /// Records, IPv4.
    pub records_v4: usize,
    /// Index and expiry hints, IPv4.
    pub index_v4: usize,
    /// Records, IPv6.
    pub records_v6: usize,
    /// Index and expiry hints, IPv6.
    pub index_v6: usize,
    /// Usage of interfaces, workers, timeouts, and numbers where sessions are numbered.
    pub other: usize,
    /// Whether huge pages were asked for and could be.
    pub huge_pages: bool,
}
