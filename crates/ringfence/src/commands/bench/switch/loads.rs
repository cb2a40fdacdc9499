//! The loads that are measured: which flows, on how many workers, in which world.

use std::rc::Rc;

use ringfence_endpoints::generator::{FlowSpec, Fresh, Pattern, Sizes, Traffic};
use ringfence_frame::{Family, Protocol};
use ringfence_load::rules::RuleShape;
use ringfence_load::{BenchWorld, Fate, LaneWish, Lanes, WorldShape};
use ringfence_measure::Clock;
use ringfence_scenario::load_test::ScenarioLoad;
use ringfence_switch::Controller;

use super::attacks;
use super::rig::{Rig, Time, pattern};
use crate::cli::bench::{Families, SwitchArgs};
use crate::commands::bench::{failed, layout, scenario_load};
use crate::outcome::Failure;
use crate::output::Output;

/// Interfaces of the world, and rules in each group where the load is not about rules.
const INTERFACES: u32 = 64;
const RULES: u32 = 100;
const LANES: usize = 1_000;
/// Flows where a load is not about how many.
const FLOWS: usize = 100_000;
/// Flows at which TCP and crossing workers are measured as well.
const ALSO_AT: [usize; 2] = [10_000, 1_000_000];
/// New flows of one virtual millisecond: a million live for UDP's 30 s.
const NEW_FLOWS_PER_MS: u64 = 33;
const NEW_FLOWS_LIVE: usize = 1_000_000;

/// What a table is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Established,
    Crossing,
    New,
    NewClassBench,
    Denied,
    Mixed,
    Flood,
    Sweep,
    Scenario,
}

impl Kind {
    pub(super) const ALL: [Kind; 9] = [
        Kind::Established,
        Kind::Crossing,
        Kind::New,
        Kind::NewClassBench,
        Kind::Denied,
        Kind::Mixed,
        Kind::Flood,
        Kind::Sweep,
        Kind::Scenario,
    ];

    pub(super) fn id(self) -> &'static str {
        match self {
            Kind::Established => "established",
            Kind::Crossing => "crossing",
            Kind::New => "new",
            Kind::NewClassBench => "new-classbench",
            Kind::Denied => "denied",
            Kind::Mixed => "mixed",
            Kind::Flood => "flood",
            Kind::Sweep => "sweep",
            Kind::Scenario => "scenario",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Kind::Established => "Established flows, picked at random",
            Kind::Crossing => "Both directions of every flow at different workers",
            Kind::New => "New flows, both interfaces decided",
            Kind::NewClassBench => "New flows, ClassBench-like rules",
            Kind::Denied => "Frames that are denied",
            Kind::Mixed => "A mix: TCP and UDP, both families, IMIX, new flows, denied frames",
            Kind::Flood => "A SYN flood at one interface of each worker, its limit reached",
            Kind::Sweep => "A sweep: every address and port in turn, from one interface a worker",
            Kind::Scenario => "The scenario's traffic",
        }
    }
}

/// One load.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) flows: usize,
    pub(super) rules: u32,
    pub(super) workers: usize,
    family: Family,
    protocol: Protocol,
    fate: Fate,
    /// What a scenario has instead of a made world.
    given: Option<Rc<ScenarioLoad>>,
}

/// The loads that the arguments ask for.
pub(super) fn all(args: &SwitchArgs, output: &Output) -> Result<Vec<Load>, Failure> {
    match &args.scenario {
        Some(path) => {
            let (given, title) = scenario_load(path, output)?;
            of_scenario(&Rc::new(given), &title, &args.workers)
        }
        None => Ok(made(args)),
    }
}

/// A scenario's traffic on each number of workers, all of which have ports to poll.
fn of_scenario(
    given: &Rc<ScenarioLoad>,
    title: &str,
    workers: &[usize],
) -> Result<Vec<Load>, Failure> {
    let flows = &given.flows;
    let all_have_ports = |workers: usize| {
        (0..workers).all(|it| flows.iter().any(|(flow, _)| flow.port as usize % workers == it))
    };
    let is_ipv6 = |(flow, _): &(FlowSpec, f64)| flow.headers.tuple.family() == Family::Ipv6;
    let family = if flows.iter().any(is_ipv6) { Family::Ipv6 } else { Family::Ipv4 };
    let rules: usize =
        given.world.fabric.policies.groups.iter().map(|group| group.rules.len()).sum();
    let load = |workers: usize| Load {
        kind: Kind::Scenario,
        name: title.to_owned(),
        flows: given.live_flows,
        rules: u32::try_from(rules).unwrap_or(u32::MAX),
        given: Some(Rc::clone(given)),
        ..Load::established(family, Protocol::UDP, 0, workers)
    };
    let workers: Vec<usize> = workers.iter().copied().filter(|&it| all_have_ports(it)).collect();
    match workers.is_empty() {
        true => Err(Failure::Usage(
            "the scenario's generators send from too few ports for so many workers".to_owned(),
        )),
        false => Ok(workers.into_iter().map(load).collect()),
    }
}

