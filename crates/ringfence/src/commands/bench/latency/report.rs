//! What the report says: tables, plots, histograms and notes.

use ringfence_measure::{
    Cell, Clock, Column, Latency, PERCENTILES, Plot, Report, Sample, Series, Table, Unit,
};
use ringfence_runtime::live::{PacedEnd, Placement};

use super::rows::{EMPTY, Group, KINDS, Row, Trial};
use super::subject::{FILLING, FLOWS_MAX};
use super::{LITTLE_LOSS, Rates, Subject};

/// Whose latencies tell most.
const ESTABLISHED: &str = KINDS[0];

/// All tables.
pub(super) fn tables(
    report: &mut Report,
    rates: Option<&Rates>,
    rows: &[Row],
    ends: &[(&str, PacedEnd)],
) {
    if let Some(rates) = rates {
        report.table(highest(rates));
    }
    report.table(latencies(rows));
    report.table(over_empty(rows));
    if rows.iter().any(|row| row.load.group == Group::NewFlows) {
        report.table(new_flows(rows));
    }
    report.table(offered(rows));
    report.table(checks(ends));
}

fn highest(rates: &Rates) -> Table {
    let mut table = Table::new(
        "highest-rate",
        "The highest rate",
        vec![
            Column::new("pipeline", Unit::None),
            Column::new("loss up to", Unit::Percent),
            Column::new("rate", Unit::Mpps),
        ],
    );
    let rows = [
        ("switch", 0.0, &rates.no_loss),
        ("switch", LITTLE_LOSS.loss, &rates.little_loss),
        (EMPTY, 0.0, &rates.empty),
    ];
    for (pipeline, loss, found) in rows {
        table.push(vec![
            pipeline.into(),
            (100.0 * loss).into(),
            found.map(|rate| rate / 1e6).as_ref().into(),
        ]);
    }
    table
}

/// Columns, and one for each of the percentiles.
fn with_percentiles(mut columns: Vec<Column>, percentiles: &[(&str, f64)]) -> Vec<Column> {
    columns.extend(percentiles.iter().map(|(name, _)| Column::new(name, Unit::Ns)));
    columns
}

fn latencies(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "latency",
        "Latency from the moment at which a frame was due",
        with_percentiles(
            vec![
                Column::new("load", Unit::None),
                Column::new("kind", Unit::None),
                Column::new("frames", Unit::None),
            ],
            &PERCENTILES,
        ),
    );
    for row in rows {
        for kind in std::iter::once(EMPTY).chain(KINDS) {
            let Some(all) = row.all(kind) else { continue };
            let mut cells = vec![row.load.name.as_str().into(), kind.into(), all.count().into()];
            cells.extend(PERCENTILES.map(|(_, percentile)| match percentile < 100.0 {
                true => cell(row.percentile(kind, percentile)),
                false => all.max_ns().into(),
            }));
            table.push(cells);
        }
    }
    table
}

fn over_empty(rows: &[Row]) -> Table {
    // two longest say nothing beside each other
    let below_max: Vec<(&str, f64)> =
        PERCENTILES.into_iter().filter(|(_, percentile)| *percentile < 100.0).collect();
    let mut table = Table::new(
        "over-empty",
        "Over the empty pipeline",
        with_percentiles(
            vec![Column::new("load", Unit::None), Column::new("kind", Unit::None)],
            &below_max,
        ),
    );
    for row in rows {
        for kind in KINDS.into_iter().filter(|kind| row.all(kind).is_some()) {
            let mut cells = vec![row.load.name.as_str().into(), kind.into()];
            cells.extend(
                below_max.iter().map(|&(_, percentile)| cell(row.over_empty(kind, percentile))),
            );
            table.push(cells);
        }
    }
    table
}

/// What established flows suffer while new ones come in.
fn new_flows(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "new-flows",
        "Established flows while new ones come in",
        vec![
            Column::new("new flows", Unit::Pps),
            Column::new("beside", Unit::Mpps),
            Column::new("lost", Unit::Percent),
            Column::new("table at start", Unit::Percent),
            Column::new("table at end", Unit::Percent),
            Column::new("p50", Unit::Ns),
            Column::new("p99", Unit::Ns),
            Column::new("p99 over none", Unit::Ratio),
            Column::new("p99.99", Unit::Ns),
            Column::new("p99.99 over empty", Unit::Ns),
        ],
    );
    let rows = || rows.iter().filter(|row| row.load.group == Group::NewFlows);
    let none = rows().find(|row| row.load.new_per_second == 0);
    let none = none.and_then(|row| row.percentile(ESTABLISHED, 99.0));
    for row in rows() {
        let figure = |percentile| row.percentile(ESTABLISHED, percentile);
        let held =
            |which: fn(&(f64, f64)) -> f64| Sample::new(row.held.iter().map(which).collect());
        let over_none = figure(99.0).zip(none.as_ref()).and_then(|(it, none)| it.over(none));
        table.push(vec![
            row.load.new_per_second.into(),
            (row.load.rate as f64 / 1e6).into(),
            cell(percent(&row.switch)),
            cell(held(|it| it.0)),
            cell(held(|it| it.1)),
            cell(figure(50.0)),
            cell(figure(99.0)),
            cell(over_none),
            cell(figure(99.99)),
            cell(row.over_empty(ESTABLISHED, 99.99)),
        ]);
    }
    table
}

