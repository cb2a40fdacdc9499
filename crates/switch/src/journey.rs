//! The journey of a frame, top to bottom. Owns the order of the steps and what is installed when;
//! each step is a leaf in a file of its own: `admit` (with `neighbors`), `fragments`, `cross`,
//! `route`, `output`.
//!
//! What the tiers may cost:
//!
//! 1. established: parse, MAC and address check, `locate`, one look-up of each half, rewrite. It
//!    allocates for the way and for the frame that goes out.
//! 2. new flow: the reference `decide` at each interface, then commit.
//! 3. everything rare (ARP and ND, ICMP errors, fragments, re-decision after a rule change):
//!    correct first.

use ringfence_cloud::{InterfaceIndex, Place, Reach, Route, Unreachable};
use ringfence_frame::{Body, Direction, Ip, Tuple, parse};
use ringfence_frame::{Frame, Instant};
use ringfence_policy::Question;
use ringfence_session::SessionId;

use crate::admit::{Admitted, admit};
use crate::cross::Pending;
use crate::fragments::{self, Known, Meeting};
use crate::neighbors::Request;
use crate::route::{Exit, arriving, rewritten};
use crate::{Because, Event, FrameId, Observer, Side, Stage, Switch, Verdict};

/// A frame that came in.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) port: Place,
    pub(crate) id: FrameId,
    pub(crate) bytes: &'a [u8],
    pub(crate) now: Instant,
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

/// "Only the journey makes a `Delivery`": the output queue takes nothing without this.
#[derive(Clone, Copy)]
pub(crate) struct Passed(());

impl Switch {
    /// Where a frame goes, or why not. The two enforcement points, out of the sender and into the
    /// receiver, are one room entered twice.
    pub(crate) fn journey<O: Observer>(
        &mut self,
        arrival: &Arrival<'_>,
        walk: &mut Walk<'_, O>,
    ) -> Result<(), Stop> {
        // parse: bytes to a checked view
        let frame = parse(arrival.bytes)
            .map_err(|what| Stop::Denied(Stage::Parse, Because::Malformed(what)))?;
        walk.parsed(&frame);

        // admit: is the sender who it says it is
        let admitted = admit(&self.fabric.world, arrival, &frame);
        let packet = match admitted.map_err(|because| Stop::Denied(Stage::Admit, because))? {
            Admitted::Packet(packet) => packet,
            Admitted::Request(request) => return self.answer(arrival, request, walk),
        };
        walk.event(|| Event::Admitted(arrival.port));
        match self.fragments.meet(arrival, &frame, &packet) {
            Meeting::Whole => {}
            Meeting::First(key) => walk.first_of = Some(key),
            Meeting::Later(known) => return self.follow(arrival, &frame, &packet, &known, walk),
            Meeting::Held => return Err(Stop::Held),
            Meeting::Dropped(because) => return Err(Stop::Denied(Stage::Parse, because)),
        }

        // locate: who has the target address, and by which path
        let located = self.fabric.world.locate(arrival.port, packet.source, packet.target);
        walk.located(&located);

        // cross: the sender's network interface, outbound
        let outbound = match arrival.port {
            Place::Interface(sender) => {
                let reach = reach(&located);
                let question = Question::of(sender, Direction::Outbound, &packet, reach);
                Some(self.cross(&question, &packet, walk)?)
            }
            Place::Outside(_) | Place::Edge(_) => None,
        };

        // route: can it be delivered there
        let route = located.map_err(|why| Stop::Denied(Stage::Route, Because::Unreachable(why)))?;
        let exit = Exit::of(&self.fabric.world, route.to);
        self.check_fit(arrival, &packet, &route, &exit, walk)?;
        let arriving = arriving(&packet, &route);
        walk.event(|| Event::Routed { ttl: arriving.ttl });

        // cross: the receiver's network interface, inbound
        let inbound = match route.to {
            Place::Interface(receiver) => {
                let question = Question::of(receiver, Direction::Inbound, &arriving, route.reach);
                Some(self.cross(&question, &arriving, walk)?)
            }
            Place::Outside(_) | Place::Edge(_) => None,
        };

        // commit: remember the flow at both interfaces, or at neither
        self.check_limits(outbound.as_ref(), inbound.as_ref(), walk)?;
        let frames = rewritten(arrival.bytes, &frame, &packet, &arriving, &exit);
        let passed = self.check_queue(route.to, frames.len())?;
        self.commit(outbound, walk);
        self.commit(inbound, walk);

        // deliver
        self.deliver(passed, arrival, route.to, frames, walk);
        walk.route = Some(route);
        Ok(())
    }

