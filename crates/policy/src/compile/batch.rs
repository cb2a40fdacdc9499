//! Many questions at once. Owns the interleaving: every lane takes one step down its tree and asks
//! for the next line, so that the memory each waits for comes while the others step.

use std::net::IpAddr;

use ringfence_cloud::GroupIndex;

use super::arena::Place;
use super::key::Key;
use super::node::{Packet, Search};
use super::steps::Sides;
use super::table::Table;
use crate::Question;

/// Questions under way at once: more than the machine has misses under way, few enough for their
/// state to stay in the nearest cache.
pub(crate) const LANES: usize = 32;

/// A question under way in one table.
#[derive(Clone, Copy)]
pub(crate) struct Lane<'a> {
    packet: Packet,
    /// The far IPv4 address.
    address: u32,
    /// The node of the tree, then the place behind the leaf.
    node: u32,
    /// Which question.
    pub(crate) number: u32,
    peer: &'a [GroupIndex],
    question: &'a Question,
}

impl<'a> Lane<'a> {
    #[inline]
    pub(crate) fn new(number: usize, question: &'a Question, sides: &Sides<'a>) -> Lane<'a> {
        let address = match sides.remote {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(_) => 0,
        };
        Lane {
            packet: Packet::new(question, sides.own),
            address,
            node: 0,
            number: number as u32,
            peer: sides.peer,
            question,
        }
    }
}

impl Table {
    /// The best rule of each lane of IPv4, or [`Key::NONE`]: `answer` gets the question's number
    /// and the key.
    #[inline]
    pub(crate) fn find_batch(
        &self,
        lanes: &mut [Lane<'_>],
        mut answer: impl FnMut(&Question, usize, Key),
    ) {
        let tree = self.ipv4.intervals;
        let levels = tree.levels();
        for level in (0..levels.depth).rev() {
            for lane in lanes.iter_mut() {
                lane.node = tree.step(&self.arena, &levels, level, lane.node, lane.address);
                tree.prefetch(&self.arena, &levels, level.checked_sub(1), lane.node);
            }
        }
        for lane in lanes.iter_mut() {
            lane.node = tree.value(&self.arena, lane.node, lane.address);
            self.arena.prefetch(Place(lane.node));
        }
        for lane in lanes.iter() {
            let Lane { packet, question, number, .. } = *lane;
            let mut search = Search { packet, best: Key::NONE, question };
            self.finish(&mut search, self.ipv4.root, Place(lane.node), lane.peer);
            answer(question, number as usize, search.best);
        }
    }
}
