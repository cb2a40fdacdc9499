//! One worker thread's loop: commands, then a batch from its queues, then the batch through the
//! switch; and what it does when nothing comes.
//!
//! A turn reads the clock once, at its end, which is the next one's start. Nothing in it allocates,
//! locks or writes what another thread reads, but for what frames do to the session table.

use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use ringfence_frame::Instant;
use ringfence_switch::{BATCH_MAX, Counters, Incoming, Intake, Worker};

use super::descriptors::Descriptors;
use super::{Exit, Frames, LiveClock, PortQueue, Waker};

/// What control tells a worker.
pub(crate) enum Command<Q, E> {
    Do(Errand<Q, E>),
    Stop,
}

/// Something to be done between two batches.
pub(crate) type Errand<Q, E> = Box<dyn FnOnce(&mut Seat<Q, E>) + Send>;

/// One worker thread with all that only it touches.
pub struct Seat<Q, E> {
    number: usize,
    worker: Worker,
    queues: Vec<Q>,
    exit: E,
    frames: Frames,
    intake: Intake,
    /// The queue that the next batch begins with.
    first_queue: usize,
    port_share: usize,
    spin: Duration,
    sleep_max: Duration,
    paused: bool,
    /// What its queues wait for, if they do.
    descriptors: Option<Descriptors>,
    /// Turns since it last looked at that.
    turns: usize,
    now: Instant,
    /// When it last had a frame, or was woken.
    busy_at: Instant,
    progress: Progress,
}

/// What a worker has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Batches handled.
    pub batches: u64,
    /// Frames in them.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// The longest time from one turn's end to the next one's, asleep left out.
    pub longest_gap: Duration,
    /// How often it slept.
    pub sleeps: u64,
    /// How long in all.
    pub slept: Duration,
}

/// What a seat is made with.
pub(crate) struct SeatConfig {
    pub(crate) number: usize,
    pub(crate) port_share: usize,
    pub(crate) spin: Duration,
    pub(crate) sleep_max: Duration,
    pub(crate) huge_pages: bool,
}

/// Queues for which one look at their descriptors takes about as long as a frame.
const QUEUES_PER_TURN: usize = 8;
/// Times that a spinning worker does nothing between two looks at its queues.
pub(crate) const PAUSES: usize = 16;

impl<Q: PortQueue, E: Exit> Seat<Q, E> {
    pub(crate) fn new(
        worker: Worker,
        queues: Vec<Q>,
        descriptors: Option<Descriptors>,
        exit: E,
        config: &SeatConfig,
    ) -> Seat<Q, E> {
        let SeatConfig { number, port_share, spin, sleep_max, huge_pages } = *config;
        Seat {
            number,
            worker,
            queues,
            exit,
            frames: super::FrameMemory::batch(BATCH_MAX, huge_pages),
            intake: Intake::new(BATCH_MAX),
            first_queue: 0,
            port_share: port_share.clamp(1, BATCH_MAX),
            spin,
            sleep_max,
            paused: false,
            descriptors,
            turns: 0,
            now: Instant::START,
            busy_at: Instant::START,
            progress: Progress::default(),
        }
    }

    /// Which worker it is, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its part of the switch.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// The queues that it polls.
    pub fn queues(&self) -> &[Q] {
        &self.queues
    }

    /// The queues that it polls.
    pub fn queues_mut(&mut self) -> &mut Vec<Q> {
        &mut self.queues
    }

    /// Its way out.
    pub fn exit(&self) -> &E {
        &self.exit
    }

    /// Its way out.
    pub fn exit_mut(&mut self) -> &mut E {
        &mut self.exit
    }

    /// Queues and way out at once.
    pub fn parts_mut(&mut self) -> (&mut Vec<Q>, &mut E) {
        (&mut self.queues, &mut self.exit)
    }

    /// The moment of its last turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What it has done since it started, or since this was last forgotten.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Forgets what it has done.
    pub fn forget_progress(&mut self) {
        self.progress = Progress::default();
    }

