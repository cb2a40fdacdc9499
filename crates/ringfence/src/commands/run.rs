//! `run`: scenarios in the simulated world, every expectation checked.

mod artifacts;
mod table;

use std::cell::Cell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringfence_scenario::answer::FORMAT_VERSION;
use ringfence_scenario::{Expectation, RunOptions, RunOutput, RunReport, Scenario};
use serde_json::{Value, json};

use crate::cli::{Format, RunArgs};
use crate::commands::run::artifacts::Artifacts;
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{Out, Output};

/// `run`
pub(crate) fn run(args: &RunArgs, output: &Output) -> Result<Outcome, Failure> {
    let scenarios = load_all(args, output)?;
    let scenarios: Vec<&Scenario> =
        scenarios.iter().filter(|scenario| selects_any(args, scenario)).collect();
    if scenarios.is_empty() {
        let what = match &args.filter {
            Some(filter) => format!("no expectation matches `{filter}`"),
            None => "there is no scenario with an expectation or traffic there".to_owned(),
        };
        return Err(Failure::Nothing(what));
    }
    let gives_away = artifacts::takes_standard_output(args)?;
    let stopped = on_interrupt()?;
    let bar = progress_bar(scenarios.len());
    let mut out = output.out();
    let mut reports = Vec::new();
    let mut artifacts = Artifacts::new(args, scenarios.len())?;
    let mut left = scenarios.iter();
    for scenario in left.by_ref() {
        let run = run_one(args, scenario, &stopped, &bar);
        if !gives_away {
            bar.suspend(|| print_one(&mut out, output, &run.report))?;
        }
        artifacts.take(scenario, &run)?;
        bar.inc(1);
        reports.push(run.report);
        if stopped.load(Ordering::Relaxed) {
            break;
        }
    }
    bar.finish_and_clear();
    artifacts.finish(&reports, output)?;
    let selected = |scenario: &&Scenario| {
        scenario.expectations.iter().filter(|it| selects(args, scenario, it)).count()
    };
    let not_begun = left.map(selected).sum();
    if gives_away {
        output.say(&summary(&reports, not_begun));
    } else {
        print_all(&mut out, output, &reports, not_begun)?;
    }
    out.flush()?;
    outcome(output, &reports, stopped.load(Ordering::Relaxed))
}

fn outcome(output: &Output, reports: &[RunReport], stopped: bool) -> Result<Outcome, Failure> {
    let mut expectations = reports.iter().flat_map(|report| &report.expectations);
    if expectations.any(|expectation| !expectation.agrees) {
        output.error("frames and reference disagree, which is a bug of this program");
        return Ok(Outcome::Failed);
    }
    if reports.iter().any(|report| report.failed > 0) {
        return Ok(Outcome::False);
    }
    if stopped {
        output.error("stopped before the end");
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Good)
}

fn load_all(args: &RunArgs, output: &Output) -> Result<Vec<Scenario>, Failure> {
    let paths = files::scenario_files(&args.paths)?;
    let mut scenarios = Vec::new();
    let mut refused = None;
    for path in &paths {
        match files::scenario(path, output) {
            Ok(scenario) => scenarios.push(scenario),
            // what is wrong with the others is said as well
            Err(failure) => {
                if let Some(Failure::Invalid { file, diagnostics }) = refused.replace(failure) {
                    output.diagnostics(&file, &diagnostics);
                }
            }
        }
    }
    match refused {
        Some(failure) => Err(failure),
        None => Ok(scenarios),
    }
}

/// Whether an expectation is to be checked.
fn selects(args: &RunArgs, scenario: &Scenario, expectation: &Expectation) -> bool {
    let Some(filter) = &args.filter else { return true };
    [&expectation.name, &scenario.title, &*scenario.source.name]
        .iter()
        .any(|text| text.contains(filter.as_str()))
}

fn selects_any(args: &RunArgs, scenario: &Scenario) -> bool {
    let mut expectations = scenario.expectations.iter();
    expectations.any(|expectation| selects(args, scenario, expectation))
        || (args.filter.is_none() && !scenario.traffic.is_empty())
}

fn run_one(
    args: &RunArgs,
    scenario: &Scenario,
    stopped: &Arc<AtomicBool>,
    bar: &ProgressBar,
) -> RunOutput {
    bar.set_message(scenario.title.clone());
    let ticks = Cell::new(0_u32);
    let select = |expectation: &Expectation| selects(args, scenario, expectation);
    let mut progress = |_done: usize, _total: usize| {
        ticks.set(ticks.get().wrapping_add(1));
        if ticks.get().is_multiple_of(16) {
            bar.tick();
        }
        !stopped.load(Ordering::Relaxed)
    };
    let mut options = RunOptions {
        select: &select,
        seed: args.seed,
        keep_frames: args.pcap.is_some() || args.flow_log.is_some(),
        progress: &mut progress,
    };
    ringfence_scenario::run(scenario, &mut options)
}

/// "Ctrl-C stops cleanly and still prints the summary."
pub(crate) fn on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::Runtime(format!("cannot catch Ctrl-C: {error}")))?;
    Ok(stopped)
}

/// On standard error, if that is a terminal.
fn progress_bar(scenarios: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(scenarios as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// What can be said about a run before the others are over.
fn print_one(out: &mut Out, output: &Output, report: &RunReport) -> Result<(), Failure> {
    match output.format {
        Format::Table => table::print(out, report, false)?,
        Format::Wide => table::print(out, report, true)?,
        Format::Jsonl => {
            output.document(out, report)?;
        }
        Format::Json | Format::Yaml => return Ok(()),
    }
    // what is ready is shown, not kept for the end
    out.flush()?;
    Ok(())
}

/// Expectations that passed, failed and were skipped. `not_begun` counts the expectations of
/// scenarios that were not begun.
fn totals(reports: &[RunReport], not_begun: usize) -> (usize, usize, usize) {
    let sum = |count: fn(&RunReport) -> usize| reports.iter().map(count).sum::<usize>();
    let skipped = sum(|report| report.skipped) + not_begun;
    (sum(|report| report.passed), sum(|report| report.failed), skipped)
}

/// The last line: `N passed, N failed`.
fn summary(reports: &[RunReport], not_begun: usize) -> String {
    let (passed, failed, skipped) = totals(reports, not_begun);
    table::summary(passed, failed, skipped)
}

/// The summary, and documents that hold all runs.
fn print_all(
    out: &mut Out,
    output: &Output,
    reports: &[RunReport],
    not_begun: usize,
) -> Result<(), Failure> {
    let line = summary(reports, not_begun);
    match output.format {
        Format::Table | Format::Wide => writeln!(out, "{line}")?,
        Format::Jsonl => output.say(&line),
        Format::Json | Format::Yaml => {
            let runs: Vec<Value> = reports
                .iter()
                .map(serde_json::to_value)
                .collect::<Result<_, _>>()
                .map_err(std::io::Error::from)?;
            let (passed, failed, skipped) = totals(reports, not_begun);
            let document = json!({
                "failed": failed,
                "format_version": FORMAT_VERSION,
                "passed": passed,
                "runs": runs,
                "skipped": skipped,
            });
            output.document(out, &document)?;
            out.flush()?;
            output.say(&line);
        }
    }
    Ok(())
}
