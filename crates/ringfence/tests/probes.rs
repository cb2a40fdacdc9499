//! `explain --probes`: a question a line, an answer a line, and the exit code.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

const WORLD: &str = "
title: A website
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-a, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-web
    vpc: vpc-a
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
      - { direction: inbound, action: allow, priority: 1, protocol: All ICMP (IPv4), port_range: -1/-1, source: 0.0.0.0/0 }
  - { id: sg-app, vpc: vpc-a }
instances:
  - { id: web-1, vswitch: vsw-a, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg-web] }
  - { id: app-1, vswitch: vsw-a, ip: 172.16.1.11, security_groups: [sg-app] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
";

const ALLOWED: &str = r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":80}"#;
const DENIED: &str = r#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":22}"#;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
    command.args(args).env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

/// A folder with the world and some questions.
struct Lab {
    world: String,
    questions: PathBuf,
}

impl Lab {
    fn new(name: &str, questions: &[&str]) -> Lab {
        Lab::of_bytes(name, questions.join("\n").as_bytes())
    }

    fn of_bytes(name: &str, questions: &[u8]) -> Lab {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probes").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let world = folder.join("world.yaml");
        std::fs::write(&world, WORLD).unwrap();
        std::fs::write(folder.join("questions.jsonl"), questions).unwrap();
        Lab { world: world.to_str().unwrap().to_owned(), questions: folder.join("questions.jsonl") }
    }

    fn command(&self, options: &[&str]) -> Command {
        let questions = self.questions.to_str().unwrap();
        let mut command = command(&["explain", &self.world, "--probes", questions]);
        command.args(options);
        command
    }

    #[track_caller]
    fn run(&self, options: &[&str], code: i32) -> Output {
        let output = self.command(options).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{options:?}: {output:?}");
        output
    }

    /// The answers as values, and what was said on standard error.
    #[track_caller]
    fn answers(&self, options: &[&str], code: i32) -> (Vec<Value>, String) {
        let output = self.run(&[options, &["-o", "jsonl"]].concat(), code);
        let lines = String::from_utf8(output.stdout).unwrap();
        let answers = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (answers, String::from_utf8(output.stderr).unwrap())
    }

    fn interactive(&self) -> Child {
        command(&["explain", &self.world, "--probes", "-", "-o", "jsonl"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

fn allowed(line: u64) -> Value {
    let rule = json!({
        "action": "allow", "direction": "inbound", "group": "sg-web", "id": "sg-web/1", "priority": 1
    });
    json!({
        "because": "rule",
        "format_version": "1.0",
        "inbound": {
            "because": "rule", "interface": "web-1", "rule": rule, "session": 1,
            "stage": "inbound", "verdict": "allow",
        },
        "line": line,
        "rule": rule,
        "stage": "inbound",
        "to": "web-1",
        "verdict": "allow",
    })
}

fn denied(line: u64) -> Value {
    json!({
        "because": "default",
        "format_version": "1.0",
        "inbound": {
            "because": "default", "interface": "web-1", "stage": "inbound", "verdict": "deny",
        },
        "line": line,
        "stage": "inbound",
        "to": "web-1",
        "verdict": "deny",
    })
}

#[test]
fn an_answer_a_line_in_order() {
    let lab = Lab::new("order", &[ALLOWED, "", DENIED, "  \t\r", DENIED, ALLOWED]);
    let (answers, said) = lab.answers(&[], 0);
    assert_eq!(answers, [allowed(1), denied(3), denied(5), allowed(6)]);
    assert_eq!(said, "");
}

/// Keys are sorted, as they are wherever JSON is written.
#[test]
fn keys_are_sorted() {
    let lab = Lab::new("sorted", &[ALLOWED]);
    let output = lab.run(&["-o", "jsonl"], 0);
    let text = String::from_utf8(output.stdout).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text, format!("{value}\n"));
}

/// Each probe is the first packet of all: what one opened, the next does not see.
#[test]
fn no_question_hears_of_another() {
    let back =
        r#"{"from":"web-1","to":"app-1","protocol":"tcp","source_port":80,"target_port":40000}"#;
    let there =
        r#"{"from":"app-1","to":"web-1","protocol":"tcp","source_port":40000,"target_port":80}"#;
    let (answers, _) = Lab::new("alone", &[back, there, back, there]).answers(&[], 0);
    let told: Vec<(&str, &str, &Value)> = answers
        .iter()
        .map(|it| {
            let side = &it["inbound"]["session"];
            (it["verdict"].as_str().unwrap(), it["because"].as_str().unwrap(), side)
        })
        .collect();
    let (denied, allowed) = (("deny", "default", &Value::Null), ("allow", "rule", &json!(2)));
    assert_eq!(told, [denied, allowed, denied, allowed]);
}

/// The same packet, asked for by the words of the command line.
#[test]
fn one_question_alone_has_the_same_answer() {
    for (question, options) in [
        (ALLOWED, ["--from", "visitor", "--to", "web-1", "--tcp", "80"]),
        (
            r#"{"from":"203.0.113.9","to":"47.96.10.1","protocol":17,"target_port":53,"network":"internet"}"#,
            ["--from", "203.0.113.9", "--to", "47.96.10.1", "--udp", "53"],
        ),
        (
            r#"{"from":"app-1","to":"web-1","protocol":"gre"}"#,
            ["--from", "app-1", "--to", "web-1", "--protocol", "47"],
        ),
    ] {
        let lab = Lab::new("alone-or-not", &[question]);
        let (answers, _) = lab.answers(&[], 0);
        let mut alone = command(&["explain", &lab.world, "-o", "json"]);
        let output = alone.args(options).output().unwrap();
        let explanation: Value = serde_json::from_slice(&output.stdout).unwrap();
        let [answer] = answers.as_slice() else { panic!("{answers:?}") };
        for (key, value) in answer.as_object().unwrap() {
            if key != "line" {
                assert_eq!(&explanation[key], value, "{question}: {key}");
            }
        }
    }
}

#[test]
fn icmp_is_an_echo_request_unless_it_is_said_otherwise() {
    let questions = [
        r#"{"from":"visitor","to":"web-1","protocol":"icmp"}"#,
        r#"{"from":"visitor","to":"web-1","protocol":"icmp","icmp_type":3,"icmp_code":4}"#,
        r#"{"from":"visitor","to":"web-1","protocol":"icmp","icmp_type":3,"icmp_code":1}"#,
    ];
    let (answers, _) = Lab::new("icmp", &questions).answers(&[], 0);
    let told: Vec<(&str, &Value)> = answers
        .iter()
        .map(|it| (it["because"].as_str().unwrap(), &it["inbound"]["session"]))
        .collect();
    assert_eq!(
        told,
        [("rule", &json!(1)), ("always-allowed", &Value::Null), ("rule", &Value::Null)]
    );
}

#[test]
fn lines_that_are_no_questions() {
    let lines: [&[u8]; 9] = [
        ALLOWED.as_bytes(),
        b"{",
        br#"{"from":"visitr","to":"web-1","protocol":"tcp","target_port":80}"#,
        br#"{"from":"visitor","to":"web-1","protocol":"tcp"}"#,
        br#"{"from":"visitor","to":"web-1","protocol":"tcp","target_port":80,"prot":1}"#,
        br#"{"from":"visitor","to":"web-1","protocol":"tpc","target_port":80}"#,
        br#"{"from":"visitor","to":"web-1","protocol":"icmp","family":"ipv6"}"#,
        b"{\"from\":\"\xff\"}",
        DENIED.as_bytes(),
    ];
    let lab = Lab::of_bytes("wrong", &lines.join(&b'\n'));
    let (answers, said) = lab.answers(&[], 2);
    assert_eq!((&answers[0], &answers[8]), (&allowed(1), &denied(9)));
    let refused = [
        ("RF0008", "EOF while parsing an object at line 1 column 1"),
        (
            "RF0301",
            "`visitr` is no instance, interface or outside host of this scenario; did you mean `visitor`?",
        ),
        ("RF0007", "a TCP probe needs a target port"),
        ("RF0008", "unknown field `prot`"),
        (
            "RF0008",
            "this is not a protocol: tcp, udp, icmp, icmpv6, gre, or a number from 0 to 255",
        ),
        ("RF0303", "`visitor` has no IPv6 address"),
        ("RF0008", "byte 10 of the line is not UTF-8"),
    ];
    for ((line, answer), (code, message)) in (2_u64..).zip(&answers[1..8]).zip(refused) {
        assert_eq!(answer["error"]["code"], code, "{answer}");
        let told = answer["error"]["message"].as_str().unwrap();
        assert!(told.to_lowercase().starts_with(&message.to_lowercase()), "{told}");
        let expected = json!({
            "error": { "code": code, "message": told }, "format_version": "1.0", "line": line
        });
        assert_eq!(answer, &expected);
    }
    let place = format!("{}:2: EOF", lab.questions.display());
    assert!(said.starts_with("error: 7 of 9 lines are no questions; the first: "), "{said}");
    assert!(said.contains(&place), "{said}");
}

#[test]
fn an_expectation_of_every_answer() {
    let word = |line: u64| format!(":{line}: tcp 203.0.113.7:40000 > 47.96.10.1:");
    let both = Lab::new("expect-both", &[ALLOWED, DENIED, DENIED]);
    for (expected, code, count, line) in [("allow", 1, 2, 2), ("deny", 1, 1, 1)] {
        let (answers, said) = both.answers(&["--expect", expected], code);
        assert_eq!(answers, [allowed(1), denied(2), denied(3)]);
        let start = format!("error: {count} of 3 verdicts are not `{expected}`; the first: ");
        assert!(said.starts_with(&start) && said.contains(&word(line)), "{said}");
    }
    let all = Lab::new("expect-all", &[DENIED, DENIED]);
    assert_eq!(all.answers(&["--expect", "deny"], 0).1, "");
    // what is no question makes it invalid, whatever the others say
    Lab::new("expect-wrong", &[ALLOWED, "{"]).answers(&["--expect", "deny"], 2);
    Lab::new("expect-none", &[]).answers(&["--expect", "deny"], 0);
}

#[test]
fn documents_of_other_shapes() {
    for (name, questions) in [("shapes", &[ALLOWED, "{", DENIED][..]), ("shapes-empty", &[])] {
        let lab = Lab::new(name, questions);
        let code = if questions.is_empty() { 0 } else { 2 };
        let (answers, _) = lab.answers(&[], code);
        let expected = json!({ "answers": answers, "format_version": "1.0" });
        let output = lab.run(&["-o", "json"], code);
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expected);
        let output = lab.run(&["-o", "yaml"], code);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), expected, "{text}");
    }
}

#[test]
fn tables_for_people() {
    let lab = Lab::new("table", &[ALLOWED, "{", DENIED]);
    let text = |options: &[&str]| String::from_utf8(lab.run(options, 2).stdout).unwrap();
    let rule = format!("(inbound allow, priority 1; {}:9:9)", lab.world);
    let lines = [
        "     1  ALLOW  tcp 203.0.113.7:40000 > 47.96.10.1:80, by rule sg-web/1",
        "     2  error  RF0008: EOF",
        "     3  DENY   tcp 203.0.113.7:40000 > 47.96.10.1:22, by the default of a basic group",
    ];
    for (options, more) in [(&[][..], ""), (&["-o", "wide"], "  (visitor to web-1, inbound)")] {
        let table = text(options);
        assert_eq!(table.lines().count(), 3);
        for (line, start) in table.lines().zip(lines) {
            assert!(line.starts_with(start), "{line}");
            assert!(line.ends_with(more) || line.contains("error"), "{line}");
        }
        assert!(table.contains(&rule), "{table}");
    }
}

/// Whoever asks, waits, and asks again gets an answer each time.
#[test]
fn a_conversation() {
    let mut child = Lab::new("conversation", &[]).interactive();
    let mut ask = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in 1..=3 {
        writeln!(ask, "{ALLOWED}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer, allowed(line));
    }
    // the last line need not end
    write!(ask, "{DENIED}").unwrap();
    drop(ask);
    let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
    assert_eq!(answer, denied(4));
    assert!(answers.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// "A closed pipe is no error."
#[test]
fn nobody_listens_any_more() {
    let lab = Lab::new("pipe", &[ALLOWED; 5_000]);
    let mut child = lab.command(&["-o", "jsonl"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut start = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn wrong_usage() {
    let lab = Lab::new("usage", &[ALLOWED]);
    for (options, said) in [
        (&["--tcp", "80"][..], "cannot be used with"),
        (&["--from", "visitor"], "cannot be used with"),
        (&["--family", "ipv6"], "cannot be used with"),
        (&["--expect", "maybe"], "invalid value"),
    ] {
        let output = lab.run(options, 2);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(said), "{options:?}: {text}");
        assert!(output.stdout.is_empty());
    }
    let output = command(&["explain", &lab.world, "--probes", "absent.jsonl"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.starts_with("error: cannot read absent.jsonl: "), "{said}");
}
