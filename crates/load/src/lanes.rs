//! Lanes: ways through a world on which frames have a known fate, whatever their source port. Owns
//! what can be wished for, and how flows are made of a lane.

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ringfence_cloud::{InterfaceIndex, Path, Place};
use ringfence_endpoints::generator::{Arriving, Expected, FlowSpec, Headers};
use ringfence_frame::batch::PortNumber;
use ringfence_frame::{Family, Protocol, Tuple};
use ringfence_policy::PolicySet;
use ringfence_switch::{Fabric, Stage};

use crate::draw::Draw;
use crate::reference::arriving;
use crate::{Answer, BenchWorld, reason, reference};

/// Source ports of flows. Target ports lie below, so that no flow is the reply to another.
pub(crate) const SOURCE_PORT_MIN: u16 = 32_768;
const SOURCE_PORTS: usize = 32_768;
const TTL: u8 = 64;
/// Source port of a sweep.
const SWEEP_SOURCE_PORT: u16 = 40_000;
/// Candidates looked at: so many for each lane, and so many more.
const CANDIDATES_PER_LANE: usize = 64;
const CANDIDATES: usize = 20_000;

/// What is to become of the frames of a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Delivered.
    Allowed,
    /// Dropped by the sender's groups.
    DeniedOutbound,
    /// Dropped by the receiver's groups.
    DeniedInbound,
    /// Allowed out, and nobody there.
    Unreachable,
}

/// Which way the frames of a lane go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From one interface to another of the same VPC.
    Inside,
    /// Between VPCs joined by a CEN.
    Joined,
    /// From a named host on the Internet to a public address.
    FromInternet,
    /// From an interface with a public address to a named host on the Internet.
    ToInternet,
    /// From one interface to another by its public address.
    Hairpin,
}

/// What lanes are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneWish {
    /// How many. Each gives 32,768 flows.
    pub lanes: usize,
    /// What becomes of the frames.
    pub fate: Fate,
    /// Which way they go.
    pub way: Way,
    /// IPv4 or IPv6.
    pub family: Family,
    /// TCP, UDP, or echo (ICMP stands for ICMPv6 where the family is IPv6).
    pub protocol: Protocol,
    /// Whether flows have replies; lanes on which these would not come back are not taken.
    pub replies: bool,
    /// The sender, if it must be a certain one.
    pub from: Option<InterfaceIndex>,
    /// The receiver, if it must be a certain one.
    pub to: Option<InterfaceIndex>,
}

impl Default for LaneWish {
    fn default() -> LaneWish {
        LaneWish {
            lanes: 1_000,
            fate: Fate::Allowed,
            way: Way::Inside,
            family: Family::Ipv4,
            protocol: Protocol::UDP,
            replies: false,
            from: None,
            to: None,
        }
    }
}

/// No lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing in this world is as wished.
    #[error("no flow of this world is {0:?} on the way {1:?} (of {2} looked at)")]
    NoLane(Fate, Way, usize),
}

/// Ways through a world with one fate.
#[derive(Clone)]
pub struct Lanes<'a> {
    fabric: &'a Fabric,
    lanes: Vec<Lane>,
}

#[derive(Clone, Copy)]
struct Lane {
    from: Place,
    spec: FlowSpec,
    /// Rules that it meets look at the source port: the reference is asked about each flow.
    narrow: bool,
}

