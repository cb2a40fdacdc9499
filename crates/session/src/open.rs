//! What an allowed packet does to the table. Opens records, whose keys are seen by all workers at
//! once, so that of two workers that meet the two directions of a flow at one moment one opens it and
//! the other's packet belongs to it.

use ringfence_frame::{Ip, Protocol, Transport};

use crate::index::Put;
use crate::life::Hands;
use crate::passage::{End, Opening, Passage, Step};
use crate::sync::{AcqRel, Acquire, Relaxed, Release};
use crate::tallies::counted;
use crate::tcp::{self, Sides};
use crate::way::{self, FUSED, HALVES, INTERNET, OPENER_1, Phase, READY, SETTLED};
use crate::worker::Room;
use crate::{Family, Forward, PortId, SessionId};

/// What came of putting one line of a new record into the index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is there.
    Done,
    /// This line has the key, and is as good.
    Lives(u32),
    /// The index has no place: it passes unremembered.
    Full,
}

/// A record to be.
struct Fresh<'a, F: Family> {
    keys: [&'a F::Key; 2],
    /// Where frames of either line go; without, its second line is not in the index.
    forwards: Option<[Forward; 2]>,
    /// What is opened at either line's port.
    openings: [Option<&'a Opening<'a>>; 2],
    /// The line on which the first packet runs.
    opener: u32,
    first: &'a Ip,
    len: u32,
}

