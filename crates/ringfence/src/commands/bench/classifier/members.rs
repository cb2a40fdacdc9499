//! What a change of membership takes: a controller of the set's own world is told of it, as it would be
//! of any other.

use std::time::Duration;

use ringfence_cloud::{GroupIndex, InterfaceIndex};
use ringfence_load::rules::RuleSet;
use ringfence_measure::{Clock, Sample};
use ringfence_switch::{Change, Controller, Fabric, Layout, SwitchOptions};

use crate::commands::bench::layout;

/// Times that somebody leaves and comes back.
const ROUNDS: usize = 100;
/// Nothing is sent.
const FLOWS_MAX: usize = 1 << 10;

/// Microseconds of the controller's work for each change: the interface that the rules guard leaves all
/// of its groups and has them again, and so do members of the groups that rules name. The first round is
/// not counted: sets that nobody had before are compiled in it.
pub(super) fn change(clock: &Clock, set: &RuleSet) -> Option<Sample> {
    let mut controller = controller(set);
    let interfaces = &set.world.interfaces;
    let mut times = Vec::new();
    for round in 0..=ROUNDS {
        // one of the others in turn, far from the one before
        let others = interfaces.len() - 1;
        let other = (others > 0).then(|| 1 + round.wrapping_mul(7_919) % others);
        for place in std::iter::once(0).chain(other) {
            for groups in [Vec::new(), interfaces[place].groups.clone()] {
                let took = apply(clock, &mut controller, place, groups);
                if round > 0 {
                    times.push(took.as_nanos() as f64 / 1e3);
                }
            }
        }
    }
    Sample::new(times)
}

fn apply(
    clock: &Clock,
    controller: &mut Controller,
    place: usize,
    groups: Vec<GroupIndex>,
) -> Duration {
    let interface = InterfaceIndex(u32::try_from(place).expect("fewer interfaces than 2^32"));
    let change = Change::Members(interface, groups);
    let start = clock.now();
    controller.apply(change);
    Duration::from_nanos(clock.ns(start, clock.now()))
}

fn controller(set: &RuleSet) -> Controller {
    let timeouts = set.world.interfaces.iter().map(|_| Default::default()).collect();
    let fabric = Fabric {
        world: set.world.clone(),
        policies: set.policies.clone(),
        timeouts,
        options: SwitchOptions::default(),
    };
    let layout = Layout { huge_pages: false, ..layout(1, FLOWS_MAX, 0) };
    Controller::new(fabric, layout)
}
