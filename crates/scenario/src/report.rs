//! The report of one or more runs as a single HTML page, for phones and projectors alike.
//!
//! Owns the page. It needs nothing but itself: no script, no font, no picture from elsewhere, and
//! its own policy forbids them. Everything a scenario says is escaped. The same runs give the same
//! bytes.

mod chart;
mod page;
mod svg;
mod topology;
mod units;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};

use crate::runner::report::RunReport;
use page::Page;

const TEMPLATES: [(&str, &str); 3] = [
    ("page.html", include_str!("report/page.html")),
    ("scenario.html", include_str!("report/scenario.html")),
    ("parts.html", include_str!("report/parts.html")),
];
const STYLE: &str = include_str!("report/style.css");

/// Writes the report of some runs as `index.html` into a folder, which is made if need be. Gives
/// the file's path.
///
/// # Errors
/// Those of making the folder and writing the file.
pub fn write(folder: &Path, runs: &[RunReport]) -> io::Result<PathBuf> {
    let page = html(runs);
    fs::create_dir_all(folder)?;
    let path = folder.join("index.html");
    fs::write(&path, page)?;
    Ok(path)
}

/// The report of some runs.
pub fn html(runs: &[RunReport]) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual syntax"));
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(format);
    environment.add_filter("duration", units::duration);
    environment.add_filter("count", units::count);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).expect("the templates are ours, and are tested");
    }
    let template = environment.get_template("page.html").expect("it was just added");
    template.render(Serde(Page::of(runs, STYLE))).expect("the templates ask for what pages hold")
}

/// Escapes what the drawings escape, and no more: slashes are no danger in quoted attributes.
fn format(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            out.write_str(&svg::escape(text)).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}
