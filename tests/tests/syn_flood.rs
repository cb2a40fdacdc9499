//! A SYN flood at an interface that has as many half-open sessions as it may: two workers lose no frame
//! of an established flow, there or elsewhere, open new flows at other interfaces, and nothing
//! grows. Each frame of the flood is dropped for this limit. (That a port's share of a batch is
//! bounded, so that a flood leaves others theirs, is shown in `ringfence-runtime`.)

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use ringfence_cloud::InterfaceIndex;
use ringfence_endpoints::generator::{FlowSpec, Fresh, Pattern, Traffic};
use ringfence_frame::{Family, Protocol};
use ringfence_load::{BenchWorld, FloodWish, LaneWish, WorldShape, reason};
use ringfence_measure::counting::{self, Counting};
use ringfence_runtime::live::{LiveOptions, LoadOptions, LoadTest, Until};
use ringfence_switch::{Because, Controller, Layout, Stage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WORKERS: usize = 2;
const FRAMES: u64 = 40_000;
const HALF_OPEN_MAX: usize = 6_000;
/// Who is flooded: one interface of each worker.
const FLOODED: [u32; WORKERS] = [7, 8];
/// What telling a worker something, and its answer, may take.
const TALK_MAX: u64 = 8;

fn world() -> BenchWorld {
    let shape = WorldShape { interfaces: 60, groups: 4, rules: 40, ..WorldShape::default() };
    let mut world = BenchWorld::new(&WorldShape { sessions_max: 400_000, ..shape }, 3);
    // however slow the machine is, what is half-open stays so
    for timeouts in &mut world.fabric.timeouts {
        timeouts.tcp_opening = Duration::from_secs(3_600);
    }
    world.fabric.options.limits.sessions_per_interface_max = 100_000;
    world.fabric.options.limits.half_open_per_interface_max = HALF_OPEN_MAX;
    world
}

fn is_flooded(port: u32) -> bool {
    FLOODED.contains(&port)
}

/// The flows of one family: those that fill the flooded interfaces up to the limit when they open,
/// the flood itself, and flows that are no part of it.
fn flows(world: &BenchWorld, family: Family) -> Vec<FlowSpec> {
    let mut all = Vec::new();
    let base = LaneWish { lanes: 40, family, ..LaneWish::default() };
    for flooded in FLOODED {
        let to = InterfaceIndex(flooded);
        let wish = FloodWish { to, family, lanes: 16, half_open: HALF_OPEN_MAX / 2 };
        let flood = world.syn_flood(&wish, 5, |from| !is_flooded(from)).unwrap();
        all.extend(flood.filling);
        all.extend(flood.flooding);
        // established at the flooded interface itself
        let wish = LaneWish { to: Some(to), lanes: 4, replies: true, ..base };
        all.extend(world.lanes(&wish, 5).unwrap().flows(100));
    }
    for protocol in [Protocol::TCP, Protocol::UDP] {
        let wish = LaneWish { protocol, replies: true, ..base };
        let elsewhere = |from, to| !is_flooded(from) && !is_flooded(to);
        let mut lanes = world.lanes_between(&wish, 5, elsewhere).unwrap();
        let fresh = lanes.split_off(lanes.len() / 2);
        all.extend(lanes.flows(300));
        all.extend(fresh.fresh().take(1));
    }
    all
}

#[test]
fn a_flood_at_its_limit_harms_nobody_else() {
    let world = world();
    let flows: Vec<FlowSpec> =
        [Family::Ipv4, Family::Ipv6].into_iter().flat_map(|it| flows(&world, it)).collect();
    let pattern = Pattern { reply_share: 0.4, fresh: Fresh::Share(0.5), ..Pattern::default() };
    let queue_of = |port: u32| port as usize % WORKERS;
    let traffic = Traffic::new(flows, WORKERS, queue_of, &pattern, 1).unwrap();
    let layout = Layout { workers_max: WORKERS, numbered: false, ..Layout::default() };
    let controller = Controller::new(world.fabric.clone(), layout);
    let table = controller.plane().flows().clone();
    let live = LiveOptions { huge_pages: false, ..LiveOptions::default() };
    let options = LoadOptions { workers: WORKERS, live, ..LoadOptions::default() };
    let mut test = LoadTest::start(controller, traffic, &options).unwrap();
    test.open().unwrap();
    test.answer().unwrap();
    let mut opened = Vec::new();
    let mut made = Vec::new();
    for _ in 0..3 {
        let before = test.live().on_each(|_| counting::thread()).unwrap();
        test.run(Until::Frames(FRAMES), None).unwrap();
        let after = test.live().on_each(|_| counting::thread()).unwrap();
        made.push(before.into_iter().zip(after).map(|(a, b)| (b - a).allocations).max());
        for port in FLOODED {
            let (sessions, half_open) = table.usage(port);
            assert_eq!(half_open, HALF_OPEN_MAX, "of {sessions} sessions at interface {port}");
            assert_eq!(sessions, HALF_OPEN_MAX + 200, "the flood leaves nothing behind");
        }
        let counters = test.live().counters().unwrap();
        opened.push(counters.interfaces.values().map(|it| it.sessions_opened).sum::<u64>());
    }
    // what grows to its size in the first runs does not in the last
    assert!(made[2].unwrap() <= TALK_MAX, "{made:?} allocations");
    assert!(opened.is_sorted_by(|before, after| before + 1_000 < *after), "{opened:?} sessions");
    let end = test.finish().unwrap();
    let accounts = &end.accounts;
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
    let limited = reason(Stage::Inbound, Because::HalfOpenLimit);
    let flood = accounts.dropped.get(&limited).copied().unwrap_or_default();
    assert!(flood > FRAMES, "{flood} frames of the flood: {accounts}");
    assert_eq!(accounts.dropped.len(), 1, "{accounts}");
}
