//! The documentation holds: its scenarios load and come true, its commands print what it shows, its
//! links lead somewhere, and the page on the scenario file has every word of it.
//!
//! `TRYCMD=overwrite cargo test -p ringfence --test docs` writes what commands print into the pages.

#![allow(clippy::unwrap_used)] // a page that cannot be read is a failure

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence_scenario::{Diagnostic, RunOptions, Source, load, run};
use serde_json::Value;

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The README and everything in `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    pages.sort();
    pages
}

/// A fenced block.
struct Block {
    /// Page and line.
    place: String,
    /// What stands behind the fence: `yaml scenario`.
    info: String,
    text: String,
}

fn blocks(page: &Path) -> Vec<Block> {
    let name = page.strip_prefix(root()).unwrap().display().to_string();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(fs::read_to_string(page).unwrap().lines()) {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let (place, info) = (format!("{name}:{number}"), info.trim().to_owned());
                open = Some(Block { place, info, text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block without an end");
    blocks
}

/// The parts of a scenario file at its top level, each with its key.
fn parts(text: &str) -> Vec<(String, String)> {
    let mut parts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.split_once(':') {
            Some((key, _)) if line.starts_with(|c: char| c.is_ascii_lowercase()) => {
                parts.push((key.to_owned(), format!("{line}\n")));
            }
            _ => parts.last_mut().unwrap().1.push_str(&format!("{line}\n")),
        }
    }
    parts
}

/// A whole file with some of its parts replaced. Its expectations go, since they are not about
/// the fragment's world.
fn completed(whole: &str, fragment: &str) -> String {
    let fragment = parts(fragment);
    let is_replaced = |key: &str| key == "expect" || fragment.iter().any(|(it, _)| it == key);
    let kept = parts(whole).into_iter().filter(|(key, _)| !is_replaced(key));
    kept.chain(fragment.iter().cloned()).map(|(_, text)| text).collect()
}

fn said(diagnostics: &[Diagnostic], source: &Source) -> String {
    diagnostics.iter().map(|it| it.render(source, false)).collect()
}

/// Loads a block, and runs what it expects.
fn check(place: &str, text: &str) {
    let source = Source { name: Arc::from(place), text: Arc::from(text) };
    let scenario = match load(source.clone()) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", said(&diagnostics, &source)),
    };
    let mut options = RunOptions {
        select: &|_| true,
        seed: None,
        keep_frames: false,
        progress: &mut |_, _| true,
    };
    for expectation in run(&scenario, &mut options).report.expectations {
        let failures = &expectation.failures;
        assert!(failures.is_empty(), "{place}: {}: {failures:?}", expectation.name);
        assert!(expectation.agrees, "{place}: {}", expectation.name);
    }
}

/// A block that must be refused by this code and no other.
fn check_refused(place: &str, text: &str, code: &str) {
    let source = Source { name: Arc::from(place), text: Arc::from(text) };
    let Err(diagnostics) = load(source.clone()) else {
        panic!("{place}: it was to be refused with {code}");
    };
    let said = said(&diagnostics, &source);
    assert!(diagnostics.iter().all(|it| it.code == code), "{place}: {said}");
}

#[test]
fn scenarios_in_the_pages_come_true() {
    let (mut scenarios, mut fragments, mut refused) = (0, 0, 0);
    for page in pages() {
        let mut whole: Option<String> = None;
        for Block { place, info, text } in blocks(&page) {
            let words: Vec<&str> = info.split(' ').collect();
            match words.as_slice() {
                ["yaml"] if place.starts_with("README.md") => {
                    check(&place, &text);
                    scenarios += 1;
                }
                ["yaml", "scenario"] => {
                    check(&place, &text);
                    whole = Some(text);
                    scenarios += 1;
                }
                ["yaml", "fragment"] => {
                    check(&place, &completed(whole.as_ref().unwrap(), &text));
                    fragments += 1;
                }
                ["yaml", "refused", code] => {
                    check_refused(&place, &completed(whole.as_ref().unwrap(), &text), code);
                    refused += 1;
                }
                ["yaml", ..] => panic!("{place}: `{info}`: say scenario, fragment or refused"),
                _ => {}
            }
        }
    }
    assert!(scenarios >= 2 && fragments >= 8 && refused >= 1, "{scenarios} {fragments} {refused}");
}

#[test]
fn the_example_of_the_traps_comes_true() {
    let path = root().join("docs/examples/traps.yaml");
    check("docs/examples/traps.yaml", &fs::read_to_string(path).unwrap());
}

/// Every key of every record, and every word out of a few, that a schema holds.
fn words_of(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        words.extend(properties.keys().cloned());
                    }
                    ("enum", Value::Array(choices)) => {
                        words.extend(choices.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => {}
                }
                words_of(value, words);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words_of(item, words)),
        _ => {}
    }
}

#[test]
fn the_page_on_the_scenario_file_has_every_word() {
    let page = fs::read_to_string(root().join("docs/scenario-file.md")).unwrap();
    let mut words = BTreeSet::new();
    words_of(&ringfence_scenario::schema::json_schema(), &mut words);
    assert!(words.len() > 150, "{words:?}");
    let missing: Vec<&String> =
        words.iter().filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "docs/scenario-file.md does not have {missing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !anchor.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                assert!(anchors(&there).contains(anchor), "{}: {link}", page.display());
            }
        }
    }
}

/// The anchors of headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Copies a folder's files, folders inside it too.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The commands run in a copy of the checkout, so that they may write files.
#[test]
fn commands_in_the_pages_print_what_they_show() {
    let world = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
    let _ = fs::remove_dir_all(&world);
    copy(&root().join("scenarios"), &world.join("scenarios"));
    copy(&root().join("docs"), &world.join("docs"));
    let pages = pages();
    std::env::set_current_dir(&world).unwrap();
    let cases = trycmd::TestCases::new();
    cases.register_bin("ringfence", Path::new(env!("CARGO_BIN_EXE_ringfence")));
    cases.register_bin("cat", Path::new("/bin/cat"));
    for page in pages {
        cases.case(page);
    }
    cases.run();
}
