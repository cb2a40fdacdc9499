//! The tester: on one thread it sends what is due, takes back what comes, checks it and notes how long
//! it took.

use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringfence_endpoints::generator::{Checker, Rate, Stage, TrafficGenerator};
use ringfence_frame::batch::{FrameMeta, PortNumber};
use ringfence_load::Question;

use super::told::Told;
use super::{Pace, PacedEnd, PacedResult};
use crate::live::load::notes::Kind;
use crate::live::load::{Latencies, latency_histogram};
use crate::live::{FrameMemory, Frames, LiveClock, LiveOptions, RingReceiver, RingSender};

/// Frames sent in one turn at most. As many as twice that are taken back, so that the tester never
/// holds up what it has sent.
pub(crate) const BURST: usize = 32;
/// How long it waits for frames that do not come.
const PATIENCE: Duration = Duration::from_millis(500);
/// The number of a question's frame, which no generated one has.
const QUESTION: u64 = u64::MAX;

/// Sends, takes back, checks.
pub(crate) struct Tester {
    clock: LiveClock,
    generator: TrafficGenerator,
    checker: Checker,
    enter: RingSender,
    leave: RingReceiver,
    asking: Option<Asking>,
    /// Frames that are due.
    due: Frames,
    /// Frames that came back, with what is told of each.
    came: Frames,
    told: Vec<Told>,
    /// Frames that were taken in and have not come back.
    under_way: u64,
    /// Whether it makes way where there is nothing to do.
    yields: bool,
    noted: Noted,
}

/// What is noted of a run.
struct Noted {
    kinds: Latencies,
    /// Of frames that met no switch.
    empty: Histogram<u64>,
    sent: u64,
    overflowed: u64,
    met: u64,
    /// When the last one was met.
    met_ns: u64,
    longest_gap_ns: u64,
}

/// A question, and when it is asked.
struct Asking {
    question: Question,
    step_ns: u64,
    next_ns: u64,
    asked: u64,
    answered: u64,
}

impl Tester {
    pub(crate) fn new(
        generator: TrafficGenerator,
        checker: Checker,
        (enter, leave): (RingSender, RingReceiver),
        question: Option<Question>,
        options: &LiveOptions,
        yields: bool,
    ) -> Tester {
        let frames = |count: usize| FrameMemory::batch(count, options.huge_pages);
        Tester {
            clock: options.clock.clone(),
            generator,
            checker,
            enter,
            leave,
            asking: question.map(Asking::new),
            due: frames(BURST),
            came: frames(2 * BURST),
            told: Vec::with_capacity(2 * BURST),
            under_way: 0,
            yields,
            noted: Noted::new(),
        }
    }

    /// A stage of the generator as fast as frames go through. None is lost.
    pub(crate) fn once(&mut self, stage: Stage) {
        self.generator.begin(stage);
        let mut has_more = true;
        let mut heard_ns = self.now();
        while has_more || self.under_way > 0 {
            if has_more && self.enter.room() >= BURST {
                let now = self.now();
                has_more = self.send(now) > 0;
            }
            let heard = self.receive();
            if !self.goes_on(heard > 0 || has_more, &mut heard_ns) {
                break;
            }
        }
    }

    /// The pattern at a pace, and what came of it.
    pub(crate) fn run(&mut self, pace: &Pace, duration: Duration) -> PacedResult {
        self.generator.set_rates(pace.frames, pace.fresh);
        self.generator.begin(Stage::Steady);
        self.noted.clear();
        let start = self.now();
        let end = start.saturating_add(duration.as_nanos().try_into().unwrap_or(u64::MAX));
        if let Some(asking) = &mut self.asking {
            asking.begin(start, pace.questions_per_second);
        }
        let mut last = start;
        while last < end {
            let now = self.now();
            self.noted.longest_gap_ns = self.noted.longest_gap_ns.max(now - last);
            last = now;
            let sent = self.ask(now) + self.send(now);
            let heard = self.receive();
            if sent + heard == 0 {
                self.rest();
            }
        }
        let unsent = self.unsent(pace.frames, last);
        let mut heard_ns = self.now();
        while self.under_way > 0 {
            let heard = self.receive();
            if !self.goes_on(heard > 0, &mut heard_ns) {
                break;
            }
        }
        self.noted.result(start, unsent)
    }

    pub(crate) fn finish(self) -> PacedEnd {
        let accounts = self.checker.finish(&[self.generator]);
        let (asked, answered) =
            self.asking.map_or((0, 0), |asking| (asking.asked, asking.answered));
        PacedEnd { accounts, asked, answered, counters: None }
    }

    fn now(&self) -> u64 {
        self.clock.now().as_ns()
    }

    /// Whether there is still something to wait for.
    fn goes_on(&self, heard: bool, heard_ns: &mut u64) -> bool {
        let now = self.now();
        if heard {
            *heard_ns = now;
            return true;
        }
        self.rest();
        u128::from(now - *heard_ns) < PATIENCE.as_nanos()
    }

    fn rest(&self) {
        match self.yields {
            true => thread::yield_now(),
            false => std::hint::spin_loop(),
        }
    }

    /// Frames due by now that were not sent: more of them than the ring holds are lost, fewer would
    /// have waited there.
    fn unsent(&self, rate: Rate, now: u64) -> u64 {
        let late_ns = now.saturating_sub(self.generator.next_due_ns().unwrap_or(now));
        let late = u128::from(late_ns) * u128::from(rate.frames_per_second) / 1_000_000_000;
        let late = late.try_into().unwrap_or(u64::MAX);
        if late > self.enter.capacity() as u64 { late } else { 0 }
    }

