//! The classifier says what the reference says: rule by rule, packet by packet, one by one and in
//! batches, compiled at once and changed step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod random;

use random::{Dice, Shape};
use ringfence_cloud::{GroupIndex, World};
use ringfence_policy::{
    Because, Classifier, Decision, Nic, PolicySet, PortListIndex, PrefixListIndex, Profile,
    Question, decide,
};

const SEED: u64 = 0xc1a5_51f1;

const SHAPES: [Shape; 7] = [
    Shape { rules: 4, five_tuple_percent: 0, anywhere_percent: 10, profile: Profile::Alibaba },
    Shape { rules: 60, five_tuple_percent: 0, anywhere_percent: 30, profile: Profile::Alibaba },
    Shape { rules: 60, five_tuple_percent: 40, anywhere_percent: 10, profile: Profile::Alibaba },
    Shape { rules: 150, five_tuple_percent: 90, anywhere_percent: 60, profile: Profile::Alibaba },
    Shape { rules: 40, five_tuple_percent: 50, anywhere_percent: 40, profile: Profile::Aws },
    Shape { rules: 300, five_tuple_percent: 60, anywhere_percent: 90, profile: Profile::Aws },
    Shape { rules: 30, five_tuple_percent: 20, anywhere_percent: 20, profile: Profile::Neutron },
];

/// One classifier for each interface of a world.
fn classifiers(world: &World, policies: &PolicySet) -> Vec<Classifier> {
    let compile = |groups: &[GroupIndex], nic| {
        Classifier::compile(policies, world.platform.metadata_server, groups, nic)
    };
    world.interfaces.iter().map(|it| compile(&it.groups, Nic::of(it.network))).collect()
}

/// Asks the reference and the interfaces' classifiers, alone and in a batch.
fn check(
    what: &str,
    world: &World,
    policies: &PolicySet,
    classifiers: &[Classifier],
    questions: &[Question],
) -> Vec<Decision> {
    let peer = |question: &Question| {
        let peer = question.peer(world, policies.options.profile)?;
        Some(world.interface(peer).groups.as_slice())
    };
    let mut decisions = Vec::new();
    for question in questions {
        let wanted = decide(world, policies, question);
        let said = classifiers[question.interface.as_usize()].decide(question, peer(question));
        assert_eq!(said, wanted, "{what}: {question:?}");
        decisions.push(wanted);
    }
    for (index, classifier) in classifiers.iter().enumerate() {
        let of = |question: &&Question| question.interface.as_usize() == index;
        let asked: Vec<_> = questions.iter().filter(of).map(|it| (*it, peer(it))).collect();
        let mut said = vec![Decision { allowed: false, because: Because::Default }; asked.len()];
        classifier.decide_batch(&asked, &mut said);
        for ((question, _), said) in asked.iter().zip(said) {
            assert_eq!(said, decide(world, policies, question), "{what}, batch: {question:?}");
        }
    }
    decisions
}

fn questions(dice: &mut Dice, world: &World, policies: &PolicySet, count: usize) -> Vec<Question> {
    (0..count).map(|_| random::question(dice, world, policies)).collect()
}

#[test]
fn random_worlds_are_decided_as_the_reference_decides() {
    println!("seed {SEED:#x}");
    let mut because = [0; 5];
    for number in 0..70 {
        let shape = SHAPES[number as usize % SHAPES.len()];
        let mut dice = Dice::new(SEED + number);
        let world = random::world(&mut dice);
        let policies = random::policies(&mut dice, shape);
        let questions = questions(&mut dice, &world, &policies, 1_500);
        let classifiers = classifiers(&world, &policies);
        let what = format!("world {number} {shape:?}");
        for decision in check(&what, &world, &policies, &classifiers, &questions) {
            because[match decision.because {
                Because::Rule(_) => 0,
                Because::SameGroup(_) => 1,
                Because::Default => 2,
                Because::AlwaysAllowed => 3,
                Because::Platform => 4,
            }] += 1;
        }
    }
    println!("rule, same group, default, always, platform: {because:?}");
    assert!(because.iter().all(|count| *count > 50), "hardly met: {because:?}");
}

