//! Wall time of whole commands.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Runs `command` once unmeasured and `runs` times measured, its output thrown away, and prints
/// minimum, median and maximum in seconds.
///
/// # Errors
/// If it cannot be started or does not exit with 0.
pub(crate) fn times(name: &str, command: &mut Command, runs: usize) -> anyhow::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut seconds = Vec::with_capacity(runs);
    for run in 0..=runs {
        #[expect(clippy::disallowed_methods, reason = "measuring wall time is what this is for")]
        let start = std::time::Instant::now();
        let status = command.status().with_context(|| format!("starting {command:?}"))?;
        ensure!(status.success(), "{command:?} ended with {status}");
        if run > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let (min, median, max) = (seconds[0], seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
    writeln!(
        std::io::stdout(),
        "{name}: {min:.3} s minimum, {median:.3} s median, {max:.3} s maximum of {runs} runs"
    )?;
    Ok(())
}

/// The scenario files below `path`, in order.
///
/// # Errors
/// If a folder cannot be read.
pub(crate) fn scenario_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
