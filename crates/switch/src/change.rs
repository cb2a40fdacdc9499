//! Rules, memberships, lists and timeouts that change while frames flow.

use ipnet::IpNet;
use ringfence_cloud::{GroupIndex, InterfaceIndex};
use ringfence_policy::{PortListIndex, PortRange, PrefixListIndex, Rule};
use ringfence_session::Timeouts;

/// Option `on_rule_change`. "A changed interface is one whose own groups or rules changed, or
/// whose rules reference a group whose members, or a list whose entries, changed."
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OnRuleChange {
    /// "re-decide the session's first packet under the new rules, cut the session if it is now
    /// denied"
    #[default]
    CutIfDenied,
    /// "tracked flows live on"
    Keep,
    /// "forget all sessions of the changed interface, the next packet is decided as new"
    Flush,
    /// "only those admitted inbound"
    FlushInbound,
}

/// One change, validated.
#[derive(Clone, Debug)]
pub enum Change {
    /// Replaces a group's rules whole.
    Rules(GroupIndex, Vec<Rule>),
    /// Replaces an interface's groups.
    Members(InterfaceIndex, Vec<GroupIndex>),
    /// Replaces a prefix list's entries.
    PrefixList(PrefixListIndex, Vec<IpNet>),
    /// Replaces a port list's entries.
    PortList(PortListIndex, Vec<PortRange>),
    /// Replaces an interface's timeouts; touches new sessions only.
    Timeouts(InterfaceIndex, Timeouts),
}
