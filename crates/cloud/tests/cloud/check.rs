//! What a world must keep to.

use std::collections::BTreeSet;

use ringfence_cloud::World;

use crate::text::world;

/// `LINE Kind[ (RELATED LINE)]: message`
fn shown(world: &World) -> Vec<String> {
    let shown = world.check().into_iter().map(|problem| {
        assert!(!problem.help.is_empty() && !problem.message.ends_with('.'), "{problem:?}");
        let related = problem.related.map(|at| format!(" ({})", at.line)).unwrap_or_default();
        format!("{} {:?}{related}: {}", problem.origin.line, problem.kind, problem.message)
    });
    shown.collect()
}

const FRAME: &str = "vpc a 172.16.0.0/16 2001:db8:a::/56
vswitch a1 a 172.16.1.0/24 2001:db8:a:1::/64
vswitch a2 a 172.16.2.0/24
on-premises office 192.168.0.0/16 a
";

/// Checks each row: lines put under `FRAME` (they begin at line 5), and what is found.
fn check(table: &[(&str, &[&str])]) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    for &(lines, expected) in table {
        let world = world(&format!("{FRAME}{lines}"));
        assert_eq!(shown(&world), expected, "{lines}");
        met.extend(world.check().iter().map(|problem| format!("{:?}", problem.kind)));
    }
    met
}

fn classes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn what_may_be_so() {
    let met = check(&[
        ("", &[]),
        // "Several VPCs with equal address ranges side by side", the same address in both.
        (
            "vpc twin 172.16.0.0/16\nvswitch t1 twin 172.16.1.0/24\n\
             eni x a1 172.16.1.10\neni y t1 172.16.1.10\ncen one a\ncen two twin twin",
            &[],
        ),
        ("vpc b 10.0.0.0/16 192.168.0.0/16\ncen one a b", &[]),
        ("vpc open 47.96.0.0/16\nvswitch o open 47.96.1.0/24\neni x o 47.96.1.10", &[]),
        ("on-premises plant 192.168.0.0/16,192.168.1.0/24", &[]),
        (
            "eni x a1 172.16.1.1,172.16.1.252,172.16.1.16/28,2001:db8:a:1::1,2001:db8:a:1:1::/80 \
             public=47.96.10.1",
            &[],
        ),
        (
            "eni x a1 172.16.1.10,2001:db8:a:1:ffff::/80\neni y a1 172.16.1.11,2001:db8:a:1::/80",
            &[],
        ),
        ("classic old 10.80.0.5 47.97.0.5\nclassic new 10.80.0.6 47.97.0.6", &[]),
        ("classic old 172.16.1.10 47.97.0.5\neni x a1 172.16.1.10", &[]),
        ("outside dns intranet_of_a 100.100.2.136\noutside pod intranet_of_a 172.16.1.77", &[]),
        (
            "vpc b 10.0.0.0/16\noutside d intranet_of_a 100.64.0.9\noutside e intranet_of_b 100.64.0.9",
            &[],
        ),
        (
            "outside visitor internet 203.0.113.7,2001:db8::7\noutside desk on-premises_office 192.168.1.5",
            &[],
        ),
    ]);
    assert_eq!(met, classes(&[]));
}

#[test]
fn names_are_unique_per_kind_and_ports_together() {
    let met = check(&[
        ("vpc a 10.0.0.0/16", &["5 DuplicateId (1): two VPCs are called `a`"]),
        ("vswitch a1 a 172.16.3.0/24", &["5 DuplicateId (2): two vSwitches are called `a1`"]),
        ("cen a a\ncen a a", &["6 DuplicateId (5): two CENs are called `a`"]),
        (
            "on-premises office 10.0.0.0/8",
            &["5 DuplicateId (4): two networks on premises are called `office`"],
        ),
        (
            "outside x internet 203.0.113.7\neni x a1 172.16.1.10\neni x a2 172.16.2.10",
            &[
                "6 DuplicateId (5): two ports are called `x`",
                "7 DuplicateId (5): two ports are called `x`",
            ],
        ),
    ]);
    assert_eq!(met, classes(&["DuplicateId"]));
}

