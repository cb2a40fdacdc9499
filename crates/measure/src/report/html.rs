//! A report as one page: style and drawings inside, nothing fetched, no script.

use std::fmt::Write as _;

use super::{Cell, Report, Table, Unit, number};
use crate::plot::svg::{self, escape};

const STYLE: &str = include_str!("page.css");

pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    let mut push = |text: std::fmt::Arguments<'_>| {
        page.write_fmt(text).expect("a String takes everything");
    };
    let title = escape(&report.title);
    push(format_args!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p>{}</p>\n",
        svg::STYLE,
        escape(&report.machine.sentence())
    ));
    if !report.parameters.is_empty() {
        push(format_args!("<ul class=\"parameters\">\n"));
        for (key, value) in &report.parameters {
            let value = number::cell(value, Unit::None, true);
            push(format_args!("<li>{} <b>{}</b></li>\n", escape(key), escape(&value)));
        }
        push(format_args!("</ul>\n"));
    }
    push(format_args!("</header>\n<main>\n"));
    if !report.plots.is_empty() {
        push(format_args!("<section class=\"plots\">\n"));
        for plot in &report.plots {
            push(format_args!("<figure>\n{}\n</figure>\n", svg::inline(plot)));
        }
        push(format_args!("</section>\n"));
    }
    for table in &report.tables {
        push(format_args!("{}", section(table)));
    }
    if !report.notes.is_empty() {
        push(format_args!("<section class=\"notes\">\n<h2>Notes</h2>\n"));
        for note in &report.notes {
            push(format_args!("<p>{}</p>\n", escape(note)));
        }
        push(format_args!("</section>\n"));
    }
    push(format_args!("</main>\n</body>\n</html>\n"));
    page
}

fn section(table: &Table) -> String {
    let mut text = String::new();
    let mut push = |part: std::fmt::Arguments<'_>| {
        text.write_fmt(part).expect("a String takes everything");
    };
    let title = escape(&table.title);
    // a table wider than a phone moves inside its box, which the keyboard can reach too
    push(format_args!(
        "<section>\n<h2>{title}</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"{title}\">\n<table>\n<thead><tr>"
    ));
    for column in &table.columns {
        let unit = match column.unit.head() {
            "" => String::new(),
            unit => format!(" <small>{}</small>", escape(unit)),
        };
        push(format_args!("<th scope=\"col\">{}{unit}</th>", escape(&column.name)));
    }
    push(format_args!("</tr></thead>\n<tbody>\n"));
    for row in &table.rows {
        push(format_args!("<tr>"));
        for (column, cell) in table.columns.iter().zip(row) {
            let value = escape(&number::cell(cell, column.unit, false));
            match cell {
                Cell::Text(_) => push(format_args!("<td class=\"text\">{value}</td>")),
                Cell::Spread(spread) => {
                    let least = number::cell(&Cell::Number(spread.min), column.unit, false);
                    let most = number::cell(&Cell::Number(spread.max), column.unit, false);
                    push(format_args!("<td>{value}<small>{least}–{most}</small></td>"));
                }
                _ => push(format_args!("<td>{value}</td>")),
            }
        }
        push(format_args!("</tr>\n"));
    }
    push(format_args!("</tbody>\n</table>\n</div>\n</section>\n"));
    text
}
