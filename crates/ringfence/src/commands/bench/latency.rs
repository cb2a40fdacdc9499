//! `bench latency`: the highest rate without loss, and latency at fractions of it. Owns the order of
//! the measurement; what is sent stands in `subject`, what is measured in `rows`, what is said of it
//! in `report`.

mod report;
mod rows;
mod subject;

use std::time::Duration;

use ringfence_measure::noise::Watch;
use ringfence_measure::search::{Bounds, Goal, highest_rate};
use ringfence_measure::{Clock, Machine, Report, Sample};
use ringfence_runtime::live::{PacedEnd, PacedTest, Placement};

use super::{Stop, failed};
use crate::cli::bench::LatencyArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use rows::{Group, Load, Row, Trial};
use subject::Subject;

/// Time of one trial.
const TRIAL_SECONDS: f64 = 0.5;
/// A trial of the search is a fifth of it.
const SEARCH_SHARE: f64 = 0.2;
/// The highest rate without loss, and with a little of it, as CSIT has them (NDR and PDR).
const NO_LOSS: Goal = Goal { loss: 0.0, width: 0.01, trials: 3 };
const LITTLE_LOSS: Goal = Goal { loss: 0.005, ..NO_LOSS };
const BOUNDS: Bounds = Bounds { min: 1_000, max: 500_000_000 };

/// `bench latency`
pub(super) fn latency(
    args: &LatencyArgs,
    stop: &Stop,
    output: &Output,
) -> Result<Outcome, Failure> {
    let subject = Subject::new(args, output)?;
    let clock = Clock::calibrate();
    let noise = Watch::start(&clock);
    let mut bench = Bench::new(&subject, args, stop)?;
    let rates = match args.rate {
        Some(_) => None,
        None => bench.search(output)?,
    };
    let base = rates.as_ref().map(Rates::base).transpose()?;
    let mut rows = Vec::new();
    for load in subject.loads(args.rate, base) {
        if stop.is_asked() {
            break;
        }
        output.say(&load.sentence());
        rows.push(bench.row(load)?);
    }
    let placement = bench.switch.placement().clone();
    let ends = bench.finish()?;
    let mut report = Report::new("latency", "Latency on a schedule", Machine::read(&clock));
    report.parameter("seed", args.measure.seed);
    report.parameter("trials", args.measure.trials);
    report.parameter("trial_s", trial(args).as_secs_f64());
    report::tables(&mut report, rates.as_ref(), &rows, &ends);
    report::plots(&mut report, &rows);
    report::histograms(&mut report, &rows);
    report::notes(&mut report, &subject, &placement, &clock);
    report.note(noise.sentence());
    super::print::print(&report, &args.measure, args.hgrm.as_deref(), output)?;
    match ends.iter().find(|(_, end)| !end.is_clean()) {
        None => Ok(Outcome::Good),
        Some((pipeline, PacedEnd { accounts, asked, answered, .. })) => Err(Failure::Runtime(
            format!("{pipeline}: {accounts}, questions = {asked}, answers = {answered}"),
        )),
    }
}

fn trial(args: &LatencyArgs) -> Duration {
    Duration::from_secs_f64(args.measure.seconds.unwrap_or(TRIAL_SECONDS))
}

/// The highest rates found, frames a second, a figure for each search.
struct Rates {
    no_loss: Sample,
    little_loss: Sample,
    empty: Sample,
}

impl Rates {
    /// What loads are fractions of.
    fn base(&self) -> Result<u64, Failure> {
        match self.no_loss.spread().median as u64 {
            0 => Err(failed("no rate without loss was found: something else has the cores")),
            base => Ok(base),
        }
    }
}

/// The two pipelines, side by side.
struct Bench<'a> {
    subject: &'a Subject,
    switch: PacedTest,
    empty: PacedTest,
    trials: usize,
    trial: Duration,
    stop: &'a Stop,
}

/// Why a search did not come to its end.
enum Halt {
    Stopped,
    Failed(Failure),
}

