//! The house rules that no compiler holds: which crate may import which, which crates are pure,
//! who makes a `Delivery`, how long a file is. Reads manifests and sources as text.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, and what each may import: the table of ARCHITECTURE.md as data.
const ROOMS: [(&str, &[&str]); 13] = [
    ("memory", &[]),
    ("measure", &["memory"]),
    ("host", &[]),
    ("frame", &[]),
    ("cloud", &["frame"]),
    ("policy", &["frame", "cloud", "memory"]),
    ("session", &["frame", "memory"]),
    ("switch", &["frame", "cloud", "policy", "session"]),
    ("endpoints", &["frame"]),
    ("load", &["frame", "cloud", "policy", "switch", "endpoints"]),
    ("runtime", &["frame", "cloud", "policy", "session", "switch", "endpoints", "memory", "load"]),
    (
        "scenario",
        &["frame", "cloud", "policy", "session", "switch", "endpoints", "runtime", "load"],
    ),
    (
        "ringfence",
        &[
            "frame",
            "cloud",
            "policy",
            "session",
            "switch",
            "endpoints",
            "load",
            "runtime",
            "scenario",
            "memory",
            "measure",
            "host",
        ],
    ),
];

/// "`frame`, `policy`, `session`, `switch` open nothing, ask no clock, draw no random number and
/// start no thread." So does `cloud`.
const PURE: [&str; 5] = ["frame", "cloud", "policy", "session", "switch"];

/// What a pure crate does not name, and why.
const IMPURE: [(&str, &str); 16] = [
    ("SystemTime", "asks a clock"),
    ("Instant::now", "asks a clock"),
    ("std::time::Instant", "is the clock's moment, not the run's"),
    ("std::fs", "opens files"),
    ("File::", "opens files"),
    ("std::env", "reads the environment"),
    ("std::process", "starts or ends processes"),
    ("TcpStream", "opens sockets"),
    ("TcpListener", "opens sockets"),
    ("UdpSocket", "opens sockets"),
    ("std::thread", "starts threads"),
    ("thread::spawn", "starts threads"),
    ("rand", "draws random numbers"),
    ("RandomState", "draws random numbers"),
    ("println!", "prints"),
    ("eprintln!", "prints"),
];

/// A file "is split before 800" lines.
const LINES_MAX: usize = 800;

/// A crate with fewer lines of code than this holds nothing yet.
const REAL_CONTENT_LINES: usize = 50;

