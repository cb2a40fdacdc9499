//! Worker threads allocate nothing for a frame: not for one of an established flow, not for one that
//! is denied, and in steady state not for the first of a flow. Counted on the workers themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_endpoints::generator::{Fresh, Pattern, Sizes, Traffic};
use ringfence_frame::{Family, Protocol};
use ringfence_load::{BenchWorld, Fate, LaneWish, WorldShape};
use ringfence_measure::counting::{self, Counting};
use ringfence_runtime::live::{LiveOptions, LoadOptions, LoadTest, Until};
use ringfence_switch::{Controller, Layout};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WORKERS: usize = 2;
const FRAMES: u64 = 60_000;
/// What telling a worker something, and its answer, may take.
const TALK_MAX: u64 = 8;

/// Runs `pattern` over flows of each fate and kind, twice: what grows to its size in the first run
/// does not in the second.
fn check(what: &str, pattern: Pattern) {
    let shape = WorldShape { interfaces: 60, groups: 4, rules: 40, ..WorldShape::default() };
    let world = BenchWorld::new(&WorldShape { sessions_max: 200_000, ..shape }, 3);
    let mut flows = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        for protocol in [Protocol::UDP, Protocol::TCP] {
            let wish = LaneWish { lanes: 40, family, protocol, ..LaneWish::default() };
            let mut lanes = world.lanes(&LaneWish { replies: true, ..wish }, 5).unwrap();
            let fresh = lanes.split_off(lanes.len() / 2);
            flows.extend(lanes.flows(500));
            flows.extend(fresh.fresh().take(1));
            for fate in [Fate::DeniedOutbound, Fate::DeniedInbound, Fate::Unreachable] {
                let denied = LaneWish { fate, ..wish };
                flows.extend(world.lanes(&denied, 5).unwrap().flows(50));
            }
        }
    }
    let layout = Layout { workers_max: WORKERS, numbered: false, ..Layout::default() };
    let controller = Controller::new(world.fabric.clone(), layout);
    let queue_of = |port: u32| port as usize % WORKERS;
    let traffic = Traffic::new(flows, WORKERS, queue_of, &pattern, 1).unwrap();
    let live = LiveOptions { huge_pages: false, ..LiveOptions::default() };
    let options = LoadOptions { workers: WORKERS, live, ..LoadOptions::default() };
    let mut test = LoadTest::start(controller, traffic, &options).unwrap();
    test.open().unwrap();
    test.answer().unwrap();
    test.run(Until::Frames(FRAMES), None).unwrap();
    let before = test.live().on_each(|_| counting::thread()).unwrap();
    test.run(Until::Frames(FRAMES), None).unwrap();
    let after = test.live().on_each(|_| counting::thread()).unwrap();
    for (before, after) in before.into_iter().zip(after) {
        let made = (after - before).allocations;
        assert!(made <= TALK_MAX, "{what}: {made} allocations in {} frames", FRAMES / 2);
    }
    let accounts = test.finish().unwrap().accounts;
    assert!(accounts.is_clean(), "{what}: {accounts} {:?}", accounts.findings);
}

#[test]
fn no_frame_makes_a_worker_allocate() {
    let established = Pattern { sizes: Sizes::Imix, reply_share: 0.5, ..Pattern::default() };
    check("established", established);
    check("denied", Pattern { denied_share: 1.0, ..Pattern::default() });
    check("new", Pattern { fresh: Fresh::Share(0.2), ..established });
}
