//! Trials: every operation on every table, in turn, on all workers at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;
use ringfence_measure::trials::Plan;
use ringfence_measure::{Clock, Sample, Ticks};

use super::contender::{Contender, Worker};
use super::floor::Floor;
use super::flows::{Flow, Key, Lists};

/// Keys that a worker is given at once.
const BATCH: usize = 32;
/// Batches between two looks at the clock.
const BATCHES: usize = 16;
/// What a mixed round has besides hits: sessions entered, and as many taken out.
const MIXED_CHANGES: usize = 3;
/// Hits that go with them.
const MIXED_HITS: usize = 58;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Hit,
    Miss,
    Insert,
    Remove,
    Mixed,
}

impl Operation {
    pub(super) const ALL: [Operation; 5] =
        [Operation::Hit, Operation::Miss, Operation::Insert, Operation::Remove, Operation::Mixed];

    pub(super) fn id(self) -> &'static str {
        match self {
            Operation::Hit => "hit",
            Operation::Miss => "miss",
            Operation::Insert => "insert",
            Operation::Remove => "remove",
            Operation::Mixed => "mixed",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Operation::Hit => "Hit: a frame of a session, looked up and counted",
            Operation::Miss => "Miss: a frame of no session",
            Operation::Insert => "Insert: a session opened",
            Operation::Remove => "Remove: a session ended",
            Operation::Mixed => "Mixed: hits with some inserts and removals",
        }
    }
}

/// Nanoseconds an operation of one table, by operation, in the order of [`Operation::ALL`].
pub(super) struct Measured {
    samples: Vec<Option<Sample>>,
}

impl Measured {
    pub(super) fn of(&self, operation: Operation) -> Option<&Sample> {
        self.samples.get(operation as usize)?.as_ref()
    }
}

/// Every operation on every contender, the first trial of all before the second of any, each round
/// with one of the floor if there is one.
///
/// # Errors
/// If a table loses a session, or finds one that is not there.
pub(super) fn in_turn(
    clock: &Clock,
    plan: Plan,
    stopped: &AtomicBool,
    lists: &[Lists],
    contenders: &mut [Box<dyn Contender>],
    floor: Option<&Floor>,
) -> anyhow::Result<(Vec<Measured>, Option<Sample>)> {
    let mut values = vec![[const { Vec::new() }; Operation::ALL.len()]; contenders.len()];
    let mut floor_values = Vec::new();
    let mut handles: Vec<Vec<Box<dyn Worker + '_>>> =
        contenders.iter_mut().map(|contender| contender.workers()).collect();
    let start = clock.now();
    for round in 0..=plan.trials {
        let trial = Trial { clock, plan, lists, start };
        for (workers, values) in handles.iter_mut().zip(&mut values) {
            let ns = trial.of_all_operations(workers)?;
            // the first round warms up
            if round > 0 {
                values.iter_mut().zip(ns).for_each(|(values, ns)| values.push(ns));
            }
        }
        let floor_ns = floor.map(|floor| floor.trial(clock, plan.budget, lists.len(), round));
        if round > 0 {
            floor_values.extend(floor_ns);
            if stopped.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    let measured = values
        .into_iter()
        .map(|values| Measured { samples: values.into_iter().map(Sample::new).collect() })
        .collect();
    Ok((measured, Sample::new(floor_values)))
}

/// What going through a list of keys takes, which is in every figure of a look-up.
pub(super) fn keys(clock: &Clock, plan: Plan, lists: &Lists) -> Option<Sample> {
    let mut keys = Cursor::new(&lists.present);
    ringfence_measure::trials::run(clock, plan, &mut || {
        for _ in 0..BATCHES {
            let words = keys.next(BATCH).iter().map(|key| key.0[0] ^ key.0[1]);
            std::hint::black_box(words.fold(0, u64::wrapping_add));
        }
        (BATCHES * BATCH) as u64
    })
}

/// Goes through a list again and again.
struct Cursor<'a> {
    keys: &'a [Key],
    place: usize,
}

impl<'a> Cursor<'a> {
    fn new(keys: &'a [Key]) -> Cursor<'a> {
        Cursor { keys, place: 0 }
    }

    #[inline]
    fn next(&mut self, count: usize) -> &'a [Key] {
        if self.place + count > self.keys.len() {
            self.place = 0;
        }
        let next = &self.keys[self.place..self.place + count];
        self.place += count;
        next
    }
}

/// One round on one table.
#[derive(Clone, Copy)]
struct Trial<'a> {
    clock: &'a Clock,
    plan: Plan,
    lists: &'a [Lists],
    start: Ticks,
}

