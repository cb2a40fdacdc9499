//! Load tests on a schedule: frames are due by a plan, a tester on a core of its own puts them into a
//! ring, a worker handles them, and the tester takes them out of another ring and checks each. Its
//! latency runs from the moment at which it was due to the moment at which the tester found it there,
//! so that whatever was late, the tester itself included, counts. A frame that finds the first ring
//! full is lost.
//!
//! What stands between the rings is the switch or, to know what the rest costs, nothing. Owns the
//! order of a test; who does what is told in the files below.

mod empty;
mod exit;
mod result;
mod tester;
mod told;

use std::time::Duration;

use ringfence_endpoints::generator::{Rate, Stage, Traffic};
use ringfence_load::Question;
use ringfence_switch::Controller;

use super::{
    Live, LiveError, LiveOptions, LoadError, Placement, RingReceiver, RingSender, cores, ring,
};
use empty::EmptyPipeline;
pub use exit::PacedExit;
pub use result::{PacedEnd, PacedResult};
use tester::Tester;

/// How a load test on a schedule is laid out.
#[derive(Clone, Debug)]
pub struct PacedOptions {
    /// Frames that the ring in front of the worker holds; at least 32.
    pub queue: usize,
    /// What is asked of the fabric itself beside the traffic.
    pub question: Option<Question>,
    /// Pinning, memory and clock. The worker never sleeps, unless it has to share its core with the
    /// tester.
    pub live: LiveOptions,
}

impl Default for PacedOptions {
    fn default() -> PacedOptions {
        PacedOptions { queue: 4_096, question: None, live: LiveOptions::default() }
    }
}

/// When frames are due in one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Those of established and denied flows.
    pub frames: Rate,
    /// The first frames of new flows, beside them.
    pub fresh: Rate,
    /// Questions a second, at equal distances.
    pub questions_per_second: u64,
}

/// A load test on a schedule. Its worker sleeps between two runs, so that several tests may stand
/// side by side and run in turn.
pub struct PacedTest {
    pipeline: Pipeline,
    tester: Tester,
    placement: Placement,
}

/// What stands between the rings.
enum Pipeline {
    Switch(Box<Live<RingReceiver, PacedExit>>),
    Empty(EmptyPipeline),
}

/// How long a worker that has a core of its own spins: longer than any test.
const NEVER: Duration = Duration::from_secs(1 << 32);

impl PacedTest {
    /// The switch of a controller between the rings. Nothing is sent yet.
    ///
    /// # Errors
    /// If the traffic has no generator (of several the first is taken) or there is no thread.
    pub fn start(
        controller: Controller,
        traffic: Traffic,
        options: &PacedOptions,
    ) -> Result<PacedTest, LoadError> {
        PacedTest::between(traffic, options, |entered, leave, live| {
            let seats = vec![(vec![entered], PacedExit::new(leave))];
            let mut live = Live::start(controller, seats, live)?;
            live.pause()?;
            Ok(Pipeline::Switch(Box::new(live)))
        })
    }

    /// Nothing between the rings but a thread that hands each frame on: what rings, generator,
    /// checks and clock cost alone. The traffic is one whose flows all
    /// [return](ringfence_endpoints::generator::FlowSpec::returned).
    ///
    /// # Errors
    /// As [`PacedTest::start`].
    pub fn start_empty(traffic: Traffic, options: &PacedOptions) -> Result<PacedTest, LoadError> {
        PacedTest::between(traffic, options, |entered, leave, live| {
            Ok(Pipeline::Empty(EmptyPipeline::start(entered, leave, live)?))
        })
    }

    fn between(
        traffic: Traffic,
        options: &PacedOptions,
        start: impl FnOnce(RingReceiver, RingSender, &LiveOptions) -> Result<Pipeline, LiveError>,
    ) -> Result<PacedTest, LoadError> {
        let Traffic { generators, checker } = traffic;
        let generator = generators.into_iter().next().ok_or(LoadError::NoGenerator)?;
        let placement = Placement::new(2, options.live.pin);
        let spin = if placement.is_shared() { options.live.spin } else { NEVER };
        let live = LiveOptions { spin, ..options.live.clone() };
        let queue = options.queue.max(tester::BURST);
        let (enter, entered) = ring(queue);
        // what the first ring holds may lie in the second, while the first fills again
        let (leave, left) = ring(2 * queue + 2 * tester::BURST);
        let pipeline = start(entered, leave, &live)?;
        let yields = placement.is_shared();
        let tester =
            Tester::new(generator, checker, (enter, left), options.question.clone(), &live, yields);
        Ok(PacedTest { pipeline, tester, placement })
    }

