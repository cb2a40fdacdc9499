//! Bytes to a [`Frame`], or the reason why not.

use crate::{Frame, Malformed, Quoted};

/// Reads a frame: Ethernet, ARP, IPv4, IPv6 with its extension headers, TCP, UDP, ICMP.
///
/// Layer 4 checksums are not checked.
///
/// # Errors
/// The first class of [`Malformed`] that the frame falls into.
pub fn parse(bytes: &[u8]) -> Result<Frame, Malformed> {
    let _ = bytes;
    unimplemented!()
}

/// Reads the packet that an ICMP error quotes, which may be cut off behind 8 bytes of its
/// transport header; `offset` is where the quoted IP header starts.
pub fn parse_quoted(bytes: &[u8], offset: usize) -> Option<Quoted> {
    let _ = (bytes, offset);
    unimplemented!()
}
