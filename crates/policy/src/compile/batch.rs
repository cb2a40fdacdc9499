//! Many questions at once. Owns the interleaving: every lane takes one step down its tree and asks
//! for the next line, so that the memory each waits for comes while the others step; and nodes are
//! held against their packets kind by kind, so that the machine foresees what comes.

use ringfence_cloud::GroupIndex;

use super::arena::Place;
use super::key::Key;
use super::machine::Machine;
use super::node::{
    FULL, KEYS, KINDS, LIST, MANY, MANY_WORDS, OWN, Packet, SOURCE, TARGET, full_key, keys_key,
    kind_and_count, list_key,
};
use super::table::Table;
use super::tree::{AddressTree, PortTree};
use super::walk::Walk;
use crate::Question;

/// Questions under way at once: more than the machine has misses under way, few enough for their
/// state to stay in the nearest cache.
pub(crate) const LANES: usize = 32;
/// Nodes of one round; a lane that asks for more walks them at once.
const TASKS_MAX: usize = 8 * LANES;

type Asked<'a> = (Question, Option<&'a [GroupIndex]>);

/// A question under way in one table.
#[derive(Clone, Copy)]
pub(crate) struct Lane {
    packet: Packet,
    /// The far IPv4 address.
    address: u32,
    /// The node of the tree.
    node: u32,
    pub(crate) best: Key,
    /// Which question.
    pub(crate) number: u16,
    /// Whether the peer's groups count.
    has_peer: bool,
}

impl Lane {
    /// Nothing under way.
    pub(crate) const IDLE: Lane = Lane {
        packet: Packet::NONE,
        address: 0,
        node: 0,
        best: Key::NONE,
        number: 0,
        has_peer: false,
    };

    #[inline(always)]
    pub(crate) fn start(&mut self, number: usize, packet: Packet, remote: u32, has_peer: bool) {
        *self = Lane {
            packet,
            address: remote,
            node: 0,
            best: Key::NONE,
            number: number as u16,
            has_peer,
        };
    }
}

/// A node that a lane has asked for: the lane's number and the node's place.
type Task = (u32, u32);

/// The lanes of one table under way, and the nodes that they have asked for.
struct Round<'r, 'a, M> {
    machine: M,
    table: &'r Table,
    lanes: &'r mut [Lane],
    asked: &'r [Asked<'a>],
    next: &'r mut [Task; TASKS_MAX],
    count: usize,
}

impl Table {
    /// The best rule of each lane, into the lane.
    #[inline(always)]
    pub(crate) fn find_batch(
        &self,
        machine: impl Machine,
        lanes: &mut [Lane],
        asked: &[Asked<'_>],
    ) {
        let tree = self.ipv4.intervals;
        let levels = &self.levels;
        for level in (0..levels.depth).rev() {
            for lane in lanes.iter_mut() {
                lane.node = tree.step(machine, &self.map, levels, level, lane.node, lane.address);
                tree.prefetch(&self.map, levels, level.checked_sub(1), lane.node);
            }
        }
        let mut next = [(0, 0); TASKS_MAX];
        let mut round = Round { machine, table: self, lanes, asked, next: &mut next, count: 0 };
        for number in 0..round.lanes.len() {
            let lane = &round.lanes[number];
            let place = tree.value(machine, &self.map, lane.node, lane.address);
            round.ask(number as u32, place);
        }
        round.start();
        let mut now = [(0, 0); TASKS_MAX];
        while round.count > 0 {
            round.run(&mut now);
        }
    }
}

impl<M: Machine> Round<'_, '_, M> {
    /// Asks for the nodes of the peers' groups, and holds every lane against the root.
    #[inline(always)]
    fn start(&mut self) {
        let Round { machine, table, asked, .. } = *self;
        for number in 0..self.lanes.len() {
            let lane = &self.lanes[number];
            if lane.has_peer {
                let (_, peer) = &asked[usize::from(lane.number)];
                for group in peer.unwrap_or_default() {
                    self.ask(number as u32, table.groups.get(*group).place.0);
                }
            }
        }
        let place = table.ipv4.root.place;
        let words = &table.arena.words()[place.word()..];
        match kind_and_count(words[0]) {
            _ if place == Place::ZERO => {}
            (KEYS, size) => {
                for lane in self.lanes.iter_mut() {
                    lane.best = keys_key(machine, &words[2..], size, &lane.packet, table);
                }
            }
            _ => {
                for number in 0..self.lanes.len() {
                    self.ask(number as u32, place.0);
                }
            }
        }
    }

