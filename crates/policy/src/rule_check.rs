//! One rule draft to a rule. Owns what its words mean together; single words are `words`', objects
//! and addresses `object_check`'s, counts `quota`'s.

use ringfence_cloud::{GroupIndex, Network, Origin};
use ringfence_frame::{Direction, Protocol};

use crate::names::{Names, by_direction};
use crate::object_check::{Addresses, check_addresses};
use crate::violation::Findings;
use crate::words::{self, PortWord, Side};
use crate::{
    Action, Group, IcmpMatch, Nic, PortRange, Ports, Priority, Profile, ProtocolMatch, Rule,
    RuleDraft, Text,
};

/// What a rule is checked against.
pub(crate) struct RuleCheck<'a> {
    pub(crate) names: &'a Names<'a>,
    /// The group that it is to be in.
    pub(crate) own: GroupIndex,
}

impl RuleCheck<'_> {
    pub(crate) fn group(&self) -> &Group {
        self.names.policies.group(self.own)
    }

    pub(crate) fn is_classic(&self) -> bool {
        !matches!(self.group().network, Network::Vpc(_))
    }

    fn profile(&self) -> Profile {
        self.names.policies.options.profile
    }

    /// The rule, `number` counting from 1 in its group, if nothing in it is refused.
    pub(crate) fn check(
        &self,
        number: usize,
        draft: &RuleDraft,
        findings: &mut Findings,
    ) -> Option<Rule> {
        let direction = words::DIRECTION.read(&draft.direction, findings);
        let action = self.action(draft, findings);
        let priority = self.priority(draft, findings);
        let protocol = self.protocol(&draft.protocol, findings);
        let ports = protocol.and_then(|protocol| self.ports(protocol, draft, findings));
        let source_ports = protocol.and_then(|protocol| source_ports(protocol, draft, findings));
        let nic = self.nic(draft, findings);
        let icmp = self.icmp(protocol, draft, findings);
        let description = description(draft, findings);
        let id = self.id(number, draft, findings);
        let direction = direction?;
        let addresses = check_addresses(self, direction, protocol, nic, draft, findings);
        let Addresses { object, own_addresses } = addresses?;
        Some(Rule {
            id: id?,
            direction,
            action: action?,
            priority: priority?,
            protocol: protocol?,
            ports: ports?,
            source_ports: source_ports?,
            object,
            own_addresses,
            nic: nic?,
            icmp: icmp?,
            description: description?,
            origin: draft.origin.clone(),
        })
    }

    /// "Policy accept|drop, default accept". The other profiles are "allow only".
    fn action(&self, draft: &RuleDraft, findings: &mut Findings) -> Option<Action> {
        let Some(text) = &draft.action else {
            return Some(Action::Allow);
        };
        let action = words::ACTION.read(text, findings)?;
        if action == Action::Forbid && self.profile() != Profile::Alibaba {
            let message = "this profile's groups hold Allow rules only";
            let help = "leave the rule out: what no rule allows is denied";
            findings.error("allow-only", &text.origin, message, help);
            return None;
        }
        Some(action)
    }

    fn priority(&self, draft: &RuleDraft, findings: &mut Findings) -> Option<Priority> {
        let default = Priority::new(1);
        let Some(text) = &draft.priority else {
            return default;
        };
        let priority = words::priority(text, findings)?;
        if self.profile() != Profile::Alibaba && Some(priority) != default {
            let message = "rules of this profile have no priority";
            let help = "leave it out: every rule allows, so none goes before another";
            findings.warning("no-priority", &text.origin, message, help);
        }
        Some(priority)
    }

    fn protocol(&self, text: &Text, findings: &mut Findings) -> Option<ProtocolMatch> {
        let protocol = words::protocol(text, findings)?;
        if self.is_classic() && protocol == ProtocolMatch::Is(Protocol::ICMPV6) {
            let message = "the classic network has no IPv6, so no ICMPv6 either";
            let help = "write `All ICMP (IPv4)`, or leave the rule out";
            findings.error("InvalidIpProtocol.ValueNotSupported", &text.origin, message, help);
            return None;
        }
        Some(protocol)
    }

    fn ports(
        &self,
        protocol: ProtocolMatch,
        draft: &RuleDraft,
        findings: &mut Findings,
    ) -> Option<Ports> {
        let (word, origin) = match &draft.port_range {
            Some(text) => match Side::Destination.strip(&text.value) {
                Ok(word) => (word, &text.origin),
                Err(wrong) => {
                    findings.error("wrong-side", &text.origin, wrong.message, wrong.help);
                    return None;
                }
            },
            None => ("", &draft.origin),
        };
        if word.is_empty() {
            if !has_ports(protocol) {
                return Some(Ports::Any);
            }
            let message = "a rule for TCP or UDP says which ports";
            let help = "write a range as in `port_range: 80/80`, or `1/65535` for every port";
            findings.error("InvalidPortRange.Malformed", origin, message, help);
            return None;
        }
        if word.starts_with("prl-") || self.names.port_list(word).is_some() {
            return self.port_list(protocol, word, origin, findings);
        }
        match (words::port_range(word), has_ports(protocol)) {
            (Err(wrong), _) => {
                findings.error("InvalidParam.PortRange", origin, wrong.message, wrong.help);
                None
            }
            (Ok(PortWord::Any), true) => {
                let message = "`-1/-1` is for protocols without ports";
                let help = "write `1/65535` for every port, or a range as in `80/80`";
                findings.error("InvalidParam.PortRange", origin, message, help);
                None
            }
            (Ok(PortWord::Any), false) => Some(Ports::Any),
            (Ok(PortWord::Range(range)), true) => Some(Ports::Range(range)),
            (Ok(PortWord::Range(_)), false) => {
                let code = match protocol {
                    ProtocolMatch::All => "InvalidParam.PortRange",
                    ProtocolMatch::Is(_) => "OperationDenied",
                };
                let message = format!("ports `{word}` with a protocol that is not TCP or UDP");
                let help = "write `-1/-1`, or name TCP or UDP with a range as in `80/80`";
                findings.error(code, origin, message, help);
                None
            }
        }
    }

    /// "PortRangeListId (prl-...), VPC + TCP/UDP only".
    fn port_list(
        &self,
        protocol: ProtocolMatch,
        word: &str,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Option<Ports> {
        if words::is_masked(word) {
            findings.error("masked-id", origin, format!("`{word}` is masked"), REAL_ID);
            return None;
        }
        if !has_ports(protocol) {
            let code = "InvalidParam.ProtocolNotSupportPortRangeList";
            let message = format!("port list `{word}` with a protocol that is not TCP or UDP");
            findings.error(code, origin, message, "write `-1/-1`, or name TCP or UDP");
            return None;
        }
        if self.is_classic() {
            let message = "the classic network has no port lists";
            let help = "write one rule for each range, as in `80/80`";
            findings.error("classic-port-list", origin, message, help);
            return None;
        }
        let list = self.names.port_list(word);
        if list.is_none() {
            let help = self.names.help_for_port_list(word);
            let message = format!("there is no port list `{word}`");
            findings.error("InvalidPortRangeListId.NotFound", origin, message, help);
        }
        list.map(Ports::List)
    }

    /// "NicType internet|intranet; default internet (classic). VPC rules: intranet only."
    fn nic(&self, draft: &RuleDraft, findings: &mut Findings) -> Option<Nic> {
        let Some(text) = &draft.nic else {
            return Some(if self.is_classic() { Nic::Internet } else { Nic::Intranet });
        };
        let nic = words::NIC.read(text, findings)?;
        if nic == Nic::Internet && !self.is_classic() {
            let message = "a rule of a VPC group cannot be for the public NIC only";
            let help = "leave `nic` out: in a VPC one rule covers Internet and internal traffic";
            findings.error("InvalidNicType.Mismatch", &text.origin, message, help);
            return None;
        }
        Some(nic)
    }

    /// The outer `None` means refused, the inner one that the rule does not ask.
    fn icmp(
        &self,
        protocol: Option<ProtocolMatch>,
        draft: &RuleDraft,
        findings: &mut Findings,
    ) -> Option<Option<IcmpMatch>> {
        const CODE: &str = "icmp-selector";
        let Some(first) = draft.icmp_type.as_ref().or(draft.icmp_code.as_ref()) else {
            return Some(None);
        };
        if self.profile() == Profile::Alibaba {
            let message = "rules have no ICMP type or code: an ICMP rule covers every message";
            let help = "leave `icmp_type` and `icmp_code` out";
            findings.error(CODE, &first.origin, message, help);
            return None;
        }
        if !protocol
            .is_some_and(|p| is_protocol(p, Protocol::ICMP) || is_protocol(p, Protocol::ICMPV6))
        {
            let help = "leave it out, or write `protocol: ICMP` or `ICMPv6`";
            findings.error(CODE, &first.origin, "only ICMP has types and codes", help);
            return None;
        }
        let icmp_type = icmp_number(draft.icmp_type.as_ref(), findings)?;
        let code = icmp_number(draft.icmp_code.as_ref(), findings)?;
        if code.is_some() && icmp_type.is_none() {
            let message = "an ICMP code without a type";
            findings.error(CODE, &first.origin, message, "write `icmp_type` as well");
            return None;
        }
        Some(Some(IcmpMatch { icmp_type, code }))
    }

    fn id(&self, number: usize, draft: &RuleDraft, findings: &mut Findings) -> Option<String> {
        match &draft.id {
            Some(text) => check_id(text, findings).then(|| text.value.clone()),
            None => Some(format!("{}/{number}", self.group().id)),
        }
    }
}