#[test]
fn each_crate_imports_what_the_table_allows() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let mut wrong = Vec::new();
    for member in members() {
        for arrow in arrows(&member.join("Cargo.toml")) {
            let name = member.file_name().unwrap().to_str().unwrap();
            let allowed = match name {
                "tests" | "bench" => {
                    arrow.target != "ringfence" && rooms.contains_key(arrow.target.as_str())
                }
                _ => rooms.get(name).is_some_and(|room| room.contains(&arrow.target.as_str())),
            };
            if !allowed {
                wrong.push(format!("{name} imports {} ({})", arrow.target, arrow.section));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not in the table: {wrong:#?}");
}

#[test]
fn the_table_names_the_crates_that_exist() {
    let exist: BTreeSet<String> = crates().map(|path| file_name(&path)).collect();
    let named: BTreeSet<String> = ROOMS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(exist, named);
}

#[test]
fn the_table_has_no_circle_and_nothing_imports_the_binary() {
    let mut above = BTreeSet::new();
    for (name, imports) in ROOMS {
        let missing: Vec<_> = imports.iter().filter(|it| !above.contains(**it)).collect();
        assert!(missing.is_empty(), "{name} imports {missing:?}, which do not stand above it");
        above.insert(name);
    }
    assert!(ROOMS.iter().all(|(_, imports)| !imports.contains(&"ringfence")));
}

#[test]
fn versions_stand_in_the_root_manifest_only() {
    let mut wrong = Vec::new();
    for member in members() {
        let manifest = member.join("Cargo.toml");
        for dependency in dependencies(&manifest) {
            if !dependency.value.contains("workspace = true") {
                wrong.push(format!("{}: {}", manifest.display(), dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies with a version of their own: {wrong:#?}");
}

#[test]
fn pure_crates_stay_pure() {
    let mut wrong = Vec::new();
    for name in PURE {
        let room = root().join("crates").join(name);
        for source in sources(&room.join("src")) {
            let code = code_of(&source);
            for (number, line) in code {
                let hit = IMPURE.iter().find(|(word, _)| names(&line, word));
                if let Some((word, why)) = hit {
                    wrong.push(format!("{}:{number}: `{word}` {why}", source.display()));
                }
            }
        }
        let dependencies = dependencies(&room.join("Cargo.toml"));
        let chance = dependencies
            .iter()
            .filter(|it| it.section == "dependencies" && it.name.starts_with("rand"));
        wrong.extend(chance.map(|it| format!("{name} depends on {}", it.name)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// "Only the journey makes a `Delivery`": its struct literal stands in the output room, and the
/// token that the output room asks for is made in the journey alone.
#[test]
fn only_the_journey_makes_a_delivery() {
    let mut wrong = Vec::new();
    let mut made = 0;
    for member in members() {
        for source in sources(&member) {
            if source.ends_with("tests/architecture.rs") {
                continue;
            }
            let in_switch = source.starts_with(root().join("crates/switch/src"));
            let stem = source.file_stem().unwrap().to_str().unwrap().to_owned();
            for (number, line) in code_of(&source) {
                let at = format!("{}:{number}: {}", source.display(), line.trim());
                if constructs(&line, "Delivery", "{") {
                    made += 1;
                    let may = in_switch && (stem.starts_with("output") || stem == "journey");
                    wrong.extend((!may).then_some(at.clone()));
                }
                if constructs(&line, "Passed", "((") {
                    made += 1;
                    wrong.extend((!(in_switch && stem.starts_with("journey"))).then_some(at));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "made elsewhere: {wrong:#?}");
    assert!(made >= 2, "found no place that makes a Delivery: does this test still look for it?");
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    for source in all_sources() {
        let lines = read(&source).lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines", source.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_file_says_first_what_it_owns() {
    let silent: Vec<_> = all_sources()
        .into_iter()
        .filter(|source| {
            !read(source).starts_with("//!") && !read(source).starts_with("#![no_main]")
        })
        .collect();
    assert!(silent.is_empty(), "files that do not begin with `//!`: {silent:#?}");
}

/// "A crate is created when it gets its first real content."
#[test]
fn crates_have_real_content() {
    let mut wrong = Vec::new();
    for room in crates() {
        let lines: usize = sources(&room.join("src")).iter().map(|it| code_of(it).len()).sum();
        if lines < REAL_CONTENT_LINES {
            wrong.push(format!("{}: {lines} lines of code", room.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX:"),
        concat!("to", "do!("),
        concat!("unimplem", "ented!("),
    ];
    let mut wrong = Vec::new();
    for path in all_texts() {
        for (number, line) in (1..).zip(read(&path).lines()) {
            if words.iter().any(|word| names(line, word)) {
                wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// One dependency in a manifest.
struct Dependency {
    section: String,
    name: String,
    value: String,
}

/// An import of one of our own crates.
struct Arrow {
    section: String,
    target: String,
}

/// Normal, build and development dependencies, those under `[target.*]` too. Knows the two shapes
/// that the manifests use: `name = ...` or `name.key = ...` in a section, and a section of its own.
fn dependencies(manifest: &Path) -> Vec<Dependency> {
    let text = read(manifest);
    let mut found: Vec<Dependency> = Vec::new();
    let mut section = String::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            if let Some((kind, name)) = section.rsplit_once('.')
                && kind.ends_with("dependencies")
            {
                let (section, name) = (kind.to_owned(), name.to_owned());
                found.push(Dependency { section, name, value: String::new() });
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let last_part = section.rsplit('.').next().unwrap_or_default();
        if last_part.ends_with("dependencies") {
            let (name, rest) = key.split_once('.').unwrap_or((key, ""));
            let value =
                if rest.is_empty() { value.to_owned() } else { format!("{rest} = {value}") };
            found.push(Dependency { section: section.clone(), name: name.to_owned(), value });
        } else if section.contains("dependencies.")
            && let Some(open) = found.last_mut()
        {
            open.value.push_str(&format!("{key} = {value} "));
        }
    }
    found
}

fn arrows(manifest: &Path) -> Vec<Arrow> {
    let ours =
        dependencies(manifest).into_iter().filter_map(|Dependency { section, name, value }| {
            let renamed =
                value.split("package = \"").nth(1).and_then(|rest| rest.split('"').next());
            let name = renamed.unwrap_or(&name);
            let target = match name {
                "ringfence" => Some("ringfence"),
                name => name.strip_prefix("ringfence-"),
            };
            target.map(|target| Arrow { section, target: target.to_owned() })
        });
    ours.collect()
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this crate is a folder of the workspace").to_owned()
}

fn crates() -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.is_dir())
}

fn members() -> impl Iterator<Item = PathBuf> {
    crates().chain([root().join("tests"), root().join("bench")])
}

fn all_sources() -> Vec<PathBuf> {
    let places = members().chain([root().join("fuzz")]);
    places.flat_map(|place| sources(&place)).collect()
}

/// Sources, manifests, scenarios and pages: all that people read.
fn all_texts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.retain(|path| {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        matches!(extension, "rs" | "toml" | "md" | "yaml" | "yml" | "html" | "sh")
            || path.ends_with(".ci/run")
    });
    found
}

fn sources(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(place, &mut found);
    found.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    found
}

fn walk(place: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(place) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = file_name(&path);
        if path.is_dir() && !matches!(name.as_str(), "target" | ".git" | "corpus" | "artifacts") {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// The lines of code of a file with their numbers: comments cut off, unit tests left out (they
/// stand last, or in a file of their own).
fn code_of(source: &Path) -> Vec<(usize, String)> {
    if source.ends_with("tests.rs") {
        return Vec::new();
    }
    let text = read(source);
    let begins_tests = |line: &str| {
        let line = line.trim();
        line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test,")
    };
    let lines = (1..).zip(text.lines()).take_while(|(_, line)| !begins_tests(line));
    let code = lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()));
    code.filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, line.to_owned()))
        .collect()
}

/// Whether `word` stands in the line, not as a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let opens = word.starts_with(|c: char| c.is_alphanumeric());
    let closes = word.ends_with(|c: char| c.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_longer = (opens && is_part(before)) || (closes && is_part(after));
        !is_longer
    })
}

/// Whether the line makes a `name`: its name and what opens the literal, no declaration.
fn constructs(line: &str, name: &str, open: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].trim_end();
        let after = line[at + name.len()..].trim_start();
        let declares = ["struct", "impl", "for", "->", "enum"];
        let is_longer = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        after.starts_with(open) && !is_longer && !declares.iter().any(|word| before.ends_with(word))
    })
}

#[test]
fn the_tools_of_this_test_see_what_they_look_for() {
    assert!(names("use std::fs::File;", "std::fs"));
    assert!(names("let x = rand::rng();", "rand"));
    assert!(!names("let operand = 1;", "rand"));
    assert!(!names("random()", "rand"));
    assert!(constructs("let it = Delivery { port };", "Delivery", "{"));
    assert!(!constructs("pub struct Delivery {", "Delivery", "{"));
    assert!(!constructs("impl Delivery {", "Delivery", "{"));
    assert!(constructs("Ok(Passed(()))", "Passed", "(("));
    let switch = arrows(&root().join("crates/switch/Cargo.toml"));
    let targets: BTreeSet<&str> = switch.iter().map(|arrow| arrow.target.as_str()).collect();
    assert_eq!(targets, BTreeSet::from(["cloud", "frame", "policy", "session"]));
}
