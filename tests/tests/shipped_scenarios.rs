//! Every scenario that ships with Ringfence loads, and all that it expects comes true, on paper
//! and in frames.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::path::Path;

use ringfence_scenario::{RunOptions, RunReport, Scenario, Source, load, run};
use ringfence_tests::scenarios;

/// The warnings that shipped scenarios are meant to have: file and code.
const WARNINGS: [(&str, &str); 1] = [("use-cases/databases.yaml", "RF0012")];

fn loaded(path: &Path) -> Result<Scenario, String> {
    let name = name(path);
    let source = Source::from_bytes(&name, std::fs::read(path).unwrap());
    let source = source.map_err(|refusal| refusal.1.render(&refusal.0, false))?;
    load(source.clone()).map_err(|findings| {
        findings.iter().map(|it| it.render(&source, false) + "\n").collect::<String>()
    })
}

/// The path below `scenarios/`.
fn name(path: &Path) -> String {
    let path = path.to_str().unwrap().replace('\\', "/");
    path.rsplit_once("scenarios/").unwrap().1.to_owned()
}

fn played(scenario: &Scenario) -> RunReport {
    let mut options = RunOptions {
        select: &|_| true,
        seed: None,
        keep_frames: false,
        progress: &mut |_, _| true,
    };
    run(scenario, &mut options).report
}

#[test]
fn every_scenario_loads_and_warns_as_it_is_meant_to() {
    let mut refused = Vec::new();
    let mut warned = Vec::new();
    let paths = scenarios::shipped();
    assert!(paths.len() >= 20, "only {} scenarios", paths.len());
    for path in paths {
        match loaded(&path) {
            Ok(scenario) => {
                assert!(!scenario.title.is_empty(), "{} has no title", path.display());
                let codes = scenario.warnings.iter().map(|it| it.code);
                warned.extend(codes.map(|code| (name(&path), code.to_owned())));
            }
            Err(findings) => refused.push(findings),
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let meant = WARNINGS.map(|(file, code)| (file.to_owned(), code.to_owned()));
    assert_eq!(warned, meant);
}

#[test]
fn every_expectation_comes_true_on_paper_and_in_frames() {
    let mut failures = Vec::new();
    let mut expectations = 0;
    for path in scenarios::shipped() {
        let scenario = loaded(&path).unwrap_or_else(|findings| panic!("{findings}"));
        let report = played(&scenario);
        println!("{}: {} passed, {} failed", report.file, report.passed, report.failed);
        let counts = (report.passed + report.failed, report.skipped);
        assert_eq!(counts, (scenario.expectations.len(), 0), "{} lost some", report.file);
        assert!(!scenario.expectations.is_empty(), "{} expects nothing", report.file);
        expectations += report.passed;
        for expectation in &report.expectations {
            let place = format!("{} {}", expectation.origin, expectation.name);
            failures.extend(expectation.failures.iter().map(|it| format!("{place}: {it}")));
            failures.extend((!expectation.agrees).then(|| format!("{place}: paper disagrees")));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(expectations >= 100, "only {expectations} expectations in all");
}

/// "Same scenario and same seed: the same bytes out."
#[test]
fn a_run_is_the_same_twice() {
    let path = scenarios::shipped().into_iter().find(|it| name(it) == "load/steady-udp.yaml");
    let scenario = loaded(&path.unwrap()).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(played(&scenario), played(&scenario));
}

/// What each generator's frames meet: a sweep the rules of each target, a flood its limit.
#[test]
fn a_sweep_and_a_flood_meet_what_the_report_says() {
    let file = "load/mix-sweep-and-flood.yaml";
    let path = scenarios::shipped().into_iter().find(|it| name(it) == file).unwrap();
    let report = played(&loaded(&path).unwrap_or_else(|findings| panic!("{findings}")));
    let counts: Vec<(&str, u64, u64)> = report
        .generators
        .iter()
        .map(|it| (it.name.as_str(), it.frames_sent, it.frames_received))
        .collect();
    // 10 rounds of 32 targets, of which two are reached; 1,000 half-open sessions, of which the
    // sweep has made one
    let wanted = [
        ("clients", 9_000, 9_000),
        ("closed port", 1_000, 0),
        ("sweep", 320, 20),
        ("flood", 8_000, 999),
    ];
    assert_eq!(counts, wanted);
    let targets = report.generators[2].targets.unwrap();
    assert_eq!((targets.allowed, targets.total), (2, 32));
}
