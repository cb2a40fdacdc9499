//! The clock of measurements: time stamp counter and nanoseconds.

use std::hint::black_box;
use std::time::Duration;

/// How often the timer is read in a row to find out what reading it costs: single readings overlap,
/// so that the distance of two says little.
const OVERHEAD_READS: u64 = 64;
/// How many times that is done.
const OVERHEAD_TRIALS: usize = 100;

/// A moment, in ticks of the clock's counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticks(pub u64);

impl Ticks {
    /// Ticks since an earlier moment; 0 if that is later.
    pub fn since(self, earlier: Ticks) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A calibrated clock. Where there is a time stamp counter that ticks at one rate on all cores, a
/// tick is one of its clocks; elsewhere it is a nanosecond of the system's clock.
#[derive(Clone, Debug)]
pub struct Clock {
    clock: quanta::Clock,
    ticks_per_ns: f64,
    overhead_ticks: u64,
}

impl Clock {
    /// Calibrates a clock, which takes up to a fifth of a second the first time.
    pub fn calibrate() -> Clock {
        let clock = quanta::Clock::new();
        // a span so long that whole nanoseconds round nothing that matters
        let span = 1 << 40;
        let ns = clock.delta_as_nanos(0, span).max(1);
        let overhead_ticks = (0..OVERHEAD_TRIALS)
            .map(|_| {
                let start = clock.raw();
                // each reading is made, since each is hidden from the optimiser
                let last = (0..OVERHEAD_READS).fold(start, |_, _| black_box(clock.raw()));
                last.saturating_sub(start) / OVERHEAD_READS
            })
            .min()
            .unwrap_or(0);
        Clock { clock, ticks_per_ns: span as f64 / ns as f64, overhead_ticks }
    }

    /// This moment.
    #[inline]
    pub fn now(&self) -> Ticks {
        Ticks(self.clock.raw())
    }

    /// Ticks a second: the frequency of the time stamp counter.
    pub fn hz(&self) -> u64 {
        (self.ticks_per_ns * 1e9).round() as u64
    }

    /// Ticks that one reading of the clock takes, at its best.
    pub fn overhead_ticks(&self) -> u64 {
        self.overhead_ticks
    }

    /// Nanoseconds from one moment to another.
    #[inline]
    pub fn ns(&self, from: Ticks, to: Ticks) -> u64 {
        (to.since(from) as f64 / self.ticks_per_ns) as u64
    }

    /// Ticks as nanoseconds.
    pub fn ticks_to_ns(&self, ticks: f64) -> f64 {
        ticks / self.ticks_per_ns
    }

    /// Nanoseconds as ticks.
    pub fn ns_to_ticks(&self, ns: f64) -> f64 {
        ns * self.ticks_per_ns
    }

    /// A span as ticks.
    pub fn ticks(&self, span: Duration) -> u64 {
        (span.as_secs_f64() * 1e9 * self.ticks_per_ns) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Ticks};
    use std::time::Duration;

    #[test]
    fn a_second_is_a_second() {
        let clock = Clock::calibrate();
        assert!(clock.hz() >= 100_000_000, "{clock:?}");
        let second = clock.ticks(Duration::from_secs(1));
        assert!(second.abs_diff(clock.hz()) <= 1, "{second} {clock:?}");
        let ns = clock.ns(Ticks(7), Ticks(7 + second));
        assert!(ns.abs_diff(1_000_000_000) <= 2, "{ns}");
        assert!((clock.ns_to_ticks(clock.ticks_to_ns(1e6)) - 1e6).abs() < 1e-3);
    }

    #[test]
    fn time_does_not_run_backwards() {
        let clock = Clock::calibrate();
        let (first, second) = (clock.now(), clock.now());
        assert!(second >= first);
        assert_eq!(clock.ns(second, first), 0);
    }
}
