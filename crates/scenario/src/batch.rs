//! Batch questions: a line in, an answer out, each as if nothing had been before.
//!
//! Owns the way from a line to its verdict; the reading of the line is `probes`', the verdict and
//! its comparison with the reference `explain`'s.

use ringfence_switch::{Fabric, Verdict};

use crate::answer::Answer;
use crate::probe::{ProbeError, Resolved, resolve};
use crate::probes::parse_probe_line;
use crate::{Disagreement, Explainer, explain};

/// A world that answers line by line.
pub struct Batch {
    explainer: Explainer,
}

/// What became of the packet of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The packet.
    pub packet: Resolved,
    /// The verdict.
    pub verdict: Verdict,
}

/// Why a line has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// It is no question about this world.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Frames and reference say different things.
    #[error(transparent)]
    Disagreement(#[from] Box<Disagreement>),
}

impl BatchError {
    /// A stable code; those that begin with `RF` have a longer text.
    pub fn code(&self) -> &'static str {
        match self {
            BatchError::Probe(error) => error.code(),
            BatchError::Disagreement(_) => "disagreement",
        }
    }
}

impl Batch {
    /// A world to ask.
    pub fn new(fabric: Fabric) -> Batch {
        Batch { explainer: Explainer::new(fabric) }
    }

    /// What is asked.
    pub fn fabric(&self) -> &Fabric {
        self.explainer.fabric()
    }

    /// Answers a line (JSON, without its end).
    ///
    /// # Errors
    /// What is wrong with it, or [`Disagreement`].
    pub fn ask(&mut self, line: &[u8]) -> Result<Asked, BatchError> {
        let line = std::str::from_utf8(line).map_err(|error| {
            let place = error.valid_up_to() + 1;
            ProbeError::Unreadable(format!("byte {place} of the line is not UTF-8"))
        })?;
        let world = &self.explainer.fabric().world;
        let packet = resolve(world, &parse_probe_line(world, line)?)?;
        let verdict = self.explainer.verdict(&packet).map_err(Box::new)?;
        Ok(Asked { packet, verdict })
    }

    /// What became of it, by name.
    pub fn answer(&self, asked: &Asked) -> Answer {
        Answer::of(self.explainer.fabric(), &asked.verdict)
    }

    /// Why, in a sentence.
    pub fn reason(&self, asked: &Asked) -> String {
        explain::reason(self.explainer.fabric(), &asked.verdict)
    }
}
