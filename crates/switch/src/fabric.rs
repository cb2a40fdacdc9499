//! What a switch is made of, how it is built, and how frames and time are handed to it. What
//! becomes of a frame is told in `journey`.

use ringfence_cloud::{InterfaceIndex, Place, World};
use ringfence_frame::Instant;
use ringfence_policy::PolicySet;
use ringfence_session::{Limits, Sessions, TcpMidstream, Timeouts};

use crate::cross::Note;
use crate::fragments::{Fate, Fragments, Held, Known};
use crate::journey::{Arrival, Stop, Walk};
use crate::output::Outputs;
use crate::{
    Change, Counters, Delivery, FrameId, InterfaceCounters, Observer, OnRuleChange, PortCounters,
    Stage, Verdict,
};

/// Sessions looked at when a frame comes in: more than one frame opens, so that the table cannot
/// fill with dead ones.
const EXPIRED_PER_FRAME: usize = 4;
/// Sessions looked at in one call of [`Switch::expire`].
const EXPIRED_PER_CALL: usize = 4_096;

/// What the documents leave open about the switch (specification, part 12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwitchOptions {
    /// What becomes of sessions when rules change.
    pub on_rule_change: OnRuleChange,
    /// TCP without SYN and without session.
    pub tcp_midstream: TcpMidstream,
    /// Limits of the session table.
    pub limits: Limits,
    /// Frames that the output queue of a port holds.
    pub output_queue_max: usize,
}

impl Default for SwitchOptions {
    fn default() -> SwitchOptions {
        SwitchOptions {
            on_rule_change: OnRuleChange::default(),
            tcp_midstream: TcpMidstream::default(),
            limits: Limits::default(),
            output_queue_max: 4_096,
        }
    }
}

/// A validated world with its policy: what a switch enforces.
#[derive(Clone, Debug)]
pub struct Fabric {
    /// Who is where. Indexed.
    pub world: World,
    /// What is allowed.
    pub policies: PolicySet,
    /// Session timeouts of each interface, in the order of `world.interfaces`.
    pub timeouts: Vec<Timeouts>,
    /// Options.
    pub options: SwitchOptions,
}

/// A switch. Every port is a [`Place`]: an interface, a named outside host, or an edge.
pub struct Switch {
    pub(crate) fabric: Fabric,
    pub(crate) sessions: Sessions<Note>,
    /// How often each interface's policy has changed.
    pub(crate) generations: Vec<u64>,
    /// How many changes it has taken.
    pub(crate) epoch: u64,
    pub(crate) fragments: Fragments,
    pub(crate) outputs: Outputs,
    pub(crate) counters: Counters,
}

impl Switch {
    /// A switch for a fabric, with no session.
    ///
    /// # Panics
    /// If there are not as many timeouts as interfaces.
    pub fn new(fabric: Fabric) -> Switch {
        let interfaces = fabric.world.interfaces.len();
        assert_eq!(fabric.timeouts.len(), interfaces, "every interface has its timeouts");
        Switch {
            sessions: Sessions::new(fabric.options.limits),
            generations: vec![0; interfaces],
            epoch: 0,
            fragments: Fragments::default(),
            outputs: Outputs::new(fabric.options.output_queue_max),
            counters: Counters::default(),
            fabric,
        }
    }

