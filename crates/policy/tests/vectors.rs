//! The test vectors of part 11 that concern rules: each a test of its own, the vector above it.

mod common;

use common::{Lab, text};
use ringfence_policy::{Options, SameGroupOutbound, Violation};

/// `web` (172.16.1.1) and `peer` (172.16.1.2) in `groups`, `other` (172.16.1.3) in `sg-other`.
fn with_hosts(lab: &mut Lab, groups: &[&str]) {
    lab.group("sg-other", &[]);
    lab.host("web", &["172.16.1.1", "2001:db8:a::1"], groups);
    lab.host("peer", &["172.16.1.2"], groups);
    lab.host("other", &["172.16.1.3"], &["sg-other"]);
}

/// 1 basic, no rules: IN from Internet tcp/22 -> DENY; OUT any -> ALLOW (S2)
#[test]
fn vector_01_basic_without_rules() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("web", "internet tcp 203.0.113.7 > 172.16.1.1:22", "deny default");
    for any in ["tcp 172.16.1.1 > 203.0.113.7:443", "udp 172.16.1.1 > 203.0.113.7:53"] {
        lab.outbound("web", &format!("internet {any}"), "allow default");
    }
    lab.outbound("web", "internet icmp 8/0 172.16.1.1 > 203.0.113.7", "allow default");
    lab.outbound("web", "internet 132 172.16.1.1 > 203.0.113.7", "allow default");
    lab.outbound("web", "tcp 172.16.1.1 > 172.16.1.3:22", "allow default");
}

/// 2 advanced, no rules: IN DENY, OUT DENY (S2)
#[test]
fn vector_02_advanced_without_rules() {
    let mut lab = Lab::new();
    lab.advanced("sg-a", &[]);
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("web", "internet tcp 203.0.113.7 > 172.16.1.1:22", "deny default");
    lab.inbound("web", "tcp 172.16.1.2 > 172.16.1.1:22", "deny default");
    lab.outbound("web", "internet tcp 172.16.1.1 > 203.0.113.7:443", "deny default");
    lab.outbound("web", "tcp 172.16.1.1 > 172.16.1.2:443", "deny default");
}

/// 3 basic Accept, IN Drop ALL 0.0.0.0/0 prio 1; same-group peer -> ALLOW; other-group peer -> DENY
/// (S2)
#[test]
fn vector_03_same_group_beats_custom_rules() {
    let mut lab = Lab::new();
    lab.group("sg-a", &["inbound | drop | 1 | all | -1/-1 | 0.0.0.0/0"]);
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("web", "tcp 172.16.1.2 > 172.16.1.1:22", "allow same-group sg-a");
    lab.inbound("web", "tcp 172.16.1.3 > 172.16.1.1:22", "deny rule sg-a/1");
}

/// 4 basic Drop, no rules: same-group peer -> DENY; add IN Accept TCP 80 from the peer's CIDR ->
/// tcp/80 ALLOW, tcp/81 DENY (S2)
#[test]
fn vector_04_isolated_members() {
    let mut lab = Lab::new();
    lab.isolating("sg-a", &[]);
    with_hosts(&mut lab, &["sg-a"]);
    lab.ready().inbound("web", "tcp 172.16.1.2 > 172.16.1.1:80", "deny default");

    let mut lab = Lab::new();
    lab.isolating("sg-a", &["inbound | accept | | tcp | 80/80 | 172.16.1.2/32"]);
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("web", "tcp 172.16.1.2 > 172.16.1.1:80", "allow rule sg-a/1");
    lab.inbound("web", "tcp 172.16.1.2 > 172.16.1.1:81", "deny default");
}

/// 5 peers share G1(Drop) and G2(Accept) -> ALLOW (S3)
#[test]
fn vector_05_one_accepting_group_is_enough() {
    let mut lab = Lab::new();
    lab.isolating("g1", &[]);
    lab.group("g2", &[]);
    with_hosts(&mut lab, &["g1", "g2"]);
    lab.ready().inbound("web", "tcp 172.16.1.2 > 172.16.1.1:22", "allow same-group g2");
}

