//! The simulated world: same scenario, same seed, same bytes.

use std::collections::BTreeMap;

use ringfence_cloud::Place;
use ringfence_endpoints::{Generator, Guest};
use ringfence_frame::{Direction, Instant};
use ringfence_switch::{Change, Event, FrameId, Switch, Verdict};

use crate::LinkConfig;

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

/// A switch with its endpoints and links on a virtual clock.
pub struct Simulation {
    switch: Switch,
    now: Instant,
    guests: BTreeMap<Place, Guest>,
    generators: Vec<(Place, Generator)>,
}

impl Simulation {
    /// A world at its start, with nothing attached.
    pub fn new(switch: Switch, seed: u64, recording: RecordingOptions) -> Simulation {
        let _ = (seed, recording);
        Simulation { switch, now: Instant::START, guests: BTreeMap::new(), generators: Vec::new() }
    }

    /// The moment.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Attaches a guest at a port. Places without a guest absorb what is delivered there.
    pub fn attach_guest(&mut self, port: Place, guest: Guest, link: LinkConfig) {
        let _ = link;
        self.guests.insert(port, guest);
    }

    /// Attaches a generator that sends into `port` (a guest may live there as well).
    pub fn attach_generator(&mut self, port: Place, generator: Generator) {
        self.generators.push((port, generator));
    }

    /// The guest at a port.
    pub fn guest_mut(&mut self, port: Place) -> Option<&mut Guest> {
        self.guests.get_mut(&port)
    }

    /// The generators in the order in which they were attached.
    pub fn generators(&self) -> &[(Place, Generator)] {
        &self.generators
    }

    /// Sends a frame into `port` over its link now, as if its endpoint had sent it.
    pub fn inject(&mut self, port: Place, bytes: Vec<u8>) {
        let _ = (port, bytes);
        unimplemented!()
    }

    /// Runs until `until`: everything due up to and at that moment has happened.
    pub fn run_until(&mut self, until: Instant) {
        let _ = until;
        unimplemented!()
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
        unimplemented!()
    }

    /// Frames captured so far, in time order (ties in the order in which they happened).
    pub fn frames(&self) -> &[CapturedFrame] {
        unimplemented!()
    }

    /// Steps recorded so far.
    pub fn events(&self) -> &[(FrameId, Event)] {
        unimplemented!()
    }
}
