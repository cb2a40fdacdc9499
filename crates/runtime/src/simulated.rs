//! The simulated world: same scenario, same seed, same bytes. Owns the order in which things
//! happen; when they happen stands in `agenda`, what is kept of them in `journal`.

mod agenda;
mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringfence_cloud::Place;
use ringfence_endpoints::{Endpoint, Generator, Guest};
use ringfence_frame::{Direction, Instant};
use ringfence_switch::{Change, Delivery, FrameId, Switch, Verdict};

use crate::LinkConfig;
use crate::link::Lane;
use agenda::{Agenda, Event, Sleeper};
use journal::Journal;

/// What a run records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecordingOptions {
    /// Every frame at every port, for captures.
    pub frames: bool,
    /// Every step of every frame, for explanations.
    pub events: bool,
}

/// A frame as it crossed a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapturedFrame {
    /// When it crossed.
    pub at: Instant,
    /// Where.
    pub port: Place,
    /// Outbound: from the instance to the switch. Inbound: to the instance.
    pub direction: Direction,
    /// The frame handed to the switch that it is; none for the fabric's own answers.
    pub frame: Option<FrameId>,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// What the switch said about a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedVerdict {
    /// The frame's number, counted from 1 in the order in which the switch met them.
    pub frame: FrameId,
    /// When the switch met it.
    pub at: Instant,
    /// The port that it came in at.
    pub port: Place,
    /// Its length in bytes.
    pub len: usize,
    /// What became of it.
    pub verdict: Verdict,
}

/// Turns between endpoints and switch that one moment may take; only endpoints that answer each
/// other for ever over links without delay need more.
const TURNS_MAX: usize = 10_000;
/// What is still due after all turns of a moment waits for this long.
const BREATHER: Duration = Duration::from_millis(1);

/// A switch with its endpoints and links on a virtual clock.
pub struct Simulation {
    switch: Switch,
    now: Instant,
    seed: u64,
    guests: BTreeMap<Place, Guest>,
    generators: Vec<(Place, Generator)>,
    links: BTreeMap<Place, Link>,
    /// Ports whose links have a limited bandwidth.
    limited: BTreeSet<Place>,
    agenda: Agenda,
    journal: Journal,
    /// Guests that the caller may have given something to do.
    disturbed: BTreeSet<Place>,
    /// Ports at which something may wait to go out.
    touched: Vec<Place>,
    frames_lost: u64,
}

/// Both directions of a link.
struct Link {
    to_switch: Lane,
    to_endpoint: Lane,
    /// A [`Event::Free`] is on its way.
    is_busy: bool,
}

impl Simulation {
    /// A world at its start, with nothing attached. What is left to chance on links comes from
    /// `seed`.
    pub fn new(switch: Switch, seed: u64, recording: RecordingOptions) -> Simulation {
        Simulation {
            switch,
            now: Instant::START,
            seed,
            guests: BTreeMap::new(),
            generators: Vec::new(),
            links: BTreeMap::new(),
            limited: BTreeSet::new(),
            agenda: Agenda::default(),
            journal: Journal::new(recording),
            disturbed: BTreeSet::new(),
            touched: Vec::new(),
            frames_lost: 0,
        }
    }

    /// The moment.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Attaches a guest at a port. Places without a guest absorb what is delivered there.
    pub fn attach_guest(&mut self, port: Place, guest: Guest, link: LinkConfig) {
        self.set_link(port, link);
        self.guests.insert(port, guest);
        self.disturbed.insert(port);
    }

    /// Attaches a generator that sends into `port` (a guest may live there as well). What it sent
    /// is counted wherever it arrives, and is not shown to a guest.
    pub fn attach_generator(&mut self, port: Place, mut generator: Generator) {
        let wakeup = generator.next_wakeup(self.now);
        self.agenda.wake(Sleeper::Generator(self.generators.len()), wakeup);
        self.generators.push((port, generator));
    }

    /// Sets what the link at a port is like; a port has [`LinkConfig::default`] else. Frames on
    /// their way arrive as they would have.
    pub fn set_link(&mut self, port: Place, link: LinkConfig) {
        match link.bandwidth_bps {
            Some(_) => self.limited.insert(port),
            None => self.limited.remove(&port),
        };
        let is_busy = self.links.get(&port).is_some_and(|link| link.is_busy);
        let seed = seed_of(self.seed, port);
        let to_switch = Lane::new(link, seed);
        let to_endpoint = Lane::new(link, !seed);
        self.links.insert(port, Link { to_switch, to_endpoint, is_busy });
    }

    /// The guest at a port.
    pub fn guest(&self, port: Place) -> Option<&Guest> {
        self.guests.get(&port)
    }

    /// The guest at a port, to be given something to do.
    pub fn guest_mut(&mut self, port: Place) -> Option<&mut Guest> {
        self.disturbed.insert(port);
        self.guests.get_mut(&port)
    }

    /// The generators in the order in which they were attached.
    pub fn generators(&self) -> &[(Place, Generator)] {
        &self.generators
    }

    /// Sends a frame into `port` over its link now, as if its endpoint had sent it.
    pub fn inject(&mut self, port: Place, bytes: Vec<u8>) {
        let now = self.now;
        match self.link(port).to_switch.send(bytes.len(), now) {
            Some(due) => self.agenda.schedule(due, Event::ToSwitch(port, bytes)),
            None => self.frames_lost += 1,
        }
    }

