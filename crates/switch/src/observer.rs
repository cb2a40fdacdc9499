//! Who watches a journey. The silent observer costs nothing.

use ringfence_cloud::{InterfaceIndex, Place, Route, Unreachable};
use ringfence_frame::{Direction, Frame};
use ringfence_session::SessionId;

use crate::{FrameId, Side, Verdict};

/// One step of a frame's journey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It could be read.
    Parsed(Frame),
    /// The sender is who it says it is.
    Admitted(Place),
    /// Who has the target address, and by which path.
    Located(Route),
    /// Nobody, or no way.
    NoWay(Unreachable),
    /// An enforcement point was asked.
    Crossed(Direction, Side),
    /// TTL left when it arrives.
    Routed {
        /// TTL or hop limit at the receiver.
        ttl: u8,
    },
    /// A session was opened.
    Opened(InterfaceIndex, Direction, SessionId),
    /// A session was found condemned by a rule change, and ended.
    Cut(InterfaceIndex, SessionId),
    /// It waits for the first fragment of its packet.
    Held,
    /// The fabric answered the sender itself (ARP, ND, ICMP error), in these words.
    Answered(&'static str),
    /// It went out.
    Delivered(Place),
}

/// Watches journeys.
pub trait Observer {
    /// Whether it wants every step told. An established frame then goes the long way, where the
    /// steps are; its verdict is the same.
    const WANTS_STEPS: bool;

    /// Whether it wants the verdicts of frames that pass as well, not only of those that do not.
    const WANTS_PASSED: bool;

    /// A step happened.
    fn event(&mut self, frame: FrameId, event: impl FnOnce() -> Event);

    /// A frame's journey ended. Not told of a frame that passed if it does not want that.
    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = false;

    #[inline]
    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    #[inline]
    fn verdict(&mut self, _: FrameId, _: impl FnOnce() -> Verdict) {}
}

/// Keeps every step.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Steps in the order in which they happened.
    pub events: Vec<(FrameId, Event)>,
}

impl Observer for Recording {
    const WANTS_STEPS: bool = true;
    const WANTS_PASSED: bool = false;

    fn event(&mut self, frame: FrameId, event: impl FnOnce() -> Event) {
        self.events.push((frame, event()));
    }

    fn verdict(&mut self, _: FrameId, _: impl FnOnce() -> Verdict) {}
}

/// Keeps the verdicts, and lets another observer watch the steps.
pub(crate) struct Judging<'a, O> {
    pub(crate) steps: &'a mut O,
    pub(crate) verdicts: &'a mut Vec<(FrameId, Verdict)>,
}

impl<O: Observer> Observer for Judging<'_, O> {
    const WANTS_STEPS: bool = O::WANTS_STEPS;
    const WANTS_PASSED: bool = true;

    fn event(&mut self, frame: FrameId, event: impl FnOnce() -> Event) {
        self.steps.event(frame, event);
    }

    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict) {
        self.verdicts.push((frame, verdict()));
    }
}
