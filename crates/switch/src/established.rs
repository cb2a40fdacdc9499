//! The short way of a frame of an established flow, and how a batch gets there: parse all,
//! prefetch all, look up all, act on all. Whatever is not plain goes the long way (`journey`),
//! which comes to the same end.

use std::net::{Ipv4Addr, Ipv6Addr};

use ringfence_cloud::InterfaceIndex;
use ringfence_frame::quick::{self, QuickTcp, QuickV4, QuickV6};
use ringfence_frame::{Protocol, TcpFlags, Tuple};
use ringfence_session::{
    Established, Family, FlowWorker, KeyV4, KeyV6, Likely, SessionId, TcpNote, V4, V6,
};

use crate::journey::{Passed, Scene};
use crate::tally::Tallies;
use crate::worker::{Incoming, STEPS_APART, State};
use crate::{Because, Egress, Observer, PortId, Side, Sink, Stage, Verdict};

/// What is known of the frames of a batch before their turns come, in columns.
pub(crate) struct Staging {
    kinds: [Kind; RING],
    v4: [Staged<QuickV4, KeyV4>; RING],
    v6: [Staged<QuickV6, KeyV6>; RING],
}

/// Frames between their first and their last step; a power of two.
const RING: usize = 32;
const _: () = assert!(RING.is_power_of_two() && RING > 2 * STEPS_APART);

/// Whether a frame is plain.
#[derive(Clone, Copy)]
enum Kind {
    V4,
    V6,
    /// It goes the long way.
    Long,
}

/// A plain frame, and where its flow may lie in the session table.
#[derive(Clone, Copy)]
struct Staged<Q, K> {
    key: K,
    hash: u64,
    likely: Likely,
    quick: Q,
}

impl Default for Staging {
    fn default() -> Staging {
        let v4 = Staged {
            key: KeyV4::new(0, 0, 0, 0, 0, 0),
            hash: 0,
            likely: Likely::default(),
            quick: QuickV4::default(),
        };
        let v6 = Staged {
            key: KeyV6::new(0, 0, 0, 0, 0, 0),
            hash: 0,
            likely: Likely::default(),
            quick: QuickV6::default(),
        };
        Staging { kinds: [Kind::Long; RING], v4: [v4; RING], v6: [v6; RING] }
    }
}

impl State {
    /// Reads a frame as far as it is plain, and calls its bucket of the session table.
    #[inline(always)]
    pub(crate) fn stage<O: Observer>(
        &mut self,
        scene: Scene<'_>,
        place: usize,
        frame: &Incoming<'_>,
    ) {
        let place = place % RING;
        let Staging { kinds, v4, v6 } = &mut *self.staging;
        let kind = &mut kinds[place];
        *kind = Kind::Long;
        let port = scene.plane.ports.facts(frame.port);
        if O::WANTS_STEPS || !port.may_be_sent_by(quick::source_mac_bits(frame.bytes)) {
            return;
        }
        if let Some(quick) = quick::quick_v4(frame.bytes) {
            let QuickV4 { protocol, source, target, source_port, target_port, .. } = quick;
            let key = KeyV4::new(frame.port, protocol, source, target, source_port, target_port);
            let hash = self.flows.hash::<V4>(&key);
            self.flows.prefetch_bucket::<V4>(hash);
            let staged = &mut v4[place];
            (staged.key, staged.hash, staged.quick) = (key, hash, quick);
            *kind = Kind::V4;
        } else if let Some(quick) = quick::quick_v6(frame.bytes) {
            let QuickV6 { protocol, source, target, source_port, target_port, .. } = quick;
            let key = KeyV6::new(frame.port, protocol, source, target, source_port, target_port);
            let hash = self.flows.hash::<V6>(&key);
            self.flows.prefetch_bucket::<V6>(hash);
            let staged = &mut v6[place];
            (staged.key, staged.hash, staged.quick) = (key, hash, quick);
            *kind = Kind::V6;
        }
    }

