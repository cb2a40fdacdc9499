//! Batch questions: one probe a line, as JSON.
//!
//! Owns the reading of a line. What a probe means in a world is `probe`'s.

use std::borrow::Cow;
use std::fmt;

use ringfence_cloud::{Reach, World};
use ringfence_frame::{Family, Protocol};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::file::leaves::choose;
use crate::load::SOURCE_PORT;
use crate::probe::{Probe, ProbeError, parse_parties};

/// A line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeLine<'a> {
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    protocol: ProtocolWord,
    source_port: Option<u16>,
    target_port: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    #[serde(borrow)]
    family: Option<Cow<'a, str>>,
    #[serde(borrow)]
    network: Option<Cow<'a, str>>,
}

/// "`protocol` is a name or a number".
struct ProtocolWord(Protocol);

impl<'de> Deserialize<'de> for ProtocolWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ProtocolWord, D::Error> {
        deserializer.deserialize_any(ProtocolVisitor)
    }
}

struct ProtocolVisitor;

impl Visitor<'_> for ProtocolVisitor {
    type Value = ProtocolWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a protocol: tcp, udp, icmp, icmpv6, gre, or a number from 0 to 255")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ProtocolWord, E> {
        let number = u8::try_from(number);
        let protocol = number.map_err(|_| E::custom(ProtocolError(&self).to_string()))?;
        Ok(ProtocolWord(Protocol(protocol)))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ProtocolWord, E> {
        let protocol = protocol_named(word);
        let protocol = protocol.ok_or_else(|| E::custom(ProtocolError(&self).to_string()))?;
        Ok(ProtocolWord(protocol))
    }
}

/// What a protocol should have been.
struct ProtocolError<'a>(&'a ProtocolVisitor);

impl fmt::Display for ProtocolError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not ")?;
        self.0.expecting(f)
    }
}

/// A protocol by its name (`tcp`, `icmpv6`, ...) or number.
pub fn protocol_named(word: &str) -> Option<Protocol> {
    match word.trim().to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::TCP),
        "udp" => Some(Protocol::UDP),
        "icmp" => Some(Protocol::ICMP),
        "icmpv6" => Some(Protocol::ICMPV6),
        "gre" => Some(Protocol::GRE),
        number => number.parse().ok().map(Protocol),
    }
}

/// Reads one line of a file of probes.
///
/// # Errors
/// Why it is no probe, or why it names nobody in this world.
pub fn parse_probe_line(world: &World, line: &str) -> Result<Probe, ProbeError> {
    let line: ProbeLine<'_> =
        serde_json::from_str(line).map_err(|error| ProbeError::Unreadable(error.to_string()))?;
    let protocol = line.protocol.0;
    if protocol.has_ports() && line.target_port.is_none() {
        return Err(ProbeError::NoTargetPort(protocol));
    }
    let family = match line.family {
        Some(word) => choose::<Family>(&word).map_err(in_words)?,
        None if protocol == Protocol::ICMPV6 => Family::Ipv6,
        None => Family::Ipv4,
    };
    let network = match line.network {
        Some(word) => Some(choose::<Reach>(&word).map_err(in_words)?),
        None => None,
    };
    let echo = match protocol {
        Protocol::ICMP => Some(8),
        Protocol::ICMPV6 => Some(128),
        _ => None,
    };
    let icmp = echo.map(|echo| (line.icmp_type.unwrap_or(echo), line.icmp_code.unwrap_or(0)));
    let (from, to) = parse_parties(world, &line.from, &line.to);
    Ok(Probe {
        from: from?,
        to: to?,
        protocol,
        source_port: line.source_port.unwrap_or(SOURCE_PORT),
        target_port: line.target_port.unwrap_or(0),
        icmp,
        family,
        network,
    })
}

fn in_words((message, help): (String, String)) -> ProbeError {
    ProbeError::Unreadable(format!("{message}; {help}"))
}
