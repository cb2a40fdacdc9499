//! `bench updates`: rules and memberships that change while frames flow. Owns the changes, the load
//! that shows what each of them does, and what the report says.
//!
//! Four changes go round: one group forbids what it allowed, an interface joins that group, it
//! leaves, the group allows again. Frames of the group's members are dropped in the meantime, frames
//! of the others are not, and the reference has said so of each flow for each of the four states.

use std::time::Duration;

use ringfence_cloud::{GroupIndex, InterfaceIndex};
use ringfence_endpoints::generator::{Accounts, FlowSpec, Fresh, Pattern, Traffic};
use ringfence_frame::{Direction, Family, Protocol};
use ringfence_load::{BenchWorld, Fate, LaneWish, WorldShape, reason, reference};
use ringfence_measure::noise::Watch;
use ringfence_measure::{Cell, Clock, Column, Machine, Report, Sample, Table, Unit};
use ringfence_policy::{Action, ProtocolMatch, Rule, RuleRef};
use ringfence_runtime::live::{LoadOptions, LoadResult, LoadTest, Until, Updates, UpdatesMade};
use ringfence_switch::{Change, Controller, Layout};

use super::Stop;
use crate::cli::bench::UpdatesArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// Rules in each group, one row for each of these and each number of workers.
const RULES: [u32; 2] = [100, 10_000];
const WORKERS: [usize; 2] = [1, 2];
const GROUPS: u32 = 8;
const INTERFACES: u32 = 1_000;
const FLOWS: usize = 10_000;
const LANES: usize = 1_000;
/// Lanes of fresh flows: each gives 32,768.
const FRESH_LANES: usize = 8;
const FRESH_SHARE: f64 = 0.002;
const DENIED_SHARE: f64 = 0.05;
/// Sessions of the fabric; fresh flows are far fewer.
const SESSIONS_MAX: usize = 2_000_000;
const TRIAL_SECONDS: f64 = 0.3;
/// States of the rules that follow each other in a circle.
const STATES: u32 = 4;

/// `bench updates`
pub(super) fn updates(
    args: &UpdatesArgs,
    stop: &Stop,
    output: &Output,
) -> Result<Outcome, Failure> {
    let clock = Clock::calibrate();
    let noise = Watch::start(&clock);
    let mut rows = Vec::new();
    'all: for rules in RULES {
        let world = Measured::new(rules, args.measure.seed)?;
        for workers in WORKERS {
            output.say(&format!("{rules} rules a group, workers: {workers}"));
            rows.push(world.row(workers, args, stop)?);
            if stop.is_asked() {
                break 'all;
            }
        }
    }
    let mut report = Report::new("updates", "Changes while frames flow", Machine::read(&clock));
    report.parameter("seed", args.measure.seed);
    report.parameter("trials", args.measure.trials);
    report.parameter("trial_s", trial(args).as_secs_f64());
    report.parameter("rate", args.rate);
    report.table(table(&rows, args.rate));
    notes(&mut report, &rows);
    report.note(noise.sentence());
    super::print::print(&report, &args.measure, None, output)?;
    match rows.iter().find(|row| !row.is_good()) {
        None => Ok(Outcome::Good),
        Some(row) => Err(Failure::Runtime(format!(
            "with {} rules and workers: {}: {}, stale = {}",
            row.rules, row.workers, row.accounts, row.stale
        ))),
    }
}

fn trial(args: &UpdatesArgs) -> Duration {
    Duration::from_secs_f64(args.measure.seconds.unwrap_or(TRIAL_SECONDS))
}

/// A world with its load and its changes.
struct Measured {
    world: BenchWorld,
    flows: Vec<FlowSpec>,
    changes: [Change; STATES as usize],
    seed: u64,
    rules: u32,
}

/// What was measured with one number of rules and of workers.
struct Row {
    rules: u32,
    workers: usize,
    /// Trials with changes and without, side by side.
    with: Vec<LoadResult>,
    without: Vec<LoadResult>,
    stale: u64,
    accounts: Accounts,
}

impl Measured {
    fn new(rules: u32, seed: u64) -> Result<Measured, Failure> {
        let shape = WorldShape {
            interfaces: INTERFACES,
            groups: GROUPS,
            rules,
            sessions_max: SESSIONS_MAX,
            ..WorldShape::default()
        };
        let world = BenchWorld::new(&shape, seed);
        let flows = flows(&world, seed)?;
        let changes = changes(&world)?;
        Ok(Measured { world, flows, changes, seed, rules })
    }

