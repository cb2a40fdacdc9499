//! A generated frame as it comes out: whose it is, what its headers say in one number, and whether
//! everything else in it is as it was sent. Owns the reading only; what should be is the checker's.

use ringfence_frame::Protocol;

use super::line::{flags, fresh_port, unaddressed};
use super::tag::{REPLY, fold, words};

/// The shortest frames, which all others have the headers of.
const LEN_MIN: usize = 60;
const LEN_MIN_IPV6: usize = 80;

/// What was read.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    /// As it stands in the tag.
    pub(crate) flow: u32,
    number: u32,
    /// Of all that never differs among a flow's frames, but for the source port.
    digest: u64,
    /// Or the identifier of an echo.
    source_port: u16,
    /// Of TCP.
    flags: Option<u8>,
    /// Whether lengths and checksums hold, and with them the payload.
    sound: bool,
}

impl Arrival {
    /// Reads a frame, if it has the shape of a generated one.
    #[inline(always)]
    pub(crate) fn read(bytes: &[u8]) -> Option<Arrival> {
        let head = bytes.first_chunk::<LEN_MIN>()?;
        match [head[12], head[13], head[14]] {
            [0x08, 0x00, 0x45] => match Protocol(head[23]) {
                Protocol::UDP => Some(read::<LEN_MIN, 17>(head, bytes)),
                Protocol::TCP => Some(read::<LEN_MIN, 6>(head, bytes)),
                Protocol::ICMP if matches!(head[34], 0 | 8) => {
                    Some(read::<LEN_MIN, 1>(head, bytes))
                }
                _ => None,
            },
            [0x86, 0xdd, 0x60] => {
                let head = bytes.first_chunk::<LEN_MIN_IPV6>()?;
                match Protocol(head[20]) {
                    Protocol::UDP => Some(read::<LEN_MIN_IPV6, 17>(head, bytes)),
                    Protocol::TCP => Some(read::<LEN_MIN_IPV6, 6>(head, bytes)),
                    Protocol::ICMPV6 if matches!(head[54], 128 | 129) => {
                        Some(read::<LEN_MIN_IPV6, 58>(head, bytes))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What must not differ among a flow's frames as they arrive, in 64 bits: MACs, the IP header
    /// but for length and checksum, ports or type and identifier, the fields of TCP that never
    /// change. Of a fresh flow all but the source port.
    #[inline(always)]
    pub(crate) fn digest(&self, fresh: bool) -> u64 {
        let port = if fresh { 0 } else { u64::from(self.source_port) };
        self.digest.wrapping_add(port.wrapping_mul(KEYS[0] | 1))
    }

    /// Whether lengths, checksums and payload are right, and what differs from frame to frame is
    /// what this frame's number says.
    #[inline(always)]
    pub(crate) fn is_whole(&self, fresh: bool) -> bool {
        let port = !fresh || self.source_port == fresh_port(self.number);
        let flags = match self.flags {
            Some(found) => self.has_right_flags(found, fresh),
            None => true,
        };
        self.sound && port && flags
    }

    fn has_right_flags(&self, found: u8, fresh: bool) -> bool {
        let (reply, first) = (self.flow & REPLY != 0, fresh || self.number == 0);
        // a number comes again after 2^32 frames
        let again = self.number == 0 && !fresh && found == flags(false, reply).0;
        found == flags(first, reply).0 || again
    }
}

#[inline(always)]
fn read<const HEAD: usize, const PROTOCOL: u8>(head: &[u8; HEAD], bytes: &[u8]) -> Arrival {
    let ipv6 = HEAD == LEN_MIN_IPV6;
    let transport = if ipv6 { 54 } else { 34 };
    let (tcp, udp) = (PROTOCOL == 6, PROTOCOL == 17);
    let tag = transport + if tcp { 20 } else { 8 };
    let number = if tcp { transport + 4 } else { tag + 6 };
    let port = if tcp || udp { transport } else { transport + 4 };
    let upper = match PROTOCOL {
        // target port, acknowledgement, window; offset and urgent pointer
        6 => {
            let fixed = u64::from(u16_at(head, transport + 14)) << 16
                ^ u64::from(u16_at(head, transport + 2))
                ^ u64::from(u32_at(head, transport + 8)) << 32;
            let rare =
                u64::from(head[transport + 12]) << 16 | u64::from(u16_at(head, transport + 18));
            fixed ^ rare.wrapping_mul(KEYS[1])
        }
        // target port; whether there is a checksum
        17 => u64::from(u16_at(head, transport + 2)) | u64::from(!has_no_checksum(head)) << 16,
        // type, code, sequence number
        _ => u64::from(u16_at(head, transport)) | u64::from(u16_at(head, transport + 6)) << 16,
    };
    Arrival {
        flow: u32_at(head, tag).swap_bytes(),
        number: u32_at(head, number),
        digest: headers::<HEAD>(head, upper),
        source_port: u16_at(head, port),
        flags: tcp.then(|| head[transport + 13]),
        sound: has_right_lengths::<HEAD, PROTOCOL>(head, bytes.len())
            & has_right_sums::<HEAD, PROTOCOL>(head, bytes),
    }
}

/// Whether this is UDP over IPv4 without checksum.
#[inline(always)]
fn has_no_checksum<const HEAD: usize>(head: &[u8; HEAD]) -> bool {
    HEAD == LEN_MIN && u16_at(head, 40) == 0
}

#[inline(always)]
fn headers<const HEAD: usize>(head: &[u8; HEAD], upper: u64) -> u64 {
    let macs = mix(u64_at(head, 0), u64_at(head, 8), 0);
    if HEAD == LEN_MIN {
        // identification, fragment, TTL, protocol
        let fixed = u64::from(u32_at(head, 18)) << 16 | u64::from(u16_at(head, 22));
        return macs ^ mix(fixed, u64_at(head, 26), 1).wrapping_add(mix(upper, 0, 2));
    }
    // flow label, next header, hop limit
    let fixed = u64::from(u16_at(head, 16)) << 16 | u64::from(u16_at(head, 20));
    let source = mix(u64_at(head, 22), u64_at(head, 30), 1);
    let target = mix(u64_at(head, 38), u64_at(head, 46), 2);
    macs ^ source.wrapping_add(target.rotate_left(9)).wrapping_add(mix(upper, fixed, 3))
}

/// Digits of pi: nothing up the sleeve.
const KEYS: [u64; 8] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6c,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
];

#[inline(always)]
fn mix(a: u64, b: u64, key: usize) -> u64 {
    let product = u128::from(a ^ KEYS[2 * key]) * u128::from(b ^ KEYS[2 * key + 1]);
    (product >> 64) as u64 ^ product as u64
}

#[inline(always)]
fn has_right_lengths<const HEAD: usize, const PROTOCOL: u8>(head: &[u8; HEAD], len: usize) -> bool {
    let (transport, field, counted) = match HEAD == LEN_MIN {
        true => (34, 16, len - 14),
        false => (54, 18, len - 54),
    };
    let network = usize::from(u16_at(head, field)) == counted;
    let udp = PROTOCOL != 17 || usize::from(u16_at(head, transport + 4)) == len - transport;
    network & udp
}

/// The checksums of the IPv4 header and of the upper layer; where UDP has none, the compensator
/// makes up for it.
#[inline(always)]
fn has_right_sums<const HEAD: usize, const PROTOCOL: u8>(head: &[u8; HEAD], bytes: &[u8]) -> bool {
    let transport = if HEAD == LEN_MIN { 34 } else { 54 };
    let mut sum = words(&head[transport..]);
    if bytes.len() > HEAD {
        sum += words(&bytes[HEAD..]);
    }
    sum += unaddressed(Protocol(PROTOCOL), bytes.len() - transport);
    let addressed = PROTOCOL != 1 && !(PROTOCOL == 17 && has_no_checksum(head));
    if addressed {
        let addresses = if HEAD == LEN_MIN { 26 } else { 22 };
        sum += words(&head[addresses..transport]);
    }
    let header = HEAD != LEN_MIN || fold(words(&head[14..34])) == 0xffff;
    header & (fold(sum) == 0xffff)
}

#[inline(always)]
fn u16_at<const HEAD: usize>(head: &[u8; HEAD], at: usize) -> u16 {
    u16::from_be_bytes([head[at], head[at + 1]])
}

#[inline(always)]
fn u32_at<const HEAD: usize>(head: &[u8; HEAD], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

#[inline(always)]
fn u64_at<const HEAD: usize>(head: &[u8; HEAD], at: usize) -> u64 {
    u64::from(u32_at(head, at)) << 32 | u64::from(u32_at(head, at + 4))
}