/// "An instance without a `mac` gets 00:16:3e and the last three octets of its primary IPv4
/// address", which in the ranges of one network may be another's.
#[test]
fn mac_addresses_are_unique_per_network_and_a_ports() {
    let met = check(&[
        (
            "vpc b 10.1.0.0/16 11.1.0.0/16\nvswitch b1 b 10.1.1.0/24\nvswitch b2 b 11.1.1.0/24\n\
             eni x b1 10.1.1.9\neni y b2 11.1.1.9",
            &["9 DuplicateMac (8): two interfaces in one network have the MAC address \
               00:16:3e:01:01:09"],
        ),
        ("eni x a1 172.16.1.10\nclassic y 10.16.1.10", &[]),
        (
            "eni x a1 172.16.1.10 mac=ee:ff:ff:ff:ff:ff",
            &["5 UnusableAddress: the MAC address ee:ff:ff:ff:ff:ff of `x` is the gateway's"],
        ),
        (
            "outside x internet 203.0.113.7 mac=01:00:00:00:00:01",
            &["5 UnusableAddress: the MAC address 01:00:00:00:00:01 of `x` is a multicast address"],
        ),
        (
            "eni x a1 172.16.1.10 mac=00:00:00:00:00:00",
            &["5 UnusableAddress: the MAC address 00:00:00:00:00:00 of `x` is no address at all"],
        ),
    ]);
    assert_eq!(met, classes(&["DuplicateMac", "UnusableAddress"]));
}

/// "Overlapping VPCs joined by a CEN: an error in the file."
#[test]
fn ranges_are_inside_or_apart() {
    let met = check(&[
        (
            "vswitch out a 10.0.0.0/24",
            &["5 VSwitchOutsideVpc: the range 10.0.0.0/24 of vSwitch `out` is outside its VPC `a`"],
        ),
        (
            "vswitch wide a 172.0.0.0/8",
            &[
                "5 VSwitchOutsideVpc: the range 172.0.0.0/8 of vSwitch `wide` is outside its VPC `a`",
                "5 OverlappingRanges (2): vSwitch `wide` (172.0.0.0/8) overlaps vSwitch `a1` \
                 (172.16.1.0/24) of the same VPC",
                "5 OverlappingRanges (3): vSwitch `wide` (172.0.0.0/8) overlaps vSwitch `a2` \
                 (172.16.2.0/24) of the same VPC",
            ],
        ),
        (
            "vswitch six a 172.16.3.0/24 2001:db8:b::/64",
            &[
                "5 VSwitchOutsideVpc: the range 2001:db8:b::/64 of vSwitch `six` is outside its VPC `a`",
            ],
        ),
        (
            "vswitch six a 172.16.3.0/24 2001:db8:a:1::/64",
            &["5 OverlappingRanges (2): vSwitch `six` (2001:db8:a:1::/64) overlaps vSwitch `a1` \
               (2001:db8:a:1::/64) of the same VPC"],
        ),
        (
            "vpc b 10.0.0.0/8 10.1.0.0/16",
            &["5 OverlappingRanges: the ranges 10.0.0.0/8 and 10.1.0.0/16 of VPC `b` overlap"],
        ),
        (
            "vpc b 10.1.0.0/16\nvpc c 10.1.128.0/17\nvpc d 172.16.0.0/12\ncen one a b c d\ncen two b c",
            &[
                "8 OverlappingRanges (6): CEN `one` joins VPC `b` (10.1.0.0/16) and VPC `c` \
                 (10.1.128.0/17), which overlap",
                "8 OverlappingRanges (7): CEN `one` joins VPC `a` (172.16.0.0/16) and VPC `d` \
                 (172.16.0.0/12), which overlap",
            ],
        ),
        (
            "vpc b 10.1.0.0/16\non-premises plant 10.0.0.0/8 a b\non-premises far 10.0.0.0/8",
            &[
                "6 OverlappingRanges (5): on-premises network `plant` (10.0.0.0/8) overlaps VPC `b` \
               (10.1.0.0/16), which it meets",
            ],
        ),
        (
            "on-premises plant 192.168.1.0/24 a",
            &["5 OverlappingRanges (4): on-premises network `plant` (192.168.1.0/24) overlaps \
               on-premises network `office` (192.168.0.0/16), which it meets"],
        ),
    ]);
    assert_eq!(met, classes(&["VSwitchOutsideVpc", "OverlappingRanges"]));
}

