//! Lines: the frame of a flow in one direction as a template, in one cache line for IPv4 and two
//! for IPv6, with the port at the end. Owns how a template is made and how a frame is written from it.
//!
//! The frame's number stands in the line itself and counts up there: what has been sent of a flow
//! costs no line of its own.

use std::net::IpAddr;

use ringfence_frame::batch::{FrameMeta, PortNumber, SLOT_LEN, Slot};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Protocol, TcpFlags};

use super::Headers;
use super::tag::{Layout, REPLY, TAG_LEN, fold, in_memory, words};

/// A line for IPv4.
pub(crate) type Line4 = Line<64>;
/// A line for IPv6.
pub(crate) type Line6 = Line<128>;

/// First source port of fresh flows, and how many there are.
pub(crate) const FRESH_PORT_MIN: u16 = 32_768;
const FRESH_PORTS: u32 = 0x1_0000 - FRESH_PORT_MIN as u32;

/// What a line is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// A flow's own direction.
    Own,
    /// Its replies.
    Reply,
    /// A flow whose frames are dropped: TCP never gets beyond its SYN.
    Denied,
    /// Every frame is a flow of its own.
    Fresh,
}

/// TCP has not been opened yet: the next frame has a SYN.
const UNOPENED: u32 = 1 << 24;
/// Every frame has a source port of its own.
const FRESH: u32 = 1 << 25;
const TCP: u32 = 1 << 26;
/// ICMP or ICMPv6.
const ECHO: u32 = 1 << 27;

const DATA: TcpFlags = TcpFlags::PSH.with(TcpFlags::ACK);

/// Flags of the first frame of a TCP flow, and of one of its replies.
pub(crate) fn opening_flags(reply: bool) -> TcpFlags {
    if reply { TcpFlags::SYN.with(TcpFlags::ACK) } else { TcpFlags::SYN }
}

/// Flags of the others.
pub(crate) fn flags(first: bool, reply: bool) -> TcpFlags {
    if first { opening_flags(reply) } else { DATA }
}

/// The source port of a fresh flow's frame.
pub(crate) fn fresh_port(number: u32) -> u16 {
    FRESH_PORT_MIN + (number % FRESH_PORTS) as u16
}

/// A template.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line<const N: usize>([u8; N]);

impl<const N: usize> Line<N> {
    const IPV6: bool = N > 64;
    const TRANSPORT: usize = if Self::IPV6 { 54 } else { 34 };
    /// The shortest frame, whatever the protocol.
    const LEN_MIN: usize = if Self::IPV6 { 80 } else { 60 };

    /// The template of `flow`. The flow has been checked.
    pub(crate) fn new(flow: u32, class: Class, port: PortNumber, headers: &Headers) -> Line<N> {
        let layout = Layout::new(Self::IPV6, headers.tuple.protocol);
        let tag = flow | if class == Class::Reply { REPLY } else { 0 };
        let mut frame = first_frame(headers, class, tag);
        if !Self::IPV6 && layout.protocol == Protocol::UDP {
            // "an all zero transmitted checksum value means that the transmitter generated no
            // checksum" (RFC 768); the compensator makes up for it without the addresses
            frame[layout.transport + 6..layout.transport + 8].fill(0);
            let sum = words(&frame[layout.transport..])
                + unaddressed(layout.protocol, frame.len() - layout.transport);
            let compensator = !fold(sum);
            frame[layout.tag + 4..layout.tag + 6].copy_from_slice(&compensator.to_ne_bytes());
        }
        let mut line = Line([0; N]);
        line.0[..frame.len()].copy_from_slice(&frame);
        let kind = match layout.protocol {
            Protocol::TCP => match class {
                Class::Own | Class::Reply => TCP | UNOPENED,
                Class::Denied | Class::Fresh => TCP,
            },
            Protocol::UDP => 0,
            _ => ECHO,
        };
        line.set_info(port | kind | if class == Class::Fresh { FRESH } else { 0 });
        line
    }

    /// How many frames were written from it, modulo 2^32.
    pub(crate) fn sent(&self) -> u32 {
        self.u32_at(if self.info() & TCP != 0 { Self::TRANSPORT + 4 } else { Self::TRANSPORT + 14 })
    }

    /// Its number in a tag, the reply bit included.
    pub(crate) fn flow(&self) -> u32 {
        self.flow_at(Self::TRANSPORT + if self.info() & TCP != 0 { 20 } else { 8 })
    }

