//! Words: the document's and the API's vocabularies, port ranges and addresses as they are typed.
//! Owns the reading of one word; what words mean together is `rule_check`'s.

use std::net::IpAddr;

use ipnet::IpNet;
use ringfence_frame::{Direction, Family, Protocol};

use crate::violation::Findings;
use crate::{Action, GroupKind, Nic, PortRange, Priority, ProtocolMatch, SameGroup, Text};

/// The words of which one is wanted, the preferred ones first.
pub(crate) struct Vocabulary<T: 'static> {
    /// What is chosen.
    what: &'static str,
    /// The code of any other word.
    code: &'static str,
    /// How to write each.
    preferred: &'static str,
    words: &'static [(&'static str, T)],
}

pub(crate) const DIRECTION: Vocabulary<Direction> = Vocabulary {
    what: "direction",
    code: "InvalidGressFlow.Malformed",
    preferred: "`inbound` or `outbound`",
    words: &[
        ("inbound", Direction::Inbound),
        ("outbound", Direction::Outbound),
        ("ingress", Direction::Inbound),
        ("egress", Direction::Outbound),
    ],
};

pub(crate) const ACTION: Vocabulary<Action> = Vocabulary {
    what: "action",
    code: "InvalidPolicy.Malformed",
    preferred: "`allow` or `forbid`",
    words: &[
        ("allow", Action::Allow),
        ("forbid", Action::Forbid),
        ("accept", Action::Allow),
        ("drop", Action::Forbid),
        ("deny", Action::Forbid),
    ],
};

pub(crate) const NIC: Vocabulary<Nic> = Vocabulary {
    what: "NIC type",
    code: "InvalidNicType.ValueNotSupported",
    preferred: "`internet` or `intranet`",
    words: &[("internet", Nic::Internet), ("intranet", Nic::Intranet)],
};

pub(crate) const GROUP_KIND: Vocabulary<GroupKind> = Vocabulary {
    what: "type of security group",
    code: "group-type",
    preferred: "`basic` or `advanced`",
    words: &[
        ("basic", GroupKind::Basic),
        ("advanced", GroupKind::Advanced),
        ("normal", GroupKind::Basic),
        ("enterprise", GroupKind::Advanced),
    ],
};

pub(crate) const SAME_GROUP: Vocabulary<SameGroup> = Vocabulary {
    what: "policy within the group",
    code: "InvalidPolicy.Malformed",
    preferred: "`accept` or `drop`",
    words: &[("accept", SameGroup::Accept), ("drop", SameGroup::Drop)],
};

pub(crate) const FAMILY: Vocabulary<Family> = Vocabulary {
    what: "address family",
    code: "address-family",
    preferred: "`ipv4` or `ipv6`",
    words: &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)],
};

const PROTOCOL: Vocabulary<ProtocolMatch> = Vocabulary {
    what: "protocol",
    code: "InvalidIpProtocol.ValueNotSupported",
    preferred: "`Custom TCP`, `Custom UDP`, `All ICMP (IPv4)`, `All ICMP (IPv6)`, `All GRE`, `All`, \
                or a number from 0 to 255",
    words: &[
        ("custom tcp", ProtocolMatch::Is(Protocol::TCP)),
        ("custom udp", ProtocolMatch::Is(Protocol::UDP)),
        ("all icmp (ipv4)", ProtocolMatch::Is(Protocol::ICMP)),
        ("all icmp (ipv6)", ProtocolMatch::Is(Protocol::ICMPV6)),
        ("all gre", ProtocolMatch::Is(Protocol::GRE)),
        ("all", ProtocolMatch::All),
        ("tcp", ProtocolMatch::Is(Protocol::TCP)),
        ("udp", ProtocolMatch::Is(Protocol::UDP)),
        ("icmp", ProtocolMatch::Is(Protocol::ICMP)),
        ("icmpv6", ProtocolMatch::Is(Protocol::ICMPV6)),
        ("gre", ProtocolMatch::Is(Protocol::GRE)),
    ],
};

impl<T: Copy> Vocabulary<T> {
    /// The meaning of a word, read without regard to case.
    pub(crate) fn read(&self, text: &Text, findings: &mut Findings) -> Option<T> {
        let word = normalized(&text.value);
        let found = self.words.iter().find(|(known, _)| *known == word);
        if found.is_none() {
            let help = match nearest(&word, self.words.iter().map(|&(known, _)| known)) {
                Some(known) => format!("did you mean `{known}`? Write {}", self.preferred),
                None => format!("write {}", self.preferred),
            };
            let message = format!("`{}` is no {}", text.value, self.what);
            findings.error(self.code, &text.origin, message, help);
        }
        found.map(|&(_, meaning)| meaning)
    }
}

/// Lower case, single spaces.
fn normalized(word: &str) -> String {
    word.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// "Case-insensitive", by name or by IANA number; "1,6,17,47,58 equal the names".
pub(crate) fn protocol(text: &Text, findings: &mut Findings) -> Option<ProtocolMatch> {
    let word = text.value.trim();
    if is_digits(word)
        && let Ok(number) = word.parse::<u8>()
    {
        return Some(ProtocolMatch::Is(Protocol(number)));
    }
    PROTOCOL.read(text, findings)
}

/// "Priority 1..100 (string), default 1, smaller wins".
pub(crate) fn priority(text: &Text, findings: &mut Findings) -> Option<Priority> {
    let word = text.value.trim();
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    if !is_digits(unsigned) {
        let message = format!("priority `{word}` is not a whole number");
        findings.error("InvalidPriority.Malformed", &text.origin, message, "write 1 to 100");
        return None;
    }
    let number = word.parse::<u8>().ok();
    let priority = number.filter(|number| *number <= 100).and_then(Priority::new);
    if priority.is_none() {
        let help = match number {
            Some(101..=110) => {
                "write 1 to 100; 101 to 110 are left over from old accounts and cannot be written"
            }
            _ => "write 1 to 100; the smaller number wins",
        };
        let message = format!("priority {word} is outside 1 to 100");
        findings.error("InvalidPriority.ValueNotSupported", &text.origin, message, help);
    }
    priority
}

pub(crate) fn is_digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// A port range as typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PortWord {
    /// `-1/-1`
    Any,
    /// `80/80`
    Range(PortRange),
}

