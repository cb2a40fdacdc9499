//! Latencies: a recorder for each worker, merged after the run into percentiles.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// The longest that is told apart: a minute. What takes longer counts as that.
const LONGEST_NS: u64 = 60_000_000_000;
/// Significant decimal digits that are kept.
const DIGITS: u8 = 3;
/// A percentile needs this many samples beyond it.
const BEYOND_MIN: f64 = 10.0;
/// Steps of a text or a plot for each halving of what is left to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// The percentiles of a table, from the median on, with their names.
pub const PERCENTILES: [(&str, f64); 7] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("p99.99", 99.99),
    ("p99.999", 99.999),
    ("max", 100.0),
];

/// What one worker measured. Recording allocates nothing and takes a few nanoseconds.
#[derive(Clone, Debug)]
pub struct Recorder {
    histogram: Histogram<u64>,
}

impl Recorder {
    /// Room for latencies of 1 ns to 60 s.
    pub fn new() -> Recorder {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)
            .expect("these bounds hold for every histogram");
        Recorder { histogram }
    }

    /// Notes one latency: the time from when it was *scheduled* to when it was done.
    #[inline]
    pub fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns);
    }

    /// Forgets everything, for the next run.
    pub fn reset(&mut self) {
        self.histogram.reset();
    }
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

/// What all workers measured.
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram<u64>,
}

