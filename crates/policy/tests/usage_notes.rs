//! The sentences of "Usage notes" and "Take note of the following items" in the use-case document:
//! each a test of its own, the sentence above it.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use common::{Lab, VPC_B, text};
use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;
use ringfence_policy::{Because, Miss, RuleRef, account};

/// "Security groups that contain no rules deny all inbound access."
///
/// It stands beside the basic group's implicit same-group Accept, which is no rule of the group.
#[test]
fn groups_without_rules_deny_inbound() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.isolating("sg-b", &[]);
    lab.host("a1", &["172.16.1.1", "2001:db8:a::1"], &["sg-a"]);
    lab.host("a2", &["172.16.1.2"], &["sg-a"]);
    lab.host("b1", &["172.16.2.1"], &["sg-b"]);
    lab.host("b2", &["172.16.2.2"], &["sg-b"]);
    let lab = lab.ready();
    for protocol in ["tcp", "udp", "gre", "132", "icmp 8/0"] {
        let packet = format!("internet {protocol} 203.0.113.7 > 172.16.1.1");
        lab.inbound("a1", &packet, "deny default");
    }
    lab.inbound("a1", "internet icmpv6 128/0 2001:db8::7 > 2001:db8:a::1", "deny default");
    lab.inbound("a1", "tcp 172.16.1.2 > 172.16.1.1:22", "allow same-group sg-a");
    lab.inbound("b1", "tcp 172.16.2.2 > 172.16.2.1:22", "deny default");
}

/// "By default, basic security groups allow all outbound access."
#[test]
fn basic_groups_allow_outbound() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.isolating("sg-b", &[]);
    lab.advanced("sg-c", &[]);
    lab.host("a", &["172.16.1.1", "2001:db8:a::1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-b"]);
    lab.host("c", &["172.16.1.3"], &["sg-c"]);
    lab.host("ab", &["172.16.1.4"], &["sg-a", "sg-b"]);
    let lab = lab.ready();
    lab.outbound("a", "internet tcp 172.16.1.1 > 203.0.113.7:80", "allow default");
    lab.outbound("a", "internet icmpv6 128/0 2001:db8:a::1 > 2001:db8::7", "allow default");
    lab.outbound("b", "internet gre 172.16.1.2 > 203.0.113.7", "allow default");
    lab.outbound("ab", "internet udp 172.16.1.4 > 203.0.113.7:53", "allow default");
    lab.outbound("c", "internet tcp 172.16.1.3 > 203.0.113.7:80", "deny default");
}

/// "Instances within different security groups that contain no rules are isolated from each other
/// over the internal network."
#[test]
fn groups_without_rules_are_isolated() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.group("sg-b", &[]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-b"]);
    let lab = lab.ready();
    lab.outbound("a", "tcp 172.16.1.1 > 172.16.1.2:80", "allow default");
    lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:80", "deny default");
    lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:80", "deny default");
}

/// "In security groups of the Virtual Private Cloud (VPC) type, each rule controls access to or from
/// the Internet and the internal network."
#[test]
fn a_vpc_rule_covers_internet_and_internal() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "Inbound | Allow | 1 | Custom TCP | Destination: 80/80 | Source: 0.0.0.0/0",
            "Outbound | Forbid | 1 | Custom TCP | Destination: 443/443 | Destination: 0.0.0.0/0",
        ],
    );
    lab.group("sg-b", &[]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-b"]);
    let lab = lab.ready();
    lab.inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:80", "allow rule sg-a/1");
    lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:80", "allow rule sg-a/1");
    lab.outbound("a", "internet tcp 172.16.1.1 > 203.0.113.7:443", "deny rule sg-a/2");
    lab.outbound("a", "tcp 172.16.1.1 > 172.16.1.2:443", "deny rule sg-a/2");
}

