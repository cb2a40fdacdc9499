//! Generators, one for each queue: from flows to frames in batches. What a frame looks like is in
//! `line`, which flow comes next in `choice`.
//!
//! A batch is written in blocks: all draws, then one read of every line drawn (the misses overlap),
//! then the frames. Nothing is allocated after the start.

use std::hint::black_box;
use std::ops::DerefMut;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use ringfence_frame::Family;
use ringfence_frame::batch::{FrameBatch, FrameMeta, PortNumber, Slot};

use super::checker::{Checker, Expectations};
use super::choice::{Choice, Schedule};
use super::flow::OneWay;
use super::line::{Class, Line, Line4, Line6};
use super::tag::REPLY;
use super::{Expected, FlowError, FlowSpec, Fresh, Headers, Pattern, Popularity, Rate, Sizes};

/// Frames written in one go.
const BLOCK: usize = 64;
/// Lines that the second-level cache holds: there is nothing to wait for.
const LINES_CACHED: usize = 4_096;
/// The shortest frame for IPv4, without FCS.
const SHORT: usize = 60;
/// The FCS, on the wire only.
const FCS_LEN: usize = 4;
/// Frames of 64, 570 and 1,518 bytes in the mix.
const IMIX: [usize; 12] = [64, 64, 570, 64, 64, 570, 64, 1_518, 570, 64, 64, 570];

/// What a load is run with.
pub struct Traffic {
    /// One for each queue.
    pub generators: Vec<TrafficGenerator>,
    /// To be cloned for each thread and merged again.
    pub checker: Checker,
}

/// What a generator is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// One frame of each flow that is allowed, fresh ones left out. A new generator starts here.
    Open,
    /// One reply of each flow that has replies. What all generators opened must have been delivered.
    Answer,
    /// What the pattern says, without end.
    Steady,
}

const CLASSES: [Class; 4] = [Class::Fresh, Class::Denied, Class::Reply, Class::Own];

/// The lines of one class, and which comes next.
struct Lines {
    v4: Vec<Line4>,
    v6: Vec<Line6>,
    choice: Choice,
    /// Of the lines of each family, if they have any, until it is settled how they are drawn.
    weights: [Vec<f64>; 2],
}

/// Writes the frames of one queue.
pub struct TrafficGenerator {
    lines: [Lines; CLASSES.len()],
    /// A draw of 16 bits below the first of these is of the first class, and so on.
    thresholds: [u32; CLASSES.len()],
    lens: [u16; IMIX.len()],
    schedule: Option<Schedule>,
    fresh_schedule: Option<Schedule>,
    random: Pcg64Mcg,
    /// Room for the draws of one block.
    block: [Drawn; BLOCK],
    indices: [u32; BLOCK],
    /// Whether all lines are in the cache anyway.
    cached: bool,
    /// The one class that is drawn from, if there is no other and its frames are all alike.
    plain: Option<usize>,
    stage: Stage,
    /// How many lines the stage is through with.
    cursor: usize,
    frames_sent: u64,
}

/// A line drawn.
#[derive(Clone, Copy, Default)]
struct Drawn {
    index: u32,
    len: u16,
    class: u16,
    due_ns: u64,
}

impl Traffic {
    /// Generators for `queues` queues, of which `queue_of` says which one a port's frames come
    /// from, and the checker for all. Flows are numbered in the order in which they come. Each
    /// generator keeps to `pattern` by itself: a rate is that of one queue.
    ///
    /// # Errors
    /// The first flow that cannot be sent.
    pub fn new(
        flows: impl IntoIterator<Item = FlowSpec>,
        queues: usize,
        queue_of: impl Fn(PortNumber) -> usize,
        pattern: &Pattern,
        seed: u64,
    ) -> Result<Traffic, FlowError> {
        let alike = flows.into_iter().map(|flow| (flow, None));
        let mut traffic = Traffic::unsettled(alike, queues, queue_of, pattern, seed)?;
        traffic.generators.iter_mut().for_each(|generator| generator.settle(pattern));
        Ok(traffic)
    }