/// What is wrong with a word, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) help: String,
}

fn complaint(message: String, help: impl Into<String>) -> Complaint {
    Complaint { message, help: help.into() }
}

/// "a/b, 1..65535, a<=b (200/1 is rejected)"; "Single 80 rejected".
pub(crate) fn port_range(word: &str) -> Result<PortWord, Complaint> {
    const FORMAT: &str = "write first/last, as in `80/80` or `1/200`, each from 1 to 65535";
    if word == "-1/-1" {
        return Ok(PortWord::Any);
    }
    let Some((first, last)) = word.split_once('/') else {
        return Err(match is_digits(word) {
            true => {
                let help = format!("write `{word}/{word}` (first/last), as in `80/80`");
                complaint(format!("`{word}` is one port, and a range is wanted"), help)
            }
            false => complaint(format!("`{word}` is no port range"), FORMAT),
        });
    };
    if !is_digits(first) || !is_digits(last) {
        return Err(complaint(format!("`{word}` is no port range"), FORMAT));
    }
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
        return Err(complaint(format!("`{word}` goes beyond port 65535"), FORMAT));
    };
    if first == 0 || last == 0 {
        return Err(complaint(format!("`{word}` has port 0, and ports count from 1"), FORMAT));
    }
    PortRange::new(first, last).map(PortWord::Range).ok_or_else(|| {
        let help = format!("write `{last}/{first}`; one port is written like `80/80`");
        complaint(format!("`{word}` ends before it starts"), help)
    })
}

/// Whether the document's masks (`XX`, `****`) stand in the word.
pub(crate) fn is_masked(word: &str) -> bool {
    word.contains("XX") || word.contains('*')
}

/// An address or range as typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RangeWord {
    /// Host bits cleared.
    pub(crate) range: IpNet,
    /// Whether there were any.
    pub(crate) had_host_bits: bool,
}

/// "A CIDR with host bits is masked, with a warning. A bare address is a /32 or /128."
pub(crate) fn range(word: &str) -> Result<RangeWord, Complaint> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (word, None),
    };
    let address = address.parse::<IpAddr>().map_err(|_| no_address(word, address))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => longest,
        Some(length) => {
            let number = length.parse::<u8>().ok().filter(|_| is_digits(length));
            number.filter(|number| *number <= longest).ok_or_else(|| {
                let help = format!("write `{address}/N` with N from 0 to {longest}");
                complaint(format!("`{length}` in `{word}` is no prefix length"), help)
            })?
        }
    };
    let typed = IpNet::new_assert(address, length);
    Ok(RangeWord { range: typed.trunc(), had_host_bits: typed.trunc() != typed })
}

fn no_address(word: &str, address: &str) -> Complaint {
    if address.contains(':') {
        let help = "write an IPv6 address or range, as in `2001:db8::1` or `::/0`";
        return complaint(format!("`{word}` is no IPv6 address or range"), help);
    }
    let help =
        "write an IPv4 or IPv6 address or range, as in `203.0.113.7`, `10.0.0.0/8` or `::/0`";
    let parts = address.split('.').count();
    let looks_like_ipv4 = parts > 1 && address.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match looks_like_ipv4 && parts != 4 {
        true => complaint(format!("`{word}` has {parts} parts, and an IPv4 address has 4"), help),
        false => complaint(format!("`{word}` is no address or range"), help),
    }
}

/// Why a masked address cannot be used.
pub(crate) fn masked_address(word: &str) -> Complaint {
    let address = word.split_once('/').map_or(word, |(address, _)| address);
    let parts = address.split('.').count();
    let message = match address.contains('.') && parts != 4 {
        true => format!("`{word}` is masked, and it has {parts} parts where an IPv4 address has 4"),
        false => format!("`{word}` is masked"),
    };
    complaint(message, "type a real address or range, as in `172.16.1.10` or `192.168.0.0/16`")
}

/// Where a packet's address or port stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Source,
    Destination,
}

impl Side {
    /// The word without the `Source: ` or `Destination: ` of the document's tables. An error if
    /// the other side's stands there.
    pub(crate) fn strip(self, word: &str) -> Result<&str, Complaint> {
        let word = word.trim();
        let Some((label, rest)) = word.split_once(':') else {
            return Ok(word);
        };
        let labelled = match label.trim_end().to_ascii_lowercase().as_str() {
            "source" => Side::Source,
            "destination" => Side::Destination,
            _ => return Ok(word),
        };
        if labelled == self {
            return Ok(rest.trim_start());
        }
        let wanted = match self {
            Side::Source => "a source",
            Side::Destination => "a destination",
        };
        let help =
            format!("write `{}` without a label, in the field that it belongs to", rest.trim());
        Err(complaint(format!("`{word}` stands where {wanted} belongs"), help))
    }
}
