//! Counters of rules while rules change for ever: what is reported by rule is exact, whichever of two
//! workers counted it, and what workers keep is bounded by the rules that there are and the sessions
//! that live. Compared with a model that knows under which version of which rule each flow opened.

use std::collections::VecDeque;
use std::time::Duration;

use ringfence_frame::Instant;
use ringfence_policy::{Priority, Rule, RuleRef};
use ringfence_switch::{Change, Controller, Counters, Incoming, Layout, Silent, Traffic, Worker};

use crate::lab::{Lab, fabric, read_rule};
use crate::random::Dice;
use crate::touched::Nowhere;

const SEED: u64 = 7;
const CHANGES: u64 = 100_000;
/// Rules that one worker counts under at a time, all else included: a tenth of what has changed.
const COUNTERS_MAX: usize = 10_000;
const IDLE_MS: u64 = 500;
/// Rules of the group, each for a port of its own.
const RULES: usize = 8;

struct Flow {
    rule: usize,
    /// Which of the rules that were there it opened under.
    version: u64,
    ports: (u16, u16),
    frames: u64,
    last_ms: u64,
    /// When it falls silent.
    until_ms: u64,
    /// The change after which it was decided last.
    decided: u64,
}

struct Rig {
    lab: Lab,
    controller: Controller,
    workers: [Worker; 2],
    /// The one that is awake.
    active: usize,
    dice: Dice,
    now_ms: u64,
    changes: u64,
    /// The flows that get frames, the one that has waited longest first; and those that get none.
    busy: VecDeque<Flow>,
    silent: Vec<Flow>,
    opened: u16,
    /// For each rule: which one it is, how often it decided, and frames of its flows that have ended.
    versions: [u64; RULES],
    decisions: [u64; RULES],
    ended: [u64; RULES],
}

impl Rig {
    fn new() -> Rig {
        let rules: Vec<String> = (0..RULES)
            .map(|it| format!("sg-web in allow 1 udp {0}/{0} 0.0.0.0/0", port(it)))
            .collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let mut fabric = fabric(&rules);
        let idle = Duration::from_millis(IDLE_MS);
        fabric.timeouts.iter_mut().for_each(|timeouts| timeouts.udp = idle);
        let layout = Layout { workers_max: 2, ..Layout::default() };
        let controller = Controller::new(fabric.clone(), layout);
        let mut workers = [0, 1].map(|_| controller.worker().unwrap());
        workers[1].sleep();
        Rig {
            lab: Lab::of(fabric),
            controller,
            workers,
            active: 0,
            dice: Dice(SEED),
            now_ms: 1,
            changes: 0,
            busy: VecDeque::new(),
            silent: Vec::new(),
            opened: 0,
            versions: [0; RULES],
            decisions: [0; RULES],
            ended: [0; RULES],
        }
    }

    /// The other worker takes over, and this one sleeps.
    fn take_turns(&mut self) {
        self.workers[self.active].sleep();
        self.active ^= 1;
        self.workers[self.active].wake();
    }

    /// Changes one rule, the first ones more often than the others; now and then by giving the whole
    /// group, which has one rule more or less by that.
    fn change(&mut self) {
        self.changes += 1;
        let rule = (self.dice.below(1 << (RULES - 1)).trailing_zeros() as usize).min(RULES - 1);
        let group = self.lab.group("sg-web");
        let rules = &self.controller.fabric().policies.group(group).rules;
        let mut next: Vec<Rule> = rules.clone();
        let priority = if next[rule].priority == Priority::new(1).unwrap() { 2 } else { 1 };
        next[rule].priority = Priority::new(priority).unwrap();
        let change = match self.dice.below(50) {
            0 if next.len() > RULES => {
                next.truncate(RULES);
                Change::Rules(group, next)
            }
            0 => {
                let policies = &self.controller.fabric().policies;
                next.push(read_rule(policies, "in allow 1 udp 9/9 0.0.0.0/0"));
                Change::Rules(group, next)
            }
            _ => {
                let rule = u32::try_from(rule).unwrap();
                Change::Rule(RuleRef { group, rule }, Box::new(next.swap_remove(rule as usize)))
            }
        };
        self.controller.apply(change);
        self.versions[rule] = self.changes;
        (self.decisions[rule], self.ended[rule]) = (0, 0);
    }

    fn send(&mut self, flow: &mut Flow) {
        flow.frames += 1;
        flow.last_ms = self.now_ms;
        if flow.frames == 1 || flow.decided < self.changes {
            self.decisions[flow.rule] += 1;
            flow.decided = self.changes;
        }
        let mut bytes = self.lab.udp("app", "172.16.1.10", flow.ports, b"");
        let port = self.controller.plane().ports().number(self.lab.port("app"));
        let frame = Incoming { port, id: 0, slot: 0, bytes: &mut bytes };
        let now = Instant::from_ms(self.now_ms);
        self.workers[self.active].handle_batch(&mut [frame], now, &mut Nowhere, &mut Silent);
    }

    fn open(&mut self) {
        self.opened = self.opened.wrapping_add(1);
        let rule = self.dice.below(RULES);
        let is_long = self.dice.below(8) == 0;
        let life_ms = if is_long { self.dice.below(20_000) as u64 } else { 0 };
        let mut flow = Flow {
            rule,
            version: self.versions[rule],
            ports: (self.opened, port(rule)),
            frames: 0,
            last_ms: 0,
            until_ms: self.now_ms + life_ms,
            decided: 0,
        };
        self.send(&mut flow);
        self.busy.push_back(flow);
    }

