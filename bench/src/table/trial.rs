//! Trials: every operation on every table, in turn, on all workers at once.

use std::sync::Barrier;

use anyhow::ensure;
use ringfence_measure::trials::Plan;
use ringfence_measure::{Clock, Sample, Ticks};

use super::contender::{Contender, Worker};
use super::floor::Floor;
use super::flows::{Flows, Pick, Random};

/// Keys that a worker is given at once.
const PICKS: usize = 32;
/// Batches between two looks at the clock.
const BATCHES: usize = 16;
/// What a mixed batch has besides hits: sessions entered, and as many taken out.
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
    flows: &Flows,
    contenders: &mut [Box<dyn Contender>],
    floor: Option<&Floor>,
) -> anyhow::Result<(Vec<Measured>, Option<Sample>)> {
    let mut values = vec![[const { Vec::new() }; Operation::ALL.len()]; contenders.len()];
    let mut floor_values = Vec::new();
    let mut handles: Vec<Vec<Box<dyn Worker + '_>>> =
        contenders.iter_mut().map(|contender| contender.workers()).collect();
    let start = clock.now();
    for round in 0..=plan.trials {
        let trial = Trial { clock, plan, flows, start, round };
        for (workers, values) in handles.iter_mut().zip(&mut values) {
            let ns = trial.of_all_operations(workers)?;
            // the first round warms up
            if round > 0 {
                values.iter_mut().zip(ns).for_each(|(values, ns)| values.push(ns));
            }
        }
        let floor_ns = floor.map(|floor| floor.trial(clock, plan.budget, flows.workers, round));
        if round > 0 {
            floor_values.extend(floor_ns);
        }
    }
    let measured = values
        .into_iter()
        .map(|values| Measured { samples: values.into_iter().map(Sample::new).collect() })
        .collect();
    Ok((measured, Sample::new(floor_values)))
}

/// What making the keys of a look-up takes, which is in every figure.
pub(super) fn keys(clock: &Clock, plan: Plan, flows: &Flows) -> Option<Sample> {
    let mut random = Random(1);
    ringfence_measure::trials::run(clock, plan, &mut || {
        for _ in 0..BATCHES {
            std::hint::black_box(picks(flows, 0, &mut random));
        }
        (BATCHES * PICKS) as u64
    })
}

/// Keys of a worker's own sessions, picked at random.
#[inline]
fn picks(flows: &Flows, worker: usize, random: &mut Random) -> [Pick; PICKS] {
    let share = flows.share(worker);
    std::array::from_fn(|_| {
        let (place, is_answer) = random.below(share);
        flows.flow(flows.own(worker, place)).pick(is_answer)
    })
}

/// One round on one table.
#[derive(Clone, Copy)]
struct Trial<'a> {
    clock: &'a Clock,
    plan: Plan,
    flows: &'a Flows,
    start: Ticks,
    round: usize,
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

    fn random(&self, worker: usize) -> Random {
        Random((worker as u64) << 48 ^ (self.round as u64) << 24 ^ 1)
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
        let mut random = self.random(number);
        let (mut found, mut asked) = (0, 0);
        let ticks = self.until_over(|now_ms| {
            for _ in 0..BATCHES {
                found += worker.look_up(&picks(self.flows, number, &mut random), now_ms);
                worker.rest();
            }
            asked += (BATCHES * PICKS) as u64;
            (BATCHES * PICKS) as u64
        });
        ensure!(found == asked, "{found} of {asked} sessions were found");
        Ok([ticks])
    }

    fn miss(&self, number: usize, worker: &mut dyn Worker) -> anyhow::Result<[f64; 1]> {
        let mut random = self.random(number);
        let mut found = 0;
        let ticks = self.until_over(|now_ms| {
            for _ in 0..BATCHES {
                let absent: [Pick; PICKS] = std::array::from_fn(|_| self.flows.absent(&mut random));
                found += worker.look_up(&absent, now_ms);
                worker.rest();
            }
            (BATCHES * PICKS) as u64
        });
        ensure!(found == 0, "{found} sessions were found that are not there");
        Ok([ticks])
    }

    /// A block of sessions entered, then taken out again: both timed.
    fn change(&self, number: usize, worker: &mut dyn Worker) -> anyhow::Result<[f64; 2]> {
        let block = self.flows.spare(number);
        let budget = self.clock.ticks(self.plan.budget);
        let start = self.clock.now();
        let (mut inserting, mut removing, mut rounds) = (0, 0, 0u64);
        while rounds == 0 || self.clock.now().since(start) < budget {
            let before = self.clock.now();
            let now_ms = self.now_ms(before);
            for batch in block.chunks(PICKS) {
                batch.iter().for_each(|it| worker.insert(&self.flows.flow(*it), now_ms));
                worker.rest();
            }
            let between = self.clock.now();
            let mut removed = 0;
            for batch in block.chunks(PICKS) {
                for it in batch {
                    removed += usize::from(worker.remove(&self.flows.flow(*it), now_ms));
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
        let block = self.flows.spare(number);
        let mut random = self.random(number);
        let spare = |place: usize| self.flows.flow(block[place % block.len()]);
        let (mut first, mut next) = (0, block.len() / 2);
        (first..next).for_each(|place| worker.insert(&spare(place), 0));
        let (mut found, mut asked) = (0, 0);
        let ticks = self.until_over(|now_ms| {
            for _ in 0..BATCHES {
                for hits in [PICKS, MIXED_HITS - PICKS] {
                    let picks = picks(self.flows, number, &mut random);
                    found += worker.look_up(&picks[..hits], now_ms);
                    asked += hits as u64;
                }
                for _ in 0..MIXED_CHANGES {
                    worker.insert(&spare(next), now_ms);
                    found += u64::from(worker.remove(&spare(first), now_ms));
                    (first, next, asked) = (first + 1, next + 1, asked + 1);
                }
                worker.rest();
            }
            (BATCHES * (MIXED_HITS + 2 * MIXED_CHANGES)) as u64
        });
        for place in first..next {
            worker.remove(&spare(place), 0);
        }
        worker.rest();
        ensure!(found == asked, "{found} of {asked} sessions were found");
        Ok([ticks])
    }
}

/// Does the same work on all workers at once, each on a thread of its own; the mean of each figure.
fn side_by_side<const N: usize>(
    workers: &mut [Box<dyn Worker + '_>],
    work: &(dyn Fn(usize, &mut dyn Worker) -> anyhow::Result<[f64; N]> + Sync),
) -> anyhow::Result<[f64; N]> {
    if let [only] = workers {
        return work(0, &mut **only);
    }
    let barrier = Barrier::new(workers.len());
    let results: Vec<anyhow::Result<[f64; N]>> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .enumerate()
            .map(|(number, worker)| {
                let barrier = &barrier;
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
