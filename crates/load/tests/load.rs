//! Loads of every kind through a switch: every frame meets the fate that the reference foretold.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use ringfence_cloud::{InterfaceIndex, Place, Reach};
use ringfence_endpoints::generator::{
    Accounts, Checker, Expected, FlowSpec, Fresh, Pattern, Popularity, Sizes, Stage, Traffic,
    TrafficGenerator,
};
use ringfence_frame::batch::FrameBatch;
use ringfence_frame::{Direction, Family, Instant, Protocol, parse};
use ringfence_load::rules::RuleShape;
use ringfence_load::{
    BenchWorld, Drive, Fate, FloodWish, LaneWish, LoadError, Way, WorldShape, reason, reason_name,
    reference,
};
use ringfence_policy::{Because, Question, Rule, decide};
use ringfence_switch::{Change, Controller, Layout, Worker};

const PROTOCOLS: [Protocol; 3] = [Protocol::TCP, Protocol::UDP, Protocol::ICMP];
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const STEADY_BATCHES: usize = 40;

fn shape() -> WorldShape {
    WorldShape {
        vpcs: 2,
        interfaces: 60,
        public: 20,
        groups: 4,
        groups_per_interface: 2,
        rules: 40,
        rule_shape: RuleShape::Groups,
        prefix_list: 100,
        sessions_max: 20_000,
    }
}

fn layout() -> Layout {
    Layout { numbered: false, ..Layout::default() }
}

/// Everything that a generator has in its stage, or a number of batches.
fn run(
    generator: &mut TrafficGenerator,
    worker: &mut Worker,
    checker: &mut Checker,
    now: &mut Instant,
    batches: usize,
) {
    let mut batch = FrameBatch::new(48);
    let mut drive = Drive::default();
    for _ in 0..batches {
        if generator.fill(&mut batch, now.as_ns()) == 0 {
            break;
        }
        for (_, bytes) in batch.iter() {
            parse(bytes).expect("a generated frame is sound");
        }
        drive.run(worker, &mut batch, *now, checker);
        *now += std::time::Duration::from_micros(50);
    }
}

/// Opens, answers, and goes on for a while.
fn accounts(world: &BenchWorld, flows: Vec<FlowSpec>, pattern: &Pattern) -> Accounts {
    let controller = Controller::new(world.fabric.clone(), layout());
    let mut worker = controller.worker().unwrap();
    let traffic = Traffic::new(flows, 1, |_| 0, pattern, 1).unwrap();
    let Traffic { mut generators, mut checker } = traffic;
    let mut now = Instant::from_ms(1);
    for (stage, batches) in
        [(Stage::Open, usize::MAX), (Stage::Answer, usize::MAX), (Stage::Steady, STEADY_BATCHES)]
    {
        generators[0].begin(stage);
        run(&mut generators[0], &mut worker, &mut checker, &mut now, batches);
    }
    checker.finish(&generators)
}

fn flows(world: &BenchWorld, wish: LaneWish, count: usize) -> Vec<FlowSpec> {
    let lanes = world.lanes(&wish, 7).unwrap();
    let flows: Vec<FlowSpec> = lanes.flows(count).collect();
    assert_eq!(flows.len(), count, "{wish:?}");
    flows
}

/// Each kind by itself, so that none hides behind another.
fn check(wish: LaneWish, fate: &str) {
    let world = BenchWorld::new(&shape(), 3);
    let pattern = Pattern { reply_share: 0.4, sizes: Sizes::Imix, ..Pattern::default() };
    let accounts = accounts(&world, flows(&world, wish, 300), &pattern);
    assert!(accounts.is_clean(), "{wish:?}: {accounts} {:?}", accounts.findings);
    let steady = 48 * STEADY_BATCHES as u64;
    let opened = match (wish.fate, wish.replies) {
        (Fate::Allowed, true) => 600,
        (Fate::Allowed, false) => 300,
        _ => 0,
    };
    assert_eq!(accounts.sent, opened + steady, "{wish:?}");
    let dropped: Vec<String> = accounts.dropped.keys().map(|&r| reason_name(r)).collect();
    match wish.fate {
        Fate::Allowed => assert_eq!((accounts.delivered, dropped.len()), (accounts.sent, 0)),
        _ => {
            assert_eq!(accounts.delivered, 0, "{wish:?}");
            assert!(dropped.iter().all(|name| name.starts_with(fate)), "{wish:?}: {dropped:?}");
        }
    }
}