    /// The same with a weight for each flow, which says how often it is picked among those of its
    /// kind (its own frames, replies, denied, fresh), whatever popularity the pattern has.
    ///
    /// # Errors
    /// As [`Traffic::new`].
    pub fn weighted(
        flows: impl IntoIterator<Item = (FlowSpec, f64)>,
        queues: usize,
        queue_of: impl Fn(PortNumber) -> usize,
        pattern: &Pattern,
        seed: u64,
    ) -> Result<Traffic, FlowError> {
        let weighted = flows.into_iter().map(|(flow, weight)| (flow, Some(weight)));
        let mut traffic = Traffic::unsettled(weighted, queues, queue_of, pattern, seed)?;
        for generator in &mut traffic.generators {
            generator.settle(pattern);
            generator.lines.iter_mut().for_each(Lines::weigh);
        }
        Ok(traffic)
    }

    fn unsettled(
        flows: impl IntoIterator<Item = (FlowSpec, Option<f64>)>,
        queues: usize,
        queue_of: impl Fn(PortNumber) -> usize,
        pattern: &Pattern,
        seed: u64,
    ) -> Result<Traffic, FlowError> {
        let mut generators: Vec<TrafficGenerator> = (0..queues as u64)
            .map(|queue| TrafficGenerator::empty(pattern, seed.wrapping_add(queue)))
            .collect();
        let mut expectations = Expectations::default();
        for (number, (flow, weight)) in flows.into_iter().enumerate() {
            let number = u32::try_from(number).ok().filter(|&number| number < REPLY);
            let number = number.ok_or(FlowError::TooMany)?;
            flow.check(number)?;
            let (own, back) = flow.directions();
            let class = match (flow.fresh, flow.expected) {
                (true, _) => Class::Fresh,
                (false, Expected::Delivered(_)) => Class::Own,
                (false, Expected::Dropped(_)) => Class::Denied,
            };
            let back = back.map(|back| (back, Class::Reply));
            for (OneWay { port, headers, .. }, class) in [(own, class)].into_iter().chain(back) {
                let queue = queue_of(port);
                let generator = generators.get_mut(queue);
                let generator = generator.ok_or(FlowError::Queue(number, port, queue))?;
                generator.add((class, weight), number, port, &headers);
            }
            expectations.add(number, &flow);
        }
        Ok(Traffic { generators, checker: Checker::new(expectations) })
    }
}

impl TrafficGenerator {
    fn empty(pattern: &Pattern, seed: u64) -> TrafficGenerator {
        let no_lines = || Lines::new(Popularity::Uniform);
        let wire_lens = match pattern.sizes {
            Sizes::Fixed(len) => [len; IMIX.len()],
            Sizes::Imix => IMIX,
            Sizes::OneOf(lens) => lens.map(usize::from),
        };
        let fresh_rate = match pattern.fresh {
            Fresh::PerSecond(frames_per_second) => {
                Some(Rate { frames_per_second, spacing: super::Spacing::Constant })
            }
            Fresh::None | Fresh::Share(_) => None,
        };
        TrafficGenerator {
            lines: [no_lines(), no_lines(), no_lines(), no_lines()],
            thresholds: [0; CLASSES.len()],
            lens: wire_lens
                .map(|len| u16::try_from(len.saturating_sub(FCS_LEN)).unwrap_or(u16::MAX)),
            schedule: pattern.rate.map(Schedule::new),
            fresh_schedule: fresh_rate.map(Schedule::new),
            random: Pcg64Mcg::seed_from_u64(seed),
            block: [Drawn::default(); BLOCK],
            indices: [0; BLOCK],
            cached: false,
            plain: None,
            stage: Stage::Open,
            cursor: 0,
            frames_sent: 0,
        }
    }

