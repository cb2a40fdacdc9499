//! Codes of what a file says: topology, groups and rules, changes, expectations.

use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code!("RF0100", "A reference to nothing",
"Something is named that the scenario does not declare: an account, a VPC, a vSwitch, a group, a
list, a port.",
wrong: "instances:
  - { id: web-1, vswitch: vsw-frnt, ip: 172.16.1.10, security_groups: [sg-web] }
",
right: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, security_groups: [sg-web] }
"),
    code!("RF0101", "Two things with one name",
"A name means one thing. Instances, their interfaces and hosts outside share their names, since all
of them are ports.",
wrong: "outside:
  - { id: web-1, ip: 203.0.113.7 }
",
right: "outside:
  - { id: visitor, ip: 203.0.113.7 }
"),
    code!("RF0102", "Two owners of one address",
"In one network an address belongs to one port. Different VPCs may have equal addresses, unless a
CEN joins them; public addresses are the whole Internet's.",
wrong: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, security_groups: [sg-web] }
  - { id: web-2, vswitch: vsw-front, ip: 172.16.1.10, mac: '00:16:3e:00:00:02', security_groups: [sg-web] }
",
right: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, security_groups: [sg-web] }
  - { id: web-2, vswitch: vsw-front, ip: 172.16.1.11, security_groups: [sg-web] }
"),
    code!("RF0103", "Two owners of one MAC address",
"An interface without a `mac` gets 00:16:3e and the last three octets of its primary address. Two
interfaces of one network whose addresses end alike need a `mac` of their own.",
wrong: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, mac: '00:16:3e:00:00:01', security_groups: [sg-web] }
  - { id: web-2, vswitch: vsw-front, ip: 172.16.1.11, mac: '00:16:3e:00:00:01', security_groups: [sg-web] }
",
right: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, mac: '00:16:3e:00:00:01', security_groups: [sg-web] }
  - { id: web-2, vswitch: vsw-front, ip: 172.16.1.11, mac: '00:16:3e:00:00:02', security_groups: [sg-web] }
"),
    code!("RF0104", "An address outside its vSwitch",
"The addresses of an interface, secondary ones, IPv6 and delegated prefixes included, lie in the
ranges of its vSwitch.",
wrong: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.2.10, security_groups: [sg-web] }
",
right: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, security_groups: [sg-web] }
"),
    code!("RF0105", "A reserved address",
"The platform keeps the first and the last three addresses of a vSwitch for itself; the third from
the end is the gateway.",
wrong: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.253, security_groups: [sg-web] }
",
right: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.252, security_groups: [sg-web] }
"),
    code!("RF0106", "A vSwitch outside its VPC",
"The range of a vSwitch is a part of one of its VPC's ranges. An IPv6 range needs an `ipv6_cidr` of
the VPC that holds it.",
wrong: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 }, { id: vsw-back, cidr: 10.0.1.0/24 } ] }
",
right: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, secondary_cidrs: [10.0.0.0/16], vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 }, { id: vsw-back, cidr: 10.0.1.0/24 } ] }
"),
    code!("RF0107", "Ranges that overlap",
"vSwitches of one VPC, VPCs joined by a CEN, and networks on premises with the VPCs that they meet
need ranges apart: an address must mean one place. VPCs side by side may have equal ranges.",
wrong: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 }, { id: vsw-back, cidr: 172.16.0.0/20 } ] }
",
right: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 }, { id: vsw-back, cidr: 172.16.2.0/24 } ] }
"),
    code!("RF0108", "An address that cannot be used here",
"A private address on the Internet, a public one where a private one is needed, loopback, multicast,
an address of the platform's own ranges, or a host outside its network on premises. Cloud services
(100.64.0.0/10) are declared under `services`.",
wrong: "outside:
  - { id: dns, ip: 100.100.2.136, serves: [dns] }
",
right: "services:
  - { id: dns, ip: 100.100.2.136, serves: [dns] }
"),
    code!("RF0200", "A rule or group that the platform refuses",
"Alibaba Cloud refuses this; its error code stands in brackets. Port ranges are `first/last` for TCP
and UDP and `-1/-1` for all others, a group is not its own object, an advanced group names no group,
priorities go from 1 to 100.",
wrong: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 80, source: 0.0.0.0/0 }
",
right: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
"),
    code!("RF0202", "A quota is exceeded",
"Ten groups and 1,000 rules for an interface (a list in a rule costs as many as it may hold), twenty
rules with a group as object for a group, 200 entries for a prefix list, 2,000 for a port list.",
wrong: "prefix_lists:
  - { id: pl-offices, max_entries: 500, entries: [203.0.113.0/24] }
",
right: "prefix_lists:
  - { id: pl-offices, max_entries: 100, entries: [203.0.113.0/24] }
"),
    code!("RF0203", "Not in this profile",
"The profile of the scenario (`alibaba`, `aws`, `neutron`) has no such thing: aws and neutron have
allow rules only and no priorities, alibaba has no ICMP types in rules.",
wrong: "options: { profile: aws }
security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, action: forbid, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
",
right: "options: { profile: alibaba }
security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, action: forbid, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
"),
    code!("RF0204", "The same rule or entry twice (warning)",
"The platform accepts a rule that exists already and adds nothing. The second one never decides.",
wrong: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
",
right: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
"),
    code!("RF0205", "A group of another network",
"An interface carries groups of its own VPC (or of the classic network), and a group names groups of
its own VPC as authorization objects; a CEN changes nothing about that. Across VPCs, rules name
ranges.",
wrong: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 } ] }
  - { id: vpc-lab, cidr: 172.17.0.0/16, vswitches: [ { id: vsw-lab, cidr: 172.17.1.0/24 } ] }
instances:
  - { id: lab-1, vswitch: vsw-lab, ip: 172.17.1.10, security_groups: [sg-web] }
",
right: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 } ] }
  - { id: vpc-lab, cidr: 172.17.0.0/16, vswitches: [ { id: vsw-lab, cidr: 172.17.1.0/24 } ] }
