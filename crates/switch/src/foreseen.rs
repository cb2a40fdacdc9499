//! What the world and the rules say of frames that may begin a flow, found out for several of them at a
//! time, ahead of their turns. It is true whatever the frames before them do; whether it is asked for
//! is seen when their turns come.

use ringfence_cloud::{InterfaceIndex, Place, Reach, Route};
use ringfence_frame::quick::link_word;
use ringfence_frame::{Direction, Tuple};
use ringfence_policy::{Decision, Question};
use ringfence_session::{Family, FlowWorker, Forward, Keyed, V4, V6};

use crate::admit::Sender;
use crate::cross::forward;
use crate::established::GROUP;
use crate::journey::Scene;
use crate::plain::{Begins, First};
use crate::tally::TallyId;
use crate::worker::State;
use crate::{Because, Incoming, PortId};

/// What is foreseen of the frames of a group.
#[derive(Default)]
pub(crate) struct Openings {
    pub(crate) v4: Column<V4>,
    pub(crate) v6: Column<V6>,
}

/// The same of one family, by their places in the group.
pub(crate) struct Column<F: Family> {
    seen: [Option<Foreseen<F>>; GROUP],
    /// Whether the frames from the first one on that had nothing established were looked at.
    is_done: bool,
}

/// What is foreseen of a frame.
#[derive(Clone, Copy)]
pub(crate) struct Foreseen<F: Family> {
    /// Its key at the port where it comes in, and that of its answers where it goes out; two
    /// different ones.
    pub(crate) keys: [Keyed<F>; 2],
    /// What the interface at either end says, if there is one; the receiver's is not asked if the
    /// sender's says no.
    pub(crate) judged: [Option<Judged>; 2],
    pub(crate) ways: Ways,
    /// Length of the IP packet.
    pub(crate) packet_len: u32,
    /// Whether its TTL outlasts the way and the link at its end carries it.
    pub(crate) fits: bool,
}

/// What the rules say at one interface, and what that is counted for.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) tally: TallyId,
}

/// The way of a packet and that of its answers.
#[derive(Clone, Copy)]
pub(crate) struct Ways {
    pub(crate) to: Place,
    /// The ports at which the packet comes in and goes out.
    pub(crate) ports: [PortId; 2],
    /// The packet's tuple as its sender and its receiver know it.
    pub(crate) tuples: [Tuple; 2],
    pub(crate) reach: Reach,
    pub(crate) forwards: [Forward; 2],
    /// Whether each end is whom the other one's network finds at its address: then the ways say who
    /// is the peer ([`Question::peer`]).
    in_one_vpc: bool,
}

/// The directions in which a frame crosses its sender's and its receiver's interface.
pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Outbound, Direction::Inbound];

impl<F: Family> Default for Column<F> {
    fn default() -> Column<F> {
        Column { seen: [None; GROUP], is_done: false }
    }
}

impl Openings {
    /// A new group's turn begins.
    #[inline]
    pub(crate) fn begin(&mut self) {
        (self.v4.is_done, self.v6.is_done) = (false, false);
    }
}

impl<F: Family> Column<F> {
    /// What is foreseen of the frame at a place of the group.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<&Foreseen<F>> {
        self.seen[place].as_ref()
    }
}

impl<F: Family> Foreseen<F> {
    /// Why the interface at one end does not let the frame cross, if it does not.
    #[inline]
    pub(crate) fn refused_by(&self, side: usize) -> Option<Because> {
        let decision = self.judged[side]?.decision;
        (!decision.allowed).then(|| decision.because.into())
    }
}

