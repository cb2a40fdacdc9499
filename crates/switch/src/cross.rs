//! One network interface, one direction: session, or else rules. Owns what a session remembers
//! of its first packet, what a rule change does to it, and what is installed when a frame has
//! passed both sides ([`Pending`]).

use ringfence_cloud::{InterfaceIndex, Reach, Route};
use ringfence_frame::{Direction, Icmp, IcmpKind, Ip, Transport, Tuple};
use ringfence_policy::{Decision, Question};
use ringfence_session::{
    End, FirstPacket, FlowWorker, Forward, HalfRef, Limit, Opening, Room, Session, Step,
};

use crate::journey::{Arrival, Passage, Scene, Stop, Walk};
use crate::route::hops;
use crate::tally::{Tallies, TallyId};
use crate::worker::State;
use crate::{Because, Observer, OnRuleChange, PortId, Side, Sink, Stage};

/// What a frame would do to the session table at one interface, until commit: "No session is
/// established until an Allow rule is matched and applied."
pub(crate) struct Pending {
    question: Question,
    next: Next,
}

#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Advance(HalfRef),
    Open(TallyId),
}

impl Pending {
    fn opens(&self) -> bool {
        matches!(self.next, Next::Open(_))
    }
}

impl State {
    /// Asks an interface whether a packet may cross it. Changes nothing but to end sessions that a
    /// rule change has condemned.
    pub(crate) fn cross<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        question: &Question,
        packet: &Ip,
        walk: &mut Walk<'_, S, O>,
    ) -> Result<Pending, Stop> {
        let (side, next) = self.ask(scene, question, packet, walk);
        walk.crossed(question.direction, side);
        match side.allowed {
            true => Ok(Pending { question: *question, next }),
            false => Err(Stop::Denied(stage(question.direction), side.because)),
        }
    }

    fn ask<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        question: &Question,
        packet: &Ip,
        walk: &mut Walk<'_, S, O>,
    ) -> (Side, Next) {
        let interface = question.interface;
        if let Some(found) = self.find_session(scene, question, packet, walk) {
            self.tallies.port(interface.0).other_session_hits += 1;
            let session = Some(self.flows.session(found).id);
            let side = Side { interface, allowed: true, because: Because::Session, session };
            // "... and refresh nothing"
            let next = match quoted(packet) {
                Some(_) => Next::Nothing,
                None => Next::Advance(found),
            };
            return (side, next);
        }
        let first = FirstPacket::of(packet, scene.plane.options.tcp_midstream);
        if first == FirstPacket::Midstream {
            let because = Because::Midstream;
            return (Side { interface, allowed: false, because, session: None }, Next::Nothing);
        }
        let (decision, tally) = self.decide(scene, question);
        let next = match first {
            FirstPacket::Opens => Next::Open(tally),
            FirstPacket::PassesUnremembered | FirstPacket::Midstream => Next::Nothing,
        };
        let Decision { allowed, because } = decision;
        (Side { interface, allowed, because: because.into(), session: None }, next)
    }

    /// The live session that the packet belongs to, or, for an ICMP error, that it is about.
    fn find_session<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        question: &Question,
        packet: &Ip,
        walk: &mut Walk<'_, S, O>,
    ) -> Option<HalfRef> {
        let Question { interface, direction, .. } = *question;
        loop {
            let found = match quoted(packet) {
                Some(quoted) => self.flows.find_quoted(interface.0, direction, &quoted, scene.now),
                None => self.flows.find(interface.0, direction, packet, scene.now),
            }?;
            if !self.is_condemned(scene, interface, found) {
                return Some(found);
            }
            let session = self.flows.session(found).id;
            self.flows.end(found, scene.now);
            self.tallies.port(interface.0).sessions_cut += 1;
            walk.cut(interface, session);
        }
    }

    fn is_condemned(
        &mut self,
        scene: Scene<'_>,
        interface: InterfaceIndex,
        found: HalfRef,
    ) -> bool {
        let review = review(&self.flows, &scene, interface, found);
        review.count(&mut self.tallies);
        if let Review::Good(_) = review {
            self.flows.restamp(found, scene.rules.epoch);
        }
        matches!(review, Review::Condemned(_))
    }

    /// Asks the rules, and counts.
    fn decide(&mut self, scene: Scene<'_>, question: &Question) -> (Decision, TallyId) {
        let (decision, tally) = judge(&scene, question);
        self.tallies.count_decision(tally);
        (decision, tally)
    }

    /// Whether both halves find room for what they would open: "at a limit the NEW flow is
    /// dropped; nothing live is evicted."
    pub(crate) fn reserve<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        outbound: &Option<Pending>,
        inbound: &Option<Pending>,
        packet: &Ip,
        walk: &mut Walk<'_, S, O>,
    ) -> Result<Room, Stop> {
        let mut interfaces = [0; 2];
        let mut directions = [Direction::Outbound; 2];
        let mut len = 0;
        for pending in [outbound, inbound].into_iter().flatten().filter(|half| half.opens()) {
            interfaces[len] = pending.question.interface.0;
            directions[len] = pending.question.direction;
            len += 1;
        }
        let room = self.flows.reserve(&interfaces[..len], packet, scene.now);
        room.map_err(|(which, limit)| {
            let because = match limit {
                Limit::Sessions => Because::SessionLimit,
                Limit::HalfOpen => Because::HalfOpenLimit,
            };
            walk.limited(directions[which], because);
            Stop::Denied(stage(directions[which]), because)
        })
    }

    /// Does to the session table what has been allowed.
    pub(crate) fn commit<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        arrival: &Arrival<'_>,
        passage: &Passage<'_>,
        halves: [Option<Pending>; 2],
        room: Room,
        walk: &mut Walk<'_, S, O>,
    ) {
        let Passage { sent, arriving, route, exit } = *passage;
        let opening = halves.iter().flatten().any(Pending::opens);
        let step = |half: &Option<Pending>| match half {
            None => Step::Outside,
            Some(Pending { next: Next::Nothing, .. }) => Step::Nothing,
            Some(Pending { next: Next::Advance(found), .. }) => Step::Advance(*found),
            Some(Pending { next: Next::Open(tally), question }) => Step::Open(Opening {
                timeouts: &scene.rules.interface(question.interface).timeouts,
                over_internet: question.reach == Reach::Internet,
                tally: *tally,
            }),
        };
        let back = match opening {
            true => scene.plane.world.is_symmetric(arrival.port, sent.source, sent.target, route),
            false => None,
        };
        let opened = self.flows.commit(
            &ringfence_session::Passage {
                sent,
                arriving,
                sender: End { port: arrival.number, step: step(&halves[0]) },
                receiver: End { port: exit.number, step: step(&halves[1]) },
                there: forward(exit.number, route),
                back: back.map(|back| forward(arrival.number, &back)),
                epoch: scene.rules.epoch,
                len: u32::try_from(arrival.bytes.len()).unwrap_or(u32::MAX),
            },
            Some(room),
            scene.now,
        );
        for (half, session) in halves.iter().zip(opened) {
            if let (Some(Pending { question, .. }), Some(session)) = (half, session) {
                let Question { interface, direction, .. } = *question;
                self.tallies.port(interface.0).sessions_opened += 1;
                walk.opened(interface, direction, session);
            }
        }
    }
}

