//! The classifier says what the reference says: rule by rule, packet by packet, one by one and in
//! batches, compiled at once and changed step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod random;

use random::{Dice, Shape};
use ringfence_cloud::{GroupIndex, World};
use ringfence_policy::{Because, Classifier, Decision, Nic, PolicySet, Profile, Question, decide};

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