#[test]
fn ranges_are_usable() {
    let table = [
        ("vpc b 100.64.0.0/16", "100.64.0.0/16 of VPC `b`", "100.64.0.0/10 (the platform's own)"),
        ("vpc b 127.0.0.0/16", "127.0.0.0/16 of VPC `b`", "127.0.0.0/8 (loopback)"),
        ("vpc b 0.0.0.0/0", "0.0.0.0/0 of VPC `b`", "0.0.0.0/8 (unspecified)"),
        ("vpc b 169.254.1.0/24", "169.254.1.0/24 of VPC `b`", "169.254.0.0/16 (link-local)"),
        ("vpc b 239.0.0.0/8", "239.0.0.0/8 of VPC `b`", "224.0.0.0/4 (multicast)"),
        ("vpc b 250.0.0.0/8", "250.0.0.0/8 of VPC `b`", "240.0.0.0/4 (reserved or broadcast)"),
        ("vpc b fe80::/64", "fe80::/64 of VPC `b`", "fe80::/10 (link-local)"),
        ("vpc b ff02::/64", "ff02::/64 of VPC `b`", "ff00::/8 (multicast)"),
        (
            "on-premises plant 100.100.0.0/16",
            "100.100.0.0/16 of on-premises network `plant`",
            "100.64.0.0/10 (the platform's own)",
        ),
    ];
    for (lines, range, of) in table {
        let expected = format!("5 UnusableAddress: the range {range} holds addresses of {of}");
        check(&[(lines, &[&expected])]);
    }
}

/// "The first and the last three are reserved."
#[test]
fn addresses_are_inside_their_vswitch_and_not_the_platforms() {
    let reserved = |address: &str| {
        let range = if address.contains(':') { "2001:db8:a:1::/64" } else { "172.16.1.0/24" };
        let expected = format!(
            "5 ReservedAddress: {address} of `x` takes what the platform keeps in vSwitch `a1` \
             ({range}): the first and the last three addresses"
        );
        check(&[(&format!("eni x a1 172.16.1.100,{address}"), &[&expected])]);
    };
    let last = ["172.16.1.253", "172.16.1.254", "172.16.1.255"];
    ["172.16.1.0"].into_iter().chain(last).for_each(reserved);
    ["172.16.1.0/28", "172.16.1.240/28"].into_iter().for_each(reserved);
    ["2001:db8:a:1::", "2001:db8:a:1:ffff:ffff:ffff:fffd"].into_iter().for_each(reserved);
    let met = check(&[
        (
            "eni x a1 172.16.2.10,172.16.1.10,10.0.0.1,172.16.2.16/28,172.16.0.0/23,2001:db8:a:2::1",
            &[
                "5 AddressOutsideVSwitch: 172.16.2.10 of `x` is outside its vSwitch `a1` (172.16.1.0/24)",
                "5 AddressOutsideVSwitch: 10.0.0.1 of `x` is outside its vSwitch `a1` (172.16.1.0/24)",
                "5 AddressOutsideVSwitch: 2001:db8:a:2::1 of `x` is outside its vSwitch `a1` (2001:db8:a:1::/64)",
                "5 AddressOutsideVSwitch: 172.16.2.16/28 of `x` is outside its vSwitch `a1` (172.16.1.0/24)",
                "5 AddressOutsideVSwitch: 172.16.0.0/23 of `x` is outside its vSwitch `a1` (172.16.1.0/24)",
                "5 DuplicateAddress (5): 172.16.1.10 of `x` overlaps 172.16.0.0/23 of `x`",
            ],
        ),
        (
            "eni x a2 172.16.2.10,2001:db8:a:1::1",
            &[
                "5 AddressOutsideVSwitch: `x` has 2001:db8:a:1::1, but its vSwitch `a2` has no IPv6 range",
            ],
        ),
        (
            "eni x a1 172.16.1.0",
            &["5 ReservedAddress: 172.16.1.0 of `x` takes what the platform \
            keeps in vSwitch `a1` (172.16.1.0/24): the first and the last three addresses"],
        ),
    ]);
    assert_eq!(met, classes(&["AddressOutsideVSwitch", "DuplicateAddress", "ReservedAddress"]));
}

#[test]
fn a_help_says_what_would_be_right() {
    let table = [
        ("eni x a1 172.16.2.10", "take one from 172.16.1.1 to 172.16.1.252"),
        ("eni x a1 172.16.1.253", "take one from 172.16.1.1 to 172.16.1.252"),
        (
            "vswitch tiny a 172.16.3.0/30\neni x tiny 172.16.3.1",
            "172.16.3.0/30 is too small for any instance",
        ),
        (
            "eni x a1 172.16.1.10,2001:db8:a:2::1",
            "take one from 2001:db8:a:1::1 to 2001:db8:a:1:ffff:ffff:ffff:fffc",
        ),
        ("vswitch out a 10.0.0.0/24", "take a part of 172.16.0.0/16, 2001:db8:a::/56"),
        ("vpc b\nvswitch out b 10.0.0.0/24", "the VPC has no range: give it one"),
    ];
    for (lines, help) in table {
        let problems = world(&format!("{FRAME}{lines}")).check();
        assert_eq!(problems.len(), 1, "{lines}");
        assert_eq!(problems[0].help, help, "{lines}");
    }
}

