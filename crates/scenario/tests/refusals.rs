//! What is said of files that are wrong: each class once, as a person reads it.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // tests that bound the time ask a clock

use ringfence_scenario::{Diagnostic, Source, load};

const SAMPLE: &str = "\
title: A website that provides web services
vpcs:
  - { id: vpc-shop, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 443/443, source: 0.0.0.0/0 }
instances:
  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg-web], serves: [http, https] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-web/1 }
  - { from: visitor, to: web-1, tcp: 22, verdict: deny, because: default }
";

fn rendered(source: &Source, findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Diagnostic { origin, .. } = finding;
        assert!(origin.start + origin.len <= source.text.len(), "{finding:?}");
        text += &finding.render(source, false);
        text += "\n";
    }
    text
}

/// The sample with one thing changed.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(SAMPLE.matches(from).count(), 1, "`{from}` stands in the sample once");
    refused(&SAMPLE.replace(from, to))
}

/// What is said of a text that must be refused.
fn refused(text: &str) -> String {
    let source = Source::new("shop.yaml", text);
    match load(source.clone()) {
        Ok(_) => panic!("this was accepted:\n{text}"),
        Err(findings) => rendered(&source, &findings),
    }
}

#[test]
fn a_yaml_bomb() {
    let mut bomb = String::from("title: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in ('b'..='j').zip('a'..='i') {
        let repeated = vec![format!("*{before}"); 10].join(", ");
        bomb += &format!("{name}: &{name} [{repeated}]\n");
    }
    let started = std::time::Instant::now();
    insta::assert_snapshot!(refused(&bomb));
    assert!(started.elapsed().as_secs() < 10, "it was let grow");
}

#[test]
fn a_file_that_nests_too_deep() {
    let deep = format!("title: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let said = refused(&deep);
    assert!(said.starts_with("error[RF000"), "{said}");
}

#[test]
fn a_file_that_is_too_large() {
    let large = format!("title: {}\n", "x".repeat(40 * 1024 * 1024));
    let findings = load(Source::new("shop.yaml", &large)).unwrap_err();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, "RF0003");
    assert_eq!(findings[0].message, "the file has 41943048 bytes");
}

#[test]
fn a_duplicate_key() {
    insta::assert_snapshot!(changed("ip: 203.0.113.7 }", "ip: 203.0.113.7, ip: 203.0.113.8 }"));
}

#[test]
fn two_names_of_one_key() {
    insta::assert_snapshot!(changed(
        "443/443, source: 0.0.0.0/0 }",
        "443/443, source: 0.0.0.0/0, protocol_type: All }"
    ));
}

#[test]
fn an_unknown_key_with_a_suggestion() {
    insta::assert_snapshot!(changed("public_ip: ", "pubic_ip: "));
}

#[test]
fn an_unknown_key_without_one() {
    insta::assert_snapshot!(changed("public_ip: ", "colour: "));
}

#[test]
fn a_group_that_does_not_exist() {
    insta::assert_snapshot!(changed("security_groups: [sg-web]", "security_groups: [sg-wed]"));
}

#[test]
fn a_group_in_a_rule_that_does_not_exist() {
    insta::assert_snapshot!(changed("443/443, source: 0.0.0.0/0", "443/443, source: sg-wed"));
}

#[test]
fn a_vswitch_that_does_not_exist() {
    insta::assert_snapshot!(changed("vswitch: vsw-front", "vswitch: vsw-back"));
}

#[test]
fn a_vpc_that_does_not_exist() {
    insta::assert_snapshot!(changed("vpc: vpc-shop", "vpc: vpc-lab"));
}

#[test]
fn an_instance_that_does_not_exist() {
    insta::assert_snapshot!(changed("to: web-1, tcp: 22", "to: web-2, tcp: 22"));
}

#[test]
fn a_port_name_that_does_not_exist() {
    insta::assert_snapshot!(changed("to: web-1, tcp: 22", "to: web-1/eth1, tcp: 22"));
}

#[test]
fn overlapping_addresses() {
    insta::assert_snapshot!(changed(
        "outside:\n",
        "  - { id: web-2, vswitch: vsw-front, ip: 172.16.1.10, mac: '00:16:3e:00:00:02', security_groups: [sg-web] }\noutside:\n"
    ));
}

#[test]
fn overlapping_vswitches() {
    insta::assert_snapshot!(changed(
        "cidr: 172.16.1.0/24 }",
        "cidr: 172.16.1.0/24 }, { id: vsw-back, cidr: 172.16.0.0/22 }"
    ));
}

#[test]
fn an_address_outside_its_vswitch() {
    insta::assert_snapshot!(changed("ip: 172.16.1.10", "ip: 172.16.2.10"));
}

#[test]
fn a_group_of_another_vpc() {
    insta::assert_snapshot!(changed_twice(
        "instances:\n",
        "  - { id: sg-lab, vpc: vpc-lab }\ninstances:\n  - { id: lab-1, vswitch: vsw-front, ip: 172.16.1.20, security_groups: [sg-lab] }\n"
    ));
}

