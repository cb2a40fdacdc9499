//! `bench` from outside: what is refused, and how `bench table` finds the program that does it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

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
    check(&["bench", "switch", "--flows", "0"], "at least 1");
    check(&["bench", "latency", "--rate", "0"], "0");
    check(&["bench", "table", "--only", "btree"], "hashbrown");
    check(&["bench", "classifier", "--rules", "x", "--shape", "acl"], "cannot be used with");
}

#[test]
fn what_is_not_built_yet_says_so() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_ringfence"));
    for args in [&["bench", "latency"][..], &["bench", "switch", "--scenario", "any.yaml"]] {
        let output = run(&binary, args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("not built yet"), "{args:?}");
    }
}
