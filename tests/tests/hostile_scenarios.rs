//! Broken scenario files: each file of the corpus earns the error that its first line names, at
//! the place that it names; mutated ones never panic.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ringfence_scenario::diagnostic::{Severity, codes, explain_code};
use ringfence_scenario::{Diagnostic, Source, load};
use ringfence_tests::dice::Dice;
use ringfence_tests::{scenarios, setting};

const MUTATIONS: u64 = 5_000;
const SEED: u64 = 0xbad_5ce0;

/// Codes that the corpus has no file for: warnings, and what is in the words of a scenario's file
/// but not an error of it.
const WITHOUT_A_FILE: [&str; 3] = ["RF0012", "RF0018", "RF0204"];

#[test]
fn each_broken_file_earns_its_error() {
    let mut failures = Vec::new();
    let mut met = BTreeSet::new();
    for path in corpus() {
        let bytes = std::fs::read(&path).unwrap();
        let expected = Expected::of(&path, &bytes);
        met.insert(expected.code.clone());
        if let Err(failure) = check(&path, bytes, &expected) {
            failures.push(failure);
        }
    }
    assert!(failures.is_empty(), "{} files:\n{}", failures.len(), failures.join("\n"));
    let unmet: Vec<_> = codes()
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| !met.contains(*code) && !WITHOUT_A_FILE.contains(code))
        .collect();
    assert!(unmet.is_empty(), "no broken file for {unmet:?}");
}

/// What a file's first line says: `# RF0200 at 9:60 (InvalidParam.PortRange): words`.
struct Expected {
    code: String,
    line: u32,
    column: u32,
    platform_code: Option<String>,
}

impl Expected {
    fn of(path: &Path, bytes: &[u8]) -> Expected {
        let text = String::from_utf8_lossy(bytes);
        let read = || {
            let (said, _) = text.lines().next()?.strip_prefix("# ")?.split_once(": ")?;
            let (code, place) = said.split_once(" at ")?;
            let (place, platform_code) = match place.split_once(" (") {
                Some((place, code)) => (place, Some(code.strip_suffix(')')?.to_owned())),
                None => (place, None),
            };
            let (line, column) = place.split_once(':')?;
            let (line, column) = (line.parse().ok()?, column.parse().ok()?);
            Some(Expected { code: code.to_owned(), line, column, platform_code })
        };
        read().unwrap_or_else(|| panic!("{}: what error is it for?", path.display()))
    }

    fn is(&self, found: &Diagnostic) -> bool {
        found.severity == Severity::Error
            && found.code == self.code
            && (found.origin.line, found.origin.column) == (self.line, self.column)
            && self.platform_code.as_deref().is_none_or(|it| found.platform_code == Some(it))
    }
}

/// The error comes first, says its place when it is rendered, and has a longer text.
fn check(path: &Path, bytes: Vec<u8>, expected: &Expected) -> Result<(), String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (source, findings) = match Source::from_bytes(name, bytes) {
        Ok(source) => match load(source.clone()) {
            Ok(_) => return Err(format!("{name} was accepted")),
            Err(findings) => (source, findings),
        },
        Err(refusal) => (refusal.0, vec![refusal.1]),
    };
    let rendered: String = findings.iter().map(|it| it.render(&source, false) + "\n").collect();
    let first_error = findings.iter().find(|it| it.severity == Severity::Error);
    let Some(found) = first_error.filter(|it| expected.is(it)) else {
        let Expected { code, line, column, platform_code } = expected;
        let platform_code = platform_code.as_deref().unwrap_or_default();
        return Err(format!("{name}: {code} at {line}:{column} {platform_code}, not\n{rendered}"));
    };
    let place = format!("{name}:{}:{}", expected.line, expected.column);
    if found.message.is_empty() || !rendered.contains(&place) || !rendered.contains(&expected.code)
    {
        return Err(format!("{name}: the error does not say {place}\n{rendered}"));
    }
    match explain_code(found.code) {
        Some(_) => Ok(()),
        None => Err(format!("{name}: nothing explains {}", found.code)),
    }
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/scenarios");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 80, "only {} broken files", paths.len());
    paths
}