    /// A later fragment: "all fragments of a packet share the verdict of the first one".
    pub(crate) fn follow<O: Observer>(
        &mut self,
        arrival: &Arrival<'_>,
        frame: &Frame,
        packet: &Ip,
        known: &Known,
        walk: &mut Walk<'_, O>,
    ) -> Result<(), Stop> {
        let Verdict { because, stage, to, outbound, inbound, epoch, .. } = known.verdict;
        (walk.to, walk.outbound, walk.inbound) = (to, outbound, inbound);
        walk.epoch = epoch;
        let Some(route) = &known.route else { return Err(Stop::Denied(stage, because)) };
        let exit = Exit::of(&self.fabric.world, route.to);
        self.check_fit(arrival, packet, route, &exit, walk)?;
        let arriving = arriving(packet, route);
        walk.event(|| Event::Routed { ttl: arriving.ttl });
        let frames = rewritten(arrival.bytes, frame, packet, &arriving, &exit);
        let passed = self.check_queue(route.to, frames.len())?;
        self.deliver(passed, arrival, route.to, frames, walk);
        Ok(())
    }

    /// What the fabric does itself: "ARP, ND, DHCP and router advertisements are the fabric's own
    /// and are not subject to rules".
    fn answer<O: Observer>(
        &mut self,
        arrival: &Arrival<'_>,
        request: Request,
        walk: &mut Walk<'_, O>,
    ) -> Result<(), Stop> {
        let Request { name, answer } = request;
        walk.event(|| Event::Admitted(arrival.port));
        if let Some(bytes) = answer {
            let passed = self.check_queue(arrival.port, 1)?;
            self.put_out(passed, arrival.port, bytes, None);
        }
        *self.port_counters(arrival.port).answered.entry(name).or_default() += 1;
        walk.event(|| Event::Answered(name));
        Err(Stop::Answered)
    }

    /// Sends the fabric's own ICMP error to the sender, "not subject to rules".
    pub(crate) fn complain<O: Observer>(
        &mut self,
        to: Place,
        bytes: Vec<u8>,
        name: &'static str,
        walk: &mut Walk<'_, O>,
    ) {
        if let Ok(passed) = self.check_queue(to, 1) {
            self.put_out(passed, to, bytes, None);
            self.port_counters(to).icmp_errors += 1;
            walk.event(|| Event::Answered(name));
        }
    }

    /// Whether the output queue takes so many frames more; what does not fit is dropped whole.
    fn check_queue(&self, to: Place, frames: usize) -> Result<Passed, Stop> {
        match self.outputs.room(to) >= frames {
            true => Ok(Passed(())),
            false => Err(Stop::Denied(Stage::Deliver, Because::QueueFull)),
        }
    }

    fn commit<O: Observer>(&mut self, pending: Option<Pending>, walk: &mut Walk<'_, O>) {
        if let Some(pending) = pending {
            self.install(pending, walk);
        }
    }

    fn deliver<O: Observer>(
        &mut self,
        passed: Passed,
        arrival: &Arrival<'_>,
        to: Place,
        frames: Vec<Vec<u8>>,
        walk: &mut Walk<'_, O>,
    ) {
        for bytes in frames {
            self.put_out(passed, to, bytes, Some(arrival.id));
        }
        walk.event(|| Event::Delivered(to));
    }

    fn put_out(&mut self, passed: Passed, to: Place, bytes: Vec<u8>, frame: Option<FrameId>) {
        let counters = self.port_counters(to);
        counters.frames_out += 1;
        counters.bytes_out += bytes.len() as u64;
        self.outputs.put(passed, to, bytes, frame);
    }
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
pub(crate) struct Walk<'a, O> {
    pub(crate) frame: FrameId,
    pub(crate) now: Instant,
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

impl<'a, O: Observer> Walk<'a, O> {
    /// `epoch` is how many changes the switch has taken.
    pub(crate) fn new(
        frame: FrameId,
        now: Instant,
        epoch: u64,
        observer: &'a mut O,
    ) -> Walk<'a, O> {
        Walk {
            frame,
            now,
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
            Ok(route) => Event::Located(route.clone()),
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
    pub(crate) fn verdict(&mut self, result: Result<(), Stop>) -> Option<Verdict> {
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

    /// "An allowed packet names the deciding side: the receiving interface's inbound decision, or
    /// the outbound one where the target is outside the fabric."
    fn deciding_side(&self) -> (Stage, Side) {
        let inbound = self.inbound.map(|side| (Stage::Inbound, side));
        let outbound = self.outbound.map(|side| (Stage::Outbound, side));
        inbound.or(outbound).expect("nothing is carried from outside to outside")
    }
}
