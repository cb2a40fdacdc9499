//! `validate`: whether files are scenarios, and everything that is wrong with them.

use std::io::Write;

use anstream::{AutoStream, ColorChoice};
use ringfence_scenario::{Diagnostic, Source, load};

use serde_json::Value;

use crate::cli::{Format, ValidateArgs};
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{self, BAD, GOOD, Output};

/// One file and what was found.
struct Checked {
    source: Source,
    valid: bool,
    diagnostics: Vec<Diagnostic>,
}

/// `validate`
pub(crate) fn validate(args: &ValidateArgs, output: &Output) -> Result<Outcome, Failure> {
    let paths = files::scenario_files(&args.paths)?;
    if paths.is_empty() {
        return Err(Failure::Nothing("no scenario file (*.yaml) there".to_owned()));
    }
    let mut checked = Vec::new();
    for path in &paths {
        let source = files::source(path)?;
        let (valid, diagnostics) = match load(source.clone()) {
            Ok(scenario) => (true, scenario.warnings),
            Err(diagnostics) => (false, diagnostics),
        };
        checked.push(Checked { source, valid, diagnostics });
    }

    let mut out = output.out();
    match output.format {
        Format::Table | Format::Wide => table(&mut out, &checked)?,
        Format::Json | Format::Yaml => {
            let files: Vec<_> =
                checked.iter().map(|it| (&it.source, it.diagnostics.as_slice())).collect();
            output.document(&mut out, &output::diagnostics_document(&files))?;
        }
        Format::Jsonl => {
            for Checked { source, diagnostics, .. } in &checked {
                let mut document =
                    output::diagnostics_document(&[(source, diagnostics.as_slice())]);
                // which file a line is about, where it finds nothing in it
                document["filename"] = Value::from(&*source.name);
                output.document(&mut out, &document)?;
            }
        }
    }
    out.flush()?;
    match checked.iter().all(|it| it.valid) {
        true => Ok(Outcome::Good),
        false => Ok(Outcome::Invalid),
    }
}

fn table(out: &mut impl Write, checked: &[Checked]) -> Result<(), Failure> {
    let colour = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    for Checked { source, valid, diagnostics } in checked {
        output::render(out, source, diagnostics, colour)?;
        match valid {
            true => writeln!(out, "{}: {GOOD}valid{GOOD:#}", source.name)?,
            false => writeln!(out, "{}: {BAD}invalid{BAD:#}", source.name)?,
        }
    }
    Ok(())
}
