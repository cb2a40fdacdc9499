//! One flow as the specification has it: the reference that is asked for each of its frames, in the order
//! in which a switch has judged them, what must become of it. Asks `locate` and `decide`, and keeps
//! the two sessions that the flow may have, one at each interface. Knows nothing of the data plane's
//! compiled rules, records or short ways.

use ringfence_cloud::Place;
use ringfence_frame::{Protocol, TcpFlags};
use ringfence_policy::{Question, decide};
use ringfence_scenario::paper::{self, Questions};
use ringfence_scenario::probe::Resolved;
use ringfence_session::{SessionId, TcpMidstream, Timeouts};
use ringfence_switch::{Because, Fabric, Side, Stage, Verdict};

use crate::segment::{Effect, Segment, Sides, opens};

/// A flow between two ports, with what is remembered of it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// A packet of either direction, as it is sent: first that of whoever begins.
    pub sent: [Resolved; 2],
    /// What is asked about packets of either direction.
    asked: [Questions; 2],
    /// The session at the interface of either end, if there is an interface.
    sessions: [Option<Session>; 2],
}

/// What is remembered at one interface.
#[derive(Clone, Debug)]
struct Session {
    id: SessionId,
    /// The direction of its first packet, and what was asked about that.
    opener: usize,
    question: Question,
    /// Milliseconds that it may be idle: seen one way, seen both ways, closing.
    idle_ms: [u64; 3],
    phase: Phase,
    last_ms: u64,
    sides: Sides,
    /// The rules under which it was last found good.
    epoch: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    OneWay,
    BothWays,
    Closing,
}

/// A frame that a switch has judged, and what by.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The direction in which it went: an index into [`Flow::sent`].
    pub direction: usize,
    /// What it says, if it is TCP.
    pub segment: Option<Segment>,
    /// The moment of its batch.
    pub now_ms: u64,
    /// The rules of its batch.
    pub fabric: &'a Fabric,
    /// Their epoch.
    pub epoch: u64,
}

/// What becomes of a frame at one interface.
enum Crosses {
    /// There is none: that end is outside.
    Outside,
    /// By its session.
    Session(SessionId),
    /// By the rules, and whether it opens a session then.
    Rules { allowed: bool, because: Because, opens: bool },
}

impl Flow {
    /// The flow that begins with a packet, if what answers it comes back the same way.
    pub fn of(fabric: &Fabric, sent: Resolved) -> Option<Flow> {
        let first = paper::verdict(fabric, &sent);
        let asked = paper::questions(&fabric.world, &sent);
        let route = asked.route.as_ref().ok()?;
        let mut arrives = sent.tuple;
        arrives.source = route.source_becomes.unwrap_or(arrives.source);
        arrives.target = route.target_becomes.unwrap_or(arrives.target);
        let icmp = match sent.icmp {
            Some((8, 0)) => Some((0, 0)),
            Some((128, 0)) => Some((129, 0)),
            Some(_) => return None,
            None => None,
        };
        let answer = Resolved { port: route.to, tuple: arrives.reversed(), icmp };
        let back = paper::questions(&fabric.world, &answer);
        let way_back = back.route.as_ref().ok()?;
        let mut comes = answer.tuple;
        comes.source = way_back.source_becomes.unwrap_or(comes.source);
        comes.target = way_back.target_becomes.unwrap_or(comes.target);
        let returns = way_back.to == sent.port && comes == sent.tuple.reversed();
        let settled = |verdict: &Verdict| matches!(verdict.stage, Stage::Parse | Stage::Admit);
        let goes = !settled(&first) && !settled(&paper::verdict(fabric, &answer));
        (returns && goes && answer.port != sent.port).then_some(Flow {
            sent: [sent, answer],
            asked: [asked, back],
            sessions: [None, None],
        })
    }

