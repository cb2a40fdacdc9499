//! A scenario's generators as the load of a load test: its topology and rules as they are at the
//! start, one flow for each source port or target of each generator, each with the reference's
//! answer.
//!
//! Frames are divided among generators as their rates say, and among a generator's flows by their
//! popularity; a sweep's targets come in no order. Frames of all lengths come in the shares that the
//! generators give them, whichever flow they are of. A flood that can reach the limit of half-open
//! sessions has reached it from the start, and such sessions do not time out. Start, duration, links
//! and changes of the scenario are those of a simulated run and say nothing here.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use ringfence_cloud::{Origin, Place};
use ringfence_endpoints::generator::{Expected, FlowSpec, Fresh, Pattern, Popularity, Sizes};
use ringfence_frame::{Family, Protocol, Tuple};
use ringfence_load::{BenchWorld, reason};
use ringfence_switch::{Because, Stage};

use crate::model::{Scenario, Traffic};
use crate::probe::{ProbeError, Resolved, resolve};

/// The load of a scenario.
#[derive(Debug)]
pub struct ScenarioLoad {
    /// Its topology and rules, with the ports numbered.
    pub world: BenchWorld,
    /// Its flows, each with its frames a second; 0 where it is only to be opened.
    pub flows: Vec<(FlowSpec, f64)>,
    /// Frame lengths, shares of denied frames and of new flows; no rate.
    pub pattern: Pattern,
    /// Flows that live at the same time.
    pub live_flows: usize,
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
    /// New flows of which each may have another answer.
    #[error(
        "{0}: rules at one end look at source ports, so that new flows have no answer in common"
    )]
    SourcePorts(Origin),
}

/// First source port, as in the simulated world.
const SOURCE_PORT_MIN: u16 = 20_000;
/// First one that new flows have, how many they have, and those with which a flood uses up its limit.
const NEW_PORT_MIN: u16 = 32_768;
const NEW_PORTS: usize = 32_768;
const FILLING_PORTS: std::ops::Range<u16> = 1_024..NEW_PORT_MIN;
/// Half-open sessions that a flood is at the limit of last longer than any load test.
const FLOOD_LASTS: Duration = Duration::from_secs(100_000);
/// Frame lengths of the mix.
const LENGTHS: usize = 12;
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
        longest: scenario.traffic.iter().flat_map(|it| &it.frame_lens).copied().max().unwrap_or(0),
        source_ports_end: match scenario.traffic.iter().any(|it| it.new_flows > 0) {
            true => NEW_PORT_MIN - 1,
            false => u16::MAX,
        },
        flows: Vec::new(),
        taken: HashSet::new(),
        taken_by_new: HashSet::new(),
        live: BTreeMap::new(),
        half_open: BTreeMap::new(),
        live_in_all: 0,
    };
    scenario.traffic.iter().try_for_each(|traffic| making.add_flows(traffic))?;
    // what fills a limit comes when all others have their sessions
    scenario.traffic.iter().try_for_each(|traffic| making.add_new_flows(traffic))?;
    let rate: u64 = scenario.traffic.iter().map(|traffic| traffic.rate).sum();
    let share = |is_meant: fn(&FlowSpec) -> bool| {
        let meant = making.flows.iter().filter(|(flow, _)| is_meant(flow));
        meant.map(|(_, frames)| frames).sum::<f64>() / (rate as f64).max(1.0)
    };
    let pattern = Pattern {
        sizes: sizes(&scenario.traffic),
        denied_share: share(|flow| !flow.fresh && !is_delivered(flow)),
        fresh: match share(|flow| flow.fresh) {
            fresh if fresh > 0.0 => Fresh::Share(fresh),
            _ => Fresh::None,
        },
        ..Pattern::default()
    };
    let generators = scenario.traffic.len();
    let Making { world, flows, live_in_all: live_flows, .. } = making;
    Ok(ScenarioLoad { world, flows, pattern, live_flows, rate, generators })
}

