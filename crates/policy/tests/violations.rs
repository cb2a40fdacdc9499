//! Everything that validation refuses or warns of: its code, its place, and that help is given.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use common::{Lab, VPC_B, text};
use ringfence_policy::{Options, Profile};

/// What validation says of the lab that `build` makes.
fn said(build: impl FnOnce(&mut Lab)) -> Vec<String> {
    let mut lab = Lab::new();
    build(&mut lab);
    let violations = match lab.validate() {
        Ok((_, warnings)) => warnings,
        Err(violations) => violations,
    };
    for violation in &violations {
        assert!(!violation.help.is_empty(), "{violation:?}");
        assert!(!violation.message.is_empty(), "{violation:?}");
        assert!(!violation.message.ends_with('.'), "{violation:?}");
    }
    violations.iter().map(|violation| lab.told(violation)).collect()
}

/// One rule in a basic group of a VPC, and what is said of it.
#[track_caller]
fn check(row: &str, expected: &[&str]) {
    assert_eq!(said(|lab| drop(lab.group("sg-a", &[row]))), expected, "{row}");
}

#[track_caller]
fn check_classic(row: &str, expected: &[&str]) {
    assert_eq!(said(|lab| drop(lab.classic_group("sg-a", &[row]))), expected, "{row}");
}

#[track_caller]
fn check_aws(row: &str, expected: &[&str]) {
    for profile in [Profile::Aws, Profile::Neutron] {
        let said = said(|lab| {
            lab.options = Options::of(profile);
            lab.group("sg-a", &[row]);
        });
        assert_eq!(said, expected, "{row}");
    }
}

fn drop<T>(_: T) {}

#[test]
fn words() {
    check(
        "sideways | | | tcp | 80/80 | ::/0",
        &["error InvalidGressFlow.Malformed 2:1 `sideways`"],
    );
    check(
        "inbound | permit | | tcp | 80/80 | ::/0",
        &["error InvalidPolicy.Malformed 2:11 `permit`"],
    );
    check(
        "inbound | | | sctp | 80/80 | ::/0",
        &["error InvalidIpProtocol.ValueNotSupported 2:15 `sctp`"],
    );
    check(
        "inbound | | | 256 | -1/-1 | ::/0",
        &["error InvalidIpProtocol.ValueNotSupported 2:15 `256`"],
    );
    check(
        "inbound | | | tcp | 80/80 | ::/0 | nic=outernet",
        &["error InvalidNicType.ValueNotSupported 2:40 `outernet`"],
    );
    for fine in [
        "INBOUND | ALLOW | 1 | CUSTOM TCP | Destination: 80/80 | Source: 0.0.0.0/0",
        "Ingress | Accept | 1 | tcp | DESTINATION: 80/80 | source: 0.0.0.0/0",
        "outbound | deny | 100 | Custom  UDP | destination:80/80 | Destination: 0.0.0.0/0",
        "EGRESS | Drop | | all gre | | 0.0.0.0/0",
        "inbound | forbid | | All ICMP (IPv4) | -1/-1 | 0.0.0.0/0",
        "inbound | | | ICMPv6 | -1/-1 | ::/0",
        "inbound | | | 6 | 80/80 | ::/0",
        "inbound | | | 0 | | ::/0",
        "inbound | | | 255 | -1/-1 | ::/0 | nic=INTRANET",
    ] {
        check(fine, &[]);
    }
}

#[test]
fn priorities() {
    for priority in ["x", "1.5", "1x", "-", "+1", "1 0"] {
        let row = format!("inbound | | {priority} | tcp | 80/80 | ::/0");
        check(&row, &[&format!("error InvalidPriority.Malformed 2:13 `{priority}`")]);
    }
    for priority in ["0", "-1", "101", "110", "111", "256", "99999999999"] {
        let row = format!("inbound | | {priority} | tcp | 80/80 | ::/0");
        check(&row, &[&format!("error InvalidPriority.ValueNotSupported 2:13 `{priority}`")]);
    }
    check("inbound | | 1 | tcp | 80/80 | ::/0", &[]);
    check("inbound | | 100 | tcp | 80/80 | ::/0", &[]);
}

