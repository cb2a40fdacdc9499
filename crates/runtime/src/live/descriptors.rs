//! What a worker waits for besides other threads: descriptors of its queues that have something to
//! read. The kernel says so once, when something comes; from then on a queue is read until it has
//! nothing more.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use super::PortQueue;

/// A descriptor that can be read once it has been rung.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    pub(crate) fn ring(&self) {
        // it fails only where it has been rung 2^64 times in vain
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn hush(&self) {
        // it fails where it has not been rung
        let _ = rustix::io::read(&self.0, &mut [0; size_of::<u64>()]);
    }
}

/// The descriptors of a worker's queues, and a bell.
#[derive(Debug)]
pub(crate) struct Descriptors {
    epoll: OwnedFd,
    bell: Arc<Bell>,
}

/// Events that are told at once; the others are at the next time.
const EVENTS_MAX: usize = 32;
/// The bell's number among the queues'.
const BELL: u64 = u64::MAX;

impl Descriptors {
    /// Those of `queues`; none if no queue has one.
    ///
    /// # Errors
    /// If the system has none to spare.
    pub(crate) fn of<Q: PortQueue>(queues: &[Q]) -> io::Result<Option<Descriptors>> {
        let theirs: Vec<(u64, BorrowedFd<'_>)> =
            (0..).zip(queues).filter_map(|(number, it)| Some((number, it.descriptor()?))).collect();
        if theirs.is_empty() {
            return Ok(None);
        }
        let bell = Bell(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let once = epoll::EventFlags::IN | epoll::EventFlags::ET;
        for (number, descriptor) in theirs.into_iter().chain([(BELL, bell.0.as_fd())]) {
            epoll::add(&epoll, descriptor, epoll::EventData::new_u64(number), once)?;
        }
        Ok(Some(Descriptors { epoll, bell: Arc::new(bell) }))
    }

    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Waits until something can be read or somebody rings, and tells the queues that can be read;
    /// whether there are any.
    pub(crate) fn wait<Q: PortQueue>(&self, for_at_most: Duration, queues: &mut [Q]) -> bool {
        let timeout = Timespec {
            tv_sec: i64::try_from(for_at_most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: for_at_most.subsec_nanos().into(),
        };
        let mut room = [MaybeUninit::uninit(); EVENTS_MAX];
        // a signal ends it early, which is as if the time were over
        let (events, _) =
            epoll::wait(&self.epoll, room.as_mut_slice(), Some(&timeout)).unwrap_or_default();
        let mut is_ready = false;
        for event in events {
            match event.data.u64() {
                BELL => self.bell.hush(),
                number => {
                    if let Some(queue) = queues.get_mut(number as usize) {
                        queue.note_ready();
                        is_ready = true;
                    }
                }
            }
        }
        is_ready
    }
}
