//! A capture for each port of a run, with verdict and rule as comments.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use ringfence_cloud::Place;
use ringfence_frame::capture::Writer;
use ringfence_runtime::simulated::{CapturedFrame, LoggedVerdict};
use ringfence_switch::{Because, Fabric, FrameId, Stage, Verdict};

use crate::answer::{Answer, verdict_name};
use crate::runner::RunOutput;

/// A port's name as the name of a file: "`/` becomes `_`", and so does a blank.
pub fn file_stem(port: &str) -> String {
    port.replace(['/', '\\', ' ', ':'], "_")
}

/// Writes the frames that a run kept, port by port. `open` makes the stream for the port called
/// so.
///
/// # Errors
/// What the streams say.
pub fn write<W: Write>(
    output: &RunOutput,
    mut open: impl FnMut(&str) -> io::Result<W>,
) -> io::Result<()> {
    let verdicts: HashMap<FrameId, &LoggedVerdict> =
        output.verdicts.iter().map(|logged| (logged.frame, logged)).collect();
    let mut ports: BTreeMap<Place, Vec<&CapturedFrame>> = BTreeMap::new();
    for frame in &output.frames {
        ports.entry(frame.port).or_default().push(frame);
    }
    let world = &output.fabric_at(ringfence_frame::Instant::START).world;
    for (port, frames) in ports {
        let name = world.place_name(port);
        let mut writer = Writer::new(open(&name)?, &name)?;
        for frame in frames {
            let logged = frame.frame.and_then(|id| verdicts.get(&id));
            let comment = match logged {
                Some(logged) => comment(output.fabric_of(&logged.verdict), &logged.verdict),
                None => FABRICS_OWN.to_owned(),
            };
            writer.write(frame.at, frame.direction, &frame.bytes, &comment)?;
        }
        writer.finish()?;
    }
    Ok(())
}

/// What is said of a frame that nobody sent.
pub(crate) const FABRICS_OWN: &str = "the fabric's own";

/// `allow: rule sg-web/1 (inbound)`, under the rules that gave the verdict.
pub(crate) fn comment(fabric: &Fabric, verdict: &Verdict) -> String {
    if verdict.stage == Stage::Admit && verdict.allowed {
        return "answered by the fabric".to_owned();
    }
    let word = verdict_name(verdict.allowed);
    let answer = Answer::of(fabric, verdict);
    let by = match (verdict.because, &answer.rule, &answer.group) {
        (Because::Rule(_), Some(rule), _) => format!("rule {}", rule.id),
        (Because::SameGroup(_), _, Some(group)) => format!("same-group {group}"),
        (because, ..) => because.name().to_owned(),
    };
    format!("{word}: {by} ({})", verdict.stage.name())
}
