//! What must become of the first packet of a flow, by the reference: `locate` and `decide` at both
//! interfaces. Owns the order in which they are asked. Takes for granted what a generator sees to:
//! a sound frame of a sender with its own MAC and address, to one host, with TTL enough and no
//! longer than any MTU.

use std::net::IpAddr;

use ringfence_cloud::{Place, Reach, Route, Unreachable};
use ringfence_frame::{Direction, Protocol, Tuple};
use ringfence_policy::{Decision, Question, decide};
use ringfence_switch::{Because, Fabric, Stage};

/// What the reference says of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Why it is dropped, and where; `None` if it is delivered.
    pub dropped: Option<(Stage, Because)>,
    /// Where it goes or would go, and how, if there is a way.
    pub route: Option<Route>,
}

/// Asks what must become of a packet that comes in at `port`.
pub fn reference(fabric: &Fabric, port: Place, tuple: Tuple) -> Answer {
    let located = fabric.world.locate(port, tuple.source, tuple.target);
    let reach = match &located {
        Ok(route) => route.reach,
        Err(Unreachable::NobodyOwnsIt) => Reach::Internal,
        Err(_) => Reach::Internet,
    };
    let route = located.ok();
    let answer = |dropped| Answer { dropped, route };
    if let Place::Interface(interface) = port {
        let question = question(interface, Direction::Outbound, tuple, reach);
        let decision = decide(&fabric.world, &fabric.policies, &question);
        if let Some(because) = denied(decision) {
            return answer(Some((Stage::Outbound, because)));
        }
    }
    let way = match located {
        Ok(route) => route,
        Err(why) => return answer(Some((Stage::Route, Because::Unreachable(why)))),
    };
    if let Place::Interface(interface) = way.to {
        let question = question(interface, Direction::Inbound, arriving(&way, tuple), reach);
        let decision = decide(&fabric.world, &fabric.policies, &question);
        if let Some(because) = denied(decision) {
            return answer(Some((Stage::Inbound, because)));
        }
    }
    answer(None)
}

/// The packet's key where it arrives.
pub(crate) fn arriving(route: &Route, tuple: Tuple) -> Tuple {
    Tuple {
        source: route.source_becomes.unwrap_or(tuple.source),
        target: route.target_becomes.unwrap_or(tuple.target),
        ..tuple
    }
}

fn question(
    interface: ringfence_cloud::InterfaceIndex,
    direction: Direction,
    tuple: Tuple,
    reach: Reach,
) -> Question {
    let icmp = match (tuple.protocol, tuple.source) {
        (Protocol::ICMP, IpAddr::V4(_)) => Some((8, 0)),
        (Protocol::ICMPV6, IpAddr::V6(_)) => Some((128, 0)),
        _ => None,
    };
    Question { interface, direction, tuple, icmp, reach }
}

fn denied(decision: Decision) -> Option<Because> {
    (!decision.allowed).then(|| decision.because.into())
}
