//! The table of flows shared by all workers, and one worker's handle to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringfence_frame::{Direction, Icmp, Instant, Ip, Transport, Tuple};

use crate::table::{SessionRef, Sessions};
use crate::{
    End, Family, FlowsConfig, Forward, InterfaceId, Limit, MemoryUse, Passage, Session, SessionId,
    Step, TcpNote,
};

#[derive(Clone, Copy, Debug)]
struct Note {
    icmp: Option<(u8, u8)>,
    over_internet: bool,
    tally: u32,
    epoch: u32,
}

/// All flows of a fabric, shared by its workers.
#[derive(Debug)]
pub struct Flows {
    config: FlowsConfig,
    plain: Mutex<Sessions<Note>>,
}

impl Flows {
    /// An empty table.
    pub fn new(config: FlowsConfig) -> Flows {
        Flows { config, plain: Mutex::new(Sessions::new(config.limits)) }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions<Note>> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle for one thread; `None` if as many as there may be are registered.
    pub fn register(self: &Arc<Flows>) -> Option<FlowWorker> {
        Some(FlowWorker { flows: Arc::clone(self) })
    }

    /// Sessions (halves of flows) in the table, dead ones that were not expired yet included.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sessions of an interface, and how many of them are half-open.
    pub fn usage(&self, interface: InterfaceId) -> (usize, usize) {
        let plain = self.lock();
        let own: Vec<_> = plain.iter().filter(|session| session.interface == interface).collect();
        let opening =
            |session: &&&crate::table::Session<Note>| session.tcp == Some(crate::TcpPhase::Opening);
        (own.len(), own.iter().filter(opening).count())
    }

    /// Flows of each family that it has room for.
    pub fn capacity(&self) -> usize {
        self.config.capacity
    }

    /// What the table takes up.
    pub fn memory_bytes(&self) -> MemoryUse {
        MemoryUse::default()
    }

    /// All sessions, in the order in which they opened if they are numbered; dead ones that were
    /// not expired yet included. Slow: for reports and tests.
    pub fn sessions(&self) -> Vec<Session> {
        self.lock().iter().map(told).collect()
    }
}

fn told(session: &crate::table::Session<Note>) -> Session {
    let Note { icmp, over_internet, tally, epoch } = session.note;
    Session {
        id: session.id,
        interface: session.interface,
        opened: session.opened,
        tuple: session.tuple,
        icmp,
        over_internet,
        deadline: session.deadline,
        tcp: session.tcp,
        tally,
        epoch,
    }
}

/// One thread's handle to the table.
#[derive(Debug)]
pub struct FlowWorker {
    flows: Arc<Flows>,
}

/// A live half of a flow, which is one interface's session; good until the worker that found it
/// passes its next quiescent point.
#[derive(Clone, Copy, Debug)]
pub struct HalfRef {
    found: SessionRef,
}

/// Room for what one packet opens: give it to [`FlowWorker::commit`] or back by
/// [`FlowWorker::release`].
#[derive(Debug)]
#[must_use]
pub struct Room {
    _halves: usize,
}

/// An established direction of a flow, found by a frame's key.
#[derive(Debug)]
pub struct Established<'a> {
    _worker: &'a FlowWorker,
}

impl Established<'_> {
    /// Where the frame goes.
    #[inline]
    pub fn forward(&self) -> Forward {
        Forward::default()
    }

    /// The sender's session, where sessions are numbered.
    pub fn sender_session(&self) -> Option<SessionId> {
        None
    }

    /// The receiver's session, where sessions are numbered.
    pub fn receiver_session(&self) -> Option<SessionId> {
        None
    }

    /// Refreshes and counts: writes what only this direction's frames write.
    #[inline]
    pub fn touch(&self, _now_ms: u32, _len: u32, _tcp: Option<TcpNote>) {}
}

impl FlowWorker {
    /// The hash of a key.
    #[inline]
    pub fn hash<F: Family>(&self, key: &F::Key) -> u64 {
        F::hash(key, self.flows.config.seed)
    }

    /// Asks for the bucket of a hash to be brought near.
    #[inline]
    pub fn prefetch_bucket<F: Family>(&self, _hash: u64) {}

    /// Asks for the line of a hash to be brought near; its bucket should be.
    #[inline]
    pub fn prefetch_line<F: Family>(&self, _hash: u64) {}

