//! Quotas (specification, part 6): what rules cost, how many addresses a group holds, how often a
//! list is named. They are Alibaba Cloud's; other profiles have none here.

use ringfence_cloud::{GroupIndex, Interface, InterfaceIndex, Network, Origin, World};

use crate::violation::Findings;
use crate::{Group, GroupKind, Object, PolicySet, Ports, Profile, Rule};

/// "groups per ENI 10".
const GROUPS_PER_INTERFACE: usize = 10;
/// "rules in+out over ALL groups of one ENI 1,000".
const RULES_PER_INTERFACE: u64 = 1_000;
/// "group-object rules per basic group 20".
const GROUP_RULES_PER_GROUP: usize = 20;
/// "prefix lists: 100/region"; a scenario is one region.
const PREFIX_LISTS: usize = 100;
/// "port lists: 1,000/region".
const PORT_LISTS: usize = 1_000;
/// "1,000 associations", of both kinds of list.
const ASSOCIATIONS_PER_LIST: usize = 1_000;

pub(crate) fn apply(policies: &PolicySet) -> bool {
    policies.options.profile == Profile::Alibaba
}

/// "A rule with a prefix/port list costs MaxEntries rules, not actual entries"; with both, every
/// pair counts (the documents do not say).
fn cost_of_rule(policies: &PolicySet, rule: &Rule) -> u64 {
    let ranges = match rule.object {
        Object::PrefixList(list) => policies.prefix_list(list).max_entries,
        Object::Cidr(_) | Object::Group(_) => 1,
    };
    let ports = match rule.ports {
        Ports::List(list) => policies.port_list(list).max_entries,
        Ports::Any | Ports::Range(_) => 1,
    };
    u64::from(ranges) * u64::from(ports)
}

fn cost_of_rules(policies: &PolicySet, rules: &[Rule]) -> u64 {
    rules.iter().map(|rule| cost_of_rule(policies, rule)).sum()
}

/// What each group's rules cost.
pub(crate) fn costs(policies: &PolicySet) -> Vec<u64> {
    policies.groups.iter().map(|group| cost_of_rules(policies, &group.rules)).collect()
}

/// Group-object rules of one group.
pub(crate) fn check_group_rules(rules: &[Rule], id: &str, findings: &mut Findings) {
    let mut by_group = rules.iter().filter(|rule| matches!(rule.object, Object::Group(_)));
    if let Some(rule) = by_group.nth(GROUP_RULES_PER_GROUP) {
        let message = format!(
            "security group `{id}` has more than {GROUP_RULES_PER_GROUP} rules with a group as \
             authorization object"
        );
        let help = "write address ranges or a prefix list instead";
        findings.error("AuthorizedGroupRule.LimitExceed", &rule.origin, message, help);
    }
}

/// How many lists there are.
pub(crate) fn check_list_counts(policies: &PolicySet, findings: &mut Findings) {
    let prefix_lists = policies.prefix_lists.get(PREFIX_LISTS).map(|list| &list.origin);
    let port_lists = policies.port_lists.get(PORT_LISTS).map(|list| &list.origin);
    for (beyond, limit, what) in
        [(prefix_lists, PREFIX_LISTS, "prefix lists"), (port_lists, PORT_LISTS, "port lists")]
    {
        if let Some(origin) = beyond {
            let message = format!("more than {limit} {what}");
            findings.error("list-limit", origin, message, "merge some of them");
        }
    }
}

/// How often each list is named by `rules`, a group's whole list replaced by another if asked.
pub(crate) fn check_associations<'a>(
    policies: &PolicySet,
    rules: impl Iterator<Item = &'a Rule>,
    findings: &mut Findings,
) {
    let mut by_prefix_list = vec![0; policies.prefix_lists.len()];
    let mut by_port_list = vec![0; policies.port_lists.len()];
    for rule in rules {
        if let Object::PrefixList(list) = rule.object {
            let id = &policies.prefix_list(list).id;
            let code = "LimitExceed.PrefixListAssociationResource";
            count(&mut by_prefix_list[list.0 as usize], id, code, &rule.origin, findings);
        }
        if let Ports::List(list) = rule.ports {
            let id = &policies.port_list(list).id;
            let code = "port-list-associations";
            count(&mut by_port_list[list.0 as usize], id, code, &rule.origin, findings);
        }
    }
}

fn count(
    named: &mut usize,
    id: &str,
    code: &'static str,
    origin: &Origin,
    findings: &mut Findings,
) {
    *named += 1;
    if *named == ASSOCIATIONS_PER_LIST + 1 {
        let message = format!("more than {ASSOCIATIONS_PER_LIST} rules name list `{id}`");
        findings.error(code, origin, message, "write ranges, or make a second list");
    }
}

