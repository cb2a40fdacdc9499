//! Worker threads play a history on the machine's clock, and say at which moments they did.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ringfence_frame::Instant;
use ringfence_runtime::live::{
    Exit, Frames, Live, LiveOptions, RingReceiver, RingSender, Stopped, ring,
};
use ringfence_switch::{Controller, FrameId, Layout, Ports};
use ringfence_tests::history::{History, WORKERS};
use ringfence_tests::told::Told;

use super::ways::{Batch, Crew, Log, Outcome, Outs};

/// A worker's way out, which says what each batch was and what came of it.
struct Recorder {
    outs: Outs,
    told: Told,
    done: Sender<Done>,
}

struct Done {
    frames: Vec<FrameId>,
    at: Instant,
    outs: Outs,
    told: Told,
}

impl Exit for Recorder {
    type Sink = Outs;
    type Observer = Told;

    fn parts(&mut self) -> (&mut Outs, &mut Told) {
        (&mut self.outs, &mut self.told)
    }

    fn end(&mut self, frames: &Frames, _epoch: u32, now: Instant, _done: Instant) {
        let frames = frames.iter().map(|(meta, _)| meta.id).collect();
        let (outs, told) = (std::mem::take(&mut self.outs), std::mem::take(&mut self.told));
        self.done.send(Done { frames, at: now, outs, told }).expect("somebody waits for it");
    }
}

/// Longer than a worker takes for a batch, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays a history: a step's frames are put into their worker's ring when those of the step before
/// have been judged, so that their order is known.
pub fn play(history: History) -> (Log, Outcome) {
    let History { fabric, steps } = history;
    let layout = Layout { workers_max: WORKERS, ..Layout::default() };
    let controller = Controller::new(fabric.clone(), layout);
    let ports = Ports::new(&fabric.world);
    let (done, judged) = channel();
    let (mut enter, queues): (Vec<RingSender>, Vec<RingReceiver>) =
        (0..WORKERS).map(|_| ring(64)).unzip();
    let recorder = || Recorder { outs: Outs::default(), told: Told::default(), done: done.clone() };
    let seats = queues.into_iter().map(|queue| (vec![queue], recorder())).collect();
    let options = LiveOptions { huge_pages: false, pin: false, ..LiveOptions::default() };
    let mut live = Live::start(controller, seats, &options).expect("there are threads");
    let mut player =
        Player { log: Log { fabric, batches: Vec::new() }, outcome: Outcome::default(), ports };
    let mut next = 1;
    for step in steps {
        if step.passes >= Duration::from_millis(1) {
            nap(step.passes);
        }
        let mut change = step.change;
        if let Some(change) = change.clone() {
            live.apply(change).expect("no worker panics");
        }
        // A worker goes by its last look at the clock, which may have been before the other one's
        // batch: a way with one clock could not go back to it.
        let last = player.last();
        while live.on(step.worker, |seat| seat.now()).expect("no worker panics") < last {}
        let mut waiting = BTreeMap::new();
        for (port, bytes) in step.frames {
            let number = player.ports.number(port);
            assert!(enter[step.worker].push(&bytes, number, next, 0), "there is room");
            waiting.insert(next, (port, bytes));
            next += 1;
        }
        if waiting.is_empty() && change.is_some() {
            let at = player.last();
            let (change, worker) = (change.take(), step.worker);
            player.log.batches.push(Batch { at, change, worker, frames: Vec::new() });
        }
        while !waiting.is_empty() {
            let done = wait(&judged);
            let of = |frame: &FrameId| {
                let (port, bytes) = waiting.remove(frame).expect("it was put in and not judged");
                (*frame, port, bytes)
            };
            let frames = done.frames.iter().map(of).collect();
            let batch = Batch { at: done.at, change: change.take(), worker: step.worker, frames };
            player.note(batch, done.outs, done.told);
        }
    }
    player.finish(live.stop().expect("no worker panics"))
}

struct Player {
    log: Log,
    outcome: Outcome,
    ports: Ports,
}

impl Player {
    /// The moment of the last batch.
    fn last(&self) -> Instant {
        self.log.batches.last().map_or(Instant::START, |batch| batch.at)
    }

    fn note(&mut self, batch: Batch, outs: Outs, told: Told) {
        for (frame, verdict) in told.0 {
            self.outcome.told(frame, verdict);
        }
        for (port, frame, bytes) in outs.0 {
            self.outcome.put(self.ports.place(port), batch.at, frame, bytes);
        }
        self.log.batches.push(batch);
    }

    fn finish(mut self, stopped: Stopped<RingReceiver, Recorder>) -> (Log, Outcome) {
        let last = self.last();
        let seats = stopped.seats.into_iter().map(|seat| seat.into_parts().0);
        let mut workers: Vec<_> = seats.collect();
        workers.iter_mut().for_each(|worker| worker.wake());
        Crew::new(workers, &self.log.fabric).finish(last, &mut self.outcome);
        (self.log, self.outcome)
    }
}

fn wait(judged: &Receiver<Done>) -> Done {
    judged.recv_timeout(PATIENCE).expect("a worker judges what it was given")
}

/// Lets real time pass, a few milliseconds at most.
fn nap(passes: Duration) {
    let (_sender, never) = channel::<()>();
    let _ = never.recv_timeout(passes.min(Duration::from_millis(3)));
}
