//! The short way of a frame of an established flow, and how a batch gets there: parse all,
//! prefetch all, look up all, act on all, by groups. Whatever is not plain goes the long way
//! (`journey`), which comes to the same end.
//!
//! A step keeps of a frame what the next one cannot read from it again: whoever reads a frame twice
//! finds it in the first-level cache, and what is stored in between costs as much.

use ringfence_cloud::InterfaceIndex;
use ringfence_frame::TcpFlags;
use ringfence_frame::quick::{self, IPV6_LINK, QuickTcp, QuickV4, QuickV6};
use ringfence_session::{
    Established, Family, FlowWorker, Forward, KeyV4, KeyV6, Likely, SessionId, TcpNote, V4, V6,
};

use crate::cross::{Review, review};
use crate::journey::{Passed, Scene};
use crate::ports::PortFacts;
use crate::tally::Tallies;
use crate::worker::State;
use crate::{Because, Egress, Incoming, Observer, PortId, Side, Sink, Stage, Verdict};

/// Frames that take a step together.
pub(crate) const GROUP: usize = 16;
/// How many groups one step is ahead of the next: far enough that the memory's latency is hidden, near
/// enough that what is called stays until it is used.
pub(crate) const AHEAD: usize = 1;
/// Groups between their first and their last step, and some more: a power of two.
const GROUPS: usize = 4;
const _: () = assert!(GROUPS.is_power_of_two() && GROUPS > 2 * AHEAD);

/// What is known of the frames of a batch before their turns come.
#[derive(Default)]
pub(crate) struct Staging {
    groups: [Group; GROUPS],
}

/// The same of one group, in columns.
pub(crate) struct Group {
    kinds: [Kind; GROUP],
    hashes: [u64; GROUP],
    likely: [Likely; GROUP],
    v4: [KeyV4; GROUP],
    v6: [KeyV6; GROUP],
}

/// Whether a frame is plain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It goes the long way.
    Long,
    V4,
    V6,
}

impl Default for Group {
    fn default() -> Group {
        Group {
            kinds: [Kind::Long; GROUP],
            hashes: [0; GROUP],
            likely: [Likely::default(); GROUP],
            v4: [KeyV4::new(0, 0, 0, 0, 0, 0); GROUP],
            v6: [KeyV6::new(0, 0, 0, 0, 0, 0); GROUP],
        }
    }
}

/// What all frames of a batch are judged by.
#[derive(Clone, Copy)]
struct Moment<'a> {
    epoch: u32,
    now_ms: u32,
    ports: &'a [PortFacts],
}

impl Staging {
    /// Whether a frame may be of a family, and nothing is known of its flow where it should be.
    #[inline]
    pub(crate) fn may_begin<F: Plain>(&self, flows: &FlowWorker, at: (usize, usize)) -> bool {
        let (group, place) = (&self.groups[at.0 % GROUPS], at.1);
        match group.kinds[place] {
            // TCP that turns a conversation's state was not looked up.
            Kind::Long => true,
            kind => {
                kind == F::KIND && !flows.lies_at::<F>(group.likely[place], &F::keys(group)[place])
            }
        }
    }
}

