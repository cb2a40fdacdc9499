//! The journey of a frame, top to bottom. Owns the order of the steps and what is installed when;
//! each step is a leaf in a file of its own: `admit` (with `neighbors`), `fragments`, `cross`,
//! `route`, `output`. The short way of an established frame is `established`.
//!
//! What the tiers may cost:
//!
//! 1. established: one look-up of the flow by port and tuple, which implies the address check, both
//!    sides' sessions and the way; MAC, TTL, MTU, translation, counters. Two cache lines of its own,
//!    no allocation, no lock, nothing written that another worker writes.
//! 2. new flow: the compiled classifier at each interface, then commit. No allocation.
//! 3. everything rare (ARP and ND, ICMP errors, fragments, re-decision after a rule change):
//!    correct first.

use ringfence_cloud::{InterfaceIndex, Place, Reach, Route, Unreachable};
use ringfence_frame::{Body, Direction, Ip, Tuple, parse};
use ringfence_frame::{Frame, Instant};
use ringfence_policy::{Decision, Question};
use ringfence_session::{Established, Family, SessionId};

use crate::admit::{Admitted, admit};
use crate::fragments::{self, Known, Meeting};
use crate::neighbors::Request;
use crate::plane::Plane;
use crate::ports::PortFacts;
use crate::route::{Exit, arriving, rewrite};
use crate::rules::Rules;
use crate::worker::State;
use crate::{Because, Egress, Event, FrameId, Observer, PortId, Side, Sink, Stage, Verdict};

/// What all frames of a batch meet.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) plane: &'a Plane,
    pub(crate) rules: &'a Rules,
    pub(crate) now: Instant,
    /// The moment as sessions keep it.
    pub(crate) now_ms: u32,
    ports: &'a [PortFacts],
}

impl<'a> Scene<'a> {
    pub(crate) fn new(plane: &'a Plane, rules: &'a Rules, now: Instant) -> Scene<'a> {
        Scene { plane, rules, now, now_ms: now.as_ms() as u32, ports: plane.ports.facts() }
    }

    /// What is known of each port, by number.
    #[inline(always)]
    pub(crate) fn ports(&self) -> &'a [PortFacts] {
        self.ports
    }
}

/// A frame that came in.
pub(crate) struct Arrival<'a> {
    pub(crate) number: PortId,
    pub(crate) port: Place,
    pub(crate) id: FrameId,
    /// The buffer that it was handed in with.
    pub(crate) slot: Option<u32>,
    pub(crate) bytes: &'a mut [u8],
}

/// Why a journey ends before the target.
pub(crate) enum Stop {
    /// Dropped.
    Denied(Stage, Because),
    /// It was for the fabric itself.
    Answered,
    /// It waits for the first fragment of its packet.
    Held,
}

/// "Only the journey makes a `Delivery`": an output takes nothing without this.
#[derive(Clone, Copy)]
pub(crate) struct Passed(());

impl Passed {
    /// A flow is established because its first packet has gone the whole way.
    #[inline]
    pub(crate) fn established<F: Family>(_: &Established<'_, F>) -> Passed {
        Passed(())
    }

    /// Every interface on the way of a first packet was asked, and let it cross.
    #[inline]
    pub(crate) fn allowed(sides: [Option<Decision>; 2]) -> Option<Passed> {
        sides.iter().flatten().all(|decision| decision.allowed).then_some(Passed(()))
    }
}

