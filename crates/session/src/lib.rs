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
mod state;
mod table;
mod tcp;
mod timeouts;

pub use limits::{Limit, Limits};
pub use state::{FirstPacket, TcpMidstream, TcpPhase};
pub use table::{InterfaceId, Session, SessionId, SessionRef, Sessions};
pub use timeouts::{TimeoutError, Timeouts};
