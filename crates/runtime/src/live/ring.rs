//! Bounded rings of frames between two threads. Their buffers are made once and go round: to put a
//! frame in allocates nothing and locks nothing.

use std::sync::{Arc, OnceLock};

use crossbeam_queue::ArrayQueue;
use ringfence_frame::Instant;
use ringfence_frame::batch::{FrameMeta, PortNumber, SLOT_LEN};

use super::{Frames, PortQueue, Waker};

/// Makes a ring for `capacity` frames (at least one).
pub fn ring(capacity: usize) -> (RingSender, RingReceiver) {
    let capacity = capacity.max(1);
    let shared = Arc::new(Shared {
        full: ArrayQueue::new(capacity),
        free: ArrayQueue::new(capacity),
        waker: OnceLock::new(),
    });
    for _ in 0..capacity {
        let buffer = Buffer { meta: FrameMeta::default(), bytes: Box::new([0; SLOT_LEN]) };
        // it was made for as many
        let _ = shared.free.push(buffer);
    }
    (RingSender { shared: Arc::clone(&shared) }, RingReceiver { shared })
}

struct Shared {
    full: ArrayQueue<Buffer>,
    free: ArrayQueue<Buffer>,
    waker: OnceLock<Waker>,
}

struct Buffer {
    meta: FrameMeta,
    bytes: Box<[u8; SLOT_LEN]>,
}

/// The end where frames are put in.
pub struct RingSender {
    shared: Arc<Shared>,
}

/// The end where they come out: a worker's queue, or whatever another thread makes of them.
pub struct RingReceiver {
    shared: Arc<Shared>,
}

impl RingSender {
    /// How many frames more there is room for; only the receiver makes it more.
    pub fn room(&self) -> usize {
        self.shared.free.len()
    }

    /// Puts a copy of a frame in, and whether there was room for it.
    pub fn push(&self, bytes: &[u8], port: PortNumber, id: u64, scheduled_ns: u64) -> bool {
        let len = bytes.len();
        if len > SLOT_LEN {
            return false;
        }
        let Some(mut buffer) = self.shared.free.pop() else { return false };
        buffer.bytes[..len].copy_from_slice(bytes);
        buffer.meta = FrameMeta { port, len: len as u32, id, scheduled_ns };
        // there are no more buffers than the ring has places
        let is_in = self.shared.full.push(buffer).is_ok();
        if let Some(waker) = self.shared.waker.get() {
            waker.wake();
        }
        is_in
    }
}

impl RingReceiver {
    /// How many frames are in it.
    pub fn len(&self) -> usize {
        self.shared.full.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shared.full.is_empty()
    }

    /// Takes the first frame out, if there is one, and gives what `with` makes of it.
    pub fn pop<T>(&mut self, with: impl FnOnce(&FrameMeta, &[u8]) -> T) -> Option<T> {
        let buffer = self.shared.full.pop()?;
        let made = with(&buffer.meta, &buffer.bytes[..buffer.meta.len as usize]);
        let _ = self.shared.free.push(buffer);
        Some(made)
    }
}

impl PortQueue for RingReceiver {
    fn pull(&mut self, frames: &mut Frames, most: usize, _: Instant) -> usize {
        let mut pulled = 0;
        while pulled < most
            && self
                .pop(|meta, bytes| frames.push(bytes, meta.port, meta.id, meta.scheduled_ns))
                .is_some()
        {
            pulled += 1;
        }
        pulled
    }

    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        (!self.is_empty()).then_some(now)
    }

    fn attach(&mut self, waker: &Waker) {
        // a queue that moves to another worker keeps its first waker: queues do not move
        let _ = self.shared.waker.set(waker.clone());
    }
}
