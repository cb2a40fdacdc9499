//! What is sent: a mix in a made world, or a scenario's traffic.

use std::time::Duration;

use ringfence_cloud::{InterfaceIndex, Place};
use ringfence_endpoints::generator::{Expected, FlowSpec, Pattern, Rate, Spacing, Traffic};
use ringfence_load::{BenchWorld, Fate, LaneWish, Question, WorldShape};
use ringfence_runtime::live::{Pace, PacedOptions, PacedTest};
use ringfence_switch::Controller;

use super::rows::{Group, Load};
use crate::cli::bench::LatencyArgs;
use crate::commands::bench::{failed, layout, scenario_load};
use crate::outcome::Failure;
use crate::output::Output;

/// Interfaces of established flows, and of new ones, whose sessions end soon.
const INTERFACES: u32 = 64;
const NEW_INTERFACES: u32 = 64;
const RULES: u32 = 100;
const FLOWS: usize = 10_000;
const DENIED_FLOWS: usize = 1_000;
const LANES: usize = 1_000;
/// Lanes of new flows: 32,768 source ports each, so that none comes again while it lives.
const NEW_LANES: usize = 256;
/// Shares of the frames that are denied, the first of a new flow, and questions for the fabric.
const DENIED_SHARE: f64 = 0.01;
const NEW_SHARE: f64 = 0.01;
const QUESTION_SHARE: f64 = 0.001;
/// New flows that end as fast as they begin: a million a second fill half of the table.
const NEW_FLOW_LIVES: Duration = Duration::from_secs(1);
pub(super) const FLOWS_MAX: usize = 2_000_000;
/// How long new flows come in before they are measured: until the first of them have ended.
pub(super) const FILLING: Duration = Duration::from_millis(1_200);
/// Established flows are never too old, however slow a load is.
const FLOW_LIVES: Duration = Duration::from_secs(100_000);
/// Fractions of the highest rate.
const FRACTIONS: [(f64, &str, &str); 3] =
    [(0.1, "10-percent", "10 %"), (0.5, "50-percent", "50 %"), (0.9, "90-percent", "90 %")];
/// New flows a second beside half of the highest rate.
const NEW_FLOWS: [u64; 3] = [0, 500_000, 1_000_000];

/// A world with its traffic.
pub(super) struct Subject {
    world: BenchWorld,
    flows: Vec<FlowSpec>,
    /// How often each flow is picked; none where the pattern says that.
    weights: Option<Vec<f64>>,
    pattern: Pattern,
    question: Option<Question>,
    flows_max: usize,
    seed: u64,
    /// Its title, if it is a scenario.
    pub(super) title: Option<String>,
}

impl Subject {
    /// What the arguments ask for.
    pub(super) fn new(args: &LatencyArgs, output: &Output) -> Result<Subject, Failure> {
        let seed = args.measure.seed;
        match &args.scenario {
            Some(path) => {
                let (mut load, title) = scenario_load(path, output)?;
                load.world.fabric.timeouts.iter_mut().for_each(|timeouts| {
                    timeouts.tcp_opening = FLOW_LIVES;
                    timeouts.tcp_established = FLOW_LIVES;
                    (timeouts.udp, timeouts.udp_stream) = (FLOW_LIVES, FLOW_LIVES);
                    timeouts.icmp = FLOW_LIVES;
                });
                let (flows, weights) = load.flows.into_iter().unzip();
                Ok(Subject {
                    flows_max: load.live_flows.max(1 << 14) * 5 / 4,
                    world: load.world,
                    flows,
                    weights: Some(weights),
                    pattern: load.pattern,
                    question: None,
                    seed,
                    title: Some(title),
                })
            }
            None => Subject::made(seed),
        }
    }

    fn made(seed: u64) -> Result<Subject, Failure> {
        let shape = WorldShape {
            interfaces: INTERFACES + NEW_INTERFACES,
            rules: RULES,
            ..WorldShape::default()
        };
        let mut world = BenchWorld::new(&shape, seed);
        for (place, timeouts) in (0..).zip(&mut world.fabric.timeouts) {
            let lives = if place < INTERFACES { FLOW_LIVES } else { NEW_FLOW_LIVES };
            (timeouts.udp, timeouts.udp_stream) = (lives, lives);
        }
        let lanes = |wish: &LaneWish, is_new: bool| {
            let is_of = |port: u32| match world.ports.place(port) {
                Place::Interface(InterfaceIndex(index)) => (index >= INTERFACES) == is_new,
                Place::Outside(_) | Place::Edge(_) => false,
            };
            let lanes = world.lanes_between(wish, seed, |from, to| is_of(from) && is_of(to));
            lanes.map_err(failed)
        };
        let wish = LaneWish { lanes: LANES, ..LaneWish::default() };
        let established = LaneWish { replies: true, ..wish };
        let denied = LaneWish { fate: Fate::DeniedInbound, ..wish };
        let new = LaneWish { lanes: NEW_LANES, ..wish };
        let mut flows: Vec<FlowSpec> = lanes(&established, false)?.flows(FLOWS).collect();
        flows.extend(lanes(&denied, false)?.flows(DENIED_FLOWS));
        flows.extend(lanes(&new, true)?.fresh());
        let question = world.arp_question(InterfaceIndex(0));
        let pattern =
            Pattern { reply_share: 0.5, denied_share: DENIED_SHARE, ..Pattern::default() };
        Ok(Subject {
            world,
            flows,
            weights: None,
            pattern,
            question,
            flows_max: FLOWS_MAX,
            seed,
            title: None,
        })
    }

