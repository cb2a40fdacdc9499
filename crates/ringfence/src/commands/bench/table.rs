//! `bench table`: the session table against other tables.

use crate::cli::bench::TableArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// `bench table`
pub(super) fn table(_args: &TableArgs, _output: &Output) -> Result<Outcome, Failure> {
    Err(super::not_built_yet("table"))
}