impl Latency {
    /// Puts the workers' recorders together.
    pub fn merged<'a>(recorders: impl IntoIterator<Item = &'a Recorder>) -> Latency {
        let mut all = Recorder::new().histogram;
        for recorder in recorders {
            all.add(&recorder.histogram).expect("all recorders have the same bounds");
        }
        Latency { histogram: all }
    }

    /// Several, put together.
    pub fn together<'a>(parts: impl IntoIterator<Item = &'a Latency>) -> Latency {
        let mut all = Recorder::new().histogram;
        for part in parts {
            all.add(&part.histogram).expect("all recorders have the same bounds");
        }
        Latency { histogram: all }
    }

    /// Latencies in nanoseconds that somebody else has recorded, put together.
    pub fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram<u64>>) -> Latency {
        let mut all = Recorder::new().histogram;
        for histogram in histograms {
            // what is longer than this one's longest counts as that
            for step in histogram.iter_recorded() {
                all.saturating_record_n(step.value_iterated_to(), step.count_at_value());
            }
        }
        Latency { histogram: all }
    }

    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The shortest, in ns; 0 if there is none.
    pub fn min_ns(&self) -> u64 {
        self.histogram.min()
    }

    /// The longest, in ns; 0 if there is none.
    pub fn max_ns(&self) -> u64 {
        self.histogram.max()
    }

    /// The mean, in ns.
    pub fn mean_ns(&self) -> f64 {
        self.histogram.mean()
    }

    /// Nanoseconds that `percentile` per cent stayed within (100 is the longest). `None` if fewer
    /// than 10 samples lie beyond it: such a number says what happened once, not what happens.
    pub fn percentile_ns(&self, percentile: f64) -> Option<u64> {
        let count = self.count() as f64;
        if percentile >= 100.0 {
            return (count > 0.0).then(|| self.max_ns());
        }
        // a hair more, since 100 - 99.999 is less than 0.001 as a float
        let beyond = count * (100.0 - percentile) / 100.0 + 1e-6;
        (beyond >= BEYOND_MIN).then(|| self.histogram.value_at_percentile(percentile))
    }

    /// Points of a percentile plot: per cent and nanoseconds, as far as samples bear it.
    pub fn percentile_points(&self) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for step in self.histogram.iter_quantiles(TICKS_PER_HALF) {
            let percentile = step.quantile_iterated_to() * 100.0;
            if let Some(ns) = self.percentile_ns(percentile)
                && percentile < 100.0
            {
                points.push((percentile, ns as f64));
            }
        }
        points
    }

    /// The text that HdrHistogram writes (`outputPercentileDistribution`) and its plotter reads;
    /// values in nanoseconds. Unlike the table it has every percentile, however few the samples.
    pub fn to_hgrm(&self) -> String {
        let mut text = String::new();
        let mut push = |line: std::fmt::Arguments<'_>| {
            text.write_fmt(line).expect("a String takes everything");
        };
        push(format_args!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        ));
        let mut total = 0;
        for step in self.histogram.iter_quantiles(TICKS_PER_HALF) {
            total += step.count_since_last_iteration();
            let (value, quantile) = (step.value_iterated_to() as f64, step.quantile_iterated_to());
            push(format_args!("{value:>12.3} {quantile:>14.12} {total:>10}"));
            match quantile < 1.0 {
                true => push(format_args!(" {:>14.2}\n", 1.0 / (1.0 - quantile))),
                false => push(format_args!("\n")),
            }
        }
        let histogram = &self.histogram;
        push(format_args!(
            "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n",
            histogram.mean(),
            histogram.stdev()
        ));
        push(format_args!(
            "#[Max     = {:>12.3}, Total count    = {:>12}]\n",
            histogram.max() as f64,
            histogram.len()
        ));
        // the counts of HdrHistogram for these bounds and digits
        let sub_buckets = 2_048u64;
        push(format_args!(
            "#[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
            histogram.buckets(),
            sub_buckets
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, Latency, Recorder};

    fn latency(values: impl IntoIterator<Item = u64>) -> Latency {
        let mut recorder = Recorder::new();
        values.into_iter().for_each(|ns| recorder.record(ns));
        Latency::merged([&recorder])
    }

    #[test]
    fn percentiles_need_samples_beyond_them() {
        let check = |count: u64, percentile: f64, expected: Option<u64>| {
            let ns = latency(1..=count).percentile_ns(percentile);
            assert_eq!(ns, expected, "{count} samples, {percentile}");
        };
        check(0, 50.0, None);
        check(0, 100.0, None);
        check(19, 50.0, None);
        check(20, 50.0, Some(10));
        check(99, 90.0, None);
        check(100, 90.0, Some(90));
        check(1_000, 99.0, Some(990));
        check(999, 99.0, None);
        check(1, 100.0, Some(1));
    }

    #[test]
    fn the_farthest_percentile_of_the_table_needs_a_million() {
        assert!(latency(std::iter::repeat_n(7, 1_000_000)).percentile_ns(99.999).is_some());
        assert!(latency(std::iter::repeat_n(7, 999_000)).percentile_ns(99.999).is_none());
    }

    #[test]
    fn workers_are_merged() {
        let (mut one, mut two) = (Recorder::new(), Recorder::new());
        (1..=50).for_each(|ns| one.record(ns));
        (51..=100).for_each(|ns| two.record(ns));
        let all = Latency::merged([&one, &two]);
        assert_eq!((all.count(), all.min_ns(), all.max_ns()), (100, 1, 100));
        assert_eq!(all.percentile_ns(90.0), Some(90));
        two.reset();
        assert_eq!(Latency::merged([&one, &two]).count(), 50);
    }

    #[test]
    fn what_others_recorded_is_put_together() {
        let mut short = Histogram::<u64>::new_with_bounds(1, 1_000_000, 3).unwrap();
        let mut long = Histogram::<u64>::new_with_bounds(1, u64::MAX / 2, 2).unwrap();
        (1..=90).for_each(|ns| short.saturating_record(ns));
        (0..10).for_each(|_| long.saturating_record(u64::MAX / 4));
        let all = Latency::of([&short, &long]);
        assert_eq!((all.count(), all.min_ns()), (100, 1));
        assert_eq!(all.percentile_ns(90.0), Some(90));
        assert_eq!(Latency::together([&all, &all]).count(), 200);
        assert!(all.max_ns() < 61_000_000_000, "{}", all.max_ns());
    }

    #[test]
    fn hours_count_as_a_minute() {
        let max = latency([u64::MAX]).max_ns();
        assert!((60_000_000_000..60_100_000_000).contains(&max), "{max}");
    }

    #[test]
    fn points_rise_and_end_where_samples_do() {
        let points = latency(1..=10_000).percentile_points();
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        let last = points.last().unwrap();
        assert!(last.0 > 99.0 && last.0 <= 99.9, "{last:?}");
    }

    #[test]
    fn hgrm_is_what_hdrhistogram_writes() {
        let text = latency([100, 200, 300, 400]).to_hgrm();
        let expected = include_str!("latency/four.hgrm");
        assert_eq!(text, expected, "{text}");
    }
}
