//! The sessions of a fabric: found by interface and key, opened, advanced, ended, expired.
//!
//! What each step costs: a look-up is one probe of a hash index and allocates nothing; so does
//! an advance, which moves a deadline later without touching the queue of deadlines. Opening,
//! ending and closing take a place in that queue, in logarithmic time.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use ringfence_frame::{Direction, Instant, Ip, Protocol, Tuple};

use super::entry::{Entry, Opening, is_past};
use super::key::Key;
use ringfence_session::{InterfaceId, Limit, Limits, SessionId, TcpPhase, Timeouts};

/// A live session found in the table; good until the table is next changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionRef {
    slot: u32,
    id: SessionId,
}

impl SessionRef {
    /// The session's number.
    pub fn id(self) -> SessionId {
        self.id
    }
}

/// What is remembered of a session. `T` is what the owner of the table wants to keep with it
/// (for the switch: what it asked the rules about the first packet).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session<T> {
    /// Its number.
    pub id: SessionId,
    /// Whose it is.
    pub interface: InterfaceId,
    /// Which way its first packet crossed the interface.
    pub opened: Direction,
    /// The first packet's key, in that packet's direction.
    pub tuple: Tuple,
    /// When it opened.
    pub since: Instant,
    /// When it dies if nothing refreshes it: it is dead at any whole millisecond later than this.
    pub deadline: Instant,
    /// Where it stands, for TCP.
    pub tcp: Option<TcpPhase>,
    /// What the owner keeps with it.
    pub note: T,
}

/// All sessions of a fabric.
#[derive(Debug)]
pub struct Sessions<T> {
    limits: Limits,
    /// The sessions, each at its slot until it ends.
    slots: Vec<Option<Entry<T>>>,
    /// Slots without session.
    free: Vec<u32>,
    /// Slots by the hash of their session's key.
    index: HashTable<u32>,
    hasher: FixedState,
    /// One element for each session: a moment not later than its deadline, and its slot.
    queue: BTreeSet<(Instant, u32)>,
    /// Counters, by interface.
    usage: Vec<Usage>,
    /// Sessions opened so far.
    opened: u64,
}

/// What one interface takes up.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    sessions: usize,
    half_open: usize,
}

impl<T: Clone> Sessions<T> {
    /// An empty table.
    pub fn new(limits: Limits) -> Sessions<T> {
        Sessions {
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: FixedState::default(),
            queue: BTreeSet::new(),
            usage: Vec::new(),
            opened: 0,
        }
    }

    /// The live session of `interface` that `ip`, crossing it in `direction`, belongs to.
    ///
    /// "A SYN on a closing session is a new flow": then there is none. Neither does an ICMP error
    /// belong to one by its own key; see [`Sessions::find_quoted`]. An ICMP request belongs to
    /// the session whose requests go its way, a reply to the session whose replies do; if an allowed
    /// reply opened that session, its requests go the other way.
    pub fn find(
        &self,
        interface: InterfaceId,
        direction: Direction,
        ip: &Ip,
        now: Instant,
    ) -> Option<SessionRef> {
        let found = self.find_live(&Key::of(interface, direction, ip)?, now)?;
        match self.entry(found).is_superseded_by(ip) {
            true => None,
            false => Some(found),
        }
    }

    /// The live session of `interface` that an ICMP error crossing it in `direction` is about:
    /// it quotes a packet of that session, and travels "in the direction in which that session's
    /// replies to the quoted packet travel".
    pub fn find_quoted(
        &self,
        interface: InterfaceId,
        direction: Direction,
        quoted: &Tuple,
        now: Instant,
    ) -> Option<SessionRef> {
        Key::candidates(interface, direction.opposite(), *quoted)
            .find_map(|key| self.find_live(&key, now))
    }

    /// The session that `found` refers to.
    ///
    /// # Panics
    /// If that session has ended since it was found.
    pub fn get(&self, found: SessionRef) -> &Session<T> {
        &self.entry(found).session
    }

    /// The owner's note of a session.
    ///
    /// # Panics
    /// If that session has ended since it was found.
    pub fn note_mut(&mut self, found: SessionRef) -> &mut T {
        &mut self.entry_mut(found).session.note
    }

