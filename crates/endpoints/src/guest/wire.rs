//! Between a guest's IP stack and its port: Ethernet headers, ARP and neighbour discovery, and what
//! a guest sends to itself. smoltcp's own neighbour cache asks for one neighbour a second and drops
//! what it cannot send yet; here packets wait for their neighbour.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{
    Arp, ArpOperation, Body, Frame, IcmpKind, Instant, Ip, MacAddr, Neighbor, NeighborMessage,
    Transport, rewrite,
};

use super::{GuestAddress, GuestConfig};

/// Frames to be sent that the port has not fetched yet.
const OUTGOING_MAX: usize = 4_096;
/// Neighbours remembered or asked for.
const NEIGHBORS_MAX: usize = 1_024;
/// Packets that wait for one neighbour.
const WAITING_MAX: usize = 16;
/// Questions before what waits is given up (RFC 4861: MAX_UNICAST_SOLICIT, RETRANS_TIMER).
const QUESTIONS_MAX: u32 = 3;
const QUESTION_INTERVAL: Duration = Duration::from_secs(1);
const HOP_LIMIT_ON_LINK: u8 = 255;

/// What is known of who answers for an address.
#[derive(Debug)]
enum Entry {
    Known(MacAddr),
    Asked { waiting: VecDeque<Vec<u8>>, questions: u32, again: Instant },
}

/// The lower end of a guest.
#[derive(Debug)]
pub(crate) struct Wire {
    mac: MacAddr,
    addresses: Vec<GuestAddress>,
    gateways: [Option<IpAddr>; 2],
    neighbors: BTreeMap<IpAddr, Entry>,
    outgoing: VecDeque<Vec<u8>>,
    /// Frames to the guest's own addresses.
    looped: VecDeque<Vec<u8>>,
}

