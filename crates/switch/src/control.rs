//! The control side of a switch: what is enforced now, and how a change of it reaches the workers.
//! What a change touches is told in `change`; what becomes of sessions, in `cross`.

use std::sync::Arc;

use ringfence_cloud::{GroupIndex, InterfaceIndex};
use ringfence_policy::{Classifier, PolicySet, Rule, RuleRef};
use ringfence_session::{Flows, FlowsConfig};

use crate::pieces::Pieces;
use crate::plane::Plane;
use crate::rules::{InterfaceRules, Names, Rules, Set};
use crate::sets::Sets;
use crate::tally::first_of_rules;
use crate::tally_ids::{Cleared, TallyIds};
use crate::{Change, Fabric, Ports, Worker};

/// How a switch is laid out in memory and on threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Threads that may forward at a time.
    pub workers_max: usize,
    /// Flows of each family that the session table has room for; `None`: as many as sessions.
    pub flows_max: Option<usize>,
    /// Whether sessions are numbered as they open (for verdicts that name them).
    pub numbered: bool,
    /// Whether the session table asks for huge pages.
    pub huge_pages: bool,
    /// Seed of the session table's hash: whoever does not know it cannot aim at one bucket.
    pub seed: u64,
}

impl Default for Layout {
    /// One worker that names sessions: what a simulation needs.
    fn default() -> Layout {
        Layout { workers_max: 1, flows_max: None, numbered: true, huge_pages: false, seed: 0 }
    }
}

/// Holds what a switch enforces, and changes it while workers forward.
pub struct Controller {
    fabric: Fabric,
    plane: Arc<Plane>,
    rules: Rules,
    tally_ids: TallyIds,
    sets: Sets,
    changed: Changed,
}

/// The epoch of the last change of each group's rules and of each list's entries.
pub(crate) struct Changed {
    rules: Vec<u32>,
    prefix_lists: Vec<u32>,
    port_lists: Vec<u32>,
}

impl Changed {
    fn never(policies: &PolicySet) -> Changed {
        Changed {
            rules: vec![0; policies.groups.len()],
            prefix_lists: vec![0; policies.prefix_lists.len()],
            port_lists: vec![0; policies.port_lists.len()],
        }
    }

    /// When rules of `groups`, or lists that they name, last changed.
    pub(crate) fn last(&self, groups: &[GroupIndex], names: &Names) -> u32 {
        let rules = groups.iter().map(|group| self.rules[group.as_usize()]);
        let prefix_lists = names.prefix_lists.iter().map(|it| self.prefix_lists[it.0 as usize]);
        let port_lists = names.port_lists.iter().map(|it| self.port_lists[it.0 as usize]);
        rules.chain(prefix_lists).chain(port_lists).max().unwrap_or(0)
    }
}

impl Controller {
    /// The control side of a switch for `fabric`, with no worker yet.
    ///
    /// # Panics
    /// If there are not as many timeouts as interfaces.
    pub fn new(fabric: Fabric, layout: Layout) -> Controller {
        let interfaces = fabric.world.interfaces.len();
        assert_eq!(fabric.timeouts.len(), interfaces, "every interface has its timeouts");
        let world = Arc::new(fabric.world.clone());
        let ports = Arc::new(Ports::new(&world));
        let mut sets = Sets::default();
        let changed = Changed::never(&fabric.policies);
        let limits = fabric.options.limits;
        let flows = Arc::new(Flows::new(FlowsConfig {
            limits,
            capacity: layout.flows_max.unwrap_or(limits.sessions_max),
            interfaces,
            workers_max: layout.workers_max,
            numbered: layout.numbered,
            seed: layout.seed,
            huge_pages: layout.huge_pages,
        }));
        let rules = first_rules(&fabric, &flows, &changed, &mut sets);
        let options = (fabric.options, fabric.policies.options);
        let plane = Plane::new(world, ports, options, flows, rules.clone(), layout.workers_max);
        let tally_ids = TallyIds::new();
        Controller { fabric, plane: Arc::new(plane), rules, tally_ids, sets, changed }
    }

    /// What is enforced now.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// What the workers share.
    pub fn plane(&self) -> &Arc<Plane> {
        &self.plane
    }

