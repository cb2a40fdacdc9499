//! `ps`, `down`, `clean`: fabrics by what they say of themselves.

use std::io::Write;
use std::thread;
use std::time::Duration;

use ringfence_host::{Namespaces, Running, StateFolder};
use ringfence_scenario::answer::FORMAT_VERSION;
use serde_json::json;

use crate::cli::live::FabricArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::{BAD, Out, Output, STRONG};

/// How long a fabric may take to end, and how often it is looked whether it has.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// `ps`
pub(crate) fn ps(output: &Output) -> Result<Outcome, Failure> {
    let all = StateFolder::of_the_system().all();
    let mut out = output.out();
    if !output.format.is_for_people() {
        let fabrics: Vec<_> =
            all.iter().map(|it| json!({ "fabric": it, "is_up": it.is_alive() })).collect();
        output
            .document(&mut out, &json!({ "fabrics": fabrics, "format_version": FORMAT_VERSION }))?;
        out.flush()?;
        return Ok(Outcome::Good);
    }
    for running in &all {
        let state = match running.is_alive() {
            true => format!("process {}", running.process),
            false => format!("{BAD}killed{BAD:#}; `ringfence clean` removes what it left"),
        };
        writeln!(out, "{STRONG}{}{STRONG:#} ({state}): {}", running.name, running.title)?;
        print_guests(&mut out, running)?;
    }
    if all.is_empty() {
        output.say("no fabric is up");
    }
    out.flush()?;
    Ok(Outcome::Good)
}

/// The guests of a fabric, a line for each of their ports.
pub(super) fn print_guests(out: &mut Out, running: &Running) -> Result<(), Failure> {
    let rows: Vec<[String; 4]> = running
        .attached
        .iter()
        .flat_map(|guest| {
            guest.cards.iter().map(|card| {
                let addresses = card.addresses.join(", ");
                [card.port.clone(), guest.namespace.clone(), card.device.clone(), addresses]
            })
        })
        .collect();
    let titles = ["port", "namespace", "device", "addresses"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&titles]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    for [port, namespace, device, addresses] in std::iter::once(&titles).chain(&rows) {
        let [a, b, c] = widths;
        writeln!(out, "  {port:a$}  {namespace:b$}  {device:c$}  {addresses}")?;
    }
    Ok(())
}

/// Those that are meant by a name, or all.
fn meant(args: &FabricArgs) -> Result<Vec<Running>, Failure> {
    let state = StateFolder::of_the_system();
    match &args.name {
        None => Ok(state.all()),
        Some(name) => match state.find(name) {
            Some(running) => Ok(vec![running]),
            None => Err(Failure::Usage(format!(
                "there is no fabric `{name}`; `ringfence ps` prints those that there are"
            ))),
        },
    }
}

/// `down`
pub(crate) fn down(args: &FabricArgs, output: &Output) -> Result<Outcome, Failure> {
    let mut left: Vec<Running> = meant(args)?.into_iter().filter(Running::is_alive).collect();
    if left.is_empty() {
        return Err(Failure::Nothing("no such fabric is up".to_owned()));
    }
    for running in &left {
        running.ask_to_end()?;
    }
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        left.retain(|running| {
            if !running.is_alive() {
                output.say(&format!("{} is down", running.name));
            }
            running.is_alive()
        });
        if left.is_empty() {
            return Ok(Outcome::Good);
        }
        #[expect(clippy::disallowed_methods, reason = "another process is waited for")]
        thread::sleep(LOOK);
        waited += LOOK;
    }
    let names: Vec<&str> = left.iter().map(|it| it.name.as_str()).collect();
    Err(Failure::Runtime(format!("still up after {} s: {}", PATIENCE.as_secs(), names.join(", "))))
}

/// `clean`
pub(crate) fn clean(args: &FabricArgs, output: &Output) -> Result<Outcome, Failure> {
    let (state, namespaces) = (StateFolder::of_the_system(), Namespaces::of_the_system());
    let (alive, dead): (Vec<_>, Vec<_>) = meant(args)?.into_iter().partition(Running::is_alive);
    if let (Some(alive), Some(_)) = (alive.first(), &args.name) {
        return Err(Failure::Usage(format!(
            "`{0}` is up; `ringfence down {0}` ends it",
            alive.name
        )));
    }
    for left in &dead {
        let removed = state.clean(left, &namespaces)?;
        output.say(&format!("{}: {} network namespaces removed", left.name, removed.len()));
    }
    if dead.is_empty() {
        output.say("nothing was left behind");
    }
    Ok(Outcome::Good)
}
