//! Rules laid flat for compiling: one range in each dimension, a rule with several becomes several
//! with the same key. Owns that, and the two sweeps over ranges that compiling is made of.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};

use super::key::Key;
use super::node::Extra;
use crate::{IcmpMatch, PolicySet, PortRange, Ports, ProtocolMatch, Rule};

pub(crate) const ANY_PORT: (u16, u16) = (0, u16::MAX);

/// A rule without its object.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Flat {
    pub(crate) key: Key,
    /// None: all.
    pub(crate) protocol: Option<u8>,
    pub(crate) target: (u16, u16),
    pub(crate) source: (u16, u16),
    /// Near IPv4 addresses.
    pub(crate) own: Option<(u32, u32)>,
    /// Counts the extras.
    pub(crate) extra: Option<u32>,
}

impl Flat {
    /// Nothing but protocol and target port.
    pub(crate) fn is_plain(&self) -> bool {
        self.source == ANY_PORT && self.own.is_none() && self.extra.is_none()
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.is_plain() && self.target == ANY_PORT && self.protocol.is_none()
    }
}

/// Lays a rule flat, in the order of its key.
pub(crate) fn flatten(
    policies: &PolicySet,
    rule: &Rule,
    key: Key,
    extras: &mut Vec<Extra>,
    flats: &mut Vec<Flat>,
) {
    let protocol = match rule.protocol {
        ProtocolMatch::All => None,
        ProtocolMatch::Is(protocol) => Some(protocol.0),
    };
    let one = |range: &PortRange| (range.first(), range.last());
    let targets: Vec<_> = match &rule.ports {
        Ports::Any => vec![ANY_PORT],
        Ports::Range(range) => vec![one(range)],
        Ports::List(list) => merged(policies.port_list(*list).entries.iter().map(one)),
    };
    let sources = match rule.source_ports.as_slice() {
        [] => vec![ANY_PORT],
        ranges => merged(ranges.iter().map(one)),
    };
    let mut near = Vec::new();
    match rule.own_addresses.as_slice() {
        [] => near.push((None, extra(None, rule.icmp, extras))),
        ranges => {
            for range in ranges {
                near.push(match (range, rule.icmp) {
                    (IpNet::V4(net), None) => (Some(ends(net)), None),
                    // An extra holds its near addresses, too.
                    (IpNet::V4(net), icmp) => (Some(ends(net)), extra(Some(*range), icmp, extras)),
                    (IpNet::V6(_), icmp) => (None, extra(Some(*range), icmp, extras)),
                });
            }
        }
    }
    for &(own, extra) in &near {
        for &source in &sources {
            let of = |&target| Flat { key, protocol, target, source, own, extra };
            flats.extend(targets.iter().map(of));
        }
    }
}

pub(crate) fn ends(net: &Ipv4Net) -> (u32, u32) {
    (net.network().to_bits(), net.broadcast().to_bits())
}

fn extra(own: Option<IpNet>, icmp: Option<IcmpMatch>, extras: &mut Vec<Extra>) -> Option<u32> {
    let wanted = Extra { own, icmp };
    if wanted == (Extra { own: None, icmp: None }) {
        return None;
    }
    // The last few are where the same one would be.
    let near = extras.len().saturating_sub(32);
    let known = extras[near..].iter().position(|it| *it == wanted).map(|place| near + place);
    let place = known.unwrap_or_else(|| {
        extras.push(wanted);
        extras.len() - 1
    });
    Some(u32::try_from(place).expect("fewer extras than 2^32"))
}

/// Ranges in order, none touching the next.
fn merged(ranges: impl Iterator<Item = (u16, u16)>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if u32::from(first) <= u32::from(before.1) + 1 => {
                before.1 = before.1.max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// The elementary intervals of target ports among rules that come best first, each with the first
/// rule's key that holds it, neighbours with the same key joined.
pub(crate) fn winners<'a>(rules: impl Iterator<Item = &'a Flat> + Clone) -> (Vec<u16>, Vec<u32>) {
    let mut starts = vec![0_u32];
    for rule in rules.clone() {
        starts.push(rule.target.0.into());
        starts.push(u32::from(rule.target.1) + 1);
    }
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| *start <= u32::from(u16::MAX));
    let mut keys = vec![Key::NONE.0; starts.len()];
    // next[i]: the first interval from i on that nobody has taken yet.
    let mut next: Vec<usize> = (0..=starts.len()).collect();
    for rule in rules {
        let end = starts.partition_point(|start| *start <= u32::from(rule.target.1));
        let first = starts.partition_point(|start| *start < u32::from(rule.target.0));
        let mut at = free_from(&mut next, first);
        while at < end {
            keys[at] = rule.key.0;
            next[at] = at + 1;
            at = free_from(&mut next, at);
        }
    }
    let mut joined = (Vec::new(), Vec::new());
    for (start, key) in starts.into_iter().zip(keys) {
        if joined.1.last() != Some(&key) {
            joined.0.push(u16::try_from(start).expect("starts are ports"));
            joined.1.push(key);
        }
    }
    joined
}

fn free_from(next: &mut [usize], mut at: usize) -> usize {
    let mut root = at;
    while next[root] != root {
        root = next[root];
    }
    while next[at] != root {
        (next[at], at) = (root, next[at]);
    }
    root
}

/// Walks the elementary intervals of ranges (first, last, number): `visit` gets where each starts
/// and the numbers that hold it, ascending. A number's ranges do not overlap each other.
pub(crate) fn sweep<T: Ord + Copy>(
    ranges: impl Iterator<Item = (T, T, u32)>,
    zero: T,
    after: impl Fn(T) -> Option<T>,
    mut visit: impl FnMut(T, &[u32]),
) {
    // Ends before starts, so that a number that ends here and starts again stays once.
    let mut events = Vec::new();
    for (first, last, number) in ranges {
        events.push((first, true, number));
        if let Some(end) = after(last) {
            events.push((end, false, number));
        }
    }
    events.sort_unstable();
    let mut held: Vec<u32> = Vec::new();
    let mut events = events.into_iter().peekable();
    let mut at = zero;
    loop {
        while let Some((_, starts, number)) = events.next_if(|event| event.0 == at) {
            match (held.binary_search(&number), starts) {
                (Err(place), true) => held.insert(place, number),
                (Ok(place), false) => {
                    held.remove(place);
                }
                _ => {}
            }
        }
        visit(at, &held);
        match events.peek() {
            Some(event) => at = event.0,
            None => return,
        }
    }
}

/// Numbers sets of numbers: equal sets get equal values.
pub(crate) struct Sets<V>(BTreeMap<Box<[u32]>, V>);

impl<V: Copy> Sets<V> {
    pub(crate) fn new() -> Sets<V> {
        Sets(BTreeMap::new())
    }

    pub(crate) fn value(&mut self, set: &[u32], make: impl FnOnce() -> V) -> V {
        if let Some(value) = self.0.get(set) {
            return *value;
        }
        let value = make();
        self.0.insert(set.into(), value);
        value
    }
}
