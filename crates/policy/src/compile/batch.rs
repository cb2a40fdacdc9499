//! Many questions at once. Owns the interleaving: every lane takes one step down its tree and asks
//! for the next line, so that the memory each waits for comes while the others step.

use ringfence_cloud::GroupIndex;

use super::arena::Place;
use super::key::Key;
use super::machine::Machine;
use super::node::{KEYS, MANY, MANY_WORDS, OWN, Packet, kind_and_count};
use super::table::Table;
use super::tree::AddressTree;
use super::walk::Walk;
use crate::Question;

/// Questions under way at once: more than the machine has misses under way, few enough for their
/// state to stay in the nearest cache.
pub(crate) const LANES: usize = 32;

/// A question under way in one table.
#[derive(Clone, Copy)]
pub(crate) struct Lane {
    pub(crate) packet: Packet,
    /// The far IPv4 address.
    pub(crate) address: u32,
    /// The node of the tree, then the place behind the leaf.
    node: u32,
    /// Which question.
    pub(crate) number: u32,
    /// Whether the peer's groups count.
    pub(crate) has_peer: bool,
    pub(crate) best: Key,
}

impl Lane {
    /// Nothing under way.
    pub(crate) const IDLE: Lane = Lane {
        packet: Packet::NONE,
        address: 0,
        node: 0,
        number: 0,
        has_peer: false,
        best: Key::NONE,
    };
}

impl Table {
    /// The best rule of each lane, into the lane.
    #[inline(always)]
    pub(crate) fn find_batch(
        &self,
        machine: impl Machine,
        lanes: &mut [Lane],
        asked: &[(Question, Option<&[GroupIndex]>)],
    ) {
        let tree = self.ipv4.intervals;
        let levels = tree.levels();
        for level in (0..levels.depth).rev() {
            for lane in lanes.iter_mut() {
                lane.node = tree.step(machine, &self.map, &levels, level, lane.node, lane.address);
                tree.prefetch(&self.map, &levels, level.checked_sub(1), lane.node);
            }
        }
        for lane in lanes.iter_mut() {
            lane.node = tree.value(machine, &self.map, lane.node, lane.address);
            self.arena.prefetch(Place(lane.node));
        }
        for lane in lanes.iter() {
            self.look_ahead(Place(lane.node));
        }
        for lane in lanes.iter_mut() {
            let (question, peer) = &asked[lane.number as usize];
            let mut walk = Walk::new(machine, self, lane.packet, question);
            if lane.has_peer {
                for group in peer.unwrap_or_default() {
                    walk.add(self.groups.get(*group).place);
                }
            }
            walk.add(self.ipv4.root.place);
            walk.add(Place(lane.node));
            lane.best = walk.run();
        }
    }

    /// Asks for what a node will ask for.
    #[inline(always)]
    fn look_ahead(&self, place: Place) {
        let words = &self.arena.words()[place.word()..];
        let &[header, _, ref rest @ ..] = words else { return };
        match kind_and_count(header) {
            (MANY, count) => {
                for pair in rest[..count * MANY_WORDS].chunks_exact(MANY_WORDS) {
                    self.arena.prefetch(Place(pair[0]));
                }
            }
            (OWN, _) => {
                let tree = AddressTree { base: rest[0], leaves: rest[1] };
                tree.prefetch_top(&self.arena);
            }
            (KEYS, _) => self.arena.prefetch_line(rest[1] as usize),
            _ => {}
        }
    }
}
