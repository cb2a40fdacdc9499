//! What a generated frame carries so that it is known again: which flow, which frame of it, when it
//! was due. Owns where that stands in a frame.
//!
//! The payload begins with the flow's number (31 bits, the top bit set in replies) and a
//! compensator: 16 bits that make the Internet checksum over the upper layer come out as it stands in
//! the template, whatever else changes from frame to frame, so that no checksum is ever computed. Then
//! come the frame's number in its flow and the scheduled time, if they have room: in the 64 bytes of
//! a TCP frame they have not, and the TCP sequence number (which counts frames) stands for the first.
//! Flow and time are little-endian, the number is big-endian as a sequence number is. Checksums are
//! added up in memory order, which the Internet checksum allows (RFC 1071).

use ringfence_frame::Protocol;

/// The top bit of a flow number in a tag: a reply.
pub(crate) const REPLY: u32 = 1 << 31;
/// Flow, compensator.
pub(crate) const SHORT_TAG_LEN: usize = 6;
/// Flow, compensator, number, scheduled time.
pub(crate) const TAG_LEN: usize = 18;

const ETHERNET_LEN: usize = 14;
const ETHERTYPE_AT: usize = 12;

/// Where things stand in a frame without IP options and extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    pub(crate) ipv6: bool,
    pub(crate) protocol: Protocol,
    /// The upper-layer header.
    pub(crate) transport: usize,
    /// The tag.
    pub(crate) tag: usize,
    /// The frame's number in its flow.
    pub(crate) number: usize,
}

impl Layout {
    pub(crate) fn new(ipv6: bool, protocol: Protocol) -> Layout {
        let transport = ETHERNET_LEN + if ipv6 { 40 } else { 20 };
        let tcp = protocol == Protocol::TCP;
        let tag = transport + if tcp { 20 } else { 8 };
        let number = if tcp { transport + 4 } else { tag + SHORT_TAG_LEN };
        Layout { ipv6, protocol, transport, tag, number }
    }

    /// That of a frame, if it can be a generated one.
    pub(crate) fn of(bytes: &[u8]) -> Option<Layout> {
        let layout = match bytes.get(ETHERTYPE_AT..ETHERNET_LEN + 10)? {
            [0x08, 0x00, 0x45, ..] => Layout::new(false, Protocol(bytes[ETHERNET_LEN + 9])),
            [0x86, 0xdd, 0x60, ..] => Layout::new(true, Protocol(bytes[ETHERNET_LEN + 6])),
            _ => return None,
        };
        let known = match layout.protocol {
            Protocol::TCP | Protocol::UDP => true,
            Protocol::ICMP => !layout.ipv6 && matches!(bytes.get(layout.transport)?, 0 | 8),
            Protocol::ICMPV6 => layout.ipv6 && matches!(bytes.get(layout.transport)?, 128 | 129),
            _ => false,
        };
        (known && bytes.len() >= layout.len_min()).then_some(layout)
    }

    /// The shortest frame.
    pub(crate) fn len_min(&self) -> usize {
        self.tag + if self.protocol == Protocol::TCP { SHORT_TAG_LEN } else { TAG_LEN }
    }

    /// Whether a frame of this length has the whole tag.
    pub(crate) fn has_whole_tag(&self, len: usize) -> bool {
        len >= self.tag + TAG_LEN
    }
}

/// What a generated frame says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// The flow, counted in the order in which flows were given.
    pub flow: u32,
    /// Whether it is a reply.
    pub reply: bool,
    /// Which frame of this flow in this direction, from 0, modulo 2^32.
    pub number: u32,
    /// When it was due, where there was room to say so.
    pub scheduled_ns: Option<u64>,
}

impl Tag {
    /// Reads the tag, as it stands, of a frame that has the shape of a generated one.
    pub fn read(bytes: &[u8]) -> Option<Tag> {
        let layout = Layout::of(bytes)?;
        let flow = u32_at(bytes, layout.tag).swap_bytes();
        let scheduled_ns = layout.has_whole_tag(bytes.len()).then(|| {
            let [low, high] = [layout.tag + 10, layout.tag + 14].map(|at| u32_at(bytes, at));
            u64::from(high.swap_bytes()) << 32 | u64::from(low.swap_bytes())
        });
        Some(Tag {
            flow: flow & !REPLY,
            reply: flow & REPLY != 0,
            number: u32_at(bytes, layout.number),
            scheduled_ns,
        })
    }

    /// The tag that an id stands for, its time unknown.
    pub fn of_id(id: u64) -> Tag {
        let flow = (id & 0xffff_ffff) as u32;
        let (reply, number) = (flow & REPLY != 0, (id >> 32) as u32);
        Tag { flow: flow & !REPLY, reply, number, scheduled_ns: None }
    }

    /// The tag as one number, as it stands in `FrameMeta::id`: the scheduled time left out.
    pub fn id(&self) -> u64 {
        let reply = if self.reply { REPLY } else { 0 };
        u64::from(self.number) << 32 | u64::from(self.flow | reply)
    }
}

/// What a generator calls a frame in its meta, read from the frame itself.
pub fn frame_id(bytes: &[u8]) -> Option<u64> {
    Tag::read(bytes).map(|tag| tag.id())
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A sum in 16 bits, carries added in: each half is added to the other, and the upper one has got
/// the carry.
#[inline(always)]
pub(crate) fn fold(sum: u64) -> u16 {
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// `bytes` as 16-bit words in memory order, added up; an odd last byte is padded with 0. At most
/// 16 GiB.
#[inline(always)]
pub(crate) fn words(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let sum: u64 = chunks.iter().map(|chunk| u64::from(u32::from_ne_bytes(*chunk))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_ne_bytes(last))
}

/// A number as it counts in a sum in memory order.
#[inline(always)]
pub(crate) fn in_memory(number: u64) -> u64 {
    u64::from(fold(number).to_be())
}
