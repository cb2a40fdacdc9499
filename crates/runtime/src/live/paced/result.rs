//! What a run on a schedule tells.

use std::time::Duration;

use hdrhistogram::Histogram;
use ringfence_endpoints::generator::Accounts;
use ringfence_switch::Counters;

/// What one run on a schedule was like.
#[derive(Clone, Debug)]
pub struct PacedResult {
    /// Latencies in nanoseconds by what happened to the frame (established, new, denied, slow path);
    /// without a switch all are `empty`. Only kinds that there were.
    pub latencies: Vec<(&'static str, Histogram<u64>)>,
    /// Frames that were due.
    pub due: u64,
    /// Those of them that the pipeline did not take: they found the first ring full, or the tester
    /// was behind its schedule at the end by more of them than that ring holds.
    pub lost: u64,
    /// Frames whose fate became known.
    pub met: u64,
    /// From the start to the last of them.
    pub elapsed: Duration,
    /// The worker's longest pause.
    pub worker_gap: Duration,
    /// The tester's longest pause.
    pub tester_gap: Duration,
}

impl PacedResult {
    /// The share of due frames that were lost.
    pub fn loss(&self) -> f64 {
        match self.due {
            0 => 0.0,
            due => self.lost as f64 / due as f64,
        }
    }

    /// Frames a second that got through.
    pub fn frames_per_second(&self) -> f64 {
        match self.elapsed.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.met as f64 / seconds,
        }
    }
}

/// What a load test on a schedule leaves.
#[derive(Clone, Debug, Default)]
pub struct PacedEnd {
    /// Every frame's fate.
    pub accounts: Accounts,
    /// Questions that were asked, those that found the ring full left out.
    pub asked: u64,
    /// Questions that were answered, and rightly. A wrong answer is a leak.
    pub answered: u64,
    /// Everything counted by the switch, if there was one.
    pub counters: Option<Counters>,
}

impl PacedEnd {
    /// Whether nothing went wrong: what was taken in met its fate, and each question its answer.
    pub fn is_clean(&self) -> bool {
        self.accounts.is_clean() && self.asked == self.answered
    }
}
