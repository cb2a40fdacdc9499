//! What becomes of a record once it is open: advanced, closed, split, ended, and given back when
//! nobody can refer to it any more. All of it off the short way of established frames.
//!
//! A record's control word (`way.rs`) decides every race: whoever clears a half's bit in it has ended
//! that half and gives its place back, whoever clears the last one takes the record out.

use std::cell::RefCell;
use std::collections::VecDeque;

use ringfence_frame::{Icmp, IcmpKind, Tcp, Transport};

use crate::flows::Flows;
use crate::sweep::hint;
use crate::sync::{AcqRel, Acquire, Relaxed, Release, SeqCst, fence};
use crate::table::{Table, is_later};
use crate::tallies::{Tallies, counted};
use crate::tcp::{Effect, Side, Sides};
use crate::way::{self, HALVES, OPENER_1, Phase, READY, SETTLED};
use crate::{Family, Forward};

/// What a worker alone has of the tables.
#[derive(Debug)]
pub(crate) struct Mine {
    /// Its seat among those that show when they hold no reference.
    pub(crate) seat: usize,
    /// Free records, by family.
    pub(crate) free: [Vec<u32>; 2],
    /// Records taken out of the index, with their family, oldest first.
    retired: VecDeque<(u8, u32)>,
    /// How many of the oldest were taken out under which epoch, the rest is younger.
    sealed: VecDeque<(u64, usize)>,
    unsealed: usize,
}

impl Mine {
    pub(crate) fn new(seat: usize) -> Mine {
        Mine {
            seat,
            free: Default::default(),
            retired: VecDeque::new(),
            sealed: VecDeque::new(),
            unsealed: 0,
        }
    }

    /// Whether some records wait until nobody refers to them.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Seals what was taken out since the last time, and returns what is nobody's any more.
    pub(crate) fn reclaimable(&mut self, flows: &Flows) -> usize {
        if self.unsealed > 0 {
            let tag = flows.quiescence.tag();
            self.sealed.push_back((tag, std::mem::take(&mut self.unsealed)));
        }
        let epoch = flows.quiescence.advance();
        let mut ready = 0;
        while let Some((_, count)) = self.sealed.pop_front_if(|(tag, _)| *tag + 2 <= epoch) {
            ready += count;
        }
        ready
    }

    pub(crate) fn next_retired(&mut self) -> Option<(u8, u32)> {
        self.retired.pop_front()
    }

    /// One that will be given back soon after, if it is of this family.
    pub(crate) fn soon_retired(&self, family: usize) -> Option<u32> {
        let (of, record) = self.retired.get(7)?;
        (usize::from(*of) == family).then_some(*record)
    }

    fn retire(&mut self, family: u8, record: u32) {
        self.retired.push_back((family, record));
        self.unsealed += 1;
    }

    /// Takes over what another worker left behind when it went.
    pub(crate) fn adopt(&mut self, orphans: Vec<(u8, u32)>) {
        self.unsealed += orphans.len();
        self.retired.extend(orphans);
    }

    /// Leaves what waits to be given back.
    pub(crate) fn leave(&mut self) -> Vec<(u8, u32)> {
        self.sealed.clear();
        self.unsealed = 0;
        self.retired.drain(..).collect()
    }
}

/// One worker's hands on one family's table at one moment.
pub(crate) struct Hands<'a, F: Family> {
    pub(crate) flows: &'a Flows,
    pub(crate) table: &'a Table<F>,
    pub(crate) mine: &'a mut Mine,
    pub(crate) tallies: &'a RefCell<Tallies>,
    pub(crate) now_ms: u32,
}