/// "In security groups of the classic network type, public rules (Internet ingress and Internet
/// egress rules) control access to or from the Internet, whereas internal rules (inbound and
/// outbound rules) control access to or from the internal network."
#[test]
fn classic_rules_keep_to_their_nic() {
    let mut lab = Lab::new();
    lab.classic_group(
        "sg-a",
        &[
            "inbound | allow | 1 | tcp | 80/80 | 0.0.0.0/0 | nic=internet",
            "inbound | allow | 1 | tcp | 3306/3306 | 10.0.0.0/8 | nic=intranet",
            "outbound | forbid | 1 | tcp | 443/443 | 0.0.0.0/0 | nic=internet",
            "outbound | forbid | 1 | tcp | 6379/6379 | 0.0.0.0/0 | nic=intranet",
        ],
    );
    lab.classic_group("sg-b", &[]);
    lab.classic_host("old", "10.1.1.1", "47.96.0.1", &["sg-a"]);
    lab.classic_host("older", "10.1.1.2", "47.96.0.2", &["sg-b"]);
    let lab = lab.ready();
    lab.inbound("old/public", "internet tcp 203.0.113.7 > 47.96.0.1:80", "allow rule sg-a/1");
    lab.inbound("old", "tcp 10.1.1.2 > 10.1.1.1:80", "deny default");
    lab.inbound("old", "tcp 10.1.1.2 > 10.1.1.1:3306", "allow rule sg-a/2");
    lab.inbound("old/public", "internet tcp 10.1.1.2 > 47.96.0.1:3306", "deny default");
    lab.outbound("old/public", "internet tcp 47.96.0.1 > 203.0.113.7:443", "deny rule sg-a/3");
    lab.outbound("old", "tcp 10.1.1.1 > 10.1.1.2:443", "allow default");
    lab.outbound("old", "tcp 10.1.1.1 > 10.1.1.2:6379", "deny rule sg-a/4");
    lab.outbound("old/public", "internet tcp 47.96.0.1 > 203.0.113.7:6379", "allow default");
}

/// "All sample rules described in this topic are configured for the default ports used by typical
/// applications. Applications deployed on instances use ports of the instances to provide external
/// services."
///
/// So a rule's port is the target's port, never the caller's.
#[test]
fn ports_are_those_of_the_instance() {
    let mut lab = Lab::new();
    lab.group("sg-a", &["Inbound | Allow | 1 | Custom TCP | Destination: 80/80 | 0.0.0.0/0"]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("a", "internet tcp 203.0.113.7:5000 > 172.16.1.1:80", "allow rule sg-a/1");
    lab.inbound("a", "internet tcp 203.0.113.7:80 > 172.16.1.1:5000", "deny default");
}

/// "After multiple rules match the request based on the corresponding protocols, port ranges, and
/// authorization objects, the request is matched against the priorities and actions of the rules to
/// determine a single rule to apply."
#[test]
fn one_of_the_matching_rules_applies() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "inbound | allow | 3 | tcp | 80/80 | 203.0.113.0/24",
            "inbound | allow | 2 | tcp | 1/100 | 0.0.0.0/0",
            "inbound | forbid | 1 | udp | 80/80 | 0.0.0.0/0",
            "inbound | forbid | 1 | tcp | 81/81 | 0.0.0.0/0",
            "inbound | forbid | 1 | tcp | 80/80 | 203.0.114.0/24",
            "inbound | forbid | 3 | tcp | 80/80 | 203.0.113.7",
        ],
    );
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    let packet = "internet tcp 203.0.113.7 > 172.16.1.1:80";
    lab.inbound("a", packet, "allow rule sg-a/2");
    let question = lab.question("a", Direction::Inbound, packet);
    let told = account(&lab.world, &lab.policies, &question);
    let matching = told.considered.iter().filter(|considered| considered.misses.is_empty());
    let matching: Vec<u32> = matching.map(|considered| considered.rule.rule + 1).collect();
    assert_eq!(matching, [2, 6, 1]);
}

