//! Names and MAC addresses that must be unique.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use ringfence_frame::MacAddr;

use super::{ProblemKind, Problems};
use crate::{Origin, World};

pub(super) fn check(world: &World, problems: &mut Problems) {
    let vpcs = world.vpcs.iter().map(|vpc| (vpc.id.as_str(), &vpc.origin));
    check_ids(problems, "VPCs", vpcs);
    let vswitches = world.vswitches.iter().map(|vswitch| (vswitch.id.as_str(), &vswitch.origin));
    check_ids(problems, "vSwitches", vswitches);
    let cens = world.cens.iter().map(|cen| (cen.id.as_str(), &cen.origin));
    check_ids(problems, "CENs", cens);
    let sites = world.on_premises.iter().map(|site| (site.id.as_str(), &site.origin));
    check_ids(problems, "networks on premises", sites);
    let interfaces = world.interfaces.iter().map(|it| (it.name.as_str(), &it.origin));
    let outside = world.outside.iter().map(|host| (host.name.as_str(), &host.origin));
    check_ids(problems, "ports", interfaces.chain(outside));
    check_macs(world, problems);
}

fn check_ids<'a>(
    problems: &mut Problems,
    things: &str,
    ids: impl Iterator<Item = (&'a str, &'a Origin)>,
) {
    for (id, first, second) in repeated(ids) {
        let message = format!("two {things} are called `{id}`");
        let help = "give one of them another name";
        problems.add_pair(ProblemKind::DuplicateId, (second, first), message, help);
    }
}

/// "Instances send everything there, and receive everything from there (source MAC
/// ee:ff:ff:ff:ff:ff, target MAC their own)": a MAC address is one port's, and never the fabric's.
fn check_macs(world: &World, problems: &mut Problems) {
    let interfaces = world.interfaces.iter().map(|it| ((it.network, it.mac), &it.origin));
    for ((_, mac), first, second) in repeated(interfaces) {
        let message = format!("two interfaces in one network have the MAC address {mac}");
        let help = "give one of them a `mac` of its own";
        problems.add_pair(ProblemKind::DuplicateMac, (second, first), message, help);
    }
    let interfaces = world.interfaces.iter().map(|it| (&it.name, it.mac, &it.origin));
    let outside = world.outside.iter().map(|host| (&host.name, host.mac, &host.origin));
    for (name, mac, origin) in interfaces.chain(outside) {
        let what = if mac == world.platform.gateway_mac {
            "the gateway's"
        } else if mac.is_multicast() {
            "a multicast address"
        } else if mac == MacAddr([0; 6]) {
            "no address at all"
        } else {
            continue;
        };
        let message = format!("the MAC address {mac} of `{name}` is {what}");
        let help = "take one such as 00:16:3e:00:00:01";
        problems.add(ProblemKind::UnusableAddress, origin, message, help);
    }
}

/// The entries whose key was said before: the key, where first, where again.
fn repeated<'a, K: Hash + Eq + Copy>(
    entries: impl Iterator<Item = (K, &'a Origin)>,
) -> Vec<(K, &'a Origin, &'a Origin)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|&(_, origin)| origin);
    let mut first = HashMap::with_capacity(entries.len());
    let mut found = Vec::new();
    for (key, origin) in entries {
        match first.entry(key) {
            Entry::Vacant(free) => {
                free.insert(origin);
            }
            Entry::Occupied(taken) => found.push((key, *taken.get(), origin)),
        }
    }
    found
}