/// What was asked of either pipeline, and what disturbed it.
fn offered(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "offered",
        "What was offered, and the longest pauses",
        vec![
            Column::new("load", Unit::None),
            Column::new("pipeline", Unit::None),
            Column::new("rate", Unit::Mpps),
            Column::new("frames due", Unit::None),
            Column::new("lost", Unit::Percent),
            Column::new("worker paused", Unit::Us),
            Column::new("tester paused", Unit::Us),
        ],
    );
    for row in rows {
        for (pipeline, trials) in [("switch", &row.switch), (EMPTY, &row.empty)] {
            let of =
                |figure: fn(&Trial) -> f64| cell(Sample::new(trials.iter().map(figure).collect()));
            table.push(vec![
                row.load.name.as_str().into(),
                pipeline.into(),
                ((row.load.rate + row.load.new_per_second) as f64 / 1e6).into(),
                trials.iter().map(|trial| trial.due).sum::<u64>().into(),
                cell(percent(trials)),
                of(|trial| trial.worker_gap_us),
                of(|trial| trial.tester_gap_us),
            ]);
        }
    }
    table
}

fn checks(ends: &[(&str, PacedEnd)]) -> Table {
    let mut table = Table::new(
        "checks",
        "What became of every frame",
        vec![
            Column::new("pipeline", Unit::None),
            Column::new("sent", Unit::None),
            Column::new("delivered", Unit::None),
            Column::new("dropped", Unit::None),
            Column::new("overflowed", Unit::None),
            Column::new("questions", Unit::None),
            Column::new("answers", Unit::None),
            Column::new("lost", Unit::None),
            Column::new("leaks", Unit::None),
            Column::new("false drops", Unit::None),
        ],
    );
    for (pipeline, end) in ends {
        let accounts = &end.accounts;
        let figures = [
            accounts.sent,
            accounts.delivered,
            accounts.dropped.values().sum(),
            accounts.overflowed,
            end.asked,
            end.answered,
            accounts.lost,
            accounts.leaks,
            accounts.false_drops,
        ];
        let pipeline = Cell::from(*pipeline);
        table.push(std::iter::once(pipeline).chain(figures.map(Cell::from)).collect());
    }
    table
}

fn percent(trials: &[Trial]) -> Option<Sample> {
    Sample::new(trials.iter().map(|trial| 100.0 * trial.loss).collect())
}

/// A sample of one is a figure of all trials together, and has no range.
fn cell(sample: Option<Sample>) -> Cell {
    match sample.as_ref().map(Sample::values) {
        Some([one]) => (*one).into(),
        _ => sample.as_ref().into(),
    }
}

/// All plots.
pub(super) fn plots(report: &mut Report, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.load.group == Group::Fractions) {
        let kinds = || KINDS.into_iter().filter_map(|kind| Some((kind, row.all(kind)?)));
        let all: Vec<(&str, Latency)> = kinds().collect();
        let title = format!("Latency by what happened to the frame, load {}", row.load.name);
        let lines = all.iter().map(|(kind, latency)| (*kind, latency));
        let mut plot = Plot::percentiles(&row.load.id, &title, lines);
        plot.series.extend(yardstick(row));
        report.plot(plot);
    }
    let groups = [
        (Group::Fractions, "loads", "Established flows by load"),
        (Group::NewFlows, "new-flows", "Established flows while new ones come in"),
    ];
    for (group, id, title) in groups {
        let of_group = || rows.iter().filter(|row| row.load.group == group);
        let all: Vec<(&str, Latency)> = of_group()
            .filter_map(|row| Some((row.load.name.as_str(), row.all(ESTABLISHED)?)))
            .collect();
        if all.len() > 1 {
            report.plot(Plot::percentiles(id, title, all.iter().map(|(name, it)| (*name, it))));
        }
    }
}

/// The empty pipeline, as what others are measured by.
fn yardstick(row: &Row) -> Option<Series> {
    let empty = row.all(EMPTY)?;
    let plot = Plot::percentiles("", "", [(EMPTY, &empty)]);
    plot.series.into_iter().next().map(|line| Series::yardstick(EMPTY, line.points))
}

/// The histogram of each load and kind.
pub(super) fn histograms(report: &mut Report, rows: &[Row]) {
    for row in rows {
        for kind in std::iter::once(EMPTY).chain(KINDS) {
            if let Some(all) = row.all(kind) {
                report.latency(&format!("{}-{}", row.load.id, kind.replace(' ', "-")), all);
            }
        }
    }
}

/// How to read all that.
pub(super) fn notes(report: &mut Report, subject: &Subject, placement: &Placement, clock: &Clock) {
    report.note(subject.sentence());
    report.note(super::threads(placement));
    report.note(
        "Frames are due at equal distances, whatever becomes of those before. A frame's latency runs \
         from when it was due to when the sink found it, so that it has waited for a tester that was \
         late, in the ring before the worker (4,096 frames; what finds it full is lost), for its \
         batch, and in the ring behind.",
    );
    report.note(
        "empty: the same threads, rings and checks, with a thread that hands frames on in the \
         worker's place. Its rate is what the tester bears: a switch that comes near it has not been \
         measured, the tester has.",
    );
    report.note(
        "A percentile is the median of the trials' where each trial has 10 frames beyond it, else \
         that of all trials together; max is of all. Over the empty pipeline: differences of \
         percentiles of two trials made one after the other, not percentiles of differences.",
    );
    if subject.title.is_none() {
        report.note(format!(
            "Beside new flows: each trial through the switch follows {} s of the same load that are not \
             measured, in which the table fills until as many flows end as begin; table at start, at \
             end: the share of its {} million flows that it held, flows that are dead and not swept yet \
             included. Where frames are lost it holds less.",
            FILLING.as_secs_f64(),
            FLOWS_MAX as f64 / 1e6
        ));
    }
    report.note(format!(
        "Reading the clock takes {:.1} ns; a batch's frames share one reading at each end.",
        clock.ticks_to_ns(clock.overhead_ticks() as f64)
    ));
}
