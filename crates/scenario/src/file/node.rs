//! A YAML text as a tree whose every node knows its place.
//!
//! Owns what YAML itself asks for: syntax, aliases, size and depth. Scalars stay as they were
//! written (`1`, `080`, `1609982529920001`), since what they mean depends on who reads them.
//! Repeated keys are kept, so that every one of them can be reported.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ringfence_cloud::Origin;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::{Diagnostic, Source};

/// Bytes of a file. The largest worlds that the switch is made for take a tenth of it.
pub(crate) const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How deep lists and maps may nest; a scenario needs ten.
const DEPTH_MAX: usize = 40;

/// Nodes, those that aliases repeat included.
const NODES_MAX: usize = 1_000_000;

/// Nodes that aliases repeat.
const REPEATED_MAX: usize = 200_000;

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    /// Any scalar, as written; quotes and escapes resolved.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads a text.
///
/// # Errors
/// What YAML itself refuses: the first such place.
pub(crate) fn parse(source: &Source) -> Result<Node, Box<Diagnostic>> {
    let text = source.text.as_ref();
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes", text.len());
        let help = format!("a scenario has at most {FILE_BYTES_MAX} bytes");
        return Err(Box::new(Diagnostic::error("RF0003", message, help, source.start())));
    }
    if text.trim_start_matches('\u{feff}').lines().all(is_blank_or_comment) {
        let message = "the file is empty".to_owned();
        let help = "a scenario starts with a `title`; `ringfence explain-code RF0004` shows one";
        return Err(Box::new(Diagnostic::error("RF0004", message, help, source.start())));
    }
    if let Some(at) = bare_carriage_return(text) {
        let message = "a carriage return without a line feed".to_owned();
        let help = "end lines as Unix or Windows does: YAML would count lines as no editor does";
        return Err(Box::new(Diagnostic::error("RF0002", message, help, source.origin_at(at, 0))));
    }
    let parsed = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options());
    match parsed {
        Ok(raw) => Ok(Places::new(source).node(raw)),
        Err(error) => Err(Box::new(refusal(source, &error))),
    }
}

/// YAML ends a line there, and nothing that shows the file does.
fn bare_carriage_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPEATED_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_documents: 16,
        },
    }
}

/// A node before its scalars were looked up in the text.
enum Raw {
    Null,
    /// Something that YAML takes for a number or a truth value: its text is in the source.
    Typed,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

/// Turns the parser's places into ours.
struct Places<'a> {
    source: &'a Source,
}

impl<'a> Places<'a> {
    fn new(source: &'a Source) -> Places<'a> {
        Places { source }
    }

    fn node(&self, raw: Spanned<Raw>) -> Node {
        let Spanned { value, referenced, defined } = raw;
        let (value, origin) = match value {
            Raw::Null => (Value::Null, self.origin(&referenced)),
            Raw::Typed => (Value::Scalar(self.as_written(&defined)), self.origin(&referenced)),
            Raw::Text(text) => (Value::Scalar(text), self.origin(&referenced)),
            Raw::List(items) => {
                let items = items.into_iter().map(|item| self.node(item)).collect();
                (Value::List(items), self.line_origin(&referenced))
            }
            Raw::Map(entries) => {
                let entries = entries.into_iter();
                let entries = entries.map(|(key, value)| (self.node(key), self.node(value)));
                (Value::Map(entries.collect()), self.line_origin(&referenced))
            }
        };
        Node { value, origin }
    }

    fn as_written(&self, location: &Location) -> String {
        let origin = self.origin(location);
        self.source.text.get(origin.start..origin.start + origin.len).unwrap_or_default().to_owned()
    }

    fn origin(&self, location: &Location) -> Origin {
        let (start, len) = match (location.span().byte_offset(), location.span().byte_len()) {
            (Some(start), Some(len)) => (as_usize(start), as_usize(len)),
            _ => (self.source.byte_at(location.line(), location.column()), 0),
        };
        let end = self.source.text.len();
        let start = start.min(end);
        Origin {
            file: Arc::clone(&self.source.name),
            line: as_u32(location.line()),
            column: as_u32(location.column()),
            start,
            len: len.min(end - start),
        }
    }

    /// The place of a list or map: from its start to the end of that line, comments left out.
    fn line_origin(&self, location: &Location) -> Origin {
        let origin = self.origin(location);
        if self.source.text[origin.start..].starts_with('*') {
            return origin;
        }
        let rest = self.source.text.get(origin.start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let line = line.split(" #").next().unwrap_or_default();
        Origin { len: line.trim_end().len(), ..origin }
    }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn as_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What is mostly meant where YAML gives up: the tables of the document have `Source: 0.0.0.0/0`.
fn syntax_help(message: &str) -> &'static str {
    if message.contains("mapping values are not allowed") {
        "a value that holds `: ` needs quotes, as in \"Destination: 80/80\""
    } else if message.contains("did not find expected ','") {
        "is a comma missing, or quotes around a value that holds `: `, as in \"Destination: 80/80\"?"
    } else {
        ""
    }
}

fn refusal(source: &Source, error: &serde_saphyr::Error) -> Diagnostic {
    use serde_saphyr::Error;
    let origin = match error.location() {
        Some(location) => Places::new(source).origin(&location),
        None => source.start(),
    };
    let message = error.to_string();
    let message = match message.find(" at line ") {
        Some(end) => Cow::Borrowed(&message[..end]),
        None => Cow::Owned(message),
    };
    // Aliases are counted while they are replayed, where the parser's errors are wrapped.
    let (code, message, help) = match error {
        Error::Budget { .. } => (
            "RF0003",
            format!("the file grows beyond all bounds here ({message})"),
            format!("a scenario has at most {NODES_MAX} values, {DEPTH_MAX} levels deep"),
        ),
        _ if message.contains("alias") && message.contains("exceeded") => (
            "RF0003",
            "aliases of aliases make the file grow beyond all bounds".to_owned(),
            format!("aliases may repeat {REPEATED_MAX} values in all"),
        ),
        _ if message.contains("recursion limit") => (
            "RF0003",
            "lists and maps nest too deep here".to_owned(),
            format!("a scenario is at most {DEPTH_MAX} levels deep"),
        ),
        Error::MultipleDocuments { .. } => (
            "RF0002",
            "a second YAML document starts here".to_owned(),
            "one file holds one scenario: make two files of it".to_owned(),
        ),
        _ => ("RF0002", format!("this is not YAML: {message}"), syntax_help(&message).to_owned()),
    };
    Diagnostic::error(code, message, help, origin)
}
