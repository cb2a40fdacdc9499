//! Frames that the fabric answers itself, with the answers that it must give.

use std::net::Ipv4Addr;

use ringfence_cloud::{InterfaceIndex, Place};
use ringfence_frame::batch::PortNumber;
use ringfence_frame::build::{arp_reply, arp_request};

use crate::BenchWorld;

/// A frame that the fabric answers itself, and the answer, which goes out where it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Where it comes in.
    pub port: PortNumber,
    /// The frame.
    pub frame: Vec<u8>,
    /// The answer.
    pub answer: Vec<u8>,
}

impl BenchWorld {
    /// Who has the first address of the subnet, an interface asks, which is the router's. None if the
    /// interface lies in no subnet.
    pub fn arp_question(&self, from: InterfaceIndex) -> Option<Question> {
        let world = &self.fabric.world;
        let interface = world.interface(from);
        let vswitch = &world.vswitches[interface.vswitch?.as_usize()];
        let asked = Ipv4Addr::from_bits(vswitch.cidr.network().to_bits() + 1);
        let (mac, own) = (interface.mac, interface.primary);
        Some(Question {
            port: self.port(Place::Interface(from)),
            frame: arp_request(mac, own, asked),
            answer: arp_reply(world.platform.gateway_mac, asked, mac, own),
        })
    }
}