#[test]
fn a_masked_address() {
    insta::assert_snapshot!(changed(
        "443/443, source: 0.0.0.0/0",
        "443/443, source: 172.16.XX.XX.XX"
    ));
}

#[test]
fn a_masked_address_of_an_instance() {
    insta::assert_snapshot!(changed("ip: 172.16.1.10", "ip: 172.16.XX.XX"));
}

#[test]
fn a_masked_account() {
    insta::assert_snapshot!(changed("vpcs:\n", "accounts: [160998252992****]\nvpcs:\n"));
}

#[test]
fn a_masked_group() {
    insta::assert_snapshot!(changed(
        "443/443, source: 0.0.0.0/0",
        "443/443, source: 'Source: 160998252992****/sg-bp174yoe2ib1sqj5****'"
    ));
}

#[test]
fn a_masked_group_id() {
    insta::assert_snapshot!(changed("id: sg-web", "id: sg-bp1hv6wvmegs036****"));
}

#[test]
fn an_unknown_rule() {
    insta::assert_snapshot!(changed("rule: sg-web/1", "rule: sg-web/3"));
}

#[test]
fn an_unknown_verdict() {
    insta::assert_snapshot!(changed("verdict: deny", "verdict: denied"));
}

#[test]
fn an_unknown_reason() {
    insta::assert_snapshot!(changed("because: default", "because: defualt"));
}

#[test]
fn broken_syntax() {
    insta::assert_snapshot!(changed("serves: [http, https] }", "serves: [http, https }"));
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(refused("# nothing\n\n"));
}

#[test]
fn no_bytes() {
    insta::assert_snapshot!(refused(""));
}

#[test]
fn two_documents() {
    insta::assert_snapshot!(refused("title: one\n---\ntitle: two\n"));
}

#[test]
fn a_list_where_a_text_should_be() {
    insta::assert_snapshot!(changed(
        "title: A website that provides web services",
        "title: [a, b]"
    ));
}

#[test]
fn a_text_where_a_list_should_be() {
    insta::assert_snapshot!(changed("serves: [http, https]", "interfaces: eth1"));
}

#[test]
fn a_scalar_where_a_scenario_should_be() {
    insta::assert_snapshot!(refused("hello\n"));
}

#[test]
fn a_huge_port() {
    insta::assert_snapshot!(changed("tcp: 22", "tcp: 99999999999999999999999999"));
}

#[test]
fn a_huge_priority() {
    insta::assert_snapshot!(changed(
        "priority: 1, protocol: Custom TCP, port_range: 443/443",
        "priority: 1e999, protocol: Custom TCP, port_range: 443/443"
    ));
}

#[test]
fn a_negative_duration() {
    insta::assert_snapshot!(changed("outside:\n", "links:\n  web-1: { delay: -5ms }\noutside:\n"));
}

#[test]
fn a_duration_without_unit() {
    insta::assert_snapshot!(changed("outside:\n", "links:\n  web-1: { delay: 5 }\noutside:\n"));
}

#[test]
fn a_duration_that_is_none() {
    insta::assert_snapshot!(changed("outside:\n", "links:\n  web-1: { delay: soon }\noutside:\n"));
}

#[test]
fn a_single_port() {
    insta::assert_snapshot!(changed("443/443", "443"));
}

#[test]
fn a_cloud_service_outside() {
    insta::assert_snapshot!(changed("ip: 203.0.113.7 }", "ip: 100.100.2.136 }"));
}

#[test]
fn what_is_not_supported_yet() {
    insta::assert_snapshot!(changed(
        "expect:\n",
        "never:\n  - { from: visitor, to: web-1, tcp: 22 }\nexpect:\n"
    ));
}

#[test]
fn two_protocols_in_one_expectation() {
    insta::assert_snapshot!(changed("tcp: 22", "tcp: 22, udp: 22"));
}

#[test]
fn no_protocol_in_an_expectation() {
    insta::assert_snapshot!(changed("tcp: 22, ", ""));
}

#[test]
fn a_timeout_that_the_platform_does_not_offer() {
    insta::assert_snapshot!(changed(
        "serves: [http, https] }",
        "serves: [http, https], timeouts: { udp: 31s } }"
    ));
}

/// The sample with a second VPC, and one thing changed.
fn changed_twice(from: &str, to: &str) -> String {
    let lab = "  - { id: vpc-lab, cidr: 10.0.0.0/16 }\nsecurity_groups:\n";
    refused(&SAMPLE.replacen("security_groups:\n", lab, 1).replace(from, to))
}

