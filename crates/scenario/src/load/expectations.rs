//! Expectations: who is meant, and what is asked.

use std::collections::HashSet;
use std::time::Duration;

use ringfence_cloud::{Origin, World};
use ringfence_frame::{Family, Instant, Protocol};
use ringfence_policy::{Catalogue, Text};
use ringfence_switch::Change;

use crate::diagnostic::suggestion;
use crate::file::leaves::{Located, report_masked};
use crate::file::read::Findings;
use crate::file::words::{BecauseWord, Speaks, VerdictWord};
use crate::file::{ExpectationFile, IcmpFile, SessionFile};
use crate::model::{Expectation, SessionExpectation, TimedChange};
use crate::probe::{Party, Probe, ProbeError, parse_parties, resolve};

/// Source port of a probe that names none.
pub(crate) const SOURCE_PORT: u16 = 40_000;

/// Every rule id that a scenario knows at some time.
pub(super) struct RuleIds {
    known: HashSet<String>,
    in_order: Vec<String>,
}

impl RuleIds {
    pub(super) fn new(catalogue: &Catalogue, changes: &[TimedChange]) -> RuleIds {
        let drafted = catalogue.groups.iter().flat_map(|group| {
            (1..).zip(&group.rules).map(move |(number, rule)| match &rule.id {
                Some(id) => id.value.clone(),
                None => format!("{}/{number}", group.id.value),
            })
        });
        let changed = changes.iter().flat_map(|change| match &change.change {
            Change::Rules(_, rules) => rules.as_slice(),
            Change::Rule(_, rule) => std::slice::from_ref(&**rule),
            Change::Members(..)
            | Change::PrefixList(..)
            | Change::PortList(..)
            | Change::Timeouts(..) => &[],
        });
        let in_order: Vec<String> = drafted.chain(changed.map(|rule| rule.id.clone())).collect();
        RuleIds { known: in_order.iter().cloned().collect(), in_order }
    }
}

/// What expectations are read against.
pub(super) struct Context<'a> {
    pub world: &'a World,
    /// Whether the world holds, so that parties can be made concrete.
    pub resolve: bool,
    pub rules: RuleIds,
}

pub(super) fn expectations(
    context: &Context<'_>,
    files: Vec<ExpectationFile>,
    findings: &mut Findings,
) -> Vec<Expectation> {
    files.into_iter().filter_map(|file| expectation(context, file, findings)).collect()
}

fn expectation(
    context: &Context<'_>,
    file: ExpectationFile,
    findings: &mut Findings,
) -> Option<Expectation> {
    let kind = packet_kind(&file, findings);
    check_rule(context, &file, findings);
    let session = file.session.as_ref().map(|session| session_expectation(session, findings));
    let kind = kind?;
    let session = match session {
        Some(session) => Some(session?),
        None => None,
    };
    let family = match (&file.family, kind.protocol) {
        (Some(family), _) => family.value,
        (None, Protocol::ICMPV6) => Family::Ipv6,
        (None, _) => Family::Ipv4,
    };
    let probe = probe(
        context,
        (&file.from, &file.to),
        |from, to| Probe {
            from,
            to,
            protocol: kind.protocol,
            source_port: file.source_port.as_ref().map_or(SOURCE_PORT, |port| port.value),
            target_port: kind.target_port,
            icmp: kind.icmp,
            family,
            network: file.network.as_ref().map(|network| network.value),
        },
        findings,
    )?;
    let name = match file.name {
        Some(name) => name.value.trim().to_owned(),
        None => format!("{} -> {} {}", file.from.value, file.to.value, kind.name()),
    };
    let (application, bare) = match file.application.map(|it| it.value) {
        Some(Speaks::Application(application)) => (Some(application), false),
        Some(Speaks::Nothing) => (None, true),
        None => (None, false),
    };
    Some(Expectation {
        name,
        note: file.note.map(|note| note.value.trim().to_owned()).unwrap_or_default(),
        probe,
        at: file.at.map(|at| at.value),
        application,
        bare,
        allowed: file.verdict.value == VerdictWord::Allow,
        rule: file.rule.map(|rule| rule.value),
        because: file.because.map(|because| because.value.0.to_owned()),
        stage: file.stage.map(|stage| stage.value.0.to_owned()),
        sees: file.sees.map(|sees| sees.value),
        session,
        origin: file.origin,
    })
}

