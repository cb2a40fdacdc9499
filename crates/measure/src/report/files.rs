//! Files that a report is written to on request: a page, a drawing for each plot, histograms.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Report;

/// What is to be written.
#[derive(Clone, Copy, Default, Debug)]
pub struct Files<'a> {
    /// One page with everything.
    pub html: Option<&'a Path>,
    /// A folder for one SVG file a plot, named after it.
    pub svg: Option<&'a Path>,
    /// A folder for one `.hgrm` file a histogram, named after it.
    pub hgrm: Option<&'a Path>,
}

/// A file that could not be written.
#[derive(Debug)]
pub struct WriteError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "cannot write {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Report {
    /// Writes what was asked for, folders made if need be, and gives the paths that were written.
    ///
    /// # Errors
    /// The first file that cannot be written.
    pub fn write_files(&self, files: Files<'_>) -> Result<Vec<PathBuf>, WriteError> {
        let mut written = Vec::new();
        if let Some(path) = files.html {
            written.push(write(path, &self.to_html())?);
        }
        if let Some(folder) = files.svg {
            for plot in &self.plots {
                let path = folder.join(format!("{}.svg", file_stem(&plot.id)));
                written.push(write(&path, &plot.to_svg())?);
            }
        }
        if let Some(folder) = files.hgrm {
            for (name, latency) in &self.latencies {
                let path = folder.join(format!("{}.hgrm", file_stem(name)));
                written.push(write(&path, &latency.to_hgrm())?);
            }
        }
        Ok(written)
    }
}

/// A name that is one file's in a folder, whatever stands in it.
fn file_stem(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    name.chars().map(kept).collect()
}

fn write(path: &Path, text: &str) -> Result<PathBuf, WriteError> {
    let failed = |error| WriteError { path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)?;
    Ok(path.to_owned())
}
