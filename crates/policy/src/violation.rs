//! What validation finds: violations, and the list that gathers them. Owns no rule of its own.

use ringfence_cloud::Origin;

/// Whether it is refused or only said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Refused.
    Error,
    /// Accepted, and said.
    Warning,
}

/// Something that the platform refuses or that the reader should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Refused or only said.
    pub severity: Severity,
    /// The platform's error code (`InvalidParam.PortRange`), or one of ours in kebab case where
    /// the platform has none (`masked-address`, `host-bits`).
    pub code: &'static str,
    /// Where.
    pub origin: Origin,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Violations as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        origin: &Origin,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Severity::Error, code, origin, message.into(), help.into());
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        origin: &Origin,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, origin, message.into(), help.into());
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        origin: &Origin,
        message: String,
        help: String,
    ) {
        self.violations.push(Violation { severity, code, origin: origin.clone(), message, help });
    }

    /// `made` and the warnings, or everything in file order if there is an error.
    pub(crate) fn finish<T>(mut self, made: T) -> Result<(T, Vec<Violation>), Vec<Violation>> {
        self.violations.sort_by(|a, b| a.origin.cmp(&b.origin));
        match self.violations.iter().any(|violation| violation.severity == Severity::Error) {
            true => Err(self.violations),
            false => Ok((made, self.violations)),
        }
    }
}