#[test]
fn every_kind_of_lane_meets_its_fate() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let base = LaneWish { lanes: 40, family, protocol, ..LaneWish::default() };
            for way in [Way::Inside, Way::Joined] {
                check(LaneWish { way, replies: true, ..base }, "");
            }
            check(LaneWish { fate: Fate::DeniedInbound, ..base }, "inbound ");
            check(LaneWish { fate: Fate::Unreachable, ..base }, "route unreachable");
            if protocol != Protocol::ICMP {
                check(LaneWish { fate: Fate::DeniedOutbound, ..base }, "outbound rule");
                check(LaneWish { way: Way::FromInternet, replies: true, ..base }, "");
                check(LaneWish { way: Way::ToInternet, replies: true, ..base }, "");
                let fate = Fate::DeniedInbound;
                check(LaneWish { way: Way::FromInternet, fate, ..base }, "inbound ");
            }
        }
    }
    for protocol in [Protocol::TCP, Protocol::UDP] {
        let base = LaneWish { lanes: 40, way: Way::Hairpin, protocol, ..LaneWish::default() };
        check(LaneWish { replies: true, ..base }, "");
        check(LaneWish { fate: Fate::DeniedInbound, ..base }, "inbound ");
    }
}

#[test]
fn mixed_traffic_keeps_its_shares() {
    let world = BenchWorld::new(&shape(), 3);
    let mut all = Vec::new();
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let base = LaneWish { lanes: 60, family, protocol, ..LaneWish::default() };
            let mut lanes = world.lanes(&LaneWish { replies: true, ..base }, 5).unwrap();
            let fresh = lanes.split_off(40);
            all.extend(lanes.flows(200));
            all.extend(fresh.fresh());
            all.extend(flows(&world, LaneWish { fate: Fate::DeniedInbound, ..base }, 50));
        }
    }
    let pattern = Pattern {
        popularity: Popularity::Zipf(1.0),
        sizes: Sizes::Imix,
        reply_share: 0.5,
        denied_share: 0.25,
        fresh: Fresh::Share(0.25),
        rate: None,
    };
    let accounts = accounts(&world, all, &pattern);
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
    let steady = 48.0 * STEADY_BATCHES as f64;
    let dropped = accounts.dropped.values().sum::<u64>() as f64;
    assert!((dropped / steady - 0.25).abs() < 0.05, "{accounts}");
}

#[test]
fn a_switch_that_lets_everything_in_leaks_and_one_that_lets_nothing_drops_falsely() {
    let world = BenchWorld::new(&shape(), 3);
    let base = LaneWish { lanes: 40, ..LaneWish::default() };
    let mut all = flows(&world, base, 100);
    all.extend(flows(&world, LaneWish { fate: Fate::DeniedInbound, ..base }, 100));
    let pattern = Pattern { denied_share: 0.5, ..Pattern::default() };
    let mut other = BenchWorld::new(&shape(), 3);
    for group in &mut other.fabric.policies.groups {
        group.rules.clear();
    }
    let closed = accounts(&other, all.clone(), &pattern);
    assert!(closed.false_drops > 500 && closed.lost == 0, "{closed}");
    for group in &mut other.fabric.policies.groups {
        group.same_group = ringfence_policy::SameGroup::Accept;
    }
    for interface in &mut other.fabric.world.interfaces {
        interface.groups = vec![ringfence_cloud::GroupIndex(0)];
    }
    let open = accounts(&other, all, &pattern);
    assert!(open.leaks > 500 && open.lost == 0 && open.false_drops == 0, "{open}");
}

#[test]
fn the_reference_is_asked_about_each_flow_where_source_ports_matter() {
    let mut world = BenchWorld::new(&shape(), 3);
    for group in &mut world.fabric.policies.groups {
        for rule in &mut group.rules {
            rule.source_ports = vec![ringfence_policy::PortRange::new(32_000, 32_900).unwrap()];
        }
    }
    let lanes = world.lanes(&LaneWish { lanes: 10, ..LaneWish::default() }, 7).unwrap();
    assert_eq!(lanes.fresh().count(), 0);
    let all: Vec<FlowSpec> = lanes.flows(usize::MAX).collect();
    assert_eq!(all.len(), lanes.len() * (32_900 - 32_768 + 1));
    let accounts = accounts(&world, all, &Pattern::default());
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
}

#[test]
fn sweeps_meet_what_the_reference_says() {
    let world = BenchWorld::new(&shape(), 3);
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let protocol = match (protocol, family) {
                (Protocol::ICMP, Family::Ipv6) => Protocol::ICMPV6,
                (other, _) => other,
            };
            let sweep = world.sweep(InterfaceIndex(5), (family, protocol), 40, 440..=450);
            let all: Vec<FlowSpec> = sweep.collect();
            assert_eq!(all.len(), 39 * 11);
            let pattern = Pattern { denied_share: 0.9, ..Pattern::default() };
            let accounts = accounts(&world, all, &pattern);
            assert!(accounts.is_clean(), "{family:?} {protocol}: {accounts}");
            assert!(!accounts.dropped.is_empty() && accounts.delivered > 0, "{accounts}");
        }
    }
}

