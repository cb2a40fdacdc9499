//! Where `decide` changes its mind: the ends of ranges, the conditions of each step, ties.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use common::{Lab, VPC_B};
use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;
use ringfence_policy::{
    HealthChecks, Options, Port25, PortRange, Priority, Profile, RuleRef, SameGroup, account,
    decide,
};

/// A lab of one group with these rules, and `a` (172.16.1.1, 2001:db8:a::1) in it.
fn one_group(rows: &[&str]) -> common::Ready {
    let mut lab = Lab::new();
    lab.group("sg-a", rows);
    lab.host("a", &["172.16.1.1", "2001:db8:a::1"], &["sg-a"]);
    lab.ready()
}

#[test]
fn ends_of_port_ranges() {
    let lab = one_group(&["inbound | | | tcp | 80/90 | 0.0.0.0/0"]);
    for (port, expected) in [
        (79, "deny default"),
        (80, "allow rule sg-a/1"),
        (85, "allow rule sg-a/1"),
        (90, "allow rule sg-a/1"),
        (91, "deny default"),
    ] {
        lab.inbound("a", &format!("tcp 10.0.0.1 > 172.16.1.1:{port}"), expected);
    }
    let lab = one_group(&["inbound | | | tcp | 1/65535 | 0.0.0.0/0"]);
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:1", "allow rule sg-a/1");
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:65535", "allow rule sg-a/1");
    let five_tuple = "inbound | | | udp | 53/53 | 0.0.0.0/0 | source_ports=80/90";
    let lab = one_group(&[five_tuple]);
    for (port, expected) in [
        (79, "deny default"),
        (80, "allow rule sg-a/1"),
        (90, "allow rule sg-a/1"),
        (91, "deny default"),
    ] {
        lab.inbound("a", &format!("udp 10.0.0.1:{port} > 172.16.1.1:53"), expected);
    }
}

#[test]
fn only_ranges_are_ranges() {
    for (first, last, is_range) in
        [(0, 0, false), (0, 1, false), (1, 1, true), (1, 2, true), (2, 1, false), (1, 65535, true)]
    {
        assert_eq!(PortRange::new(first, last).is_some(), is_range, "{first}/{last}");
    }
    for (priority, is_one) in [(0, false), (1, true), (100, true), (110, true), (111, false)] {
        assert_eq!(Priority::new(priority).is_some(), is_one, "{priority}");
    }
}

/// "Port 0 in a packet matches only rules without ports".
#[test]
fn port_zero() {
    let lab = one_group(&[
        "inbound | | 1 | tcp | 1/65535 | 0.0.0.0/0",
        "inbound | | 2 | all | -1/-1 | 0.0.0.0/0",
    ]);
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:0", "allow rule sg-a/2");
    lab.inbound("a", "tcp 10.0.0.1:0 > 172.16.1.1:1", "allow rule sg-a/1");
}

#[test]
fn protocols_without_ports_meet_no_rule_with_ports() {
    // Hand-made rules, which no platform would take: all protocols, with ports.
    let mut lab = one_group(&[
        "inbound | | 1 | tcp | 80/80 | 0.0.0.0/0",
        "inbound | | 2 | tcp | 80/80 | 0.0.0.0/0 | source_ports=80/80",
    ]);
    for rule in &mut lab.policies.groups[0].rules {
        rule.protocol = ringfence_policy::ProtocolMatch::All;
    }
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:80", "allow rule sg-a/1");
    lab.inbound("a", "udp 10.0.0.1 > 172.16.1.1:80", "allow rule sg-a/1");
    lab.inbound("a", "icmp 8/0 10.0.0.1 > 172.16.1.1", "deny default");
    lab.inbound("a", "132 10.0.0.1:80 > 172.16.1.1:80", "deny default");
    lab.policies.groups[0].rules[0].ports = ringfence_policy::Ports::Any;
    lab.policies.groups[0].rules[0].source_ports =
        lab.policies.groups[0].rules[1].source_ports.clone();
    lab.inbound("a", "icmp 8/0 10.0.0.1 > 172.16.1.1", "deny default");
    lab.inbound("a", "tcp 10.0.0.1:80 > 172.16.1.1:1", "allow rule sg-a/1");
}

