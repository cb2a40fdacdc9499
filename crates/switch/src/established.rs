//! The short way of a frame of an established flow, and how a batch gets there: parse all,
//! prefetch all, look up all, act on all. Whatever is not plain goes the long way (`journey`),
//! which comes to the same end.

use std::net::{Ipv4Addr, Ipv6Addr};

use ringfence_cloud::InterfaceIndex;
use ringfence_frame::quick::{self, QuickTcp, QuickV4, QuickV6};
use ringfence_frame::{Protocol, TcpFlags, Tuple};
use ringfence_session::{Family, Forward, KeyV4, KeyV6, SessionId, TcpNote, V4, V6};

use crate::journey::{Passed, Scene};
use crate::worker::Incoming;
use crate::{Because, Egress, Observer, PortId, Side, Sink, Stage, Verdict, Worker};

/// What is known of a frame before its turn comes.
pub(crate) enum Staged {
    V4 {
        quick: QuickV4,
        key: KeyV4,
        hash: u64,
    },
    V6 {
        quick: QuickV6,
        key: KeyV6,
        hash: u64,
    },
    /// Nothing: it goes the long way.
    Long,
}

impl Worker {
    /// Reads a frame as far as it is plain, and calls its bucket of the session table.
    #[inline]
    pub(crate) fn stage<O: Observer>(&self, scene: Scene<'_>, frame: &Incoming<'_>) -> Staged {
        let port = scene.plane.ports.facts(frame.port);
        if O::WANTS_STEPS || !port.may_be_sent_by(quick::source_mac_bits(frame.bytes)) {
            return Staged::Long;
        }
        if let Some(quick) = quick::quick_v4(frame.bytes) {
            let QuickV4 { protocol, source, target, source_port, target_port, .. } = quick;
            let key = KeyV4::new(frame.port, protocol, source, target, source_port, target_port);
            let hash = self.flows.hash::<V4>(&key);
            self.flows.prefetch_bucket::<V4>(hash);
            return Staged::V4 { quick, key, hash };
        }
        if let Some(quick) = quick::quick_v6(frame.bytes) {
            let QuickV6 { protocol, source, target, source_port, target_port, .. } = quick;
            let key = KeyV6::new(frame.port, protocol, source, target, source_port, target_port);
            let hash = self.flows.hash::<V6>(&key);
            self.flows.prefetch_bucket::<V6>(hash);
            return Staged::V6 { quick, key, hash };
        }
        Staged::Long
    }

    /// Calls the line of its flow.
    #[inline]
    pub(crate) fn prefetch(&self, staged: &Staged) {
        let _likely = match staged {
            Staged::V4 { hash, .. } => Some(self.flows.prefetch_line::<V4>(*hash)),
            Staged::V6 { hash, .. } => Some(self.flows.prefetch_line::<V6>(*hash)),
            Staged::Long => None,
        };
    }

