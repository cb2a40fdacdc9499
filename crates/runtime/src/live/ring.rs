//! Bounded rings of frames from one thread to another. Their memory is asked for once and goes round:
//! to put a frame in allocates nothing and locks nothing.
//!
//! A frame lies in a place of the ring as words that either thread may touch, what is known of it
//! apart, so that a short one takes a line and a half. Which places are whose is said by two counts, of
//! frames put in and of frames taken out, each written by one thread; they are published once for a
//! burst, so that the lines that they lie on seldom change cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_utils::CachePadded;
use ringfence_frame::Instant;
use ringfence_frame::batch::{FrameMeta, PortNumber, SLOT_LEN, SLOT_STRIDE};
use ringfence_memory::{Pages, Zeroed};

use super::{Frames, PortQueue, Waker};

const WORD: usize = size_of::<u64>();
/// Words of a frame's place, and of what is known of it.
const PLACE_WORDS: usize = SLOT_STRIDE / WORD;
const HEAD_WORDS: usize = 4;
/// Rings of this many bytes lie on huge pages where they can be had.
const HUGE_FROM: usize = 2 << 20;

/// Makes a ring for `capacity` frames (at least one).
pub fn ring(capacity: usize) -> (RingSender, RingReceiver) {
    let capacity = capacity.max(1);
    let pages = if capacity * SLOT_STRIDE < HUGE_FROM { Pages::Normal } else { Pages::Huge };
    let shared = Arc::new(Shared {
        words: Zeroed::new(capacity * PLACE_WORDS, pages),
        heads: Zeroed::new(capacity, Pages::Normal),
        capacity,
        put: CachePadded::default(),
        taken: CachePadded::default(),
        waker: OnceLock::new(),
    });
    let sender = RingSender { shared: Arc::clone(&shared), put: 0, place: 0, taken: 0 };
    let bytes = Box::new([0; SLOT_STRIDE]);
    (sender, RingReceiver { shared, taken: 0, place: 0, bytes })
}

struct Shared {
    words: Zeroed<AtomicU64>,
    /// Port and length, mark, number, scheduled time.
    heads: Zeroed<[AtomicU64; HEAD_WORDS]>,
    capacity: usize,
    /// Frames put in so far. What was written before is seen by whoever reads it.
    put: CachePadded<AtomicU64>,
    /// Frames taken out so far. Their places are not read any more.
    taken: CachePadded<AtomicU64>,
    waker: OnceLock<Waker>,
}

/// The end where frames are put in.
pub struct RingSender {
    shared: Arc<Shared>,
    /// Frames put in, those included that have not been published.
    put: u64,
    /// Where the next one goes.
    place: usize,
    /// Frames taken out, when it last had to know.
    taken: u64,
}

/// The end where they come out: a worker's queue, or whatever another thread makes of them.
pub struct RingReceiver {
    shared: Arc<Shared>,
    taken: u64,
    place: usize,
    /// Room for a frame that is looked at.
    bytes: Box<[u8; SLOT_STRIDE]>,
}

impl RingSender {
    /// How many frames there is room for when it is empty.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// How many frames more there is room for; only the receiver makes it more.
    pub fn room(&self) -> usize {
        let inside = self.put - self.shared.taken.load(Ordering::Acquire);
        self.shared.capacity - inside as usize
    }

    /// Puts a copy of a frame in, and whether there was room for it.
    pub fn push(&mut self, bytes: &[u8], port: PortNumber, id: u64, scheduled_ns: u64) -> bool {
        let meta = FrameMeta { port, len: 0, id, scheduled_ns };
        let is_in = self.put(bytes, &meta, 0);
        self.publish();
        is_in
    }