/// Protocol, target port, ICMP type and code.
#[derive(Clone, Copy)]
struct PacketKind {
    protocol: Protocol,
    target_port: u16,
    icmp: Option<(u8, u8)>,
}

impl PacketKind {
    fn name(self) -> String {
        match self.protocol.has_ports() {
            true => format!("{}/{}", self.protocol, self.target_port),
            false => self.protocol.to_string(),
        }
    }
}

/// The one of `tcp`, `udp`, `icmp`, `icmpv6`, `gre`, `protocol` that is given.
fn packet_kind(file: &ExpectationFile, findings: &mut Findings) -> Option<PacketKind> {
    let bare = |protocol| PacketKind { protocol, target_port: 0, icmp: None };
    let with_port =
        |protocol, port: &Located<u16>| PacketKind { target_port: port.value, ..bare(protocol) };
    let icmp = |protocol, message: &IcmpFile, echo| match message {
        IcmpFile::Echo(false) => None,
        IcmpFile::Echo(true) => Some(PacketKind { icmp: Some((echo, 0)), ..bare(protocol) }),
        IcmpFile::Message(message) => {
            let code = message.code.as_ref().map_or(0, |code| code.value);
            Some(PacketKind { icmp: Some((message.kind.value, code)), ..bare(protocol) })
        }
    };
    let by_number = |number: &Located<u8>| match Protocol(number.value) {
        Protocol::ICMP => PacketKind { icmp: Some((8, 0)), ..bare(Protocol::ICMP) },
        Protocol::ICMPV6 => PacketKind { icmp: Some((128, 0)), ..bare(Protocol::ICMPV6) },
        protocol => bare(protocol),
    };
    let given: Vec<PacketKind> = [
        file.tcp.as_ref().map(|port| with_port(Protocol::TCP, port)),
        file.udp.as_ref().map(|port| with_port(Protocol::UDP, port)),
        file.icmp.as_ref().and_then(|message| icmp(Protocol::ICMP, message, 8)),
        file.icmpv6.as_ref().and_then(|message| icmp(Protocol::ICMPV6, message, 128)),
        file.gre.filter(|gre| *gre).map(|_| bare(Protocol::GRE)),
        file.protocol.as_ref().map(by_number),
    ]
    .into_iter()
    .flatten()
    .collect();
    const HELP: &str = "give one of `tcp`, `udp`, `icmp`, `icmpv6`, `gre`, `protocol`";
    match given.as_slice() {
        [kind] if kind.protocol.has_ports() && file.protocol.is_some() => {
            let message = format!("{} needs a target port", kind.protocol);
            let help = format!("write `{}: 80` in place of `protocol`", kind.protocol);
            findings.error("RF0007", &file.origin, message, help);
            None
        }
        [kind] => Some(*kind),
        [] => {
            findings.error("RF0007", &file.origin, "an expectation needs a protocol", HELP);
            None
        }
        _ => {
            let message = "an expectation is about one packet, and this has several protocols";
            findings.error("RF0019", &file.origin, message, HELP);
            None
        }
    }
}

