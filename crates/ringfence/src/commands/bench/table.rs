//! `bench table`: runs `ringfence-bench`, which lies beside this binary, with the same options. Other
//! people's tables are in there, so that they are not in here.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use crate::cli::bench::{MeasureArgs, TableArgs};
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench table`
pub(super) fn table(args: &TableArgs, output: &Output) -> Result<Outcome, Failure> {
    let program = beside()?;
    if !program.is_file() {
        return Err(Failure::Runtime(format!(
            "`bench table` needs {}, which is not there; `cargo build --release --workspace` builds \
             it beside this binary",
            program.display()
        )));
    }
    let mut command = Command::new(&program);
    command.arg("table").args(words(args, output));
    let status = command
        .status()
        .map_err(|error| Failure::Runtime(format!("cannot run {}: {error}", program.display())))?;
    match status.code() {
        Some(0) => Ok(Outcome::Good),
        Some(2) => Ok(Outcome::Invalid),
        // it has said what is wrong
        Some(_) => Ok(Outcome::Failed),
        None => Err(Failure::Runtime(format!("{} ended: {status}", program.display()))),
    }
}

/// Where `ringfence-bench` should lie.
fn beside() -> Result<PathBuf, Failure> {
    let this = std::env::current_exe().map_err(|error| {
        Failure::Runtime(format!("cannot tell where this binary lies: {error}"))
    })?;
    Ok(this.with_file_name(format!("ringfence-bench{}", std::env::consts::EXE_SUFFIX)))
}

/// The options as words again.
fn words(args: &TableArgs, output: &Output) -> Vec<OsString> {
    let TableArgs { measure, sessions, workers, only } = args;
    let MeasureArgs { seed, trials, seconds, html, svg } = measure;
    let mut words: Vec<OsString> = Vec::new();
    let mut push = |option: &str, value: OsString| {
        words.push(option.into());
        words.push(value);
    };
    push("--output", word(&output.format));
    push("--color", colour());
    push("--seed", seed.to_string().into());
    push("--trials", trials.to_string().into());
    if let Some(seconds) = seconds {
        push("--seconds", seconds.to_string().into());
    }
    for (option, path) in [("--html", html), ("--svg", svg)] {
        if let Some(path) = path {
            push(option, path.into());
        }
    }
    push("--sessions", list(sessions));
    push("--workers", list(workers));
    let only: Vec<OsString> = only.iter().map(word).collect();
    push("--only", only.join(OsStr::new(",")));
    words
}

/// The choice that was made for this process, which `auto` cannot tell from here on.
fn colour() -> OsString {
    let choice = match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => crate::cli::Colour::Never,
        _ => crate::cli::Colour::Always,
    };
    word(&choice)
}

fn word(value: &impl ValueEnum) -> OsString {
    value.to_possible_value().map(|it| it.get_name().into()).unwrap_or_default()
}

fn list(numbers: &[usize]) -> OsString {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",").into()
}