#[test]
fn ports() {
    for ports in [
        "80",
        "200/1",
        "0/1",
        "1/65536",
        "65536/65536",
        "0/0",
        "80-90",
        "a/b",
        "/",
        "1/2/3",
        "-1/80",
        "+1/2",
        "1/ 2",
        "-1/-1",
    ] {
        let row = format!("inbound | | | tcp | {ports} | ::/0");
        check(&row, &[&format!("error InvalidParam.PortRange 2:21 `{ports}`")]);
    }
    check("inbound | | | udp | | ::/0", &["error InvalidPortRange.Malformed 2:1 rule"]);
    check("inbound | | | all | 1/65535 | ::/0", &["error InvalidParam.PortRange 2:21 `1/65535`"]);
    for protocol in ["icmpv6", "gre   ", "132   "] {
        let row = format!("inbound | | | {protocol} | 80/80 | ::/0");
        check(&row, &["error OperationDenied 2:24 `80/80`"]);
    }
    check("inbound | | | tcp | Source: 80/80 | ::/0", &["error wrong-side 2:21 `Source: 80/80`"]);
    for fine in ["1/1", "65535/65535", "1/65535", "80/80"] {
        check(&format!("inbound | | | tcp | {fine} | ::/0"), &[]);
    }
}

#[test]
fn source_ports() {
    for ports in ["80", "2/1"] {
        let row = format!("inbound | | | tcp | 80/80 | ::/0 | source_ports={ports}");
        check(&row, &[&format!("error InvalidSourcePortRange.Malformed 2:49 `{ports}`")]);
    }
    check(
        "inbound | | | all | -1/-1 | ::/0 | source_ports=22/22",
        &["error InvalidSourcePortRange.Malformed 2:49 `22/22`"],
    );
    check(
        "inbound | | | tcp | 80/80 | ::/0 | source_ports=Destination: 22/22",
        &["error wrong-side 2:49 `Destination: 22/22`"],
    );
    check("inbound | | | tcp | 80/80 | ::/0 | source_ports=Source: 22/22", &[]);
    check("inbound | | | tcp | 80/80 | ::/0 | source_ports=-1/-1", &[]);
    check("inbound | | | all | -1/-1 | ::/0 | source_ports=-1/-1", &[]);
}

#[test]
fn port_lists() {
    let with_list = |protocol: &str, word: &str| {
        let row = format!("inbound | | | {protocol} | {word} | ::/0");
        said(|lab| {
            lab.group("sg-a", &[&row]);
            lab.port_list("prl-a", None, &["80/80"]);
        })
    };
    assert!(with_list("tcp", "prl-a").is_empty());
    assert!(with_list("tcp", "Destination: prl-a").is_empty());
    assert_eq!(
        with_list("all", "prl-a"),
        ["error InvalidParam.ProtocolNotSupportPortRangeList 2:21 `prl-a`"]
    );
    assert_eq!(with_list("tcp", "prl-b"), ["error InvalidPortRangeListId.NotFound 2:21 `prl-b`"]);
    assert_eq!(with_list("tcp", "prl-****"), ["error masked-id 2:21 `prl-****`"]);
    let classic = said(|lab| {
        lab.classic_group("sg-a", &["inbound | | | tcp | prl-a | 0.0.0.0/0"]);
        lab.port_list("prl-a", None, &["80/80"]);
    });
    assert_eq!(classic, ["error classic-port-list 2:21 `prl-a`"]);
}

#[test]
fn objects() {
    check("inbound | | | tcp | 80/80 | ", &["error MissingParameter.Source 2:1 rule"]);
    check("outbound | | | tcp | 80/80 | ", &["error MissingParameter.Dest 2:1 rule"]);
    check(
        "outbound | | | tcp | 80/80 | | source=10.0.0.1",
        &["error MissingParameter.Dest 2:1 rule"],
    );
    for word in [
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/+8",
        "01.2.3.4",
        "10.0.0.0/255.0.0.0",
        "web",
        "1.2.3.4/8/8",
        "any",
    ] {
        let row = format!("inbound | | | tcp | 80/80 | {word}");
        check(&row, &[&format!("error InvalidSourceCidrIp.Malformed 2:29 `{word}`")]);
        let row = format!("outbound | | | tcp | 80/80 | {word}");
        check(&row, &[&format!("error InvalidDestCidrIp.Malformed 2:30 `{word}`")]);
    }
    for word in ["2001:db8::g", "::/129", ":::", "fe80::1%eth0"] {
        let row = format!("inbound | | | tcp | 80/80 | {word}");
        check(&row, &[&format!("error InvalidParam.Ipv6SourceCidrIp 2:29 `{word}`")]);
        let row = format!("outbound | | | tcp | 80/80 | {word}");
        check(&row, &[&format!("error InvalidParam.Ipv6DestCidrIp 2:30 `{word}`")]);
    }
    check(
        "inbound | | | tcp | 80/80 | 2408:XXXX::1",
        &["error masked-address 2:29 `2408:XXXX::1`"],
    );
    check(
        "inbound | | | tcp | 80/80 | Destination: ::/0",
        &["error wrong-side 2:29 `Destination: ::/0`"],
    );
    check("outbound | | | tcp | 80/80 | Source: ::/0", &["error wrong-side 2:30 `Source: ::/0`"]);
    check("inbound | | | tcp | 80/80 | 10.0.0.1/8", &["warning host-bits 2:29 `10.0.0.1/8`"]);
    check(
        "inbound | | | tcp | 80/80 | 2001:db8::1/32",
        &["warning host-bits 2:29 `2001:db8::1/32`"],
    );
    for fine in ["0.0.0.0/0", "1.2.3.4/32", "::1/128", "2408:180:0000::1", "255.255.255.255"] {
        check(&format!("inbound | | | tcp | 80/80 | {fine}"), &[]);
    }
}