/// A change to a policy, and which classifiers it asks for.
enum Change {
    Rules(GroupIndex),
    PrefixList(PrefixListIndex),
    PortList(PortListIndex),
}

/// Mostly what people do: a rule replaced, added, taken back; now and then another change.
fn change(dice: &mut Dice, policies: &mut PolicySet, shape: Shape) -> Change {
    let kind = dice.below(20);
    if kind == 0 {
        let number = dice.below(random::PREFIX_LISTS);
        policies.prefix_lists[number] = random::prefix_list(dice, number);
        return Change::PrefixList(PrefixListIndex(number as u32));
    }
    if kind == 1 {
        let number = dice.below(random::PORT_LISTS);
        policies.port_lists[number] = random::port_list(dice, number);
        return Change::PortList(PortListIndex(number as u32));
    }
    let number = dice.below(random::GROUPS);
    let network = policies.groups[number].network;
    let rules = &mut policies.groups[number].rules;
    for _ in 0..1 + dice.below(3) {
        let new = random::rule(dice, shape, network);
        match (kind, rules.len()) {
            (2..5, _) | (_, 0) => rules.push(new),
            (5, _) => rules.insert(0, new),
            (6, count) => {
                rules.remove(dice.below(count));
            }
            (7..9, _) => {
                rules.pop();
            }
            (9, count) => {
                let place = dice.below(count);
                rules[place].priority = new.priority;
                rules[place].description = "changed".to_owned();
            }
            (_, count) => {
                let place = dice.below(count);
                rules[place] = new;
            }
        }
    }
    Change::Rules(GroupIndex(number as u32))
}

#[test]
fn changed_step_by_step_is_as_compiled_at_once() {
    println!("seed {SEED:#x}");
    for number in 0..21 {
        let shape = SHAPES[number as usize % SHAPES.len()];
        let mut dice = Dice::new(!SEED + number);
        let world = random::world(&mut dice);
        let mut policies = random::policies(&mut dice, shape);
        let mut current = classifiers(&world, &policies);
        for step in 0..40 {
            let changed = change(&mut dice, &mut policies, shape);
            for classifier in &mut current {
                *classifier = match changed {
                    Change::Rules(group) => classifier.with_rules(&policies, group),
                    Change::PrefixList(list) => classifier.with_prefix_list(&policies, list),
                    Change::PortList(list) => classifier.with_port_list(&policies, list),
                };
            }
            let questions = questions(&mut dice, &world, &policies, 150);
            let what = format!("world {number}, step {step} {shape:?}");
            check(&what, &world, &policies, &current, &questions);
        }
    }
}

#[test]
fn more_groups_than_keys_tell_apart_and_groups_attached_twice_are_decided_all_the_same() {
    println!("seed {SEED:#x}");
    for (number, attached) in [(0, 21), (1, 17), (2, 16), (3, 9)] {
        let shape = SHAPES[2];
        let mut dice = Dice::new(SEED ^ number);
        let mut world = random::world(&mut dice);
        let mut policies = random::policies(&mut dice, shape);
        let all = (0..random::GROUPS as u32).cycle().take(attached);
        world.interfaces[0].groups = all.map(GroupIndex).collect();
        let mut current = classifiers(&world, &policies);
        for step in 0..4 {
            let what = format!("{attached} groups, step {step}");
            let questions = questions(&mut dice, &world, &policies, 600);
            check(&what, &world, &policies, &current, &questions);
            policies.groups[1].rules.push(random::rule(
                &mut dice,
                shape,
                world.interfaces[0].network,
            ));
            for classifier in &mut current {
                *classifier = classifier.with_rules(&policies, GroupIndex(1));
            }
        }
    }
}
