//! Static search trees over elementary intervals: 16 addresses or 32 ports a node, one cache line
//! each, no branch on what is found. Owns their layout in the arena and the descent; the values are
//! words that it does not read.
//!
//! Leaves lie one after the other, each a line of keys with the values behind it; above them a
//! line holds the first keys of as many nodes below; the top is one node.

use super::arena::{Arena, LINE};
use super::machine::Machine;

/// Keys of a node over addresses.
const ADDRESSES: usize = LINE;
/// Keys of a node over ports.
const PORTS: usize = 2 * LINE;
/// 16^8 leaves of 16 keys are more than there are IPv4 addresses.
const DEPTH_MAX: usize = 8;

/// A tree over IPv4 addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddressTree {
    /// The line of the first leaf.
    pub(crate) base: u32,
    pub(crate) leaves: u32,
}

/// The nodes above the leaves, lowest level first: line of the first, number of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    at: [(u32, u32); DEPTH_MAX],
    pub(crate) depth: usize,
}

impl Levels {
    /// Of a tree that is one leaf.
    pub(crate) const NONE: Levels = Levels { at: [(0, 0); DEPTH_MAX], depth: 0 };
}

impl AddressTree {
    /// Lays down intervals that start at `starts` (ascending, the first at 0) and hold `values`.
    pub(crate) fn put(arena: &mut Arena, starts: &[u32], values: &[u32]) -> AddressTree {
        debug_assert!(starts.first() == Some(&0) && starts.len() == values.len());
        let leaves = starts.len().div_ceil(ADDRESSES);
        let base = arena.put_lines(2 * leaves);
        let mut firsts = Vec::with_capacity(leaves);
        let blocks = starts.chunks(ADDRESSES).zip(values.chunks(ADDRESSES));
        for (leaf, (starts, values)) in blocks.enumerate() {
            firsts.push(starts[0]);
            put_keys(arena.line_mut(base + 2 * leaf), starts);
            let line = arena.line_mut(base + 2 * leaf + 1);
            line.fill(values[values.len() - 1]);
            line[..values.len()].copy_from_slice(values);
        }
        while firsts.len() > 1 {
            let level = arena.put_lines(firsts.len().div_ceil(ADDRESSES));
            for (node, firsts) in firsts.chunks(ADDRESSES).enumerate() {
                put_keys(arena.line_mut(level + node), firsts);
            }
            firsts = firsts.into_iter().step_by(ADDRESSES).collect();
        }
        AddressTree { base: as_word(base), leaves: as_word(leaves) }
    }

    #[inline(always)]
    pub(crate) fn levels(self) -> Levels {
        levels(self.base + 2 * self.leaves, self.leaves, ADDRESSES as u32)
    }

    /// The value of the interval that holds `address`.
    #[inline(always)]
    pub(crate) fn find(self, machine: impl Machine, arena: &Arena, address: u32) -> u32 {
        self.find_by(machine, arena, &self.levels(), address)
    }

    /// The same, where the tree's levels are known.
    #[inline(always)]
    pub(crate) fn find_by(
        self,
        machine: impl Machine,
        arena: &Arena,
        levels: &Levels,
        address: u32,
    ) -> u32 {
        let mut node = 0;
        for level in (0..levels.depth).rev() {
            node = self.step(machine, arena, levels, level, node, address);
        }
        self.value(machine, arena, node, address)
    }

    /// From a node of `level` to the one below.
    #[inline(always)]
    pub(crate) fn step(
        self,
        machine: impl Machine,
        arena: &Arena,
        levels: &Levels,
        level: usize,
        node: u32,
        address: u32,
    ) -> u32 {
        let (line, _) = levels.at[level];
        let below = match level {
            0 => self.leaves,
            _ => levels.at[level - 1].1,
        };
        let rank = address_rank(machine, arena, line + node, address);
        (node * ADDRESSES as u32 + rank).min(below - 1)
    }

    /// The value in a leaf.
    #[inline(always)]
    pub(crate) fn value(
        self,
        machine: impl Machine,
        arena: &Arena,
        leaf: u32,
        address: u32,
    ) -> u32 {
        let line = self.base + 2 * leaf;
        let rank = address_rank(machine, arena, line, address);
        arena.line(line as usize + 1)[rank as usize % LINE]
    }

    /// Asks for a node of `level`, or of the leaves below level 0.
    #[inline(always)]
    pub(crate) fn prefetch(self, arena: &Arena, levels: &Levels, level: Option<usize>, node: u32) {
        match level {
            Some(level) => arena.prefetch_line((levels.at[level].0 + node) as usize),
            None => {
                arena.prefetch_line((self.base + 2 * node) as usize);
                arena.prefetch_line((self.base + 2 * node) as usize + 1);
            }
        }
    }

    /// Asks for the node with which a descent starts.
    #[inline(always)]
    pub(crate) fn prefetch_top(self, arena: &Arena) {
        match self.leaves {
            1 => {
                arena.prefetch_line(self.base as usize);
                arena.prefetch_line(self.base as usize + 1);
            }
            _ => {
                let levels = self.levels();
                arena.prefetch_line(levels.at[levels.depth - 1].0 as usize);
            }
        }
    }

