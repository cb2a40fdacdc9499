//! `fmt`: scenario files in their canonical layout.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ringfence_scenario::format::format_source;
use serde_json::json;

use crate::cli::FmtArgs;
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `fmt`
pub(crate) fn fmt(args: &FmtArgs, output: &Output) -> Result<Outcome, Failure> {
    let paths = files::scenario_files(&args.paths)?;
    if paths.is_empty() {
        return Err(Failure::Nothing("no scenario file (*.yaml) there".to_owned()));
    }
    let mut out = output.out();
    let mut changed: Vec<PathBuf> = Vec::new();
    for path in paths {
        let source = files::source(&path)?;
        let formatted = match format_source(&source) {
            Ok(formatted) => formatted,
            Err(why) => return Err(Failure::Invalid { file: source, diagnostics: vec![*why] }),
        };
        let differs = formatted != *source.text;
        match (files::is_stdin(&path), args.check) {
            (true, false) => out.write_all(formatted.as_bytes())?,
            (false, false) if differs => write(&path, &formatted)?,
            _ => {}
        }
        if differs {
            changed.push(path);
        }
    }
    if !args.check && args.paths.iter().any(|path| files::is_stdin(path)) {
        out.flush()?;
        return Ok(Outcome::Good);
    }
    match output.format.is_for_people() {
        true => {
            for path in &changed {
                writeln!(out, "{}", path.display())?;
            }
        }
        false => {
            let files: Vec<String> =
                changed.iter().map(|path| path.display().to_string()).collect();
            let format_version = ringfence_scenario::answer::FORMAT_VERSION;
            let word = if args.check { "differ" } else { "changed" };
            output.document(&mut out, &json!({ "format_version": format_version, word: files }))?;
        }
    }
    out.flush()?;
    match args.check && !changed.is_empty() {
        true => Ok(Outcome::False),
        false => Ok(Outcome::Good),
    }
}

/// Beside the file first, so that a full disk costs nothing.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let beside = path.with_extension("yaml.tmp");
    fs::write(&beside, text).map_err(|error| Failure::cannot_write(&beside, &error))?;
    fs::rename(&beside, path).map_err(|error| Failure::cannot_write(path, &error))
}
