//! The language of security groups, and the reference that decides.
//!
//! Owns groups, rules, prefix and port lists, their words, their validation with the platform's
//! error codes, [`decide`]: the slow, obvious reading of part 0 of the specification, and
//! [`Classifier`]: the same answers fast. Knows no session and no frame. Pure.

mod account;
mod compile;
mod decide;
mod draft;
mod language;
mod lists;
mod names;
mod object_check;
mod options;
mod quota;
mod rule_check;
mod validate;
mod violation;
mod words;

pub use account::{Account, Considered, Miss, account};
pub use compile::Classifier;
pub use decide::{Because, Decision, Question, decide};
pub use draft::{GroupDraft, PortListDraft, PrefixListDraft, RuleDraft, Text};
pub use language::{
    Action, Group, GroupKind, IcmpMatch, Nic, Object, PolicySet, PortList, PortListIndex,
    PortRange, Ports, PrefixList, PrefixListIndex, Priority, ProtocolMatch, Rule, RuleRef,
    SameGroup,
};
pub use options::{HealthChecks, Options, Port25, Profile, SameGroupOutbound};
pub use validate::{Catalogue, check_memberships, validate, validate_rules};
pub use violation::{Severity, Violation};
