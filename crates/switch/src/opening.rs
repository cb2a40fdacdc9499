//! The middle way: a plain frame of a flow that nobody knows, which `journey` would take to the same
//! end. What the world and the rules say of it depends on nothing that other frames of its batch do,
//! so it is found out for several frames at a time, ahead of their turns (`foreseen`); what the
//! session table says, and what is done, is left to the frame's own turn.
//!
//! Everything else goes the long way: frames with a session at either end, whatever its state, frames
//! that nobody may send from there or that cannot be delivered, answers that would not come back the
//! same way, TCP that begins in its midst.

use ringfence_cloud::{InterfaceIndex, Reach};
use ringfence_frame::{Body, Direction, Protocol, Transport, Tuple, Udp, parse};
use ringfence_policy::Decision;
use ringfence_session::{Limit, NewFlow, NewHalf, SessionId, V4, V6};

use crate::cross::stage;
use crate::foreseen::{DIRECTIONS, Foreseen};
use crate::journey::{Passed, Scene};
use crate::plain::Begins;
use crate::tally::Tallies;
use crate::worker::State;
use crate::{Because, Egress, Incoming, Observer, Side, Sink, Verdict};

impl State {
    /// Takes a plain frame that begins a flow to its end; `false` if it is to go the long way, and
    /// nothing has happened yet.
    #[inline(never)]
    pub(crate) fn opening<S: Sink, O: Observer>(
        &mut self,
        scene: &Scene<'_>,
        at: (usize, usize),
        frames: &mut [Incoming<'_>],
        sink: &mut S,
        observer: &mut O,
    ) -> bool {
        !O::WANTS_STEPS
            && (self.open::<V4, S, O>(scene, at, frames, sink, observer)
                || self.open::<V6, S, O>(scene, at, frames, sink, observer))
    }

    #[inline(always)]
    fn open<F: Begins, S: Sink, O: Observer>(
        &mut self,
        scene: &Scene<'_>,
        (group, place): (usize, usize),
        frames: &mut [Incoming<'_>],
        sink: &mut S,
        observer: &mut O,
    ) -> bool {
        self.foresee::<F>(scene, (group, place), frames);
        let State { flows, tallies, openings, .. } = self;
        let Some(seen) = F::column(openings).at(place) else { return false };
        let frame = &mut frames[place];
        let told = Told { scene, seen };
        if flows.knows::<F>(&seen.keys[0]) {
            return false;
        }
        if let Some(because) = seen.refused_by(0) {
            told.refuse(0, because, tallies, frame, observer);
            return true;
        }
        if !seen.fits || flows.knows::<F>(&seen.keys[1]) {
            return false;
        }
        if let Some(because) = seen.refused_by(1) {
            told.refuse(1, because, tallies, frame, observer);
            return true;
        }
        let decisions = seen.judged.map(|judged| Some(judged?.decision));
        let Some(passed) = Passed::allowed(decisions) else { return false };
        let Some(first) = told.transport(frame.bytes) else { return false };
        if sink.room(seen.ways.ports[1]) == 0 {
            return false;
        }
        let flow = NewFlow {
            first: &first,
            keys: seen.keys,
            halves: [told.half(0), told.half(1)],
            forwards: seen.ways.forwards,
            epoch: scene.rules.epoch,
            len: u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX),
        };
        match flows.open(&flow, scene.now) {
            Ok(opened) => {
                told.let_out(passed, opened, tallies, frame, sink);
                if O::WANTS_PASSED {
                    observer.verdict(frame.id, || told.passed(opened));
                }
            }
            Err((side, Limit::Sessions)) => {
                told.refuse(side, Because::SessionLimit, tallies, frame, observer);
            }
            Err((side, Limit::HalfOpen)) => {
                told.refuse(side, Because::HalfOpenLimit, tallies, frame, observer);
            }
        }
        true
    }
}

/// What is told, and counted, of a frame.
struct Told<'a, F: Begins> {
    scene: &'a Scene<'a>,
    seen: &'a Foreseen<F>,
}