    fn row(&self, workers: usize, args: &UpdatesArgs, stop: &Stop) -> Result<Row, Failure> {
        let mut test = self.start(workers)?;
        test.open().map_err(super::failed)?;
        let until = Until::For(trial(args));
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in stop.trials(args.measure.trials) {
            without.push(test.run(until, None).map_err(super::failed)?);
            let mut next = |epoch: u32| Some(self.change(epoch));
            let updates = Updates { per_second: args.rate, next: &mut next };
            with.push(test.run(until, Some(updates)).map_err(super::failed)?);
        }
        let stale = with.iter().chain(&without).map(|result| result.stale).sum();
        let accounts = test.finish().map_err(super::failed)?.accounts;
        Ok(Row { rules: self.rules, workers, with, without, stale, accounts })
    }

    fn start(&self, workers: usize) -> Result<LoadTest, Failure> {
        let layout = Layout {
            workers_max: workers,
            numbered: false,
            huge_pages: true,
            seed: self.seed,
            ..Layout::default()
        };
        let pattern = Pattern {
            denied_share: DENIED_SHARE,
            fresh: Fresh::Share(FRESH_SHARE),
            ..Pattern::default()
        };
        let flows = self.flows.iter().copied();
        let queue_of = |port: u32| port as usize % workers;
        let mut traffic = Traffic::new(flows, workers, queue_of, &pattern, self.seed)
            .map_err(|error| Failure::Runtime(error.to_string()))?;
        self.expect(&mut traffic);
        let controller = Controller::new(self.world.fabric.clone(), layout);
        let options = LoadOptions { workers, ..LoadOptions::default() };
        LoadTest::start(controller, traffic, &options).map_err(super::failed)
    }

    /// The change that makes an epoch.
    fn change(&self, epoch: u32) -> Change {
        self.changes[((epoch - 1) % STATES) as usize].clone()
    }

    /// Asks the reference about each flow in each state.
    fn expect(&self, traffic: &mut Traffic) {
        let mut fabric = self.world.fabric.clone();
        for epoch in 1..STATES {
            fabric.put(self.change(epoch));
            let phase = traffic.checker.add_phase();
            for (number, flow) in (0..).zip(&self.flows) {
                let from = self.world.ports.place(flow.port);
                let answer = reference(&fabric, from, flow.headers.tuple);
                let dropped = answer.dropped.map(|(stage, because)| reason(stage, because));
                traffic.checker.expect(phase, number, false, dropped);
            }
        }
    }
}

/// UDP of both families: allowed, fresh and denied.
fn flows(world: &BenchWorld, seed: u64) -> Result<Vec<FlowSpec>, Failure> {
    let mut all = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let wish = LaneWish { lanes: LANES, family, ..LaneWish::default() };
        let lanes = |wish: &LaneWish| {
            world.lanes(wish, seed).map_err(|error| Failure::Runtime(error.to_string()))
        };
        let mut allowed = lanes(&wish)?;
        let fresh = allowed.split_off(allowed.len().saturating_sub(FRESH_LANES));
        all.extend(allowed.flows(FLOWS / 2));
        all.extend(fresh.fresh());
        let denied = LaneWish { fate: Fate::DeniedInbound, ..wish };
        all.extend(lanes(&denied)?.flows(FLOWS / 20));
    }
    Ok(all)
}

/// What makes each state out of the one before.
fn changes(world: &BenchWorld) -> Result<[Change; STATES as usize], Failure> {
    let group = GroupIndex(0);
    let rules = &world.fabric.policies.group(group).rules;
    let lets_udp_in = |rule: &Rule| {
        rule.direction == Direction::Inbound
            && rule.action == Action::Allow
            && rule.protocol == ProtocolMatch::Is(Protocol::UDP)
    };
    let place = rules.iter().position(lets_udp_in);
    let interfaces = &world.fabric.world.interfaces;
    let joining = interfaces.iter().position(|interface| !interface.groups.contains(&group));
    let (Some(place), Some(joining)) = (place, joining) else {
        return Err(Failure::Runtime("no rule and no interface to be changed".to_owned()));
    };
    let allowing = rules[place].clone();
    let forbidding = Rule { action: Action::Forbid, ..allowing.clone() };
    let groups = interfaces[joining].groups.clone();
    let joined = [groups.clone(), vec![group]].concat();
    let rule = RuleRef { group, rule: index(place) };
    let joining = InterfaceIndex(index(joining));
    Ok([
        Change::Rule(rule, Box::new(forbidding)),
        Change::Members(joining, joined),
        Change::Members(joining, groups),
        Change::Rule(rule, Box::new(allowing)),
    ])
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("rules and interfaces are counted by 32 bits")
}

