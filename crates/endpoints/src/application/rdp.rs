//! RDP: the X.224 connection request and its confirmation, in TPKT packets (MS-RDPBCGR 2.2.1.1,
//! 2.2.1.2).

use super::{Parsed, Wrong};

const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;
const TPKT_LEN: usize = 4;
/// Length indicator, code, two references, class.
const X224_LEN: usize = 7;

/// Asks for a connection, TLS or CredSSP.
pub(crate) fn connection_request() -> Vec<u8> {
    let mut rest = b"Cookie: mstshash=ringfence\r\n".to_vec();
    rest.extend_from_slice(&[1, 0, 8, 0, 3, 0, 0, 0]);
    packet(CONNECTION_REQUEST, 0, &rest)
}

/// Confirms it, TLS selected.
pub(crate) fn connection_confirm() -> Vec<u8> {
    packet(CONNECTION_CONFIRM, 0x1234, &[2, 0, 8, 0, 1, 0, 0, 0])
}

/// Reads a connection request.
pub(crate) fn read_connection_request(input: &[u8]) -> Parsed<()> {
    read(input, CONNECTION_REQUEST)
}

/// Reads a connection confirmation.
pub(crate) fn read_connection_confirm(input: &[u8]) -> Parsed<()> {
    read(input, CONNECTION_CONFIRM)
}

fn packet(code: u8, source_reference: u16, rest: &[u8]) -> Vec<u8> {
    let len = TPKT_LEN + X224_LEN + rest.len();
    let len = u8::try_from(len).expect("both packets are short");
    let [high, low] = source_reference.to_be_bytes();
    let mut packet = vec![3, 0, 0, len, len - 5, code, 0, 0, high, low, 0];
    packet.extend_from_slice(rest);
    packet
}

fn read(input: &[u8], code: u8) -> Parsed<()> {
    if input.first().is_some_and(|&version| version != 3) {
        return Err(Wrong);
    }
    let Some(header) = input.first_chunk::<TPKT_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if len < TPKT_LEN + X224_LEN {
        return Err(Wrong);
    }
    let Some(packet) = input.get(..len) else {
        return Ok(None);
    };
    let indicated = usize::from(packet[4]) + TPKT_LEN + 1;
    match indicated == len && packet[5] == code {
        true => Ok(Some(((), len))),
        false => Err(Wrong),
    }
}
