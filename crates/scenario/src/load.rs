//! A scenario from its text.

use crate::{Diagnostic, Scenario, Source};

/// Reads and checks a scenario.
///
/// # Errors
/// Everything that is wrong with it, errors and warnings, in file order.
pub fn load(source: Source) -> Result<Scenario, Vec<Diagnostic>> {
    let _ = source;
    unimplemented!()
}
