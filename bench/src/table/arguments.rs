//! What `table` accepts: the same words as `ringfence bench table`, which passes them on.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::contender::Kind;

/// A trial of a table is short: there are many of them.
const SECONDS: f64 = 0.05;

/// What every measurement accepts.
#[derive(Args)]
pub(crate) struct MeasureArguments {
    /// Seed of everything random.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many times each thing is measured.
    #[arg(long, value_name = "NUMBER", default_value_t = 11, value_parser = at_least_one)]
    pub(crate) trials: usize,
    /// Time for one trial.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<f64>,
    /// Write one page with all tables and plots.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write each plot as a file of its own.
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

impl MeasureArguments {
    /// How long a trial goes on.
    pub(crate) fn budget(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(SECONDS))
    }
}

/// `table`
#[derive(Args)]
pub(crate) struct TableArguments {
    #[command(flatten)]
    pub(crate) measure: MeasureArguments,
    /// Sessions in the table.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "1,10000,100000,1000000,10000000",
        value_parser = at_least_one
    )]
    pub(crate) sessions: Vec<usize>,
    /// Worker threads.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "1,2",
        value_parser = at_least_one
    )]
    pub(crate) workers: Vec<usize>,
    /// Tables to measure.
    #[arg(
        long,
        value_enum,
        value_name = "TABLE,...",
        value_delimiter = ',',
        default_value = "ringfence,dashmap,papaya,hashbrown"
    )]
    pub(crate) only: Vec<Kind>,
}

/// Trials, sessions, threads: more than any machine bears.
const NUMBER_MAX: usize = 100_000_000;

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) if number > NUMBER_MAX => Err(format!("at most {NUMBER_MAX} can be measured")),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match (0.001..=3_600.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err("a trial takes 0.001 to 3600 seconds".to_owned()),
    }
}
