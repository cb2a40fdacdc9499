//! `table`: the session table against other people's tables, in one run.
//!
//! Owns which sizes are measured in which order and what the report says. A session is a flow with
//! two directions: two keys of 16 bytes with a record of 64 bytes each. The session table has both
//! in one record; the others have an entry for each.

mod arguments;
mod contender;
mod floor;
mod flows;
mod maps;
mod ringfence;
mod trial;

use std::sync::atomic::{AtomicBool, Ordering};

use ringfence_measure::noise::Watch;
use ringfence_measure::trials::Plan;
use ringfence_measure::{
    Axis, Cell, Clock, Column, Machine, Plot, Point, Report, Sample, Scale, Series, Table, Unit,
};

pub(crate) use arguments::{MeasureArguments, TableArguments};
use contender::Kind;
use floor::Floor;
use flows::{Flows, Lists};
use trial::{Measured, Operation};

/// What all contenders may take up together to be measured in turn, trial by trial; beyond that
/// each is measured alone.
const TOGETHER_BYTES_MAX: u64 = 3 << 30;
/// A generous guess of what one session takes up in any of the tables.
const SESSION_BYTES_GUESS: u64 = 400;

/// One measured point.
struct Row {
    sessions: usize,
    workers: usize,
    /// Whether all contenders were measured side by side, trial by trial.
    is_in_turn: bool,
    /// Whether the sessions fill four fifths of the room; a few sessions cannot.
    is_full_to_the_part: bool,
    /// By contender, in the order of the arguments; so are bytes.
    contenders: Vec<Measured>,
    bytes: Vec<u64>,
    floor: Option<Sample>,
    keys: Option<Sample>,
}

/// Measures everything and puts it into a report; once it is `stopped`, what was measured until then.
/// The trial under way is made to its end, and each table under way has one.
///
/// # Errors
/// If a table loses a session: then its figures mean nothing.
pub(crate) fn measure(
    arguments: &TableArguments,
    stopped: &AtomicBool,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<Report> {
    let clock = Clock::calibrate();
    let noise = Watch::start(&clock);
    let mut rows = Vec::new();
    'all: for &sessions in &arguments.sessions {
        for &workers in &arguments.workers {
            progress(&format!("{sessions} sessions, {workers} workers"));
            rows.push(measure_row(&clock, arguments, stopped, sessions, workers)?);
            if stopped.load(Ordering::Relaxed) {
                break 'all;
            }
        }
    }
    let mut report = report(&clock, arguments, &rows);
    report.note(noise.sentence());
    Ok(report)
}

fn measure_row(
    clock: &Clock,
    arguments: &TableArguments,
    stopped: &AtomicBool,
    sessions: usize,
    workers: usize,
) -> anyhow::Result<Row> {
    let flows = Flows::new(arguments.measure.seed, sessions, workers);
    let plan = Plan { trials: arguments.measure.trials, budget: arguments.measure.budget() };
    let all_bytes =
        (sessions as u64).saturating_mul(SESSION_BYTES_GUESS * arguments.only.len() as u64);
    let lists: Vec<Lists> = (0..workers).map(|worker| Lists::new(&flows, worker)).collect();
    let mut row = Row {
        sessions,
        workers,
        is_in_turn: all_bytes <= TOGETHER_BYTES_MAX,
        is_full_to_the_part: flows.capacity() <= sessions + sessions / 3,
        contenders: Vec::new(),
        bytes: Vec::new(),
        floor: None,
        keys: trial::keys(clock, plan, &lists[0]),
    };
    let groups: Vec<&[Kind]> = match row.is_in_turn {
        true => vec![&arguments.only],
        false => arguments.only.chunks(1).collect(),
    };
    let mut floor = Some(Floor::new(sessions, arguments.measure.seed));
    for group in groups {
        let (mut contenders, bytes): (Vec<_>, Vec<u64>) =
            group.iter().map(|kind| contender::build(*kind, &flows)).unzip();
        // beside the first group, which has ours
        let floor = floor.take();
        let (measured, floor) =
            trial::in_turn(clock, plan, stopped, &lists, &mut contenders, floor.as_ref())?;
        row.contenders.extend(measured);
        row.bytes.extend(bytes);
        row.floor = row.floor.or(floor);
    }
    Ok(row)
}

