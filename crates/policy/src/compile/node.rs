//! Compiled rules that hang on one thing (an object, a class of addresses, a range of ports), and
//! how a packet is held against them. Owns the meaning of the words; what is built of which rules
//! is `build`'s.
//!
//! What a look-up costs, by kind: `LIST` and `FULL` a compare a rule, at most a few; `KEYS` two or
//! three lines of ports however many rules; `OWN` a descent over the near address, `TARGET` and
//! `SOURCE` one over a port, each with a node behind it; `MANY` the sum of what it names.

use std::net::IpAddr;

use ipnet::IpNet;

use super::arena::{Arena, Place};
use super::key::Key;
use super::steps::own_address;
use super::table::Table;
use super::tree::{AddressTree, PortTree};
use crate::{IcmpMatch, Question};

/// `n` rules of protocol and target port, best first: key, ports, protocol.
pub(crate) const LIST: u32 = 0;
/// `n` rules, best first: key, near addresses (first, last), source ports, target ports, protocol.
pub(crate) const FULL: u32 = 1;
/// For each of `n` protocols, the last for all others: protocol, tree of ports to key.
pub(crate) const KEYS: u32 = 2;
/// Tree of target ports to nodes.
pub(crate) const TARGET: u32 = 3;
/// Tree of source ports to nodes.
pub(crate) const SOURCE: u32 = 4;
/// Tree of near IPv4 addresses to nodes, and a node for all of them.
pub(crate) const OWN: u32 = 5;
/// `n` nodes, best first: place, its best key.
pub(crate) const MANY: u32 = 6;

const KIND_BITS: u32 = 3;
pub(crate) const LIST_WORDS: usize = 3;
pub(crate) const FULL_WORDS: usize = 6;
pub(crate) const KEYS_WORDS: usize = 3;
pub(crate) const MANY_WORDS: usize = 2;

/// In a rule's protocol word: the packet's number must equal the low byte where this byte says.
const PROTOCOL_MASK: u32 = 0xff << 8;
/// In a `FULL` rule's protocol word: the near address must be IPv4 and in the range.
pub(crate) const OWN_RANGE: u32 = 1 << 16;
/// In a `FULL` rule's protocol word: the first near address is the number of an [`Extra`].
pub(crate) const HAS_EXTRA: u32 = 1 << 17;

/// What few rules ask and no word holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Extra {
    pub(crate) own: Option<IpNet>,
    pub(crate) icmp: Option<IcmpMatch>,
}

/// A packet as rules see it. A packet without ports has port 0, which no range of ports holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    own: u32,
    own_is_ipv4: bool,
    protocol: u8,
    source_port: u16,
    target_port: u16,
}

pub(crate) fn header(kind: u32, count: usize) -> u32 {
    kind | (count as u32) << KIND_BITS
}

#[inline]
pub(crate) fn kind_and_count(header: u32) -> (u32, usize) {
    (header % (1 << KIND_BITS), (header >> KIND_BITS) as usize)
}

/// The protocol word of a rule; `None`: all protocols.
pub(crate) fn protocol_word(protocol: Option<u8>) -> u32 {
    protocol.map_or(0, |number| u32::from(number) | PROTOCOL_MASK)
}

pub(crate) fn range_word((first, last): (u16, u16)) -> u32 {
    u32::from(first) | u32::from(last) << 16
}

impl Packet {
    #[inline]
    pub(crate) fn new(question: &Question, own: IpAddr) -> Packet {
        let tuple = &question.tuple;
        let (own, own_is_ipv4) = match own {
            IpAddr::V4(address) => (address.to_bits(), true),
            IpAddr::V6(_) => (0, false),
        };
        let (source_port, target_port) = match tuple.protocol.has_ports() {
            true => (tuple.source_port, tuple.target_port),
            false => (0, 0),
        };
        Packet { own, own_is_ipv4, protocol: tuple.protocol.0, source_port, target_port }
    }

    #[inline]
    fn is_of(&self, protocol_word: u32) -> bool {
        (u32::from(self.protocol) ^ protocol_word) & (protocol_word >> 8) & 0xff == 0
    }
}

