//! Synthetic traffic, in two kinds.
//!
//! [`Generator`] is an endpoint of the simulated world: one stream on the virtual clock. The rest is
//! the fast one: [`Traffic`] makes, from flows whose fate is known beforehand ([`FlowSpec`]), one
//! [`TrafficGenerator`] for each queue, which writes frames into batches, and a [`Checker`], which
//! is told of every single frame what became of it. At the end [`Checker::finish`] gives
//! [`Accounts`]: `leaks = 0, false drops = 0`, or the test has failed.
//!
//! Owns what frames look like and how they are told apart. Who may reach whom, whoever makes the
//! flows has found out; here nobody knows a rule.

mod arrival;
mod checker;
mod choice;
mod flow;
mod line;
mod pattern;
mod simulated;
mod tag;
mod traffic;

pub use checker::{Accounts, Checker, Finding, Wrong};
pub use flow::{Arriving, Expected, FlowError, FlowSpec, Headers, Reason};
pub use pattern::{Fresh, Pattern, Popularity, Rate, Sizes, Spacing};
pub use simulated::{Generator, GeneratorConfig, GeneratorReport, Sweep};
pub use tag::{Tag, frame_id};
pub use traffic::{Stage, Traffic, TrafficGenerator};
