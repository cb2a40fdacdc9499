//! Connection tracking: which packets belong to a conversation that a network interface admitted.
//!
//! Owns sessions, their states, timeouts and limits (specification, parts 4, 12 and 13). Knows no
//! rule and no topology: the switch decides whether a first packet is allowed, this crate
//! remembers that it was. Pure: `now` is an argument, deadlines are return values.
//!
//! A session belongs to one network interface. A flow between two local interfaces has two
//! sessions, one for each ("each half of a flow is a session of its own").

mod entry;
mod key;
mod limits;
mod passage;
mod state;
mod table;
mod tcp;
mod timeouts;
mod wire_key;
mod worker;

pub use limits::{Limit, Limits};
pub use passage::{
    End, FlowsConfig, Forward, HalfRef, MemoryUse, Opening, Passage, Room, Session, Step, TcpNote,
};
pub use state::{FirstPacket, TcpMidstream, TcpPhase};
pub use table::{InterfaceId, SessionId, SessionRef, Sessions};
pub use timeouts::{TimeoutError, Timeouts};
pub use wire_key::{Family, Key, KeyV4, KeyV6, PORTS_MAX, PortId, Requests, V4, V6};
pub use worker::{Established, FlowWorker, Flows};

/// What the old table tells of a session; goes when that table does.
pub mod plain {
    pub use crate::table::Session;
}
