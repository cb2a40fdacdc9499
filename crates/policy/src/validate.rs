//! Drafts to groups: what the platform rejects is rejected, with its error code and its place.

use ringfence_cloud::{GroupIndex, InterfaceIndex, Origin, World};

use crate::{GroupDraft, Options, PolicySet, PortListDraft, PrefixListDraft, Rule, RuleDraft};

/// Everything that was written.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Groups.
    pub groups: Vec<GroupDraft>,
    /// Prefix lists.
    pub prefix_lists: Vec<PrefixListDraft>,
    /// Port lists.
    pub port_lists: Vec<PortListDraft>,
}

/// Whether it is refused or only said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Refused.
    Error,
    /// Accepted, and said.
    Warning,
}

/// Something that the platform refuses or that the reader should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Refused or only said.
    pub severity: Severity,
    /// The platform's error code (`InvalidParam.PortRange`), or one of ours in kebab case where
    /// the platform has none (`masked-address`, `host-bits`).
    pub code: &'static str,
    /// Where.
    pub origin: Origin,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Checks everything that was written against `world` (accounts, VPCs, and the memberships of
/// its interfaces, whose group numbers count `catalogue.groups`).
///
/// # Errors
/// All violations in file order, if any of them is an error; else the policy and the warnings.
pub fn validate(
    world: &World,
    catalogue: &Catalogue,
    options: Options,
) -> Result<(PolicySet, Vec<Violation>), Vec<Violation>> {
    let _ = (world, catalogue, options);
    unimplemented!()
}

/// Checks rules that are to replace those of `group` while frames flow; quotas of every interface
/// in the group included.
///
/// # Errors
/// As [`validate`].
pub fn validate_rules(
    world: &World,
    policies: &PolicySet,
    group: GroupIndex,
    drafts: &[RuleDraft],
) -> Result<(Vec<Rule>, Vec<Violation>), Vec<Violation>> {
    let _ = (world, policies, group, drafts);
    unimplemented!()
}

/// Checks the groups that are to be an interface's: at least one, one type only, of its network,
/// within quotas.
///
/// # Errors
/// As [`validate`].
pub fn check_memberships(
    world: &World,
    policies: &PolicySet,
    interface: InterfaceIndex,
    groups: &[GroupIndex],
    origin: &Origin,
) -> Result<(), Vec<Violation>> {
    let _ = (world, policies, interface, groups, origin);
    unimplemented!()
}
