//! The single values of a scenario file: text, numbers, addresses, times, words with a meaning.
//!
//! Owns how each is written and what is said when it is not. A masked value (`172.16.XX.XX`,
//! `sg-bp1hv****`) is refused wherever it stands, since the document shows only masked ones.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ringfence_cloud::Origin;
use ringfence_frame::{Instant, MacAddr};
use ringfence_policy::Text;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::node::{Node, Value};
use super::read::{Findings, Read};
use crate::diagnostic::suggestion;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Located<T> {
    pub value: T,
    pub origin: Origin,
}

/// The text of a scalar, or a finding.
pub(super) fn scalar<'a>(node: &'a Node, wanted: &str, findings: &mut Findings) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(text) => Some(text),
        Value::Null => {
            let message = format!("nothing stands here, where {wanted} should");
            findings.error("RF0008", &node.origin, message, format!("write {wanted}"));
            None
        }
        Value::List(_) | Value::Map(_) => findings.wrong_kind(node, wanted),
    }
}

/// Whether digits or letters of an address, account or id were replaced by stars or X.
pub(crate) fn is_masked(text: &str) -> bool {
    let masked_octet = |part: &str| part.len() > 1 && part.bytes().all(|byte| byte == b'X');
    text.contains("**") || text.split(['.', ':', '/']).any(masked_octet)
}

/// Reports a masked value; whether it was one.
pub(crate) fn report_masked(text: &str, origin: &Origin, findings: &mut Findings) -> bool {
    if !is_masked(text) {
        return false;
    }
    let message = format!("`{text}` is masked");
    let help = "the document hides real values with stars and XX: put a concrete one in its place";
    findings.error("RF0015", origin, message, help);
    true
}

impl Read for Text {
    fn read(node: &Node, findings: &mut Findings) -> Option<Text> {
        let value = scalar(node, "a text", findings)?.to_owned();
        Some(Text { value, origin: node.origin.clone() })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// The id of something: letters, digits, `.`, `_`, `-`. Also used for references.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Id(pub Text);

impl Read for Id {
    fn read(node: &Node, findings: &mut Findings) -> Option<Id> {
        let value = scalar(node, "an id", findings)?;
        if report_masked(value, &node.origin, findings) {
            return None;
        }
        let usable = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        if value.is_empty() || !value.chars().all(usable) || value.parse::<IpAddr>().is_ok() {
            let message = format!("`{}` cannot be an id", value.escape_debug());
            let help = "an id has letters, digits, `.`, `_` and `-`, and is no address";
            findings.error("RF0016", &node.origin, message, help);
            return None;
        }
        Some(Id(Text { value: value.to_owned(), origin: node.origin.clone() }))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "pattern": "^[\\p{L}\\p{N}._-]+$" })
    }
}

impl Read for bool {
    fn read(node: &Node, findings: &mut Findings) -> Option<bool> {
        match scalar(node, "`true` or `false`", findings)? {
            "true" | "True" | "TRUE" | "yes" => Some(true),
            "false" | "False" | "FALSE" | "no" => Some(false),
            other => {
                let message = format!("`{}` is neither `true` nor `false`", other.escape_debug());
                findings.error("RF0009", &node.origin, message, "write `true` or `false`");
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

macro_rules! read_number {
    ($($type:ty),*) => {$(
        impl Read for Located<$type> {
            fn read(node: &Node, findings: &mut Findings) -> Option<Located<$type>> {
                let text = scalar(node, "a number", findings)?;
                match text.parse() {
                    Ok(value) => Some(Located { value, origin: node.origin.clone() }),
                    Err(_) => {
                        let message = format!("`{}` is not a number that fits", text.escape_debug());
                        let help = format!("write a whole number from 0 to {}", <$type>::MAX);
                        findings.error("RF0010", &node.origin, message, help);
                        None
                    }
                }
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "minimum": 0, "maximum": <$type>::MAX })
            }
        }
    )*};
}
read_number!(u8, u16, u32, u64);

/// An address, a range or a MAC address, by its own parser.
fn parsed<T: FromStr>(node: &Node, wanted: &str, findings: &mut Findings) -> Option<Located<T>> {
    let text = scalar(node, wanted, findings)?;
    if report_masked(text, &node.origin, findings) {
        return None;
    }
    match text.parse() {
        Ok(value) => Some(Located { value, origin: node.origin.clone() }),
        Err(_) => {
            let message = format!("`{}` is not {wanted}", text.escape_debug());
            findings.error("RF0011", &node.origin, message, format!("write {wanted}"));
            None
        }
    }
}

macro_rules! read_address {
    ($($type:ty: $wanted:literal,)*) => {$(
        impl Read for Located<$type> {
            fn read(node: &Node, findings: &mut Findings) -> Option<Located<$type>> {
                parsed(node, $wanted, findings)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $wanted })
            }
        }
    )*};
}
read_address! {
    IpAddr: "an address such as 203.0.113.7 or 2001:db8::7",
    Ipv4Addr: "an IPv4 address such as 172.16.1.10",
    Ipv6Addr: "an IPv6 address such as 2408:4005:1::10",
    MacAddr: "a MAC address such as 00:16:3e:00:00:01",
}

