//! Drop reasons as the small numbers that a checker counts by: stage and name together.

use ringfence_endpoints::generator::Reason;
use ringfence_switch::{Because, Stage};

const KINDS: usize = Because::NAMES.len();
const _: () = assert!(Stage::ALL.len() * KINDS <= Reason::COUNT, "every reason has a number");

/// The number of a drop at `stage` with `because`, for [`Checker`] and [`Expected`].
///
/// [`Checker`]: ringfence_endpoints::generator::Checker
/// [`Expected`]: ringfence_endpoints::generator::Expected
#[inline]
pub fn reason(stage: Stage, because: Because) -> Reason {
    let number = stage as usize * KINDS + because.kind();
    u8::try_from(number).ok().and_then(Reason::new).expect("every reason has a number")
}

/// Stage and name: `inbound default`.
pub fn reason_name(reason: Reason) -> String {
    let number = usize::from(reason.get());
    let stage = Stage::ALL.get(number / KINDS).map_or("nowhere", |stage| stage.name());
    format!("{stage} {}", Because::NAMES[number % KINDS])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ringfence_cloud::GroupIndex;
    use ringfence_policy::RuleRef;

    use super::*;

    #[test]
    fn names_are_those_of_the_switch() {
        let reasons = [
            Because::Rule(RuleRef { group: GroupIndex(3), rule: 5 }),
            Because::SameGroup(GroupIndex(7)),
            Because::Default,
            Because::Platform,
            Because::Spoofed,
            Because::TooBig,
            Because::QueueFull,
            Because::SessionLimit,
            Because::HalfOpenLimit,
        ];
        let mut numbers = BTreeSet::new();
        for stage in Stage::ALL {
            for because in reasons {
                let name = format!("{} {}", stage.name(), because.name());
                assert_eq!(reason_name(reason(stage, because)), name);
                numbers.insert(reason(stage, because));
            }
        }
        assert_eq!(numbers.len(), Stage::ALL.len() * reasons.len(), "each has a number of its own");
    }
}
