//! `replay`: files in, files out; what happens to the frames in between is the scenario crate's.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ringfence_cloud::World;
use ringfence_frame::capture;
use ringfence_scenario::changes::parse_control;
use ringfence_scenario::model::TimedChange;
use ringfence_scenario::replay::{Input, Replayed, Summary, check, parse_port, replay as play};
use ringfence_scenario::{Scenario, Source};

use crate::cli::{Format, ReplayArgs};
use crate::commands::run::on_interrupt;
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{BAD, GOOD, Output, STRONG};

/// `replay`
pub(crate) fn replay(args: &ReplayArgs, output: &Output) -> Result<Outcome, Failure> {
    let named = inputs_named(args)?;
    let scenario = files::scenario(&args.scenario, output)?;
    let world = &scenario.fabric.world;
    let mut inputs = Vec::new();
    for (port, file) in named {
        inputs.push(input(world, port, &file)?);
    }
    check(world, &inputs).map_err(|error| Failure::Usage(error.to_string()))?;
    let changes = control(args, &scenario)?;
    if !scenario.changes.is_empty() {
        output.say("note: the scenario's own `changes` are left out here; --control makes changes");
    }

    let unwritable = |path: &Path, error: &io::Error| Failure::cannot_write(path, error);
    fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, &error))?;
    let verdicts = args.out.join("verdicts.jsonl");
    let stopped = on_interrupt()?;
    let replayed = File::create(&verdicts)
        .and_then(|file| {
            let mut file = BufWriter::new(file);
            let mut go_on = || !stopped.load(Ordering::Relaxed);
            let replayed = play(&scenario.fabric, &inputs, &changes, &mut file, &mut go_on)?;
            file.flush()?;
            Ok(replayed)
        })
        .map_err(|error| unwritable(&verdicts, &error))?;
    let Replayed { summary, captures } = replayed;
    for (name, bytes) in captures {
        let path = args.out.join(name);
        fs::write(&path, bytes).map_err(|error| unwritable(&path, &error))?;
    }
    print(&summary, output)?;
    match stopped.load(Ordering::Relaxed) {
        true => Err(Failure::Runtime(format!("stopped after {} frames", summary.frames))),
        false => Ok(Outcome::Good),
    }
}

/// `PORT=FILE`, and no stream asked for twice.
fn inputs_named(args: &ReplayArgs) -> Result<Vec<(&str, PathBuf)>, Failure> {
    let mut named = Vec::new();
    for input in &args.inputs {
        match input.split_once('=') {
            Some((port, file)) if !port.is_empty() && !file.is_empty() => {
                named.push((port, PathBuf::from(file)));
            }
            _ => {
                let example = "PORT=FILE, such as web-1=web-1.pcap";
                return Err(Failure::Usage(format!("`--in {input}` is not {example}")));
            }
        }
    }
    let files = named.iter().map(|(_, file)| file).chain([&args.scenario]).chain(&args.control);
    match files.filter(|path| files::is_stdin(path)).count() {
        0 | 1 => Ok(named),
        _ => Err(Failure::Usage("only one input can be standard input (-)".to_owned())),
    }
}

fn input(world: &World, port: &str, file: &Path) -> Result<Input, Failure> {
    let port = parse_port(world, port).map_err(|error| Failure::Usage(error.to_string()))?;
    let records = match files::is_stdin(file) {
        true => capture::read_all(io::stdin().lock()),
        false => match File::open(file) {
            Ok(file) => capture::read_all(file),
            Err(error) => return Err(Failure::cannot_read(file, &error)),
        },
    };
    let file = file.display().to_string();
    let records = records.map_err(|error| Failure::Usage(format!("{file}: {error}")))?;
    Ok(Input { port, file, records })
}

fn control(args: &ReplayArgs, scenario: &Scenario) -> Result<Vec<TimedChange>, Failure> {
    let Some(path) = &args.control else { return Ok(Vec::new()) };
    let source: Source = files::source(path)?;
    parse_control(&scenario.fabric, &source)
        .map_err(|diagnostics| Failure::Invalid { file: source, diagnostics })
}

fn print(summary: &Summary, output: &Output) -> Result<(), Failure> {
    let mut out = output.out();
    match output.format {
        Format::Table | Format::Wide => table(&mut out, summary)?,
        Format::Json | Format::Yaml | Format::Jsonl => output.document(&mut out, summary)?,
    }
    out.flush()?;
    Ok(())
}

fn table(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Summary {
        allowed,
        changes,
        denied,
        format_version: _,
        frames,
        frames_out,
        sessions_cut,
        sessions_opened,
        skipped,
    } = summary;
    writeln!(out, "{STRONG}frames{STRONG:#}    {frames} taken, {skipped} skipped")?;
    writeln!(out, "{GOOD}allowed{GOOD:#}   {allowed}")?;
    writeln!(out, "{BAD}denied{BAD:#}    {}", denied.values().sum::<u64>())?;
    for (reason, count) in denied {
        writeln!(out, "            {count:>8}  {reason}")?;
    }
    writeln!(out, "{STRONG}sessions{STRONG:#}  {sessions_opened} opened, {sessions_cut} cut")?;
    writeln!(out, "{STRONG}changes{STRONG:#}   {changes}")?;
    writeln!(out, "{STRONG}came out{STRONG:#}  {}", frames_out.values().sum::<u64>())?;
    for (port, count) in frames_out {
        writeln!(out, "            {count:>8}  {port}")?;
    }
    Ok(())
}