#[test]
fn a_byte_that_is_not_utf8() {
    let mut bytes = SAMPLE.as_bytes().to_vec();
    bytes[50] = 0xe9;
    let (source, finding) = *Source::from_bytes("shop.yaml", bytes).unwrap_err();
    insta::assert_snapshot!(rendered(&source, &[finding]));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = SAMPLE
        .replace("public_ip: ", "pubic_ip: ")
        .replace("ip: 203.0.113.7 }", "ip: 203.0.113.700 }")
        .replace("verdict: deny", "verdict: denied")
        .replace("tcp: 80,", "tcp: -1,");
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn dangling_references_are_said_at_once() {
    let text = SAMPLE
        .replace("vpc: vpc-shop", "vpc: vpc-shpo")
        .replace("vswitch: vsw-front", "vswitch: vsw-fornt")
        .replace("[sg-web]", "[sg-bew]");
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn as_programs_read_it() {
    let source = Source::new("shop.yaml", &SAMPLE.replace("public_ip: ", "pubic_ip: "));
    let findings = load(source.clone()).unwrap_err();
    let report: Vec<_> = findings.iter().map(|finding| finding.to_json(&source)).collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn a_value_that_needs_quotes() {
    insta::assert_snapshot!(changed("port_range: 443/443", "port_range: Destination: 443/443"));
}

#[test]
fn an_interface_of_another_vpc() {
    let vpcs = "  - { id: vpc-lab, cidr: 10.0.0.0/16, vswitches: [ { id: vsw-lab, cidr: 10.0.1.0/24 } ] }\n\
                security_groups:\n  - { id: sg-lab, vpc: vpc-lab }\n";
    let interfaces = "serves: [http, https], interfaces: [ { id: eth1, vswitch: vsw-lab, ip: \
                      10.0.1.10, security_groups: [sg-lab] } ]";
    let text =
        SAMPLE.replacen("security_groups:\n", vpcs, 1).replace("serves: [http, https]", interfaces);
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn two_timeouts_for_udp() {
    let timeouts = "serves: [http, https], timeouts: { udp_stream: 60s }";
    insta::assert_snapshot!(changed("serves: [http, https]", timeouts));
}

#[test]
fn a_source_as_the_object_of_an_outbound_rule() {
    let rule = "direction: outbound, action: allow, priority: 1, protocol: Custom TCP, port_range: \
                443/443, authorization_object: 'Source: 0.0.0.0/0'";
    let before = "direction: inbound, action: allow, priority: 1, protocol: Custom TCP, \
                  port_range: 443/443, source: 0.0.0.0/0";
    insta::assert_snapshot!(changed(before, rule));
}

#[test]
fn generators_that_cannot_be() {
    let check = |protocol: &str, words: &str, code: &str, said: &str| {
        let traffic = format!(
            "traffic: [ {{ from: visitor, to: web-1, {protocol}, rate: 10, duration: 1s, {words} }} ]\n"
        );
        let refused = refused(&format!("{SAMPLE}{traffic}"));
        assert!(refused.starts_with(&format!("error[{code}]")), "{words}: {refused}");
        assert!(refused.contains(said), "{words}: {refused}");
    };
    check("udp: 7", "popularity: pareto", "RF0009", "no popularity of flows");
    check("udp: 7", "popularity: zipf 0", "RF0010", "not above 0 and at most 10");
    check("udp: 7", "popularity: zipf much", "RF0010", "not above 0 and at most 10");
    check("udp: 7", "popularity: [zipf]", "RF0008", "a list");
    check("udp: 7", "frame_bytes: emix", "RF0009", "no mix of frame lengths");
    check("udp: 7", "frame_bytes: []", "RF0010", "0 lengths of frames");
    check("udp: 7", "frame_bytes: [60, 1515]", "RF0010", "a frame of 1515 bytes cannot be");
    check("udp: 7", "frame_bytes: 59", "RF0010", "a frame of 59 bytes cannot be");
    check("udp: 7", "frame_bytes: { imix: 1 }", "RF0008", "a number of bytes, a list of them");
    check("udp: 7", "new_flows: 11", "RF0010", "11 new flows a second need more frames than 10");
    check("udp: 7", "new_flows: 1, flows: 12769", "RF0010", "12769 flows beside new ones");
    check("udp: 7", "syn_flood: true", "RF0019", "a SYN flood is TCP");
    check("tcp: 7", "syn_flood: true, flows: 2", "RF0019", "a SYN flood has no `flows`");
    check("tcp: 7", "syn_flood: true, popularity: zipf", "RF0019", "has no `popularity`");
    check("tcp: 7", "syn_flood: true, new_flows: 2", "RF0019", "has no `new_flows`");
    check("tcp: 7", "sweep: { hosts: 0 }", "RF0010", "`hosts` times `ports` is 2 to 65536");
    check("tcp: 7", "sweep: {}", "RF0010", "a sweep of 1 addresses and 1 ports");
    check("tcp: 7", "sweep: { hosts: 65537 }", "RF0010", "2 to 65536");
    check("tcp: 65000", "sweep: { ports: 537 }", "RF0010", "write `ports` up to 536");
    check("tcp: 7", "sweep: { ports: 2 }, flows: 3", "RF0019", "a sweep has no `flows`");
    check("tcp: 7", "sweep: { ports: 2 }, syn_flood: true", "RF0019", "a sweep has no `syn_flood`");
}
