//! Quotas of part 6 at their limits, and what is checked while frames flow.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use common::{Lab, VPC_B, origin, rule};
use ringfence_cloud::{GroupIndex, Interface, InterfaceIndex};
use ringfence_policy::{Options, Profile, Violation, check_memberships, validate_rules};

fn codes(violations: &[Violation]) -> Vec<&'static str> {
    for violation in violations {
        assert!(!violation.help.is_empty(), "{violation:?}");
    }
    violations.iter().map(|violation| violation.code).collect()
}

fn refused(lab: &mut Lab) -> Vec<&'static str> {
    lab.validate().map_or_else(|violations| codes(&violations), |_| Vec::new())
}

fn rows(count: usize, object: &str) -> Vec<String> {
    (1..=count).map(|port| format!("inbound | | | tcp | {port}/{port} | {object}")).collect()
}

fn strs(rows: &[String]) -> Vec<&str> {
    rows.iter().map(String::as_str).collect()
}

/// "groups per ENI 10"
#[test]
fn groups_of_an_interface() {
    for (count, expected) in [(10, vec![]), (11, vec!["InstanceSecurityGroupLimitExceeded"])] {
        let ids: Vec<String> = (0..count).map(|i| format!("sg-{i}")).collect();
        let mut lab = Lab::new();
        for id in &ids {
            lab.group(id, &[]);
        }
        lab.host("a", &["172.16.1.1"], &strs(&ids));
        assert_eq!(refused(&mut lab), expected, "{count}");
    }
}

/// "rules in+out over ALL groups of one ENI 1,000"
#[test]
fn rules_of_an_interface() {
    for (count, expected) in [(500, vec![]), (501, vec!["AclLimitExceed"])] {
        let mut lab = Lab::new();
        lab.group("sg-a", &strs(&rows(count, "0.0.0.0/0")));
        let out: Vec<String> =
            rows(500, "0.0.0.0/0").iter().map(|row| row.replace("inbound", "outbound")).collect();
        lab.group("sg-b", &strs(&out));
        lab.host("a", &["172.16.1.1"], &["sg-a", "sg-b"]);
        lab.host("b", &["172.16.1.2"], &["sg-a"]);
        assert_eq!(refused(&mut lab), expected, "{count}");
        lab.options = Options::of(Profile::Aws);
        assert_eq!(refused(&mut lab), Vec::<&str>::new());
    }
}

/// "A rule with a prefix/port list costs MaxEntries rules, not actual entries"; with both, every
/// pair.
#[test]
fn rules_with_lists() {
    for (ports, expected) in [("10", vec![]), ("11", vec!["AclLimitExceed"])] {
        let mut lab = Lab::new();
        lab.prefix_list("pl-a", Some("100"), &["10.0.0.0/8"]);
        lab.port_list("prl-a", Some(ports), &["80/80"]);
        lab.group("sg-a", &["inbound | | | tcp | prl-a | pl-a"]);
        lab.host("a", &["172.16.1.1"], &["sg-a"]);
        assert_eq!(refused(&mut lab), expected, "{ports}");
    }
}

/// "IPs per basic VPC group 6,000 ...; basic classic 1,000; advanced 65,536 (ENI count)"
#[test]
fn sizes_of_groups() {
    fn grow(lab: &mut Lab, secondary: usize, hosts: usize) {
        let template: Interface = lab.world.interfaces[0].clone();
        for _ in 1..hosts {
            lab.world.interfaces.push(template.clone());
        }
        lab.world.interfaces[0].secondary = vec![[10, 0, 0, 1].into(); secondary];
    }
    let exceeded = vec!["SecurityGroupInstanceLimitExceeded"];
    // The first has a primary, an IPv6 address and a prefix besides.
    for (secondary, expected) in [(5_997, vec![]), (5_998, exceeded.clone())] {
        let mut lab = Lab::new();
        lab.group("sg-a", &[]);
        lab.host("a", &["172.16.1.1", "2001:db8:a::1", "172.16.9.0/28"], &["sg-a"]);
        grow(&mut lab, secondary, 1);
        assert_eq!(refused(&mut lab), expected, "{secondary}");
    }
    for (hosts, expected) in [(1_000, vec![]), (1_001, exceeded.clone())] {
        let mut lab = Lab::new();
        lab.classic_group("sg-a", &[]);
        lab.host_in(common::CLASSIC, "a", &["10.1.1.1"], &["sg-a"]);
        grow(&mut lab, 0, hosts);
        lab.classic_host("b", "10.1.1.2", "47.96.0.1", &["sg-a"]);
        lab.world.interfaces.remove(0);
        lab.world.instances[1].interfaces = (0..2)
            .map(|i| InterfaceIndex(u32::try_from(lab.world.interfaces.len()).unwrap() - 2 + i))
            .collect();
        assert_eq!(refused(&mut lab), expected, "{hosts}");
    }
    for (hosts, expected) in [(65_536, vec![]), (65_537, exceeded)] {
        let mut lab = Lab::new();
        lab.advanced("sg-a", &[]);
        lab.host("a", &["172.16.1.1"], &["sg-a"]);
        grow(&mut lab, 6_000, hosts);
        assert_eq!(refused(&mut lab), expected, "{hosts}");
    }
}

