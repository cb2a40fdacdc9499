//! The verdict on one packet that nobody has to send, and how it came about.
//!
//! Owns a scratch switch through which the first frame of a probe is sent, and the comparison with
//! the reference on paper: "the verdict in an explanation is a recording of the path that real
//! frames take; the account of the rules beside it comes from the reference". Who was asked which
//! rules is told in `account`, how it reads to a person in `render`.

mod account;
mod render;

pub use account::{GroupAccount, Nearest, RuleAccount, SideAccount};
pub(crate) use account::{object_words, ports_words, protocol_words, range_words};

use ringfence_frame::Instant;
use ringfence_switch::{Fabric, FrameId, Observer, Recording, Silent, Switch, Verdict};
use serde::Serialize;

use crate::answer::{Answer, FORMAT_VERSION, TupleAnswer, same_verdict};
use crate::probe::Resolved;
use crate::{frames, paper, words};

/// Frames and reference say different things about one packet: a bug of this program.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "frames and reference disagree about {packet}: the switch says {}, paper says {}",
    brief(frames),
    brief(paper)
)]
pub struct Disagreement {
    /// The packet's key.
    pub packet: String,
    /// What the switch said.
    pub frames: Box<Answer>,
    /// What the reference said.
    pub paper: Box<Answer>,
}

fn brief(answer: &Answer) -> String {
    format!("{} ({} at {})", answer.verdict, answer.because, answer.stage)
}

/// A question's answer with everything that a learner wants to see beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The verdict.
    #[serde(flatten)]
    pub answer: Answer,
    /// Version of this shape.
    pub format_version: &'static str,
    /// The port that the packet comes in at.
    pub from: String,
    /// What the receiver's interface considered, if it was asked.
    pub inbound_account: Option<SideAccount>,
    /// What the sender's interface considered, if it was asked.
    pub outbound_account: Option<SideAccount>,
    /// The packet's key as it comes in.
    pub packet: TupleAnswer,
    /// What the packet is, in a few words.
    pub packet_words: String,
    /// Why, in a sentence.
    pub reason: String,
    /// The journey there, step by step.
    pub walk: Vec<String>,
    /// The way back.
    pub way_back: Option<WayBack>,
}

/// What would become of the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WayBack {
    /// What would become of it without the session: by rules alone, as a flow of its own.
    pub by_rules_alone: Option<Answer>,
    /// Why that, in a sentence.
    pub by_rules_reason: Option<String>,
    /// What becomes of it behind the packet that opened the session, if that was delivered.
    pub reply: Option<Answer>,
    /// What the answer is, in a few words.
    pub reply_words: String,
    /// Its journey, step by step.
    pub walk: Vec<String>,
}

/// Asks a fabric about single packets, each as if nothing had been before.
pub struct Explainer {
    switch: Switch,
    verdicts: Vec<(FrameId, Verdict)>,
}

/// A way back without a packet there and a packet back have these numbers.
const FORWARD: FrameId = 1;
const BACK: FrameId = 2;

impl Explainer {
    /// A scratch switch for a fabric.
    pub fn new(fabric: Fabric) -> Explainer {
        Explainer { switch: Switch::new(fabric), verdicts: Vec::new() }
    }

    /// What is asked.
    pub fn fabric(&self) -> &Fabric {
        self.switch.fabric()
    }

    /// The verdict alone.
    ///
    /// # Errors
    /// [`Disagreement`] between frames and reference.
    pub fn answer(&mut self, packet: &Resolved) -> Result<Answer, Disagreement> {
        let verdict = self.verdict(packet)?;
        Ok(Answer::of(self.fabric(), &verdict))
    }

    /// The verdict alone, as a value.
    ///
    /// # Errors
    /// [`Disagreement`] between frames and reference.
    pub fn verdict(&mut self, packet: &Resolved) -> Result<Verdict, Disagreement> {
        self.forward(packet, &mut Silent)
    }

    /// The verdict, the way there and back, and what was considered.
    ///
    /// # Errors
    /// [`Disagreement`] between frames and reference.
    pub fn explain(&mut self, packet: &Resolved) -> Result<Explanation, Disagreement> {
        let mut recording = Recording::default();
        let verdict = self.forward(packet, &mut recording)?;
        let way_back = self.way_back(packet, &verdict);

        let fabric = self.switch.fabric();
        let walk = recording.events.iter().map(|(_, event)| words::step(fabric, event)).collect();
        let questions = paper::questions(&fabric.world, packet);
        let asked = |question: Option<_>, side: Option<_>| {
            Some(SideAccount::of(fabric, &question?, &side?))
        };
        Ok(Explanation {
            answer: Answer::of(fabric, &verdict),
            format_version: FORMAT_VERSION,
            from: fabric.world.place_name(packet.port),
            inbound_account: asked(questions.inbound, verdict.inbound),
            outbound_account: asked(questions.outbound, verdict.outbound),
            packet: TupleAnswer::of(packet.tuple),
            packet_words: packet_words(packet),
            reason: reason(fabric, &verdict),
            walk,
            way_back,
        })
    }

