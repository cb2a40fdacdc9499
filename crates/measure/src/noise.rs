//! What disturbed a measurement: stolen time, context switches, gaps in an idle thread.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;

/// Context switches of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Switches {
    /// It gave way by itself.
    pub voluntary: u64,
    /// It was made to.
    pub involuntary: u64,
}

impl Switches {
    /// Of the calling thread since it began. `None` where the system does not tell.
    pub fn of_this_thread() -> Option<Switches> {
        switches(&fs::read_to_string("/proc/thread-self/status").ok()?)
    }

    /// Since an earlier moment.
    pub fn since(self, earlier: Switches) -> Switches {
        Switches {
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

fn switches(status: &str) -> Option<Switches> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    let voluntary = field("voluntary_ctxt_switches:")?;
    let involuntary = field("nonvoluntary_ctxt_switches:")?;
    Some(Switches { voluntary, involuntary })
}

/// Ticks of the kernel's clock, over all processors, from `/proc/stat`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Processors {
    all: u64,
    stolen: u64,
}

fn processors(stat: &str) -> Option<Processors> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; guest time is part of user time already
    let fields: Vec<u64> =
        line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(Processors { all: fields.iter().sum(), stolen: *fields.get(7)? })
}

/// The share of all processors' time that the hypervisor gave to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StealMeter {
    start: Option<Processors>,
}

impl StealMeter {
    /// Starts now.
    pub fn start() -> StealMeter {
        StealMeter { start: read_processors() }
    }

    /// The share since the start, 0 to 1. `None` where the system does not tell, or no time passed.
    pub fn share(&self) -> Option<f64> {
        share(self.start?, read_processors()?)
    }
}

fn read_processors() -> Option<Processors> {
    processors(&fs::read_to_string("/proc/stat").ok()?)
}

fn share(from: Processors, to: Processors) -> Option<f64> {
    let all = to.all.saturating_sub(from.all);
    match all {
        0 => None,
        _ => Some(to.stolen.saturating_sub(from.stolen) as f64 / all as f64),
    }
}

/// Gaps in a thread that does nothing but read the clock: what any thread here would have suffered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Hiccups {
    /// The longest.
    pub longest_ns: u64,
    /// How many took 10 µs or longer.
    pub over_10_us: u64,
    /// How long it was watched.
    pub watched_ns: u64,
}

/// What counts as a gap worth a count.
const GAP: Duration = Duration::from_micros(10);

/// Watches from this thread for that long.
pub fn watch(clock: &Clock, span: Duration) -> Hiccups {
    let ticks = clock.ticks(span);
    let start = clock.now();
    watch_while(clock, || clock.now().since(start) < ticks)
}

fn watch_while(clock: &Clock, mut goes_on: impl FnMut() -> bool) -> Hiccups {
    let gap_ticks = clock.ticks(GAP);
    let start = clock.now();
    let (mut last, mut longest, mut gaps) = (start, 0, 0);
    let mut is_on = true;
    while is_on {
        is_on = goes_on();
        let now = clock.now();
        let gap = now.since(last);
        longest = longest.max(gap);
        gaps += u64::from(gap >= gap_ticks);
        last = now;
    }
    Hiccups {
        longest_ns: clock.ticks_to_ns(longest as f64) as u64,
        over_10_us: gaps,
        watched_ns: clock.ns(start, last),
    }
}

/// A thread of its own that watches until it is stopped. It takes a whole processor.
#[derive(Debug)]
pub struct HiccupMeter {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Hiccups>,
}

impl HiccupMeter {
    /// Starts watching.
    pub fn start(clock: &Clock) -> HiccupMeter {
        let is_over = Arc::new(AtomicBool::new(false));
        let (clock, flag) = (clock.clone(), is_over.clone());
        #[expect(clippy::disallowed_methods, reason = "measuring needs a thread beside the others")]
        let thread =
            std::thread::spawn(move || watch_while(&clock, || !flag.load(Ordering::Relaxed)));
        HiccupMeter { is_over, thread }
    }

    /// Stops watching and tells.
    pub fn stop(self) -> Hiccups {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// How long an idle thread is watched before a measurement.
const WATCHED: Duration = Duration::from_millis(50);

/// What may have disturbed a measurement, from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    hiccups: Hiccups,
    steal: StealMeter,
    switches: Option<Switches>,
}

impl Watch {
    /// Watches an idle thread for 50 ms, then starts the meters.
    pub fn start(clock: &Clock) -> Watch {
        let hiccups = watch(clock, WATCHED);
        Watch { hiccups, steal: StealMeter::start(), switches: Switches::of_this_thread() }
    }