    fn add(
        &mut self,
        (class, weight): (Class, Option<f64>),
        flow: u32,
        port: PortNumber,
        headers: &Headers,
    ) {
        let lines = &mut self.lines[place(class)];
        match headers.tuple.family() {
            Family::Ipv4 => {
                lines.v4.push(Line4::new(flow, class, port, headers));
                lines.weights[0].extend(weight);
            }
            Family::Ipv6 => {
                lines.v6.push(Line6::new(flow, class, port, headers));
                lines.weights[1].extend(weight);
            }
        }
    }

    /// All lines are there: who is drawn how often.
    fn settle(&mut self, pattern: &Pattern) {
        for (lines, class) in self.lines.iter_mut().zip(CLASSES) {
            let popularity = match class {
                Class::Fresh => Popularity::InTurn,
                Class::Denied | Class::Reply | Class::Own => pattern.popularity,
            };
            lines.choice = Choice::new(popularity, lines.len());
        }
        let share = |share: f64| share.clamp(0.0, 1.0);
        let fresh = match pattern.fresh {
            Fresh::Share(fresh) => share(fresh),
            Fresh::None | Fresh::PerSecond(_) => 0.0,
        };
        let denied = share(pattern.denied_share).min(1.0 - fresh);
        let reply = (1.0 - fresh - denied) * share(pattern.reply_share);
        let shares = [fresh, denied, reply, 1.0 - fresh - denied - reply];
        let mut sum = 0.0;
        for (place, wanted) in shares.into_iter().enumerate() {
            if !self.lines[place].is_empty() {
                sum += wanted;
            }
            self.thresholds[place] = (sum * 65_536.0).round() as u32;
        }
        // where a class has no lines, the last one that has takes its share; where fresh flows
        // have a rate of their own, they take no other
        let takes_part = |&place: &usize| !self.lines[place].is_empty() && shares[place] > 0.0;
        let could = |&place: &usize| {
            let apart = place == self::place(Class::Fresh) && self.fresh_schedule.is_some();
            !self.lines[place].is_empty() && !apart
        };
        let mut places = (0..CLASSES.len()).rev();
        if let Some(last) = places.clone().find(takes_part).or_else(|| places.find(could)) {
            self.thresholds[last..].fill(65_536);
        }
        self.cached = self.lines() <= LINES_CACHED;
        self.plain = self.plain_class(pattern);
    }

    fn plain_class(&self, pattern: &Pattern) -> Option<usize> {
        let before =
            |class: usize| class.checked_sub(1).map_or(0, |before| self.thresholds[before]);
        let only = (0..CLASSES.len())
            .find(|&class| before(class) == 0 && self.thresholds[class] == 65_536)?;
        let short = self.lens.iter().all(|&len| usize::from(len) <= SHORT);
        let Lines { v4, v6, .. } = &self.lines[only];
        let plain = pattern.rate.is_none() && short && (v4.is_empty() || v6.is_empty());
        plain.then_some(only)
    }

    /// Starts a stage from its beginning; rates count from when it is next asked for frames.
    pub fn begin(&mut self, stage: Stage) {
        self.stage = stage;
        self.cursor = 0;
        let schedules = [&mut self.schedule, &mut self.fresh_schedule];
        schedules.into_iter().flatten().for_each(Schedule::restart);
    }

    /// Keeps to this rate from when the next stage is begun, whatever the pattern said, and sends
    /// so many frames of fresh flows a second beside it.
    pub fn set_rates(&mut self, rate: Rate, fresh: Rate) {
        self.schedule = Some(Schedule::new(rate));
        self.fresh_schedule = Some(Schedule::new(fresh));
        // due frames are drawn one by one
        self.plain = None;
    }

