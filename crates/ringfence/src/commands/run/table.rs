//! A run as a person reads it: a line for each expectation, more where one failed.

use std::io::{self, Write};

use anstyle::Style;
use ringfence_scenario::RunReport;
use ringfence_scenario::answer::Answer;
use ringfence_scenario::runner::report::{
    ExpectationReport, GeneratorReport, SessionReport, Status, TargetsReport,
};

use crate::output::{BAD, FAINT, GOOD, STRONG};

/// One scenario's lines.
pub(super) fn print(out: &mut impl Write, report: &RunReport, wide: bool) -> io::Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}  {FAINT}{}{FAINT:#}", report.title, report.file)?;
    let width = |text: fn(&ExpectationReport) -> String| {
        report.expectations.iter().map(|it| text(it).chars().count()).max().unwrap_or(0)
    };
    let names = width(|it| it.name.clone());
    let flows = width(flow);
    for expectation in &report.expectations {
        line(out, expectation, (names, flows), wide)?;
    }
    for generator in &report.generators {
        traffic(out, generator)?;
    }
    writeln!(out)
}

fn flow(report: &ExpectationReport) -> String {
    format!("{} -> {} {}", report.from, report.to, report.protocol)
}

fn line(
    out: &mut impl Write,
    report: &ExpectationReport,
    (names, flows): (usize, usize),
    wide: bool,
) -> io::Result<()> {
    let (mark, style) = match report.status {
        Status::Passed => ("ok  ", GOOD),
        Status::Failed => ("FAIL", BAD),
        Status::Skipped => ("skip", Style::new()),
    };
    let ExpectationReport { name, outcome, .. } = report;
    let flow = flow(report);
    // the name already says who talks to whom if the file gives it none
    let flow = if name.contains(&flow) { "" } else { &flow };
    write!(out, "  {style}{mark}{style:#} {name:names$}  {flow:flows$}  {outcome}")?;
    if let Some(frames) = &report.frames {
        write!(out, "  {FAINT}{}{FAINT:#}", decided(frames))?;
    }
    writeln!(out)?;
    if let Some(session) = &report.session {
        writeln!(out, "       {}", fate(session))?;
    }
    if wide {
        detail(out, report)?;
    }
    for failure in &report.failures {
        writeln!(out, "       {BAD}{failure}{BAD:#}")?;
    }
    if report.status == Status::Failed {
        writeln!(out, "       {FAINT}expected at {}{FAINT:#}", report.origin)?;
        for step in &report.walk {
            writeln!(out, "       {FAINT}{step}{FAINT:#}")?;
        }
    }
    Ok(())
}

/// What decided.
fn decided(answer: &Answer) -> String {
    let by = match (&answer.rule, &answer.group) {
        (Some(rule), _) => format!("rule {}", rule.id),
        (None, Some(group)) => format!("{} {group}", answer.because),
        (None, None) => answer.because.to_owned(),
    };
    format!("{by}, {}", answer.stage)
}

fn detail(out: &mut impl Write, report: &ExpectationReport) -> io::Result<()> {
    if !report.note.is_empty() {
        writeln!(out, "       {}", report.note)?;
    }
    writeln!(out, "       {}", report.reason)?;
    if let Some(guest) = &report.guest {
        let round_trips: Vec<String> =
            guest.round_trips_ns.iter().take(4).map(|&ns| milliseconds(ns)).collect();
        if !guest.detail.is_empty() {
            writeln!(out, "       the guest: {}", guest.detail)?;
        }
        if !round_trips.is_empty() {
            writeln!(out, "       round trips (virtual): {}", round_trips.join(", "))?;
        }
    }
    Ok(())
}

/// What became of a flow that was kept going, and why.
fn fate(session: &SessionReport) -> String {
    let word = if session.kept { "kept" } else { "cut" };
    let SessionReport { rounds_answered, reason, .. } = session;
    let rounds = if *rounds_answered == 1 { "round" } else { "rounds" };
    format!("session {word}: {rounds_answered} {rounds} answered, {reason}")
}

fn traffic(out: &mut impl Write, report: &GeneratorReport) -> io::Result<()> {
    let GeneratorReport { name, from, to, protocol, frames_sent, frames_received, .. } = report;
    write!(
        out,
        "  load {name}: {from} -> {to} {protocol}, {frames_received} of {frames_sent} frames \
         arrived, {} frames/s, {} kbit/s",
        report.received_pps,
        report.received_bps / 1_000
    )?;
    if let Some(TargetsReport { allowed, total }) = report.targets {
        write!(out, ", {allowed} of {total} targets reached")?;
    }
    if let Some(latency) = &report.latency_ns {
        write!(
            out,
            ", latency (virtual) p50 {}, p99 {}, max {}",
            milliseconds(latency.p50),
            milliseconds(latency.p99),
            milliseconds(latency.max)
        )?;
    }
    writeln!(out)
}

fn milliseconds(ns: u64) -> String {
    format!("{}.{:03} ms", ns / 1_000_000, ns % 1_000_000 / 1_000)
}

/// "`run` ends with a line of its own: `N passed, N failed` (`, N skipped`)"
pub(super) fn summary(passed: usize, failed: usize, skipped: usize) -> String {
    match skipped {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
    }
}
