//! Who sends in a run: the scenario's guests, and one at each edge from which somebody without a name
//! does.

use ringfence_cloud::Place;
use ringfence_endpoints::GuestConfig;

use super::schedule::Plan;
use crate::Scenario;
use crate::guests::{alone, guest, guests};

/// The guests of a run, in port order. `seed` is the run's.
pub(super) fn guests_of_a_run(
    scenario: &Scenario,
    plan: &Plan,
    seed: u64,
) -> Vec<(Place, GuestConfig)> {
    let world = &scenario.fabric.world;
    let mut guests = guests(scenario, seed);
    for (_, flow) in plan {
        let Ok(flow) = flow else { continue };
        let (place, source) = (flow.packet.port, flow.packet.tuple.source);
        let position = guests.iter().position(|(other, _)| *other == place);
        let position = position.unwrap_or_else(|| {
            guests.push((place, guest(world, place, &[], seed)));
            guests.len() - 1
        });
        let addresses = &mut guests[position].1.addresses;
        if addresses.iter().all(|it| it.address != source) {
            addresses.push(alone(source));
        }
    }
    guests.sort_by_key(|&(place, _)| place);
    guests
}
