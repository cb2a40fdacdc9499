//! Rule sets from a seed or a file, and packets drawn from them. Owns what a rule set for a
//! measurement is: one interface with its groups, those that rules name and their members.
//!
//! The shapes go past the platform's quotas on purpose.

mod classbench;
mod groups;
mod packets;
mod read;
mod world;

use ringfence_cloud::{GroupIndex, InterfaceIndex, World};
use ringfence_policy::{PolicySet, Rule};

pub use packets::packets;
pub use read::{ReadError, read_filters};

/// How rules look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleShape {
    /// Groups as people write them: protocol, one port or a few, and who may come: everybody, a
    /// network, a host, a group or a prefix list with up to 10,000 members.
    Groups,
    /// An access list as ClassBench's seed `acl1` describes it: both addresses, most of them whole,
    /// out of few networks; target ports.
    Acl,
    /// A firewall's list, after ClassBench's classes for firewalls: one address or both left open,
    /// ports at both ends.
    Firewall,
}

/// A rule set where it is enforced. All its rules are inbound rules of the interface's groups.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// One VPC: the interface, and the members of the groups that rules name.
    pub world: World,
    /// The groups and lists.
    pub policies: PolicySet,
    /// The interface that the rules guard.
    pub interface: InterfaceIndex,
}

impl RuleShape {
    /// All of them.
    pub const ALL: [RuleShape; 3] = [RuleShape::Groups, RuleShape::Acl, RuleShape::Firewall];

    /// `groups`, `acl`, `firewall`.
    pub fn name(self) -> &'static str {
        match self {
            RuleShape::Groups => "groups",
            RuleShape::Acl => "acl",
            RuleShape::Firewall => "firewall",
        }
    }
}

/// Rules of one of ClassBench's shapes; none for groups.
pub(crate) fn classbench(shape: RuleShape, count: usize, seed: u64) -> Vec<Rule> {
    match shape {
        RuleShape::Groups => Vec::new(),
        RuleShape::Acl => classbench::acl(count, seed),
        RuleShape::Firewall => classbench::firewall(count, seed),
    }
}

impl RuleSet {
    /// Draws `rules` rules; the same seed draws the same.
    pub fn draw(shape: RuleShape, rules: usize, seed: u64) -> RuleSet {
        match shape {
            RuleShape::Groups => groups::draw(rules, seed),
            RuleShape::Acl | RuleShape::Firewall => RuleSet::of(classbench(shape, rules, seed)),
        }
    }

    /// A set of inbound rules that name neither groups nor lists.
    pub fn of(rules: Vec<Rule>) -> RuleSet {
        let mut set = RuleSet {
            world: World::default(),
            policies: PolicySet::default(),
            interface: InterfaceIndex(0),
        };
        let group = world::group(&mut set.policies, rules);
        let vpc = world::vpc(&mut set.world);
        set.interface = world::interface(&mut set.world, vpc, world::OWN, vec![group]);
        set.world.index();
        set
    }

    /// The groups of the interface, in their order.
    pub fn groups(&self) -> &[GroupIndex] {
        &self.world.interface(self.interface).groups
    }

    /// How many rules guard the interface.
    pub fn rule_count(&self) -> usize {
        self.groups().iter().map(|group| self.policies.group(*group).rules.len()).sum()
    }
}
