//! The commands from outside: what is printed where, and the exit code.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const WEB: &str = "tests/fixtures/web.yaml";
const WRONG: &str = "tests/fixtures/wrong-idea.yaml";
const BROKEN: &str = "tests/fixtures/broken.yaml";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
    command
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command; its exit code, and what both streams must hold.
fn check(args: &[&str], code: i32, in_stdout: &[&str], in_stderr: &[&str]) -> Output {
    let output = command(args).output().unwrap();
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    for (stream, expected) in [(&out, in_stdout), (&err, in_stderr)] {
        for part in expected {
            assert!(stream.contains(part), "{args:?} lacks {part:?}:\n{out}\n--\n{err}");
        }
        assert_eq!(expected.is_empty(), stream.is_empty(), "{args:?}:\n{out}\n--\n{err}");
    }
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn run_prints_a_summary_on_a_line_of_its_own() {
    let output = check(&["run", WEB], 0, &["A website", "denied (silence)"], &[]);
    assert!(stdout(&output).ends_with("\n2 passed, 0 failed\n"));
    let output =
        check(&["run", WEB, WRONG], 1, &["FAIL", "expected allow, the verdict is deny"], &[]);
    assert!(stdout(&output).ends_with("\n3 passed, 1 failed\n"));
}

#[test]
fn run_as_json_has_the_summary_on_standard_error() {
    for format in ["json", "yaml", "jsonl"] {
        let output = check(&["run", WRONG, "-o", format], 1, &["verdict"], &["1 passed, 1 failed"]);
        assert_eq!(stderr(&output), "1 passed, 1 failed\n", "{format}");
    }
    let output = check(&["run", WRONG, "-o", "json"], 1, &["{"], &["passed"]);
    let document = json(&output);
    assert_eq!(document["format_version"], "1.0");
    assert_eq!((&document["passed"], &document["failed"]), (&1.into(), &1.into()));
    let expectation = &document["runs"][0]["expectations"][1];
    assert_eq!(expectation["status"], "failed");
    assert_eq!(expectation["frames"], expectation["paper"]);
    assert_eq!(expectation["guest"]["seen"], "timed out");
    assert_eq!(expectation["expected"]["verdict"], "allow");
}

#[test]
fn run_selects() {
    let output = check(&["run", WEB, WRONG, "--filter", "the website"], 0, &["ok"], &[]);
    assert!(stdout(&output).ends_with("\n2 passed, 0 failed\n"));
    let output = check(&["run", WEB, WRONG, "--filter", "wrong-idea"], 1, &["FAIL"], &[]);
    assert!(stdout(&output).ends_with("\n1 passed, 1 failed\n"));
    check(&["run", WEB, "--filter", "no such thing"], 5, &[], &["no expectation matches"]);
    let empty = folder("run_selects");
    check(&["run", empty.to_str().unwrap()], 5, &[], &["no scenario"]);
}

#[test]
fn wrong_usage_and_invalid_files_are_2() {
    check(&["run"], 2, &[], &["Usage"]);
    check(&["fly"], 2, &[], &["unrecognized subcommand"]);
    check(&["run", "tests/fixtures/nowhere.yaml"], 2, &[], &["cannot read tests/fixtures/nowhere"]);
    let broken = ["InvalidParam.PortRange", "broken.yaml:8"];
    check(&["run", BROKEN], 2, &[], &broken);
    check(&["run", WEB, BROKEN], 2, &[], &broken);
    check(&["explain", BROKEN, "--from", "visitor", "--to", "web-1", "--icmp"], 2, &[], &broken);
    check(&["validate", BROKEN], 2, &broken, &[]);
    check(&["explain", WEB, "--from", "visitor", "--to", "web-1"], 2, &[], &["say which packet"]);
    check(
        &["explain", WEB, "--from", "visitor", "--to", "web-2", "--tcp", "80"],
        2,
        &[],
        &["did you mean `web-1`"],
    );
    check(&["explain", WEB, "--from", "visitor", "--tcp", "80"], 2, &[], &["--to"]);
    check(
        &["explain", WEB, "--from", "visitor", "--to", "web-1", "--tcp", "80", "--udp", "80"],
        2,
        &[],
        &["cannot be used with"],
    );
}

#[test]
fn run_writes_captures_flow_log_and_junit() {
    let folder = folder("run_writes");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (pcap, log, junit) = (path("pcap"), path("flow.log"), path("junit.xml"));
    let args = ["--pcap", &pcap, "--flow-log", &log, "--junit-xml", &junit];
    check(&[&["run", WEB], &args[..]].concat(), 0, &["passed"], &[]);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let capture = read("pcap/web-1.pcapng");
    assert_eq!(capture[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let comment = b"allow: rule sg-web/1 (inbound)";
    assert!(capture.windows(comment.len()).any(|part| part == comment));
    let log = String::from_utf8(read("flow.log")).unwrap();
    assert!(log.starts_with("version vswitch-id vm-id vpc-id account-id eni-id region srcaddr"));
    assert!(log.contains(" 22 6 in 3 156 0 3 OK REJECT 2 "), "{log}");
    assert!(String::from_utf8(read("junit.xml")).unwrap().contains("tests=\"2\""));

    // the same again: the same bytes
    let (first_capture, first_log) = (capture, log);
    check(&[&["run", WEB], &args[..]].concat(), 0, &["passed"], &[]);
    assert!(read("pcap/web-1.pcapng") == first_capture);
    assert_eq!(String::from_utf8(read("flow.log")).unwrap(), first_log);

    // of several scenarios each has a folder
    check(&["run", WEB, WRONG, "--pcap", &pcap], 1, &["passed"], &[]);
    assert!(folder.join("pcap/wrong-idea/visitor.pcapng").exists());
    let new = folder.join("new/folder/flow.log");
    check(&["run", WEB, "--flow-log", new.to_str().unwrap()], 0, &["ok"], &[]);
    assert!(new.exists());
    let unwritable = path("flow.log/junit.xml");
    check(&["run", WEB, "--junit-xml", &unwritable], 3, &["ok"], &["cannot write"]);
}

#[test]
fn a_file_on_standard_output_has_it_alone() {
    let output = check(&["run", WEB, "--junit-xml", "-"], 0, &["<?xml"], &["2 passed, 0 failed"]);
    let text = stdout(&output);
    assert!(text.starts_with("<?xml"), "{text}");
    assert!(text.trim_end().ends_with("</testsuites>"), "{text}");
    let output =
        check(&["run", WEB, "--flow-log", "-", "-o", "json"], 0, &["version"], &["2 passed"]);
    assert!(stdout(&output).lines().all(|line| line.split(' ').count() == 21));
    let both = ["run", WEB, "--flow-log", "-", "--junit-xml", "-"];
    check(&both, 2, &[], &["both name standard output"]);
}

#[test]
fn run_writes_a_report_and_says_where() {
    let folder = folder("run_report");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (one, two) = (path("new/one"), path("two"));
    check(&["run", WEB, "--report", &one], 0, &["passed"], &["new/one/index.html"]);
    check(&["run", WEB, "--report", &two], 0, &["passed"], &["two/index.html"]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let page = read("new/one/index.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    assert!(page == read("two/index.html"));
    // of several scenarios there is one page, also when an expectation failed
    check(&["run", WEB, WRONG, "--report", &two], 1, &["failed"], &["two/index.html"]);
    assert!(read("two/index.html").contains("2 scenarios"));
    check(&["run", WEB, "--report", "/dev/null/no"], 3, &["ok"], &["cannot write"]);
}

#[test]
fn two_runs_print_the_same_bytes() {
    let run = || command(&["run", "../../scenarios", "-o", "json"]).output().unwrap().stdout;
    let (one, two) = (run(), run());
    assert!(one.len() > 10_000);
    assert!(one == two);
}

#[test]
fn every_shipped_scenario_comes_true() {
    let output = command(&["run", "../../scenarios"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let summary = stdout(&output).lines().last().unwrap().to_owned();
    assert!(summary.ends_with(" passed, 0 failed"), "{summary}");
}

#[test]
fn explain_answers_whatever_the_verdict() {
    let base = ["explain", WEB, "--from", "visitor", "--to", "web-1"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    let output = check(&with(&["--tcp", "80"]), 0, &["web.yaml:8:9", "The way back"], &[]);
    assert!(stdout(&output).starts_with("ALLOW tcp 203.0.113.7:40000 > 47.96.10.1:80 (SYN)"));
    let denied = ["nearest rule that would have allowed: sg-web/1"];
    let output = check(&with(&["--tcp", "22"]), 0, &denied, &[]);
    assert!(stdout(&output).starts_with("DENY "));
    check(&with(&["--tcp", "22", "--expect", "deny"]), 0, &denied, &[]);
    check(&with(&["--tcp", "22", "--expect", "allow"]), 1, &denied, &["the verdict is deny"]);
    check(&with(&["--icmp", "--icmp-type", "3", "--icmp-code", "4"]), 0, &["ALLOW"], &[]);
    check(&with(&["--gre"]), 0, &["DENY gre"], &[]);
    check(&with(&["--protocol", "50"]), 0, &["DENY protocol 50"], &[]);
    check(&with(&["--protocol", "6", "--target-port", "80"]), 0, &["ALLOW tcp"], &[]);
    check(&with(&["--icmpv6"]), 2, &[], &["has no IPv6 address"]);
}

#[test]
fn explain_as_json() {
    let args = ["explain", WEB, "--from", "visitor", "--to", "web-1", "--tcp", "80", "-o", "json"];
    let output = check(&args, 0, &["{"], &[]);
    let answer = json(&output);
    assert_eq!(answer["verdict"], "allow");
    assert_eq!(answer["because"], "rule");
    assert_eq!(answer["stage"], "inbound");
    assert_eq!(answer["format_version"], "1.0");
    let rule = &answer["rule"];
    assert_eq!(
        *rule,
        serde_json::json!({
            "action": "allow", "direction": "inbound", "group": "sg-web", "id": "sg-web/1",
            "priority": 1,
        })
    );
    assert_eq!(answer["inbound"]["rule"], *rule);
    assert_eq!(answer["way_back"]["reply"]["because"], "session");
    // keys are sorted as written
    let text = stdout(&output);
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  \"").and_then(|rest| rest.split('"').next()))
        .collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(keys, sorted);
    let mut args = args;
    *args.last_mut().unwrap() = "yaml";
    check(&args, 0, &["verdict: allow"], &[]);
    *args.last_mut().unwrap() = "jsonl";
    let output = check(&args, 0, &["\"verdict\":\"allow\""], &[]);
    assert_eq!(stdout(&output).lines().count(), 1);
}

#[test]
fn can_reach_is_yes_or_no() {
    let output = check(&["can-reach", WEB, "visitor", "web-1", "tcp/80"], 0, &["yes"], &[]);
    assert_eq!(stdout(&output), "yes\n");
    let output = check(&["can-reach", WEB, "visitor", "web-1", "tcp/22"], 1, &["no"], &[]);
    assert_eq!(stdout(&output), "no\n");
    for (what, code) in [("icmp", 1), ("udp/53", 1), ("gre", 1), ("47", 1)] {
        check(&["can-reach", WEB, "visitor", "web-1", what], code, &["no"], &[]);
        check(&["can-reach", WEB, "web-1", "visitor", what], 0, &["yes"], &[]);
    }
    for what in ["tcp", "icmp/8", "tcp/80000", "ftp"] {
        check(&["can-reach", WEB, "visitor", "web-1", what], 2, &[], &["is none of"]);
    }
    let args = ["can-reach", WEB, "visitor", "web-1", "tcp/22", "-o", "json"];
    let document = json(&check(&args, 1, &["{"], &[]));
    assert_eq!(document["reachable"], false);
    assert_eq!(document["answer"]["because"], "default");
}

#[test]
fn validate_has_the_shape_of_terraform() {
    check(&["validate", WEB], 0, &["web.yaml: valid"], &[]);
    let output = check(&["validate", WEB, BROKEN, "-o", "json"], 2, &["{"], &[]);
    let document = json(&output);
    assert_eq!(document["valid"], false);
    assert_eq!((&document["error_count"], &document["warning_count"]), (&1.into(), &0.into()));
    let diagnostic = &document["diagnostics"][0];
    assert_eq!(diagnostic["severity"], "error");
    assert_eq!(diagnostic["platform_code"], "InvalidParam.PortRange");
    assert_eq!(diagnostic["range"]["filename"], BROKEN);
    assert_eq!(diagnostic["range"]["start"]["line"], 8);
}

#[test]
fn validate_reads_standard_input() {
    let text = std::fs::File::open(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken.yaml"),
    );
    let output = command(&["validate", "-"]).stdin(text.unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("<stdin>: invalid"), "{}", stdout(&output));
}

#[test]
fn fmt_checks_and_writes() {
    let folder = folder("fmt");
    let path = folder.join("loose.yaml");
    let text = std::fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/web.yaml"),
    );
    let tidy = text.unwrap();
    std::fs::write(&path, format!("\n{}\n\n", tidy.replace('\n', "  \n"))).unwrap();
    let name = path.to_str().unwrap();
    check(&["fmt", "--check", name], 1, &["loose.yaml"], &[]);
    check(&["fmt", name], 0, &["loose.yaml"], &[]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), tidy);
    check(&["fmt", "--check", name], 0, &[], &[]);
    check(&["fmt", "--check", WEB, WRONG], 0, &[], &[]);
}

#[test]
fn texts() {
    let schema = json(&check(&["schema"], 0, &["$schema"], &[]));
    assert!(schema["properties"]["security_groups"].is_object());
    check(&["explain-code"], 0, &["RF0001"], &[]);
    check(&["explain-code", "rf0001"], 0, &["UTF-8"], &[]);
    check(&["explain-code", "RF9999"], 2, &[], &["there is no code RF9999"]);
    check(&["explain-code", "RF0051"], 2, &[], &["did you mean RF00"]);
    let codes = json(&check(&["explain-code", "-o", "json"], 0, &["RF0001"], &[]));
    assert_eq!(
        (&codes["format_version"], &codes["codes"][0]["code"]),
        (&"1.0".into(), &"RF0001".into())
    );
    for shell in ["bash", "zsh", "fish"] {
        check(&["completions", shell], 0, &["can-reach"], &[]);
    }
    check(&["man"], 0, &[".TH ringfence 1", "ringfence-can-reach"], &[]);
    check(&["--help"], 0, &["Exit codes"], &[]);
    check(&["--version"], 0, &["ringfence 0"], &[]);
}

#[test]
fn help_names_no_command_that_is_not_there() {
    let output = check(&["--help"], 0, &["explain"], &[]);
    for missing in ["matrix", "lint", "observe", "import"] {
        assert!(!stdout(&output).contains(&format!("  {missing} ")), "{missing}");
    }
}

/// A stream that is no terminal has no colour, unless it is forced; NO_COLOR wins over a terminal
/// and `--color` over both.
#[test]
fn colours() {
    const ESCAPE: char = '\u{1b}';
    let coloured = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(args);
        command.envs(variables.iter().copied());
        stdout(&command.output().unwrap()).contains(ESCAPE)
    };
    let run = ["run", WEB];
    assert!(!coloured(&run, &[]));
    assert!(coloured(&run, &[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&["run", WEB, "--color", "always"], &[]));
    assert!(coloured(&["run", WEB, "--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["run", WEB, "--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["run", WEB, "-o", "json"], &[("CLICOLOR_FORCE", "1")]));
}

/// "Ctrl-C stops cleanly and still prints the summary."
#[cfg(unix)]
#[test]
fn an_interrupt_stops_cleanly() {
    use std::io::{BufRead, BufReader, Read};
    let folder = folder("an_interrupt");
    // files run in the order of their names
    let (quick, busy) = (folder.join("a-quick.yaml"), folder.join("b-busy.yaml"));
    let web = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/web.yaml");
    let web = std::fs::read_to_string(web).unwrap();
    std::fs::write(&quick, &web).unwrap();
    let load = format!(
        "{}traffic:\n  - {{ name: busy, from: visitor, to: web-1, udp: 7, rate: 10000, \
         frame_bytes: 64, start: 0s, duration: 400s }}\n",
        web.replace("from: visitor", "at: 399s, from: visitor")
    );
    std::fs::write(&busy, load).unwrap();
    let mut child = command(&["run", folder.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // once the first scenario is printed, the handler is there and the second one is under way
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    out.read_to_string(&mut text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.ends_with("\n2 passed, 0 failed, 2 skipped\n"), "{text}");
    assert!(stderr(&output).contains("stopped before the end"));
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in [&["run", "../../scenarios"][..], &["schema"], &["man"], &["--help"]] {
        let mut child =
            command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn a_packet_that_means_nothing_has_a_code() {
    let ask = ["explain", WEB, "--from", "visiter", "--to", "web-1", "--tcp", "80"];
    check(&ask, 2, &[], &["error[RF0301]", "did you mean `visitor`"]);
    let output = check(&[&ask[..], &["-o", "json"]].concat(), 2, &[], &["RF0301"]);
    let document: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&document["valid"], &document["error_count"]), (&false.into(), &1.into()));
    assert_eq!(document["diagnostics"][0]["code"], "RF0301");
    let v6 = ["explain", WEB, "--from", "visitor", "--to", "172.16.1.10", "--icmpv6"];
    check(&v6, 2, &[], &["error[RF0303]", "icmp is meant"]);
    let ports = ["explain", WEB, "--from", "visitor", "--to", "web-1", "--protocol", "132"];
    check(&[&ports[..], &["--target-port", "5"]].concat(), 2, &[], &["has no ports"]);
    check(&["explain", "-", "--probes", "-"], 2, &[], &["one stream"]);
}

#[test]
fn what_is_no_yaml_cannot_be_formatted() {
    let path = folder("no-yaml").join("broken.yaml");
    std::fs::write(&path, "title: [\n").unwrap();
    check(&["fmt", "--check", path.to_str().unwrap()], 2, &[], &["error[RF0002]"]);
}

#[test]
fn a_line_of_validate_names_its_file() {
    let output = check(&["validate", WEB, "-o", "jsonl"], 0, &["{"], &[]);
    assert_eq!(json(&output)["filename"], WEB);
}

#[test]
fn run_says_what_became_of_a_session() {
    let scenario = "../../scenarios/changes/rule-change-flushes-inbound.yaml";
    let kept = "session kept: 18 rounds answered, its packets passed by the session";
    let cut = "session cut: 8 rounds answered, a change had ended its session";
    check(&["run", scenario], 0, &[kept, cut, "7 passed, 0 failed"], &[]);
}
