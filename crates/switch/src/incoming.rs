//! Frames as they are handed in, and the room in which a batch of them is put together.

use crate::{FrameId, PortId};

/// A frame that comes in, in a buffer that the switch may write to.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// Where it comes in.
    pub port: PortId,
    /// Its number, given by whoever hands it in.
    pub id: FrameId,
    /// Which buffer it lies in, given back with it when it goes out.
    pub slot: u32,
    /// The frame.
    pub bytes: &'a mut [u8],
}

/// Room for the frames of a batch that outlives their buffers' borrows, so that a batch is put together
/// in place: no memory is asked for, and no array is moved.
#[derive(Debug, Default)]
pub struct Intake {
    /// Always empty between two batches; only its memory is kept.
    room: Vec<Incoming<'static>>,
}

impl Intake {
    /// Room for so many frames; it grows where a batch has more.
    pub fn new(frames: usize) -> Intake {
        Intake { room: Vec::with_capacity(frames) }
    }

    /// Puts a batch together and has it taken.
    #[inline]
    pub fn hand_in<'a, R>(
        &mut self,
        frames: impl Iterator<Item = Incoming<'a>>,
        take: impl FnOnce(&mut [Incoming<'a>]) -> R,
    ) -> R {
        let mut batch: Vec<Incoming<'a>> = std::mem::take(&mut self.room);
        batch.extend(frames);
        let result = take(&mut batch);
        batch.clear();
        // nothing is left to be borrowed: a vector collected from its own iterator keeps its memory
        self.room = batch.into_iter().map(|it| Incoming { bytes: &mut [], ..it }).collect();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::{Incoming, Intake};

    #[test]
    fn the_room_stays_where_it_is() {
        let mut intake = Intake::new(4);
        let room = intake.room.as_ptr();
        for round in 0..3_u8 {
            let mut buffers = [[round; 2]; 4];
            let frames = (0..).zip(&mut buffers).map(|(slot, bytes)| Incoming {
                port: 7,
                id: u64::from(slot),
                slot,
                bytes,
            });
            let slots = intake.hand_in(frames, |batch| {
                batch.iter_mut().for_each(|frame| frame.bytes[1] = 9);
                batch.iter().map(|frame| frame.slot).collect::<Vec<u32>>()
            });
            assert_eq!(slots, [0, 1, 2, 3]);
            assert_eq!(buffers, [[round, 9]; 4]);
            assert_eq!((intake.room.as_ptr(), intake.room.len()), (room, 0));
        }
        assert_eq!(intake.room.capacity(), 4);
    }
}