impl<'a> Bench<'a> {
    fn new(subject: &'a Subject, args: &LatencyArgs, stop: &'a Stop) -> Result<Bench<'a>, Failure> {
        let (mut switch, mut empty) = (subject.switch()?, subject.empty()?);
        for test in [&mut switch, &mut empty] {
            test.open().map_err(failed)?;
        }
        let (trials, trial) = (args.measure.trials, trial(args));
        Ok(Bench { subject, switch, empty, trials, trial, stop })
    }

    /// Searches as many times as there are trials, the pipelines in turn. `None` if it was stopped
    /// before all had found something once.
    fn search(&mut self, output: &Output) -> Result<Option<Rates>, Failure> {
        let trial = self.trial.mul_f64(SEARCH_SHARE);
        let Bench { subject, switch, empty, trials, stop, .. } = self;
        let find = |test: &mut PacedTest, goal: &Goal, guess: u64| {
            highest_rate(goal, BOUNDS, guess, |rate| {
                if stop.is_asked() {
                    return Err(Halt::Stopped);
                }
                let result = test.run(&subject.pace(rate, 0), trial);
                result.map(|result| result.loss()).map_err(|error| Halt::Failed(failed(error)))
            })
        };
        // more than is ever forwarded: what gets through is where to begin
        let first = |test: &mut PacedTest| {
            let flood = subject.pace(BOUNDS.max, 0);
            test.run(&flood, trial).map(|it| it.frames_per_second() as u64).map_err(failed)
        };
        let (mut guess, mut empty_guess) = (first(switch)?, first(empty)?);
        let (mut no_loss, mut little_loss, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=*trials {
            output.say(&format!("search {number} of {trials}"));
            let mut once = || {
                let found = find(switch, &NO_LOSS, guess)?;
                guess = found.unwrap_or(guess);
                let little = find(switch, &LITTLE_LOSS, guess)?;
                let alone = find(empty, &NO_LOSS, empty_guess)?;
                empty_guess = alone.unwrap_or(empty_guess);
                Ok([found, little, alone].map(|rate| rate.unwrap_or(0) as f64))
            };
            match once() {
                Ok(found) => {
                    let all = [&mut no_loss, &mut little_loss, &mut without];
                    all.into_iter().zip(found).for_each(|(rates, rate)| rates.push(rate));
                }
                Err(Halt::Stopped) => break,
                Err(Halt::Failed(failure)) => return Err(failure),
            }
        }
        let samples = (Sample::new(no_loss), Sample::new(little_loss), Sample::new(without));
        let (Some(no_loss), Some(little_loss), Some(empty)) = samples else { return Ok(None) };
        Ok(Some(Rates { no_loss, little_loss, empty }))
    }

    /// One load, trial by trial through the switch and through the empty pipeline.
    fn row(&mut self, load: Load) -> Result<Row, Failure> {
        let pace = self.subject.pace(load.rate, load.new_per_second);
        let (mut switch, mut empty) = (Vec::new(), Vec::new());
        let mut held = Vec::new();
        for _ in self.stop.trials(self.trials) {
            // while the other pipeline was busy, new flows have grown old here
            if load.group == Group::NewFlows {
                self.switch.run(&pace, subject::FILLING).map_err(failed)?;
            }
            let before = self.held();
            switch.push(Trial::of(&self.switch.run(&pace, self.trial).map_err(failed)?));
            held.extend(before.zip(self.held()));
            empty.push(Trial::of(&self.empty.run(&pace, self.trial).map_err(failed)?));
        }
        Ok(Row { load, switch, empty, held })
    }

    /// The share of the switch's table that is taken, in percent.
    fn held(&self) -> Option<f64> {
        let (held, capacity) = self.switch.flows_held()?;
        Some(100.0 * held as f64 / capacity as f64)
    }

    /// What is left of either, by its name.
    fn finish(self) -> Result<[(&'static str, PacedEnd); 2], Failure> {
        let [switch, empty] = [self.switch, self.empty].map(|test| test.finish().map_err(failed));
        Ok([("switch", switch?), ("empty", empty?)])
    }
}

/// Where the threads are, as a sentence.
fn threads(placement: &Placement) -> String {
    match placement.cores[..] {
        [Some(worker), Some(tester)] if worker != tester => format!(
            "The worker has core {worker} to itself; generator and sink are one thread on core \
             {tester}, which sends what is due, takes back what came, and checks it."
        ),
        [Some(worker), _] => format!(
            "There is only core {worker}: worker, generator and sink take turns on it, so that these \
             figures say little."
        ),
        _ => "Worker, generator and sink run where the system likes.".to_owned(),
    }
}
