//! The worlds that breathe for a switch. Here: the simulated one, on a virtual clock.
//!
//! Owns the order of events (endpoints in port order, links, the switch, deadlines), links with
//! delay, loss and bandwidth, and what is recorded of a run. Decides nothing about frames.

mod link;
pub mod simulated;

pub use link::LinkConfig;
