//! `explain --probes`: many questions for scripts, an answer each, in the order of the questions.
//!
//! Answers go out as they come, so that a program may ask, read, and ask again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use ringfence_scenario::answer::FORMAT_VERSION;
use ringfence_scenario::batch::{Asked, BatchError};
use ringfence_scenario::record::{Record, Refusal};
use ringfence_scenario::{Batch, Scenario};
use serde::Serialize;

use crate::cli::{Expected, ExplainArgs, Format};
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{BAD, FAINT, GOOD, Out, Output};

/// `explain --probes`
pub(crate) fn batch(
    args: &ExplainArgs,
    probes: &Path,
    scenario: Scenario,
    output: &Output,
) -> Result<Outcome, Failure> {
    let mut questions = open(probes)?;
    let mut answers = Answers {
        output: *output,
        out: output.out(),
        batch: Batch::new(scenario.fabric),
        expected: args.expect,
        is_first: true,
        tally: Tally::default(),
    };
    answers.begin()?;
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        // whoever waits for an answer before asking on gets it
        if questions.buffer().is_empty() {
            answers.out.flush()?;
        }
        line.clear();
        let read = questions.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::cannot_read(probes, &error))? == 0 {
            break;
        }
        number += 1;
        let question = line.trim_ascii();
        if !question.is_empty() {
            answers.answer(number, question)?;
        }
    }
    answers.end()?;
    answers.out.flush()?;
    Ok(answers.tally.outcome(output, probes, args.expect))
}

fn open(path: &Path) -> Result<BufReader<Box<dyn io::Read>>, Failure> {
    let stream: Box<dyn io::Read> = match files::is_stdin(path) {
        true => Box::new(io::stdin()),
        false => {
            let file = File::open(path).map_err(|error| Failure::cannot_read(path, &error))?;
            Box::new(file)
        }
    };
    Ok(BufReader::with_capacity(1 << 16, stream))
}

/// Lines that are to be told of at the end: how many, the first one, and what was said of it.
#[derive(Default)]
struct Lines {
    count: u64,
    first: Option<(u64, String)>,
}

impl Lines {
    fn add(&mut self, line: u64, what: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(|| (line, what()));
    }
}

#[derive(Default)]
struct Tally {
    answered: u64,
    refused: Lines,
    disagreed: Lines,
    unexpected: Lines,
}

impl Tally {
    /// Says what was wrong, the worst last.
    fn outcome(&self, output: &Output, probes: &Path, expected: Option<Expected>) -> Outcome {
        let Tally { answered, refused, disagreed, unexpected } = self;
        let asked = answered + refused.count + disagreed.count;
        let word = match expected {
            Some(Expected::Allow) => "allow",
            Some(Expected::Deny) | None => "deny",
        };
        let unexpected_words = format!("verdicts are not `{word}`");
        let kinds = [
            (unexpected, unexpected_words.as_str(), Outcome::False),
            (refused, "lines are no questions", Outcome::Invalid),
            (disagreed, "answers differ from the reference", Outcome::Failed),
        ];
        let mut outcome = Outcome::Good;
        for (Lines { count, first }, words, worse) in kinds {
            if let Some((line, what)) = first {
                let place = format!("{}:{line}", probes.display());
                output.error(&format!("{count} of {asked} {words}; the first: {place}: {what}"));
                outcome = worse;
            }
        }
        outcome
    }
}

/// Where answers go.
struct Answers {
    output: Output,
    out: Out,
    batch: Batch,
    expected: Option<Expected>,
    is_first: bool,
    tally: Tally,
}

impl Answers {
    fn answer(&mut self, line: u64, question: &[u8]) -> Result<(), Failure> {
        match self.batch.ask(question) {
            Ok(asked) => {
                self.tally.answered += 1;
                let allowed = asked.verdict.allowed;
                if self.expected.is_some_and(|it| (it == Expected::Allow) != allowed) {
                    let batch = &self.batch;
                    let tuple = asked.packet.tuple;
                    self.tally
                        .unexpected
                        .add(line, || format!("{tuple}: {}", batch.reason(&asked)));
                }
                self.print(line, &asked)
            }
            Err(error) => {
                let message = error.to_string();
                let lines = match error {
                    BatchError::Probe(_) => &mut self.tally.refused,
                    BatchError::Disagreement(_) => &mut self.tally.disagreed,
                };
                lines.add(line, || message.clone());
                self.print_refusal(line, error.code(), message)
            }
        }
    }

