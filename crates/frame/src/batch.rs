//! Many frames at once: fixed slots in one slab of memory, with what is known of each frame beside
//! it. Owns the layout of the slab and nothing of what the frames say.

use std::ops::DerefMut;

/// A port of the switch: a small number, below [`PORTS_MAX`], given by whoever built the switch.
pub type PortNumber = u32;

/// Port numbers stay below this, so that a key and a flag fit beside one.
pub const PORTS_MAX: u32 = 1 << 24;

/// The longest frame that a slot holds.
pub const SLOT_LEN: usize = 2_048;

/// From the start of one slot to the next: one cache line more than a slot, or else the heads of
/// all slots would fall into the same few sets of the first-level cache.
pub const SLOT_STRIDE: usize = SLOT_LEN + CACHE_LINE;

const CACHE_LINE: usize = 64;

/// Memory of one slot: its first [`SLOT_LEN`] bytes are the frame's.
pub type Slot = [u8; SLOT_STRIDE];

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameMeta {
    /// Where it came in, or is to go out.
    pub port: PortNumber,
    /// Bytes of the frame, at most [`SLOT_LEN`].
    pub len: u32,
    /// Its number or its flow's, as whoever wrote it likes.
    pub id: u64,
    /// When it was due, ns since the start of the run.
    pub scheduled_ns: u64,
}

/// Frames in slots. The memory is the caller's: a `Vec`, or something on huge pages.
#[derive(Clone, Debug)]
pub struct FrameBatch<M = Vec<u8>> {
    memory: M,
    /// Where the first slot starts: at a cache line, if there is room to go to one.
    start: usize,
    metas: Vec<FrameMeta>,
    len: usize,
}

impl FrameBatch<Vec<u8>> {
    /// An empty batch for `capacity` frames in memory of its own, all zero.
    pub fn new(capacity: usize) -> FrameBatch<Vec<u8>> {
        FrameBatch::over(vec![0; capacity * SLOT_STRIDE + CACHE_LINE - 1])
    }
}

impl<M: DerefMut<Target = [u8]>> FrameBatch<M> {
    /// An empty batch over `memory`, as many slots as fit: [`SLOT_STRIDE`] bytes each. Every slot
    /// starts at a cache line if `memory` does, or has 63 bytes to spare.
    pub fn over(memory: M) -> FrameBatch<M> {
        let capacity = memory.len() / SLOT_STRIDE;
        let spare = memory.len() % SLOT_STRIDE;
        let to_line = memory.as_ptr().align_offset(CACHE_LINE);
        let start = if to_line <= spare { to_line } else { 0 };
        FrameBatch { memory, start, metas: vec![FrameMeta::default(); capacity], len: 0 }
    }

