//! What a worker of a load test notes of each frame. While a batch is handled it only writes down
//! what happened; the checks come when the batch is over, all of whose frames were judged by the
//! rules of one epoch, which is then known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::CachePadded;
use ringfence_endpoints::generator::Checker;
use ringfence_frame::Instant;
use ringfence_load::reason;
use ringfence_switch::{
    BATCH_MAX, Because, Egress, Event, FrameId, Observer, PortId, Sink, Stage, Verdict,
};

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

/// What went out.
pub struct LoadSink {
    keeps: bool,
    out: [(u32, PortId); BATCH_MAX],
    count: usize,
    /// What does not lie in the batch: the fabric's own frames, fragments.
    copies: Vec<(PortId, Vec<u8>)>,
    own: u64,
}

/// What became of frames.
pub struct LoadObserver {
    wants: bool,
    met: Vec<Met>,
}

/// A verdict in short.
#[derive(Clone, Copy)]
struct Met {
    frame: FrameId,
    stage: Stage,
    because: Because,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Established,
    New,
    Denied,
    Slow,
}

impl LoadExit {
    pub(crate) fn new(checker: Checker, options: &LoadOptions, announced: &Announced) -> LoadExit {
        let LoadOptions { check, latency, log, .. } = *options;
        let sink = LoadSink {
            keeps: check != Check::Nothing,
            out: [(0, 0); BATCH_MAX],
            count: 0,
            copies: Vec::new(),
            own: 0,
        };
        let wants = latency || log > 0 || check == Check::Everything;
        LoadExit {
            sink,
            observer: LoadObserver { wants, met: Vec::with_capacity(2 * BATCH_MAX) },
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
        for &(slot, port) in &self.sink.out[..self.sink.count] {
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
        let mut next = 0;
        for met in &self.observer.met {
            // verdicts come in the order of the frames, but for those of fragments that waited
            let mut places = (next..frames.len()).chain(0..next);
            let place = places.find(|&place| frames.meta(place).id == met.frame);
            let Some(place) = place else { continue };
            next = place + 1;
            let latency = done.as_ns().saturating_sub(frames.meta(place).scheduled_ns);
            let histogram = match met.kind {
                Kind::Established => &mut latencies.established,
                Kind::New => &mut latencies.new,
                Kind::Denied => &mut latencies.denied,
                Kind::Slow => &mut latencies.slow,
            };
            histogram.saturating_record(latency);
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
        self.sink.count = 0;
        self.observer.met.clear();
    }
}

impl Sink for LoadSink {
    #[inline]
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    #[inline]
    fn put(&mut self, egress: Egress<'_>) {
        if !self.keeps {
            return;
        }
        match (egress.slot(), self.out.get_mut(self.count)) {
            (Some(slot), Some(place)) => {
                *place = (slot, egress.port());
                self.count += 1;
            }
            _ if egress.frame().is_some() => {
                self.copies.push((egress.port(), egress.bytes().to_vec()));
            }
            _ => self.own += 1,
        }
    }
}

impl Observer for LoadObserver {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = true;

    #[inline]
    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    #[inline]
    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict) {
        if !self.wants {
            return;
        }
        let verdict = verdict();
        let mut sides = [verdict.outbound, verdict.inbound].into_iter().flatten();
        let opens = sides.any(|side| side.because != Because::Session);
        let kind = match (verdict.allowed, opens, verdict.because) {
            (false, ..) => Kind::Denied,
            (true, true, _) => Kind::New,
            (true, false, Because::Session) => Kind::Established,
            (true, false, _) => Kind::Slow,
        };
        self.met.push(Met { frame, stage: verdict.stage, because: verdict.because, kind });
    }
}