#[test]
fn a_flood_meets_the_limit_that_its_first_half_used_up() {
    let half_open = 500;
    for family in FAMILIES {
        let mut world = BenchWorld::new(&shape(), 3);
        world.fabric.options.limits.half_open_per_interface_max = half_open;
        let to = InterfaceIndex(7);
        let wish = FloodWish { to, family, lanes: 10, half_open };
        let flood = world.syn_flood(&wish, 3, |from| from != 8).unwrap();
        let receiver = world.port(Place::Interface(to));
        assert_eq!((flood.filling.len(), flood.flooding.len()), (half_open, 5));
        for flow in flood.filling.iter().chain(&flood.flooding) {
            assert!(flow.port != receiver && flow.port != 8 && !flow.replies);
            assert_eq!(flow.headers.tuple.protocol, Protocol::TCP);
            let from = world.ports.place(flow.port);
            assert_eq!(reference(&world.fabric, from, flow.headers.tuple).dropped, None);
        }
        let all: Vec<FlowSpec> = flood.filling.into_iter().chain(flood.flooding).collect();
        let pattern = Pattern { fresh: Fresh::Share(0.7), ..Pattern::default() };
        let accounts = accounts(&world, all, &pattern);
        assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
        let reasons: Vec<_> = accounts.dropped.keys().map(|&it| reason_name(it)).collect();
        assert_eq!(reasons, ["inbound half-open-limit"]);
    }
}

