//! What came of each expectation: the verdict of its first frame, what paper says, what the guest
//! saw, and where they differ from each other or from what was expected.

use std::collections::HashMap;
use std::time::Duration;

use ringfence_cloud::Place;
use ringfence_endpoints::{Progress, Seen};
use ringfence_frame::{Instant, Protocol, Tuple};
use ringfence_runtime::simulated::{LoggedVerdict, Simulation};
use ringfence_switch::{Because, Event, Fabric, FrameId, Stage};

use super::history::History;
use super::report::{
    ChangeReport, ExpectationReport, Expected, ExpectedSession, GeneratorReport, GuestReport,
    LatencyBucket, LatencyReport, RunReport, SessionReport, Status, TargetsReport,
};
use super::schedule::{Flow, Plan};
use super::{Running, Started, fate, kept, topology};
use crate::answer::{Answer, FORMAT_VERSION, TupleAnswer, same_verdict, verdict_name};
use crate::model::{SessionExpectation, Traffic};
use crate::probe::{Party, Probe, Resolved, resolve};
use crate::{Expectation, Scenario, explain, paper, words};

/// Everything that judgement needs.
pub(super) struct Judged<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) history: &'a History,
    pub(super) simulation: &'a Simulation,
}

/// Verdicts and steps of the run, to be found by port and key.
struct Log<'a> {
    /// Only looked into, never gone through.
    verdicts: HashMap<(Place, Tuple), Vec<&'a LoggedVerdict>>,
    events: HashMap<FrameId, Vec<&'a Event>>,
}

impl<'a> Log<'a> {
    fn new(simulation: &'a Simulation) -> Log<'a> {
        let mut verdicts: HashMap<(Place, Tuple), Vec<&LoggedVerdict>> = HashMap::new();
        for logged in simulation.verdicts() {
            if let Some(tuple) = logged.verdict.tuple {
                verdicts.entry((logged.port, tuple)).or_default().push(logged);
            }
        }
        let mut events: HashMap<FrameId, Vec<&Event>> = HashMap::new();
        for (frame, event) in simulation.events() {
            events.entry(*frame).or_default().push(event);
        }
        Log { verdicts, events }
    }

    /// The frames of a key that came in at a port from a moment on, in order.
    fn frames(
        &self,
        port: Place,
        tuple: Tuple,
        since: Instant,
    ) -> impl Iterator<Item = &'a LoggedVerdict> {
        let all = self.verdicts.get(&(port, tuple)).map_or(&[][..], |all| all);
        all.iter().copied().filter(move |logged| logged.at >= since)
    }

    /// The steps of a frame.
    fn events(&self, frame: FrameId) -> &[&'a Event] {
        self.events.get(&frame).map_or(&[], |events| events)
    }
}