    /// Asks for a node's memory, and to be held against it in the next round.
    #[inline(always)]
    fn ask(&mut self, lane: u32, place: u32) {
        self.table.arena.prefetch(Place(place));
        match self.next.get_mut(self.count) {
            Some(task) => {
                *task = (lane, place);
                self.count += usize::from(place != Place::ZERO.0);
            }
            None => self.walk(lane, place),
        }
    }

    #[cold]
    #[inline(never)]
    fn walk(&mut self, lane: u32, place: u32) {
        let lane = &mut self.lanes[lane as usize];
        let (question, _) = &self.asked[usize::from(lane.number)];
        let mut walk = Walk::new(self.machine, self.table, lane.packet, question);
        walk.add(Place(place));
        lane.best = lane.best.min(walk.run());
    }

    /// Puts what was asked for into `now`, kind by kind; where each kind ends.
    #[inline(always)]
    fn sort(&mut self, now: &mut [Task; TASKS_MAX]) -> [usize; KINDS] {
        let words = self.table.arena.words();
        let kind_of = |task: &Task| {
            let (kind, _) = kind_and_count(words[Place(task.1).word()]);
            (kind as usize).min(KINDS - 1)
        };
        let tasks = &self.next[..self.count];
        let mut ends = [0; KINDS];
        for task in tasks {
            ends[kind_of(task)] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        for task in tasks {
            let end = &mut ends[kind_of(task)];
            now[*end % TASKS_MAX] = *task;
            *end += 1;
        }
        self.count = 0;
        ends
    }

    #[inline(always)]
    fn run(&mut self, now: &mut [Task; TASKS_MAX]) {
        let ends = self.sort(now);
        let Round { machine, table, asked, .. } = *self;
        let arena = &table.arena;
        let words = arena.words();
        let of = |kind: u32| match kind {
            LIST => &now[..ends[0]],
            kind => &now[ends[kind as usize - 1]..ends[kind as usize]],
        };
        for &(number, place) in of(LIST) {
            let words = &words[Place(place).word()..];
            let (_, size) = kind_and_count(words[0]);
            let lane = &mut self.lanes[number as usize];
            lane.best = lane.best.min(list_key(machine, &words[1..], size, &lane.packet));
        }
        for &(number, place) in of(FULL) {
            let words = &words[Place(place).word()..];
            let (_, size) = kind_and_count(words[0]);
            let lane = &mut self.lanes[number as usize];
            let (question, _) = &asked[usize::from(lane.number)];
            let key = full_key(machine, &words[1..], size, &lane.packet, table, question);
            lane.best = lane.best.min(key);
        }
        for &(number, place) in of(KEYS) {
            let words = &words[Place(place).word()..];
            let (_, size) = kind_and_count(words[0]);
            let lane = &mut self.lanes[number as usize];
            lane.best = lane.best.min(keys_key(machine, &words[2..], size, &lane.packet, table));
        }
        for &(number, place) in of(TARGET) {
            let words = &words[Place(place).word()..];
            let lane = &self.lanes[number as usize];
            if words[1] < lane.best.0 {
                let tree = PortTree { base: words[2], leaves: words[3] };
                let below = tree.find(machine, arena, lane.packet.target_port);
                self.ask(number, below);
            }
        }
        for &(number, place) in of(SOURCE) {
            let words = &words[Place(place).word()..];
            let lane = &self.lanes[number as usize];
            if words[1] < lane.best.0 {
                let tree = PortTree { base: words[2], leaves: words[3] };
                let below = tree.find(machine, arena, lane.packet.source_port);
                self.ask(number, below);
            }
        }
        self.own(of(OWN));
        for &(number, place) in of(MANY) {
            let words = &words[Place(place).word()..];
            let (_, size) = kind_and_count(words[0]);
            let best = self.lanes[number as usize].best.0;
            for pair in words[2..][..size * MANY_WORDS].chunks_exact(MANY_WORDS) {
                if pair[1] >= best {
                    break;
                }
                self.ask(number, pair[0]);
            }
        }
    }

    /// The near addresses' trees: what they start with is asked for first.
    #[inline(always)]
    fn own(&mut self, tasks: &[Task]) {
        let Round { machine, table, .. } = *self;
        let arena = &table.arena;
        let tree_of = |place: u32| {
            let words = &arena.words()[Place(place).word()..];
            (AddressTree { base: words[2], leaves: words[3] }, words[1], words[4])
        };
        for &(_, place) in tasks {
            tree_of(place).0.prefetch_top(arena);
        }
        for &(number, place) in tasks {
            let (tree, best, root) = tree_of(place);
            let lane = &self.lanes[number as usize];
            if best < lane.best.0 {
                let below = tree.find(machine, arena, lane.packet.own);
                self.ask(number, below);
                self.ask(number, root);
            }
        }
    }
}