fn report(clock: &Clock, arguments: &TableArguments, rows: &[Row]) -> Report {
    let title = "The session table against others";
    let mut report = Report::new("table", title, Machine::read(clock));
    report.parameter("seed", arguments.measure.seed);
    report.parameter("trials", arguments.measure.trials);
    report.parameter("trial_s", arguments.measure.budget().as_secs_f64());
    for operation in Operation::ALL {
        report.table(operation_table(operation, &arguments.only, rows));
    }
    report.table(bytes_table(&arguments.only, rows));
    for operation in Operation::ALL {
        for &workers in &arguments.workers {
            report.plot(plot(operation, workers, &arguments.only, rows));
        }
    }
    report.note(
        "A session is a flow with two directions: two keys of 16 bytes, a record of 64 bytes for \
         each. hit and miss look up one direction; insert and remove enter and take out both.",
    );
    report.note(
        "Going through the list of keys is in every figure (column `keys`, `-o wide`). All maps \
         hash with foldhash and have room for everything from the start, so that none of them grows.",
    );
    report.note(
        "Small tables are measured side by side, trial by trial, and their ratio is of such pairs; \
         large ones one after the other, and the ratio is of the medians.",
    );
    report.note("mixed: of 64 operations 58 are hits, 3 inserts and 3 removals.");
    report
}

fn operation_table(operation: Operation, kinds: &[Kind], rows: &[Row]) -> Table {
    let mut columns = vec![Column::new("sessions", Unit::None), Column::new("workers", Unit::None)];
    columns.extend(kinds.iter().map(|kind| Column::new(kind.name(), Unit::Ns)));
    columns.push(Column::new("best other over ringfence", Unit::Ratio));
    columns.push(Column::new("floor", Unit::Ns));
    columns.push(Column::wide("keys", Unit::Ns));
    columns.push(Column::wide("ringfence over floor", Unit::Ratio));
    let mut table = Table::new(operation.id(), operation.title(), columns);
    for row in rows {
        let samples: Vec<Option<&Sample>> =
            row.contenders.iter().map(|measured| measured.of(operation)).collect();
        let of = |is_ours: bool| {
            let those = kinds.iter().zip(&samples);
            those.filter(move |(kind, _)| (**kind == Kind::Ringfence) == is_ours)
        };
        let ours = of(true).find_map(|(_, sample)| *sample);
        let best = of(false)
            .filter_map(|(_, sample)| *sample)
            .min_by(|a, b| a.spread().median.total_cmp(&b.spread().median));
        let mut cells = vec![Cell::from(row.sessions), Cell::from(row.workers)];
        cells.extend(samples.iter().map(|it| Cell::from(*it)));
        let advantage = best.zip(ours).and_then(|(best, ours)| match row.is_in_turn {
            true => best.over(ours),
            false => Sample::new(vec![best.spread().median / ours.spread().median]),
        });
        cells.push(Cell::from(advantage.as_ref()));
        cells.push(Cell::from(row.floor.as_ref()));
        cells.push(Cell::from(row.keys.as_ref()));
        let over_floor = ours.zip(row.floor.as_ref()).and_then(|(ours, floor)| ours.over(floor));
        cells.push(Cell::from(over_floor.as_ref()));
        table.push(cells);
    }
    table
}

fn bytes_table(kinds: &[Kind], rows: &[Row]) -> Table {
    let mut columns = vec![Column::new("sessions", Unit::None), Column::new("workers", Unit::None)];
    columns.extend(kinds.iter().map(|kind| Column::new(kind.name(), Unit::Bytes)));
    let mut table = Table::new("bytes", "Bytes a session, four fifths of the room taken", columns);
    for row in rows {
        let mut cells = vec![Cell::from(row.sessions), Cell::from(row.workers)];
        let bytes = |it: &u64| match row.is_full_to_the_part {
            true => Cell::from(*it as f64 / row.sessions as f64),
            false => Cell::Missing,
        };
        cells.extend(row.bytes.iter().map(bytes));
        table.push(cells);
    }
    table
}

fn plot(operation: Operation, workers: usize, kinds: &[Kind], rows: &[Row]) -> Plot {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.workers == workers).collect();
    let points = |sample: &dyn Fn(&Row) -> Option<Sample>| {
        let point = |row: &&Row| Some(Point::of(row.sessions as f64, sample(row)?.spread()));
        rows.iter().filter_map(point).collect::<Vec<_>>()
    };
    let mut series: Vec<Series> = kinds
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let sample = |row: &Row| row.contenders.get(number)?.of(operation).cloned();
            Series::new(kind.name(), points(&sample))
        })
        .collect();
    series.push(Series::yardstick("floor", points(&|row| row.floor.clone())));
    let plural = if workers == 1 { "worker" } else { "workers" };
    Plot {
        id: format!("{}-{workers}", operation.id()),
        title: format!("{}, {workers} {plural}", operation.title()),
        x: Axis::new("sessions", Scale::Log),
        y: Axis::new("ns an operation", Scale::Log),
        series,
    }
}
