//! One record for both directions of a flow: what is written into it, in which order, and what is
//! left of it where somebody else was sooner.

use ringfence_frame::{Protocol, Transport};

use crate::kept::TimeoutNumbers;
use crate::life::Hands;
use crate::place::Place;
use crate::sweep::hint;
use crate::sync::{AcqRel, Relaxed, Release};
use crate::tallies::counted;
use crate::tcp::Sides;
use crate::way::{self, FUSED, INTERNET, OPENER_1, Phase, READY, SETTLED};
use crate::{Family, Forward, PortId, SessionId};

/// A key and its hash.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<F: Family> {
    /// The key.
    pub key: F::Key,
    /// Its hash ([`FlowWorker::hash`](crate::FlowWorker::hash)).
    pub hash: u64,
}

impl<F: Family> Keyed<F> {
    /// The port at which frames with this key come in.
    #[inline]
    pub fn port(&self) -> PortId {
        F::port(&self.key)
    }
}

/// A flow that a packet begins which was allowed everywhere, and whose answers come back the same way.
#[derive(Clone, Copy, Debug)]
pub struct NewFlow<'a, F: Family> {
    /// What the packet carries, the same at both ends.
    pub first: &'a Transport,
    /// The packet's key at the port where it came in, and its answer's where it goes out; two
    /// different ones.
    pub keys: [Keyed<F>; 2],
    /// The sessions that it opens at these ports: at every one that is an interface.
    pub halves: [Option<NewHalf>; 2],
    /// The ways of the packet and of its answers.
    pub forwards: [Forward; 2],
    /// The epoch under which both ends were found good.
    pub epoch: u32,
    /// Bytes of the frame.
    pub len: u32,
}

impl<F: Family> NewFlow<'_, F> {
    pub(crate) fn protocol(&self) -> Protocol {
        F::protocol(&self.keys[0].key)
    }
}

/// A session to be, at one interface.
#[derive(Clone, Copy, Debug)]
pub struct NewHalf {
    /// The interface's timeouts.
    pub timeouts: TimeoutNumbers,
    /// Whether the peer was reached over the Internet.
    pub over_internet: bool,
    /// What frames and bytes are counted for.
    pub tally: u32,
}

/// A record to be.
pub(crate) struct Fresh<'a, F: Family> {
    pub(crate) keys: [&'a F::Key; 2],
    /// Where frames of either line go; without, its second line is not in the index.
    pub(crate) forwards: Option<[Forward; 2]>,
    /// What is opened at either line's port.
    pub(crate) halves: [Option<NewHalf>; 2],
    /// The line on which the first packet runs.
    pub(crate) opener: u32,
    pub(crate) first: &'a Transport,
    pub(crate) len: u32,
}

