//! Drop reasons as the small numbers that a checker counts by: stage and name together.

use ringfence_endpoints::generator::Reason;
use ringfence_switch::{Because, Stage};

const STAGES: [Stage; 6] =
    [Stage::Parse, Stage::Admit, Stage::Outbound, Stage::Route, Stage::Inbound, Stage::Deliver];

const NAMES: [&str; 20] = [
    "rule",
    "same-group",
    "default",
    "always-allowed",
    "platform",
    "session",
    "midstream",
    "spoofed",
    "not-forwarded",
    "unreachable",
    "ttl-exceeded",
    "too-big",
    "queue-full",
    "malformed",
    "fragment-timeout",
    "fragment-overlap",
    "fragment-limit",
    "session-limit",
    "half-open-limit",
    "other",
];

/// The number of a drop at `stage` with `because`, for [`Checker`] and [`Expected`].
///
/// [`Checker`]: ringfence_endpoints::generator::Checker
/// [`Expected`]: ringfence_endpoints::generator::Expected
#[inline]
pub fn reason(stage: Stage, because: Because) -> Reason {
    let name = match because {
        Because::Rule(_) => 0,
        Because::SameGroup(_) => 1,
        Because::Default => 2,
        Because::AlwaysAllowed => 3,
        Because::Platform => 4,
        Because::Session => 5,
        Because::Midstream => 6,
        Because::Spoofed => 7,
        Because::NotForwarded => 8,
        Because::Unreachable(_) => 9,
        Because::TtlExceeded => 10,
        Because::TooBig => 11,
        Because::QueueFull => 12,
        Because::Malformed(_) => 13,
        Because::FragmentTimeout => 14,
        Because::FragmentOverlap => 15,
        Because::FragmentLimit => 16,
        Because::SessionLimit => 17,
        Because::HalfOpenLimit => 18,
    };
    let number = stage as u8 * NAMES.len() as u8 + name;
    Reason::new(number).expect("six stages of twenty reasons are fewer than 128")
}

/// Stage and name: `inbound default`.
pub fn reason_name(reason: Reason) -> String {
    let number = usize::from(reason.get());
    let stage = STAGES.get(number / NAMES.len()).map_or("nowhere", |stage| stage.name());
    format!("{stage} {}", NAMES[number % NAMES.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_switch() {
        let reasons = [
            Because::Default,
            Because::Platform,
            Because::Spoofed,
            Because::TooBig,
            Because::QueueFull,
            Because::SessionLimit,
            Because::HalfOpenLimit,
        ];
        for stage in STAGES {
            for because in reasons {
                let name = format!("{} {}", stage.name(), because.name());
                assert_eq!(reason_name(reason(stage, because)), name);
            }
        }
    }
}