/// A range; host bits are masked, with a warning.
fn range<T: FromStr + Display + PartialEq + Copy>(
    node: &Node,
    wanted: &str,
    trunc: fn(&T) -> T,
    findings: &mut Findings,
) -> Option<Located<T>> {
    let range = parsed::<T>(node, wanted, findings)?;
    let value = trunc(&range.value);
    if value != range.value {
        let message = format!("`{}` has host bits set; it is read as {value}", range.value);
        findings.warning("RF0012", &range.origin, message, format!("write {value}"));
    }
    Some(Located { value, origin: range.origin })
}

macro_rules! read_range {
    ($($type:ty: $wanted:literal,)*) => {$(
        impl Read for Located<$type> {
            fn read(node: &Node, findings: &mut Findings) -> Option<Located<$type>> {
                range(node, $wanted, <$type>::trunc, findings)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $wanted })
            }
        }
    )*};
}
read_range! {
    IpNet: "a range such as 10.50.0.0/16 or 2408:4005:1::/56",
    Ipv4Net: "an IPv4 range such as 172.16.0.0/16",
    Ipv6Net: "an IPv6 range such as 2408:4005:1::/56",
}

const DURATION: &str = "a time with its unit, such as 50us, 2 ms or 30s";

impl Read for Located<Duration> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<Duration>> {
        let text = scalar(node, DURATION, findings)?;
        match duration(text) {
            Ok(value) => Some(Located { value, origin: node.origin.clone() }),
            Err(message) => {
                findings.error("RF0013", &node.origin, message, format!("write {DURATION}"));
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": DURATION })
    }
}

impl Read for Located<Instant> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<Instant>> {
        let Located { value, origin } = Located::<Duration>::read(node, findings)?;
        Some(Located { value: Instant::START + value, origin })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Located::<Duration>::schema(generator)
    }
}

/// The longest time that a scenario may name: ten years, far below what the clock holds.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

fn duration(text: &str) -> Result<Duration, String> {
    let shown = text.escape_debug();
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("`{shown}` is negative, and time does not run backwards"));
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.parse::<f64>().is_ok() {
        return Err(format!("`{shown}` has no unit"));
    }
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{shown}` is not a time"))?;
    match Duration::try_from(span) {
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        Ok(_) => Err(format!("`{shown}` is longer than ten years")),
        Err(_) => Err(format!("`{shown}` is negative, and time does not run backwards")),
    }
}

/// Bits a second: `10 Mbit/s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bandwidth(pub u64);

const BANDWIDTH: &str = "a bandwidth such as 10 Mbit/s, 1 Gbit/s or 64 kbit/s";

impl Read for Located<Bandwidth> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<Bandwidth>> {
        let text = scalar(node, BANDWIDTH, findings)?;
        match bandwidth(text) {
            Some(value) => Some(Located { value: Bandwidth(value), origin: node.origin.clone() }),
            None => {
                let message = format!("`{}` is not a bandwidth", text.escape_debug());
                findings.error("RF0013", &node.origin, message, format!("write {BANDWIDTH}"));
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "description": BANDWIDTH })
    }
}

fn bandwidth(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.trim_end_matches("/s").trim_end_matches("ps");
    let scale = match unit {
        "" | "bit" | "b" => 1,
        "kbit" | "kb" | "k" => 1_000,
        "mbit" | "mb" | "m" => 1_000_000,
        "gbit" | "gb" | "g" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale).filter(|&bits| bits > 0)
}

/// A part of a whole: `0.01` or `1%`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Part(pub f64);

impl Read for Located<Part> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<Part>> {
        let text = scalar(node, "a part such as 0.01 or 1%", findings)?;
        let part = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => text.trim().parse::<f64>(),
        };
        match part {
            Ok(part) if (0.0..=1.0).contains(&part) => {
                Some(Located { value: Part(part), origin: node.origin.clone() })
            }
            _ => {
                let message = format!("`{}` is not a part of frames", text.escape_debug());
                let help = "write 0 to 1, or 0% to 100%";
                findings.error("RF0010", &node.origin, message, help);
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"] })
    }
}

/// A word out of a few, each with a meaning. Read without regard to case; `_` and blanks count
/// as `-`.
pub(crate) trait Choice: Copy + 'static {
    /// What it is: `a verdict`.
    const WHAT: &'static str;

    /// Every word with its meaning, in the order in which messages list them; words after the
    /// first for one meaning are other spellings.
    fn words() -> Vec<(&'static str, Self)>;
}

impl<T: Choice> Read for Located<T> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Located<T>> {
        let text = scalar(node, T::WHAT, findings)?;
        match choose::<T>(text) {
            Ok(value) => Some(Located { value, origin: node.origin.clone() }),
            Err((message, help)) => {
                findings.error("RF0009", &node.origin, message, help);
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::words().into_iter().map(|(word, _)| word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// The meaning of a word, or what is wrong and what would be right.
pub(crate) fn choose<T: Choice>(text: &str) -> Result<T, (String, String)> {
    let normal: String = text
        .trim()
        .chars()
        .map(|c| if matches!(c, '_' | ' ') { '-' } else { c.to_ascii_lowercase() })
        .collect();
    let words = T::words();
    let matches = |word: &str| word.replace(' ', "-") == normal;
    if let Some(&(_, value)) = words.iter().find(|(word, _)| matches(word)) {
        return Ok(value);
    }
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let help = match suggestion(&normal, all.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", all.join(", ")),
    };
    Err((format!("`{}` is not {}", text.escape_debug(), T::WHAT), help))
}
