//! What goes wrong with the operating system.

use std::io;
use std::path::PathBuf;

/// What goes wrong with the operating system, and on what.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A right that this process does not have, or a feature that this kernel does not.
    #[error("{0}")]
    Missing(String),
    /// A call on a file.
    #[error("{what} {}: {error}", path.display())]
    File {
        /// What was tried: `cannot read`.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A namespace that is there already, of somebody who may still need it.
    #[error(
        "the network namespace `{0}` exists already; `ringfence clean` removes what a killed run left"
    )]
    NamespaceExists(String),
    /// A namespace that is not there.
    #[error("there is no network namespace `{0}`")]
    NoNamespace(String),
    /// The kernel refused something about a device.
    #[error("{device}: {what}: {error}")]
    Device {
        /// Which.
        device: String,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        error: String,
    },
    /// A fabric of that name runs.
    #[error(
        "a fabric `{0}` is up already (process {1}); `ringfence down {0}` ends it, --name gives this one another name"
    )]
    Taken(String, u32),
    /// A thread that ended without an answer.
    #[error("a thread of namespace `{0}` ended without an answer")]
    NoAnswer(String),
}

impl HostError {
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
        error: impl Into<io::Error>,
    ) -> HostError {
        HostError::File { what, path: path.into(), error: error.into() }
    }
}