/// The lengths of all frames, in the shares that the generators give them, as near as the mix of a
/// load test can be.
fn sizes(traffic: &[Traffic]) -> Sizes {
    let mut lens: Vec<(usize, f64)> = traffic
        .iter()
        .flat_map(|traffic| {
            let frames = traffic.rate as f64 / traffic.frame_lens.len().max(1) as f64;
            traffic.frame_lens.iter().map(move |len| (len + FCS_LEN, frames))
        })
        .collect();
    lens.sort_by_key(|&(len, _)| len);
    let all: f64 = lens.iter().map(|(_, frames)| frames).sum();
    let at = |place: usize| {
        let mut left = (place as f64 + 0.5) / LENGTHS as f64 * all;
        let found = lens.iter().find(|(_, frames)| {
            left -= frames;
            left <= 0.0
        });
        found.or(lens.last()).map_or(0, |&(len, _)| len)
    };
    let mixed: [usize; LENGTHS] = std::array::from_fn(at);
    match mixed.iter().all(|&len| len == mixed[0]) {
        true => Sizes::Fixed(mixed[0]),
        false => Sizes::OneOf(mixed.map(|len| u16::try_from(len).unwrap_or(u16::MAX))),
    }
}

fn is_delivered(flow: &FlowSpec) -> bool {
    matches!(flow.expected, Expected::Delivered(_))
}

/// Makes flows that never meet.
struct Making {
    world: BenchWorld,
    /// The longest frame.
    longest: usize,
    /// The last source port that flows have: new ones have those behind it.
    source_ports_end: u16,
    flows: Vec<(FlowSpec, f64)>,
    /// Packets as they are sent, and as replies to them would be.
    taken: HashSet<(u32, Tuple)>,
    /// The same of new flows, whatever their source port.
    taken_by_new: HashSet<(u32, Tuple)>,
    /// Flows that have a session at an interface, and those that stay half open.
    live: BTreeMap<u32, usize>,
    half_open: BTreeMap<u32, usize>,
    live_in_all: usize,
}

impl Making {
    fn packet(&self, traffic: &Traffic) -> Result<Resolved, LoadTestError> {
        resolve(&self.world.fabric.world, &traffic.probe)
            .map_err(|error| LoadTestError::Probe(traffic.origin.clone(), error))
    }

    /// The targets of a generator, a single one if it does not sweep.
    fn targets(traffic: &Traffic, first: Tuple) -> impl Iterator<Item = Tuple> {
        let sweep = traffic.sweep;
        (0..sweep.targets()).map(move |number| {
            let (target, target_port) = sweep.target((first.target, first.target_port), number);
            Tuple { target, target_port, ..first }
        })
    }

    /// Flows that are there from the start.
    fn add_flows(&mut self, traffic: &Traffic) -> Result<(), LoadTestError> {
        let packet = self.packet(traffic)?;
        let frames = traffic.rate.saturating_sub(traffic.new_flows) as f64;
        if frames <= 0.0 {
            return Ok(());
        }
        let exponent = match traffic.popularity {
            Popularity::Zipf(exponent) => exponent,
            Popularity::Uniform | Popularity::InTurn => 0.0,
        };
        let weight = |rank: u16| f64::from(rank).powf(-exponent);
        let weights: f64 = (1..=traffic.flows).map(weight).sum::<f64>();
        let targets = traffic.sweep.targets() as f64;
        for target in Making::targets(traffic, packet.tuple) {
            let mut rank = 1;
            for source_port in SOURCE_PORT_MIN..=self.source_ports_end {
                if rank > traffic.flows {
                    break;
                }
                let flow = self.world.flow(packet.port, Tuple { source_port, ..target });
                if self.take(&flow) {
                    self.check(traffic, &flow, 1)?;
                    self.flows.push((flow, frames / targets * weight(rank) / weights));
                    rank += 1;
                }
            }
            if rank <= traffic.flows {
                let left = u32::from(traffic.flows - rank + 1);
                return Err(LoadTestError::NoPorts(traffic.origin.clone(), left));
            }
        }
        Ok(())
    }

    /// New flows, which go on for ever: one for each source port that new flows have.
    fn add_new_flows(&mut self, traffic: &Traffic) -> Result<(), LoadTestError> {
        if traffic.new_flows == 0 {
            return Ok(());
        }
        let packet = self.packet(traffic)?;
        let tuple = Tuple { source_port: NEW_PORT_MIN, ..packet.tuple };
        let mut flow = self.world.flow(packet.port, tuple);
        flow.fresh = true;
        let ends = self.ends(&flow);
        if ends.iter().any(|&port| self.world.looks_at_source_port(self.world.ports.place(port))) {
            return Err(LoadTestError::SourcePorts(traffic.origin.clone()));
        }
        if !self.taken_by_new.insert((flow.port, tuple)) {
            return Err(LoadTestError::NoPorts(traffic.origin.clone(), 1));
        }
        if let Some((room, stage)) = self.half_open_room(&flow).filter(|(it, _)| *it < NEW_PORTS) {
            self.fill(traffic, packet, room)?;
            flow.expected = Expected::Dropped(reason(stage, Because::HalfOpenLimit));
            for timeouts in &mut self.world.fabric.timeouts {
                timeouts.tcp_opening = FLOOD_LASTS;
            }
        }
        self.check(traffic, &flow, NEW_PORTS)?;
        self.flows.push((flow, traffic.new_flows as f64));
        Ok(())
    }