    /// Takes a frame of an established flow to its end; `false` if it is to go the long way, and
    /// nothing has happened yet.
    #[inline]
    pub(crate) fn established<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        frame: &mut Incoming<'_>,
        staged: &Staged,
        sink: &mut S,
        observer: &mut O,
    ) -> bool {
        match staged {
            Staged::V4 { quick, key, hash } => {
                let plain = Plain::v4(quick, frame.bytes.len());
                let Some(way) = self.way::<V4, S>(scene, key, *hash, plain, sink) else {
                    return false;
                };
                let ports = &scene.plane.ports;
                let Forward { port, hops, source_translated, target_translated } = way.forward;
                let new_source = source_translated.then(|| ports.facts(frame.port).public);
                let new_target = target_translated.then(|| ports.facts(port).primary);
                let macs = &ports.facts(port).macs;
                quick::forward_v4(frame.bytes, macs, hops, new_source, new_target, quick);
                self.go(scene, &way, frame, sink, observer, || tuple_v4(quick));
            }
            Staged::V6 { quick, key, hash } => {
                let plain = Plain::v6(quick, frame.bytes.len());
                let Some(way) = self.way::<V6, S>(scene, key, *hash, plain, sink) else {
                    return false;
                };
                let macs = &scene.plane.ports.facts(way.forward.port).macs;
                quick::forward_v6(frame.bytes, macs, way.forward.hops);
                self.go(scene, &way, frame, sink, observer, || tuple_v6(quick));
            }
            Staged::Long => return false,
        }
        true
    }

    /// The way that the flow's frames go, if this one changes nothing but what its flow counts
    /// and notes, fits, and finds room.
    #[inline]
    fn way<F: Family, S: Sink>(
        &self,
        scene: Scene<'_>,
        key: &F::Key,
        hash: u64,
        plain: Plain,
        sink: &S,
    ) -> Option<Way> {
        let note = match plain.tcp {
            Some(tcp) if tcp.flags & TURNING != 0 => return None,
            Some(tcp) => Some(TcpNote {
                acknowledgement: (tcp.flags & TcpFlags::ACK.0 != 0).then_some(tcp.acknowledgement),
                window: tcp.window,
            }),
            None => None,
        };
        let now_ms = scene.now.as_ms() as u32;
        let flow = self.flows.established::<F>(key, hash, scene.rules.epoch, now_ms)?;
        let forward = flow.forward();
        let fits = plain.ttl > forward.hops
            && plain.packet_len <= scene.plane.ports.facts(forward.port).mtu
            && sink.room(forward.port) > 0;
        if !fits {
            return None;
        }
        flow.touch(now_ms, plain.frame_len, note);
        Some(Way { forward, sender: flow.sender_session(), receiver: flow.receiver_session() })
    }

    /// Counts, and lets the frame out.
    #[inline]
    fn go<S: Sink, O: Observer>(
        &mut self,
        scene: Scene<'_>,
        way: &Way,
        frame: &mut Incoming<'_>,
        sink: &mut S,
        observer: &mut O,
        tuple: impl FnOnce() -> Tuple,
    ) {
        let port = way.forward.port;
        let len = frame.bytes.len() as u64;
        let ports = &scene.plane.ports;
        let entry = self.tallies.port(frame.port);
        entry.frames_in += 1;
        entry.bytes_in += len;
        entry.session_hits += u64::from(ports.is_interface(frame.port));
        let exit = self.tallies.port(port);
        exit.frames_out += 1;
        exit.bytes_out += len;
        exit.session_hits += u64::from(ports.is_interface(port));
        let Incoming { id, slot, .. } = *frame;
        sink.put(Egress::new(Passed::established(way), port, frame.bytes, Some(id), Some(slot)));
        observer.verdict(id, || verdict(scene, frame.port, way, tuple()));
    }
}

/// SYN, FIN and RST: what may turn a conversation's state.
const TURNING: u8 = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;

/// What the short way needs of a plain frame.
struct Plain {
    frame_len: u32,
    packet_len: u32,
    ttl: u8,
    tcp: Option<QuickTcp>,
}

impl Plain {
    #[inline]
    fn v4(quick: &QuickV4, frame_len: usize) -> Plain {
        let tcp = (quick.protocol == Protocol::TCP.0).then_some(quick.tcp);
        let packet_len = u32::from(quick.packet_len);
        Plain { frame_len: frame_len as u32, packet_len, ttl: quick.ttl, tcp }
    }

    #[inline]
    fn v6(quick: &QuickV6, frame_len: usize) -> Plain {
        let tcp = (quick.protocol == Protocol::TCP.0).then_some(quick.tcp);
        Plain { frame_len: frame_len as u32, packet_len: quick.packet_len, ttl: quick.ttl, tcp }
    }
}

/// Where an established flow goes, and whose sessions let it: what only the session table gives.
pub(crate) struct Way {
    forward: Forward,
    sender: Option<SessionId>,
    receiver: Option<SessionId>,
}

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
fn verdict(scene: Scene<'_>, from: PortId, way: &Way, tuple: Tuple) -> Verdict {
    let ports = &scene.plane.ports;
    let side = |port: PortId, session: Option<SessionId>| {
        let interface = InterfaceIndex(port);
        let side = Side { interface, allowed: true, because: Because::Session, session };
        ports.is_interface(port).then_some(side)
    };
    let port = way.forward.port;
    let inbound = side(port, way.receiver);
    Verdict {
        allowed: true,
        because: Because::Session,
        stage: if inbound.is_some() { Stage::Inbound } else { Stage::Outbound },
        tuple: Some(tuple),
        to: Some(ports.facts(port).place),
        outbound: side(from, way.sender),
        inbound,
        sessions_cut: Vec::new(),
        epoch: u64::from(scene.rules.epoch),
    }
}
