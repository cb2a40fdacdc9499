//! Changes at given times: those of a scenario, and those of a control file for `replay`.
//!
//! Each is validated under the rules and memberships of its moment, so that the ones before it
//! count. Owns the copy of the fabric that moves along; applying them to a switch is the runner's.

use std::sync::Arc;

use ringfence_cloud::{GroupIndex, InterfaceIndex, Origin};
use ringfence_frame::Instant;
use ringfence_policy::{
    Catalogue, GroupDraft, PortListDraft, PortListIndex, PrefixListDraft, PrefixListIndex,
    RuleDraft, Text, check_memberships, validate_rules,
};
use ringfence_switch::{Change, Fabric};

use crate::diagnostic::suggestion;
use crate::file::leaves::{Id, Located};
use crate::file::read::{Findings, Read};
use crate::file::{
    ChangeFile, ControlFile, RemoveRulesFile, RuleFile, SetListFile, SetMembersFile, SetRulesFile,
    SetTimeoutsFile, TimeoutsFile, node,
};
use crate::load::{apply_timeouts, check_timeouts, diagnose, rule_drafts};
use crate::model::TimedChange;
use crate::{Diagnostic, Source};

/// The changes of a scenario in time order; findings for those that cannot be.
pub(crate) fn changes(
    fabric: &Fabric,
    files: &[ChangeFile],
    catalogue: Catalogue,
    findings: &mut Findings,
) -> Vec<TimedChange> {
    let mut ordered: Vec<&ChangeFile> = files.iter().collect();
    ordered.sort_by_key(|file| file.at.value);
    if ordered.is_empty() {
        return Vec::new();
    }
    let mut moment = Moment::new(fabric, catalogue.groups);
    for file in ordered {
        let before = moment.made.len() + findings.list.len();
        moment.change(file, findings);
        if before == moment.made.len() + findings.list.len() {
            let help = "add `set_rules`, `set_members`, `set_timeouts` or another";
            findings.error("RF0007", &file.origin, "this change changes nothing", help);
        }
    }
    moment.made
}

/// Reads a control file: JSON lines, each `{"at_ns": ..., "set_rules": {...}}` or with another
/// change, rules in the words of the scenario file.
///
/// # Errors
/// Everything that is wrong with it, in file order.
pub fn parse_control(
    fabric: &Fabric,
    source: &Source,
) -> Result<Vec<TimedChange>, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let mut lines: Vec<ControlFile> = Vec::new();
    let mut start = 0;
    for (number, line) in (0..).zip(source.text.split_inclusive('\n')) {
        if !line.trim().is_empty() {
            lines.extend(control_line(source, line, number, start, &mut findings));
        }
        start += line.len();
    }
    lines.sort_by_key(|line| line.at_ns.value);
    let mut moment = Moment::new(fabric, Vec::new());
    for line in lines {
        let ControlFile {
            at_ns,
            set_rules,
            set_members,
            set_timeouts,
            set_prefix_list,
            set_port_list,
            origin,
        } = line;
        let at = Located { value: Instant::from_ns(at_ns.value), origin: at_ns.origin };
        let change = ChangeFile {
            at,
            set_rules,
            add_rules: None,
            remove_rules: None,
            set_members,
            set_timeouts,
            set_prefix_list,
            set_port_list,
            origin,
        };
        moment.change(&change, &mut findings);
    }
    match findings.has_errors() {
        false => Ok(moment.made),
        true => {
            findings.list.sort_by(|a, b| a.origin.cmp(&b.origin));
            Err(findings.list)
        }
    }
}

fn control_line(
    source: &Source,
    line: &str,
    number: u32,
    start: usize,
    findings: &mut Findings,
) -> Option<ControlFile> {
    let alone = Source { name: Arc::clone(&source.name), text: Arc::from(line) };
    let mut own = Findings::default();
    let read = match node::parse(&alone) {
        Ok(node) => ControlFile::read(&node, &mut own),
        Err(refusal) => {
            own.list.push(*refusal);
            None
        }
    };
    for mut finding in own.list {
        shift(&mut finding.origin, number, start);
        finding.related.iter_mut().for_each(|(origin, _)| shift(origin, number, start));
        findings.list.push(finding);
    }
    let mut read = read?;
    shift_all(&mut read, number, start);
    Some(read)
}

fn shift(origin: &mut Origin, lines: u32, bytes: usize) {
    origin.line = origin.line.saturating_add(lines);
    origin.start += bytes;
}

