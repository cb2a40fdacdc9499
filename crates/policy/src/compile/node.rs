//! Compiled rules that hang on one thing (an object, a class of addresses, a range of ports): the
//! meaning of the words. What is built of which rules is `build`'s, how a packet goes from node to
//! node is `walk`'s.

use std::net::IpAddr;

use ipnet::IpNet;
use ringfence_frame::Protocol;

use super::key::Key;
use super::machine::Machine;
use super::steps::own_address;
use super::table::Table;
use super::tree::PortTree;
use crate::{IcmpMatch, Question};

/// Up to 16 rules of protocol and target port, best first: keys, ports, protocols.
pub(crate) const LIST: u32 = 0;
/// Up to 16 rules, best first: keys, near addresses (first, last), source ports, target ports,
/// protocols.
pub(crate) const FULL: u32 = 1;
/// For each of `n` protocols (TCP, UDP, others that rules name, the rest): protocol, tree of ports
/// to key.
pub(crate) const KEYS: u32 = 2;
/// Tree of target ports to nodes.
pub(crate) const TARGET: u32 = 3;
/// Tree of source ports to nodes.
pub(crate) const SOURCE: u32 = 4;
/// Tree of near IPv4 addresses to nodes, and a node for all of them.
pub(crate) const OWN: u32 = 5;
/// `n` nodes, best first: place, its best key. Every node's second word is its best key.
pub(crate) const MANY: u32 = 6;

/// How many kinds there are.
pub(crate) const KINDS: usize = 7;

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
    pub(crate) own: u32,
    pub(crate) source_port: u16,
    pub(crate) target_port: u16,
    pub(crate) own_is_ipv4: bool,
    pub(crate) protocol: u8,
    /// Which of a `KEYS` node's first protocols: TCP, UDP, or to be looked for from 2 on.
    pub(crate) protocol_class: u8,
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
    /// No packet.
    pub(crate) const NONE: Packet = Packet {
        own: 0,
        source_port: 0,
        target_port: 0,
        own_is_ipv4: false,
        protocol: 0,
        protocol_class: 0,
    };

    #[inline(always)]
    pub(crate) fn new(question: &Question, own: IpAddr) -> Packet {
        let (own, own_is_ipv4) = match own {
            IpAddr::V4(address) => (address.to_bits(), true),
            IpAddr::V6(_) => (0, false),
        };
        Packet::at(question, own, own_is_ipv4)
    }

    /// A packet whose near address is known.
    #[inline(always)]
    pub(crate) fn at(question: &Question, own: u32, own_is_ipv4: bool) -> Packet {
        let tuple = &question.tuple;
        let protocol = tuple.protocol.0;
        let is_other = u8::from(protocol != Protocol::TCP.0);
        let has_no_ports = is_other & u8::from(protocol != Protocol::UDP.0);
        let ports = u16::from(has_no_ports).wrapping_sub(1);
        Packet {
            own,
            source_port: tuple.source_port & ports,
            target_port: tuple.target_port & ports,
            own_is_ipv4,
            protocol,
            protocol_class: is_other + has_no_ports,
        }
    }

    #[inline(always)]
    pub(crate) fn is_of(&self, protocol_word: u32) -> bool {
        (u32::from(self.protocol) ^ protocol_word) & (protocol_word >> 8) & 0xff == 0
    }
}

/// The best rule of a `LIST` node's words after the header.
#[inline(always)]
pub(crate) fn list_key(machine: impl Machine, words: &[u32], count: usize, packet: &Packet) -> Key {
    let words = &words[..count * LIST_WORDS];
    let matches = machine.list(words, packet);
    match words.get(matches.trailing_zeros() as usize) {
        Some(key) if matches != 0 => Key(*key),
        _ => Key::NONE,
    }
}

/// The best rule of a `FULL` node's words after the header.
#[inline(always)]
pub(crate) fn full_key(
    machine: impl Machine,
    words: &[u32],
    count: usize,
    packet: &Packet,
    table: &Table,
    question: &Question,
) -> Key {
    let words = &words[..count * FULL_WORDS];
    let mut matches = machine.full(words, packet);
    while matches != 0 {
        let place = matches.trailing_zeros() as usize;
        let flags = words[5 * count + place];
        if flags & HAS_EXTRA == 0 || extra(&table.extras, words[count + place], question) {
            return Key(words[place]);
        }
        matches &= matches - 1;
    }
    Key::NONE
}

#[cold]
fn extra(extras: &[Extra], number: u32, question: &Question) -> bool {
    let Some(extra) = extras.get(number as usize) else { return false };
    let own = own_address(question);
    extra.own.is_none_or(|range| range.contains(&own))
        && extra.icmp.is_none_or(|wanted| {
            question.icmp.is_some_and(|(icmp_type, code)| {
                wanted.icmp_type.is_none_or(|it| it == icmp_type)
                    && wanted.code.is_none_or(|it| it == code)
            })
        })
}

/// The best rule of a `KEYS` node's words after header and best key.
#[inline(always)]
pub(crate) fn keys_key(
    machine: impl Machine,
    words: &[u32],
    count: usize,
    packet: &Packet,
    table: &Table,
) -> Key {
    let mut place = usize::from(packet.protocol_class);
    if place == 2 {
        let is_of = |it: &usize| packet.is_of(words[it * KEYS_WORDS]);
        place = (2..count).find(is_of).unwrap_or(count - 1);
    }
    let words = &words[place * KEYS_WORDS..];
    let (base, leaves) = (words[1], words[2]);
    match leaves {
        0 => Key(base),
        leaves => Key(PortTree { base, leaves }.find(machine, &table.arena, packet.target_port)),
    }
}