#[test]
fn icmp_and_ip_versions() {
    check(
        "inbound | | | icmp | | ::/0",
        &["error InvalidParam.Ipv4ProtocolConflictWithIpv6Address 2:24 `::/0`"],
    );
    check(
        "inbound | | | 1 | | ::/0",
        &["error InvalidParam.Ipv4ProtocolConflictWithIpv6Address 2:21 `::/0`"],
    );
    check(
        "inbound | | | icmpv6 | | 0.0.0.0/0",
        &["error InvalidParam.Ipv6ProtocolConflictWithIpv4Address 2:26 `0.0.0.0/0`"],
    );
    check(
        "inbound | | | icmpv6 | | ::/0 | targets=10.0.0.1",
        &["error InvalidParam.Ipv6ProtocolConflictWithIpv4Address 2:41 `10.0.0.1`"],
    );
    let with_list = said(|lab| {
        lab.prefix_list("pl-a", None, &["10.0.0.0/8"]);
        lab.prefix_list("pl-empty", None, &[]);
        let rows = ["inbound | | | icmpv6 | | pl-a", "inbound | | | icmpv6 | | pl-empty"];
        lab.group("sg-a", &rows);
    });
    assert_eq!(with_list, ["error InvalidParam.PrefixListAddressFamilyMismatch 4:26 `pl-a`"]);
}

#[test]
fn narrowing() {
    check(
        "inbound | | | tcp | 80/80 | 1.2.3.4 | targets=x",
        &["error InvalidParam.DestCidrIp 2:47 `x`"],
    );
    check(
        "outbound | | | tcp | 80/80 | 1.2.3.4 | sources=x",
        &["error InvalidParam.SourceCidrIp 2:48 `x`"],
    );
    check(
        "inbound | | | tcp | 80/80 | ::/0 | targets=:x",
        &["error InvalidParam.Ipv6DestCidrIp 2:44 `:x`"],
    );
    check(
        "outbound | | | tcp | 80/80 | ::/0 | sources=:x",
        &["error InvalidParam.Ipv6SourceCidrIp 2:45 `:x`"],
    );
    check(
        "inbound | | | tcp | 80/80 | 1.2.3.4 | targets=47.96.0.1",
        &["error public-own-address 2:47 `47.96.0.1`"],
    );
    check("inbound | | | tcp | 80/80 | 1.2.3.4 | targets=XX", &["error masked-address 2:47 `XX`"]);
    check(
        "inbound | | | tcp | 80/80 | 10.0.0.1 | targets=10.0.0.1/32",
        &["error InvalidParamter.Conflict 2:48 `10.0.0.1/32`"],
    );
    check(
        "inbound | | | tcp | 80/80 | 10.0.0.1 | targets=::/0",
        &["error family-mismatch 2:48 `::/0`"],
    );
    check(
        "inbound | | | tcp | 80/80 | 1.2.3.4 | sources=10.0.0.1",
        &["error wrong-side 2:47 `10.0.0.1`"],
    );
    check(
        "outbound | | | tcp | 80/80 | 1.2.3.4 | targets=10.0.0.1",
        &["error wrong-side 2:48 `10.0.0.1`"],
    );
    check(
        "inbound | | | tcp | 80/80 | 1.2.3.4 | targets=Source: 10.0.0.1",
        &["error wrong-side 2:47 `Source: 10.0.0.1`"],
    );
}

