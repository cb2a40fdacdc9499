//! One thread's part of a switch: takes frames in batches, judges a whole batch by the rules of
//! one moment, and counts what only it writes. What becomes of a frame is told in `journey`.

use std::sync::Arc;

use ringfence_frame::Instant;
use ringfence_session::FlowWorker;

use crate::established::{AHEAD, GROUP, Staging};
use crate::foreseen::Openings;
use crate::fragments::{Fate, Fragments, Held, Known};
use crate::journey::{Arrival, Scene, Stop, Walk};
use crate::plane::Plane;
use crate::rules::Rules;
use crate::tally::Tallies;
use crate::{Counters, Incoming, Observer, PortId, Sink, Stage, Verdict};

/// Frames that a worker thread takes at a time: two groups of them, so that one waits for memory while
/// the other is acted on, and few enough that all stay in the first-level cache. A batch may be longer.
pub const BATCH_MAX: usize = 32;

/// The share of the session table that is looked over for dead sessions for one millisecond that has
/// passed; and how much of it at least and, but for very large tables, at most at a time.
const SWEEPS_PER_TABLE: usize = 1_024;
const SWEEP_MIN: usize = 64;
const SWEEP_MAX: usize = 8_192;

/// One thread's part of a switch.
pub struct Worker {
    number: usize,
    plane: Arc<Plane>,
    rules: Arc<Rules>,
    state: State,
}

/// What a worker changes while it forwards.
pub(crate) struct State {
    pub(crate) flows: FlowWorker,
    pub(crate) fragments: Fragments,
    pub(crate) tallies: Tallies,
    pub(crate) staging: Box<Staging>,
    pub(crate) openings: Box<Openings>,
    /// The millisecond at which it last looked for dead sessions.
    swept_ms: u64,
}

impl Worker {
    pub(crate) fn new(plane: &Arc<Plane>) -> Option<Worker> {
        let flows = plane.flows.register()?;
        let rules = plane.rules();
        let mut tallies = Tallies::new(&plane.ports);
        tallies.fit(&rules);
        let number = flows.number();
        let (staging, openings) = (Box::default(), Box::default());
        let fragments = Fragments::default();
        let state = State { flows, fragments, tallies, staging, openings, swept_ms: 0 };
        Some(Worker { number, plane: Arc::clone(plane), rules, state })
    }

    /// Takes a batch of frames, of one port or of several, in their order. What goes out is put
    /// into `sink`, what became of each frame is told to `observer`. Rules, time and housekeeping
    /// are those of the batch; the worker is awake.
    ///
    /// `now` never goes back.
    ///
    /// # Panics
    /// If a port has no such number. No bytes make it panic.
    pub fn handle_batch<S: Sink, O: Observer>(
        &mut self,
        frames: &mut [Incoming<'_>],
        now: Instant,
        sink: &mut S,
        observer: &mut O,
    ) {
        self.pick_up();
        let Worker { plane, rules, state, .. } = self;
        let scene = Scene::new(plane, rules, now);
        state.tidy(scene, sink, observer);
        state.take(scene, frames, sink, observer);
        state.flows.quiescent();
    }

    /// What a batch begins with, without frames: picks the rules up, says that it holds nothing of
    /// the session table, and ends what has timed out, as much of it as is due for the milliseconds
    /// that have passed. For a worker to which nothing comes.
    pub fn tidy<S: Sink, O: Observer>(&mut self, now: Instant, sink: &mut S, observer: &mut O) {
        self.pick_up();
        let Worker { plane, rules, state, .. } = self;
        state.tidy(Scene::new(plane, rules, now), sink, observer);
        state.flows.quiescent();
        state.count_traffic();
    }

    /// Ends what has timed out: sessions, and fragments held (their verdicts are told).
    ///
    /// One call looks at a bounded number of sessions; a dead one is never found, whether it has
    /// been removed or not. One that another worker, which is awake and has only come to an earlier
    /// moment, can still find is left alone: which worker is faster changes no verdict.
    pub fn expire<S: Sink, O: Observer>(
        &mut self,
        now: Instant,
        slice_max: usize,
        sink: &mut S,
        observer: &mut O,
    ) {
        self.pick_up();
        let Worker { plane, rules, state, .. } = self;
        state.expire_sessions(now, slice_max);
        state.fragments.expire(now);
        state.release_fragments(Scene::new(plane, rules, now), sink, observer);
        state.flows.quiescent();
    }

    /// When something held may time out.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.state.fragments.next_deadline()
    }

    /// Says that it holds no frame and takes none until [`Worker::wake`]: nobody waits for it. A
    /// worker that has nothing to do has to sleep, or else [`Worker::expire`] from time to time: as
    /// long as it does neither, changes of the rules are not known to be in force, and no session is
    /// removed that dies after its last batch.
    pub fn sleep(&mut self) {
        self.state.flows.sleep();
        self.plane.falls_asleep(self.number);
    }

    /// Takes part again. The moment of its next batch, by the clock that all workers have in common,
    /// is to be read after this: what died before may be gone.
    pub fn wake(&mut self) {
        self.state.flows.wake();
        // from here on whoever changes the rules waits for this worker; older rules are not used,
        // as the next batch begins with a look at the newest
        self.plane.judges_by(self.number, self.rules.epoch);
    }

    /// The epoch of the rules by which it judged its last batch whole.
    pub fn epoch(&self) -> u32 {
        self.rules.epoch
    }

    /// What it shares with the others.
    pub fn plane(&self) -> &Arc<Plane> {
        &self.plane
    }