impl<F: Family> Hands<'_, F> {
    /// Opens a flow in `record`; the places of its halves are taken, and given back where they are not
    /// needed. Returns the sender's and the receiver's session if it was opened.
    pub(crate) fn open_fused(
        &mut self,
        flow: &NewFlow<'_, F>,
        record: u32,
    ) -> [Option<SessionId>; 2] {
        let NewFlow { first, keys, halves, forwards, epoch, len } = flow;
        let fresh = Fresh {
            keys: [&keys[0].key, &keys[1].key],
            forwards: Some(*forwards),
            halves: *halves,
            opener: 0,
            first,
            len: *len,
        };
        self.fill(record, &fresh);
        let has_half = halves.map(|half| half.is_some());
        let places = self.place_both(record, keys, has_half, first);
        if places == [Place::Done; 2] {
            // Nobody ends a half of it before it is ready: it can be found good as it is.
            for line in self.table.pair(record) {
                line.stamp.store(epoch << 1 | 1, Release);
            }
            return self.finish(record, has_half);
        }
        self.open_in_part(flow, record, places)
    }

    /// Opens what there was a place for.
    #[cold]
    #[inline(never)]
    fn open_in_part(
        &mut self,
        flow: &NewFlow<'_, F>,
        record: u32,
        places: [Place; 2],
    ) -> [Option<SessionId>; 2] {
        let NewFlow { keys, halves, epoch, .. } = flow;
        let has_half = halves.map(|half| half.is_some());
        let placed = places.map(|place| place == Place::Done);
        for side in 0..2 {
            if has_half[side] && !placed[side] {
                let is_tcp = flow.protocol() == Protocol::TCP;
                self.flows.usage.give(F::port(&keys[side].key), is_tcp);
            }
        }
        let mut opened = [None; 2];
        if placed == [false; 2] {
            self.discard(record);
        } else {
            let side = if placed[0] { 0 } else { 1 };
            self.keep_one(record, side);
            let line = 2 * record + side;
            if has_half[side as usize] {
                self.table.line(line).stamp.store(epoch << 1, Release);
                opened = self.finish(record, placed);
            } else {
                self.table.index.remove(keys[side as usize].hash, line);
                self.discard(record);
            }
        }
        self.advance_others(flow, places, has_half);
        opened
    }

    /// The packet belongs to what was opened by others meanwhile.
    fn advance_others(&mut self, flow: &NewFlow<'_, F>, places: [Place; 2], has_half: [bool; 2]) {
        let NewFlow { first, len, .. } = flow;
        match places {
            [Place::Lives(there), Place::Lives(back)] if there ^ 1 == back => {
                self.advance(there / 2, there & 1, first, *len);
            }
            _ => {
                for side in 0..2 {
                    if let (Place::Lives(line), true) = (places[side], has_half[side]) {
                        self.advance_alone(line, (line ^ side as u32) & 1, first, *len);
                    }
                }
            }
        }
    }

    /// Writes a record that nobody sees yet.
    pub(crate) fn fill(&self, record: u32, fresh: &Fresh<'_, F>) {
        let Fresh { keys, forwards, halves, opener, first, len } = fresh;
        let lines = self.table.pair(record);
        let mut control = if *opener == 1 { OPENER_1 } else { 0 };
        let mut ways = [0; 2];
        let mut idle = u32::MAX;
        for side in 0..2 {
            let (place, line) = (side as usize, lines[side as usize]);
            F::store(&line.key, keys[place]);
            let is_opener = side == *opener;
            let mut way = 0;
            if let Some(forwards) = forwards {
                way = way::with_forward(0, &forwards[place]) | FUSED;
                way |= if is_opener { SETTLED } else { 0 };
            }
            if forwards.is_some() || side == 0 {
                control |= way::indexed(side);
            }
            if let Some(half) = &halves[place] {
                control |= way::half(side) | way::owed(side);
                let kept = half.timeouts.of(F::protocol(keys[place]));
                way = way::with_kept(way, kept);
                way |= if half.over_internet { INTERNET } else { 0 };
                idle = idle.min(self.flows.kept.idle_ms(kept, Phase::OneWay));
                line.tally.store(half.tally, Relaxed);
            }
            ways[place] = way;
            let (note, syn) = if is_opener { noted(first) } else { (0, 0) };
            line.note.store(note, Relaxed);
            line.syn.store(syn, Relaxed);
            line.stamp.store(0, Relaxed);
            line.last.store(self.now_ms, Relaxed);
            line.counts.store(0, Relaxed);
        }
        lines.iter().for_each(|line| line.idle.store(idle, Relaxed));
        lines[0].way.store(ways[0] | control, Relaxed);
        lines[1].way.store(ways[1], Relaxed);
        match counted(0, *len) {
            Some(counts) => lines[*opener as usize].counts.store(counts, Relaxed),
            None => {
                let mut tallies = self.tallies.borrow_mut();
                let owed = halves.iter().flatten();
                owed.for_each(|half| tallies.add(half.tally, 1, u64::from(*len)));
            }
        }
    }

    /// Makes a record's halves known.
    pub(crate) fn finish(&mut self, record: u32, halves: [bool; 2]) -> [Option<SessionId>; 2] {
        let mut opened = [None; 2];
        for (side, opened) in opened.iter_mut().enumerate() {
            if halves[side] {
                let id = self.flows.next_number();
                self.table.set_number(2 * record + side as u32, id);
                *opened = Some(id);
            }
        }
        // A sweep passes over what is not ready; later the hint may be somebody else's already.
        let idle = self.table.line(2 * record).idle.load(Relaxed);
        self.table.hints[record as usize].store(hint(self.now_ms, self.now_ms, idle), Relaxed);
        self.table.control(record).fetch_or(READY, AcqRel);
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
}

/// What the opener's line notes of its first packet.
fn noted(first: &Transport) -> (u64, u64) {
    match first {
        Transport::Tcp(segment) => Sides::open(segment).opener.words(),
        Transport::Icmp(icmp) => (u64::from(icmp.icmp_type) << 8 | u64::from(icmp.code), 0),
        Transport::Udp(_) | Transport::Other | Transport::LaterFragment => (0, 0),
    }
}
