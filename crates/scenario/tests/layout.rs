//! The canonical layout, and control files.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use ringfence_scenario::changes::parse_control;
use ringfence_scenario::format::format;
use ringfence_scenario::{Source, load};
use ringfence_switch::Change;

fn check(text: &str, expected: &str) {
    assert_eq!(format(text), expected);
    assert_eq!(format(expected), expected, "formatting twice");
}

#[test]
fn white_space_is_put_right_and_nothing_else_is() {
    check("\u{feff}title: a  \r\n\r\n\r\n\r\n# c \t\r\nseed:   1", "title: a\n\n# c\nseed:   1\n");
    check("\n\ntitle: a\n\n\n", "title: a\n");
    check(
        "vpcs:\n- { id: a,  cidr: 10.0.0.0/8 }  # mine\n",
        "vpcs:\n- { id: a,  cidr: 10.0.0.0/8 }  # mine\n",
    );
}

#[test]
fn texts_over_lines_stay_as_they_are() {
    let text = "title: |\n  one   \n\n\n  two\t\nseed: 1\n";
    check(text, text);
    check("title: >\n  one   \nseed: 1   \n", "title: >\n  one   \nseed: 1\n");
    let text = "title: \"one   \n\n\n  two\"\nseed: 1\n";
    check(text, text);
}

#[test]
fn what_cannot_be_read_stays_as_it_is() {
    for text in ["title: [a  \n", "", "# only  \n\n\n\n", "\u{0}"] {
        check(text, text);
    }
}

#[test]
fn a_formatted_scenario_is_the_same_scenario() {
    let text = include_str!("words.yaml").replace(">\n  A text over\n  two lines.", "A text");
    let ugly = text.replace('\n', "   \r\n").replace("\r\n   \r\n", "\r\n\r\n\r\n\r\n");
    let formatted = format(&ugly);
    assert_eq!(formatted, text);
    let a = load(Source::new("a.yaml", &ugly)).unwrap();
    let b = load(Source::new("a.yaml", &formatted)).unwrap();
    assert_eq!(std::format!("{:?}", a.serves), std::format!("{:?}", b.serves));
    assert_eq!(a.expectations.len(), b.expectations.len());
}

#[test]
fn shipped_scenarios_are_in_canonical_layout() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");
    for folder in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            assert_eq!(format(&text), text);
        }
    }
}

const WORLD: &str = "
title: Control
vpcs: [ { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-a, cidr: 172.16.1.0/24 } ] } ]
prefix_lists: [ { id: pl-a, max_entries: 2, entries: [10.0.0.0/8] } ]
security_groups: [ { id: sg-a }, { id: sg-b }, { id: sg-adv, type: advanced } ]
instances: [ { id: web, vswitch: vsw-a, ip: 172.16.1.10, security_groups: [sg-a] } ]
";

/// Each change in a line, or each finding.
fn control(text: &str) -> String {
    let fabric = load(Source::new("world.yaml", WORLD)).unwrap().fabric;
    let source = Source::new("control.jsonl", text);
    let mut said = String::new();
    match parse_control(&fabric, &source) {
        Ok(changes) => {
            for it in changes {
                let what = match it.change {
                    Change::Rules(group, rules) => {
                        let ids: Vec<String> = rules
                            .iter()
                            .map(|rule| std::format!("{}@{}", rule.id, rule.origin))
                            .collect();
                        std::format!("rules of {}: {}", group.0, ids.join(" "))
                    }
                    Change::Members(interface, groups) => {
                        std::format!("members of {}: {groups:?}", interface.0)
                    }
                    Change::Timeouts(interface, it) => {
                        std::format!("timeouts of {}: {:?} {:?}", interface.0, it.udp, it.icmp)
                    }
                    Change::PrefixList(_, entries) => std::format!("{entries:?}"),
                    Change::Rule(_, rule) => rule.id.clone(),
                    Change::PortList(_, entries) => std::format!("{entries:?}"),
                };
                let _ = writeln!(said, "{} {what}", it.at.as_ns());
            }
        }
        Err(findings) => {
            for it in findings {
                assert!(it.render(&source, false).contains("control.jsonl:"), "{it:?}");
                let written = &text[it.origin.start..it.origin.start + it.origin.len];
                let _ = writeln!(said, "{} {}: {} ({written})", it.code, it.origin, it.message);
            }
        }
    }
    said
}

#[test]
fn control_lines_come_in_time_order() {
    let lines = concat!(
        r#"{"at_ns":9,"set_timeouts":{"interface":"web","udp":"60s","icmp":"5s"}}"#,
        "\n\n",
        r#"{"at_ns":5,"set_rules":{"group":"sg-a","rules":[{"direction":"inbound","action":"allow","priority":1,"protocol":"Custom TCP","port_range":"80/80","source":"pl-a"}]}}"#,
        "\r\n",
        r#"{"at_ns":5,"set_members":{"interface":"web","groups":["sg-b"]}}"#,
        "\n",
        r#"{"at_ns":7,"set_prefix_list":{"id":"pl-a","entries":["10.1.0.0/16"]}}"#,
    );
    assert_eq!(
        control(lines),
        "5 rules of 0: sg-a/1@control.jsonl:3:49\n\
         5 members of 0: [GroupIndex(1)]\n\
         7 [10.1.0.0/16]\n\
         9 timeouts of 0: 60s 5s\n"
    );
    assert_eq!(control(""), "");
}

#[test]
fn control_lines_that_are_wrong_are_named_with_their_places() {
    let lines = concat!(
        r#"{"at_ns":1,"set_rules":{"group":"sg-x","rules":[]}}"#,
        "\n",
        r#"{"at_ns":2,"set_rule":{"group":"sg-a","rules":[]}}"#,
        "\n",
        r#"{"at_ns":3,"set_members":{"interface":"wbe","groups":["sg-a"]}}"#,
        "\n",
        r#"{"at_ns":4,"set_timeouts":{"interface":"web","udp":"31s"}}"#,
        "\n",
        r#"{"at_ns":5,"set_rules":{"group":"sg-a","rules":[{"direction":"inbound","protocol":"TCP","port_range":"80","source":"10.0.0.0/8"}]}}"#,
        "\n",
        r#"{"at_ns":-6}"#,
        "\n{\n",
    );
    assert_eq!(
        control(lines),
        "RF0100 control.jsonl:1:33: there is no security group `sg-x` (\"sg-x\")\n\
         RF0006 control.jsonl:2:12: a control line has no key `set_rule` (\"set_rule\")\n\
         RF0100 control.jsonl:3:39: there is no interface `wbe` (\"wbe\")\n\
         RF0310 control.jsonl:4:52: the platform does not offer this timeout (\"31s\")\n\
         RF0200 control.jsonl:5:102: `80` is one port, and a range is wanted (\"80\")\n\
         RF0010 control.jsonl:6:10: `-6` is not a number that fits (-6)\n\
         RF0002 control.jsonl:7:1: this is not YAML: unclosed bracket '{' ()\n"
    );
}