/// 6 A{G1} B{G1,G2} C{G2}: A->C DENY (S8)
#[test]
fn vector_06_same_group_is_not_transitive() {
    let mut lab = Lab::new();
    lab.group("g1", &[]);
    lab.group("g2", &[]);
    lab.host("a", &["172.16.1.1"], &["g1"]);
    lab.host("b", &["172.16.1.2"], &["g1", "g2"]);
    lab.host("c", &["172.16.1.3"], &["g2"]);
    let lab = lab.ready();
    lab.inbound("c", "tcp 172.16.1.1 > 172.16.1.3:22", "deny default");
    lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:22", "allow same-group g1");
    lab.inbound("c", "tcp 172.16.1.2 > 172.16.1.3:22", "allow same-group g2");
}

/// 7 same priority Accept 22 and Drop 22, same object -> DENY (S0,S1)
#[test]
fn vector_07_forbid_wins_a_tie() {
    for (rows, forbid) in [(["accept", "drop"], "sg-a/2"), (["drop", "accept"], "sg-a/1")] {
        let rows = rows.map(|action| format!("inbound | {action} | 1 | tcp | 22/22 | 0.0.0.0/0"));
        let mut lab = Lab::new();
        lab.group("sg-a", &[&rows[0], &rows[1]]);
        with_hosts(&mut lab, &["sg-a"]);
        let expected = format!("deny rule {forbid}");
        lab.ready().inbound("web", "internet tcp 203.0.113.7 > 172.16.1.1:22", &expected);
    }
}

/// 8 Accept prio 1, Drop prio 2 -> ALLOW; swapped -> DENY (S1)
#[test]
fn vector_08_the_smaller_priority_wins() {
    for (accept, drop, expected) in [(1, 2, "allow rule sg-a/1"), (2, 1, "deny rule sg-a/2")] {
        let accept = format!("inbound | accept | {accept} | tcp | 22/22 | 0.0.0.0/0");
        let drop = format!("inbound | drop | {drop} | tcp | 22/22 | 0.0.0.0/0");
        let mut lab = Lab::new();
        lab.group("sg-a", &[&accept, &drop]);
        with_hosts(&mut lab, &["sg-a"]);
        lab.ready().inbound("web", "internet tcp 203.0.113.7 > 172.16.1.1:22", expected);
    }
}

/// 9 prio 10 Drop vs prio 2 Accept -> ALLOW (numeric, not string, comparison)
#[test]
fn vector_09_priorities_are_numbers() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "inbound | drop | 10 | tcp | 22/22 | 0.0.0.0/0",
            "inbound | accept | 2 | tcp | 22/22 | 0.0.0.0/0",
        ],
    );
    with_hosts(&mut lab, &["sg-a"]);
    let packet = "internet tcp 203.0.113.7 > 172.16.1.1:22";
    lab.ready().inbound("web", packet, "allow rule sg-a/2");
}

/// 10 prio 1 Drop 10.0.0.0/8 vs prio 1 Accept 10.0.0.5/32 -> DENY (specificity does not matter, S1)
#[test]
fn vector_10_specificity_does_not_matter() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "inbound | accept | 1 | all | -1/-1 | 10.0.0.5/32",
            "inbound | drop | 1 | all | -1/-1 | 10.0.0.0/8",
        ],
    );
    with_hosts(&mut lab, &["sg-a"]);
    lab.ready().inbound("web", "tcp 10.0.0.5 > 172.16.1.1:22", "deny rule sg-a/2");
}

