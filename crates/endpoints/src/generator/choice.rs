//! Which line comes next: draws by popularity, and when the next frame is due.

use rand::Rng;
use rand_pcg::Pcg64Mcg;

use super::{Popularity, Rate, Spacing};

/// Ranks that have a weight of their own; behind them, how many buckets there are to a factor of e.
const ZIPF_EXACT: u32 = 1_024;
/// Fraction bits of a scheduled time.
const DUE_BITS: u32 = 20;

/// Draws from `0..count`.
pub(crate) enum Choice {
    Uniform { count: u64 },
    InTurn { count: usize, next: usize },
    Weighted(Vec<Bucket>),
}

/// Ranks of (nearly) one weight, with Walker's alias: a draw stays if its fraction is below
/// `threshold`, else goes to the bucket `alias`.
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    threshold: u32,
    alias: u32,
    first: u32,
    count: u32,
}

impl Choice {
    /// `count` is below 2^32.
    pub(crate) fn new(popularity: Popularity, count: usize) -> Choice {
        match popularity {
            Popularity::Uniform => Choice::Uniform { count: count as u64 },
            Popularity::InTurn => Choice::InTurn { count, next: 0 },
            Popularity::Zipf(exponent) => Choice::Weighted(zipf(exponent, count as u64)),
        }
    }

    /// Draws each as often as its weight says; all alike if there is no weight above 0.
    pub(crate) fn weighted(weights: Vec<f64>) -> Choice {
        let is_sound = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        if !weights.iter().all(is_sound) || weights.iter().sum::<f64>() <= 0.0 {
            return Choice::new(Popularity::Uniform, weights.len());
        }
        let mut buckets: Vec<Bucket> = (0..weights.len() as u32)
            .map(|first| Bucket { threshold: u32::MAX, alias: 0, first, count: 1 })
            .collect();
        set_aliases(&mut buckets, weights);
        Choice::Weighted(buckets)
    }

    /// One of them; `random` has 32 bits.
    #[inline(always)]
    pub(crate) fn draw(&mut self, random: u64, source: &mut Pcg64Mcg) -> usize {
        match self {
            Choice::Uniform { count } => ((random * *count) >> 32) as usize,
            Choice::InTurn { count, next } => {
                let drawn = *next;
                *next = if drawn + 1 == *count { 0 } else { drawn + 1 };
                drawn
            }
            Choice::Weighted(buckets) => draw_weighted(buckets, random, source),
        }
    }

    /// Many of them.
    pub(crate) fn draw_all(&mut self, drawn: &mut [u32], source: &mut Pcg64Mcg) {
        match self {
            Choice::Uniform { count } => {
                let count = *count;
                let among = |random: u64| ((random * count) >> 32) as u32;
                for two in drawn.chunks_mut(2) {
                    let random = source.next_u64();
                    two[0] = among(random >> 32);
                    if let Some(second) = two.get_mut(1) {
                        *second = among(random & 0xffff_ffff);
                    }
                }
            }
            Choice::InTurn { .. } | Choice::Weighted(_) => {
                for one in drawn {
                    *one = self.draw(source.next_u64() >> 32, source) as u32;
                }
            }
        }
    }
}

fn draw_weighted(buckets: &[Bucket], random: u64, source: &mut Pcg64Mcg) -> usize {
    let more = source.next_u64();
    let mut bucket = buckets[((random * buckets.len() as u64) >> 32) as usize];
    if (more as u32) >= bucket.threshold {
        bucket = buckets[bucket.alias as usize];
    }
    bucket.first as usize + (((more >> 32) * u64::from(bucket.count)) >> 32) as usize
}

fn zipf(exponent: f64, count: u64) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let mut weights = Vec::new();
    let mut first = 0;
    while first < count {
        let len = (first / u64::from(ZIPF_EXACT)).max(1).min(count - first);
        let middle = first as f64 + (len as f64 + 1.0) / 2.0;
        weights.push(len as f64 * middle.powf(-exponent));
        let [first_rank, count] = [first, len].map(|n| n as u32);
        buckets.push(Bucket { threshold: u32::MAX, alias: 0, first: first_rank, count });
        first += len;
    }
    set_aliases(&mut buckets, weights);
    buckets
}

/// Vose's method.
fn set_aliases(buckets: &mut [Bucket], mut weights: Vec<f64>) {
    let scale = buckets.len() as f64 / weights.iter().sum::<f64>();
    weights.iter_mut().for_each(|weight| *weight *= scale);
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..weights.len()).partition(|&i| weights[i] < 1.0);
    while let (Some(few), Some(&many)) = (small.pop(), large.last()) {
        buckets[few].threshold = (weights[few] * f64::from(u32::MAX)) as u32;
        buckets[few].alias = many as u32;
        weights[many] -= 1.0 - weights[few];
        if weights[many] < 1.0 {
            large.pop();
            small.push(many);
        }
    }
    // what is left over has a weight of 1 but for rounding, and stays
    for left in small.into_iter().chain(large) {
        buckets[left].alias = left as u32;
    }
}

/// When frames are due.
pub(crate) struct Schedule {
    /// The mean distance, with [`DUE_BITS`] of fraction; none: never.
    step: Option<u64>,
    spacing: Spacing,
    start_ns: Option<u64>,
    /// Since the start, with [`DUE_BITS`] of fraction.
    next: u128,
}

impl Schedule {
    pub(crate) fn new(rate: Rate) -> Schedule {
        let step = (1_000_000_000 << DUE_BITS) / rate.frames_per_second.max(1);
        let step = (rate.frames_per_second > 0).then_some(step);
        Schedule { step, spacing: rate.spacing, start_ns: None, next: 0 }
    }

    /// Begins again when it is next asked for a frame.
    pub(crate) fn restart(&mut self) {
        self.start_ns = None;
        self.next = 0;
    }

    /// The time at which the next frame is due, once it has been asked for frames.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        let start = self.start_ns.filter(|_| self.step.is_some())?;
        Some(start.saturating_add((self.next >> DUE_BITS) as u64))
    }

    /// Takes the next frame, if it is due; the first one is when it is first asked for.
    #[inline]
    pub(crate) fn take(&mut self, now_ns: u64, source: &mut Pcg64Mcg) -> Option<u64> {
        let step = self.step?;
        let start = *self.start_ns.get_or_insert(now_ns);
        let due = start.saturating_add((self.next >> DUE_BITS) as u64);
        if due > now_ns {
            return None;
        }
        let gap = match self.spacing {
            Spacing::Constant => step,
            Spacing::Poisson => {
                let uniform = ((source.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
                (step as f64 * -uniform.ln()) as u64
            }
        };
        self.next += u128::from(gap);
        Some(due)
    }
}
