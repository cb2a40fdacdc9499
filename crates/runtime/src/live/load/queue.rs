//! A generator as a worker's queue.

use crossbeam_channel::Sender;
use ringfence_endpoints::generator::{Stage, TrafficGenerator};
use ringfence_frame::Instant;

use crate::live::{Frames, PortQueue};

/// A generator that sends as long as it may.
pub struct LoadQueue {
    number: usize,
    generator: TrafficGenerator,
    /// Frames that it may still send; none while it waits for a stage.
    left: Option<u64>,
    over: Sender<usize>,
}

impl LoadQueue {
    pub(crate) fn new(
        number: usize,
        generator: TrafficGenerator,
        over: Sender<usize>,
    ) -> LoadQueue {
        LoadQueue { number, generator, left: None, over }
    }

    /// Which one, in the order of the traffic.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What it sends.
    pub fn generator(&self) -> &TrafficGenerator {
        &self.generator
    }

    pub(crate) fn into_generator(self) -> TrafficGenerator {
        self.generator
    }

    pub(crate) fn begin(&mut self, stage: Stage, frames: u64) {
        self.generator.begin(stage);
        self.left = Some(frames);
    }

    pub(crate) fn end(&mut self) {
        self.left = None;
    }

    /// Whatever it sent has met its fate.
    fn is_over(&mut self) {
        self.left = None;
        // whoever waits for it may have given up
        let _ = self.over.send(self.number);
    }
}

impl PortQueue for LoadQueue {
    #[inline]
    fn pull(&mut self, frames: &mut Frames, most: usize, now: Instant) -> usize {
        let Some(left) = &mut self.left else { return 0 };
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
        let count = self.generator.fill_at_most(frames, most, now.as_ns());
        *left -= count as u64;
        if count == 0 && (most == 0 || self.generator.stage() != Stage::Steady) {
            self.is_over();
        }
        count
    }

    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        self.left?;
        Some(self.generator.next_due_ns().map_or(now, Instant::from_ns))
    }
}
