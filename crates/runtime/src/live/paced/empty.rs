//! A pipeline without a switch: a thread that takes frames out of a ring in batches, as a worker
//! does, and puts them into the other as they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringfence_switch::BATCH_MAX;

use super::told::Told;
use crate::live::seat::PAUSES;
use crate::live::{
    FrameMemory, Frames, LiveClock, LiveError, LiveOptions, Placement, RingReceiver, RingSender,
    control, cores,
};

/// The thread.
pub(crate) struct EmptyPipeline {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    is_awake: AtomicBool,
    longest_gap_ns: AtomicU64,
}

/// What only the thread touches.
struct Passing {
    entered: RingReceiver,
    leave: RingSender,
    frames: Frames,
    clock: LiveClock,
    yields: bool,
}

impl EmptyPipeline {
    /// # Errors
    /// If the system has no thread.
    pub(crate) fn start(
        entered: RingReceiver,
        leave: RingSender,
        options: &LiveOptions,
    ) -> Result<EmptyPipeline, LiveError> {
        let shared = Arc::new(Shared::default());
        let placement = Placement::new(2, options.pin);
        let (core, yields) = (placement.cores[0], placement.is_shared());
        let (clock, huge_pages) = (options.clock.clone(), options.huge_pages);
        let theirs = Arc::clone(&shared);
        let work = move || {
            if let Some(core) = core {
                // where it is not allowed, it runs where the system likes
                let _ = cores::pin(core);
            }
            // made here, so that its memory lies near this core
            let frames = FrameMemory::batch(BATCH_MAX, huge_pages);
            Passing { entered, leave, frames, clock, yields }.run(&theirs);
        };
        let thread = thread::Builder::new().name("worker-0".to_owned()).spawn(work);
        let thread = thread.map_err(|error| LiveError::NoThread(0, error.to_string()))?;
        Ok(EmptyPipeline { shared, thread: Some(thread) })
    }

    pub(crate) fn forget_gap(&self) {
        self.shared.longest_gap_ns.store(0, Ordering::Relaxed);
    }

    /// The longest time from one look at the clock to the next.
    pub(crate) fn longest_gap(&self) -> Duration {
        Duration::from_nanos(self.shared.longest_gap_ns.load(Ordering::Relaxed))
    }

    /// Lets it sleep or wakes it; at first it sleeps.
    ///
    /// # Errors
    /// If the thread has panicked.
    pub(crate) fn set_paused(&mut self, is_paused: bool) -> Result<(), LiveError> {
        self.shared.is_awake.store(!is_paused, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => Err(control::panicked(0, thread)),
            None => Ok(()),
        }
    }

    /// # Errors
    /// If the thread has panicked.
    pub(crate) fn stop(mut self) -> Result<(), LiveError> {
        match self.dismiss() {
            Some(Err(payload)) => Err(LiveError::Panicked(0, control::message(&*payload))),
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn dismiss(&mut self) -> Option<thread::Result<()>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        Some(thread.join())
    }
}

impl Drop for EmptyPipeline {
    /// Stops a thread that nobody has stopped, and waits for it.
    fn drop(&mut self) {
        // what it panicked with has been printed, and nobody is left to tell
        let _ = self.dismiss();
    }
}

impl Passing {
    /// As a worker does it: one look at the clock for a batch, a few pauses where there is none.
    fn run(mut self, shared: &Shared) {
        let mut last = self.clock.now();
        while !shared.is_over.load(Ordering::Relaxed) {
            if !shared.is_awake.load(Ordering::Relaxed) {
                thread::park();
                last = self.clock.now();
                continue;
            }
            self.frames.clear();
            let taken = self.entered.take(&mut self.frames, BATCH_MAX, |_| ());
            let now = self.clock.now().max(last);
            let gap = now.since(last).as_nanos() as u64;
            if gap > shared.longest_gap_ns.load(Ordering::Relaxed) {
                shared.longest_gap_ns.store(gap, Ordering::Relaxed);
            }
            last = now;
            if taken == 0 {
                self.rest();
                continue;
            }
            for (meta, bytes) in self.frames.iter() {
                self.leave.put(bytes, meta, Told::Passed.mark());
            }
            self.leave.publish();
        }
    }

    fn rest(&self) {
        if self.yields {
            thread::yield_now();
        }
        for _ in 0..PAUSES {
            std::hint::spin_loop();
        }
    }
}
