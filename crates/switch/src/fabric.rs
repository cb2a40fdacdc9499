//! What a switch is made of, and how it is built.

use std::collections::VecDeque;

use ringfence_cloud::{Place, World};
use ringfence_frame::Instant;
use ringfence_policy::PolicySet;
use ringfence_session::{Limits, Sessions, TcpMidstream, Timeouts};

use crate::{Change, Counters, Delivery, FrameId, Observer, OnRuleChange, Verdict};

/// What the documents leave open about the switch (specification, part 12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwitchOptions {
    /// What becomes of sessions when rules change.
    pub on_rule_change: OnRuleChange,
    /// TCP without SYN and without session.
    pub tcp_midstream: TcpMidstream,
    /// Limits of the session table.
    pub limits: Limits,
    /// Frames that an output queue holds.
    pub output_queue_max: usize,
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
    fabric: Fabric,
    sessions: Sessions<()>,
    outputs: VecDeque<Delivery>,
    counters: Counters,
}

impl Switch {
    /// A switch for a fabric, with no session.
    pub fn new(fabric: Fabric) -> Switch {
        let sessions = Sessions::new(fabric.options.limits);
        Switch { fabric, sessions, outputs: VecDeque::new(), counters: Counters::default() }
    }

    /// What it enforces now.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Takes a frame that came in at `port`. Its verdict, and those of held fragments that it
    /// frees or condemns, are appended to `verdicts` (a held fragment has none yet).
    pub fn handle_frame<O: Observer>(
        &mut self,
        port: Place,
        id: FrameId,
        bytes: &[u8],
        now: Instant,
        observer: &mut O,
        verdicts: &mut Vec<(FrameId, Verdict)>,
    ) {
        let _ = (port, id, bytes, now, observer, verdicts);
        unimplemented!()
    }

    /// The next frame that goes out, in the order in which they were delivered, whatever its port.
    pub fn pull(&mut self) -> Option<Delivery> {
        self.outputs.pop_front()
    }

    /// The next frame that goes out at `port`.
    pub fn pull_from(&mut self, port: Place) -> Option<Delivery> {
        let _ = port;
        unimplemented!()
    }

    /// Ends what has timed out: sessions, and fragments held (their verdicts are appended).
    pub fn expire<O: Observer>(
        &mut self,
        now: Instant,
        observer: &mut O,
        verdicts: &mut Vec<(FrameId, Verdict)>,
    ) {
        let _ = (now, observer, verdicts);
        unimplemented!()
    }

    /// When something held or remembered may time out.
    pub fn next_deadline(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Changes rules, memberships, lists or timeouts while frames flow. The change has been
    /// validated.
    pub fn apply(&mut self, change: Change, now: Instant) {
        let _ = (change, now);
        unimplemented!()
    }

    /// Forgets sessions, fragments, queues and counters; keeps rules as they are now.
    pub fn reset(&mut self) {
        unimplemented!()
    }

    /// Everything counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many sessions (halves) are remembered.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }
}
