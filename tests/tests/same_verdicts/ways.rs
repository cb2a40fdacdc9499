//! The ways of a frame through a switch, each of which plays the same log.

use std::collections::BTreeMap;
use std::time::Duration;

use ringfence_cloud::Place;
use ringfence_frame::{Direction, Instant};
use ringfence_runtime::LinkConfig;
use ringfence_runtime::simulated::{CapturedFrame, RecordingOptions, Simulation};
use ringfence_switch::{
    Change, Controller, Counters, Egress, Fabric, FrameId, Incoming, Layout, PortId, Ports,
    Recording, Silent, Sink, Switch, Verdict, Worker,
};
use ringfence_tests::told::Told;

/// What happened, with the moments at which it did.
pub struct Log {
    pub fabric: Fabric,
    pub batches: Vec<Batch>,
}

/// Frames that one worker judged together.
pub struct Batch {
    pub at: Instant,
    /// Made before.
    pub change: Option<Change>,
    pub worker: usize,
    /// Numbered from 1, in the order in which they were judged.
    pub frames: Vec<(FrameId, Place, Vec<u8>)>,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// Of every frame, with the epoch of the rules.
    pub verdicts: BTreeMap<FrameId, Verdict>,
    /// By port, in their order.
    pub out: BTreeMap<Place, Vec<Out>>,
    pub counters: Counters,
    /// Sessions left when all have timed out.
    pub left: usize,
}

/// A frame that came out.
#[derive(PartialEq, Eq, Debug)]
pub struct Out {
    pub at: Instant,
    pub frame: Option<FrameId>,
    pub bytes: Vec<u8>,
}

impl Outcome {
    pub fn told(&mut self, frame: FrameId, verdict: Verdict) {
        let before = self.verdicts.insert(frame, verdict);
        assert_eq!(before, None, "frame {frame} has two verdicts");
    }

    pub fn put(&mut self, port: Place, at: Instant, frame: Option<FrameId>, bytes: Vec<u8>) {
        self.out.entry(port).or_default().push(Out { at, frame, bytes });
    }

    /// The first thing in which it is not as `other`.
    pub fn difference(&self, other: &Outcome) -> Option<String> {
        for (frame, verdict) in &self.verdicts {
            let others = other.verdicts.get(frame);
            if others != Some(verdict) {
                return Some(format!("frame {frame}:\n  {verdict:?}\n  {others:?}"));
            }
        }
        let (own, others) = (self.verdicts.len(), other.verdicts.len());
        if own != others {
            return Some(format!("{own} and {others} verdicts"));
        }
        if let Some(difference) = differing_out(&self.out, &other.out) {
            return Some(difference);
        }
        if self.counters != other.counters {
            return Some(format!("counters:\n  {:?}\n  {:?}", self.counters, other.counters));
        }
        (self.left != other.left).then(|| format!("{} and {} sessions left", self.left, other.left))
    }
}

fn differing_out(
    own: &BTreeMap<Place, Vec<Out>>,
    others: &BTreeMap<Place, Vec<Out>>,
) -> Option<String> {
    if !own.keys().eq(others.keys()) {
        return Some(format!("out at {:?} and {:?}", own.keys(), others.keys()));
    }
    for (port, outs) in own {
        let place = outs.iter().zip(&others[port]).position(|(own, other)| own != other);
        if let Some(place) = place {
            let (own, other) = (&outs[place], &others[port][place]);
            return Some(format!("out {place} at {port:?}:\n  {own:?}\n  {other:?}"));
        }
        let (own, other) = (outs.len(), others[port].len());
        if own != other {
            return Some(format!("{own} and {other} frames out at {port:?}"));
        }
    }
    None
}

/// Long enough for everything to time out.
const FOREVER: Duration = Duration::from_secs(2_000);
/// Times that workers come by after that: for each to see that the others have, and then to count what
/// nobody refers to any more.
const ROUNDS: u64 = 6;

/// The moments after the last batch at which what is left is ended.
pub fn aftermath(last: Instant) -> impl Iterator<Item = Instant> {
    (0..ROUNDS).map(move |round| last + FOREVER + Duration::from_millis(round))
}

/// Frame by frame, one thread; with `steps` every step is told, which is the long way always.
pub fn one_by_one(log: &Log, steps: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut switch = Switch::new(log.fabric.clone());
    let (mut recording, mut verdicts, mut now) = (Recording::default(), Vec::new(), Instant::START);
    let mut take = |switch: &mut Switch, now, verdicts: &mut Vec<(FrameId, Verdict)>| {
        verdicts.drain(..).for_each(|(frame, verdict)| outcome.told(frame, verdict));
        while let Some(delivery) = switch.pull() {
            let (port, frame) = (delivery.port(), delivery.frame());
            outcome.put(port, now, frame, delivery.into_bytes());
        }
    };
    for batch in &log.batches {
        now = batch.at;
        switch.expire(now, &mut recording, &mut verdicts);
        take(&mut switch, now, &mut verdicts);
        if let Some(change) = batch.change.clone() {
            switch.apply(change, now);
        }
        for (frame, port, bytes) in &batch.frames {
            match steps {
                true => {
                    switch.handle_frame(*port, *frame, bytes, now, &mut recording, &mut verdicts);
                }
                false => {
                    switch.handle_frame(*port, *frame, bytes, now, &mut Silent, &mut verdicts);
                }
            }
            take(&mut switch, now, &mut verdicts);
        }
    }
    for now in aftermath(now) {
        switch.expire(now, &mut recording, &mut verdicts);
        take(&mut switch, now, &mut verdicts);
    }
    (outcome.counters, outcome.left) = (switch.counters(), switch.session_count());
    outcome
}