    /// The switch, with this traffic.
    pub(super) fn switch(&self) -> Result<PacedTest, Failure> {
        let layout = layout(1, self.flows_max, self.seed);
        let controller = Controller::new(self.world.fabric.clone(), layout);
        let traffic = self.traffic(|flow| flow)?;
        PacedTest::start(controller, traffic, &self.options()).map_err(failed)
    }

    /// The same frames without a switch.
    pub(super) fn empty(&self) -> Result<PacedTest, Failure> {
        let traffic = self.traffic(FlowSpec::returned)?;
        PacedTest::start_empty(traffic, &self.options()).map_err(failed)
    }

    fn options(&self) -> PacedOptions {
        PacedOptions { question: self.question.clone(), ..PacedOptions::default() }
    }

    fn traffic(&self, change: impl Fn(FlowSpec) -> FlowSpec) -> Result<Traffic, Failure> {
        let flows = self.flows.iter().copied().map(change);
        let traffic = match &self.weights {
            None => Traffic::new(flows, 1, |_| 0, &self.pattern, self.seed),
            Some(weights) => {
                let flows = flows.zip(weights.iter().copied());
                Traffic::weighted(flows, 1, |_| 0, &self.pattern, self.seed)
            }
        };
        traffic.map_err(failed)
    }

    /// So many frames a second, new flows and questions among them, and so many new flows more.
    pub(super) fn pace(&self, rate: u64, new_per_second: u64) -> Pace {
        let share = |share: f64| match self.title {
            Some(_) => 0,
            None => (rate as f64 * share) as u64,
        };
        let (new, questions_per_second) = (share(NEW_SHARE), share(QUESTION_SHARE));
        let constant = |frames_per_second| Rate { frames_per_second, spacing: Spacing::Constant };
        Pace {
            frames: constant(rate - new - questions_per_second),
            fresh: constant(new + new_per_second),
            questions_per_second,
        }
    }

    /// The loads: the rate that was given, or fractions of the highest one, and new flows beside half
    /// of it.
    pub(super) fn loads(&self, given: Option<u64>, highest: Option<u64>) -> Vec<Load> {
        let load = |id: &str, name: String, rate, group, new_per_second| Load {
            id: id.to_owned(),
            name,
            rate,
            group,
            new_per_second,
        };
        if let Some(rate) = given {
            return vec![load("given", "as given".to_owned(), rate, Group::Fractions, 0)];
        }
        let of_highest = |share: f64| (highest.unwrap_or(0) as f64 * share) as u64;
        let fractions = FRACTIONS.map(|(share, id, name)| {
            load(id, name.to_owned(), of_highest(share), Group::Fractions, 0)
        });
        let new_flows = NEW_FLOWS.map(|new| {
            let id = format!("50-percent-and-{new}-new");
            let name = format!("50 % and {} k new/s", new / 1_000);
            load(&id, name, of_highest(0.5), Group::NewFlows, new)
        });
        match self.title {
            Some(_) => fractions.into(),
            None => fractions.into_iter().chain(new_flows).collect(),
        }
    }

    /// What is sent, as a sentence.
    pub(super) fn sentence(&self) -> String {
        let delivered = |flow: &&FlowSpec| matches!(flow.expected, Expected::Delivered(_));
        match &self.title {
            Some(title) => format!(
                "Topology, rules and traffic of the scenario `{title}`: {} flows, of which {} are \
                 let through, and {:.1} % of frames denied, as the generators' rates have it. Other \
                 than that their rates, times and links say nothing here, and no session times out.",
                self.flows.len(),
                self.flows.iter().filter(delivered).count(),
                self.pattern.denied_share * 100.0
            ),
            None => format!(
                "64 bytes on the wire, UDP over IPv4 between interfaces of one VPC, groups of {RULES} \
                 rules, {FLOWS} established flows picked at random, half of their frames replies; of \
                 all frames {} % are denied, {} % the first of a new flow, {} % ask the fabric (ARP, \
                 the slow path). New flows live {} s in a table for {FLOWS_MAX}.",
                DENIED_SHARE * 100.0,
                NEW_SHARE * 100.0,
                QUESTION_SHARE * 100.0,
                NEW_FLOW_LIVES.as_secs()
            ),
        }
    }
}
