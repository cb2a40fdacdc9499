//! How a packet goes from node to node once its far address is known.
//!
//! What a look-up costs, by kind: `LIST` and `FULL` one compare of up to 16 rules, `KEYS` a descent
//! over the target port, however many rules; `OWN` one over the near address, `TARGET` and `SOURCE`
//! one over a port, each with a node behind it; `MANY` the sum of what it names.

use super::arena::Place;
use super::key::Key;
use super::machine::Machine;
use super::node::{
    FULL, KEYS, LIST, MANY, MANY_WORDS, OWN, Packet, SOURCE, TARGET, full_key, keys_key,
    kind_and_count, list_key,
};
use super::table::Table;
use super::tree::{AddressTree, PortTree};
use crate::Question;

/// Nodes that wait while others are walked; where more would, the walk calls itself.
const WAITING_MAX: usize = 32;

/// A packet on its way through the nodes of one table, with the best rule so far.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a, M> {
    machine: M,
    table: &'a Table,
    packet: Packet,
    question: &'a Question,
    best: Key,
    waiting: [u32; WAITING_MAX],
    count: usize,
}

impl<'a, M: Machine> Walk<'a, M> {
    #[inline(always)]
    pub(crate) fn new(
        machine: M,
        table: &'a Table,
        packet: Packet,
        question: &'a Question,
    ) -> Walk<'a, M> {
        let waiting = [0; WAITING_MAX];
        Walk { machine, table, packet, question, best: Key::NONE, waiting, count: 0 }
    }

    /// Puts a node on the way; the last is visited first.
    #[inline(always)]
    pub(crate) fn add(&mut self, place: Place) {
        if place == Place::ZERO {
            return;
        }
        match self.waiting.get_mut(self.count) {
            Some(free) => {
                *free = place.0;
                self.count += 1;
            }
            None => self.walk_apart(place),
        }
    }

    /// Holds the packet against every node on the way and what hangs on it.
    #[inline(always)]
    pub(crate) fn run(&mut self) -> Key {
        while let Some(last) = self.count.checked_sub(1) {
            self.count = last;
            let place = self.waiting[last % WAITING_MAX];
            self.visit(Place(place));
        }
        self.best
    }

    /// Holds the packet against one node; what hangs on it is put on the way.
    #[inline(always)]
    pub(crate) fn visit(&mut self, place: Place) {
        if place == Place::ZERO {
            return;
        }
        let Walk { machine, table, packet, .. } = *self;
        let arena = &table.arena;
        let words = &arena.words()[place.word()..];
        let &[header, best, ref rest @ ..] = words else { return };
        if best >= self.best.0 {
            return;
        }
        let (kind, size) = kind_and_count(header);
        match kind {
            LIST => {
                self.best = self.best.min(list_key(machine, &words[1..], size, &packet));
            }
            FULL => {
                let key = full_key(machine, &words[1..], size, &packet, table, self.question);
                self.best = self.best.min(key);
            }
            KEYS => {
                self.best = self.best.min(keys_key(machine, rest, size, &packet, table));
            }
            TARGET | SOURCE => {
                let tree = PortTree { base: rest[0], leaves: rest[1] };
                let port = match kind {
                    TARGET => packet.target_port,
                    _ => packet.source_port,
                };
                self.add(Place(tree.find(machine, arena, port)));
            }
            OWN if packet.own_is_ipv4 => {
                let tree = AddressTree { base: rest[0], leaves: rest[1] };
                self.add(Place(rest[2]));
                self.add(Place(tree.find(machine, arena, packet.own)));
            }
            MANY => self.visit_many(&rest[..size * MANY_WORDS]),
            _ => {}
        }
    }

    /// The nodes that one names, best first: behind one whose best rule is no better than what was
    /// found there is nothing better. Most are lists, which are short work.
    #[inline(always)]
    fn visit_many(&mut self, pairs: &[u32]) {
        let Walk { machine, table, packet, .. } = *self;
        for pair in pairs.chunks_exact(MANY_WORDS) {
            table.arena.prefetch(Place(pair[0]));
        }
        for pair in pairs.chunks_exact(MANY_WORDS) {
            if pair[1] >= self.best.0 {
                break;
            }
            let words = &table.arena.words()[Place(pair[0]).word()..];
            match kind_and_count(words[0]) {
                (LIST, size) => {
                    self.best = self.best.min(list_key(machine, &words[1..], size, &packet));
                }
                _ => self.add(Place(pair[0])),
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn walk_apart(&mut self, place: Place) {
        let mut apart = Walk { count: 0, ..*self };
        apart.add(place);
        self.best = apart.run();
    }
}
