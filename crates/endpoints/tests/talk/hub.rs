//! A fabric for tests: answers ARP and neighbour discovery for every address with one MAC, forwards
//! by target address, and drops what a filter does not let through.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::Duration;

use ringfence_endpoints::{Endpoint, Guest, GuestAddress, GuestConfig, Progress, Task, TaskId};
use ringfence_frame::{
    ArpOperation, Body, Frame, IcmpKind, Instant, Ip, MacAddr, NeighborMessage, Transport, build,
    parse, rewrite,
};

pub const FABRIC: MacAddr = MacAddr([0xee, 0xff, 0xff, 0xff, 0xff, 0xff]);
/// One way, from a guest to the hub.
pub const DELAY: Duration = Duration::from_micros(100);

/// When it arrives, a running number, at whom, bytes.
type InFlight = (Instant, u64, usize, Vec<u8>);
type Filter = Box<dyn FnMut(&Ip, Instant) -> bool>;

pub struct Hub {
    pub now: Instant,
    pub guests: Vec<Guest>,
    /// What the hub forwarded: when, to whom, bytes.
    pub forwarded: Vec<(Instant, usize, Vec<u8>)>,
    /// Frames handed in by guests.
    pub sent: usize,
    lets_through: Filter,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    sequence: u64,
}

impl Hub {
    pub fn new(configs: Vec<GuestConfig>) -> Hub {
        Hub {
            now: Instant::START,
            guests: configs.into_iter().map(|c| Guest::new(c, Instant::START)).collect(),
            forwarded: Vec::new(),
            sent: 0,
            lets_through: Box::new(|_, _| true),
            in_flight: BinaryHeap::new(),
            sequence: 0,
        }
    }

    pub fn filter(&mut self, lets_through: impl FnMut(&Ip, Instant) -> bool + 'static) {
        self.lets_through = Box::new(lets_through);
    }

    pub fn start(&mut self, guest: usize, task: Task) -> TaskId {
        let now = self.now;
        self.guests[guest].start(task, now)
    }

    pub fn progress(&self, guest: usize, task: TaskId) -> &Progress {
        self.guests[guest].progress(task)
    }

    /// Lets a frame arrive at a guest.
    pub fn inject(&mut self, guest: usize, bytes: &[u8]) {
        self.guests[guest].handle_frame(bytes, self.now);
    }

    pub fn run_until(&mut self, until: Instant) {
        loop {
            for from in 0..self.guests.len() {
                while let Some(frame) = self.guests[from].pull(self.now) {
                    self.sent += 1;
                    self.switch(from, frame);
                }
            }
            let now = self.now;
            let wakeups = self.guests.iter_mut().filter_map(|guest| guest.next_wakeup(now)).min();
            let arrival = self.in_flight.peek().map(|Reverse((due, ..))| *due);
            let Some(next) = wakeups.into_iter().chain(arrival).min().filter(|n| *n <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            while self.in_flight.peek().is_some_and(|Reverse((due, ..))| *due <= self.now) {
                let Some(Reverse((_, _, to, bytes))) = self.in_flight.pop() else { break };
                self.guests[to].handle_frame(&bytes, self.now);
            }
        }
        self.now = until;
    }

    fn switch(&mut self, from: usize, mut bytes: Vec<u8>) {
        let frame = parse(&bytes).expect("guests send sound frames");
        assert_eq!(frame.ethernet.source, self.guests[from].config().mac);
        if let Some(answer) = answer(&frame) {
            self.put(from, answer);
            return;
        }
        let Body::Ip(ip) = frame.body else { return };
        assert_eq!(frame.ethernet.target, FABRIC, "everything goes to the fabric");
        if !(self.lets_through)(&ip, self.now) {
            return;
        }
        let owner = self
            .guests
            .iter()
            .position(|guest| guest.config().addresses.iter().any(|own| own.address == ip.target));
        if let Some(to) = owner {
            rewrite::set_macs(&mut bytes, FABRIC, self.guests[to].config().mac);
            self.put(to, bytes);
        }
    }

    fn put(&mut self, to: usize, bytes: Vec<u8>) {
        self.forwarded.push((self.now, to, bytes.clone()));
        self.in_flight.push(Reverse((self.now + 2 * DELAY, self.sequence, to, bytes)));
        self.sequence += 1;
    }
}

fn answer(frame: &Frame) -> Option<Vec<u8>> {
    match frame.body {
        Body::Arp(arp) if arp.operation == ArpOperation::Request => {
            Some(build::arp_reply(FABRIC, arp.target_ip, arp.sender_mac, arp.sender_ip))
        }
        Body::Ip(ip) => {
            let (Transport::Icmp(icmp), IpAddr::V6(source)) = (ip.transport, ip.source) else {
                return None;
            };
            let IcmpKind::Neighbor(neighbor) = icmp.kind else { return None };
            assert_eq!(neighbor.message, NeighborMessage::NeighborSolicitation);
            let to_mac = neighbor.link_layer.expect("who asks says where it is");
            let target = neighbor.target.expect("a solicitation has a target");
            Some(build::neighbor_advertisement(FABRIC, target, true, to_mac, source))
        }
        _ => None,
    }
}

/// A guest at 172.16.1.`number` and 2001:db8::`number`.
pub fn config(number: u8) -> GuestConfig {
    let address = |text: String, prefix_len| GuestAddress {
        address: text.parse().expect("a sound address"),
        prefix_len,
    };
    GuestConfig {
        name: format!("guest-{number}"),
        mac: MacAddr([0, 0x16, 0x3e, 16, 1, number]),
        addresses: vec![
            address(format!("172.16.1.{number}"), 24),
            address(format!("2001:db8::{number:x}"), 64),
        ],
        gateway_ipv4: Some("172.16.1.253".parse().expect("a sound address")),
        gateway_ipv6: Some("2001:db8::ff".parse().expect("a sound address")),
        mtu: 1_500,
        serves: Vec::new(),
        seed: u64::from(number),
    }
}
