//! How a command ended, and the exit code that says so.

use std::io;
use std::path::Path;

use ringfence_scenario::probe::ProbeError;
use ringfence_scenario::{Diagnostic, Disagreement, Source};

use crate::output::Output;

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// Done, all as expected, yes.
    Good,
    /// A checked thing is false.
    False,
    /// Some of the input was invalid, and has been named.
    Invalid,
    /// Something failed, and has been named.
    Failed,
}

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// A packet that means nothing in the scenario.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A file that is wrong.
    #[error("invalid scenario")]
    Invalid {
        /// The file.
        file: Source,
        /// What is wrong with it.
        diagnostics: Vec<Diagnostic>,
    },
    /// A failure at run time.
    #[error("{0}")]
    Runtime(String),
    /// A privilege or a kernel feature is missing, which is named.
    #[error("{0}")]
    Missing(String),
    /// Nothing was selected to run.
    #[error("{0}")]
    Nothing(String),
    /// Frames and reference disagree.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// Standard output failed.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// A file that cannot be read: the user named a wrong one.
    pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
        Failure::Usage(format!("cannot read {}: {error}", path.display()))
    }

    /// A file that cannot be written.
    pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
        Failure::Runtime(format!("cannot write {}: {error}", path.display()))
    }
}

/// Says what has to be said about an outcome, and gives its exit code.
pub(crate) fn exit_code(outcome: Result<Outcome, Failure>, output: &Output) -> u8 {
    match outcome {
        Ok(Outcome::Good) => 0,
        Ok(Outcome::False) => 1,
        Ok(Outcome::Invalid) => 2,
        Ok(Outcome::Failed) => 3,
        // "a closed pipe is no error"
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Failure::Invalid { file, diagnostics }) => {
            output.diagnostics(&file, &diagnostics);
            2
        }
        Err(Failure::Probe(error)) => {
            output.probe_error(&error);
            2
        }
        Err(failure) => {
            output.error(&failure.to_string());
            match failure {
                Failure::Usage(_) | Failure::Invalid { .. } | Failure::Probe(_) => 2,
                Failure::Runtime(_) | Failure::Disagreement(_) | Failure::Output(_) => 3,
                Failure::Missing(_) => 4,
                Failure::Nothing(_) => 5,
            }
        }
    }
}