    /// Sends the first frame of a flow through a switch that has seen nothing, and compares.
    fn forward<O: Observer>(
        &mut self,
        packet: &Resolved,
        observer: &mut O,
    ) -> Result<Verdict, Disagreement> {
        self.switch.reset();
        let frame = frames::first_frame(&self.switch.fabric().world, packet);
        let frames = self.send(packet.port, FORWARD, &frame, observer);
        let fabric = self.switch.fabric();
        let paper = paper::verdict(fabric, packet);
        match frames {
            Some(verdict) if same_verdict(&verdict, &paper) => Ok(verdict),
            other => Err(Disagreement {
                packet: packet.tuple.to_string(),
                frames: Box::new(other.map_or_else(
                    || Answer { because: "no verdict", ..Answer::of(fabric, &paper) },
                    |verdict| Answer::of(fabric, &verdict),
                )),
                paper: Box::new(Answer::of(fabric, &paper)),
            }),
        }
    }

    fn send<O: Observer>(
        &mut self,
        port: ringfence_cloud::Place,
        id: FrameId,
        bytes: &[u8],
        observer: &mut O,
    ) -> Option<Verdict> {
        self.verdicts.clear();
        let verdicts = &mut self.verdicts;
        self.switch.handle_frame(port, id, bytes, Instant::START, observer, verdicts);
        self.verdicts.pop().map(|(_, verdict)| verdict)
    }

    /// The answer to the packet that has just been sent.
    fn way_back(&mut self, packet: &Resolved, verdict: &Verdict) -> Option<WayBack> {
        let route = paper::questions(&self.fabric().world, packet).route;
        let arrived = paper::as_it_arrives(&route, packet.tuple);
        let question = frames::reply_question(packet, verdict.to?, arrived)?;

        let mut recording = Recording::default();
        let delivered = self.delivered();
        let reply = delivered.and_then(|(port, bytes)| {
            let frame = frames::reply_frame(&bytes)?;
            self.send(port, BACK, &frame, &mut recording)
        });
        let fabric = self.switch.fabric();
        let by_rules = paper::verdict(fabric, &question);
        let walk = recording.events.iter().map(|(_, event)| words::step(fabric, event)).collect();
        Some(WayBack {
            by_rules_alone: Some(Answer::of(fabric, &by_rules)),
            by_rules_reason: Some(reason(fabric, &by_rules)),
            reply: reply.map(|verdict| Answer::of(fabric, &verdict)),
            reply_words: reply_words(&question),
            walk,
        })
    }

    /// The frame that the switch has just put out for the packet.
    fn delivered(&mut self) -> Option<(ringfence_cloud::Place, Vec<u8>)> {
        while let Some(delivery) = self.switch.pull() {
            if delivery.frame() == Some(FORWARD) {
                return Some((delivery.port(), delivery.into_bytes()));
            }
        }
        None
    }
}

/// Why, in a sentence.
pub(crate) fn reason(fabric: &Fabric, verdict: &Verdict) -> String {
    use ringfence_frame::Direction::{Inbound, Outbound};
    use ringfence_switch::Stage;
    let at = match verdict.stage {
        Stage::Outbound => verdict.outbound.map(|side| (side.interface, Outbound)),
        Stage::Inbound => verdict.inbound.map(|side| (side.interface, Inbound)),
        Stage::Parse | Stage::Admit | Stage::Route | Stage::Deliver => None,
    };
    words::reason(fabric, at, verdict.because)
}

/// What a packet is: a SYN, a datagram, an echo request.
pub(crate) fn packet_words(packet: &Resolved) -> String {
    use ringfence_frame::Protocol;
    let tuple = packet.tuple;
    match (tuple.protocol, packet.icmp) {
        (Protocol::TCP, _) => format!("{tuple} (SYN)"),
        (Protocol::ICMP, Some((8, 0))) | (Protocol::ICMPV6, Some((128, 0))) => {
            format!("{tuple} (echo request)")
        }
        (_, Some((icmp_type, code))) => format!("{tuple} (type {icmp_type}, code {code})"),
        _ => tuple.to_string(),
    }
}

fn reply_words(reply: &Resolved) -> String {
    use ringfence_frame::Protocol;
    let tuple = reply.tuple;
    match (tuple.protocol, reply.icmp) {
        (Protocol::TCP, _) => format!("{tuple} (SYN-ACK)"),
        (Protocol::ICMP, Some((0, _))) | (Protocol::ICMPV6, Some((129, _))) => {
            format!("{tuple} (echo reply)")
        }
        _ => tuple.to_string(),
    }
}
