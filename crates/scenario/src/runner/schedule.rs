//! When each flow starts and under which source port, so that no two of a run meet.
//!
//! Owns the choice where the scenario leaves it open. A flow with ports (or an ICMP identifier)
//! gets one of its own, if the rules make no difference between the two; flows without wait until
//! the sessions of those before them are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringfence_cloud::Place;
use ringfence_frame::{Instant, Protocol, Tuple};
use ringfence_switch::Fabric;

use super::history::History;
use super::kept::idle_timeout;
use crate::answer::same_verdict;
use crate::paper;
use crate::probe::{Resolved, resolve};
use crate::{Expectation, Scenario};

/// Between two flows that start when the runner likes: enough for an exchange.
const STEP: Duration = Duration::from_millis(10);
/// Longer than a session whose last packet just came.
const MARGIN: Duration = Duration::from_secs(2);
/// Source ports that are tried beside the one that was asked for.
const PORTS_TRIED: u16 = 4_096;

/// A flow with its place in time.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// Which expectation.
    pub(super) expectation: usize,
    /// When it starts.
    pub(super) at: Instant,
    /// Its first packet.
    pub(super) packet: Resolved,
}

/// Flows by their expectation's place in the file, or why there is none.
pub(super) type Plan = Vec<(usize, Result<Flow, String>)>;

/// Plans the flows of the selected expectations, in file order.
pub(super) fn plan(scenario: &Scenario, history: &History, selected: &[usize]) -> Plan {
    let unplaced =
        selected.iter().filter(|&&index| scenario.expectations[index].at.is_none()).count();
    let step = match history.first_change() {
        Some(change) => {
            let flows = u32::try_from(unplaced).unwrap_or(u32::MAX).saturating_add(1);
            STEP.min(change.since(Instant::START) / flows)
        }
        None => STEP,
    };
    let mut planner = Planner { history, taken: BTreeMap::new(), guests: BTreeSet::new() };
    let mut next = Instant::START;
    let mut plan = Plan::new();
    for &index in selected {
        let expectation = &scenario.expectations[index];
        let at = expectation.at.unwrap_or(next);
        if expectation.at.is_none() {
            next += step;
        }
        plan.push((index, planner.place(index, expectation, at)));
    }
    plan
}

struct Planner<'a> {
    history: &'a History,
    /// Until when a key is in use, at the port where it comes in.
    taken: BTreeMap<(Place, Tuple), Instant>,
    /// Source ports in use at a guest.
    guests: BTreeSet<(Place, Protocol, u16)>,
}

impl Planner<'_> {
    fn place(
        &mut self,
        index: usize,
        expectation: &Expectation,
        at: Instant,
    ) -> Result<Flow, String> {
        let fabric = self.history.at(at).clone();
        let mut packet =
            resolve(&fabric.world, &expectation.probe).map_err(|error| error.to_string())?;
        let mut at = at;
        if has_a_choice(&packet) {
            packet = self.with_a_port_of_its_own(&fabric, packet);
            self.guests.insert((packet.port, packet.tuple.protocol, packet.tuple.source_port));
        }
        if expectation.at.is_none() {
            at = self.after_those_before(&fabric, &packet, at)?;
        }
        let until = expectation.session.map_or(at, |session| session.until.max(at));
        let free = until + longest_timeout(&fabric, packet.tuple.protocol) + MARGIN;
        for key in keys(&fabric, &packet) {
            let taken = self.taken.entry(key).or_insert(free);
            *taken = free.max(*taken);
        }
        Ok(Flow { expectation: index, at, packet })
    }

    /// The packet under the first source port from its own on that nobody uses; as it is if the
    /// rules tell them apart.
    fn with_a_port_of_its_own(&self, fabric: &Fabric, packet: Resolved) -> Resolved {
        let meant = paper::verdict(fabric, &packet);
        let ports = (0..PORTS_TRIED).filter_map(|add| packet.tuple.source_port.checked_add(add));
        for port in ports {
            let other = with_source_port(packet, port);
            let is_used = self.guests.contains(&(other.port, other.tuple.protocol, port))
                || keys(fabric, &other).any(|key| self.taken.contains_key(&key));
            if is_used {
                continue;
            }
            let mut verdict = paper::verdict(fabric, &other);
            verdict.tuple = meant.tuple;
            if same_verdict(&verdict, &meant) {
                return other;
            }
        }
        packet
    }

    /// The first moment from `at` on at which no flow of the same key is remembered.
    fn after_those_before(
        &self,
        fabric: &Fabric,
        packet: &Resolved,
        at: Instant,
    ) -> Result<Instant, String> {
        let free = keys(fabric, packet).filter_map(|key| self.taken.get(&key)).max();
        let Some(&free) = free else { return Ok(at) };
        let later = at.max(free);
        let then = self.history.at(later);
        match same_verdict(&paper::verdict(then, packet), &paper::verdict(fabric, packet)) {
            true => Ok(later),
            false => Err(format!(
                "a flow of the same addresses is remembered until {later}, and the rules have \
                 changed by then: say when this one starts (at)"
            )),
        }
    }
}

/// Whether another source port or identifier makes another flow of it.
fn has_a_choice(packet: &Resolved) -> bool {
    packet.tuple.protocol.has_ports() || packet.tuple.source_port != 0
}

fn with_source_port(packet: Resolved, port: u16) -> Resolved {
    let mut tuple = packet.tuple;
    // of an ICMP query both hold the identifier
    if !tuple.protocol.has_ports() {
        tuple.target_port = port;
    }
    Resolved { tuple: Tuple { source_port: port, ..tuple }, ..packet }
}

/// The keys under which a flow is known: its packets' where they come in, and its answers'.
fn keys(fabric: &Fabric, packet: &Resolved) -> impl Iterator<Item = (Place, Tuple)> + use<> {
    let route = paper::questions(&fabric.world, packet).route;
    let arrived = paper::as_it_arrives(&route, packet.tuple);
    let back = route.ok().map(|route| (route.to, arrived.reversed()));
    std::iter::once((packet.port, packet.tuple)).chain(back)
}

fn longest_timeout(fabric: &Fabric, protocol: Protocol) -> Duration {
    let all = fabric.timeouts.iter().map(|timeouts| idle_timeout(timeouts, protocol));
    all.max().unwrap_or_default()
}
