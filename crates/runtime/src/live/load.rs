//! Load tests: generators through worker threads, every frame's fate checked. Owns the order of a
//! test (open, answer, run, finish) and the changes made meanwhile; what workers note is in `exit`,
//! what is told of it in `result`.

mod exit;
pub(crate) mod notes;
mod queue;
mod result;

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use ringfence_endpoints::generator::{Accounts, Checker, Stage, Traffic, TrafficGenerator};
use ringfence_frame::Instant;
use ringfence_switch::{Change, Controller, Counters};

use super::{Live, LiveError, LiveOptions, Seat};
use exit::Announced;
pub use exit::{Check, LoadExit};
pub use queue::LoadQueue;
pub(crate) use result::latency_histogram;
pub use result::{ChangeMade, Latencies, LoadResult, Logged, UpdatesMade, WorkerFigures};

/// How a load test is run.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Worker threads; generator `g` is polled by worker `g` modulo this. 0 counts as 1.
    pub workers: usize,
    /// What is checked.
    pub check: Check,
    /// Whether the latency of each frame is recorded.
    pub latency: bool,
    /// Verdicts that each worker has room to keep between two calls of [`LoadTest::take_log`].
    pub log: usize,
    /// How the threads are laid out.
    pub live: LiveOptions,
}

/// How long a run lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// So many frames in all, each generator as many as the others.
    Frames(u64),
    /// So long.
    For(Duration),
}

/// Changes made while a run goes on.
pub struct Updates<'a> {
    /// How many a second, at equal distances.
    pub per_second: u64,
    /// The next change; the number is the epoch that it will have. `None`: no more.
    pub next: &'a mut dyn FnMut(u32) -> Option<Change>,
}

/// What goes wrong with a load test, frames apart.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadError {
    /// Threads.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// Nobody would send.
    #[error("the load has no generator")]
    NoGenerator,
}

/// What a load test leaves.
pub struct LoadEnd {
    /// Every frame's fate. With [`Check::Deliveries`] dropped frames count as lost, with
    /// [`Check::Nothing`] all do.
    pub accounts: Accounts,
    /// Everything counted by the switch.
    pub counters: Counters,
    /// What controlled it.
    pub controller: Controller,
    /// The generators in their order.
    pub generators: Vec<TrafficGenerator>,
}

/// A load on worker threads.
pub struct LoadTest {
    live: Live<LoadQueue, LoadExit>,
    announced: Announced,
    over: Receiver<usize>,
    queues: usize,
}

/// How often somebody looks whether all workers live.
const LOOK: Duration = Duration::from_millis(50);

impl LoadTest {
    /// Starts the threads; nothing is sent yet.
    ///
    /// # Errors
    /// If there is no generator or no thread.
    pub fn start(
        controller: Controller,
        traffic: Traffic,
        options: &LoadOptions,
    ) -> Result<LoadTest, LoadError> {
        let Traffic { generators, checker } = traffic;
        let queues = generators.len();
        if queues == 0 {
            return Err(LoadError::NoGenerator);
        }
        let workers = options.workers.max(1);
        let announced = Announced::default();
        announced.store(controller.plane().epoch(), Ordering::SeqCst);
        let (done, over) = unbounded();
        let mut seats: Vec<(Vec<LoadQueue>, LoadExit)> = (0..workers)
            .map(|_| (Vec::new(), LoadExit::new(checker.clone(), options, &announced)))
            .collect();
        for (number, generator) in generators.into_iter().enumerate() {
            let queue = LoadQueue::new(number, generator, done.clone());
            seats[number % workers].0.push(queue);
        }
        let live = Live::start(controller, seats, &options.live)?;
        Ok(LoadTest { live, announced, over, queues })
    }

