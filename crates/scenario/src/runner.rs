//! The runner: guests talk, traffic flows, rules change, and every expectation is checked twice,
//! by the reference on paper and by frames through the switch.
//!
//! Owns one run from its first moment to its report. What is planned stands in `schedule`, who
//! lives where in `guests`, what came of it in `judge`. Opens nothing, asks no clock.

mod fate;
pub(crate) mod history;
mod judge;
mod kept;
pub mod report;
mod schedule;
mod senders;
mod topology;

use std::time::Duration;

use ringfence_cloud::World;
use ringfence_endpoints::application::Application;
use ringfence_endpoints::{Generator, GeneratorConfig, Guest, KeepAlive, Task, TaskId, TaskKind};
use ringfence_frame::build::Envelope;
use ringfence_frame::{Instant, Protocol};
use ringfence_runtime::simulated::{CapturedFrame, LoggedVerdict, RecordingOptions, Simulation};
use ringfence_switch::{Change, Switch};

use crate::frames;
use crate::model::Traffic;
use crate::probe::{Resolved, resolve};
use crate::{Expectation, Scenario};
use history::History;
use report::RunReport;
use schedule::{Flow, Plan, plan};
use senders::guests_of_a_run;

/// When a guest gives up: longer than any exchange over links as they are modelled.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the world goes on after the last thing that was planned, so that connections close.
const AFTERMATH: Duration = Duration::from_secs(2);
/// The step in which the end is awaited.
const SLICE: Duration = Duration::from_millis(500);
/// Steps in which a long wait is taken.
const SLICES_MAX: u32 = 1_000;
/// Steps of single frames are kept only if generators send fewer frames than this.
const FRAMES_WITH_STEPS: u64 = 20_000;

/// How to run.
pub struct RunOptions<'a> {
    /// Which expectations to check.
    pub select: &'a dyn Fn(&Expectation) -> bool,
    /// Instead of the scenario's own.
    pub seed: Option<u64>,
    /// Whether every frame at every port is kept.
    pub keep_frames: bool,
    /// Told now and then how many of the planned steps are done; false stops the run.
    pub progress: &'a mut dyn FnMut(usize, usize) -> bool,
}

/// What a run leaves.
pub struct RunOutput {
    /// What there is to tell.
    pub report: RunReport,
    /// Every verdict of the switch, in frame order.
    pub verdicts: Vec<LoggedVerdict>,
    /// Every frame at every port, in time order, if they were kept.
    pub frames: Vec<CapturedFrame>,
    history: History,
}

impl RunOutput {
    /// The world under the rules that gave a verdict.
    pub fn fabric_of(&self, verdict: &ringfence_switch::Verdict) -> &ringfence_switch::Fabric {
        self.history.after(verdict.epoch)
    }

    /// The world under the rules of a moment.
    pub fn fabric_at(&self, moment: Instant) -> &ringfence_switch::Fabric {
        self.history.at(moment)
    }
}

/// What a flow was started as.
enum Started {
    /// A guest's tasks: the first one, and those of later rounds.
    Tasks(Vec<TaskId>),
    /// Frames that no guest can be asked to send.
    Injected,
}

/// A flow of the run with what was started for it.
struct Running {
    flow: Flow,
    started: Option<Started>,
}

/// Something that happens at a planned moment.
enum Step {
    Change(Change),
    /// The first packet of a flow.
    Start(usize),
    /// Another round of a flow that cannot keep itself going.
    Round(usize),
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, options: &mut RunOptions<'_>) -> RunOutput {
    let seed = options.seed.unwrap_or(scenario.seed);
    let history = History::new(&scenario.fabric, &scenario.changes);
    let selected: Vec<usize> = (0..scenario.expectations.len())
        .filter(|&index| (options.select)(&scenario.expectations[index]))
        .collect();
    let plan = plan(scenario, &history, &selected);
    let frames_planned: u64 = scenario.traffic.iter().map(frames_of).sum();
    let recording = RecordingOptions {
        frames: options.keep_frames,
        events: frames_planned < FRAMES_WITH_STEPS,
    };
    let mut run = Run {
        scenario,
        simulation: Simulation::new(Switch::new(scenario.fabric.clone()), seed, recording),
        flows: Vec::new(),
        stopped: false,
    };
    run.populate(&plan, seed);
    run.play(&plan, options.progress);

    let Run { simulation, flows, stopped, .. } = run;
    let judged = judge::Judged { scenario, history: &history, simulation: &simulation };
    let report = judged.report(&plan, &flows, seed, stopped);
    let (verdicts, frames) = simulation.into_records();
    RunOutput { report, verdicts, frames, history }
}

