//! An observer that keeps what it is told.

use ringfence_switch::{Event, FrameId, Observer, Verdict};

/// Is told by a worker what became of frames.
#[derive(Default)]
pub struct Told(pub Vec<(FrameId, Verdict)>);

impl Observer for Told {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = true;

    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict) {
        self.0.push((frame, verdict()));
    }
}
