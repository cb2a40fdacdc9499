//! The reference verdict on one packet, on paper: `locate` and `decide`, no frame, no session.
//!
//! Owns the order in which the two are asked for a whole journey. TTL, MTU, queues and limits are
//! left out: a probe meets none of them.

use std::net::{IpAddr, Ipv4Addr};

use ringfence_cloud::{Edge, Network, Place, Reach, Route, Unreachable, World};
use ringfence_frame::{Direction, Malformed, Protocol, Tuple};
use ringfence_policy::{Question, decide};
use ringfence_switch::{Because, Fabric, Side, Stage, Verdict};

use crate::probe::Resolved;

/// What is asked about a packet on its way.
#[derive(Clone, Debug)]
pub struct Questions {
    /// Who has the target address, and by which path.
    pub route: Result<Route, Unreachable>,
    /// What the sender's interface is asked; none if the sender is outside.
    pub outbound: Option<Question>,
    /// What the receiver's interface is asked; none if the target is outside or there is no way.
    pub inbound: Option<Question>,
}

/// What must become of the first packet of a flow.
pub fn verdict(fabric: &Fabric, packet: &Resolved) -> Verdict {
    let world = &fabric.world;
    let mut verdict = Verdict {
        allowed: false,
        because: Because::Default,
        stage: Stage::Parse,
        tuple: Some(packet.tuple),
        to: None,
        outbound: None,
        inbound: None,
        sessions_cut: Vec::new(),
        epoch: 0,
    };
    if let Some((stage, because)) = stopped_at_the_port(world, packet) {
        // a frame that cannot be read has no key either
        let tuple = verdict.tuple.filter(|_| stage != Stage::Parse);
        return Verdict { stage, because, tuple, ..verdict };
    }

    let questions = questions(world, packet);
    verdict.to = questions.route.as_ref().ok().map(|route| route.to);
    verdict.outbound = questions.outbound.map(|question| answer(fabric, &question));
    if let Some(side) = verdict.outbound.filter(|side| !side.allowed) {
        return Verdict { stage: Stage::Outbound, because: side.because, ..verdict };
    }
    if let Err(why) = questions.route {
        return Verdict { stage: Stage::Route, because: Because::Unreachable(why), ..verdict };
    }
    verdict.inbound = questions.inbound.map(|question| answer(fabric, &question));
    if let Some(side) = verdict.inbound.filter(|side| !side.allowed) {
        return Verdict { stage: Stage::Inbound, because: side.because, ..verdict };
    }

    // "An allowed packet names the deciding side: the receiving interface's inbound decision, or
    // the outbound one where the target is outside the fabric"
    let (stage, deciding) = match (verdict.inbound, verdict.outbound) {
        (Some(side), _) => (Stage::Inbound, Some(side)),
        (None, side) => (Stage::Outbound, side),
    };
    let because = deciding.map_or(Because::AlwaysAllowed, |side| side.because);
    Verdict { allowed: true, stage, because, ..verdict }
}

/// Who is asked what, whatever the answers.
pub fn questions(world: &World, packet: &Resolved) -> Questions {
    let Resolved { port, tuple, icmp } = *packet;
    let route = world.locate(port, tuple.source, tuple.target);
    let reach = match &route {
        Ok(route) => route.reach,
        Err(why) => reach_without_way(*why),
    };
    let outbound = match port {
        Place::Interface(interface) => {
            Some(Question { interface, direction: Direction::Outbound, tuple, icmp, reach })
        }
        Place::Outside(_) | Place::Edge(_) => None,
    };
    let inbound = match &route {
        Ok(Route { to: Place::Interface(interface), .. }) => Some(Question {
            interface: *interface,
            direction: Direction::Inbound,
            tuple: as_it_arrives(&route, tuple),
            icmp,
            reach,
        }),
        _ => None,
    };
    Questions { route, outbound, inbound }
}

/// The packet's key where it arrives, translated by the Internet gateway if it passes there.
pub(crate) fn as_it_arrives(route: &Result<Route, Unreachable>, tuple: Tuple) -> Tuple {
    match route {
        Ok(route) => Tuple {
            source: route.source_becomes.unwrap_or(tuple.source),
            target: route.target_becomes.unwrap_or(tuple.target),
            ..tuple
        },
        Err(_) => tuple,
    }
}

/// Where a packet would travel that gets nowhere: inside if its target has no owner there, else it
/// heads for the Internet.
fn reach_without_way(why: Unreachable) -> Reach {
    match why {
        Unreachable::NobodyOwnsIt => Reach::Internal,
        Unreachable::SenderHasNoPublicAddress
        | Unreachable::TargetHasNoPublicAddress
        | Unreachable::NoWay
        | Unreachable::BothOutside => Reach::Internet,
    }
}

fn answer(fabric: &Fabric, question: &Question) -> Side {
    let decision = decide(&fabric.world, &fabric.policies, question);
    Side {
        interface: question.interface,
        allowed: decision.allowed,
        because: decision.because.into(),
        session: None,
    }
}

/// "frame checks (malformed, spoofed, not-forwarded)", as far as a probe can fail them.
fn stopped_at_the_port(world: &World, packet: &Resolved) -> Option<(Stage, Because)> {
    let source = packet.tuple.source;
    if is_martian(source) {
        return Some((Stage::Parse, Because::Malformed(Malformed::Martian)));
    }
    if !is_senders_own(world, packet.port, source) {
        return Some((Stage::Admit, Because::Spoofed));
    }
    is_not_forwarded(packet).then_some((Stage::Admit, Because::NotForwarded))
}

/// "a source that is loopback, multicast or broadcast (martian)"
fn is_martian(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(v4) => {
            let this_network = v4.octets()[0] == 0 && !v4.is_unspecified();
            v4.is_loopback() || v4.is_multicast() || v4.is_broadcast() || this_network
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_multicast(),
    }
}

/// "a frame whose ... source address is none of the interface's (primary, secondary, IPv6,
/// delegated prefixes); SourceDestCheck = false lifts the address check". Nobody in particular
/// lives at an edge, so nobody there has an address that somebody else has.
fn is_senders_own(world: &World, port: Place, source: IpAddr) -> bool {
    match port {
        Place::Interface(index) => {
            let interface = world.interface(index);
            !interface.source_dest_check || interface.owns(source)
        }
        Place::Outside(index) => {
            world.outside.get(index.as_usize()).is_some_and(|host| host.addresses.contains(&source))
        }
        Place::Edge(edge) => {
            let owner = match edge {
                Edge::Internet => world.owner_of_public(source),
                Edge::Intranet(network) => world.owner(network, source),
                Edge::OnPremises(site) => {
                    let site = &world.on_premises[site.as_usize()];
                    site.vpcs.iter().find_map(|&vpc| world.owner(Network::Vpc(vpc), source))
                }
            };
            owner.is_none() && world.outside_at(edge, source).is_none()
        }
    }
}

/// "Broadcast and multicast are not forwarded", nor are "MLD and other link-local traffic" and
/// neighbour discovery that has been routed.
fn is_not_forwarded(packet: &Resolved) -> bool {
    let Tuple { source, target, protocol, .. } = packet.tuple;
    let on_link_message =
        protocol == Protocol::ICMPV6 && matches!(packet.icmp, Some((130..=137 | 143, _)));
    let to_all = target.is_multicast() || target == IpAddr::V4(Ipv4Addr::BROADCAST);
    on_link_message
        || to_all
        || is_link_local(target)
        || is_link_local(source)
        || source.is_unspecified()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
