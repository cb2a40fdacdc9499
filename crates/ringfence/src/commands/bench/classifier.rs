//! `bench classifier`: the compiled classifier on rule sets of several shapes and sizes.

use crate::cli::bench::ClassifierArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench classifier`
pub(super) fn classifier(_args: &ClassifierArgs, _output: &Output) -> Result<Outcome, Failure> {
    Err(super::not_built_yet("classifier"))
}
