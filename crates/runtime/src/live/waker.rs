//! How a sleeping worker is woken: by other threads, and by what its queues wait for.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use super::PortQueue;
use super::descriptors::{Bell, Descriptors};

/// Wakes one worker thread. Cheap while that is awake.
#[derive(Clone, Debug)]
pub struct Waker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    thread: Thread,
    /// What wakes it where it waits for descriptors.
    bell: OnceLock<Arc<Bell>>,
    asleep: AtomicBool,
}

impl Waker {
    /// Wakes the thread that makes it.
    pub(crate) fn of_this_thread() -> Waker {
        let asleep = AtomicBool::new(false);
        Waker {
            inner: Arc::new(Inner { thread: thread::current(), bell: OnceLock::new(), asleep }),
        }
    }

    /// Wakes the worker if it sleeps. Whatever was handed to it before, it finds.
    pub fn wake(&self) {
        // pairs with `sleep_unless`: either this finds it asleep, or it finds what it was handed
        fence(Ordering::SeqCst);
        if self.inner.asleep.load(Ordering::Relaxed)
            && self.inner.asleep.swap(false, Ordering::Relaxed)
        {
            match self.inner.bell.get() {
                Some(bell) => bell.ring(),
                None => self.inner.thread.unpark(),
            }
        }
    }

    /// The thread sleeps by waiting for descriptors from now on.
    pub(crate) fn hang(&self, bell: Arc<Bell>) {
        // a thread has its descriptors from the start
        let _ = self.inner.bell.set(bell);
    }

    /// Sleeps until it is woken, one of `queues` can be read or the time is over, unless there is
    /// something to do; whether a queue can be read.
    pub(crate) fn sleep_unless<Q: PortQueue>(
        &self,
        for_at_most: Duration,
        descriptors: Option<&Descriptors>,
        queues: &mut [Q],
        has_work: impl FnOnce(&[Q]) -> bool,
    ) -> bool {
        self.inner.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let is_ready = match (has_work(queues), descriptors) {
            (false, None) => {
                thread::park_timeout(for_at_most);
                false
            }
            (false, Some(descriptors)) => descriptors.wait(for_at_most, queues),
            (true, _) => false,
        };
        self.inner.asleep.store(false, Ordering::Relaxed);
        is_ready
    }
}
