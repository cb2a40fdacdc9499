//! The canonical layout of a scenario file.
//!
//! Owns white space alone: no tab, no blank at the end of a line, no carriage return, one blank
//! line at most between two things, none at the start, one newline at the end. Comments, quotes
//! and the order of keys stay as they are, since the file is its author's. What stands in a
//! multi-line text is not touched, and a text that would then mean something else is left as it is.

use crate::file::node::{Node, Value, parse};
use crate::{Diagnostic, Source};

/// The text in its canonical layout.
///
/// # Errors
/// Why it is no YAML.
pub fn format_source(source: &Source) -> Result<String, Box<Diagnostic>> {
    parse(source)?;
    Ok(format(&source.text))
}

/// The text in its canonical layout. Formatting twice is formatting once; a text that is no YAML
/// comes back as it is.
pub fn format(text: &str) -> String {
    let Some(before) = read(text) else {
        return text.to_owned();
    };
    let formatted = laid_out(text, &before);
    match read(&formatted) {
        Some(after) if same(&before, &after) => formatted,
        _ => text.to_owned(),
    }
}

fn read(text: &str) -> Option<Node> {
    parse(&Source::new("scenario", text)).ok()
}

fn laid_out(text: &str, node: &Node) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut kept = Vec::new();
    // Where the text changed (a byte order mark, carriage returns) places are those of the new one.
    match read(&text) {
        Some(node) => texts_over_lines(&text, &node, &mut kept),
        None => texts_over_lines(&text, node, &mut kept),
    }
    kept.sort_unstable();
    let mut formatted = String::with_capacity(text.len() + 1);
    let mut blank_lines = 0;
    for (line, number) in text.lines().zip(1u32..) {
        let inside = is_inside(&kept, number);
        let line = match inside {
            true => line.to_owned(),
            false => spaced(line.trim_end()),
        };
        if line.is_empty() && !inside {
            blank_lines += 1;
            continue;
        }
        if blank_lines > 0 && !formatted.is_empty() {
            formatted.push('\n');
        }
        blank_lines = 0;
        formatted.push_str(&line);
        formatted.push('\n');
    }
    formatted
}

/// A line without tabs before its first word.
fn spaced(line: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let (indent, rest) = line.split_at(start);
    format!("{}{rest}", indent.replace('\t', "  "))
}

/// Lines `first..=last` of every text that goes over several lines.
fn texts_over_lines(text: &str, node: &Node, kept: &mut Vec<(u32, u32)>) {
    match &node.value {
        Value::Null => {}
        Value::Scalar(_) => {
            let origin = &node.origin;
            let written = text.get(origin.start..origin.start + origin.len).unwrap_or_default();
            let lines = written.trim_end_matches('\n').matches('\n').count();
            if written.contains('\n') {
                let lines = u32::try_from(lines).unwrap_or(u32::MAX);
                kept.push((origin.line, origin.line.saturating_add(lines)));
            }
        }
        Value::List(items) => items.iter().for_each(|item| texts_over_lines(text, item, kept)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            texts_over_lines(text, key, kept);
            texts_over_lines(text, value, kept);
        }),
    }
}

fn is_inside(kept: &[(u32, u32)], line: u32) -> bool {
    let after = kept.partition_point(|(first, _)| *first <= line);
    kept[..after].last().is_some_and(|(_, last)| line <= *last)
}

/// Whether two trees say the same.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Null, Value::Null) => true,
        (Value::Scalar(a), Value::Scalar(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let entries = a.iter().zip(b);
            a.len() == b.len()
                && entries.into_iter().all(|((k, v), (l, w))| same(k, l) && same(v, w))
        }
        _ => false,
    }
}
