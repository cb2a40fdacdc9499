//! Frames that nobody should send: valid ones of every kind, and what becomes of them by flipped
//! bits, lengths and offsets that lie, cuts, and fragments that overlap, repeat or never come.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_cloud::{Edge, InterfaceIndex, Network, OutsideIndex, Place, VpcIndex, World};
use ringfence_frame::build::{self, Envelope, IcmpError, TcpFields};
use ringfence_frame::{MacAddr, Protocol, TcpFlags, parse};

use crate::dice::Dice;
use crate::frames;

/// Where the Ethernet header ends.
const IP_AT: usize = 14;
const PORTS: [u16; 10] = [0, 22, 25, 80, 443, 3306, 40_000, 40_001, 40_002, 65_535];

/// Makes frames, each with the port that it comes in at.
pub struct Hostile<'a> {
    world: &'a World,
    dice: Dice,
    senders: Vec<(Place, IpAddr)>,
    targets: Vec<IpAddr>,
    /// Fragments still to send.
    pieces: Vec<(Place, Vec<u8>)>,
    identification: u16,
}

impl<'a> Hostile<'a> {
    /// Frames in `world`; the same seed makes the same.
    pub fn new(world: &'a World, seed: u64) -> Hostile<'a> {
        let mut senders = Vec::new();
        let mut targets = vec![IpAddr::V4(world.platform.metadata_server)];
        for (index, interface) in (0..).map(InterfaceIndex).zip(&world.interfaces) {
            let own = [IpAddr::V4(interface.primary)].into_iter();
            let own = own.chain(interface.secondary.iter().map(|it| IpAddr::V4(*it)));
            let own: Vec<_> = own.chain(interface.ipv6.iter().map(|it| IpAddr::V6(*it))).collect();
            senders.extend(own.iter().map(|it| (Place::Interface(index), *it)));
            targets.extend(own);
            targets.extend(interface.public_ip.map(IpAddr::V4));
        }
        for (index, host) in (0..).map(OutsideIndex).zip(&world.outside) {
            senders.extend(host.addresses.iter().map(|it| (Place::Outside(index), *it)));
            targets.extend(&host.addresses);
        }
        let strangers = [
            (Edge::Internet, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9))),
            (Edge::Internet, IpAddr::V6(Ipv6Addr::new(0x2400, 9, 0, 0, 0, 0, 0, 9))),
            (Edge::Intranet(Network::Vpc(VpcIndex(0))), IpAddr::V4(Ipv4Addr::new(100, 64, 7, 7))),
        ];
        senders.extend(strangers.map(|(edge, source)| (Place::Edge(edge), source)));
        targets.extend([
            IpAddr::V4(Ipv4Addr::new(10, 99, 99, 99)),
            IpAddr::V4(Ipv4Addr::BROADCAST),
            IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)),
            IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0xeeee)),
        ]);
        let dice = Dice::new(seed);
        Hostile { world, dice, senders, targets, pieces: Vec::new(), identification: 0 }
    }

    /// The next frame.
    pub fn frame(&mut self) -> (Place, Vec<u8>) {
        if !self.pieces.is_empty() && self.dice.chance(70) {
            let place = self.dice.between(0, self.pieces.len() - 1);
            let (port, mut piece) = self.pieces.swap_remove(place);
            if self.dice.chance(10) {
                self.spoil(&mut piece);
            }
            return (port, piece);
        }
        let (port, source) = self.dice.pick(&self.senders);
        let mut frame = self.valid(port, source);
        if self.dice.chance(6) && self.pieces.len() < 256 {
            return self.cut(port, frame);
        }
        for _ in 0..self.dice.pick(&[0, 0, 1, 1, 1, 2]) {
            self.spoil(&mut frame);
        }
        (port, frame)
    }

    fn valid(&mut self, port: Place, source: IpAddr) -> Vec<u8> {
        let same_family =
            self.targets.iter().copied().filter(|it| it.is_ipv4() == source.is_ipv4());
        let target = self.dice.pick(&same_family.collect::<Vec<_>>());
        let ttl = self.dice.pick(&[64, 64, 64, 64, 64, 255, 3, 2, 1, 0]);
        let envelope = Envelope { ttl, ..frames::envelope(self.world, port, source, target) };
        match self.dice.between(0, 99) {
            0..=39 => self.tcp(&envelope),
            40..=54 => self.udp(&envelope),
            55..=66 => self.icmp(&envelope),
            67..=72 => self.icmp_error(&envelope),
            73..=77 => self.other_protocol(&envelope),
            78..=83 => self.arp(&envelope),
            84..=89 => self.link_local(&envelope),
            90..=93 => self.extended(&envelope),
            94..=96 => self.no_ip(&envelope),
            _ => {
                let len = self.dice.between(0, 80);
                (0..len).map(|_| self.dice.byte()).collect()
            }
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let len = self.dice.pick(&[0, 1, 8, 64, 600, 1_400, 1_472, 3_000]);
        vec![0x5a; len]
    }

    fn tcp(&mut self, envelope: &Envelope) -> Vec<u8> {
        const FLAGS: [u8; 10] = [0x02, 0x02, 0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0xff];
        let fields = TcpFields {
            source_port: self.dice.pick(&PORTS),
            target_port: self.dice.pick(&PORTS),
            sequence: self.dice.pick(&[0, 1, 1_000, u32::MAX]),
            acknowledgement: self.dice.pick(&[0, 1, 1_000, u32::MAX]),
            flags: TcpFlags(self.dice.pick(&FLAGS)),
            window: self.dice.u16(),
            window_scale: self.dice.pick(&[None, Some(0), Some(7), Some(200)]),
        };
        let payload = self.payload();
        build::tcp(envelope, &fields, &payload)
    }

    fn udp(&mut self, envelope: &Envelope) -> Vec<u8> {
        let (source_port, target_port) = (self.dice.pick(&PORTS), self.dice.pick(&PORTS));
        let payload = self.payload();
        build::udp(envelope, source_port, target_port, &payload)
    }

    fn icmp(&mut self, envelope: &Envelope) -> Vec<u8> {
        let icmp_type = match envelope.source {
            IpAddr::V4(_) => self.dice.pick(&[8, 8, 0, 13, 14, 5, 42]),
            IpAddr::V6(_) => self.dice.pick(&[128, 128, 129, 130, 143, 200]),
        };
        let rest = [0, self.dice.pick(&[1, 2, 3]), 0, 1];
        let payload = self.payload();
        build::icmp(envelope, icmp_type, 0, rest, &payload)
    }

    /// An error about a packet that went the other way.
    fn icmp_error(&mut self, envelope: &Envelope) -> Vec<u8> {
        let (source, target) = (envelope.target, envelope.source);
        let about = self.tcp(&Envelope { source, target, ..*envelope });
        let quoted = &about[IP_AT..];
        match self.dice.between(0, 3) {
            0 => build::icmp_error(envelope, IcmpError::TimeExceeded, quoted),
            1 => build::icmp_error(envelope, IcmpError::TooBig { mtu: 600 }, quoted),
            _ => {
                let len = self.dice.between(0, quoted.len().min(48));
                let unreachable = if envelope.source.is_ipv4() { 3 } else { 1 };
                build::icmp(envelope, unreachable, 1, [0; 4], &quoted[..len])
            }
        }
    }

    fn other_protocol(&mut self, envelope: &Envelope) -> Vec<u8> {
        let protocol = self.dice.pick(&[47, 47, 50, 51, 0, 43, 44, 59, 60, 132, 255]);
        let len = self.dice.between(0, 40);
        let payload: Vec<u8> = (0..len).map(|_| self.dice.byte()).collect();
        build::raw(envelope, Protocol(protocol), &payload)
    }

    fn arp(&mut self, envelope: &Envelope) -> Vec<u8> {
        let own = match envelope.source {
            IpAddr::V4(it) => it,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let asked = match envelope.target {
            IpAddr::V4(it) => it,
            IpAddr::V6(_) => Ipv4Addr::new(10, 0, 1, 253),
        };
        let mac = envelope.source_mac;
        match self.dice.between(0, 3) {
            0 => build::arp_request(mac, Ipv4Addr::UNSPECIFIED, asked),
            1 => build::arp_request(mac, own, own),
            2 => build::arp_reply(mac, own, envelope.target_mac, asked),
            _ => build::arp_request(mac, own, asked),
        }
    }

    /// ND, router solicitation, DHCP.
    fn link_local(&mut self, envelope: &Envelope) -> Vec<u8> {
        if envelope.source.is_ipv4() {
            let (source, target) = (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into());
            let to_all = Envelope { target_mac: MacAddr::BROADCAST, source, target, ..*envelope };
            return build::udp(&to_all, 68, 67, &[0x5a; 240]);
        }
        let (icmp_type, len) =
            self.dice.pick(&[(133, 0), (134, 8), (135, 16), (136, 16), (137, 32)]);
        let mut payload = vec![0; len];
        if let (IpAddr::V6(target), true) = (envelope.target, len >= 16) {
            payload[..16].copy_from_slice(&target.octets());
        }
        payload.extend([self.dice.pick(&[1, 2]), 1]);
        payload.extend(envelope.source_mac.0);
        let all_nodes = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
        let link_local = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
        let unspecified = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let source = self.dice.pick(&[envelope.source, link_local, unspecified]);
        let target = self.dice.pick(&[envelope.target, all_nodes]);
        let envelope = Envelope { ttl: 255, source, target, ..*envelope };
        build::icmp(&envelope, icmp_type, 0, [0; 4], &payload)
    }

    /// IPv4 options, or a chain of IPv6 extension headers.
    fn extended(&mut self, envelope: &Envelope) -> Vec<u8> {
        let mut frame = self.udp(envelope);
        let words = self.dice.between(1, 10);
        if envelope.source.is_ipv4() {
            let options: Vec<u8> =
                (0..4 * words).map(|_| self.dice.pick(&[0, 1, 1, 7, 131])).collect();
            frame.splice(IP_AT + 20..IP_AT + 20, options);
            frame[IP_AT] = 0x45 + words as u8;
            let len = (frame.len() - IP_AT) as u16;
            frame[IP_AT + 2..IP_AT + 4].copy_from_slice(&len.to_be_bytes());
            mend_checksum(&mut frame);
            return frame;
        }
        let mut next = frame[IP_AT + 6];
        let mut chain = Vec::new();
        for _ in 0..words {
            let number = self.dice.pick(&[0, 43, 44, 51, 60, 60, 60]);
            let mut header = vec![next, 0, 0, self.dice.pick(&[0, 0, 1, 8]), 0, 0, 0, 9];
            if number != 44 && self.dice.chance(20) {
                header[1] = self.dice.byte();
            }
            header.extend(chain);
            (chain, next) = (header, number);
        }
        frame[IP_AT + 6] = next;
        frame.splice(IP_AT + 40..IP_AT + 40, chain);
        let len = (frame.len() - IP_AT - 40) as u16;
        frame[IP_AT + 4..IP_AT + 6].copy_from_slice(&len.to_be_bytes());
        frame
    }

    /// VLAN tags and ethertypes that nobody forwards.
    fn no_ip(&mut self, envelope: &Envelope) -> Vec<u8> {
        let mut frame = self.udp(envelope);
        let ethertype: u16 =
            self.dice.pick(&[0x8100, 0x88a8, 0x88cc, 0x0000, 0x05dc, 0x86dd, 0x0800]);
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        frame
    }

    /// The first of a packet's fragments; the others come later, in any order, or never.
    fn cut(&mut self, port: Place, mut frame: Vec<u8>) -> (Place, Vec<u8>) {
        let Ok(read) = parse(&frame) else { return (port, frame) };
        let mtu = self.dice.pick(&[68, 128, 576, 1_280]);
        self.identification = self.identification.wrapping_add(1) % 64;
        let identification = self.identification;
        if frame[12..14] == [8, 0] {
            frame[IP_AT + 4..IP_AT + 6].copy_from_slice(&identification.to_be_bytes());
            mend_checksum(&mut frame);
        }
        let mut pieces = build::fragments(&frame, &read, mtu);
        if pieces.len() == 1 {
            pieces = build::ipv6_fragments(&frame, &read, mtu, identification.into());
        }
        if self.dice.chance(25) {
            pieces.extend(self.overlap(&pieces.clone()));
        }
        if self.dice.chance(1) {
            self.flood(port, &pieces);
        }
        let first = match self.dice.chance(60) {
            true => 0,
            false => self.dice.between(0, pieces.len() - 1),
        };
        let chosen = pieces.swap_remove(first);
        if self.dice.chance(15) && !pieces.is_empty() {
            pieces.pop();
        }
        self.pieces.extend(pieces.into_iter().map(|piece| (port, piece)));
        (port, chosen)
    }

    /// A later fragment of a hundred packets whose first ones never come.
    fn flood(&mut self, port: Place, pieces: &[Vec<u8>]) {
        let Some(later) = pieces.get(1).filter(|it| it[12..14] == [8, 0]) else { return };
        for number in 1_000_u16..1_100 {
            let mut piece = later.clone();
            piece[IP_AT + 4..IP_AT + 6].copy_from_slice(&number.to_be_bytes());
            mend_checksum(&mut piece);
            self.pieces.push((port, piece));
        }
    }

    /// Fragments again, at another offset.
    fn overlap(&mut self, pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let again = pieces.iter().filter(|it| it[12..14] == [8, 0]).take(2).cloned();
        let moved = again.map(|mut piece| {
            piece[IP_AT + 7] = piece[IP_AT + 7].wrapping_add(self.dice.pick(&[0, 1, 255]));
            mend_checksum(&mut piece);
            piece
        });
        moved.collect()
    }

    fn spoil(&mut self, frame: &mut Vec<u8>) {
        if frame.is_empty() {
            return;
        }
        let last = frame.len() - 1;
        match self.dice.between(0, 9) {
            0 => {
                for _ in 0..self.dice.between(1, 8) {
                    let place = self.dice.between(0, last);
                    frame[place] ^= 1 << self.dice.between(0, 7);
                }
            }
            1 => frame.truncate(self.dice.between(0, last)),
            2 => {
                let more = self.dice.between(1, 40);
                frame.extend(std::iter::repeat_n(0, more));
            }
            3 => {
                let place = self.dice.between(0, last.min(60));
                frame[place] = self.dice.byte();
            }
            _ => self.lie(frame),
        }
        if self.dice.chance(60) {
            mend_checksum(frame);
        }
    }

    /// Spoils one field of a header.
    fn lie(&mut self, frame: &mut [u8]) {
        let is_ipv4 = frame.get(12..14) == Some(&[8, 0]);
        let transport = if is_ipv4 { IP_AT + 20 } else { IP_AT + 40 };
        let value = match self.dice.chance(50) {
            true => self.dice.byte(),
            false => self.dice.pick(&[0, 1, 2, 4, 5, 7, 8, 0x1f, 0x20, 0x7f, 0x80, 0xff]),
        };
        // version and length, total length, identification, flags and offset, TTL, protocol,
        // source and target; payload length, next header and hop limit; transport fields
        let in_ip = match is_ipv4 {
            true => self.dice.pick(&[0, 2, 3, 4, 6, 6, 7, 8, 9, 10, 12, 12, 13, 15, 16, 19]),
            false => self.dice.pick(&[0, 4, 5, 6, 7, 8, 8, 23, 24, 39]),
        };
        let in_transport = self.dice.pick(&[0, 1, 2, 3, 4, 5, 12, 12, 13, 15, 20]);
        let at = if self.dice.chance(65) { IP_AT + in_ip } else { transport + in_transport };
        if let Some(byte) = frame.get_mut(at) {
            *byte = value;
        }
    }
}

/// Makes the IPv4 header checksum right, so that what follows is looked at.
pub fn mend_checksum(frame: &mut [u8]) {
    if frame.get(12..14) != Some(&[8, 0]) {
        return;
    }
    let Some(first) = frame.get(IP_AT) else { return };
    let len = usize::from(first & 0x0f) * 4;
    let Some(header) = frame.get_mut(IP_AT..IP_AT + len).filter(|it| it.len() >= 20) else {
        return;
    };
    header[10..12].fill(0);
    let words = header.chunks(2).map(|it| u32::from(u16::from_be_bytes([it[0], it[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}