impl BenchWorld {
    /// Lanes as wished, none twice, in an order that the seed decides; fewer if the world has not
    /// so many.
    ///
    /// # Errors
    /// If it has none.
    pub fn lanes(&self, wish: &LaneWish, seed: u64) -> Result<Lanes<'_>, LoadError> {
        self.lanes_between(wish, seed, |_, _| true)
    }

    /// The same, of those only whose ports (the sender's, the receiver's; the sender's twice where
    /// nobody receives) `accept` takes: both of one worker, or each of another.
    ///
    /// # Errors
    /// As [`BenchWorld::lanes`].
    pub fn lanes_between(
        &self,
        wish: &LaneWish,
        seed: u64,
        accept: impl Fn(PortNumber, PortNumber) -> bool,
    ) -> Result<Lanes<'_>, LoadError> {
        let mut draw = Draw::new(self, wish, seed);
        let mut lanes = Vec::new();
        let mut taken = HashSet::new();
        let most = wish.lanes.saturating_mul(CANDIDATES_PER_LANE).saturating_add(CANDIDATES);
        let mut looked_at = 0;
        while lanes.len() < wish.lanes && looked_at < most {
            looked_at += 1;
            let Some((from, tuple)) = draw.candidate() else { continue };
            if tuple.target_port >= SOURCE_PORT_MIN || taken.contains(&(from, tuple)) {
                continue;
            }
            if let Some(lane) = self.lane(wish, from, tuple, &accept) {
                taken.insert((from, tuple));
                lanes.push(lane);
            }
        }
        match lanes.is_empty() {
            true => Err(LoadError::NoLane(wish.fate, wish.way, looked_at)),
            false => Ok(Lanes { fabric: &self.fabric, lanes }),
        }
    }

    /// One interface's frames to `targets` addresses, from the first of its vSwitch on (of the
    /// IPv6 one for IPv6), at each of these ports: a sweep. The reference is asked about every one.
    pub fn sweep(
        &self,
        from: InterfaceIndex,
        (family, protocol): (Family, Protocol),
        targets: u32,
        ports: RangeInclusive<u16>,
    ) -> Sweep<'_> {
        Sweep { world: self, from, family, protocol, targets, ports, next: 0 }
    }

    /// The flow of packets `tuple` that come in at `from`, whatever becomes of them.
    pub fn flow(&self, from: Place, tuple: Tuple) -> FlowSpec {
        self.spec(from, tuple, &reference(&self.fabric, from, tuple))
    }

    /// The lane of a candidate, if it is as wished.
    fn lane(
        &self,
        wish: &LaneWish,
        from: Place,
        tuple: Tuple,
        accept: &impl Fn(PortNumber, PortNumber) -> bool,
    ) -> Option<Lane> {
        let probe = with_source_port(tuple, SOURCE_PORT_MIN);
        let answer = reference(&self.fabric, from, probe);
        if fate(&answer) != Some(wish.fate) || !goes(wish.way, &answer, from) {
            return None;
        }
        let to = answer.route.as_ref().map_or(from, |route| route.to);
        if to == from && wish.fate != Fate::Unreachable {
            return None;
        }
        if !accept(self.port(from), self.port(to)) {
            return None;
        }
        let replies = wish.replies && answer.dropped.is_none();
        if let (true, Some(route)) = (replies, &answer.route) {
            self.fabric.world.is_symmetric(from, probe.source, probe.target, route)?;
        }
        let narrow = [from, to].into_iter().any(|place| self.looks_at_source_port(place));
        let spec = FlowSpec { replies, ..self.spec(from, tuple, &answer) };
        Some(Lane { from, spec, narrow })
    }

    fn spec(&self, from: Place, tuple: Tuple, answer: &Answer) -> FlowSpec {
        let gateway = self.fabric.world.platform.gateway_mac;
        let headers = Headers { source_mac: self.mac(from), target_mac: gateway, tuple, ttl: TTL };
        let expected = match (answer.dropped, &answer.route) {
            (None, Some(route)) => Expected::Delivered(Arriving {
                port: self.port(route.to),
                headers: Headers {
                    source_mac: gateway,
                    target_mac: self.mac(route.to),
                    tuple: arriving(route, tuple),
                    ttl: TTL - u8::try_from(route.hops.len()).unwrap_or(TTL),
                },
            }),
            (Some((stage, because)), _) => Expected::Dropped(reason(stage, because)),
            (None, None) => unreachable!("what is delivered has a way"),
        };
        FlowSpec { port: self.port(from), headers, expected, replies: false, fresh: false }
    }

    /// Whether a rule of the groups at `place` looks at source ports.
    pub fn looks_at_source_port(&self, place: Place) -> bool {
        let Place::Interface(index) = place else { return false };
        let policies: &PolicySet = &self.fabric.policies;
        let groups = &self.fabric.world.interface(index).groups;
        let mut rules = groups.iter().flat_map(|&group| &policies.group(group).rules);
        rules.any(|rule| !rule.source_ports.is_empty())
    }
}

impl<'a> Lanes<'a> {
    /// How many lanes there are.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether there is none; [`BenchWorld::lanes`] gives at least one.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Keeps the first `count` lanes and gives the others: flows of different lanes never meet.
    pub fn split_off(&mut self, count: usize) -> Lanes<'a> {
        let count = count.min(self.lanes.len());
        Lanes { fabric: self.fabric, lanes: self.lanes.split_off(count) }
    }

    /// `count` flows, none twice, neighbours on different lanes; fewer if there are not so many
    /// (32,768 a lane). Where rules look at source ports the reference is asked about each flow,
    /// and those with another fate are left out.
    pub fn flows(&self, count: usize) -> impl Iterator<Item = FlowSpec> {
        let lanes = self.lanes.len();
        let all = (0..SOURCE_PORTS).flat_map(move |port| (0..lanes).map(move |lane| (port, lane)));
        let flows = all.filter_map(|(port, lane)| {
            let lane = &self.lanes[lane];
            let flow = lane.with_source_port(SOURCE_PORT_MIN + port as u16);
            (!lane.narrow || self.is_as_expected(lane.from, &flow)).then_some(flow)
        });
        flows.take(count)
    }

    /// An endless stream of fresh flows on each lane: the source port counts up from frame to
    /// frame. Lanes on which it matters are left out. Flows of the same lanes made by
    /// [`Lanes::flows`] would be met again: [`Lanes::split_off`] keeps the two apart.
    pub fn fresh(&self) -> impl Iterator<Item = FlowSpec> {
        let lanes = self.lanes.iter().filter(|lane| !lane.narrow);
        lanes.map(|lane| FlowSpec {
            fresh: true,
            replies: false,
            ..lane.with_source_port(SOURCE_PORT_MIN)
        })
    }

    fn is_as_expected(&self, from: Place, flow: &FlowSpec) -> bool {
        let answer = reference(self.fabric, from, flow.headers.tuple);
        match flow.expected {
            Expected::Delivered(_) => answer.dropped.is_none(),
            Expected::Dropped(expected) => {
                answer.dropped.is_some_and(|(stage, because)| reason(stage, because) == expected)
            }
        }
    }
}

