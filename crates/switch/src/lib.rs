//! The switch: ports, the journey of a frame, drop reasons, counters.
//!
//! Owns what happens between a frame's coming in at a port and its going out at another
//! ([`Switch::handle_frame`], told top to bottom in `journey.rs`). Asks `cloud` who is where,
//! `policy` what is allowed and `session` what is already known. Knows no vendor, opens nothing,
//! asks no clock.

mod admit;
mod change;
mod counters;
mod cross;
mod fabric;
mod fragments;
mod journey;
mod neighbors;
mod observer;
mod output;
mod route;
mod verdict;

pub use change::{Change, OnRuleChange};
pub use counters::{Counters, InterfaceCounters, PortCounters};
pub use fabric::{Fabric, Switch, SwitchOptions};
pub use observer::{Event, Observer, Recording, Silent};
pub use output::Delivery;
pub use verdict::{Because, FrameId, Side, Stage, Verdict};
