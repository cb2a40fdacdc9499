//! What is measured of one load: trial by trial, the switch beside the empty pipeline.

use ringfence_measure::{Latency, Sample};
use ringfence_runtime::live::PacedResult;

/// What may have happened to a frame, in the order of tables.
pub(super) const KINDS: [&str; 4] = ["established", "new", "denied", "slow path"];
/// What frames of an empty pipeline are called.
pub(super) const EMPTY: &str = "empty";

/// Which tables and plots a load is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Fractions of the highest rate.
    Fractions,
    /// New flows coming in beside half of it.
    NewFlows,
}

/// A load.
pub(super) struct Load {
    /// For the names of files.
    pub(super) id: String,
    pub(super) name: String,
    /// Frames a second.
    pub(super) rate: u64,
    /// First frames of new flows a second, beside them.
    pub(super) new_per_second: u64,
    pub(super) group: Group,
}

impl Load {
    pub(super) fn sentence(&self) -> String {
        let Load { name, rate, .. } = self;
        format!("load {name}: {:.3} million frames a second", *rate as f64 / 1e6)
    }
}

/// One trial of one pipeline.
pub(super) struct Trial {
    pub(super) due: u64,
    pub(super) loss: f64,
    pub(super) worker_gap_us: f64,
    pub(super) tester_gap_us: f64,
    kinds: Vec<(&'static str, Latency)>,
}

impl Trial {
    pub(super) fn of(result: &PacedResult) -> Trial {
        let us = |gap: std::time::Duration| gap.as_nanos() as f64 / 1e3;
        let kinds = result.latencies.iter();
        Trial {
            due: result.due,
            loss: result.loss(),
            worker_gap_us: us(result.worker_gap),
            tester_gap_us: us(result.tester_gap),
            kinds: kinds.map(|(kind, histogram)| (*kind, Latency::of([histogram]))).collect(),
        }
    }

    fn kind(&self, kind: &str) -> Option<&Latency> {
        self.kinds.iter().find(|(name, _)| *name == kind).map(|(_, latency)| latency)
    }
}

/// A load with its trials, the two pipelines' in step.
pub(super) struct Row {
    pub(super) load: Load,
    pub(super) switch: Vec<Trial>,
    pub(super) empty: Vec<Trial>,
    /// How full the switch's table was before and after each trial, in percent.
    pub(super) held: Vec<(f64, f64)>,
}

impl Row {
    /// The latencies of all trials together; `None` if there was no such frame.
    pub(super) fn all(&self, kind: &str) -> Option<Latency> {
        let of_kind = self.trials(kind).iter().filter_map(|trial| trial.kind(kind));
        let all = Latency::together(of_kind);
        (all.count() > 0).then_some(all)
    }

    /// A percentile in nanoseconds: a figure for each trial if each has frames enough for it, else
    /// one of all trials together if they have.
    pub(super) fn percentile(&self, kind: &str, percentile: f64) -> Option<Sample> {
        let trials = self.trials(kind);
        let figure = |trial: &Trial| Some(trial.kind(kind)?.percentile_ns(percentile)? as f64);
        let each: Option<Vec<f64>> = trials.iter().map(figure).collect();
        let figures = match each {
            Some(each) => each,
            None => vec![self.all(kind)?.percentile_ns(percentile)? as f64],
        };
        Sample::new(figures)
    }

    /// The same less that of the empty pipeline, trial by trial if both have a figure for each.
    pub(super) fn over_empty(&self, kind: &str, percentile: f64) -> Option<Sample> {
        let (it, empty) = (self.percentile(kind, percentile)?, self.percentile(EMPTY, percentile)?);
        let (values, base) = (it.values(), empty.values());
        let over = match values.len() == base.len() {
            true => values.iter().zip(base).map(|(it, base)| it - base).collect(),
            false => vec![it.spread().median - empty.spread().median],
        };
        Sample::new(over)
    }

    fn trials(&self, kind: &str) -> &[Trial] {
        if kind == EMPTY { &self.empty } else { &self.switch }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringfence_measure::Recorder;

    use super::*;

    fn trial(kind: &'static str, latencies: &[u64]) -> Trial {
        let mut recorder = Recorder::new();
        latencies.iter().for_each(|&ns| recorder.record(ns));
        let latency = Latency::merged([&recorder]);
        Trial {
            due: latencies.len() as u64,
            loss: 0.0,
            worker_gap_us: 0.0,
            tester_gap_us: 0.0,
            kinds: vec![(kind, latency)],
        }
    }

    fn row(switch: Vec<Trial>, empty: Vec<Trial>) -> Row {
        let load = Load {
            id: String::new(),
            name: String::new(),
            rate: 1,
            new_per_second: 0,
            group: Group::Fractions,
        };
        Row { load, switch, empty, held: Vec::new() }
    }

    #[test]
    fn percentiles_are_of_trials_where_trials_bear_them() {
        let slow = || trial("established", &[200; 20]);
        let fast = || trial("established", &[100; 20]);
        let row = row(vec![slow(), fast(), slow()], vec![]);
        let figures = |percentile| row.percentile("established", percentile);
        assert_eq!(figures(50.0).unwrap().values(), [200.0, 100.0, 200.0]);
        // 60 samples bear the 80th, 20 do not
        assert_eq!(figures(80.0).unwrap().values(), [200.0]);
        assert_eq!(figures(90.0), None);
        assert_eq!(row.percentile("denied", 50.0), None);
        assert!(row.all("denied").is_none());
        assert_eq!(row.all("established").unwrap().count(), 60);
    }

    #[test]
    fn what_is_over_the_empty_pipeline_is_told_trial_by_trial() {
        let switch = [300, 500, 400].map(|ns| trial("new", &[ns; 20]));
        let empty = [100, 450, 100].map(|ns| trial(EMPTY, &[ns; 20]));
        let row = row(switch.into(), empty.into());
        assert_eq!(row.over_empty("new", 50.0).unwrap().values(), [200.0, 50.0, 300.0]);
        assert_eq!(row.over_empty("slow path", 50.0), None);
    }

    #[test]
    fn a_trial_keeps_what_its_run_told() {
        let result = PacedResult {
            latencies: Vec::new(),
            due: 200,
            lost: 50,
            met: 150,
            elapsed: Duration::from_secs(1),
            worker_gap: Duration::from_nanos(1_500),
            tester_gap: Duration::from_micros(7),
        };
        let Trial { due, loss, worker_gap_us, tester_gap_us, kinds } = Trial::of(&result);
        assert_eq!((due, loss, worker_gap_us, tester_gap_us), (200, 0.25, 1.5, 7.0));
        assert!(kinds.is_empty());
    }
}
