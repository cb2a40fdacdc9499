//! Rules to nodes. Owns the choice of the node: by near address where rules name one, then by the
//! ports that they name, a short list where little is left.

use ringfence_frame::Protocol;

use super::arena::{Arena, Place};
use super::flat::{ANY_PORT, Flat, Sets, sweep, winners};
use super::key::Key;
use super::machine::AT_ONCE;
use super::node::{
    FULL, FULL_WORDS, HAS_EXTRA, KEYS, KEYS_WORDS, LIST, LIST_WORDS, MANY, MANY_WORDS, OWN,
    OWN_RANGE, SOURCE, TARGET, header, protocol_word, range_word,
};
use super::tree::{AddressTree, PortTree};

/// Up to so many rules around one address are copied into one node.
const COPIED_MAX: usize = 8;
/// How often a rule may lie in the nodes below a tree of ports, on average.
const COPIES_MAX: usize = 4;

/// A node and its best key, by which it is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) best: Key,
}

impl Node {
    pub(crate) const NOTHING: Node = Node { place: Place::ZERO, best: Key::NONE };
}

/// The node of an object's rules, with a place of its own even if there is nothing in it.
pub(crate) fn object_node(arena: &mut Arena, flats: Vec<Flat>) -> Node {
    match node(arena, flats) {
        Node::NOTHING => {
            let place = arena.put(&[header(LIST, 0), Key::NONE.0]);
            Node { place, best: Key::NONE }
        }
        node => node,
    }
}

/// The node of rules that come in any order.
fn node(arena: &mut Arena, mut flats: Vec<Flat>) -> Node {
    flats.sort_by_key(|flat| flat.key);
    if let Some(end) = flats.iter().position(Flat::is_everything) {
        flats.truncate(end + 1);
    }
    let Some(first) = flats.first() else { return Node::NOTHING };
    let best = first.key;
    let plain = flats.iter().filter(|flat| flat.is_plain()).count();
    if plain == flats.len() {
        return plain_node(arena, &flats);
    }
    if flats.len() <= AT_ONCE {
        return full_node(arena, &flats);
    }
    let (plain, rest): (Vec<_>, Vec<_>) = flats.into_iter().partition(Flat::is_plain);
    let (own, mut rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|it| it.own.is_some());
    let mut nodes = Vec::new();
    if !plain.is_empty() {
        nodes.push(plain_node(arena, &plain));
    }
    match own.len() > AT_ONCE {
        true => nodes.push(own_node(arena, &own)),
        false => rest.extend(own),
    }
    rest.sort_by_key(|flat| flat.key);
    nodes.extend(rest_nodes(arena, rest));
    let node = many_node(arena, nodes);
    debug_assert_eq!(node.best, best);
    node
}

/// One node for several.
fn many_node(arena: &mut Arena, mut nodes: Vec<Node>) -> Node {
    nodes.retain(|node| node.best != Key::NONE);
    nodes.sort_by_key(|node| node.best);
    match nodes.as_slice() {
        [] => Node::NOTHING,
        [node] => *node,
        nodes => Node { place: arena.put(&many_words(nodes)), best: nodes[0].best },
    }
}

/// The words of a node of several, best first.
pub(crate) fn many_words(nodes: &[Node]) -> Vec<u32> {
    let mut words = Vec::with_capacity(2 + nodes.len() * MANY_WORDS);
    words.extend([header(MANY, nodes.len()), nodes[0].best.0]);
    words.extend(nodes.iter().flat_map(|node| [node.place.0, node.best.0]));
    words
}

fn plain_node(arena: &mut Arena, flats: &[Flat]) -> Node {
    let best = flats[0].key;
    if flats.len() > AT_ONCE {
        return keys_node(arena, flats);
    }
    let mut words = Vec::with_capacity(1 + flats.len() * LIST_WORDS);
    words.push(header(LIST, flats.len()));
    words.extend(flats.iter().map(|flat| flat.key.0));
    words.extend(flats.iter().map(|flat| range_word(flat.target)));
    words.extend(flats.iter().map(|flat| protocol_word(flat.protocol)));
    Node { place: arena.put(&words), best }
}