    /// The shortest frame, with number 0 and due at 0 if none was written yet.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..Self::LEN_MIN]
    }

    /// Brings it into the cache, if what this returns is used.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        self.0[0] ^ if Self::IPV6 { self.0[64] } else { 0 }
    }

    /// Writes the next frame. `len` is without FCS.
    #[inline(always)]
    pub(crate) fn write(&mut self, slot: &mut Slot, meta: &mut FrameMeta, len: usize, due_ns: u64) {
        let info = self.info();
        if len > Self::LEN_MIN || info & (UNOPENED | FRESH) != 0 {
            self.write_any(slot, meta, len, due_ns);
        } else if info & TCP != 0 {
            self.write_tcp(slot, meta, due_ns);
        } else {
            self.write_datagram(slot, meta, due_ns);
        }
    }

    /// The shortest frame of UDP or echo. Around the number, which the last frame has just written,
    /// the line is copied in two parts: a load across a store that is still on its way would wait.
    #[inline(always)]
    fn write_datagram(&mut self, slot: &mut Slot, meta: &mut FrameMeta, due_ns: u64) {
        let tag_at = Self::TRANSPORT + 8;
        let number_at = tag_at + 6;
        let number = self.count(number_at);
        slot[..number_at].copy_from_slice(&self.0[..number_at]);
        slot[number_at..number_at + 4].copy_from_slice(&number.to_be_bytes());
        slot[number_at + 4..number_at + 12].copy_from_slice(&due_ns.to_le_bytes());
        let less = without(number) + without_time(due_ns);
        self.finish(slot, meta, (tag_at, number, less), (Self::LEN_MIN, due_ns));
    }

    /// The shortest frame of TCP, once the flow is open.
    #[inline(always)]
    fn write_tcp(&mut self, slot: &mut Slot, meta: &mut FrameMeta, due_ns: u64) {
        let (number_at, tag_at) = (Self::TRANSPORT + 4, Self::TRANSPORT + 20);
        let number = self.count(number_at);
        slot[..number_at].copy_from_slice(&self.0[..number_at]);
        slot[number_at..number_at + 4].copy_from_slice(&number.to_be_bytes());
        slot[number_at + 4..Self::LEN_MIN].copy_from_slice(&self.0[number_at + 4..Self::LEN_MIN]);
        self.finish(slot, meta, (tag_at, number, without(number)), (Self::LEN_MIN, due_ns));
    }

    /// Any frame.
    #[inline(never)]
    fn write_any(&mut self, slot: &mut Slot, meta: &mut FrameMeta, len: usize, due_ns: u64) {
        let info = self.info();
        slot[..N].copy_from_slice(&self.0);
        let (number_at, tag_at) = match info & TCP != 0 {
            true => (Self::TRANSPORT + 4, Self::TRANSPORT + 20),
            false => (Self::TRANSPORT + 14, Self::TRANSPORT + 8),
        };
        let number = self.count(number_at);
        let mut less = without(number);
        let mut more = 0;
        if info & TCP == 0 {
            less += without_time(due_ns);
            slot[tag_at + 10..tag_at + 18].copy_from_slice(&due_ns.to_le_bytes());
        } else if info & UNOPENED != 0 {
            self.set_info(info & !UNOPENED);
            let flags = opening_flags(self.flow_at(tag_at) & REPLY != 0).0;
            more += u64::from(0xffff - u16::from(DATA.0) + u16::from(flags));
            slot[Self::TRANSPORT + 13] = flags;
        }
        // the number of a fresh flow's frame says its port
        if info & FRESH != 0 {
            let port = fresh_port(number);
            more += u64::from(port);
            let at = Self::TRANSPORT + if info & ECHO != 0 { 4 } else { 0 };
            slot[at..at + 2].copy_from_slice(&port.to_be_bytes());
        }
        let len = len.clamp(Self::LEN_MIN, SLOT_LEN);
        if len > Self::LEN_MIN {
            more += lengthen::<N>(slot, info, len);
            if info & TCP != 0 && len >= tag_at + TAG_LEN {
                slot[tag_at + 6..tag_at + 10].copy_from_slice(&number.to_be_bytes());
                slot[tag_at + 10..tag_at + 18].copy_from_slice(&due_ns.to_le_bytes());
                less += without(number) + without_time(due_ns);
            }
        }
        less += u64::from(!fold(in_memory(more)));
        self.finish(slot, meta, (tag_at, number, less), (len, due_ns));
    }

    /// Writes the compensator, where `less` is what differs from the template as it counts in a
    /// checksum, taken off, and the meta.
    #[inline(always)]
    fn finish(
        &self,
        slot: &mut Slot,
        meta: &mut FrameMeta,
        (tag_at, number, less): (usize, u32, u64),
        (len, due_ns): (usize, u64),
    ) {
        let template = u16::from_ne_bytes([self.0[tag_at + 4], self.0[tag_at + 5]]);
        let compensator = fold(u64::from(template) + less);
        slot[tag_at + 4..tag_at + 6].copy_from_slice(&compensator.to_ne_bytes());
        *meta = FrameMeta {
            port: self.info() & 0xff_ffff,
            len: len as u32,
            id: u64::from(number) << 32 | u64::from(self.flow_at(tag_at)),
            scheduled_ns: due_ns,
        };
    }

    /// The number of the next frame, which it is no longer.
    #[inline(always)]
    fn count(&mut self, at: usize) -> u32 {
        let number = self.u32_at(at);
        self.0[at..at + 4].copy_from_slice(&number.wrapping_add(1).to_be_bytes());
        number
    }

    #[inline(always)]
    fn flow_at(&self, at: usize) -> u32 {
        self.u32_at(at).swap_bytes()
    }

    #[inline(always)]
    fn u32_at(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    #[inline(always)]
    fn info(&self) -> u32 {
        self.u32_at(N - 4).swap_bytes()
    }

    fn set_info(&mut self, info: u32) {
        self.0[N - 4..].copy_from_slice(&info.to_le_bytes());
    }
}