    /// Sends what is due, one turn's share of it at most; how many frames.
    fn send(&mut self, now: u64) -> usize {
        self.due.clear();
        let due = self.generator.fill_at_most(&mut self.due, BURST, now);
        if due == 0 {
            return 0;
        }
        let mut put = 0;
        for (meta, bytes) in self.due.iter() {
            match self.enter.put(bytes, meta, 0) {
                true => put += 1,
                false => self.checker.note_overflow(meta.id),
            }
        }
        self.enter.publish();
        self.noted.sent += due as u64;
        self.noted.overflowed += due as u64 - put;
        self.under_way += put;
        due
    }

    /// Asks what is due to be asked.
    fn ask(&mut self, now: u64) -> usize {
        let Some(asking) = &mut self.asking else { return 0 };
        let mut sent = 0;
        while asking.next_ns <= now && sent < BURST {
            let Question { port, frame, .. } = &asking.question;
            let scheduled_ns = asking.next_ns;
            let meta = FrameMeta { port: *port, len: 0, id: QUESTION, scheduled_ns };
            asking.next_ns = asking.next_ns.saturating_add(asking.step_ns);
            let is_in = self.enter.put(frame, &meta, 0);
            asking.asked += u64::from(is_in);
            self.under_way += u64::from(is_in);
            self.noted.sent += 1;
            self.noted.overflowed += u64::from(!is_in);
            sent += 1;
        }
        if sent > 0 {
            self.enter.publish();
        }
        sent
    }

    /// Takes back what has come; how many frames.
    fn receive(&mut self) -> usize {
        self.came.clear();
        self.told.clear();
        let told = &mut self.told;
        let count = self.leave.take(&mut self.came, 2 * BURST, |mark| told.push(Told::of(mark)));
        if count == 0 {
            return 0;
        }
        let now = self.now();
        self.checker.touch(self.came.iter().map(|(meta, _)| meta.id));
        let Tester { checker, asking, came, told, noted, .. } = self;
        let mut met = 0;
        for ((meta, bytes), told) in came.iter().zip(told.iter()) {
            let kind = match *told {
                Told::Crossed(kind) => {
                    checker.note_delivered(bytes, meta.port);
                    Some(kind)
                }
                Told::Dropped(reason) => {
                    checker.note_dropped(meta.id, reason);
                    Some(Kind::Denied)
                }
                Told::Kept => Some(Kind::Slow),
                Told::Own | Told::Passed => {
                    let is_answer =
                        asking.as_mut().is_some_and(|it| it.is_answered(*told, bytes, meta.port));
                    if !is_answer {
                        checker.note_delivered(bytes, meta.port);
                    }
                    None
                }
            };
            if *told == Told::Own {
                continue;
            }
            noted.note(kind, now.saturating_sub(meta.scheduled_ns));
            met += 1;
        }
        noted.met += met;
        noted.met_ns = now;
        self.under_way = self.under_way.saturating_sub(met);
        count
    }
}

impl Noted {
    fn new() -> Noted {
        Noted {
            kinds: Latencies::default(),
            empty: latency_histogram(),
            sent: 0,
            overflowed: 0,
            met: 0,
            met_ns: 0,
            longest_gap_ns: 0,
        }
    }

    fn clear(&mut self) {
        let Noted { kinds, empty, sent, overflowed, met, met_ns, longest_gap_ns } = self;
        kinds.clear();
        empty.reset();
        for count in [sent, overflowed, met, met_ns, longest_gap_ns] {
            *count = 0;
        }
    }

    #[inline]
    fn note(&mut self, kind: Option<Kind>, latency_ns: u64) {
        match kind {
            Some(kind) => self.kinds.record(kind, latency_ns),
            None => self.empty.saturating_record(latency_ns),
        }
    }

    fn result(&self, start_ns: u64, unsent: u64) -> PacedResult {
        let kinds = self.kinds.kinds().into_iter().chain([("empty", &self.empty)]);
        let latencies = kinds.filter(|(_, histogram)| !histogram.is_empty());
        PacedResult {
            latencies: latencies.map(|(name, histogram)| (name, histogram.clone())).collect(),
            due: self.sent + unsent,
            lost: self.overflowed + unsent,
            met: self.met,
            elapsed: Duration::from_nanos(self.met_ns.saturating_sub(start_ns)),
            worker_gap: Duration::ZERO,
            tester_gap: Duration::from_nanos(self.longest_gap_ns),
        }
    }
}

impl Asking {
    fn new(question: Question) -> Asking {
        Asking { question, step_ns: u64::MAX, next_ns: u64::MAX, asked: 0, answered: 0 }
    }

    fn begin(&mut self, now: u64, per_second: u64) {
        match 1_000_000_000_u64.checked_div(per_second) {
            Some(step_ns) => (self.step_ns, self.next_ns) = (step_ns.max(1), now),
            None => self.next_ns = u64::MAX,
        }
    }

    /// Whether this is the answer, which without a switch is the question.
    fn is_answered(&mut self, told: Told, bytes: &[u8], port: PortNumber) -> bool {
        let Question { port: asked_at, frame, answer } = &self.question;
        let expected = if told == Told::Own { answer } else { frame };
        let is_so = port == *asked_at && bytes == &expected[..];
        self.answered += u64::from(is_so);
        is_so
    }
}
