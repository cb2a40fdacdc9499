//! Any bytes as a scenario file: nothing panics, what is refused has an error, and every finding
//! has a place in the text and can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_scenario::diagnostic::Severity;
use ringfence_scenario::{Diagnostic, Source, load};
use ringfence_tests::scenarios::check_finding;

fuzz_target!(|bytes: &[u8]| {
    let source = match Source::from_bytes("fuzzed.yaml", bytes.to_vec()) {
        Ok(source) => source,
        Err(refusal) => return check(&refusal.0, &[refusal.1]),
    };
    match load(source.clone()) {
        Ok(scenario) => check(&source, &scenario.warnings),
        Err(findings) => {
            assert!(findings.iter().any(|it| it.severity == Severity::Error));
            check(&source, &findings);
        }
    }
});

fn check(source: &Source, findings: &[Diagnostic]) {
    findings.iter().for_each(|it| check_finding(source, it));
}
