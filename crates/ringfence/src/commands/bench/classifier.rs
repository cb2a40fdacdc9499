//! `bench classifier`: the compiled classifier on rule sets of several shapes and sizes. Owns which
//! sets are measured and the table; how is `figures`'s.

mod figures;
mod members;

use std::time::Duration;

use ringfence_load::rules::{RuleSet, RuleShape, read_filters};
use ringfence_measure::trials::Plan;
use ringfence_measure::{
    Axis, Cell, Clock, Column, Machine, Plot, Point, Report, Scale, Series, Table, Unit,
};

use self::figures::{Figures, measure, memory_bytes};
use super::Stop;
use super::print::print;
use crate::cli::bench::{self, ClassifierArgs};
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// A trial goes through some tens of thousands of packets.
const SECONDS: f64 = 0.005;

/// Rules of a set that is small: what most interfaces have.
const FEW: usize = 100;

/// `bench classifier`
pub(super) fn classifier(
    args: &ClassifierArgs,
    stop: &Stop,
    output: &Output,
) -> Result<Outcome, Failure> {
    let clock = Clock::calibrate();
    let seconds = args.measure.seconds.unwrap_or(SECONDS);
    let plan = Plan { trials: args.measure.trials, budget: Duration::from_secs_f64(seconds) };
    let mut rows = Vec::new();
    let mut add = |shape: &'static str, set: &RuleSet| {
        output.say(&format!("{shape}, {} rules", set.rule_count()));
        let figures = measure(&clock, plan, set, args.measure.seed, stop);
        rows.push((shape, set.rule_count(), figures));
    };
    match &args.rules {
        Some(path) => {
            let source = files::source(path)?;
            let rules = read_filters(&source.text)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            if rules.is_empty() {
                return Err(Failure::Nothing(format!("{}: no rule in it", path.display())));
            }
            add("file", &RuleSet::of(rules));
        }
        None => {
            'all: for shape in shapes(args.shape) {
                for &count in &args.rules_count {
                    if stop.is_asked() {
                        break 'all;
                    }
                    add(shape.name(), &RuleSet::draw(shape, count, args.measure.seed));
                }
            }
        }
    }
    let report = report(args, &clock, &rows);
    print(&report, &args.measure, None, output)?;
    let wrong = rows.iter().find_map(|(shape, rules, figures)| {
        let told = figures.disagreement.as_ref()?;
        Some(format!("{shape}, {rules} rules: classifier and reference disagree: {told}"))
    });
    match wrong {
        Some(wrong) => Err(Failure::Runtime(wrong)),
        None => Ok(Outcome::Good),
    }
}

fn shapes(wanted: bench::RuleShape) -> Vec<RuleShape> {
    match wanted {
        bench::RuleShape::Groups => vec![RuleShape::Groups],
        bench::RuleShape::Acl => vec![RuleShape::Acl],
        bench::RuleShape::Firewall => vec![RuleShape::Firewall],
        bench::RuleShape::All => RuleShape::ALL.to_vec(),
    }
}

type Row = (&'static str, usize, Figures);

fn report(args: &ClassifierArgs, clock: &Clock, rows: &[Row]) -> Report {
    let title = "The compiled classifier";
    let mut report = Report::new("classifier", title, Machine::read(clock));
    report.parameter("seed", args.measure.seed);
    report.parameter("trials", args.measure.trials);
    report.note(
        "Packets are drawn without locality: nine in ten from the box of a random rule, one in ten \
         from anywhere. What it takes to make a question is measured alone and taken off.",
    );
    report.note(
        "rule: one random rule replaced by another, among them rules that name what no rule named; \
         the greatest is where the set was compiled anew. member: a controller of the set's world is \
         told that the interface leaves all its groups and has them again, and members of the groups \
         that rules name, too; the sets that they come to were compiled before.",
    );
    report.note(memory(args.measure.seed));
    let mut table = Table::new("look-ups", title, columns());
    for (shape, rules, figures) in rows {
        let Figures { single, batched, reference_ns, generator_ns, .. } = figures;
        table.push(vec![
            Cell::from(*shape),
            Cell::from(*rules),
            single.as_ref().into(),
            batched.as_ref().into(),
            Cell::from(*reference_ns),
            Cell::from(figures.memory_bytes),
            Cell::from(figures.memory_bytes as f64 / *rules as f64),
            figures.build.as_ref().into(),
            figures.rule.as_ref().into(),
            figures.member.as_ref().into(),
            Cell::from(figures.agreed),
            Cell::from(*generator_ns),
        ]);
    }
    report.table(table);
    report.plot(plot(rows));
    report
}

/// What sets of few rules take, and what one takes before it has any.
fn memory(seed: u64) -> String {
    let bare = memory_bytes(&RuleSet::of(Vec::new()));
    let few = RuleShape::ALL.map(|shape| {
        let bytes = memory_bytes(&RuleSet::draw(shape, FEW, seed));
        format!("{} {bytes}", shape.name())
    });
    format!(
        "Memory is a set's own, everything that it goes by included. A set without rules takes {bare} \
         bytes, one of {FEW} rules: {} bytes.",
        few.join(", ")
    )
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("shape", Unit::None),
        Column::new("rules", Unit::None),
        Column::new("single", Unit::Ns),
        Column::new("batched", Unit::Ns),
        Column::new("reference", Unit::Ns),
        Column::new("memory", Unit::Bytes),
        Column::new("a rule", Unit::Bytes),
        Column::new("build", Unit::Ms),
        Column::new("rule", Unit::Us),
        Column::new("member", Unit::Us),
        Column::new("agreed", Unit::None),
        Column::wide("generator", Unit::Ns),
    ]
}

fn plot(rows: &[Row]) -> Plot {
    let mut series: Vec<Series> = Vec::new();
    for (shape, rules, figures) in rows {
        let Some(batched) = &figures.batched else { continue };
        let point = Point::of(*rules as f64, batched.spread());
        match series.iter_mut().find(|it| it.name == *shape) {
            Some(line) => line.points.push(point),
            None => series.push(Series::new(shape, vec![point])),
        }
    }
    Plot {
        id: "look-ups".to_owned(),
        title: "A look-up, by rules".to_owned(),
        x: Axis::new("rules", Scale::Log),
        y: Axis::new("ns", Scale::Log),
        series,
    }
}
