//! Where the scenarios that ship with Ringfence are.

use std::path::{Path, PathBuf};

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

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the scenarios are there") {
        let path = entry.expect("the scenarios can be read").path();
        match path.is_dir() {
            true => walk(&path, found),
            false => found.push(path),
        }
    }
}