/// 11 groups X{Accept 80 prio 5} + Y{Drop 80 prio 1} on one ENI -> DENY (S3)
#[test]
fn vector_11_groups_are_pooled() {
    let mut lab = Lab::new();
    lab.group("x", &["inbound | accept | 5 | tcp | 80/80 | 0.0.0.0/0"]);
    lab.group("y", &["inbound | drop | 1 | tcp | 80/80 | 0.0.0.0/0"]);
    with_hosts(&mut lab, &["x", "y"]);
    lab.ready().inbound("web", "internet tcp 203.0.113.7 > 172.16.1.1:80", "deny rule y/1");
}

fn case_12(options: Options) -> common::Ready {
    let mut lab = Lab::new();
    lab.options = options;
    lab.group(
        "sg-a",
        &[
            "outbound | drop | 2 | all | -1/-1 | 0.0.0.0/0",
            "outbound | accept | 1 | tcp | 80/80 | 47.96.0.1",
        ],
    );
    with_hosts(&mut lab, &["sg-a"]);
    lab.ready()
}

/// 12 OUT Drop ALL 0.0.0.0/0 prio 2 + OUT Accept TCP 80 47.96.0.1 prio 1: tcp/80 there ALLOW,
/// tcp/443 DENY, ping DENY (S0)
#[test]
fn vector_12_egress_whitelist() {
    let lab = case_12(Options::default());
    lab.outbound("web", "internet tcp 172.16.1.1 > 47.96.0.1:80", "allow rule sg-a/2");
    lab.outbound("web", "internet tcp 172.16.1.1 > 47.96.0.1:443", "deny rule sg-a/1");
    lab.outbound("web", "internet icmp 8/0 172.16.1.1 > 47.96.0.1", "deny rule sg-a/1");
}

/// 13 case 12 and destination 100.100.100.200 -> ALLOW (S1)
#[test]
fn vector_13_metadata_server() {
    let lab = case_12(Options::default());
    lab.outbound("web", "tcp 172.16.1.1 > 100.100.100.200:80", "allow always-allowed");
    lab.outbound("web", "icmp 8/0 172.16.1.1 > 100.100.100.200", "allow always-allowed");
    lab.outbound("web", "tcp 172.16.1.1 > 100.100.100.201:80", "deny rule sg-a/1");
}

/// 14 case 12 and a same-group peer: S2 -> DENY; flag alternative -> ALLOW
#[test]
fn vector_14_same_group_outbound() {
    let packet = "tcp 172.16.1.1 > 172.16.1.2:80";
    case_12(Options::default()).outbound("web", packet, "deny rule sg-a/1");
    let options =
        Options { same_group_outbound: SameGroupOutbound::AcceptAlways, ..Options::default() };
    let lab = case_12(options);
    lab.outbound("web", packet, "allow same-group sg-a");
    lab.outbound("web", "tcp 172.16.1.1 > 172.16.1.3:80", "deny rule sg-a/1");
    lab.outbound("web", "internet tcp 172.16.1.1 > 172.16.1.2:80", "deny rule sg-a/1");
}

/// 15 IN Accept TCP 22 from sg-A: A's private IP ALLOW; the same instance via its EIP DENY (S1; EIP
/// part inference)
#[test]
fn vector_15_group_object_is_internal() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.group("sg-b", &["inbound | accept | | tcp | 22/22 | sg-a"]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-b"]);
    let lab = lab.ready();
    lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:22", "allow rule sg-b/1");
    lab.inbound("b", "internet tcp 47.96.0.1 > 172.16.1.2:22", "deny default");
    lab.inbound("b", "internet tcp 172.16.1.1 > 172.16.1.2:22", "deny default");
}

/// 16 advanced: IN Accept TCP 443, no OUT rules: the SYN-ACK/reply passes (stateful, S1); an
/// instance-initiated connection is DENIED
///
/// (The reply passes by its session; by rules alone it is denied as any other packet out.)
#[test]
fn vector_16_advanced_server() {
    let mut lab = Lab::new();
    lab.advanced("sg-a", &["inbound | accept | | tcp | 443/443 | 0.0.0.0/0"]);
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("web", "internet tcp 203.0.113.7 > 172.16.1.1:443", "allow rule sg-a/1");
    lab.outbound("web", "internet tcp 172.16.1.1 > 203.0.113.7:443", "deny default");
}

