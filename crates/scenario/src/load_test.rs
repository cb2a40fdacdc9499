//! A scenario's generators as the load of a load test: its topology and rules as they are at the
//! start, one flow for each source port of each generator, each with the reference's answer.
//!
//! A load test has one pattern for all its frames. Rates say how many of them are denied, and within
//! the allowed ones (and within the denied ones) all flows are alike, whichever generator they are
//! of; frames are as long as they are on average. Start, duration, links and changes of the scenario
//! are those of a simulated run and say nothing here.

use std::collections::{BTreeMap, HashSet};

use ringfence_cloud::{Origin, Place};
use ringfence_endpoints::generator::{Expected, FlowSpec, Pattern, Sizes};
use ringfence_frame::{Family, Protocol, Tuple};
use ringfence_load::BenchWorld;

use crate::model::{Scenario, Traffic};
use crate::probe::{ProbeError, resolve};

/// The load of a scenario.
#[derive(Debug)]
pub struct ScenarioLoad {
    /// Its topology and rules, with the ports numbered.
    pub world: BenchWorld,
    /// Its flows, those of each generator in a row.
    pub flows: Vec<FlowSpec>,
    /// Frame length and share of denied frames; no rate and no fresh flows.
    pub pattern: Pattern,
    /// Frames a second of all generators together, as the scenario has them.
    pub rate: u64,
    /// How many generators there are.
    pub generators: usize,
}

/// Why a scenario is no load. Where it was said is part of each.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadTestError {
    /// Nobody sends.
    #[error(
        "{0}: nothing to send: the scenario has no `traffic`; a load test takes its flows from there"
    )]
    NoTraffic(String),
    /// A generator that means nothing in this world.
    #[error("{0}: {1}")]
    Probe(Origin, ProbeError),
    /// Frames that a link on the way does not carry.
    #[error("{0}: frames of {1} bytes do not fit the MTU of {2} bytes on the way")]
    TooLong(Origin, usize, usize),
    /// Generators that use up each other's source ports.
    #[error("{0}: no source ports are left for {1} more flows of these ends")]
    NoPorts(Origin, u32),
    /// More flows than sessions.
    #[error(
        "{0}: {1} flows at `{2}` are more than the {3} sessions that the scenario's `limits` allow it"
    )]
    TooManyFlows(Origin, usize, String, usize),
}

/// First source port, as in the simulated world.
const SOURCE_PORT_MIN: u16 = 20_000;
/// Ethernet header.
const ETHERNET_LEN: usize = 14;
/// The FCS, which is on the wire only.
const FCS_LEN: usize = 4;

/// The load of a scenario's generators.
///
/// # Errors
/// Why there is none: no generator, or one that the load test cannot send.
pub fn load_test(scenario: &Scenario) -> Result<ScenarioLoad, LoadTestError> {
    if scenario.traffic.is_empty() {
        return Err(LoadTestError::NoTraffic(scenario.source.name.to_string()));
    }
    let mut making = Making {
        world: BenchWorld::of(scenario.fabric.clone()),
        taken: HashSet::new(),
        live: BTreeMap::new(),
        live_in_all: 0,
    };
    let (mut flows, mut denied, mut bytes, mut rate) = (Vec::new(), 0, 0, 0);
    for traffic in &scenario.traffic {
        let first = flows.len();
        making.add(traffic, &mut flows)?;
        let all = (flows.len() - first).max(1);
        let dropped = flows[first..].iter().filter(|flow| !is_delivered(flow)).count();
        let frames = u128::from(traffic.rate);
        rate += traffic.rate;
        denied += frames * dropped as u128 / all as u128;
        bytes += frames * (traffic.frame_len + FCS_LEN) as u128;
    }
    let all = u128::from(rate).max(1);
    let pattern = Pattern {
        sizes: Sizes::Fixed(usize::try_from(bytes / all).unwrap_or(usize::MAX)),
        denied_share: denied as f64 / all as f64,
        ..Pattern::default()
    };
    let generators = scenario.traffic.len();
    Ok(ScenarioLoad { world: making.world, flows, pattern, rate, generators })
}