impl Judged<'_> {
    /// The report of the run.
    pub(super) fn report(
        &self,
        plan: &Plan,
        flows: &[Running],
        seed: u64,
        stopped: bool,
    ) -> RunReport {
        let log = Log::new(self.simulation);
        let mut running = flows.iter();
        let expectations: Vec<ExpectationReport> = plan
            .iter()
            .map(|(index, planned)| {
                let expectation = &self.scenario.expectations[*index];
                match planned {
                    Ok(_) => {
                        let running = running.next().expect("each planned flow runs");
                        self.expectation(&log, expectation, running, stopped)
                    }
                    Err(why) => self.impossible(expectation, why),
                }
            })
            .collect();
        let count = |status| expectations.iter().filter(|it| it.status == status).count();
        RunReport {
            changes: self.changes(),
            counters: topology::counters(
                self.simulation.switch().fabric(),
                &self.simulation.switch().counters(),
            ),
            description: self.scenario.description.clone(),
            duration_ns: self.simulation.now().as_ns(),
            failed: count(Status::Failed),
            file: self.scenario.source.name.to_string(),
            format_version: FORMAT_VERSION,
            generators: self.generators(),
            passed: count(Status::Passed),
            seed,
            skipped: count(Status::Skipped),
            title: self.scenario.title.clone(),
            topology: topology::topology(&self.scenario.fabric, &self.scenario.serves),
            expectations,
        }
    }

    fn changes(&self) -> Vec<ChangeReport> {
        let changes = self.scenario.changes.iter().map(|change| ChangeReport {
            at_ns: change.at.as_ns(),
            origin: change.origin.to_string(),
            summary: change.summary.clone(),
        });
        changes.collect()
    }

    /// What is known before anything is sent.
    fn blank(&self, expectation: &Expectation) -> ExpectationReport {
        ExpectationReport {
            agrees: true,
            at_ns: expectation.at.unwrap_or_default().as_ns(),
            expected: expected(expectation),
            failures: Vec::new(),
            frames: None,
            from: self.party_name(&expectation.probe.from),
            guest: None,
            name: expectation.name.clone(),
            note: expectation.note.clone(),
            origin: expectation.origin.to_string(),
            outcome: String::new(),
            packet: None,
            paper: None,
            protocol: protocol_words(&expectation.probe),
            reason: String::new(),
            session: None,
            status: Status::Skipped,
            to: self.party_name(&expectation.probe.to),
            walk: Vec::new(),
            walk_back: Vec::new(),
        }
    }

    fn impossible(&self, expectation: &Expectation, why: &str) -> ExpectationReport {
        ExpectationReport {
            failures: vec![format!("it cannot be asked: {why}")],
            outcome: "cannot be asked".to_owned(),
            status: Status::Failed,
            ..self.blank(expectation)
        }
    }

    fn expectation(
        &self,
        log: &Log<'_>,
        expectation: &Expectation,
        running: &Running,
        stopped: bool,
    ) -> ExpectationReport {
        let flow = &running.flow;
        let packet = flow.packet;
        let mut report = ExpectationReport {
            at_ns: flow.at.as_ns(),
            packet: Some(TupleAnswer::of(packet.tuple)),
            ..self.blank(expectation)
        };
        let progress = self.progress(running);
        let is_seen = progress.is_none_or(|progress| progress.finished.is_some());
        if running.started.is_none() || (stopped && !is_seen) {
            "not looked at: the run was stopped".clone_into(&mut report.outcome);
            return report;
        }

        let first = log.frames(packet.port, packet.tuple, flow.at).next();
        let fabric = match first {
            Some(logged) => self.history.after(logged.verdict.epoch),
            None => self.history.at(flow.at),
        };
        let paper = paper::verdict(fabric, &packet);
        report.paper = Some(Answer::of(fabric, &paper));
        report.guest = progress.map(|progress| self.guest(expectation, flow, progress));
        if let Some(logged) = first {
            report.agrees = same_verdict(&logged.verdict, &paper);
            report.frames = Some(Answer::of(fabric, &logged.verdict));
            report.reason = explain::reason(fabric, &logged.verdict);
            report.walk = walk(log, fabric, logged.frame);
            report.walk_back = self.walk_back(log, flow, logged);
        }
        report.session = expectation
            .session
            .map(|session| self.session(log, &session, flow, progress, first.is_some()));
        report.failures = failures(expectation, &report);
        report.outcome = outcome(first, progress);
        report.status = match report.failures.is_empty() {
            true => Status::Passed,
            false => Status::Failed,
        };
        report
    }

    /// How far the flow's first task is.
    fn progress(&self, running: &Running) -> Option<&Progress> {
        let Some(Started::Tasks(tasks)) = &running.started else { return None };
        let guest = self.simulation.guest(running.flow.packet.port)?;
        Some(guest.progress(*tasks.first()?))
    }

    fn guest(&self, expectation: &Expectation, flow: &Flow, progress: &Progress) -> GuestReport {
        let application = self.scenario.application(expectation, &flow.packet);
        GuestReport {
            application: application.map(|application| application.name()),
            detail: progress.detail.clone(),
            finished_at_ns: progress.finished.map(Instant::as_ns),
            round_trips_ns: progress.round_trips.iter().map(|&it| nanos(it)).collect(),
            seen: progress.seen.map(seen_name),
            seen_by_default: self.seen_by_default(expectation, flow),
            started_at_ns: progress.started.as_ns(),
        }
    }

    /// What a guest sees if rules and listeners are all there is.
    fn seen_by_default(&self, expectation: &Expectation, flow: &Flow) -> &'static str {
        let packet = &flow.packet;
        let serves = self.scenario.listener(packet).is_some();
        let seen = match packet.tuple.protocol {
            _ if !expectation.allowed => Seen::TimedOut,
            Protocol::TCP if !serves => Seen::Refused,
            Protocol::TCP if expectation.bare => Seen::Connected,
            Protocol::UDP if !serves => Seen::IcmpError,
            Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6 => Seen::Replied,
            _ => Seen::Sent,
        };
        seen_name(seen)
    }

    /// The journey of the first frame that answers.
    fn walk_back(&self, log: &Log<'_>, flow: &Flow, first: &LoggedVerdict) -> Vec<String> {
        let (true, Some(to)) = (first.verdict.allowed, first.verdict.to) else {
            return Vec::new();
        };
        let route = paper::questions(&self.scenario.fabric.world, &flow.packet).route;
        let back = paper::as_it_arrives(&route, flow.packet.tuple).reversed();
        let Some(answer) = log.frames(to, back, first.at).next() else { return Vec::new() };
        walk(log, self.history.after(answer.verdict.epoch), answer.frame)
    }

    fn session(
        &self,
        log: &Log<'_>,
        session: &SessionExpectation,
        flow: &Flow,
        progress: Option<&Progress>,
        met: bool,
    ) -> SessionReport {
        let packet = flow.packet;
        let questions = paper::questions(&self.history.at(flow.at).world, &packet);
        let kept_on_paper = kept::is_kept(self.history, &questions, flow.at, session);
        let (kept, rounds_answered, last_answer) = match packet.tuple.protocol.has_ports() {
            true => {
                let progress = progress.filter(|_| met);
                (
                    progress.is_some_and(|progress| last_round_answered(progress, session)),
                    progress.map_or(0, |progress| progress.rounds_answered),
                    progress.and_then(|progress| progress.last_answer),
                )
            }
            false => self.single_rounds(log, flow),
        };
        SessionReport {
            kept,
            kept_on_paper,
            last_answer_at_ns: last_answer.map(Instant::as_ns),
            reason: fate::reason(self.history, &self.frames_of_flow(log, flow), kept),
            rounds_answered,
        }
    }

    /// What became of every frame of a flow, those that answer included, in order.
    fn frames_of_flow<'a>(&self, log: &Log<'a>, flow: &Flow) -> Vec<&'a LoggedVerdict> {
        let packet = &flow.packet;
        let mut frames: Vec<_> = log.frames(packet.port, packet.tuple, flow.at).collect();
        if let Some(to) = frames.first().and_then(|first| first.verdict.to) {
            let route = paper::questions(&self.history.at(flow.at).world, packet).route;
            let back = paper::as_it_arrives(&route, packet.tuple).reversed();
            frames.extend(log.frames(to, back, flow.at));
        }
        frames.sort_by_key(|logged| logged.frame);
        frames
    }

    /// Of a flow that is sent packet by packet: whether the last one passed, how many passed, and
    /// when the last of them came.
    fn single_rounds(&self, log: &Log<'_>, flow: &Flow) -> (bool, u32, Option<Instant>) {
        let mut last = None;
        let mut passed = 0;
        let mut kept = false;
        for logged in log.frames(flow.packet.port, flow.packet.tuple, flow.at) {
            kept = logged.verdict.allowed;
            if kept {
                passed += 1;
                last = Some(logged.at);
            }
        }
        // the first packet opens the flow and is no round
        (kept, u32::saturating_sub(passed, 1), last)
    }

    fn party_name(&self, party: &Party) -> String {
        let world = &self.scenario.fabric.world;
        match party {
            Party::Interface { interface, side } => {
                let name = &world.interface(*interface).name;
                match side {
                    Some(ringfence_cloud::Reach::Internet) => format!("{name}/public"),
                    Some(ringfence_cloud::Reach::Internal) => format!("{name}/private"),
                    None => name.clone(),
                }
            }
            Party::Outside(index) => world.place_name(Place::Outside(*index)),
            Party::Address { address, .. } => address.to_string(),
        }
    }

    fn generators(&self) -> Vec<GeneratorReport> {
        // a generator was attached for each that can be asked
        let mut attached = self.simulation.generators().iter();
        let world = &self.scenario.fabric.world;
        let asked = self.scenario.traffic.iter().filter_map(|traffic| {
            let packet = resolve(world, &traffic.probe).ok()?;
            let (_, generator) = attached.next()?;
            let fabric = self.history.at(traffic.start);
            let verdict = Answer::of(fabric, &paper::verdict(fabric, &packet));
            let targets = targets(fabric, traffic, &packet);
            Some(GeneratorReport {
                targets,
                ..self.generator(traffic, generator.report(), verdict)
            })
        });
        asked.collect()
    }

    fn generator(
        &self,
        traffic: &Traffic,
        report: &ringfence_endpoints::GeneratorReport,
        verdict: Answer,
    ) -> GeneratorReport {
        let per_second = |count: u64| {
            let ns = traffic.duration.as_nanos().max(1);
            u64::try_from(u128::from(count) * 1_000_000_000 / ns).unwrap_or(u64::MAX)
        };
        GeneratorReport {
            bytes_received: report.bytes_received,
            duration_ns: nanos(traffic.duration),
            frames_received: report.frames_received,
            frames_sent: report.frames_sent,
            from: self.party_name(&traffic.probe.from),
            latency_ns: latency(report),
            name: traffic.name.clone(),
            offered_pps: traffic.rate,
            protocol: protocol_words(&traffic.probe),
            received_bps: per_second(report.bytes_received.saturating_mul(8)),
            received_pps: per_second(report.frames_received),
            targets: None,
            to: self.party_name(&traffic.probe.to),
            verdict: Some(verdict),
        }
    }
}

