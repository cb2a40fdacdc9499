//! What became of every frame, held against what was expected. Owns the accounts; how a frame says
//! whose it is, is in `tag`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ringfence_frame::batch::PortNumber;
use ringfence_frame::{Family, Protocol};

use super::flow::OneWay;
use super::line::{Line4, Line6, flags, fresh_port};
use super::tag::{Layout, REPLY, Tag, fold, u32_at, words};
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

    fn get(&self, flow: u32, reply: bool) -> Option<&Expectation> {
        let list = if reply { &self.replies } else { &self.own };
        list.get(flow as usize).filter(|expectation| expectation.outcome != SILENT)
    }
}

impl Expectation {
    fn of(flow: u32, fresh: bool, sent: Headers, expected: Expected) -> Expectation {
        let (headers, port, outcome) = match expected {
            Expected::Delivered(arriving) => (arriving.headers, arriving.port, DELIVERED),
            Expected::Dropped(reason) => (sent, 0, reason.get()),
        };
        let reply = flow & REPLY != 0;
        let flow = flow & !REPLY;
        let ipv6 = headers.tuple.family() == Family::Ipv6;
        let layout = Layout::new(ipv6, headers.tuple.protocol);
        let digest = match ipv6 {
            false => digest(Line4::new(flow, reply, fresh, port, &headers).bytes(), &layout, fresh),
            true => digest(Line6::new(flow, reply, fresh, port, &headers).bytes(), &layout, fresh),
        };
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

    /// A frame came out at `port`. Its bytes are checked: whose it is, and whether it should have
    /// come out, here, and so.
    #[inline]
    pub fn note_delivered(&mut self, bytes: &[u8], port: PortNumber) {
        self.accounts.delivered += 1;
        let Some((layout, tag)) = Layout::of(bytes).zip(Tag::read(bytes)) else {
            return self.leak(None, Wrong::Unknown);
        };
        let Some(&expected) = self.expected.get(tag.flow, tag.reply) else {
            return self.leak(Some(tag), Wrong::Unknown);
        };
        self.count(tag.flow, tag.reply).delivered += 1;
        if !self.is_expected(&tag, expected.outcome, DELIVERED) {
            self.leak(Some(tag), Wrong::Leaked(port));
        } else if port != expected.port {
            self.leak(Some(tag), Wrong::Port(port));
        } else if digest(bytes, &layout, expected.fresh) != expected.digest {
            self.leak(Some(tag), Wrong::Headers);
        } else if !is_whole(bytes, &layout, &tag, expected.fresh) {
            self.leak(Some(tag), Wrong::Bytes);
        }
    }

    /// The frame with this number in `FrameMeta::id` was dropped.
    #[inline]
    pub fn note_dropped(&mut self, id: u64, reason: Reason) {
        let tag = Tag::of_id(id);
        self.dropped[usize::from(reason.get())] += 1;
        let Some(&expected) = self.expected.get(tag.flow, tag.reply) else {
            return self.false_drop(tag, reason);
        };
        self.count(tag.flow, tag.reply).dropped += 1;
        if !self.is_expected(&tag, expected.outcome, reason.get()) {
            self.false_drop(tag, reason);
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
        let Accounts { delivered, leaks, false_drops, findings, .. } = other.accounts;
        self.accounts.delivered += delivered;
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

    fn count(&mut self, flow: u32, reply: bool) -> &mut Count {
        let list = if reply { &mut self.replies } else { &mut self.own };
        &mut list[flow as usize]
    }

    /// Whether `outcome` is what a generation in question expects.
    #[inline]
    fn is_expected(&self, tag: &Tag, base: u8, outcome: u8) -> bool {
        if self.phases.is_empty() {
            return base == outcome;
        }
        let (first, last) = self.generations;
        let phases = self.phases.len() as u64;
        (first..=last).take(self.phases.len()).any(|generation| {
            let lists = &self.phases[(generation % phases) as usize];
            lists[usize::from(tag.reply)][tag.flow as usize] == outcome
        })
    }

    #[cold]
    fn leak(&mut self, frame: Option<Tag>, wrong: Wrong) {
        self.accounts.leaks += 1;
        self.accounts.find(Finding { frame, wrong });
    }

    #[cold]
    fn false_drop(&mut self, tag: Tag, reason: Reason) {
        self.accounts.false_drops += 1;
        self.accounts.find(Finding { frame: Some(tag), wrong: Wrong::Dropped(reason) });
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
        let Accounts { sent, delivered, dropped, leaks, false_drops, lost, surplus, .. } = self;
        let dropped: u64 = dropped.values().sum();
        write!(f, "sent = {sent}, delivered = {delivered}, dropped = {dropped}, ")?;
        write!(f, "leaks = {leaks}, false drops = {false_drops}, lost = {lost}")?;
        if *surplus > 0 {
            write!(f, ", surplus = {surplus}")?;
        }
        Ok(())
    }
}

/// What must not differ among a flow's frames as they arrive, in 64 bits: MACs, the IP header but
/// for length and checksum, ports or type and identifier, and the fields of TCP that never change.
#[inline]
fn digest(bytes: &[u8], layout: &Layout, fresh: bool) -> u64 {
    let upper = upper_digest(bytes, layout, fresh);
    let [a, b] = [u64_at(bytes, 0), u64_at(bytes, 8)];
    if layout.ipv6 {
        let [c, d, e, g] = [22, 30, 38, 46].map(|at| u64_at(bytes, at));
        // flow label, next header, hop limit
        let head = u64_at(bytes, 14) & 0xffff_ffff_0000_ffff;
        return mix([a, b, c, d]).rotate_left(17) ^ mix([e, g, head, upper]);
    }
    // identification, fragment, TTL, protocol
    let head = u64_at(bytes, 18) & 0xffff_ffff_ffff_0000;
    mix([a, b, head, u64_at(bytes, 26)]).rotate_left(17) ^ mix([upper, 1, 2, 3])
}

fn upper_digest(bytes: &[u8], layout: &Layout, fresh: bool) -> u64 {
    let at = layout.transport;
    let source_port = if fresh { 0xffff } else { 0 };
    match layout.protocol {
        Protocol::TCP => {
            let ports = u32_at(bytes, at) & !(source_port << 16);
            let acknowledgement = u32_at(bytes, at + 8);
            let rest = u32_at(bytes, at + 12) & 0xff00_ffff ^ u32_at(bytes, at + 16) << 16;
            u64::from(ports) << 32 ^ u64::from(acknowledgement) << 20 ^ u64::from(rest)
        }
        Protocol::UDP => {
            let ports = u32_at(bytes, at) & !(source_port << 16);
            let no_checksum = bytes[at + 6..at + 8] == [0, 0];
            u64::from(ports) << 32 | u64::from(no_checksum)
        }
        _ => {
            let rest = u32_at(bytes, at + 4) & !(source_port << 16);
            u64::from(rest) << 32 | u64::from(u32_at(bytes, at) >> 16)
        }
    }
}

#[inline]
fn mix(words: [u64; 4]) -> u64 {
    // pi's digits: nothing up the sleeve
    const KEYS: [u64; 4] = [
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
    ];
    let multiply = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product >> 64) as u64 ^ product as u64
    };
    multiply(words[0] ^ KEYS[0], words[1] ^ KEYS[1])
        .wrapping_add(multiply(words[2] ^ KEYS[2], words[3] ^ KEYS[3]))
}

/// Whether lengths and checksums are right, the payload is whole, and what differs from frame to
/// frame is what this frame's number says.
#[inline]
fn is_whole(bytes: &[u8], layout: &Layout, tag: &Tag, fresh: bool) -> bool {
    let at = layout.transport;
    let field = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let network = match layout.ipv6 {
        true => field(18) == bytes.len() - at,
        false => field(16) == bytes.len() - 14 && fold(words(&bytes[14..at])) == 0xffff,
    };
    let transport = match layout.protocol {
        Protocol::TCP => {
            let (found, first) = (bytes[at + 13], fresh || tag.number == 0);
            // a number comes again after 2^32 frames
            let again = tag.number == 0 && !fresh && found == flags(false, tag.reply).0;
            found == flags(first, tag.reply).0 || again
        }
        Protocol::UDP => field(at + 4) == bytes.len() - at,
        _ => true,
    };
    let port = layout.source_port();
    let source = !fresh || field(port) == usize::from(fresh_port(tag.number));
    network && transport && source && has_right_sum(bytes, layout)
}

/// The checksum of the upper layer; where UDP has none, the compensator makes up for it.
fn has_right_sum(bytes: &[u8], layout: &Layout) -> bool {
    let at = layout.transport;
    let mut sum = words(&bytes[at..]) + super::line::unaddressed(layout, bytes.len());
    let unsummed = layout.protocol == Protocol::UDP && bytes[at + 6..at + 8] == [0, 0];
    if !unsummed && layout.protocol != Protocol::ICMP {
        sum += words(&bytes[if layout.ipv6 { 22 } else { 26 }..at]);
    }
    fold(sum) == 0xffff
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}