impl State {
    /// Where a frame goes, or why not. The two enforcement points, out of the sender and into the
    /// receiver, are one room entered twice.
    pub(crate) fn journey<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        arrival: &mut Arrival<'_>,
        walk: &mut Walk<'_, S, O>,
    ) -> Result<(), Stop> {
        let Scene { plane, now, .. } = scene;
        let world = &*plane.world;

        // parse: bytes to a checked view
        let frame = parse(arrival.bytes)
            .map_err(|what| Stop::Denied(Stage::Parse, Because::Malformed(what)))?;
        walk.parsed(&frame);

        // admit: is the sender who it says it is
        let admitted = admit(world, arrival, &frame);
        let packet = match admitted.map_err(|because| Stop::Denied(Stage::Admit, because))? {
            Admitted::Packet(packet) => packet,
            Admitted::Request(request) => return self.answer(arrival, request, walk),
        };
        walk.event(|| Event::Admitted(arrival.port));
        match self.fragments.meet(arrival, &frame, &packet, now) {
            Meeting::Whole => {}
            Meeting::First(key) => walk.first_of = Some(key),
            Meeting::Later(known) => {
                return self.follow(scene, arrival, &frame, &packet, &known, walk);
            }
            Meeting::Held => return Err(Stop::Held),
            Meeting::Dropped(because) => return Err(Stop::Denied(Stage::Parse, because)),
        }

        // locate: who has the target address, and by which path
        let located = world.locate(arrival.port, packet.source, packet.target);
        walk.located(&located);

        // cross: the sender's network interface, outbound
        let outbound = match arrival.port {
            Place::Interface(sender) => {
                let reach = reach(&located);
                let question = Question::of(sender, Direction::Outbound, &packet, reach);
                Some(self.cross(scene, &question, &packet, walk)?)
            }
            Place::Outside(_) | Place::Edge(_) => None,
        };

        // route: can it be delivered there
        let route = located.map_err(|why| Stop::Denied(Stage::Route, Because::Unreachable(why)))?;
        let exit = Exit::of(plane, route.to);
        self.check_fit(world, arrival, &packet, &route, &exit, walk)?;
        let arriving = arriving(&packet, &route);
        walk.event(|| Event::Routed { ttl: arriving.ttl });

        // cross: the receiver's network interface, inbound
        let inbound = match route.to {
            Place::Interface(receiver) => {
                let question = Question::of(receiver, Direction::Inbound, &arriving, route.reach);
                Some(self.cross(scene, &question, &arriving, walk)?)
            }
            Place::Outside(_) | Place::Edge(_) => None,
        };

        // commit: remember the flow at both interfaces, or at neither
        let room = self.reserve(scene, &outbound, &inbound, &packet, walk)?;
        let more = rewrite(arrival.bytes, &frame, &packet, &arriving, &exit);
        let frames = more.as_ref().map_or(1, Vec::len);
        let passed = match self.check_queue(exit.number, frames, walk) {
            Ok(passed) => passed,
            Err(stop) => {
                self.flows.release(room);
                return Err(stop);
            }
        };
        let passage = Passage { sent: &packet, arriving: &arriving, route: &route, exit: &exit };
        self.commit(scene, arrival, &passage, [outbound, inbound], room, walk);

        // deliver
        self.deliver(passed, arrival, &exit, more, walk);
        walk.route = Some(route);
        Ok(())
    }

    /// A later fragment: "all fragments of a packet share the verdict of the first one".
    pub(crate) fn follow<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        arrival: &mut Arrival<'_>,
        frame: &Frame,
        packet: &Ip,
        known: &Known,
        walk: &mut Walk<'_, S, O>,
    ) -> Result<(), Stop> {
        let Verdict { because, stage, to, outbound, inbound, epoch, .. } = known.verdict;
        (walk.to, walk.outbound, walk.inbound) = (to, outbound, inbound);
        walk.epoch = epoch;
        let Some(route) = &known.route else { return Err(Stop::Denied(stage, because)) };
        let exit = Exit::of(scene.plane, route.to);
        self.check_fit(&scene.plane.world, arrival, packet, route, &exit, walk)?;
        let arriving = arriving(packet, route);
        walk.event(|| Event::Routed { ttl: arriving.ttl });
        let more = rewrite(arrival.bytes, frame, packet, &arriving, &exit);
        let passed = self.check_queue(exit.number, more.as_ref().map_or(1, Vec::len), walk)?;
        self.deliver(passed, arrival, &exit, more, walk);
        Ok(())
    }

    /// What the fabric does itself: "ARP, ND, DHCP and router advertisements are the fabric's own
    /// and are not subject to rules".
    fn answer<S: Sink, O: Observer>(
        &mut self,
        arrival: &Arrival<'_>,
        request: Request,
        walk: &mut Walk<'_, S, O>,
    ) -> Result<(), Stop> {
        let Request { name, answer } = request;
        walk.event(|| Event::Admitted(arrival.port));
        if let Some(mut bytes) = answer {
            let passed = self.check_queue(arrival.number, 1, walk)?;
            self.put_out(Egress::new(passed, arrival.number, &mut bytes, None, None), walk);
        }
        self.tallies.count_answer(arrival.number, name);
        walk.event(|| Event::Answered(name));
        Err(Stop::Answered)
    }

    /// Sends the fabric's own ICMP error to the sender, "not subject to rules".
    pub(crate) fn complain<S: Sink, O: Observer>(
        &mut self,
        to: PortId,
        mut bytes: Vec<u8>,
        name: &'static str,
        walk: &mut Walk<'_, S, O>,
    ) {
        if let Ok(passed) = self.check_queue(to, 1, walk) {
            self.put_out(Egress::new(passed, to, &mut bytes, None, None), walk);
            self.tallies.port(to).icmp_errors += 1;
            walk.event(|| Event::Answered(name));
        }
    }

    /// Whether the output queue takes so many frames more; what does not fit is dropped whole.
    fn check_queue<S: Sink, O>(
        &self,
        to: PortId,
        frames: usize,
        walk: &Walk<'_, S, O>,
    ) -> Result<Passed, Stop> {
        match walk.sink.room(to) >= frames {
            true => Ok(Passed(())),
            false => Err(Stop::Denied(Stage::Deliver, Because::QueueFull)),
        }
    }

    /// The frame goes out where it lies, or as the fragments that the link needs.
    fn deliver<S: Sink, O: Observer>(
        &mut self,
        passed: Passed,
        arrival: &mut Arrival<'_>,
        exit: &Exit,
        fragments: Option<Vec<Vec<u8>>>,
        walk: &mut Walk<'_, S, O>,
    ) {
        let Arrival { id, slot, .. } = *arrival;
        match fragments {
            None => {
                let egress = Egress::new(passed, exit.number, arrival.bytes, Some(id), slot);
                self.put_out(egress, walk);
            }
            Some(fragments) => {
                for mut bytes in fragments {
                    let egress = Egress::new(passed, exit.number, &mut bytes, Some(id), None);
                    self.put_out(egress, walk);
                }
            }
        }
        walk.event(|| Event::Delivered(exit.place));
    }

    fn put_out<S: Sink, O>(&mut self, egress: Egress<'_>, walk: &mut Walk<'_, S, O>) {
        self.tallies.port(egress.port()).other_out.count(egress.bytes().len() as u64);
        walk.sink.put(egress);
    }
}