#[test]
fn protocols() {
    for (protocol, packets) in [
        ("tcp", ["tcp 10.0.0.1 > 172.16.1.1:80", "udp 10.0.0.1 > 172.16.1.1:80"]),
        ("udp", ["udp 10.0.0.1 > 172.16.1.1:80", "tcp 10.0.0.1 > 172.16.1.1:80"]),
        ("icmp", ["icmp 8/0 10.0.0.1 > 172.16.1.1", "gre 10.0.0.1 > 172.16.1.1"]),
        ("gre", ["gre 10.0.0.1 > 172.16.1.1", "46 10.0.0.1 > 172.16.1.1"]),
        ("132", ["132 10.0.0.1 > 172.16.1.1", "133 10.0.0.1 > 172.16.1.1"]),
        ("0", ["0 10.0.0.1 > 172.16.1.1", "1 0/0 10.0.0.1 > 172.16.1.1"]),
    ] {
        let ports = if ["tcp", "udp"].contains(&protocol) { "80/80" } else { "-1/-1" };
        let lab = one_group(&[&format!("inbound | | | {protocol} | {ports} | 0.0.0.0/0")]);
        lab.inbound("a", packets[0], "allow rule sg-a/1");
        lab.inbound("a", &packets[1].replace("1 0/0", "icmp 0/0"), "deny default");
        let all = one_group(&["inbound | | | all | -1/-1 | 0.0.0.0/0"]);
        all.inbound("a", packets[0], "allow rule sg-a/1");
    }
}

#[test]
fn edges_of_ranges() {
    let lab = one_group(&["inbound | | | tcp | 80/80 | 192.0.2.64/26"]);
    for (last, expected) in [
        (63, "deny default"),
        (64, "allow rule sg-a/1"),
        (127, "allow rule sg-a/1"),
        (128, "deny default"),
    ] {
        lab.inbound("a", &format!("internet tcp 192.0.2.{last} > 172.16.1.1:80"), expected);
    }
    let lab = one_group(&["outbound | forbid | | tcp | 80/80 | 2001:db8:b::/48"]);
    for (address, expected) in [
        ("2001:db8:a:ffff:ffff:ffff:ffff:ffff", "allow default"),
        ("2001:db8:b::", "deny rule sg-a/1"),
        ("2001:db8:b:ffff:ffff:ffff:ffff:ffff", "deny rule sg-a/1"),
        ("2001:db8:c::", "allow default"),
    ] {
        lab.outbound("a", &format!("tcp [2001:db8:a::1]:4000 > [{address}]:80"), expected);
    }
    let lab = one_group(&["inbound | | | tcp | 80/80 | 0.0.0.0/0 | targets=172.16.1.64/26"]);
    for (last, expected) in [
        (63, "deny default"),
        (64, "allow rule sg-a/1"),
        (127, "allow rule sg-a/1"),
        (128, "deny default"),
    ] {
        lab.inbound("a", &format!("tcp 10.0.0.1 > 172.16.1.{last}:80"), expected);
    }
}

/// The object is the other side's address in both directions, never one's own.
#[test]
fn objects_are_the_other_side() {
    let lab = one_group(&[
        "inbound | | | tcp | 80/80 | 172.16.1.1",
        "outbound | forbid | | tcp | 80/80 | 172.16.1.1",
    ]);
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:80", "deny default");
    lab.outbound("a", "tcp 172.16.1.1 > 10.0.0.1:80", "allow default");
}

#[test]
fn lists_match_by_their_entries() {
    let mut lab = Lab::new();
    lab.prefix_list("pl-a", None, &["10.1.0.0/16", "10.3.0.0/16"]);
    lab.prefix_list("pl-empty", Some("5"), &[]);
    lab.port_list("prl-a", None, &["80/80", "8000/8001"]);
    lab.port_list("prl-empty", Some("5"), &[]);
    lab.group(
        "sg-a",
        &[
            "inbound | | | tcp | prl-a | pl-a",
            "inbound | | | all | | pl-empty",
            "inbound | | | udp | prl-empty | 0.0.0.0/0",
        ],
    );
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let lab = lab.ready();
    for (packet, expected) in [
        ("tcp 10.1.255.255 > 172.16.1.1:80", "allow rule sg-a/1"),
        ("tcp 10.3.0.0 > 172.16.1.1:8001", "allow rule sg-a/1"),
        ("tcp 10.2.0.0 > 172.16.1.1:80", "deny default"),
        ("tcp 10.1.0.0 > 172.16.1.1:81", "deny default"),
        ("tcp 10.1.0.0 > 172.16.1.1:8002", "deny default"),
        ("udp 10.1.0.0 > 172.16.1.1:80", "deny default"),
    ] {
        lab.inbound("a", packet, expected);
    }
}