/// How many targets of a sweep its frames reach.
fn targets(fabric: &Fabric, traffic: &Traffic, first: &Resolved) -> Option<TargetsReport> {
    let total = traffic.sweep.targets();
    let is_reached = |number: &u64| {
        let tuple = first.tuple;
        let (target, target_port) =
            traffic.sweep.target((tuple.target, tuple.target_port), *number);
        let packet = Resolved { tuple: Tuple { target, target_port, ..tuple }, ..*first };
        Answer::of(fabric, &paper::verdict(fabric, &packet)).allowed()
    };
    let allowed = || (0..total).filter(is_reached).count() as u64;
    (total > 1).then(|| TargetsReport { allowed: allowed(), total })
}

fn latency(report: &ringfence_endpoints::GeneratorReport) -> Option<LatencyReport> {
    let latencies = &report.latency_ns;
    if latencies.is_empty() {
        return None;
    }
    Some(LatencyReport {
        histogram: histogram(latencies),
        max: latencies.max(),
        mean: latencies.mean().round() as u64,
        min: latencies.min(),
        p50: latencies.value_at_quantile(0.5),
        p90: latencies.value_at_quantile(0.9),
        p99: latencies.value_at_quantile(0.99),
        p999: latencies.value_at_quantile(0.999),
    })
}

