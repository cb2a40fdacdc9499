//! Where a worker's frames come from.

#[cfg(unix)]
use std::os::fd::BorrowedFd;

use ringfence_frame::Instant;

use super::{Frames, Waker};

/// A queue of frames that come in, of one port or of several. Polled by one worker.
pub trait PortQueue: Send {
    /// Appends at most `most` frames that are there at `now`, and says how many. `now` does not go
    /// back; `frames` has room for so many.
    fn pull(&mut self, frames: &mut Frames, most: usize, now: Instant) -> usize;

    /// When it next has a frame: `now` or earlier if one is waiting, `None` if nobody knows.
    fn next_wakeup(&self, now: Instant) -> Option<Instant>;

    /// What can be read when a frame comes that nobody announces, the same at all times.
    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Its descriptor can be read. It is not said again before all has been read.
    fn note_ready(&mut self) {}

    /// Who polls it: whoever puts frames in while the worker may sleep wakes it.
    fn attach(&mut self, _waker: &Waker) {}
}

impl<Q: PortQueue + ?Sized> PortQueue for Box<Q> {
    fn pull(&mut self, frames: &mut Frames, most: usize, now: Instant) -> usize {
        (**self).pull(frames, most, now)
    }

    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        (**self).next_wakeup(now)
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }

    fn note_ready(&mut self) {
        (**self).note_ready();
    }

    fn attach(&mut self, waker: &Waker) {
        (**self).attach(waker);
    }
}
