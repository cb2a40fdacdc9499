//! What the page shows of a run, ready to be filled in.
//!
//! Owns what is said in which words. The template decides where it stands.

use serde::Serialize;

use super::topology::topology;
use super::{chart, units};
use crate::answer::Answer;
use crate::runner::report::{
    ExpectationReport, GeneratorReport, GroupReport, LatencyReport, RuleReport, RunReport, Status,
};

/// The page.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    title: String,
    style: &'static str,
    passed: usize,
    failed: usize,
    skipped: usize,
    status: &'static str,
    scenarios: Vec<Scenario<'a>>,
}

/// A scenario's section.
#[derive(Serialize)]
struct Scenario<'a> {
    id: String,
    run: &'a RunReport,
    status: &'static str,
    wide: String,
    narrow: String,
    wide_width: i32,
    narrow_width: i32,
    left_out: Vec<String>,
    joins: Vec<String>,
    flows: Vec<Flow<'a>>,
    groups: Vec<Group<'a>>,
    round_trips: Vec<RoundTrips<'a>>,
    generators: Vec<Generator<'a>>,
}

/// An expectation and what came of it.
#[derive(Serialize)]
struct Flow<'a> {
    id: String,
    number: usize,
    it: &'a ExpectationReport,
    status: &'static str,
    /// How it ended: `allow`, `closed`, `deny` or `none`.
    ending: &'static str,
    expected: Brief,
    paper: Option<Brief>,
    frames: Option<Brief>,
    seen: String,
    walk: Vec<Step<'a>>,
    back: Vec<Step<'a>>,
    /// What to say where there is no way back.
    no_back: &'static str,
    session: Option<String>,
}

/// A verdict in a few words.
#[derive(Serialize)]
struct Brief {
    verdict: &'static str,
    details: Vec<String>,
}

/// A step of a journey.
#[derive(Serialize)]
struct Step<'a> {
    stage: &'a str,
    text: &'a str,
    /// `allow` or `deny` where an interface decided.
    verdict: Option<&'static str>,
}

/// A security group.
#[derive(Serialize)]
struct Group<'a> {
    it: &'a GroupReport,
    rules: Vec<Rule<'a>>,
    /// What holds where no rule matches, in the order of the document's tables.
    implicit: Vec<String>,
    replaced: Option<String>,
}

/// A rule.
#[derive(Serialize)]
struct Rule<'a> {
    it: &'a RuleReport,
    /// What its authorization object is: `Source` or `Destination`.
    end: &'static str,
    other_end: &'static str,
    object: String,
    place: String,
    decisions: Option<u64>,
}

/// Round trips of one flow.
#[derive(Serialize)]
struct RoundTrips<'a> {
    id: String,
    name: &'a str,
    way: String,
    each: String,
    longest: String,
    bar: String,
}

/// A generator.
#[derive(Serialize)]
struct Generator<'a> {
    it: &'a GeneratorReport,
    verdict: Option<Brief>,
    sent: String,
    received: String,
    dropped: String,
    dropped_part: String,
    throughput: String,
    quantiles: Vec<(&'static str, String)>,
    histogram: Option<String>,
}

impl<'a> Page<'a> {
    /// The page of some runs.
    pub(super) fn of(runs: &'a [RunReport], style: &'static str) -> Page<'a> {
        let sum = |count: fn(&RunReport) -> usize| runs.iter().map(count).sum::<usize>();
        let (passed, failed) = (sum(|run| run.passed), sum(|run| run.failed));
        let skipped = sum(|run| run.skipped);
        let title = match runs {
            [only] => only.title.clone(),
            several => format!("{} scenarios", several.len()),
        };
        let scenarios = runs.iter().zip(1..).map(|(run, number)| Scenario::of(run, number));
        Page {
            title,
            style,
            passed,
            failed,
            skipped,
            status: status(failed, skipped),
            scenarios: scenarios.collect(),
        }
    }
}

fn status(failed: usize, skipped: usize) -> &'static str {
    match (failed, skipped) {
        (0, 0) => "passed",
        (0, _) => "skipped",
        _ => "failed",
    }
}