    /// How many more flows may stay half open, and who says so; for TCP that is let through.
    fn half_open_room(&self, flow: &FlowSpec) -> Option<(usize, Stage)> {
        let Expected::Delivered(arriving) = &flow.expected else { return None };
        let most = self.world.fabric.options.limits.half_open_per_interface_max;
        let room = |port: u32, stage: Stage| {
            let is_limited = matches!(self.world.ports.place(port), Place::Interface(_));
            let taken = self.half_open.get(&port).copied().unwrap_or_default();
            is_limited.then_some((most.saturating_sub(taken), stage))
        };
        let sides = [room(flow.port, Stage::Outbound), room(arriving.port, Stage::Inbound)];
        let is_tcp = flow.headers.tuple.protocol == Protocol::TCP;
        // the sender's is asked first, and is said where both have none left
        sides.into_iter().flatten().filter(|_| is_tcp).min_by_key(|(room, _)| *room)
    }

    /// Flows that use up what is left of a limit, and send nothing but their first packet.
    fn fill(
        &mut self,
        traffic: &Traffic,
        packet: Resolved,
        room: usize,
    ) -> Result<(), LoadTestError> {
        let mut left = room;
        for source_port in FILLING_PORTS {
            if left == 0 {
                break;
            }
            let flow = self.world.flow(packet.port, Tuple { source_port, ..packet.tuple });
            if self.take(&flow) {
                self.check(traffic, &flow, 1)?;
                self.flows.push((flow, 0.0));
                left -= 1;
            }
        }
        match u32::try_from(left) {
            Ok(0) => Ok(()),
            left => Err(LoadTestError::NoPorts(traffic.origin.clone(), left.unwrap_or(u32::MAX))),
        }
    }

    /// The ports that a flow passes.
    fn ends(&self, flow: &FlowSpec) -> Vec<u32> {
        match &flow.expected {
            Expected::Delivered(arriving) => vec![flow.port, arriving.port],
            Expected::Dropped(_) => {
                let Tuple { source, target, .. } = flow.headers.tuple;
                let from = self.world.ports.place(flow.port);
                let located = self.world.fabric.world.locate(from, source, target);
                let to = located.ok().map(|route| self.world.port(route.to));
                std::iter::once(flow.port).chain(to).collect()
            }
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

    /// That what is to be delivered can be, by length and by number: so many flows like this one.
    fn check(
        &mut self,
        traffic: &Traffic,
        flow: &FlowSpec,
        flows: usize,
    ) -> Result<(), LoadTestError> {
        let least = match flow.headers.tuple.family() {
            Family::Ipv4 => 60,
            Family::Ipv6 => 80,
        };
        let frame_len = self.longest.max(least);
        for port in self.ends(flow) {
            let mtu = mtu(&self.world, self.world.ports.place(port));
            if frame_len > ETHERNET_LEN + mtu {
                return Err(LoadTestError::TooLong(traffic.origin.clone(), frame_len, mtu));
            }
        }
        let Expected::Delivered(arriving) = &flow.expected else { return Ok(()) };
        let limits = &self.world.fabric.options.limits;
        self.live_in_all += flows;
        // nobody answers, so that TCP stays half open
        let stays_half_open = flow.headers.tuple.protocol == Protocol::TCP;
        // a flow between two interfaces has a session at each
        let sides = limits.sessions_max / 2;
        for port in [flow.port, arriving.port] {
            let place = self.world.ports.place(port);
            let is_limited = usize::from(matches!(place, Place::Interface(_)));
            let live = self.live.entry(port).or_default();
            *live += flows * is_limited;
            let half_open = self.half_open.entry(port).or_default();
            *half_open += flows * is_limited * usize::from(stays_half_open);
            let counts = [
                (self.live_in_all, sides),
                (*half_open, limits.half_open_per_interface_max),
                (*live, limits.sessions_per_interface_max),
            ];
            if let Some((count, most)) = counts.into_iter().find(|(count, most)| count > most) {
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