fn check_rule(context: &Context<'_>, file: &ExpectationFile, findings: &mut Findings) {
    let Some(rule) = &file.rule else {
        return;
    };
    if report_masked(&rule.value, &rule.origin, findings) {
        return;
    }
    if !context.rules.known.contains(&rule.value) {
        let message = format!("there is no rule `{}`", rule.value);
        let ids = context.rules.in_order.iter().map(String::as_str);
        let help = match suggestion(&rule.value, ids) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "a rule is called GROUP/N, counted from 1, or as its own `id` says".to_owned(),
        };
        findings.error("RF0300", &rule.origin, message, help);
    }
    if let Some(Located { value: BecauseWord(because), origin }) = &file.because
        && !matches!(*because, "rule" | "session")
    {
        let message = format!("a verdict because of `{because}` has no deciding rule");
        findings.error("RF0302", origin, message, "leave out `because` or `rule`");
    }
}

/// Rounds of one flow that is kept going.
const ROUNDS_MAX: u128 = 100_000;

fn session_expectation(file: &SessionFile, findings: &mut Findings) -> Option<SessionExpectation> {
    let kept = match (file.kept, file.cut) {
        (Some(kept), None) => Some(kept),
        (None, Some(cut)) => Some(!cut),
        _ => {
            let message = "`session` says whether the flow is kept or cut";
            findings.error("RF0007", &file.origin, message, "write `kept: true` or `cut: true`");
            None
        }
    };
    if file.every.value < Duration::from_millis(1) {
        let message = "a round takes longer than this";
        findings.error("RF0013", &file.every.origin, message, "write 1ms or more");
        return None;
    }
    let (interval, until) = (file.every.value, file.until.value);
    if until.since(Instant::START).as_nanos() / interval.as_nanos() > ROUNDS_MAX {
        let message = "so many rounds are more than a run can hold";
        let help = format!("`until` is at most {ROUNDS_MAX} times `every`");
        findings.error("RF0013", &file.until.origin, message, help);
        return None;
    }
    Some(SessionExpectation { interval, until, kept: kept? })
}

pub(super) fn probe(
    context: &Context<'_>,
    (from, to): (&Text, &Text),
    make: impl FnOnce(Party, Party) -> Probe,
    findings: &mut Findings,
) -> Option<Probe> {
    let masked = [from, to].map(|text| report_masked(&text.value, &text.origin, findings));
    if masked.contains(&true) {
        return None;
    }
    let world = context.world;
    let (from_party, to_party) = parse_parties(world, &from.value, &to.value);
    if let Err(error) = &from_party {
        report(error, &from.origin, findings);
    }
    if let Err(error) = &to_party {
        report(error, &to.origin, findings);
    }
    let probe = make(from_party.ok()?, to_party.ok()?);
    if context.resolve
        && let Err(error) = resolve(world, &probe)
    {
        let origin = match &error {
            ProbeError::NoAddress { name, .. } if to.value.starts_with(name.as_str()) => &to.origin,
            _ => &from.origin,
        };
        report(&error, origin, findings);
        return None;
    }
    Some(probe)
}

fn report(error: &ProbeError, origin: &Origin, findings: &mut Findings) {
    let help = match error {
        ProbeError::UnknownParty { .. } => {
            "a port is an instance, `INSTANCE/eth1`, or a host outside"
        }
        ProbeError::Ambiguous(_) => "write it as `VPC-ID:address`",
        ProbeError::NoAddress { .. } => "give it one, or ask for another address",
        ProbeError::MixedFamilies(..) => "take two addresses of one family",
        ProbeError::FamilyOfIcmp { .. } => "take the one of the addresses' family",
        ProbeError::FoundElsewhere { .. } => "the sender has no way there; ask for its own",
        ProbeError::NoTargetPort(_) => "add a target port",
        ProbeError::Unreadable(_) | ProbeError::Other(_) => "",
    };
    let mut message = error.to_string();
    let mut help = help.to_owned();
    if let ProbeError::UnknownParty { suggestion, .. } = error
        && !suggestion.is_empty()
    {
        message.truncate(message.len() - suggestion.len());
        help = suggestion.trim_start_matches("; ").to_owned();
    }
    findings.error(error.code(), origin, message, help);
}
