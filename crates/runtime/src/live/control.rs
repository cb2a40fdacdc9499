//! The threads of a live run, and how they are started, told, changed, asked and stopped.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use ringfence_frame::Instant;
use ringfence_switch::{Change, Controller, Counters, Fabric, Plane};

use super::descriptors::Descriptors;
use super::seat::{Command, SeatConfig};
use super::{Directory, Exit, LiveClock, Placement, PortQueue, Seat, Waker, cores};

/// How a live run is laid out.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Whether each worker keeps to a core of its own, in turn where there are fewer.
    pub pin: bool,
    /// How long a worker without frames spins before it sleeps.
    pub spin: Duration,
    /// The longest that it sleeps before it looks after dead sessions.
    pub sleep_max: Duration,
    /// Frames that a queue may put into a batch before the others have had their turn.
    pub port_share: usize,
    /// Whether frame memory is on huge pages where they can be had.
    pub huge_pages: bool,
    /// The run's clock.
    pub clock: LiveClock,
}

impl Default for LiveOptions {
    fn default() -> LiveOptions {
        LiveOptions {
            pin: true,
            spin: Duration::from_micros(50),
            sleep_max: Duration::from_millis(10),
            port_share: 8,
            huge_pages: true,
            clock: LiveClock::start(),
        }
    }
}

/// What goes wrong with threads.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LiveError {
    /// The controller's layout has room for fewer workers.
    #[error("the switch is laid out for {0} workers, {1} were asked for")]
    TooManyWorkers(usize, usize),
    /// The system gave no thread.
    #[error("worker {0} could not be started: {1}")]
    NoThread(usize, String),
    /// A bug: a worker's thread has ended, and with it what it held.
    #[error("worker {0} panicked: {1}")]
    Panicked(usize, String),
}

/// A change that is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Applied {
    /// Its number: how many changes had been made then.
    pub epoch: u32,
    /// Time to make it: compile, publish.
    pub work: Duration,
    /// From then until each worker had passed a batch boundary or slept.
    pub wait: Duration,
}

/// What is left of a run.
pub struct Stopped<Q, E> {
    /// What controlled it.
    pub controller: Controller,
    /// The workers in their order, with all that was theirs.
    pub seats: Vec<Seat<Q, E>>,
    /// Everything counted.
    pub counters: Counters,
}

/// Worker threads over one controller.
pub struct Live<Q, E> {
    controller: Controller,
    directory: Arc<Directory>,
    placement: Placement,
    clock: LiveClock,
    hands: Hands<Q, E>,
}

/// All workers, in their order.
struct Hands<Q, E>(Vec<Hand<Q, E>>);

/// What control holds of a worker.
struct Hand<Q, E> {
    commands: Sender<Command<Q, E>>,
    waker: Waker,
    thread: Option<JoinHandle<Seat<Q, E>>>,
}

impl<Q: PortQueue + 'static, E: Exit + 'static> Live<Q, E> {
    /// Starts a worker for each pair of queues and way out.
    ///
    /// # Errors
    /// If the controller's layout has no room for them or the system has no threads.
    pub fn start(
        controller: Controller,
        seats: Vec<(Vec<Q>, E)>,
        options: &LiveOptions,
    ) -> Result<Live<Q, E>, LiveError> {
        cores::sharpen_timers();
        let placement = Placement::new(seats.len(), options.pin);
        let directory = Directory::new(controller.fabric(), controller.plane().ports());
        let clock = options.clock.clone();
        let directory = Arc::new(directory);
        let mut live = Live { controller, directory, placement, clock, hands: Hands(Vec::new()) };
        let asked_for = seats.len();
        for (number, (queues, exit)) in seats.into_iter().enumerate() {
            let worker = live.controller.worker();
            let worker = worker.ok_or(LiveError::TooManyWorkers(number, asked_for))?;
            let config = SeatConfig {
                number,
                port_share: options.port_share,
                spin: options.spin,
                sleep_max: options.sleep_max,
                huge_pages: options.huge_pages,
            };
            let descriptors = Descriptors::of(&queues)
                .map_err(|error| LiveError::NoThread(number, error.to_string()))?;
            let core = live.placement.cores[number];
            let clock = live.clock.clone();
            let (told, commands) = unbounded();
            let (ready, started) = bounded(1);
            let start = move || {
                if let Some(core) = core {
                    // where it is not allowed, the worker runs where the system likes
                    let _ = cores::pin(core);
                }
                cores::sharpen_timers();
                // made here, so that its memory lies near this core
                let seat = Seat::new(worker, queues, descriptors, exit, &config);
                let waker = Waker::of_this_thread();
                let _ = ready.send(waker.clone());
                seat.run(&clock, &commands, &waker)
            };
            let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(start);
            let thread = thread.map_err(|error| LiveError::NoThread(number, error.to_string()))?;
            match started.recv() {
                Ok(waker) => {
                    live.hands.0.push(Hand { commands: told, waker, thread: Some(thread) });
                }
                Err(_) => return Err(panicked(number, thread)),
            }
        }
        Ok(live)
    }

    /// What is enforced now.
    pub fn fabric(&self) -> &Fabric {
        self.controller.fabric()
    }

    /// What the workers share.
    pub fn plane(&self) -> &Arc<Plane> {
        self.controller.plane()
    }