/// 17 IN ALL 0.0.0.0/0 Accept: IPv6 SYN -> DENY (needs ::/0) [M]
#[test]
fn vector_17_ipv4_objects_do_not_match_ipv6() {
    let mut lab = Lab::new();
    lab.group("sg-a", &["inbound | accept | | all | -1/-1 | 0.0.0.0/0"]);
    lab.group("sg-b", &["inbound | accept | | all | -1/-1 | ::/0"]);
    with_hosts(&mut lab, &["sg-a"]);
    lab.host("six", &["172.16.1.4", "2001:db8:a::4"], &["sg-b"]);
    let lab = lab.ready();
    lab.inbound("web", "internet tcp [2001:db8::7]:40000 > [2001:db8:a::1]:80", "deny default");
    lab.inbound(
        "six",
        "internet tcp [2001:db8::7]:40000 > [2001:db8:a::4]:80",
        "allow rule sg-b/1",
    );
    lab.inbound("six", "internet tcp 203.0.113.7 > 172.16.1.4:80", "deny default");
}

/// 18 IN Accept ICMP: any type/code v4 ALLOW; ICMPv6 DENY
#[test]
fn vector_18_icmp_has_no_selector() {
    let mut lab = Lab::new();
    lab.group("sg-a", &["inbound | accept | | icmp | -1/-1 | 0.0.0.0/0"]);
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    for message in ["8/0", "0/0", "3/1", "13/0", "255/255"] {
        let packet = format!("internet icmp {message} 203.0.113.7 > 172.16.1.1");
        lab.inbound("web", &packet, "allow rule sg-a/1");
    }
    let ping = "internet icmpv6 128/0 2001:db8::7 > 2001:db8:a::1";
    lab.inbound("web", ping, "deny default");
}

/// 23 frag-needed ICMP with IN Drop ALL -> ALLOW (S1)
#[test]
fn vector_23_path_mtu_discovery() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "inbound | drop | | all | -1/-1 | 0.0.0.0/0",
            "inbound | drop | | all | -1/-1 | ::/0",
            "outbound | drop | | all | -1/-1 | 0.0.0.0/0",
        ],
    );
    with_hosts(&mut lab, &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("web", "internet icmp 3/4 203.0.113.7 > 172.16.1.1", "allow always-allowed");
    lab.inbound("web", "internet icmp 3/3 203.0.113.7 > 172.16.1.1", "deny rule sg-a/1");
    lab.inbound("web", "internet icmp 4/4 203.0.113.7 > 172.16.1.1", "deny rule sg-a/1");
    lab.outbound("web", "internet icmp 3/4 172.16.1.1 > 203.0.113.7", "allow always-allowed");
    let too_big = "internet icmpv6 2/0 2001:db8::7 > 2001:db8:a::1";
    lab.inbound("web", too_big, "allow always-allowed");
    let unreachable = "internet icmpv6 3/4 2001:db8::7 > 2001:db8:a::1";
    lab.inbound("web", unreachable, "deny rule sg-a/2");
}

