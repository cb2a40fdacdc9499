//! What happens to the frames of a batch, written down while it is handled: where each goes out, and
//! every verdict. What is made of it when the batch is over is for the exits.

use ringfence_switch::{
    BATCH_MAX, Because, Egress, Event, FrameId, Observer, PortId, Sink, Stage, Verdict,
};

use crate::live::Frames;

/// What went out.
pub struct LoadSink {
    keeps: Keeps,
    /// Slots and ports, in the order in which they went out.
    out: [(u32, PortId); BATCH_MAX],
    count: usize,
    /// What does not lie in the batch: fragments, the fabric's own frames if they are kept.
    pub(crate) copies: Vec<(PortId, Vec<u8>)>,
    /// The fabric's own frames that were not kept.
    pub(crate) own: u64,
}

/// What a sink keeps of what goes out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Nothing,
    /// What was handed in.
    Frames,
    /// That, and the fabric's own frames.
    All,
}

/// What became of frames.
pub struct LoadObserver {
    wants: bool,
    pub(crate) met: Vec<Met>,
}

/// A verdict in short.
#[derive(Clone, Copy)]
pub(crate) struct Met {
    pub(crate) frame: FrameId,
    pub(crate) stage: Stage,
    pub(crate) because: Because,
    pub(crate) kind: Kind,
}

/// What happened to a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A session let it cross.
    Established,
    /// It opened a session.
    New,
    /// It was dropped.
    Denied,
    /// Anything else: the fabric answered it, or it takes part in no session.
    Slow,
}

impl LoadSink {
    pub(crate) fn new(keeps: Keeps) -> LoadSink {
        LoadSink { keeps, out: [(0, 0); BATCH_MAX], count: 0, copies: Vec::new(), own: 0 }
    }

    /// Slots that went out, and where.
    pub(crate) fn out(&self) -> &[(u32, PortId)] {
        &self.out[..self.count]
    }

    /// Forgets what went out in its slot.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }
}

impl LoadObserver {
    pub(crate) fn new(wants: bool) -> LoadObserver {
        LoadObserver { wants, met: Vec::with_capacity(2 * BATCH_MAX) }
    }

    /// Each verdict with the place of its frame in the batch.
    #[inline]
    pub(crate) fn placed(&self, frames: &Frames) -> impl Iterator<Item = (usize, Met)> {
        let mut next = 0;
        self.met.iter().filter_map(move |met| {
            // verdicts come in the order of the frames, but for those of fragments that waited
            let mut places = (next..frames.len()).chain(0..next);
            let place = places.find(|&place| frames.meta(place).id == met.frame)?;
            next = place + 1;
            Some((place, *met))
        })
    }
}

impl Sink for LoadSink {
    #[inline]
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    #[inline]
    fn put(&mut self, egress: Egress<'_>) {
        if self.keeps == Keeps::Nothing {
            return;
        }
        match (egress.slot(), self.out.get_mut(self.count)) {
            (Some(slot), Some(place)) => {
                *place = (slot, egress.port());
                self.count += 1;
            }
            _ if egress.frame().is_some() || self.keeps == Keeps::All => {
                self.copies.push((egress.port(), egress.bytes().to_vec()));
            }
            _ => self.own += 1,
        }
    }
}

impl Observer for LoadObserver {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = true;

    #[inline]
    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    #[inline]
    fn verdict(&mut self, frame: FrameId, verdict: impl FnOnce() -> Verdict) {
        if !self.wants {
            return;
        }
        let verdict = verdict();
        let mut sides = [verdict.outbound, verdict.inbound].into_iter().flatten();
        let opens = sides.any(|side| side.because != Because::Session);
        let kind = match (verdict.allowed, opens, verdict.because) {
            (false, ..) => Kind::Denied,
            (true, true, _) => Kind::New,
            (true, false, Because::Session) => Kind::Established,
            (true, false, _) => Kind::Slow,
        };
        self.met.push(Met { frame, stage: verdict.stage, because: verdict.because, kind });
    }
}
