//! Changes to a frame in place, checksums kept right incrementally (RFC 1624).

use std::net::IpAddr;

use crate::{Ip, MacAddr, Quoted};

/// Writes both Ethernet addresses.
pub fn set_macs(bytes: &mut [u8], source: MacAddr, target: MacAddr) {
    let _ = (bytes, source, target);
    unimplemented!()
}

/// Takes `by` from the TTL or hop limit, which must be larger.
pub fn decrease_ttl(bytes: &mut [u8], ip: &Ip, by: u8) {
    let _ = (bytes, ip, by);
    unimplemented!()
}

/// Writes another source address of the same family; mends the IPv4 header checksum and, where
/// the packet carries it (not in a later fragment), the transport checksum.
pub fn set_source(bytes: &mut [u8], ip: &Ip, source: IpAddr) {
    let _ = (bytes, ip, source);
    unimplemented!()
}

/// As [`set_source`], for the target address.
pub fn set_target(bytes: &mut [u8], ip: &Ip, target: IpAddr) {
    let _ = (bytes, ip, target);
    unimplemented!()
}

/// Translates the source address of the packet quoted in an ICMP error (its header checksum,
/// its transport checksum if present, and the ICMP checksum around it).
pub fn set_quoted_source(bytes: &mut [u8], ip: &Ip, quoted: &Quoted, source: IpAddr) {
    let _ = (bytes, ip, quoted, source);
    unimplemented!()
}

/// As [`set_quoted_source`], for the target address.
pub fn set_quoted_target(bytes: &mut [u8], ip: &Ip, quoted: &Quoted, target: IpAddr) {
    let _ = (bytes, ip, quoted, target);
    unimplemented!()
}