impl Row {
    fn is_good(&self) -> bool {
        self.accounts.is_clean() && self.stale == 0
    }

    fn cells(&self, asked: u64) -> Vec<Cell> {
        let made = || self.with.iter().map(|result| &result.updates);
        let by_kind = |is_rule: bool| {
            let changes = made().flat_map(|made| &made.changes).map(|change| change.applied);
            // the first and the last of each four change rules
            let of_rule = |epoch: u32| matches!(epoch % STATES, 0 | 1);
            changes.filter(move |applied| of_rule(applied.epoch) == is_rule)
        };
        let work = |is_rule| sample(by_kind(is_rule).map(|applied| us(applied.work)));
        let wait = [true, false].map(by_kind).into_iter().flatten();
        let pause = |results: &[LoadResult]| sample(results.iter().map(|r| us(r.longest_gap())));
        let mpps = |results: &[LoadResult]| {
            sample(results.iter().map(|result| result.frames_per_second() / 1e6))
        };
        let (with, without) = (mpps(&self.with), mpps(&self.without));
        let kept = with.as_ref().zip(without.as_ref()).and_then(|(with, base)| with.over(base));
        vec![
            u64::from(self.rules).into(),
            self.workers.into(),
            asked.into(),
            cell(sample(made().map(UpdatesMade::per_second))),
            cell(without),
            cell(kept.and_then(|kept| kept.map(|kept| 100.0 * kept))),
            cell(work(true)),
            cell(work(false)),
            cell(sample(wait.map(|applied| us(applied.wait)))),
            cell(pause(&self.with)),
            cell(pause(&self.without)),
            self.accounts.leaks.into(),
            self.accounts.false_drops.into(),
            self.stale.into(),
        ]
    }
}

fn sample(values: impl Iterator<Item = f64>) -> Option<Sample> {
    Sample::new(values.collect())
}

fn cell(sample: Option<Sample>) -> Cell {
    sample.as_ref().into()
}

fn us(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

fn table(rows: &[Row], asked: u64) -> Table {
    let mut table = Table::new(
        "updates",
        "Rules and memberships changed while frames flow",
        vec![
            Column::new("rules", Unit::None),
            Column::new("workers", Unit::None),
            Column::wide("asked", Unit::Pps),
            Column::new("changes", Unit::Pps),
            Column::new("without", Unit::Mpps),
            Column::new("kept", Unit::Percent),
            Column::new("rule", Unit::Us),
            Column::new("member", Unit::Us),
            Column::new("return", Unit::Us),
            Column::new("pause", Unit::Us),
            Column::new("pause without", Unit::Us),
            Column::new("leaks", Unit::None),
            Column::new("false drops", Unit::None),
            Column::new("stale", Unit::None),
        ],
    );
    rows.iter().for_each(|row| table.push(row.cells(asked)));
    table
}

fn notes(report: &mut Report, rows: &[Row]) {
    report.note(format!(
        "{INTERFACES} interfaces in {GROUPS} groups; {FLOWS} established UDP flows of both families \
         picked at random, {} % of frames denied, {} % the first of a new flow. Rules go from Allow \
         to Forbid and back in one group, an interface joins that group and leaves it: a change in \
         four states, of each of which the reference has said what becomes of each flow.",
        DENIED_SHARE * 100.0,
        FRESH_SHARE * 100.0
    ));
    report.note(
        "Every frame is checked against the answer for the very rules that its batch was judged by; \
         making frames and checking them is in the throughput, with changes and without.",
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = rows.iter().map(|row| row.workers).max().unwrap_or(1);
    if most >= cores {
        report.note(format!(
            "There are {cores} cores: with as many workers the thread that makes the changes takes \
             its time from them."
        ));
    }
    for row in rows {
        report.note(format!(
            "{} rules, workers: {}: {}, stale = {}",
            row.rules, row.workers, row.accounts, row.stale
        ));
    }
}