/// The places of everything that later checks may speak of.
fn shift_all(line: &mut ControlFile, lines: u32, bytes: usize) {
    let ControlFile {
        at_ns,
        set_rules,
        set_members,
        set_timeouts,
        set_prefix_list,
        set_port_list,
        origin,
    } = line;
    let text = |text: &mut Text| shift(&mut text.origin, lines, bytes);
    shift(origin, lines, bytes);
    shift(&mut at_ns.origin, lines, bytes);
    if let Some(SetRulesFile { group, rules, origin }) = set_rules {
        text(&mut group.0);
        shift(origin, lines, bytes);
        rules.iter_mut().for_each(|rule| shift_rule(rule, lines, bytes));
    }
    if let Some(SetMembersFile { interface, groups, origin }) = set_members {
        text(interface);
        shift(origin, lines, bytes);
        groups.0.iter_mut().for_each(|group| text(&mut group.0));
    }
    if let Some(set) = set_timeouts {
        text(&mut set.interface);
        shift(&mut set.origin, lines, bytes);
        let restricted =
            [&mut set.tcp_established, &mut set.tcp_closed_and_time_wait, &mut set.udp];
        for timeout in restricted.into_iter().flatten() {
            shift(&mut timeout.origin, lines, bytes);
        }
    }
    for SetListFile { id, entries, origin } in
        [set_prefix_list, set_port_list].into_iter().flatten()
    {
        text(&mut id.0);
        shift(origin, lines, bytes);
        entries.iter_mut().for_each(text);
    }
}

fn shift_rule(rule: &mut RuleFile, lines: u32, bytes: usize) {
    let RuleFile {
        id,
        direction,
        action,
        priority,
        protocol,
        port_range,
        source_ports,
        source,
        destination,
        authorization_object,
        sources,
        targets,
        nic,
        icmp_type,
        icmp_code,
        description,
        origin,
    } = rule;
    shift(origin, lines, bytes);
    let optional = [
        id,
        action,
        priority,
        port_range,
        source_ports,
        source,
        destination,
        authorization_object,
        nic,
        icmp_type,
        icmp_code,
        description,
    ];
    let several = sources.0.iter_mut().chain(&mut targets.0);
    let texts = optional.into_iter().flatten().chain([direction, protocol]).chain(several);
    texts.for_each(|text| shift(&mut text.origin, lines, bytes));
}

/// A fabric as it is at some moment, and the changes that led there.
struct Moment {
    fabric: Fabric,
    /// The rules of each group as they were written; empty if they are not known.
    drafts: Vec<GroupDraft>,
    made: Vec<TimedChange>,
}

impl Moment {
    fn new(fabric: &Fabric, drafts: Vec<GroupDraft>) -> Moment {
        Moment { fabric: fabric.clone(), drafts, made: Vec::new() }
    }

    fn change(&mut self, file: &ChangeFile, findings: &mut Findings) {
        let ChangeFile {
            at,
            set_rules,
            add_rules,
            remove_rules,
            set_members,
            set_timeouts,
            set_prefix_list,
            set_port_list,
            origin: _,
        } = file;
        let at = at.value;
        if let Some(set) = set_rules {
            self.set_rules(at, set, findings);
        }
        if let Some(remove) = remove_rules {
            self.remove_rules(at, remove, findings);
        }
        if let Some(add) = add_rules {
            self.add_rules(at, add, findings);
        }
        if let Some(set) = set_members {
            self.set_members(at, set, findings);
        }
        if let Some(set) = set_timeouts {
            self.set_timeouts(at, set, findings);
        }
        if let Some(set) = set_prefix_list {
            self.set_prefix_list(at, set, findings);
        }
        if let Some(set) = set_port_list {
            self.set_port_list(at, set, findings);
        }
    }

    fn push(&mut self, at: Instant, change: Change, summary: String, origin: &Origin) {
        self.made.push(TimedChange { at, change, summary, origin: origin.clone() });
    }

    fn group(&self, id: &Id, findings: &mut Findings) -> Option<GroupIndex> {
        let found = self.fabric.policies.group_named(&id.0.value);
        if found.is_none() {
            let names = self.fabric.policies.groups.iter().map(|group| group.id.as_str());
            unknown("security group", &id.0, names, findings);
        }
        found
    }

    fn interface(&self, name: &Text, findings: &mut Findings) -> Option<InterfaceIndex> {
        let found = self.fabric.world.interface_named(&name.value);
        if found.is_none() {
            let names = self.fabric.world.interfaces.iter().map(|it| it.name.as_str());
            unknown("interface", name, names, findings);
        }
        found
    }

