//! A small world to load, flows of every fate, and what is expected of them while rules change.

use ringfence_cloud::GroupIndex;
use ringfence_endpoints::generator::{FlowSpec, Pattern, Sizes, Traffic};
use ringfence_frame::batch::PortNumber;
use ringfence_frame::{Family, Protocol};
use ringfence_load::{BenchWorld, Fate, LaneWish, WorldShape, reason, reference};
use ringfence_runtime::live::{LiveOptions, LoadOptions};
use ringfence_switch::{Change, Controller, Layout};

pub fn world() -> BenchWorld {
    let shape = WorldShape {
        interfaces: 60,
        groups: 4,
        rules: 40,
        prefix_list: 100,
        sessions_max: 100_000,
        ..WorldShape::default()
    };
    BenchWorld::new(&shape, 3)
}

pub fn controller(world: &BenchWorld, workers: usize) -> Controller {
    let layout = Layout { workers_max: workers, numbered: false, ..Layout::default() };
    Controller::new(world.fabric.clone(), layout)
}

pub fn options(workers: usize) -> LoadOptions {
    let live = LiveOptions { huge_pages: false, ..LiveOptions::default() };
    LoadOptions { workers, live, ..LoadOptions::default() }
}

/// Flows of both families and all protocols: allowed ones with replies whose ends belong to
/// different queues, fresh ones, and denied ones.
pub fn mixed(world: &BenchWorld) -> Vec<FlowSpec> {
    let mut all = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        for protocol in [Protocol::TCP, Protocol::UDP, Protocol::ICMP] {
            let base = LaneWish { lanes: 40, family, protocol, ..LaneWish::default() };
            let wish = LaneWish { replies: true, ..base };
            let mut lanes = world.lanes_between(&wish, 5, |from, to| from % 2 != to % 2).unwrap();
            let fresh = lanes.split_off(lanes.len() / 2);
            all.extend(lanes.flows(200));
            all.extend(fresh.fresh().take(1));
            let denied = LaneWish { fate: Fate::DeniedInbound, ..base };
            all.extend(world.lanes(&denied, 5).unwrap().flows(50));
        }
    }
    all
}

pub fn mixed_pattern() -> Pattern {
    Pattern {
        sizes: Sizes::Imix,
        reply_share: 0.4,
        denied_share: 0.2,
        fresh: ringfence_endpoints::generator::Fresh::Share(0.05),
        ..Pattern::default()
    }
}

/// One-way UDP flows, all allowed.
pub fn allowed(world: &BenchWorld, count: usize) -> Vec<FlowSpec> {
    world.lanes(&LaneWish::default(), 5).unwrap().flows(count).collect()
}

pub fn traffic(flows: Vec<FlowSpec>, queues: usize, pattern: &Pattern) -> Traffic {
    let queue_of = |port: PortNumber| port as usize % queues;
    Traffic::new(flows, queues, queue_of, pattern, 1).unwrap()
}

/// The rules of every group, and none at all, in turn: changes by epoch. With `groups` groups, the
/// epochs of one phase are as many.
pub struct Flip {
    full: Vec<Change>,
}

impl Flip {
    pub fn new(world: &BenchWorld) -> Flip {
        let groups = (0..).map(GroupIndex).zip(&world.fabric.policies.groups);
        Flip {
            full: groups.map(|(index, group)| Change::Rules(index, group.rules.clone())).collect(),
        }
    }

    /// How many epochs there are until the rules are as at first.
    pub fn phases(&self) -> usize {
        2 * self.full.len()
    }

    /// The change that makes `epoch`: first each group loses its rules, then each has them again.
    pub fn change(&self, epoch: u32) -> Change {
        let place = (epoch as usize - 1) % self.phases();
        match (self.full.get(place), self.full.get(place % self.full.len())) {
            (Some(Change::Rules(group, _)), _) => Change::Rules(*group, Vec::new()),
            (_, Some(full)) => full.clone(),
            _ => unreachable!("there are rules for each group"),
        }
    }

    /// Tells the checker what each phase expects of each flow, as the reference says.
    pub fn expect(&self, world: &BenchWorld, flows: &[FlowSpec], traffic: &mut Traffic) {
        let mut fabric = world.fabric.clone();
        for epoch in 1..self.phases() as u32 {
            fabric.put(self.change(epoch));
            let phase = traffic.checker.add_phase();
            assert_eq!(phase, epoch as usize);
            for (number, flow) in (0..).zip(flows) {
                let from = world.ports.place(flow.port);
                let answer = reference(&fabric, from, flow.headers.tuple);
                let dropped = answer.dropped.map(|(stage, because)| reason(stage, because));
                traffic.checker.expect(phase, number, false, dropped);
            }
        }
    }
}
