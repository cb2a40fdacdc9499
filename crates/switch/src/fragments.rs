//! Fragments: all share the verdict of the first one. Owns what is known of a fragmented packet for
//! 2 s, and the later fragments that wait for the first.
//!
//! "A later fragment that arrives first waits for it, at most 2 s and at most 64 such packets for
//! an interface, then it is dropped (fragment-timeout, fragment-limit). An overlap drops what is
//! held and what comes, what was delivered stays (fragment-overlap); what is known of a packet
//! lives 2 s from its first fragment", "whichever it was".

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringfence_cloud::{Place, Route};
use ringfence_frame::{Family, Fragment, Frame, Instant, Ip, Protocol};

use crate::journey::Arrival;
use crate::{Because, FrameId, PortId, Verdict};

/// How long a packet is known.
const LIFETIME: Duration = Duration::from_secs(2);
/// Packets of one port that wait for their first fragment.
const WAITING_MAX: usize = 64;
/// Packets of one port of which anything is known: beyond, a new one is dropped
/// (fragment-limit), so that a flood of first fragments cannot fill the memory.
const KNOWN_MAX: usize = 8_192;

/// What names a fragmented packet. Of IPv6 the protocol is left out: it stands for certain in the
/// first fragment only, and "the packet is reassembled only from fragments that have the same
/// Source Address, Destination Address, and Fragment Identification" (RFC 8200, 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    port: Place,
    source: IpAddr,
    target: IpAddr,
    protocol: Option<Protocol>,
    identification: u32,
}

/// What became of a first fragment.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) verdict: Verdict,
    /// The way that it went; none if it was dropped.
    pub(crate) route: Option<Route>,
}

/// What a packet is to the fragments seen before.
pub(crate) enum Meeting {
    /// No fragment.
    Whole,
    /// The first one: the journey decides, then [`Fragments::settle`].
    First(Key),
    /// A later one, whose first one has been decided.
    Later(Arc<Known>),
    /// A later one that waits.
    Held,
    /// Dropped.
    Dropped(Because),
}

/// A later fragment that waited, without Ethernet padding.
pub(crate) struct Held {
    pub(crate) number: PortId,
    pub(crate) port: Place,
    pub(crate) id: FrameId,
    pub(crate) frame: Frame,
    pub(crate) packet: Ip,
    pub(crate) bytes: Vec<u8>,
}

/// What becomes of a fragment that waited.
pub(crate) enum Fate {
    Shares(Arc<Known>),
    Dropped(Because),
}

/// Everything known of fragmented packets.
#[derive(Default)]
pub(crate) struct Fragments {
    packets: HashMap<Key, Packet, FixedState>,
    /// Packets in the order in which they were first seen, each with its deadline and number.
    order: VecDeque<(Instant, u64, Key)>,
    loads: HashMap<Place, Load, FixedState>,
    released: VecDeque<(Held, Fate)>,
    /// Packets seen so far.
    seen: u64,
}

/// What one port takes up.
#[derive(Default)]
struct Load {
    known: usize,
    waiting: usize,
}

struct Packet {
    number: u64,
    /// The data seen: offset to end, none overlapping.
    ranges: BTreeMap<u32, u32>,
    state: State,
}

enum State {
    /// The first fragment has not been decided.
    Undecided(Vec<Held>),
    Decided(Arc<Known>),
    Overlapped,
}

impl Packet {
    fn is_waiting(&self) -> bool {
        matches!(&self.state, State::Undecided(held) if !held.is_empty())
    }

    fn overlaps(&self, fragment: &Fragment) -> bool {
        let end = fragment.offset + fragment.len;
        let before = self.ranges.range(..end).next_back();
        before.is_some_and(|(_, &before_end)| before_end > fragment.offset)
    }
}