/// What becomes of a session that is met after a rule change, with what is to be counted if the rules
/// were asked.
#[derive(Clone, Copy)]
pub(crate) enum Review {
    /// No change has touched its interface since it was found good.
    Untouched,
    Good(Option<TallyId>),
    Condemned(Option<TallyId>),
}

impl Review {
    pub(crate) fn count(self, tallies: &mut Tallies) {
        if let Review::Good(Some(tally)) | Review::Condemned(Some(tally)) = self {
            tallies.count_decision(tally);
        }
    }
}

/// "A session is re-decided when its next packet comes, under the rules of that moment; changes in
/// between leave no trace." A session found good is to be stamped with the epoch.
pub(crate) fn review(
    flows: &FlowWorker,
    scene: &Scene<'_>,
    interface: InterfaceIndex,
    found: HalfRef,
) -> Review {
    if flows.epoch(found) >= scene.rules.changed_at(interface) {
        return Review::Untouched;
    }
    let Session { opened, tuple, icmp, over_internet, .. } = flows.session(found);
    match scene.plane.options.on_rule_change {
        OnRuleChange::Keep => Review::Good(None),
        OnRuleChange::Flush => Review::Condemned(None),
        OnRuleChange::FlushInbound if opened == Direction::Inbound => Review::Condemned(None),
        OnRuleChange::FlushInbound => Review::Good(None),
        OnRuleChange::CutIfDenied => {
            let reach = if over_internet { Reach::Internet } else { Reach::Internal };
            let question = Question { interface, direction: opened, tuple, icmp, reach };
            match judge(scene, &question) {
                (Decision { allowed: true, .. }, tally) => Review::Good(Some(tally)),
                (Decision { allowed: false, .. }, tally) => Review::Condemned(Some(tally)),
            }
        }
    }
}

/// What the rules say, and what that is counted under.
fn judge(scene: &Scene<'_>, question: &Question) -> (Decision, TallyId) {
    let Scene { plane, rules, .. } = *scene;
    let peer = question.peer(&plane.world, plane.reading.profile);
    let peer = peer.map(|peer| &*rules.set_of(peer).groups);
    let decision = rules.set_of(question.interface).classifier.decide(question, peer);
    (decision, rules.tally(question.interface, decision))
}

/// How frames of a flow go on once it is established.
pub(crate) fn forward(port: PortId, route: &Route) -> Forward {
    Forward {
        port,
        hops: hops(route),
        source_translated: route.source_becomes.is_some(),
        target_translated: route.target_becomes.is_some(),
    }
}

/// The key of the packet that an ICMP error quotes, if the error goes to whoever sent that packet:
/// it then travels where "that session's replies to the quoted packet travel".
fn quoted(packet: &Ip) -> Option<Tuple> {
    match packet.transport {
        Transport::Icmp(Icmp { kind: IcmpKind::Error { quoted, .. }, .. }) => {
            quoted.map(|quoted| quoted.tuple).filter(|tuple| tuple.source == packet.target)
        }
        _ => None,
    }
}

pub(crate) fn stage(direction: Direction) -> Stage {
    match direction {
        Direction::Outbound => Stage::Outbound,
        Direction::Inbound => Stage::Inbound,
    }
}
