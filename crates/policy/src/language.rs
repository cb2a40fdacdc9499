//! Groups and rules that have been validated.

use ipnet::IpNet;
use ringfence_cloud::{AccountIndex, GroupIndex, Network, Origin};
use ringfence_frame::{Direction, Protocol};

/// Counts [`PolicySet::prefix_lists`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PrefixListIndex(pub u32);

/// Counts [`PolicySet::port_lists`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortListIndex(pub u32);

/// Every group and list of a scenario, and the options under which they are read.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// Groups, in file order; [`GroupIndex`] counts them.
    pub groups: Vec<Group>,
    /// Prefix lists.
    pub prefix_lists: Vec<PrefixList>,
    /// Port range lists.
    pub port_lists: Vec<PortList>,
    /// How to read them.
    pub options: crate::Options,
}

/// A security group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Whose.
    pub account: AccountIndex,
    /// A VPC, or [`Network::ClassicInternal`] for a classic group (its rules choose the NIC).
    pub network: Network,
    /// Basic or advanced.
    pub kind: GroupKind,
    /// InnerAccessPolicy; always `Drop` for advanced groups.
    pub same_group: SameGroup,
    /// Its rules, in their order in the group.
    pub rules: Vec<Rule>,
    /// Where it was said.
    pub origin: Origin,
}

/// SecurityGroupType.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GroupKind {
    /// normal
    Basic,
    /// enterprise
    Advanced,
}

/// InnerAccessPolicy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SameGroup {
    /// Members reach each other whatever the inbound rules say.
    Accept,
    /// Members are isolated.
    Drop,
}

/// What a matching rule does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Drop; sorts before Allow at equal priority.
    Forbid,
    /// Accept.
    Allow,
}

/// A rule's priority, 1 to 100 (an import may keep 101 to 110); the smaller wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Priority(u8);

impl Priority {
    /// 1 to 110.
    pub fn new(value: u8) -> Option<Priority> {
        (1..=110).contains(&value).then_some(Priority(value))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `GROUP/N`, N counted from 1 in the group, unless the file gives it an id of its own.
    pub id: String,
    /// Which list it belongs to.
    pub direction: Direction,
    /// Allow or forbid.
    pub action: Action,
    /// Priority.
    pub priority: Priority,
    /// Protocol.
    pub protocol: ProtocolMatch,
    /// Target ports, in both directions.
    pub ports: Ports,
    /// Source ports (five-tuple rules); empty: any.
    pub source_ports: Vec<PortRange>,
    /// The authorization object: the source of an inbound rule, the target of an outbound one.
    pub object: Object,
    /// The other address (five-tuple rules), private side; empty: any of the interface.
    pub own_addresses: Vec<IpNet>,
    /// Which NIC of a classic instance it guards. VPC rules are intranet.
    pub nic: Nic,
    /// ICMP type and code (aws profile only).
    pub icmp: Option<IcmpMatch>,
    /// Free text.
    pub description: String,
    /// Where it was said.
    pub origin: Origin,
}

/// The protocols that a rule matches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ProtocolMatch {
    /// Every IP protocol.
    All,
    /// One.
    Is(Protocol),
}

/// `a/b`: target or source ports, both ends included, 1 to 65535, first <= last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// A range, if it is one.
    pub fn new(first: u16, last: u16) -> Option<PortRange> {
        (first >= 1 && first <= last).then_some(PortRange { first, last })
    }

    /// Its first port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// Its last port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// Whether it holds `port`.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// The target ports of a rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ports {
    /// `-1/-1`: every port, port 0 included, and packets without ports.
    Any,
    /// One range.
    Range(PortRange),
    /// A port range list.
    List(PortListIndex),
}

/// An authorization object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Object {
    /// An IPv4 or IPv6 range. Matches its own family only.
    Cidr(IpNet),
    /// The internal addresses of a group's members, over the internal network only.
    Group(GroupIndex),
    /// A prefix list.
    PrefixList(PrefixListIndex),
}

/// NicType.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Nic {
    /// The public NIC of a classic instance.
    Internet,
    /// The internal NIC of a classic instance; every VPC interface.
    Intranet,
}

impl Nic {
    /// The kind of an interface in `network`.
    pub fn of(network: Network) -> Nic {
        match network {
            Network::ClassicPublic => Nic::Internet,
            Network::ClassicInternal | Network::Vpc(_) => Nic::Intranet,
        }
    }
}

/// ICMP type and code of an AWS rule; `None`: any.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IcmpMatch {
    /// Type.
    pub icmp_type: Option<u8>,
    /// Code.
    pub code: Option<u8>,
}

/// A prefix list (one family).
#[derive(Clone, Debug)]
pub struct PrefixList {
    /// `pl-...`
    pub id: String,
    /// MaxEntries: what a rule that names it costs.
    pub max_entries: u32,
    /// Its ranges.
    pub entries: Vec<IpNet>,
    /// Where it was said.
    pub origin: Origin,
}

/// A port range list.
#[derive(Clone, Debug)]
pub struct PortList {
    /// `prl-...`
    pub id: String,
    /// MaxEntries: what a rule that names it costs.
    pub max_entries: u32,
    /// Its ranges.
    pub entries: Vec<PortRange>,
    /// Where it was said.
    pub origin: Origin,
}

/// Which rule: the group, and the rule's place in it (from 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleRef {
    /// The group.
    pub group: GroupIndex,
    /// Counts [`Group::rules`].
    pub rule: u32,
}

impl PolicySet {
    /// A group.
    pub fn group(&self, index: GroupIndex) -> &Group {
        &self.groups[index.as_usize()]
    }

    /// A rule.
    pub fn rule(&self, reference: RuleRef) -> &Rule {
        &self.group(reference.group).rules[reference.rule as usize]
    }

    /// A prefix list.
    pub fn prefix_list(&self, index: PrefixListIndex) -> &PrefixList {
        &self.prefix_lists[index.0 as usize]
    }

    /// A port range list.
    pub fn port_list(&self, index: PortListIndex) -> &PortList {
        &self.port_lists[index.0 as usize]
    }

    /// The group called so.
    pub fn group_named(&self, id: &str) -> Option<GroupIndex> {
        let place = self.groups.iter().position(|group| group.id == id)?;
        u32::try_from(place).ok().map(GroupIndex)
    }
}