/// "prefix lists: 100/region ... 1,000 associations; port lists: 1,000/region ... 1,000 associations"
#[test]
fn lists_and_their_associations() {
    for (prefix, port, expected) in
        [(100, 1_000, vec![]), (101, 1_000, vec!["list-limit"]), (100, 1_001, vec!["list-limit"])]
    {
        let mut lab = Lab::new();
        for i in 0..prefix {
            lab.prefix_list(&format!("pl-{i}"), None, &[]);
        }
        for i in 0..port {
            lab.port_list(&format!("prl-{i}"), None, &[]);
        }
        assert_eq!(refused(&mut lab), expected, "{prefix} {port}");
    }
    for (count, expected) in
        [(500, vec![]), (501, vec!["LimitExceed.PrefixListAssociationResource"])]
    {
        let mut lab = Lab::new();
        lab.prefix_list("pl-a", None, &["10.0.0.0/8"]);
        lab.group("sg-a", &strs(&rows(500, "pl-a")));
        lab.group("sg-b", &strs(&rows(count, "pl-a")));
        assert_eq!(refused(&mut lab), expected, "{count}");
    }
    for (count, expected) in [(1_000, vec![]), (1_001, vec!["port-list-associations"])] {
        let rows: Vec<String> = (0..count)
            .map(|i| format!("inbound | | | tcp | prl-a | 10.{}.{}.0/24", i / 256, i % 256))
            .collect();
        let mut lab = Lab::new();
        lab.port_list("prl-a", None, &["80/80"]);
        lab.group("sg-a", &strs(&rows));
        assert_eq!(refused(&mut lab), expected, "{count}");
    }
}

#[test]
fn replaced_rules() {
    let mut lab = Lab::new();
    lab.prefix_list("pl-a", Some("100"), &["10.0.0.0/8"]);
    lab.group("sg-a", &["inbound | | | tcp | 80/80 | 0.0.0.0/0"]);
    lab.group("sg-b", &strs(&rows(600, "0.0.0.0/0")));
    lab.group("sg-c", &strs(&rows(890, "0.0.0.0/0")));
    lab.host("a", &["172.16.1.1"], &["sg-a", "sg-b"]);
    lab.host("b", &["172.16.1.2"], &["sg-c", "sg-a"]);
    lab.host("c", &["172.16.1.3"], &["sg-c"]);
    let lab = lab.ready();
    let replace = |words: &[&str]| {
        let drafts: Vec<_> = (1..).zip(words).map(|(line, row)| rule(line, row)).collect();
        validate_rules(&lab.world, &lab.policies, GroupIndex(0), &drafts)
    };
    let (rules, warnings) = replace(&[
        "inbound | | | tcp | 80/80 | sg-b",
        "inbound | | | tcp | 80/80 | sg-b",
        "outbound | drop | 7 | all | -1/-1 | 10.0.0.1/8",
    ])
    .unwrap();
    assert_eq!(codes(&warnings), ["duplicate-rule", "host-bits"]);
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["sg-a/1", "sg-a/3"]);

    let errors = replace(&["inbound | | | tcp | 80 | 0.0.0.0/0", "inbound | | | all | | sg-a"]);
    assert_eq!(codes(&errors.unwrap_err()), ["InvalidParam.PortRange", "InvalidParamter.Conflict"]);
    let errors = replace(&["inbound | | | tcp | 80/80 | ::/0 | id=sg-b/1"]);
    assert_eq!(codes(&errors.unwrap_err()), ["duplicate-id"]);
    assert!(replace(&["inbound | | | tcp | 80/80 | ::/0 | id=sg-a/1"]).is_ok());
    let errors = replace(&strs(&rows(21, "sg-b"))).unwrap_err();
    assert_eq!(codes(&errors), ["AuthorizedGroupRule.LimitExceed"]);
    // 890 of the other group, a list of 100: ten are left for the fullest interface.
    let mut words = vec!["inbound | | | all | | pl-a".to_owned()];
    words.extend(rows(10, "0.0.0.0/0"));
    assert!(replace(&strs(&words)).is_ok());
    words.extend(rows(11, "0.0.0.0/0").pop());
    let errors = replace(&strs(&words)).unwrap_err();
    assert_eq!(codes(&errors), ["AuthorizationLimitExceed"]);
    assert_eq!(errors[0].origin.line, 12);
    assert!(errors[0].message.contains("`b`"), "{}", errors[0].message);
}