    /// Adds everything that it has counted to `counters`. The traffic of sessions is counted when
    /// they end, and of long ones from time to time.
    pub fn add_counters(&self, counters: &mut Counters) {
        self.state.tallies.add_to(counters, &self.plane.ports, &self.rules);
    }

    /// Forgets what it has counted and held.
    pub(crate) fn reset(&mut self) {
        self.state.flows.clear();
        self.state.flows.drain_tallies(|_, _, _| {});
        self.state.fragments.clear();
        self.state.tallies = Tallies::new(&self.plane.ports);
        self.state.tallies.fit(&self.rules);
    }

    /// Takes the newest rules.
    pub(crate) fn pick_up(&mut self) {
        if self.plane.epoch() != self.rules.epoch {
            let before = std::mem::replace(&mut self.rules, self.plane.rules());
            self.state.tallies.fit(&self.rules);
            if self.rules.cleared.at > before.epoch {
                self.state.forget_cleared(&self.rules, before.epoch);
            }
            self.plane.judges_by(self.number, self.rules.epoch);
        }
    }
}

impl State {
    /// Takes frames in their order, in groups, each of which takes three steps that lie apart: while
    /// one group is acted on, memory brings the lines of another one's flows and the buckets of a
    /// third one's.
    fn take<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        frames: &mut [Incoming<'_>],
        sink: &mut S,
        observer: &mut O,
    ) {
        let groups = frames.len().div_ceil(GROUP);
        for step in 0..groups + 2 * AHEAD {
            if let Some(group) = frames.get(step * GROUP..)
                && step < groups
            {
                self.stage::<O>(&scene, step, group);
            }
            if let Some(earlier) = step.checked_sub(AHEAD)
                && earlier < groups
            {
                self.look_up(earlier);
            }
            if let Some(first) = step.checked_sub(2 * AHEAD) {
                self.act(&scene, first, &mut frames[first * GROUP..], sink, observer);
            }
        }
    }

    /// The frame's whole journey, the long way.
    #[inline(never)]
    pub(crate) fn handle<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        frame: &mut Incoming<'_>,
        sink: &mut S,
        observer: &mut O,
    ) {
        self.tallies.port(frame.port).other_in.count(frame.bytes.len() as u64);
        let place = scene.ports()[frame.port as usize].place;
        let mut arrival = Arrival {
            number: frame.port,
            port: place,
            id: frame.id,
            slot: Some(frame.slot),
            bytes: frame.bytes,
        };
        let mut walk = Walk::new(frame.id, u64::from(scene.rules.epoch), sink, observer);
        let result = self.journey(scene, &mut arrival, &mut walk);
        let (first_of, route) = (walk.first_of, walk.route.take());
        if let Some(verdict) = self.finish(frame.port, walk, result)
            && let Some(key) = first_of
        {
            self.fragments.settle(&key, Known { verdict, route });
        }
        self.release_fragments(scene, sink, observer);
    }

    /// Housekeeping, once a millisecond at most.
    fn tidy<S: Sink, O: Observer>(&mut self, scene: Scene<'_>, sink: &mut S, observer: &mut O) {
        let now = scene.now;
        if now.as_ms() != self.swept_ms {
            let passed = usize::try_from(now.as_ms().saturating_sub(self.swept_ms));
            self.swept_ms = now.as_ms();
            let slice = (scene.plane.flows.capacity() / SWEEPS_PER_TABLE).max(SWEEP_MIN);
            let due = slice.saturating_mul(passed.unwrap_or(usize::MAX));
            self.expire_sessions(now, due.min(SWEEP_MAX.max(slice)));
        }
        self.fragments.expire(now);
        self.release_fragments(scene, sink, observer);
    }

    fn expire_sessions(&mut self, now: Instant, slice_max: usize) {
        self.flows.expire(now, slice_max);
        self.count_traffic();
    }

    fn count_traffic(&mut self) {
        let State { flows, tallies, .. } = self;
        flows.drain_tallies(|id, frames, bytes| tallies.count_traffic(id, frames, bytes));
    }

    /// Forgets what was counted under ids that have been freed since the rules of `epoch`: all of it
    /// is in by now, as no flow holds them any more, and nothing is new, as no rule has them yet that
    /// any worker goes by which is awake.
    #[cold]
    fn forget_cleared(&mut self, rules: &Rules, epoch: u32) {
        self.count_traffic();
        rules.cleared.since(epoch).for_each(|id| self.tallies.clear(id));
    }

    /// Sends on or drops the fragments that wait no longer.
    fn release_fragments<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        sink: &mut S,
        observer: &mut O,
    ) {
        while let Some((held, fate)) = self.fragments.pop_released() {
            let Held { number, port, id, frame, packet, mut bytes } = held;
            let mut arrival = Arrival { number, port, id, slot: None, bytes: &mut bytes };
            let mut walk = Walk::new(id, u64::from(scene.rules.epoch), sink, observer);
            walk.tuple = Some(packet.tuple());
            let result = match fate {
                Fate::Shares(known) => {
                    self.follow(scene, &mut arrival, &frame, &packet, &known, &mut walk)
                }
                Fate::Dropped(because) => Err(Stop::Denied(Stage::Parse, because)),
            };
            self.finish(number, walk, result);
        }
    }

    fn finish<S: Sink, O: Observer>(
        &mut self,
        port: PortId,
        walk: Walk<'_, S, O>,
        result: Result<(), Stop>,
    ) -> Option<Verdict> {
        let verdict = walk.end(result)?;
        if !verdict.allowed {
            self.tallies.count_drop(port, verdict.because);
        }
        Some(verdict)
    }
}

impl Drop for Worker {
    /// Nobody waits for a worker that is no more.
    fn drop(&mut self) {
        self.plane.falls_asleep(self.number);
    }
}
