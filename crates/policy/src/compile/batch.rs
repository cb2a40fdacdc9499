//! Many questions at once. Owns the interleaving: every lane takes one step down its tree and asks
//! for the next line, so that the memory each waits for comes while the others step.

use std::net::IpAddr;

use super::arena::Place;
use super::build::Node;
use super::key::Key;
use super::node::Search;
use super::steps::Sides;
use super::table::Table;
use crate::Question;

/// Questions under way at once: more than the machine has misses under way, few enough for their
/// state to stay in the nearest cache.
pub(crate) const LANES: usize = 32;

/// A question under way in one table.
#[derive(Clone, Copy)]
struct Lane<'a> {
    search: Search<'a>,
    address: u32,
    node: u32,
    number: usize,
}

impl Table {
    /// The best rule of each, or [`Key::NONE`]: `answer` gets the question's number and the key.
    pub(crate) fn find_batch<'a>(
        &self,
        numbered: impl Iterator<Item = (usize, &'a Question, Sides<'a>)>,
        mut answer: impl FnMut(usize, Key),
    ) {
        let tree = self.ipv4.intervals;
        let levels = tree.levels();
        let mut lanes: [Option<Lane<'_>>; LANES] = [None; LANES];
        let mut count = 0;
        for (number, question, sides) in numbered.take(LANES) {
            let mut search = self.search(question, &sides);
            self.visit_groups(&mut search, &sides);
            match sides.remote {
                IpAddr::V4(address) => {
                    let address = address.to_bits();
                    lanes[count] = Some(Lane { search, address, node: 0, number });
                    count += 1;
                }
                IpAddr::V6(address) => {
                    let place = Place(self.ipv6.intervals.find(address.to_bits()));
                    self.finish(&mut search, self.ipv6.root, place);
                    answer(number, search.best);
                }
            }
        }
        let lanes = &mut lanes[..count];
        for level in (0..levels.depth).rev() {
            for lane in lanes.iter_mut().flatten() {
                lane.node = tree.step(&self.arena, &levels, level, lane.node, lane.address);
                tree.prefetch(&self.arena, &levels, level.checked_sub(1), lane.node);
            }
        }
        for lane in lanes.iter_mut().flatten() {
            lane.node = tree.value(&self.arena, lane.node, lane.address);
            self.arena.prefetch(Place(lane.node));
        }
        for lane in lanes.iter_mut().flatten() {
            self.finish(&mut lane.search, self.ipv4.root, Place(lane.node));
            answer(lane.number, lane.search.best);
        }
    }

    #[inline]
    fn finish(&self, search: &mut Search<'_>, root: Node, place: Place) {
        if root.best < search.best {
            search.visit(&self.arena, root.place);
        }
        if place != Place::ZERO {
            search.visit(&self.arena, place);
        }
    }
}