impl<F: Begins> Told<'_, F> {
    /// What the frame carries. Of TCP more is to be read than what is foreseen goes by.
    #[inline]
    fn transport(&self, bytes: &[u8]) -> Option<Transport> {
        let Tuple { protocol, source_port, target_port, .. } = self.seen.ways.tuples[0];
        if protocol == Protocol::UDP {
            let payload_len = self.seen.packet_len.saturating_sub(F::UDP_HEADERS_LEN);
            return Some(Transport::Udp(Udp { source_port, target_port, payload_len }));
        }
        match parse(bytes).ok()?.body {
            Body::Ip(ip) => Some(ip.transport),
            Body::Arp(_) | Body::Vlan | Body::Other => None,
        }
    }

    /// The session to be at one end.
    #[inline]
    fn half(&self, side: usize) -> Option<NewHalf> {
        let Foreseen { judged, ways, .. } = self.seen;
        let (tally, over_internet) = (judged[side]?.tally, ways.reach == Reach::Internet);
        let timeouts = self.scene.rules.interface(InterfaceIndex(ways.ports[side])).kept;
        Some(NewHalf { timeouts, over_internet, tally })
    }

    /// Counts a frame that has come in and what was decided of it.
    #[inline]
    fn count(&self, tallies: &mut Tallies, frame: &Incoming<'_>) {
        tallies.port(frame.port).other_in.count(frame.bytes.len() as u64);
        for judged in self.seen.judged.iter().flatten() {
            tallies.count_decision(judged.tally);
        }
    }

    /// An interface, or a limit there, stands against the frame.
    #[inline]
    fn refuse<O: Observer>(
        &self,
        side: usize,
        because: Because,
        tallies: &mut Tallies,
        frame: &Incoming<'_>,
        observer: &mut O,
    ) {
        self.count(tallies, frame);
        tallies.count_drop(frame.port, because);
        observer.verdict(frame.id, || self.refused(side, because));
    }

    /// Counts, rewrites, and lets the frame out.
    #[inline]
    fn let_out<S: Sink>(
        &self,
        passed: Passed,
        opened: [Option<SessionId>; 2],
        tallies: &mut Tallies,
        frame: &mut Incoming<'_>,
        sink: &mut S,
    ) {
        let ways = &self.seen.ways;
        self.count(tallies, frame);
        for (port, session) in ways.ports.iter().zip(&opened) {
            tallies.port(*port).sessions_opened += u64::from(session.is_some());
        }
        let ends = ways.ports.map(|port| &self.scene.ports()[port as usize]);
        let is_ready = F::forward(frame.bytes, ends, &ways.forwards[0]);
        debug_assert!(is_ready, "it fits");
        let to = ways.ports[1];
        tallies.port(to).other_out.count(frame.bytes.len() as u64);
        let Incoming { id, slot, .. } = *frame;
        sink.put(Egress::new(passed, to, frame.bytes, Some(id), Some(slot)));
    }

    fn side(&self, side: usize, session: Option<SessionId>) -> Option<Side> {
        let Decision { allowed, because } = self.seen.judged[side]?.decision;
        let interface = InterfaceIndex(self.seen.ways.ports[side]);
        Some(Side { interface, allowed, because: because.into(), session })
    }

    /// "An allowed packet names the deciding side: the receiving interface's inbound decision, or
    /// the outbound one where the target is outside the fabric."
    #[inline]
    fn passed(&self, opened: [Option<SessionId>; 2]) -> Verdict {
        let [outbound, inbound] = [0, 1].map(|side| self.side(side, opened[side]));
        let deciding = inbound.or(outbound);
        let because = deciding.map_or(Because::AlwaysAllowed, |side| side.because);
        let at = if inbound.is_some() { Direction::Inbound } else { Direction::Outbound };
        self.verdict(true, because, at, [outbound, inbound])
    }

    #[inline]
    fn refused(&self, side: usize, because: Because) -> Verdict {
        let mut sides = [0, 1].map(|side| self.side(side, None));
        if let Some(refusing) = &mut sides[side] {
            (refusing.allowed, refusing.because) = (false, because);
        }
        self.verdict(false, because, DIRECTIONS[side], sides)
    }

    #[inline]
    fn verdict(
        &self,
        allowed: bool,
        because: Because,
        at: Direction,
        [outbound, inbound]: [Option<Side>; 2],
    ) -> Verdict {
        Verdict {
            allowed,
            because,
            stage: stage(at),
            tuple: Some(self.seen.ways.tuples[0]),
            to: Some(self.seen.ways.to),
            outbound,
            inbound,
            sessions_cut: Vec::new(),
            epoch: u64::from(self.scene.rules.epoch),
        }
    }
}
