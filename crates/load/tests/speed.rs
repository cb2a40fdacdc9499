//! How long it takes to make loads. Not run by default:
//! `cargo test --release -p ringfence-load --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use ringfence_endpoints::generator::{Pattern, Traffic};
use ringfence_frame::{Family, Protocol};
use ringfence_load::{BenchWorld, LaneWish, WorldShape};

fn timed<T>(what: &str, make: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "it is a measurement")]
    let start = std::time::Instant::now();
    let made = make();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    made
}

fn measure(interfaces: u32, rules: u32, flows: usize, family: Family) {
    let shape = WorldShape { interfaces, rules, ..WorldShape::default() };
    println!("{interfaces} interfaces, {rules} rules in a group, {flows} flows");
    let world = timed("  world", || BenchWorld::new(&shape, 1));
    let wish = LaneWish { replies: true, family, protocol: Protocol::UDP, ..LaneWish::default() };
    let lanes = timed("  1,000 lanes", || world.lanes(&wish, 1).unwrap());
    let traffic = timed("  traffic", || {
        Traffic::new(lanes.flows(flows), 1, |_| 0, &Pattern::default(), 1).unwrap()
    });
    assert_eq!(traffic.generators[0].lines(), 2 * flows);
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    measure(1_000, 100, 1_000_000, Family::Ipv4);
    measure(1_000, 100, 1_000_000, Family::Ipv6);
    measure(1_000, 10_000, 100_000, Family::Ipv4);
    measure(100_000, 100, 100_000, Family::Ipv4);
}