    /// Compares what a switch said of a frame with what it has to say, and remembers what the frame
    /// has done. The numbers of sessions are the switch's to give; that one keeps its number, and
    /// another gets another, is compared.
    ///
    /// # Errors
    /// What is not as it has to be, in words.
    pub fn check(&mut self, judged: &Judged<'_>, told: &Verdict) -> Result<(), String> {
        let mut cut = Vec::new();
        let direction = judged.direction;
        let asked = self.asked[direction].clone();
        let outbound = self.cross(judged, direction, asked.outbound, &mut cut);
        let passes = outbound.allows();
        let inbound = match passes {
            true => self.cross(judged, direction ^ 1, asked.inbound, &mut cut),
            false => Crosses::Outside,
        };
        let opens =
            [&outbound, &inbound].map(|it| matches!(it, Crosses::Rules { opens: true, .. }));
        let allowed = passes && inbound.allows();
        let expected = Verdict {
            allowed,
            because: deciding(&outbound, &inbound),
            stage: stage(&outbound, &inbound),
            tuple: Some(self.sent[direction].tuple),
            to: asked.route.as_ref().ok().map(|route| route.to),
            outbound: outbound.side(asked.outbound, told.outbound, allowed),
            inbound: inbound.side(asked.inbound, told.inbound, allowed),
            sessions_cut: cut,
            epoch: judged.epoch,
        };
        if expected != *told {
            return Err(format!("expected {expected:?}\n    told {told:?}"));
        }
        if allowed {
            let ends = [
                (direction, asked.outbound, told.outbound),
                (direction ^ 1, asked.inbound, told.inbound),
            ];
            for ((end, question, side), opens) in ends.into_iter().zip(opens) {
                self.commit(judged, end, question.zip(side).filter(|_| opens))?;
            }
        }
        Ok(())
    }

    /// Sessions that live at `now_ms`.
    pub fn live(&self, now_ms: u64) -> usize {
        self.sessions.iter().flatten().filter(|session| !session.is_dead(now_ms)).count()
    }

    /// The moment after which the first of its sessions is dead, if nothing happens.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.sessions.iter().flatten().map(|it| it.last_ms + it.idle()).min()
    }

    /// What the interface of an end says to a frame.
    fn cross(
        &mut self,
        judged: &Judged<'_>,
        end: usize,
        question: Option<Question>,
        cut: &mut Vec<SessionId>,
    ) -> Crosses {
        let Some(question) = question else { return Crosses::Outside };
        let Judged { fabric, segment, now_ms, epoch, .. } = *judged;
        let session = &mut self.sessions[end];
        if let Some(found) = session.as_mut().filter(|it| it.has(segment, now_ms)) {
            if found.epoch == epoch
                || decide(&fabric.world, &fabric.policies, &found.question).allowed
            {
                found.epoch = epoch;
                return Crosses::Session(found.id);
            }
            cut.push(found.id);
            *session = None;
        }
        let is_syn = segment.is_none_or(|it| opens(&it));
        if !is_syn && fabric.options.tcp_midstream == TcpMidstream::Drop {
            return Crosses::Rules { allowed: false, because: Because::Midstream, opens: false };
        }
        let decision = decide(&fabric.world, &fabric.policies, &question);
        let is_reset = segment.is_some_and(|it| it.flags.contains(TcpFlags::RST));
        let because = decision.because.into();
        Crosses::Rules { allowed: decision.allowed, because, opens: decision.allowed && !is_reset }
    }

    /// Does to the session of an end what an allowed frame does; it opens one if it is `opening`.
    fn commit(
        &mut self,
        judged: &Judged<'_>,
        end: usize,
        opening: Option<(Question, Side)>,
    ) -> Result<(), String> {
        let Judged { direction, segment, now_ms, fabric, epoch } = *judged;
        let Some((question, side)) = opening else {
            if let Some(session) = self.sessions[end].as_mut().filter(|it| it.has(segment, now_ms))
            {
                session.advance(direction, segment, now_ms);
            }
            return Ok(());
        };
        let before = self.sessions[end].as_ref().map(|it| it.id);
        let id = side.session.filter(|id| Some(*id) != before && id.0 > 0);
        let id = id.ok_or_else(|| format!("no new session: {side:?}, the last was {before:?}"))?;
        let timeouts = &fabric.timeouts[question.interface.as_usize()];
        self.sessions[end] = Some(Session {
            id,
            opener: direction,
            question,
            idle_ms: idle_ms(timeouts, question.tuple.protocol),
            phase: Phase::OneWay,
            last_ms: now_ms,
            sides: segment.map(|first| Sides::open(&first)).unwrap_or_default(),
            epoch,
        });
        Ok(())
    }
}

