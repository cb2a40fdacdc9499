//! Batches through a worker of the switch, every frame's fate told to a checker. Owns the ends only:
//! what goes out is checked and forgotten, queues are never full.

use std::ops::DerefMut;

use ringfence_endpoints::generator::{Checker, Reason};
use ringfence_frame::Instant;
use ringfence_frame::batch::{FrameBatch, FrameMeta, Slot};
use ringfence_switch::{
    BATCH_MAX, Egress, Event, FrameId, Incoming, Intake, Observer, PortId, Sink, Verdict, Worker,
};

use crate::reason;

/// Takes batches to a worker. Keeps room for the drops of a batch, so that none is allocated.
#[derive(Debug, Default)]
pub struct Drive {
    intake: Intake,
    drops: Drops,
}

impl Drive {
    /// Hands all frames of `batch` to `worker`, tells `checker` of each what became of it, and
    /// empties the batch.
    pub fn run<M: DerefMut<Target = [u8]>>(
        &mut self,
        worker: &mut Worker,
        batch: &mut FrameBatch<M>,
        now: Instant,
        checker: &mut Checker,
    ) {
        let (slots, metas) = batch.parts_mut();
        let mut sink = Checking { checker: &mut *checker };
        let mut first = 0;
        for (slots, metas) in slots.chunks_mut(BATCH_MAX).zip(metas.chunks(BATCH_MAX)) {
            let frames = slots.iter_mut().zip(metas).zip(first..).map(incoming);
            self.intake.hand_in(frames, |frames| {
                worker.handle_batch(frames, now, &mut sink, &mut self.drops);
            });
            first += metas.len() as u32;
        }
        batch.clear();
        for (frame, reason) in self.drops.list.drain(..) {
            checker.note_dropped(frame, reason);
        }
    }
}

fn incoming<'a>(((slot, meta), number): ((&'a mut Slot, &FrameMeta), u32)) -> Incoming<'a> {
    let bytes = &mut slot[..meta.len as usize];
    Incoming { port: meta.port, id: meta.id, slot: number, bytes }
}

/// Checks what goes out.
struct Checking<'a> {
    checker: &'a mut Checker,
}

impl Sink for Checking<'_> {
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    fn put(&mut self, egress: Egress<'_>) {
        self.checker.note_delivered(egress.bytes(), egress.port());
    }
}

/// Keeps what was dropped.
#[derive(Debug, Default)]
struct Drops {
    list: Vec<(FrameId, Reason)>,
}

impl Observer for Drops {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = false;

    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict) {
        let verdict = verdict();
        if !verdict.allowed {
            self.list.push((frame, reason(verdict.stage, verdict.because)));
        }
    }
}
