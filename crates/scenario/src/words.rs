//! What explanations say in words: reasons, steps of a journey, the implicit rules by name.
//!
//! Owns the sentences. What they are about, others decide.

use ringfence_cloud::{GroupIndex, Hop, InterfaceIndex, Path, Route, World};
use ringfence_frame::{Body, Direction, Frame};
use ringfence_policy::{GroupKind, PolicySet, Profile};
use ringfence_switch::{Because, Event, Fabric, Side};

use crate::answer::action_name;

/// A step of a frame's journey, in a sentence. None for what nobody needs to hear.
pub(crate) fn step(fabric: &Fabric, event: &Event) -> String {
    let world = &fabric.world;
    match event {
        Event::Parsed(frame) => format!("parse: {}", read(frame)),
        Event::Admitted(place) => {
            format!("admit: {} is who it says it is", world.place_name(*place))
        }
        Event::Located(route) => format!("locate: {}", way(world, route)),
        Event::NoWay(why) => format!("locate: no way there: {why}"),
        Event::Crossed(direction, side) => crossing(fabric, *direction, side),
        Event::Routed { ttl } => format!("route: it can be delivered, with TTL {ttl} left"),
        Event::Opened(interface, direction, session) => format!(
            "commit: {} remembers the flow as session {} (opened {direction})",
            world.interface(*interface).name,
            session.0
        ),
        Event::Cut(interface, session) => format!(
            "session {} at {} was condemned by a rule change, and ends",
            session.0,
            world.interface(*interface).name
        ),
        Event::Held => "parse: waits for the first fragment of its packet".to_owned(),
        Event::Answered(what) => format!("the fabric itself answers: {what}"),
        Event::Delivered(place) => format!("deliver: out at {}", world.place_name(*place)),
    }
}

fn read(frame: &Frame) -> String {
    match frame.body {
        Body::Ip(ip) => format!("{}, {} bytes, TTL {}", ip.tuple(), ip.packet_len(), ip.ttl),
        Body::Arp(arp) => format!("ARP about {}", arp.target_ip),
        Body::Vlan => "a frame with a VLAN tag".to_owned(),
        Body::Other => format!("ethertype {:#06x}", frame.ethernet.ethertype),
    }
}

/// The way that a packet takes.
fn way(world: &World, route: &Route) -> String {
    let path = match route.path {
        Path::SameVSwitch => "inside the vSwitch",
        Path::SameVpc => "inside the VPC",
        Path::JoinedVpc => "to a VPC joined by a CEN",
        Path::OnPremises => "between the VPC and the network on premises",
        Path::Intranet => "between the network and a host inside it that is no instance",
        Path::Internet => "over the Internet",
        Path::InternetHairpin => "out by the Internet gateway and back in by it",
        Path::ClassicInternal => "over the classic internal network",
    };
    let mut text = format!("{} has it, {path}", world.place_name(route.to));
    if !route.hops.is_empty() {
        let hops: Vec<String> = route.hops.iter().map(|hop| name_of_hop(world, *hop)).collect();
        text.push_str(&format!(", by {}", hops.join(", ")));
    }
    if let Some(source) = route.source_becomes {
        text.push_str(&format!("; the source becomes {source}"));
    }
    if let Some(target) = route.target_becomes {
        text.push_str(&format!("; the target becomes {target}"));
    }
    text
}

fn name_of_hop(world: &World, hop: Hop) -> String {
    match hop {
        Hop::VpcRouter(vpc) => format!("the router of {}", world.vpcs[vpc.as_usize()].id),
        Hop::Cen(cen) => world.cens[cen.as_usize()].id.clone(),
        Hop::InternetGateway => "the Internet gateway".to_owned(),
    }
}

fn crossing(fabric: &Fabric, direction: Direction, side: &Side) -> String {
    let name = &fabric.world.interface(side.interface).name;
    let verb = if side.allowed { "allowed" } else { "denied" };
    let why = reason(fabric, Some((side.interface, direction)), side.because);
    format!("{direction} at {name}: {verb}, {why}")
}

/// Why, with the implicit rules by name. `at` is the interface that decided, and which way.
pub(crate) fn reason(
    fabric: &Fabric,
    at: Option<(InterfaceIndex, Direction)>,
    because: Because,
) -> String {
    match because {
        Because::Rule(reference) => {
            let rule = fabric.policies.rule(reference);
            format!(
                "by rule {} ({} {}, priority {}; {})",
                rule.id,
                rule.direction,
                action_name(rule.action),
                rule.priority.get(),
                rule.origin
            )
        }
        Because::SameGroup(group) => {
            format!("by the same-group Accept of {}", fabric.policies.group(group).id)
        }
        Because::Default => match at {
            Some((interface, direction)) => {
                format!("by the {}", default_name(fabric, interface, direction))
            }
            None => "by default".to_owned(),
        },
        Because::AlwaysAllowed => "because this traffic is always allowed".to_owned(),
        Because::Platform => {
            "by the platform's block of outbound TCP port 25 to the Internet".to_owned()
        }
        Because::Session => "because it belongs to a live session".to_owned(),
        Because::Midstream => {
            "because it opens no TCP connection and belongs to none (tcp_midstream: drop)"
                .to_owned()
        }
        Because::Spoofed => "because the sender is not who it says it is".to_owned(),
        Because::NotForwarded => "because such frames are not forwarded".to_owned(),
        Because::Unreachable(why) => format!("because {why}"),
        Because::TtlExceeded => "because its TTL is used up".to_owned(),
        Because::TooBig => "because it is larger than the MTU".to_owned(),
        Because::QueueFull => "because the output queue is full".to_owned(),
        Because::Malformed(class) => format!("because it cannot be read: {class}"),
        Because::FragmentTimeout => "because its first fragment did not come in time".to_owned(),
        Because::FragmentOverlap => "because its fragments overlap".to_owned(),
        Because::FragmentLimit => "because too many packets wait for a first fragment".to_owned(),
        Because::SessionLimit => "because there are too many sessions".to_owned(),
        Because::HalfOpenLimit => "because there are too many half-open sessions".to_owned(),
    }
}

/// The default that holds at an interface, by name.
pub(crate) fn default_name(
    fabric: &Fabric,
    interface: InterfaceIndex,
    direction: Direction,
) -> String {
    let groups = &fabric.world.interface(interface).groups;
    let policies = &fabric.policies;
    if policies.options.profile != Profile::Alibaba {
        return format!("default: {direction} deny unless a rule allows");
    }
    let advanced = groups.iter().any(|&group| policies.group(group).kind == GroupKind::Advanced);
    let (kind, action) = match (advanced, direction) {
        (true, _) => ("an advanced group", "deny"),
        (false, Direction::Inbound) => ("a basic group", "deny"),
        (false, Direction::Outbound) => ("a basic group", "allow"),
    };
    format!("default of {kind}: {direction} {action}")
}

/// What a group is, in a few words.
pub(crate) fn group_kind(policies: &PolicySet, group: GroupIndex) -> &'static str {
    match policies.group(group).kind {
        GroupKind::Basic => "basic",
        GroupKind::Advanced => "advanced",
    }
}
