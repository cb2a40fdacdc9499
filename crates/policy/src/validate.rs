//! Drafts to groups: what the platform rejects is rejected, with its error code and its place.
//! Owns the order of the checks, groups and memberships; a single rule is `rule_check`'s.

use std::collections::HashSet;

use ringfence_cloud::{GroupIndex, Interface, InterfaceIndex, Network, Origin, World};

use crate::names::Names;
use crate::rule_check::{RuleCheck, check_id};
use crate::violation::{Findings, Violation};
use crate::{
    Group, GroupDraft, GroupKind, Options, PolicySet, PortListDraft, PrefixListDraft, Profile,
    Rule, RuleDraft, SameGroup, lists, quota, words,
};

/// Everything that was written.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Groups.
    pub groups: Vec<GroupDraft>,
    /// Prefix lists.
    pub prefix_lists: Vec<PrefixListDraft>,
    /// Port lists.
    pub port_lists: Vec<PortListDraft>,
}

/// Checks everything that was written against `world` (accounts, VPCs, and the memberships of
/// its interfaces, whose group numbers count `catalogue.groups`).
///
/// # Errors
/// All violations in file order, if any of them is an error; else the policy and the warnings.
pub fn validate(
    world: &World,
    catalogue: &Catalogue,
    options: Options,
) -> Result<(PolicySet, Vec<Violation>), Vec<Violation>> {
    let mut findings = Findings::default();
    check_unique_ids(catalogue, &mut findings);
    let mut policies = PolicySet {
        groups: catalogue.groups.iter().map(|g| group_head(g, options, &mut findings)).collect(),
        prefix_lists: catalogue
            .prefix_lists
            .iter()
            .map(|draft| lists::prefix_list(draft, &mut findings))
            .collect(),
        port_lists: catalogue
            .port_lists
            .iter()
            .map(|draft| lists::port_list(draft, &mut findings))
            .collect(),
        options,
    };
    let mut rules_of_groups = Vec::new();
    let names = Names::new(world, &policies);
    let mut taken = HashSet::new();
    for (index, draft) in (0..).zip(&catalogue.groups) {
        let own = GroupIndex(index);
        rules_of_groups.push(check_rules(&names, own, &draft.rules, &mut taken, &mut findings));
    }
    for (group, rules) in policies.groups.iter_mut().zip(rules_of_groups) {
        group.rules = rules;
    }
    check_quotas(world, &policies, &mut findings);
    check_all_memberships(world, &policies, &mut findings);
    findings.finish(policies)
}

/// Checks rules that are to replace those of `group` while frames flow; quotas of every interface
/// in the group included.
///
/// # Errors
/// As [`validate`].
pub fn validate_rules(
    world: &World,
    policies: &PolicySet,
    group: GroupIndex,
    drafts: &[RuleDraft],
) -> Result<(Vec<Rule>, Vec<Violation>), Vec<Violation>> {
    let mut findings = Findings::default();
    let names = Names::new(world, policies);
    let others = || (0..).map(GroupIndex).zip(&policies.groups).filter(|&(i, _)| i != group);
    let rules_of_others = || others().flat_map(|(_, other)| &other.rules);
    let mut taken = rules_of_others().map(|rule| rule.id.clone()).collect();
    let rules = check_rules(&names, group, drafts, &mut taken, &mut findings);
    if quota::apply(policies) {
        quota::check_group_rules(&rules, &policies.group(group).id, &mut findings);
        quota::check_associations(policies, rules_of_others().chain(&rules), &mut findings);
        quota::check_replaced_rules(world, policies, group, &rules, &mut findings);
    }
    findings.finish(rules)
}

/// Checks the groups that are to be an interface's: at least one, one type only, of its network,
/// within quotas.
///
/// # Errors
/// As [`validate`].
pub fn check_memberships(
    world: &World,
    policies: &PolicySet,
    interface: InterfaceIndex,
    groups: &[GroupIndex],
    origin: &Origin,
) -> Result<(), Vec<Violation>> {
    let mut findings = Findings::default();
    let joining = world.interface(interface);
    check_groups_of(policies, joining, groups, origin, &mut findings);
    if quota::apply(policies) {
        quota::check_interface(joining, groups, &quota::costs(policies), origin, &mut findings);
        quota::check_joined_sizes(world, policies, interface, groups, origin, &mut findings);
    }
    findings.finish(()).map(|((), _)| ())
}