security_groups:
  - { id: sg-web, vpc: vpc-shop }
  - { id: sg-lab, vpc: vpc-lab }
instances:
  - { id: lab-1, vswitch: vsw-lab, ip: 172.17.1.10, security_groups: [sg-lab] }
"),
    code!("RF0206", "An interface without a group",
"Every interface is in at least one security group: the platform refuses to take the last one away.",
wrong: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10 }
",
right: "instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, security_groups: [sg-web] }
"),
    code!("RF0300", "An expectation of a rule that does not exist",
"Rules are called GROUP/N, N counted from 1 in the group, unless they have an `id` of their own. The
rules of `changes` count as well.",
wrong: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/7 }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1 }
"),
    code!("RF0301", "A party that does not exist",
"`from` and `to` name an instance, an interface (`web-1/eth1`), a host, a side of an instance
(`web-1/public`, `web-1/private`), an address, or an address in a network (`vpc-shop:172.16.1.10`).",
wrong: "expect:
  - { from: visitr, to: web-1, tcp: 80, verdict: allow }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow }
"),
    code!("RF0302", "An expectation that contradicts itself",
"A verdict has a deciding rule only because of a rule, or of the session that the rule admitted. What
is implicit (`default`, `same-group`, `platform`) has none.",
wrong: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1, because: default }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1, because: rule }
"),
    code!("RF0303", "A packet that cannot be made",
"One packet has addresses of one family, and a sender that is found by its address must be one only.
An id means an address of the family that is asked for.",
wrong: "expect:
  - { from: visitor, to: web-1, tcp: 80, family: ipv6, verdict: deny }
",
right: "vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, ipv6_cidr: '2408:4005:1::/56', vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24, ipv6_cidr: '2408:4005:1::/64' } ] }
instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, ipv6: '2408:4005:1::10', security_groups: [sg-web] }
outside:
  - { id: visitor, ip: 203.0.113.7, ipv6: '2001:db8:7::7' }
expect:
  - { from: visitor, to: web-1, tcp: 80, family: ipv6, verdict: deny }
"),
    code!("RF0310", "A timeout that the platform does not offer",
"On Alibaba Cloud the timeout of established TCP is one of 30, 60, 80, 100, 200, 300, 500, 700 and
910 s, that of closed TCP 3 to 15 s, that of UDP one of 10, 20, 30, 60, 80 and 100 s. Other profiles
take any.",
wrong: "options: { timeouts: { tcp_established: 35s } }
",
right: "options: { timeouts: { tcp_established: 30s } }
"),
];