    /// Whether `interface` may open one more session for `ip` besides one for each of `others`: the
    /// interfaces of the other halves of the same flow, which may be this one again.
    ///
    /// "At a limit the NEW flow is dropped; nothing live is evicted." Dead sessions do not count:
    /// at a limit they are removed until there is room. A closing one does count, even if this
    /// flow is to replace it.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn check_room(
        &mut self,
        interface: InterfaceId,
        ip: &Ip,
        others: &[InterfaceId],
        now: Instant,
    ) -> Result<(), Limit> {
        loop {
            match self.met_limit(interface, ip, others) {
                None => return Ok(()),
                Some(limit) => match self.look_at_first(now) {
                    Looked::AllLive => return Err(limit),
                    Looked::Removed | Looked::Refreshed => {}
                },
            }
        }
    }

    /// Opens a session with its first packet, which has been allowed; replaces the one under the
    /// same key, which is closing or dead if [`Sessions::find`] found none. The caller has checked
    /// the room, and that the packet is one that opens a session ([`ringfence_session::FirstPacket`]).
    ///
    /// # Panics
    /// If the packet has no key of its own: an ICMP error or a later fragment.
    pub fn open(
        &mut self,
        interface: InterfaceId,
        direction: Direction,
        ip: &Ip,
        timeouts: &Timeouts,
        note: T,
        now: Instant,
    ) -> SessionId {
        let key = Key::of(interface, direction, ip)
            .expect("ICMP errors and later fragments open no session");
        if let Some(slot) = self.slot_of(&key) {
            self.take_out(slot);
        }
        self.opened += 1;
        let id = SessionId(self.opened);
        let opening = Opening { id, interface, direction, timeouts, now };
        self.put_in(Entry::open(&opening, &key, ip, note), &key);
        id
    }

    /// Notes that `ip` of this session crossed the interface in `direction` and was delivered:
    /// advances its state and refreshes it, or neither for a RST or FIN outside the window.
    ///
    /// # Panics
    /// If that session has ended since it was found.
    pub fn advance(&mut self, found: SessionRef, direction: Direction, ip: &Ip, now: Instant) {
        let entry = self.entry_mut(found);
        let was_half_open = entry.is_half_open();
        entry.advance(direction, ip, now);
        let is_half_open = entry.is_half_open();
        let Session { interface, deadline, .. } = entry.session;
        let queued = entry.queued;
        if deadline < queued {
            entry.queued = deadline;
            self.queue.remove(&(queued, found.slot));
            self.queue.insert((deadline, found.slot));
        }
        if was_half_open && !is_half_open {
            self.usage_mut(interface).half_open -= 1;
        }
    }

    /// Ends a session.
    ///
    /// # Panics
    /// If that session has ended since it was found.
    pub fn remove(&mut self, found: SessionRef) -> Session<T> {
        self.entry(found);
        self.take_out(found.slot).session
    }

    /// Looks at no more than `slice_max` sessions that may be dead at `now` and removes those
    /// that are; returns how many. If more are left, [`Sessions::next_deadline`] is not later
    /// than `now`.
    pub fn expire(&mut self, now: Instant, slice_max: usize) -> usize {
        let mut removed = 0;
        for _ in 0..slice_max {
            match self.look_at_first(now) {
                Looked::AllLive => break,
                Looked::Removed => removed += 1,
                Looked::Refreshed => {}
            }
        }
        removed
    }

    /// The first moment at which a session may be dead, if there is any session. It may come out
    /// earlier than the true one, never later; [`Sessions::expire`] at that moment makes progress.
    pub fn next_deadline(&self) -> Option<Instant> {
        let (first, _) = self.queue.first()?;
        Some(*first + Duration::from_millis(1))
    }

    /// Sessions in the table, dead ones that were not expired yet included.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every session and starts counting at 1 again; limits stay.
    pub fn clear(&mut self) {
        *self = Sessions::new(self.limits);
    }

    /// All sessions in the order in which they opened, dead ones that were not expired yet
    /// included.
    pub fn iter(&self) -> impl Iterator<Item = &Session<T>> {
        let mut sessions: Vec<&Session<T>> =
            self.slots.iter().flatten().map(|entry| &entry.session).collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions.into_iter()
    }

    fn find_live(&self, key: &Key, now: Instant) -> Option<SessionRef> {
        let slot = self.slot_of(key)?;
        let entry = self.at(slot);
        match entry.is_dead(now) {
            true => None,
            false => Some(SessionRef { slot, id: entry.session.id }),
        }
    }

    fn slot_of(&self, key: &Key) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |slot| self.at(*slot).key() == *key).copied()
    }

    fn at(&self, slot: u32) -> &Entry<T> {
        occupied(&self.slots, slot)
    }

    fn entry(&self, found: SessionRef) -> &Entry<T> {
        self.slots
            .get(found.slot as usize)
            .and_then(Option::as_ref)
            .filter(|entry| entry.session.id == found.id)
            .expect("a reference is used before the table changes")
    }

    fn entry_mut(&mut self, found: SessionRef) -> &mut Entry<T> {
        self.slots
            .get_mut(found.slot as usize)
            .and_then(Option::as_mut)
            .filter(|entry| entry.session.id == found.id)
            .expect("a reference is used before the table changes")
    }

    fn met_limit(&self, interface: InterfaceId, ip: &Ip, others: &[InterfaceId]) -> Option<Limit> {
        let usage = self.usage.get(interface as usize).copied().unwrap_or_default();
        let own = others.iter().filter(|&&other| other == interface).count();
        let is_tcp = ip.protocol == Protocol::TCP;
        if self.len() + others.len() >= self.limits.sessions_max
            || usage.sessions + own >= self.limits.sessions_per_interface_max
        {
            Some(Limit::Sessions)
        } else if is_tcp && usage.half_open + own >= self.limits.half_open_per_interface_max {
            Some(Limit::HalfOpen)
        } else {
            None
        }
    }

    /// Removes the first session of the queue if it is dead, or gives it its true place there if
    /// it only might have been.
    fn look_at_first(&mut self, now: Instant) -> Looked {
        let Some((queued, slot)) = self.queue.first().copied() else { return Looked::AllLive };
        if !is_past(queued, now) {
            return Looked::AllLive;
        }
        if self.at(slot).is_dead(now) {
            self.take_out(slot);
            return Looked::Removed;
        }
        let entry = self.slots[slot as usize].as_mut().expect("a queued slot is occupied");
        entry.queued = entry.session.deadline;
        let requeued = (entry.queued, slot);
        self.queue.pop_first();
        self.queue.insert(requeued);
        Looked::Refreshed
    }

    fn put_in(&mut self, entry: Entry<T>, key: &Key) {
        let interface = entry.session.interface;
        let usage = self.usage_mut(interface);
        usage.sessions += 1;
        usage.half_open += usize::from(entry.is_half_open());
        let queued = entry.queued;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 sessions")
            }
        };
        self.queue.insert((queued, slot));
        let Sessions { index, hasher, slots, .. } = self;
        index.insert_unique(hasher.hash_one(key), slot, |slot| {
            hasher.hash_one(occupied(slots, *slot).key())
        });
    }

    fn take_out(&mut self, slot: u32) -> Entry<T> {
        let hash = self.hasher.hash_one(self.at(slot).key());
        if let Ok(occupied) = self.index.find_entry(hash, |other| *other == slot) {
            occupied.remove();
        }
        let entry = self.slots[slot as usize].take().expect("an indexed slot is occupied");
        self.free.push(slot);
        self.queue.remove(&(entry.queued, slot));
        let usage = self.usage_mut(entry.session.interface);
        usage.sessions -= 1;
        usage.half_open -= usize::from(entry.is_half_open());
        entry
    }

    fn usage_mut(&mut self, interface: InterfaceId) -> &mut Usage {
        let position = interface as usize;
        if self.usage.len() <= position {
            self.usage.resize(position + 1, Usage::default());
        }
        &mut self.usage[position]
    }
}

/// What a look at the session with the earliest deadline found.
enum Looked {
    /// No session can be dead.
    AllLive,
    /// It was dead.
    Removed,
    /// It was not, for packets had refreshed it.
    Refreshed,
}

fn occupied<T>(slots: &[Option<Entry<T>>], slot: u32) -> &Entry<T> {
    slots[slot as usize].as_ref().expect("an indexed slot is occupied")
}
