//! `explain`: one packet for people, or many for scripts.

use std::io::Write;

use ringfence_scenario::Explainer;

use crate::cli::{Expected, ExplainArgs};
use crate::commands::{batch, probes};
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{BAD, GOOD, Output, STRONG};

/// `explain`
pub(crate) fn explain(args: &ExplainArgs, output: &Output) -> Result<Outcome, Failure> {
    if files::is_stdin(&args.scenario) && args.probes.as_deref().is_some_and(files::is_stdin) {
        let once = "standard input is one stream: it cannot be both the scenario and the probes";
        return Err(Failure::Usage(once.to_owned()));
    }
    let scenario = files::scenario(&args.scenario, output)?;
    if let Some(questions) = &args.probes {
        return batch::batch(args, questions, scenario, output);
    }
    let packet = probes::from_packet(&scenario.fabric.world, &args.packet)?;
    let explanation = Explainer::new(scenario.fabric).explain(&packet)?;
    let mut out = output.out();
    match output.format.is_for_people() {
        true => people(&mut out, &explanation.to_string())?,
        false => output.document(&mut out, &explanation)?,
    }
    out.flush()?;
    let allowed = explanation.answer.allowed();
    match args.expect {
        None => Ok(Outcome::Good),
        Some(expected) if (expected == Expected::Allow) == allowed => Ok(Outcome::Good),
        Some(_) => {
            let verdict = explanation.answer.verdict;
            output.error(&format!("the verdict is {verdict}, which is not what was expected"));
            Ok(Outcome::False)
        }
    }
}

/// The verdict in its colour, headings strong.
fn people(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    for line in text.lines() {
        let style = match line {
            _ if line.starts_with("ALLOW ") => GOOD,
            _ if line.starts_with("DENY ") => BAD,
            _ if line.starts_with("The way") || line.starts_with("What ") => STRONG,
            _ => anstyle::Style::new(),
        };
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}