/// A packet that may pass, on its way.
pub(crate) struct Passage<'a> {
    /// As it came in.
    pub(crate) sent: &'a Ip,
    /// As its receiver sees it.
    pub(crate) arriving: &'a Ip,
    pub(crate) route: &'a Route,
    pub(crate) exit: &'a Exit,
}

/// Whether the outbound packet heads for the inside or for the Internet, also where there is no
/// way: "a private address that nobody owns", or one in the network's own ranges, is inside.
fn reach(located: &Result<Route, Unreachable>) -> Reach {
    match located {
        Ok(route) => route.reach,
        Err(Unreachable::NobodyOwnsIt) => Reach::Internal,
        Err(
            Unreachable::SenderHasNoPublicAddress
            | Unreachable::TargetHasNoPublicAddress
            | Unreachable::NoWay
            | Unreachable::BothOutside,
        ) => Reach::Internet,
    }
}

/// What is found out on the way, and who watches.
pub(crate) struct Walk<'a, S, O> {
    pub(crate) frame: FrameId,
    pub(crate) sink: &'a mut S,
    observer: &'a mut O,
    pub(crate) tuple: Option<Tuple>,
    to: Option<Place>,
    outbound: Option<Side>,
    inbound: Option<Side>,
    cut: Vec<SessionId>,
    epoch: u64,
    /// The way that it went, once it is delivered.
    pub(crate) route: Option<Route>,
    /// The packet whose first fragment it is.
    pub(crate) first_of: Option<fragments::Key>,
}