/// Takes what goes out of a worker.
#[derive(Default)]
pub struct Outs(pub Vec<(PortId, Option<FrameId>, Vec<u8>)>);

impl Sink for Outs {
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    fn put(&mut self, egress: Egress<'_>) {
        self.0.push((egress.port(), egress.frame(), egress.bytes().to_vec()));
    }
}

/// Workers without a thread.
pub struct Crew {
    pub workers: Vec<Worker>,
    pub ports: Ports,
    outs: Outs,
    told: Told,
}

impl Crew {
    pub fn new(workers: Vec<Worker>, fabric: &Fabric) -> Crew {
        let (outs, told) = (Outs::default(), Told::default());
        Crew { workers, ports: Ports::new(&fabric.world), outs, told }
    }

    /// Has those workers come to `now` that hold a fragment whose time is over; or `all`.
    fn expire(&mut self, now: Instant, all: bool, outcome: &mut Outcome) {
        for worker in &mut self.workers {
            if all || worker.next_deadline().is_some_and(|deadline| deadline <= now) {
                worker.expire(now, usize::MAX, &mut self.outs, &mut self.told);
            }
        }
        self.take(now, outcome);
    }

    fn handle(&mut self, batch: &Batch, outcome: &mut Outcome) {
        let Crew { workers, ports, outs, told } = self;
        let worker = batch.worker % workers.len();
        let mut bytes: Vec<Vec<u8>> = batch.frames.iter().map(|it| it.2.clone()).collect();
        let frames = batch.frames.iter().zip(&mut bytes).enumerate();
        let mut incoming: Vec<Incoming<'_>> = frames
            .map(|(slot, ((id, port, _), bytes))| {
                let port = ports.number(*port);
                Incoming { port, id: *id, slot: slot as u32, bytes }
            })
            .collect();
        workers[worker].handle_batch(&mut incoming, batch.at, outs, told);
        self.take(batch.at, outcome);
    }

    fn take(&mut self, now: Instant, outcome: &mut Outcome) {
        self.told.0.drain(..).for_each(|(frame, verdict)| outcome.told(frame, verdict));
        for (port, frame, bytes) in self.outs.0.drain(..) {
            outcome.put(self.ports.place(port), now, frame, bytes);
        }
    }

    /// Lets everything time out, and counts.
    pub fn finish(mut self, last: Instant, outcome: &mut Outcome) {
        for now in aftermath(last) {
            self.expire(now, true, outcome);
        }
        self.workers.iter().for_each(|worker| worker.add_counters(&mut outcome.counters));
        outcome.left = self.workers[0].plane().flows().len();
    }
}

/// In batches, by workers that have the ports between them. Whoever has no batch does not come to
/// its moment, and so holds up what the other one would sweep.
pub fn batches(log: &Log, workers_max: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let layout = Layout { workers_max, ..Layout::default() };
    let mut controller = Controller::new(log.fabric.clone(), layout);
    let workers = (0..workers_max).filter_map(|_| controller.worker()).collect();
    let mut crew = Crew::new(workers, &log.fabric);
    let mut last = Instant::START;
    for batch in &log.batches {
        last = batch.at;
        crew.expire(last, false, &mut outcome);
        if let Some(change) = batch.change.clone() {
            controller.apply(change);
        }
        crew.handle(batch, &mut outcome);
    }
    crew.finish(last, &mut outcome);
    outcome
}

/// Through links that take no time, on a virtual clock.
pub fn simulated(log: &Log) -> Outcome {
    let recording = RecordingOptions { frames: true, events: false };
    let mut simulation = Simulation::new(Switch::new(log.fabric.clone()), 1, recording);
    let ports = Ports::new(&log.fabric.world);
    let link = LinkConfig { delay: Duration::ZERO, ..LinkConfig::default() };
    for port in 0..ports.len() {
        simulation.set_link(ports.place(port as PortId), link);
    }
    let mut last = Instant::START;
    for batch in &log.batches {
        last = batch.at;
        simulation.run_until(last);
        if let Some(change) = batch.change.clone() {
            simulation.apply(change);
        }
        for (_, port, bytes) in &batch.frames {
            simulation.inject(*port, bytes.clone());
        }
        simulation.run_until(last);
    }
    aftermath(last).for_each(|now| simulation.run_until(now));
    let mut outcome = Outcome {
        counters: simulation.switch().counters(),
        left: simulation.switch().session_count(),
        ..Outcome::default()
    };
    let (verdicts, frames) = simulation.into_records();
    for logged in verdicts {
        outcome.told(logged.frame, logged.verdict);
    }
    for CapturedFrame { at, port, direction, frame, bytes } in frames {
        if direction == Direction::Inbound {
            outcome.put(port, at, frame, bytes);
        }
    }
    outcome
}