    /// A sentence for the report's notes.
    pub fn sentence(&self) -> String {
        let switches = Switches::of_this_thread().zip(self.switches);
        let switches = switches.map(|(now, start)| now.since(start));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        sentence(self.hiccups, self.steal.share(), switches, load.split(' ').next())
    }
}

fn sentence(
    hiccups: Hiccups,
    stolen: Option<f64>,
    switches: Option<Switches>,
    load: Option<&str>,
) -> String {
    let Hiccups { longest_ns, over_10_us, watched_ns } = hiccups;
    let mut text = format!(
        "Noise: before it began the longest gap in an idle thread was {:.1} µs in {} ms, {over_10_us} \
         of 10 µs and more",
        longest_ns as f64 / 1e3,
        watched_ns / 1_000_000
    );
    if let Some(share) = stolen {
        text += &format!("; {:.2} % of processor time was stolen", share * 100.0);
    }
    if let Some(Switches { voluntary, involuntary }) = switches {
        text += &format!(
            "; the main thread gave way {voluntary} times and was made to {involuntary} times"
        );
    }
    if let Some(load) = load.filter(|load| !load.is_empty()) {
        text += &format!("; load average at the end {load}");
    }
    text + "."
}

#[cfg(test)]
mod tests {
    use super::{
        HiccupMeter, Processors, StealMeter, Switches, processors, share, switches, watch,
    };
    use super::{Hiccups, Watch, sentence};
    use crate::clock::Clock;
    use std::time::Duration;

    #[test]
    fn what_the_kernel_says_is_read() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(switches(status), Some(Switches { voluntary: 12, involuntary: 3 }));
        assert_eq!(switches("Name:\tx\n"), None);
        let stat = "cpu  100 1 20 300 5 0 7 67 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(processors(stat), Some(Processors { all: 500, stolen: 67 }));
        assert_eq!(processors("cpu  1 2 3"), None);
        assert_eq!(processors("cpu  1 2 3 x 5 6 7 8"), None);
        assert_eq!(processors("intr 1"), None);
    }

    #[test]
    fn the_stolen_share_is_of_the_time_between() {
        let check = |from: (u64, u64), to: (u64, u64), expected| {
            let at = |(all, stolen)| Processors { all, stolen };
            assert_eq!(share(at(from), at(to)), expected);
        };
        check((100, 10), (200, 35), Some(0.25));
        check((100, 10), (100, 10), None);
    }

    #[test]
    fn a_gap_is_seen() {
        let clock = Clock::calibrate();
        let hiccups = watch(&clock, Duration::from_millis(2));
        assert!(hiccups.watched_ns >= 1_000_000, "{hiccups:?}");
        assert!(hiccups.longest_ns <= hiccups.watched_ns, "{hiccups:?}");
        let mut calls = 0;
        let with_gap = super::watch_while(&clock, || {
            calls += 1;
            if calls == 5 {
                watch(&clock, Duration::from_micros(50));
            }
            calls < 10
        });
        assert!(with_gap.longest_ns >= 49_000 && with_gap.over_10_us >= 1, "{with_gap:?}");
    }

    #[test]
    fn noise_as_a_sentence() {
        let hiccups = Hiccups { longest_ns: 12_340, over_10_us: 2, watched_ns: 50_000_400 };
        let switches = Switches { voluntary: 3, involuntary: 40 };
        assert_eq!(
            sentence(hiccups, Some(0.0123), Some(switches), Some("4.55")),
            "Noise: before it began the longest gap in an idle thread was 12.3 µs in 50 ms, 2 of \
             10 µs and more; 1.23 % of processor time was stolen; the main thread gave way 3 times \
             and was made to 40 times; load average at the end 4.55."
        );
        let bare = sentence(hiccups, None, None, Some(""));
        assert!(bare.ends_with("10 µs and more."), "{bare}");
        assert!(Watch::start(&Clock::calibrate()).sentence().starts_with("Noise: "));
    }

    #[test]
    fn meters_tell_when_stopped() {
        let clock = Clock::calibrate();
        let (steal, meter) = (StealMeter::start(), HiccupMeter::start(&clock));
        watch(&clock, Duration::from_millis(30));
        assert!(meter.stop().watched_ns > 0);
        assert!(steal.share().is_none_or(|share| (0.0..=1.0).contains(&share)));
    }
}
