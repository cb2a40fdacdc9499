//! One family's table: records in pairs of lines, the index to lines, hints of when a record may be
//! dead. Owns how they are read; who changes them is in `life.rs` and `open.rs`.

use ringfence_frame::{Direction, Instant, Protocol, Tuple};
use ringfence_memory::prefetch;

use crate::index::Index;
use crate::kept::KeptTimeouts;
use crate::layout::Line;
use crate::records::Store;
use crate::sweep::Sweep;
use crate::sync::{Acquire, AtomicU16, AtomicU64, Pages, Relaxed, SeqCst, Zeroed};
use crate::way::{self, HALVES, Phase, READY};
use crate::wire_key::is_icmp;
use crate::{Family, FlowsConfig, Session, SessionId, TcpPhase};

/// The flows of one family. `2 * record` and `2 * record + 1` are a record's lines.
#[derive(Debug)]
pub struct Table<F: Family> {
    pub(crate) index: Index,
    lines: Zeroed<Line<F::Words>>,
    /// For each record the millisecond, modulo 2^16, at which it may be dead; 0 is never.
    pub(crate) hints: Zeroed<AtomicU16>,
    /// The session's number for each line, if sessions are numbered.
    numbers: Zeroed<AtomicU64>,
    pub(crate) store: Store,
    pub(crate) sweep: Sweep,
    seed: u64,
}

