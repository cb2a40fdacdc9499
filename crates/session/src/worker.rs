//! One worker's handle to the table: what the switch calls for frames that do not take the short
//! way (`fast.rs`), and what a worker has to do once a batch.

use std::cell::RefCell;
use std::sync::Arc;

use ringfence_frame::{Direction, Instant, Ip, Protocol, Tuple};

use crate::flows::Flows;
use crate::fused::{Keyed, NewFlow};
use crate::life::{Hands, Mine};
use crate::open::is_opening_syn;
use crate::sync::{Acquire, SeqCst};
use crate::table::Table;
use crate::tallies::Tallies;
use crate::way::{self, Phase};
use crate::wire_key::{Requests, is_icmp};
use crate::{Family, InterfaceId, Key, Limit, Passage, Session, SessionId, Step, TcpPhase, V4, V6};

/// One thread's handle to the table.
#[derive(Debug)]
pub struct FlowWorker {
    pub(crate) flows: Arc<Flows>,
    pub(crate) seed: u64,
    mine: Mine,
    pub(crate) tallies: RefCell<Tallies>,
}

/// A live half of a flow, which is one interface's session; good until the worker that found it
/// passes its next quiescent point. If it ends before, it still tells what it was, and what is
/// done to it does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HalfRef {
    pub(crate) line: u32,
    pub(crate) is_v6: bool,
}

/// Room for what one packet opens: give it to [`FlowWorker::commit`] or back by
/// [`FlowWorker::release`].
#[derive(Debug)]
#[must_use]
pub struct Room {
    halves: [Option<InterfaceId>; 2],
    records: [Option<u32>; 2],
    is_v6: bool,
    pub(crate) is_tcp: bool,
}

impl Room {
    fn none() -> Room {
        Room { halves: [None; 2], records: [None; 2], is_v6: false, is_tcp: false }
    }

    /// Uses the place for a half of `interface`.
    pub(crate) fn take_half(&mut self, interface: InterfaceId) -> bool {
        self.halves.iter_mut().any(|half| half.take_if(|own| *own == interface).is_some())
    }

    pub(crate) fn take_record(&mut self) -> Option<u32> {
        self.records.iter_mut().find_map(Option::take)
    }
}

impl FlowWorker {
    pub(crate) fn new(flows: &Arc<Flows>) -> Option<FlowWorker> {
        let seat = flows.quiescence.sit()?;
        flows.quiescence.wake(seat);
        let mut mine = Mine::new(seat);
        mine.adopt(flows.take_orphans());
        let (flows, tallies) = (Arc::clone(flows), RefCell::default());
        Some(FlowWorker { seed: flows.seed, flows, mine, tallies })
    }

    /// A moment that no worker is before any more.
    fn horizon(&self, now: Instant) -> Instant {
        Instant::from_ms(self.flows.quiescence.horizon_ms(now.as_ms()))
    }