impl Lane {
    fn with_source_port(&self, port: u16) -> FlowSpec {
        let mut spec = self.spec;
        spec.headers.tuple = with_source_port(spec.headers.tuple, port);
        if let Expected::Delivered(arriving) = &mut spec.expected {
            arriving.headers.tuple = with_source_port(arriving.headers.tuple, port);
        }
        spec
    }
}

/// "For ICMP and ICMPv6 queries both ports hold the identifier".
fn with_source_port(tuple: Tuple, port: u16) -> Tuple {
    let target_port = if tuple.protocol.has_ports() { tuple.target_port } else { port };
    Tuple { source_port: port, target_port, ..tuple }
}

fn fate(answer: &Answer) -> Option<Fate> {
    match answer.dropped {
        None => Some(Fate::Allowed),
        Some((Stage::Outbound, _)) => Some(Fate::DeniedOutbound),
        Some((Stage::Inbound, _)) => Some(Fate::DeniedInbound),
        Some((Stage::Route, _)) => Some(Fate::Unreachable),
        Some((Stage::Parse | Stage::Admit | Stage::Deliver, _)) => None,
    }
}

fn goes(way: Way, answer: &Answer, from: Place) -> bool {
    let Some(route) = &answer.route else { return answer.dropped.is_some() };
    let from_interface = matches!(from, Place::Interface(_));
    match way {
        Way::Inside => from_interface && matches!(route.path, Path::SameVSwitch | Path::SameVpc),
        Way::Joined => route.path == Path::JoinedVpc,
        Way::FromInternet => !from_interface && route.path == Path::Internet,
        Way::ToInternet => from_interface && route.path == Path::Internet,
        Way::Hairpin => route.path == Path::InternetHairpin,
    }
}

/// See [`BenchWorld::sweep`].
pub struct Sweep<'a> {
    world: &'a BenchWorld,
    from: InterfaceIndex,
    family: Family,
    protocol: Protocol,
    targets: u32,
    ports: RangeInclusive<u16>,
    next: u64,
}

impl Sweep<'_> {
    fn ends(&self, place: u32) -> Option<(IpAddr, IpAddr)> {
        let world = &self.world.fabric.world;
        let interface = world.interface(self.from);
        let vswitch = &world.vswitches[interface.vswitch?.as_usize()];
        Some(match self.family {
            Family::Ipv4 => {
                let first = vswitch.cidr.network().to_bits().checked_add(place)?;
                (interface.primary.into(), std::net::Ipv4Addr::from_bits(first).into())
            }
            Family::Ipv6 => {
                let first = vswitch.ipv6_cidr?.network().to_bits() + u128::from(place);
                let source = *interface.ipv6.first()?;
                (source.into(), std::net::Ipv6Addr::from_bits(first).into())
            }
        })
    }
}

impl Iterator for Sweep<'_> {
    type Item = FlowSpec;

    fn next(&mut self) -> Option<FlowSpec> {
        loop {
            let ports =
                u64::from(*self.ports.end()).checked_sub(u64::from(*self.ports.start()))? + 1;
            let place = u32::try_from(self.next / ports).ok()?;
            let port = u16::try_from(u64::from(*self.ports.start()) + self.next % ports).ok()?;
            self.next += 1;
            if place >= self.targets {
                return None;
            }
            let (source, target) = self.ends(place)?;
            if source == target {
                continue;
            }
            let (source_port, target_port) = match self.protocol.has_ports() {
                true => (SWEEP_SOURCE_PORT, port),
                false => (port, port),
            };
            let protocol = self.protocol;
            let tuple = Tuple { source, target, protocol, source_port, target_port };
            let from = Place::Interface(self.from);
            let answer = reference(&self.world.fabric, from, tuple);
            return Some(self.world.spec(from, tuple, &answer));
        }
    }
}
