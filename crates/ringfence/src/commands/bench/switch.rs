//! `bench switch`: the whole journey of a frame.

use crate::cli::bench::SwitchArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench switch`
pub(super) fn switch(_args: &SwitchArgs, _output: &Output) -> Result<Outcome, Failure> {
    Err(super::not_built_yet("switch"))
}
