//! The live world: worker threads that forward as fast as frames come, on the machine's clock.
//!
//! [`Live`] holds the threads and what controls them. Each runs a [`Seat`]: one
//! [`Worker`](ringfence_switch::Worker) of the switch, the queues that it alone polls ([`PortQueue`])
//! and its way out ([`Exit`]). [`LoadTest`] runs a load through them and checks every frame.
//! [`PacedTest`] does so on a schedule, from a core of its own, to know how long each frame takes.
//!
//! What a worker touches while established frames flow is its own, but for the session table's
//! lines and the epoch of the rules, which it reads. Commands reach it between two batches.

mod clock;
mod control;
mod cores;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(not(target_os = "linux"))]
#[path = "live/no_descriptors.rs"]
mod descriptors;
mod directory;
mod exit;
mod guest;
mod load;
mod memory;
mod paced;
mod queue;
mod ring;
mod seat;
#[cfg(all(feature = "os", target_os = "linux"))]
mod tap;
mod waker;
mod world;

pub use clock::LiveClock;
pub use control::{Applied, Live, LiveError, LiveOptions, Stopped};
pub use cores::Placement;
pub use directory::Directory;
pub use exit::{Exit, Outlet, Outlets};
pub use guest::GuestQueue;
pub use load::{
    ChangeMade, Check, Latencies, LoadEnd, LoadError, LoadExit, LoadOptions, LoadQueue, LoadResult,
    LoadTest, Logged, Until, Updates, UpdatesMade, WorkerFigures,
};
pub use memory::{FrameMemory, Frames};
pub use paced::{Pace, PacedEnd, PacedExit, PacedOptions, PacedResult, PacedTest};
pub use queue::PortQueue;
pub use ring::{RingReceiver, RingSender, ring};
pub use seat::{Progress, Seat};
#[cfg(all(feature = "os", target_os = "linux"))]
pub use tap::{TapCounters, TapOutlet, TapPort, TapQueue};
pub use waker::Waker;
pub use world::{Attachment, LiveWorld, bring_up};
