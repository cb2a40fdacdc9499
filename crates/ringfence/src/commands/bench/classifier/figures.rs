//! The figures of one rule set: look-ups, memory, building, changes, and whether the reference
//! agrees.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ringfence_cloud::GroupIndex;
use ringfence_load::rules::{RuleSet, packets};
use ringfence_measure::trials::{Plan, in_turn_while};
use ringfence_measure::{Clock, Sample};
use ringfence_policy::{Because, Classifier, Decision, Nic, Object, Question, decide};

use super::super::Stop;
use super::members;

/// Packets that are drawn.
const PACKETS: usize = 1 << 16;
/// Questions made at once; they stay in the nearest cache, as a worker's would.
const AT_ONCE: usize = 256;
/// Rules changed.
const CHANGES: usize = 200;
/// How long the reference is asked.
const REFERENCE: Duration = Duration::from_secs(1);

/// Bytes that a set takes, its classifier included.
pub(super) fn memory_bytes(set: &RuleSet) -> usize {
    compile(set).memory_bytes()
}

/// What was measured of a set.
pub(super) struct Figures {
    /// Nanoseconds a look-up, one after the other.
    pub(super) single: Option<Sample>,
    /// The same in batches.
    pub(super) batched: Option<Sample>,
    /// What making a question takes, already taken off.
    pub(super) generator_ns: Option<f64>,
    pub(super) reference_ns: f64,
    pub(super) memory_bytes: usize,
    /// Milliseconds.
    pub(super) build: Option<Sample>,
    /// Microseconds to change a rule.
    pub(super) rule: Option<Sample>,
    /// Microseconds to change a membership.
    pub(super) member: Option<Sample>,
    /// Packets on which reference and classifier agree.
    pub(super) agreed: usize,
    /// The first on which they do not.
    pub(super) disagreement: Option<String>,
}

type Asked<'a> = (Question, Option<&'a [GroupIndex]>);

/// Once it is to stop, each figure has one trial.
pub(super) fn measure(clock: &Clock, plan: Plan, set: &RuleSet, seed: u64, stop: &Stop) -> Figures {
    let compile = || compile(set);
    let mut builds = Vec::new();
    for _ in stop.trials(plan.trials.min(5)) {
        let start = clock.now();
        black_box(compile());
        builds.push(clock.ns(start, clock.now()) as f64 / 1e6);
    }
    let classifier = compile();
    let questions = packets(set, PACKETS, seed ^ 0x0070_61c3_e75e_ed00);
    let profile = set.policies.options.profile;
    let peer = |question: &Question| {
        let peer = question.peer(&set.world, profile)?;
        Some(set.world.interface(peer).groups.as_slice())
    };
    let asked: Vec<Asked<'_>> = questions.iter().map(|it| (*it, peer(it))).collect();
    let [generator, single, batched] = look_ups(clock, plan, &classifier, &asked, stop);
    let less = |sample: Option<Sample>| {
        let (sample, generator) = (sample?, generator.as_ref()?);
        let pairs = sample.values().iter().zip(generator.values());
        Sample::new(pairs.map(|(whole, part)| whole - part).collect())
    };
    let (agreed, reference_ns, disagreement) = ask_reference(clock, set, &classifier, &asked);
    Figures {
        single: less(single),
        batched: less(batched),
        generator_ns: generator.as_ref().map(|it| it.spread().median),
        reference_ns,
        memory_bytes: classifier.memory_bytes(),
        build: Sample::new(builds),
        rule: change_rules(clock, set, &classifier, seed),
        member: members::change(clock, set),
        agreed,
        disagreement,
    }
}

fn compile(set: &RuleSet) -> Classifier {
    let metadata_server = set.world.platform.metadata_server;
    Classifier::compile(&set.policies, metadata_server, set.groups(), Nic::Intranet)
}

/// A packet in few bytes, as a stream of many should not fill the caches.
struct Packet<'a> {
    source: Ipv4Addr,
    target: Ipv4Addr,
    ports: (u16, u16),
    protocol: u8,
    peer: Option<&'a [GroupIndex]>,
}