    fn hands<F: Family>(&mut self, now: Instant) -> Hands<'_, F> {
        Hands {
            flows: &self.flows,
            table: F::table(&self.flows),
            mine: &mut self.mine,
            tallies: &self.tallies,
            now_ms: now.as_ms() as u32,
        }
    }

    // ---- finding

    /// The live session of `interface` that `ip`, crossing it in `direction`, belongs to.
    ///
    /// "A SYN on a closing session is a new flow": then there is none. Neither does an ICMP error
    /// belong to one by its own key; see [`FlowWorker::find_quoted`]. An ICMP request belongs to
    /// the session whose requests go its way, a reply to the session whose replies do.
    pub fn find(
        &self,
        interface: InterfaceId,
        direction: Direction,
        ip: &Ip,
        now: Instant,
    ) -> Option<HalfRef> {
        let found = self.find_key(Key::of(interface, direction, ip)?, now)?;
        let is_closing = || self.tcp_phase(found) == Some(TcpPhase::Closing);
        (!(is_opening_syn(&ip.transport) && is_closing())).then_some(found)
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
    ) -> Option<HalfRef> {
        let crossed = direction.opposite();
        let (same, opposite) = match crossed {
            Direction::Outbound => (Requests::Outbound, Requests::Inbound),
            Direction::Inbound => (Requests::Inbound, Requests::Outbound),
        };
        // It is not known whether the quoted message was a request.
        let candidates: &[Requests] = match is_icmp(quoted.protocol) {
            true => &[same, opposite, Requests::None],
            false => &[Requests::None],
        };
        candidates.iter().find_map(|requests| {
            self.find_key(Key::new(interface, crossed, quoted, *requests), now)
        })
    }

    /// Asks for what [`FlowWorker::find`] will look at first to be brought near.
    pub fn prefetch(&self, interface: InterfaceId, direction: Direction, ip: &Ip) {
        match Key::of(interface, direction, ip) {
            Some(Key::V4(key)) => self.prefetch_bucket::<V4>(self.hash::<V4>(&key)),
            Some(Key::V6(key)) => self.prefetch_bucket::<V6>(self.hash::<V6>(&key)),
            None => {}
        }
    }

    fn find_key(&self, key: Key, now: Instant) -> Option<HalfRef> {
        if self.flows.has_slept_through(now) {
            return None;
        }
        let (kept, now_ms) = (&self.flows.kept, now.as_ms() as u32);
        let (line, is_v6) = match key {
            Key::V4(key) => (self.flows.v4().find_half(&key, kept, now_ms)?, false),
            Key::V6(key) => (self.flows.v6().find_half(&key, kept, now_ms)?, true),
        };
        Some(HalfRef { line, is_v6 })
    }

    fn tcp_phase(&self, half: HalfRef) -> Option<TcpPhase> {
        fn of<F: Family>(table: &Table<F>, line: u32) -> Option<TcpPhase> {
            let phase = way::phase(table.control(line / 2).load(Acquire));
            table.is_tcp(line / 2).then_some(match phase {
                Phase::OneWay => TcpPhase::Opening,
                Phase::BothWays => TcpPhase::Established,
                Phase::Closing => TcpPhase::Closing,
            })
        }
        match half.is_v6 {
            false => of(self.flows.v4(), half.line),
            true => of(self.flows.v6(), half.line),
        }
    }

    /// The session that `half` refers to.
    pub fn session(&self, half: HalfRef) -> Session {
        let Flows { kept, .. } = &*self.flows;
        let long_ms = |ms| self.flows.long_ms(ms);
        match half.is_v6 {
            false => self.flows.v4().session(half.line, kept, long_ms),
            true => self.flows.v6().session(half.line, kept, long_ms),
        }
    }

    /// The epoch under which a session was last found good.
    pub fn epoch(&self, half: HalfRef) -> u32 {
        self.stamp(half, |stamp| stamp.load(Acquire)) >> 1
    }

    /// Notes that a session was found good under `epoch`, unless it was under a later one.
    pub fn restamp(&self, half: HalfRef, epoch: u32) {
        self.stamp(half, |stamp| stamp.fetch_max(epoch << 1, SeqCst));
    }

    fn stamp<R>(&self, half: HalfRef, with: impl FnOnce(&crate::sync::AtomicU32) -> R) -> R {
        match half.is_v6 {
            false => with(&self.flows.v4().line(half.line).stamp),
            true => with(&self.flows.v6().line(half.line).stamp),
        }
    }

    // ---- changing

    /// Ends a session.
    pub fn end(&mut self, half: HalfRef, now: Instant) {
        let (record, bit) = (half.line / 2, way::half(half.line));
        match half.is_v6 {
            false => self.hands::<V4>(now).end(record, bit),
            true => self.hands::<V6>(now).end(record, bit),
        };
    }

    /// Takes room for one session at each of `halves` (at most two), opened by `ip`.
    ///
    /// "At a limit the NEW flow is dropped; nothing live is evicted." Dead sessions do not count: at
    /// a limit they are removed until there is room, those that are dead for every worker. A closing
    /// one does count, even if this flow is to replace it.
    ///
    /// # Errors
    /// The first of `halves` that finds none, by its position, and the limit that forbids it.
    pub fn reserve(
        &mut self,
        halves: &[InterfaceId],
        ip: &Ip,
        now: Instant,
    ) -> Result<Room, (usize, Limit)> {
        self.tick(now);
        let is_tcp = ip.protocol == Protocol::TCP;
        let mut room = Room { is_tcp, is_v6: ip.source.is_ipv6(), ..Room::none() };
        for (position, interface) in halves.iter().enumerate().take(2) {
            if let Err(limit) = self.take_place(*interface, is_tcp, now) {
                self.release(room);
                return Err((position, limit));
            }
            room.halves[position] = Some(*interface);
            room.records[position] = self.take_record(room.is_v6);
        }
        match room.records[0].is_none() && !halves.is_empty() {
            false => Ok(room),
            true => {
                self.release(room);
                Err((0, Limit::Sessions))
            }
        }
    }

    /// The key of packets with ports that come in at `port`, if they are of this family.
    #[inline]
    pub fn keyed<F: Family>(&self, port: InterfaceId, tuple: &Tuple) -> Option<Keyed<F>> {
        let key = F::own(Key::new(port, Direction::Outbound, tuple, Requests::None))?;
        Some(Keyed { key, hash: self.hash::<F>(&key) })
    }

    /// Whether anything is known under `key`: a session that lives or one that does not.
    #[inline]
    pub fn knows<F: Family>(&self, keyed: &Keyed<F>) -> bool {
        let table = F::table(&self.flows);
        table.index.find(keyed.hash, |line| table.is_key(line, &keyed.key)).is_some()
    }

    /// Opens a flow of which neither end knew, in one step: [`FlowWorker::reserve`] and
    /// [`FlowWorker::commit`] for what is most often asked of them.
    ///
    /// # Errors
    /// Which end found no room, and the limit that forbids it.
    pub fn open<F: Family>(
        &mut self,
        flow: &NewFlow<'_, F>,
        now: Instant,
    ) -> Result<[Option<SessionId>; 2], (usize, Limit)> {
        self.tick(now);
        let is_tcp = flow.protocol() == Protocol::TCP;
        let ends = [0, 1].map(|side| flow.halves[side].map(|_| F::port(&flow.keys[side].key)));
        for side in 0..2 {
            let Some(interface) = ends[side] else { continue };
            if let Err(limit) = self.take_place(interface, is_tcp, now) {
                self.give_places(&ends[..side], is_tcp);
                return Err((side, limit));
            }
        }
        let mut hands = self.hands::<F>(now);
        match hands.table.take_record(&mut hands.mine.free[F::INDEX]) {
            Some(record) => Ok(hands.open_fused(flow, record)),
            None => {
                self.give_places(&ends, is_tcp);
                Err((usize::from(ends[0].is_none()), Limit::Sessions))
            }
        }
    }

    fn give_places(&self, ends: &[Option<InterfaceId>], is_tcp: bool) {
        ends.iter().flatten().for_each(|interface| self.flows.usage.give(*interface, is_tcp));
    }

    fn take_place(
        &mut self,
        interface: InterfaceId,
        is_tcp: bool,
        now: Instant,
    ) -> Result<(), Limit> {
        self.flows.usage.take(interface, is_tcp).or_else(|_| {
            let horizon = self.horizon(now);
            self.hands::<V4>(horizon).press();
            self.hands::<V6>(horizon).press();
            self.flows.usage.take(interface, is_tcp)
        })
    }

    fn take_record(&mut self, is_v6: bool) -> Option<u32> {
        let Mine { free: [v4, v6], .. } = &mut self.mine;
        match is_v6 {
            false => self.flows.v4().take_record(v4),
            true => self.flows.v6().take_record(v6),
        }
    }

    /// Gives room back that was not needed.
    pub fn release(&mut self, mut room: Room) {
        for interface in room.halves.iter_mut().filter_map(Option::take) {
            self.flows.usage.give(interface, room.is_tcp);
        }
        while let Some(record) = room.take_record() {
            let Mine { free: [v4, v6], .. } = &mut self.mine;
            match room.is_v6 {
                false => self.flows.v4().give_record(v4, record),
                true => self.flows.v6().give_record(v6, record),
            }
        }
    }

    /// Does to the table what an allowed packet does: opens, advances, refreshes. Returns the
    /// sender's and the receiver's session if it opened them. A half that another worker has opened
    /// since it was looked for is advanced instead. Without `room` nothing is opened.
    pub fn commit(
        &mut self,
        passage: &Passage<'_>,
        room: Option<Room>,
        now: Instant,
    ) -> [Option<SessionId>; 2] {
        let mut room = room.unwrap_or(Room::none());
        let sent = Key::of(passage.sender.port, Direction::Outbound, passage.sent);
        let answer = Key::of(passage.receiver.port, Direction::Inbound, passage.arriving);
        let opened = match passage.sent.source.is_ipv6() {
            false => self.commit_in::<V4>(passage, [sent, answer], &mut room, now),
            true => self.commit_in::<V6>(passage, [sent, answer], &mut room, now),
        };
        self.release(room);
        opened
    }

    fn commit_in<F: Family>(
        &mut self,
        passage: &Passage<'_>,
        keys: [Option<Key>; 2],
        room: &mut Room,
        now: Instant,
    ) -> [Option<SessionId>; 2] {
        let is_v6 = F::INDEX == 1;
        let of_family = |step: &Step<'_>| match step {
            Step::Advance(half) => half.is_v6 == is_v6,
            Step::Open(_) | Step::Outside | Step::Nothing => true,
        };
        let opens = [passage.sender.step, passage.receiver.step]
            .iter()
            .any(|step| matches!(step, Step::Open(_)));
        let fits = of_family(&passage.sender.step)
            && of_family(&passage.receiver.step)
            && (!opens || room.is_v6 == is_v6);
        if !fits {
            return [None; 2];
        }
        let [sent, answer] = keys;
        let keys = match (sent.and_then(F::own), answer.and_then(F::own)) {
            (Some(sent), Some(answer)) => Some([sent, answer]),
            _ => None,
        };
        self.hands::<F>(now).commit(passage, keys.as_ref(), room)
    }

    // ---- once a batch, and now and then

    /// Looks at no more than about `slice_max` records of each family, from where any worker
    /// stopped, and removes sessions that are dead at `now`; returns how many. Called often with a
    /// small slice it takes a second for a whole table. If `slice_max` is as many as there are
    /// records, all are looked at.
    ///
    /// What is dead at `now` and not at the moment of another worker that is awake stays for that
    /// one. From now on this worker finds and commits at `now` or later.
    pub fn expire(&mut self, now: Instant, slice_max: usize) -> usize {
        let slept = self.tick(now);
        let horizon = self.horizon(now);
        let swept_v4 = self.hands::<V4>(horizon).sweep(slice_max);
        slept + swept_v4 + self.hands::<V6>(horizon).sweep(slice_max)
    }

    /// Its number among the workers that may be registered at a time, from 0.
    pub fn number(&self) -> usize {
        self.mine.seat
    }

    /// Forgets every session and begins to number them anew. Only where no other worker is
    /// registered.
    pub fn clear(&mut self) {
        self.hands::<V4>(Instant::START).end_all();
        self.hands::<V6>(Instant::START).end_all();
        // Twice shows everybody the next epoch, and once more is after that.
        for _ in 0..3 {
            self.quiescent();
        }
        self.flows.begin_anew();
    }

    /// Says that this worker holds no reference into the table at this moment. Once a batch.
    #[inline]
    pub fn quiescent(&mut self) {
        self.flows.quiescence.pass(self.mine.seat);
        if self.mine.is_waiting() {
            self.reclaim();
        }
    }

    fn reclaim(&mut self) {
        let ready = self.mine.reclaimable(&self.flows);
        for _ in 0..ready {
            match self.mine.next_retired() {
                Some((0, record)) => self.hands::<V4>(Instant::START).reclaim(record),
                Some((_, record)) => self.hands::<V6>(Instant::START).reclaim(record),
                None => break,
            }
        }
    }

    /// Says that this worker holds no reference and will hold none until [`FlowWorker::wake`]:
    /// others need not wait for its next quiescent point, nor for it to come to their moment. One
    /// that is awake and does nothing has nothing removed and no record used again.
    pub fn sleep(&mut self) {
        self.quiescent();
        self.flows.quiescence.sleep(self.mine.seat);
    }

    /// Ends [`FlowWorker::sleep`]. The clock by which it goes on, which is that of the others, is
    /// to be read after this: what died before may be gone.
    pub fn wake(&mut self) {
        self.flows.quiescence.wake(self.mine.seat);
    }

    /// Frames and bytes by tally, as far as this worker has summed them up since the last call:
    /// those of flows that have ended, and of long ones from time to time. What runs is told by
    /// [`Flows::running_tallies`].
    pub fn drain_tallies(&mut self, each: impl FnMut(u32, u64, u64)) {
        self.tallies.get_mut().drain(each);
    }

    /// Shows how far this worker has come and keeps the table's clock near. Forgets everything
    /// after a sleep so long that nothing can have lived through it, which is longer than anybody
    /// is waited for; returns how many sessions that were.
    fn tick(&mut self, now: Instant) -> usize {
        let ended = match self.flows.has_slept_through(now) {
            true => self.hands::<V4>(now).end_all() + self.hands::<V6>(now).end_all(),
            false => 0,
        };
        self.flows.set_clock(now);
        self.flows.quiescence.reach(self.mine.seat, now.as_ms());
        ended
    }
}

impl Drop for FlowWorker {
    fn drop(&mut self) {
        let Mine { free: [v4, v6], seat, .. } = &mut self.mine;
        self.flows.v4().give_all(v4);
        self.flows.v6().give_all(v6);
        let seat = *seat;
        self.flows.leave_orphans(self.mine.leave());
        self.flows.quiescence.stand(seat);
    }
}
