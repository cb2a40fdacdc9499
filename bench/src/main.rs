//! Measurements that the shipped binary does not carry. Whole programs: makes a world of a given size
//! from a seed, runs the release build of `ringfence` on it several times, and prints minimum, median
//! and maximum of wall time. Yardsticks: the session table against other people's.
//!
//! ```text
//! cargo build --release --workspace
//! cargo run --release -p ringfence-bench -- probes
//! cargo run --release -p ringfence-bench -- scenarios
//! target/release/ringfence bench table
//! ```

mod measure;
mod print;
mod table;
mod world;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use crate::print::PrintArguments;
use crate::table::TableArguments;
use crate::world::WorldSize;

/// Counts what the tables ask for; each thread for itself, so that it slows none of them noticeably.
#[global_allocator]
static ALLOCATOR: ringfence_measure::counting::Counting = ringfence_measure::counting::Counting;

/// A failure at run time, as `ringfence` has it.
const FAILED: u8 = 3;

/// Measures whole commands, and the session table against others.
#[derive(Parser)]
struct Arguments {
    /// The binary to measure.
    #[arg(long, default_value = "target/release/ringfence")]
    ringfence: PathBuf,
    /// How often each command runs.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the made files go.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// `explain --probes` on a large scenario.
    Probes {
        /// Security groups.
        #[arg(long, default_value_t = 100)]
        groups: usize,
        /// Rules, over all groups.
        #[arg(long, default_value_t = 1_000)]
        rules: usize,
        /// Instances.
        #[arg(long, default_value_t = 1_000)]
        instances: usize,
        /// Questions.
        #[arg(long, default_value_t = 100_000)]
        probes: usize,
        /// Seed of world and questions.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// `run` on the shipped scenarios, together and one at a time.
    Scenarios {
        /// Where they lie.
        #[arg(long, default_value = "scenarios")]
        path: PathBuf,
    },
    /// The session table against other tables; `ringfence bench table` runs this.
    Table {
        #[command(flatten)]
        table: TableArguments,
        #[command(flatten)]
        print: PrintArguments,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // nobody is left to tell if standard error fails
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let What::Table { table, print } = &arguments.what {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .context("catching Ctrl-C")?;
        let report = table::measure(table, &stopped, &mut |what| {
            // nobody is left to tell if standard error fails
            let _ = writeln!(anstream::stderr(), "{what}");
        })?;
        print::print(&report, print, &table.measure)?;
        ensure!(!stopped.load(Ordering::Relaxed), "stopped before the end");
        return Ok(());
    }
    std::fs::create_dir_all(&arguments.folder).context("making the folder for files")?;
    match &arguments.what {
        What::Probes { groups, rules, instances, probes, seed } => {
            let size = WorldSize { groups: *groups, rules: *rules, instances: *instances };
            let scenario = arguments.folder.join("probes.yaml");
            let questions = arguments.folder.join("probes.jsonl");
            std::fs::write(&scenario, world::scenario(size, *seed)).context("writing the world")?;
            std::fs::write(&questions, world::probes(size, *probes, *seed))
                .context("writing the questions")?;
            let mut command = Command::new(&arguments.ringfence);
            command.arg("explain").arg(&scenario).arg("--probes").arg(&questions);
            command.args(["-o", "jsonl"]);
            let name =
                format!("{probes} probes, {groups} groups, {rules} rules, {instances} instances");
            measure::times(&name, &mut command, arguments.runs)
        }
        What::Scenarios { path } => {
            let mut together = Command::new(&arguments.ringfence);
            together.arg("run").arg(path);
            measure::times("all scenarios", &mut together, arguments.runs)?;
            for file in measure::scenario_files(path)? {
                let mut alone = Command::new(&arguments.ringfence);
                alone.arg("run").arg(&file);
                measure::times(&file.display().to_string(), &mut alone, arguments.runs)?;
            }
            Ok(())
        }
        What::Table { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::Parser;

    /// The words that `ringfence bench table` passes on, all of them.
    #[test]
    fn what_ringfence_passes_on_is_understood() {
        let words = "ringfence-bench table --output jsonl --color always --seed 7 --trials 2 \
                     --seconds 0.5 --html a.html --svg d --sessions 5,6 --workers 3 --only \
                     papaya,ringfence";
        Arguments::try_parse_from(words.split_whitespace()).unwrap();
        Arguments::try_parse_from(["ringfence-bench", "table", "--trials", "0"])
            .map(drop)
            .unwrap_err();
    }
}