pub(crate) const REAL_ID: &str = "type a real id; the document masks its own with XX and ****";

/// Whether something can be called so.
pub(crate) fn check_id(text: &Text, findings: &mut Findings) -> bool {
    if text.value.trim().is_empty() {
        findings.error("empty-id", &text.origin, "an id is empty", "write one, as in `sg-web`");
        return false;
    }
    if words::is_masked(&text.value) {
        let message = format!("id `{}` is masked", text.value);
        findings.error("masked-id", &text.origin, message, REAL_ID);
        return false;
    }
    true
}

pub(crate) fn is_protocol(protocol: ProtocolMatch, number: Protocol) -> bool {
    protocol == ProtocolMatch::Is(number)
}

fn has_ports(protocol: ProtocolMatch) -> bool {
    matches!(protocol, ProtocolMatch::Is(number) if number.has_ports())
}

/// "SourcePortRange quintuple only; same format; absent = any".
fn source_ports(
    protocol: ProtocolMatch,
    draft: &RuleDraft,
    findings: &mut Findings,
) -> Option<Vec<PortRange>> {
    let Some(text) = &draft.source_ports else {
        return Some(Vec::new());
    };
    let word = match Side::Source.strip(&text.value) {
        Ok(word) => word,
        Err(wrong) => {
            findings.error("wrong-side", &text.origin, wrong.message, wrong.help);
            return None;
        }
    };
    let code = "InvalidSourcePortRange.Malformed";
    match words::port_range(word) {
        Ok(PortWord::Any) => Some(Vec::new()),
        Ok(PortWord::Range(range)) if has_ports(protocol) => Some(vec![range]),
        Ok(PortWord::Range(_)) => {
            let message = "source ports with a protocol that is not TCP or UDP";
            findings.error(code, &text.origin, message, "leave `source_ports` out");
            None
        }
        Err(wrong) => {
            findings.error(code, &text.origin, wrong.message, wrong.help);
            None
        }
    }
}

