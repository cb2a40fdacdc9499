//! A switch between generators and checkers, on one thread or several. Owns what is timed: only
//! the batch between the moment when it is handed to the switch and the moment when it is handed
//! back. Making frames is timed apart, checking them not at all.

use std::sync::Barrier;

use ringfence_endpoints::generator::{
    Accounts, Checker, Pattern, Reason, Stage, Traffic, TrafficGenerator,
};
use ringfence_frame::Instant;
use ringfence_load::reason;
use ringfence_measure::{Clock, Ticks};
use ringfence_runtime::live::{FrameMemory, Frames};
use ringfence_switch::{
    Controller, Egress, Event, FrameId, Incoming, Intake, Observer, PortId, Sink, Verdict, Worker,
};

use crate::outcome::Failure;

/// Frames that are handed to the switch at a time.
const BATCH: usize = 256;

/// How the switch's time goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// As the machine's.
    Real,
    /// By a millisecond for so many frames of one worker: a rate of new flows at which as many end
    /// as begin, however fast the machine is.
    FramesPerMs(u64),
}

/// What one trial took.
#[derive(Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) frames: u64,
    /// TSC clocks in the switch.
    pub(super) clocks: u64,
    /// TSC clocks for making the frames.
    pub(super) making_clocks: u64,
}

/// A switch with a load.
pub(super) struct Rig {
    pub(super) controller: Controller,
    seats: Vec<Seat>,
}

/// One worker with what is at its ports.
struct Seat {
    worker: Worker,
    generator: TrafficGenerator,
    checker: Checker,
    frames: Frames,
    intake: Intake,
    out: Out,
    clock: Clock,
    start: Ticks,
    time: Time,
    /// Frames made so far.
    made: u64,
}

impl Rig {
    /// The rig of a controller and a traffic with one generator for each worker.
    pub(super) fn new(
        controller: Controller,
        traffic: Traffic,
        time: Time,
        clock: &Clock,
    ) -> Result<Rig, Failure> {
        let Traffic { generators, checker } = traffic;
        let start = clock.now();
        let seats = generators.into_iter().map(|generator| {
            let worker = controller.worker();
            Some(Seat {
                worker: worker?,
                generator,
                checker: checker.clone(),
                frames: FrameMemory::batch(BATCH, true),
                intake: Intake::new(BATCH),
                out: Out { delivered: Vec::with_capacity(BATCH) },
                clock: clock.clone(),
                start,
                time,
                made: 0,
            })
        });
        let seats: Option<Vec<Seat>> = seats.collect();
        let seats = seats.ok_or_else(|| Failure::Runtime("no room for a worker".to_owned()))?;
        Ok(Rig { controller, seats })
    }

    /// Sends the first packet of each flow, then the first answer, and goes over to the pattern.
    pub(super) fn open(&mut self) {
        for stage in [Stage::Open, Stage::Answer] {
            self.each(|seat| {
                seat.generator.begin(stage);
                while seat.turn().frames > 0 {}
                Spent::default()
            });
        }
        for seat in &mut self.seats {
            seat.generator.begin(Stage::Steady);
        }
    }

    /// Runs the load for `budget_clocks` on each worker.
    pub(super) fn run(&mut self, budget_clocks: u64) -> Vec<Spent> {
        self.each(|seat| {
            let start = seat.clock.now();
            let mut spent = Spent::default();
            while seat.clock.now().since(start) < budget_clocks {
                let turn = seat.turn();
                spent.frames += turn.frames;
                spent.clocks += turn.clocks;
                spent.making_clocks += turn.making_clocks;
            }
            spent
        })
    }

    /// Does something on each worker, all at the same time; those that are through sleep.
    fn each(&mut self, job: impl Fn(&mut Seat) -> Spent + Sync) -> Vec<Spent> {
        let together = Barrier::new(self.seats.len());
        let work = |seat: &mut Seat| {
            seat.worker.wake();
            together.wait();
            let spent = job(seat);
            seat.worker.sleep();
            spent
        };
        match self.seats.as_mut_slice() {
            [seat] => vec![work(seat)],
            seats => std::thread::scope(|scope| {
                let threads: Vec<_> =
                    seats.iter_mut().map(|seat| scope.spawn(|| work(seat))).collect();
                threads.into_iter().map(|it| it.join().expect("a worker does not panic")).collect()
            }),
        }
    }

    /// What became of every frame, against what the reference expects.
    pub(super) fn finish(self) -> Accounts {
        let mut generators = Vec::new();
        let mut all: Option<Checker> = None;
        for seat in self.seats {
            generators.push(seat.generator);
            match &mut all {
                None => all = Some(seat.checker),
                Some(all) => all.merge(seat.checker),
            }
        }
        all.map(|all| all.finish(&generators)).unwrap_or_default()
    }
}

impl Seat {
    /// One batch from the generator through the switch to the checker.
    fn turn(&mut self) -> Spent {
        let before = self.clock.now();
        self.frames.clear();
        let now = self.now(before);
        let frames = self.generator.fill(&mut self.frames, now.as_ns()) as u64;
        self.made += frames;
        let start = self.clock.now();
        let (slots, metas) = self.frames.parts_mut();
        let mut drops = Drops { checker: &mut self.checker };
        let incoming = (0..).zip(slots.iter_mut().zip(metas)).map(|(slot, (room, meta))| {
            let bytes = &mut room[..meta.len as usize];
            Incoming { port: meta.port, id: meta.id, slot, bytes }
        });
        let (worker, out) = (&mut self.worker, &mut self.out);
        self.intake.hand_in(incoming, |batch| worker.handle_batch(batch, now, out, &mut drops));
        let end = self.clock.now();
        self.checker
            .touch(self.out.delivered.iter().map(|&(slot, _)| self.frames.meta(slot as usize).id));
        for (slot, port) in self.out.delivered.drain(..) {
            self.checker.note_delivered(self.frames.frame(slot as usize), port);
        }
        Spent { frames, clocks: end.since(start), making_clocks: start.since(before) }
    }

    fn now(&self, ticks: Ticks) -> Instant {
        match self.time {
            Time::Real => Instant::from_ns(self.clock.ns(self.start, ticks)),
            Time::FramesPerMs(frames) => Instant::from_ms(self.made / frames),
        }
    }
}

/// Notes what goes out, to be checked when the time is taken.
struct Out {
    delivered: Vec<(u32, PortId)>,
}

impl Sink for Out {
    #[inline]
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    #[inline]
    fn put(&mut self, egress: Egress<'_>) {
        if let Some(slot) = egress.slot() {
            self.delivered.push((slot, egress.port()));
        }
    }
}

/// Tells the checker of what is dropped.
struct Drops<'a> {
    checker: &'a mut Checker,
}

impl Observer for Drops<'_> {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = false;

    #[inline]
    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    #[inline]
    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict) {
        let verdict = verdict();
        if !verdict.allowed {
            let dropped: Reason = reason(verdict.stage, verdict.because);
            self.checker.note_dropped(frame, dropped);
        }
    }
}

/// What each worker's frames are picked by.
pub(super) fn pattern(reply_share: f64) -> Pattern {
    Pattern { reply_share, ..Pattern::default() }
}
