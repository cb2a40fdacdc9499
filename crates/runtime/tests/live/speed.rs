//! How fast frames get through worker threads; run by hand, in the release profile.

use std::time::Duration;

use ringfence_endpoints::generator::{Pattern, Stage, Traffic};
use ringfence_frame::batch::FrameBatch;
use ringfence_load::{BenchWorld, LaneWish, WorldShape};
use ringfence_runtime::live::{Check, LoadOptions, LoadTest, Until};
use ringfence_switch::{BATCH_MAX, Controller, Layout};

use super::world::{options, traffic};

const TRIALS: usize = 5;
const TRIAL: Duration = Duration::from_millis(300);

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

fn generator_alone(world: &BenchWorld, flows: usize) -> f64 {
    let (_, mut traffic) = load(world, flows, 1);
    let generator = &mut traffic.generators[0];
    generator.begin(Stage::Steady);
    let mut batch = FrameBatch::new(BATCH_MAX);
    let clock = ringfence_runtime::live::LiveClock::start();
    let mut best = f64::MAX;
    for _ in 0..20 {
        let begun = clock.now();
        for _ in 0..10_000 {
            batch.clear();
            generator.fill(&mut batch, begun.as_ns());
        }
        let took = clock.now().since(begun).as_secs_f64();
        best = best.min(took * 1e9 / (10_000.0 * BATCH_MAX as f64));
    }
    best
}

#[test]
#[ignore = "a measurement"]
fn frames_a_second() {
    let world = BenchWorld::new(&WorldShape::default(), 3);
    for flows in [1_000, 100_000, 1_000_000] {
        println!("{flows} flows: generator {:.1} ns", generator_alone(&world, flows));
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