impl<'a> Packet<'a> {
    /// None for IPv6, which no shape draws.
    fn of((question, peer): &Asked<'a>) -> Option<Packet<'a>> {
        let tuple = question.tuple;
        let (IpAddr::V4(source), IpAddr::V4(target)) = (tuple.source, tuple.target) else {
            return None;
        };
        let ports = (tuple.source_port, tuple.target_port);
        Some(Packet { source, target, ports, protocol: tuple.protocol.0, peer: *peer })
    }

    fn ask(&self, asked: &mut Asked<'a>) {
        let tuple = &mut asked.0.tuple;
        tuple.source = IpAddr::V4(self.source);
        tuple.target = IpAddr::V4(self.target);
        (tuple.source_port, tuple.target_port) = self.ports;
        tuple.protocol.0 = self.protocol;
        asked.0.icmp = (self.protocol == 1).then_some((8, 0));
        asked.1 = self.peer;
    }
}

/// Makes the next questions.
fn make<'a>(packets: &[Packet<'a>], questions: &mut [Asked<'a>], at: &mut usize) {
    if *at + questions.len() > packets.len() {
        *at = 0;
    }
    for (question, packet) in questions.iter_mut().zip(&packets[*at..]) {
        packet.ask(question);
    }
    *at += questions.len();
    black_box(questions);
}

/// Making the questions; making and answering them one by one; the same in batches.
fn look_ups<'a>(
    clock: &Clock,
    plan: Plan,
    classifier: &Classifier,
    asked: &[Asked<'a>],
    stop: &Stop,
) -> [Option<Sample>; 3] {
    let packets: Vec<Packet<'a>> = asked.iter().filter_map(Packet::of).collect();
    let Some(first) = asked.first() else { return [None, None, None] };
    let none = Decision { allowed: false, because: Because::Default };
    let mut questions: [_; 3] = std::array::from_fn(|_| vec![*first; AT_ONCE]);
    let [for_making, for_single, for_batch] = &mut questions;
    let (mut decisions, mut batch_decisions) = (vec![none; AT_ONCE], vec![none; AT_ONCE]);
    let mut at = [0; 3];
    let [at_making, at_single, at_batch] = &mut at;
    let samples = in_turn_while(
        clock,
        plan,
        &mut [
            &mut || {
                make(&packets, for_making, at_making);
                AT_ONCE as u64
            },
            &mut || {
                make(&packets, for_single, at_single);
                for ((question, peer), decision) in for_single.iter().zip(&mut decisions) {
                    *decision = classifier.decide(question, *peer);
                }
                black_box(&decisions);
                AT_ONCE as u64
            },
            &mut || {
                make(&packets, for_batch, at_batch);
                classifier.decide_batch(for_batch, &mut batch_decisions);
                black_box(&batch_decisions);
                AT_ONCE as u64
            },
        ],
        &mut || !stop.is_asked(),
    );
    let mut samples = samples.into_iter();
    std::array::from_fn(|_| samples.next().flatten())
}

/// How many packets agree, nanoseconds for one, and the first that does not.
fn ask_reference(
    clock: &Clock,
    set: &RuleSet,
    classifier: &Classifier,
    asked: &[Asked<'_>],
) -> (usize, f64, Option<String>) {
    let budget = clock.ticks(REFERENCE);
    let start = clock.now();
    let mut wanted = Vec::new();
    for (question, _) in asked {
        wanted.push(decide(&set.world, &set.policies, question));
        if clock.now().since(start) > budget {
            break;
        }
    }
    let ns = clock.ns(start, clock.now()) as f64 / wanted.len().max(1) as f64;
    let none = Decision { allowed: false, because: Because::Default };
    let mut said = vec![none; wanted.len()];
    classifier.decide_batch(asked, &mut said);
    let mut agreed = 0;
    for ((question, peer), (wanted, batched)) in asked.iter().zip(wanted.iter().zip(&said)) {
        let single = classifier.decide(question, *peer);
        if (single, *batched) != (*wanted, *wanted) {
            let told = format!("{question:?}: {wanted:?}, {single:?}, in a batch {batched:?}");
            return (agreed, ns, Some(told));
        }
        agreed += 1;
    }
    (agreed, ns, None)
}

/// Microseconds for each of some rules replaced in their places.
fn change_rules(
    clock: &Clock,
    set: &RuleSet,
    classifier: &Classifier,
    seed: u64,
) -> Option<Sample> {
    let mut policies = set.policies.clone();
    let mut classifier = classifier.clone();
    let mut dice = seed;
    let mut times = Vec::new();
    for _ in 0..CHANGES {
        let mut next = |below: usize| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) as usize % below.max(1)
        };
        let group = set.groups()[next(set.groups().len())];
        let rules = &mut policies.groups[group.as_usize()].rules;
        if rules.is_empty() {
            continue;
        }
        let (place, other) = (next(rules.len()), next(rules.len()));
        let mut new = rules[other].clone();
        if let Object::Cidr(range) = &mut new.object
            && range.prefix_len() == 32
        {
            *range = IpAddr::V4(Ipv4Addr::from_bits(next(1 << 30) as u32)).into();
        }
        rules[place] = new;
        let start = clock.now();
        let changed = classifier.with_rules(&policies, group);
        times.push(clock.ns(start, clock.now()) as f64 / 1e3);
        classifier = changed;
    }
    Sample::new(times)
}
