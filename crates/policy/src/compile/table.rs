//! The rules of one direction, compiled: far address to the nodes of the objects around it, peer
//! group to the node of that group, and the best rule among them.

use std::net::IpAddr;

use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;

use super::arena::{Arena, Place};
use super::build::{Node, node};
use super::flat::{Flat, flatten};
use super::key::Key;
use super::node::{Extra, Packet, Search};
use super::objects::{Coverage, Ipv6Intervals, Places};
use super::steps::Sides;
use super::tree::AddressTree;
use crate::{Nic, Object, PolicySet, Question, Rule};

/// One direction.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) arena: Arena,
    pub(crate) extras: Vec<Extra>,
    /// What rules hang on, and the node of each.
    pub(crate) objects: Vec<(Object, Node)>,
    pub(crate) ipv4: Places<AddressTree>,
    pub(crate) ipv6: Places<Ipv6Intervals>,
    /// The objects that are groups, by index.
    pub(crate) groups: Vec<(GroupIndex, Node)>,
    /// A bit for each group's index, modulo 64: most peers are in no group that a rule names.
    pub(crate) groups_met: u64,
    /// The nodes of several objects.
    pub(crate) many: Vec<Place>,
}

/// A rule that belongs to a table, and its key.
pub(crate) type Keyed<'a> = (Key, &'a Rule);

impl Table {
    pub(crate) fn new(policies: &PolicySet, mut rules: Vec<Keyed<'_>>) -> Table {
        let mut arena = Arena::new();
        let mut extras = Vec::new();
        rules.sort_by_key(|(key, rule)| (rule.object, *key));
        let mut objects = Vec::new();
        for same in rules.chunk_by(|a, b| a.1.object == b.1.object) {
            let node = node(&mut arena, flats(policies, same, &mut extras));
            objects.push((same[0].1.object, node));
        }
        let mut table = Table {
            arena,
            extras,
            objects,
            ipv4: Places { root: Node::NOTHING, intervals: AddressTree { base: 0, leaves: 1 } },
            ipv6: Places { root: Node::NOTHING, intervals: Ipv6Intervals::default() },
            groups: Vec::new(),
            groups_met: 0,
            many: Vec::new(),
        };
        table.map(policies);
        table.arena.shrink_to_fit();
        table
    }

    /// Maps addresses and groups to the objects' nodes.
    fn map(&mut self, policies: &PolicySet) {
        let of = |(object, _): &(Object, Node)| Coverage::of(policies, object);
        let coverages: Vec<_> = self.objects.iter().map(of).collect();
        let nodes: Vec<_> = self.objects.iter().map(|(_, node)| *node).collect();
        let (arena, many) = (&mut self.arena, &mut self.many);
        self.ipv4 = Places::<AddressTree>::ipv4(arena, &coverages, &nodes, many);
        self.ipv6 = Places::<Ipv6Intervals>::ipv6(arena, &coverages, &nodes, many);
        self.map_groups();
    }

    pub(crate) fn map_groups(&mut self) {
        let of = |&(object, node): &(Object, Node)| match object {
            Object::Group(group) => Some((group, node)),
            Object::Cidr(_) | Object::PrefixList(_) => None,
        };
        self.groups = self.objects.iter().filter_map(of).collect();
        self.groups.sort_by_key(|(group, _)| *group);
        self.groups_met = self.groups.iter().fold(0, |met, (group, _)| met | bit(*group));
    }

    /// The best rule's key, or [`Key::NONE`].
    #[inline]
    pub(crate) fn find(&self, question: &Question, sides: &Sides<'_>) -> Key {
        let packet = Packet::new(question, sides.own);
        let mut search = Search { packet, best: Key::NONE, question };
        let (root, place) = match sides.remote {
            IpAddr::V4(address) => {
                let tree = self.ipv4.intervals;
                (self.ipv4.root, tree.find(&self.arena, address.to_bits()))
            }
            IpAddr::V6(address) => (self.ipv6.root, self.ipv6.intervals.find(address.to_bits())),
        };
        self.finish(&mut search, root, Place(place), sides.peer);
        search.best
    }

    /// What remains once the far address has been looked up.
    #[inline]
    pub(crate) fn finish(
        &self,
        search: &mut Search<'_>,
        root: Node,
        place: Place,
        peer: &[GroupIndex],
    ) {
        if root.best < search.best {
            search.visit(self, root.place);
        }
        if place != Place::ZERO {
            search.visit(self, place);
        }
        for group in peer {
            if self.groups_met & bit(*group) == 0 {
                continue;
            }
            if let Ok(place) = self.groups.binary_search_by_key(group, |(group, _)| *group) {
                let node = self.groups[place].1;
                if node.best < search.best {
                    search.visit(self, node.place);
                }
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.arena.bytes()
            + self.extras.capacity() * size_of::<Extra>()
            + self.objects.capacity() * size_of::<(Object, Node)>()
            + self.ipv6.intervals.starts.capacity() * size_of::<u128>()
            + self.ipv6.intervals.places.capacity() * size_of::<u32>()
            + self.groups.capacity() * size_of::<(GroupIndex, Node)>()
            + self.many.capacity() * size_of::<Place>()
    }
}

#[inline]
fn bit(group: GroupIndex) -> u64 {
    1 << (group.0 % 64)
}

/// Lays the rules of one object flat.
pub(crate) fn flats(
    policies: &PolicySet,
    rules: &[Keyed<'_>],
    extras: &mut Vec<Extra>,
) -> Vec<Flat> {
    let mut flats = Vec::with_capacity(rules.len());
    for (key, rule) in rules {
        flatten(policies, rule, *key, extras, &mut flats);
    }
    flats
}

/// Whether a rule belongs to this direction at this NIC.
pub(crate) fn belongs(rule: &Rule, direction: Direction, nic: Nic) -> bool {
    rule.direction == direction && rule.nic == nic
}
