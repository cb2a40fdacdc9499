//! What a run of a load test tells.

use std::time::Duration;

use hdrhistogram::Histogram;
use ringfence_frame::Instant;
use ringfence_switch::{Because, FrameId, Stage};

use super::notes::Kind;
use crate::live::Applied;

/// Longest latency that is told apart from longer ones.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

/// What one run of a load test was like. Frames that went wrong are told at the end, by the
/// accounts.
#[derive(Clone, Debug)]
pub struct LoadResult {
    /// Each worker's part.
    pub workers: Vec<WorkerFigures>,
    /// Latencies of all frames, if they were recorded.
    pub latencies: Option<Latencies>,
    /// Changes made meanwhile.
    pub updates: UpdatesMade,
    /// Frames judged by rules older than those whose change had returned before the frames were
    /// pulled. Must be 0.
    pub stale: u64,
}

/// What one worker did in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WorkerFigures {
    /// Frames handled.
    pub frames: u64,
    /// Their bytes, Ethernet headers included, FCS not.
    pub bytes: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// From the start of the run to the end of its last batch.
    pub elapsed: Duration,
    /// The longest time from one look at the clock to the next, asleep left out: the longest pause.
    pub longest_gap: Duration,
    /// How often it slept.
    pub sleeps: u64,
    /// How long in all.
    pub slept: Duration,
    /// Frames judged by rules older than those in force.
    pub stale: u64,
    /// Frames of the fabric's own (answers, ICMP errors) that went out.
    pub own: u64,
}

/// Latencies in nanoseconds, from the moment at which a frame was due to the end of the batch in
/// which its fate was known, by what happened to it.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// A session let it cross.
    pub established: Histogram<u64>,
    /// It opened a session.
    pub new: Histogram<u64>,
    /// It was dropped.
    pub denied: Histogram<u64>,
    /// All others: what the fabric answers, what takes part in no session.
    pub slow: Histogram<u64>,
}

/// Changes made during a run.
#[derive(Clone, Debug, Default)]
pub struct UpdatesMade {
    /// Each, in order.
    pub changes: Vec<ChangeMade>,
    /// How long the run took.
    pub elapsed: Duration,
}

/// A change made during a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangeMade {
    /// What it took.
    pub applied: Applied,
    /// How long after it was due it was begun.
    pub late: Duration,
}

/// A verdict, kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Logged {
    /// The frame.
    pub frame: FrameId,
    /// The time at which it was judged.
    pub at: Instant,
    /// How many changes had been made to the rules by which it was judged.
    pub epoch: u32,
    /// Where the verdict fell.
    pub stage: Stage,
    /// Why.
    pub because: Because,
    /// Whether it went out.
    pub allowed: bool,
}

impl LoadResult {
    pub(crate) fn of(
        parts: Vec<(WorkerFigures, Option<Latencies>)>,
        updates: UpdatesMade,
    ) -> LoadResult {
        let mut workers = Vec::new();
        let mut latencies: Option<Latencies> = None;
        for (figures, part) in parts {
            workers.push(figures);
            match (&mut latencies, part) {
                (Some(sum), Some(part)) => sum.add(&part),
                (None, part) => latencies = part,
                (Some(_), None) => {}
            }
        }
        let stale = workers.iter().map(|worker| worker.stale).sum();
        LoadResult { workers, latencies, updates, stale }
    }

    /// Frames handled by all workers.
    pub fn frames(&self) -> u64 {
        self.workers.iter().map(|worker| worker.frames).sum()
    }

    /// Bytes handled by all workers.
    pub fn bytes(&self) -> u64 {
        self.workers.iter().map(|worker| worker.bytes).sum()
    }

    /// Frames a second, each worker's by its own time.
    pub fn frames_per_second(&self) -> f64 {
        self.workers.iter().map(WorkerFigures::frames_per_second).sum()
    }

    /// Bytes a second, each worker's by its own time.
    pub fn bytes_per_second(&self) -> f64 {
        let rate = |worker: &WorkerFigures| per_second(worker.bytes, worker.elapsed);
        self.workers.iter().map(rate).sum()
    }

    /// The longest pause of a worker.
    pub fn longest_gap(&self) -> Duration {
        self.workers.iter().map(|worker| worker.longest_gap).max().unwrap_or_default()
    }
}

impl WorkerFigures {
    /// Frames a second.
    pub fn frames_per_second(&self) -> f64 {
        per_second(self.frames, self.elapsed)
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    match elapsed.as_secs_f64() {
        0.0 => 0.0,
        seconds => count as f64 / seconds,
    }
}

impl Default for Latencies {
    fn default() -> Latencies {
        let [established, new, denied, slow] = std::array::from_fn(|_| latency_histogram());
        Latencies { established, new, denied, slow }
    }
}

impl Latencies {
    /// Each kind by its name.
    pub fn kinds(&self) -> [(&'static str, &Histogram<u64>); 4] {
        [
            ("established", &self.established),
            ("new", &self.new),
            ("denied", &self.denied),
            ("slow path", &self.slow),
        ]
    }

    /// Notes one of a kind.
    #[inline]
    pub(crate) fn record(&mut self, kind: Kind, latency_ns: u64) {
        let histogram = match kind {
            Kind::Established => &mut self.established,
            Kind::New => &mut self.new,
            Kind::Denied => &mut self.denied,
            Kind::Slow => &mut self.slow,
        };
        histogram.saturating_record(latency_ns);
    }

    fn add(&mut self, other: &Latencies) {
        let Latencies { established, new, denied, slow } = other;
        let pairs = [
            (&mut self.established, established),
            (&mut self.new, new),
            (&mut self.denied, denied),
            (&mut self.slow, slow),
        ];
        for (sum, part) in pairs {
            sum.add(part).expect("all histograms here have the same bounds");
        }
    }

    pub(crate) fn clear(&mut self) {
        let Latencies { established, new, denied, slow } = self;
        [established, new, denied, slow].into_iter().for_each(|histogram| histogram.reset());
    }
}

impl UpdatesMade {
    /// How many a second.
    pub fn per_second(&self) -> f64 {
        per_second(self.changes.len() as u64, self.elapsed)
    }
}

pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS).expect("the bounds are sound")
}
