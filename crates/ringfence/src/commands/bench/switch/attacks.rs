//! What attackers send: SYN floods and sweeps. Owns how large they are.

use std::time::Duration;

use ringfence_cloud::InterfaceIndex;
use ringfence_endpoints::generator::{Expected, FlowSpec, Pattern, Popularity};
use ringfence_frame::{Family, Protocol};
use ringfence_load::{BenchWorld, FloodWish, LaneWish};

use crate::commands::bench::failed;
use crate::outcome::Failure;

/// Half-open sessions that each interface may have.
pub(super) const HALF_OPEN_MAX: usize = 10_000;
/// Frames that are the flood's.
pub(super) const FLOOD_SHARE: f64 = 0.9;
/// Addresses and ports that one interface sweeps: twice as many addresses as have an owner.
const SWEPT_ADDRESSES: u32 = 128;
const SWEPT_PORTS: u16 = 256;
/// What one interface sweeps.
pub(super) const SWEPT: usize = SWEPT_ADDRESSES as usize * SWEPT_PORTS as usize;
/// Senders and ports of a flood, and of what is established beside it.
const LANES: usize = 32;
/// Established flows, at the flooded interface and elsewhere.
const ESTABLISHED: usize = 1_000;

/// Gives each interface its limit, and lets what is half-open stay so however slow the machine is.
pub(super) fn limit(world: &mut BenchWorld) {
    world.fabric.options.limits.half_open_per_interface_max = HALF_OPEN_MAX;
    for timeouts in &mut world.fabric.timeouts {
        timeouts.tcp_opening = Duration::from_secs(3_600);
    }
}

/// A flood at one interface of each worker, and flows beside it.
pub(super) fn flood(
    world: &BenchWorld,
    family: Family,
    workers: usize,
    seed: u64,
) -> Result<Vec<FlowSpec>, Failure> {
    let worker_of = |port: u32| port as usize % workers;
    let mut all = Vec::new();
    for (worker, to) in (0..workers).zip((0..).map(InterfaceIndex)) {
        let is_beside = |from: u32| from as usize >= workers && worker_of(from) == worker;
        let wish = FloodWish { to, family, lanes: LANES, half_open: HALF_OPEN_MAX };
        let flood = world.syn_flood(&wish, seed, is_beside).map_err(failed)?;
        all.extend(flood.filling);
        all.extend(flood.flooding);
        // established flows at the flooded interface, and at none that is flooded
        for to in [Some(to), None] {
            let wish = LaneWish { lanes: LANES, family, replies: true, to, ..LaneWish::default() };
            let is_meant =
                |from: u32, receiver: u32| is_beside(from) && (to.is_some() || is_beside(receiver));
            let lanes = world.lanes_between(&wish, seed, is_meant).map_err(failed)?;
            all.extend(lanes.flows(ESTABLISHED));
        }
    }
    Ok(all)
}

/// A sweep of TCP by one interface of each worker.
pub(super) fn sweep(world: &BenchWorld, family: Family, workers: usize) -> Vec<FlowSpec> {
    let from = (0..).map(InterfaceIndex).take(workers);
    from.flat_map(|from| {
        world.sweep(from, (family, Protocol::TCP), SWEPT_ADDRESSES, 1..=SWEPT_PORTS)
    })
    .collect()
}

/// One after the other, the dropped ones in their share.
pub(super) fn sweeping(flows: &[FlowSpec]) -> Pattern {
    let dropped = flows.iter().filter(|flow| matches!(flow.expected, Expected::Dropped(_)));
    Pattern {
        popularity: Popularity::InTurn,
        denied_share: dropped.count() as f64 / flows.len().max(1) as f64,
        ..Pattern::default()
    }
}
