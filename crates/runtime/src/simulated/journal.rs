//! What is recorded of a run: verdicts always, frames and steps if asked for.

use std::collections::BTreeMap;

use ringfence_cloud::Place;
use ringfence_frame::{Direction, Instant};
use ringfence_switch::{FrameId, Recording, Silent, Switch, Verdict};

use super::{CapturedFrame, LoggedVerdict, RecordingOptions};

/// A run's records.
#[derive(Debug)]
pub(crate) struct Journal {
    options: RecordingOptions,
    pub(crate) verdicts: Vec<LoggedVerdict>,
    pub(crate) frames: Vec<CapturedFrame>,
    pub(crate) steps: Recording,
    /// Frames that the switch has met and not judged yet.
    unjudged: BTreeMap<FrameId, (Instant, Place, usize)>,
    frames_met: FrameId,
    fresh: Vec<(FrameId, Verdict)>,
}

impl Journal {
    pub(crate) fn new(options: RecordingOptions) -> Journal {
        Journal {
            options,
            verdicts: Vec::new(),
            frames: Vec::new(),
            steps: Recording::default(),
            unjudged: BTreeMap::new(),
            frames_met: 0,
            fresh: Vec::new(),
        }
    }

    /// Hands a frame to the switch; the ports at which something may go out now are appended to
    /// `touched`.
    pub(crate) fn meet(
        &mut self,
        switch: &mut Switch,
        port: Place,
        bytes: Vec<u8>,
        now: Instant,
        touched: &mut Vec<Place>,
    ) {
        self.frames_met += 1;
        let id = self.frames_met;
        self.unjudged.insert(id, (now, port, bytes.len()));
        let fresh = &mut self.fresh;
        match self.options.events {
            true => switch.handle_frame(port, id, &bytes, now, &mut self.steps, fresh),
            false => switch.handle_frame(port, id, &bytes, now, &mut Silent, fresh),
        }
        self.capture(port, Direction::Outbound, Some(id), bytes, now);
        touched.push(port);
        self.log(touched);
    }

    /// Lets the switch end what has timed out.
    pub(crate) fn expire(&mut self, switch: &mut Switch, now: Instant, touched: &mut Vec<Place>) {
        match self.options.events {
            true => switch.expire(now, &mut self.steps, &mut self.fresh),
            false => switch.expire(now, &mut Silent, &mut self.fresh),
        }
        self.log(touched);
    }

    /// Keeps a frame that crossed a port, if frames are kept.
    pub(crate) fn capture(
        &mut self,
        port: Place,
        direction: Direction,
        frame: Option<FrameId>,
        bytes: Vec<u8>,
        at: Instant,
    ) {
        if self.options.frames {
            self.frames.push(CapturedFrame { at, port, direction, frame, bytes });
        }
    }

    pub(crate) fn keeps_frames(&self) -> bool {
        self.options.frames
    }

    fn log(&mut self, touched: &mut Vec<Place>) {
        for (frame, verdict) in self.fresh.drain(..) {
            let Some((at, port, len)) = self.unjudged.remove(&frame) else {
                continue;
            };
            touched.push(port);
            touched.extend(verdict.to);
            let logged = LoggedVerdict { frame, at, port, len, verdict };
            // a fragment that was held is judged after frames that came later
            let place = self.verdicts.partition_point(|before| before.frame < frame);
            self.verdicts.insert(place, logged);
        }
    }
}