    /// How many sets of groups are compiled: those that interfaces have, and some that they had before
    /// and that nothing has made stale.
    pub fn compiled_sets(&self) -> usize {
        self.sets.len()
    }

    /// How many counters each worker has for rules: as many as there are custom and implicit rules,
    /// those of rules that are gone and that sessions count for, and some that are to be used again.
    pub fn rule_counters(&self) -> usize {
        self.rules.tallies as usize
    }

    /// One more worker, if the layout has room for it.
    pub fn worker(&self) -> Option<Worker> {
        Worker::new(&self.plane)
    }

    /// Changes rules, memberships, lists or timeouts while frames flow. The change has been
    /// validated. Sessions that it condemns end when their next packets come, whenever that is.
    ///
    /// Returns the epoch of the change; [`Plane::is_in_force`] tells when no worker judges by
    /// older rules any more.
    pub fn apply(&mut self, change: Change) -> u32 {
        self.rules.epoch += 1;
        match change {
            Change::Rules(group, rules) => {
                self.count_rules(group, &rules);
                self.fabric.put(Change::Rules(group, rules));
                self.renew_rules(group, true);
            }
            Change::Rule(at, rule) => {
                let RuleRef { group, rule: place } = at;
                let before = self.fabric.policies.rule(at);
                let renames = !(Names::ignore(before) && Names::ignore(&rule));
                if *before != *rule {
                    self.count_rule(group, place);
                }
                self.fabric.put(Change::Rule(at, rule));
                self.renew_rules(group, renames);
            }
            Change::Members(interface, groups) => self.move_interface(interface, groups),
            Change::PrefixList(list, entries) => {
                let is_new = self.fabric.policies.prefix_list(list).entries != entries;
                self.fabric.put(Change::PrefixList(list, entries));
                if is_new {
                    self.changed.prefix_lists[list.0 as usize] = self.rules.epoch;
                    // What no rule names any more may be named again: then by its new entries.
                    self.renew_sets(
                        |set| set.classifier.goes_by_prefix_list(list),
                        |set| set.names.prefix_lists.contains(&list),
                        |set, policies| set.classifier.with_prefix_list(policies, list),
                    );
                }
            }
            Change::PortList(list, entries) => {
                let is_new = self.fabric.policies.port_list(list).entries != entries;
                self.fabric.put(Change::PortList(list, entries));
                if is_new {
                    self.changed.port_lists[list.0 as usize] = self.rules.epoch;
                    let names_it = |set: &Set| set.names.port_lists.contains(&list);
                    self.renew_sets(names_it, names_it, |set, policies| {
                        set.classifier.with_port_list(policies, list)
                    });
                }
            }
            Change::Timeouts(interface, timeouts) => {
                self.fabric.put(Change::Timeouts(interface, timeouts));
                let kept = self.plane.flows.keep(&timeouts);
                let rules = self.rules.interfaces.get_mut(interface.as_usize());
                (rules.timeouts, rules.kept) = (timeouts, kept);
            }
        }
        self.tally_ids.go_on(&self.plane, &mut self.rules);
        self.plane.publish(self.rules.clone());
        self.rules.epoch
    }

    /// A rule that stays where it is in its group keeps its count; another one begins at zero.
    fn count_rules(&mut self, group: GroupIndex, rules: &[Rule]) {
        let before = &self.fabric.policies.group(group).rules;
        let ids = self.rules.rule_tallies.get_mut(group.as_usize());
        let stays = |place: usize| rules.get(place).is_some_and(|it| before.get(place) == Some(it));
        let gone = ids.iter().enumerate().filter(|(place, _)| !stays(*place));
        gone.for_each(|(_, id)| self.tally_ids.give_back(*id));
        let next = (0..rules.len()).map(|place| match stays(place) {
            true => ids[place],
            false => self.tally_ids.take(&mut self.rules.tallies),
        });
        *ids = next.collect();
    }

    fn count_rule(&mut self, group: GroupIndex, place: u32) {
        let ids = self.rules.rule_tallies.get_mut(group.as_usize());
        let id = &mut Arc::make_mut(ids)[place as usize];
        self.tally_ids.give_back(*id);
        *id = self.tally_ids.take(&mut self.rules.tallies);
    }