    /// What it enforces now.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Takes a frame that came in at `port`. Its verdict, and those of held fragments that it
    /// frees or condemns or whose time is over, are appended to `verdicts` (a held fragment has
    /// none yet).
    ///
    /// `now` never goes back.
    ///
    /// # Panics
    /// If there is no such port. No bytes make it panic.
    pub fn handle_frame<O: Observer>(
        &mut self,
        port: Place,
        id: FrameId,
        bytes: &[u8],
        now: Instant,
        observer: &mut O,
        verdicts: &mut Vec<(FrameId, Verdict)>,
    ) {
        self.sessions.expire(now, EXPIRED_PER_FRAME);
        self.fragments.expire(now);
        self.release_fragments(now, observer, verdicts);

        let counters = self.port_counters(port);
        counters.frames_in += 1;
        counters.bytes_in += bytes.len() as u64;
        let arrival = Arrival { port, id, bytes, now };
        let mut walk = Walk::new(id, now, self.epoch, observer);
        let result = self.journey(&arrival, &mut walk);
        if let Some(verdict) = self.finish(port, &mut walk, result) {
            if let Some(key) = walk.first_of {
                let verdict = verdict.clone();
                self.fragments.settle(&key, Known { verdict, route: walk.route });
            }
            verdicts.push((id, verdict));
        }
        self.release_fragments(now, observer, verdicts);
    }

    /// The next frame that goes out, in the order in which they were delivered, whatever its port.
    pub fn pull(&mut self) -> Option<Delivery> {
        self.outputs.pull()
    }

    /// The next frame that goes out at `port`.
    pub fn pull_from(&mut self, port: Place) -> Option<Delivery> {
        self.outputs.pull_from(port)
    }

    /// Ends what has timed out: sessions, and fragments held (their verdicts are appended).
    ///
    /// One call ends a bounded number of sessions; if more are due, [`Switch::next_deadline`] is
    /// not later than `now`.
    pub fn expire<O: Observer>(
        &mut self,
        now: Instant,
        observer: &mut O,
        verdicts: &mut Vec<(FrameId, Verdict)>,
    ) {
        self.sessions.expire(now, EXPIRED_PER_CALL);
        self.fragments.expire(now);
        self.release_fragments(now, observer, verdicts);
    }

    /// When something held or remembered may time out.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.sessions.next_deadline(), self.fragments.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Changes rules, memberships, lists or timeouts while frames flow. The change has been
    /// validated. Sessions that it condemns end when their next packets come, whenever that is.
    pub fn apply(&mut self, change: Change, _now: Instant) {
        self.epoch += 1;
        self.change(change);
    }

    /// Forgets sessions, fragments, queues and counters; keeps rules as they are now.
    pub fn reset(&mut self) {
        self.sessions.clear();
        self.fragments.clear();
        self.outputs.clear();
        self.counters = Counters::default();
    }

    /// Everything counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many sessions (halves) are remembered.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn port_counters(&mut self, port: Place) -> &mut PortCounters {
        self.counters.ports.entry(port).or_default()
    }

    pub(crate) fn interface_counters(
        &mut self,
        interface: InterfaceIndex,
    ) -> &mut InterfaceCounters {
        self.counters.interfaces.entry(interface).or_default()
    }

    /// Sends on or drops the fragments that wait no longer.
    fn release_fragments<O: Observer>(
        &mut self,
        now: Instant,
        observer: &mut O,
        verdicts: &mut Vec<(FrameId, Verdict)>,
    ) {
        while let Some((held, fate)) = self.fragments.pop_released() {
            let Held { port, id, frame, packet, bytes } = held;
            let arrival = Arrival { port, id, bytes: &bytes, now };
            let mut walk = Walk::new(id, now, self.epoch, observer);
            walk.tuple = Some(packet.tuple());
            let result = match fate {
                Fate::Shares(known) => self.follow(&arrival, &frame, &packet, &known, &mut walk),
                Fate::Dropped(because) => Err(Stop::Denied(Stage::Parse, because)),
            };
            verdicts.extend(self.finish(port, &mut walk, result).map(|verdict| (id, verdict)));
        }
    }

    fn finish<O: Observer>(
        &mut self,
        port: Place,
        walk: &mut Walk<'_, O>,
        result: Result<(), Stop>,
    ) -> Option<Verdict> {
        let verdict = walk.verdict(result)?;
        if !verdict.allowed {
            let dropped = &mut self.port_counters(port).dropped;
            *dropped.entry(verdict.because.name()).or_default() += 1;
        }
        Some(verdict)
    }
}
