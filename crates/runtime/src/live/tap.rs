//! A TAP device at a port of a live fabric: one worker reads it, every worker may write to it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringfence_endpoints::tap::{Received, Sent, Tap};
use ringfence_frame::Instant;
use ringfence_frame::batch::{FrameMeta, PortNumber, SLOT_LEN};
use ringfence_switch::Egress;

use super::{Frames, Outlet, PortQueue};

/// What happened at a device that the switch knows nothing of.
#[derive(Debug, Default)]
pub struct TapCounters {
    /// Frames that the kernel did not take for the guest: the device is down, or the guest too slow.
    pub refused: AtomicU64,
    /// Frames of the guest that no slot holds.
    pub too_long: AtomicU64,
    /// Whether the device is gone: 1.
    pub gone: AtomicU64,
}

/// A device with what is counted of it.
#[derive(Clone)]
pub struct TapPort {
    tap: Arc<Tap>,
    counters: Arc<TapCounters>,
}

/// Where its frames come in.
pub struct TapQueue {
    port: TapPort,
    number: PortNumber,
    next_id: u64,
    /// Whether there may be more to read.
    is_ready: bool,
}

/// Where frames go out to it.
pub struct TapOutlet {
    port: TapPort,
}

impl TapPort {
    /// A device that nobody reads yet.
    pub fn new(tap: Tap) -> TapPort {
        TapPort { tap: Arc::new(tap), counters: Arc::default() }
    }

    /// What is counted of it.
    pub fn counters(&self) -> &Arc<TapCounters> {
        &self.counters
    }

    /// The end that one worker reads, as port `number`.
    pub fn queue(&self, number: PortNumber) -> TapQueue {
        TapQueue { port: self.clone(), number, next_id: u64::from(number) << 40, is_ready: true }
    }

    /// An end to write to.
    pub fn outlet(&self) -> TapOutlet {
        TapOutlet { port: self.clone() }
    }
}

impl PortQueue for TapQueue {
    fn pull(&mut self, frames: &mut Frames, most: usize, _: Instant) -> usize {
        let (slots, metas) = frames.spare();
        let mut count = 0;
        while self.is_ready && count < most.min(slots.len()) {
            match self.port.tap.receive(&mut slots[count][..]) {
                Received::Frame(len) if len > SLOT_LEN => {
                    self.port.counters.too_long.fetch_add(1, Ordering::Relaxed);
                }
                Received::Frame(len) => {
                    let (port, id) = (self.number, self.next_id);
                    metas[count] = FrameMeta { port, len: len as u32, id, scheduled_ns: 0 };
                    self.next_id += 1;
                    count += 1;
                }
                Received::Nothing => self.is_ready = false,
                Received::Gone => {
                    self.port.counters.gone.store(1, Ordering::Relaxed);
                    self.is_ready = false;
                }
            }
        }
        frames.advance(count);
        count
    }

    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        self.is_ready.then_some(now)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.port.tap.as_fd())
    }

    fn note_ready(&mut self) {
        self.is_ready = true;
    }
}

impl Outlet for TapOutlet {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn put(&mut self, egress: &Egress<'_>) {
        match self.port.tap.send(egress.bytes()) {
            Sent::Taken => {}
            Sent::Refused => {
                self.port.counters.refused.fetch_add(1, Ordering::Relaxed);
            }
            Sent::Gone => {
                self.port.counters.refused.fetch_add(1, Ordering::Relaxed);
                self.port.counters.gone.store(1, Ordering::Relaxed);
            }
        }
    }
}
