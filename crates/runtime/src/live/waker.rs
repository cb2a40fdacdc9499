//! How a sleeping worker is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes one worker thread. Cheap while that is awake.
#[derive(Clone, Debug)]
pub struct Waker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    thread: Thread,
    asleep: AtomicBool,
}

impl Waker {
    /// Wakes the thread that makes it.
    pub(crate) fn of_this_thread() -> Waker {
        let asleep = AtomicBool::new(false);
        Waker { inner: Arc::new(Inner { thread: thread::current(), asleep }) }
    }

    /// Wakes the worker if it sleeps. Whatever was handed to it before, it finds.
    pub fn wake(&self) {
        // pairs with `sleep_unless`: either this finds it asleep, or it finds what it was handed
        fence(Ordering::SeqCst);
        if self.inner.asleep.load(Ordering::Relaxed)
            && self.inner.asleep.swap(false, Ordering::Relaxed)
        {
            self.inner.thread.unpark();
        }
    }

    /// Sleeps until it is woken or the time is over, unless there is something to do.
    pub(crate) fn sleep_unless(&self, for_at_most: Duration, has_work: impl FnOnce() -> bool) {
        self.inner.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            thread::park_timeout(for_at_most);
        }
        self.inner.asleep.store(false, Ordering::Relaxed);
    }
}
