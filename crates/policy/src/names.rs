//! Names in rules: which group, prefix list or port list a word means, and whether a group may be
//! named there. Owns look-up by id and the platform's conditions on group objects.

use std::collections::HashMap;

use ringfence_cloud::{GroupIndex, Network, Origin, World};
use ringfence_frame::Direction;

use crate::violation::Findings;
use crate::words::{is_digits, is_masked, nearest};
use crate::{Group, GroupKind, PolicySet, PortListIndex, PrefixListIndex, Profile};

/// Everything that a rule can name. Of two things of one id the first is meant.
pub(crate) struct Names<'a> {
    pub(crate) world: &'a World,
    /// The rules in it are not looked at: they may not be there yet.
    pub(crate) policies: &'a PolicySet,
    groups: HashMap<&'a str, GroupIndex>,
    prefix_lists: HashMap<&'a str, PrefixListIndex>,
    port_lists: HashMap<&'a str, PortListIndex>,
}

/// An authorization object's word that names a group: `GROUP`, or `ACCOUNT/GROUP`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GroupWord<'w> {
    account: Option<&'w str>,
    group: &'w str,
}

impl<'a> Names<'a> {
    pub(crate) fn new(world: &'a World, policies: &'a PolicySet) -> Names<'a> {
        let groups = policies.groups.iter().map(|group| group.id.as_str());
        let prefix_lists = policies.prefix_lists.iter().map(|list| list.id.as_str());
        let port_lists = policies.port_lists.iter().map(|list| list.id.as_str());
        Names {
            world,
            policies,
            groups: first_of_each(groups, GroupIndex),
            prefix_lists: first_of_each(prefix_lists, PrefixListIndex),
            port_lists: first_of_each(port_lists, PortListIndex),
        }
    }

    pub(crate) fn prefix_list(&self, id: &str) -> Option<PrefixListIndex> {
        self.prefix_lists.get(id).copied()
    }

    pub(crate) fn port_list(&self, id: &str) -> Option<PortListIndex> {
        self.port_lists.get(id).copied()
    }

    /// What help to give for a prefix list that is not there.
    pub(crate) fn help_for_prefix_list(&self, id: &str) -> String {
        let ids = self.policies.prefix_lists.iter().map(|list| list.id.as_str());
        help_for_unknown(id, ids, "prefix lists")
    }

    /// What help to give for a port list that is not there.
    pub(crate) fn help_for_port_list(&self, id: &str) -> String {
        let ids = self.policies.port_lists.iter().map(|list| list.id.as_str());
        help_for_unknown(id, ids, "port lists")
    }

    /// The word as a group's, if it is one: an id that is there, or the looks of one.
    pub(crate) fn group_word<'w>(&self, word: &'w str) -> Option<GroupWord<'w>> {
        let is_group = |id: &str| id.starts_with("sg-") || self.groups.contains_key(id);
        if is_group(word) {
            return Some(GroupWord { account: None, group: word });
        }
        let (account, group) = word.split_once('/')?;
        let is_account = is_digits(account)
            || is_masked(account)
            || self.world.accounts.iter().any(|known| known == account);
        (is_group(group) && (is_account || group.starts_with("sg-")))
            .then_some(GroupWord { account: Some(account), group })
    }

    /// The group that a rule of `own` names as its object, if it may.
    pub(crate) fn group_object(
        &self,
        own: GroupIndex,
        direction: Direction,
        word: GroupWord<'_>,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Option<GroupIndex> {
        let index = self.owned_group(own, direction, word, origin, findings)?;
        let (own_group, other) = (self.policies.group(own), self.policies.group(index));
        let options = self.policies.options;
        let id = &other.id;
        if index == own && options.profile == Profile::Alibaba {
            findings.error(
                "InvalidParamter.Conflict",
                origin,
                format!("`{id}` names itself, and a group cannot reference itself"),
                "members reach each other by `same_group: accept` (basic groups); else write an \
                 address range",
            );
            return None;
        }
        if own_group.kind == GroupKind::Advanced {
            findings.error(
                "InvalidGroupParameter.OperationDenied",
                origin,
                format!(
                    "advanced group `{}` cannot have a group as authorization object",
                    own_group.id
                ),
                "write an address range or a prefix list, or make the group `type: basic`",
            );
            return None;
        }
        if other.kind == GroupKind::Advanced {
            findings.error(
                "InvalidGroupAuthParameter.OperationDenied",
                origin,
                format!("advanced group `{id}` cannot be an authorization object"),
                "write the addresses of its members as a range or a prefix list",
            );
            return None;
        }
        self.same_network(own_group, other, direction, origin, findings).then_some(index)
    }

    fn owned_group(
        &self,
        own: GroupIndex,
        direction: Direction,
        word: GroupWord<'_>,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Option<GroupIndex> {
        let code =
            by_direction(direction, "InvalidSourceGroupId.NotFound", "InvalidDestGroupId.NotFound");
        let id = word.group;
        let Some(index) = self.groups.get(id).copied() else {
            let ids = self.policies.groups.iter().map(|group| group.id.as_str());
            let help = help_for_unknown(id, ids, "security groups");
            findings.error(code, origin, format!("there is no security group `{id}`"), help);
            return None;
        };
        let owner = self.policies.group(index).account;
        let owner_id = self.account_id(owner.as_usize());
        match word.account {
            Some(account) if account != owner_id => {
                let message =
                    format!("security group `{id}` does not belong to account `{account}`");
                findings.error(code, origin, message, format!("write `{owner_id}/{id}`"));
                None
            }
            None if owner != self.policies.group(own).account => {
                let message =
                    format!("security group `{id}` belongs to another account, `{owner_id}`");
                let help = format!("write ACCOUNT/GROUP: `{owner_id}/{id}`");
                findings.error(code, origin, message, help);
                None
            }
            _ => Some(index),
        }
    }

    /// "Same VPC required (same region for classic)"; under aws "references across joined VPCs".
    fn same_network(
        &self,
        own: &Group,
        other: &Group,
        direction: Direction,
        origin: &Origin,
        findings: &mut Findings,
    ) -> bool {
        if own.network == other.network {
            return true;
        }
        let id = &other.id;
        let (Network::Vpc(own_vpc), Network::Vpc(other_vpc)) = (own.network, other.network) else {
            let message =
                format!("of `{}` and `{id}` one is of the classic network, one of a VPC", own.id);
            let help = "write an address range; groups of different network types do not know \
                        each other";
            findings.error("InvalidNetworkType.Conflict", origin, message, help);
            return false;
        };
        let is_aws = self.policies.options.profile == Profile::Aws;
        if is_aws && self.world.joined_vpcs(own_vpc).contains(&other_vpc) {
            return true;
        }
        let code =
            by_direction(direction, "InvalidSourceGroupId.Mismatch", "InvalidDestGroupId.Mismatch");
        let message = format!("security group `{id}` is not in the VPC of `{}`", own.id);
        let help = match is_aws {
            true => "join the VPCs by a CEN, or write an address range",
            false => "write an address range: a group object works within one VPC only, CEN or not",
        };
        findings.error(code, origin, message, help);
        false
    }

    fn account_id(&self, account: usize) -> &str {
        self.world.accounts.get(account).map_or("?", String::as_str)
    }
}

fn first_of_each<'a, I>(
    ids: impl Iterator<Item = &'a str>,
    index: fn(u32) -> I,
) -> HashMap<&'a str, I> {
    let mut by_id = HashMap::new();
    for (place, id) in (0..).zip(ids) {
        by_id.entry(id).or_insert(index(place));
    }
    by_id
}

fn help_for_unknown<'a>(
    id: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    what: &str,
) -> String {
    const SHOWN: usize = 5;
    if let Some(known) = nearest(id, known.clone()) {
        return format!("did you mean `{known}`?");
    }
    let shown: Vec<String> = known.clone().take(SHOWN).map(|id| format!("`{id}`")).collect();
    match (shown.is_empty(), known.count() > SHOWN) {
        (true, _) => format!("add it to the file, which has no {what} yet"),
        (false, true) => format!("the {what} are {}, ...", shown.join(", ")),
        (false, false) => format!("the {what} are {}", shown.join(", ")),
    }
}

/// "Inbound form; swap Source/Dest for egress".
pub(crate) fn by_direction(
    direction: Direction,
    inbound: &'static str,
    outbound: &'static str,
) -> &'static str {
    match direction {
        Direction::Inbound => inbound,
        Direction::Outbound => outbound,
    }
}
