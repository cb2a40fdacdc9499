//! Files on their way in: which ones are meant, and what is in them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ringfence_scenario::diagnostic::Severity;
use ringfence_scenario::{Scenario, Source, load};

use crate::outcome::Failure;
use crate::output::Output;

/// `-` is standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The scenario files that are meant by paths: files as they are, folders searched to the bottom
/// for `*.yaml` and `*.yml`, sorted, none twice.
pub(crate) fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if is_stdin(path) {
            files.push(path.clone());
            continue;
        }
        let meta = fs::metadata(path).map_err(|error| Failure::cannot_read(path, &error))?;
        match meta.is_dir() {
            true => search(path, &mut files)?,
            false => files.push(path.clone()),
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn search(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: io::Error| Failure::cannot_read(folder, &error);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // a link to a folder is not followed, so that no circle is
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if is_folder {
            search(&path, files)?;
        } else if is_yaml {
            files.push(path);
        }
    }
    Ok(())
}

/// The text of a file; what is no text is an invalid file, with the place of the first such byte.
pub(crate) fn source(path: &Path) -> Result<Source, Failure> {
    let unreadable = |error: io::Error| Failure::cannot_read(path, &error);
    let (name, bytes) = match is_stdin(path) {
        true => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(unreadable)?;
            ("<stdin>".to_owned(), bytes)
        }
        false => (path.display().to_string(), fs::read(path).map_err(unreadable)?),
    };
    Source::from_bytes(&name, bytes).map_err(|refusal| {
        let (file, diagnostic) = *refusal;
        Failure::Invalid { file, diagnostics: vec![diagnostic] }
    })
}

/// A scenario, its warnings said.
pub(crate) fn scenario(path: &Path, output: &Output) -> Result<Scenario, Failure> {
    scenario_but(&[], path, output)
}

/// The same of one that is to be brought up: what only the simulated world ignores is not said.
pub(crate) fn scenario_to_bring_up(path: &Path, output: &Output) -> Result<Scenario, Failure> {
    scenario_but(&["RF0018"], path, output)
}

/// A scenario, its warnings said but for those of some codes.
fn scenario_but(unsaid: &[&str], path: &Path, output: &Output) -> Result<Scenario, Failure> {
    let source = source(path)?;
    match load(source.clone()) {
        Ok(mut scenario) => {
            scenario.warnings.retain(|warning| !unsaid.contains(&warning.code));
            if !scenario.warnings.is_empty() {
                output.diagnostics(&source, &scenario.warnings);
            }
            Ok(scenario)
        }
        Err(mut diagnostics) => {
            diagnostics.sort_by_key(|diagnostic| diagnostic.severity != Severity::Error);
            Err(Failure::Invalid { file: source, diagnostics })
        }
    }
}