    /// One frame of each flow that is allowed (fresh ones left out), so that all are established.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn open(&mut self) -> Result<LoadResult, LoadError> {
        self.once(Stage::Open)
    }

    /// One reply of each flow that has replies. What was opened has been delivered by then.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn answer(&mut self) -> Result<LoadResult, LoadError> {
        self.once(Stage::Answer)
    }

    /// What the traffic's pattern says, so long. Rates count from now. May be called again.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn run(
        &mut self,
        until: Until,
        updates: Option<Updates<'_>>,
    ) -> Result<LoadResult, LoadError> {
        self.stage(Stage::Steady, until, updates)
    }

    /// The threads, to be asked or changed between runs.
    pub fn live(&mut self) -> &mut Live<LoadQueue, LoadExit> {
        &mut self.live
    }

    /// Makes a change, and notes that from now on no frame may be judged by older rules.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn apply(&mut self, change: Change) -> Result<super::Applied, LoadError> {
        let applied = self.live.apply(change)?;
        self.announced.store(applied.epoch, Ordering::SeqCst);
        Ok(applied)
    }

    /// The verdicts that each worker has kept, in the order in which it met the frames, and how many
    /// it had no room for. Room for as many again is made meanwhile.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn take_log(&mut self) -> Result<Vec<(Vec<Logged>, u64)>, LoadError> {
        Ok(self.live.on_each(|seat| seat.exit_mut().take_log())?)
    }

    /// Stops the threads and settles the accounts.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn finish(self) -> Result<LoadEnd, LoadError> {
        let stopped = self.live.stop()?;
        let mut checker: Option<Checker> = None;
        let mut queues = Vec::new();
        for seat in stopped.seats {
            let (_, polled, exit) = seat.into_parts();
            queues.extend(polled);
            match &mut checker {
                None => checker = Some(exit.into_checker()),
                Some(sum) => sum.merge(exit.into_checker()),
            }
        }
        queues.sort_unstable_by_key(LoadQueue::number);
        let generators: Vec<TrafficGenerator> =
            queues.into_iter().map(LoadQueue::into_generator).collect();
        let accounts = checker.map(|checker| checker.finish(&generators)).unwrap_or_default();
        let (counters, controller) = (stopped.counters, stopped.controller);
        Ok(LoadEnd { accounts, counters, controller, generators })
    }

    fn once(&mut self, stage: Stage) -> Result<LoadResult, LoadError> {
        self.stage(stage, Until::Frames(u64::MAX), None)
    }

    fn stage(
        &mut self,
        stage: Stage,
        until: Until,
        mut updates: Option<Updates<'_>>,
    ) -> Result<LoadResult, LoadError> {
        let (frames, until) = match until {
            Until::Frames(u64::MAX) => (u64::MAX, Instant::FAR_FUTURE),
            Until::Frames(frames) => (frames, Instant::FAR_FUTURE),
            Until::For(duration) => (u64::MAX, self.live.now() + duration),
        };
        let queues = self.queues as u64;
        let share = move |number: usize| match frames {
            u64::MAX => u64::MAX,
            frames => frames / queues + u64::from((number as u64) < frames % queues),
        };
        let begin = move |seat: &mut Seat<LoadQueue, LoadExit>| {
            seat.forget_progress();
            let now = seat.now();
            let (queues, exit) = seat.parts_mut();
            exit.begin_run(now);
            queues.iter_mut().for_each(|queue| queue.begin(stage, share(queue.number())));
        };
        self.live.on_each(begin)?;
        let mut made = UpdatesMade::default();
        self.wait(until, updates.as_mut(), &mut made)?;
        let end = |seat: &mut Seat<LoadQueue, LoadExit>| {
            seat.queues_mut().iter_mut().for_each(LoadQueue::end);
            let progress = *seat.progress();
            seat.exit_mut().end_run(&progress)
        };
        let parts = self.live.on_each(end)?;
        // what was over when it was ended said so twice
        while self.over.try_recv().is_ok() {}
        Ok(LoadResult::of(parts, made))
    }

    /// Until all queues are through or it is time, making changes meanwhile.
    fn wait(
        &mut self,
        until: Instant,
        mut updates: Option<&mut Updates<'_>>,
        made: &mut UpdatesMade,
    ) -> Result<(), LoadError> {
        let step = updates
            .as_ref()
            .map(|updates| Duration::from_nanos(1_000_000_000 / updates.per_second.max(1)));
        let start = self.live.now();
        let mut change_at = start;
        let mut left = self.queues;
        while left > 0 {
            let now = self.live.now();
            if now >= until {
                break;
            }
            if let (Some(pending), Some(step)) = (updates.as_mut(), step)
                && now >= change_at
            {
                match (pending.next)(self.live.plane().epoch() + 1) {
                    Some(change) => {
                        let late = now.since(change_at);
                        let applied = self.apply(change)?;
                        made.changes.push(ChangeMade { applied, late });
                        change_at += step;
                    }
                    None => updates = None,
                }
                continue;
            }
            let next = if updates.is_some() { change_at.min(until) } else { until };
            match self.over.recv_timeout(next.since(now).min(LOOK)) {
                Ok(_) => left -= 1,
                Err(RecvTimeoutError::Timeout) => self.live.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.live.check()?;
                    break;
                }
            }
        }
        made.elapsed = self.live.now().since(start);
        Ok(())
    }
}

impl LoadError {
    /// The error of threads, if it is one.
    pub fn live(&self) -> Option<&LiveError> {
        match self {
            LoadError::Live(error) => Some(error),
            LoadError::NoGenerator => None,
        }
    }
}
