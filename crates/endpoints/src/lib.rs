//! What can live behind a port: guests with a real TCP/IP stack, and generators.
//!
//! Owns application behaviour on the wire. Knows no switch, no rule and no topology beyond its
//! own addresses. Time is handed in; nothing here asks a clock.

pub mod application;
pub mod generator;
mod guest;
#[cfg(all(feature = "os", target_os = "linux"))]
pub mod tap;
mod task;

pub use generator::{Generator, GeneratorConfig, GeneratorReport};
pub use guest::{Guest, GuestAddress, GuestConfig};
pub use task::{KeepAlive, Progress, Seen, Task, TaskId, TaskKind};

use ringfence_frame::Instant;

/// Something that takes and gives frames.
pub trait Endpoint {
    /// Takes a frame that arrived.
    fn handle_frame(&mut self, bytes: &[u8], now: Instant);

    /// The next frame that it sends now, if any.
    fn pull(&mut self, now: Instant) -> Option<Vec<u8>>;

    /// When it next has something to do; `now` or earlier if a frame is waiting.
    fn next_wakeup(&mut self, now: Instant) -> Option<Instant>;
}
