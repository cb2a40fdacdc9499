//! A change to the rules, as a new classifier that shares with the old one what it does not touch.
//! Owns what a change touches; how a table takes it in is `update`'s.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringfence_cloud::GroupIndex;

use super::kept::KeptRules;
use super::key::RULES_MAX;
use super::steps::direction_index;
use super::table::{Table, belongs};
use super::{Classifier, DIRECTIONS, Rules, keyed};
use crate::{Object, PolicySet, PortListIndex, PrefixListIndex};

/// More rules than this changed at once are compiled anew.
const CHANGES_MAX: usize = 32;

impl Classifier {
    /// The classifier after the rules of one of its groups have changed. `policies` is the state
    /// after the change; nothing else in it may differ from what this classifier was made from.
    ///
    /// Rules replaced in their place, added at the end or taken from it cost the nodes of the
    /// objects that they name; anything else is compiled anew.
    pub fn with_rules(&self, policies: &PolicySet, changed: GroupIndex) -> Classifier {
        let mut positions = (0..).zip(&self.groups).filter(|(_, group)| **group == changed);
        match (positions.next(), positions.next()) {
            (None, _) => self.clone(),
            (Some((position, _)), None) => {
                let updated = self.with_changed_rules(policies, position);
                updated.unwrap_or_else(|| self.compiled_anew(policies))
            }
            (Some(_), Some(_)) => self.compiled_anew(policies),
        }
    }

    /// The classifier after the entries of a prefix list have changed: compiled anew if it
    /// [goes by](Classifier::goes_by_prefix_list) the list.
    pub fn with_prefix_list(&self, policies: &PolicySet, list: PrefixListIndex) -> Classifier {
        match self.goes_by_prefix_list(list) {
            true => self.compiled_anew(policies),
            false => self.clone(),
        }
    }

    /// Whether it keeps the entries of a prefix list: one of its rules names the list, or has
    /// named it and may do so again. (Beyond what is compiled it says so of every list.)
    pub fn goes_by_prefix_list(&self, list: PrefixListIndex) -> bool {
        self.rules.iter().any(|rules| match rules {
            Rules::Compiled(table) => table.number_of(&Object::PrefixList(list)).is_some(),
            Rules::Plain(_) => true,
        })
    }

    /// The classifier after the entries of a port list have changed: the nodes of the objects whose
    /// rules name it are built anew.
    pub fn with_port_list(&self, policies: &PolicySet, list: PortListIndex) -> Classifier {
        let Some(tables) = self.tables() else { return self.compiled_anew(policies) };
        let mut touched = Touched::default();
        for kept in &self.kept {
            for place in (0..kept.len()).filter(|place| kept.names_port_list(*place, list.0)) {
                touched.add_kept(kept.place_in_table(place), tables);
            }
        }
        let updated = self.with_touched(policies, touched);
        updated.unwrap_or_else(|| self.compiled_anew(policies))
    }

    /// Changes only what the rules that differ touch; none if that is too much.
    fn with_changed_rules(&self, policies: &PolicySet, position: usize) -> Option<Classifier> {
        let tables = self.tables()?;
        let nic = self.steps.nic();
        let rules = &policies.group(self.groups[position]).rules;
        let kept = &self.kept[position];
        if rules.len() > RULES_MAX {
            return None;
        }
        let mut changed = Vec::new();
        for place in 0..rules.len().max(kept.len()) {
            let is_same = rules.get(place).is_some_and(|rule| kept.is(place, rule, nic, tables));
            if !is_same {
                changed.push(place);
            }
            if changed.len() > CHANGES_MAX {
                return None;
            }
        }
        let mut touched = Touched::default();
        for &place in &changed {
            touched.add_kept(kept.place_in_table(place), tables);
            if let Some(rule) = rules.get(place)
                && belongs(rule, rule.direction, nic)
            {
                touched.add(direction_index(rule.direction), rule.object);
            }
        }
        let mut updated = self.with_touched(policies, touched)?;
        let mut kept = KeptRules::clone(kept);
        let tables = updated.tables()?;
        for place in changed {
            match rules.get(place) {
                Some(rule) => kept.set(place, rule, nic, tables),
                None => kept.truncate(rules.len()),
            }
        }
        updated.kept[position] = Arc::new(kept);
        Some(updated)
    }

    /// Builds the nodes of these objects anew; none if too much is left behind by that.
    fn with_touched(&self, policies: &PolicySet, touched: Touched) -> Option<Classifier> {
        let mut updated = self.clone();
        for (number, objects) in touched.0.into_iter().enumerate() {
            if objects.is_empty() {
                continue;
            }
            if objects.len() > 2 * CHANGES_MAX {
                return None;
            }
            let Rules::Compiled(table) = &mut updated.rules[number] else { return None };
            let table = Arc::make_mut(table);
            let nic = self.steps.nic();
            let mut rules = keyed(policies, &self.groups, nic, DIRECTIONS[number], |rule| {
                objects.contains(&rule.object)
            });
            rules.sort_by_key(|(key, rule)| (rule.object, *key));
            for object in objects {
                let first = rules.partition_point(|(_, rule)| rule.object < object);
                let end = rules.partition_point(|(_, rule)| rule.object <= object);
                table.set_object(policies, object, &rules[first..end]);
            }
            if table.is_worn() {
                return None;
            }
        }
        Some(updated)
    }

    pub(super) fn tables(&self) -> Option<[&Table; 2]> {
        match &self.rules {
            [Rules::Compiled(inbound), Rules::Compiled(outbound)] => Some([inbound, outbound]),
            _ => None,
        }
    }

    fn compiled_anew(&self, policies: &PolicySet) -> Classifier {
        let metadata_server = self.steps.metadata_server();
        Classifier::compile(policies, metadata_server, &self.groups, self.steps.nic())
    }
}

/// Objects whose rules have changed, by direction.
#[derive(Default)]
struct Touched([BTreeSet<Object>; 2]);

impl Touched {
    fn add(&mut self, direction: usize, object: Object) {
        self.0[direction].insert(object);
    }

    fn add_kept(&mut self, place: Option<(usize, usize)>, tables: [&Table; 2]) {
        if let Some((direction, object)) = place {
            self.add(direction, tables[direction].objects[object].0);
        }
    }
}
