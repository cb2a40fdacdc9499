//! Connection tracking: which packets belong to a conversation that a network interface admitted.
//!
//! Owns sessions, their states, timeouts and limits (specification, parts 4, 12 and 13). Knows no
//! rule and no topology: the switch decides whether a first packet is allowed, this crate
//! remembers that it was. Pure: `now` is an argument, deadlines are return values.
//!
//! A session belongs to one network interface. A flow between two local interfaces has two
//! sessions, one for each ("each half of a flow is a session of its own").

mod fast;
mod flows;
mod fused;
mod held;
mod index;
mod kept;
mod layout;
mod life;
mod limits;
mod open;
mod passage;
mod place;
mod quiescence;
mod records;
mod state;
mod sweep;
mod sync;
mod table;
mod tallies;
mod tcp;
mod timeouts;
mod usage;
mod way;
mod wire_key;
mod worker;

/// Whether anything is counted: not in a build of the feature `uncounted`, which there is only to
/// know what counting costs.
pub const COUNTS: bool = cfg!(not(feature = "uncounted"));

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