#[inline]
fn is_within(range_word: u32, port: u16) -> bool {
    let (first, last) = (range_word as u16, (range_word >> 16) as u16);
    port.wrapping_sub(first) <= last.wrapping_sub(first)
}

/// A packet on its way through the nodes of one table, with the best rule so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    pub(crate) packet: Packet,
    pub(crate) best: Key,
    pub(crate) question: &'a Question,
}

impl Search<'_> {
    /// Holds the packet against a node and what hangs on it.
    pub(crate) fn visit(&mut self, table: &Table, place: Place) {
        let arena = &table.arena;
        let words = &arena.words()[place.word()..];
        let (kind, count) = kind_and_count(words[0]);
        match kind {
            LIST => self.list(&words[1..1 + count * LIST_WORDS]),
            FULL => self.full(&table.extras, &words[1..1 + count * FULL_WORDS]),
            KEYS => self.keys(arena, &words[2..2 + count * KEYS_WORDS]),
            TARGET if words[1] < self.best.0 => {
                let tree = PortTree { base: words[2], leaves: words[3] };
                let below = tree.find(arena, self.packet.target_port);
                self.visit(table, Place(below));
            }
            SOURCE if words[1] < self.best.0 => {
                let tree = PortTree { base: words[2], leaves: words[3] };
                let below = tree.find(arena, self.packet.source_port);
                self.visit(table, Place(below));
            }
            OWN if self.packet.own_is_ipv4 && words[1] < self.best.0 => {
                let tree = AddressTree { base: words[2], leaves: words[3] };
                let below = tree.find(arena, self.packet.own);
                self.visit(table, Place(below));
                if words[4] != Place::ZERO.0 {
                    self.visit(table, Place(words[4]));
                }
            }
            MANY => {
                for pair in words[1..1 + count * MANY_WORDS].chunks_exact(MANY_WORDS) {
                    if pair[1] >= self.best.0 {
                        break;
                    }
                    self.visit(table, Place(pair[0]));
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn list(&mut self, rules: &[u32]) {
        for rule in rules.chunks_exact(LIST_WORDS) {
            if is_within(rule[1], self.packet.target_port) && self.packet.is_of(rule[2]) {
                self.best = self.best.min(Key(rule[0]));
                return;
            }
        }
    }

    #[inline]
    fn full(&mut self, extras: &[Extra], rules: &[u32]) {
        let packet = self.packet;
        for rule in rules.chunks_exact(FULL_WORDS) {
            let (first, last, flags) = (rule[1], rule[2], rule[5]);
            let in_range = packet.own.wrapping_sub(first) <= last.wrapping_sub(first);
            let own = flags & OWN_RANGE == 0 || (packet.own_is_ipv4 && in_range);
            let ports =
                is_within(rule[3], packet.source_port) & is_within(rule[4], packet.target_port);
            if own
                && ports
                && packet.is_of(flags)
                && (flags & HAS_EXTRA == 0 || self.extra(extras, first))
            {
                self.best = self.best.min(Key(rule[0]));
                return;
            }
        }
    }

    #[cold]
    fn extra(&self, extras: &[Extra], number: u32) -> bool {
        let Some(extra) = extras.get(number as usize) else { return false };
        let own = own_address(self.question);
        extra.own.is_none_or(|range| range.contains(&own))
            && extra.icmp.is_none_or(|wanted| {
                self.question.icmp.is_some_and(|(icmp_type, code)| {
                    wanted.icmp_type.is_none_or(|it| it == icmp_type)
                        && wanted.code.is_none_or(|it| it == code)
                })
            })
    }

    #[inline]
    fn keys(&mut self, arena: &Arena, protocols: &[u32]) {
        let of = protocols.chunks_exact(KEYS_WORDS).find(|it| self.packet.is_of(it[0]));
        let Some(&[_, base, leaves]) = of else { return };
        let key = match leaves {
            0 => base,
            leaves => PortTree { base, leaves }.find(arena, self.packet.target_port),
        };
        self.best = self.best.min(Key(key));
    }
}