    /// Looks its flow up as far as the bucket tells, and calls the line.
    #[inline(always)]
    pub(crate) fn look_up(&mut self, place: usize) {
        let place = place % RING;
        let Staging { kinds, v4, v6 } = &mut *self.staging;
        match kinds[place] {
            Kind::V4 => {
                let staged = &mut v4[place];
                staged.likely = self.flows.prefetch_line::<V4>(staged.hash);
            }
            Kind::V6 => {
                let staged = &mut v6[place];
                staged.likely = self.flows.prefetch_line::<V6>(staged.hash);
            }
            Kind::Long => {}
        }
    }

    /// Takes a frame of an established flow to its end; `false` if it is to go the long way, and
    /// nothing has happened yet.
    #[inline(always)]
    pub(crate) fn established<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        place: usize,
        frame: &mut Incoming<'_>,
        sink: &mut S,
        observer: &mut O,
    ) -> bool {
        let place = place % RING;
        match self.staging.kinds[place] {
            Kind::V4 => self.established_v4(scene, place, frame, sink, observer),
            Kind::V6 => self.established_v6(scene, place, frame, sink, observer),
            Kind::Long => false,
        }
    }

    #[inline(never)]
    fn established_v4<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        place: usize,
        frame: &mut Incoming<'_>,
        sink: &mut S,
        observer: &mut O,
    ) -> bool {
        let Staged { key, hash, likely, quick } = &self.staging.v4[place];
        let is_tcp = quick.protocol == Protocol::TCP.0;
        if is_tcp && quick.tcp.flags & TURNING != 0 {
            return false;
        }
        let now_ms = scene.now_ms();
        let at = (frame.port, *hash, *likely);
        let Some(flow) = flow_of::<V4>(&self.flows, scene, key, at) else { return false };
        let way = flow.forward();
        let exit = scene.plane.ports.facts(way.port);
        let fits = quick.ttl > way.hops && u32::from(quick.packet_len) <= exit.mtu;
        if !fits || sink.room(way.port) == 0 {
            return false;
        }
        flow.touch(now_ms, frame.bytes.len() as u32, is_tcp.then(|| note(&quick.tcp)));
        let entry = scene.plane.ports.facts(frame.port);
        let new_source = way.source_translated.then_some(entry.public);
        let new_target = way.target_translated.then_some(exit.primary);
        quick::forward_v4(frame.bytes, &exit.macs, way.hops, new_source, new_target, quick);
        let passed = Passed::established(&flow);
        leave(passed, scene, &mut self.tallies, frame, way.port, sink);
        observer.verdict(frame.id, || {
            let sessions = [flow.sender_session(), flow.receiver_session()];
            verdict(scene, frame.port, way.port, sessions, tuple_v4(quick))
        });
        true
    }

    #[inline(never)]
    fn established_v6<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        place: usize,
        frame: &mut Incoming<'_>,
        sink: &mut S,
        observer: &mut O,
    ) -> bool {
        let Staged { key, hash, likely, quick } = &self.staging.v6[place];
        let is_tcp = quick.protocol == Protocol::TCP.0;
        if is_tcp && quick.tcp.flags & TURNING != 0 {
            return false;
        }
        let now_ms = scene.now_ms();
        let at = (frame.port, *hash, *likely);
        let Some(flow) = flow_of::<V6>(&self.flows, scene, key, at) else { return false };
        let way = flow.forward();
        let exit = scene.plane.ports.facts(way.port);
        let fits = quick.ttl > way.hops && quick.packet_len <= exit.mtu;
        if !fits || sink.room(way.port) == 0 {
            return false;
        }
        flow.touch(now_ms, frame.bytes.len() as u32, is_tcp.then(|| note(&quick.tcp)));
        quick::forward_v6(frame.bytes, &exit.macs, way.hops);
        let passed = Passed::established(&flow);
        leave(passed, scene, &mut self.tallies, frame, way.port, sink);
        observer.verdict(frame.id, || {
            let sessions = [flow.sender_session(), flow.receiver_session()];
            verdict(scene, frame.port, way.port, sessions, tuple_v6(quick))
        });
        true
    }
}

