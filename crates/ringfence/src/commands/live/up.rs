//! `up`: a scenario with real guests, until somebody ends it.

use std::io::Write;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use ringfence_endpoints::Guest;
use ringfence_frame::Instant;
use ringfence_host::{Claim, Namespaces, Running, StateFolder, may_run};
use ringfence_runtime::live::{Attachment, LiveOptions, LiveWorld, bring_up};
use ringfence_scenario::Scenario;
use ringfence_switch::{Controller, Counters, Layout};
use serde_json::json;

use super::guests::{Made, attached, divide};
use crate::cli::live::{Attach, UpArgs};
use crate::files;
use crate::outcome::{Failure, Outcome};
use crate::output::{FAINT, Output, STRONG};

/// How often it is seen to whether all workers live.
const LOOK: Duration = Duration::from_millis(200);

/// `up`
pub(crate) fn up(args: &UpArgs, output: &Output) -> Result<Outcome, Failure> {
    let scenario = files::scenario_to_bring_up(&args.scenario, output)?;
    let (real, simulated) = divide(&scenario, args.attach == Some(Attach::Tap))?;
    if real.is_empty() {
        return Err(Failure::Nothing(
            "the scenario attaches nobody; --attach tap gives everybody a TAP device".to_owned(),
        ));
    }
    say_what_is_left_out(&scenario, output);
    may_run()?;
    let name = name(args)?;
    let mut running = Running::of_this_process(&name, &args.scenario, &scenario.title);
    running.attached = real.iter().map(|real| attached(&name, real)).collect();
    let ended = on_end()?;
    // from here on what is dropped is undone, in the order opposite to this one
    let claim = StateFolder::of_the_system().claim(&running)?;
    write_hosts(&claim, &scenario)?;
    let mut made = Made::new(Namespaces::of_the_system());
    let world = &scenario.fabric.world;
    let mut ports = Vec::new();
    for (real, attached) in real.iter().zip(&running.attached) {
        ports.extend(made.make(real, attached, world, !args.no_address)?);
    }
    let workers = usize::from(args.workers);
    let controller = Controller::new(
        scenario.fabric.clone(),
        Layout {
            workers_max: workers,
            flows_max: None,
            numbered: true,
            huge_pages: false,
            seed: seed(),
        },
    );
    let options = LiveOptions { pin: false, huge_pages: false, ..LiveOptions::default() };
    let start = options.clock.now();
    let numbers = controller.plane().ports().clone();
    let guests = simulated
        .into_iter()
        .map(|(place, config)| (place, Attachment::Guest(Box::new(Guest::new(config, start)))));
    let taps = ports.into_iter().map(|(place, tap)| (place, Attachment::Tap(tap)));
    let everybody = taps.chain(guests).map(|(place, it)| (numbers.number(place), it)).collect();
    let fabric = bring_up(controller, everybody, workers, &options).map_err(failed)?;
    say_who(&running, output)?;
    let counters = stay(fabric, &scenario, start, &ended, output)?;
    say_counts(&counters, output)?;
    Ok(Outcome::Good)
}

/// What a scenario says and a live fabric does not do.
fn say_what_is_left_out(scenario: &Scenario, output: &Output) {
    if !scenario.traffic.is_empty() {
        output.say("warning: generators do not send in a live fabric yet: `traffic` is left out");
    }
    if !scenario.links.is_empty() {
        output.say("warning: links have neither delay, loss nor bandwidth in a live fabric yet");
    }
}

/// The name that was given, or the file's.
fn name(args: &UpArgs) -> Result<String, Failure> {
    let stem = args.scenario.file_stem().map(|it| it.to_string_lossy().into_owned());
    let name = args.name.clone().or(stem).unwrap_or_default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !name.is_empty()
        && name.len() <= 64
        && name.chars().all(is_part)
        && !name.starts_with('.')
    {
        true => Ok(name),
        false => Err(Failure::Usage(format!(
            "`{name}` cannot be a fabric's name: --name takes letters, digits, `-`, `_` and `.`"
        ))),
    }
}

/// Told once, when the fabric is to end.
fn on_end() -> Result<Receiver<()>, Failure> {
    let (end, ended) = bounded(1);
    ctrlc::set_handler(move || {
        // said before is said
        let _ = end.try_send(());
    })
    .map_err(|error| Failure::Runtime(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(ended)
}

/// Makes the scenario's changes when their time comes, until the fabric is to end.
fn stay(
    mut fabric: LiveWorld,
    scenario: &Scenario,
    start: Instant,
    ended: &Receiver<()>,
    output: &Output,
) -> Result<Counters, Failure> {
    let mut changes = scenario.changes.iter().peekable();
    loop {
        let since = fabric.now().since(start);
        if let Some(next) = changes.next_if(|next| next.at.since(Instant::START) <= since) {
            fabric.apply(next.change.clone()).map_err(failed)?;
            output.say(&format!("{:.3} s: {}", since.as_secs_f64(), next.summary));
            continue;
        }
        let until = changes.peek().map(|next| next.at.since(Instant::START).saturating_sub(since));
        match ended.recv_timeout(until.unwrap_or(LOOK).min(LOOK)) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => fabric.check().map_err(failed)?,
        }
    }
    Ok(fabric.stop().map_err(failed)?.counters)
}

/// A file by which guests know each other by name.
fn write_hosts(claim: &Claim, scenario: &Scenario) -> Result<(), Failure> {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n".to_owned();
    for (_, config) in ringfence_scenario::guests(scenario, scenario.seed) {
        let name = config.name.replace('/', "-");
        for address in &config.addresses {
            text += &format!("{} {name}\n", address.address);
        }
    }
    let path = claim.folder().join(HOSTS);
    std::fs::write(&path, text).map_err(|error| Failure::cannot_write(&path, &error))
}

/// The name of that file.
pub(super) const HOSTS: &str = "hosts";

fn say_who(running: &Running, output: &Output) -> Result<(), Failure> {
    let mut out = output.out();
    if !output.format.is_for_people() {
        output.document(
            &mut out,
            &json!({
                "fabric": running,
                "format_version": ringfence_scenario::answer::FORMAT_VERSION,
            }),
        )?;
        out.flush()?;
        return Ok(());
    }
    writeln!(out, "{STRONG}{}{STRONG:#} is up: {}", running.name, running.title)?;
    super::fabrics::print_guests(&mut out, running)?;
    out.flush()?;
    let first = running.attached.first().map_or("", |it| it.guest.as_str());
    output.say(&format!(
        "{FAINT}`ringfence exec {first} -- COMMAND` runs something there; Ctrl-C or `ringfence down` ends it{FAINT:#}"
    ));
    Ok(())
}

fn say_counts(counters: &Counters, output: &Output) -> Result<(), Failure> {
    if output.format.is_for_people() {
        let (frames, dropped) = sums(counters);
        output.say(&format!("\n{frames} frames came in, {dropped} were dropped"));
    }
    Ok(())
}

fn sums(counters: &Counters) -> (u64, u64) {
    let frames = counters.ports.values().map(|port| port.frames_in).sum();
    let dropped = counters.ports.values().flat_map(|port| port.dropped.values()).sum();
    (frames, dropped)
}

/// What nobody outside this process knows.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

fn failed(error: impl ToString) -> Failure {
    Failure::Runtime(error.to_string())
}
