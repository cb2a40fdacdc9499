//! The objects that rules hang on, and the addresses that each holds. Owns the map from the far
//! address to the nodes of the objects around it.

use ipnet::IpNet;
use ringfence_cloud::GroupIndex;

use super::arena::{Arena, Place};
use super::build::{Node, many_words};
use super::flat::{Sets, ends, sweep};
use super::tree::AddressTree;
use crate::{Object, PolicySet};

/// The addresses of an object, ranges in order, none touching the next.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) ipv4: Vec<(u32, u32)>,
    pub(crate) ipv6: Vec<(u128, u128)>,
}

/// What hangs on the addresses of one family.
#[derive(Clone, Debug)]
pub(crate) struct Places<T> {
    /// The node of the objects that hold every address.
    pub(crate) root: Node,
    pub(crate) intervals: T,
}

/// Where IPv6 intervals start, and the place of the node of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ipv6Intervals {
    pub(crate) starts: Vec<u128>,
    pub(crate) places: Vec<u32>,
}

impl Coverage {
    pub(crate) fn of(policies: &PolicySet, object: &Object) -> Coverage {
        let mut coverage = Coverage::default();
        let ranges = match object {
            Object::Group(_) => &[],
            Object::Cidr(range) => std::slice::from_ref(range),
            Object::PrefixList(list) => policies.prefix_list(*list).entries.as_slice(),
        };
        for range in ranges {
            match range {
                IpNet::V4(net) => coverage.ipv4.push(ends(net)),
                IpNet::V6(net) => {
                    coverage.ipv6.push((net.network().to_bits(), net.broadcast().to_bits()));
                }
            }
        }
        join(&mut coverage.ipv4, |last| last.checked_add(1));
        join(&mut coverage.ipv6, |last| last.checked_add(1));
        coverage
    }

    pub(crate) fn is_all_ipv4(&self) -> bool {
        self.ipv4 == [(0, u32::MAX)]
    }

    pub(crate) fn is_all_ipv6(&self) -> bool {
        self.ipv6 == [(0, u128::MAX)]
    }
}

fn join<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, after: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    let mut joined: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for &(first, last) in ranges.iter() {
        match joined.last_mut() {
            Some(before) if after(before.1).is_none_or(|next| first <= next) => {
                before.1 = before.1.max(last);
            }
            _ => joined.push((first, last)),
        }
    }
    *ranges = joined;
}

impl Places<AddressTree> {
    /// Lays down the tree for IPv4 in `map`; nodes made for several objects lie in `arena`, and
    /// their places go to `many`.
    pub(crate) fn ipv4(
        arena: &mut Arena,
        map: &mut Arena,
        coverages: &[Coverage],
        nodes: &[Node],
        many: &mut Vec<Place>,
    ) -> Places<AddressTree> {
        let is_root = |number: &usize| coverages[*number].is_all_ipv4();
        let root = root(arena, nodes, (0..nodes.len()).filter(is_root), many);
        let ranges = (0..).zip(coverages).filter(|(_, it)| !it.is_all_ipv4());
        let ranges = ranges.flat_map(|(number, coverage)| {
            coverage.ipv4.iter().map(move |&(first, last)| (first, last, number))
        });
        let after = |last: u32| last.checked_add(1);
        let (starts, places) = intervals(arena, ranges, 0, after, nodes, many);
        Places { root, intervals: AddressTree::put(map, &starts, &places) }
    }
}

impl Places<Ipv6Intervals> {
    /// The same for IPv6.
    pub(crate) fn ipv6(
        arena: &mut Arena,
        coverages: &[Coverage],
        nodes: &[Node],
        many: &mut Vec<Place>,
    ) -> Places<Ipv6Intervals> {
        let is_root = |number: &usize| coverages[*number].is_all_ipv6();
        let root = root(arena, nodes, (0..nodes.len()).filter(is_root), many);
        let ranges = (0..).zip(coverages).filter(|(_, it)| !it.is_all_ipv6());
        let ranges = ranges.flat_map(|(number, coverage)| {
            coverage.ipv6.iter().map(move |&(first, last)| (first, last, number))
        });
        let after = |last: u128| last.checked_add(1);
        let (starts, places) = intervals(arena, ranges, 0, after, nodes, many);
        Places { root, intervals: Ipv6Intervals { starts, places } }
    }
}

impl Ipv6Intervals {
    #[inline]
    pub(crate) fn find(&self, address: u128) -> u32 {
        let above = self.starts.partition_point(|start| *start <= address);
        self.places.get(above.wrapping_sub(1)).copied().unwrap_or(Place::ZERO.0)
    }
}

/// The nodes of groups, found by index: a table with room for twice as many, from a group's number
/// on to the first free slot.
#[derive(Clone, Debug)]
pub(crate) struct GroupNodes(Box<[Option<(GroupIndex, Node)>]>);

impl GroupNodes {
    pub(crate) fn new(groups: impl Iterator<Item = (GroupIndex, Node)>) -> GroupNodes {
        let groups: Vec<_> = groups.collect();
        let mut slots = vec![None; (2 * groups.len()).next_power_of_two()].into_boxed_slice();
        let last = slots.len() - 1;
        for (group, node) in groups {
            let mut slot = group.as_usize() & last;
            while slots[slot].is_some() {
                slot = (slot + 1) & last;
            }
            slots[slot] = Some((group, node));
        }
        GroupNodes(slots)
    }

    #[inline(always)]
    pub(crate) fn get(&self, group: GroupIndex) -> Node {
        let last = self.0.len() - 1;
        let mut slot = group.as_usize() & last;
        loop {
            match &self.0[slot] {
                Some((of, node)) if *of == group => return *node,
                Some(_) => slot = (slot + 1) & last,
                None => return Node::NOTHING,
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.len() * size_of::<Option<(GroupIndex, Node)>>()
    }
}

fn root(
    arena: &mut Arena,
    nodes: &[Node],
    numbers: impl Iterator<Item = usize>,
    many: &mut Vec<Place>,
) -> Node {
    let nodes: Vec<_> = numbers.map(|number| nodes[number]).collect();
    class(arena, nodes, many)
}

/// The node of a class of addresses: those of the objects around it, even one without rules, which
/// may get some.
pub(crate) fn class(arena: &mut Arena, mut nodes: Vec<Node>, many: &mut Vec<Place>) -> Node {
    nodes.sort_by_key(|node| node.best);
    match nodes.as_slice() {
        [] => Node::NOTHING,
        [node] => *node,
        nodes => {
            let place = arena.put(&many_words(nodes));
            many.push(place);
            Node { place, best: nodes[0].best }
        }
    }
}

fn intervals<T: Ord + Copy>(
    arena: &mut Arena,
    ranges: impl Iterator<Item = (T, T, u32)>,
    zero: T,
    after: impl Fn(T) -> Option<T>,
    nodes: &[Node],
    many: &mut Vec<Place>,
) -> (Vec<T>, Vec<u32>) {
    let mut sets = Sets::new();
    let (mut starts, mut places) = (Vec::new(), Vec::new());
    sweep(ranges, zero, after, |start, held| {
        let place = sets.value(held, || {
            let around = held.iter().map(|number| nodes[*number as usize]).collect();
            class(arena, around, many).place.0
        });
        if places.last() != Some(&place) {
            starts.push(start);
            places.push(place);
        }
    });
    (starts, places)
}
