//! The values of a generator that are written in a way of their own: how popular flows are, and how
//! long frames.

use ringfence_endpoints::generator::Popularity;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::leaves::{Located, scalar};
use super::node::{Node, Value};
use super::read::{Findings, Read};

const POPULARITY: &str = "`uniform`, `zipf`, or `zipf` with an exponent, such as `zipf 1.2`";
/// The largest exponent: beyond it there is but one flow.
const EXPONENT_MAX: f64 = 10.0;

impl Read for Located<Popularity> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<Popularity>> {
        let text = scalar(node, POPULARITY, findings)?;
        match popularity(text) {
            Ok(value) => Some(Located { value, origin: node.origin.clone() }),
            Err((code, message)) => {
                findings.error(code, &node.origin, message, format!("write {POPULARITY}"));
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": POPULARITY,
            "pattern": "^(uniform|zipf( [0-9]+(\\.[0-9]+)?)?)$"
        })
    }
}

fn popularity(text: &str) -> Result<Popularity, (&'static str, String)> {
    let shown = text.escape_debug();
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    match words[..] {
        ["uniform"] => Ok(Popularity::Uniform),
        ["zipf"] => Ok(Popularity::Zipf(1.0)),
        ["zipf", exponent] => match exponent.parse::<f64>() {
            Ok(exponent) if exponent > 0.0 && exponent <= EXPONENT_MAX => {
                Ok(Popularity::Zipf(exponent))
            }
            _ => Err((
                "RF0010",
                format!("`{shown}` has an exponent that is not above 0 and at most {EXPONENT_MAX}"),
            )),
        },
        _ => Err(("RF0009", format!("`{shown}` is no popularity of flows"))),
    }
}

/// Lengths of frames, without FCS: each as often as the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FrameBytes(pub Vec<u16>);

const FRAME_BYTES: &str = "a number of bytes, a list of them, or `imix`";
/// Lengths that one list may have.
const LENGTHS_MAX: usize = 64;

impl FrameBytes {
    /// The simple IMIX: 64, 570 and 1,518 bytes on the wire, 7 : 4 : 1.
    fn imix() -> FrameBytes {
        FrameBytes([vec![60; 7], vec![566; 4], vec![1_514]].concat())
    }
}

impl Read for Located<FrameBytes> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<FrameBytes>> {
        let origin = node.origin.clone();
        let located = |value| Some(Located { value, origin: origin.clone() });
        match &node.value {
            Value::List(items) if (1..=LENGTHS_MAX).contains(&items.len()) => {
                let lengths: Vec<_> = items
                    .iter()
                    .filter_map(|item| Located::<u16>::read(item, findings))
                    .map(|length| length.value)
                    .collect();
                (lengths.len() == items.len()).then(|| located(FrameBytes(lengths)))?
            }
            Value::List(items) => {
                let message = format!("{} lengths of frames", items.len());
                findings.error("RF0010", &origin, message, format!("write 1 to {LENGTHS_MAX}"));
                None
            }
            Value::Scalar(text) if text.trim().eq_ignore_ascii_case("imix") => {
                located(FrameBytes::imix())
            }
            Value::Scalar(text) if text.trim().starts_with(|c: char| c.is_alphabetic()) => {
                let message = format!("`{}` is no mix of frame lengths", text.escape_debug());
                findings.error("RF0009", &origin, message, format!("write {FRAME_BYTES}"));
                None
            }
            Value::Scalar(_) => {
                let length = Located::<u16>::read(node, findings)?;
                located(FrameBytes(vec![length.value]))
            }
            Value::Null | Value::Map(_) => {
                scalar(node, FRAME_BYTES, findings);
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({ "type": "integer", "minimum": 60, "maximum": 1_514 });
        json_schema!({
            "description": FRAME_BYTES,
            "anyOf": [
                number,
                { "type": "array", "items": number, "minItems": 1, "maxItems": LENGTHS_MAX },
                { "const": "imix" }
            ]
        })
    }
}
