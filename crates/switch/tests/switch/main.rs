//! The switch as a whole: frames in, verdicts, frames and counters out.
#![allow(clippy::unwrap_used)]

mod admit;
mod changes;
mod errors;
mod fragments;
mod lab;
mod limits;
mod random;
mod routes;
mod rule_counters;
mod touched;
mod verdicts;
mod workers;
