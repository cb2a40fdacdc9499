//! What the machine's memory gives: random lines out of as much memory as the records take, read and
//! written, on as many workers, and on huge pages as the session table's.

use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ringfence_measure::floor::{RandomLines, Visit};
use ringfence_measure::{Clock, trials};
use ringfence_memory::{Pages, Zeroed};

/// Bytes of a session's records.
const SESSION_BYTES: usize = 128;
/// Lines between two looks at the clock.
const STEP: u64 = 512;

pub(super) struct Floor {
    memory: Zeroed<AtomicU64>,
    seed: u64,
}

impl Floor {
    /// Memory for the records of so many sessions.
    pub(super) fn new(sessions: usize, seed: u64) -> Floor {
        let words = sessions.saturating_mul(SESSION_BYTES) / size_of::<u64>();
        let floor = Floor { memory: Zeroed::new(words, Pages::Huge), seed };
        if let Some(lines) = RandomLines::new(&floor.memory, seed) {
            lines.fill();
        }
        floor
    }

    /// Nanoseconds a line, mean of the workers.
    pub(super) fn trial(
        &self,
        clock: &Clock,
        budget: Duration,
        workers: usize,
        round: usize,
    ) -> f64 {
        let barrier = Barrier::new(workers);
        let walk = |worker: usize| {
            let seed = self.seed ^ (worker as u64) << 48 ^ (round as u64) << 24;
            let mut lines = RandomLines::new(&self.memory, seed)?;
            barrier.wait();
            trials::trial(clock, budget, &mut || lines.visit(STEP, Visit::Write))
        };
        let ticks: Vec<f64> = match workers {
            1 => walk(0).into_iter().collect(),
            _ => std::thread::scope(|scope| {
                let walk = &walk;
                let threads: Vec<_> =
                    (0..workers).map(|worker| scope.spawn(move || walk(worker))).collect();
                threads.into_iter().filter_map(|it| it.join().ok().flatten()).collect()
            }),
        };
        clock.ticks_to_ns(ticks.iter().sum::<f64>() / ticks.len() as f64)
    }
}
