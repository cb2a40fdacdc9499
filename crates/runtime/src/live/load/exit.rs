//! What a worker of a load test notes of each frame. While a batch is handled it only writes down
//! what happened; the checks come when the batch is over, all of whose frames were judged by the
//! rules of one epoch, which is then known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::CachePadded;
use ringfence_endpoints::generator::Checker;
use ringfence_frame::Instant;
use ringfence_load::reason;

use super::notes::{Keeps, Kind, LoadObserver, LoadSink, Met};
use super::{Latencies, LoadOptions, Logged, WorkerFigures};
use crate::live::{Exit, Frames, Progress};

/// The last epoch whose change has returned.
pub(crate) type Announced = Arc<CachePadded<AtomicU32>>;

/// What a load test checks of the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Check {
    /// Nothing: what goes out is absorbed.
    Nothing,
    /// What goes out: that it may, where and how.
    Deliveries,
    /// That, and of what does not go out that it was dropped for the right reason.
    #[default]
    Everything,
}

/// A worker's end of a load test.
pub struct LoadExit {
    sink: LoadSink,
    observer: LoadObserver,
    check: Check,
    checker: Checker,
    latencies: Option<Box<Latencies>>,
    log: Vec<Logged>,
    log_max: usize,
    log_missed: u64,
    announced: Announced,
    /// What had been announced before the batch was pulled.
    announced_before: u32,
    stale: u64,
    began: Instant,
    done: Instant,
}

impl LoadExit {
    pub(crate) fn new(checker: Checker, options: &LoadOptions, announced: &Announced) -> LoadExit {
        let LoadOptions { check, latency, log, .. } = *options;
        let keeps = if check == Check::Nothing { Keeps::Nothing } else { Keeps::Frames };
        let wants = latency || log > 0 || check == Check::Everything;
        LoadExit {
            sink: LoadSink::new(keeps),
            observer: LoadObserver::new(wants),
            check,
            checker,
            latencies: latency.then(Box::default),
            log: Vec::with_capacity(log),
            log_max: log,
            log_missed: 0,
            announced: Arc::clone(announced),
            announced_before: 0,
            stale: 0,
            began: Instant::START,
            done: Instant::START,
        }
    }

    pub(crate) fn into_checker(self) -> Checker {
        self.checker
    }

    pub(crate) fn begin_run(&mut self, now: Instant) {
        (self.began, self.done) = (now, now);
        self.stale = 0;
        self.sink.own = 0;
        if let Some(latencies) = &mut self.latencies {
            latencies.clear();
        }
    }

    /// What the run was like.
    pub(crate) fn end_run(&mut self, progress: &Progress) -> (WorkerFigures, Option<Latencies>) {
        let Progress { batches, frames, bytes, longest_gap, sleeps, slept } = *progress;
        let figures = WorkerFigures {
            frames,
            bytes,
            batches,
            elapsed: self.done.since(self.began),
            longest_gap,
            sleeps,
            slept,
            stale: self.stale,
            own: self.sink.own,
        };
        (figures, self.latencies.as_deref().cloned())
    }

    pub(crate) fn take_log(&mut self) -> (Vec<Logged>, u64) {
        let log = std::mem::replace(&mut self.log, Vec::with_capacity(self.log_max));
        (log, std::mem::take(&mut self.log_missed))
    }

    fn check_deliveries(&mut self, frames: &Frames) {
        for &(slot, port) in self.sink.out() {
            self.checker.note_delivered(frames.frame(slot as usize), port);
        }
        for (port, bytes) in self.sink.copies.drain(..) {
            self.checker.note_delivered(&bytes, port);
        }
    }

    fn check_drops(&mut self) {
        for met in &self.observer.met {
            if met.kind == Kind::Denied {
                self.checker.note_dropped(met.frame, reason(met.stage, met.because));
            }
        }
    }

    fn record(&mut self, frames: &Frames, done: Instant) {
        let Some(latencies) = self.latencies.as_deref_mut() else { return };
        for (place, met) in self.observer.placed(frames) {
            let latency = done.as_ns().saturating_sub(frames.meta(place).scheduled_ns);
            latencies.record(met.kind, latency);
        }
    }

    fn keep(&mut self, epoch: u32, at: Instant) {
        for met in &self.observer.met {
            if self.log.len() == self.log_max {
                self.log_missed += 1;
                continue;
            }
            let Met { frame, stage, because, kind } = *met;
            let allowed = kind != Kind::Denied;
            self.log.push(Logged { frame, at, epoch, stage, because, allowed });
        }
    }
}

impl Exit for LoadExit {
    type Sink = LoadSink;
    type Observer = LoadObserver;

    fn parts(&mut self) -> (&mut LoadSink, &mut LoadObserver) {
        (&mut self.sink, &mut self.observer)
    }

    fn begin(&mut self) {
        self.announced_before = self.announced.load(Ordering::SeqCst);
    }

    fn pulled(&mut self, frames: &Frames) {
        if self.check != Check::Nothing {
            self.checker.touch(frames.iter().map(|(meta, _)| meta.id));
        }
    }

    fn end(&mut self, frames: &Frames, epoch: u32, now: Instant, done: Instant) {
        self.done = done;
        if epoch < self.announced_before {
            self.stale += frames.len() as u64;
        }
        if self.check != Check::Nothing {
            self.checker.set_generations(epoch.into(), epoch.into());
            self.check_deliveries(frames);
        }
        if self.check == Check::Everything {
            self.check_drops();
        }
        self.record(frames, done);
        if self.log_max > 0 {
            self.keep(epoch, now);
        }
        self.sink.clear();
        self.observer.met.clear();
    }
}
