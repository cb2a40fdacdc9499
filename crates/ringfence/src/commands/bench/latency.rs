//! `bench latency`: latency at fractions of the highest rate without loss.

use crate::cli::bench::LatencyArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench latency`
pub(super) fn latency(_args: &LatencyArgs, _output: &Output) -> Result<Outcome, Failure> {
    Err(super::not_built_yet("latency"))
}
