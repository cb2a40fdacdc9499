//! The clock of a live run: the machine's time stamp counter, as the run counts time.

use ringfence_frame::Instant;

/// Nanoseconds since its start. Clones agree, on whichever thread they are asked.
#[derive(Clone, Debug)]
pub struct LiveClock {
    clock: quanta::Clock,
    start: u64,
}

impl Default for LiveClock {
    fn default() -> LiveClock {
        LiveClock::start()
    }
}

impl LiveClock {
    /// A run that starts now. The first of a process calibrates the counter, which takes up to a
    /// fifth of a second.
    pub fn start() -> LiveClock {
        let clock = quanta::Clock::new();
        let start = clock.raw();
        LiveClock { clock, start }
    }

    /// The moment.
    #[inline]
    pub fn now(&self) -> Instant {
        Instant::from_ns(self.clock.delta_as_nanos(self.start, self.clock.raw()))
    }
}
