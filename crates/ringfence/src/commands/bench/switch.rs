//! `bench switch`: the whole journey of a frame, both sides enforced. Owns which loads are measured
//! and what the report says; what is timed stands in `rig`.

mod attacks;
mod loads;
mod rig;

use std::sync::atomic::AtomicU64;

use ringfence_endpoints::generator::Accounts;
use ringfence_measure::floor::{RandomLines, Visit};
use ringfence_measure::noise::Watch;
use ringfence_measure::{
    Axis, Cell, Clock, Column, Machine, Plot, Point, Report, Sample, Scale, Series, Table, Unit,
};
use ringfence_memory::{Pages, Zeroed};

use super::Stop;
use crate::cli::bench::SwitchArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use loads::{Kind, Load};
use rig::Spent;

/// Time of one trial.
const TRIAL_SECONDS: f64 = 0.05;

/// `bench switch`
pub(super) fn switch(args: &SwitchArgs, stop: &Stop, output: &Output) -> Result<Outcome, Failure> {
    let loads = loads::all(args, output)?;
    let clock = Clock::calibrate();
    let noise = Watch::start(&clock);
    let mut rows = Vec::new();
    for load in loads {
        output.say(&load.sentence());
        rows.push(measure(load, args, &clock, stop)?);
        if stop.is_asked() {
            break;
        }
    }
    let mut report = Report::new("switch", "A frame's whole journey", Machine::read(&clock));
    report.parameter("seed", args.measure.seed);
    report.parameter("trials", args.measure.trials);
    report.parameter("trial_s", args.measure.seconds.unwrap_or(TRIAL_SECONDS));
    for kind in Kind::ALL {
        let of_kind: Vec<&Row> = rows.iter().filter(|row| row.load.kind == kind).collect();
        if !of_kind.is_empty() {
            report.table(table(kind, &of_kind));
        }
    }
    match args.scenario {
        None => {
            report.plot(plot(&rows));
            notes(&mut report);
        }
        Some(_) => scenario_notes(&mut report),
    }
    report.note(
        "floor: a random line out of as much memory as the live flows take, read and written.",
    );
    if !ringfence_switch::COUNTS {
        report.note("Built without counters, to know what they cost: the switch counted nothing.");
    }
    report.note(noise.sentence());
    super::print::print(&report, &args.measure, None, output)?;
    match rows.iter().find(|row| !row.accounts.is_clean()) {
        None => Ok(Outcome::Good),
        Some(row) => {
            let sentence = row.load.sentence();
            Err(Failure::Runtime(format!("{sentence}: {}", row.accounts)))
        }
    }
}

/// What was measured of one load.
struct Row {
    load: Load,
    /// Clocks a frame, one figure for each trial.
    clocks: Option<Sample>,
    ns: Option<Sample>,
    /// All workers together.
    mpps: Option<Sample>,
    making_ns: Option<Sample>,
    floor_ns: Option<Sample>,
    bytes_per_flow: f64,
    accounts: Accounts,
}

fn measure(load: Load, args: &SwitchArgs, clock: &Clock, stop: &Stop) -> Result<Row, Failure> {
    let mut rig = load.rig(args.measure.seed, clock)?;
    rig.open();
    let use_of_memory = rig.controller.plane().flows().memory_bytes();
    let (records, index) = match load.is_ipv6() {
        false => (use_of_memory.records_v4, use_of_memory.index_v4),
        true => (use_of_memory.records_v6, use_of_memory.index_v6),
    };
    let capacity = rig.controller.plane().flows().capacity();
    let bytes_per_flow = (records + index) as f64 / capacity as f64;
    let words = (bytes_per_flow * load.live_flows() as f64 / 8.0) as usize;
    let memory: Zeroed<AtomicU64> = Zeroed::new(words.max(8), Pages::Huge);
    let mut floor = RandomLines::new(&memory, args.measure.seed);
    if let Some(floor) = &floor {
        floor.fill();
    }

    let seconds = args.measure.seconds.unwrap_or(TRIAL_SECONDS);
    let budget = clock.ns_to_ticks(seconds * 1e9) as u64;
    rig.run(budget);
    let mut trials: Vec<Vec<Spent>> = Vec::new();
    let mut floors = Vec::new();
    for _ in stop.trials(args.measure.trials) {
        trials.push(rig.run(budget));
        if let Some(floor) = &mut floor {
            let start = clock.now();
            let lines = floor.visit(200_000, Visit::Write);
            floors.push(clock.ns(start, clock.now()) as f64 / lines as f64);
        }
    }
    let sum = |spent: &[Spent], of: fn(&Spent) -> u64| spent.iter().map(of).sum::<u64>() as f64;
    let each = |of: fn(&Spent) -> u64| {
        let per_frame = |spent: &Vec<Spent>| sum(spent, of) / sum(spent, |it| it.frames);
        Sample::new(trials.iter().map(per_frame).collect())
    };
    let hz = clock.hz() as f64;
    let mpps = trials.iter().map(|spent| {
        spent.iter().map(|it| it.frames as f64 / it.clocks as f64 * hz / 1e6).sum::<f64>()
    });
    let to_ns = |sample: &Sample| sample.map(|clocks| clock.ticks_to_ns(clocks));
    let clocks = each(|it| it.clocks);
    Ok(Row {
        ns: clocks.as_ref().and_then(to_ns),
        clocks,
        mpps: Sample::new(mpps.collect()),
        making_ns: each(|it| it.making_clocks).as_ref().and_then(to_ns),
        floor_ns: Sample::new(floors),
        bytes_per_flow,
        accounts: rig.finish(),
        load,
    })
}

