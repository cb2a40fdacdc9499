//! The control side of a switch: what is enforced now, and how a change of it reaches the workers.
//! What a change touches is told in `change`; what becomes of sessions, in `cross`.

use std::sync::{Arc, Weak};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringfence_cloud::{GroupIndex, Interface, InterfaceIndex};
use ringfence_policy::{
    Classifier, Group, Nic, Object, PolicySet, PortListIndex, Ports as RulePorts, PrefixListIndex,
    Rule,
};
use ringfence_session::{Flows, FlowsConfig};

use crate::plane::{InterfaceRules, PIECE_LEN, Plane, Rules};
use crate::tally::first_of_rules;
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
    classifiers: Classifiers,
}

/// Compiled rules by what they were compiled from, as long as an interface has them.
type Classifiers = HashMap<Set, Weak<Classifier>, FixedState>;

/// Groups in the order in which they are attached, at one kind of NIC.
type Set = (Arc<[GroupIndex]>, Nic);

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
        let mut classifiers = HashMap::default();
        let rules = Rules::first(&fabric, &mut classifiers);
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
        let options = (fabric.options, fabric.policies.options);
        let plane = Plane::new(world, ports, options, flows, rules.clone(), layout.workers_max);
        Controller { fabric, plane: Arc::new(plane), rules, classifiers }
    }

    /// What is enforced now.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// What the workers share.
    pub fn plane(&self) -> &Arc<Plane> {
        &self.plane
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
        let touched = self.fabric.touched_by(&change);
        self.rules.epoch += 1;
        if let Change::Rules(group, rules) = &change {
            self.count_rules(*group, rules);
        }
        let stale = Stale::by(&change);
        self.fabric.put(change);
        self.recompile(stale);
        for interface in touched {
            self.rules.interface_mut(interface).changed_at = self.rules.epoch;
        }
        self.plane.publish(self.rules.clone());
        self.rules.epoch
    }

    /// A rule that stays where it is in its group keeps its count; another one begins at zero.
    fn count_rules(&mut self, group: GroupIndex, rules: &[Rule]) {
        let before = &self.fabric.policies.group(group).rules;
        let ids = &mut Arc::make_mut(&mut self.rules.rule_tallies)[group.as_usize()];
        let next = &mut self.rules.tallies;
        let kept = rules.iter().enumerate().map(|(place, rule)| {
            if before.get(place) == Some(rule) {
                return ids[place];
            }
            *next += 1;
            *next - 1
        });
        *ids = kept.collect();
    }

    fn recompile(&mut self, stale: Stale) {
        let Controller { fabric, rules, classifiers, .. } = self;
        if let Stale::Interface(interface) = stale {
            let set = set_of(fabric.world.interface(interface));
            let timeouts = fabric.timeouts[interface.as_usize()];
            let classifier = classifier_of(fabric, classifiers, &set);
            let entry = rules.interface_mut(interface);
            let changed_at = entry.changed_at;
            *entry = InterfaceRules { groups: set.0, classifier, changed_at, timeouts };
            return;
        }
        let policies = &fabric.policies;
        let mut renewed: Vec<(Arc<Classifier>, Arc<Classifier>)> = Vec::new();
        classifiers.retain(|(groups, _), compiled| {
            let Some(old) = compiled.upgrade() else { return false };
            if let Some(new) = stale.renew(policies, groups, &old) {
                let new = Arc::new(new);
                *compiled = Arc::downgrade(&new);
                renewed.push((old, new));
            }
            true
        });
        rules.renew(&renewed);
    }
}

/// What of the compiled rules a change makes stale.
#[derive(Clone, Copy)]
enum Stale {
    Rules(GroupIndex),
    PrefixList(PrefixListIndex),
    PortList(PortListIndex),
    Interface(InterfaceIndex),
}

impl Stale {
    fn by(change: &Change) -> Stale {
        match change {
            Change::Rules(group, _) => Stale::Rules(*group),
            Change::PrefixList(list, _) => Stale::PrefixList(*list),
            Change::PortList(list, _) => Stale::PortList(*list),
            Change::Members(interface, _) | Change::Timeouts(interface, _) => {
                Stale::Interface(*interface)
            }
        }
    }

    /// What takes the place of the compiled rules of `groups`, if they are stale.
    fn renew(
        self,
        policies: &PolicySet,
        groups: &[GroupIndex],
        old: &Classifier,
    ) -> Option<Classifier> {
        let mut rules = groups.iter().flat_map(|&group| &policies.group(group).rules);
        match self {
            Stale::Rules(group) => groups.contains(&group).then(|| old.with_rules(policies, group)),
            Stale::PrefixList(list) => rules
                .any(|rule| rule.object == Object::PrefixList(list))
                .then(|| old.with_prefix_list(policies, list)),
            Stale::PortList(list) => rules
                .any(|rule| rule.ports == RulePorts::List(list))
                .then(|| old.with_port_list(policies, list)),
            Stale::Interface(_) => None,
        }
    }
}

impl Rules {
    /// The compiled rules of `fabric` at its start.
    fn first(fabric: &Fabric, classifiers: &mut Classifiers) -> Rules {
        let interfaces = fabric.world.interfaces.iter().zip(&fabric.timeouts);
        let interfaces: Vec<InterfaceRules> = interfaces
            .map(|(interface, &timeouts)| {
                let set = set_of(interface);
                let classifier = classifier_of(fabric, classifiers, &set);
                InterfaceRules { groups: set.0, classifier, changed_at: 0, timeouts }
            })
            .collect();
        let mut tallies = first_of_rules(interfaces.len());
        let ids_of = |group: &Group| {
            let first = tallies;
            tallies += u32::try_from(group.rules.len()).expect("rules are counted by 32 bits");
            (first..tallies).collect()
        };
        let rule_tallies = Arc::new(fabric.policies.groups.iter().map(ids_of).collect());
        let pieces = interfaces.chunks(PIECE_LEN).map(Arc::from).collect();
        Rules { epoch: 0, pieces, rule_tallies, tallies }
    }

    fn interface_mut(&mut self, index: InterfaceIndex) -> &mut InterfaceRules {
        let index = index.as_usize();
        &mut Arc::make_mut(&mut self.pieces[index / PIECE_LEN])[index % PIECE_LEN]
    }

    /// Puts the second of each pair where the first one stands.
    fn renew(&mut self, renewed: &[(Arc<Classifier>, Arc<Classifier>)]) {
        let next = |rules: &InterfaceRules| {
            let is_old = |old: &Arc<Classifier>| Arc::ptr_eq(old, &rules.classifier);
            renewed.iter().find(|(old, _)| is_old(old)).map(|(_, new)| new)
        };
        for piece in &mut self.pieces {
            if piece.iter().all(|rules| next(rules).is_none()) {
                continue;
            }
            for rules in Arc::make_mut(piece) {
                if let Some(new) = next(rules) {
                    rules.classifier = Arc::clone(new);
                }
            }
        }
    }
}

fn set_of(interface: &Interface) -> Set {
    (Arc::from(interface.groups.as_slice()), Nic::of(interface.network))
}

fn classifier_of(fabric: &Fabric, classifiers: &mut Classifiers, set: &Set) -> Arc<Classifier> {
    if let Some(compiled) = classifiers.get(set).and_then(Weak::upgrade) {
        return compiled;
    }
    let metadata_server = fabric.world.platform.metadata_server;
    let compiled = Arc::new(Classifier::compile(&fabric.policies, metadata_server, &set.0, set.1));
    classifiers.insert(set.clone(), Arc::downgrade(&compiled));
    compiled
}
