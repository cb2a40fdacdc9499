//! Which ranges overlap where only one may have an address. Knows nothing of what they are for.

use std::cmp::Ordering;

use ipnet::IpNet;

use crate::Origin;

/// Somebody's claim to a range (or a single address) in a space where an address means one thing.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a, S> {
    /// Claims in different spaces do not collide.
    pub space: S,
    /// What is claimed, host bits ignored.
    pub range: IpNet,
    /// Two claims with equal homes do not collide.
    pub home: Option<Home>,
    /// Who claims it.
    pub name: &'a str,
    /// Where it was said.
    pub origin: &'a Origin,
}

/// What several claims have in common that may overlap among themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Vpc(crate::VpcIndex),
    OnPremises(crate::OnPremisesIndex),
}

/// Two claims that overlap; `second` was said later.
pub(super) struct Collision<'a, S> {
    pub first: Claim<'a, S>,
    pub second: Claim<'a, S>,
}

/// All collisions, in address order. Of several claims to the very same range each collides with
/// the one that was said first.
pub(super) fn collisions<S: Ord + Copy>(mut claims: Vec<Claim<'_, S>>) -> Vec<Collision<'_, S>> {
    // Ranges either nest or are apart, so that in this order all that overlap a claim and come
    // before it are those it lies in.
    claims.sort_by(by_space_and_start);
    let mut found = Vec::new();
    let mut around: Vec<Claim<'_, S>> = Vec::new();
    for claim in claims {
        let encloses =
            |outer: &Claim<'_, S>| outer.space == claim.space && outer.range.contains(&claim.range);
        while around.last().is_some_and(|outer| !encloses(outer)) {
            around.pop();
        }
        let others = around.iter().filter(|outer| outer.home.is_none() || outer.home != claim.home);
        found.extend(others.map(|&outer| match outer.origin <= claim.origin {
            true => Collision { first: outer, second: claim },
            false => Collision { first: claim, second: outer },
        }));
        if around.last().is_none_or(|outer| outer.range.trunc() != claim.range.trunc()) {
            around.push(claim);
        }
    }
    found
}

fn by_space_and_start<S: Ord>(a: &Claim<'_, S>, b: &Claim<'_, S>) -> Ordering {
    let key = |claim: &Claim<'_, S>| (claim.range.network(), claim.range.prefix_len());
    a.space.cmp(&b.space).then(key(a).cmp(&key(b))).then(a.origin.cmp(b.origin))
}