impl Trial<'_> {
    /// Nanoseconds an operation, mean of the workers, in the order of [`Operation::ALL`].
    fn of_all_operations(
        &self,
        workers: &mut [Box<dyn Worker + '_>],
    ) -> anyhow::Result<[f64; Operation::ALL.len()]> {
        let [hit] = side_by_side(workers, &|number, it| self.hit(number, it))?;
        let [miss] = side_by_side(workers, &|number, it| self.miss(number, it))?;
        let [insert, remove] = side_by_side(workers, &|number, it| self.change(number, it))?;
        let [mixed] = side_by_side(workers, &|number, it| self.mixed(number, it))?;
        Ok([hit, miss, insert, remove, mixed].map(|ticks| self.clock.ticks_to_ns(ticks)))
    }

    fn now_ms(&self, now: Ticks) -> u32 {
        (self.clock.ns(self.start, now) / 1_000_000) as u32
    }

    /// Runs `batches` until the time is over; ticks for each operation.
    fn until_over(&self, mut batches: impl FnMut(u32) -> u64) -> f64 {
        let budget = self.clock.ticks(self.plan.budget);
        let start = self.clock.now();
        let (mut now, mut operations) = (start, 0);
        while operations == 0 || now.since(start) < budget {
            operations += batches(self.now_ms(now));
            now = self.clock.now();
        }
        now.since(start) as f64 / operations as f64
    }

    fn hit(&self, number: usize, worker: &mut dyn Worker) -> anyhow::Result<[f64; 1]> {
        let mut keys = Cursor::new(&self.lists[number].present);
        let (mut found, mut asked) = (0, 0);
        let ticks = self.until_over(|now_ms| {
            for _ in 0..BATCHES {
                found += worker.look_up(keys.next(BATCH), now_ms);
                worker.rest();
            }
            asked += (BATCHES * BATCH) as u64;
            (BATCHES * BATCH) as u64
        });
        ensure!(found == asked, "{found} of {asked} sessions were found");
        Ok([ticks])
    }

    fn miss(&self, number: usize, worker: &mut dyn Worker) -> anyhow::Result<[f64; 1]> {
        let mut keys = Cursor::new(&self.lists[number].absent);
        let mut found = 0;
        let ticks = self.until_over(|now_ms| {
            for _ in 0..BATCHES {
                found += worker.look_up(keys.next(BATCH), now_ms);
                worker.rest();
            }
            (BATCHES * BATCH) as u64
        });
        ensure!(found == 0, "{found} sessions were found that are not there");
        Ok([ticks])
    }

    /// A block of sessions entered, then taken out again: both timed.
    fn change(&self, number: usize, worker: &mut dyn Worker) -> anyhow::Result<[f64; 2]> {
        let block = &self.lists[number].spare;
        let budget = self.clock.ticks(self.plan.budget);
        let start = self.clock.now();
        let (mut inserting, mut removing, mut rounds) = (0, 0, 0u64);
        while rounds == 0 || self.clock.now().since(start) < budget {
            let before = self.clock.now();
            let now_ms = self.now_ms(before);
            for batch in block.chunks(BATCH) {
                batch.iter().for_each(|it| worker.insert(it, now_ms));
                worker.rest();
            }
            let between = self.clock.now();
            let mut removed = 0;
            for batch in block.chunks(BATCH) {
                for it in batch {
                    removed += usize::from(worker.remove(it, now_ms));
                }
                worker.rest();
            }
            let after = self.clock.now();
            ensure!(removed == block.len(), "{removed} of {} sessions were there", block.len());
            inserting += between.since(before);
            removing += after.since(between);
            rounds += 1;
        }
        let operations = (rounds * block.len() as u64) as f64;
        Ok([inserting as f64 / operations, removing as f64 / operations])
    }

    fn mixed(&self, number: usize, worker: &mut dyn Worker) -> anyhow::Result<[f64; 1]> {
        let block = &self.lists[number].spare;
        let mut keys = Cursor::new(&self.lists[number].present);
        let spare = |place: usize| -> &Flow { &block[place % block.len()] };
        let (mut first, mut next) = (0, block.len() / 2);
        (first..next).for_each(|place| worker.insert(spare(place), 0));
        let (mut found, mut asked) = (0, 0);
        let ticks = self.until_over(|now_ms| {
            for _ in 0..BATCHES {
                for hits in [BATCH, MIXED_HITS - BATCH] {
                    found += worker.look_up(keys.next(hits), now_ms);
                    asked += hits as u64;
                }
                for _ in 0..MIXED_CHANGES {
                    worker.insert(spare(next), now_ms);
                    found += u64::from(worker.remove(spare(first), now_ms));
                    (first, next, asked) = (first + 1, next + 1, asked + 1);
                }
                worker.rest();
            }
            (BATCHES * (MIXED_HITS + 2 * MIXED_CHANGES)) as u64
        });
        for place in first..next {
            worker.remove(spare(place), 0);
        }
        worker.rest();
        ensure!(found == asked, "{found} of {asked} sessions were found");
        Ok([ticks])
    }
}

/// What one worker does, by its number.
type Work<'a, const N: usize> =
    &'a (dyn Fn(usize, &mut dyn Worker) -> anyhow::Result<[f64; N]> + Sync);

/// Does the same work on all workers at once, each on a thread of its own; the mean of each figure.
fn side_by_side<const N: usize>(
    workers: &mut [Box<dyn Worker + '_>],
    work: Work<'_, N>,
) -> anyhow::Result<[f64; N]> {
    let work = |number: usize, worker: &mut dyn Worker| {
        worker.wake();
        let result = work(number, worker);
        worker.sleep();
        result
    };
    if let [only] = workers {
        return work(0, &mut **only);
    }
    let barrier = Barrier::new(workers.len());
    let results: Vec<anyhow::Result<[f64; N]>> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .enumerate()
            .map(|(number, worker)| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(number, &mut **worker)
                })
            })
            .collect();
        let panicked = || Err(anyhow::anyhow!("a worker panicked"));
        threads.into_iter().map(|it| it.join().unwrap_or_else(|_| panicked())).collect()
    });
    let mut sums = [0.0; N];
    for result in results {
        sums.iter_mut().zip(result?).for_each(|(sum, it)| *sum += it);
    }
    Ok(sums.map(|sum| sum / workers.len() as f64))
}
