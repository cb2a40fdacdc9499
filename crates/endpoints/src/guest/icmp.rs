//! ICMP and ICMPv6 as a client meets them: echo requests, their replies, and errors in words.

use std::net::IpAddr;

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{Family, Ip};
use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet};

/// What an echo request carries, as `ping` does by default: 56 bytes.
const PAYLOAD: [u8; 56] = *b"ringfence ringfence ringfence ringfence ringfence ringfe";

/// An echo request.
pub(crate) fn echo_request(envelope: &Envelope, identifier: u16, sequence: u16) -> Vec<u8> {
    let [a, b] = identifier.to_be_bytes();
    let [c, d] = sequence.to_be_bytes();
    let icmp_type = match Family::of(envelope.source) {
        Family::Ipv4 => 8,
        Family::Ipv6 => 128,
    };
    build::icmp(envelope, icmp_type, 0, [a, b, c, d], &PAYLOAD)
}

/// Identifier and sequence number of a sound echo reply.
pub(crate) fn read_echo_reply(ip: &Ip, frame: &[u8]) -> Option<(u16, u16)> {
    let message = frame.get(ip.transport_offset..ip.end)?;
    let (reply_type, checksum_is_right) = match (ip.source, ip.target) {
        (IpAddr::V4(_), IpAddr::V4(_)) => {
            (0, Icmpv4Packet::new_checked(message).ok()?.verify_checksum())
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            (129, Icmpv6Packet::new_checked(message).ok()?.verify_checksum(&source, &target))
        }
        _ => return None,
    };
    let (header, payload) = message.split_first_chunk::<8>()?;
    if header[0] != reply_type || !checksum_is_right || payload != PAYLOAD {
        return None;
    }
    let identifier = u16::from_be_bytes([header[4], header[5]]);
    let sequence = u16::from_be_bytes([header[6], header[7]]);
    Some((identifier, sequence))
}

/// What an ICMP error says, in words.
pub(crate) fn error_name(family: Family, icmp_type: u8, code: u8) -> &'static str {
    match (family, icmp_type, code) {
        (Family::Ipv4, 3, 0) | (Family::Ipv6, 1, 0) => "network unreachable",
        (Family::Ipv4, 3, 1) | (Family::Ipv6, 1, 3) => "host unreachable",
        (Family::Ipv4, 3, 2) | (Family::Ipv6, 4, 1) => "protocol unreachable",
        (Family::Ipv4, 3, 3) | (Family::Ipv6, 1, 4) => "port unreachable",
        (Family::Ipv4, 3, 4) => "fragmentation needed",
        (Family::Ipv4, 3, 9 | 10 | 13) | (Family::Ipv6, 1, 1) => "administratively prohibited",
        (Family::Ipv4, 3, _) | (Family::Ipv6, 1, _) => "unreachable",
        (Family::Ipv4, 11, _) | (Family::Ipv6, 3, _) => "time exceeded",
        (Family::Ipv4, 12, _) | (Family::Ipv6, 4, _) => "parameter problem",
        (Family::Ipv6, 2, _) => "packet too big",
        _ => "ICMP error",
    }
}
