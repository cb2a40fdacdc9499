//! Groups and rules as somebody wrote them: words with their places, nothing checked yet.

use ringfence_cloud::{AccountIndex, Network, Origin};

/// A word and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// The word, as written.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

/// A rule in the words of the use-case document. Words are read without regard to case, and
/// `Source: ` or `Destination: ` may stand before a port range or an object, as in its tables.
#[derive(Clone, Debug)]
pub struct RuleDraft {
    /// An id of its own.
    pub id: Option<Text>,
    /// `Inbound`, `Outbound` (or the API's `ingress`, `egress`).
    pub direction: Text,
    /// `Allow`, `Forbid` (or `Accept`, `Drop`, `Deny`); absent: allow.
    pub action: Option<Text>,
    /// 1 to 100; absent: 1.
    pub priority: Option<Text>,
    /// `Custom TCP`, `Custom UDP`, `All ICMP (IPv4)`, `All ICMP (IPv6)`, `All GRE`, `GRE`, `All`,
    /// the API's names, or a number 0 to 255.
    pub protocol: Text,
    /// `80/80`, `-1/-1`, or `prl-...`.
    pub port_range: Option<Text>,
    /// Source ports.
    pub source_ports: Option<Text>,
    /// The authorization object of an inbound rule, or the five-tuple narrowing of an outbound one.
    pub source: Option<Text>,
    /// The authorization object of an outbound rule, or the narrowing of an inbound one.
    pub destination: Option<Text>,
    /// Five-tuple narrowing of an outbound rule.
    pub sources: Vec<Text>,
    /// Five-tuple narrowing of an inbound rule.
    pub targets: Vec<Text>,
    /// `internet`, `intranet`.
    pub nic: Option<Text>,
    /// ICMP type (aws).
    pub icmp_type: Option<Text>,
    /// ICMP code (aws).
    pub icmp_code: Option<Text>,
    /// Free text, 1 to 512 characters.
    pub description: Option<Text>,
    /// Where the rule starts.
    pub origin: Origin,
}

/// A group as written.
#[derive(Clone, Debug)]
pub struct GroupDraft {
    /// Id.
    pub id: Text,
    /// Whose (resolved by the caller).
    pub account: AccountIndex,
    /// VPC (resolved by the caller) or [`Network::ClassicInternal`].
    pub network: Network,
    /// `basic`, `advanced` (or `normal`, `enterprise`); absent: basic.
    pub kind: Option<Text>,
    /// `accept`, `drop`; absent: the type's own.
    pub same_group: Option<Text>,
    /// Rules.
    pub rules: Vec<RuleDraft>,
    /// Where.
    pub origin: Origin,
}

/// A prefix list as written.
#[derive(Clone, Debug)]
pub struct PrefixListDraft {
    /// `pl-...`
    pub id: Text,
    /// MaxEntries, 1 to 200; absent: the number of entries.
    pub max_entries: Option<Text>,
    /// `ipv4`, `ipv6`; absent: that of the first entry.
    pub family: Option<Text>,
    /// CIDRs.
    pub entries: Vec<Text>,
    /// Where.
    pub origin: Origin,
}

/// A port range list as written.
#[derive(Clone, Debug)]
pub struct PortListDraft {
    /// `prl-...`
    pub id: Text,
    /// MaxEntries, 1 to 2,000; absent: the number of entries.
    pub max_entries: Option<Text>,
    /// `80/80`
    pub entries: Vec<Text>,
    /// Where.
    pub origin: Origin,
}