/// "No session is established until an Allow rule is matched and applied."
///
/// (That a session then opens is the session table's; here, that nothing else admits a packet.)
#[test]
fn nothing_is_admitted_without_an_allow() {
    let mut lab = Lab::new();
    lab.group("sg-a", &["inbound | forbid | 1 | tcp | 80/80 | 0.0.0.0/0"]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:80", "deny rule sg-a/1");
    lab.inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:81", "deny default");
}

/// "A smaller value of the priority of the security group rule indicates a higher priority."
#[test]
fn a_smaller_value_is_a_higher_priority() {
    for (allow, forbid, expected) in [
        (1, 2, "allow rule sg-a/1"),
        (2, 1, "deny rule sg-a/2"),
        (9, 10, "allow rule sg-a/1"),
        (99, 100, "allow rule sg-a/1"),
        (100, 99, "deny rule sg-a/2"),
    ] {
        let allow = format!("inbound | allow | {allow} | tcp | 80/80 | 0.0.0.0/0");
        let forbid = format!("inbound | forbid | {forbid} | tcp | 80/80 | 0.0.0.0/0");
        let mut lab = Lab::new();
        lab.group("sg-a", &[&allow, &forbid]);
        lab.host("a", &["172.16.1.1"], &["sg-a"]);
        lab.ready().inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:80", expected);
    }
}

/// "If two security group rules have the same priority and are different only in the action, the
/// Forbid rule takes effect."
#[test]
fn at_equal_priority_forbid_takes_effect() {
    for priority in [1, 50, 100] {
        let allow = format!("inbound | allow | {priority} | tcp | 80/80 | 0.0.0.0/0");
        let forbid = format!("inbound | forbid | {priority} | tcp | 80/80 | 0.0.0.0/0");
        let mut lab = Lab::new();
        lab.group("sg-a", &[&allow]);
        lab.group("sg-b", &[&forbid]);
        lab.host("ab", &["172.16.1.1"], &["sg-a", "sg-b"]);
        lab.host("ba", &["172.16.1.2"], &["sg-b", "sg-a"]);
        let lab = lab.ready();
        lab.inbound("ab", "internet tcp 203.0.113.7 > 172.16.1.1:80", "deny rule sg-b/1");
        lab.inbound("ba", "internet tcp 203.0.113.7 > 172.16.1.2:80", "deny rule sg-b/1");
    }
}

/// "The priority of the Forbid rule must be lower than the priority of the Allow rule. This way, the
/// Allow rule takes effect to allow outbound access to the IP addresses of the specified websites."
///
/// Lower means a LARGER number: with equal numbers, or the other way round, the Forbid rule wins.
#[test]
fn the_whitelist_needs_the_larger_number_at_forbid() {
    for (forbid, expected) in [(2, "allow rule sg-a/2"), (1, "deny rule sg-a/1")] {
        let forbid = format!("Outbound | Forbid | {forbid} | All | -1/-1 | 0.0.0.0/0");
        let allow =
            "Outbound | Allow | 1 | Custom TCP | Destination: 80/80 | Destination: 47.96.0.1";
        let mut lab = Lab::new();
        lab.group("sg-a", &[&forbid, allow]);
        lab.host("a", &["172.16.1.1"], &["sg-a"]);
        lab.ready().outbound("a", "internet tcp 172.16.1.1 > 47.96.0.1:80", expected);
    }
}

/// "This method is not supported for instances that reside within different VPCs."
#[test]
fn groups_of_two_vpcs_do_not_know_each_other() {
    let mut lab = Lab::new();
    lab.join();
    lab.group("sg-a", &[]).network = VPC_B;
    lab.group("sg-b", &["inbound | allow | 1 | tcp | 21/21 | sg-a"]);
    let violations = lab.validate().unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].code, "InvalidSourceGroupId.Mismatch");
    assert_eq!((violations[0].origin.line, violations[0].origin.column), (3, 37));
}

/// "You must specify the ID of Security Group A and the ID of the associated Alibaba Cloud account
/// as the authorization object."
#[test]
fn a_group_of_another_account_is_named_with_it() {
    let build = |object: &str| {
        let mut lab = Lab::new();
        let theirs = lab.account("1609982529920000");
        lab.group("sg-a", &[]).account = theirs;
        let row = format!("Inbound | Allow | 1 | Custom TCP | 21/21 | Source: {object}");
        lab.group("sg-b", &[&row]);
        lab.host("a", &["172.16.1.1"], &["sg-a"]);
        lab.host("b", &["172.16.1.2"], &["sg-b"]);
        lab
    };
    let lab = build("1609982529920000/sg-a").ready();
    lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:21", "allow rule sg-b/1");
    for (object, help) in [
        ("sg-a", "write ACCOUNT/GROUP: `1609982529920000/sg-a`"),
        ("1000/sg-a", "write `1609982529920000/sg-a`"),
        ("42/sg-a", "write `1609982529920000/sg-a`"),
    ] {
        let violations = build(object).validate().unwrap_err();
        assert_eq!(violations[0].code, "InvalidSourceGroupId.NotFound", "{object}");
        assert_eq!(violations[0].help, help);
    }
}

/// "Security group rules for pinging instances": both tables' rows as they stand.
#[test]
fn ping_over_both_ip_versions() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "Inbound | Allow | 1 | All ICMP (IPv4) | Destination: -1/-1 | Source: 0.0.0.0/0",
            "Inbound | Allow | 1 | All ICMP (IPv6) | Destination: -1/-1 | Source: ::/0",
        ],
    );
    lab.host("a", &["172.16.1.1", "2001:db8:a::1"], &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("a", "internet icmp 8/0 203.0.113.7 > 172.16.1.1", "allow rule sg-a/1");
    lab.inbound("a", "internet icmpv6 128/0 2001:db8::7 > 2001:db8:a::1", "allow rule sg-a/2");
    lab.inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:80", "deny default");
}