impl<F: Family> Table<F> {
    pub(crate) fn new(config: &FlowsConfig, pages: Pages) -> Table<F> {
        let store = Store::new(config);
        let records = store.capacity() as usize;
        Table {
            index: Index::new(2 * records, pages),
            lines: Zeroed::new(2 * records, pages),
            hints: Zeroed::new(records, Pages::Normal),
            numbers: Zeroed::new(if config.numbered { 2 * records } else { 0 }, Pages::Normal),
            store,
            sweep: Sweep::default(),
            seed: config.seed,
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &F::Key) -> u64 {
        F::hash(key, self.seed)
    }

    #[inline]
    pub(crate) fn line(&self, line: u32) -> &Line<F::Words> {
        &self.lines[line as usize]
    }

    /// Both lines of a record.
    #[inline]
    pub(crate) fn pair(&self, record: u32) -> [&Line<F::Words>; 2] {
        [self.line(2 * record), self.line(2 * record + 1)]
    }

    /// The word that says how a record stands.
    #[inline]
    pub(crate) fn control(&self, record: u32) -> &AtomicU64 {
        &self.line(2 * record).way
    }

    /// The halves of a line's record, which are exactly `halves`, were found good under `epoch`,
    /// and its frames go as it says.
    pub(crate) fn found_good(&self, line: u32, halves: u64, epoch: u32) {
        let control = self.control(line / 2);
        if control.load(Acquire) & HALVES != halves {
            return;
        }
        self.line(line).stamp.fetch_max(epoch << 1 | 1, SeqCst);
        // Whoever ends a half clears its bit and then the stamps: either that or this is seen.
        if control.load(SeqCst) & HALVES != halves {
            self.unpair(line / 2);
        }
    }

    pub(crate) fn unpair(&self, record: u32) {
        for line in self.pair(record) {
            line.stamp.fetch_and(!1, SeqCst);
        }
    }

    /// A line by a number that may be none.
    #[inline]
    pub(crate) fn get(&self, line: u32) -> Option<&Line<F::Words>> {
        self.lines.get(line as usize)
    }

    #[inline]
    pub(crate) fn prefetch_line(&self, line: u32, with_notes: bool) {
        if let Some(line) = self.get(line) {
            prefetch(line);
            if size_of_val(line) > 64 && with_notes {
                prefetch(&line.note);
            }
        }
    }

    /// Whether `line` has `key`.
    #[inline]
    pub(crate) fn is_key(&self, line: u32, key: &F::Key) -> bool {
        F::is_same(&self.line(line).key, key)
    }

    #[inline]
    pub(crate) fn key(&self, line: u32) -> F::Key {
        F::load(&self.line(line).key)
    }

    /// Asks for the bucket of a line's key to be brought near.
    #[inline]
    pub(crate) fn prefetch_bucket_of(&self, line: u32) {
        self.index.prefetch(self.hash(&self.key(line)));
    }

    /// Asks for both lines of a record to be brought near.
    #[inline]
    pub(crate) fn prefetch_record(&self, record: u32) {
        for line in [2 * record, 2 * record + 1] {
            self.prefetch_line(line, true);
        }
    }

    #[inline]
    pub(crate) fn set_key(&self, line: u32, key: &F::Key) {
        F::store(&self.line(line).key, key);
    }

    /// Port and protocol of a line: the lower half of the first word of either family's key.
    #[inline]
    pub(crate) fn port_and_protocol(&self, line: u32) -> (u32, Protocol) {
        let word = self.line(line).key.as_ref()[0].load(Relaxed);
        (word as u32 & 0xff_ffff, Protocol((word >> 24) as u8))
    }

    pub(crate) fn number(&self, line: u32) -> SessionId {
        SessionId(self.numbers.get(line as usize).map_or(0, |number| number.load(Relaxed)))
    }

    pub(crate) fn set_number(&self, line: u32, id: SessionId) {
        if let Some(number) = self.numbers.get(line as usize) {
            number.store(id.0, Relaxed);
        }
    }

    /// The line of a live half with `key`.
    pub(crate) fn find_half(&self, key: &F::Key, kept: &KeptTimeouts, now_ms: u32) -> Option<u32> {
        let line = self.index.find(self.hash(key), |line| {
            let wanted = READY | way::half(line);
            self.is_key(line, key) && self.control(line / 2).load(Acquire) & wanted == wanted
        })?;
        (!self.is_dead(line, kept, now_ms)).then_some(line)
    }

    /// The last millisecond at which either direction refreshed a record.
    pub(crate) fn last(&self, record: u32) -> u32 {
        let [first, second] = self.pair(record);
        let (a, b) = (first.last.load(Acquire), second.last.load(Acquire));
        match is_later(a, b) {
            true => a,
            false => b,
        }
    }

    /// How long the half at `line` outlives that.
    pub(crate) fn idle_ms(&self, line: u32, kept: &KeptTimeouts) -> u32 {
        let phase = way::phase(self.control(line / 2).load(Acquire));
        kept.idle_ms(way::kept(self.line(line).way.load(Acquire)), phase)
    }

    /// "A session dies when it was idle LONGER than its timeout."
    pub(crate) fn is_dead(&self, line: u32, kept: &KeptTimeouts, now_ms: u32) -> bool {
        let idle = self.idle_ms(line, kept);
        was_idle_longer(now_ms, self.last(line / 2), idle)
    }

    /// "Of these half-open": TCP of which one direction was seen.
    pub(crate) fn is_half_open(&self, record: u32, control: u64) -> bool {
        way::phase(control) == Phase::OneWay && self.is_tcp(record)
    }

    pub(crate) fn is_tcp(&self, record: u32) -> bool {
        self.port_and_protocol(2 * record).1 == Protocol::TCP
    }

    /// What is known of the half at `line`; `long_ms` turns a moment of the table's clock into one of
    /// the run's.
    pub(crate) fn session(
        &self,
        line: u32,
        kept: &KeptTimeouts,
        long_ms: impl Fn(u32) -> u64,
    ) -> Session {
        let record = line / 2;
        let control = self.control(record).load(Acquire);
        let opener = way::opener(control);
        let (interface, outbound) = F::any(self.key(line)).parts();
        let (opened, tuple): (_, Tuple) = match opener == line & 1 {
            true => (Direction::Outbound, outbound),
            false => (Direction::Inbound, outbound.reversed()),
        };
        let tcp = (tuple.protocol == Protocol::TCP).then(|| match way::phase(control) {
            Phase::OneWay => TcpPhase::Opening,
            Phase::BothWays => TcpPhase::Established,
            Phase::Closing => TcpPhase::Closing,
        });
        let first = self.line(2 * record + opener).note.load(Relaxed);
        let own = self.line(line);
        let deadline_ms = long_ms(self.last(record)) + u64::from(self.idle_ms(line, kept));
        Session {
            id: self.number(line),
            interface,
            opened,
            tuple,
            icmp: is_icmp(tuple.protocol).then_some(((first >> 8) as u8, first as u8)),
            over_internet: own.way.load(Relaxed) & way::INTERNET != 0,
            deadline: Instant::from_ms(deadline_ms),
            tcp,
            tally: own.tally.load(Relaxed),
            epoch: own.stamp.load(Acquire) >> 1,
        }
    }

    /// Lines whose half lives, by record.
    pub(crate) fn halves(&self) -> impl Iterator<Item = u32> {
        (0..2 * self.store.used()).filter(|line| {
            let wanted = READY | way::half(*line);
            self.control(line / 2).load(Acquire) & wanted == wanted
        })
    }

    /// Bytes of records, and of what finds them.
    pub(crate) fn bytes(&self) -> (usize, usize, usize) {
        let finding = self.index.bytes() + self.hints.len() * 2;
        (self.lines.len() * size_of::<Line<F::Words>>(), finding, self.numbers.len() * 8)
    }

    pub(crate) fn has_huge_pages(&self) -> bool {
        self.lines.has_huge_pages()
    }
}

/// Whether `a` is a later millisecond than `b`, of two within 24 days of each other.
#[inline]
pub(crate) fn is_later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// Whether more than `idle_ms` have passed since `last_ms`.
#[inline]
pub(crate) fn was_idle_longer(now_ms: u32, last_ms: u32, idle_ms: u32) -> bool {
    now_ms.wrapping_sub(last_ms).cast_signed() > idle_ms.cast_signed()
}
