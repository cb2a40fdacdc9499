//! What an allowed packet does to the table. Opens records, whose keys are seen by all workers at
//! once, so that of two workers that meet the two directions of a flow at one moment one opens it and
//! the other's packet belongs to it.

use ringfence_frame::{Protocol, Transport};

use crate::fused::{Fresh, Keyed, NewFlow, NewHalf};
use crate::kept::TimeoutNumbers;
use crate::life::Hands;
use crate::passage::{End, Opening, Passage, Step};
use crate::place::Place;
use crate::sync::{Acquire, Release};
use crate::tcp;
use crate::way::{self, FUSED, HALVES};
use crate::worker::Room;
use crate::{Family, PortId, SessionId};

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
                let first = &passage.sent.transport;
                self.advance(sender.line / 2, sender.line & 1, first, passage.len);
                self.pair_by(passage, keys, sender.line, HALVES);
                [None; 2]
            }
            (Step::Open(_), Step::Open(_) | Step::Outside, Some(keys))
            | (Step::Outside, Step::Open(_), Some(keys))
                if passage.back.is_some() && keys[0] != keys[1] =>
            {
                self.open_in_room(passage, keys, room)
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
                    let line = self.advance_alone(half.line, run & 1, &ip.transport, *len);
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

    /// Opens what there is room for, one record for both directions.
    fn open_in_room(
        &mut self,
        passage: &Passage<'_>,
        keys: &[F::Key; 2],
        room: &mut Room,
    ) -> [Option<SessionId>; 2] {
        let ends = [&passage.sender, &passage.receiver];
        let openings = ends.map(|end| opening_at(end, room));
        let ports = ends.map(|end| end.port);
        let Some(record) = self.record_for(room, openings, ports) else { return [None; 2] };
        let protocol = passage.sent.protocol;
        let flow = NewFlow {
            first: &passage.sent.transport,
            keys: keys.map(|key| Keyed { key, hash: self.table.hash(&key) }),
            halves: openings.map(|opening| Some(self.half(opening?, protocol))),
            forwards: [passage.there, passage.back.unwrap_or_default()],
            epoch: passage.epoch,
            len: passage.len,
        };
        self.open_fused(&flow, record)
    }

    /// What is kept of the circumstances of a first packet.
    fn half(&self, opening: &Opening<'_>, protocol: Protocol) -> NewHalf {
        let Opening { timeouts, over_internet, tally } = *opening;
        let number = self.flows.kept.number(timeouts, protocol);
        NewHalf { timeouts: TimeoutNumbers::only(number), over_internet, tally }
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
                halves: [opening.map(|opening| self.half(opening, ip.protocol)), None],
                opener: side,
                first: &ip.transport,
                len: passage.len,
            },
        );
        // Of a packet to its own sender, by the same port, the second half replaces the first.
        let other = if key == other && side == 1 { None } else { Some(other) };
        let keyed = Keyed { key: *key, hash: self.table.hash(key) };
        let place = self.place(2 * record, &keyed, other, true, &ip.transport);
        if place == Place::Done {
            self.table.line(2 * record).stamp.store(passage.epoch << 1, Release);
            return self.finish(record, [true, false])[0];
        }
        self.flows.usage.give(end.port, ip.protocol == Protocol::TCP);
        self.discard(record);
        if let Place::Lives(line) = place {
            self.advance_alone(line, (line ^ side) & 1, &ip.transport, passage.len);
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
}

/// What is opened at one end, if there is room for it.
fn opening_at<'a>(end: &'a End<'a>, room: &mut Room) -> Option<&'a Opening<'a>> {
    match &end.step {
        Step::Open(opening) => room.take_half(end.port).then_some(opening),
        Step::Outside | Step::Nothing | Step::Advance(_) => None,
    }
}

pub(crate) fn is_opening_syn(packet: &Transport) -> bool {
    matches!(packet, Transport::Tcp(segment) if tcp::is_opening_syn(segment))
}