#[test]
fn an_address_means_one_port_in_its_network() {
    let met = check(&[
        (
            "eni x a1 172.16.1.10,172.16.1.11,172.16.1.11\neni y a1 172.16.1.20,172.16.1.10",
            &[
                "5 DuplicateAddress (5): `x` has 172.16.1.11 twice",
                "6 DuplicateAddress (5): `y` has 172.16.1.10, which is `x`'s",
            ],
        ),
        (
            "eni x a1 172.16.1.10,172.16.1.64/28\neni y a1 172.16.1.70,172.16.1.64/27",
            &[
                "6 DuplicateAddress (5): 172.16.1.64/27 of `y` overlaps 172.16.1.64/28 of `x`",
                "6 DuplicateAddress (6): 172.16.1.70 of `y` overlaps 172.16.1.64/27 of `y`",
                "6 DuplicateAddress (5): 172.16.1.70 of `y` overlaps 172.16.1.64/28 of `x`",
            ],
        ),
        (
            "eni x a1 172.16.1.10,2001:db8:a:1::1 ipv6_internet\n\
             eni y a1 172.16.1.11,2001:db8:a:1::1 ipv6_internet",
            &["6 DuplicateAddress (5): `y` has 2001:db8:a:1::1, which is `x`'s"],
        ),
        (
            "eni x a1 172.16.1.10,2001:db8:a:1::1,2001:db8:a:1::/80",
            &["5 DuplicateAddress (5): 2001:db8:a:1::1 of `x` overlaps 2001:db8:a:1::/80 of `x`"],
        ),
        (
            "vpc b 2001:db8:a::/56 10.0.0.0/16\nvswitch b1 b 10.0.1.0/24 2001:db8:a:1::/64\n\
             eni x a1 172.16.1.10,2001:db8:a:1::1 ipv6_internet\n\
             eni y b1 10.0.1.10,2001:db8:a:1::1\n\
             eni z b1 10.0.1.11,2001:db8:a:1::1 ipv6_internet",
            &[
                "9 DuplicateAddress (8): `z` has 2001:db8:a:1::1, which is `y`'s",
                "9 DuplicateAddress (7): `z` has 2001:db8:a:1::1, which is `x`'s",
            ],
        ),
        (
            "eni x a1 172.16.1.10 public=47.96.10.1\neni y a1 172.16.1.11 public=47.96.10.1\n\
             classic z 10.80.0.5 47.96.10.1\noutside v internet 47.96.10.1",
            &[
                "6 DuplicateAddress (5): `y` has 47.96.10.1, which is `x`'s",
                "7 DuplicateAddress (5): `z/public` has 47.96.10.1, which is `x`'s",
                "8 DuplicateAddress (5): `v` has 47.96.10.1, which is `x`'s",
            ],
        ),
        (
            "classic x 10.80.0.5\nclassic y 10.80.0.5 mac=00:16:3e:00:00:01",
            &["6 DuplicateAddress (5): `y` has 10.80.0.5, which is `x`'s"],
        ),
        (
            "outside pod intranet_of_a 172.16.1.10\neni x a1 172.16.1.10",
            &["6 DuplicateAddress (5): `x` has 172.16.1.10, which is `pod`'s"],
        ),
        (
            "outside d on-premises_office 192.168.1.5\noutside e on-premises_office 192.168.1.5",
            &["6 DuplicateAddress (5): `e` has 192.168.1.5, which is `d`'s"],
        ),
    ]);
    assert_eq!(met, classes(&["DuplicateAddress"]));
}

