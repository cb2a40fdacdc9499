//! Groups, rules and lists of a scenario, handed to `policy`; and its answers as diagnostics.

use ringfence_cloud::{Network, World};
use ringfence_policy::{
    Catalogue, GroupDraft, Options, PolicySet, PortListDraft, PrefixListDraft, RuleDraft, Text,
    Violation,
};

use super::topology::Names;
use crate::Diagnostic;
use crate::file::read::Findings;
use crate::file::words::NetworkWord;
use crate::file::{GroupFile, RuleFile, ScenarioFile};

/// Everything that was written about groups.
pub(super) fn catalogue(file: &ScenarioFile, names: &Names, findings: &mut Findings) -> Catalogue {
    Catalogue {
        groups: file
            .security_groups
            .iter()
            .filter_map(|group| group_draft(group, names, findings))
            .collect(),
        prefix_lists: file
            .prefix_lists
            .iter()
            .map(|list| PrefixListDraft {
                id: list.id.0.clone(),
                max_entries: list.max_entries.clone(),
                family: list.family.clone(),
                entries: list.entries.clone(),
                origin: list.origin.clone(),
            })
            .collect(),
        port_lists: file
            .port_lists
            .iter()
            .map(|list| PortListDraft {
                id: list.id.0.clone(),
                max_entries: list.max_entries.clone(),
                entries: list.entries.clone(),
                origin: list.origin.clone(),
            })
            .collect(),
    }
}

fn group_draft(file: &GroupFile, names: &Names, findings: &mut Findings) -> Option<GroupDraft> {
    let classic = file.network.as_ref().is_some_and(|it| it.value == NetworkWord::Classic);
    let network = match (&file.vpc, classic) {
        (Some(id), false) => names.vpc(id, findings).map(Network::Vpc),
        (None, false) => {
            let only = names.only_vpc().map(Network::Vpc);
            if only.is_none() {
                let message = format!("`{}` has no VPC", file.id.0.value);
                let help = "add `vpc: ...`, or `network: classic`";
                findings.error("RF0007", &file.id.0.origin, message, help);
            }
            only
        }
        (Some(id), true) => {
            let message = "a group of the classic network is in no VPC";
            findings.error("RF0019", &id.0.origin, message, "leave `vpc` out");
            None
        }
        (None, true) => Some(Network::ClassicInternal),
    }?;
    let default = match network {
        Network::Vpc(vpc) => names.account_of_vpc(vpc),
        Network::ClassicInternal | Network::ClassicPublic => ringfence_cloud::AccountIndex(0),
    };
    Some(GroupDraft {
        id: file.id.0.clone(),
        account: names.account(file.account.as_ref(), default, findings),
        network,
        kind: file.kind.clone(),
        same_group: file.same_group.clone(),
        rules: rule_drafts(&file.rules, findings),
        origin: file.id.0.origin.clone(),
    })
}

/// Rules as `policy` takes them.
pub(crate) fn rule_drafts(files: &[RuleFile], findings: &mut Findings) -> Vec<RuleDraft> {
    files.iter().map(|file| rule_draft(file, findings)).collect()
}

fn rule_draft(file: &RuleFile, findings: &mut Findings) -> RuleDraft {
    let file = file.clone();
    let (mut source, mut destination) = (file.source, file.destination);
    if let Some(object) = file.authorization_object {
        let (field, name) = match is_outbound(&file.direction) {
            false => (&mut source, "source"),
            true => (&mut destination, "destination"),
        };
        if field.is_some() {
            let message = format!("`authorization_object` says the same as `{name}`");
            findings.error("RF0019", &object.origin, message, format!("keep `{name}`"));
        }
        *field = Some(object);
    }
    RuleDraft {
        id: file.id,
        direction: file.direction,
        action: file.action,
        priority: file.priority,
        protocol: file.protocol,
        port_range: file.port_range,
        source_ports: file.source_ports,
        source,
        destination,
        sources: file.sources.0,
        targets: file.targets.0,
        nic: file.nic,
        icmp_type: file.icmp_type,
        icmp_code: file.icmp_code,
        description: file.description,
        origin: file.origin,
    }
}

/// The object is what the direction says; a `Source: ` before that of an outbound rule is refused
/// by `policy`.
fn is_outbound(direction: &Text) -> bool {
    matches!(direction.value.trim().to_ascii_lowercase().as_str(), "outbound" | "egress" | "out")
}

/// The policy, with what the platform refuses as findings.
pub(super) fn validate(
    world: &World,
    catalogue: &Catalogue,
    options: Options,
    findings: &mut Findings,
) -> Option<PolicySet> {
    match ringfence_policy::validate(world, catalogue, options) {
        Ok((policies, warnings)) => {
            findings.list.extend(warnings.iter().map(diagnose));
            Some(policies)
        }
        Err(violations) => {
            findings.list.extend(violations.iter().map(diagnose));
            None
        }
    }
}

/// A violation as a diagnostic. The platform's own codes have capitals, `policy`'s have none.
pub(crate) fn diagnose(violation: &Violation) -> Diagnostic {
    let Violation { severity, code, origin, message, help } = violation;
    let platform = code.bytes().any(|byte| byte.is_ascii_uppercase());
    let ours = match *code {
        "masked-address" | "masked-id" => "RF0015",
        "host-bits" => "RF0012",
        "duplicate-id" => "RF0101",
        "not-in-profile" | "allow-only" | "no-priority" | "icmp-selector" => "RF0203",
        "duplicate-rule" | "duplicate-entry" => "RF0204",
        "InvalidInstanceId.Mismatch"
        | "InvalidSourceGroupId.Mismatch"
        | "InvalidDestGroupId.Mismatch" => "RF0205",
        "InstanceLastSecurityGroup" => "RF0206",
        "list-max-entries" | "list-limit" | "port-list-associations" => "RF0202",
        code if code.contains("NotFound") => "RF0100",
        code if code.contains("Limit") => "RF0202",
        _ => "RF0200",
    };
    let diagnostic = match severity {
        ringfence_policy::Severity::Error => Diagnostic::error(ours, message, help, origin.clone()),
        ringfence_policy::Severity::Warning => {
            Diagnostic::warning(ours, message, help, origin.clone())
        }
    };
    Diagnostic { platform_code: platform.then_some(*code), ..diagnostic }
}
