//! Packets cut into fragments: IPv4 as a router does, IPv6 as the sending host does.

use super::{ipv4_checksum, len_u16};
use crate::bytes::{put_u16, u16_at};
use crate::parse::{
    FRAGMENT_HEADER, FRAGMENT_HEADER_LEN, IPV4_DONT_FRAGMENT, IPV4_LEN, IPV4_MORE_FRAGMENTS,
    IPV6_LEN, unfragmentable,
};
use crate::{Body, Family, Frame, Ip};

/// Cuts an IPv4 frame (read as `frame`) into fragments of at most `mtu` bytes of IP packet each;
/// a fragment is cut further. DF is left to the caller; Ethernet padding is dropped.
///
/// The frame alone if it fits, if it is no IPv4 packet (routers never fragment IPv6), and if
/// `mtu` does not hold its header and 8 bytes.
pub fn fragments(bytes: &[u8], frame: &Frame, mtu: usize) -> Vec<Vec<u8>> {
    let Some((ip, Family::Ipv4)) = oversize(frame, mtu) else {
        return vec![bytes.to_vec()];
    };
    let header_len = ip.transport_offset - ip.ip_offset;
    let Some(room) = room(mtu, header_len) else {
        return vec![bytes.to_vec()];
    };
    let (base, more) = ip.fragment.map_or((0, false), |it| (it.offset as usize, it.more));
    let dont_fragment = u16_at(bytes, ip.ip_offset + 6) & IPV4_DONT_FRAGMENT;
    let data = &bytes[ip.transport_offset..ip.end];
    let piece = |(offset, piece): (usize, &[u8])| {
        let mut fragment = Vec::with_capacity(ip.transport_offset + piece.len());
        fragment.extend_from_slice(&bytes[..ip.transport_offset]);
        let header = &mut fragment[ip.ip_offset..];
        let mut word = dont_fragment | len_u16((base + offset) / 8);
        if more || offset + piece.len() < data.len() {
            word |= IPV4_MORE_FRAGMENTS;
        }
        if offset > 0 {
            blank_first_only(&mut header[IPV4_LEN..]);
        }
        put_u16(header, 2, len_u16(header_len + piece.len()));
        put_u16(header, 6, word);
        ipv4_checksum(header);
        fragment.extend_from_slice(piece);
        fragment
    };
    pieces(data, room).map(piece).collect()
}

/// Overwrites with no-operation the options that only the first fragment carries, those without
/// the copied flag (RFC 791, section 3.1).
fn blank_first_only(mut options: &mut [u8]) {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    while let [kind, rest @ ..] = options {
        let len = match *kind {
            END => return,
            NO_OPERATION => 1,
            _ => rest.first().map_or(0, |len| usize::from(*len)),
        };
        let kind = *kind;
        let Some((option, rest)) = options.split_at_mut_checked(len).filter(|_| len > 0) else {
            return;
        };
        if kind & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        options = rest;
    }
}

/// Cuts an IPv6 frame into fragments as a sending host does, with a fragment header and
/// `identification`. Ethernet padding is dropped.
///
/// The frame alone if it fits, if it is no IPv6 packet or has a fragment header already, and if
/// `mtu` does not hold what every fragment repeats and 8 bytes.
pub fn ipv6_fragments(
    bytes: &[u8],
    frame: &Frame,
    mtu: usize,
    identification: u32,
) -> Vec<Vec<u8>> {
    let Some((ip, Family::Ipv6)) = oversize(frame, mtu) else {
        return vec![bytes.to_vec()];
    };
    let Some((end, next_header_at)) = unfragmentable(&bytes[..ip.end], ip.ip_offset) else {
        return vec![bytes.to_vec()];
    };
    let Some(room) = room(mtu, end - ip.ip_offset + FRAGMENT_HEADER_LEN) else {
        return vec![bytes.to_vec()];
    };
    let data = &bytes[end..ip.end];
    let piece = |(offset, piece): (usize, &[u8])| {
        let mut fragment = Vec::with_capacity(end + FRAGMENT_HEADER_LEN + piece.len());
        fragment.extend_from_slice(&bytes[..end]);
        let next_header = std::mem::replace(&mut fragment[next_header_at], FRAGMENT_HEADER);
        let word = len_u16(offset) | u16::from(offset + piece.len() < data.len());
        fragment.extend_from_slice(&[next_header, 0]);
        fragment.extend_from_slice(&word.to_be_bytes());
        fragment.extend_from_slice(&identification.to_be_bytes());
        fragment.extend_from_slice(piece);
        let payload_len = len_u16(fragment.len() - ip.ip_offset - IPV6_LEN);
        put_u16(&mut fragment, ip.ip_offset + 4, payload_len);
        fragment
    };
    pieces(data, room).map(piece).collect()
}

/// The packet of a frame that does not fit.
fn oversize(frame: &Frame, mtu: usize) -> Option<(&Ip, Family)> {
    match &frame.body {
        Body::Ip(ip) if ip.packet_len() > mtu => Some((ip, ip.family())),
        Body::Ip(_) | Body::Arp(_) | Body::Vlan | Body::Other => None,
    }
}

/// Bytes of data that a fragment has room for; `None` if these are less than the 8 that it needs.
fn room(mtu: usize, header_len: usize) -> Option<usize> {
    mtu.checked_sub(header_len).filter(|room| *room >= 8)
}

/// `data` in pieces of at most `room` bytes, of a multiple of 8 all but the last, each with its
/// offset.
fn pieces(data: &[u8], room: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let left = &data[offset..];
        let len = if left.len() <= room { left.len() } else { room & !7 };
        let piece = (offset, &left[..len]);
        offset += len;
        (len > 0).then_some(piece)
    })
}