fn check_unique_ids(catalogue: &Catalogue, findings: &mut Findings) {
    let groups = catalogue.groups.iter().map(|group| &group.id);
    let prefix_lists = catalogue.prefix_lists.iter().map(|list| &list.id);
    let port_lists = catalogue.port_lists.iter().map(|list| &list.id);
    let mut seen = HashSet::new();
    for text in groups.chain(prefix_lists).chain(port_lists) {
        if !seen.insert(&text.value) {
            let message = format!("id `{}` is taken already", text.value);
            findings.error("duplicate-id", &text.origin, message, "write another one");
        }
    }
}

/// The group without its rules, as far as it can be read: its rules are checked all the same.
fn group_head(draft: &GroupDraft, options: Options, findings: &mut Findings) -> Group {
    check_id(&draft.id, findings);
    let kind = draft.kind.as_ref().and_then(|text| words::GROUP_KIND.read(text, findings));
    let kind = kind.unwrap_or(GroupKind::Basic);
    let is_alibaba = options.profile == Profile::Alibaba;
    if let (Some(text), GroupKind::Advanced) = (&draft.kind, kind) {
        if !is_alibaba {
            let message = "only Alibaba Cloud has advanced security groups";
            let help = "leave the type out, or write `profile: alibaba`";
            findings.error("not-in-profile", &text.origin, message, help);
        } else if !matches!(draft.network, Network::Vpc(_)) {
            let message = "the classic network has no advanced security groups";
            let help = "write `type: basic`, or put the group into a VPC";
            findings.error("classic-advanced-group", &text.origin, message, help);
        }
    }
    Group {
        id: draft.id.value.clone(),
        account: draft.account,
        network: draft.network,
        kind,
        same_group: same_group(draft, kind, is_alibaba, findings),
        rules: Vec::new(),
        origin: draft.origin.clone(),
    }
}

/// "InnerAccessPolicy default: Accept (settable Accept|Drop); Drop, cannot be changed".
fn same_group(
    draft: &GroupDraft,
    kind: GroupKind,
    is_alibaba: bool,
    findings: &mut Findings,
) -> SameGroup {
    let default = match kind {
        GroupKind::Basic if is_alibaba => SameGroup::Accept,
        GroupKind::Basic | GroupKind::Advanced => SameGroup::Drop,
    };
    let Some(text) = &draft.same_group else {
        return default;
    };
    let said = words::SAME_GROUP.read(text, findings);
    if kind == GroupKind::Advanced {
        let message = "the policy within an advanced group cannot be set: it is always `drop`";
        let help = "leave `same_group` out, or write `type: basic`";
        findings.error("InvalidGroupParameter.OperationDenied", &text.origin, message, help);
        return default;
    }
    if !is_alibaba && said == Some(SameGroup::Accept) {
        let message = "groups of this profile let members in by rules only";
        let help = "write a rule whose source is the group itself";
        findings.error("not-in-profile", &text.origin, message, help);
        return default;
    }
    said.unwrap_or(default)
}

/// The rules of one group; `taken` holds the rule ids of the other groups, and then these as well.
fn check_rules(
    names: &Names<'_>,
    own: GroupIndex,
    drafts: &[RuleDraft],
    taken: &mut HashSet<String>,
    findings: &mut Findings,
) -> Vec<Rule> {
    let check = RuleCheck { names, own };
    let mut rules: Vec<Rule> = Vec::new();
    let mut seen = HashSet::new();
    for (number, draft) in (1..).zip(drafts) {
        let Some(rule) = check.check(number, draft, findings) else {
            continue;
        };
        if !seen.insert(identity(&rule)) {
            let message = "the same rule again: the call succeeds and adds nothing";
            findings.warning("duplicate-rule", &rule.origin, message, "leave it out");
            continue;
        }
        if !taken.insert(rule.id.clone()) {
            let origin = draft.id.as_ref().map_or(&draft.origin, |text| &text.origin);
            let message = format!("rule id `{}` is taken already", rule.id);
            findings.error("duplicate-id", origin, message, "write another one");
        }
        rules.push(rule);
    }
    rules
}

