//! Frame memory: one slab for each worker, asked for once.

use std::ops::{Deref, DerefMut};

use ringfence_frame::batch::{FrameBatch, SLOT_STRIDE};
use ringfence_memory::{Pages, Zeroed};

/// Slots in one piece of memory, on huge pages where they can be had.
pub struct FrameMemory {
    bytes: Zeroed<u8>,
}

/// The frames of a worker's batch.
pub type Frames = FrameBatch<FrameMemory>;

impl FrameMemory {
    /// Room for `frames` frames.
    pub fn new(frames: usize, huge_pages: bool) -> FrameMemory {
        let pages = if huge_pages { Pages::Huge } else { Pages::Normal };
        FrameMemory { bytes: Zeroed::new(frames * SLOT_STRIDE, pages) }
    }

    /// An empty batch for `frames` frames.
    pub fn batch(frames: usize, huge_pages: bool) -> Frames {
        FrameBatch::over(FrameMemory::new(frames, huge_pages))
    }
}

impl Deref for FrameMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for FrameMemory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}