    /// What it is at.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Frames written so far.
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent
    }

    /// Lines that can be drawn: flows with their replies counted apart.
    pub fn lines(&self) -> usize {
        self.lines.iter().map(Lines::len).sum()
    }

    /// When the next frame is due, if the pattern has a rate and frames have been asked for.
    pub fn next_due_ns(&self) -> Option<u64> {
        let schedules = [&self.schedule, &self.fresh_schedule];
        schedules.into_iter().flatten().filter_map(Schedule::next_due_ns).min()
    }

    /// Appends frames to `batch` until it is full or nothing is due, and says how many. `now_ns`
    /// does not go back. 0 in the first two stages means that they are over.
    pub fn fill<M: DerefMut<Target = [u8]>>(
        &mut self,
        batch: &mut FrameBatch<M>,
        now_ns: u64,
    ) -> usize {
        self.fill_at_most(batch, usize::MAX, now_ns)
    }

    /// The same with at most `most` frames.
    pub fn fill_at_most<M: DerefMut<Target = [u8]>>(
        &mut self,
        batch: &mut FrameBatch<M>,
        most: usize,
        now_ns: u64,
    ) -> usize {
        let (slots, metas) = batch.spare();
        let room = slots.len().min(most);
        let (slots, metas) = (&mut slots[..room], &mut metas[..room]);
        let count = match self.stage {
            Stage::Open => self.each_once(place(Class::Own), slots, metas, now_ns),
            Stage::Answer => self.each_once(place(Class::Reply), slots, metas, now_ns),
            Stage::Steady => self.steady(slots, metas, now_ns),
        };
        batch.advance(count);
        self.frames_sent += count as u64;
        count
    }

    fn each_once(
        &mut self,
        class: usize,
        slots: &mut [Slot],
        metas: &mut [FrameMeta],
        now_ns: u64,
    ) -> usize {
        let lines = &mut self.lines[class];
        let count = slots.len().min(lines.len() - self.cursor);
        for (i, (slot, meta)) in slots.iter_mut().zip(metas).take(count).enumerate() {
            lines.write(self.cursor + i, slot, meta, usize::from(self.lens[0]), now_ns);
        }
        self.cursor += count;
        count
    }

    fn steady(&mut self, slots: &mut [Slot], metas: &mut [FrameMeta], now_ns: u64) -> usize {
        let mut written = self.fresh(slots, metas, now_ns);
        if self.thresholds[CLASSES.len() - 1] == 0 {
            return written;
        }
        let (slots, metas) = (&mut slots[written..], &mut metas[written..]);
        for (slots, metas) in slots.chunks_mut(BLOCK).zip(metas.chunks_mut(BLOCK)) {
            let drawn = match self.plain {
                Some(class) => self.plain_block(class, slots, metas, now_ns),
                None => self.block(slots, metas, now_ns),
            };
            written += drawn;
            if drawn < slots.len() {
                break;
            }
        }
        written
    }

    /// The frames of one block, from one class and of one family, as short as can be and due now.
    fn plain_block(
        &mut self,
        class: usize,
        slots: &mut [Slot],
        metas: &mut [FrameMeta],
        now_ns: u64,
    ) -> usize {
        let TrafficGenerator { lines, indices, random, .. } = self;
        let Lines { v4, v6, choice, .. } = &mut lines[class];
        let indices = &mut indices[..slots.len().min(BLOCK)];
        choice.draw_all(indices, random);
        match v6.is_empty() {
            true => write_plain(v4, indices, slots, metas, now_ns),
            false => write_plain(v6, indices, slots, metas, now_ns),
        }
        indices.len()
    }

    /// The frames of one block, of any kind.
    fn block(&mut self, slots: &mut [Slot], metas: &mut [FrameMeta], now_ns: u64) -> usize {
        let drawn = self.draw_block(slots.len(), now_ns);
        let TrafficGenerator { lines, block, cached, .. } = self;
        let block = &block[..drawn];
        if !*cached {
            let touch = |one: &Drawn| lines[usize::from(one.class)].touch(one.index as usize);
            black_box(block.iter().fold(0, |sum, one| sum ^ touch(one)));
        }
        for ((slot, meta), one) in slots.iter_mut().zip(metas).zip(block) {
            let Drawn { index, len, class, due_ns } = *one;
            lines[usize::from(class)].write(index as usize, slot, meta, len.into(), due_ns);
        }
        drawn
    }

    /// Draws lines into the block, `most` unless fewer are due; how many.
    #[inline]
    fn draw_block(&mut self, most: usize, now_ns: u64) -> usize {
        for place in 0..most.min(BLOCK) {
            let Some(due_ns) = self.due(now_ns) else { return place };
            self.block[place] = self.draw(due_ns);
        }
        most.min(BLOCK)
    }

    /// Fresh flows with a rate of their own.
    fn fresh(&mut self, slots: &mut [Slot], metas: &mut [FrameMeta], now_ns: u64) -> usize {
        let fresh = place(Class::Fresh);
        let Some(schedule) = &mut self.fresh_schedule else { return 0 };
        if self.lines[fresh].is_empty() {
            return 0;
        }
        let mut written = 0;
        for (slot, meta) in slots.iter_mut().zip(metas) {
            let Some(due_ns) = schedule.take(now_ns, &mut self.random) else { break };
            let index = self.lines[fresh].choice.draw(0, &mut self.random);
            self.lines[fresh].write(index, slot, meta, usize::from(self.lens[0]), due_ns);
            written += 1;
        }
        written
    }

    #[inline]
    fn due(&mut self, now_ns: u64) -> Option<u64> {
        match &mut self.schedule {
            None => Some(now_ns),
            Some(schedule) => schedule.take(now_ns, &mut self.random),
        }
    }

    /// 16 bits for the class, 16 for the size, 32 for the line.
    #[inline]
    fn draw(&mut self, due_ns: u64) -> Drawn {
        let random = self.random.next_u64();
        let bits = (random & 0xffff) as u32;
        let class: usize = self.thresholds[..CLASSES.len() - 1]
            .iter()
            .map(|&threshold| usize::from(bits >= threshold))
            .sum();
        let index = self.lines[class].choice.draw(random >> 32, &mut self.random);
        let size = ((random >> 16 & 0xffff) as usize * IMIX.len()) >> 16;
        Drawn { class: class as u16, index: index as u32, len: self.lens[size], due_ns }
    }

    /// Every line: its flow, the reply bit included, and how many frames were sent of it.
    pub(crate) fn each_sent(&self) -> impl Iterator<Item = (u32, u32)> {
        self.lines.iter().flat_map(|lines| {
            let v4 = lines.v4.iter().map(|line| (line.flow(), line.sent()));
            v4.chain(lines.v6.iter().map(|line| (line.flow(), line.sent())))
        })
    }
}

