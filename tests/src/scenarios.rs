//! Where the scenarios that ship with Ringfence are, and what every finding must keep to.

use std::path::{Path, PathBuf};

use ringfence_scenario::diagnostic::explain_code;
use ringfence_scenario::{Diagnostic, Source};

/// Every file under `scenarios/`, in order.
///
/// # Panics
/// If they cannot be read.
pub fn shipped() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios"), &mut found);
    found.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    found.sort();
    found
}

/// A finding's place lies in the text, it can be shown there, and its code has a longer text.
///
/// # Panics
/// If that is not so.
pub fn check_finding(source: &Source, finding: &Diagnostic) {
    let (origin, text) = (&finding.origin, &source.text);
    assert!(origin.start + origin.len <= text.len(), "beyond the text: {finding:?}\n{text:?}");
    assert!(origin.line >= 1 && origin.column >= 1, "{finding:?}");
    assert!(explain_code(finding.code).is_some(), "nothing explains {finding:?}");
    // What is missing at the end of a text is shown behind its last line.
    let place = match origin.start >= text.trim_end().len() {
        true => format!("{}:", source.name),
        false => format!("{}:{}:{}", source.name, origin.line, origin.column),
    };
    let rendered = finding.render(source, false);
    assert!(rendered.contains(&place), "no {place} in\n{rendered}\n{text:?}");
    assert!(!finding.render(source, true).is_empty());
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the scenarios are there") {
        let path = entry.expect("the scenarios can be read").path();
        match path.is_dir() {
            true => walk(&path, found),
            false => found.push(path),
        }
    }
}