/// "among matching rules of equal priority and action the first named is: groups in the order in
/// which they are attached, then rules in their order in the group."
#[test]
fn ties_are_named_in_order() {
    let mut lab = Lab::new();
    lab.group(
        "g1",
        &["inbound | | 5 | tcp | 80/80 | 10.0.0.0/8", "inbound | | 5 | all | | 10.0.0.0/8"],
    );
    lab.group(
        "g2",
        &["inbound | | 5 | tcp | 1/65535 | 10.0.0.0/8", "inbound | | 5 | tcp | 80/80 | 10.0.0.0/8"],
    );
    lab.host("a", &["172.16.1.1"], &["g1", "g2"]);
    lab.host("b", &["172.16.1.2"], &["g2", "g1"]);
    let lab = lab.ready();
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:80", "allow rule g1/1");
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:81", "allow rule g1/2");
    lab.inbound("b", "tcp 10.0.0.1 > 172.16.1.2:80", "allow rule g2/1");
    lab.inbound("b", "udp 10.0.0.1 > 172.16.1.2:80", "allow rule g1/2");
}

#[test]
fn the_first_shared_accepting_group_is_named() {
    let mut lab = Lab::new();
    for id in ["g1", "g2", "g3"] {
        lab.group(id, &[]);
    }
    lab.isolating("g4", &[]);
    lab.host("a", &["172.16.1.1"], &["g4", "g3", "g1", "g2"]);
    lab.host("b", &["172.16.1.2"], &["g2", "g1", "g4"]);
    let lab = lab.ready();
    lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:80", "allow same-group g1");
    lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:80", "allow same-group g2");
}

/// "Same-Group Accept covers all addresses of both interfaces, as group objects do (3.5): secondary,
/// IPv6, delegated prefixes"; "a Pod/VIP address that is not an ENI IP is NOT a member".
#[test]
fn every_address_of_a_member_counts() {
    let addresses =
        ["172.16.1.1", "172.16.1.9", "2001:db8:a::9", "172.16.9.0/28", "2001:db8:a:9::/80"];
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.group("sg-b", &["inbound | | | all | | sg-a", "outbound | forbid | | all | | sg-a"]);
    lab.host("a", &addresses, &["sg-a"]);
    lab.host("b", &["172.16.1.2", "2001:db8:a::2"], &["sg-b"]);
    lab.host("c", &["172.16.1.3", "2001:db8:a::3"], &["sg-a"]);
    let lab = lab.ready();
    for member in ["172.16.1.1", "172.16.1.9", "172.16.9.0", "172.16.9.15"] {
        lab.inbound("b", &format!("gre {member} > 172.16.1.2"), "allow rule sg-b/1");
        lab.outbound("b", &format!("gre 172.16.1.2 > {member}"), "deny rule sg-b/2");
        lab.inbound("c", &format!("gre {member} > 172.16.1.3"), "allow same-group sg-a");
    }
    for member in ["2001:db8:a::9", "2001:db8:a:9::", "2001:db8:a:9::ffff:ffff:ffff"] {
        lab.inbound("b", &format!("gre {member} > 2001:db8:a::2"), "allow rule sg-b/1");
        lab.inbound("c", &format!("gre {member} > 2001:db8:a::3"), "allow same-group sg-a");
    }
    for stranger in ["172.16.1.4", "172.16.9.16", "10.244.0.1"] {
        lab.inbound("b", &format!("gre {stranger} > 172.16.1.2"), "deny default");
    }
    lab.inbound("c", "gre 172.16.9.16 > 172.16.1.3", "deny default");
}