/// As many rules as are compared at once to a node.
fn full_node(arena: &mut Arena, flats: &[Flat]) -> Node {
    let nodes = flats.chunks(AT_ONCE).map(|flats| {
        let mut words = Vec::with_capacity(1 + flats.len() * FULL_WORDS);
        words.push(header(FULL, flats.len()));
        words.extend(flats.iter().map(|flat| flat.key.0));
        let own: Vec<_> = flats.iter().map(own_words).collect();
        words.extend(own.iter().map(|(first, _, _)| first));
        words.extend(own.iter().map(|(_, last, _)| last));
        words.extend(flats.iter().map(|flat| range_word(flat.source)));
        words.extend(flats.iter().map(|flat| range_word(flat.target)));
        let flags = own.iter().map(|(_, _, flags)| flags);
        words.extend(flats.iter().zip(flags).map(|(it, own)| protocol_word(it.protocol) | own));
        Node { place: arena.put(&words), best: flats[0].key }
    });
    let nodes = nodes.collect();
    many_node(arena, nodes)
}

/// First and last word of the near addresses, and the flags that say what they are.
fn own_words(flat: &Flat) -> (u32, u32, u32) {
    match (flat.extra, flat.own) {
        (Some(extra), _) => (extra, extra, HAS_EXTRA),
        (None, Some((first, last))) => (first, last, OWN_RANGE),
        (None, None) => (0, 0, 0),
    }
}

/// The winner of every port, for each protocol that a rule names and for all others.
fn keys_node(arena: &mut Arena, flats: &[Flat]) -> Node {
    let is_other = |it: &u8| ![Protocol::TCP.0, Protocol::UDP.0].contains(it);
    let mut others: Vec<_> =
        flats.iter().filter_map(|flat| flat.protocol).filter(is_other).collect();
    others.sort_unstable();
    others.dedup();
    let mut words = vec![header(KEYS, others.len() + 3), flats[0].key.0];
    let first = [Some(Protocol::TCP.0), Some(Protocol::UDP.0)];
    for protocol in first.into_iter().chain(others.into_iter().map(Some)).chain([None]) {
        let of = |flat: &&Flat| flat.protocol.is_none() || flat.protocol == protocol;
        let (starts, keys) = winners(flats.iter().filter(of));
        words.push(protocol_word(protocol));
        match keys.as_slice() {
            [key] => words.extend([*key, 0]),
            keys => {
                let tree = PortTree::put(arena, &starts, keys);
                words.extend([tree.base, tree.leaves]);
            }
        }
    }
    debug_assert_eq!((words.len() - 2) % KEYS_WORDS, 0);
    Node { place: arena.put(&words), best: flats[0].key }
}

/// The node of rules that all name a near address.
fn own_node(arena: &mut Arena, flats: &[Flat]) -> Node {
    let mut by_range: Vec<((u32, u32), Flat)> =
        flats.iter().filter_map(|flat| Some((flat.own?, Flat { own: None, ..*flat }))).collect();
    by_range.sort_by_key(|(range, flat)| (*range, flat.key));
    let (mut parts, mut root) = (Vec::new(), Node::NOTHING);
    for same in by_range.chunk_by(|a, b| a.0 == b.0) {
        let range = same[0].0;
        let flats: Vec<_> = same.iter().map(|(_, flat)| *flat).collect();
        match range == (0, u32::MAX) {
            true => root = node(arena, flats),
            false => parts.push(Part { range, node: None, flats }),
        }
    }
    let ranges: Vec<_> =
        (0..).zip(&parts).map(|(number, it)| (it.range.0, it.range.1, number)).collect();
    let (mut starts, mut values) = (Vec::new(), Vec::new());
    let mut sets = Sets::new();
    sweep(
        ranges.into_iter(),
        0_u32,
        |last| last.checked_add(1),
        |start, held| {
            let value = sets.value(held, || around(arena, &mut parts, held).place.0);
            if values.last() != Some(&value) {
                starts.push(start);
                values.push(value);
            }
        },
    );
    let tree = AddressTree::put(arena, &starts, &values);
    let best = flats[0].key;
    let words = [header(OWN, 0), best.0, tree.base, tree.leaves, root.place.0];
    Node { place: arena.put(&words), best }
}