fn frames_of(traffic: &Traffic) -> u64 {
    let frames = u128::from(traffic.rate) * traffic.duration.as_nanos() / 1_000_000_000;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// A run on its way.
struct Run<'a> {
    scenario: &'a Scenario,
    simulation: Simulation,
    /// In the order of the plan, those that can be asked.
    flows: Vec<Running>,
    stopped: bool,
}

impl Run<'_> {
    /// Guests and generators, at their links.
    fn populate(&mut self, plan: &Plan, seed: u64) {
        let scenario = self.scenario;
        for (place, config) in guests_of_a_run(scenario, plan, seed) {
            let link = scenario.links.get(&place).copied().unwrap_or_default();
            let guest = Guest::new(config, self.simulation.now());
            self.simulation.attach_guest(place, guest, link);
        }
        for (&place, &link) in &scenario.links {
            self.simulation.set_link(place, link);
        }
        for (number, traffic) in (1..).zip(&scenario.traffic) {
            if let Ok(packet) = resolve(&scenario.fabric.world, &traffic.probe) {
                let world = &scenario.fabric.world;
                let config = generator(world, traffic, &packet, seed.wrapping_add(number));
                self.simulation.attach_generator(packet.port, Generator::new(config));
            }
        }
    }

    /// Everything planned, in time order: "changes before the frames of that moment".
    fn play(&mut self, plan: &Plan, progress: &mut dyn FnMut(usize, usize) -> bool) {
        let mut steps: Vec<(Instant, Step)> = Vec::new();
        for change in &self.scenario.changes {
            steps.push((change.at, Step::Change(change.change.clone())));
        }
        for (_, flow) in plan {
            let Ok(flow) = flow else { continue };
            let number = self.flows.len();
            steps.push((flow.at, Step::Start(number)));
            let rounds = self.rounds_of(flow);
            steps.extend(rounds.into_iter().map(|at| (at, Step::Round(number))));
            self.flows.push(Running { flow: flow.clone(), started: None });
        }
        steps.sort_by_key(|(at, _)| *at);

        let total = steps.len();
        for (done, (at, step)) in steps.into_iter().enumerate() {
            // what is due at the very moment of a change comes after it
            let until = match step {
                Step::Change(_) => Instant::from_ns(at.as_ns().saturating_sub(1)),
                Step::Start(_) | Step::Round(_) => at,
            };
            if at > Instant::START {
                self.advance(until, &mut || progress(done, total));
            }
            if self.stopped {
                return;
            }
            match step {
                Step::Change(change) => self.simulation.apply(change),
                Step::Start(number) => self.start(number),
                Step::Round(number) => self.send(number),
            }
        }
        self.finish(&mut || progress(total, total));
    }

    /// Lets time pass, in steps, between which the run may be stopped.
    fn advance(&mut self, until: Instant, go_on: &mut dyn FnMut() -> bool) {
        self.stopped |= !go_on();
        // a wait of years is no reason for more steps than a bar can show
        let slice = SLICE.max(until.since(self.simulation.now()) / SLICES_MAX);
        while !self.stopped && self.simulation.now() < until {
            let next = self.simulation.now() + slice;
            self.simulation.run_until(next.min(until));
            self.stopped = !go_on();
        }
    }

    /// Starts a flow.
    fn start(&mut self, number: usize) {
        let expectation = self.expectation(number);
        let packet = self.flows[number].flow.packet;
        let keep_alive = expectation
            .session
            .map(|session| KeepAlive { interval: session.interval, until: session.until });
        let application = self.scenario.application(expectation, &packet);
        let (source_port, target_port) = (Some(packet.tuple.source_port), packet.tuple.target_port);
        let kind = match packet.tuple.protocol {
            Protocol::TCP => TaskKind::Tcp { source_port, target_port, application, keep_alive },
            Protocol::UDP => TaskKind::Udp { source_port, target_port, application, keep_alive },
            _ => return self.send(number),
        };
        self.give(number, kind);
    }

    /// Sends one packet of a flow that cannot keep itself going.
    fn send(&mut self, number: usize) {
        let packet = self.flows[number].flow.packet;
        match (packet.tuple.protocol, packet.icmp) {
            (Protocol::ICMP, Some((8, 0))) | (Protocol::ICMPV6, Some((128, 0))) => {
                self.give(
                    number,
                    TaskKind::Ping { identifier: packet.tuple.source_port, count: 1 },
                );
            }
            (Protocol(protocol), None) if !packet.tuple.protocol.has_ports() => {
                self.give(number, TaskKind::Raw { protocol, payload: frames::PAYLOAD.to_vec() });
            }
            _ => {
                let frame = frames::first_frame(&self.scenario.fabric.world, &packet);
                self.simulation.inject(packet.port, frame);
                self.flows[number].started.get_or_insert(Started::Injected);
            }
        }
    }

    /// Gives the guest that sends something to do.
    fn give(&mut self, number: usize, kind: TaskKind) {
        let now = self.simulation.now();
        let Running { flow, started } = &mut self.flows[number];
        let tuple = flow.packet.tuple;
        let task =
            Task { target: tuple.target, source: Some(tuple.source), kind, timeout: PATIENCE };
        let Some(guest) = self.simulation.guest_mut(flow.packet.port) else { return };
        let id = guest.start(task, now);
        match started {
            Some(Started::Tasks(tasks)) => tasks.push(id),
            _ => *started = Some(Started::Tasks(vec![id])),
        }
    }

    /// When a flow whose guest does one thing at a time has to be sent again.
    fn rounds_of(&self, flow: &Flow) -> Vec<Instant> {
        let expectation = &self.scenario.expectations[flow.expectation];
        let Some(session) = expectation.session else { return Vec::new() };
        if flow.packet.tuple.protocol.has_ports() || session.interval.is_zero() {
            return Vec::new();
        }
        let rounds = std::iter::successors(Some(flow.at + session.interval), |&at| {
            Some(at + session.interval)
        });
        rounds.take_while(|&at| at <= session.until).collect()
    }

    /// Waits until everybody has seen what there is to see.
    fn finish(&mut self, go_on: &mut dyn FnMut() -> bool) {
        let ends = self.scenario.traffic.iter().map(|traffic| traffic.start + traffic.duration);
        let rounds = self
            .flows
            .iter()
            .filter_map(|running| self.scenario.expectations[running.flow.expectation].session);
        let end = ends.chain(rounds.map(|session| session.until)).max();
        let end = end.unwrap_or_default().max(self.simulation.now());
        self.advance(end, go_on);
        let last = end + PATIENCE + PATIENCE;
        while !self.stopped && !self.is_everybody_done() && self.simulation.now() < last {
            self.advance(self.simulation.now() + SLICE, go_on);
        }
        self.advance(self.simulation.now() + AFTERMATH, go_on);
    }

    fn is_everybody_done(&self) -> bool {
        self.flows.iter().all(|Running { flow, started }| match started {
            Some(Started::Tasks(tasks)) => tasks.iter().all(|&task| {
                let guest = self.simulation.guest(flow.packet.port);
                guest.is_none_or(|guest| guest.progress(task).finished.is_some())
            }),
            Some(Started::Injected) => true,
            None => false,
        })
    }

    fn expectation(&self, number: usize) -> &Expectation {
        &self.scenario.expectations[self.flows[number].flow.expectation]
    }
}

