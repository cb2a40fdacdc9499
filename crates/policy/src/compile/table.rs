//! The rules of one direction, compiled: far address to the nodes of the objects around it, peer
//! group to the node of that group, and the best rule among them.

use std::net::IpAddr;

use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;

use super::arena::{Arena, Place};
use super::build::{Node, object_node};
use super::flat::{Flat, flatten};
use super::key::Key;
use super::machine::Machine;
use super::node::{Extra, Packet};
use super::objects::{Coverage, GroupNodes, Ipv6Intervals, Places};
use super::steps::Sides;
use super::tree::{AddressTree, Levels};
use super::walk::Walk;
use crate::{Nic, Object, PolicySet, Question, Rule};

/// One direction.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The nodes.
    pub(crate) arena: Arena,
    /// The tree of far IPv4 addresses to nodes.
    pub(crate) map: Arena,
    pub(crate) extras: Vec<Extra>,
    /// What rules hang on, and the node of each.
    pub(crate) objects: Vec<(Object, Node)>,
    pub(crate) ipv4: Places<AddressTree>,
    /// The levels of that tree.
    pub(crate) levels: Levels,
    pub(crate) ipv6: Places<Ipv6Intervals>,
    /// The nodes of the objects that are groups.
    pub(crate) groups: GroupNodes,
    /// The nodes of several objects.
    pub(crate) many: Vec<Place>,
    /// Objects (in their order), lines and extras when it was compiled.
    fresh_objects: usize,
    pub(crate) fresh_lines: usize,
    pub(crate) fresh_extras: usize,
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
            let node = object_node(&mut arena, flats(policies, same, &mut extras));
            objects.push((same[0].1.object, node));
        }
        let mut table = Table {
            arena,
            map: Arena::new(),
            extras,
            objects,
            ipv4: Places { root: Node::NOTHING, intervals: AddressTree { base: 0, leaves: 1 } },
            levels: Levels::NONE,
            ipv6: Places { root: Node::NOTHING, intervals: Ipv6Intervals::default() },
            groups: GroupNodes::new(std::iter::empty()),
            many: Vec::new(),
            fresh_objects: 0,
            fresh_lines: 0,
            fresh_extras: 0,
        };
        table.map_objects(policies);
        table.arena.shrink_to_fit();
        table.map.shrink_to_fit();
        table.fresh_objects = table.objects.len();
        table.fresh_lines = table.arena.len();
        table.fresh_extras = table.extras.len();
        table
    }

    /// Maps addresses and groups to the objects' nodes.
    fn map_objects(&mut self, policies: &PolicySet) {
        let of = |(object, _): &(Object, Node)| Coverage::of(policies, object);
        let coverages: Vec<_> = self.objects.iter().map(of).collect();
        let nodes: Vec<_> = self.objects.iter().map(|(_, node)| *node).collect();
        let Table { arena, map, many, .. } = self;
        self.ipv4 = Places::<AddressTree>::ipv4(arena, map, &coverages, &nodes, many);
        self.ipv6 = Places::<Ipv6Intervals>::ipv6(arena, &coverages, &nodes, many);
        self.levels = self.ipv4.intervals.levels();
        self.map_groups();
    }

    pub(crate) fn map_groups(&mut self) {
        let of = |&(object, node): &(Object, Node)| match object {
            Object::Group(group) => Some((group, node)),
            Object::Cidr(_) | Object::PrefixList(_) => None,
        };
        self.groups = GroupNodes::new(self.objects.iter().filter_map(of));
    }

    /// Which of the objects it is, if rules have named it.
    pub(crate) fn number_of(&self, object: &Object) -> Option<usize> {
        let (sorted, later) = self.objects.split_at(self.fresh_objects);
        let place = sorted.binary_search_by(|(it, _)| it.cmp(object)).ok();
        let later = || later.iter().position(|(it, _)| it == object);
        place.or_else(|| later().map(|place| sorted.len() + place))
    }

    /// The best rule's key, or [`Key::NONE`].
    #[inline(always)]
    pub(crate) fn find(
        &self,
        machine: impl Machine,
        question: &Question,
        sides: &Sides<'_>,
    ) -> Key {
        let packet = Packet::new(question, sides.own);
        let address = match sides.remote {
            IpAddr::V4(address) => {
                return self.find_ipv4(machine, packet, address.to_bits(), question, sides.peer);
            }
            IpAddr::V6(address) => address.to_bits(),
        };
        let mut walk = Walk::new(machine, self, packet, question);
        walk.visit(self.ipv6.root.place);
        walk.visit(Place(self.ipv6.intervals.find(address)));
        for group in sides.peer {
            walk.visit(self.groups.get(*group).place);
        }
        walk.run()
    }

    /// The same where the far address is IPv4.
    #[inline(always)]
    pub(crate) fn find_ipv4(
        &self,
        machine: impl Machine,
        packet: Packet,
        remote: u32,
        question: &Question,
        peer: &[GroupIndex],
    ) -> Key {
        let tree = self.ipv4.intervals;
        let place = Place(tree.find_by(machine, &self.map, &self.levels, remote));
        self.arena.prefetch(place);
        let mut walk = Walk::new(machine, self, packet, question);
        walk.visit(self.ipv4.root.place);
        for group in peer {
            walk.visit(self.groups.get(*group).place);
        }
        walk.visit(place);
        walk.run()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.arena.bytes()
            + self.map.bytes()
            + self.extras.capacity() * size_of::<Extra>()
            + self.objects.capacity() * size_of::<(Object, Node)>()
            + self.ipv6.intervals.starts.capacity() * size_of::<u128>()
            + self.ipv6.intervals.places.capacity() * size_of::<u32>()
            + self.groups.memory_bytes()
            + self.many.capacity() * size_of::<Place>()
    }
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
