//! A worker's thread: batches of frames of the flows that it has, each verdict compared when the batch is
//! over; then each flow goes to whoever has its next frame.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringfence_cloud::World;
use ringfence_frame::{Body, Instant, Tuple, parse};
use ringfence_switch::{BATCH_MAX, Egress, Fabric, FrameId, Incoming, PortId, Ports, Sink, Worker};
use ringfence_tests::dice::Dice;
use ringfence_tests::flow::Judged;
use ringfence_tests::history::WORKERS;
use ringfence_tests::segment::Segment;
use ringfence_tests::told::Told;

use super::met::Met;
use super::talk::Talk;

/// What threads have in common.
pub struct Shared {
    world: World,
    ports: Ports,
    /// Nanoseconds of the run.
    pub clock: AtomicU64,
    /// Frames to be judged yet.
    left: AtomicU64,
    is_over: AtomicBool,
    failure: Mutex<Option<String>>,
    /// What is enforced by which epoch; those are left out that no worker goes by any more.
    enforced: Mutex<VecDeque<(u32, Arc<Fabric>)>>,
    /// The last epoch whose change has returned.
    announced: AtomicU32,
    /// Flows whose next frame is for a worker.
    inboxes: [Mutex<Vec<Talk>>; WORKERS],
}

impl Shared {
    pub fn new(fabric: &Fabric, frames: u64) -> Arc<Shared> {
        Arc::new(Shared {
            world: fabric.world.clone(),
            ports: Ports::new(&fabric.world),
            clock: AtomicU64::new(0),
            left: AtomicU64::new(frames),
            is_over: AtomicBool::new(false),
            failure: Mutex::default(),
            enforced: Mutex::new([(0, Arc::new(fabric.clone()))].into()),
            announced: AtomicU32::new(0),
            inboxes: Default::default(),
        })
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    pub fn failure(&self) -> Option<String> {
        lock(&self.failure).take()
    }

    /// Says what is enforced by an epoch that is to come.
    pub fn enforce(&self, epoch: u32, fabric: Fabric) {
        lock(&self.enforced).push_back((epoch, Arc::new(fabric)));
    }

    /// Says that every frame from now on is judged by `epoch` or later.
    pub fn announce(&self, epoch: u32) {
        self.announced.store(epoch, Ordering::SeqCst);
        lock(&self.enforced).retain(|(of, _)| *of >= epoch);
    }

    fn enforced_by(&self, epoch: u32) -> Option<Arc<Fabric>> {
        let enforced = lock(&self.enforced);
        let found = enforced.iter().find(|(of, _)| *of == epoch);
        found.map(|(_, fabric)| Arc::clone(fabric))
    }

    fn fail(&self, failure: String) {
        lock(&self.failure).get_or_insert(failure);
        self.is_over.store(true, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Thread {
    number: usize,
    worker: Worker,
    shared: Arc<Shared>,
    dice: Dice,
    ready: VecDeque<Talk>,
    /// Those that send later, by when and a number that tells them apart.
    resting: BTreeMap<(Reverse<u64>, u64), Talk>,
    rested: u64,
    now: Instant,
    enforced: (u32, Arc<Fabric>),
    outs: Outs,
    told: Told,
    pub met: Met,
}

/// A frame on its way.
struct Sent {
    talk: Talk,
    bytes: Vec<u8>,
    segment: Option<Segment>,
}

impl Thread {
    pub fn new(number: usize, worker: Worker, shared: Arc<Shared>, seed: u64) -> Thread {
        let enforced = (0, shared.enforced_by(0).expect("what is enforced at first"));
        Thread {
            number,
            worker,
            shared,
            dice: Dice::new(seed),
            ready: VecDeque::new(),
            resting: BTreeMap::new(),
            rested: 0,
            now: Instant::START,
            enforced,
            outs: Outs::default(),
            told: Told::default(),
            met: Met::default(),
        }
    }

    /// Takes a flow whose next frame is this worker's.
    pub fn take(&mut self, talk: Talk) {
        match talk.wakes(&mut self.dice) {
            None => self.ready.push_back(talk),
            Some(at) => {
                self.rested += 1;
                self.resting.insert((Reverse(at.as_ns()), self.rested), talk);
            }
        }
    }

    pub fn into_worker(self) -> Worker {
        self.worker
    }

    /// Works until all frames are judged or one is judged wrongly.
    pub fn run(&mut self) {
        let over = Over(Arc::clone(&self.shared));
        self.worker.wake();
        while !self.shared.is_over() {
            self.gather();
            let lot: Vec<Talk> = (0..BATCH_MAX).map_while(|_| self.ready.pop_front()).collect();
            if lot.is_empty() || self.dice.between(0, 299) == 0 {
                self.nap();
            }
            if let Err(failure) = self.batch(lot) {
                self.shared.fail(format!("worker {}: {failure}", self.number));
            }
        }
        self.worker.sleep();
        drop(over);
    }

    /// Flows that others have passed on, and those that have rested.
    fn gather(&mut self) {
        let came = std::mem::take(&mut *lock(&self.shared.inboxes[self.number]));
        came.into_iter().for_each(|talk| self.take(talk));
        let clock = self.shared.clock.load(Ordering::SeqCst);
        while let Some(last) = self.resting.last_entry() {
            let (Reverse(at), _) = *last.key();
            if at > clock {
                return;
            }
            self.ready.push_back(last.remove());
        }
    }

    /// Sleeps: the other one need not wait. What it goes by next, it reads when it is awake again.
    fn nap(&mut self) {
        self.worker.sleep();
        self.shared.clock.fetch_add(100_000, Ordering::SeqCst);
        std::thread::yield_now();
        self.worker.wake();
        self.now = Instant::from_ns(self.shared.clock.load(Ordering::SeqCst));
        self.met.sleeps += 1;
    }

    fn batch(&mut self, lot: Vec<Talk>) -> Result<(), String> {
        let announced = self.shared.announced.load(Ordering::SeqCst);
        let clock = Instant::from_ns(self.shared.clock.load(Ordering::SeqCst));
        // now and then by the earliest moment at which all of them can have been sent
        let is_behind = self.dice.chance(10);
        let sent_at = lot.iter().map(|talk| talk.last).fold(self.now, Instant::max);
        self.now = if is_behind { sent_at } else { clock };
        if self.dice.chance(2) {
            std::thread::yield_now();
        }
        let mut sent: Vec<Sent> = lot
            .into_iter()
            .map(|mut talk| {
                let (bytes, segment) = talk.frame(&mut self.dice, &self.shared.world);
                Sent { talk, bytes, segment }
            })
            .collect();
        self.handle(&mut sent);
        let epoch = self.worker.epoch();
        if epoch < announced {
            return Err(format!("judged by epoch {epoch} when {announced} was in force"));
        }
        if epoch != self.enforced.0 {
            let fabric = self.shared.enforced_by(epoch);
            self.enforced = (epoch, fabric.ok_or_else(|| format!("no epoch {epoch}"))?);
        }
        self.met.behind += if self.now < clock { sent.len() as u64 } else { 0 };
        self.compare(sent)?;
        self.shared.clock.fetch_add(self.dice.between(0, 40_000) as u64, Ordering::SeqCst);
        Ok(())
    }

    fn handle(&mut self, sent: &mut [Sent]) {
        let ports = &self.shared.ports;
        let mut incoming: Vec<Incoming<'_>> = sent
            .iter_mut()
            .enumerate()
            .map(|(place, Sent { talk, bytes, .. })| {
                let port = ports.number(talk.flow.sent[talk.direction].port);
                Incoming { port, id: place as u64, slot: place as u32, bytes }
            })
            .collect();
        let (outs, told) = (&mut self.outs, &mut self.told);
        self.worker.handle_batch(&mut incoming, self.now, outs, told);
    }

    /// Compares the verdicts and what went out, and passes the flows on.
    fn compare(&mut self, sent: Vec<Sent>) -> Result<(), String> {
        let (told, outs) = (std::mem::take(&mut self.told.0), std::mem::take(&mut self.outs.0));
        let frames = sent.len() as u64;
        if told.len() != sent.len() {
            return Err(format!("{} verdicts on {frames} frames", told.len()));
        }
        let mut outs = outs.into_iter();
        for (place, Sent { mut talk, segment, .. }) in sent.into_iter().enumerate() {
            let (frame, verdict) = &told[place];
            if *frame != place as u64 {
                return Err(format!("a verdict on {frame} in the place of {place}"));
            }
            let (direction, now_ms) = (talk.direction, self.now.as_ms());
            let (epoch, fabric) = &self.enforced;
            let epoch = u64::from(*epoch);
            self.met.count(verdict, talk.flow.deadline_ms(), now_ms);
            let judged = Judged { direction, segment, now_ms, fabric, epoch };
            if let Err(wrong) = talk.flow.check(&judged, verdict) {
                let flow = &talk.flow;
                return Err(format!(
                    "direction {direction} at {now_ms} ms, {segment:?}:\n  {wrong}\n  {flow:?}"
                ));
            }
            if verdict.allowed {
                let answer = talk.flow.sent[direction ^ 1];
                let expected =
                    (*frame, self.shared.ports.number(answer.port), answer.tuple.reversed());
                if outs.next() != Some(expected) {
                    return Err(format!("{expected:?} did not come out next"));
                }
            }
            talk.last = self.now;
            talk.goes_on(&mut self.dice, verdict);
            self.pass_on(talk);
        }
        if let Some(out) = outs.next() {
            return Err(format!("{out:?} came out"));
        }
        let left = self.shared.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(left.saturating_sub(frames))
        });
        if left.is_ok_and(|left| left <= frames) {
            self.shared.is_over.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn pass_on(&mut self, talk: Talk) {
        let worker = talk.worker(&self.shared.ports);
        match worker == self.number {
            true => self.take(talk),
            false => lock(&self.shared.inboxes[worker]).push(talk),
        }
    }
}

/// Ends the run if its thread ends, by a panic too.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// What went out where, and what it was there.
#[derive(Default)]
struct Outs(Vec<(FrameId, PortId, Tuple)>);

impl Sink for Outs {
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    fn put(&mut self, egress: Egress<'_>) {
        let frame = parse(egress.bytes()).expect("what comes out can be read");
        let Body::Ip(ip) = frame.body else { panic!("no IP packet came out") };
        let id = egress.frame().expect("nothing of the fabric's own comes out");
        self.0.push((id, egress.port(), ip.tuple()));
    }
}

/// Has a worker end what is dead.
pub fn expire(worker: &mut Worker, now: Instant) {
    worker.expire(now, usize::MAX, &mut Outs::default(), &mut Told::default());
}