    /// Runs until `until`: everything due up to and at that moment has happened.
    pub fn run_until(&mut self, until: Instant) {
        for port in std::mem::take(&mut self.disturbed) {
            self.note_wakeup(port);
        }
        loop {
            self.breathe();
            let deadline = self.switch.next_deadline();
            let Some(next) = self.agenda.next().into_iter().chain(deadline).min() else {
                break;
            };
            let next = if next > self.now { next } else { self.now + BREATHER };
            if next > until {
                break;
            }
            self.now = next;
        }
        self.now = self.now.max(until);
        // dead sessions are never found; here they stop being counted as well
        self.journal.expire(&mut self.switch, self.now, &mut self.touched);
        self.deliver();
    }

    /// Applies a change now.
    pub fn apply(&mut self, change: Change) {
        self.switch.apply(change, self.now);
    }

    /// The switch.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Verdicts so far, in frame order.
    pub fn verdicts(&self) -> &[LoggedVerdict] {
        &self.journal.verdicts
    }

    /// Frames captured so far, in time order (ties in the order in which they happened): what
    /// reached the switch, and what left it.
    pub fn frames(&self) -> &[CapturedFrame] {
        &self.journal.frames
    }

    /// Steps recorded so far.
    pub fn events(&self) -> &[(FrameId, ringfence_switch::Event)] {
        &self.journal.steps.events
    }

    /// Verdicts and captured frames, taken out at the end of a run.
    pub fn into_records(self) -> (Vec<LoggedVerdict>, Vec<CapturedFrame>) {
        (self.journal.verdicts, self.journal.frames)
    }

    /// Frames that links have lost, by chance or because too many waited.
    pub fn frames_lost(&self) -> u64 {
        self.frames_lost
    }

    /// Everything that happens at this moment.
    fn breathe(&mut self) {
        for _ in 0..TURNS_MAX {
            let sleepers = self.agenda.due_sleepers(self.now);
            let mut is_over = sleepers.is_empty();
            for sleeper in sleepers {
                self.pull(sleeper);
            }
            while let Some(event) = self.agenda.pop_due(self.now) {
                is_over = false;
                self.happen(event);
            }
            if is_over {
                break;
            }
        }
        if self.switch.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.journal.expire(&mut self.switch, self.now, &mut self.touched);
            self.deliver();
        }
    }

    /// Puts what an endpoint has to send on its link.
    fn pull(&mut self, sleeper: Sleeper) {
        let now = self.now;
        let port = match sleeper {
            Sleeper::Guest(port) => port,
            Sleeper::Generator(index) => self.generators[index].0,
        };
        loop {
            let frame = match sleeper {
                Sleeper::Guest(port) => self.guests.get_mut(&port).and_then(|g| g.pull(now)),
                Sleeper::Generator(index) => self.generators[index].1.pull(now),
            };
            match frame {
                Some(frame) => self.inject(port, frame),
                None => break,
            }
        }
        match sleeper {
            Sleeper::Guest(port) => self.note_wakeup(port),
            Sleeper::Generator(index) => {
                let wakeup = self.generators[index].1.next_wakeup(now);
                self.agenda.wake(sleeper, wakeup);
            }
        }
    }

    fn note_wakeup(&mut self, port: Place) {
        let wakeup = self.guests.get_mut(&port).and_then(|guest| guest.next_wakeup(self.now));
        self.agenda.wake(Sleeper::Guest(port), wakeup);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToSwitch(port, bytes) => {
                self.journal.meet(&mut self.switch, port, bytes, self.now, &mut self.touched);
                self.deliver();
            }
            Event::ToEndpoint(port, bytes) => self.arrive(port, &bytes),
            Event::Free(port) => {
                self.link(port).is_busy = false;
                self.serve(port);
            }
        }
    }

    /// Puts what the switch lets out on links.
    fn deliver(&mut self) {
        if self.limited.is_empty() {
            self.touched.clear();
            while let Some(delivery) = self.switch.pull() {
                self.put_out(delivery);
            }
            return;
        }
        let mut touched = std::mem::take(&mut self.touched);
        for port in touched.drain(..) {
            self.serve(port);
        }
        self.touched = touched;
    }

    /// Fetches from the output queue of a port what its link can take now.
    fn serve(&mut self, port: Place) {
        let is_limited = self.limited.contains(&port);
        while !self.link(port).is_busy
            && let Some(delivery) = self.switch.pull_from(port)
        {
            self.put_out(delivery);
            if is_limited {
                let link = self.link(port);
                link.is_busy = true;
                let free_at = link.to_endpoint.free_at();
                self.agenda.schedule(free_at, Event::Free(port));
            }
        }
    }

    fn put_out(&mut self, delivery: Delivery) {
        let now = self.now;
        let (port, frame) = (delivery.port(), delivery.frame());
        let bytes = delivery.into_bytes();
        if self.journal.keeps_frames() {
            self.journal.capture(port, Direction::Inbound, frame, bytes.clone(), now);
        }
        match self.link(port).to_endpoint.send(bytes.len(), now) {
            Some(due) => self.agenda.schedule(due, Event::ToEndpoint(port, bytes)),
            None => self.frames_lost += 1,
        }
    }

    fn arrive(&mut self, port: Place, bytes: &[u8]) {
        let now = self.now;
        if self.generators.iter_mut().any(|(_, generator)| generator.note_arrival(bytes, now)) {
            return;
        }
        if let Some(guest) = self.guests.get_mut(&port) {
            guest.handle_frame(bytes, now);
            self.note_wakeup(port);
        }
    }

    fn link(&mut self, port: Place) -> &mut Link {
        if !self.links.contains_key(&port) {
            self.set_link(port, LinkConfig::default());
        }
        self.links.get_mut(&port).expect("it was made if it was missing")
    }
}

/// A seed for each port, whatever the order in which links are made (FNV-1a).
fn seed_of(seed: u64, port: Place) -> u64 {
    let name = format!("{port:?}");
    let start = seed ^ 0xcbf2_9ce4_8422_2325;
    name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