    fn set_rules(&mut self, at: Instant, set: &SetRulesFile, findings: &mut Findings) {
        let Some(group) = self.group(&set.group, findings) else {
            return;
        };
        let drafts = rule_drafts(&set.rules, findings);
        self.replace_rules(at, group, drafts, &set.origin, findings);
    }

    fn add_rules(&mut self, at: Instant, add: &SetRulesFile, findings: &mut Findings) {
        let Some(group) = self.group(&add.group, findings) else {
            return;
        };
        let mut drafts = self.named_drafts(group);
        let mut number = drafts.len();
        for mut draft in rule_drafts(&add.rules, findings) {
            number += 1;
            if draft.id.is_none() {
                let taken = |id: &str| {
                    drafts.iter().any(|draft| draft.id.as_ref().is_some_and(|it| it.value == id))
                };
                while taken(&format!("{}/{number}", add.group.0.value)) {
                    number += 1;
                }
                let value = format!("{}/{number}", add.group.0.value);
                draft.id = Some(Text { value, origin: draft.origin.clone() });
            }
            drafts.push(draft);
        }
        self.replace_rules(at, group, drafts, &add.origin, findings);
    }

    fn remove_rules(&mut self, at: Instant, remove: &RemoveRulesFile, findings: &mut Findings) {
        let Some(group) = self.group(&remove.group, findings) else {
            return;
        };
        let mut drafts = self.named_drafts(group);
        for id in &remove.rules.0 {
            let before = drafts.len();
            drafts.retain(|draft| draft.id.as_ref().is_none_or(|it| it.value != id.value));
            if drafts.len() == before {
                let names = drafts.iter().flat_map(|draft| &draft.id).map(|id| id.value.as_str());
                unknown("rule", id, names, findings);
            }
        }
        self.replace_rules(at, group, drafts, &remove.origin, findings);
    }

    /// The rules of a group as they were written, each with the id that it has by now.
    fn named_drafts(&self, group: GroupIndex) -> Vec<RuleDraft> {
        let Some(drafts) = self.drafts.get(group.as_usize()) else {
            return Vec::new();
        };
        let numbered = (1..).zip(drafts.rules.iter().cloned());
        let named = numbered.map(|(number, mut draft)| {
            let value = format!("{}/{number}", drafts.id.value);
            let origin = draft.origin.clone();
            draft.id.get_or_insert(Text { value, origin });
            draft
        });
        named.collect()
    }

    fn replace_rules(
        &mut self,
        at: Instant,
        group: GroupIndex,
        drafts: Vec<RuleDraft>,
        origin: &Origin,
        findings: &mut Findings,
    ) {
        let Fabric { world, policies, .. } = &self.fabric;
        let rules = match validate_rules(world, policies, group, &drafts) {
            Ok((rules, warnings)) => {
                findings.list.extend(warnings.iter().map(diagnose));
                rules
            }
            Err(violations) => {
                findings.list.extend(violations.iter().map(diagnose));
                return;
            }
        };
        let summary = format!("rules of {}", policies.group(group).id);
        self.fabric.policies.groups[group.as_usize()].rules.clone_from(&rules);
        if let Some(group) = self.drafts.get_mut(group.as_usize()) {
            group.rules = drafts;
        }
        self.push(at, Change::Rules(group, rules), summary, origin);
    }

    fn set_members(&mut self, at: Instant, set: &SetMembersFile, findings: &mut Findings) {
        let groups = set.groups.0.iter().map(|id| self.group(id, findings)).collect::<Vec<_>>();
        let Some(interface) = self.interface(&set.interface, findings) else {
            return;
        };
        let Some(groups) = groups.into_iter().collect::<Option<Vec<GroupIndex>>>() else {
            return;
        };
        // "Groups of an instance act on its primary ENI; each secondary ENI has its own"; the two
        // NICs of a classic instance are one in this.
        let Fabric { world, policies, .. } = &self.fabric;
        let origin = &set.origin;
        if let Err(violations) = check_memberships(world, policies, interface, &groups, origin) {
            findings.list.extend(violations.iter().map(diagnose));
            return;
        }
        let summary = format!("members: {}", set.interface.value);
        for interface in self.with_classic_sibling(interface) {
            self.fabric.world.interfaces[interface.as_usize()].groups.clone_from(&groups);
            self.push(at, Change::Members(interface, groups.clone()), summary.clone(), origin);
        }
    }

    /// The interface, and its other NIC if it is a classic one.
    fn with_classic_sibling(&self, interface: InterfaceIndex) -> Vec<InterfaceIndex> {
        let world = &self.fabric.world;
        let it = world.interface(interface);
        match it.network {
            ringfence_cloud::Network::Vpc(_) => vec![interface],
            _ => world.instances[it.instance.as_usize()].interfaces.clone(),
        }
    }