impl<'a> Scenario<'a> {
    fn of(run: &'a RunReport, number: usize) -> Scenario<'a> {
        let id = format!("s{number}");
        let topology = topology(run, &id);
        let flows: Vec<Flow<'a>> = run
            .expectations
            .iter()
            .zip(1..)
            .map(|(expectation, number)| Flow::of(expectation, number, &id))
            .collect();
        Scenario {
            run,
            status: status(run.failed, run.skipped),
            wide: topology.wide,
            narrow: topology.narrow,
            wide_width: topology.wide_width,
            narrow_width: topology.narrow_width,
            left_out: topology.left_out,
            joins: topology.joins,
            groups: run.topology.groups.iter().map(|group| Group::of(group, run)).collect(),
            round_trips: round_trips(&flows),
            generators: run
                .generators
                .iter()
                .zip(1..)
                .map(|(generator, number)| Generator::of(generator, &format!("{id}-g{number}")))
                .collect(),
            flows,
            id,
        }
    }
}

impl<'a> Flow<'a> {
    fn of(it: &'a ExpectationReport, number: usize, section: &str) -> Flow<'a> {
        let seen = it.guest.as_ref().and_then(|guest| guest.seen);
        let ending = match it.frames.as_ref().map(Answer::allowed) {
            Some(true) if seen == Some("refused") => "closed",
            Some(true) => "allow",
            Some(false) => "deny",
            None => "none",
        };
        Flow {
            id: format!("{section}-e{number}"),
            number,
            it,
            status: match it.status {
                Status::Passed => "passed",
                Status::Failed => "failed",
                Status::Skipped => "skipped",
            },
            ending,
            expected: expected(it),
            paper: it.paper.as_ref().map(Brief::of),
            frames: it.frames.as_ref().map(Brief::of),
            seen: seen_words(it),
            walk: it.walk.iter().map(|step| Step::of(step)).collect(),
            back: it.walk_back.iter().map(|step| Step::of(step)).collect(),
            no_back: no_back(it),
            session: session(it),
        }
    }
}

fn expected(it: &ExpectationReport) -> Brief {
    let expected = &it.expected;
    let rule = expected.rule.iter().map(|rule| format!("rule {rule}"));
    let because = expected.because.iter().cloned();
    let stage = expected.stage.iter().map(|stage| format!("at {stage}"));
    let sees = expected.sees.iter().map(|sees| format!("sees {sees}"));
    let session = expected.session.iter().map(|session| {
        let word = if session.kept { "kept" } else { "cut" };
        format!("{word} until {}", units::duration(session.until_ns))
    });
    let details = rule.chain(because).chain(stage).chain(sees).chain(session);
    Brief { verdict: expected.verdict, details: details.collect() }
}

fn seen_words(it: &ExpectationReport) -> String {
    let Some(guest) = &it.guest else { return String::new() };
    let seen = guest.seen.unwrap_or("nothing yet");
    match (seen, guest.detail.as_str()) {
        ("refused", _) => "refused (RST)".to_owned(),
        ("timed out", _) => "timed out (silence)".to_owned(),
        (seen, detail) if detail.is_empty() || detail == seen => seen.to_owned(),
        (seen, detail) => format!("{seen}: {detail}"),
    }
}

fn no_back(it: &ExpectationReport) -> &'static str {
    match (&it.frames, it.guest.as_ref().and_then(|guest| guest.seen)) {
        (Some(frames), _)
            if !frames.allowed() && matches!(frames.stage, "outbound" | "inbound") =>
        {
            "Nothing comes back. A denial is silent: no RST, no ICMP error."
        }
        (Some(frames), Some("timed out")) if !frames.allowed() => "Nothing comes back.",
        (Some(frames), _) if frames.allowed() && it.walk.is_empty() => {
            "Steps are not kept where generators send many frames."
        }
        _ => "No answer was recorded.",
    }
}

fn session(it: &ExpectationReport) -> Option<String> {
    let session = it.session.as_ref()?;
    let word = |kept: bool| if kept { "kept" } else { "cut" };
    let last = match session.last_answer_at_ns {
        Some(at) => format!("the last answer came at {}", units::duration(at)),
        None => "no answer came".to_owned(),
    };
    Some(format!(
        "The flow was kept going: {} rounds were answered, {last}. The session was {}, and on \
         paper it is {}: {}.",
        session.rounds_answered,
        word(session.kept),
        word(session.kept_on_paper),
        session.reason.trim_end_matches('.')
    ))
}

impl Brief {
    fn of(answer: &Answer) -> Brief {
        let why = match (&answer.rule, &answer.group) {
            (Some(rule), _) => format!("rule {}", rule.id),
            (None, Some(group)) => format!("{} of {group}", answer.because),
            (None, None) => answer.because.to_owned(),
        };
        let stage = format!("at {}", answer.stage);
        Brief { verdict: answer.verdict, details: vec![why, stage] }
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a str) -> Step<'a> {
        let (stage, text) = step.split_once(": ").unwrap_or(("", step));
        let verdict = match text {
            _ if text.starts_with("allowed,") => Some("allow"),
            _ if text.starts_with("denied,") => Some("deny"),
            _ => None,
        };
        let is_stage = stage.chars().count() <= 80;
        match is_stage {
            true => Step { stage, text, verdict },
            false => Step { stage: "", text: step, verdict: None },
        }
    }
}

