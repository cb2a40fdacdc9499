//! The account of a decision, for someone who learns: every rule considered, and why it won or
//! lost. Owns what is told; what is decided is `decide`'s.

use ringfence_cloud::World;

use crate::decide::Asked;
use crate::{Action, Because, Decision, PolicySet, Question, RuleRef, decide};

/// A decision with everything that was looked at on the way, in the order of the merged list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// What was decided; equal to `decide`'s answer.
    pub decision: Decision,
    /// Every rule of this direction and NIC of all groups of the interface, in the order in which
    /// they are tried.
    pub considered: Vec<Considered>,
    /// For a denial: the allow rule (of any group on the interface, this direction) that came
    /// nearest to allowing, with what it lacks; of equals the first tried. It lacks nothing if a
    /// Forbid rule won over it. `None` where no rule would help: the platform's block.
    pub nearest: Option<Considered>,
}

/// One rule looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Considered {
    /// Which.
    pub rule: RuleRef,
    /// Why it does not match; empty if it matches.
    pub misses: Vec<Miss>,
}

/// What of a rule a packet does not meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Miss {
    /// Another protocol.
    Protocol,
    /// A target port outside the range.
    TargetPort,
    /// A source port outside the range.
    SourcePort,
    /// An address outside the authorization object.
    Object,
    /// An IPv6 packet and an IPv4 object, or the other way round.
    Family,
    /// A group object, and traffic that came over the Internet.
    NotInternal,
    /// The other address outside the five-tuple narrowing.
    OwnAddress,
    /// Another ICMP type or code.
    Icmp,
}

/// Decides as [`decide`] does, and tells how.
pub fn account(world: &World, policies: &PolicySet, question: &Question) -> Account {
    let decision = decide(world, policies, question);
    let asked = Asked::new(world, policies, question);
    let considered: Vec<Considered> = asked
        .merged_rules()
        .map(|rule| Considered { rule, misses: asked.misses(policies.rule(rule)) })
        .collect();
    let nearest = if decision.allowed || decision.because == Because::Platform {
        None
    } else {
        considered
            .iter()
            .filter(|considered| policies.rule(considered.rule).action == Action::Allow)
            .min_by_key(|considered| considered.misses.len())
            .cloned()
    };
    Account { decision, considered, nearest }
}
