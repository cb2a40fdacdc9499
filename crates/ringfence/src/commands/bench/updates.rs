//! `bench updates`: changes while traffic flows.

use crate::cli::bench::UpdatesArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench updates`
pub(super) fn updates(_args: &UpdatesArgs, _output: &Output) -> Result<Outcome, Failure> {
    Err(super::not_built_yet("updates"))
}
