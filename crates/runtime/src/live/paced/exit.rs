//! A worker's end of a load test on a schedule: at the end of each batch every frame goes into the
//! ring with what became of it, dropped ones without their bytes.

use ringfence_frame::Instant;
use ringfence_frame::batch::FrameMeta;
use ringfence_load::reason;
use ringfence_switch::{BATCH_MAX, PortId};

use super::told::Told;
use crate::live::load::notes::{Keeps, Kind, LoadObserver, LoadSink};
use crate::live::{Exit, Frames, RingSender};

/// Hands frames and verdicts to the tester.
pub struct PacedExit {
    sink: LoadSink,
    observer: LoadObserver,
    leave: RingSender,
}

impl PacedExit {
    pub(crate) fn new(leave: RingSender) -> PacedExit {
        let (sink, observer) = (LoadSink::new(Keeps::All), LoadObserver::new(true));
        PacedExit { sink, observer, leave }
    }

    fn tell(&mut self, frames: &Frames) {
        let mut ports: [Option<PortId>; BATCH_MAX] = [None; BATCH_MAX];
        for &(slot, port) in self.sink.out() {
            ports[slot as usize] = Some(port);
        }
        for (place, met) in self.observer.placed(frames) {
            let (port, told) = match (ports[place], met.kind) {
                (Some(port), kind) => (port, Told::Crossed(kind)),
                (None, Kind::Denied) => (0, Told::Dropped(reason(met.stage, met.because))),
                (None, _) => (0, Told::Kept),
            };
            let bytes = if ports[place].is_some() { frames.frame(place) } else { &[] };
            let meta = FrameMeta { port, ..*frames.meta(place) };
            // the ring has room for all that can be under way; what it refused would be missed
            self.leave.put(bytes, &meta, told.mark());
        }
        for (port, bytes) in self.sink.copies.drain(..) {
            let meta = FrameMeta { port, ..FrameMeta::default() };
            self.leave.put(&bytes, &meta, Told::Own.mark());
        }
        self.leave.publish();
    }
}

impl Exit for PacedExit {
    type Sink = LoadSink;
    type Observer = LoadObserver;

    fn parts(&mut self) -> (&mut LoadSink, &mut LoadObserver) {
        (&mut self.sink, &mut self.observer)
    }

    fn end(&mut self, frames: &Frames, _: u32, _: Instant, _: Instant) {
        self.tell(frames);
        self.sink.clear();
        self.observer.met.clear();
    }
}