impl<'a, S, O: Observer> Walk<'a, S, O> {
    /// `epoch` is how many changes the switch has taken.
    pub(crate) fn new(
        frame: FrameId,
        epoch: u64,
        sink: &'a mut S,
        observer: &'a mut O,
    ) -> Walk<'a, S, O> {
        Walk {
            frame,
            sink,
            observer,
            tuple: None,
            to: None,
            outbound: None,
            inbound: None,
            cut: Vec::new(),
            epoch,
            route: None,
            first_of: None,
        }
    }

    pub(crate) fn event(&mut self, event: impl FnOnce() -> Event) {
        self.observer.event(self.frame, event);
    }

    fn parsed(&mut self, frame: &Frame) {
        if let Body::Ip(ip) = &frame.body {
            self.tuple = Some(ip.tuple());
        }
        self.event(|| Event::Parsed(*frame));
    }

    fn located(&mut self, located: &Result<Route, Unreachable>) {
        self.to = located.as_ref().ok().map(|route| route.to);
        self.event(|| match located {
            Ok(route) => Event::Located(*route),
            Err(why) => Event::NoWay(*why),
        });
    }

    pub(crate) fn crossed(&mut self, direction: Direction, side: Side) {
        *self.side(direction) = Some(side);
        self.event(|| Event::Crossed(direction, side));
    }

    /// A limit stands against a half that the rules allow.
    pub(crate) fn limited(&mut self, direction: Direction, because: Because) {
        if let Some(side) = self.side(direction) {
            side.allowed = false;
            side.because = because;
        }
    }

    pub(crate) fn opened(
        &mut self,
        interface: InterfaceIndex,
        direction: Direction,
        session: SessionId,
    ) {
        if let Some(side) = self.side(direction) {
            side.session = Some(session);
        }
        self.event(|| Event::Opened(interface, direction, session));
    }

    pub(crate) fn cut(&mut self, interface: InterfaceIndex, session: SessionId) {
        self.cut.push(session);
        self.event(|| Event::Cut(interface, session));
    }

    fn side(&mut self, direction: Direction) -> &mut Option<Side> {
        match direction {
            Direction::Outbound => &mut self.outbound,
            Direction::Inbound => &mut self.inbound,
        }
    }

    /// The verdict, if there is one yet.
    fn verdict(&mut self, result: Result<(), Stop>) -> Option<Verdict> {
        let (allowed, stage, because) = match result {
            Ok(()) => {
                let (stage, side) = self.deciding_side();
                (true, stage, side.because)
            }
            Err(Stop::Denied(stage, because)) => (false, stage, because),
            Err(Stop::Answered) => (true, Stage::Admit, Because::AlwaysAllowed),
            Err(Stop::Held) => {
                self.event(|| Event::Held);
                return None;
            }
        };
        Some(Verdict {
            allowed,
            because,
            stage,
            tuple: self.tuple,
            to: self.to,
            outbound: self.outbound,
            inbound: self.inbound,
            sessions_cut: std::mem::take(&mut self.cut),
            epoch: self.epoch,
        })
    }

    /// Tells the verdict, if there is one yet.
    pub(crate) fn end(mut self, result: Result<(), Stop>) -> Option<Verdict> {
        let verdict = self.verdict(result)?;
        if O::WANTS_PASSED || !verdict.allowed {
            self.observer.verdict(self.frame, || verdict.clone());
        }
        Some(verdict)
    }

    /// "An allowed packet names the deciding side: the receiving interface's inbound decision, or
    /// the outbound one where the target is outside the fabric."
    fn deciding_side(&self) -> (Stage, Side) {
        let inbound = self.inbound.map(|side| (Stage::Inbound, side));
        let outbound = self.outbound.map(|side| (Stage::Outbound, side));
        inbound.or(outbound).expect("nothing is carried from outside to outside")
    }
}