/// "Must be the PRIVATE IP, never the EIP/public IP"; one IP version in a rule.
#[test]
fn narrowing_by_own_addresses() {
    for fine in ["10.255.255.255", "172.31.0.0/16", "192.168.0.1", "100.64.0.1", "172.0.0.0/8"] {
        check(&format!("inbound | | | tcp | 80/80 | 1.2.3.4 | targets={fine}"), &[]);
    }
    for public in ["9.255.255.255", "172.32.0.0/11", "192.169.0.1", "100.128.0.1"] {
        let row = format!("inbound | | | tcp | 80/80 | 1.2.3.4 | targets={public}");
        check(&row, &[&format!("error public-own-address 2:47 `{public}`")]);
    }
    // A VPC may have public ranges of its own.
    let own_range = said(|lab| {
        lab.world.vpcs[0].cidrs.push("47.96.0.0/16".parse().unwrap());
        lab.group("sg-a", &["inbound | | | tcp | 80/80 | 1.2.3.4 | targets=47.96.0.1"]);
    });
    assert!(own_range.is_empty());
    let two = |row: &str| {
        said(|lab| {
            lab.group("sg-b", &[]);
            lab.group("sg-a", &[row]);
        })
    };
    assert_eq!(
        two("inbound | | | tcp | 80/80 | sg-b | targets=10.0.0.1 | targets=::1"),
        ["error InvalidParam.DestIp 3:63 `::1`"]
    );
    assert_eq!(
        two("outbound | | | tcp | 80/80 | sg-b | sources=10.0.0.1 | source=::1"),
        ["error InvalidParam.SourceIp 3:45 `10.0.0.1`"]
    );
    assert!(
        two("inbound | | | tcp | 80/80 | sg-b | destination=10.0.0.1 | targets=10.0.0.2")
            .is_empty()
    );
    let with_list = said(|lab| {
        lab.prefix_list("pl-a", None, &["10.0.0.0/8"]);
        lab.group("sg-a", &["inbound | | | tcp | 80/80 | pl-a | targets=::1"]);
    });
    assert_eq!(with_list, ["error family-mismatch 3:44 `::1`"]);
}

#[test]
fn prefix_lists_as_objects() {
    let with_list = |group: fn(&mut Lab, &str), row: &str| {
        said(|lab| {
            lab.prefix_list("pl-aa", None, &["10.0.0.0/8"]);
            group(lab, row);
        })
    };
    let vpc: fn(&mut Lab, &str) = |lab, row| drop(lab.group("sg-a", &[row]));
    let classic: fn(&mut Lab, &str) = |lab, row| drop(lab.classic_group("sg-a", &[row]));
    assert!(with_list(vpc, "inbound | | | tcp | 80/80 | pl-aa").is_empty());
    assert_eq!(
        with_list(vpc, "inbound | | | tcp | 80/80 | pl-ab"),
        ["error InvalidPrefixListId.NotFound 3:29 `pl-ab`"]
    );
    assert_eq!(
        with_list(vpc, "inbound | | | tcp | 80/80 | pl-****"),
        ["error masked-id 3:29 `pl-****`"]
    );
    assert_eq!(
        with_list(classic, "inbound | | | tcp | 80/80 | pl-aa"),
        ["error NotSupported.ClassicNetworkPrefixList 3:29 `pl-aa`"]
    );
}

#[test]
fn groups_as_objects() {
    let both = |prepare: fn(&mut Lab), own: fn(&mut Lab, &str), row: &str| {
        said(|lab| {
            prepare(lab);
            own(lab, row);
        })
    };
    let other: fn(&mut Lab) = |lab| drop(lab.group("sg-other", &[]));
    let own: fn(&mut Lab, &str) = |lab, row| drop(lab.group("sg-own", &[row]));
    let advanced: fn(&mut Lab, &str) = |lab, row| drop(lab.advanced("sg-own", &[row]));
    let into = |object: &str| format!("inbound | | | tcp | 80/80 | {object}");
    let out_of = |object: &str| format!("outbound | | | tcp | 80/80 | {object}");
    for fine in ["sg-other", "1000/sg-other"] {
        assert!(both(other, own, &into(fine)).is_empty());
        assert!(both(other, own, &out_of(fine)).is_empty());
    }
    for missing in ["sg-othr", "2000/sg-other", "2000/sg-else", "name/sg-other"] {
        assert_eq!(
            both(other, own, &into(missing)),
            [format!("error InvalidSourceGroupId.NotFound 3:29 `{missing}`")]
        );
        assert_eq!(
            both(other, own, &out_of(missing)),
            [format!("error InvalidDestGroupId.NotFound 3:30 `{missing}`")]
        );
    }
    let of_b: fn(&mut Lab) = |lab| lab.group("sg-other", &[]).network = VPC_B;
    assert_eq!(
        both(of_b, own, &into("sg-other")),
        ["error InvalidSourceGroupId.Mismatch 3:29 `sg-other`"]
    );
    assert_eq!(
        both(of_b, own, &out_of("sg-other")),
        ["error InvalidDestGroupId.Mismatch 3:30 `sg-other`"]
    );
    let classic: fn(&mut Lab) = |lab| drop(lab.classic_group("sg-other", &[]));
    assert_eq!(
        both(classic, own, &into("sg-other")),
        ["error InvalidNetworkType.Conflict 3:29 `sg-other`"]
    );
    assert_eq!(
        both(other, own, &out_of("sg-own")),
        ["error InvalidParamter.Conflict 3:30 `sg-own`"]
    );
    assert_eq!(
        both(other, advanced, &into("sg-other")),
        ["error InvalidGroupParameter.OperationDenied 3:29 `sg-other`"]
    );
    let advanced_other: fn(&mut Lab) = |lab| drop(lab.advanced("sg-other", &[]));
    assert_eq!(
        both(advanced_other, own, &into("sg-other")),
        ["error InvalidGroupAuthParameter.OperationDenied 3:29 `sg-other`"]
    );
    let abroad: fn(&mut Lab) = |lab| {
        let account = lab.account("2000");
        lab.group("sg-other", &[]).account = account;
    };
    assert_eq!(
        both(abroad, own, &into("sg-other")),
        ["error InvalidSourceGroupId.NotFound 3:29 `sg-other`"]
    );
    assert!(both(abroad, own, &into("2000/sg-other")).is_empty());
}