impl Wire {
    pub(crate) fn new(config: &GuestConfig) -> Wire {
        Wire {
            mac: config.mac,
            addresses: config.addresses.clone(),
            gateways: [config.gateway_ipv4.map(IpAddr::V4), config.gateway_ipv6.map(IpAddr::V6)],
            neighbors: BTreeMap::new(),
            outgoing: VecDeque::new(),
            looped: VecDeque::new(),
        }
    }

    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.address == address)
    }

    /// "its first of the family if absent"
    pub(crate) fn source_for(&self, target: IpAddr) -> Option<IpAddr> {
        let mut own = self.addresses.iter().map(|own| own.address);
        own.find(|own| own.is_ipv4() == target.is_ipv4())
    }

    /// An envelope from here; the frame gets its MAC addresses when it is sent.
    pub(crate) fn envelope(&self, source: IpAddr, target: IpAddr) -> Envelope {
        Envelope { source_mac: self.mac, target_mac: self.mac, source, target, ttl: 64 }
    }

    /// Whether a packet to `target` would go out at once; asks for the neighbour if not.
    pub(crate) fn is_resolved(&mut self, target: IpAddr, now: Instant) -> bool {
        if self.owns(target) {
            return true;
        }
        let hop = self.next_hop(target);
        match self.neighbors.get(&hop) {
            Some(Entry::Known(_)) => true,
            Some(Entry::Asked { .. }) => false,
            None => {
                self.ask(hop, None, now);
                false
            }
        }
    }

    /// Sends a frame whose Ethernet header is still to be filled in, now or when its neighbour is
    /// known.
    pub(crate) fn send(&mut self, mut frame: Vec<u8>, now: Instant) {
        let Some(target) = target_of(&frame) else {
            return;
        };
        if self.owns(target) {
            rewrite::set_macs(&mut frame, self.mac, self.mac);
            self.looped.push_back(frame);
            return;
        }
        let hop = self.next_hop(target);
        match self.neighbors.get_mut(&hop) {
            Some(&mut Entry::Known(mac)) => self.put_out(frame, mac),
            Some(Entry::Asked { waiting, .. }) if waiting.len() < WAITING_MAX => {
                waiting.push_back(frame);
            }
            Some(Entry::Asked { .. }) => {}
            None => self.ask(hop, Some(frame), now),
        }
    }

    /// The next frame for the port.
    pub(crate) fn pull(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The next frame that the guest sent to itself.
    pub(crate) fn pull_looped(&mut self) -> Option<Vec<u8>> {
        self.looped.pop_front()
    }

    /// Takes what the link layer itself needs from a frame that arrived; whether it carries an IP
    /// packet for this guest's stack.
    pub(crate) fn handle(&mut self, frame: &Frame) -> bool {
        let for_us = frame.ethernet.target == self.mac;
        match frame.body {
            Body::Arp(arp) if for_us || frame.ethernet.target.is_multicast() => {
                self.handle_arp(arp);
                false
            }
            Body::Ip(ip) => {
                if let Transport::Icmp(icmp) = ip.transport
                    && let IcmpKind::Neighbor(neighbor) = icmp.kind
                {
                    self.handle_neighbor(&ip, neighbor, frame.ethernet.source);
                    return false;
                }
                if !for_us || !self.owns(ip.target) {
                    return false;
                }
                self.learn_sender(ip.source, frame.ethernet.source);
                true
            }
            Body::Arp(_) | Body::Vlan | Body::Other => false,
        }
    }

    /// Asks again for neighbours that have not answered; gives up on those asked often enough.
    pub(crate) fn poll(&mut self, now: Instant) {
        let mut ask_again = Vec::new();
        self.neighbors.retain(|&hop, entry| match entry {
            Entry::Asked { again, .. } if *again > now => true,
            Entry::Asked { questions, .. } if *questions >= QUESTIONS_MAX => false,
            Entry::Asked { questions, again, .. } => {
                *questions += 1;
                *again = now + QUESTION_INTERVAL;
                ask_again.push(hop);
                true
            }
            Entry::Known(_) => true,
        });
        for hop in ask_again {
            self.put_question(hop);
        }
    }

    /// When a neighbour has to be asked again.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.neighbors.values().filter_map(|entry| match entry {
            Entry::Asked { again, .. } => Some(*again),
            Entry::Known(_) => None,
        });
        deadlines.min()
    }

    fn next_hop(&self, target: IpAddr) -> IpAddr {
        let gateway = self.gateways.iter().flatten().find(|g| g.is_ipv4() == target.is_ipv4());
        match gateway {
            Some(&gateway) if !self.addresses.iter().any(|own| is_on_link(own, target)) => gateway,
            _ => target,
        }
    }

    fn ask(&mut self, hop: IpAddr, frame: Option<Vec<u8>>, now: Instant) {
        if self.neighbors.len() >= NEIGHBORS_MAX {
            self.neighbors.pop_first();
        }
        let waiting = frame.into_iter().collect();
        let again = now + QUESTION_INTERVAL;
        self.neighbors.insert(hop, Entry::Asked { waiting, questions: 1, again });
        self.put_question(hop);
    }

    fn put_question(&mut self, hop: IpAddr) {
        let question = match (self.source_for(hop), hop) {
            (Some(IpAddr::V4(own)), IpAddr::V4(hop)) => build::arp_request(self.mac, own, hop),
            (Some(IpAddr::V6(own)), IpAddr::V6(hop)) => solicitation(self.mac, own, hop),
            _ => return,
        };
        self.push(question);
    }

    fn handle_arp(&mut self, arp: Arp) {
        if !self.owns(IpAddr::V4(arp.target_ip)) {
            return;
        }
        match arp.operation {
            ArpOperation::Reply => self.learn(IpAddr::V4(arp.sender_ip), arp.sender_mac),
            ArpOperation::Request => {
                let answer =
                    build::arp_reply(self.mac, arp.target_ip, arp.sender_mac, arp.sender_ip);
                self.push(answer);
            }
            ArpOperation::Other(_) => {}
        }
    }

    fn handle_neighbor(&mut self, ip: &Ip, neighbor: Neighbor, from: MacAddr) {
        let (Some(target), IpAddr::V6(source)) = (neighbor.target, ip.source) else {
            return;
        };
        // "Routers must check the hop limit": nothing from beyond the link is believed
        if ip.ttl != HOP_LIMIT_ON_LINK {
            return;
        }
        match neighbor.message {
            NeighborMessage::NeighborAdvertisement => {
                self.learn(IpAddr::V6(target), neighbor.link_layer.unwrap_or(from));
            }
            NeighborMessage::NeighborSolicitation if self.owns(IpAddr::V6(target)) => {
                let to_mac = neighbor.link_layer.unwrap_or(from);
                let answer = build::neighbor_advertisement(self.mac, target, false, to_mac, source);
                self.push(answer);
            }
            _ => {}
        }
    }

    /// Notes an answer to a question, or news about a known neighbour; nothing unasked.
    fn learn(&mut self, hop: IpAddr, mac: MacAddr) {
        if mac.is_multicast() {
            return;
        }
        let Some(entry) = self.neighbors.get_mut(&hop) else {
            return;
        };
        if let Entry::Asked { waiting, .. } = std::mem::replace(entry, Entry::Known(mac)) {
            for frame in waiting {
                self.put_out(frame, mac);
            }
        }
    }

    /// Who sent a packet is who its answer goes to: saves a server the question to the fabric,
    /// which answers every question with the one address that all frames come from.
    fn learn_sender(&mut self, source: IpAddr, mac: MacAddr) {
        if mac.is_multicast() || source.is_unspecified() || self.owns(source) {
            return;
        }
        let hop = self.next_hop(source);
        if self.neighbors.contains_key(&hop) {
            return;
        }
        if self.neighbors.len() >= NEIGHBORS_MAX {
            self.neighbors.pop_first();
        }
        self.neighbors.insert(hop, Entry::Known(mac));
    }

    fn put_out(&mut self, mut frame: Vec<u8>, to: MacAddr) {
        rewrite::set_macs(&mut frame, self.mac, to);
        self.push(frame);
    }

    fn push(&mut self, frame: Vec<u8>) {
        if self.outgoing.len() < OUTGOING_MAX {
            self.outgoing.push_back(frame);
        }
    }
}