#[test]
fn mutated_scenarios_never_panic() {
    let seed = setting("RINGFENCE_SEED", SEED);
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let shipped: Vec<Vec<u8>> =
        scenarios::shipped().iter().map(|it| std::fs::read(it).unwrap()).collect();
    let (mut accepted, mut refused, mut unreadable) = (0_u64, 0_u64, 0_u64);
    for _ in 0..MUTATIONS {
        let mut bytes = shipped[dice.between(0, shipped.len() - 1)].clone();
        for _ in 0..dice.between(1, 4) {
            mutate(&mut dice, &mut bytes, &shipped);
        }
        let source = match Source::from_bytes("mutated.yaml", bytes) {
            Ok(source) => source,
            Err(refusal) => {
                unreadable += 1;
                check_findings(&refusal.0, &[refusal.1]);
                continue;
            }
        };
        match load(source.clone()) {
            Ok(scenario) => {
                accepted += 1;
                check_findings(&source, &scenario.warnings);
                assert!(scenario.warnings.iter().all(|it| it.severity == Severity::Warning));
            }
            Err(findings) => {
                refused += 1;
                check_findings(&source, &findings);
                let errors = findings.iter().filter(|it| it.severity == Severity::Error);
                assert!(errors.count() > 0, "refused without an error:\n{}", source.text);
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {unreadable} not UTF-8");
    assert!(accepted > MUTATIONS / 50, "only {accepted} of {MUTATIONS} were accepted");
    assert!(refused > MUTATIONS / 4, "only {refused} of {MUTATIONS} were refused");
    assert!(unreadable > 0);
}

fn check_findings(source: &Source, findings: &[Diagnostic]) {
    findings.iter().for_each(|it| scenarios::check_finding(source, it));
}

/// Words that mean something somewhere.
const WORDS: [&str; 24] = [
    "-1/-1",
    "0.0.0.0/0",
    "::/0",
    "sg-web",
    "XX",
    "****",
    "65536",
    "-1",
    "inbound",
    "advanced",
    "null",
    "~",
    "[]",
    "{}",
    "*a",
    "&a",
    "<<: *a",
    "!!binary x",
    "\"",
    "'",
    "\u{feff}",
    "\u{1f600}",
    "- ",
    ": ",
];

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let last = bytes.len() - 1;
    let (a, b) = (dice.between(0, last), dice.between(0, last));
    let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 80));
    match dice.between(0, 8) {
        0 => bytes[a] ^= 1 << dice.between(0, 7),
        1 => bytes[a] = dice.pick(b"{}[]:,-#'\"*&!|>%@ \n\t\0/.0189axX"),
        2 => drop(bytes.drain(from..to)),
        3 => {
            let part = bytes[from..to].to_vec();
            bytes.splice(b..b, part);
        }
        4 => {
            let word = dice.pick(&WORDS).as_bytes().to_vec();
            bytes.splice(a..a, word);
        }
        5 => mutate_line(dice, bytes),
        6 => {
            let other = &others[dice.between(0, others.len() - 1)];
            let lines: Vec<&[u8]> = other.split_inclusive(|it| *it == b'\n').collect();
            let line = dice.pick(&lines).to_vec();
            bytes.splice(a..a, line);
        }
        7 => replace_number(dice, bytes, a),
        _ => bytes.truncate(last - dice.between(0, last / 4)),
    }
}

/// Takes a line away, doubles it, or swaps it with another.
fn mutate_line(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|it| *it == b'\n').map(<[u8]>::to_vec).collect();
    let (a, b) = (dice.between(0, lines.len() - 1), dice.between(0, lines.len() - 1));
    match dice.between(0, 2) {
        0 => drop(lines.remove(a)),
        1 => lines.insert(b, lines[a].clone()),
        _ => lines.swap(a, b),
    }
    *bytes = lines.concat();
}

/// Another number in the place of the next one.
fn replace_number(dice: &mut Dice, bytes: &mut Vec<u8>, from: usize) {
    let Some(start) = (from..bytes.len()).find(|it| bytes[*it].is_ascii_digit()) else { return };
    let end = (start..bytes.len()).find(|it| !bytes[*it].is_ascii_digit()).unwrap_or(bytes.len());
    let number =
        dice.pick(&["0", "1", "25", "100", "101", "255", "256", "65535", "65536", "99999999999"]);
    bytes.splice(start..end, number.bytes());
}
