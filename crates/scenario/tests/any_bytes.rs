//! No file makes the reader panic, and none makes it slow.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // tests that bound the time ask a clock

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ringfence_scenario::format::format;
use ringfence_scenario::{Source, load};

/// A scenario with most words of the language.
const SEEDS: [&str; 4] = [
    include_str!("words.yaml"),
    include_str!("../../../scenarios/use-cases/web-services.yaml"),
    include_str!("../../../scenarios/usage-notes/classic-public-and-internal-rules.yaml"),
    include_str!("../../../scenarios/changes/rule-change-cuts-a-session.yaml"),
];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

fn mutated(bytes: &mut Vec<u8>, chance: &mut Chance) {
    const BYTES: &[u8] = b"{}[]:,-#'\"*&!|>%@` \n\t\0\r\xff\xc3\xa9019.xX/~<";
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        match chance.below(6) {
            0 if !bytes.is_empty() => drop(bytes.remove(at)),
            1 => bytes.insert(at.min(bytes.len()), BYTES[chance.below(BYTES.len())]),
            2 if !bytes.is_empty() => bytes[at] = BYTES[chance.below(BYTES.len())],
            3 => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                let (from, to) = (chance.below(lines.len()), chance.below(lines.len()));
                match (chance.below(3), lines.get(from).cloned()) {
                    (0, Some(line)) => lines.insert(to, line),
                    (1, Some(_)) => drop(lines.remove(from)),
                    (_, Some(line)) => lines[to] = line,
                    _ => {}
                }
                *bytes = lines.concat();
            }
            4 => {
                let end = (at + chance.below(30)).min(bytes.len());
                let part = bytes.get(at..end).unwrap_or_default().to_vec();
                let to = chance.below(bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let end = (at + chance.below(30)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
}

/// Reads bytes in every way that the command line does; how it went.
fn read(bytes: Vec<u8>) -> &'static str {
    let source = match Source::from_bytes("mutated.yaml", bytes) {
        Ok(source) => source,
        Err(refusal) => {
            let (source, finding) = *refusal;
            assert!(!finding.render(&source, true).is_empty());
            return "not UTF-8";
        }
    };
    let formatted = format(&source.text);
    assert_eq!(format(&formatted), formatted, "formatting twice differs");
    match load(source.clone()) {
        Ok(scenario) => {
            for warning in scenario.warnings() {
                assert!(!warning.render(&source, false).is_empty());
            }
            "loaded"
        }
        Err(findings) => {
            assert!(findings.iter().any(|finding| finding.is_error()));
            for finding in &findings {
                assert!(finding.render(&source, false).contains(finding.code));
                assert_eq!(finding.to_json(&source)["code"], finding.code);
            }
            "refused"
        }
    }
}

#[test]
fn mutated_scenarios_never_panic() {
    let mut outcomes = std::collections::BTreeMap::new();
    for seed in 0..2_000_u64 {
        let mut chance = Chance(seed);
        let mut bytes = SEEDS[chance.below(SEEDS.len())].as_bytes().to_vec();
        mutated(&mut bytes, &mut chance);
        let outcome = std::panic::catch_unwind(|| read(bytes.clone()));
        let outcome = outcome
            .unwrap_or_else(|_| panic!("seed {seed} panics:\n{}", String::from_utf8_lossy(&bytes)));
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    // All ways must have been met, or the test shows nothing.
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert!(outcomes["loaded"] > 50 && outcomes["refused"] > 500, "{outcomes:?}");
}

#[test]
fn any_bytes_never_panic() {
    for seed in 0..500 {
        let mut chance = Chance(seed);
        let len = chance.below(200);
        let bytes = (0..len).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
        read(bytes);
    }
}

/// 100 groups, 1,000 rules, 1,000 instances.
fn large() -> String {
    let mut text = String::from("title: Large\nvpcs:\n  - id: vpc-1\n    cidr: 10.0.0.0/8\n");
    text += "    vswitches: [ { id: vsw-1, cidr: 10.0.0.0/16 } ]\nsecurity_groups:\n";
    for group in 0..100 {
        let _ = writeln!(text, "  - id: sg-{group}\n    vpc: vpc-1\n    rules:");
        for rule in 0..10 {
            let _ = writeln!(
                text,
                "      - {{ direction: inbound, action: allow, priority: {}, protocol: Custom TCP, \
                 port_range: {}/{}, source: 10.0.{group}.0/24 }}",
                rule + 1,
                1_000 + rule,
                2_000 + rule,
            );
        }
    }
    text += "instances:\n";
    for instance in 0..1_000 {
        let _ = writeln!(
            text,
            "  - {{ id: i-{instance}, vswitch: vsw-1, ip: 10.0.{}.{}, security_groups: [sg-{}] }}",
            instance / 200,
            instance % 200 + 10,
            instance % 100,
        );
    }
    text += "expect:\n";
    for instance in 1..1_000 {
        let _ = writeln!(
            text,
            "  - {{ from: i-{}, to: i-{instance}, tcp: 1000, verdict: deny, because: default }}",
            instance - 1,
        );
    }
    text
}

#[test]
fn a_large_world_loads_in_no_time() {
    let text = large();
    let started = Instant::now();
    let scenario = load(Source::new("large.yaml", &text)).unwrap();
    let took = started.elapsed();
    assert_eq!(scenario.fabric.world.interfaces.len(), 1_000);
    assert_eq!(scenario.fabric.policies.groups.len(), 100);
    assert_eq!(scenario.expectations.len(), 999);
    // A release build takes a tenth of it.
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    println!("loaded in {took:?}");
}

#[test]
fn a_thousand_mistakes_are_found_in_no_time() {
    let text = large().replace("security_groups: [sg-", "security_groups: [sgg-");
    let started = Instant::now();
    let findings = load(Source::new("large.yaml", &text)).unwrap_err();
    let took = started.elapsed();
    assert_eq!(findings.len(), 1_000);
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}
