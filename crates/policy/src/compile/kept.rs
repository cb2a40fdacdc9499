//! What a classifier remembers of the rules that it was compiled from, to tell which have changed.
//! Owns the compact form: 16 bytes for a rule, 16 more for one that names source ports, near
//! addresses or ICMP types.

use ipnet::IpNet;
use ringfence_frame::Direction;

use super::steps::direction_index;
use super::table::{Table, belongs};
use crate::{Action, IcmpMatch, Nic, PortRange, Ports, ProtocolMatch, Rule};

/// The rules of one group, by place.
#[derive(Clone, Debug)]
pub(crate) struct KeptRules {
    rules: Vec<Kept>,
    tails: Vec<Tail>,
}

/// One rule; only its tail and its object lie elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kept {
    /// Counts the objects of its direction's table; [`NONE`] if it guards another kind of NIC.
    object: u32,
    ports: u32,
    /// Priority, action, direction, protocol, kind of ports.
    head: u32,
    /// Counts the tails, or [`NONE`].
    tail: u32,
}

const NONE: u32 = u32::MAX;

/// What most rules do not have.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Tail {
    /// At most one IPv4 range and at most one range of ports.
    Short {
        own: Option<(u32, u8)>,
        source: Option<PortRange>,
    },
    Long(Box<(Vec<IpNet>, Vec<PortRange>, Option<IcmpMatch>)>),
}

impl KeptRules {
    pub(crate) fn new(rules: &[Rule], nic: Nic, tables: [&Table; 2]) -> KeptRules {
        let mut kept = KeptRules { rules: Vec::with_capacity(rules.len()), tails: Vec::new() };
        for rule in rules {
            let object = object_of(rule, nic, tables);
            let one = kept.make(rule, object);
            kept.rules.push(one);
        }
        kept.tails.shrink_to_fit();
        kept
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether the rule at `place` is `rule`, as far as anything is decided by it.
    pub(crate) fn is(&self, place: usize, rule: &Rule, nic: Nic, tables: [&Table; 2]) -> bool {
        let Some(kept) = self.rules.get(place) else { return false };
        if kept.object == NONE || !belongs(rule, rule.direction, nic) {
            return kept.object == NONE && !belongs(rule, rule.direction, nic);
        }
        let table = tables[direction_index(rule.direction)];
        let object = table.objects.get(kept.object as usize).map(|(object, _)| object);
        (kept.head, kept.ports) == (head(rule), ports(rule))
            && object == Some(&rule.object)
            && match self.tails.get(kept.tail as usize) {
                Some(known) => tail(rule).as_ref() == Some(known),
                None => tail(rule).is_none(),
            }
    }

    /// The direction and the object of the rule at `place`, if it is in a table.
    pub(crate) fn place_in_table(&self, place: usize) -> Option<(usize, usize)> {
        let kept = self.rules.get(place)?;
        let direction = kept.head as usize >> DIRECTION & 1;
        (kept.object != NONE).then_some((direction, kept.object as usize))
    }

    /// Whether the rule at `place` names the port list with this number.
    pub(crate) fn names_port_list(&self, place: usize, list: u32) -> bool {
        let kept = self.rules[place];
        kept.head & PORTS_KIND == PORTS_LIST && kept.ports == list
    }

    /// Puts `rule` at `place`, which is one that it has or the next.
    pub(crate) fn set(&mut self, place: usize, rule: &Rule, nic: Nic, tables: [&Table; 2]) {
        let object = object_of(rule, nic, tables);
        let kept = self.make(rule, object);
        match self.rules.get_mut(place) {
            Some(slot) => *slot = kept,
            None => self.rules.push(kept),
        }
    }

    pub(crate) fn truncate(&mut self, count: usize) {
        self.rules.truncate(count);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let long = self.tails.iter().map(|tail| match tail {
            Tail::Short { .. } => 0,
            Tail::Long(long) => {
                size_of_val(&**long)
                    + long.0.capacity() * size_of::<IpNet>()
                    + long.1.capacity() * size_of::<PortRange>()
            }
        });
        self.rules.capacity() * size_of::<Kept>()
            + self.tails.capacity() * size_of::<Tail>()
            + long.sum::<usize>()
    }

    fn make(&mut self, rule: &Rule, object: u32) -> Kept {
        let tail = match tail(rule) {
            Some(tail) if object != NONE => {
                self.tails.push(tail);
                self.tails.len() as u32 - 1
            }
            _ => NONE,
        };
        Kept { object, ports: ports(rule), head: head(rule), tail }
    }
}

fn object_of(rule: &Rule, nic: Nic, tables: [&Table; 2]) -> u32 {
    let table = tables[direction_index(rule.direction)];
    let number = belongs(rule, rule.direction, nic).then(|| table.number_of(&rule.object));
    number.flatten().map_or(NONE, |number| number as u32)
}

const DIRECTION: u32 = 8;
const PORTS_KIND: u32 = 3 << 18;
const PORTS_RANGE: u32 = 1 << 18;
const PORTS_LIST: u32 = 2 << 18;

fn head(rule: &Rule) -> u32 {
    let protocol = match rule.protocol {
        ProtocolMatch::All => 0x100,
        ProtocolMatch::Is(protocol) => u32::from(protocol.0),
    };
    let ports = match rule.ports {
        Ports::Any => 0,
        Ports::Range(_) => PORTS_RANGE,
        Ports::List(_) => PORTS_LIST,
    };
    u32::from(rule.priority.get())
        | u32::from(rule.action == Action::Allow) << 7
        | u32::from(rule.direction == Direction::Outbound) << DIRECTION
        | protocol << 9
        | ports
}

fn ports(rule: &Rule) -> u32 {
    match &rule.ports {
        Ports::Any => 0,
        Ports::Range(range) => u32::from(range.first()) | u32::from(range.last()) << 16,
        Ports::List(list) => list.0,
    }
}

fn tail(rule: &Rule) -> Option<Tail> {
    let (own, sources) = (rule.own_addresses.as_slice(), rule.source_ports.as_slice());
    match (own, sources, rule.icmp) {
        ([], [], None) => None,
        ([], [source], None) => Some(Tail::Short { own: None, source: Some(*source) }),
        ([IpNet::V4(net)], [] | [_], None) => Some(Tail::Short {
            own: Some((net.network().to_bits(), net.prefix_len())),
            source: sources.first().copied(),
        }),
        _ => Some(Tail::Long(Box::new((own.to_vec(), sources.to_vec(), rule.icmp)))),
    }
}
