//! Precedence as one number: the smaller wins, and the number says by itself which rule and what it
//! does.

use crate::{Action, Priority};

/// Groups of one set that keys tell apart.
pub(crate) const GROUPS_MAX: usize = 1 << GROUP_BITS;
/// Rules of one group that keys tell apart.
pub(crate) const RULES_MAX: usize = 1 << RULE_BITS;

const GROUP_BITS: u32 = 4;
const RULE_BITS: u32 = 20;
const ACTION: u32 = 1 << (GROUP_BITS + RULE_BITS);

/// "sort by priority ascending, then Drop before Accept", then the group's place in the order of
/// attachment, then the rule's in the group: 7, 1, 4 and 20 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Key(pub(crate) u32);

impl Key {
    /// Behind every rule's.
    pub(crate) const NONE: Key = Key(u32::MAX);

    /// `group` < [`GROUPS_MAX`], `rule` < [`RULES_MAX`].
    pub(crate) fn new(priority: Priority, action: Action, group: usize, rule: u32) -> Key {
        debug_assert!(group < GROUPS_MAX && (rule as usize) < RULES_MAX);
        let action = match action {
            Action::Forbid => 0,
            Action::Allow => ACTION,
        };
        let priority = u32::from(priority.get()) << (GROUP_BITS + RULE_BITS + 1);
        Key(priority | action | (group as u32) << RULE_BITS | rule)
    }

    #[inline]
    pub(crate) fn allows(self) -> bool {
        self.0 & ACTION != 0
    }

    /// The group's place among those attached.
    #[inline]
    pub(crate) fn group(self) -> usize {
        (self.0 >> RULE_BITS) as usize % GROUPS_MAX
    }

    /// The rule's number in the group.
    #[inline]
    pub(crate) fn rule(self) -> u32 {
        self.0 % RULES_MAX as u32
    }
}
