//! Printing a measurement's report in the shape that was asked for, and writing its files.

use std::io::Write;
use std::path::Path;

use ringfence_measure::{Files, Report};

use crate::cli::Format;
use crate::cli::bench::MeasureArgs;
use crate::outcome::Failure;
use crate::output::{Output, line};

/// Prints a report and writes what was asked for; `hgrm` is a folder for histograms.
pub(super) fn print(
    report: &Report,
    args: &MeasureArgs,
    hgrm: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let mut out = output.out();
    match output.format {
        Format::Table => report.write_text(&mut out, false)?,
        Format::Wide => report.write_text(&mut out, true)?,
        Format::Json | Format::Yaml => output.document(&mut out, &report.to_json())?,
        Format::Jsonl => {
            for document in report.to_json_lines() {
                line(&mut out, &document)?;
            }
        }
    }
    out.flush()?;
    let files = Files { html: args.html.as_deref(), svg: args.svg.as_deref(), hgrm };
    let written = report.write_files(files).map_err(|error| Failure::Runtime(error.to_string()))?;
    for path in written {
        output.say(&format!("written: {}", path.display()));
    }
    Ok(())
}