    fn set_timeouts(&mut self, at: Instant, set: &SetTimeoutsFile, findings: &mut Findings) {
        let Some(interface) = self.interface(&set.interface, findings) else {
            return;
        };
        let set = set.clone();
        let file = TimeoutsFile {
            tcp_opening: set.tcp_opening,
            tcp_established: set.tcp_established,
            tcp_closed_and_time_wait: set.tcp_closed_and_time_wait,
            udp: set.udp,
            udp_stream: set.udp_stream,
            icmp: set.icmp,
            other: set.other,
            origin: set.origin,
        };
        let Some(timeouts) = self.fabric.timeouts.get_mut(interface.as_usize()) else {
            return;
        };
        apply_timeouts(timeouts, &file);
        let timeouts = *timeouts;
        let profile = self.fabric.policies.options.profile;
        check_timeouts(profile, &timeouts, &file, findings);
        let summary = format!("timeouts of {}", set.interface.value);
        self.push(at, Change::Timeouts(interface, timeouts), summary, &file.origin);
    }

    /// Lists are validated as the same list in a catalogue of its own, its size as it is.
    fn set_prefix_list(&mut self, at: Instant, set: &SetListFile, findings: &mut Findings) {
        let lists = &self.fabric.policies.prefix_lists;
        let Some(place) = lists.iter().position(|list| list.id == set.id.0.value) else {
            let names = lists.iter().map(|list| list.id.as_str());
            return unknown("prefix list", &set.id.0, names, findings);
        };
        let list = &lists[place];
        let family = list.entries.first().map(|entry| match entry {
            ipnet::IpNet::V4(_) => "ipv4",
            ipnet::IpNet::V6(_) => "ipv6",
        });
        let text = |value: String| Text { value, origin: set.origin.clone() };
        let draft = PrefixListDraft {
            id: set.id.0.clone(),
            max_entries: Some(text(list.max_entries.to_string())),
            family: family.map(|family| text(family.to_owned())),
            entries: set.entries.clone(),
            origin: set.origin.clone(),
        };
        let catalogue = Catalogue { prefix_lists: vec![draft], ..Catalogue::default() };
        let Some(policies) = self.validate_alone(&catalogue, findings) else {
            return;
        };
        let Some(new) = policies.prefix_lists.into_iter().next() else {
            return;
        };
        self.fabric.policies.prefix_lists[place].entries.clone_from(&new.entries);
        let index = PrefixListIndex(u32::try_from(place).unwrap_or(u32::MAX));
        let summary = format!("entries of {}", new.id);
        self.push(at, Change::PrefixList(index, new.entries), summary, &set.origin);
    }

    fn set_port_list(&mut self, at: Instant, set: &SetListFile, findings: &mut Findings) {
        let lists = &self.fabric.policies.port_lists;
        let Some(place) = lists.iter().position(|list| list.id == set.id.0.value) else {
            let names = lists.iter().map(|list| list.id.as_str());
            return unknown("port list", &set.id.0, names, findings);
        };
        let max_entries = lists[place].max_entries.to_string();
        let draft = PortListDraft {
            id: set.id.0.clone(),
            max_entries: Some(Text { value: max_entries, origin: set.origin.clone() }),
            entries: set.entries.clone(),
            origin: set.origin.clone(),
        };
        let catalogue = Catalogue { port_lists: vec![draft], ..Catalogue::default() };
        let Some(policies) = self.validate_alone(&catalogue, findings) else {
            return;
        };
        let Some(new) = policies.port_lists.into_iter().next() else {
            return;
        };
        self.fabric.policies.port_lists[place].entries.clone_from(&new.entries);
        let index = PortListIndex(u32::try_from(place).unwrap_or(u32::MAX));
        let summary = format!("entries of {}", new.id);
        self.push(at, Change::PortList(index, new.entries), summary, &set.origin);
    }

    /// Validates lists without the groups: an empty world has no memberships to check.
    fn validate_alone(
        &self,
        catalogue: &Catalogue,
        findings: &mut Findings,
    ) -> Option<ringfence_policy::PolicySet> {
        let world = ringfence_cloud::World::default();
        match ringfence_policy::validate(&world, catalogue, self.fabric.policies.options) {
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
}

fn unknown<'a>(
    what: &str,
    name: &Text,
    names: impl Iterator<Item = &'a str>,
    findings: &mut Findings,
) {
    let message = format!("there is no {what} `{}`", name.value);
    let help = match suggestion(&name.value, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("name a {what} of the scenario"),
    };
    findings.error("RF0100", &name.origin, message, help);
}