impl Session {
    fn idle(&self) -> u64 {
        self.idle_ms[self.phase as usize]
    }

    /// "A session dies when it was idle LONGER than its timeout."
    fn is_dead(&self, now_ms: u64) -> bool {
        now_ms > self.last_ms + self.idle()
    }

    /// Whether a packet of the flow belongs to it: "a SYN on a closing session is a new flow".
    fn has(&self, segment: Option<Segment>, now_ms: u64) -> bool {
        let anew = self.phase == Phase::Closing && segment.is_some_and(|it| opens(&it));
        !self.is_dead(now_ms) && !anew
    }

    fn advance(&mut self, direction: usize, segment: Option<Segment>, now_ms: u64) {
        if self.phase == Phase::Closing {
            return;
        }
        let forward = direction == self.opener;
        let is_unheard = self.phase == Phase::OneWay;
        let effect = segment.map_or(Effect::Seen, |it| self.sides.take(&it, forward, is_unheard));
        match effect {
            Effect::Nothing => return,
            Effect::Closes => self.phase = Phase::Closing,
            Effect::Seen if !forward => self.phase = Phase::BothWays,
            Effect::Seen => {}
        }
        self.last_ms = now_ms;
    }
}

impl Crosses {
    fn allows(&self) -> bool {
        !matches!(self, Crosses::Rules { allowed: false, .. })
    }

    fn because(&self) -> Option<Because> {
        match self {
            Crosses::Outside => None,
            Crosses::Session(_) => Some(Because::Session),
            Crosses::Rules { because, .. } => Some(*because),
        }
    }

    /// Its part of the verdict; the number of a session that the frame has opened is taken from
    /// what was `told`.
    fn side(
        &self,
        question: Option<Question>,
        told: Option<Side>,
        delivered: bool,
    ) -> Option<Side> {
        let session = match self {
            Crosses::Outside => None,
            Crosses::Session(id) => Some(*id),
            Crosses::Rules { opens, .. } => {
                told.and_then(|it| it.session).filter(|_| *opens && delivered)
            }
        };
        let (interface, because) = (question?.interface, self.because()?);
        Some(Side { interface, allowed: self.allows(), because, session })
    }
}

fn deciding(outbound: &Crosses, inbound: &Crosses) -> Because {
    inbound.because().or(outbound.because()).unwrap_or(Because::AlwaysAllowed)
}

fn stage(outbound: &Crosses, inbound: &Crosses) -> Stage {
    match (outbound.allows(), inbound) {
        (false, _) | (true, Crosses::Outside) => Stage::Outbound,
        (true, _) => Stage::Inbound,
    }
}

/// "New values affect NEW connections only."
fn idle_ms(timeouts: &Timeouts, protocol: Protocol) -> [u64; 3] {
    let (one_way, both_ways) = match protocol {
        Protocol::TCP => (timeouts.tcp_opening, timeouts.tcp_established),
        Protocol::UDP => (timeouts.udp, timeouts.udp_stream),
        Protocol::ICMP | Protocol::ICMPV6 => (timeouts.icmp, timeouts.icmp),
        _ => (timeouts.other, timeouts.other),
    };
    [one_way, both_ways, timeouts.tcp_closed_and_time_wait].map(|it| it.as_millis() as u64)
}

/// The key of a flow at one of its ports, whichever way its packets go.
pub fn key_at(packet: &Resolved) -> (Place, [(std::net::IpAddr, u16); 2], Protocol) {
    let tuple = packet.tuple;
    let mut ends = [(tuple.source, tuple.source_port), (tuple.target, tuple.target_port)];
    ends.sort_unstable();
    (packet.port, ends, tuple.protocol)
}