impl<F: Family> Hands<'_, F> {
    /// Opens and advances; returns the sender's and the receiver's session if it was opened. `keys`
    /// are those of the packet at the sender's port and of its answer at the receiver's.
    pub(crate) fn commit(
        &mut self,
        passage: &Passage<'_>,
        keys: Option<&[F::Key; 2]>,
        room: &mut Room,
    ) -> [Option<SessionId>; 2] {
        match (passage.sender.step, passage.receiver.step, keys) {
            (Step::Advance(sender), Step::Advance(receiver), _)
                if sender.line ^ 1 == receiver.line =>
            {
                self.advance(sender.line / 2, sender.line & 1, passage.sent, passage.len);
                self.pair_by(passage, keys, sender.line, HALVES);
                [None; 2]
            }
            (Step::Open(_), Step::Open(_) | Step::Outside, Some(keys))
            | (Step::Outside, Step::Open(_), Some(keys))
                if passage.back.is_some() && keys[0] != keys[1] =>
            {
                self.open_fused(passage, keys, room)
            }
            _ => self.commit_apart(passage, keys, room),
        }
    }

    /// Each end on its own.
    fn commit_apart(
        &mut self,
        passage: &Passage<'_>,
        keys: Option<&[F::Key; 2]>,
        room: &mut Room,
    ) -> [Option<SessionId>; 2] {
        let Passage { sent, arriving, sender, receiver, len, .. } = passage;
        let mut opened = [None; 2];
        for (side, own, other, ip) in [(0, sender, receiver, sent), (1, receiver, sender, arriving)]
        {
            match own.step {
                Step::Outside | Step::Nothing => {}
                Step::Open(opening) => {
                    opened[side as usize] =
                        keys.and_then(|keys| self.open_alone(passage, side, &opening, keys, room));
                }
                Step::Advance(half) => {
                    let run = half.line ^ side;
                    let line = self.advance_alone(half.line, run & 1, ip, *len);
                    if matches!(other.step, Step::Outside) {
                        self.pair_by(passage, keys, line ^ side, way::half(line));
                    }
                }
            }
        }
        opened
    }

    /// Lets further frames of a fused record go the short way, if this packet went that way on
    /// line `run`; answers as well, if it is known how they go now.
    fn pair_by(
        &mut self,
        passage: &Passage<'_>,
        keys: Option<&[F::Key; 2]>,
        run: u32,
        halves: u64,
    ) {
        let Some([sent, answer]) = keys else { return };
        let is_fused = |line: u32| self.table.line(line).way.load(Acquire) & FUSED != 0;
        let fits = |line, key| is_fused(line) && self.table.is_key(line, key);
        if !fits(run, sent) || !fits(run ^ 1, answer) {
            return;
        }
        self.set_forward(run, &passage.there);
        self.table.found_good(run, halves, passage.epoch);
        if let Some(back) = &passage.back {
            self.set_forward(run ^ 1, back);
            self.table.found_good(run ^ 1, halves, passage.epoch);
        }
    }

    /// One record for both directions.
    fn open_fused(
        &mut self,
        passage: &Passage<'_>,
        keys: &[F::Key; 2],
        room: &mut Room,
    ) -> [Option<SessionId>; 2] {
        for key in keys {
            self.table.index.prefetch(self.table.hash(key));
        }
        let ends = [&passage.sender, &passage.receiver];
        let openings = [opening_at(ends[0], room), opening_at(ends[1], room)];
        let ports = [ends[0].port, ends[1].port];
        let Some(record) = self.record_for(room, openings, ports) else { return [None; 2] };
        let back = passage.back.unwrap_or_default();
        self.fill(
            record,
            &Fresh {
                keys: [&keys[0], &keys[1]],
                forwards: Some([passage.there, back]),
                openings,
                opener: 0,
                first: passage.sent,
                len: passage.len,
            },
        );
        let has_half = [openings[0].is_some(), openings[1].is_some()];
        let places = self.place_both(record, keys, has_half, passage.sent);
        let placed = [places[0] == Place::Done, places[1] == Place::Done];
        let is_tcp = passage.sent.protocol == Protocol::TCP;
        for side in 0..2 {
            if has_half[side] && !placed[side] {
                self.flows.usage.give(ends[side].port, is_tcp);
            }
        }
        let mut opened = [None; 2];
        match placed {
            [true, true] => {
                // Nobody ends a half of it before it is ready: it can be found good as it is.
                for line in self.table.pair(record) {
                    line.stamp.store(passage.epoch << 1 | 1, Release);
                }
                opened = self.finish(record, has_half);
            }
            [false, false] => self.discard(record),
            [first, _] => {
                let side = if first { 0 } else { 1 };
                self.keep_one(record, side);
                if has_half[side as usize] {
                    let line = self.table.line(2 * record + side);
                    line.stamp.store(passage.epoch << 1, Release);
                    opened = self.finish(record, placed);
                } else {
                    let line = 2 * record + side;
                    self.table.index.remove(self.table.hash(&keys[side as usize]), line);
                    self.discard(record);
                }
            }
        }
        self.advance_others(passage, places, has_half);
        opened
    }

    /// The packet belongs to what was opened by others meanwhile.
    fn advance_others(&mut self, passage: &Passage<'_>, places: [Place; 2], has_half: [bool; 2]) {
        let Passage { sent, arriving, len, .. } = passage;
        match places {
            [Place::Lives(there), Place::Lives(back)] if there ^ 1 == back => {
                self.advance(there / 2, there & 1, sent, *len);
            }
            _ => {
                for (side, ip) in [(0, sent), (1, arriving)] {
                    if let (Place::Lives(line), true) = (places[side], has_half[side]) {
                        self.advance_alone(line, (line ^ side as u32) & 1, ip, *len);
                    }
                }
            }
        }
    }

    /// One record for one half, which alone can be found.
    fn open_alone(
        &mut self,
        passage: &Passage<'_>,
        side: u32,
        opening: &Opening<'_>,
        keys: &[F::Key; 2],
        room: &mut Room,
    ) -> Option<SessionId> {
        let (end, ip) = match side {
            0 => (&passage.sender, passage.sent),
            _ => (&passage.receiver, passage.arriving),
        };
        let opening = room.take_half(end.port).then_some(opening);
        opening?;
        let record = self.record_for(room, [opening, None], [end.port; 2])?;
        let (key, other) = (&keys[side as usize], &keys[side as usize ^ 1]);
        self.fill(
            record,
            &Fresh {
                keys: [key, other],
                forwards: None,
                openings: [opening, None],
                opener: side,
                first: ip,
                len: passage.len,
            },
        );
        // Of a packet to its own sender, by the same port, the second half replaces the first.
        let other = if key == other && side == 1 { None } else { Some(other) };
        let place = self.place(2 * record, key, other, true, ip);
        if place == Place::Done {
            self.table.line(2 * record).stamp.store(passage.epoch << 1, Release);
            return self.finish(record, [true, false])[0];
        }
        self.flows.usage.give(end.port, ip.protocol == Protocol::TCP);
        self.discard(record);
        if let Place::Lives(line) = place {
            self.advance_alone(line, (line ^ side) & 1, ip, passage.len);
        }
        None
    }

    /// A record of the room, or one that is free; else the places taken for it are given back.
    fn record_for(
        &mut self,
        room: &mut Room,
        openings: [Option<&Opening<'_>>; 2],
        ports: [PortId; 2],
    ) -> Option<u32> {
        let record =
            room.take_record().or_else(|| self.table.take_record(&mut self.mine.free[F::INDEX]));
        if record.is_none() {
            for (opening, port) in openings.into_iter().zip(ports) {
                if opening.is_some() {
                    self.flows.usage.give(port, room.is_tcp);
                }
            }
        }
        record
    }

    /// Writes a record that nobody sees yet.
    fn fill(&self, record: u32, fresh: &Fresh<'_, F>) {
        let Fresh { keys, forwards, openings, opener, first, len } = fresh;
        let mut control = if *opener == 1 { OPENER_1 } else { 0 };
        let mut ways = [0; 2];
        let mut idle = u32::MAX;
        for side in 0..2 {
            let (place, line) = (side as usize, 2 * record + side);
            self.table.set_key(line, keys[place]);
            let mut way = 0;
            if let Some(forwards) = forwards {
                way = way::with_forward(way, &forwards[place]) | FUSED;
                way |= if side == *opener { SETTLED } else { 0 };
            }
            if forwards.is_some() || side == 0 {
                control |= way::indexed(side);
            }
            let line = self.table.line(line);
            if let Some(opening) = openings[place] {
                control |= way::half(side) | way::owed(side);
                let kept = self.flows.kept.number(opening.timeouts, first.protocol);
                way = way::with_kept(way, kept);
                way |= if opening.over_internet { INTERNET } else { 0 };
                idle = idle.min(self.flows.kept.idle_ms(kept, Phase::OneWay));
                line.tally.store(opening.tally, Relaxed);
            }
            ways[place] = way;
            let (note, syn) = if side == *opener { noted(first) } else { (0, 0) };
            line.note.store(note, Relaxed);
            line.syn.store(syn, Relaxed);
            line.stamp.store(0, Relaxed);
            line.last.store(self.now_ms, Relaxed);
            let counts = if side == *opener { counted(0, *len) } else { Some(0) };
            line.counts.store(counts.unwrap_or(0), Relaxed);
            if counts.is_none() {
                let mut tallies = self.tallies.borrow_mut();
                let owed = openings.iter().flatten();
                owed.for_each(|half| tallies.add(half.tally, 1, u64::from(*len)));
            }
        }
        let lines = self.table.pair(record);
        lines.iter().for_each(|line| line.idle.store(idle, Relaxed));
        lines[0].way.store(ways[0] | control, Relaxed);
        lines[1].way.store(ways[1], Relaxed);
    }

    /// Makes a record's halves known.
    fn finish(&mut self, record: u32, halves: [bool; 2]) -> [Option<SessionId>; 2] {
        let mut opened = [None; 2];
        for (side, opened) in opened.iter_mut().enumerate() {
            if halves[side] {
                let id = self.flows.next_number();
                self.table.set_number(2 * record + side as u32, id);
                *opened = Some(id);
            }
        }
        self.table.control(record).fetch_or(READY, AcqRel);
        self.hint_anew(record);
        opened
    }

    /// Of a record that was to be one for both directions, only the half at `side` is left.
    fn keep_one(&self, record: u32, side: u32) {
        let other = side ^ 1;
        let gone = way::half(other) | way::owed(other) | way::indexed(other) | FUSED;
        self.table.control(record).fetch_and(!gone, AcqRel);
        self.table.line(2 * record + 1).way.fetch_and(!FUSED, AcqRel);
        self.set_idle(record);
    }

    /// Puts both lines of a record into the index, in an order that everybody keeps to: of two
    /// that open one flow, one is first at the first key, and the other knows then.
    fn place_both(
        &mut self,
        record: u32,
        keys: &[F::Key; 2],
        has_half: [bool; 2],
        first: &Ip,
    ) -> [Place; 2] {
        let rank = |side: usize| (self.table.hash(&keys[side]), F::numbers(&keys[side]));
        let order = if rank(0) <= rank(1) { [0, 1] } else { [1, 0] };
        let mut places = [Place::Full; 2];
        for side in order {
            let (key, twin) = (&keys[side], &keys[side ^ 1]);
            places[side] =
                self.place(2 * record + side as u32, key, Some(twin), has_half[side], first);
            match places[side] {
                Place::Lives(line) if side == order[0] && self.table.is_key(line ^ 1, twin) => {
                    places[side ^ 1] = Place::Lives(line ^ 1);
                    break;
                }
                _ => {}
            }
        }
        places
    }

    /// Puts `line` into the index, in the place of one that has its key if that is dead, was ended, or
    /// gives way to a new conversation. At a port without interface it gives way to every
    /// other flow, for only the newest way back is true. Without `twin`, the key of the other line,
    /// it takes the place whatever is there.
    fn place(
        &mut self,
        line: u32,
        key: &F::Key,
        twin: Option<&F::Key>,
        has_half: bool,
        first: &Ip,
    ) -> Place {
        let hash = self.table.hash(key);
        loop {
            let is_same = |other| self.table.is_key(other, key);
            let hash_of = |other| self.table.hash(&self.table.key(other));
            let put = self.table.index.insert(hash, line, is_same, hash_of);
            let old = match put {
                Put::Done => return Place::Done,
                Put::Full => {
                    self.flows.note_full();
                    return Place::Full;
                }
                Put::Exists(old) => old,
            };
            let stands = twin.is_some_and(|twin| match has_half {
                true => self.is_standing(old, first),
                false => self.table.is_key(old ^ 1, twin) && self.is_standing(old ^ 1, first),
            });
            if stands {
                return Place::Lives(old);
            }
            let superseded = self.table.index.supersede(hash, old, line);
            if has_half {
                self.end(old / 2, way::half(old));
            }
            if superseded {
                return Place::Done;
            }
        }
    }

    /// Whether the half at `line` lives, and the packet would belong to it: "a SYN on a closing
    /// session is a new flow".
    fn is_standing(&self, line: u32, packet: &Ip) -> bool {
        let control = self.table.control(line / 2).load(Acquire);
        control & way::half(line) != 0
            && !self.table.is_dead(line, &self.flows.kept, self.now_ms)
            && !(way::phase(control) == Phase::Closing && is_opening_syn(packet))
    }
}

/// What is opened at one end, if there is room for it.
fn opening_at<'a>(end: &'a End<'a>, room: &mut Room) -> Option<&'a Opening<'a>> {
    match &end.step {
        Step::Open(opening) => room.take_half(end.port).then_some(opening),
        Step::Outside | Step::Nothing | Step::Advance(_) => None,
    }
}

pub(crate) fn is_opening_syn(packet: &Ip) -> bool {
    matches!(packet.transport, Transport::Tcp(segment) if tcp::is_opening_syn(&segment))
}

/// What the opener's line notes of its first packet.
fn noted(first: &Ip) -> (u64, u64) {
    match first.transport {
        Transport::Tcp(segment) => Sides::open(&segment).opener.words(),
        Transport::Icmp(icmp) => (u64::from(icmp.icmp_type) << 8 | u64::from(icmp.code), 0),
        Transport::Udp(_) | Transport::Other | Transport::LaterFragment => (0, 0),
    }
}
