//! The sessions of a fabric: found by interface and key, opened, advanced, ended, expired.

use ringfence_frame::{Direction, Instant, Ip, Tuple};

use crate::{Limit, Limits, TcpPhase, Timeouts};

/// A network interface, by the number that the switch gives it.
pub type InterfaceId = u32;

/// A session's number, counted from 1 as they open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

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
    notes: Vec<T>,
}

impl<T: Clone> Sessions<T> {
    /// An empty table.
    pub fn new(limits: Limits) -> Sessions<T> {
        Sessions { limits, notes: Vec::new() }
    }

    /// The live session of `interface` that `ip`, crossing it in `direction`, belongs to.
    ///
    /// "A SYN on a closing session is a new flow": then there is none. Neither does an ICMP error
    /// belong to one by its own key; see [`Sessions::find_quoted`].
    pub fn find(
        &self,
        interface: InterfaceId,
        direction: Direction,
        ip: &Ip,
        now: Instant,
    ) -> Option<SessionRef> {
        let _ = (interface, direction, ip, now);
        unimplemented!()
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
        let _ = (interface, direction, quoted, now);
        unimplemented!()
    }

    /// The session that `found` refers to.
    pub fn get(&self, found: SessionRef) -> &Session<T> {
        let _ = found;
        unimplemented!()
    }

    /// The owner's note of a session.
    pub fn note_mut(&mut self, found: SessionRef) -> &mut T {
        let _ = found;
        unimplemented!()
    }

    /// Whether `interface` may open one more session for `ip` (and the fabric `reserved` more
    /// besides, for the other half of the same flow).
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn check_room(
        &self,
        interface: InterfaceId,
        ip: &Ip,
        reserved: usize,
        now: Instant,
    ) -> Result<(), Limit> {
        let _ = (interface, ip, reserved, now);
        unimplemented!()
    }

    /// Opens a session with its first packet, which has been allowed; replaces a closing or dead
    /// one under the same key. The caller has checked the room.
    pub fn open(
        &mut self,
        interface: InterfaceId,
        direction: Direction,
        ip: &Ip,
        timeouts: &Timeouts,
        note: T,
        now: Instant,
    ) -> SessionId {
        let _ = (interface, direction, ip, timeouts, note, now);
        unimplemented!()
    }

    /// Notes that `ip` of this session crossed the interface in `direction` and was delivered:
    /// advances its state and refreshes it, or neither for a RST or FIN outside the window.
    pub fn advance(&mut self, found: SessionRef, direction: Direction, ip: &Ip, now: Instant) {
        let _ = (found, direction, ip, now);
        unimplemented!()
    }

    /// Ends a session.
    pub fn remove(&mut self, found: SessionRef) -> Session<T> {
        let _ = found;
        unimplemented!()
    }

    /// Removes at most `slice_max` sessions that are dead at `now`; returns how many.
    pub fn expire(&mut self, now: Instant, slice_max: usize) -> usize {
        let _ = (now, slice_max);
        unimplemented!()
    }

    /// When the next session may die, if there is any.
    pub fn next_deadline(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Sessions in the table, dead ones that were not expired yet included.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every session and starts counting at 1 again; limits stay.
    pub fn clear(&mut self) {
        let _ = self.limits;
        unimplemented!()
    }

    /// All sessions in the order in which they opened.
    pub fn iter(&self) -> impl Iterator<Item = &Session<T>> {
        std::iter::empty()
    }
}
