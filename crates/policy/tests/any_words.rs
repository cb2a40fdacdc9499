//! Whatever is written: validation answers, and what it accepts can be decided.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use common::{Lab, rule, text};
use proptest::prelude::*;
use ringfence_frame::Direction;
use ringfence_policy::{Options, Profile, RuleDraft, decide};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("sg-a".to_owned()),
        Just("1000/sg-b".to_owned()),
        Just("pl-a".to_owned()),
        Just("prl-a".to_owned()),
        Just("Source: 10.0.0.0/8".to_owned()),
        Just("Destination: 80/80".to_owned()),
        Just("-1/-1".to_owned()),
        Just("inbound".to_owned()),
        Just("outbound".to_owned()),
        Just("tcp".to_owned()),
        Just("all icmp (ipv6)".to_owned()),
        Just("all".to_owned()),
        Just("::/0".to_owned()),
        Just("intranet".to_owned()),
        "[0-9]{1,3}",
        "[0-9/.:*X-]{0,20}",
        "\\PC{0,12}",
    ]
}

fn draft() -> impl Strategy<Value = RuleDraft> {
    let direction = prop_oneof![Just("inbound".to_owned()), Just("outbound".to_owned()), word()];
    let protocol = prop_oneof![Just("tcp".to_owned()), Just("all".to_owned()), word()];
    let ports = prop_oneof![Just("80/80".to_owned()), Just("-1/-1".to_owned()), word()];
    let fields = prop::collection::vec(prop::option::weighted(0.2, word()), 12);
    let object = prop::option::weighted(0.9, word());
    (direction, protocol, ports, object, fields).prop_map(
        |(direction, protocol, ports, object, mut fields)| {
            let mut draft = rule(1, "x | | | x | x | ");
            let mut next = || fields.pop().flatten().map(|word| text(&word, 1, 1));
            draft.id = next();
            draft.action = next();
            draft.priority = next();
            draft.source_ports = next();
            draft.sources.extend(next());
            draft.targets.extend(next());
            draft.nic = next();
            draft.icmp_type = next();
            draft.icmp_code = next();
            draft.description = next();
            let other = next();
            let object = object.map(|word| text(&word, 1, 1));
            (draft.source, draft.destination) = match direction.as_str() {
                "outbound" => (other, object),
                _ => (object, other),
            };
            draft.direction = text(&direction, 1, 1);
            draft.protocol = text(&protocol, 1, 1);
            draft.port_range = Some(text(&ports, 1, 1));
            draft
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn validation_always_answers(
        drafts in prop::collection::vec(draft(), 0..4),
        profile in prop_oneof![
            Just(Profile::Alibaba), Just(Profile::Aws), Just(Profile::Neutron),
        ],
        is_classic in any::<bool>(),
    ) {
        let mut lab = Lab::new();
        lab.options = Options::of(profile);
        lab.prefix_list("pl-a", None, &["10.0.0.0/8"]);
        lab.port_list("prl-a", None, &["80/80"]);
        lab.group("sg-b", &[]);
        let group = match is_classic {
            true => lab.classic_group("sg-a", &[]),
            false => lab.group("sg-a", &[]),
        };
        group.rules = drafts;
        match is_classic {
            true => lab.classic_host("a", "10.0.0.1", "47.96.0.1", &["sg-a"]),
            false => lab.host("a", &["10.0.0.1"], &["sg-a"]),
        }
        match lab.validate() {
            Ok((policies, warnings)) => {
                prop_assert!(warnings.iter().all(|warning| !warning.help.is_empty()));
                let lab = common::Ready { world: lab.world, policies, warnings };
                for direction in [Direction::Inbound, Direction::Outbound] {
                    let question = lab.question("a", direction, "tcp 10.0.0.9 > 10.0.0.1:80");
                    decide(&lab.world, &lab.policies, &question);
                }
            }
            Err(violations) => {
                prop_assert!(violations.iter().all(|violation| !violation.help.is_empty()));
                prop_assert!(!violations.is_empty());
            }
        }
    }
}