#[test]
fn nics_and_the_classic_network() {
    check(
        "inbound | | | tcp | 80/80 | ::/0 | nic=internet",
        &["error InvalidNicType.Mismatch 2:40 `internet`"],
    );
    check_classic(
        "inbound | | | icmpv6 | | ::/0",
        &[
            "error InvalidIpProtocol.ValueNotSupported 2:15 `icmpv6`",
            "error InvalidParam.Ipv6SourceCidrIp 2:26 `::/0`",
        ],
    );
    check_classic(
        "outbound | | | tcp | 80/80 | ::/0",
        &["error InvalidParam.Ipv6DestCidrIp 2:30 `::/0`"],
    );
    check_classic(
        "outbound | | | tcp | 80/80 | 1.2.3.4 | sources=::1",
        &["error InvalidParam.Ipv6SourceCidrIp 2:48 `::1`"],
    );
    check_classic(
        "inbound | | | tcp | 80/80 | 10.0.0.0/31 | nic=intranet",
        &["warning classic-wide-range 2:29 `10.0.0.0/31`"],
    );
    for fine in [
        "inbound | | | tcp | 80/80 | 10.0.0.0/32 | nic=intranet",
        "inbound | | | tcp | 80/80 | 0.0.0.0/0",
        "outbound | | | tcp | 80/80 | 10.0.0.0/8 | nic=intranet",
        "inbound | | | tcp | 80/80 | 0.0.0.0/0 | targets=47.96.0.1",
    ] {
        check_classic(fine, &[]);
    }
    check_classic(
        "inbound | | | tcp | 80/80 | 10.0.0.1 | nic=intranet | targets=47.96.0.1",
        &["error public-own-address 2:63 `47.96.0.1`"],
    );
    let group_object = |row: &str| {
        said(|lab| {
            lab.classic_group("sg-b", &[]);
            lab.classic_group("sg-a", &[row]);
        })
    };
    assert_eq!(
        group_object("inbound | | | tcp | 80/80 | sg-b"),
        ["error InvalidSourceGroupId.Mismatch 3:29 `sg-b`"]
    );
    assert_eq!(
        group_object("outbound | | | tcp | 80/80 | sg-b | nic=internet"),
        ["error InvalidDestGroupId.Mismatch 3:30 `sg-b`"]
    );
    assert!(group_object("inbound | | | tcp | 80/80 | sg-b | nic=intranet").is_empty());
}