/// Buckets from the shortest to the longest latency: of equal width where those are near each other
/// (the longest at most eight times the shortest), else each wider than the one before by a quarter.
fn histogram(latencies: &hdrhistogram::Histogram<u64>) -> Vec<LatencyBucket> {
    let bucket = |frames, up_to_ns| LatencyBucket { frames, up_to_ns };
    let (min, max) = (latencies.min(), latencies.max());
    let mut buckets: Vec<LatencyBucket> = if max / 8 <= min {
        let step = ((max - min) / 24).max(max / 1_000).max(1);
        let steps = latencies.iter_linear(step);
        steps.map(|it| bucket(it.count_since_last_iteration(), it.value_iterated_to())).collect()
    } else {
        let steps = latencies.iter_log(1_000, 1.25);
        steps.map(|it| bucket(it.count_since_last_iteration(), it.value_iterated_to())).collect()
    };
    let is_filled = |bucket: &LatencyBucket| bucket.frames > 0;
    buckets.truncate(buckets.iter().rposition(is_filled).map_or(0, |last| last + 1));
    buckets.drain(..buckets.iter().position(is_filled).unwrap_or(0));
    buckets
}

fn walk(log: &Log<'_>, fabric: &ringfence_switch::Fabric, frame: FrameId) -> Vec<String> {
    log.events(frame).iter().map(|event| words::step(fabric, event)).collect()
}

fn expected(expectation: &Expectation) -> Expected {
    Expected {
        because: expectation.because.clone(),
        rule: expectation.rule.clone(),
        sees: expectation.sees.map(seen_name),
        session: expectation.session.map(|session| ExpectedSession {
            every_ns: nanos(session.interval),
            kept: session.kept,
            until_ns: session.until.as_ns(),
        }),
        stage: expectation.stage.clone(),
        verdict: verdict_name(expectation.allowed),
    }
}

/// What did not come true.
fn failures(expectation: &Expectation, report: &ExpectationReport) -> Vec<String> {
    let (Some(frames), Some(paper)) = (&report.frames, &report.paper) else {
        return vec!["no frame of it reached the switch".to_owned()];
    };
    let mut failures = Vec::new();
    if !report.agrees {
        failures.push(format!(
            "frames and paper disagree: the switch says {}, paper says {}",
            brief(frames),
            brief(paper)
        ));
    }
    failures.extend(verdict_failures(expectation, paper));
    let seen = report.guest.as_ref().and_then(|guest| guest.seen);
    if let Some(expected) = expectation.sees.map(seen_name)
        && seen != Some(expected)
    {
        let seen = seen.unwrap_or("nothing yet");
        failures.push(format!("the guest was to see `{expected}`, and saw `{seen}`"));
    }
    if let (Some(expected), Some(found)) = (expectation.session, &report.session) {
        failures.extend(session_failures(expected.kept, found));
    }
    failures
}

