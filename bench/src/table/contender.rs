//! What a table has to do to be measured, and which tables there are.

use clap::ValueEnum;
use ringfence_measure::counting;

use super::flows::{Flow, Flows, Key};
use super::{maps, ringfence};

/// The tables.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The session table.
    Ringfence,
    /// One dashmap for all workers.
    Dashmap,
    /// One papaya for all workers.
    Papaya,
    /// A hashbrown for each worker.
    Hashbrown,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Ringfence => "ringfence",
            Kind::Dashmap => "dashmap",
            Kind::Papaya => "papaya",
            Kind::Hashbrown => "hashbrown",
        }
    }
}

/// A table that holds all sessions that stay.
pub(super) trait Contender {
    /// The handles of all workers.
    fn workers(&mut self) -> Vec<Box<dyn Worker + '_>>;

    /// Bytes that were asked of the kernel and not of the allocator.
    fn mapped_bytes(&self) -> u64 {
        0
    }
}

/// One thread's handle.
pub(super) trait Worker: Send {
    /// Looks keys up and, where they are found, notes a frame at `now_ms`; says how many were.
    fn look_up(&mut self, keys: &[Key], now_ms: u32) -> u64;

    /// Enters a session: both directions.
    fn insert(&mut self, flow: &Flow, now_ms: u32);

    /// Takes a session out; says whether it was there.
    fn remove(&mut self, flow: &Flow, now_ms: u32) -> bool;

    /// Between two batches.
    fn rest(&mut self) {}

    /// Before a trial.
    fn wake(&mut self) {}

    /// After it, until the next.
    fn sleep(&mut self) {}
}

/// A table with all sessions that stay, and its bytes.
pub(super) fn build(kind: Kind, flows: &Flows) -> (Box<dyn Contender>, u64) {
    let before = counting::thread();
    let contender: Box<dyn Contender> = match kind {
        Kind::Ringfence => Box::new(ringfence::Table::new(flows)),
        Kind::Dashmap => Box::new(maps::Dashmap::new(flows)),
        Kind::Papaya => Box::new(maps::Papaya::new(flows)),
        Kind::Hashbrown => Box::new(maps::Hashbrown::new(flows)),
    };
    let allocated = (counting::thread() - before).live_bytes().max(0) as u64;
    let bytes = allocated + contender.mapped_bytes();
    (contender, bytes)
}
