//! Ranges of VPCs, vSwitches and networks on premises: usable, inside one another where they
//! must be, apart where they must be.

use std::collections::HashSet;

use ipnet::IpNet;

use super::collisions::{Claim, Collision, Home, collisions};
use super::{ProblemKind, Problems};
use crate::address::{NEVER_A_HOST, overlap};
use crate::{OnPremisesIndex, Origin, VSwitch, VpcIndex, World};

pub(super) fn check(world: &World, problems: &mut Problems) {
    for vpc in &world.vpcs {
        check_usable(world, problems, &format!("VPC `{}`", vpc.id), &vpc.cidrs, &vpc.origin);
    }
    for site in &world.on_premises {
        let name = format!("on-premises network `{}`", site.id);
        check_usable(world, problems, &name, &site.cidrs, &site.origin);
    }
    check_within_vpcs(world, problems);
    check_vswitches(world, problems);
    check_cens(world, problems);
    check_on_premises(world, problems);
}

fn check_usable(
    world: &World,
    problems: &mut Problems,
    name: &str,
    cidrs: &[IpNet],
    origin: &Origin,
) {
    let services = world.platform.service_ranges.iter().map(|&range| (range, "the platform's own"));
    let unusable: Vec<_> = NEVER_A_HOST.into_iter().chain(services).collect();
    for cidr in cidrs {
        let Some((range, kind)) = unusable.iter().find(|(range, _)| overlap(cidr, range)) else {
            continue;
        };
        let message = format!("the range {cidr} of {name} holds addresses of {range} ({kind})");
        let help =
            "take a range such as 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, or a part of it";
        problems.add(ProblemKind::UnusableAddress, origin, message, help);
    }
}

fn check_within_vpcs(world: &World, problems: &mut Problems) {
    let mut claims = Vec::new();
    for (index, vpc) in world.vpcs.iter().enumerate() {
        claims.extend(vpc.cidrs.iter().map(|&range| Claim {
            space: index,
            range,
            home: None,
            name: &vpc.id,
            origin: &vpc.origin,
        }));
    }
    for Collision { first, second } in collisions(claims) {
        let message = format!(
            "the ranges {} and {} of VPC `{}` overlap",
            first.range, second.range, first.name
        );
        problems.add(
            ProblemKind::OverlappingRanges,
            second.origin,
            message,
            "leave one of them out",
        );
    }
}

fn ranges_of(vswitch: &VSwitch) -> impl Iterator<Item = IpNet> {
    [IpNet::V4(vswitch.cidr)].into_iter().chain(vswitch.ipv6_cidr.map(IpNet::V6))
}

fn check_vswitches(world: &World, problems: &mut Problems) {
    let mut claims = Vec::new();
    for vswitch in &world.vswitches {
        for range in ranges_of(vswitch) {
            let (name, origin) = (&vswitch.id, &vswitch.origin);
            claims.push(Claim { space: vswitch.vpc, range, home: None, name, origin });
            let Some(vpc) = world.vpcs.get(vswitch.vpc.as_usize()) else {
                continue;
            };
            if !vpc.cidrs.iter().any(|cidr| cidr.contains(&range)) {
                let message = format!(
                    "the range {range} of vSwitch `{name}` is outside its VPC `{}`",
                    vpc.id
                );
                let help = match &*joined_by_comma(&vpc.cidrs) {
                    "" => "the VPC has no range: give it one".to_owned(),
                    cidrs => format!("take a part of {cidrs}"),
                };
                problems.add(ProblemKind::VSwitchOutsideVpc, origin, message, &help);
            }
        }
    }
    for Collision { first, second } in collisions(claims) {
        let message = format!(
            "vSwitch `{}` ({}) overlaps vSwitch `{}` ({}) of the same VPC",
            second.name, second.range, first.name, first.range
        );
        let help = "an address lies in one vSwitch of its VPC: make them apart";
        let places = (second.origin, first.origin);
        problems.add_pair(ProblemKind::OverlappingRanges, places, message, help);
    }
}

fn joined_by_comma(cidrs: &[IpNet]) -> String {
    cidrs.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ")
}

fn claims_of<S: Copy>(
    world: &World,
    space: S,
    vpc: VpcIndex,
) -> impl Iterator<Item = Claim<'_, S>> {
    world.vpcs.get(vpc.as_usize()).into_iter().flat_map(move |it| {
        it.cidrs.iter().map(move |&range| Claim {
            space,
            range,
            home: Some(Home::Vpc(vpc)),
            name: &it.id,
            origin: &it.origin,
        })
    })
}

/// "Overlapping VPCs joined by a CEN: an error in the file." Two VPCs that overlap are named once,
/// at the first CEN that joins them.
fn check_cens(world: &World, problems: &mut Problems) {
    let mut named = HashSet::new();
    for cen in &world.cens {
        let claims = cen.vpcs.iter().flat_map(|&vpc| claims_of(world, (), vpc));
        for Collision { first, second } in collisions(claims.collect()) {
            if !named.insert((first.name.min(second.name), first.name.max(second.name))) {
                continue;
            }
            let message = format!(
                "CEN `{}` joins VPC `{}` ({}) and VPC `{}` ({}), which overlap",
                cen.id, first.name, first.range, second.name, second.range
            );
            let help = "joined VPCs need ranges apart; VPCs side by side may have equal ones";
            let places = (&cen.origin, second.origin);
            problems.add_pair(ProblemKind::OverlappingRanges, places, message, help);
        }
    }
}

/// A VPC and what is joined to it on premises, or two networks on premises joined to one VPC.
fn check_on_premises(world: &World, problems: &mut Problems) {
    let mut claims = Vec::new();
    let mut joined: Vec<VpcIndex> = Vec::new();
    for (i, site) in (0..).zip(&world.on_premises) {
        let home = Some(Home::OnPremises(OnPremisesIndex(i)));
        for &vpc in &site.vpcs {
            joined.push(vpc);
            claims.extend(site.cidrs.iter().map(|&range| Claim {
                space: vpc,
                range,
                home,
                name: &site.id,
                origin: &site.origin,
            }));
        }
    }
    joined.sort_unstable();
    joined.dedup();
    claims.extend(joined.into_iter().flat_map(|vpc| claims_of(world, vpc, vpc)));
    let mut named = HashSet::new();
    for Collision { first, second } in collisions(claims) {
        let (site, other) = match second.home {
            Some(Home::OnPremises(_)) => (second, first),
            _ => (first, second),
        };
        let what = match other.home {
            Some(Home::OnPremises(_)) => "on-premises network",
            _ => "VPC",
        };
        if !named.insert((site.name, what, other.name)) {
            continue;
        }
        let message = format!(
            "on-premises network `{}` ({}) overlaps {what} `{}` ({}), which it meets",
            site.name, site.range, other.name, other.range
        );
        let help = "networks that are joined need ranges apart";
        let places = (site.origin, other.origin);
        problems.add_pair(ProblemKind::OverlappingRanges, places, message, help);
    }
}