/// "Security group rules for access to databases": `172.16.XX.XX.XX`, masked ids, and
/// `192.168.XX.XX/16`, which with real numbers "is accepted, masked, and warned of".
#[test]
fn masked_words_of_the_document() {
    for (object, code) in [
        ("172.16.XX.XX.XX", "masked-address"),
        ("192.168.XX.XX", "masked-address"),
        ("192.168.XX.XX/16", "masked-address"),
        ("sg-bp1hv6wvmegs036****", "masked-id"),
        ("160998252992****/sg-bp174yoe2ib1sqj5****", "masked-id"),
    ] {
        let mut lab = Lab::new();
        let row = format!("Inbound | Allow | 1 | Custom TCP | 3306/3306 | Source: {object}");
        lab.group("sg-a", &[&row]);
        let violations = lab.validate().unwrap_err();
        assert_eq!(violations.len(), 1, "{object}");
        assert_eq!(violations[0].code, code, "{object}");
        assert!(violations[0].message.contains(object), "{}", violations[0].message);
        assert_eq!((violations[0].origin.line, violations[0].origin.column), (2, 48));
        let says_five = violations[0].message.contains("5 parts");
        assert_eq!(says_five, object == "172.16.XX.XX.XX", "{}", violations[0].message);
    }

    let mut lab = Lab::new();
    lab.group("sg-a", &["Inbound | Allow | 1 | Custom TCP | 1433/1433 | Source: 192.168.4.7/16"]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    assert_eq!(lab.warnings.len(), 1);
    assert_eq!(lab.warnings[0].code, "host-bits");
    assert_eq!(lab.warnings[0].help, "write `192.168.0.0/16`, which is what it means");
    lab.inbound("a", "tcp 192.168.0.0 > 172.16.1.1:1433", "allow rule sg-a/1");
    lab.inbound("a", "tcp 192.168.255.255 > 172.16.1.1:1433", "allow rule sg-a/1");
    lab.inbound("a", "tcp 192.169.0.0 > 172.16.1.1:1433", "deny default");
}

/// "After the rules are added, you can log on to your instance to perform tests, such as running the
/// ping command": the whitelist's own rules deny ping, and DNS as well.
#[test]
fn the_whitelist_denies_ping_and_dns() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "Outbound | Forbid | 2 | All | Destination: -1/-1 | Destination: 0.0.0.0/0",
            "Outbound | Allow | 1 | Custom TCP | Destination: 80/80 | Destination: 47.96.0.1",
            "Outbound | Allow | 1 | Custom TCP | Destination: 443/443 | Destination: 121.199.0.1",
        ],
    );
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    lab.outbound("a", "internet tcp 172.16.1.1 > 47.96.0.1:80", "allow rule sg-a/2");
    lab.outbound("a", "internet tcp 172.16.1.1 > 121.199.0.1:443", "allow rule sg-a/3");
    lab.outbound("a", "internet tcp 172.16.1.1 > 121.199.0.1:80", "deny rule sg-a/1");
    lab.outbound("a", "internet icmp 8/0 172.16.1.1 > 47.96.0.1", "deny rule sg-a/1");
    lab.outbound("a", "udp 172.16.1.1 > 100.100.2.136:53", "deny rule sg-a/1");
    let question = lab.question("a", Direction::Outbound, "udp 172.16.1.1 > 47.96.0.1:80");
    let told = account(&lab.world, &lab.policies, &question);
    assert_eq!(told.decision.because, Because::Rule(RuleRef { group: GroupIndex(0), rule: 0 }));
    assert_eq!(told.nearest.unwrap().misses, [Miss::Protocol]);
}

/// "... within the same VPC", and classic groups with classic ones.
#[test]
fn classic_and_vpc_groups_do_not_mix() {
    let mut lab = Lab::new();
    lab.classic_group("sg-a", &[]);
    lab.group("sg-b", &["inbound | allow | 1 | tcp | 21/21 | sg-a"]);
    assert_eq!(lab.validate().unwrap_err()[0].code, "InvalidNetworkType.Conflict");

    let mut lab = Lab::new();
    lab.classic_group("sg-a", &[]).same_group = Some(text("accept", 1, 9));
    lab.classic_group("sg-b", &["inbound | allow | 1 | tcp | 21/21 | sg-a | nic=intranet"]);
    lab.classic_host("a", "10.1.1.1", "47.96.0.1", &["sg-a"]);
    lab.classic_host("b", "10.1.1.2", "47.96.0.2", &["sg-b"]);
    let lab = lab.ready();
    lab.inbound("b", "tcp 10.1.1.1 > 10.1.1.2:21", "allow rule sg-b/1");
    lab.inbound("b", "tcp 10.1.1.3 > 10.1.1.2:21", "deny default");
    lab.inbound("b/public", "internet tcp 47.96.0.1 > 47.96.0.2:21", "deny default");
}