/// The rules of one range of near addresses, and their node once something names it.
struct Part {
    range: (u32, u32),
    node: Option<Node>,
    flats: Vec<Flat>,
}

/// The node for addresses that several ranges hold: few rules are copied, so that one node has
/// them all.
fn around(arena: &mut Arena, parts: &mut [Part], held: &[u32]) -> Node {
    let rules: usize = held.iter().map(|it| parts[*it as usize].flats.len()).sum();
    if held.len() > 1 && rules <= COPIED_MAX {
        return node(arena, held.iter().flat_map(|it| parts[*it as usize].flats.clone()).collect());
    }
    let mut nodes = Vec::with_capacity(held.len());
    for number in held {
        let part = &mut parts[*number as usize];
        let made = part.node.unwrap_or_else(|| node(arena, part.flats.clone()));
        part.node = Some(made);
        nodes.push(made);
    }
    many_node(arena, nodes)
}

/// Nodes for rules that name source ports, or what only an extra holds, or few near addresses.
fn rest_nodes(arena: &mut Arena, flats: Vec<Flat>) -> Vec<Node> {
    if flats.is_empty() {
        return Vec::new();
    }
    if flats.len() <= AT_ONCE {
        return vec![full_node(arena, &flats)];
    }
    let by_target = |flat: &Flat| flat.target != ANY_PORT;
    let by_source = |flat: &Flat| flat.source != ANY_PORT;
    let (target, rest): (Vec<_>, Vec<_>) = flats.into_iter().partition(by_target);
    let (source, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(by_source);
    let mut nodes = Vec::new();
    let mut left = rest;
    for (kind, flats) in [(TARGET, target), (SOURCE, source)] {
        // The widest ranges lie in the most nodes: they are the first to stay outside.
        let (narrow, wide) = match copies(kind, &flats) > COPIES_MAX * flats.len() {
            true => flats.into_iter().partition(|flat| width(kind, flat) <= 1024),
            false => (flats, Vec::new()),
        };
        left.extend(wide);
        match narrow.len() > AT_ONCE && copies(kind, &narrow) <= 4 * COPIES_MAX * narrow.len() {
            true => nodes.push(ports_node(arena, kind, &narrow)),
            false => left.extend(narrow),
        }
    }
    left.sort_by_key(|flat| flat.key);
    if !left.is_empty() {
        nodes.push(full_node(arena, &left));
    }
    nodes
}

fn range(kind: u32, flat: &Flat) -> (u16, u16) {
    match kind {
        TARGET => flat.target,
        _ => flat.source,
    }
}

fn width(kind: u32, flat: &Flat) -> u16 {
    let (first, last) = range(kind, flat);
    last - first
}

fn ranges(kind: u32, flats: &[Flat]) -> impl Iterator<Item = (u16, u16, u32)> {
    (0..).zip(flats).map(move |(number, flat)| {
        let (first, last) = range(kind, flat);
        (first, last, number)
    })
}

/// Rules in the nodes below a tree of these.
fn copies(kind: u32, flats: &[Flat]) -> usize {
    let mut copies = 0;
    sweep(ranges(kind, flats), 0_u16, |last| last.checked_add(1), |_, held| copies += held.len());
    copies
}

fn ports_node(arena: &mut Arena, kind: u32, flats: &[Flat]) -> Node {
    let (mut starts, mut values) = (Vec::new(), Vec::new());
    let mut sets = Sets::new();
    let mut intervals = Vec::new();
    sweep(
        ranges(kind, flats),
        0_u16,
        |last| last.checked_add(1),
        |start, held| {
            intervals.push((start, held.to_vec()));
        },
    );
    for (start, held) in intervals {
        let value = sets.value(&held, || {
            let within = held.iter().map(|number| {
                let flat = flats[*number as usize];
                match kind {
                    TARGET => Flat { target: ANY_PORT, ..flat },
                    _ => Flat { source: ANY_PORT, ..flat },
                }
            });
            node(arena, within.collect()).place.0
        });
        if values.last() != Some(&value) {
            starts.push(start);
            values.push(value);
        }
    }
    let tree = PortTree::put(arena, &starts, &values);
    let best = flats[0].key;
    let words = [header(kind, 0), best.0, tree.base, tree.leaves];
    Node { place: arena.put(&words), best }
}
