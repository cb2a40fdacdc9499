//! Rule sets and the packets drawn from them: the same seed the same set, as many rules as asked
//! for, filter files read or refused with the line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_cloud::InterfaceIndex;
use ringfence_load::rules::{RuleSet, RuleShape, packets, read_filters};
use ringfence_policy::{
    Because, Classifier, Decision, Nic, Object, Ports, ProtocolMatch, Rule, decide,
};

fn rules(set: &RuleSet) -> Vec<Rule> {
    set.groups().iter().flat_map(|group| set.policies.group(*group).rules.clone()).collect()
}

#[test]
fn the_same_seed_draws_the_same_rules_and_packets_and_as_many_as_asked_for() {
    for shape in RuleShape::ALL {
        for count in [10, 1_000] {
            let (a, b) = (RuleSet::draw(shape, count, 7), RuleSet::draw(shape, count, 7));
            let c = RuleSet::draw(shape, count, 8);
            let what = format!("{} {count}", shape.name());
            assert_eq!(a.rule_count(), count, "{what}");
            assert!(rules(&a) == rules(&b), "{what}: one seed, two sets");
            assert!(rules(&a) != rules(&c), "{what}: two seeds, one set");
            assert_eq!(packets(&a, 50, 3), packets(&b, 50, 3), "{what}");
            assert_ne!(packets(&a, 50, 3), packets(&a, 50, 4), "{what}");
        }
    }
}

#[test]
fn packets_meet_rules_and_the_classifier_says_what_the_reference_says() {
    for shape in RuleShape::ALL {
        let set = RuleSet::draw(shape, 600, 1);
        let metadata_server = set.world.platform.metadata_server;
        let classifier =
            Classifier::compile(&set.policies, metadata_server, set.groups(), Nic::Intranet);
        let questions = packets(&set, 400, 1);
        let profile = set.policies.options.profile;
        let peer = |it: InterfaceIndex| set.world.interface(it).groups.as_slice();
        let asked: Vec<_> =
            questions.iter().map(|it| (*it, it.peer(&set.world, profile).map(peer))).collect();
        let nothing = Decision { allowed: false, because: Because::Default };
        let mut said = vec![nothing; asked.len()];
        classifier.decide_batch(&asked, &mut said);
        let mut met = 0;
        for (question, said) in questions.iter().zip(&said) {
            assert_eq!(*said, decide(&set.world, &set.policies, question), "{question:?}");
            met += usize::from(matches!(said.because, Because::Rule(_)));
        }
        assert!(met > 200, "{}: only {met} packets met a rule", shape.name());
    }
}

#[test]
fn the_shapes_are_what_they_are_called() {
    let groups = rules(&RuleSet::draw(RuleShape::Groups, 2_000, 1));
    let acl = rules(&RuleSet::draw(RuleShape::Acl, 2_000, 1));
    let firewall = rules(&RuleSet::draw(RuleShape::Firewall, 2_000, 1));
    let share = |rules: &[Rule], is: fn(&Rule) -> bool| {
        rules.iter().filter(|rule| is(rule)).count() * 100 / rules.len()
    };
    let is_five_tuple = |rule: &Rule| !rule.own_addresses.is_empty();
    let names_sources = |rule: &Rule| !rule.source_ports.is_empty();
    let is_one_port =
        |rule: &Rule| matches!(rule.ports, Ports::Range(it) if it.first() == it.last());
    let is_many = |rule: &Rule| matches!(rule.object, Object::Group(_) | Object::PrefixList(_));
    let is_whole = |rule: &Rule| matches!(rule.object, Object::Cidr(it) if it.prefix_len() == it.max_prefix_len());
    assert_eq!(share(&groups, is_five_tuple), 0);
    assert!((60..=80).contains(&share(&groups, is_one_port)));
    assert!((15..=25).contains(&share(&groups, is_many)));
    assert!(share(&acl, is_five_tuple) > 95);
    assert_eq!(share(&acl, names_sources), 0);
    assert!(share(&acl, is_whole) > 70);
    assert!((20..=40).contains(&share(&firewall, names_sources)));
}

#[test]
fn a_filter_file_is_read() {
    let text = "\
@10.0.0.0/8\t192.168.1.7/16\t0 : 65535\t80 : 80\t0x06/0xFF\t0x0000/0x0200

# the rest
@0.0.0.0/0 0.0.0.0/0 1024:65535 0:1023 0x11/0xff
@1.2.3.4/32 5.6.7.8/32 0 : 65535 0 : 65535 0x00/0x00
";
    let rules = read_filters(text).unwrap();
    let told: Vec<_> = rules
        .iter()
        .map(|rule| {
            let Object::Cidr(object) = rule.object else { panic!("{rule:?}") };
            let protocol = match rule.protocol {
                ProtocolMatch::All => "all".to_owned(),
                ProtocolMatch::Is(protocol) => protocol.to_string(),
            };
            let range = |it: &ringfence_policy::PortRange| format!("{}-{}", it.first(), it.last());
            let ports = match &rule.ports {
                Ports::Range(it) => range(it),
                _ => "any".to_owned(),
            };
            let sources: Vec<_> = rule.source_ports.iter().map(range).collect();
            let own = &rule.own_addresses;
            let priority = rule.priority.get();
            format!("{priority} {object} {own:?} {} {ports} {protocol}", sources.join(","))
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 10.0.0.0/8 [192.168.0.0/16]  80-80 tcp",
            "34 0.0.0.0/0 [] 1024-65535 1-1023 udp",
            "67 1.2.3.4/32 [5.6.7.8/32]  any all",
        ]
    );
}

#[test]
fn what_is_no_filter_is_refused_with_its_line() {
    let good = "@10.0.0.0/8 0.0.0.0/0 0 : 65535 80 : 80 0x06/0xFF";
    for (line, problem) in [
        ("10.0.0.0/8 0.0.0.0/0 0 : 65535 80 : 80 0x06/0xFF", "no `@` at the start"),
        ("@10.0.0.0/8 0.0.0.0/0 0 : 65535 80 : 80", "6 words where 7 and two `:` are wanted"),
        ("@10.0.0.0/33 0.0.0.0/0 0 : 1 80 : 80 0x06/0xFF", "`10.0.0.0/33` is no IPv4 prefix"),
        ("@10.0.0.0/8 0.0.0.0/0 0 : 65536 80 : 80 0x06/0xFF", "`65536` is no port"),
        ("@10.0.0.0/8 0.0.0.0/0 9 : 8 80 : 80 0x06/0xFF", "ports `9 : 8` run backwards"),
        ("@10.0.0.0/8 0.0.0.0/0 0 : 0 80 : 80 0x06/0xFF", "rules cannot name port 0 alone"),
        ("@10.0.0.0/8 0.0.0.0/0 0 : 1 80 : 80 tcp", "`tcp` is no protocol with a mask"),
        ("@10.0.0.0/8 0.0.0.0/0 0 : 1 80 : 80 0x06/0x0F", "`0x06/0x0F` is no protocol with a mask"),
    ] {
        let error = read_filters(&format!("{good}\n\n{line}\n")).unwrap_err();
        assert_eq!((error.line, error.problem.as_str()), (3, problem), "{line}");
        assert!(error.to_string().starts_with("line 3: "), "{error}");
    }
}
