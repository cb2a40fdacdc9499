//! `can-reach`: yes or no.

use std::io::Write;

use ringfence_scenario::Explainer;
use ringfence_scenario::answer::FORMAT_VERSION;
use serde_json::json;

use crate::cli::CanReachArgs;
use crate::commands::probes;
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{BAD, GOOD, Output};

/// `can-reach`
pub(crate) fn can_reach(args: &CanReachArgs, output: &Output) -> Result<Outcome, Failure> {
    let scenario = files::scenario(&args.scenario, output)?;
    let packet = probes::from_can_reach(&scenario.fabric.world, args)?;
    let answer = Explainer::new(scenario.fabric).answer(&packet)?;
    let mut out = output.out();
    if output.format.is_for_people() {
        match answer.allowed() {
            true => writeln!(out, "{GOOD}yes{GOOD:#}")?,
            false => writeln!(out, "{BAD}no{BAD:#}")?,
        }
    } else {
        let document = json!({
            "answer": answer,
            "format_version": FORMAT_VERSION,
            "reachable": answer.allowed(),
        });
        output.document(&mut out, &document)?;
    }
    out.flush()?;
    match answer.allowed() {
        true => Ok(Outcome::Good),
        false => Ok(Outcome::False),
    }
}