impl Scenario {
    /// What a guest speaks to meet an expectation: what it says, else what the target serves on
    /// that port; none for the connection alone.
    fn application(&self, expectation: &Expectation, packet: &Resolved) -> Option<Application> {
        if expectation.bare {
            return None;
        }
        expectation.application.or_else(|| self.listener(packet))
    }

    /// What listens where a packet goes.
    fn listener(&self, packet: &Resolved) -> Option<Application> {
        let tuple = packet.tuple;
        let route = self.fabric.world.locate(packet.port, tuple.source, tuple.target).ok()?;
        let serves = self.serves.get(&route.to)?;
        let (_, application) = serves.iter().find(|(port, _)| *port == tuple.target_port)?;
        let is_spoken = match tuple.protocol {
            Protocol::TCP => true,
            Protocol::UDP => application.over_udp(),
            _ => false,
        };
        is_spoken.then_some(*application)
    }
}

fn generator(world: &World, traffic: &Traffic, packet: &Resolved, seed: u64) -> GeneratorConfig {
    GeneratorConfig {
        envelope: Envelope {
            source_mac: frames::mac_of(world, packet.port),
            target_mac: world.platform.gateway_mac,
            source: packet.tuple.source,
            target: packet.tuple.target,
            ttl: frames::TTL,
        },
        protocol: packet.tuple.protocol,
        target_port: packet.tuple.target_port,
        flows: traffic.flows,
        popularity: traffic.popularity,
        new_flows: traffic.new_flows,
        sweep: traffic.sweep,
        rate: traffic.rate,
        frame_lens: traffic.frame_lens.clone(),
        start: traffic.start,
        duration: traffic.duration,
        seed,
    }
}
