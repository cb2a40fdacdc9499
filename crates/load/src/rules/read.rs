//! The reader of ClassBench filter files: `@10.0.0.0/8 192.168.0.0/16 0 : 65535 80 : 80 0x06/0xFF`,
//! a filter a line, the best first. Owns the format and what is wrong with a line.

use ipnet::Ipv4Net;
use ringfence_frame::Protocol;
use ringfence_policy::{Object, PortRange, Ports, ProtocolMatch, Rule};

use super::world;

/// A line that is no filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {problem}; {help}")]
pub struct ReadError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub help: &'static str,
}

const FORMAT: &str = "a filter is written `@10.0.0.0/8 192.168.0.0/16 0 : 65535 80 : 80 0x06/0xFF`: \
                      source, target, source ports, target ports, protocol/mask";

/// Reads filters into inbound rules that allow: source address as the object, target address as the
/// near one, places as priorities 1 to 100 and order in the group. Empty lines and lines that
/// start with `#` are passed over, and so are flags after the protocol.
///
/// Rules have no port 0 but in `any`: a range from 0 starts at 1.
///
/// # Errors
/// The first line that is no filter, and what would be one.
pub fn read_filters(text: &str) -> Result<Vec<Rule>, ReadError> {
    let mut rules = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let rule = filter(line);
        rules.push(rule.map_err(|(problem, help)| ReadError {
            line: number + 1,
            problem,
            help,
        })?);
    }
    let count = rules.len().max(1);
    for (place, rule) in rules.iter_mut().enumerate() {
        rule.priority = world::priority((place * 100 / count) as u8 + 1);
    }
    Ok(rules)
}

type Problem = (String, &'static str);

fn filter(line: &str) -> Result<Rule, Problem> {
    let wrong = |problem: String| (problem, FORMAT);
    let Some(rest) = line.strip_prefix('@') else {
        return Err(wrong("no `@` at the start".to_owned()));
    };
    // `0 : 65535` and `0:65535` are the same.
    let spaced = rest.replace(':', " : ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let [source, target, s_first, ":", s_last, t_first, ":", t_last, protocol, ..] = words[..]
    else {
        let count = words.iter().filter(|word| **word != ":").count();
        return Err(wrong(format!("{count} words where 7 and two `:` are wanted")));
    };
    let source = prefix(source)?;
    let target = prefix(target)?;
    let mut rule = world::rule(Object::Cidr(source.into()));
    if target.prefix_len() > 0 {
        rule.own_addresses.push(target.into());
    }
    rule.source_ports = ports(s_first, s_last)?.into_iter().collect();
    rule.ports = ports(t_first, t_last)?.map_or(Ports::Any, Ports::Range);
    rule.protocol = read_protocol(protocol)?;
    let has_ports = match rule.protocol {
        ProtocolMatch::All => true,
        ProtocolMatch::Is(protocol) => protocol.has_ports(),
    };
    if !has_ports {
        // A range means nothing there, and would match nothing.
        rule.source_ports.clear();
        rule.ports = Ports::Any;
    }
    Ok(rule)
}

fn prefix(word: &str) -> Result<Ipv4Net, Problem> {
    let net = word.parse::<Ipv4Net>().map_err(|_| {
        let help = "write an IPv4 address and a length from 0 to 32, as in `10.0.0.0/8`";
        (format!("`{word}` is no IPv4 prefix"), help)
    })?;
    Ok(net.trunc())
}

fn ports(first: &str, last: &str) -> Result<Option<PortRange>, Problem> {
    let help = "write two ports from 0 to 65535, the smaller first, as in `1024 : 65535`";
    let number =
        |word: &str| word.parse::<u16>().map_err(|_| (format!("`{word}` is no port"), help));
    let (first_port, last_port) = (number(first)?, number(last)?);
    if (first_port, last_port) == (0, u16::MAX) {
        return Ok(None);
    }
    match PortRange::new(first_port.max(1), last_port) {
        Some(range) if first_port <= last_port => Ok(Some(range)),
        _ if last_port == 0 && first_port == 0 => {
            Err(("rules cannot name port 0 alone".to_owned(), help))
        }
        _ => Err((format!("ports `{first} : {last}` run backwards"), help)),
    }
}

fn read_protocol(word: &str) -> Result<ProtocolMatch, Problem> {
    let help = "write `0x06/0xFF` for one protocol, `0x00/0x00` for all";
    let problem = || (format!("`{word}` is no protocol with a mask"), help);
    let byte = |word: &str| {
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))?;
        u8::from_str_radix(digits, 16).ok()
    };
    let (value, mask) = word.split_once('/').ok_or_else(problem)?;
    match (byte(value), byte(mask)) {
        (Some(_), Some(0)) => Ok(ProtocolMatch::All),
        (Some(value), Some(0xff)) => Ok(ProtocolMatch::Is(Protocol(value))),
        _ => Err(problem()),
    }
}