#[test]
fn ids_and_descriptions() {
    for (length, fine) in [(1, true), (512, true), (513, false)] {
        // Two bytes each: characters count, not bytes.
        let row = format!("inbound | | | tcp | 80/80 | ::/0 | description={}", "é".repeat(length));
        let expected = "error InvalidSecurityGroupDiscription.Malformed 2:48";
        let said = said(|lab| drop(lab.group("sg-a", &[&row])));
        assert_eq!(said.iter().any(|told| told.starts_with(expected)), !fine, "{length}");
        assert_eq!(said.is_empty(), fine, "{length}");
    }
    check(
        "inbound | | | tcp | 80/80 | ::/0 | description=",
        &["error InvalidSecurityGroupDiscription.Malformed 2:48 ``"],
    );
    check("inbound | | | tcp | 80/80 | ::/0 | id=", &["error empty-id 2:39 ``"]);
    check("inbound | | | tcp | 80/80 | ::/0 | id=sgr-****", &["error masked-id 2:39 `sgr-****`"]);
    assert_eq!(said(|lab| drop(lab.group("", &[]))), ["error empty-id 1:1"]);
    assert_eq!(said(|lab| drop(lab.group("sg-bp1****", &[]))), ["error masked-id 1:1"]);
    let twice = said(|lab| {
        lab.group("sg-a", &[]);
        lab.group("sg-a", &[]);
        lab.prefix_list("pl-a", None, &[]);
        lab.prefix_list("pl-a", None, &[]);
        lab.port_list("prl-a", None, &[]);
        lab.port_list("prl-a", None, &[]);
    });
    assert_eq!(
        twice,
        ["error duplicate-id 2:1", "error duplicate-id 4:1", "error duplicate-id 6:1"]
    );
    let rules = said(|lab| {
        lab.group("sg-a", &["inbound | | | tcp | 80/80 | ::/0 | id=sgr-1"]);
        lab.group(
            "sg-b",
            &[
                "inbound | | | tcp | 80/80 | ::/0 | id=sgr-1",
                "inbound | | | tcp | 81/81 | ::/0 | id=sg-b/3",
                "inbound | | | tcp | 82/82 | ::/0",
            ],
        );
    });
    assert_eq!(rules, ["error duplicate-id 4:39 `sgr-1`", "error duplicate-id 6:1 rule"]);
}

#[test]
fn duplicate_rules() {
    let mut lab = Lab::new();
    lab.group(
        "sg-a",
        &[
            "inbound | | | tcp | 80/80 | 10.0.0.0/8",
            "Ingress | accept | 1 | Custom TCP | 80/80 | Source: 10.0.0.0/8 | id=x | description=y",
            "inbound | | 2 | tcp | 80/80 | 10.0.0.0/8",
            "inbound | drop | | tcp | 80/80 | 10.0.0.0/8",
            "outbound | | | tcp | 80/80 | 10.0.0.0/8",
            "inbound | | | udp | 80/80 | 10.0.0.0/8",
            "inbound | | | tcp | 80/81 | 10.0.0.0/8",
            "inbound | | | tcp | 80/80 | 10.0.0.0/9",
            "inbound | | | tcp | 80/80 | 10.0.0.0/8 | source_ports=1/1",
            "inbound | | | tcp | 80/80 | 10.0.0.0/8 | targets=10.0.0.1",
        ],
    );
    let (policies, warnings) = lab.validate().unwrap();
    let told: Vec<String> = warnings.iter().map(|warning| lab.told(warning)).collect();
    assert_eq!(told, ["warning duplicate-rule 3:1 rule"]);
    let ids: Vec<&str> = policies.groups[0].rules.iter().map(|rule| rule.id.as_str()).collect();
    let rest =
        ["sg-a/1", "sg-a/3", "sg-a/4", "sg-a/5", "sg-a/6", "sg-a/7", "sg-a/8", "sg-a/9", "sg-a/10"];
    assert_eq!(ids, rest);
}

#[test]
fn groups() {
    let kind = |word: &str| said(|lab| lab.group("sg-a", &[]).kind = Some(text(word, 1, 20)));
    assert_eq!(kind("simple"), ["error group-type 1:20"]);
    for fine in ["basic", "Advanced", "normal", "ENTERPRISE"] {
        assert!(kind(fine).is_empty());
    }
    let same_group =
        |word: &str| said(|lab| lab.group("sg-a", &[]).same_group = Some(text(word, 1, 30)));
    assert_eq!(same_group("maybe"), ["error InvalidPolicy.Malformed 1:30"]);
    assert!(same_group("Accept").is_empty());
    for word in ["accept", "drop"] {
        let advanced = said(|lab| lab.advanced("sg-a", &[]).same_group = Some(text(word, 1, 30)));
        assert_eq!(advanced, ["error InvalidGroupParameter.OperationDenied 1:30"]);
    }
    let classic = said(|lab| lab.classic_group("sg-a", &[]).kind = Some(text("advanced", 1, 20)));
    assert_eq!(classic, ["error classic-advanced-group 1:20"]);
}

