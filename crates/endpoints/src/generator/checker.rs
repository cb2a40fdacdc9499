//! What became of every frame, held against what was expected. Owns the accounts; how a frame says
//! whose it is, is in `tag`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ringfence_frame::Family;
use ringfence_frame::batch::PortNumber;

use super::arrival::Arrival;
use super::flow::OneWay;
use super::line::{Class, Line4, Line6};
use super::tag::{REPLY, Tag};
use super::{Expected, FlowSpec, Headers, Reason, TrafficGenerator};

/// Findings that are kept word for word; all are counted.
const FINDINGS_MAX: usize = 16;
/// Outcome of a line whose frames are to be delivered; a reason's number otherwise.
const DELIVERED: u8 = 0xff;
/// Outcome of a direction that sends nothing.
const SILENT: u8 = 0xfe;

/// What is expected of the frames of one direction of a flow.
#[derive(Clone, Copy)]
struct Expectation {
    /// Of the headers as they arrive.
    digest: u64,
    port: PortNumber,
    outcome: u8,
    fresh: bool,
}

/// What is expected of all flows: each has two places, its own and its replies', if any flow has
/// replies, else one.
#[derive(Default)]
pub(crate) struct Expectations {
    own: Vec<Expectation>,
    replies: Vec<Expectation>,
}

/// Frames of one direction of a flow.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Count {
    delivered: u32,
    dropped: u32,
}

/// Takes what became of each frame. Clones share what is expected and count for themselves;
/// [`Checker::merge`] brings them together.
#[derive(Clone)]
pub struct Checker {
    expected: Arc<Expectations>,
    /// What is expected instead while later generations of the rules hold, one byte for each
    /// direction of each flow.
    phases: Arc<Vec<[Vec<u8>; 2]>>,
    generations: (u64, u64),
    own: Vec<Count>,
    replies: Vec<Count>,
    /// Frames dropped, by the number of the reason.
    dropped: Vec<u64>,
    accounts: Accounts,
}

/// Everything counted. A load test has passed if it [is clean](Accounts::is_clean).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accounts {
    /// Frames sent.
    pub sent: u64,
    /// Frames delivered, rightly or not.
    pub delivered: u64,
    /// Frames dropped, by reason, rightly or not.
    pub dropped: BTreeMap<Reason, u64>,
    /// Frames delivered that should not have been, or not there, or not so; frames nobody sent.
    pub leaks: u64,
    /// Frames dropped that should have been delivered, or been dropped for another reason.
    pub false_drops: u64,
    /// Frames that found the queue in front of the switch full: lost, but not by the switch.
    pub overflowed: u64,
    /// Frames of which nothing was heard.
    pub lost: u64,
    /// Fates of frames that were not sent or had one already.
    pub surplus: u64,
    /// The first of what went wrong.
    pub findings: Vec<Finding>,
}

/// One frame that went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The frame, as far as it can be read.
    pub frame: Option<Tag>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What can go wrong with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// Nobody sent it.
    Unknown,
    /// Delivered at this port though it should have been dropped.
    Leaked(PortNumber),
    /// Delivered at this port instead of its own.
    Port(PortNumber),
    /// Delivered with other headers than expected: MACs, addresses, ports, TTL.
    Headers,
    /// Delivered with a length, a checksum or a payload that is not right.
    Bytes,
    /// Dropped for this reason though it should have been delivered or dropped for another.
    Dropped(Reason),
    /// Of this flow (with the top bit set: of its replies) so many more frames were sent than
    /// heard of; fewer if negative.
    Balance(u32, i32),
}

impl Expectations {
    /// Adds a flow.
    pub(crate) fn add(&mut self, number: u32, flow: &FlowSpec) {
        let (own, back) = flow.directions();
        self.own.push(Expectation::of(number, flow.fresh, own.headers, own.expected));
        if let Some(OneWay { headers, expected, .. }) = back {
            let silent = Expectation { digest: 0, port: 0, outcome: SILENT, fresh: false };
            self.replies.resize(number as usize, silent);
            self.replies.push(Expectation::of(number | REPLY, false, headers, expected));
        }
    }

    /// `flow` as it stands in a tag.
    #[inline(always)]
    fn get(&self, flow: u32) -> Option<&Expectation> {
        let list = if flow & REPLY != 0 { &self.replies } else { &self.own };
        list.get((flow & !REPLY) as usize).filter(|expectation| expectation.outcome != SILENT)
    }
}

