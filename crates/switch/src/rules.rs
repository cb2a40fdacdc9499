//! The rules of a moment: an immutable value that is swapped whole, cheap to make from the one
//! before. What an interface enforces is a set of groups that it shares with others, so that a rule
//! changes in one place however many interfaces have it; and who is a member of what is asked when a
//! session is looked at anew, so that a membership changes at one interface.

use std::sync::Arc;

use ringfence_cloud::{GroupIndex, InterfaceIndex};
use ringfence_policy::{
    Classifier, Decision, Nic, Object, PolicySet, PortListIndex, Ports, PrefixListIndex, Rule,
    RuleRef, SameGroup,
};
use ringfence_session::{TimeoutNumbers, Timeouts};

use crate::pieces::Pieces;
use crate::tally::{self, TallyId};
use crate::tally_ids::Cleared;

/// The rules of a moment.
#[derive(Clone)]
pub(crate) struct Rules {
    /// How many changes were taken until then.
    pub(crate) epoch: u32,
    pub(crate) interfaces: Pieces<InterfaceRules>,
    pub(crate) sets: Pieces<Arc<Set>>,
    /// For each group the epoch of the last change of its members.
    pub(crate) members_changed: Pieces<u32>,
    /// For each group, what each of its rules is counted under.
    pub(crate) rule_tallies: Pieces<Arc<[TallyId]>>,
    /// One more than the largest [`TallyId`].
    pub(crate) tallies: u32,
    /// Which of them mean something new.
    pub(crate) cleared: Cleared,
}

/// Counts [`Rules::sets`].
pub(crate) type SetId = u32;

/// What one interface enforces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InterfaceRules {
    pub(crate) set: SetId,
    /// The epoch of the last change of its own groups.
    pub(crate) moved_at: u32,
    /// Timeouts of the sessions that it opens.
    pub(crate) timeouts: Timeouts,
    /// The same by number.
    pub(crate) kept: TimeoutNumbers,
}

/// Groups in the order in which they are attached, at one kind of NIC, compiled.
pub(crate) struct Set {
    pub(crate) groups: Arc<[GroupIndex]>,
    pub(crate) nic: Nic,
    pub(crate) classifier: Classifier,
    pub(crate) names: Names,
    /// The epoch of the last change of its rules, or of a list that they name.
    pub(crate) changed_at: u32,
}

/// What the rules of a set go by that changes elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names {
    /// Groups whose members count: objects, and the set's own groups with same-group Accept, which
    /// "counts as a rule that references the group itself".
    pub(crate) groups: Vec<GroupIndex>,
    pub(crate) prefix_lists: Vec<PrefixListIndex>,
    pub(crate) port_lists: Vec<PortListIndex>,
}

impl Names {
    pub(crate) fn of(policies: &PolicySet, groups: &[GroupIndex], nic: Nic) -> Names {
        let mut names = Names::default();
        for &index in groups {
            let group = policies.group(index);
            if group.same_group == SameGroup::Accept {
                names.groups.push(index);
            }
            for rule in group.rules.iter().filter(|rule| rule.nic == nic) {
                names.add(rule);
            }
        }
        names.groups.sort_unstable();
        names.groups.dedup();
        names.prefix_lists.sort_unstable();
        names.prefix_lists.dedup();
        names.port_lists.sort_unstable();
        names.port_lists.dedup();
        names
    }

    fn add(&mut self, rule: &Rule) {
        match rule.object {
            Object::Group(group) => self.groups.push(group),
            Object::PrefixList(list) => self.prefix_lists.push(list),
            Object::Cidr(_) => {}
        }
        if let Ports::List(list) = rule.ports {
            self.port_lists.push(list);
        }
    }

    /// Whether a rule goes by nothing that changes elsewhere.
    pub(crate) fn ignore(rule: &Rule) -> bool {
        matches!(rule.object, Object::Cidr(_)) && !matches!(rule.ports, Ports::List(_))
    }
}

impl Rules {
    pub(crate) fn interface(&self, index: InterfaceIndex) -> &InterfaceRules {
        self.interfaces.get(index.as_usize())
    }

    /// The set of groups of an interface.
    pub(crate) fn set_of(&self, index: InterfaceIndex) -> &Set {
        self.sets.get(self.interface(index).set as usize)
    }

    /// The epoch of the last change that touched an interface: "one whose own groups or rules
    /// changed, or whose rules reference a group whose members, or a list whose entries, changed."
    pub(crate) fn changed_at(&self, index: InterfaceIndex) -> u32 {
        let InterfaceRules { set, moved_at, .. } = *self.interface(index);
        let set = self.sets.get(set as usize);
        let members = set.names.groups.iter().map(|g| *self.members_changed.get(g.as_usize()));
        members.fold(moved_at.max(set.changed_at), u32::max)
    }

    /// What a decision at an interface is counted under.
    pub(crate) fn tally(&self, interface: InterfaceIndex, decision: Decision) -> TallyId {
        tally::of_decision(interface, decision, |RuleRef { group, rule }| {
            self.rule_tallies.get(group.as_usize())[rule as usize]
        })
    }
}
