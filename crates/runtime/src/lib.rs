//! The worlds that breathe for a switch: the simulated one, on a virtual clock, and the live one, on
//! real threads.
//!
//! Owns the order of events (endpoints in port order, links, the switch, deadlines), links with
//! delay, loss and bandwidth, worker threads with their queues, and what is recorded of a run.
//! Decides nothing about frames.

mod link;
pub mod live;
pub mod simulated;

pub use link::LinkConfig;