#[test]
fn lists() {
    let prefix_list = |max, entries: &[&str]| said(|lab| lab.prefix_list("pl-a", max, entries));
    let port_list = |max, entries: &[&str]| said(|lab| lab.port_list("prl-a", max, entries));
    assert_eq!(prefix_list(None, &["x"]), ["error InvalidPrefixListEntry.Malformed 1:30"]);
    assert_eq!(prefix_list(None, &["10.XX"]), ["error masked-address 1:30"]);
    assert_eq!(prefix_list(None, &["10.0.0.1/8"]), ["warning host-bits 1:30"]);
    assert_eq!(prefix_list(None, &["10.0.0.0/8", "10.0.0.0/8"]), ["warning duplicate-entry 1:40"]);
    assert_eq!(
        prefix_list(None, &["10.0.0.0/8", "::/0"]),
        ["error InvalidParam.PrefixListAddressFamilyMismatch 1:40"]
    );
    let family = |word: &str| {
        said(|lab| {
            lab.prefix_list("pl-a", None, &["10.0.0.0/8"]);
            lab.catalogue.prefix_lists[0].family = Some(text(word, 1, 25));
        })
    };
    assert_eq!(family("v4"), ["error address-family 1:25"]);
    assert_eq!(family("ipv6"), ["error InvalidParam.PrefixListAddressFamilyMismatch 1:30"]);
    assert!(family("IPv4").is_empty());
    for max in ["0", "201", "x", "-1"] {
        assert_eq!(prefix_list(Some(max), &[]), ["error list-max-entries 1:20"], "{max}");
    }
    for max in ["0", "2001", "x"] {
        assert_eq!(port_list(Some(max), &[]), ["error list-max-entries 1:20"], "{max}");
    }
    assert!(prefix_list(Some("200"), &[]).is_empty());
    assert!(port_list(Some("2000"), &[]).is_empty());
    assert!(port_list(Some("1"), &["80/80"]).is_empty());
    assert_eq!(port_list(Some("1"), &["80/80", "81/81"]), ["error list-max-entries 1:20"]);
    assert_eq!(port_list(None, &["80"]), ["error InvalidParam.PortRange 1:30"]);
    assert_eq!(port_list(None, &["-1/-1"]), ["error InvalidParam.PortRange 1:30"]);
    assert_eq!(port_list(None, &["80/80", "80/80"]), ["warning duplicate-entry 1:40"]);
    let entries: Vec<String> = (0..=200).map(|i| format!("10.0.{i}.0/24")).collect();
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    assert!(prefix_list(None, &entries[..200]).is_empty());
    assert_eq!(prefix_list(None, &entries), ["error list-max-entries 1:1"]);
}

#[test]
fn profiles() {
    check_aws("inbound | drop | | tcp | 80/80 | ::/0", &["error allow-only 2:11 `drop`"]);
    check_aws("inbound | | 2 | tcp | 80/80 | ::/0", &["warning no-priority 2:13 `2`"]);
    check_aws("inbound | | 1 | tcp | 80/80 | ::/0", &[]);
    check_aws("inbound | | | tcp | 80/80 | sg-a", &[]);
    check_aws("inbound | | | icmp | | 0.0.0.0/0 | icmp_type=8 | icmp_code=0", &[]);
    check_aws("inbound | | | icmpv6 | | ::/0 | icmp_type=255 | icmp_code=-1", &[]);
    check_aws("inbound | | | tcp | 80/80 | ::/0 | icmp_type=8", &["error icmp-selector 2:46 `8`"]);
    check_aws(
        "inbound | | | icmp | | 0.0.0.0/0 | icmp_type=256",
        &["error icmp-selector 2:46 `256`"],
    );
    check_aws("inbound | | | icmp | | 0.0.0.0/0 | icmp_code=4", &["error icmp-selector 2:46 `4`"]);
    check("inbound | | | icmp | | 0.0.0.0/0 | icmp_type=8", &["error icmp-selector 2:46 `8`"]);
    let aws = |build: fn(&mut Lab)| {
        said(|lab| {
            lab.options = Options::of(Profile::Aws);
            build(lab);
        })
    };
    assert_eq!(aws(|lab| drop(lab.advanced("sg-a", &[]))), ["error not-in-profile 1:20"]);
    let accept = aws(|lab| lab.group("sg-a", &[]).same_group = Some(text("accept", 1, 30)));
    assert_eq!(accept, ["error not-in-profile 1:30"]);
    assert!(aws(|lab| drop(lab.isolating("sg-a", &[]))).is_empty());
    let across = |profile, is_joined: bool| {
        said(|lab| {
            lab.options = Options::of(profile);
            if is_joined {
                lab.join();
            }
            lab.group("sg-b", &[]).network = VPC_B;
            lab.group("sg-a", &["inbound | | | tcp | 80/80 | sg-b"]);
        })
    };
    let mismatch = ["error InvalidSourceGroupId.Mismatch 3:29 `sg-b`"];
    assert!(across(Profile::Aws, true).is_empty());
    assert_eq!(across(Profile::Aws, false), mismatch);
    assert_eq!(across(Profile::Neutron, true), mismatch);
    assert_eq!(across(Profile::Alibaba, true), mismatch);
}