/// Room for an Ethernet header in front of an IP packet of `len` bytes.
pub(crate) fn blank_frame(len: usize) -> Vec<u8> {
    vec![0; ETHERNET_LEN + len]
}

/// Writes the ethertype that the IP packet in `frame` asks for.
pub(crate) fn set_ethertype(frame: &mut [u8]) {
    let ethertype: u16 = match frame.get(ETHERNET_LEN).map(|byte| byte >> 4) {
        Some(6) => 0x86dd,
        _ => 0x0800,
    };
    frame[12..ETHERNET_LEN].copy_from_slice(&ethertype.to_be_bytes());
}

/// Length of an Ethernet header without tags.
pub(crate) const ETHERNET_LEN: usize = 14;

fn target_of(frame: &[u8]) -> Option<IpAddr> {
    let packet = frame.get(ETHERNET_LEN..)?;
    match packet.first()? >> 4 {
        4 => {
            let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(IpAddr::from(octets))
        }
        6 => {
            let octets: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(IpAddr::from(octets))
        }
        _ => None,
    }
}

fn is_on_link(own: &GuestAddress, target: IpAddr) -> bool {
    let prefix_len = u32::from(own.prefix_len);
    match (own.address, target) {
        (IpAddr::V4(own), IpAddr::V4(target)) => {
            let host_bits = 32u32.saturating_sub(prefix_len);
            let differing = own.to_bits() ^ target.to_bits();
            differing.checked_shr(host_bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(own), IpAddr::V6(target)) => {
            let host_bits = 128u32.saturating_sub(prefix_len);
            let differing = own.to_bits() ^ target.to_bits();
            differing.checked_shr(host_bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// A neighbour solicitation for `target`, to its solicited-node group.
fn solicitation(mac: MacAddr, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    const NEIGHBOR_SOLICITATION: u8 = 135;
    let [.., a, b, c] = target.octets();
    let [high, low] = [0xff00 | u16::from(a), u16::from_be_bytes([b, c])];
    let envelope = Envelope {
        source_mac: mac,
        target_mac: MacAddr([0x33, 0x33, 0xff, a, b, c]),
        source: IpAddr::V6(source),
        target: IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, high, low)),
        ttl: HOP_LIMIT_ON_LINK,
    };
    let mut payload = target.octets().to_vec();
    payload.extend_from_slice(&[1, 1]);
    payload.extend_from_slice(&mac.0);
    build::icmp(&envelope, NEIGHBOR_SOLICITATION, 0, [0; 4], &payload)
}
