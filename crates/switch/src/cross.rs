//! One network interface, one direction: session, or else rules. Owns what a session remembers
//! of its first packet, what a rule change does to it, and what is installed when a frame has
//! passed both sides ([`Pending`]).

use ringfence_cloud::InterfaceIndex;
use ringfence_frame::{Direction, Icmp, IcmpKind, Ip, Transport, Tuple};
use ringfence_policy::{Decision, Question, decide};
use ringfence_session::{FirstPacket, Limit, SessionRef};

use crate::journey::{Stop, Walk};
use crate::{Because, Observer, OnRuleChange, Side, Stage, Switch};

/// What the switch keeps with a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// What was asked about the first packet: what a re-decision asks again.
    question: Question,
    /// The generation of the interface's policy under which the session was last found good.
    generation: u64,
}

/// What a frame would do to the session table at one interface, until commit: "No session is
/// established until an Allow rule is matched and applied."
pub(crate) struct Pending {
    question: Question,
    /// The packet as this interface sees it.
    packet: Ip,
    step: Step,
}

enum Step {
    Nothing,
    Advance(SessionRef),
    Open,
}

impl Pending {
    fn opens(&self) -> bool {
        matches!(self.step, Step::Open)
    }
}

impl Switch {
    /// Asks an interface whether a packet may cross it. Changes nothing but to end sessions that a
    /// rule change has condemned.
    pub(crate) fn cross<O: Observer>(
        &mut self,
        question: &Question,
        packet: &Ip,
        walk: &mut Walk<'_, O>,
    ) -> Result<Pending, Stop> {
        let (side, step) = self.ask(question, packet, walk);
        walk.crossed(question.direction, side);
        match side.allowed {
            true => Ok(Pending { question: *question, packet: *packet, step }),
            false => Err(Stop::Denied(stage(question.direction), side.because)),
        }
    }

    fn ask<O: Observer>(
        &mut self,
        question: &Question,
        packet: &Ip,
        walk: &mut Walk<'_, O>,
    ) -> (Side, Step) {
        let interface = question.interface;
        if let Some(found) = self.find_session(question, packet, walk) {
            self.interface_counters(interface).session_hits += 1;
            let session = Some(found.id());
            let side = Side { interface, allowed: true, because: Because::Session, session };
            // "... and refresh nothing"
            let step = match quoted(packet) {
                Some(_) => Step::Nothing,
                None => Step::Advance(found),
            };
            return (side, step);
        }
        let first = FirstPacket::of(packet, self.fabric.options.tcp_midstream);
        if first == FirstPacket::Midstream {
            let because = Because::Midstream;
            return (Side { interface, allowed: false, because, session: None }, Step::Nothing);
        }
        let Decision { allowed, because } = self.decide(question);
        let step = match first {
            FirstPacket::Opens => Step::Open,
            FirstPacket::PassesUnremembered | FirstPacket::Midstream => Step::Nothing,
        };
        (Side { interface, allowed, because: because.into(), session: None }, step)
    }

    /// The live session that the packet belongs to, or, for an ICMP error, that it is about.
    fn find_session<O: Observer>(
        &mut self,
        question: &Question,
        packet: &Ip,
        walk: &mut Walk<'_, O>,
    ) -> Option<SessionRef> {
        let Question { interface, direction, .. } = *question;
        loop {
            let found = match quoted(packet) {
                Some(quoted) => {
                    self.sessions.find_quoted(interface.0, direction, &quoted, walk.now)
                }
                None => self.sessions.find(interface.0, direction, packet, walk.now),
            }?;
            if !self.is_condemned(interface, found) {
                return Some(found);
            }
            self.sessions.remove(found);
            self.interface_counters(interface).sessions_cut += 1;
            walk.cut(interface, found.id());
        }
    }

    /// "A session is re-decided when its next packet comes, under the rules of that moment;
    /// changes in between leave no trace." A session found good is stamped with the generation.
    fn is_condemned(&mut self, interface: InterfaceIndex, found: SessionRef) -> bool {
        let generation = self.generations[interface.as_usize()];
        let session = self.sessions.get(found);
        if session.note.generation == generation {
            return false;
        }
        let question = session.note.question;
        let condemned = match self.fabric.options.on_rule_change {
            OnRuleChange::CutIfDenied => !self.decide(&question).allowed,
            OnRuleChange::Keep => false,
            OnRuleChange::Flush => true,
            OnRuleChange::FlushInbound => question.direction == Direction::Inbound,
        };
        if !condemned {
            self.sessions.note_mut(found).generation = generation;
        }
        condemned
    }

    /// Asks the rules, and counts.
    fn decide(&mut self, question: &Question) -> Decision {
        let decision = decide(&self.fabric.world, &self.fabric.policies, question);
        match Because::from(decision.because) {
            Because::Rule(rule) => *self.counters.rules.entry(rule).or_default() += 1,
            implicit => {
                let name = match (implicit, decision.allowed) {
                    (Because::Default, true) => "default-allow",
                    (Because::Default, false) => "default-deny",
                    (other, _) => other.name(),
                };
                let counters = self.interface_counters(question.interface);
                *counters.implicit.entry(name).or_default() += 1;
            }
        }
        decision
    }

    /// Whether both halves find room for what they would open: "at a limit the NEW flow is
    /// dropped; nothing live is evicted."
    pub(crate) fn check_limits<O: Observer>(
        &mut self,
        outbound: Option<&Pending>,
        inbound: Option<&Pending>,
        walk: &mut Walk<'_, O>,
    ) -> Result<(), Stop> {
        let opening = [outbound, inbound].into_iter().flatten().filter(|half| half.opens());
        let mut others = Vec::new();
        for pending in opening {
            let Question { interface, direction, .. } = pending.question;
            let room = self.sessions.check_room(interface.0, &pending.packet, &others, walk.now);
            room.map_err(|limit| {
                let because = match limit {
                    Limit::Sessions => Because::SessionLimit,
                    Limit::HalfOpen => Because::HalfOpenLimit,
                };
                walk.limited(direction, because);
                Stop::Denied(stage(direction), because)
            })?;
            others.push(interface.0);
        }
        Ok(())
    }

    /// Does to the session table what has been allowed.
    pub(crate) fn install<O: Observer>(&mut self, pending: Pending, walk: &mut Walk<'_, O>) {
        let Pending { question, packet, step } = pending;
        let Question { interface, direction, .. } = question;
        match step {
            Step::Nothing => {}
            Step::Advance(found) => self.sessions.advance(found, direction, &packet, walk.now),
            Step::Open => {
                let timeouts = self.fabric.timeouts[interface.as_usize()];
                let generation = self.generations[interface.as_usize()];
                let note = Note { question, generation };
                let id =
                    self.sessions.open(interface.0, direction, &packet, &timeouts, note, walk.now);
                self.interface_counters(interface).sessions_opened += 1;
                walk.opened(interface, direction, id);
            }
        }
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

fn stage(direction: Direction) -> Stage {
    match direction {
        Direction::Outbound => Stage::Outbound,
        Direction::Inbound => Stage::Inbound,
    }
}
