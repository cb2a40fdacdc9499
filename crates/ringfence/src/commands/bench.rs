//! `bench`: measurements, a file for each question. Owns who answers which.

mod classifier;
mod latency;
mod print;
mod switch;
mod table;
mod updates;

use crate::cli::bench::{Bench, BenchArgs};
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

/// What a measurement says that is still to come.
fn not_built_yet(name: &str) -> Failure {
    Failure::Runtime(format!("`ringfence bench {name}` is not built yet"))
}