#[test]
fn addresses_are_usable_where_they_are() {
    let met = check(&[
        (
            "eni x a1 172.16.1.10 public=10.0.0.1",
            &["5 UnusableAddress: the public address 10.0.0.1 of `x` is private"],
        ),
        (
            "eni x a1 172.16.1.10 public=100.100.0.1",
            &["5 UnusableAddress: the public address 100.100.0.1 of `x` is the platform's own"],
        ),
        (
            "eni x a1 172.16.1.10 public=224.0.0.1",
            &["5 UnusableAddress: the public address 224.0.0.1 of `x` is multicast"],
        ),
        (
            "eni x a1 127.0.0.1,0.0.0.0,224.0.0.5,169.254.0.9,::1,::,fe80::1,ff02::1",
            &[
                "5 UnusableAddress: the address 127.0.0.1 of `x` is loopback",
                "5 UnusableAddress: the address 0.0.0.0 of `x` is unspecified",
                "5 UnusableAddress: the address 224.0.0.5 of `x` is multicast",
                "5 UnusableAddress: the address 169.254.0.9 of `x` is link-local",
                "5 UnusableAddress: the address ::1 of `x` is loopback",
                "5 UnusableAddress: the address :: of `x` is unspecified",
                "5 UnusableAddress: the address fe80::1 of `x` is link-local",
                "5 UnusableAddress: the address ff02::1 of `x` is multicast",
            ],
        ),
        (
            "classic x 47.97.0.5 10.80.0.5",
            &[
                "5 UnusableAddress: the classic internal address 47.97.0.5 of `x` is not a private one",
                "5 UnusableAddress: the address 10.80.0.5 of the public NIC `x/public` is private",
            ],
        ),
        (
            "classic x 100.64.0.5",
            &[
                "5 UnusableAddress: the classic internal address 100.64.0.5 of `x` is not a private one",
            ],
        ),
        (
            "classic x 10.80.0.5 public=47.97.0.5",
            &["5 UnusableAddress: 47.97.0.5 is mapped to the classic NIC `x`"],
        ),
        (
            "outside x internet 10.0.0.1,100.104.0.1,255.255.255.255,fd00::1",
            &[
                "5 UnusableAddress: the address 10.0.0.1 of `x` is private, but it lives on the Internet",
                "5 UnusableAddress: the address 100.104.0.1 of `x` is the platform's own, but it lives on the Internet",
                "5 UnusableAddress: the address 255.255.255.255 of `x` is reserved or broadcast, but it lives on the Internet",
                "5 UnusableAddress: the address fd00::1 of `x` is private, but it lives on the Internet",
            ],
        ),
        (
            "outside x on-premises_office 10.0.0.1,192.168.1.1,224.0.0.1",
            &[
                "5 UnusableAddress: the address 10.0.0.1 of `x` is outside the ranges of its on-premises network `office`",
                "5 UnusableAddress: the address 224.0.0.1 of `x` is multicast",
            ],
        ),
        (
            "outside x intranet_of_a 127.0.0.1",
            &["5 UnusableAddress: the address 127.0.0.1 of `x` is loopback"],
        ),
    ]);
    assert_eq!(met, classes(&["UnusableAddress"]));
}

#[test]
fn classic_interfaces_have_no_ipv6() {
    let mut world = world("classic x 10.80.0.5");
    world.interfaces[0].ipv6.push("2001:db8::1".parse().unwrap());
    let expected = "1 UnusableAddress: `x` in the classic network has the IPv6 address 2001:db8::1";
    assert_eq!(shown(&world), [expected]);
}

/// A cloud service may live where no other host can, if the platform says so.
#[test]
fn the_platforms_addresses_are_its_services() {
    let text = "vpc a 10.0.0.0/16\noutside meta intranet_of_a 169.254.169.254";
    let mut world = world(text);
    assert_eq!(
        shown(&world),
        ["2 UnusableAddress: the address 169.254.169.254 of `meta` is link-local"]
    );
    world.platform.metadata_server = "169.254.169.254".parse().unwrap();
    assert_eq!(shown(&world), [""; 0]);
}

/// All problems at once, in the order of the file, whatever the order of the lists.
#[test]
fn problems_come_in_the_order_of_the_file() {
    let mut world = world(
        "vpc a 10.0.0.0/16\nvswitch v a 11.0.0.0/24\nclassic x 10.80.0.5\nclassic y 10.80.0.5\n\
         vpc a 127.0.0.0/8",
    );
    world.vpcs.reverse();
    world.vswitches[0].vpc = ringfence_cloud::VpcIndex(1);
    world.interfaces.reverse();
    let expected = [
        "2 VSwitchOutsideVpc: the range 11.0.0.0/24 of vSwitch `v` is outside its VPC `a`",
        "4 DuplicateMac (3): two interfaces in one network have the MAC address 00:16:3e:50:00:05",
        "4 DuplicateAddress (3): `y` has 10.80.0.5, which is `x`'s",
        "5 DuplicateId (1): two VPCs are called `a`",
        "5 UnusableAddress: the range 127.0.0.0/8 of VPC `a` holds addresses of 127.0.0.0/8 \
         (loopback)",
    ];
    assert_eq!(shown(&world), expected);
}
