//! The scenarios that ship with Ringfence load, with the warnings that they are meant to have.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use ringfence_scenario::{Source, load};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn every_shipped_scenario_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut found = Vec::new();
    files(&folder, &mut found);
    found.sort();
    assert!(found.len() >= 20, "{} scenarios", found.len());
    let mut warned = Vec::new();
    let mut refused = String::new();
    for path in found {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let source = Source::from_bytes(&name, std::fs::read(&path).unwrap()).unwrap();
        match load(source.clone()) {
            Ok(scenario) => {
                assert!(!scenario.expectations.is_empty(), "{name} expects nothing");
                warned.extend(scenario.warnings.iter().map(|warning| (name.clone(), warning.code)));
            }
            Err(findings) => {
                for finding in findings {
                    refused += &finding.render(&source, false);
                    refused += "\n";
                }
            }
        }
    }
    assert_eq!(refused, "");
    assert_eq!(warned, [("use-cases/databases.yaml".to_owned(), "RF0012")]);
}