impl State {
    /// Sees to it that what can be foreseen is of the frame at `place` of a group and of those behind
    /// it of whose flows the session table seems to know nothing.
    #[inline]
    pub(crate) fn foresee<F: Begins>(
        &mut self,
        scene: &Scene<'_>,
        (group, place): (usize, usize),
        frames: &[Incoming<'_>],
    ) {
        if !F::column(&mut self.openings).is_done {
            self.foresee_from::<F>(scene, (group, place), frames);
        }
    }

    #[inline(never)]
    fn foresee_from<F: Begins>(
        &mut self,
        scene: &Scene<'_>,
        (group, first): (usize, usize),
        frames: &[Incoming<'_>],
    ) {
        let State { flows, staging, openings, .. } = self;
        let column = F::column(openings);
        column.is_done = true;
        for (place, seen) in column.seen.iter_mut().enumerate() {
            *seen = match frames.get(place) {
                Some(frame) if place >= first && staging.may_begin::<F>(flows, (group, place)) => {
                    foresee_one(scene, flows, frame)
                }
                _ => None,
            };
        }
    }
}

#[inline]
fn foresee_one<F: Begins>(
    scene: &Scene<'_>,
    flows: &FlowWorker,
    frame: &Incoming<'_>,
) -> Option<Foreseen<F>> {
    let port = frame.port;
    if !scene.ports()[port as usize].sends(link_word(frame.bytes) ^ F::LINK) {
        return None;
    }
    let First { tuple, ttl, packet_len } = F::first(frame.bytes)?;
    let sent = flows.keyed::<F>(port, &tuple)?;
    flows.prefetch_bucket::<F>(sent.hash);
    let ways = Ways::find(scene, port, tuple)?;
    let answer = flows.keyed::<F>(ways.ports[1], &ways.tuples[1].reversed())?;
    if sent.key == answer.key {
        return None;
    }
    flows.prefetch_bucket::<F>(answer.hash);
    let there = &ways.forwards[0];
    let fits = ttl > there.hops && packet_len <= scene.ports()[there.port as usize].mtu;
    let judged = ways.judged(scene);
    Some(Foreseen { keys: [sent, answer], judged, ways, packet_len, fits })
}

impl Ways {
    /// The ways of a packet that comes in at `port` and of its answers, if they come back there.
    #[inline]
    fn find(scene: &Scene<'_>, port: PortId, tuple: Tuple) -> Option<Ways> {
        let Tuple { source, target, .. } = tuple;
        if scene.plane.ports.is_interface(port)
            && let Some((to, is_routed)) =
                scene.plane.world.neighbor(InterfaceIndex(port), source, target)
        {
            // An interface may send from its own address.
            let hops = u8::from(is_routed);
            let way = |port| Forward { port, hops, ..Forward::default() };
            return Some(Ways {
                to: Place::Interface(to),
                ports: [port, to.0],
                tuples: [tuple; 2],
                reach: Reach::Internal,
                forwards: [way(to.0), way(port)],
                in_one_vpc: true,
            });
        }
        Ways::find_far(scene, port, tuple)
    }

    #[inline(never)]
    fn find_far(scene: &Scene<'_>, port: PortId, tuple: Tuple) -> Option<Ways> {
        let world = &*scene.plane.world;
        let Tuple { source, target, .. } = tuple;
        let from = scene.ports()[port as usize].place;
        if !(Sender { world, port: from }).may_send_from(source) {
            return None;
        }
        let there = world.locate(from, source, target).ok()?;
        let back = world.is_symmetric(from, source, target, &there)?;
        let Route { to, reach, source_becomes, target_becomes, .. } = there;
        let arriving = Tuple {
            source: source_becomes.unwrap_or(source),
            target: target_becomes.unwrap_or(target),
            ..tuple
        };
        let exit = scene.plane.ports.number(to);
        Some(Ways {
            to,
            ports: [port, exit],
            tuples: [tuple, arriving],
            reach,
            forwards: [forward(exit, &there), forward(port, &back)],
            in_one_vpc: false,
        })
    }

    /// What the interfaces at both ends say.
    #[inline]
    fn judged(&self, scene: &Scene<'_>) -> [Option<Judged>; 2] {
        let Ways { ports, tuples, reach, in_one_vpc, .. } = *self;
        let mut judged = [None; 2];
        let sets = ports.map(|port| {
            let is_interface = scene.plane.ports.is_interface(port);
            is_interface.then(|| scene.rules.set_of(InterfaceIndex(port)))
        });
        for side in 0..2 {
            let Some(set) = sets[side] else { continue };
            let interface = InterfaceIndex(ports[side]);
            let (direction, tuple) = (DIRECTIONS[side], tuples[side]);
            let question = Question { interface, direction, tuple, icmp: None, reach };
            let peer = match in_one_vpc {
                true => sets[side ^ 1],
                false => {
                    let peer = question.peer(&scene.plane.world, scene.plane.reading.profile);
                    peer.map(|peer| scene.rules.set_of(peer))
                }
            };
            let decision = set.classifier.decide(&question, peer.map(|peer| &*peer.groups));
            let tally = scene.rules.tally(interface, decision);
            judged[side] = Some(Judged { decision, tally });
            if !decision.allowed {
                break;
            }
        }
        judged
    }
}