/// What makes two rules the same: all but id, description and place. (Whether the server looks at
/// the five-tuple fields is not documented; two rules that match differently are two here.)
fn identity(rule: &Rule) -> impl Eq + std::hash::Hash + use<> {
    let Rule {
        id: _,
        direction,
        action,
        priority,
        protocol,
        ports,
        source_ports,
        object,
        own_addresses,
        nic,
        icmp,
        description: _,
        origin: _,
    } = rule.clone();
    let keys = (protocol, ports, source_ports, object, own_addresses, icmp);
    (direction, action, priority, nic, keys)
}

fn check_quotas(world: &World, policies: &PolicySet, findings: &mut Findings) {
    if !quota::apply(policies) {
        return;
    }
    quota::check_list_counts(policies, findings);
    let rules = policies.groups.iter().flat_map(|group| &group.rules);
    quota::check_associations(policies, rules, findings);
    for (group, size) in policies.groups.iter().zip(quota::sizes(world, policies)) {
        quota::check_group_rules(&group.rules, &group.id, findings);
        quota::check_size(group, size, &group.origin, findings);
    }
}

fn check_all_memberships(world: &World, policies: &PolicySet, findings: &mut Findings) {
    let costs = quota::costs(policies);
    for interface in &world.interfaces {
        // Both NICs of a classic instance are in its groups; once is enough to say so.
        let first = world.instances.get(interface.instance.as_usize());
        let first = first.and_then(|instance| instance.interfaces.first());
        if interface.network == Network::ClassicPublic
            && first.is_some_and(|first| world.interface(*first).groups == interface.groups)
            && first.is_some_and(|first| world.interface(*first).network != Network::ClassicPublic)
        {
            continue;
        }
        check_groups_of(policies, interface, &interface.groups, &interface.origin, findings);
        if quota::apply(policies) {
            let (groups, origin) = (&interface.groups, &interface.origin);
            quota::check_interface(interface, groups, &costs, origin, findings);
        }
    }
}

fn check_groups_of(
    policies: &PolicySet,
    interface: &Interface,
    groups: &[GroupIndex],
    origin: &Origin,
    findings: &mut Findings,
) {
    let name = &interface.name;
    if groups.is_empty() {
        let message = format!("`{name}` would be in no security group");
        let help = "name at least one: an interface is always in a group";
        findings.error("InstanceLastSecurityGroup", origin, message, help);
    }
    let network = match interface.network {
        Network::ClassicPublic => Network::ClassicInternal,
        network => network,
    };
    let mut basic = None;
    let mut advanced = None;
    for (place, index) in groups.iter().enumerate() {
        let Some(group) = policies.groups.get(index.as_usize()) else {
            continue;
        };
        if groups[..place].contains(index) {
            let message = format!("`{name}` is in security group `{}` twice", group.id);
            findings.error("InvalidInstanceId.AlreadyExists", origin, message, "name it once");
            continue;
        }
        if group.network != network {
            let message =
                format!("security group `{}` is not of the network of `{name}`", group.id);
            let help = "name groups of the interface's own VPC (of the classic network, if it is \
                        a classic one)";
            findings.error("InvalidInstanceId.Mismatch", origin, message, help);
        }
        match group.kind {
            GroupKind::Basic => basic = basic.or(Some(group)),
            GroupKind::Advanced => advanced = advanced.or(Some(group)),
        }
    }
    if let (Some(basic), Some(advanced)) = (basic, advanced) {
        let message = format!(
            "`{name}` is in basic group `{}` and in advanced group `{}`",
            basic.id, advanced.id
        );
        let help = "name groups of one type only: an interface may not carry both";
        findings.error("mixed-group-types", origin, message, help);
    }
}