/// What of the verdict is not as expected.
fn verdict_failures(expectation: &Expectation, found: &Answer) -> Vec<String> {
    let expected = verdict_name(expectation.allowed);
    let mut failures = Vec::new();
    if found.verdict != expected {
        failures.push(format!("expected {expected}, the verdict is {}", brief(found)));
    }
    if let Some(rule) = &expectation.rule {
        match &found.rule {
            Some(decided) if decided.id == *rule => {}
            Some(decided) => {
                failures.push(format!("rule {rule} was to decide, rule {} did", decided.id));
            }
            None => {
                failures.push(format!("rule {rule} was to decide, the verdict is {}", brief(found)))
            }
        }
    }
    if let Some(because) = &expectation.because
        && because != found.because
    {
        failures.push(format!("expected because = {because}, it is {}", found.because));
    }
    if let Some(stage) = &expectation.stage
        && stage != found.stage
    {
        failures.push(format!("expected the verdict at {stage}, it fell at {}", found.stage));
    }
    failures
}

fn session_failures(kept: bool, found: &SessionReport) -> Vec<String> {
    let word = |kept: bool| if kept { "kept" } else { "cut" };
    let mut failures = Vec::new();
    if found.kept != kept {
        failures.push(format!(
            "the session was to be {}, and was {} ({} rounds were answered)",
            word(kept),
            word(found.kept),
            found.rounds_answered
        ));
    }
    if found.kept_on_paper != kept {
        failures.push(format!(
            "the session was to be {}, and on paper it is {}",
            word(kept),
            word(found.kept_on_paper)
        ));
    }
    failures
}

fn brief(answer: &Answer) -> String {
    let rule = answer.rule.as_ref().map(|rule| format!(" {}", rule.id)).unwrap_or_default();
    format!("{} ({}{rule} at {})", answer.verdict, answer.because, answer.stage)
}

/// Whether the last round that was due was answered. Rounds follow each other from the first
/// exchange on; one that was due just before the end may not have been sent any more.
fn last_round_answered(progress: &Progress, session: &SessionExpectation) -> bool {
    let finished = match (progress.seen, progress.finished) {
        (Some(Seen::Connected | Seen::Replied), Some(finished)) => finished,
        _ => return false,
    };
    let Some(interval) = Some(session.interval).filter(|interval| !interval.is_zero()) else {
        return true;
    };
    let room = session.until.since(finished).saturating_sub(interval / 10);
    let rounds = u32::try_from(room.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    if rounds == 0 {
        return true;
    }
    // the exchange before took a while, which rounds of datagrams do not wait for
    let last_due = progress.started + interval.saturating_mul(rounds);
    progress.last_answer.is_some_and(|answer| answer > last_due)
}

/// What happened, in two words: denials are silent, closed ports are not.
fn outcome(first: Option<&LoggedVerdict>, progress: Option<&Progress>) -> String {
    let Some(first) = first else { return "nothing was sent".to_owned() };
    let seen = progress.and_then(|progress| progress.seen);
    let verdict = &first.verdict;
    match (verdict.allowed, seen) {
        (true, Some(Seen::Refused)) => "allowed, closed (RST)".to_owned(),
        (true, Some(Seen::TimedOut)) => "allowed, no answer".to_owned(),
        (true, Some(seen)) => format!("allowed, {}", seen_name(seen)),
        (true, None) => "allowed".to_owned(),
        (false, _) if matches!(verdict.because, Because::Unreachable(_)) => {
            "unreachable (silence)".to_owned()
        }
        (false, Some(Seen::TimedOut)) => "denied (silence)".to_owned(),
        (false, Some(Seen::IcmpError)) => "denied (ICMP error)".to_owned(),
        (false, _) if verdict.stage == Stage::Route => "not deliverable".to_owned(),
        (false, _) => "denied".to_owned(),
    }
}

/// The word for what a guest saw, as scenario files have it.
pub fn seen_name(seen: Seen) -> &'static str {
    match seen {
        Seen::Connected => "connected",
        Seen::Replied => "replied",
        Seen::Refused => "refused",
        Seen::Reset => "reset",
        Seen::TimedOut => "timed out",
        Seen::IcmpError => "icmp error",
        Seen::Sent => "sent",
    }
}

/// `tcp/80`, `icmp`, `gre`
pub(super) fn protocol_words(probe: &Probe) -> String {
    match probe.protocol.has_ports() {
        true => format!("{}/{}", probe.protocol, probe.target_port),
        false => probe.protocol.to_string(),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