#[test]
fn memberships() {
    let hosts = |build: fn(&mut Lab)| {
        said(|lab| {
            lab.group("sg-a", &[]);
            lab.advanced("sg-b", &[]);
            lab.group("sg-c", &[]).network = VPC_B;
            lab.classic_group("sg-d", &[]);
            build(lab);
        })
    };
    assert!(hosts(|lab| lab.host("web", &["172.16.1.1"], &["sg-a"])).is_empty());
    assert!(hosts(|lab| lab.classic_host("old", "10.1.1.1", "47.96.0.1", &["sg-d"])).is_empty());
    for (groups, expected) in [
        (&[] as &[&str], "error InstanceLastSecurityGroup 1000:1"),
        (&["sg-a", "sg-a"], "error InvalidInstanceId.AlreadyExists 1000:1"),
        (&["sg-a", "sg-c"], "error InvalidInstanceId.Mismatch 1000:1"),
        (&["sg-d"], "error InvalidInstanceId.Mismatch 1000:1"),
        (&["sg-b", "sg-a"], "error mixed-group-types 1000:1"),
    ] {
        let said = said(|lab| {
            lab.group("sg-a", &[]);
            lab.advanced("sg-b", &[]);
            lab.group("sg-c", &[]).network = VPC_B;
            lab.classic_group("sg-d", &[]);
            lab.host("web", &["172.16.1.1"], groups);
        });
        assert_eq!(said, [expected], "{groups:?}");
    }
    let classic = hosts(|lab| lab.classic_host("old", "10.1.1.1", "47.96.0.1", &[]));
    assert_eq!(classic, ["error InstanceLastSecurityGroup 1000:1"]);
}

/// What is wrong is told apart.
#[test]
fn messages() {
    let message = |ports: &str, object: &str| {
        let mut lab = Lab::new();
        lab.group("sg-a", &[&format!("inbound | | | tcp | {ports} | {object}")]);
        lab.validate().unwrap_err()[0].message.clone()
    };
    for (ports, expected) in [
        ("0/80", "`0/80` has port 0, and ports count from 1"),
        ("80/0", "`80/0` has port 0, and ports count from 1"),
        ("80/79", "`80/79` ends before it starts"),
        ("1/65536", "`1/65536` goes beyond port 65535"),
        ("80", "`80` is one port, and a range is wanted"),
        ("http", "`http` is no port range"),
    ] {
        assert_eq!(message(ports, "::/0"), expected);
    }
    for (object, expected) in [
        ("172.16.1.2.3", "`172.16.1.2.3` has 5 parts, and an IPv4 address has 4"),
        ("172.16.1", "`172.16.1` has 3 parts, and an IPv4 address has 4"),
        ("172.16.1.256", "`172.16.1.256` is no address or range"),
        ("10.0.0.0/33", "`33` in `10.0.0.0/33` is no prefix length"),
        ("192.168.XX.XX", "`192.168.XX.XX` is masked"),
        ("a:b", "`a:b` is no IPv6 address or range"),
    ] {
        assert_eq!(message("80/80", object), expected);
    }
}

/// Words that were meant to be others are suggested.
#[test]
fn suggestions() {
    let help = |row: &str| {
        let mut lab = Lab::new();
        lab.group("sg-web", &[]);
        lab.group("sg-a", &[row]);
        lab.validate().unwrap_err()[0].help.clone()
    };
    for (row, expected) in [
        ("inbuond | | | tcp | 80/80 | ::/0", "did you mean `inbound`?"),
        ("inbound | alow | | tcp | 80/80 | ::/0", "did you mean `allow`?"),
        ("inbound | | | Custom TPC | 80/80 | ::/0", "did you mean `custom tcp`?"),
        ("inbound | | | tcp | 80/80 | sg-wbe", "did you mean `sg-web`?"),
        ("inbound | | | tcp | 80 | ::/0", "write `80/80`"),
        ("inbound | | | tcp | 200/1 | ::/0", "write `1/200`; one port is written like `80/80`"),
        ("inbound | | | tcp | 0/1 | ::/0", "`80/80`"),
        ("inbound | | | tcp | 1/65536 | ::/0", "`80/80`"),
        ("inbound | | | tcp | 80/80 | sg-nothing-like-it", "`sg-web`, `sg-a`"),
    ] {
        assert!(help(row).contains(expected), "{row}: {}", help(row));
    }
}
