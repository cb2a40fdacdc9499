//! What is printed, where, and in which shape: data on standard output, messages on standard
//! error, colours only where they are wanted.

use std::io::{self, BufWriter, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use ringfence_scenario::answer::FORMAT_VERSION;
use ringfence_scenario::diagnostic::Severity;
use ringfence_scenario::probe::ProbeError;
use ringfence_scenario::{Diagnostic, Source};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::{Colour, Format};

/// What is good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters.
pub(crate) const STRONG: Style = Style::new().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Makes the choice of the command line hold for both streams.
pub(crate) fn choose_colour(colour: Colour) {
    let choice = match colour {
        Colour::Auto => ColorChoice::Auto,
        Colour::Always => ColorChoice::Always,
        Colour::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// Whether standard error shows colours.
fn stderr_has_colour() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The shape of data.
    pub(crate) format: Format,
}

/// Standard output, buffered; colours are stripped where they are not wanted.
pub(crate) type Out = BufWriter<AutoStream<StdoutLock<'static>>>;

impl Output {
    pub(crate) fn new(format: Format) -> Output {
        Output { format }
    }

    /// Standard output.
    pub(crate) fn out(&self) -> Out {
        BufWriter::with_capacity(1 << 16, AutoStream::auto(io::stdout().lock()))
    }

    /// Prints one document in the shape that was asked for (a table is the caller's).
    pub(crate) fn document(&self, out: &mut impl Write, data: &impl Serialize) -> io::Result<()> {
        let value = sorted(serde_json::to_value(data).map_err(io::Error::other)?);
        match self.format {
            Format::Yaml => {
                let text = serde_saphyr::to_string(&value).map_err(io::Error::other)?;
                writeln!(out, "{}", text.trim_end())
            }
            Format::Jsonl => line(out, &value),
            Format::Table | Format::Wide | Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
                writeln!(out)
            }
        }
    }

    /// Says on standard error what went wrong.
    pub(crate) fn error(&self, message: &str) {
        self.say(&format!("{BAD}error{BAD:#}: {message}"));
    }

    /// Says on standard error why a packet means nothing, with its code. It stands in no file, so
    /// that as a document it has no range.
    pub(crate) fn probe_error(&self, error: &ProbeError) {
        let code = error.code();
        if self.format.is_for_people() {
            self.say(&format!("{BAD}error[{code}]{BAD:#}: {error}"));
            return;
        }
        let document = json!({
            "diagnostics": [{
                "code": code,
                "detail": "",
                "platform_code": null,
                "range": null,
                "severity": "error",
                "snippet": null,
                "summary": error.to_string(),
            }],
            "error_count": 1,
            "format_version": FORMAT_VERSION,
            "valid": false,
            "warning_count": 0,
        });
        // nobody is left to tell if standard error fails
        let _ = self.document(&mut anstream::stderr().lock(), &document);
    }

    /// Says something on standard error.
    pub(crate) fn say(&self, message: &str) {
        // nobody is left to tell if standard error fails
        let _ = writeln!(anstream::stderr().lock(), "{message}");
    }

    /// Says on standard error what is wrong with a file.
    pub(crate) fn diagnostics(&self, source: &Source, diagnostics: &[Diagnostic]) {
        let mut err = anstream::stderr().lock();
        let written = match self.format {
            Format::Json | Format::Jsonl | Format::Yaml => {
                self.document(&mut err, &diagnostics_document(&[(source, diagnostics)]))
            }
            Format::Table | Format::Wide => {
                render(&mut err, source, diagnostics, stderr_has_colour())
            }
        };
        // nobody is left to tell if standard error fails
        let _ = written;
    }
}

/// Writes diagnostics as people read them.
pub(crate) fn render(
    out: &mut impl Write,
    source: &Source,
    diagnostics: &[Diagnostic],
    colour: bool,
) -> io::Result<()> {
    for diagnostic in diagnostics {
        writeln!(out, "{}\n", diagnostic.render(source, colour).trim_end())?;
    }
    Ok(())
}

/// One document on a line.
pub(crate) fn line(out: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// "JSON carries [...] sorted keys", whatever map `serde_json` was built with.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            let entries = entries.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// "With `-o json`, diagnostics have the shape of `terraform validate -json`."
pub(crate) fn diagnostics_document(files: &[(&Source, &[Diagnostic])]) -> Value {
    let all = || files.iter().flat_map(|(_, diagnostics)| diagnostics.iter());
    let count = |severity| all().filter(|diagnostic| diagnostic.severity == severity).count();
    let shown: Vec<Value> = files
        .iter()
        .flat_map(|(source, diagnostics)| diagnostics.iter().map(|it| it.to_json(source)))
        .collect();
    json!({
        "diagnostics": shown,
        "error_count": count(Severity::Error),
        "format_version": FORMAT_VERSION,
        "valid": count(Severity::Error) == 0,
        "warning_count": count(Severity::Warning),
    })
}
