//! The words of `bench`: a sub-command for each question, what all of them accept, and how to read
//! what they print.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `bench`
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) what: Bench,
}

/// What can be measured.
#[derive(Subcommand, Debug)]
pub(crate) enum Bench {
    /// The session table against other tables.
    #[command(after_help = TABLE_COLUMNS)]
    Table(TableArgs),
    /// The compiled classifier on rule sets of several shapes and sizes.
    #[command(after_help = CLASSIFIER_COLUMNS)]
    Classifier(ClassifierArgs),
    /// The whole journey of a frame, both sides enforced.
    #[command(after_help = SWITCH_COLUMNS)]
    Switch(SwitchArgs),
    /// The highest rate without loss, and latency at fractions of it.
    #[command(after_help = LATENCY_COLUMNS)]
    Latency(LatencyArgs),
    /// Rules and memberships that change while traffic flows.
    #[command(after_help = UPDATES_COLUMNS)]
    Updates(UpdatesArgs),
}

/// What holds for every figure.
macro_rules! with_figures {
    ($columns:literal) => {
        concat!(
            $columns,
            "\n\nA cell with one number is the median of the trials; `-o wide` and the documents have \
             minimum and maximum too. Numbers of two runs, or of two machines, say little beside each \
             other: compare ratios within one run. Clocks are those of the TSC, which ticks at one \
             rate whatever the core does."
        )
    };
}

const TABLE_COLUMNS: &str = with_figures!(
    "\
Columns, in a table for each operation; nanoseconds an operation, as one worker sees them:
  sessions   in the table while it is measured (mixed: on average)
  workers    threads at work at once, each on its own share of the sessions
  ringfence  the session table: lock-free, shared by all workers, both directions of a session in
             one record, look-ups in batches
  dashmap    one map shared by all workers, a lock for each shard
  papaya     one lock-free map shared by all workers
  hashbrown  a map for each worker: nothing is shared, so each session must meet one worker only
  best other over ringfence   the fastest of the others, times as long as ringfence took
  floor      a random line out of as much memory as the records take, prefetched: what the machine's
             memory gives at this moment, whatever the structure
  keys       (wide) going through the list of keys, which is in every look-up

Bytes a session are what was asked of the allocator or the kernel, not what is resident."
);

const CLASSIFIER_COLUMNS: &str = with_figures!(
    "\
Columns:
  shape      how the rules look: groups as people write them, or like ClassBench's seeds
  rules      how many
  single     nanoseconds a look-up, one after the other
  batched    nanoseconds a look-up in batches
  reference  nanoseconds of the linear reading of the rules, which decides who is right
  memory     bytes of the compiled set, and for each rule
  build      milliseconds to compile the set
  rule       microseconds to change one rule
  member     microseconds to change one membership
  agreed     packets on which classifier and reference agreed; one that differs fails the command"
);

const SWITCH_COLUMNS: &str = with_figures!(
    "\
Columns:
  load       address family and protocol, and what becomes of the frames
  flows      established flows that frames are picked from at random
  rules      rules in each security group
  workers    threads, each with its own ports
  clocks     TSC clocks a frame, making it not counted
  ns         nanoseconds a frame, likewise
  together   million frames a second, all workers together
  generator  nanoseconds a frame that making it takes, measured alone
  floor      nanoseconds a random line out of as much memory as the records take
  over floor ns over floor: the figure to quote on a noisy machine
  leaks, false drops   frames with another verdict than expected; either fails the command"
);

const LATENCY_COLUMNS: &str = with_figures!(
    "\
Latency runs from the moment a frame was scheduled to be sent, not from when it was, so that a stall
counts for every frame that it delayed (coordinated omission). A percentile with fewer than 10 samples
beyond it is not printed.

Columns:
  pipeline   switch, or empty: the same threads and rings with nothing between them
  loss up to the share of frames that may be lost at the highest rate
  load       fraction of the highest rate at which no frame was lost, and new flows beside it
  kind       what happened to the frame: established, new, denied, slow path (the fabric answered)
  frames     how many were measured, all trials together
  p50 ...    nanoseconds that this share of the frames stayed within; in the second of the tables the
             difference to the empty pipeline's
  lost       share of the frames due that found the ring before the worker full
  worker paused, tester paused   the longest time that either looked at nothing
  p99 over none   p99 of established frames, times that of the row without new flows
  leaks, false drops, lost   frames with another verdict than expected, or none, of those that the
             ring took; each fails the command, as does a question without its answer

Stolen time, context switches and the longest gap of an idle thread (hiccup) stand in the notes: what
they explain is not the switch's."
);

