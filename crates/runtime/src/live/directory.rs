//! Who is called what: names to numbers, for whoever controls a run. Many threads may ask while one
//! changes it.

use dashmap::DashMap;
use foldhash::fast::FixedState;
use ringfence_cloud::GroupIndex;
use ringfence_policy::{PortListIndex, PrefixListIndex, RuleRef};
use ringfence_switch::{Change, Fabric, PortId, Ports};

/// Names of ports, groups, lists and rules.
#[derive(Debug, Default)]
pub struct Directory {
    ports: DashMap<String, PortId, FixedState>,
    groups: DashMap<String, GroupIndex, FixedState>,
    prefix_lists: DashMap<String, PrefixListIndex, FixedState>,
    port_lists: DashMap<String, PortListIndex, FixedState>,
    /// Rules by group and id; those without id have no name.
    rules: DashMap<(GroupIndex, String), u32, FixedState>,
}

impl Directory {
    /// The names of `fabric`, whose ports are `ports`.
    pub fn new(fabric: &Fabric, ports: &Ports) -> Directory {
        let directory = Directory::default();
        for number in (0..).take(ports.len()) {
            directory.ports.insert(fabric.world.place_name(ports.place(number)), number);
        }
        let policies = &fabric.policies;
        for (index, group) in (0..).map(GroupIndex).zip(&policies.groups) {
            directory.groups.insert(group.id.clone(), index);
            for (place, rule) in group.rules.iter().enumerate() {
                directory.name_rule(index, place, &rule.id);
            }
        }
        for (index, list) in (0..).map(PrefixListIndex).zip(&policies.prefix_lists) {
            directory.prefix_lists.insert(list.id.clone(), index);
        }
        for (index, list) in (0..).map(PortListIndex).zip(&policies.port_lists) {
            directory.port_lists.insert(list.id.clone(), index);
        }
        directory
    }

    /// The number of a port.
    pub fn port(&self, name: &str) -> Option<PortId> {
        self.ports.get(name).map(|entry| *entry)
    }

    /// A group by its id.
    pub fn group(&self, id: &str) -> Option<GroupIndex> {
        self.groups.get(id).map(|entry| *entry)
    }

    /// A prefix list by its id.
    pub fn prefix_list(&self, id: &str) -> Option<PrefixListIndex> {
        self.prefix_lists.get(id).map(|entry| *entry)
    }

    /// A port list by its id.
    pub fn port_list(&self, id: &str) -> Option<PortListIndex> {
        self.port_lists.get(id).map(|entry| *entry)
    }

    /// A rule by its group's id and its own.
    pub fn rule(&self, group: &str, id: &str) -> Option<RuleRef> {
        let group = self.group(group)?;
        let rule = *self.rules.get(&(group, id.to_owned()))?;
        Some(RuleRef { group, rule })
    }

    /// Takes over what a change of `fabric`, not made yet, does to names: what has changed only.
    pub(crate) fn follow(&self, fabric: &Fabric, change: &Change) {
        let (group, first, new) = match change {
            Change::Rules(group, rules) => (*group, 0, rules.as_slice()),
            Change::Rule(RuleRef { group, rule: place }, rule) => {
                (*group, *place as usize, std::slice::from_ref(&**rule))
            }
            Change::Members(..)
            | Change::PrefixList(..)
            | Change::PortList(..)
            | Change::Timeouts(..) => return,
        };
        let all = &fabric.policies.group(group).rules;
        let last = match change {
            Change::Rules(..) => all.len(),
            _ => all.len().min(first + 1),
        };
        let old = all.get(first..last).unwrap_or_default();
        let differs = |place: &usize| match (old.get(*place), new.get(*place)) {
            (Some(old), Some(new)) => old.id != new.id,
            _ => true,
        };
        let changed: Vec<usize> = (0..old.len().max(new.len())).filter(differs).collect();
        for rule in changed.iter().filter_map(|&place| old.get(place)) {
            self.rules.remove(&(group, rule.id.clone()));
        }
        for &place in &changed {
            if let Some(rule) = new.get(place) {
                self.name_rule(group, first + place, &rule.id);
            }
        }
    }

    fn name_rule(&self, group: GroupIndex, place: usize, id: &str) {
        if let (false, Ok(place)) = (id.is_empty(), u32::try_from(place)) {
            self.rules.insert((group, id.to_owned()), place);
        }
    }
}
