//! Sets of groups, compiled: which there are, and how many interfaces have each.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringfence_cloud::{GroupIndex, Interface};
use ringfence_policy::{Classifier, Nic};

use crate::Fabric;
use crate::control::Changed;
use crate::rules::{Names, Rules, Set, SetId};

/// Which sets of groups there are, and how many interfaces have each.
#[derive(Default)]
pub(crate) struct Sets {
    ids: HashMap<(Arc<[GroupIndex]>, Nic), SetId, FixedState>,
    users: Vec<usize>,
    of_group: Vec<Vec<SetId>>,
    /// Sets that no interface has, the longest idle first: an interface that leaves a set often
    /// comes back to it. Of those that a change makes stale only the last one to become idle is compiled
    /// anew; the others are forgotten.
    idle: VecDeque<SetId>,
    /// Places of sets that were forgotten.
    vacant: Vec<SetId>,
}

/// Sets that are kept without an interface.
const IDLE_MAX: usize = 64;

impl Sets {
    /// The set of an interface's groups, compiled if it is new, for one interface more.
    pub(crate) fn take(
        &mut self,
        fabric: &Fabric,
        rules: &mut Rules,
        interface: &Interface,
        changed: &Changed,
    ) -> SetId {
        let key = (Arc::from(interface.groups.as_slice()), Nic::of(interface.network));
        if let Some(&id) = self.ids.get(&key) {
            self.idle.retain(|&idle| idle != id);
            self.users[id as usize] += 1;
            return id;
        }
        let set = compile(fabric, &key.0, key.1, |names| changed.last(&key.0, names));
        if self.idle.len() > IDLE_MAX
            && let Some(longest) = self.idle.front().copied()
        {
            self.forget(longest, fabric, rules);
        }
        let id = match self.vacant.pop() {
            Some(id) => {
                *rules.sets.get_mut(id as usize) = set;
                id
            }
            None => {
                rules.sets.push(set);
                self.users.push(0);
                u32::try_from(rules.sets.len() - 1).expect("there are fewer sets than interfaces")
            }
        };
        self.users[id as usize] = 1;
        self.of_group.resize(fabric.policies.groups.len(), Vec::new());
        for group in &*key.0 {
            self.of_group[group.as_usize()].push(id);
        }
        self.ids.insert(key, id);
        id
    }

    /// One interface less has the set.
    pub(crate) fn give_back(&mut self, id: SetId) {
        let users = &mut self.users[id as usize];
        *users -= 1;
        if *users == 0 {
            self.idle.push_back(id);
        }
    }

    /// Whether it is not worth the work to compile it anew.
    pub(crate) fn is_long_idle(&self, id: SetId) -> bool {
        self.users[id as usize] == 0 && self.idle.back() != Some(&id)
    }

    /// The sets with a group.
    pub(crate) fn of_group(&self, group: GroupIndex) -> &[SetId] {
        self.of_group.get(group.as_usize()).map_or(&[], Vec::as_slice)
    }

    /// How many there are, idle ones included.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Forgets a set that is idle, and gives its memory back.
    pub(crate) fn forget(&mut self, id: SetId, fabric: &Fabric, rules: &mut Rules) {
        let place = rules.sets.get_mut(id as usize);
        let none: Arc<[GroupIndex]> = Arc::new([]);
        let nothing = compile(fabric, &none, place.nic, |_| 0);
        let set = std::mem::replace(place, nothing);
        for group in &*set.groups {
            self.of_group[group.as_usize()].retain(|&other| other != id);
        }
        self.ids.remove(&(Arc::clone(&set.groups), set.nic));
        self.idle.retain(|&other| other != id);
        self.vacant.push(id);
    }
}

fn compile(
    fabric: &Fabric,
    groups: &Arc<[GroupIndex]>,
    nic: Nic,
    changed: impl FnOnce(&Names) -> u32,
) -> Arc<Set> {
    let metadata_server = fabric.world.platform.metadata_server;
    let names = Names::of(&fabric.policies, groups, nic);
    let changed_at = changed(&names);
    Arc::new(Set {
        groups: Arc::clone(groups),
        nic,
        classifier: Classifier::compile(&fabric.policies, metadata_server, groups, nic),
        names,
        changed_at,
    })
}
