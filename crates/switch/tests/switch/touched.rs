//! "A global epoch only says look": after a change only flows with an end that it touches are
//! decided again, once each; the others are let through as before. Counted to the last decision.

use ringfence_frame::Instant;
use ringfence_policy::{PrefixListIndex, RuleRef};
use ringfence_session::Timeouts;
use ringfence_switch::{
    Change, Controller, Counters, Egress, Incoming, Layout, PortId, Silent, Sink, Worker,
};

use crate::lab::{Lab, fabric, read_rule};

const NOW: Instant = Instant::from_ms(1_000);
/// Flows of each kind.
const FLOWS: u16 = 10;
/// Who asks whom by which address; and who answers whom.
const KINDS: [[(&str, &str); 2]; 4] = [
    [("app", "172.16.1.10"), ("web", "172.16.1.11")],
    [("app", "172.16.2.20"), ("db", "172.16.1.11")],
    [("pc", "172.16.2.20"), ("db", "10.1.1.30")],
    [("visitor", "47.96.10.1"), ("web", "203.0.113.7")],
];

/// Everything that a rule may be changed beside: rules by range, by group and by list.
const RULES: [&str; 4] = [
    "sg-web in allow 1 udp -1/-1 0.0.0.0/0",
    "sg-db in allow 1 udp -1/-1 0.0.0.0/0",
    "sg-db in allow 2 tcp -1/-1 sg-peers",
    "sg-web in allow 2 tcp -1/-1 pl",
];

pub struct Nowhere;

impl Sink for Nowhere {
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    fn put(&mut self, _: Egress<'_>) {}
}

/// Frames go in batches, the short way where there is one; `steps` has them go the long way.
struct Rig {
    lab: Lab,
    controller: Controller,
    worker: Worker,
    steps: bool,
}

impl Rig {
    fn new(steps: bool) -> Rig {
        let lab = Lab::of(fabric(&RULES));
        let controller = Controller::new(lab.switch.fabric().clone(), Layout::default());
        let worker = controller.worker().unwrap();
        Rig { lab, controller, worker, steps }
    }

    /// A frame of every flow, of one side or the other; how many decisions that took.
    fn send(&mut self, side: usize) -> u64 {
        let before = self.decisions();
        let ports = self.controller.plane().ports().clone();
        for kind in KINDS {
            let (from, to) = kind[side];
            let mut frames: Vec<Vec<u8>> = (0..FLOWS)
                .map(|flow| {
                    let ends = if side == 0 { (5_000 + flow, 53) } else { (53, 5_000 + flow) };
                    self.lab.udp(from, to, ends, b"")
                })
                .collect();
            let port = ports.number(self.lab.port(from));
            let mut batch: Vec<Incoming<'_>> = (0..)
                .zip(&mut frames)
                .map(|(slot, bytes)| Incoming { port, id: slot.into(), slot, bytes })
                .collect();
            match self.steps {
                true => {
                    let steps = &mut self.lab.observer;
                    self.worker.handle_batch(&mut batch, NOW, &mut Nowhere, steps);
                }
                false => self.worker.handle_batch(&mut batch, NOW, &mut Nowhere, &mut Silent),
            }
        }
        self.decisions() - before
    }

    fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        self.worker.add_counters(&mut counters);
        counters
    }

    fn decisions(&self) -> u64 {
        let Counters { interfaces, rules, .. } = self.counters();
        let implicit = interfaces.values().flat_map(|it| it.implicit.values()).sum::<u64>();
        implicit + rules.values().sum::<u64>()
    }

    /// Makes a change, and compares how many halves of flows are decided again by it, and that each
    /// is only once.
    #[track_caller]
    fn check(&mut self, change: Change, halves: u64) {
        let told = format!("{change:?}");
        self.controller.apply(change);
        // it picks the change up, and forgets what a rule has counted that is no more
        self.worker.expire(NOW, 0, &mut Nowhere, &mut Silent);
        let again = [self.send(1), self.send(0), self.send(1)];
        assert_eq!(again, [halves * u64::from(FLOWS), 0, 0], "{told}");
        let dropped: u64 =
            self.counters().ports.values().flat_map(|port| port.dropped.values()).sum();
        assert_eq!(dropped, 0, "{told}");
    }
}

#[test]
fn only_flows_that_a_change_touches_are_decided_again() {
    for steps in [false, true] {
        let mut rig = Rig::new(steps);
        let halves = [rig.send(0), rig.send(1), rig.send(0)];
        assert_eq!(halves, [7 * u64::from(FLOWS), 0, 0], "the first frames open them");
        let group = |rig: &Rig, id| rig.lab.group(id);
        let rules = |rig: &Rig, id: &str, rules: &[&str]| {
            let policies = &rig.controller.fabric().policies;
            let rules = rules.iter().map(|rule| read_rule(policies, rule)).collect();
            Change::Rules(rig.lab.group(id), rules)
        };
        let all = "in allow 1 udp -1/-1 0.0.0.0/0";

        // of one end, of the other, of both ends of one kind and one of another, of nobody's
        let change = rules(&rig, "sg-app", &["in allow 1 udp 1/1 0.0.0.0/0"]);
        rig.check(change, 2);
        let change = rules(&rig, "sg-pc", &["out allow 1 udp -1/-1 0.0.0.0/0"]);
        rig.check(change, 1);
        let change = rules(&rig, "sg-cold", &[all]);
        rig.check(change, 0);
        // one rule in its place
        let place = RuleRef { group: group(&rig, "sg-db"), rule: 0 };
        let rule = read_rule(&rig.controller.fabric().policies, "in allow 3 udp -1/-1 0.0.0.0/0");
        rig.check(Change::Rule(place, Box::new(rule)), 2);
        // a member of a group that a rule names: db's rules do
        let peers = vec![group(&rig, "sg-old"), group(&rig, "sg-peers")];
        rig.check(Change::Members(rig.lab.interface("old"), peers.clone()), 2);
        rig.check(Change::Members(rig.lab.interface("old"), peers), 0);
        // an interface's own groups, among them one whose members count
        let moved = vec![group(&rig, "sg-app"), group(&rig, "sg-cold")];
        rig.check(Change::Members(rig.lab.interface("app"), moved), 2);
        // a list that a rule names: web's do
        let list = |range: &str| vec![range.parse().unwrap()];
        rig.check(Change::PrefixList(PrefixListIndex(0), list("198.51.100.0/24")), 2);
        rig.check(Change::PrefixList(PrefixListIndex(0), list("198.51.100.0/24")), 0);
        let timeouts = Change::Timeouts(rig.lab.interface("web"), Timeouts::default());
        rig.check(timeouts, 0);
    }
}