fn is_delivered(flow: &FlowSpec) -> bool {
    matches!(flow.expected, Expected::Delivered(_))
}

/// Makes flows that never meet.
struct Making {
    world: BenchWorld,
    /// Packets as they are sent, and as replies to them would be.
    taken: HashSet<(u32, Tuple)>,
    /// Flows that have a session at an interface.
    live: BTreeMap<u32, usize>,
    live_in_all: usize,
}

impl Making {
    fn add(&mut self, traffic: &Traffic, flows: &mut Vec<FlowSpec>) -> Result<(), LoadTestError> {
        let origin = || traffic.origin.clone();
        let packet = resolve(&self.world.fabric.world, &traffic.probe)
            .map_err(|error| LoadTestError::Probe(origin(), error))?;
        let mut left = u32::from(traffic.flows);
        for source_port in SOURCE_PORT_MIN..=u16::MAX {
            if left == 0 {
                break;
            }
            let flow = self.world.flow(packet.port, Tuple { source_port, ..packet.tuple });
            if self.take(&flow) {
                self.check(traffic, &flow)?;
                flows.push(flow);
                left -= 1;
            }
        }
        match left {
            0 => Ok(()),
            _ => Err(LoadTestError::NoPorts(origin(), left)),
        }
    }

    /// Whether no other flow has its packets, either way round.
    fn take(&mut self, flow: &FlowSpec) -> bool {
        let sent = (flow.port, flow.headers.tuple);
        let back = match &flow.expected {
            Expected::Delivered(to) => Some((to.port, to.headers.tuple.reversed())),
            Expected::Dropped(_) => None,
        };
        let free = !self.taken.contains(&sent) && back.is_none_or(|it| !self.taken.contains(&it));
        if free {
            self.taken.extend(std::iter::once(sent).chain(back));
        }
        free
    }

    /// That what is to be delivered can be: by length and by number.
    fn check(&mut self, traffic: &Traffic, flow: &FlowSpec) -> Result<(), LoadTestError> {
        let Expected::Delivered(arriving) = &flow.expected else { return Ok(()) };
        let least = match flow.headers.tuple.family() {
            Family::Ipv4 => 60,
            Family::Ipv6 => 80,
        };
        let frame_len = traffic.frame_len.max(least);
        let limits = &self.world.fabric.options.limits;
        self.live_in_all += 1;
        for port in [flow.port, arriving.port] {
            let place = self.world.ports.place(port);
            let mtu = mtu(&self.world, place);
            if frame_len > ETHERNET_LEN + mtu {
                return Err(LoadTestError::TooLong(traffic.origin.clone(), frame_len, mtu));
            }
            let live = self.live.entry(port).or_default();
            *live += usize::from(matches!(place, Place::Interface(_)));
            // a flow between two interfaces has a session at each
            let sides = limits.sessions_max / 2;
            // nobody answers, so that TCP stays half open
            let most = match flow.headers.tuple.protocol {
                Protocol::TCP => limits.half_open_per_interface_max,
                _ => usize::MAX,
            };
            let most = most.min(limits.sessions_per_interface_max);
            let (count, most) = match self.live_in_all > sides {
                true => (self.live_in_all, sides),
                false => (*live, most),
            };
            if count > most {
                let name = self.world.fabric.world.place_name(place);
                return Err(LoadTestError::TooManyFlows(traffic.origin.clone(), count, name, most));
            }
        }
        Ok(())
    }
}

fn mtu(world: &BenchWorld, place: Place) -> usize {
    let world = &world.fabric.world;
    match place {
        Place::Interface(index) => world.interface(index).mtu,
        Place::Outside(index) => world.outside[index.as_usize()].mtu,
        Place::Edge(_) => usize::MAX,
    }
}