/// The flow with `key`, if it is established: found at both ends, under the rules of this moment, or
/// under rules of which nothing has changed that touches either end.
#[inline(always)]
fn flow_of<'a, F: Family>(
    flows: &'a FlowWorker,
    scene: Scene<'_>,
    key: &F::Key,
    (port, hash, likely): (PortId, u64, Likely),
) -> Option<Established<'a, F>> {
    let epoch = scene.rules.epoch;
    let flow = flows.established_at::<F>(likely, key, hash, epoch, scene.now_ms());
    if flow.is_some() || epoch == 0 {
        return flow;
    }
    renewed(flows, scene, key, (port, hash, likely))
}

#[cold]
#[inline(never)]
fn renewed<'a, F: Family>(
    flows: &'a FlowWorker,
    scene: Scene<'_>,
    key: &F::Key,
    (port, hash, likely): (PortId, u64, Likely),
) -> Option<Established<'a, F>> {
    let Scene { rules, .. } = scene;
    let is_unchanged = |since, to| rules.are_unchanged_since(since, [port, to]);
    match flows.renew::<F>(key, hash, rules.epoch, is_unchanged) {
        true => flows.established_at::<F>(likely, key, hash, rules.epoch, scene.now_ms()),
        false => None,
    }
}

/// Counts, and lets the frame out.
#[inline]
fn leave<S: Sink>(
    passed: Passed,
    scene: Scene<'_>,
    tallies: &mut Tallies,
    frame: &mut Incoming<'_>,
    to: PortId,
    sink: &mut S,
) {
    let ports = &scene.plane.ports;
    let len = frame.bytes.len() as u64;
    let entry = tallies.port(frame.port);
    entry.frames_in += 1;
    entry.bytes_in += len;
    entry.session_hits += u64::from(ports.is_interface(frame.port));
    let exit = tallies.port(to);
    exit.frames_out += 1;
    exit.bytes_out += len;
    exit.session_hits += u64::from(ports.is_interface(to));
    let Incoming { id, slot, .. } = *frame;
    sink.put(Egress::new(passed, to, frame.bytes, Some(id), Some(slot)));
}

#[inline]
fn note(tcp: &QuickTcp) -> TcpNote {
    let acknowledges = tcp.flags & TcpFlags::ACK.0 != 0;
    let acknowledgement = acknowledges.then_some(tcp.acknowledgement);
    TcpNote { acknowledgement, window: tcp.window }
}

/// SYN, FIN and RST: what may turn a conversation's state.
const TURNING: u8 = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;

fn tuple_v4(quick: &QuickV4) -> Tuple {
    Tuple {
        source: Ipv4Addr::from_bits(quick.source).into(),
        target: Ipv4Addr::from_bits(quick.target).into(),
        protocol: Protocol(quick.protocol),
        source_port: quick.source_port,
        target_port: quick.target_port,
    }
}

fn tuple_v6(quick: &QuickV6) -> Tuple {
    Tuple {
        source: Ipv6Addr::from_bits(quick.source).into(),
        target: Ipv6Addr::from_bits(quick.target).into(),
        protocol: Protocol(quick.protocol),
        source_port: quick.source_port,
        target_port: quick.target_port,
    }
}

/// What the long way says of such a frame.
fn verdict(
    scene: Scene<'_>,
    from: PortId,
    to: PortId,
    [sender, receiver]: [Option<SessionId>; 2],
    tuple: Tuple,
) -> Verdict {
    let ports = &scene.plane.ports;
    let side = |port: PortId, session: Option<SessionId>| {
        let interface = InterfaceIndex(port);
        let side = Side { interface, allowed: true, because: Because::Session, session };
        ports.is_interface(port).then_some(side)
    };
    let inbound = side(to, receiver);
    Verdict {
        allowed: true,
        because: Because::Session,
        stage: if inbound.is_some() { Stage::Inbound } else { Stage::Outbound },
        tuple: Some(tuple),
        to: Some(ports.facts(to).place),
        outbound: side(from, sender),
        inbound,
        sessions_cut: Vec::new(),
        epoch: u64::from(scene.rules.epoch),
    }
}