fn table(kind: Kind, rows: &[&Row]) -> Table {
    let mut table = Table::new(
        kind.id(),
        kind.title(),
        vec![
            Column::new("load", Unit::None),
            Column::new("flows", Unit::None),
            Column::new("rules", Unit::None),
            Column::new("workers", Unit::None),
            Column::new("clocks", Unit::Clocks),
            Column::new("ns", Unit::Ns),
            Column::new("together", Unit::Mpps),
            Column::new("generator", Unit::Ns),
            Column::new("floor", Unit::Ns),
            Column::new("over floor", Unit::Ratio),
            Column::wide("flow of capacity", Unit::Bytes),
            Column::wide("delivered", Unit::None),
            Column::wide("dropped", Unit::None),
            Column::new("leaks", Unit::None),
            Column::new("false drops", Unit::None),
        ],
    );
    for row in rows {
        let over =
            row.ns.as_ref().zip(row.floor_ns.as_ref()).and_then(|(ns, floor)| ns.over(floor));
        table.push(vec![
            row.load.name.as_str().into(),
            row.load.live_flows().into(),
            u64::from(row.load.rules).into(),
            row.load.workers.into(),
            cell(row.clocks.as_ref()),
            cell(row.ns.as_ref()),
            cell(row.mpps.as_ref()),
            cell(row.making_ns.as_ref()),
            cell(row.floor_ns.as_ref()),
            cell(over.as_ref()),
            row.bytes_per_flow.into(),
            row.accounts.delivered.into(),
            row.accounts.dropped.values().sum::<u64>().into(),
            row.accounts.leaks.into(),
            row.accounts.false_drops.into(),
        ]);
    }
    table
}

fn cell(sample: Option<&Sample>) -> Cell {
    sample.into()
}

/// Clocks a frame by established flows, one worker.
fn plot(rows: &[Row]) -> Plot {
    let series = |name: &str, is_ipv6: bool| {
        let points = rows.iter().filter_map(|row| {
            let load = &row.load;
            let is_shown = load.kind == Kind::Established
                && load.workers == 1
                && load.is_ipv6() == is_ipv6
                && !load.is_tcp();
            let spread = row.clocks.as_ref().filter(|_| is_shown)?.spread();
            Some(Point::of(load.live_flows() as f64, spread))
        });
        Series::new(name, points.collect())
    };
    Plot {
        id: "established".to_owned(),
        title: "Established flows, one worker, both sides enforced".to_owned(),
        x: Axis::new("flows", Scale::Log),
        y: Axis::new("clocks a frame", Scale::Linear),
        series: vec![series("IPv4, UDP", false), series("IPv6, UDP", true)],
    }
}

fn notes(report: &mut Report) {
    report.note(
        "64 bytes on the wire (84 for IPv6), half of the frames of established flows are replies; \
         each flow is between two interfaces of one VPC, and each frame passes both: look-up, \
         sessions of both sides, TTL, MTU, MACs, counters. Frames lie in slots of a pool and are \
         rewritten there.",
    );
    report.note(
        "Only the switch is timed, from the moment it is handed 256 frames to the moment when they \
         are through; generator: what making a frame takes. Two workers: their rates added.",
    );
    report.note(
        "New flows: every frame is the first of its flow, in virtual time such that a million flows \
         live in a table for two million and as many end as begin; ending them is in the figure.",
    );
    report.note(
        "ClassBench-like rules: each group holds an access list after ClassBench's seed acl1, both \
         addresses and target ports, far beyond the platform's quotas. One rule in four is about \
         interfaces of this world, so that the flows' deciding rules lie all over the list; the \
         others are only looked through.",
    );
    report.note(
        "SYN flood: nine frames of ten are SYNs of new flows at an interface that has as many half-open \
         sessions as it may, dropped for that limit; the others are of established flows, there and \
         elsewhere, and of the flows that are half-open. Sweep: TCP to the addresses of a vSwitch, \
         owned or not, at each port; allowed, denied and unreachable in the shares that the rules \
         give. What becomes of every frame, the reference said beforehand.",
    );
}

fn scenario_notes(report: &mut Report) {
    report.note(
        "Topology and rules are the scenario's at its start, and each flow of its generators has been \
         answered by the reference. Rates and popularity say which flow a frame is of, how many are \
         denied and how many the first of a new flow; lengths are mixed over all flows, and the \
         targets of a sweep come in no order. A SYN flood that can has reached its limit beforehand. \
         Frames are sent as fast as they go: rates as such, links, times and changes of the scenario \
         say nothing here.",
    );
    report.note(
        "Only the switch is timed, from the moment it is handed 256 frames to the moment when they \
         are through; generator: what making a frame takes. Two workers: their rates added. rules: \
         of all groups together.",
    );
}
