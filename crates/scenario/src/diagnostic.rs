//! What is wrong with an input, where, and what would be right.
//!
//! Owns how findings are shown to people and to programs. The longer texts of the codes are in
//! `codes`.

use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use ringfence_cloud::Origin;

pub use crate::codes::{codes, explain_code};

/// A text that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file's name as the user gave it.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

impl Source {
    /// A text from memory.
    pub fn new(name: &str, text: &str) -> Source {
        Source { name: Arc::from(name), text: Arc::from(text) }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// `RF0001` with the place of the first byte that is not UTF-8. The diagnostic renders
    /// against the returned source, in which such bytes are replaced.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Source, Box<(Source, Diagnostic)>> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Source::new(name, &text)),
            Err(error) => error,
        };
        let valid = error.utf8_error().valid_up_to();
        let bad = error.as_bytes().get(valid).copied().unwrap_or_default();
        let lossy = String::from_utf8_lossy(error.as_bytes());
        let source = Source::new(name, &lossy);
        let origin = source.origin_at(valid, '\u{fffd}'.len_utf8());
        let message = format!("the byte 0x{bad:02x} is not UTF-8");
        let help = "save the file as UTF-8";
        let diagnostic = Diagnostic::error("RF0001", message, help, origin);
        Err(Box::new((source, diagnostic)))
    }

    /// The first byte.
    pub(crate) fn start(&self) -> Origin {
        Origin { file: Arc::clone(&self.name), line: 1, column: 1, start: 0, len: 0 }
    }

    /// The place of some bytes.
    pub(crate) fn origin_at(&self, start: usize, len: usize) -> Origin {
        let (line, column) = self.position(start);
        Origin { file: Arc::clone(&self.name), line, column, start, len }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    fn position(&self, byte: usize) -> (u32, u32) {
        let before = &self.text[..floor_char(&self.text, byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The byte at a line and column that count from 1.
    pub(crate) fn byte_at(&self, line: u64, column: u64) -> usize {
        let line = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let column = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
        let mut start = 0;
        for text in self.text.split_inclusive('\n').take(line) {
            start += text.len();
        }
        let rest = self.text[start..].lines().next().unwrap_or_default();
        start + rest.char_indices().nth(column).map_or(rest.len(), |(byte, _)| byte)
    }
}

fn floor_char(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// Refused or only said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Refused.
    Error,
    /// Said.
    Warning,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Refused or only said.
    pub severity: Severity,
    /// Stable code, `RF0123`; `ringfence explain-code` has the longer text.
    pub code: &'static str,
    /// The platform's own error code, where it has one.
    pub platform_code: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub help: String,
    /// Where.
    pub origin: Origin,
    /// Other places that matter, with what they are.
    pub related: Vec<(Origin, String)>,
}

impl Diagnostic {
    /// A refusal.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
        origin: Origin,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            platform_code: None,
            message: message.into(),
            help: help.into(),
            origin,
            related: Vec::new(),
        }
    }

    /// Something that is only said.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
        origin: Origin,
    ) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message, help, origin) }
    }

    /// Whether it refuses the input.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// As a person reads it: code, message, file, line, column, the line itself, help.
    pub fn render(&self, source: &Source, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = match self.platform_code {
            Some(platform) => format!("{} [{platform}]", self.message),
            None => self.message.clone(),
        };
        let title = level.primary_title(message).id(self.code);
        let shown = |origin: &Origin| origin.file == source.name;
        let mut snippet = Snippet::source(source.text.as_ref()).path(source.name.as_ref());
        if shown(&self.origin) {
            let primary = AnnotationKind::Primary.span(span(source, &self.origin));
            snippet = snippet.annotation(match self.help.as_str() {
                "" => primary,
                help => primary.label(help),
            });
        }
        for (origin, what) in self.related.iter().filter(|(origin, _)| shown(origin)) {
            let context = AnnotationKind::Context.span(span(source, origin));
            snippet = snippet.annotation(context.label(what.as_str()));
        }
        let mut group = match shown(&self.origin) {
            true => title.element(snippet),
            false => Group::with_title(title),
        };
        if !shown(&self.origin) && !self.help.is_empty() {
            group = group.element(Level::HELP.message(self.help.clone()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]).to_string()
    }

    /// As programs read it, in the shape that `terraform validate -json` gives a diagnostic.
    pub fn to_json(&self, source: &Source) -> serde_json::Value {
        let range = (self.origin.file == source.name).then(|| {
            let span = span(source, &self.origin);
            let place = |byte: usize| {
                let (line, column) = source.position(byte);
                serde_json::json!({ "line": line, "column": column, "byte": byte })
            };
            serde_json::json!({
                "filename": &*self.origin.file,
                "start": place(span.start),
                "end": place(span.end),
            })
        });
        let snippet = range.is_some().then(|| {
            let start = span(source, &self.origin).start;
            let line_start = source.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
            let line = source.text[line_start..].lines().next().unwrap_or_default();
            let highlight = start - line_start;
            serde_json::json!({
                "code": line,
                "start_line": self.origin.line,
                "highlight_start_offset": highlight,
                "highlight_end_offset": (highlight + self.origin.len).min(line.len()),
            })
        });
        serde_json::json!({
            "severity": match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "code": self.code,
            "platform_code": self.platform_code,
            "summary": self.message,
            "detail": self.help,
            "range": range,
            "snippet": snippet,
        })
    }
}

/// The code that was probably meant by one that does not exist.
pub fn suggested_code(code: &str) -> Option<&'static str> {
    suggestion(code, codes().iter().map(|(code, _)| *code))
}

/// The bytes of a place, on character boundaries of the text.
fn span(source: &Source, origin: &Origin) -> std::ops::Range<usize> {
    let start = floor_char(&source.text, origin.start);
    let end = floor_char(&source.text, origin.start.saturating_add(origin.len));
    start..end.max(start)
}

/// The nearest of some words, if one is near.
pub(crate) fn suggestion<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let length = word.chars().count();
    if length > 100 {
        return None;
    }
    words
        .into_iter()
        .map(|other| (distance(other), other))
        .filter(|&(distance, other)| {
            distance <= 1 + length.min(other.chars().count()) / 4
                || other.starts_with(&lower) && length >= 3
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, other)| other)
}