impl<F: Family> Hands<'_, F> {
    // ---- advancing

    /// A packet of `len` bytes ran on line `run` of a record, at both ends of which it was let
    /// through: counts it, notes what it says, refreshes. As the specification has it, a RST or FIN
    /// outside the window does neither of the latter, and nothing refreshes what is closing.
    pub(crate) fn advance(&mut self, record: u32, run: u32, packet: &Transport, len: u32) {
        self.count(record, run, len);
        match *packet {
            Transport::LaterFragment => return,
            Transport::Icmp(Icmp { kind: IcmpKind::Error { .. }, .. }) => return,
            Transport::Tcp(segment) => return self.advance_tcp(record, run, &segment),
            Transport::Udp(_) | Transport::Icmp(_) | Transport::Other => {}
        }
        self.seen(record, run);
    }

    fn advance_tcp(&mut self, record: u32, run: u32, segment: &Tcp) {
        let control = self.table.control(record).load(Acquire);
        let phase = way::phase(control);
        if phase == Phase::Closing {
            return;
        }
        let opener = way::opener(control);
        let forward = run == opener;
        let mut sides = self.sides(record, opener);
        let mut effect = sides.take(tcp_phase(phase), forward, segment);
        if effect == Effect::Nothing {
            return;
        }
        let line = self.table.line(2 * record + run);
        let (note, syn) = if forward { &sides.opener } else { &sides.answerer }.words();
        line.syn.store(syn, Relaxed);
        line.note.store(note, Release);
        // The other direction may say at this moment that it is done as well: one of the two sees it.
        fence(SeqCst);
        if self.sides(record, opener).both_have_finished() {
            effect = Effect::Closes;
        }
        match effect {
            Effect::Nothing => {}
            Effect::Closes => self.close(record),
            Effect::Seen => self.seen(record, run),
        }
    }

    fn sides(&self, record: u32, opener: u32) -> Sides {
        let side = |line: u32| {
            let line = self.table.line(2 * record + line);
            Side::of_words(line.note.load(Acquire), line.syn.load(Relaxed))
        };
        Sides { opener: side(opener), answerer: side(opener ^ 1) }
    }

    fn count(&mut self, record: u32, run: u32, len: u32) {
        let line = 2 * record + run;
        let counts = &self.table.line(line).counts;
        match counted(counts.load(Relaxed), len) {
            Some(next) => counts.store(next, Relaxed),
            None => self.table.flush(line, len, &mut self.tallies.borrow_mut()),
        }
    }

    fn seen(&mut self, record: u32, run: u32) {
        let last = &self.table.line(2 * record + run).last;
        if is_later(self.now_ms, last.load(Relaxed)) {
            last.store(self.now_ms, Release);
        }
        let control = self.table.control(record).load(Acquire);
        if run != way::opener(control) && way::phase(control) == Phase::OneWay {
            self.answer(record, run);
        }
    }

    /// "It is established when both directions have been seen."
    fn answer(&mut self, record: u32, run: u32) {
        let control = self.table.control(record);
        let own = if run == 0 { SETTLED } else { 0 };
        let answered = |way: u64| {
            let is_first = way::phase(way) == Phase::OneWay;
            is_first.then(|| way::with_phase(way, Phase::BothWays) | own)
        };
        let Ok(before) = control.fetch_update(SeqCst, Acquire, answered) else { return };
        if self.table.is_half_open(record, before) {
            self.settle_halves(record, before);
        }
        self.set_idle(record);
        self.hint_if_earlier(record);
        if run == 1 {
            let way = &self.table.line(2 * record + 1).way;
            way.fetch_or(SETTLED, SeqCst);
            // Whoever closes the record clears it after that: then either that or this sees it.
            if way::phase(control.load(SeqCst)) == Phase::Closing {
                way.fetch_and(!SETTLED, SeqCst);
            }
        }
    }

    fn close(&mut self, record: u32) {
        let control = self.table.control(record);
        let closed = |way: u64| {
            let is_open = way::phase(way) != Phase::Closing;
            is_open.then(|| way::with_phase(way, Phase::Closing) & !SETTLED)
        };
        let Ok(before) = control.fetch_update(SeqCst, Acquire, closed) else { return };
        let lines = self.table.pair(record);
        lines[1].way.fetch_and(!SETTLED, SeqCst);
        if self.table.is_half_open(record, before) {
            self.settle_halves(record, before);
        }
        for line in lines {
            line.last.store(self.now_ms, Release);
        }
        self.set_idle(record);
        self.hint_if_earlier(record);
    }

    fn settle_halves(&self, record: u32, control: u64) {
        for line in [2 * record, 2 * record + 1] {
            if control & way::half(line) != 0 {
                self.flows.usage.settle(self.table.port_and_protocol(line).0);
            }
        }
    }

    /// Tells both lines how long all live halves outlive a refreshment.
    pub(crate) fn set_idle(&self, record: u32) {
        if let Some(idle) = self.idle_ms(record) {
            for line in self.table.pair(record) {
                line.idle.store(idle, Release);
            }
        }
    }

    /// How long all live halves of a record outlive a refreshment, if there are any.
    pub(crate) fn idle_ms(&self, record: u32) -> Option<u32> {
        let control = self.table.control(record).load(Acquire);
        let lines = [2 * record, 2 * record + 1];
        let live = lines.into_iter().filter(|line| control & way::half(*line) != 0);
        live.map(|line| self.table.idle_ms(line, &self.flows.kept)).min()
    }

    fn hint_if_earlier(&self, record: u32) {
        let Some(idle) = self.idle_ms(record) else { return };
        let hints = &self.table.hints[record as usize];
        let next = hint(self.now_ms, self.table.last(record), idle);
        // Both lie within half a turn of this moment.
        let now = self.now_ms as u16;
        let ahead = |hint: u16| hint.wrapping_sub(now).cast_signed();
        let seen = hints.load(Relaxed);
        if seen == 0 || ahead(next) < ahead(seen) {
            hints.store(next, Relaxed);
        }
    }

    // ---- both halves, or one of them

    /// A packet advances the half at `line` and not the other one: if that lives in the same record,
    /// they part. Returns the line where the half is now.
    pub(crate) fn advance_alone(
        &mut self,
        line: u32,
        run: u32,
        packet: &Transport,
        len: u32,
    ) -> u32 {
        let other = line ^ 1;
        let control = self.table.control(line / 2).load(Acquire);
        let mut line = line;
        if control & way::half(other) != 0 {
            let is_dead = |now_ms| self.table.is_dead(other, &self.flows.kept, now_ms);
            let horizon_ms = self.flows.quiescence.last_horizon_ms() as u32;
            let is_dead_here = is_dead(self.now_ms);
            if is_dead_here && is_dead(horizon_ms) {
                self.end(line / 2, way::half(other));
            } else if let Some(own) = self.split(line) {
                line = own;
            } else if is_dead_here {
                // Another worker may have found it yet; but it must not live on.
                self.end(line / 2, way::half(other));
            }
            // Without a record to spare both go on; there are spare ones for this.
        }
        self.advance(line / 2, run, packet, len);
        line
    }

    /// Moves a half into a record of its own, which stands as the old one did. `None` if no
    /// record was free or somebody else ended the half at this moment.
    fn split(&mut self, line: u32) -> Option<u32> {
        let (record, side) = (line / 2, line & 1);
        let new = self.table.take_record(&mut self.mine.free[F::INDEX])?;
        let control = self.table.control(record).load(Acquire);
        let [from, to] = [record, new].map(|record| self.table.pair(record));
        for (from, to) in from.into_iter().zip(to) {
            to.note.store(from.note.load(Acquire), Relaxed);
            to.syn.store(from.syn.load(Relaxed), Relaxed);
            to.last.store(from.last.load(Acquire), Relaxed);
            to.tally.store(from.tally.load(Relaxed), Relaxed);
            to.stamp.store(0, Relaxed);
            to.counts.store(0, Relaxed);
        }
        for side in 0..2 {
            self.table.set_key(2 * new + side, &self.table.key(2 * record + side));
        }
        let (own, next) = (from[side as usize], 2 * new + side);
        let stamp = own.stamp.load(Acquire) & !1;
        self.table.set_number(next, self.table.number(line));
        let carried = own.way.load(Acquire) & way::INTERNET;
        let carried = way::with_kept(carried, way::kept(own.way.load(Relaxed)));
        let bits = way::half(side) | way::owed(side) | way::indexed(side) | READY;
        let stands = way::with_phase(control & OPENER_1 | bits, way::phase(control));
        let ways = if side == 0 { [stands | carried, 0] } else { [stands, carried] };
        to[0].way.store(ways[0], Release);
        to[1].way.store(ways[1], Release);
        to[side as usize].stamp.store(stamp, Release);
        self.set_idle(new);
        let hash = self.table.hash(&self.table.key(line));
        if !self.table.index.replace(hash, line, next) {
            // Never seen by anybody.
            self.table.give_record(&mut self.mine.free[F::INDEX], new);
            return None;
        }
        self.hint_anew(new);
        self.flows.note_moved(own.tally.load(Relaxed));
        match self.leave(record, way::half(line)) {
            true => Some(next),
            // The half was ended meanwhile, and its place given back: so its copy goes, too.
            false => {
                self.forget(new);
                None
            }
        }
    }

    pub(crate) fn hint_anew(&self, record: u32) {
        self.table.hints[record as usize].store(0, Relaxed);
        self.hint_if_earlier(record);
    }

    /// Clears the bit of a half that goes on elsewhere.
    fn leave(&mut self, record: u32, half: u64) -> bool {
        let owed = half << 2;
        let gone = |way: u64| (way & half != 0).then_some(way & !(half | owed));
        let control = self.table.control(record);
        let Ok(before) = control.fetch_update(SeqCst, Acquire, gone) else { return false };
        self.table.unpair(record);
        self.table.credit(record, owed, &mut self.tallies.borrow_mut());
        if before & HALVES == half {
            self.retire(record, before);
        }
        true
    }

    /// Takes out a record whose halves count nowhere.
    fn forget(&mut self, record: u32) {
        let gone = |way: u64| (way & HALVES != 0).then_some(way & !HALVES);
        if let Ok(before) = self.table.control(record).fetch_update(SeqCst, Acquire, gone) {
            self.retire(record, before);
        }
    }

    /// Writes where the frames of a line go.
    pub(crate) fn set_forward(&self, line: u32, forward: &Forward) {
        let way = &self.table.line(line).way;
        let changed = |way: u64| {
            let next = way::with_forward(way, forward);
            (next != way).then_some(next)
        };
        // An error says that it is so already.
        let _ = way.fetch_update(AcqRel, Acquire, changed);
    }

    // ---- ending

    /// Ends those of `halves` (of `way::HALVES`) that live; returns how many.
    pub(crate) fn end(&mut self, record: u32, halves: u64) -> usize {
        let ended = |way: u64| {
            let gone = way & halves & HALVES;
            let left = way & HALVES & !gone;
            // Those that end last are owed the counts when the record goes, when all are in.
            let owed = if left != 0 { gone << 2 } else { 0 };
            (gone != 0).then_some(way & !(gone | owed))
        };
        let control = self.table.control(record);
        let Ok(before) = control.fetch_update(SeqCst, Acquire, ended) else { return 0 };
        let gone = before & halves & HALVES;
        let half_open = self.table.is_half_open(record, before);
        for line in [2 * record, 2 * record + 1] {
            if gone & way::half(line) != 0 {
                self.flows.usage.give(self.table.port_and_protocol(line).0, half_open);
            }
        }
        self.table.unpair(record);
        if gone == before & HALVES {
            self.retire(record, before);
        } else {
            self.table.credit(record, gone << 2, &mut self.tallies.borrow_mut());
            self.set_idle(record);
        }
        gone.count_ones() as usize
    }

    /// Takes a record without halves out of the index; it is given back when nobody refers to it.
    fn retire(&mut self, record: u32, control: u64) {
        for line in [2 * record, 2 * record + 1] {
            if control & way::indexed(line) != 0 {
                let hash = self.table.hash(&self.table.key(line));
                self.table.index.remove(hash, line);
            }
        }
        self.table.hints[record as usize].store(0, Relaxed);
        self.mine.retire(F::INDEX as u8, record);
    }

    /// Puts a record aside that was in the index for a moment and never became ready.
    pub(crate) fn discard(&mut self, record: u32) {
        self.table.control(record).store(0, Release);
        self.mine.retire(F::INDEX as u8, record);
    }

    /// Gives a record back that nobody refers to, and what it counted to whom it is owed.
    pub(crate) fn reclaim(&mut self, record: u32) {
        if let Some(soon) = self.mine.soon_retired(F::INDEX) {
            self.table.prefetch_record(soon);
        }
        let control = self.table.control(record).load(Acquire);
        self.table.credit(record, control, &mut self.tallies.borrow_mut());
        self.table.control(record).store(0, Relaxed);
        self.table.give_record(&mut self.mine.free[F::INDEX], record);
    }
}

fn tcp_phase(phase: Phase) -> crate::TcpPhase {
    match phase {
        Phase::OneWay => crate::TcpPhase::Opening,
        Phase::BothWays => crate::TcpPhase::Established,
        Phase::Closing => crate::TcpPhase::Closing,
    }
}