/// Who owns an address is asked in the interface's own network.
#[test]
fn equal_addresses_in_two_networks() {
    let build = |profile, is_joined: bool| {
        let mut lab = Lab::new();
        lab.options = Options::of(profile);
        if is_joined {
            lab.join();
        }
        lab.group("sg-a", &[]);
        lab.group("sg-b", &["inbound | | | tcp | 80/80 | sg-a"]);
        lab.group("sg-c", &[]).network = VPC_B;
        lab.host("b", &["172.16.1.2"], &["sg-b"]);
        lab.host_in(VPC_B, "c", &["172.16.1.1"], &["sg-c"]);
        lab
    };
    for profile in [Profile::Alibaba, Profile::Aws, Profile::Neutron] {
        let lab = build(profile, true).ready();
        lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:80", "deny default");
    }
    // "references across joined VPCs"
    for (profile, is_joined, expected) in [
        (Profile::Aws, true, "allow rule sg-b/1"),
        (Profile::Aws, false, "deny default"),
        (Profile::Neutron, true, "deny default"),
        (Profile::Alibaba, true, "deny default"),
    ] {
        let mut lab = build(profile, is_joined).ready();
        lab.policies.groups[1].rules[0].object = ringfence_policy::Object::Group(GroupIndex(2));
        lab.inbound("b", "tcp 172.16.1.1 > 172.16.1.2:80", expected);
    }
}

/// An interface shares its groups with itself.
#[test]
fn a_packet_to_oneself() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.isolating("sg-b", &[]);
    lab.host("a", &["172.16.1.1", "172.16.1.9"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-b"]);
    let lab = lab.ready();
    lab.inbound("a", "tcp 172.16.1.9 > 172.16.1.1:80", "allow same-group sg-a");
    lab.inbound("b", "tcp 172.16.1.2 > 172.16.1.2:80", "deny default");
}

/// Same-group Accept and group objects need the internal network.
#[test]
fn the_same_address_over_the_internet_is_a_stranger() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:80", "allow same-group sg-a");
    lab.inbound("a", "internet tcp 172.16.1.2 > 172.16.1.1:80", "deny default");
}