/// How many groups are on an interface, and what their rules cost together.
pub(crate) fn check_interface(
    interface: &Interface,
    groups: &[GroupIndex],
    costs: &[u64],
    origin: &Origin,
    findings: &mut Findings,
) {
    let name = &interface.name;
    if groups.len() > GROUPS_PER_INTERFACE {
        let message = format!(
            "`{name}` is in {} security groups, and at most {GROUPS_PER_INTERFACE} may be",
            groups.len()
        );
        let help = "merge some of the groups, or leave some";
        findings.error("InstanceSecurityGroupLimitExceeded", origin, message, help);
    }
    let cost = cost_of_groups(groups, costs);
    if cost > RULES_PER_INTERFACE {
        let message = format!(
            "the groups of `{name}` have {cost} rules together, and at most {RULES_PER_INTERFACE} \
             may be (a rule with a list counts as its max_entries)"
        );
        findings.error("AclLimitExceed", origin, message, "merge rules, or leave some groups");
    }
}

/// Whether each interface in `group` can carry it with its rules replaced.
pub(crate) fn check_replaced_rules(
    world: &World,
    policies: &PolicySet,
    group: GroupIndex,
    rules: &[Rule],
    findings: &mut Findings,
) {
    let mut costs = costs(policies);
    costs[group.as_usize()] = 0;
    let members = world.interfaces.iter().filter(|interface| interface.groups.contains(&group));
    let others = members.map(|member| (cost_of_groups(&member.groups, &costs), member));
    let Some((others, fullest)) = others.max_by_key(|&(cost, _)| cost) else {
        return;
    };
    let mut cost = others;
    let beyond = rules.iter().find(|rule| {
        cost += cost_of_rule(policies, rule);
        cost > RULES_PER_INTERFACE
    });
    if let Some(rule) = beyond {
        let message = format!(
            "with this rule the groups of `{}` have more than {RULES_PER_INTERFACE} rules together \
             (a rule with a list counts as its max_entries)",
            fullest.name
        );
        let help = "merge rules, or let the interface leave some groups";
        findings.error("AuthorizationLimitExceed", &rule.origin, message, help);
    }
}

/// A group named twice is complained of elsewhere, and counts once.
fn cost_of_groups(groups: &[GroupIndex], costs: &[u64]) -> u64 {
    let firsts = groups.iter().enumerate().filter(|&(i, group)| !groups[..i].contains(group));
    firsts.filter_map(|(_, group)| costs.get(group.as_usize())).sum()
}

/// "IPs per basic VPC group 6,000; basic classic 1,000; advanced 65,536 (ENI count)".
fn capacity(group: &Group) -> (usize, &'static str) {
    match (group.kind, group.network) {
        (GroupKind::Advanced, _) => (65_536, "interfaces"),
        (GroupKind::Basic, Network::Vpc(_)) => (6_000, "private addresses"),
        (GroupKind::Basic, Network::ClassicInternal | Network::ClassicPublic) => {
            (1_000, "private addresses")
        }
    }
}

/// What an interface takes of a group's capacity. "Basic counts every IP of every associated ENI:
/// primary + secondary IPv4, IPv6, IPv4 and IPv6 prefixes"; a prefix counts as one. The public NIC
/// of a classic instance has no private address.
fn size_in(group: &Group, interface: &Interface) -> usize {
    match (group.kind, interface.network) {
        (GroupKind::Advanced, _) => 1,
        (GroupKind::Basic, Network::ClassicPublic) => 0,
        (GroupKind::Basic, Network::Vpc(_) | Network::ClassicInternal) => {
            1 + interface.secondary.len() + interface.ipv6.len() + interface.prefixes.len()
        }
    }
}

/// How much each group holds.
pub(crate) fn sizes(world: &World, policies: &PolicySet) -> Vec<usize> {
    let mut sizes = vec![0; policies.groups.len()];
    for interface in &world.interfaces {
        for index in &interface.groups {
            if let Some(group) = policies.groups.get(index.as_usize()) {
                sizes[index.as_usize()] += size_in(group, interface);
            }
        }
    }
    sizes
}

/// Whether a group holds too much.
pub(crate) fn check_size(group: &Group, size: usize, origin: &Origin, findings: &mut Findings) {
    let (most, what) = capacity(group);
    if size > most {
        let message =
            format!("security group `{}` holds {size} {what}, and at most {most} may be", group.id);
        let help = "spread the instances over several groups";
        findings.error("SecurityGroupInstanceLimitExceeded", origin, message, help);
    }
}

/// Whether the groups that `interface` is to join can take it.
pub(crate) fn check_joined_sizes(
    world: &World,
    policies: &PolicySet,
    interface: InterfaceIndex,
    groups: &[GroupIndex],
    origin: &Origin,
    findings: &mut Findings,
) {
    let joining = world.interface(interface);
    let sizes = sizes(world, policies);
    for index in groups.iter().filter(|index| !joining.groups.contains(index)) {
        if let Some(group) = policies.groups.get(index.as_usize()) {
            let size = sizes[index.as_usize()] + size_in(group, joining);
            check_size(group, size, origin, findings);
        }
    }
}
