//! The short way of established frames. What a frame touches: one bucket of the index (a second one if
//! its key did not find room in the first), its own direction's line. It writes that line, which
//! no other direction's frames read. Nothing here allocates, waits, or calls anything that does.
//!
//! Many frames at a time: memory answers in its own time, so buckets, then lines, are asked for a
//! group of frames before they are read. What is found is inlined into the caller: handed back through
//! memory it costs as much as all the rest.

use ringfence_frame::{Protocol, Tuple};

use crate::layout::Line;
use crate::sync::{Acquire, Relaxed};
use crate::table::was_idle_longer;
use crate::tallies::counted;
use crate::way::{self, FUSED, HALVES, READY, SETTLED};
use crate::worker::FlowWorker;
use crate::{COUNTS, Family, Forward, HalfRef, SessionId, TcpNote, tcp};

/// An established direction of a flow, found by a frame's key.
#[derive(Debug)]
pub struct Established<'a, F: Family> {
    worker: &'a FlowWorker,
    line: &'a Line<F::Words>,
    number: u32,
    way: u64,
}

/// Where a line lies most likely.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Likely(u32);

impl Likely {
    /// Whether there was no line at all that it could be.
    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl FlowWorker {
    /// The hash of a key.
    #[inline(always)]
    pub fn hash<F: Family>(&self, key: &F::Key) -> u64 {
        F::hash(key, self.seed)
    }

    /// Asks for the bucket of a hash to be brought near.
    #[inline(always)]
    pub fn prefetch_bucket<F: Family>(&self, hash: u64) {
        F::table(&self.flows).index.prefetch(hash);
    }

    /// Asks for the line of a key and its hash to be brought near; its bucket should be. Where it lies
    /// most likely is for [`FlowWorker::established_at`].
    #[inline(always)]
    pub fn prefetch_line<F: Family>(&self, key: &F::Key, hash: u64) -> Likely {
        let table = F::table(&self.flows);
        let takes_notes = F::numbers(key)[0] >> 24 & 0xff == u64::from(Protocol::TCP.0);
        Likely(table.index.look_ahead(hash, |line| table.prefetch_line(line, takes_notes)))
    }

    /// Whether a line with `key` lies there.
    #[inline]
    pub fn lies_at<F: Family>(&self, likely: Likely, key: &F::Key) -> bool {
        let line = F::table(&self.flows).get(likely.0.wrapping_sub(1));
        line.is_some_and(|line| F::is_same(&line.key, key))
    }

    /// Where the line with `key` lies.
    #[inline(never)]
    pub fn look_for<F: Family>(&self, key: &F::Key) -> Likely {
        let table = F::table(&self.flows);
        let line = table.index.find(table.hash(key), |line| table.is_key(line, key));
        Likely(line.map_or(0, |line| line + 1))
    }

    /// The direction that a frame with `key` belongs to, if all its halves were found good under
    /// `epoch`, are live, and such a frame changes nothing but counters and when they die.
    /// Frames of TCP with SYN, FIN or RST are not such: they must not be asked for here.
    pub fn established<F: Family>(
        &self,
        key: &F::Key,
        epoch: u32,
        now_ms: u32,
    ) -> Option<Established<'_, F>> {
        self.established_at(self.look_for::<F>(key), key, epoch, now_ms)
    }

