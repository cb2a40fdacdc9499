//! An answer together with what it answers: a line of a file of probes, or a frame of a replay.
//!
//! Owns the fields beside those of [`Answer`]. All stand in the order of their names, as there.

use serde::Serialize;

use crate::answer::{Answer, FORMAT_VERSION, RuleAnswer, SideAnswer};

/// What a program reads on a line of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Record {
    /// When the frame came in, in nanoseconds since the earliest frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ns: Option<u64>,
    /// As in [`Answer`].
    pub because: &'static str,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Version of this shape.
    pub format_version: &'static str,
    /// The frame's number, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<SideAnswer>,
    /// The line of the question, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<SideAnswer>,
    /// The port at which the frame came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleAnswer>,
    /// The sessions that the frame found condemned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions_cut: Vec<u64>,
    /// As in [`Answer`].
    pub stage: &'static str,
    /// As in [`Answer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// As in [`Answer`].
    pub verdict: &'static str,
}

impl Record {
    /// The answer to the question on a line.
    pub fn of_line(line: u64, answer: Answer) -> Record {
        Record { line: Some(line), ..Record::from(answer) }
    }
}

impl From<Answer> for Record {
    fn from(answer: Answer) -> Record {
        let Answer { because, class, detail, group, inbound, outbound, rule, stage, to, verdict } =
            answer;
        Record {
            at_ns: None,
            because,
            class,
            detail,
            format_version: FORMAT_VERSION,
            frame: None,
            group,
            inbound,
            line: None,
            outbound,
            port: None,
            rule,
            sessions_cut: Vec::new(),
            stage,
            to,
            verdict,
        }
    }
}

/// What is said instead of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Refusal {
    /// Why.
    pub error: RefusalReason,
    /// Version of this shape.
    pub format_version: &'static str,
    /// The line of the question, counted from 1.
    pub line: u64,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RefusalReason {
    /// A stable code.
    pub code: &'static str,
    /// In a sentence.
    pub message: String,
}

impl Refusal {
    /// A line without an answer.
    pub fn new(line: u64, code: &'static str, message: String) -> Refusal {
        Refusal { error: RefusalReason { code, message }, format_version: FORMAT_VERSION, line }
    }
}