    /// How many frames it can hold.
    pub fn capacity(&self) -> usize {
        self.metas.len()
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the frames; their bytes stay as they are.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends a frame. Whether there was room: a slot, and `bytes` no longer than it.
    pub fn push(&mut self, bytes: &[u8], port: PortNumber, id: u64, scheduled_ns: u64) -> bool {
        let Ok(len) = u32::try_from(bytes.len()) else { return false };
        let (slots, metas) = self.spare();
        let (Some(slot), Some(meta)) = (slots.first_mut(), metas.first_mut()) else { return false };
        let Some(room) = slot[..SLOT_LEN].get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        *meta = FrameMeta { port, len, id, scheduled_ns };
        self.len += 1;
        true
    }

    /// The free slots and their metas, in step, to be written in place; [`FrameBatch::advance`]
    /// then says how many were.
    pub fn spare(&mut self) -> (&mut [Slot], &mut [FrameMeta]) {
        let (slots, _) = self.memory[self.start..].as_chunks_mut::<SLOT_STRIDE>();
        (&mut slots[self.len..], &mut self.metas[self.len..])
    }

    /// Takes the first `count` spare slots as written.
    ///
    /// # Panics
    /// If there are not so many, or one claims more than [`SLOT_LEN`] bytes.
    pub fn advance(&mut self, count: usize) {
        let written = &self.metas[self.len..self.len + count];
        assert!(written.iter().all(|meta| meta.len as usize <= SLOT_LEN), "a frame fits its slot");
        self.len += count;
    }

    /// What is known of a frame.
    ///
    /// # Panics
    /// If there is no such frame; so do the others that take an index.
    pub fn meta(&self, index: usize) -> &FrameMeta {
        &self.metas[..self.len][index]
    }

    /// The bytes of a frame.
    pub fn frame(&self, index: usize) -> &[u8] {
        let len = self.meta(index).len as usize;
        &self.memory[self.start + index * SLOT_STRIDE..][..len]
    }

    /// The bytes of a frame, to be rewritten in place.
    pub fn frame_mut(&mut self, index: usize) -> &mut [u8] {
        let len = self.meta(index).len as usize;
        &mut self.memory[self.start + index * SLOT_STRIDE..][..len]
    }

    /// All frames in order.
    pub fn iter(&self) -> impl Iterator<Item = (&FrameMeta, &[u8])> {
        let (slots, _) = self.memory[self.start..].as_chunks::<SLOT_STRIDE>();
        let metas = &self.metas[..self.len];
        metas.iter().zip(slots).map(|(meta, slot)| (meta, &slot[..meta.len as usize]))
    }

    /// All slots and metas in use, in step, to be rewritten in place.
    pub fn parts_mut(&mut self) -> (&mut [Slot], &mut [FrameMeta]) {
        let (slots, _) = self.memory[self.start..].as_chunks_mut::<SLOT_STRIDE>();
        (&mut slots[..self.len], &mut self.metas[..self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_fits_and_no_more() {
        let mut batch = FrameBatch::new(2);
        assert!(!batch.push(&[0; SLOT_LEN + 1], 0, 0, 0));
        assert!(batch.push(&[1; SLOT_LEN], 7, 10, 20));
        assert!(batch.push(&[2; 60], 8, 11, 21));
        assert!(!batch.push(&[3; 60], 9, 12, 22));
        assert_eq!((batch.len(), batch.capacity(), batch.is_empty()), (2, 2, false));
        let seen: Vec<_> = batch.iter().map(|(meta, bytes)| (meta.port, bytes.to_vec())).collect();
        assert_eq!(seen, [(7, vec![1; SLOT_LEN]), (8, vec![2; 60])]);
        batch.frame_mut(1)[0] = 5;
        assert_eq!((batch.frame(1)[..2].to_vec(), batch.meta(1).id), (vec![5, 2], 11));
        batch.clear();
        assert_eq!((batch.len(), batch.iter().count(), batch.parts_mut().0.len()), (0, 0, 0));
    }

    #[test]
    fn spare_slots_become_frames_when_they_are_taken() {
        let mut memory = [0; 3 * SLOT_STRIDE + 5];
        let mut batch = FrameBatch::over(&mut memory[..]);
        let (slots, metas) = batch.spare();
        assert_eq!((slots.len(), metas.len()), (3, 3));
        slots[0][0] = 9;
        metas[0].len = 1;
        batch.advance(1);
        assert_eq!((batch.len(), batch.frame(0)), (1, &[9][..]));
        assert_eq!(batch.spare().0.len(), 2);
    }

    #[test]
    fn slots_start_at_cache_lines() {
        let mut batch = FrameBatch::new(3);
        let (slots, _) = batch.spare();
        assert_eq!(slots.len(), 3);
        assert!(slots.iter().all(|slot| slot.as_ptr().align_offset(CACHE_LINE) == 0));
        let mut memory = [0; 2 * SLOT_STRIDE + 1];
        for start in 0..2 {
            let mut batch = FrameBatch::over(&mut memory[start..start + 2 * SLOT_STRIDE]);
            assert_eq!((batch.capacity(), batch.spare().0.len()), (2, 2));
        }
    }

    #[test]
    #[should_panic(expected = "a frame fits its slot")]
    fn a_frame_cannot_claim_more_than_its_slot() {
        let mut batch = FrameBatch::new(1);
        batch.spare().1[0].len = SLOT_STRIDE as u32;
        batch.advance(1);
    }
}
