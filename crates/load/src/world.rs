//! A fabric to load: made from a shape and a seed, or anybody's, with its ports numbered.

use ringfence_cloud::Place;
use ringfence_frame::MacAddr;
use ringfence_frame::batch::PortNumber;
use ringfence_switch::{Fabric, Ports};

use crate::build;
use crate::rules::RuleShape;

/// How large a world is and what its groups are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorldShape {
    /// VPCs, 1 to 15, joined by one CEN.
    pub vpcs: u32,
    /// Network interfaces, spread over the VPCs in turn; at most 1,000,000 in each. Every one has
    /// an IPv4 and an IPv6 address.
    pub interfaces: u32,
    /// How many of them have a public address (the first ones), at most 65,536. If any has, there is
    /// a host on the Internet with 64 addresses, and IPv6 reaches it.
    pub public: u32,
    /// Security groups in each VPC, basic ones whose members are isolated; at least 1.
    pub groups: u32,
    /// Groups of each interface, 1 to 16.
    pub groups_per_interface: u32,
    /// Inbound rules in each group.
    pub rules: u32,
    /// How they look. As people write groups: the first twelve, with the lowest priorities, make lanes
    /// of every kind possible. ClassBench's shapes: one rule in four is about interfaces of this
    /// world; lanes are those that they make, all of IPv4, and the platform's quotas are passed on purpose.
    pub rule_shape: RuleShape,
    /// Addresses in the one prefix list that some rules name; 0: none.
    pub prefix_list: u32,
    /// Sessions of the whole fabric, of each interface, and half-open ones of each.
    pub sessions_max: usize,
}

impl Default for WorldShape {
    fn default() -> WorldShape {
        WorldShape {
            vpcs: 1,
            interfaces: 1_000,
            public: 0,
            groups: 16,
            groups_per_interface: 1,
            rules: 100,
            rule_shape: RuleShape::Groups,
            prefix_list: 0,
            sessions_max: 32_000_000,
        }
    }
}

/// A fabric with its ports numbered.
#[derive(Debug)]
pub struct BenchWorld {
    /// What a switch is to enforce. Rules may be changed before lanes are asked for, places not.
    pub fabric: Fabric,
    /// Its ports as the switch numbers them.
    pub ports: Ports,
}

impl BenchWorld {
    /// The world of this shape and seed.
    pub fn new(shape: &WorldShape, seed: u64) -> BenchWorld {
        BenchWorld::of(build::fabric(shape, seed))
    }

    /// Anybody's fabric.
    pub fn of(fabric: Fabric) -> BenchWorld {
        let ports = Ports::new(&fabric.world);
        BenchWorld { fabric, ports }
    }

    /// The number of a port.
    pub fn port(&self, place: Place) -> PortNumber {
        self.ports.number(place)
    }

    /// The MAC address at a port, if whoever is there has one.
    pub(crate) fn mac(&self, place: Place) -> MacAddr {
        let world = &self.fabric.world;
        match place {
            Place::Interface(index) => world.interface(index).mac,
            Place::Outside(index) => world.outside[index.as_usize()].mac,
            Place::Edge(_) => world.platform.gateway_mac,
        }
    }
}
