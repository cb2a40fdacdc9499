//! How many sessions there are: of the fabric, and of each interface on a cache line of its own.
//! A limit is never passed, and whoever is refused was so at a moment when all places were taken.

use crossbeam_utils::CachePadded;

use crate::sync::{AcqRel, AtomicU64, Relaxed};
use crate::{InterfaceId, Limit, Limits};

#[derive(Debug)]
pub(crate) struct Usage {
    limits: Limits,
    fabric: CachePadded<AtomicU64>,
    interfaces: Box<[CachePadded<OfInterface>]>,
}

#[derive(Debug, Default)]
struct OfInterface {
    sessions: AtomicU64,
    half_open: AtomicU64,
}

impl Usage {
    pub(crate) fn new(limits: Limits, interfaces: usize) -> Usage {
        Usage {
            limits,
            fabric: CachePadded::new(AtomicU64::new(0)),
            interfaces: (0..interfaces).map(|_| CachePadded::default()).collect(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.interfaces)
    }

    /// Takes a place for a session of `interface`. An interface that the table was not laid out
    /// for has no place.
    pub(crate) fn take(&self, interface: InterfaceId, half_open: bool) -> Result<(), Limit> {
        let Limits { sessions_max, sessions_per_interface_max, half_open_per_interface_max } =
            self.limits;
        let own = self.interfaces.get(interface as usize).ok_or(Limit::Sessions)?;
        if !took(&self.fabric, sessions_max) {
            return Err(Limit::Sessions);
        }
        if !took(&own.sessions, sessions_per_interface_max) {
            gave(&self.fabric);
            return Err(Limit::Sessions);
        }
        if half_open && !took(&own.half_open, half_open_per_interface_max) {
            gave(&own.sessions);
            gave(&self.fabric);
            return Err(Limit::HalfOpen);
        }
        Ok(())
    }

    /// Gives back what was taken.
    pub(crate) fn give(&self, interface: InterfaceId, half_open: bool) {
        let Some(own) = self.interfaces.get(interface as usize) else { return };
        if half_open {
            gave(&own.half_open);
        }
        gave(&own.sessions);
        gave(&self.fabric);
    }

    /// A half-open session is no longer.
    pub(crate) fn settle(&self, interface: InterfaceId) {
        if let Some(own) = self.interfaces.get(interface as usize) {
            gave(&own.half_open);
        }
    }

    pub(crate) fn sessions(&self) -> usize {
        self.fabric.load(Relaxed) as usize
    }

    pub(crate) fn of(&self, interface: InterfaceId) -> (usize, usize) {
        self.interfaces.get(interface as usize).map_or((0, 0), |own| {
            (own.sessions.load(Relaxed) as usize, own.half_open.load(Relaxed) as usize)
        })
    }
}

fn took(count: &AtomicU64, max: usize) -> bool {
    count.fetch_update(AcqRel, Relaxed, |taken| (taken < max as u64).then_some(taken + 1)).is_ok()
}

fn gave(count: &AtomicU64) {
    count.fetch_sub(1, AcqRel);
}
