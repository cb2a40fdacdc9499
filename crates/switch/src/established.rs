//! The short way of a frame of an established flow, and how a batch gets there: parse all,
//! prefetch all, look up all, act on all. Whatever is not plain goes the long way (`journey`),
//! which comes to the same end.

use ringfence_cloud::{InterfaceIndex, Place};
use ringfence_frame::quick::{self, QuickV4, QuickV6};
use ringfence_frame::{Protocol, Tuple};
use ringfence_session::{Established, Family, Forward, KeyV4, KeyV6, TcpNote, V4, V6};

use crate::journey::{Passed, Scene};
use crate::worker::Incoming;
use crate::{Because, Egress, Observer, PortId, Side, Sink, Stage, Verdict, Worker};

/// What is known of a frame before its turn comes.
pub(crate) enum Staged {
    V4 { quick: QuickV4, key: KeyV4, hash: u64 },
    V6 { quick: QuickV6, key: KeyV6, hash: u64 },
    /// Nothing: it goes the long way.
    Long,
}

impl Worker {
    /// Reads a frame as far as it is plain, and calls its bucket of the session table.
    #[inline]
    pub(crate) fn stage<O: Observer>(&self, scene: Scene<'_>, frame: &Incoming<'_>) -> Staged {
        if O::WANTS_STEPS {
            return Staged::Long;
        }
        let port = scene.plane.ports.facts(frame.port);
        if let Some(quick) = quick::quick_v4(frame.bytes) {
            if !port.may_be_sent_by(quick.source_mac) {
                return Staged::Long;
            }
            let QuickV4 { protocol, source, target, source_port, target_port, .. } = quick;
            let key = KeyV4::new(frame.port, protocol, source, target, source_port, target_port);
            let hash = self.flows.hash::<V4>(&key);
            self.flows.prefetch_bucket::<V4>(hash);
            return Staged::V4 { quick, key, hash };
        }
        if let Some(quick) = quick::quick_v6(frame.bytes) {
            if !port.may_be_sent_by(quick.source_mac) {
                return Staged::Long;
            }
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
        match staged {
            Staged::V4 { hash, .. } => self.flows.prefetch_line::<V4>(*hash),
            Staged::V6 { hash, .. } => self.flows.prefetch_line::<V6>(*hash),
            Staged::Long => {}
        }
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
        todo!()
    }
}