    /// Who is called what.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Where workers run.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.hands.0.len()
    }

    /// The moment.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Makes a change while frames flow, and returns once no frame is judged by older rules any
    /// more. The change has been validated.
    ///
    /// # Errors
    /// If a worker has panicked. The change is made all the same.
    pub fn apply(&mut self, change: Change) -> Result<Applied, LiveError> {
        let begun = self.clock.now();
        self.directory.follow(self.controller.fabric(), &change);
        let epoch = self.controller.apply(change);
        let made = self.clock.now();
        while !self.controller.plane().is_in_force(epoch) {
            if self.clock.now().since(made) < SPIN {
                std::hint::spin_loop();
                continue;
            }
            // a worker that does not come to its boundary may be waiting for this very core
            thread::park_timeout(SPIN);
            self.check()?;
        }
        let done = self.clock.now();
        Ok(Applied { epoch, work: made.since(begun), wait: done.since(made) })
    }

    /// Has one worker do something between two batches, and waits for what comes of it.
    ///
    /// # Errors
    /// If the worker has panicked, now or before.
    pub fn on<T: Send + 'static>(
        &mut self,
        worker: usize,
        what: impl FnOnce(&mut Seat<Q, E>) -> T + Send + 'static,
    ) -> Result<T, LiveError> {
        let answer = self.tell(worker, what);
        answer.recv().map_err(|_| self.failure(worker))
    }

    /// The same with every worker at once; the answers in their order.
    ///
    /// # Errors
    /// If a worker has panicked, now or before.
    pub fn on_each<T: Send + 'static>(
        &mut self,
        what: impl Fn(&mut Seat<Q, E>) -> T + Send + Clone + 'static,
    ) -> Result<Vec<T>, LiveError> {
        let answers: Vec<_> =
            (0..self.hands.0.len()).map(|worker| self.tell(worker, what.clone())).collect();
        let mut all = Vec::new();
        for (worker, answer) in answers.into_iter().enumerate() {
            all.push(answer.recv().map_err(|_| self.failure(worker))?);
        }
        Ok(all)
    }

    /// Everything counted so far, each worker's part as it was between two of its batches.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn counters(&mut self) -> Result<Counters, LiveError> {
        let mut counters = Counters::default();
        for worker in 0..self.hands.0.len() {
            let sum = std::mem::take(&mut counters);
            counters = self.on(worker, move |seat| {
                let mut sum = sum;
                seat.add_counters(&mut sum);
                sum
            })?;
        }
        Ok(counters)
    }

    /// Has all workers leave their queues alone. They have when this returns.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn pause(&mut self) -> Result<(), LiveError> {
        self.on_each(|seat| seat.set_paused(true)).map(drop)
    }

    /// Has all workers poll their queues again.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn resume(&mut self) -> Result<(), LiveError> {
        self.on_each(|seat| seat.set_paused(false)).map(drop)
    }

    /// Whether all workers are alive.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub fn check(&mut self) -> Result<(), LiveError> {
        let has_ended =
            |hand: &Hand<Q, E>| hand.thread.as_ref().is_none_or(JoinHandle::is_finished);
        match self.hands.0.iter().position(has_ended) {
            Some(worker) => Err(self.failure(worker)),
            None => Ok(()),
        }
    }

    /// Stops all workers, each at the end of its batch. What is left in queues stays there.
    ///
    /// # Errors
    /// If a worker has panicked; the others are stopped all the same.
    pub fn stop(mut self) -> Result<Stopped<Q, E>, LiveError> {
        let mut seats = Vec::new();
        let mut failed = None;
        self.hands.dismiss();
        for (number, hand) in std::mem::take(&mut self.hands.0).into_iter().enumerate() {
            match hand.thread.map(JoinHandle::join) {
                Some(Ok(seat)) => seats.push(seat),
                Some(Err(payload)) => {
                    failed.get_or_insert(LiveError::Panicked(number, message(&*payload)));
                }
                None => {
                    failed.get_or_insert(LiveError::Panicked(number, REPORTED.to_owned()));
                }
            }
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        let mut counters = Counters::default();
        seats.iter().for_each(|seat| seat.add_counters(&mut counters));
        Ok(Stopped { controller: self.controller, seats, counters })
    }

    /// Hands something to a worker; where its answer will be.
    fn tell<T: Send + 'static>(
        &self,
        worker: usize,
        what: impl FnOnce(&mut Seat<Q, E>) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (answer, answered) = bounded(1);
        let command = Command::Do(Box::new(move |seat: &mut Seat<Q, E>| {
            // who asked may have given up
            let _ = answer.send(what(seat));
        }));
        let hand = &self.hands.0[worker];
        // a worker that has ended drops the command, and with it the other end of `answered`
        let _ = hand.commands.send(command);
        hand.waker.wake();
        answered
    }

    /// Why a worker gave no answer.
    fn failure(&mut self, worker: usize) -> LiveError {
        match self.hands.0[worker].thread.take() {
            Some(thread) => panicked(worker, thread),
            None => LiveError::Panicked(worker, REPORTED.to_owned()),
        }
    }
}

impl<Q, E> Hands<Q, E> {
    /// Has all workers stop.
    fn dismiss(&self) {
        for hand in &self.0 {
            let _ = hand.commands.send(Command::Stop);
            hand.waker.wake();
        }
    }
}

impl<Q, E> Drop for Hands<Q, E> {
    /// Stops workers that nobody has stopped, and waits for them.
    fn drop(&mut self) {
        self.dismiss();
        for hand in &mut self.0 {
            if let Some(thread) = hand.thread.take() {
                // what it panicked with has been printed, and nobody is left to tell
                let _ = thread.join();
            }
        }
    }
}

/// How long control looks for workers at their boundaries before it makes way for them.
const SPIN: Duration = Duration::from_micros(20);
/// What is said of a panic that has been reported before.
const REPORTED: &str = "reported before";

pub(crate) fn panicked<T>(worker: usize, thread: JoinHandle<T>) -> LiveError {
    match thread.join() {
        Ok(_) => LiveError::Panicked(worker, "it has stopped".to_owned()),
        Err(payload) => LiveError::Panicked(worker, message(&*payload)),
    }
}

pub(crate) fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}