impl<'a> Moment<'a> {
    fn of(scene: &Scene<'a>) -> Moment<'a> {
        Moment { epoch: scene.rules.epoch, now_ms: scene.now_ms, ports: scene.ports() }
    }
}

// Frames come in runs of one family: each step has a loop for one family, with nothing of the other's
// in its registers, and is left where a run ends.
impl State {
    /// Reads the frames of a group as far as they are plain, and calls the buckets of their flows.
    pub(crate) fn stage<O: Observer>(
        &mut self,
        scene: &Scene<'_>,
        group: usize,
        frames: &[Incoming<'_>],
    ) {
        let State { flows, staging, .. } = self;
        let group = &mut staging.groups[group % GROUPS];
        group.kinds = [Kind::Long; GROUP];
        let frames = &frames[..frames.len().min(GROUP)];
        let mut place = if O::WANTS_STEPS { frames.len() } else { 0 };
        while place < frames.len() {
            let from = place;
            place = read::<V4>(flows, scene.ports(), group, place, frames);
            if place < frames.len() {
                place = read::<V6>(flows, scene.ports(), group, place, frames);
            }
            place += usize::from(place == from);
        }
    }

    /// Looks the flows of a group up as far as the buckets tell, and calls their lines.
    #[inline(never)]
    pub(crate) fn look_up(&mut self, group: usize) {
        let State { flows, staging, .. } = self;
        let Group { kinds, hashes, likely, v4, v6 } = &mut staging.groups[group % GROUPS];
        for (column, (hash, likely)) in hashes.iter().zip(likely).enumerate() {
            *likely = match kinds[column] {
                Kind::V4 => flows.prefetch_line::<V4>(&v4[column], *hash),
                Kind::V6 => flows.prefetch_line::<V6>(&v6[column], *hash),
                Kind::Long => continue,
            };
        }
    }

    /// Takes the frames of a group to their ends.
    pub(crate) fn act<S: Sink, O: Observer>(
        &mut self,
        scene: &Scene<'_>,
        group: usize,
        frames: &mut [Incoming<'_>],
        sink: &mut S,
        observer: &mut O,
    ) {
        let end = frames.len().min(GROUP);
        let frames = &mut frames[..end];
        self.openings.begin();
        let mut place = 0;
        while place < end {
            let from = place;
            place = self.forward::<V4, S, O>(scene, group, place, frames, sink, observer);
            if place < end {
                place = self.forward::<V6, S, O>(scene, group, place, frames, sink, observer);
            }
            if place == from {
                if !self.opening(scene, (group, place), frames, sink, observer) {
                    self.handle(*scene, &mut frames[place], sink, observer);
                }
                place += 1;
            }
        }
    }

    /// Takes the frames of a group from place `first` on to their ends, as long as they are of
    /// established flows of a family. The place of one that is not, and with which nothing has
    /// happened yet.
    #[inline(never)]
    fn forward<F: Plain, S: Sink, O: Observer>(
        &mut self,
        scene: &Scene<'_>,
        group: usize,
        first: usize,
        frames: &mut [Incoming<'_>],
        sink: &mut S,
        observer: &mut O,
    ) -> usize {
        let State { flows, tallies, staging, .. } = self;
        let group = &staging.groups[group % GROUPS];
        let moment = Moment::of(scene);
        let mut place = first;
        while let Some(frame) = frames.get_mut(place) {
            let column = place % GROUP;
            if group.kinds[column] != F::KIND {
                break;
            }
            let (key, likely) = (&F::keys(group)[column], group.likely[column]);
            let is_through =
                match flows.established_at::<F>(likely, key, moment.epoch, moment.now_ms) {
                    Some(flow) => pass(scene, moment, flow, tallies, frame, sink, observer),
                    None => pass_rare::<F, S, O>(
                        scene,
                        flows,
                        (key, likely),
                        tallies,
                        frame,
                        sink,
                        observer,
                    ),
                };
            if !is_through {
                break;
            }
            place += 1;
        }
        place
    }
}

/// Reads the frames of a group from place `first` on, as long as they are of a family. The place of one
/// that is not.
#[inline(never)]
fn read<F: Plain>(
    flows: &FlowWorker,
    ports: &[PortFacts],
    group: &mut Group,
    first: usize,
    frames: &[Incoming<'_>],
) -> usize {
    let mut place = first;
    while let Some(frame) = frames.get(place) {
        if !ports[frame.port as usize].sends(quick::link_word(frame.bytes) ^ F::LINK) {
            break;
        }
        if let Some(key) = F::key_of(frame) {
            let (column, hash) = (place % GROUP, flows.hash::<F>(&key));
            group.kinds[column] = F::KIND;
            group.hashes[column] = hash;
            F::keys_mut(group)[column] = key;
            flows.prefetch_bucket::<F>(hash);
        }
        place += 1;
    }
    place
}

/// Forwards a frame of an established flow; `false`, and nothing has happened, if there is something
/// about it.
#[inline(always)]
fn pass<F: Plain, S: Sink, O: Observer>(
    scene: &Scene<'_>,
    moment: Moment<'_>,
    flow: Established<'_, F>,
    tallies: &mut Tallies,
    frame: &mut Incoming<'_>,
    sink: &mut S,
    observer: &mut O,
) -> bool {
    let way = flow.forward();
    if sink.room(way.port) == 0 {
        return false;
    }
    let said = flow.is_tcp().then(|| F::tcp(frame.bytes));
    let ends = [&moment.ports[frame.port as usize], &moment.ports[way.port as usize]];
    if !F::forward(frame.bytes, ends, &way) {
        return false;
    }
    flow.touch(moment.now_ms, frame.bytes.len() as u32, said.as_ref().map(note));
    let len = frame.bytes.len() as u64;
    tallies.port(frame.port).established_in.count(len);
    tallies.port(way.port).established_out.count(len);
    let passed = Passed::established(&flow);
    let Incoming { id, slot, port, .. } = *frame;
    sink.put(Egress::new(passed, way.port, frame.bytes, Some(id), Some(slot)));
    if O::WANTS_PASSED {
        observer.verdict(id, || verdict(scene, port, &flow));
    }
    true
}

/// The same where the flow's line does not lie where it should, or rules have changed since it was found
/// good; `false` if there is no such flow, or a change has condemned it.
#[cold]
#[inline(never)]
fn pass_rare<F: Plain, S: Sink, O: Observer>(
    scene: &Scene<'_>,
    flows: &FlowWorker,
    (key, likely): (&F::Key, Likely),
    tallies: &mut Tallies,
    frame: &mut Incoming<'_>,
    sink: &mut S,
    observer: &mut O,
) -> bool {
    if likely.is_none() {
        return false;
    }
    let moment = Moment::of(scene);
    let at = flows.look_for::<F>(key);
    let mut found = flows.established_at::<F>(at, key, moment.epoch, moment.now_ms);
    if found.is_none() && moment.epoch > 0 {
        let settled = flows.settled_at::<F>(at, key, moment.now_ms);
        if settled.is_some_and(|flow| is_renewed(scene, flows, flow, tallies, frame, sink)) {
            found = flows.established_at::<F>(at, key, moment.epoch, moment.now_ms);
        }
    }
    match found {
        Some(flow) => pass(scene, moment, flow, tallies, frame, sink, observer),
        None => false,
    }
}

/// Whether both ends of a flow are good under the rules of this moment, which is noted. As on the long way
/// nobody is asked about a frame that cannot leave; and what condemns a session is left to that.
fn is_renewed<F: Plain, S: Sink>(
    scene: &Scene<'_>,
    flows: &FlowWorker,
    flow: Established<'_, F>,
    tallies: &mut Tallies,
    frame: &Incoming<'_>,
    sink: &S,
) -> bool {
    let way = flow.forward();
    let ends = [frame.port, way.port];
    let exit = &scene.ports()[way.port as usize];
    if sink.room(way.port) == 0 || !F::fits(frame.bytes, exit.mtu, way.hops) {
        return false;
    }
    let has = ends.map(|port| scene.plane.ports.is_interface(port));
    let Some(halves) = flow.halves(has) else { return false };
    for (half, port) in halves.into_iter().zip(ends) {
        let Some(half) = half else { continue };
        let review = review(flows, scene, InterfaceIndex(port), half);
        match review {
            Review::Untouched => {}
            Review::Good(_) => {
                review.count(tallies);
                flows.restamp(half, scene.rules.epoch);
            }
            Review::Condemned(_) => return false,
        }
    }
    flow.found_good(halves, scene.rules.epoch);
    true
}

/// In what plain frames of the two families differ.
pub(crate) trait Plain: Family {
    const KIND: Kind;
    /// In what their `link_word` differs from IPv4's.
    const LINK: u64;

    fn keys(group: &Group) -> &[Self::Key; GROUP];
    fn keys_mut(group: &mut Group) -> &mut [Self::Key; GROUP];
    /// The key of a frame whose ethertype is right, if it is plain and turns no conversation's state.
    fn key_of(frame: &Incoming<'_>) -> Option<Self::Key>;
    fn tcp(bytes: &[u8]) -> QuickTcp;
    /// See [`quick::fits_v4`].
    fn fits(bytes: &[u8], mtu: u32, hops: u8) -> bool;
    /// See [`quick::forward_v4`]; from the first of `ends` to the second.
    fn forward(bytes: &mut [u8], ends: [&PortFacts; 2], way: &Forward) -> bool;
}

impl Plain for V4 {
    const KIND: Kind = Kind::V4;
    const LINK: u64 = 0;

    #[inline(always)]
    fn keys(group: &Group) -> &[KeyV4; GROUP] {
        &group.v4
    }

    #[inline(always)]
    fn keys_mut(group: &mut Group) -> &mut [KeyV4; GROUP] {
        &mut group.v4
    }

    #[inline(always)]
    fn key_of(frame: &Incoming<'_>) -> Option<KeyV4> {
        let QuickV4 { protocol, source, target, source_port, target_port, tcp, .. } =
            quick::quick_v4(frame.bytes)?;
        let key = KeyV4::new(frame.port, protocol, source, target, source_port, target_port);
        (tcp.flags & TURNING == 0).then_some(key)
    }

    #[inline(always)]
    fn tcp(bytes: &[u8]) -> QuickTcp {
        quick::tcp_v4(bytes)
    }

    fn fits(bytes: &[u8], mtu: u32, hops: u8) -> bool {
        quick::fits_v4(bytes, mtu, hops)
    }

    #[inline(always)]
    fn forward(bytes: &mut [u8], [entry, exit]: [&PortFacts; 2], way: &Forward) -> bool {
        if !quick::forward_v4(bytes, &exit.macs, exit.mtu, way.hops) {
            return false;
        }
        if way.source_translated | way.target_translated {
            quick::translate_v4(
                bytes,
                way.source_translated.then_some(entry.public),
                way.target_translated.then_some(exit.primary),
            );
        }
        true
    }
}

impl Plain for V6 {
    const KIND: Kind = Kind::V6;
    const LINK: u64 = IPV6_LINK;

    #[inline(always)]
    fn keys(group: &Group) -> &[KeyV6; GROUP] {
        &group.v6
    }

    #[inline(always)]
    fn keys_mut(group: &mut Group) -> &mut [KeyV6; GROUP] {
        &mut group.v6
    }

    #[inline(always)]
    fn key_of(frame: &Incoming<'_>) -> Option<KeyV6> {
        let QuickV6 { protocol, source, target, source_port, target_port, tcp, .. } =
            quick::quick_v6(frame.bytes)?;
        let key = KeyV6::new(frame.port, protocol, source, target, source_port, target_port);
        (tcp.flags & TURNING == 0).then_some(key)
    }

    #[inline(always)]
    fn tcp(bytes: &[u8]) -> QuickTcp {
        quick::tcp_v6(bytes)
    }

    fn fits(bytes: &[u8], mtu: u32, hops: u8) -> bool {
        quick::fits_v6(bytes, mtu, hops)
    }

    #[inline(always)]
    fn forward(bytes: &mut [u8], [_, exit]: [&PortFacts; 2], way: &Forward) -> bool {
        quick::forward_v6(bytes, &exit.macs, exit.mtu, way.hops)
    }
}

#[inline(always)]
fn note(tcp: &QuickTcp) -> TcpNote {
    let acknowledges = tcp.flags & TcpFlags::ACK.0 != 0;
    let acknowledgement = acknowledges.then_some(tcp.acknowledgement);
    TcpNote { acknowledgement, window: tcp.window }
}

/// SYN, FIN and RST: what may turn a conversation's state.
const TURNING: u8 = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;

/// What the long way says of such a frame that came in at `from`.
#[inline(always)]
fn verdict<F: Family>(scene: &Scene<'_>, from: PortId, flow: &Established<'_, F>) -> Verdict {
    let ports = &scene.plane.ports;
    let to = flow.forward().port;
    let side = |port: PortId, session: Option<SessionId>| {
        let interface = InterfaceIndex(port);
        let side = Side { interface, allowed: true, because: Because::Session, session };
        ports.is_interface(port).then_some(side)
    };
    let inbound = side(to, flow.receiver_session());
    Verdict {
        allowed: true,
        because: Because::Session,
        stage: if inbound.is_some() { Stage::Inbound } else { Stage::Outbound },
        tuple: Some(flow.tuple()),
        to: Some(ports.place(to)),
        outbound: side(from, flow.sender_session()),
        inbound,
        sessions_cut: Vec::new(),
        epoch: u64::from(scene.rules.epoch),
    }
}