/// What takes a number in network order out of a sum in memory order: its complement.
#[inline(always)]
fn without(number: u32) -> u64 {
    u64::from(!number.to_be())
}

/// The same for a time, which stands there little-endian.
#[inline(always)]
fn without_time(due_ns: u64) -> u64 {
    let due = !due_ns.to_le();
    (due >> 32) + (due & 0xffff_ffff)
}

/// Makes a frame longer than the shortest: lengths, the IPv4 header's checksum, zeros. What that
/// adds to the upper layer's checksum, as a number.
fn lengthen<const N: usize>(slot: &mut Slot, info: u32, len: usize) -> u64 {
    let more = (len - Line::<N>::LEN_MIN) as u16;
    slot[Line::<N>::LEN_MIN..len].fill(0);
    let add = |slot: &mut Slot, at: usize| {
        let field = u16::from_be_bytes([slot[at], slot[at + 1]]) + more;
        slot[at..at + 2].copy_from_slice(&field.to_be_bytes());
    };
    if Line::<N>::IPV6 {
        add(slot, 18);
    } else {
        add(slot, 16);
        let sum = !u16::from_be_bytes([slot[24], slot[25]]);
        let checksum = !fold(u64::from(sum) + u64::from(more));
        slot[24..26].copy_from_slice(&checksum.to_be_bytes());
    }
    match info & (TCP | ECHO) {
        // the pseudo header of ICMPv6 has the length, ICMP has none
        ECHO if Line::<N>::IPV6 => u64::from(more),
        ECHO => 0,
        TCP => u64::from(more),
        _ => {
            add(slot, Line::<N>::TRANSPORT + 4);
            2 * u64::from(more)
        }
    }
}

/// What the pseudo header adds beside the addresses, for `len` bytes of upper layer, as it counts
/// in memory order.
#[inline(always)]
pub(crate) fn unaddressed(protocol: Protocol, len: usize) -> u64 {
    match protocol {
        Protocol::ICMP => 0,
        Protocol(number) => in_memory(u64::from(number) + len as u64),
    }
}

/// The frame with number 0, due at 0, as it would be after the opening, where there is one.
fn first_frame(headers: &Headers, class: Class, tag: u32) -> Vec<u8> {
    let Headers { source_mac, target_mac, tuple, ttl } = *headers;
    let (source, target) = (tuple.source, tuple.target);
    let envelope = Envelope { source_mac, target_mac, source, target, ttl };
    let mut payload = [0; TAG_LEN];
    payload[..4].copy_from_slice(&tag.to_le_bytes());
    let source_port = if class == Class::Fresh { 0 } else { tuple.source_port };
    match (tuple.protocol, source) {
        (Protocol::TCP, _) => {
            let fields = TcpFields {
                source_port,
                target_port: tuple.target_port,
                acknowledgement: 1,
                flags: match class {
                    Class::Own | Class::Reply => DATA,
                    Class::Denied | Class::Fresh => TcpFlags::SYN,
                },
                window: u16::MAX,
                ..TcpFields::default()
            };
            build::tcp(&envelope, &fields, &payload[..super::tag::SHORT_TAG_LEN])
        }
        (Protocol::UDP, _) => build::udp(&envelope, source_port, tuple.target_port, &payload),
        (_, family) => {
            let echo = match (family, class == Class::Reply) {
                (IpAddr::V4(_), false) => 8,
                (IpAddr::V4(_), true) => 0,
                (IpAddr::V6(_), false) => 128,
                (IpAddr::V6(_), true) => 129,
            };
            let [high, low] = source_port.to_be_bytes();
            build::icmp(&envelope, echo, 0, [high, low, 0, 0], &payload)
        }
    }
}