#[test]
fn replaced_rules_and_associations() {
    let mut lab = Lab::new();
    lab.prefix_list("pl-a", None, &["10.0.0.0/8"]);
    lab.group("sg-a", &strs(&rows(900, "pl-a")));
    lab.group("sg-b", &strs(&rows(100, "pl-a")));
    let lab = lab.ready();
    let replace = |count: usize| {
        let words = rows(count, "pl-a");
        let drafts: Vec<_> = (1..).zip(&words).map(|(line, row)| rule(line, row)).collect();
        validate_rules(&lab.world, &lab.policies, GroupIndex(1), &drafts)
    };
    assert!(replace(100).is_ok());
    let errors = replace(101).unwrap_err();
    assert_eq!(codes(&errors), ["LimitExceed.PrefixListAssociationResource"]);
}

#[test]
fn memberships() {
    let mut lab = Lab::new();
    lab.group("sg-a", &strs(&rows(600, "0.0.0.0/0")));
    lab.group("sg-b", &strs(&rows(400, "0.0.0.0/0")));
    lab.group("sg-c", &strs(&rows(1, "0.0.0.0/0")));
    lab.advanced("sg-d", &[]);
    lab.group("sg-e", &[]).network = VPC_B;
    lab.group("sg-full", &[]);
    for i in 0..11 {
        lab.group(&format!("sg-x{i}"), &[]);
    }
    lab.host("a", &["172.16.1.1", "172.16.1.9"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-full"]);
    lab.world.interfaces[1].secondary = vec![[10, 0, 0, 1].into(); 5_998];
    let lab = lab.ready();
    let here = origin(77, 3, 4);
    let check = |groups: &[&str]| {
        let groups: Vec<GroupIndex> =
            groups.iter().map(|id| lab.policies.group_named(id).unwrap()).collect();
        let interface = InterfaceIndex(0);
        match check_memberships(&lab.world, &lab.policies, interface, &groups, &here) {
            Ok(()) => Vec::new(),
            Err(violations) => {
                assert!(violations.iter().all(|violation| violation.origin == here));
                codes(&violations)
            }
        }
    };
    let many: Vec<String> = (0..11).map(|i| format!("sg-x{i}")).collect();
    assert_eq!(check(&["sg-a", "sg-b"]), Vec::<&str>::new());
    assert_eq!(check(&["sg-d"]), Vec::<&str>::new());
    assert_eq!(check(&strs(&many[..10])), Vec::<&str>::new());
    assert_eq!(check(&[]), ["InstanceLastSecurityGroup"]);
    assert_eq!(check(&["sg-a", "sg-a"]), ["InvalidInstanceId.AlreadyExists"]);
    assert_eq!(check(&["sg-a", "sg-d"]), ["mixed-group-types"]);
    assert_eq!(check(&["sg-e"]), ["InvalidInstanceId.Mismatch"]);
    assert_eq!(check(&["sg-a", "sg-b", "sg-c"]), ["AclLimitExceed"]);
    assert_eq!(check(&strs(&many)), ["InstanceSecurityGroupLimitExceeded"]);
    // 5,999 addresses are in it, and this interface has two.
    assert_eq!(check(&["sg-full"]), ["SecurityGroupInstanceLimitExceeded"]);
    // Who is in it already may stay.
    let full = lab.policies.group_named("sg-full").unwrap();
    let stays = check_memberships(&lab.world, &lab.policies, InterfaceIndex(1), &[full], &here);
    assert_eq!(stays, Ok(()));
}
