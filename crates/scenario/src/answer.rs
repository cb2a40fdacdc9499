//! A verdict in the shape that scripts read: names instead of numbers, keys sorted.
//!
//! Owns the fields of an answer, the same in `explain`, `replay` and `run`. Fields stand in the
//! order of their names, so that JSON comes out sorted.

use ringfence_frame::Tuple;
use ringfence_policy::{Action, RuleRef};
use ringfence_switch::{Because, Fabric, Side, Stage, Verdict};
use serde::Serialize;

/// Version of every JSON that this program writes.
pub const FORMAT_VERSION: &str = "1.0";

/// What became of a packet, by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Answer {
    /// Why, by its stable name.
    pub because: &'static str,
    /// Of a malformed packet: which class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// Of an unreachable target: why there is no way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The group whose same-group Accept decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The receiver's interface, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<SideAnswer>,
    /// The sender's interface, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<SideAnswer>,
    /// The deciding rule, where a rule decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleAnswer>,
    /// The stage at which the verdict fell.
    pub stage: &'static str,
    /// Where it went or would have gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `allow` or `deny`.
    pub verdict: &'static str,
}

/// One interface's part in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SideAnswer {
    /// Why, by its stable name.
    pub because: &'static str,
    /// The group whose same-group Accept decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whose.
    pub interface: String,
    /// The deciding rule, where a rule decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleAnswer>,
    /// The session of this half that the packet belongs to or opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// `outbound` or `inbound`.
    pub stage: &'static str,
    /// `allow` or `deny`.
    pub verdict: &'static str,
}

/// A rule by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RuleAnswer {
    /// `allow` or `forbid`.
    pub action: &'static str,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// Its group.
    pub group: String,
    /// Its id.
    pub id: String,
    /// Its priority.
    pub priority: u8,
}

/// A flow's key by its parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TupleAnswer {
    /// Protocol: a name, or `protocol N`.
    pub protocol: String,
    /// Source address.
    pub source: String,
    /// Source port or ICMP identifier.
    pub source_port: u16,
    /// Target address.
    pub target: String,
    /// Target port or ICMP identifier.
    pub target_port: u16,
}

/// `allow` or `deny`.
pub fn verdict_name(allowed: bool) -> &'static str {
    if allowed { "allow" } else { "deny" }
}

/// `allow` or `forbid`.
pub(crate) fn action_name(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Forbid => "forbid",
    }
}

impl Answer {
    /// A verdict of this fabric, rules as they are now.
    pub fn of(fabric: &Fabric, verdict: &Verdict) -> Answer {
        let (class, detail) = match verdict.because {
            Because::Malformed(class) => (Some(class.name()), None),
            Because::Unreachable(why) => (None, Some(why.to_string())),
            _ => (None, None),
        };
        let side =
            |side: Option<Side>, stage| side.map(|side| SideAnswer::of(fabric, &side, stage));
        Answer {
            because: verdict.because.name(),
            class,
            detail,
            group: group_of(fabric, verdict.because),
            inbound: side(verdict.inbound, Stage::Inbound),
            outbound: side(verdict.outbound, Stage::Outbound),
            rule: RuleAnswer::because(fabric, verdict.because),
            stage: verdict.stage.name(),
            to: verdict.to.map(|place| fabric.world.place_name(place)),
            verdict: verdict_name(verdict.allowed),
        }
    }

    /// Whether the packet was let through.
    pub fn allowed(&self) -> bool {
        self.verdict == verdict_name(true)
    }
}

impl SideAnswer {
    fn of(fabric: &Fabric, side: &Side, stage: Stage) -> SideAnswer {
        SideAnswer {
            because: side.because.name(),
            group: group_of(fabric, side.because),
            interface: fabric.world.interface(side.interface).name.clone(),
            rule: RuleAnswer::because(fabric, side.because),
            session: side.session.map(|session| session.0),
            stage: stage.name(),
            verdict: verdict_name(side.allowed),
        }
    }
}

impl RuleAnswer {
    /// A rule of this fabric, as it is now.
    pub fn of(fabric: &Fabric, reference: RuleRef) -> RuleAnswer {
        let rule = fabric.policies.rule(reference);
        RuleAnswer {
            action: action_name(rule.action),
            direction: rule.direction.name(),
            group: fabric.policies.group(reference.group).id.clone(),
            id: rule.id.clone(),
            priority: rule.priority.get(),
        }
    }

    fn because(fabric: &Fabric, because: Because) -> Option<RuleAnswer> {
        match because {
            Because::Rule(reference) => Some(RuleAnswer::of(fabric, reference)),
            _ => None,
        }
    }
}

impl TupleAnswer {
    /// A key.
    pub fn of(tuple: Tuple) -> TupleAnswer {
        TupleAnswer {
            protocol: tuple.protocol.to_string(),
            source: tuple.source.to_string(),
            source_port: tuple.source_port,
            target: tuple.target.to_string(),
            target_port: tuple.target_port,
        }
    }
}

fn group_of(fabric: &Fabric, because: Because) -> Option<String> {
    match because {
        Because::SameGroup(group) => Some(fabric.policies.group(group).id.clone()),
        _ => None,
    }
}

/// Whether two verdicts say the same: everything but the sessions, which paper does not know.
pub fn same_verdict(a: &Verdict, b: &Verdict) -> bool {
    let without_session = |side: Option<Side>| side.map(|side| Side { session: None, ..side });
    a.allowed == b.allowed
        && a.because == b.because
        && a.stage == b.stage
        && a.tuple == b.tuple
        && a.to == b.to
        && without_session(a.outbound) == without_session(b.outbound)
        && without_session(a.inbound) == without_session(b.inbound)
}