    /// Where the worker runs, and where the tester does.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// How many flows the switch's table holds, dead ones that were not swept yet included, and how many
    /// it has room for; nothing of an empty pipeline. Each of them has a session at either end, as flows
    /// between two interfaces have.
    pub fn flows_held(&self) -> Option<(usize, usize)> {
        match &self.pipeline {
            Pipeline::Switch(live) => {
                let flows = live.plane().flows();
                Some((flows.len() / 2, flows.capacity()))
            }
            Pipeline::Empty(_) => None,
        }
    }

    /// One frame of each flow that is allowed (fresh ones left out) and one reply of each that has
    /// replies, as fast as they go through: then all are established.
    ///
    /// # Errors
    /// If a thread has panicked or there is none.
    pub fn open(&mut self) -> Result<(), LoadError> {
        for stage in [Stage::Open, Stage::Answer] {
            self.with_tester(|tester| tester.once(stage))?;
        }
        Ok(())
    }

    /// The traffic's pattern at this pace, so long. May be called again.
    ///
    /// # Errors
    /// If a thread has panicked or there is none.
    pub fn run(&mut self, pace: &Pace, duration: Duration) -> Result<PacedResult, LoadError> {
        match &mut self.pipeline {
            Pipeline::Switch(live) => live.on(0, super::Seat::forget_progress)?,
            Pipeline::Empty(empty) => empty.forget_gap(),
        }
        let ran = self.with_tester(|tester| tester.run(pace, duration))?;
        let worker_gap = match &mut self.pipeline {
            Pipeline::Switch(live) => live.on(0, |seat| seat.progress().longest_gap)?,
            Pipeline::Empty(empty) => empty.longest_gap(),
        };
        Ok(PacedResult { worker_gap, ..ran })
    }

    /// Stops the threads and settles the accounts.
    ///
    /// # Errors
    /// If a thread has panicked.
    pub fn finish(self) -> Result<PacedEnd, LoadError> {
        let counters = match self.pipeline {
            Pipeline::Switch(live) => Some(live.stop()?.counters),
            Pipeline::Empty(empty) => {
                empty.stop()?;
                None
            }
        };
        Ok(PacedEnd { counters, ..self.tester.finish() })
    }

    /// Has the tester do something on a thread of its own core.
    fn with_tester<T: Send>(
        &mut self,
        job: impl FnOnce(&mut Tester) -> T + Send,
    ) -> Result<T, LoadError> {
        let PacedTest { tester, placement, pipeline } = self;
        pipeline.resume()?;
        let core = placement.cores[1];
        let done = std::thread::scope(|scope| {
            let work = move || {
                if let Some(core) = core {
                    // where it is not allowed, it runs where the system likes
                    let _ = cores::pin(core);
                }
                job(tester)
            };
            let thread =
                std::thread::Builder::new().name("tester".to_owned()).spawn_scoped(scope, work);
            let thread = thread.map_err(|error| LiveError::NoThread(1, error.to_string()))?;
            thread
                .join()
                .map_err(|payload| LiveError::Panicked(1, super::control::message(&*payload)))
        });
        // a worker that is no more is why nothing came back
        pipeline.pause()?;
        Ok(done?)
    }
}

impl Pipeline {
    fn resume(&mut self) -> Result<(), LiveError> {
        match self {
            Pipeline::Switch(live) => live.resume(),
            Pipeline::Empty(empty) => empty.set_paused(false),
        }
    }

    fn pause(&mut self) -> Result<(), LiveError> {
        match self {
            Pipeline::Switch(live) => live.pause(),
            Pipeline::Empty(empty) => empty.set_paused(true),
        }
    }
}
