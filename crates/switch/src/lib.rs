//! The switch: ports, the journey of a frame, drop reasons, counters.
//!
//! Owns what happens between a frame's coming in at a port and its going out at another
//! ([`Switch::handle_frame`], told top to bottom in `journey.rs`). Asks `cloud` who is where,
//! `policy` what is allowed and `session` what is already known. Knows no vendor, opens nothing,
//! asks no clock.

mod admit;
mod change;
mod control;
mod counters;
mod cross;
mod established;
mod fabric;
mod foreseen;
mod fragments;
mod incoming;
mod journey;
mod neighbors;
mod observer;
mod opening;
mod output;
mod pieces;
mod plain;
mod plane;
mod ports;
mod route;
mod rules;
mod sets;
mod tally;
mod tally_ids;
mod verdict;
mod worker;

pub use change::{Change, OnRuleChange};
pub use control::{Controller, Layout};
pub use counters::{Counters, InterfaceCounters, PortCounters, Traffic};
pub use fabric::{Fabric, Switch, SwitchOptions};
pub use incoming::{Incoming, Intake};
pub use observer::{Event, Observer, Recording, Silent};
pub use output::{Delivery, Egress, Sink};
pub use plane::Plane;
pub use ports::{PortId, Ports};
pub use verdict::{Because, FrameId, Side, Stage, Verdict};
pub use worker::{BATCH_MAX, Worker};

pub use ringfence_session::COUNTS;
