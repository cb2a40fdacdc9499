//! A report: what was measured, on what, in tables, plots and notes. Owns the data; how it is
//! printed and written lies in the files below.

pub(crate) mod files;
mod html;
mod json;
mod number;
mod text;

use std::io;

use serde_json::Value;

use crate::latency::Latency;
use crate::machine::Machine;
use crate::plot::Plot;
use crate::sample::{Sample, Spread};

pub(crate) use number::axis_number;

/// What the numbers of a column are. The unit stands in the head of a printed table and at the end
/// of a document's key (`_ns`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Words, counts.
    None,
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    Seconds,
    /// Ticks of the time stamp counter.
    Clocks,
    /// Bytes.
    Bytes,
    /// Packets, or operations, a second.
    Pps,
    /// Millions of packets a second.
    Mpps,
    /// One over another.
    Ratio,
    /// Per cent.
    Percent,
}

impl Unit {
    /// How it is printed in a head; bytes carry theirs in each cell.
    fn head(self) -> &'static str {
        match self {
            Unit::None | Unit::Bytes => "",
            Unit::Ns => "ns",
            Unit::Us => "µs",
            Unit::Ms => "ms",
            Unit::Seconds => "s",
            Unit::Clocks => "clocks",
            Unit::Pps => "a second",
            Unit::Mpps => "million/s",
            Unit::Ratio => "times",
            Unit::Percent => "%",
        }
    }

    /// What a key ends with.
    fn suffix(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Ns => "_ns",
            Unit::Us => "_us",
            Unit::Ms => "_ms",
            Unit::Seconds => "_s",
            Unit::Clocks => "_clocks",
            Unit::Bytes => "_bytes",
            Unit::Pps => "_pps",
            Unit::Mpps => "_mpps",
            Unit::Ratio => "_ratio",
            Unit::Percent => "_percent",
        }
    }
}

/// A column of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    name: String,
    unit: Unit,
    is_wide: bool,
}

impl Column {
    /// A column. Its name is its head, and with underscores for spaces and the unit at the end it is
    /// the key of documents: `("build time", Unit::Ms)` gives `build_time_ms`.
    pub fn new(name: &str, unit: Unit) -> Column {
        Column { name: name.to_owned(), unit, is_wide: false }
    }

    /// A column that is printed only where there is much room (`-o wide`, pages, documents).
    pub fn wide(name: &str, unit: Unit) -> Column {
        Column { is_wide: true, ..Column::new(name, unit) }
    }

    fn key(&self) -> String {
        let word = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let key: String = self.name.chars().map(word).collect();
        let suffix = self.unit.suffix();
        match key.ends_with(suffix) || suffix.strip_prefix('_') == Some(&key) {
            true => key,
            false => key + suffix,
        }
    }
}

/// A cell.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// No figure: it does not apply, or there are too few samples.
    Missing,
    /// Words.
    Text(String),
    /// A number of things.
    Count(u64),
    /// One figure.
    Number(f64),
    /// A figure of many trials.
    Spread(Spread),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Cell {
        Cell::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Cell {
        Cell::Count(count as u64)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        match number.is_finite() {
            true => Cell::Number(number),
            false => Cell::Missing,
        }
    }
}

impl From<Spread> for Cell {
    fn from(spread: Spread) -> Cell {
        Cell::Spread(spread)
    }
}

impl From<&Sample> for Cell {
    fn from(sample: &Sample) -> Cell {
        Cell::Spread(sample.spread())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Cell {
        cell.map_or(Cell::Missing, Into::into)
    }
}

/// A table.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    id: String,
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows. `id` is its name in documents: lower-case letters, digits, hyphens.
    pub fn new(id: &str, title: &str, columns: Vec<Column>) -> Table {
        Table { id: id.to_owned(), title: title.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds a row: a cell for each column. Cells that are missing at the end count as
    /// [`Cell::Missing`]; cells beyond the last column are left out.
    pub fn push(&mut self, mut row: Vec<Cell>) {
        row.resize(self.columns.len(), Cell::Missing);
        self.rows.push(row);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What was measured, on what.
#[derive(Clone, Debug)]
pub struct Report {
    measurement: String,
    title: String,
    machine: Machine,
    parameters: Vec<(String, Cell)>,
    notes: Vec<String>,
    tables: Vec<Table>,
    plots: Vec<Plot>,
    latencies: Vec<(String, Latency)>,
}

impl Report {
    /// An empty report; `measurement` is its name in documents, such as `table`.
    pub fn new(measurement: &str, title: &str, machine: Machine) -> Report {
        Report {
            measurement: measurement.to_owned(),
            title: title.to_owned(),
            machine,
            parameters: Vec::new(),
            notes: Vec::new(),
            tables: Vec::new(),
            plots: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Notes what was asked for: the seed, the number of trials.
    pub fn parameter(&mut self, key: &str, value: impl Into<Cell>) {
        self.parameters.push((key.to_owned(), value.into()));
    }

    /// Adds a sentence on how to read the figures.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Adds a plot.
    pub fn plot(&mut self, plot: Plot) {
        self.plots.push(plot);
    }

    /// Adds a histogram, to be written as `NAME.hgrm`.
    pub fn latency(&mut self, name: &str, latency: Latency) {
        self.latencies.push((name.to_owned(), latency));
    }

    /// Prints the report for people; with `is_wide` all columns and all ranges. Has colours: the
    /// stream is to strip them where they are not wanted.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut impl io::Write, is_wide: bool) -> io::Result<()> {
        text::write(self, out, is_wide)
    }

    /// The report as one document: keys sorted, units in key names.
    pub fn to_json(&self) -> Value {
        json::document(self)
    }

    /// The report as documents for one line each: the head, then each row of each table with the
    /// table's name.
    pub fn to_json_lines(&self) -> Vec<Value> {
        json::lines(self)
    }

    /// The report as one page that needs nothing else.
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}

#[cfg(test)]
mod tests;