#[test]
fn one_seed_makes_one_load() {
    let made = |seed| {
        let world = BenchWorld::new(&shape(), seed);
        flows(&world, LaneWish { lanes: 40, ..LaneWish::default() }, 500)
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
    let flows = made(1);
    let tuples: std::collections::HashSet<_> =
        flows.iter().map(|flow| (flow.port, flow.headers.tuple)).collect();
    assert_eq!(tuples.len(), flows.len());
}

#[test]
fn worlds_of_every_size_are_sound() {
    let shapes = [
        WorldShape { interfaces: 1, groups: 0, rules: 0, groups_per_interface: 0, ..shape() },
        WorldShape { vpcs: 15, interfaces: 70_000, public: 70_000, ..shape() },
        WorldShape { vpcs: 0, interfaces: 0, public: 0, ..shape() },
        shape(),
    ];
    for shape in shapes {
        let world = BenchWorld::new(&shape, 1);
        let problems = world.fabric.world.check();
        assert!(problems.is_empty(), "{shape:?}: {:?}", problems.first());
    }
    let empty = BenchWorld::new(&WorldShape { interfaces: 0, ..shape() }, 1);
    let none = empty.lanes(&LaneWish::default(), 1).err();
    assert!(matches!(none, Some(LoadError::NoLane(Fate::Allowed, Way::Inside, _))));
}

/// Two workers, every flow's directions at different ones.
#[test]
fn two_workers_share_the_flows() {
    let world = BenchWorld::new(&WorldShape { vpcs: 1, ..shape() }, 3);
    let base = LaneWish { lanes: 40, replies: true, ..LaneWish::default() };
    let lanes = world.lanes_between(&base, 7, |from, to| from % 2 != to % 2).unwrap();
    let flows: Vec<FlowSpec> = lanes.flows(400).collect();
    let layout = Layout { workers_max: 2, ..layout() };
    let controller = Controller::new(world.fabric.clone(), layout);
    let mut workers = [controller.worker().unwrap(), controller.worker().unwrap()];
    let pattern = Pattern { reply_share: 0.5, ..Pattern::default() };
    let traffic = Traffic::new(flows, 2, |port| port as usize % 2, &pattern, 1).unwrap();
    let Traffic { mut generators, checker } = traffic;
    let mut checkers = [checker.clone(), checker];
    let mut now = Instant::from_ms(1);
    for (stage, batches) in [(Stage::Open, usize::MAX), (Stage::Answer, usize::MAX)] {
        for i in 0..2 {
            generators[i].begin(stage);
            run(&mut generators[i], &mut workers[i], &mut checkers[i], &mut now, batches);
        }
    }
    for i in [0, 1, 1, 0] {
        generators[i].begin(Stage::Steady);
        run(&mut generators[i], &mut workers[i], &mut checkers[i], &mut now, 20);
    }
    let [mut checker, other] = checkers;
    checker.merge(other);
    let accounts = checker.finish(&generators);
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
    assert_eq!(accounts.sent, 400 * 2 + 4 * 20 * 48);
}

/// Rules are replaced while frames flow: frames are judged by the rules of their time.
#[test]
fn a_change_of_rules_changes_what_is_expected() {
    let one_each = WorldShape { vpcs: 1, groups_per_interface: 1, ..shape() };
    let mut world = BenchWorld::new(&one_each, 3);
    let wish = LaneWish { lanes: 40, replies: true, ..LaneWish::default() };
    let flows: Vec<FlowSpec> = world.lanes(&wish, 7).unwrap().flows(400).collect();
    let controller = &mut Controller::new(world.fabric.clone(), layout());
    let mut worker = controller.worker().unwrap();
    let traffic = Traffic::new(flows.clone(), 1, |_| 0, &Pattern::default(), 1).unwrap();
    let Traffic { mut generators, mut checker } = traffic;

    let group = ringfence_cloud::GroupIndex(1);
    let before = world.fabric.policies.group(group).rules.clone();
    world.fabric.policies.groups[1].rules.clear();
    let phase = checker.add_phase();
    let mut changed = 0;
    for (number, flow) in (0..).zip(&flows) {
        let answer = reference(&world.fabric, world.ports.place(flow.port), flow.headers.tuple);
        let dropped = answer.dropped.map(|(stage, because)| reason(stage, because));
        changed += u32::from(dropped.is_some());
        checker.expect(phase, number, false, dropped);
    }
    assert!((50..350).contains(&changed), "{changed}");

    let mut now = Instant::from_ms(1);
    run(&mut generators[0], &mut worker, &mut checker, &mut now, usize::MAX);
    generators[0].begin(Stage::Steady);
    for (generation, rules) in (1..).zip([Vec::new(), before.clone(), Vec::new(), before]) {
        let epoch = controller.apply(Change::Rules(group, rules));
        assert_eq!(u64::from(epoch), generation);
        checker.set_generations(generation, generation);
        run(&mut generators[0], &mut worker, &mut checker, &mut now, STEADY_BATCHES);
    }
    let accounts = checker.finish(&generators);
    assert!(accounts.is_clean(), "{accounts} {:?}", accounts.findings);
    assert!(accounts.dropped.values().sum::<u64>() > 500, "{accounts}");
    checker.set_generations(5, 5);
    run(&mut generators[0], &mut worker, &mut checker, &mut now, STEADY_BATCHES);
    assert!(checker.finish(&generators).leaks > 200, "the rules of another time");
}

/// The place, in its group, of the receiver's rule that lets a flow in.
fn deciding_place(world: &BenchWorld, flow: &FlowSpec) -> usize {
    let Expected::Delivered(arriving) = &flow.expected else { panic!("dropped: {flow:?}") };
    let Place::Interface(interface) = world.ports.place(arriving.port) else { panic!("{flow:?}") };
    let question = Question {
        interface,
        direction: Direction::Inbound,
        tuple: arriving.headers.tuple,
        reach: Reach::Internal,
        icmp: None,
    };
    let decision = decide(&world.fabric.world, &world.fabric.policies, &question);
    let Because::Rule(rule) = decision.because else { panic!("no rule decides {flow:?}") };
    rule.rule as usize
}

/// With ClassBench's shapes a group holds as many inbound rules as were wanted, lanes are found in both
/// protocols, what decides them lies far apart in the lists, and frames fare as was foretold.
#[test]
fn lanes_of_classbench_s_rules_are_decided_all_over_the_lists() {
    // wide rules stand early in a firewall's list, and leave the later ones little
    for (rule_shape, quarters_min) in [(RuleShape::Acl, 4), (RuleShape::Firewall, 2)] {
        let rules = 400;
        let seed = 5;
        println!("seed {seed}");
        let shape = WorldShape { rules, rule_shape, vpcs: 1, groups_per_interface: 1, ..shape() };
        let world = BenchWorld::new(&shape, seed);
        let inbound = |rule: &&Rule| rule.direction == Direction::Inbound;
        for group in &world.fabric.policies.groups {
            assert_eq!(group.rules.iter().filter(inbound).count(), rules as usize);
            assert!(group.rules.iter().all(|rule| rule.source_ports.is_empty()));
        }
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let wish = LaneWish { lanes: 200, protocol, ..LaneWish::default() };
            let lanes = world.lanes(&wish, seed).unwrap();
            let flows: Vec<FlowSpec> = lanes.flows(lanes.len()).collect();
            let mut places = BTreeSet::new();
            for flow in &flows {
                places.insert(deciding_place(&world, flow));
            }
            let quarters: BTreeSet<usize> =
                places.iter().map(|place| place * 4 / rules as usize).collect();
            assert!(quarters.len() >= quarters_min, "{rule_shape:?} {protocol:?}: {places:?}");
            assert!(places.len() >= 10, "{rule_shape:?} {protocol:?}: {places:?}");
            let fresh: Vec<FlowSpec> = lanes.fresh().collect();
            assert_eq!(fresh.len(), lanes.len());
            let pattern = Pattern { fresh: Fresh::Share(1.0), ..Pattern::default() };
            let accounts = accounts(&world, fresh, &pattern);
            assert!(accounts.is_clean() && accounts.delivered > 0, "{accounts}");
        }
    }
}