const UPDATES_COLUMNS: &str = with_figures!(
    "\
Columns:
  rules      in each group
  workers    threads, each with its own ports
  changes    rule and membership changes a second that were made
  without    throughput without changes, generator and checks included
  kept       throughput with changes over that of the trial without
  rule       microseconds of work to change one rule
  member     microseconds of work to change one membership
  return     microseconds from then until the call returned: every worker has passed a batch
             boundary or sleeps
  pause      longest time between two batches of a worker, beside that without changes
  leaks, false drops   frames with another verdict than expected; either fails the command
  stale      frames judged by old rules after the call had returned; one fails the command"
);

/// What every measurement accepts.
#[derive(Args, Clone, Debug)]
pub(crate) struct MeasureArgs {
    /// Seed of everything random.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many times each thing is measured.
    #[arg(long, value_name = "NUMBER", default_value_t = 11, value_parser = up_to::<TRIALS_MAX>)]
    pub(crate) trials: usize,
    /// Time for one trial; each measurement has a default of its own.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) seconds: Option<f64>,
    /// Write one page with all tables and plots.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write each plot as a file of its own.
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

/// `bench table`
#[derive(Args, Debug)]
pub(crate) struct TableArgs {
    /// What every measurement accepts.
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    /// Sessions in the table.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "1,10000,100000,1000000,10000000",
        value_parser = up_to::<COUNT_MAX>
    )]
    pub(crate) sessions: Vec<usize>,
    /// Worker threads.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "1,2",
        value_parser = up_to::<WORKERS_MAX>
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
    pub(crate) only: Vec<Contender>,
}

/// A table that is measured.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contender {
    /// The session table.
    Ringfence,
    /// One dashmap for all workers.
    Dashmap,
    /// One papaya for all workers.
    Papaya,
    /// A hashbrown for each worker.
    Hashbrown,
}

/// The shape of a rule set.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RuleShape {
    /// Security groups as people write them.
    Groups,
    /// Like ClassBench's access lists.
    Acl,
    /// Like ClassBench's firewalls.
    Firewall,
    /// All of them.
    All,
}

/// `bench classifier`
#[derive(Args, Debug)]
pub(crate) struct ClassifierArgs {
    /// What every measurement accepts.
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    /// The shape of the rule sets.
    #[arg(long, value_enum, default_value_t = RuleShape::All)]
    pub(crate) shape: RuleShape,
    /// How many rules.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "10,100,1000,10000,60000,500000",
        value_parser = up_to::<COUNT_MAX>
    )]
    pub(crate) rules_count: Vec<usize>,
    /// Measure the rules of this ClassBench filter file instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shape", "rules_count"])]
    pub(crate) rules: Option<PathBuf>,
}

/// Address families to measure.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Families {
    /// IPv4.
    #[value(name = "4")]
    V4,
    /// IPv6.
    #[value(name = "6")]
    V6,
    /// One after the other.
    Both,
}

/// `bench switch`
#[derive(Args, Debug)]
pub(crate) struct SwitchArgs {
    /// What every measurement accepts.
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    /// Established flows that frames are picked from.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "1,10000,100000,1000000,10000000",
        value_parser = up_to::<COUNT_MAX>
    )]
    pub(crate) flows: Vec<usize>,
    /// Worker threads.
    #[arg(
        long,
        value_name = "NUMBER,...",
        value_delimiter = ',',
        default_value = "1,2",
        value_parser = up_to::<WORKERS_MAX>
    )]
    pub(crate) workers: Vec<usize>,
    /// Address families.
    #[arg(long, value_enum, default_value_t = Families::Both)]
    pub(crate) family: Families,
    /// Topology, rules and traffic of this scenario instead of made ones.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["flows", "family"])]
    pub(crate) scenario: Option<PathBuf>,
}

/// `bench latency`
#[derive(Args, Debug)]
pub(crate) struct LatencyArgs {
    /// What every measurement accepts.
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    /// Topology, rules and traffic of this scenario instead of made ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Frames a second to measure at, instead of searching for the highest rate without loss.
    #[arg(long, value_name = "PPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
    /// Write each histogram in HdrHistogram's text format (`.hgrm`).
    #[arg(long, value_name = "DIR")]
    pub(crate) hgrm: Option<PathBuf>,
}

/// `bench updates`
#[derive(Args, Debug)]
pub(crate) struct UpdatesArgs {
    /// What every measurement accepts.
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    /// Changes a second.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) rate: u64,
}

/// Trials of one measurement.
const TRIALS_MAX: usize = 10_000;
/// Flows, sessions or rules: what a machine with 64 GiB has room for.
const COUNT_MAX: usize = 100_000_000;
/// Worker threads.
const WORKERS_MAX: usize = 32;

/// A number from 1 to `MAX`.
fn up_to<const MAX: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) if number > MAX => Err(format!("at most {MAX} can be measured")),
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