    fn print(&mut self, line: u64, asked: &Asked) -> Result<(), Failure> {
        let answer = self.batch.answer(asked);
        if !self.output.format.is_for_people() {
            return self.record(&Record::of_line(line, answer));
        }
        let (style, word) = if answer.allowed() { (GOOD, "ALLOW") } else { (BAD, "DENY") };
        let (tuple, reason) = (asked.packet.tuple, self.batch.reason(asked));
        write!(self.out, "{line:>6}  {style}{word:<5}{style:#}  {tuple}, {reason}")?;
        if self.output.format == Format::Wide {
            let from = self.batch.fabric().world.place_name(asked.packet.port);
            let to = answer.to.as_deref().unwrap_or("nobody");
            write!(self.out, "  {FAINT}({from} to {to}, {}){FAINT:#}", answer.stage)?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn print_refusal(
        &mut self,
        line: u64,
        code: &'static str,
        message: String,
    ) -> Result<(), Failure> {
        if self.output.format.is_for_people() {
            writeln!(self.out, "{line:>6}  {BAD}error{BAD:#}  {code}: {message}")?;
            return Ok(());
        }
        self.record(&Refusal::new(line, code, message))
    }

    /// One document a line; an array has one element a line.
    fn record(&mut self, record: &impl Serialize) -> Result<(), Failure> {
        let before: &[u8] = match (self.output.format, self.is_first) {
            (Format::Json, true) => b"\n    ",
            (Format::Json, false) => b",\n    ",
            // a JSON object is a YAML flow mapping
            (Format::Yaml, true) => b"\n- ",
            (Format::Yaml, false) => b"- ",
            _ => b"",
        };
        self.is_first = false;
        self.out.write_all(before)?;
        serde_json::to_writer(&mut self.out, record).map_err(io::Error::from)?;
        if self.output.format != Format::Json {
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        match self.output.format {
            Format::Json => self.out.write_all(b"{\n  \"answers\": [")?,
            Format::Yaml => self.out.write_all(b"answers:")?,
            Format::Table | Format::Wide | Format::Jsonl => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let version = FORMAT_VERSION;
        match (self.output.format, self.is_first) {
            (Format::Json, true) => {
                writeln!(self.out, "],\n  \"format_version\": \"{version}\"\n}}")
            }
            (Format::Json, false) => {
                writeln!(self.out, "\n  ],\n  \"format_version\": \"{version}\"\n}}")
            }
            (Format::Yaml, true) => writeln!(self.out, " []\nformat_version: '{version}'"),
            (Format::Yaml, false) => writeln!(self.out, "format_version: '{version}'"),
            (Format::Table | Format::Wide | Format::Jsonl, _) => Ok(()),
        }?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worst thing decides the exit code.
    #[test]
    fn the_outcome_of_a_batch() {
        let lines = |count| {
            let mut lines = Lines::default();
            (1..=count).for_each(|line| lines.add(line, || "said".to_owned()));
            lines
        };
        let output = Output::new(Format::Jsonl);
        for ((unexpected, refused, disagreed), outcome) in [
            ((0, 0, 0), Outcome::Good),
            ((2, 0, 0), Outcome::False),
            ((2, 1, 0), Outcome::Invalid),
            ((2, 1, 1), Outcome::Failed),
            ((0, 0, 1), Outcome::Failed),
        ] {
            let tally = Tally {
                answered: 3,
                refused: lines(refused),
                disagreed: lines(disagreed),
                unexpected: lines(unexpected),
            };
            let found = tally.outcome(&output, Path::new("probes.jsonl"), None);
            assert_eq!(found, outcome, "{unexpected} {refused} {disagreed}");
        }
    }
}
