//! How fast frames get through worker threads; run by hand, in the release profile.

use std::time::Duration;

use ringfence_endpoints::generator::{Pattern, Stage, Traffic};
use ringfence_frame::batch::FrameBatch;
use ringfence_load::{BenchWorld, LaneWish, WorldShape};
use ringfence_runtime::live::{Check, Exit, LiveClock, LoadOptions, LoadTest, Outlets, Until};
use ringfence_switch::{BATCH_MAX, Controller, Incoming, Layout};

use super::world::{options, traffic};

const TRIALS: usize = 40;
const TRIAL: Duration = Duration::from_millis(20);
const TURNS: usize = 10_000;

fn load(world: &BenchWorld, flows: usize, workers: usize) -> (Controller, Traffic) {
    let wish = LaneWish { lanes: 1_000, ..LaneWish::default() };
    let lanes = world.lanes_between(&wish, 5, |from, to| from % 2 == to % 2).unwrap();
    let layout = Layout {
        workers_max: workers,
        flows_max: Some(2 * flows + 1_000),
        numbered: false,
        huge_pages: true,
        seed: 1,
    };
    let controller = Controller::new(world.fabric.clone(), layout);
    (controller, traffic(lanes.flows(flows).collect(), workers, &Pattern::default()))
}

/// One thread, without threads: the generator alone, and with the switch behind it.
fn bare(world: &BenchWorld, flows: usize, with_switch: bool) -> f64 {
    let (controller, mut traffic) = load(world, flows, 1);
    let mut worker = controller.worker().unwrap();
    let generator = &mut traffic.generators[0];
    let mut batch = FrameBatch::new(BATCH_MAX);
    let mut outlets = Outlets::new();
    let (sink, observer) = outlets.parts();
    let clock = LiveClock::start();
    let mut handle = |batch: &mut FrameBatch, now| {
        let (slots, metas) = batch.parts_mut();
        let mut frames = slots.iter_mut().zip(metas.iter()).map(|(slot, meta)| {
            let bytes = &mut slot[..meta.len as usize];
            Incoming { port: meta.port, id: meta.id, slot: 0, bytes }
        });
        let mut frames: [Incoming<'_>; BATCH_MAX] = std::array::from_fn(|_| frames.next().unwrap());
        worker.handle_batch(&mut frames, now, sink, observer);
    };
    while generator.fill(&mut batch, 0) == BATCH_MAX {
        handle(&mut batch, clock.now());
        batch.clear();
    }
    batch.clear();
    generator.begin(Stage::Steady);
    let mut best = f64::MAX;
    for _ in 0..TRIALS {
        let begun = clock.now();
        for _ in 0..TURNS {
            batch.clear();
            generator.fill(&mut batch, begun.as_ns());
            if with_switch {
                handle(&mut batch, begun);
            }
        }
        let took = clock.now().since(begun).as_secs_f64();
        best = best.min(took * 1e9 / (TURNS * BATCH_MAX) as f64);
    }
    best
}

#[test]
#[ignore = "a measurement"]
fn frames_a_second() {
    let world = BenchWorld::new(&WorldShape::default(), 3);
    for flows in [1_000, 100_000, 1_000_000] {
        let [generator, bare] = [false, true].map(|switch| bare(&world, flows, switch));
        println!("{flows} flows: generator {generator:.1} ns, with switch {bare:.1} ns");
        for workers in [1, 2] {
            for (check, latency) in
                [(Check::Nothing, false), (Check::Everything, false), (Check::Everything, true)]
            {
                let (controller, traffic) = load(&world, flows, workers);
                let options = LoadOptions { check, latency, ..options(workers) };
                let mut test = LoadTest::start(controller, traffic, &options).unwrap();
                test.open().unwrap();
                let mut rates = Vec::new();
                let mut gap = Duration::MAX;
                for _ in 0..TRIALS {
                    let result = test.run(Until::For(TRIAL), None).unwrap();
                    rates.push(result.frames_per_second() / 1e6);
                    gap = gap.min(result.longest_gap());
                }
                rates.sort_by(f64::total_cmp);
                let [least, median, most] = [0, TRIALS / 2, TRIALS - 1].map(|place| rates[place]);
                println!(
                    "  {workers} workers, {check:?}, latency {latency}: {least:.1} / {median:.1} / \
                     {most:.1} Mpps, {:.1} ns a frame, gap {gap:?}",
                    1e3 * workers as f64 / most
                );
                let accounts = test.finish().unwrap().accounts;
                assert!(check == Check::Nothing || accounts.is_clean(), "{accounts}");
            }
        }
    }
}
