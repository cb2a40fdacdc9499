//! `bench` from outside: what is refused, how `bench table` finds the program that does it, and what
//! short runs of the others print and write. No figure is held to anything.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const LOAD: &str = "tests/fixtures/load.yaml";
/// Measurements with `--scenario`.
const TAKE_SCENARIOS: &[&str] = &["switch", "latency"];
const NO_LOAD: &str = "tests/fixtures/web.yaml";

/// The binary alone in a folder of this test's own.
fn alone(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let binary = folder.join("ringfence");
    fs::copy(env!("CARGO_BIN_EXE_ringfence"), &binary).unwrap();
    binary
}

fn run(binary: &PathBuf, args: &[&str]) -> Output {
    let mut command = Command::new(binary);
    command.args(args).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.output().unwrap()
}

#[test]
fn without_its_program_a_table_says_how_to_get_it() {
    let output = run(&alone("bench-alone"), &["bench", "table"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    for words in ["ringfence-bench", "cargo build --release --workspace"] {
        assert!(said.contains(words), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_table_is_the_program_s_with_the_same_options() {
    use std::os::unix::fs::PermissionsExt;
    let binary = alone("bench-beside");
    let program = binary.with_file_name("ringfence-bench");
    let check = |code: i32, expected: i32, args: &[&str], words: &str| {
        fs::write(&program, format!("#!/bin/sh\necho \"$@\"\nexit {code}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let output = run(&binary, &[&["bench", "table"], args].concat());
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), words);
    };
    check(
        0,
        0,
        &[],
        "table --output table --color never --seed 1 --trials 11 --sessions \
         1,10000,100000,1000000,10000000 --workers 1,2 --only ringfence,dashmap,papaya,hashbrown",
    );
    check(
        3,
        3,
        &[
            "-o",
            "jsonl",
            "--color",
            "always",
            "--seed",
            "7",
            "--trials",
            "2",
            "--seconds",
            "0.5",
            "--html",
            "a b.html",
            "--svg",
            "d",
            "--sessions",
            "5",
            "--workers",
            "3",
            "--only",
            "papaya",
        ],
        "table --output jsonl --color always --seed 7 --trials 2 --seconds 0.5 --html a b.html \
         --svg d --sessions 5 --workers 3 --only papaya",
    );
    check(2, 2, &["--sessions", "1"], &{
        let head = "table --output table --color never --seed 1 --trials 11 --sessions 1";
        format!("{head} --workers 1,2 --only ringfence,dashmap,papaya,hashbrown")
    });
}

#[test]
fn wrong_words_are_wrong_usage() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_ringfence"));
    let check = |args: &[&str], part: &str| {
        let output = run(&binary, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(part), "{args:?}: {said}");
    };
    check(&["bench", "switch", "--seconds", "0"], "0.001 to 3600");
    check(&["bench", "switch", "--flows", "4000000000000"], "at most 100000000");
    check(&["bench", "switch", "--workers", "33"], "at most 32");
    check(&["bench", "classifier", "--rules-count", "4000000000"], "at most 100000000");
    check(&["bench", "table", "--sessions", "99999999999999"], "at most 100000000");
    check(&["bench", "table", "--trials", "99999999999999"], "at most 10000");
    check(&["bench", "switch", "--flows", "0"], "at least 1");
    check(&["bench", "latency", "--rate", "0"], "0");
    check(&["bench", "table", "--only", "btree"], "hashbrown");
    check(&["bench", "switch", "--flows", "5", "--scenario", LOAD], "cannot be used with");
    check(&["bench", "classifier", "--rules", "x", "--shape", "acl"], "cannot be used with");
}

#[test]
fn a_file_without_rules_leaves_nothing_to_measure() {
    let file = std::env::temp_dir().join(format!("ringfence-no-rules-{}", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_ringfence"));
    let output = run(&binary, &["bench", "classifier", "--rules", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no rule in it"));
}

#[test]
fn a_change_of_membership_is_timed_on_the_world_of_each_set() {
    let args =
        ["bench", "classifier", "--rules-count", "50", "--trials", "1", "--seconds", "0.001"];
    let found = document(&args);
    let rows = rows(&found, "look-ups");
    assert_eq!(texts(rows, "shape"), ["groups", "acl", "firewall"]);
    for row in rows {
        let of = |end: &str| row["member_us"][end].as_f64().unwrap();
        assert!(0.0 < of("min") && of("min") <= of("max"), "{row}");
        assert!(row["agreed"].as_u64() > Some(0), "{row}");
    }
    let notes = found["notes"].to_string();
    assert!(notes.contains("A set without rules takes") && notes.contains("firewall"), "{notes}");
}

/// What a run prints; it is to end well.
fn printed(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn document(args: &[&str]) -> Value {
    serde_json::from_str(&printed(&[args, &["-o", "json"]].concat())).unwrap()
}

/// The rows of a table.
fn rows<'a>(document: &'a Value, table: &str) -> &'a [Value] {
    let tables = document["tables"].as_array().unwrap();
    let found = tables.iter().find(|it| it["id"] == table);
    found.unwrap_or_else(|| panic!("no table {table}: {document}"))["rows"].as_array().unwrap()
}

/// Nothing went wrong with any frame of `document`'s table, and there were some.
fn check_clean(document: &Value, table: &str, counts: &[&str]) {
    for row in rows(document, table) {
        for wrong in ["leaks", "false_drops"] {
            assert_eq!(row[wrong], 0, "{row}");
        }
        assert!(counts.iter().all(|&count| row[count].as_u64() > Some(0)), "{row}");
    }
}

fn texts<'a>(rows: &'a [Value], key: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[key].as_str().unwrap()).collect()
}

#[test]
fn latency_is_told_by_load_and_by_what_happened() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-latency");
    let _ = fs::remove_dir_all(&folder);
    let [hgrm, svg, html] = ["hgrm", "svg", "page.html"].map(|it| folder.join(it));
    let paths = [&hgrm, &svg, &html].map(|path| path.to_str().unwrap());
    let args = ["bench", "latency", "--trials", "1", "--seconds", "0.2", "--rate", "60000"];
    let files = ["--hgrm", paths[0], "--svg", paths[1], "--html", paths[2]];
    let document = document(&[&args[..], &files].concat());
    assert_eq!(
        (&document["measurement"], &document["parameters"]["trials"]),
        (&Value::from("latency"), &Value::from(1))
    );
    let kinds = texts(rows(&document, "latency"), "kind");
    assert_eq!(kinds, ["empty", "established", "new", "denied", "slow path"]);
    assert_eq!(texts(rows(&document, "over-empty"), "kind"), kinds[1..]);
    assert_eq!(texts(rows(&document, "offered"), "pipeline"), ["switch", "empty"]);
    check_clean(&document, "checks", &["sent", "delivered", "questions", "answers"]);
    // no search, no table of what it found
    assert!(!document["tables"].to_string().contains("highest-rate"));
    for row in rows(&document, "latency") {
        let (p50, max) = (&row["p50_ns"], &row["max_ns"]);
        assert!(p50.is_null() || p50.as_f64() <= max.as_f64(), "{row}");
    }

    let text = fs::read_to_string(hgrm.join("given-established.hgrm")).unwrap();
    assert!(text.trim_start().starts_with("Value     Percentile TotalCount"), "{text}");
    assert!(hgrm.join("given-slow-path.hgrm").exists() && hgrm.join("given-empty.hgrm").exists());
    let plot = fs::read_to_string(svg.join("given.svg")).unwrap();
    assert!(plot.contains("established") && plot.contains("empty"), "{plot}");
    assert!(fs::read_to_string(&html).unwrap().contains("Over the empty pipeline"));
}

#[test]
fn latency_begins_with_the_highest_rate_without_loss() {
    let args = ["bench", "latency", "--trials", "1", "--seconds", "0.02", "--scenario", LOAD];
    let found = document(&args);
    let highest = rows(&found, "highest-rate");
    assert_eq!(texts(highest, "pipeline"), ["switch", "switch", "empty"]);
    let lowest = |row: &Value| row["rate_mpps"]["min"].as_f64().unwrap();
    assert!(highest.iter().all(|row| lowest(row) >= 0.001), "{highest:?}");
    let loads = texts(rows(&found, "offered"), "load");
    assert_eq!(loads, ["10 %", "10 %", "50 %", "50 %", "90 %", "90 %"]);
    // nothing new comes in from a scenario, and nobody asks the fabric
    assert!(!found["tables"].to_string().contains("slow path"));
    check_clean(&found, "checks", &["sent", "delivered"]);
    let notes = found["notes"].to_string();
    assert!(notes.contains("A load of every kind") && notes.contains("10.0 % of frames denied"));

    let text = printed(&args);
    for words in ["The highest rate", "Over the empty pipeline", "established", "false drops"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_scenario_s_traffic_goes_through_the_switch() {
    let args = ["bench", "switch", "--trials", "1", "--seconds", "0.005", "--scenario", LOAD];
    let found = document(&args);
    let rows = rows(&found, "scenario");
    assert_eq!(texts(rows, "load"), ["A load of every kind"; 2]);
    for (row, workers) in rows.iter().zip(1..) {
        assert_eq!((&row["flows"], &row["rules"]), (&Value::from(80), &Value::from(2)));
        assert_eq!(row["workers"], workers);
    }
    check_clean(&found, "scenario", &["delivered", "dropped"]);
    assert_eq!(found["tables"].as_array().unwrap().len(), 1);
    let text = printed(&args);
    assert!(text.contains("The scenario's traffic"), "{text}");
}

#[test]
fn a_scenario_s_flood_and_sweep_go_through_the_switch() {
    let file = "../../scenarios/load/mix-sweep-and-flood.yaml";
    for workers in ["1", "2"] {
        let args = ["bench", "switch", "--trials", "2", "--seconds", "0.02", "--scenario", file];
        let found = document(&[&args[..], &["--workers", workers]].concat());
        // 2,000 flows, 32,768 new ones, 2 targets of the sweep, 999 half-open ones beside them
        assert_eq!(rows(&found, "scenario")[0]["flows"], 35_769);
        check_clean(&found, "scenario", &["delivered", "dropped"]);
    }
}

#[test]
fn floods_and_sweeps_have_rows() {
    let args = ["bench", "switch", "--trials", "1", "--seconds", "0.005", "--flows", "1"];
    let found = document(&[&args[..], &["--workers", "1"]].concat());
    for table in ["flood", "sweep"] {
        assert_eq!(texts(rows(&found, table), "load"), ["IPv4, TCP", "IPv6, TCP"]);
        check_clean(&found, table, &["delivered", "dropped"]);
    }
}

#[test]
fn a_scenario_that_is_no_load_is_refused() {
    let check = |args: &[&str], code: i32, part: &str| {
        for measurement in TAKE_SCENARIOS {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
            command.args(["bench", measurement]).args(args);
            let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
            assert!(said.contains(part), "{args:?}: {said}");
            assert!(output.stdout.is_empty(), "{args:?}");
        }
    };
    check(&["--scenario", NO_LOAD], 5, "web.yaml: nothing to send: the scenario has no `traffic`");
    check(&["--scenario", "tests/fixtures/broken.yaml"], 2, "broken.yaml:");
    check(&["--scenario", "tests/fixtures/broken.yaml", "-o", "json"], 2, "\"valid\": false");
    check(&["--scenario", "no-such.yaml"], 2, "cannot read no-such.yaml");
    let many = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("too-many-flows.yaml");
    let limits = "options: { limits: { sessions_per_interface: 50 } }";
    fs::write(&many, format!("{}{limits}\n", fs::read_to_string(LOAD).unwrap())).unwrap();
    check(
        &["--scenario", many.to_str().unwrap()],
        2,
        "51 flows at `b` are more than the 50 sessions",
    );
}

#[test]
fn more_workers_than_ports_are_refused() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_ringfence"));
    let scenario = format!("{}/{LOAD}", env!("CARGO_MANIFEST_DIR"));
    let output = run(&binary, &["bench", "switch", "--workers", "9", "--scenario", &scenario]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("too few ports for so many workers"), "{said}");
}

/// "Ctrl-C stops cleanly and still prints the summary": after the trial under way.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_measurement_with_what_was_measured() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    let forever = ["--trials", "10000", "--seconds", "0.1"];
    let classifier = ["classifier", "--shape", "groups", "--rules-count", "10,20"];
    let latency = ["latency", "--rate", "20000"];
    let searching = ["latency"];
    for (args, words) in [
        (&["switch", "--flows", "5,6"][..], "false drops"),
        (&classifier[..], "batched"),
        (&["updates"], "stale"),
        (&latency, "percentile"),
        (&searching, "leaks"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.arg("bench").args(args).args(forever);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // what is measured is said when the handler is there
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        said.read_line(&mut text).unwrap();
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        said.read_to_string(&mut text).unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {text}");
        assert!(text.ends_with("stopped before the end\n"), "{args:?}: {text}");
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.contains(words), "{args:?}: {table}");
    }
}
