//! `bench`: measurements, a file for each question. Owns who answers which.

mod classifier;
mod latency;
mod print;
mod switch;
mod table;
mod updates;

use std::path::Path;

use ringfence_scenario::load_test::{LoadTestError, ScenarioLoad, load_test};
use ringfence_switch::Layout;

use crate::cli::bench::{Bench, BenchArgs};
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench`
pub(crate) fn bench(args: &BenchArgs, output: &Output) -> Result<Outcome, Failure> {
    match &args.what {
        Bench::Table(args) => table::table(args, output),
        Bench::Classifier(args) => classifier::classifier(args, output),
        Bench::Switch(args) => switch::switch(args, output),
        Bench::Latency(args) => latency::latency(args, output),
        Bench::Updates(args) => updates::updates(args, output),
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
