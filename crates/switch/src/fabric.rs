//! What a switch is made of, how it is built, and how frames and time are handed to it where one
//! thread does everything. What becomes of a frame is told in `journey`; many threads are `worker`s
//! of one `control`.

use ringfence_cloud::{Place, World};
use ringfence_frame::Instant;
use ringfence_policy::PolicySet;
use ringfence_session::{Limits, TcpMidstream, Timeouts};

use crate::observer::Judging;
use crate::output::Outputs;
use crate::{
    Change, Controller, Counters, Delivery, FrameId, Incoming, Layout, Observer, OnRuleChange,
    Verdict, Worker,
};

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

/// A switch with one worker and queues of its own. Every port is a [`Place`]: an interface, a named
/// outside host, or an edge.
pub struct Switch {
    controller: Controller,
    worker: Worker,
    pub(crate) outputs: Outputs,
    /// The buffer in which a frame is forwarded.
    buffer: Vec<u8>,
}

impl Switch {
    /// A switch for a fabric, with no session.
    ///
    /// # Panics
    /// If there are not as many timeouts as interfaces.
    pub fn new(fabric: Fabric) -> Switch {
        let queue_max = fabric.options.output_queue_max;
        let controller = Controller::new(fabric, Layout::default());
        let worker = controller.worker().expect("a new switch has room for its first worker");
        let outputs = Outputs::new(controller.plane().ports().clone(), queue_max);
        Switch { controller, worker, outputs, buffer: Vec::new() }
    }

    /// What it enforces now.
    pub fn fabric(&self) -> &Fabric {
        self.controller.fabric()
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
        let Switch { controller, worker, outputs, buffer } = self;
        buffer.clear();
        buffer.extend_from_slice(bytes);
        let port = controller.plane().ports().number(port);
        let frame = Incoming { port, id, slot: 0, bytes: buffer };
        worker.handle_batch(&mut [frame], now, outputs, &mut Judging { steps: observer, verdicts });
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
    /// One call ends a bounded number of sessions; a dead session is never found, whether it has
    /// been ended or not.
    pub fn expire<O: Observer>(
        &mut self,
        now: Instant,
        observer: &mut O,
        verdicts: &mut Vec<(FrameId, Verdict)>,
    ) {
        let mut judging = Judging { steps: observer, verdicts };
        self.worker.expire(now, EXPIRED_PER_CALL, &mut self.outputs, &mut judging);
    }

    /// When something held may time out.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.worker.next_deadline()
    }

    /// Changes rules, memberships, lists or timeouts while frames flow. The change has been
    /// validated. Sessions that it condemns end when their next packets come, whenever that is.
    pub fn apply(&mut self, change: Change, _now: Instant) {
        self.controller.apply(change);
        self.worker.pick_up();
    }

    /// Forgets sessions, fragments, queues and counters; keeps rules as they are now.
    pub fn reset(&mut self) {
        self.worker.reset();
        self.outputs.clear();
    }

    /// Everything counted so far.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        self.worker.add_counters(&mut counters);
        counters
    }

    /// How many sessions (halves) are remembered.
    pub fn session_count(&self) -> usize {
        self.controller.plane().flows().len()
    }
}