    /// Adds what it has counted.
    pub fn add_counters(&self, counters: &mut Counters) {
        self.worker.add_counters(counters);
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Its parts, at the end.
    pub fn into_parts(self) -> (Worker, Vec<Q>, E) {
        (self.worker, self.queues, self.exit)
    }

    /// Works until it is told to stop, or nobody is left to tell.
    pub(crate) fn run(
        mut self,
        clock: &LiveClock,
        commands: &Receiver<Command<Q, E>>,
        waker: &Waker,
    ) -> Seat<Q, E> {
        if let Some(descriptors) = &self.descriptors {
            waker.hang(descriptors.bell());
        }
        self.queues.iter_mut().for_each(|queue| queue.attach(waker));
        self.worker.wake();
        self.now = clock.now();
        self.busy_at = self.now;
        while self.obey(commands) {
            if !self.paused && self.turn(clock) {
                continue;
            }
            self.idle(clock, commands, waker);
        }
        self.worker.sleep();
        self
    }

    /// Does what it is told. Whether it goes on.
    fn obey(&mut self, commands: &Receiver<Command<Q, E>>) -> bool {
        loop {
            match commands.try_recv() {
                Ok(Command::Do(what)) => what(self),
                Err(TryRecvError::Empty) => return true,
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// One batch. Whether there were frames.
    fn turn(&mut self, clock: &LiveClock) -> bool {
        self.exit.begin();
        self.frames.clear();
        self.look_in_turn();
        self.pull();
        if self.frames.is_empty() {
            return false;
        }
        self.exit.pulled(&self.frames);
        let bytes = self.handle();
        let now = self.now;
        let done = self.pass_time(clock);
        self.busy_at = done;
        self.progress.batches += 1;
        self.progress.frames += self.frames.len() as u64;
        self.progress.bytes += bytes;
        self.exit.end(&self.frames, self.worker.epoch(), now, done);
        true
    }

    /// Looks which descriptors can be read, more seldom where there are many.
    fn look_in_turn(&mut self) {
        let Some(descriptors) = &self.descriptors else { return };
        self.turns += 1;
        if self.turns > self.queues.len() / QUEUES_PER_TURN && !self.paused {
            self.turns = 0;
            descriptors.wait(Duration::ZERO, &mut self.queues);
        }
    }

    /// Fills the batch, each queue's share of it in turn, until it is full or nobody has more.
    fn pull(&mut self) {
        let queues = self.queues.len();
        let mut without = 0;
        while without < queues && self.frames.len() < BATCH_MAX {
            let queue = &mut self.queues[self.first_queue];
            self.first_queue = if self.first_queue + 1 < queues { self.first_queue + 1 } else { 0 };
            let room = BATCH_MAX - self.frames.len();
            let most = if queues == 1 { room } else { room.min(self.port_share) };
            let pulled = queue.pull(&mut self.frames, most, self.now);
            without = if pulled == 0 { without + 1 } else { 0 };
        }
    }

    /// The batch's way through the switch; how many bytes it has.
    fn handle(&mut self) -> u64 {
        let (slots, metas) = self.frames.parts_mut();
        let mut bytes = 0;
        let frames = (0..).zip(slots.iter_mut().zip(metas)).map(|(slot, (room, meta))| {
            bytes += u64::from(meta.len);
            let bytes = &mut room[..meta.len as usize];
            Incoming { port: meta.port, id: meta.id, slot, bytes }
        });
        let Seat { worker, exit, now, .. } = self;
        let (sink, observer) = exit.parts();
        self.intake.hand_in(frames, |batch| worker.handle_batch(batch, *now, sink, observer));
        bytes
    }

    /// Reads the clock.
    fn pass_time(&mut self, clock: &LiveClock) -> Instant {
        // another core's counter may be behind by a few ticks
        let now = clock.now().max(self.now);
        self.progress.longest_gap = self.progress.longest_gap.max(now.since(self.now));
        self.now = now;
        now
    }

    /// Nothing came: looks after what it holds, and waits.
    fn idle(&mut self, clock: &LiveClock, commands: &Receiver<Command<Q, E>>, waker: &Waker) {
        let (sink, observer) = self.exit.parts();
        self.worker.tidy(self.now, sink, observer);
        let now = self.pass_time(clock);
        let next = self.next_wakeup(now);
        let is_near = next.is_some_and(|next| next.since(now) <= self.spin);
        if !self.paused && (is_near || now.since(self.busy_at) < self.spin) {
            for _ in 0..PAUSES {
                std::hint::spin_loop();
            }
            return;
        }
        // a thread that is woken by a timer comes late: it wakes early, and spins
        let until = next.map_or(self.sleep_max, |next| next.since(now).saturating_sub(self.spin));
        self.worker.sleep();
        let (is_paused, deadline) = (self.paused, self.worker.next_deadline());
        let has_work = |queues: &[Q]| {
            let next = earliest(queues, is_paused, deadline, now);
            !commands.is_empty() || next.is_some_and(|next| next <= now)
        };
        let is_ready = waker.sleep_unless(
            until.min(self.sleep_max),
            self.descriptors.as_ref(),
            &mut self.queues,
            has_work,
        );
        self.worker.wake();
        self.now = clock.now().max(now);
        let has_come = is_ready || next.is_some() || self.has_frames();
        self.busy_at = if has_come { self.now } else { self.busy_at };
        self.progress.sleeps += 1;
        self.progress.slept += self.now.since(now);
    }

    fn has_frames(&self) -> bool {
        self.next_wakeup(self.now).is_some_and(|next| next <= self.now)
    }

    /// When a frame comes or something held times out, as far as is known.
    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        earliest(&self.queues, self.paused, self.worker.next_deadline(), now)
    }
}

fn earliest<Q: PortQueue>(
    queues: &[Q],
    is_paused: bool,
    deadline: Option<Instant>,
    now: Instant,
) -> Option<Instant> {
    let queues = queues.iter().filter_map(|queue| queue.next_wakeup(now));
    queues.filter(|_| !is_paused).chain(deadline).min()
}