    /// Puts a copy of a frame in, with a number beside it, and whether there was room for it. The
    /// other side sees it after [`RingSender::publish`].
    #[inline]
    pub fn put(&mut self, bytes: &[u8], meta: &FrameMeta, mark: u32) -> bool {
        if bytes.len() > SLOT_LEN || !self.has_room() {
            return false;
        }
        let head = [
            u64::from(meta.port) << 32 | bytes.len() as u64,
            mark.into(),
            meta.id,
            meta.scheduled_ns,
        ];
        for (word, value) in self.shared.heads[self.place].iter().zip(head) {
            word.store(value, Ordering::Relaxed);
        }
        let words = self.shared.place(self.place);
        let (whole, rest) = bytes.as_chunks::<WORD>();
        for (word, chunk) in words.iter().zip(whole) {
            word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
        if !rest.is_empty() {
            let mut last = [0; WORD];
            last[..rest.len()].copy_from_slice(rest);
            words[whole.len()].store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
        self.put += 1;
        self.place = self.shared.after(self.place);
        true
    }

    /// Lets the other side see what was put in, and wakes it if it sleeps.
    pub fn publish(&mut self) {
        self.shared.put.store(self.put, Ordering::Release);
        if let Some(waker) = self.shared.waker.get() {
            waker.wake();
        }
    }

    #[inline]
    fn has_room(&mut self) -> bool {
        let capacity = self.shared.capacity as u64;
        if self.put - self.taken < capacity {
            return true;
        }
        self.taken = self.shared.taken.load(Ordering::Acquire);
        self.put - self.taken < capacity
    }
}

impl RingReceiver {
    /// How many frames are in it.
    pub fn len(&self) -> usize {
        (self.shared.put.load(Ordering::Acquire) - self.taken) as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first frame out, if there is one, and gives what `with` makes of it.
    pub fn pop<T>(&mut self, with: impl FnOnce(&FrameMeta, &[u8]) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let (meta, _) = self.shared.read(self.place, &mut self.bytes);
        self.place = self.shared.after(self.place);
        self.give_back(1);
        Some(with(&meta, &self.bytes[..meta.len as usize]))
    }

    /// Appends at most `most` frames to `frames`, as many as there are and fit, and says how many;
    /// `marked` gets the number beside each.
    #[inline]
    pub fn take(&mut self, frames: &mut Frames, most: usize, mut marked: impl FnMut(u32)) -> usize {
        let (slots, metas) = frames.spare();
        let count = self.len().min(most).min(slots.len());
        for (slot, meta) in slots.iter_mut().zip(metas).take(count) {
            let mark;
            (*meta, mark) = self.shared.read(self.place, slot);
            marked(mark);
            self.place = self.shared.after(self.place);
        }
        frames.advance(count);
        self.give_back(count);
        count
    }

    fn give_back(&mut self, count: usize) {
        self.taken += count as u64;
        self.shared.taken.store(self.taken, Ordering::Release);
    }
}

impl PortQueue for RingReceiver {
    fn pull(&mut self, frames: &mut Frames, most: usize, _: Instant) -> usize {
        self.take(frames, most, |_| ())
    }

    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        (!self.is_empty()).then_some(now)
    }

    fn attach(&mut self, waker: &Waker) {
        // a queue that moves to another worker keeps its first waker: queues do not move
        let _ = self.shared.waker.set(waker.clone());
    }
}

impl Shared {
    #[inline]
    fn place(&self, place: usize) -> &[AtomicU64] {
        &self.words[place * PLACE_WORDS..][..PLACE_WORDS]
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        if place + 1 < self.capacity { place + 1 } else { 0 }
    }

    /// Copies a frame out, what lies behind it in its last word included.
    #[inline]
    fn read(&self, place: usize, bytes: &mut [u8; SLOT_STRIDE]) -> (FrameMeta, u32) {
        let head = &self.heads[place];
        let [lens, mark, id, scheduled_ns] =
            std::array::from_fn(|at| head[at].load(Ordering::Relaxed));
        let len = lens as u32;
        let (chunks, _) = bytes.as_chunks_mut::<WORD>();
        let chunks = &mut chunks[..(len as usize).div_ceil(WORD)];
        for (chunk, word) in chunks.iter_mut().zip(self.place(place)) {
            *chunk = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        (FrameMeta { port: (lens >> 32) as u32, len, id, scheduled_ns }, mark as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ringfence_frame::batch::{FrameMeta, SLOT_LEN};

    use super::{RingReceiver, RingSender, ring};
    use crate::live::FrameMemory;

    fn meta(id: u64) -> FrameMeta {
        FrameMeta { port: id as u32 ^ 5, len: 0, id, scheduled_ns: !id }
    }

    /// Frames of many lengths, each told by its number.
    fn bytes(id: u64) -> Vec<u8> {
        let len = (id * 37 % (SLOT_LEN as u64 + 1)) as usize;
        (0..len).map(|at| (at as u64 * 3 + id) as u8).collect()
    }

    fn send(sender: &mut RingSender, id: u64) -> bool {
        sender.put(&bytes(id), &meta(id), id as u32 + 1)
    }

    fn receive(receiver: &mut RingReceiver, from: u64, most: usize) -> u64 {
        let mut frames = FrameMemory::batch(most, false);
        let mut marks = Vec::new();
        let count = receiver.take(&mut frames, most, |mark| marks.push(mark));
        assert_eq!((frames.len(), marks.len()), (count, count));
        for (id, ((found, frame), mark)) in (from..).zip(frames.iter().zip(marks)) {
            let expected = bytes(id);
            assert!(frame == expected, "the bytes of frame {id}");
            assert_eq!(*found, FrameMeta { len: expected.len() as u32, ..meta(id) });
            assert_eq!(mark, id as u32 + 1);
        }
        count as u64
    }

    #[test]
    fn what_is_put_in_comes_out_whole_and_in_order() {
        let (mut sender, mut receiver) = ring(7);
        let (mut sent, mut received) = (0, 0);
        for burst in 0..200 {
            for _ in 0..burst % 9 {
                let had_room = sender.room() > 0;
                assert_eq!(send(&mut sender, sent), had_room);
                sent += u64::from(had_room);
            }
            sender.publish();
            assert_eq!(receiver.len() as u64, sent - received);
            received += receive(&mut receiver, received, burst as usize % 5);
        }
        assert!(sent > 300 && sent - received <= 7);
    }

    #[test]
    fn nothing_is_seen_before_it_is_published() {
        let (mut sender, mut receiver) = ring(4);
        assert!(send(&mut sender, 0));
        assert!(receiver.is_empty() && receiver.pop(|_, _| ()).is_none());
        sender.publish();
        assert_eq!(receiver.pop(|meta, _| meta.id), Some(0));
        assert_eq!(sender.room(), 4);
    }

    #[test]
    fn too_long_a_frame_is_not_put_in() {
        let (mut sender, receiver) = ring(4);
        assert!(!sender.push(&[0; SLOT_LEN + 1], 0, 0, 0));
        assert!(sender.push(&[0; SLOT_LEN], 0, 0, 0));
        assert_eq!(receiver.len(), 1);
    }

    #[test]
    fn two_threads_agree() {
        const FRAMES: u64 = 20_000;
        let (mut sender, mut receiver) = ring(16);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut id = 0;
                while id < FRAMES {
                    match send(&mut sender, id) {
                        true => id += 1,
                        false => thread::yield_now(),
                    }
                    if id.is_multiple_of(3) {
                        sender.publish();
                    }
                }
                sender.publish();
            });
            let mut received = 0;
            while received < FRAMES {
                match receive(&mut receiver, received, 8) {
                    0 => thread::yield_now(),
                    count => received += count,
                }
            }
        });
    }
}