    /// The intervals as they were put down, but for what fills the last leaf.
    pub(crate) fn intervals(self, arena: &Arena) -> (Vec<u32>, Vec<u32>) {
        let (mut starts, mut values) = (Vec::new(), Vec::new());
        for leaf in 0..self.leaves as usize {
            let line = self.base as usize + 2 * leaf;
            let keys = arena.line(line).iter().map(|&key| key ^ SIGN);
            for (start, &value) in keys.zip(arena.line(line + 1)) {
                let fills = starts.last().is_some_and(|last| *last >= start)
                    || (start == u32::MAX && values.last() == Some(&value));
                if !fills {
                    starts.push(start);
                    values.push(value);
                }
            }
        }
        (starts, values)
    }

    /// The lines of values.
    pub(crate) fn value_lines(self) -> impl Iterator<Item = usize> {
        (0..self.leaves as usize).map(move |leaf| self.base as usize + 2 * leaf + 1)
    }
}

/// A tree over ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortTree {
    /// The line of the first leaf: a line of keys, two of values.
    pub(crate) base: u32,
    pub(crate) leaves: u32,
}

impl PortTree {
    /// Lays down intervals that start at `starts` (ascending, the first at 0) and hold `values`.
    pub(crate) fn put(arena: &mut Arena, starts: &[u16], values: &[u32]) -> PortTree {
        debug_assert!(starts.first() == Some(&0) && starts.len() == values.len());
        let leaves = starts.len().div_ceil(PORTS);
        let base = arena.put_lines(3 * leaves);
        let mut firsts = Vec::with_capacity(leaves);
        for (leaf, (starts, values)) in starts.chunks(PORTS).zip(values.chunks(PORTS)).enumerate() {
            firsts.push(starts[0]);
            put_ports(arena.line_mut(base + 3 * leaf), starts);
            let mut filled = [values[values.len() - 1]; PORTS];
            filled[..values.len()].copy_from_slice(values);
            arena.line_mut(base + 3 * leaf + 1).copy_from_slice(&filled[..LINE]);
            arena.line_mut(base + 3 * leaf + 2).copy_from_slice(&filled[LINE..]);
        }
        while firsts.len() > 1 {
            let level = arena.put_lines(firsts.len().div_ceil(PORTS));
            for (node, firsts) in firsts.chunks(PORTS).enumerate() {
                put_ports(arena.line_mut(level + node), firsts);
            }
            firsts = firsts.into_iter().step_by(PORTS).collect();
        }
        PortTree { base: as_word(base), leaves: as_word(leaves) }
    }

    /// The value of the interval that holds `port`.
    #[inline(always)]
    pub(crate) fn find(self, machine: impl Machine, arena: &Arena, port: u16) -> u32 {
        let mut leaf = 0;
        if self.leaves > 1 {
            let levels = levels(self.base + 3 * self.leaves, self.leaves, PORTS as u32);
            for level in (0..levels.depth).rev() {
                let (line, _) = levels.at[level];
                let below = match level {
                    0 => self.leaves,
                    _ => levels.at[level - 1].1,
                };
                let rank = port_rank(machine, arena, line + leaf, port);
                leaf = (leaf * PORTS as u32 + rank).min(below - 1);
            }
        }
        let line = self.base + 3 * leaf;
        let rank = port_rank(machine, arena, line, port) as usize;
        arena.line(line as usize + 1 + rank / LINE)[rank % LINE]
    }
}

#[inline(always)]
fn levels(mut line: u32, mut nodes: u32, fan_out: u32) -> Levels {
    let mut levels = Levels::NONE;
    while nodes > 1 && levels.depth < DEPTH_MAX {
        nodes = nodes.div_ceil(fan_out);
        levels.at[levels.depth] = (line, nodes);
        levels.depth += 1;
        line += nodes;
    }
    levels
}

/// Keys are kept with the sign turned, so that the machine's signed compare orders them.
const SIGN: u32 = 0x8000_0000;
const PORT_SIGN: u16 = 0x8000;

fn put_keys(line: &mut [u32; ADDRESSES], keys: &[u32]) {
    line.fill(u32::MAX ^ SIGN);
    for (slot, key) in line.iter_mut().zip(keys) {
        *slot = key ^ SIGN;
    }
}

fn put_ports(line: &mut [u32; LINE], keys: &[u16]) {
    let mut halves = [u16::MAX ^ PORT_SIGN; PORTS];
    for (half, key) in halves.iter_mut().zip(keys) {
        *half = key ^ PORT_SIGN;
    }
    for (word, pair) in line.iter_mut().zip(halves.chunks_exact(2)) {
        *word = u32::from(pair[0]) | u32::from(pair[1]) << 16;
    }
}

/// Which key of a line is the last that is not above `address`.
#[inline(always)]
fn address_rank(machine: impl Machine, arena: &Arena, line: u32, address: u32) -> u32 {
    machine.rank_words(arena.line(line as usize), (address ^ SIGN).cast_signed()).saturating_sub(1)
}

#[inline(always)]
fn port_rank(machine: impl Machine, arena: &Arena, line: u32, port: u16) -> u32 {
    machine
        .rank_halves(arena.line(line as usize), (port ^ PORT_SIGN).cast_signed())
        .saturating_sub(1)
}

fn as_word(number: usize) -> u32 {
    u32::try_from(number).expect("an arena has fewer than 2^32 lines")
}
