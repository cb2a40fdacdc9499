//! What is wrong with an input, where, and what would be right.

use std::sync::Arc;

use ringfence_cloud::Origin;

/// A text that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file's name as the user gave it.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

/// Refused or only said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Refused.
    Error,
    /// Said.
    Warning,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Refused or only said.
    pub severity: Severity,
    /// Stable code, `RF0123`; `ringfence explain-code` has the longer text.
    pub code: &'static str,
    /// The platform's own error code, where it has one.
    pub platform_code: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub help: String,
    /// Where.
    pub origin: Origin,
    /// Other places that matter, with what they are.
    pub related: Vec<(Origin, String)>,
}

impl Diagnostic {
    /// As a person reads it: code, message, file, line, column, the line itself, help.
    pub fn render(&self, source: &Source, colour: bool) -> String {
        let _ = (source, colour);
        unimplemented!()
    }
}

/// The longer text of a code; none if there is no such code.
pub fn explain_code(code: &str) -> Option<&'static str> {
    let _ = code;
    unimplemented!()
}

/// Every code with its title, in order.
pub fn codes() -> &'static [(&'static str, &'static str)] {
    unimplemented!()
}