fn made(args: &SwitchArgs) -> Vec<Load> {
    let families: &[Family] = match args.family {
        Families::V4 => &[Family::Ipv4],
        Families::V6 => &[Family::Ipv6],
        Families::Both => &[Family::Ipv4, Family::Ipv6],
    };
    let mut loads = Vec::new();
    for &family in families {
        for &flows in &args.flows {
            // one flow is one worker's
            for &workers in
                args.workers.iter().filter(|&&workers| flows >= 64 * workers || workers == 1)
            {
                let base = Load::established(family, Protocol::UDP, flows, workers);
                loads.push(base.clone());
                if ALSO_AT.contains(&flows) {
                    let tcp = Load::established(family, Protocol::TCP, flows, workers);
                    loads.push(tcp.clone());
                    if workers == 2 && family == Family::Ipv4 {
                        loads.extend([base, tcp].map(|load| Load { kind: Kind::Crossing, ..load }));
                    }
                }
            }
        }
    }
    for &workers in &args.workers {
        for &family in families {
            let base = Load::established(family, Protocol::UDP, FLOWS, workers);
            for rules in [100, 1_000, 10_000] {
                let flows = NEW_FLOWS_LIVE;
                loads.push(Load { kind: Kind::New, rules, flows, ..base.clone() });
                // ClassBench has no rules of IPv6
                if family == Family::Ipv4 {
                    let kind = Kind::NewClassBench;
                    loads.push(Load { kind, rules, flows, ..base.clone() });
                }
            }
            for (name, fate) in
                [("outbound", Fate::DeniedOutbound), ("inbound", Fate::DeniedInbound)]
            {
                let name = format!("{}, denied {name}", base.name);
                loads.push(Load { kind: Kind::Denied, name, fate, ..base.clone() });
            }
        }
        let mixed = Load::established(Family::Ipv4, Protocol::TCP, FLOWS, workers);
        loads.push(Load { kind: Kind::Mixed, name: "mix".to_owned(), ..mixed });
        for &family in families {
            let base = Load::established(family, Protocol::TCP, 0, workers);
            let flows = attacks::HALF_OPEN_MAX * workers;
            loads.push(Load { kind: Kind::Flood, flows, ..base.clone() });
            loads.push(Load { kind: Kind::Sweep, flows: attacks::SWEPT * workers, ..base });
        }
    }
    loads
}

impl Load {
    fn established(family: Family, protocol: Protocol, flows: usize, workers: usize) -> Load {
        let version = match family {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        };
        let over = if protocol == Protocol::TCP { "TCP" } else { "UDP" };
        Load {
            kind: Kind::Established,
            name: format!("{version}, {over}"),
            flows,
            rules: RULES,
            workers,
            family,
            protocol,
            fate: Fate::Allowed,
            given: None,
        }
    }

    pub(super) fn sentence(&self) -> String {
        let Load { kind, name, flows, rules, workers, .. } = self;
        format!("{}: {name}, flows: {flows}, rules: {rules}, workers: {workers}", kind.id())
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.family == Family::Ipv6
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == Protocol::TCP
    }

    /// Flows in the table while it is measured.
    pub(super) fn live_flows(&self) -> usize {
        match self.kind {
            Kind::Denied => 0,
            Kind::Established | Kind::Crossing | Kind::New | Kind::NewClassBench => self.flows,
            Kind::Mixed | Kind::Flood | Kind::Sweep | Kind::Scenario => self.flows,
        }
    }