    /// The direction that a frame with `key` belongs to, if all its halves were found good under
    /// `epoch`, are live, and such a frame changes nothing but counters and when they die.
    /// Frames of TCP with SYN, FIN or RST are not such.
    #[inline]
    pub fn established<F: Family>(
        &self,
        _key: &F::Key,
        _hash: u64,
        _epoch: u32,
        _now_ms: u32,
    ) -> Option<Established<'_>> {
        None
    }

    /// The live session of `interface` that `ip`, crossing it in `direction`, belongs to.
    ///
    /// "A SYN on a closing session is a new flow": then there is none. Neither does an ICMP error
    /// belong to one by its own key; see [`FlowWorker::find_quoted`].
    pub fn find(
        &self,
        interface: InterfaceId,
        direction: Direction,
        ip: &Ip,
        now: Instant,
    ) -> Option<HalfRef> {
        self.flows.lock().find(interface, direction, ip, now).map(|found| HalfRef { found })
    }

    /// The live session of `interface` that an ICMP error crossing it in `direction` is about.
    pub fn find_quoted(
        &self,
        interface: InterfaceId,
        direction: Direction,
        quoted: &Tuple,
        now: Instant,
    ) -> Option<HalfRef> {
        let plain = self.flows.lock();
        plain.find_quoted(interface, direction, quoted, now).map(|found| HalfRef { found })
    }

    /// The session that `half` refers to.
    pub fn session(&self, half: HalfRef) -> Session {
        told(self.flows.lock().get(half.found))
    }

    /// The epoch under which a session was last found good.
    pub fn epoch(&self, half: HalfRef) -> u32 {
        self.session(half).epoch
    }

    /// Notes that a session was found good under `epoch`, unless it was under a later one.
    pub fn restamp(&self, half: HalfRef, epoch: u32) {
        let mut plain = self.flows.lock();
        let note = plain.note_mut(half.found);
        note.epoch = note.epoch.max(epoch);
    }

    /// Ends a session.
    pub fn end(&mut self, half: HalfRef, _now: Instant) {
        self.flows.lock().remove(half.found);
    }

    /// Takes room for one session at each of `halves`, opened by `ip`.
    ///
    /// # Errors
    /// The first of `halves` that finds none, by its position, and the limit that forbids it.
    pub fn reserve(
        &mut self,
        halves: &[InterfaceId],
        ip: &Ip,
        now: Instant,
    ) -> Result<Room, (usize, Limit)> {
        let mut plain = self.flows.lock();
        for (position, interface) in halves.iter().enumerate() {
            plain
                .check_room(*interface, ip, &halves[..position], now)
                .map_err(|limit| (position, limit))?;
        }
        Ok(Room { _halves: halves.len() })
    }

    /// Gives room back that was not needed.
    pub fn release(&mut self, room: Room) {
        let Room { _halves: _ } = room;
    }

    /// Does to the table what an allowed packet does: opens, advances, refreshes. Returns the
    /// sender's and the receiver's session if it opened them.
    pub fn commit(
        &mut self,
        passage: &Passage<'_>,
        room: Option<Room>,
        now: Instant,
    ) -> [Option<SessionId>; 2] {
        drop(room);
        let sender = self.step(&passage.sender, Direction::Outbound, passage, now);
        let receiver = self.step(&passage.receiver, Direction::Inbound, passage, now);
        [sender, receiver]
    }

    fn step(
        &mut self,
        end: &End<'_>,
        direction: Direction,
        passage: &Passage<'_>,
        now: Instant,
    ) -> Option<SessionId> {
        let mut plain = self.flows.lock();
        let ip = match direction {
            Direction::Outbound => passage.sent,
            Direction::Inbound => passage.arriving,
        };
        match end.step {
            Step::Outside | Step::Nothing => None,
            Step::Advance(half) => {
                plain.advance(half.found, direction, ip, now);
                None
            }
            Step::Open(opening) => {
                let icmp = match ip.transport {
                    Transport::Icmp(Icmp { icmp_type, code, .. }) => Some((icmp_type, code)),
                    _ => None,
                };
                let note = Note {
                    icmp,
                    over_internet: opening.over_internet,
                    tally: opening.tally,
                    epoch: passage.epoch,
                };
                Some(plain.open(end.port, direction, ip, opening.timeouts, note, now))
            }
        }
    }

    /// Looks at no more than `slice_max` records and removes sessions that are dead at `now`;
    /// returns how many.
    pub fn expire(&mut self, now: Instant, slice_max: usize) -> usize {
        self.flows.lock().expire(now, slice_max)
    }

    /// Its number among the workers that may be registered at a time, from 0.
    pub fn number(&self) -> usize {
        0
    }

    /// Forgets every session and begins to number them anew. Only where no other worker is
    /// registered.
    pub fn clear(&mut self) {
        self.flows.lock().clear();
    }

    /// Says that this worker holds no reference into the table at this moment. Once a batch.
    pub fn quiescent(&mut self) {}

    /// Says that this worker will hold none until [`FlowWorker::wake`].
    pub fn sleep(&mut self) {}

    /// Ends [`FlowWorker::sleep`].
    pub fn wake(&mut self) {}

    /// Frames and bytes by tally, as far as they were summed up since the last call: those of
    /// flows that have ended, and of long ones from time to time.
    pub fn drain_tallies(&mut self, _each: impl FnMut(u32, u64, u64)) {}
}