/// 0 to 255, or -1 for any (the inner `None`).
fn icmp_number(text: Option<&Text>, findings: &mut Findings) -> Option<Option<u8>> {
    let Some(text) = text else {
        return Some(None);
    };
    let word = text.value.trim();
    if word == "-1" {
        return Some(None);
    }
    let number = word.parse::<u8>().ok().filter(|_| words::is_digits(word));
    if number.is_none() {
        let message = format!("`{word}` is no ICMP type or code");
        findings.error("icmp-selector", &text.origin, message, "write 0 to 255, or -1 for any");
    }
    number.map(Some)
}

/// "Description 1..512 chars".
fn description(draft: &RuleDraft, findings: &mut Findings) -> Option<String> {
    let Some(text) = &draft.description else {
        return Some(String::new());
    };
    let length = text.value.chars().count();
    if (1..=512).contains(&length) {
        return Some(text.value.clone());
    }
    let message = format!("a description of {length} characters");
    let help = "write 1 to 512 characters, or leave it out";
    findings.error("InvalidSecurityGroupDiscription.Malformed", &text.origin, message, help);
    None
}

/// The code of a direction's own side of a rule without an object.
pub(crate) fn missing_object(direction: Direction, draft: &RuleDraft, findings: &mut Findings) {
    let code = by_direction(direction, "MissingParameter.Source", "MissingParameter.Dest");
    let (field, message) = match direction {
        Direction::Inbound => ("source", "an inbound rule says from where: its source"),
        Direction::Outbound => ("destination", "an outbound rule says where to: its destination"),
    };
    let help = format!("write `{field}: 0.0.0.0/0` for every IPv4 address, `::/0` for IPv6");
    findings.error(code, &draft.origin, message, help);
}
