//! A report as a person reads it in a terminal.

use std::io::{self, Write};

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell as TableCell, CellAlignment, ContentArrangement, Table as TextTable};

use super::{Cell, Report, Table, number};

const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

pub(super) fn write(report: &Report, out: &mut impl Write, is_wide: bool) -> io::Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}", report.title)?;
    writeln!(out, "{FAINT}{}{FAINT:#}", report.machine.sentence())?;
    if !report.parameters.is_empty() {
        let words: Vec<String> = report
            .parameters
            .iter()
            .map(|(key, value)| format!("{key} {}", number::cell(value, super::Unit::None, true)))
            .collect();
        writeln!(out, "{FAINT}{}{FAINT:#}", words.join(", "))?;
    }
    for table in &report.tables {
        writeln!(out, "\n{STRONG}{}{STRONG:#}", table.title)?;
        write_table(table, out, is_wide)?;
    }
    if !report.notes.is_empty() {
        writeln!(out)?;
    }
    for note in &report.notes {
        writeln!(out, "{FAINT}{note}{FAINT:#}")?;
    }
    Ok(())
}

fn write_table(table: &Table, out: &mut impl Write, is_wide: bool) -> io::Result<()> {
    let shown: Vec<usize> =
        (0..table.columns.len()).filter(|&it| is_wide || !table.columns[it].is_wide).collect();
    let aligned = |text: String, column: usize| {
        let is_text = table.rows.iter().any(|row| matches!(row[column], Cell::Text(_)));
        let alignment = if is_text { CellAlignment::Left } else { CellAlignment::Right };
        TableCell::new(text).set_alignment(alignment)
    };
    let mut text = TextTable::new();
    text.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    text.set_header(shown.iter().map(|&it| aligned(table.columns[it].name.clone(), it)));
    let has_units = shown.iter().any(|&it| !table.columns[it].unit.head().is_empty());
    if has_units {
        text.add_row(shown.iter().map(|&it| aligned(table.columns[it].unit.head().into(), it)));
    }
    for row in &table.rows {
        let cells = shown.iter().map(|&column| {
            aligned(number::cell(&row[column], table.columns[column].unit, is_wide), column)
        });
        text.add_row(cells);
    }
    let head_lines = 1 + usize::from(has_units);
    for (place, line) in text.to_string().lines().enumerate() {
        let line = line.trim_end();
        match place < head_lines {
            true => writeln!(out, " {FAINT}{line}{FAINT:#}")?,
            false => writeln!(out, " {line}")?,
        }
    }
    Ok(())
}
