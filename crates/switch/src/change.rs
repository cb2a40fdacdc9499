//! Rules, memberships, lists and timeouts that change while frames flow: which interfaces a change
//! touches, and how it is put into the policy. What becomes of their sessions is found out when
//! their next packets come (`cross`).

use ipnet::IpNet;
use ringfence_cloud::{GroupIndex, InterfaceIndex};
use ringfence_policy::{
    Nic, Object, PortListIndex, PortRange, Ports, PrefixListIndex, Rule, RuleRef, SameGroup,
};
use ringfence_session::Timeouts;

use crate::Fabric;

/// Option `on_rule_change`. "A changed interface is one whose own groups or rules changed, or
/// whose rules reference a group whose members, or a list whose entries, changed." Same-group
/// Accept counts as a rule that references the group itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OnRuleChange {
    /// "re-decide the session's first packet under the new rules, cut the session if it is now
    /// denied"
    #[default]
    CutIfDenied,
    /// "tracked flows live on"
    Keep,
    /// "forget all sessions of the changed interface, the next packet is decided as new"
    Flush,
    /// "only those admitted inbound"
    FlushInbound,
}

/// One change, validated.
#[derive(Clone, Debug)]
pub enum Change {
    /// Replaces a group's rules whole.
    Rules(GroupIndex, Vec<Rule>),
    /// Replaces one rule, where it stands in its group.
    Rule(RuleRef, Box<Rule>),
    /// Replaces an interface's groups.
    Members(InterfaceIndex, Vec<GroupIndex>),
    /// Replaces a prefix list's entries.
    PrefixList(PrefixListIndex, Vec<IpNet>),
    /// Replaces a port list's entries.
    PortList(PortListIndex, Vec<PortRange>),
    /// Replaces an interface's timeouts; touches new sessions only.
    Timeouts(InterfaceIndex, Timeouts),
}

impl Fabric {
    /// Makes a change, on paper.
    pub fn put(&mut self, change: Change) {
        let Fabric { world, policies, timeouts, .. } = self;
        match change {
            Change::Rules(group, rules) => policies.groups[group.as_usize()].rules = rules,
            Change::Rule(RuleRef { group, rule: place }, rule) => {
                policies.groups[group.as_usize()].rules[place as usize] = *rule;
            }
            Change::Members(interface, groups) => {
                world.interfaces[interface.as_usize()].groups = groups;
            }
            Change::PrefixList(list, entries) => {
                policies.prefix_lists[list.0 as usize].entries = entries;
            }
            Change::PortList(list, entries) => {
                policies.port_lists[list.0 as usize].entries = entries;
            }
            Change::Timeouts(interface, new) => timeouts[interface.as_usize()] = new,
        }
    }

    /// The interfaces that a change changes, asked before it is made. Groups and entries that are
    /// there already change none; rules count as changed whenever they are replaced.
    pub fn touched_by(&self, change: &Change) -> Vec<InterfaceIndex> {
        match change {
            Change::Rules(group, _) | Change::Rule(RuleRef { group, .. }, _) => {
                self.interfaces(|_, groups| groups.contains(group))
            }
            Change::Members(changed, groups) => {
                let before = &self.world.interface(*changed).groups;
                let moved: Vec<GroupIndex> = before
                    .iter()
                    .filter(|group| !groups.contains(group))
                    .chain(groups.iter().filter(|group| !before.contains(group)))
                    .copied()
                    .collect();
                self.interfaces(|index, groups| {
                    (index == *changed && !moved.is_empty())
                        || moved.iter().any(|&group| self.goes_by_members_of(index, groups, group))
                })
            }
            Change::PrefixList(list, entries) => {
                let is_new = self.policies.prefix_list(*list).entries != *entries;
                let names = |rule: &Rule| rule.object == Object::PrefixList(*list);
                self.interfaces(|index, groups| is_new && self.any_rule(index, groups, names))
            }
            Change::PortList(list, entries) => {
                let is_new = self.policies.port_list(*list).entries != *entries;
                let names = |rule: &Rule| rule.ports == Ports::List(*list);
                self.interfaces(|index, groups| is_new && self.any_rule(index, groups, names))
            }
            Change::Timeouts(..) => Vec::new(),
        }
    }

    fn interfaces(
        &self,
        is_touched: impl Fn(InterfaceIndex, &[GroupIndex]) -> bool,
    ) -> Vec<InterfaceIndex> {
        (0..)
            .map(InterfaceIndex)
            .zip(&self.world.interfaces)
            .filter(|(index, interface)| is_touched(*index, &interface.groups))
            .map(|(index, _)| index)
            .collect()
    }

    fn goes_by_members_of(
        &self,
        interface: InterfaceIndex,
        groups: &[GroupIndex],
        group: GroupIndex,
    ) -> bool {
        let accepts = self.policies.group(group).same_group == SameGroup::Accept;
        (accepts && groups.contains(&group))
            || self.any_rule(interface, groups, |rule| rule.object == Object::Group(group))
    }

    /// Whether one of the interface's rules is so. The rules of a classic group are its members'
    /// only on the NIC that they name.
    fn any_rule(
        &self,
        interface: InterfaceIndex,
        groups: &[GroupIndex],
        is_so: impl Fn(&Rule) -> bool,
    ) -> bool {
        let nic = Nic::of(self.world.interface(interface).network);
        let rules = groups.iter().flat_map(|&group| &self.policies.group(group).rules);
        rules.filter(|rule| rule.nic == nic).any(is_so)
    }
}