    /// The switch with this load.
    pub(super) fn rig(&self, seed: u64, clock: &Clock) -> Result<Rig, Failure> {
        let workers = self.workers;
        let queue_of = move |port: u32| port as usize % workers;
        let (fabric, traffic) = match &self.given {
            Some(given) => {
                let flows = given.flows.iter().copied();
                let traffic = Traffic::weighted(flows, workers, queue_of, &given.pattern, seed);
                (given.world.fabric.clone(), traffic)
            }
            None => {
                let shape = WorldShape {
                    interfaces: INTERFACES,
                    rules: self.rules,
                    rule_shape: self.rule_shape(),
                    ..WorldShape::default()
                };
                let mut world = BenchWorld::new(&shape, seed);
                if self.kind == Kind::Flood {
                    attacks::limit(&mut world);
                }
                let flows = self.flow_specs(&world, seed)?;
                let pattern = self.pattern(&flows);
                (world.fabric, Traffic::new(flows, workers, queue_of, &pattern, seed))
            }
        };
        let traffic = traffic.map_err(failed)?;
        let (flows_max, time) = match self.kind {
            Kind::New | Kind::NewClassBench => {
                (2 * NEW_FLOWS_LIVE, Time::FramesPerMs(NEW_FLOWS_PER_MS / workers as u64))
            }
            Kind::Mixed => (4 * NEW_FLOWS_LIVE, Time::Real),
            Kind::Established
            | Kind::Crossing
            | Kind::Denied
            | Kind::Flood
            | Kind::Sweep
            | Kind::Scenario => {
                // four fifths full
                (self.flows.max(1 << 14) * 5 / 4, Time::Real)
            }
        };
        let layout = layout(workers, flows_max, seed);
        Rig::new(Controller::new(fabric, layout), traffic, time, clock)
    }

    fn rule_shape(&self) -> RuleShape {
        match self.kind {
            Kind::NewClassBench => RuleShape::Acl,
            _ => RuleShape::Groups,
        }
    }

    fn pattern(&self, flows: &[FlowSpec]) -> Pattern {
        match self.kind {
            Kind::Established | Kind::Crossing | Kind::Scenario => pattern(0.5),
            Kind::New | Kind::NewClassBench => {
                Pattern { fresh: Fresh::Share(1.0), ..Pattern::default() }
            }
            Kind::Denied => Pattern { denied_share: 1.0, ..Pattern::default() },
            Kind::Mixed => Pattern {
                sizes: Sizes::Imix,
                reply_share: 0.5,
                denied_share: 0.05,
                fresh: Fresh::Share(0.01),
                ..Pattern::default()
            },
            Kind::Flood => Pattern { fresh: Fresh::Share(attacks::FLOOD_SHARE), ..pattern(0.5) },
            Kind::Sweep => attacks::sweeping(flows),
        }
    }

    fn flow_specs(&self, world: &BenchWorld, seed: u64) -> Result<Vec<FlowSpec>, Failure> {
        let wish = LaneWish {
            lanes: LANES,
            family: self.family,
            protocol: self.protocol,
            fate: self.fate,
            replies: matches!(self.kind, Kind::Established | Kind::Crossing),
            ..LaneWish::default()
        };
        let lanes = |wish: &LaneWish| self.lanes(world, wish, seed);
        match self.kind {
            Kind::Established | Kind::Crossing | Kind::Denied | Kind::Scenario => {
                Ok(lanes(&wish)?.flows(self.flows).collect())
            }
            Kind::New | Kind::NewClassBench => Ok(lanes(&wish)?.fresh().collect()),
            Kind::Flood => attacks::flood(world, self.family, self.workers, seed),
            Kind::Sweep => Ok(attacks::sweep(world, self.family, self.workers)),
            Kind::Mixed => {
                let mut all = Vec::new();
                for family in [Family::Ipv4, Family::Ipv6] {
                    for protocol in [Protocol::TCP, Protocol::UDP] {
                        let wish = LaneWish { family, protocol, replies: true, ..wish };
                        let mut allowed = lanes(&wish)?;
                        let fresh = allowed.split_off(allowed.len() / 2);
                        all.extend(allowed.flows(self.flows / 4));
                        all.extend(fresh.fresh());
                        let denied = LaneWish { fate: Fate::DeniedInbound, replies: false, ..wish };
                        all.extend(lanes(&denied)?.flows(self.flows / 16));
                    }
                }
                Ok(all)
            }
        }
    }

    /// Lanes whose ends lie at one worker, or at two where directions are to cross.
    fn lanes<'a>(
        &self,
        world: &'a BenchWorld,
        wish: &LaneWish,
        seed: u64,
    ) -> Result<Lanes<'a>, Failure> {
        let workers = self.workers as u32;
        let crosses = self.kind == Kind::Crossing;
        let accept = move |from: u32, to: u32| (from % workers == to % workers) != crosses;
        world.lanes_between(wish, seed, accept).map_err(failed)
    }
}