/// 24 quintuple OUT Drop TCP sport 22, src 172.16.1.0/32, dst 10.0.0.1/32: hits only that flow (S8)
#[test]
fn vector_24_five_tuple() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &["outbound | drop | | tcp | 1/65535 | 10.0.0.1/32 | source_ports=22/22 \
           | source=172.16.1.0/32"],
    );
    lab.host("web", &["172.16.1.0", "172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    lab.outbound("web", "tcp 172.16.1.0:22 > 10.0.0.1:4000", "deny rule sg-a/1");
    lab.outbound("web", "tcp 172.16.1.0:23 > 10.0.0.1:4000", "allow default");
    lab.outbound("web", "tcp 172.16.1.1:22 > 10.0.0.1:4000", "allow default");
    lab.outbound("web", "tcp 172.16.1.0:22 > 10.0.0.2:4000", "allow default");
    lab.outbound("web", "udp 172.16.1.0:22 > 10.0.0.1:4000", "allow default");
}

fn codes(row: &str) -> Vec<&'static str> {
    let mut lab = Lab::new();
    lab.group("sg-a", &[row]);
    let violations = lab.validate().expect_err(row);
    violations.iter().map(|violation: &Violation| violation.code).collect()
}

/// 25 SourceGroupId = own group -> InvalidParamter.Conflict; 200/1 or "80" -> InvalidParam.PortRange;
/// ALL with 1/65535 -> InvalidParam.PortRange; prio 0 or 101 -> InvalidPriority.* [M]
#[test]
fn vector_25_refused_rules() {
    assert_eq!(codes("inbound | | | tcp | 22/22 | sg-a"), ["InvalidParamter.Conflict"]);
    for ports in ["200/1", "80"] {
        let row = format!("inbound | | | tcp | {ports} | 0.0.0.0/0");
        assert_eq!(codes(&row), ["InvalidParam.PortRange"]);
    }
    assert_eq!(codes("inbound | | | all | 1/65535 | 0.0.0.0/0"), ["InvalidParam.PortRange"]);
    for priority in ["0", "101"] {
        let row = format!("inbound | | {priority} | tcp | 80/80 | 0.0.0.0/0");
        assert_eq!(codes(&row), ["InvalidPriority.ValueNotSupported"]);
    }
}

/// 26 rule with a prefix list of MaxEntries 100 holding 3 entries costs 100 of 1,000; 21st group
/// rule -> AuthorizedGroupRule.LimitExceed
#[test]
fn vector_26_lists_cost_max_entries() {
    for (others, expected) in [(900, None), (901, Some("AclLimitExceed"))] {
        let mut lab = Lab::new();
        lab.prefix_list("pl-a", Some("100"), &["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
        let mut rows = vec!["inbound | | | all | | pl-a".to_owned()];
        rows.extend(
            (1..=others).map(|port| format!("inbound | | | tcp | {port}/{port} | 0.0.0.0/0")),
        );
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        lab.group("sg-a", &rows);
        lab.host("web", &["172.16.1.1"], &["sg-a"]);
        let found = lab.validate().err().map(|violations| violations[0].code);
        assert_eq!(found, expected, "{others} rules beside the list");
    }
    for (count, expected) in [(20, None), (21, Some("AuthorizedGroupRule.LimitExceed"))] {
        let mut lab = Lab::new();
        let rows: Vec<String> =
            (1..=count).map(|port| format!("inbound | | | tcp | {port}/{port} | sg-b")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        lab.group("sg-a", &rows);
        lab.group("sg-b", &[]);
        let violations = lab.validate().err().unwrap_or_default();
        assert_eq!(violations.first().map(|violation| violation.code), expected, "{count} rules");
        assert_eq!(violations.first().map_or(22, |violation| violation.origin.line), 22);
    }
}

/// 27 classic: IN internet Accept 80 does not open 80 on the internal NIC (S0)
#[test]
fn vector_27_classic_nics_are_apart() {
    let mut lab = Lab::new();
    let group = lab.classic_group("sg-a", &["inbound | accept | | tcp | 80/80 | 0.0.0.0/0"]);
    group.same_group = Some(text("drop", 1, 1));
    lab.classic_host("old", "10.1.1.1", "47.96.0.1", &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("old/public", "internet tcp 203.0.113.7 > 47.96.0.1:80", "allow rule sg-a/1");
    lab.inbound("old", "tcp 10.1.1.9 > 10.1.1.1:80", "deny default");
}
