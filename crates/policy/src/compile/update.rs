//! One change to a compiled table: the nodes of the objects that are touched are built anew, and
//! what named the old ones names the new. Owns that; which objects are touched is the caller's.
//!
//! What is replaced stays where it lies and is no longer met; a table that holds more of that than
//! of what is met is compiled anew.

use std::collections::BTreeMap;

use super::arena::{Arena, Place};
use super::build::{Node, many_words, object_node};
use super::key::Key;
use super::node::{MANY, MANY_WORDS, kind_and_count};
use super::objects::{Coverage, Ipv6Intervals, class};
use super::table::{Keyed, Table, flats};
use super::tree::AddressTree;
use crate::{Object, PolicySet};

impl Table {
    /// Takes in that the rules of an object are now `rules`.
    pub(crate) fn set_object(&mut self, policies: &PolicySet, object: Object, rules: &[Keyed<'_>]) {
        let rules = flats(policies, rules, &mut self.extras);
        let node = object_node(&mut self.arena, rules);
        match self.number_of(&object) {
            Some(number) => {
                let old = std::mem::replace(&mut self.objects[number].1, node);
                self.rename(old.place, node);
            }
            None => {
                self.objects.push((object, node));
                self.add_object(&Coverage::of(policies, &object), node);
            }
        }
        if let Object::Group(_) = object {
            self.map_groups();
        }
    }

    /// Whether more lies in it than when it was compiled by so much that compiling anew is better.
    pub(crate) fn is_worn(&self) -> bool {
        self.arena.len() > 2 * self.fresh_lines + 256
            || self.extras.len() > 2 * self.fresh_extras + 64
    }

    /// What named the node at `old` names `new`.
    fn rename(&mut self, old: Place, new: Node) {
        let Table { arena, map, ipv4, ipv6, many, .. } = self;
        for line in ipv4.intervals.value_lines() {
            for place in map.line_mut(line) {
                if *place == old.0 {
                    *place = new.place.0;
                }
            }
        }
        for place in &mut ipv6.intervals.places {
            if *place == old.0 {
                *place = new.place.0;
            }
        }
        for place in many.iter() {
            let mut nodes = nodes_of(arena, *place);
            let Some(one) = nodes.iter_mut().find(|node| node.place == old) else { continue };
            *one = new;
            nodes.sort_by_key(|node| node.best);
            let words = many_words(&nodes);
            arena.words_mut()[place.word()..][..words.len()].copy_from_slice(&words);
        }
        for root in [&mut ipv4.root, &mut ipv6.root] {
            if root.place == old {
                *root = new;
            } else if many.contains(&root.place) {
                root.best = best_of(arena, root.place);
            }
        }
    }

    /// Puts the node of an object that is new around its addresses.
    fn add_object(&mut self, coverage: &Coverage, node: Node) {
        let Table { arena, map, ipv4, levels, ipv6, many, .. } = self;
        let mut around = Around { arena, many, node, known: BTreeMap::new() };
        match coverage.is_all_ipv4() {
            true => ipv4.root = around.with_root(ipv4.root),
            false if coverage.ipv4.is_empty() => {}
            false => {
                let (starts, places) = ipv4.intervals.intervals(map);
                let after = |last: u32| last.checked_add(1);
                let (starts, places) = around.with(&starts, &places, &coverage.ipv4, after);
                *map = Arena::new();
                ipv4.intervals = AddressTree::put(map, &starts, &places);
                *levels = ipv4.intervals.levels();
                map.shrink_to_fit();
            }
        }
        around.known.clear();
        match coverage.is_all_ipv6() {
            true => ipv6.root = around.with_root(ipv6.root),
            false if coverage.ipv6.is_empty() => {}
            false => {
                let Ipv6Intervals { starts, places } = &ipv6.intervals;
                let after = |last: u128| last.checked_add(1);
                let (starts, places) = around.with(starts, places, &coverage.ipv6, after);
                ipv6.intervals = Ipv6Intervals { starts, places };
            }
        }
    }
}

/// A node that comes around addresses which have others around them.
struct Around<'a> {
    arena: &'a mut Arena,
    many: &'a mut Vec<Place>,
    node: Node,
    /// The class that an old one becomes.
    known: BTreeMap<u32, u32>,
}

impl Around<'_> {
    fn with_root(&mut self, root: Node) -> Node {
        match root == Node::NOTHING {
            true => self.node,
            false => {
                let place = Place(self.class_of(root.place.0));
                Node { place, best: best_of(self.arena, place) }
            }
        }
    }

    /// The class at `old` and the node besides.
    fn class_of(&mut self, old: u32) -> u32 {
        if old == Place::ZERO.0 {
            return self.node.place.0;
        }
        if let Some(class) = self.known.get(&old) {
            return *class;
        }
        let mut nodes = match self.many.contains(&Place(old)) {
            true => nodes_of(self.arena, Place(old)),
            false => vec![Node { place: Place(old), best: best_of(self.arena, Place(old)) }],
        };
        nodes.push(self.node);
        let class = class(self.arena, nodes, self.many).place.0;
        self.known.insert(old, class);
        class
    }

    /// Intervals (ascending, the first at the lowest address) with the node put around `ranges`.
    fn with<T: Ord + Copy + Default>(
        &mut self,
        starts: &[T],
        places: &[u32],
        ranges: &[(T, T)],
        after: impl Fn(T) -> Option<T>,
    ) -> (Vec<T>, Vec<u32>) {
        let lowest = [T::default()];
        let (starts, places) = match starts {
            [] => (&lowest[..], &[Place::ZERO.0][..]),
            starts => (starts, places),
        };
        let mut cuts: Vec<T> = starts.to_vec();
        cuts.extend(ranges.iter().map(|(first, _)| *first));
        cuts.extend(ranges.iter().filter_map(|(_, last)| after(*last)));
        cuts.sort_unstable();
        cuts.dedup();
        let mut made = (Vec::with_capacity(cuts.len()), Vec::with_capacity(cuts.len()));
        let (mut old, mut range) = (0, 0);
        for cut in cuts {
            while starts.get(old + 1).is_some_and(|start| *start <= cut) {
                old += 1;
            }
            while ranges.get(range).is_some_and(|(_, last)| *last < cut) {
                range += 1;
            }
            let is_in = ranges.get(range).is_some_and(|(first, _)| *first <= cut);
            let place = match is_in {
                true => self.class_of(places[old]),
                false => places[old],
            };
            if made.1.last() != Some(&place) {
                made.0.push(cut);
                made.1.push(place);
            }
        }
        made
    }
}

fn best_of(arena: &Arena, place: Place) -> Key {
    Key(arena.words()[place.word() + 1])
}

/// What a class names.
fn nodes_of(arena: &Arena, place: Place) -> Vec<Node> {
    let words = &arena.words()[place.word()..];
    match kind_and_count(words[0]) {
        (MANY, count) => {
            let pairs = words[2..][..count * MANY_WORDS].chunks_exact(MANY_WORDS);
            pairs.map(|pair| Node { place: Place(pair[0]), best: Key(pair[1]) }).collect()
        }
        _ => Vec::new(),
    }
}