    /// The same, if it lies where [`FlowWorker::prefetch_line`] or [`FlowWorker::look_for`] has said
    /// since the last quiescent point.
    #[inline(always)]
    pub fn established_at<F: Family>(
        &self,
        likely: Likely,
        key: &F::Key,
        epoch: u32,
        now_ms: u32,
    ) -> Option<Established<'_, F>> {
        let number = likely.0.wrapping_sub(1);
        let line = F::table(&self.flows).get(number)?;
        match F::is_same(&line.key, key) {
            true => self.settled(line, number, epoch, now_ms),
            false => None,
        }
    }

    /// The same, whatever its halves were last found good under, or if they were not.
    pub fn settled_at<F: Family>(
        &self,
        likely: Likely,
        key: &F::Key,
        now_ms: u32,
    ) -> Option<Established<'_, F>> {
        let number = likely.0.wrapping_sub(1);
        let line = F::table(&self.flows).get(number)?;
        match F::is_same(&line.key, key) {
            true => self.live(line, number, now_ms),
            false => None,
        }
    }

    #[inline(always)]
    fn settled<'a, F: Family>(
        &'a self,
        line: &'a Line<F::Words>,
        number: u32,
        epoch: u32,
        now_ms: u32,
    ) -> Option<Established<'a, F>> {
        // The stamp first: who stamped had written the way before.
        match line.stamp.load(Acquire) == epoch << 1 | 1 {
            true => self.live(line, number, now_ms),
            false => None,
        }
    }

    #[inline(always)]
    fn live<'a, F: Family>(
        &'a self,
        line: &'a Line<F::Words>,
        number: u32,
        now_ms: u32,
    ) -> Option<Established<'a, F>> {
        let way = line.way.load(Acquire);
        let is_short = way & (FUSED | SETTLED) == FUSED | SETTLED;
        let is_idle = was_idle_longer(now_ms, line.last.load(Relaxed), line.idle.load(Relaxed));
        (is_short && !is_idle).then_some(Established { worker: self, line, number, way })
    }
}

impl<F: Family> Established<'_, F> {
    /// Where the frame goes.
    #[inline(always)]
    pub fn forward(&self) -> Forward {
        way::forward(self.way)
    }

    /// The halves of the sender and of the receiver, if exactly those live that should (`has`: is there an
    /// interface at that end).
    pub fn halves(&self, has: [bool; 2]) -> Option<[Option<HalfRef>; 2]> {
        let lines = [self.number, self.number ^ 1];
        let control = F::table(&self.worker.flows).control(self.number / 2).load(Acquire);
        let bits = |end: usize| if has[end] { way::half(lines[end]) } else { 0 };
        let stands = control & (READY | HALVES) == READY | bits(0) | bits(1);
        let half =
            |end: usize| has[end].then_some(HalfRef { line: lines[end], is_v6: F::INDEX == 1 });
        stands.then(|| [half(0), half(1)])
    }

    /// Notes that the halves that [`Established::halves`] gave were found good under `epoch`.
    pub fn found_good(&self, halves: [Option<HalfRef>; 2], epoch: u32) {
        let bits = halves.iter().flatten().fold(0, |bits, half| bits | way::half(half.line));
        F::table(&self.worker.flows).found_good(self.number, bits, epoch);
    }

    /// Whether it is a TCP flow.
    #[inline(always)]
    pub fn is_tcp(&self) -> bool {
        let word = self.line.key.as_ref()[0].load(Relaxed);
        (word >> 24) as u8 == Protocol::TCP.0
    }

    /// The tuple of its frames as they come in.
    pub fn tuple(&self) -> Tuple {
        F::any(F::load(&self.line.key)).parts().1
    }

    /// The sender's session, where sessions are numbered, if there is an interface.
    pub fn sender_session(&self) -> Option<SessionId> {
        self.session(self.number)
    }

    /// The receiver's session, where sessions are numbered, if there is an interface.
    pub fn receiver_session(&self) -> Option<SessionId> {
        self.session(self.number ^ 1)
    }

    fn session(&self, line: u32) -> Option<SessionId> {
        let table = F::table(&self.worker.flows);
        let id = table.number(line);
        let lives = || table.control(line / 2).load(Acquire) & way::half(line) != 0;
        (id.0 != 0 && lives()).then_some(id)
    }

    /// Refreshes and counts: a frame of `len` bytes, with what it says if it is TCP. Writes what only
    /// this direction's frames write.
    #[inline(always)]
    pub fn touch(&self, now_ms: u32, len: u32, tcp: Option<TcpNote>) {
        let line = self.line;
        line.last.store(now_ms, Relaxed);
        if let Some(sent) = tcp {
            line.note.store(tcp::noted(line.note.load(Relaxed), &sent), Relaxed);
        }
        if !COUNTS {
            return;
        }
        match counted(line.counts.load(Relaxed), len) {
            Some(counts) => line.counts.store(counts, Relaxed),
            None => flush::<F>(self.worker, self.number, len),
        }
    }
}

// Of values, not of an `Established`, so that one can live in registers.
#[cold]
#[inline(never)]
fn flush<F: Family>(worker: &FlowWorker, number: u32, len: u32) {
    F::table(&worker.flows).flush(number, len, &mut worker.tallies.borrow_mut());
}