    /// Compiles the sets that have `group`, whose rules have changed; those that no interface has had
    /// for long are forgotten.
    fn renew_rules(&mut self, group: GroupIndex, renames: bool) {
        self.changed.rules[group.as_usize()] = self.rules.epoch;
        let Controller { fabric, rules, sets, .. } = self;
        for id in sets.of_group(group).to_vec() {
            if sets.is_long_idle(id) {
                sets.forget(id, fabric, rules);
                continue;
            }
            let set = rules.sets.get_mut(id as usize);
            let names = match renames {
                true => Names::of(&fabric.policies, &set.groups, set.nic),
                false => set.names.clone(),
            };
            let classifier = set.classifier.with_rules(&fabric.policies, group);
            *set = Arc::new(Set {
                groups: Arc::clone(&set.groups),
                nic: set.nic,
                classifier,
                names,
                changed_at: rules.epoch,
            });
        }
    }

    /// Compiles the sets that go by a list whose entries have changed, and notes for those that
    /// name it that they have changed; those that no interface has had for long are
    /// forgotten.
    fn renew_sets(
        &mut self,
        goes_by_it: impl Fn(&Set) -> bool,
        names_it: impl Fn(&Set) -> bool,
        compile: impl Fn(&Set, &PolicySet) -> Classifier,
    ) {
        let Controller { fabric, rules, sets, .. } = self;
        for (id, place) in (0..).zip(0..rules.sets.len()) {
            let set = rules.sets.get(place);
            if !goes_by_it(set) && !names_it(set) {
                continue;
            }
            if sets.is_long_idle(id) {
                sets.forget(id, fabric, rules);
                continue;
            }
            let changed_at = if names_it(set) { rules.epoch } else { set.changed_at };
            let renewed = Set {
                groups: Arc::clone(&set.groups),
                nic: set.nic,
                classifier: compile(set, &fabric.policies),
                names: set.names.clone(),
                changed_at,
            };
            *rules.sets.get_mut(place) = Arc::new(renewed);
        }
    }

    /// Gives an interface other groups.
    fn move_interface(&mut self, interface: InterfaceIndex, groups: Vec<GroupIndex>) {
        let before = &self.fabric.world.interface(interface).groups;
        let left = before.iter().filter(|group| !groups.contains(group));
        let joined = groups.iter().filter(|group| !before.contains(group));
        let moved: Vec<GroupIndex> = left.chain(joined).copied().collect();
        for group in &moved {
            *self.rules.members_changed.get_mut(group.as_usize()) = self.rules.epoch;
        }
        self.fabric.put(Change::Members(interface, groups));
        let Controller { fabric, rules, sets, changed, .. } = self;
        let set = sets.take(fabric, rules, fabric.world.interface(interface), changed);
        let entry = rules.interfaces.get_mut(interface.as_usize());
        let before = std::mem::replace(&mut entry.set, set);
        if !moved.is_empty() {
            entry.moved_at = rules.epoch;
        }
        sets.give_back(before);
    }
}

fn first_rules(fabric: &Fabric, flows: &Flows, changed: &Changed, sets: &mut Sets) -> Rules {
    let Fabric { world, policies, timeouts, .. } = fabric;
    let mut tallies = first_of_rules(world.interfaces.len());
    let rule_tallies = policies.groups.iter().map(|group| {
        let first = tallies;
        tallies += u32::try_from(group.rules.len()).expect("rules are counted by 32 bits");
        (first..tallies).collect()
    });
    let rule_tallies = rule_tallies.collect();
    let mut rules = Rules {
        epoch: 0,
        interfaces: Pieces::from_iter([]),
        sets: Pieces::from_iter([]),
        members_changed: vec![0; policies.groups.len()].into_iter().collect(),
        rule_tallies,
        tallies,
        cleared: Cleared::nothing(),
    };
    let interfaces = world.interfaces.iter().zip(timeouts).map(|(interface, &timeouts)| {
        let set = sets.take(fabric, &mut rules, interface, changed);
        InterfaceRules { set, moved_at: 0, timeouts, kept: flows.keep(&timeouts) }
    });
    let interfaces: Vec<InterfaceRules> = interfaces.collect();
    rules.interfaces = interfaces.into_iter().collect();
    rules
}