impl Expectation {
    fn of(flow: u32, fresh: bool, sent: Headers, expected: Expected) -> Expectation {
        let (headers, port, outcome) = match expected {
            Expected::Delivered(arriving) => (arriving.headers, arriving.port, DELIVERED),
            Expected::Dropped(reason) => (sent, 0, reason.get()),
        };
        let class = match (flow & REPLY != 0, fresh) {
            (true, _) => Class::Reply,
            (false, true) => Class::Fresh,
            (false, false) => Class::Own,
        };
        let number = flow & !REPLY;
        let arrival = match headers.tuple.family() {
            Family::Ipv4 => Arrival::read(Line4::new(number, class, port, &headers).bytes()),
            Family::Ipv6 => Arrival::read(Line6::new(number, class, port, &headers).bytes()),
        };
        let digest = arrival.expect("a template reads as a generated frame").digest(fresh);
        Expectation { digest, port, outcome, fresh }
    }
}

impl Checker {
    pub(crate) fn new(expected: Expectations) -> Checker {
        Checker {
            own: vec![Count::default(); expected.own.len()],
            replies: vec![Count::default(); expected.replies.len()],
            expected: Arc::new(expected),
            phases: Arc::default(),
            generations: (0, 0),
            dropped: vec![0; Reason::COUNT],
            accounts: Accounts::default(),
        }
    }

    /// Adds a phase of the rules, in which the same is expected as in the first but for what
    /// [`Checker::expect`] says, and gives its number, from 1. Generation `g` of the rules is in
    /// phase `g` modulo the number of phases. Call it before cloning.
    pub fn add_phase(&mut self) -> usize {
        let outcomes = |list: &[Expectation]| list.iter().map(|line| line.outcome).collect();
        let base = || [outcomes(&self.expected.own), outcomes(&self.expected.replies)];
        let phases = Arc::make_mut(&mut self.phases);
        if phases.is_empty() {
            phases.push(base());
        }
        phases.push(base());
        phases.len() - 1
    }

    /// Says what must become of a flow's frames (or replies) in a phase: dropped for a reason, or
    /// delivered (`None`) as the flow's description says. No such flow or phase: nothing happens.
    pub fn expect(&mut self, phase: usize, flow: u32, reply: bool, dropped: Option<Reason>) {
        let phases = Arc::make_mut(&mut self.phases);
        let outcome = phases
            .get_mut(phase)
            .and_then(|lists| lists[usize::from(reply)].get_mut(flow as usize));
        if let Some(outcome) = outcome {
            *outcome = dropped.map_or(DELIVERED, Reason::get);
        }
    }

    /// The generations of the rules, first and last, under which the frames noted from now on may
    /// have been judged: that which had been announced as in force before they were handed in, to
    /// the one that had been begun when their fate was known.
    pub fn set_generations(&mut self, first: u64, last: u64) {
        self.generations = (first, last.max(first));
    }

    /// Brings near what will be needed of the frames with these numbers in `FrameMeta::id`: with
    /// many flows the misses of a batch then overlap. Nothing is counted.
    #[inline]
    pub fn touch(&self, ids: impl Iterator<Item = u64>) {
        let mut seen = 0;
        for id in ids {
            let flow = (id & 0xffff_ffff) as u32;
            let counts = if flow & REPLY != 0 { &self.replies } else { &self.own };
            let count = counts.get((flow & !REPLY) as usize).map_or(0, |count| count.delivered);
            seen ^= count ^ self.expected.get(flow).map_or(0, |expected| expected.port);
        }
        std::hint::black_box(seen);
    }

    /// A frame came out at `port`. Its bytes are checked: whose it is, and whether it should have
    /// come out, here, and so.
    #[inline]
    pub fn note_delivered(&mut self, bytes: &[u8], port: PortNumber) {
        self.accounts.delivered += 1;
        let Some(arrival) = Arrival::read(bytes) else {
            return self.leak(bytes, Wrong::Unknown);
        };
        let Some(&expected) = self.expected.get(arrival.flow) else {
            return self.leak(bytes, Wrong::Unknown);
        };
        let delivered = &mut self.count(arrival.flow).delivered;
        *delivered = delivered.wrapping_add(1);
        let Expectation { digest, port: expected_port, outcome, fresh } = expected;
        if !self.is_expected(arrival.flow, outcome, DELIVERED) {
            self.leak(bytes, Wrong::Leaked(port));
        } else if port != expected_port {
            self.leak(bytes, Wrong::Port(port));
        } else if arrival.digest(fresh) != digest {
            self.leak(bytes, Wrong::Headers);
        } else if !arrival.is_whole(fresh) {
            self.leak(bytes, Wrong::Bytes);
        }
    }

    /// The frame with this number in `FrameMeta::id` was dropped.
    #[inline]
    pub fn note_dropped(&mut self, id: u64, reason: Reason) {
        let flow = (id & 0xffff_ffff) as u32;
        self.dropped[usize::from(reason.get())] += 1;
        let Some(&expected) = self.expected.get(flow) else {
            return self.false_drop(id, reason);
        };
        let dropped = &mut self.count(flow).dropped;
        *dropped = dropped.wrapping_add(1);
        if !self.is_expected(flow, expected.outcome, reason.get()) {
            self.false_drop(id, reason);
        }
    }