/// Even if somebody says that its traffic is internal: the public NIC has no internal peers.
#[test]
fn the_public_nic_has_no_same_group() {
    let mut lab = Lab::new();
    lab.classic_group("sg-a", &[]);
    lab.classic_host("a", "10.1.1.1", "47.96.0.1", &["sg-a"]);
    lab.classic_host("b", "10.1.1.2", "47.96.0.2", &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("a", "tcp 10.1.1.2 > 10.1.1.1:80", "allow same-group sg-a");
    lab.inbound("a/public", "internet tcp 47.96.0.2 > 47.96.0.1:80", "deny default");
    lab.inbound("a/public", "tcp 47.96.0.2 > 47.96.0.1:80", "deny default");
}

/// "advanced: Drop, cannot be changed"; even a hand-made one that says Accept.
#[test]
fn advanced_groups_never_accept_by_membership() {
    let mut lab = Lab::new();
    lab.advanced("sg-a", &[]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    lab.host("b", &["172.16.1.2"], &["sg-a"]);
    let mut lab = lab.ready();
    assert_eq!(lab.policies.groups[0].same_group, SameGroup::Drop);
    lab.policies.groups[0].same_group = SameGroup::Accept;
    lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:80", "deny default");
}

#[test]
fn health_checks() {
    let rows = ["inbound | drop | | all | | 0.0.0.0/0", "outbound | drop | | all | | 0.0.0.0/0"];
    let lab = one_group(&rows);
    for (source, expected) in [
        ("100.63.255.255", "deny rule sg-a/1"),
        ("100.64.0.0", "allow always-allowed"),
        ("100.127.255.255", "allow always-allowed"),
        ("100.128.0.0", "deny rule sg-a/1"),
    ] {
        lab.inbound("a", &format!("tcp {source} > 172.16.1.1:80"), expected);
    }
    lab.outbound("a", "tcp 172.16.1.1 > 100.64.0.1:80", "deny rule sg-a/2");
    lab.outbound("a", "tcp 172.16.1.1 > 100.100.2.136:53", "deny rule sg-a/2");
    let mut lab = lab;
    lab.policies.options.health_checks = HealthChecks::NeedARule;
    lab.inbound("a", "tcp 100.64.0.1 > 172.16.1.1:80", "deny rule sg-a/1");

    let mut lab = Lab::new();
    lab.classic_group("sg-a", &[]);
    lab.classic_host("a", "10.1.1.1", "47.96.0.1", &["sg-a"]);
    let lab = lab.ready();
    lab.inbound("a", "tcp 100.64.0.1 > 10.1.1.1:80", "allow always-allowed");
    lab.inbound("a/public", "internet tcp 100.64.0.1 > 47.96.0.1:80", "deny default");
}

/// Outbound to the metadata server only.
#[test]
fn metadata_server() {
    let mut lab = Lab::new();
    lab.advanced("sg-a", &[]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    lab.options.health_checks = HealthChecks::NeedARule;
    let lab = lab.ready();
    lab.outbound("a", "tcp 172.16.1.1 > 100.100.100.200:80", "allow always-allowed");
    lab.outbound("a", "tcp 172.16.1.1 > 100.100.100.199:80", "deny default");
    lab.inbound("a", "tcp 100.100.100.200 > 172.16.1.1:80", "deny default");
}

#[test]
fn path_mtu_discovery() {
    let mut lab = Lab::new();
    lab.advanced("sg-a", &[]);
    lab.host("a", &["172.16.1.1", "2001:db8:a::1"], &["sg-a"]);
    let lab = lab.ready();
    for (message, expected) in [
        ("icmp 3/4 10.0.0.1 > 172.16.1.1", "allow always-allowed"),
        ("icmp 3/5 10.0.0.1 > 172.16.1.1", "deny default"),
        ("icmp 2/4 10.0.0.1 > 172.16.1.1", "deny default"),
        ("icmp 2/0 10.0.0.1 > 172.16.1.1", "deny default"),
        ("icmpv6 2/0 2001:db8::1 > 2001:db8:a::1", "allow always-allowed"),
        ("icmpv6 2/1 2001:db8::1 > 2001:db8:a::1", "allow always-allowed"),
        ("icmpv6 3/4 2001:db8::1 > 2001:db8:a::1", "deny default"),
        ("icmpv6 2/0 10.0.0.1 > 172.16.1.1", "deny default"),
        ("icmp 3/4 2001:db8::1 > 2001:db8:a::1", "deny default"),
        ("icmpv6 3/4 10.0.0.1 > 172.16.1.1", "deny default"),
        ("icmp 2/0 2001:db8::1 > 2001:db8:a::1", "deny default"),
    ] {
        lab.inbound("a", message, expected);
    }
    lab.outbound("a", "icmp 3/4 172.16.1.1 > 10.0.0.1", "allow always-allowed");
    lab.outbound("a", "icmpv6 2/0 2001:db8:a::1 > 2001:db8::1", "allow always-allowed");
}

/// "Outbound TCP 25 to the Internet is blocked by the platform; SG rules cannot open it".
#[test]
fn port_25() {
    let rows = ["outbound | | | all | | 0.0.0.0/0", "inbound | | | all | | 0.0.0.0/0"];
    let mut lab = one_group(&rows);
    let mail = "internet tcp 172.16.1.1:4000 > 203.0.113.7:25";
    lab.outbound("a", mail, "deny platform");
    lab.outbound("a", "internet tcp [2001:db8:a::1]:4000 > [2001:db8::7]:25", "deny platform");
    for open in [
        "tcp 172.16.1.1 > 172.16.1.2:25",
        "internet tcp 172.16.1.1 > 203.0.113.7:24",
        "internet tcp 172.16.1.1 > 203.0.113.7:26",
        "internet tcp 172.16.1.1:25 > 203.0.113.7:80",
        "internet udp 172.16.1.1 > 203.0.113.7:25",
    ] {
        lab.outbound("a", open, "allow rule sg-a/1");
    }
    lab.inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:25", "allow rule sg-a/2");
    let question = lab.question("a", Direction::Outbound, mail);
    assert_eq!(account(&lab.world, &lab.policies, &question).nearest, None);
    lab.policies.options.port_25 = Port25::Open;
    lab.outbound("a", mail, "allow rule sg-a/1");
}

/// "Classic: ... internet-in, internet-out, in, out": the block holds at the public NIC as well.
#[test]
fn port_25_of_a_classic_instance() {
    let mut lab = Lab::new();
    lab.classic_group("sg-a", &[]);
    lab.classic_host("a", "10.1.1.1", "47.96.0.1", &["sg-a"]);
    let lab = lab.ready();
    lab.outbound("a/public", "internet tcp 47.96.0.1 > 203.0.113.7:25", "deny platform");
    lab.outbound("a", "tcp 10.1.1.1 > 10.1.1.2:25", "allow default");
}

/// "aws: allow-only groups, self references legal, ICMP type and code in rules, no port 25 block and
/// no 100.64.0.0/10 allowance"; what goes out, a rule says.
#[test]
fn other_profiles() {
    for profile in [Profile::Aws, Profile::Neutron] {
        let mut lab = Lab::new();
        lab.options = Options::of(profile);
        lab.group("sg-bare", &[]);
        lab.group(
            "sg-a",
            &[
                "outbound | | | all | | 0.0.0.0/0",
                "inbound | | | tcp | 80/80 | sg-a",
                "inbound | | | icmp | | 0.0.0.0/0 | icmp_type=8 | icmp_code=0",
                "inbound | | | icmp | | 0.0.0.0/0 | icmp_type=11",
            ],
        );
        lab.host("bare", &["172.16.1.3"], &["sg-bare"]);
        lab.host("a", &["172.16.1.1"], &["sg-a"]);
        lab.host("b", &["172.16.1.2"], &["sg-a"]);
        let lab = lab.ready();
        assert_eq!(lab.policies.groups[0].same_group, SameGroup::Drop);
        lab.outbound("bare", "internet tcp 172.16.1.3 > 203.0.113.7:80", "deny default");
        lab.outbound("a", "internet tcp 172.16.1.1 > 203.0.113.7:25", "allow rule sg-a/1");
        lab.inbound("a", "tcp 100.64.0.1 > 172.16.1.1:80", "deny default");
        lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:80", "allow rule sg-a/2");
        lab.inbound("a", "tcp 172.16.1.2 > 172.16.1.1:81", "deny default");
        for (message, expected) in [
            ("8/0", "allow rule sg-a/3"),
            ("8/1", "deny default"),
            ("0/0", "deny default"),
            ("11/1", "allow rule sg-a/4"),
            ("12/0", "deny default"),
        ] {
            lab.inbound("a", &format!("icmp {message} 10.0.0.1 > 172.16.1.1"), expected);
        }
        lab.inbound("a", "gre 10.0.0.1 > 172.16.1.1", "deny default");
    }
    // Hand-made: same-group Accept means nothing there.
    let mut lab = one_group(&[]);
    lab.policies.options = Options::of(Profile::Aws);
    lab.inbound("a", "tcp 172.16.1.1 > 172.16.1.1:80", "deny default");
}

/// No valid scenario has these; still they are decided, and shut.
#[test]
fn interfaces_without_groups_or_with_mixed_ones() {
    let mut lab = Lab::new();
    lab.group("sg-a", &[]);
    lab.advanced("sg-b", &[]);
    lab.host("a", &["172.16.1.1"], &["sg-a"]);
    let mut lab = lab.ready();
    for (groups, expected) in [
        (vec![], "deny default"),
        (vec![GroupIndex(0)], "allow default"),
        (vec![GroupIndex(0), GroupIndex(1)], "deny default"),
        (vec![GroupIndex(1)], "deny default"),
    ] {
        lab.world.interfaces[0].groups = groups;
        lab.outbound("a", "internet tcp 172.16.1.1 > 203.0.113.7:80", expected);
        lab.inbound("a", "internet tcp 203.0.113.7 > 172.16.1.1:80", "deny default");
    }
}

/// "rules in+out over ALL groups of one ENI 1,000"
#[test]
fn a_thousand_rules() {
    let rows: Vec<String> = (0..1000)
        .map(|i| {
            let (priority, port) = (100 - i % 100, i + 1);
            format!("inbound | | {priority} | tcp | {port}/{port} | 0.0.0.0/0")
        })
        .collect();
    let lab = one_group(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    for port in [1, 500, 1000] {
        let question =
            lab.question("a", Direction::Inbound, &format!("tcp 10.0.0.1 > 172.16.1.1:{port}"));
        let rule = RuleRef { group: GroupIndex(0), rule: port - 1 };
        let decision = decide(&lab.world, &lab.policies, &question);
        assert_eq!(decision.because, ringfence_policy::Because::Rule(rule));
    }
    lab.inbound("a", "tcp 10.0.0.1 > 172.16.1.1:1001", "deny default");
}
