//! Printing a report as `ringfence` prints its own.

use std::io::Write;

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;
use clap::{Args, ValueEnum};
use ringfence_measure::{Files, Report};
use serde_json::Value;

use crate::table::MeasureArguments;

/// Output formats, those of `ringfence`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Wide,
    Json,
    Yaml,
    Jsonl,
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

/// How to print.
#[derive(Args)]
pub(crate) struct PrintArguments {
    /// How to print data.
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Table)]
    output: Format,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

/// Prints a report and writes the files that were asked for.
///
/// # Errors
/// If standard output or a file fails; a closed pipe is no error.
pub(crate) fn print(
    report: &Report,
    print: &PrintArguments,
    measure: &MeasureArguments,
) -> anyhow::Result<()> {
    let colour = match print.color {
        Colour::Auto => ColorChoice::Auto,
        Colour::Always => ColorChoice::Always,
        Colour::Never => ColorChoice::Never,
    };
    let mut out = AutoStream::new(std::io::stdout().lock(), colour);
    match write(&mut out, report, print.output).and_then(|()| Ok(out.flush()?)) {
        Err(error) if is_closed_pipe(&error) => {}
        result => result.context("cannot write")?,
    }
    let files = Files { html: measure.html.as_deref(), svg: measure.svg.as_deref(), hgrm: None };
    for path in report.write_files(files)? {
        writeln!(anstream::stderr(), "written: {}", path.display())?;
    }
    Ok(())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe)
}

fn write(out: &mut impl Write, report: &Report, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Table => report.write_text(out, false)?,
        Format::Wide => report.write_text(out, true)?,
        Format::Json => writeln!(out, "{}", pretty(&report.to_json())?)?,
        Format::Yaml => {
            let text = serde_saphyr::to_string(&report.to_json())?;
            writeln!(out, "{}", text.trim_end())?;
        }
        Format::Jsonl => {
            for line in report.to_json_lines() {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}
