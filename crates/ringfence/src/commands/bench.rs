//! `bench`: measurements, a file for each question. Owns who answers which.

mod classifier;
mod latency;
mod print;
mod switch;
mod table;
mod updates;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringfence_scenario::load_test::{LoadTestError, ScenarioLoad, load_test};
use ringfence_switch::Layout;

use crate::cli::bench::{Bench, BenchArgs};
use crate::commands::run::on_interrupt;
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench`
pub(crate) fn bench(args: &BenchArgs, output: &Output) -> Result<Outcome, Failure> {
    let stop = Stop(on_interrupt()?);
    let outcome = match &args.what {
        Bench::Table(args) => return table::table(args, output),
        Bench::Classifier(args) => classifier::classifier(args, &stop, output),
        Bench::Switch(args) => switch::switch(args, &stop, output),
        Bench::Latency(args) => latency::latency(args, &stop, output),
        Bench::Updates(args) => updates::updates(args, &stop, output),
    }?;
    match outcome {
        Outcome::Good if stop.is_asked() => {
            output.error("stopped before the end");
            Ok(Outcome::Failed)
        }
        outcome => Ok(outcome),
    }
}

/// "Ctrl-C stops cleanly and still prints the summary": a measurement ends after the trial under way,
/// and what was measured until then is printed.
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The trials of something measured: all that were asked for, but none after the first once it is
    /// to stop.
    fn trials(&self, asked: usize) -> impl Iterator<Item = usize> {
        (0..asked).take_while(|trial| *trial == 0 || !self.is_asked())
    }
}

/// How a measured switch lies in memory.
fn layout(workers: usize, flows_max: usize, seed: u64) -> Layout {
    Layout {
        workers_max: workers,
        flows_max: Some(flows_max),
        numbered: false,
        huge_pages: true,
        seed,
    }
}

/// The load that a scenario's generators make, and the scenario's title.
fn scenario_load(path: &Path, output: &Output) -> Result<(ScenarioLoad, String), Failure> {
    let scenario = files::scenario(path, output)?;
    match load_test(&scenario) {
        Ok(load) => Ok((load, scenario.title)),
        Err(error @ LoadTestError::NoTraffic(_)) => Err(Failure::Nothing(error.to_string())),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

fn failed(error: impl ToString) -> Failure {
    Failure::Runtime(error.to_string())
}