#[inline(never)]
fn write_plain<const N: usize>(
    lines: &mut [Line<N>],
    indices: &[u32],
    slots: &mut [Slot],
    metas: &mut [FrameMeta],
    now_ns: u64,
) {
    if lines.len() > LINES_CACHED {
        let touch = |&index: &u32| lines[index as usize].touch();
        black_box(indices.iter().fold(0, |sum, index| sum ^ touch(index)));
    }
    for ((slot, meta), &index) in slots.iter_mut().zip(metas).zip(indices) {
        lines[index as usize].write(slot, meta, 0, now_ns);
    }
}

fn place(class: Class) -> usize {
    match class {
        Class::Fresh => 0,
        Class::Denied => 1,
        Class::Reply => 2,
        Class::Own => 3,
    }
}

impl Lines {
    fn new(popularity: Popularity) -> Lines {
        let choice = Choice::new(popularity, 0);
        Lines { v4: Vec::new(), v6: Vec::new(), choice, weights: Default::default() }
    }

    /// Draws each line as often as its weight says.
    fn weigh(&mut self) {
        self.choice = Choice::weighted(std::mem::take(&mut self.weights).concat());
    }

    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn touch(&self, index: usize) -> u8 {
        match self.v4.get(index) {
            Some(line) => line.touch(),
            None => self.v6[index - self.v4.len()].touch(),
        }
    }

    #[inline(always)]
    fn write(
        &mut self,
        index: usize,
        slot: &mut Slot,
        meta: &mut FrameMeta,
        len: usize,
        due_ns: u64,
    ) {
        let before = self.v4.len();
        match self.v4.get_mut(index) {
            Some(line) => line.write(slot, meta, len, due_ns),
            None => self.v6[index - before].write(slot, meta, len, due_ns),
        }
    }
}