impl Fragments {
    /// Takes note of a packet that has been admitted.
    pub(crate) fn meet(
        &mut self,
        arrival: &Arrival<'_>,
        frame: &Frame,
        ip: &Ip,
        now: Instant,
    ) -> Meeting {
        let Some(fragment) = ip.fragment.filter(|it| it.offset != 0 || it.more) else {
            return Meeting::Whole;
        };
        let key = Key {
            port: arrival.port,
            source: ip.source,
            target: ip.target,
            protocol: (ip.family() == Family::Ipv4).then_some(ip.protocol),
            identification: fragment.identification,
        };
        let is_first = fragment.offset == 0;
        if !self.has_room(&key, is_first) {
            return Meeting::Dropped(Because::FragmentLimit);
        }
        self.remember(key, now);
        let packet = self.packets.get_mut(&key).expect("the packet was just remembered");
        if packet.overlaps(&fragment) {
            self.condemn(&key, Because::FragmentOverlap);
            return Meeting::Dropped(Because::FragmentOverlap);
        }
        packet.ranges.insert(fragment.offset, fragment.offset + fragment.len);
        match &mut packet.state {
            State::Undecided(_) if is_first => Meeting::First(key),
            State::Undecided(held) => {
                if held.is_empty() {
                    self.loads.entry(key.port).or_default().waiting += 1;
                }
                let bytes = arrival.bytes[..ip.end].to_vec();
                let Arrival { number, port, id, .. } = *arrival;
                held.push(Held { number, port, id, frame: *frame, packet: *ip, bytes });
                Meeting::Held
            }
            State::Decided(known) => Meeting::Later(Arc::clone(known)),
            State::Overlapped => Meeting::Dropped(Because::FragmentOverlap),
        }
    }

    /// The first fragment has been decided: those that waited for it share its verdict.
    pub(crate) fn settle(&mut self, key: &Key, known: Known) {
        let known = Arc::new(known);
        let held = self.leave_undecided(key, State::Decided(Arc::clone(&known)));
        let fates = held.into_iter().map(|held| (held, Fate::Shares(Arc::clone(&known))));
        self.released.extend(fates);
    }

    /// Forgets what is older than 2 s; fragments that still wait are dropped.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((_, number, key)) =
            self.order.pop_front_if(|(deadline, _, _)| *deadline < now)
        {
            if self.packets.get(&key).is_some_and(|packet| packet.number == number) {
                self.condemn(&key, Because::FragmentTimeout);
                self.packets.remove(&key);
                self.unload(key.port, |load| load.known -= 1);
            }
        }
    }

    /// A fragment that waited and waits no longer, in the order in which they came.
    pub(crate) fn pop_released(&mut self) -> Option<(Held, Fate)> {
        self.released.pop_front()
    }

    /// The first moment at which something will have been known for longer than 2 s.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (deadline, _, _) = self.order.front()?;
        Some(*deadline + Duration::from_nanos(1))
    }

    pub(crate) fn clear(&mut self) {
        for (_, _, key) in self.order.drain(..) {
            self.packets.remove(&key);
            self.loads.remove(&key.port);
        }
        self.released.clear();
    }

    /// A later fragment of a packet not seen before will wait, and a first one will be known.
    fn has_room(&self, key: &Key, is_first: bool) -> bool {
        let Some(load) = self.loads.get(&key.port) else { return true };
        self.packets.contains_key(key)
            || (load.known < KNOWN_MAX && (is_first || load.waiting < WAITING_MAX))
    }

    fn remember(&mut self, key: Key, now: Instant) {
        if self.packets.contains_key(&key) {
            return;
        }
        let number = self.seen;
        self.seen += 1;
        self.loads.entry(key.port).or_default().known += 1;
        self.order.push_back((now + LIFETIME, number, key));
        let state = State::Undecided(Vec::new());
        self.packets.insert(key, Packet { number, ranges: BTreeMap::new(), state });
    }

    fn condemn(&mut self, key: &Key, because: Because) {
        let held = self.leave_undecided(key, State::Overlapped);
        self.released.extend(held.into_iter().map(|held| (held, Fate::Dropped(because))));
    }

    /// Moves a packet to another state and gives what it held.
    fn leave_undecided(&mut self, key: &Key, next: State) -> Vec<Held> {
        let Some(packet) = self.packets.get_mut(key) else { return Vec::new() };
        let was_waiting = packet.is_waiting();
        let before = std::mem::replace(&mut packet.state, next);
        if was_waiting {
            self.unload(key.port, |load| load.waiting -= 1);
        }
        match before {
            State::Undecided(held) => held,
            State::Decided(_) | State::Overlapped => Vec::new(),
        }
    }

    fn unload(&mut self, port: Place, less: impl FnOnce(&mut Load)) {
        if let Some(load) = self.loads.get_mut(&port) {
            less(load);
            if load.known == 0 {
                self.loads.remove(&port);
            }
        }
    }
}
