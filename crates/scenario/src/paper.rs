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
    if let Some((stage, because)) = settled_at_the_port(world, packet) {
        // a frame that cannot be read has no key either
        let tuple = verdict.tuple.filter(|_| stage != Stage::Parse);
        let allowed = because == Because::AlwaysAllowed;
        return Verdict { allowed, stage, because, tuple, ..verdict };
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

/// "frame checks (malformed, spoofed, not-forwarded)", as far as a probe can fail them, and what
/// the fabric takes for itself.
fn settled_at_the_port(world: &World, packet: &Resolved) -> Option<(Stage, Because)> {
    let source = packet.tuple.source;
    if is_martian(source) {
        return Some((Stage::Parse, Because::Malformed(Malformed::Martian)));
    }
    if !is_senders_own(world, packet.port, source) {
        return Some((Stage::Admit, Because::Spoofed));
    }
    if is_dhcpv6(&packet.tuple) {
        return Some((Stage::Admit, Because::AlwaysAllowed));
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

/// "ARP, ND, DHCP and router advertisements are the fabric's own": what a DHCPv6 client says to
/// whichever server hears it. (A probe carries no message that DHCP for IPv4 could be read from.)
fn is_dhcpv6(tuple: &Tuple) -> bool {
    let Tuple { source, target, protocol, source_port, target_port } = *tuple;
    protocol == Protocol::UDP
        && source.is_ipv6()
        && (source_port, target_port) == (546, 547)
        && (target.is_multicast() || source.is_unspecified())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ringfence_frame::Instant;
    use ringfence_policy::PolicySet;
    use ringfence_switch::{Silent, Switch, SwitchOptions};

    use super::*;
    use crate::frames::first_frame;

    /// What becomes of a packet that comes in from the Internet, on paper and as a frame.
    fn check(protocol: Protocol, icmp: Option<(u8, u8)>, flow: &str, expected: &str) {
        let words: Vec<&str> = flow.split(' ').collect();
        let [source, source_port, target, target_port] = words.as_slice() else {
            panic!("`{flow}` is no flow");
        };
        let port = Place::Edge(Edge::Internet);
        let tuple = Tuple {
            source: source.parse().unwrap(),
            target: target.parse().unwrap(),
            protocol,
            source_port: source_port.parse().unwrap(),
            target_port: target_port.parse().unwrap(),
        };
        let packet = Resolved { port, tuple, icmp };
        let fabric = Fabric {
            world: World::default(),
            policies: PolicySet::default(),
            timeouts: Vec::new(),
            options: SwitchOptions::default(),
        };
        let on_paper = verdict(&fabric, &packet);
        let Verdict { allowed, stage, because, .. } = on_paper;
        let told = format!("{allowed} {} {}", stage.name(), because.name());
        assert_eq!(told, expected, "{flow}");
        let frame = first_frame(&fabric.world, &packet);
        let mut verdicts = Vec::new();
        let mut switch = Switch::new(fabric);
        switch.handle_frame(port, 1, &frame, Instant::START, &mut Silent, &mut verdicts);
        assert_eq!(verdicts, [(1, on_paper)], "{flow}");
    }

    #[test]
    fn what_is_settled_at_the_port() {
        let udp = |flow, expected| check(Protocol::UDP, None, flow, expected);
        udp("2001:db8::1 546 ff02::1:2 547", "true admit always-allowed");
        udp("2001:db8::1 547 ff02::1:2 546", "false admit not-forwarded");
        udp("2001:db8::1 546 2001:db8::2 547", "false route unreachable");
        udp("ff02::1 546 ff02::1:2 547", "false parse malformed");
        udp("203.0.113.7 68 255.255.255.255 67", "false admit not-forwarded");
        udp("203.0.113.7 68 224.0.0.1 67", "false admit not-forwarded");
        udp("203.0.113.7 68 198.51.100.7 67", "false route unreachable");
        udp("127.0.0.1 68 198.51.100.7 67", "false parse malformed");
        check(Protocol::TCP, None, "2001:db8::1 546 ff02::1:2 547", "false admit not-forwarded");
        for icmp_type in [130, 133, 134, 135, 136, 137, 143] {
            let message = Some((icmp_type, 0));
            let flow = "2001:db8::1 0 2001:db8::2 0";
            check(Protocol::ICMPV6, message, flow, "false admit not-forwarded");
        }
    }
}