impl<'a> Group<'a> {
    fn of(it: &'a GroupReport, run: &'a RunReport) -> Group<'a> {
        let summary = format!("rules of {}", it.id);
        let change = run.changes.iter().rev().find(|change| change.summary == summary);
        let decisions = |id: &str| {
            let mut rules = run.counters.rules.iter();
            rules.find(|rule| rule.group == it.id && rule.id == id).map_or(0, |rule| rule.decisions)
        };
        let replaced = change.map(|change| {
            let since = run.counters.rules.iter().filter(|rule| rule.group == it.id);
            let since: Vec<String> =
                since.map(|rule| format!("{} {}", rule.id, rule.decisions)).collect();
            let counted = match since.as_slice() {
                [] => "no rule has decided anything since".to_owned(),
                since => format!("decisions since: {}", since.join(", ")),
            };
            format!(
                "These are the rules at the start. They were replaced at {} ({}); {counted}.",
                units::duration(change.at_ns),
                place(&change.origin)
            )
        });
        let rules = it.rules.iter().map(|rule| {
            let (end, other_end) = match rule.direction {
                "inbound" => ("Source", "Destination"),
                _ => ("Destination", "Source"),
            };
            Rule {
                it: rule,
                end,
                other_end,
                object: object(rule, it, run),
                place: place(&rule.origin),
                decisions: change.is_none().then(|| decisions(&rule.id)),
            }
        });
        Group { it, rules: rules.collect(), implicit: implicit(it), replaced }
    }
}

/// An authorization object as the document words it: `ACCOUNT/GROUP` for another account's group.
fn object(rule: &RuleReport, group: &GroupReport, run: &RunReport) -> String {
    let named = run.topology.groups.iter().find(|other| other.id == rule.object);
    match named {
        Some(named) if named.account != group.account => {
            format!("{}/{}", named.account, rule.object)
        }
        _ => rule.object.clone(),
    }
}

/// The file's name and the line of `folder/file.yaml:12:5`.
fn place(origin: &str) -> String {
    let name = origin.rsplit('/').next().unwrap_or(origin);
    name.rsplit_once(':').map_or(name, |(place, _)| place).to_owned()
}

fn implicit(group: &GroupReport) -> Vec<String> {
    let mut implicit = Vec::new();
    if group.kind == "basic" && group.same_group == "accept" {
        implicit.push(
            "Inbound, before all rules: members of the group are let in (same-group Accept)."
                .to_owned(),
        );
    }
    implicit.push(match group.kind {
        "basic" => "Where no rule matches: inbound deny, outbound allow.".to_owned(),
        _ => "Where no rule matches: inbound deny, outbound deny.".to_owned(),
    });
    implicit
}

fn round_trips<'a>(flows: &[Flow<'a>]) -> Vec<RoundTrips<'a>> {
    let measured = || {
        flows.iter().filter_map(|flow| {
            let trips = &flow.it.guest.as_ref()?.round_trips_ns;
            Some((flow, trips, trips.iter().copied().max()?))
        })
    };
    let scale = measured().map(|(_, _, longest)| longest).max().unwrap_or(1);
    let rows = measured().map(|(flow, trips, longest)| {
        let mut sorted = trips.clone();
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2];
        let shown: Vec<String> = trips.iter().take(4).map(|&ns| units::duration(ns)).collect();
        let each = match trips.len() {
            0..=4 => shown.join(", "),
            many => format!(
                "{}, … ({many} in all, median {})",
                shown[..2].join(", "),
                units::duration(median)
            ),
        };
        RoundTrips {
            id: flow.id.clone(),
            name: &flow.it.name,
            way: format!("{} → {} {}", flow.it.from, flow.it.to, flow.it.protocol),
            each,
            longest: units::duration(longest),
            bar: chart::bar(median, longest, scale),
        }
    });
    rows.collect()
}

impl<'a> Generator<'a> {
    fn of(it: &'a GeneratorReport, id: &str) -> Generator<'a> {
        let dropped = it.frames_sent.saturating_sub(it.frames_received);
        Generator {
            it,
            verdict: it.verdict.as_ref().map(Brief::of),
            sent: units::count(it.frames_sent),
            received: units::count(it.frames_received),
            dropped: units::count(dropped),
            dropped_part: units::percent(dropped, it.frames_sent),
            throughput: units::bit_rate(it.received_bps),
            quantiles: it.latency_ns.as_ref().map(quantiles).unwrap_or_default(),
            histogram: it
                .latency_ns
                .as_ref()
                .map(|latency| chart::histogram(latency, &it.name, id)),
        }
    }
}

fn quantiles(latency: &LatencyReport) -> Vec<(&'static str, String)> {
    let LatencyReport { histogram: _, max, mean, min, p50, p90, p99, p999 } = latency;
    let all = [
        ("shortest", min),
        ("median", p50),
        ("mean", mean),
        ("90 %", p90),
        ("99 %", p99),
        ("99.9 %", p999),
        ("longest", max),
    ];
    all.into_iter().map(|(name, ns)| (name, units::duration(*ns))).collect()
}