    /// Frames of a millisecond.
    fn pass(&mut self) {
        self.now_ms += 1;
        let due_ms = self.now_ms.saturating_sub(IDLE_MS - 100);
        while let Some(mut flow) = self.busy.pop_front_if(|flow| flow.last_ms < due_ms) {
            if flow.until_ms < self.now_ms {
                self.silent.push(flow);
                continue;
            }
            self.send(&mut flow);
            self.busy.push_back(flow);
        }
        if self.dice.below(2) == 0 {
            self.open();
        }
    }

    fn compare(&mut self) {
        let now = Instant::from_ms(self.now_ms);
        // found dead, nobody's, given back, added up
        for _ in 0..3 {
            for _ in 0..2 {
                self.workers[self.active].expire(now, usize::MAX, &mut Nowhere, &mut Silent);
                self.take_turns();
            }
        }
        for flow in self.silent.extract_if(.., |flow| flow.last_ms + IDLE_MS < self.now_ms) {
            if flow.version == self.versions[flow.rule] {
                self.ended[flow.rule] += flow.frames;
            }
        }
        let mut counters = Counters::default();
        self.workers.iter().for_each(|worker| worker.add_counters(&mut counters));
        let group = self.lab.group("sg-web");
        for rule in 0..RULES {
            let place = RuleRef { group, rule: u32::try_from(rule).unwrap() };
            let decisions = counters.rules.get(&place).copied().unwrap_or(0);
            let Traffic { frames, .. } =
                counters.rule_traffic.get(&place).copied().unwrap_or_default();
            assert_eq!(
                (decisions, frames),
                (self.decisions[rule], self.ended[rule]),
                "decisions and frames of rule {rule}, seed {SEED}, after {} changes",
                self.changes
            );
        }
    }
}

fn port(rule: usize) -> u16 {
    u16::try_from(1_000 + rule).unwrap()
}

#[test]
fn rules_that_change_for_ever_take_no_more_room_and_count_exactly() {
    let mut rig = Rig::new();
    let (mut counters_max, mut live_max) = (0, 0);
    while rig.changes < CHANGES {
        rig.change();
        rig.pass();
        match rig.changes % 5_000 {
            0 | 4_900 => rig.take_turns(),
            _ => {}
        }
        if rig.changes.is_multiple_of(250) {
            rig.compare();
            counters_max = counters_max.max(rig.controller.rule_counters());
            live_max = live_max.max(rig.controller.plane().flows().len());
        }
    }
    assert!(live_max > 1_000, "sessions lived on while rules changed: {live_max}");
    assert!(counters_max < COUNTERS_MAX, "{counters_max} counters");
}

/// A worker sleeps while the ids that it has counted under go to other rules. Before it slept a flow had
/// ended that it had not added up yet.
#[test]
fn what_a_sleeper_counted_is_not_counted_for_other_rules() {
    let rules: Vec<String> =
        (1..2_000).map(|port| format!("sg-web in allow 1 udp {port}/{port} 0.0.0.0/0")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let lab = Lab::of(fabric(&rules));
    let layout = Layout { workers_max: 2, ..Layout::default() };
    let mut controller = Controller::new(lab.switch.fabric().clone(), layout);
    let [mut awake, mut sleeper] = [0, 1].map(|_| controller.worker().unwrap());
    let group = lab.group("sg-web");
    let place = RuleRef { group, rule: 699 };
    let seen = |workers: [&Worker; 2]| {
        let mut counters = Counters::default();
        workers.iter().for_each(|worker| worker.add_counters(&mut counters));
        (counters.rules, counters.rule_traffic)
    };
    let at = |worker: &mut Worker, ms, frames: &mut [Incoming<'_>]| {
        worker.handle_batch(frames, Instant::from_ms(ms), &mut Nowhere, &mut Silent);
    };

    let mut bytes = lab.udp("app", "172.16.1.10", (5_000, 700), b"");
    let port = controller.plane().ports().number(lab.port("app"));
    at(&mut sleeper, 1, &mut [Incoming { port, id: 0, slot: 0, bytes: &mut bytes }]);
    assert_eq!(seen([&awake, &sleeper]).0.get(&place), Some(&1));
    for _ in 0..5 {
        at(&mut awake, 60_000, &mut []);
        at(&mut sleeper, 60_000, &mut []);
    }
    sleeper.sleep();
    assert_eq!(controller.plane().flows().len(), 0);

    let before = controller.rule_counters();
    for priority in [2, 3] {
        let mut rules = controller.fabric().policies.group(group).rules.clone();
        rules.iter_mut().for_each(|rule| rule.priority = Priority::new(priority).unwrap());
        controller.apply(Change::Rules(group, rules));
        for _ in 0..5 {
            at(&mut awake, 60_000, &mut []);
            let timeouts = controller.fabric().timeouts[0];
            controller.apply(Change::Timeouts(lab.interface("web"), timeouts));
        }
    }
    assert_eq!(controller.rule_counters(), before + 1_999, "ids went to other rules");

    sleeper.wake();
    for ms in [60_000, 60_001] {
        at(&mut sleeper, ms, &mut []);
        assert_eq!(seen([&awake, &sleeper]), Default::default());
    }
}