    /// The frame with this number found the queue in front of the switch full.
    pub fn note_overflow(&mut self, id: u64) {
        self.accounts.overflowed += 1;
        let flow = (id & 0xffff_ffff) as u32;
        if self.expected.get(flow).is_some() {
            let heard = &mut self.count(flow).dropped;
            *heard = heard.wrapping_add(1);
        }
    }

    /// Takes over what another one of the same [`Traffic`](super::Traffic) has counted.
    pub fn merge(&mut self, other: Checker) {
        let pairs = [(&mut self.own, &other.own), (&mut self.replies, &other.replies)];
        for (mine, others) in pairs {
            for (count, other) in mine.iter_mut().zip(others) {
                count.delivered = count.delivered.wrapping_add(other.delivered);
                count.dropped = count.dropped.wrapping_add(other.dropped);
            }
        }
        for (mine, others) in self.dropped.iter_mut().zip(other.dropped) {
            *mine += others;
        }
        let Accounts { delivered, leaks, false_drops, overflowed, findings, .. } = other.accounts;
        self.accounts.delivered += delivered;
        self.accounts.overflowed += overflowed;
        self.accounts.leaks += leaks;
        self.accounts.false_drops += false_drops;
        findings.into_iter().for_each(|finding| self.accounts.find(finding));
    }

    /// The accounts, flow by flow, once everything that the generators sent has met its fate.
    pub fn finish(&self, generators: &[TrafficGenerator]) -> Accounts {
        let mut accounts = self.accounts.clone();
        let counted = self.dropped.iter().enumerate().filter(|&(_, &frames)| frames > 0);
        accounts.dropped = counted
            .filter_map(|(number, &frames)| Some((Reason::new(number.try_into().ok()?)?, frames)))
            .collect();
        for generator in generators {
            accounts.sent += generator.frames_sent();
            for (flow, sent) in generator.each_sent() {
                let list = if flow & REPLY != 0 { &self.replies } else { &self.own };
                let count = list.get((flow & !REPLY) as usize).copied().unwrap_or_default();
                let heard = count.delivered.wrapping_add(count.dropped);
                accounts.balance(flow, sent.wrapping_sub(heard).cast_signed());
            }
        }
        accounts
    }

    #[inline(always)]
    fn count(&mut self, flow: u32) -> &mut Count {
        let list = if flow & REPLY != 0 { &mut self.replies } else { &mut self.own };
        &mut list[(flow & !REPLY) as usize]
    }

    /// Whether `outcome` is what a generation in question expects.
    #[inline(always)]
    fn is_expected(&self, flow: u32, base: u8, outcome: u8) -> bool {
        match self.phases.is_empty() {
            true => base == outcome,
            false => self.is_expected_now(flow, outcome),
        }
    }

    fn is_expected_now(&self, flow: u32, outcome: u8) -> bool {
        let (first, last) = self.generations;
        let phases = self.phases.len() as u64;
        (first..=last).take(self.phases.len()).any(|generation| {
            let lists = &self.phases[(generation % phases) as usize];
            lists[usize::from(flow & REPLY != 0)][(flow & !REPLY) as usize] == outcome
        })
    }

    #[cold]
    fn leak(&mut self, bytes: &[u8], wrong: Wrong) {
        self.accounts.leaks += 1;
        self.accounts.find(Finding { frame: Tag::read(bytes), wrong });
    }

    #[cold]
    fn false_drop(&mut self, id: u64, reason: Reason) {
        self.accounts.false_drops += 1;
        self.accounts.find(Finding { frame: Some(Tag::of_id(id)), wrong: Wrong::Dropped(reason) });
    }
}

impl Accounts {
    /// Whether nothing went wrong: no leak, no false drop, nothing lost, nothing too much.
    pub fn is_clean(&self) -> bool {
        (self.leaks, self.false_drops, self.lost, self.surplus) == (0, 0, 0, 0)
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// A flow's frames sent, less those heard of.
    fn balance(&mut self, flow: u32, missing: i32) {
        let frames = u64::from(missing.unsigned_abs());
        match missing {
            0 => return,
            1.. => self.lost += frames,
            _ => self.surplus += frames,
        }
        self.find(Finding { frame: None, wrong: Wrong::Balance(flow, missing) });
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Accounts { sent, delivered, dropped, leaks, false_drops, overflowed, .. } = self;
        let Accounts { lost, surplus, .. } = self;
        let dropped: u64 = dropped.values().sum();
        write!(f, "sent = {sent}, delivered = {delivered}, dropped = {dropped}, ")?;
        write!(f, "leaks = {leaks}, false drops = {false_drops}, lost = {lost}")?;
        if *overflowed > 0 {
            write!(f, ", overflowed = {overflowed}")?;
        }
        if *surplus > 0 {
            write!(f, ", surplus = {surplus}")?;
        }
        Ok(())
    }
}
