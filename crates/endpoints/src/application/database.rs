//! The first messages of the database protocols: MySQL, Oracle TNS, SQL Server TDS, PostgreSQL.
//! "The right side speaking first, no more than that."

use super::{Parsed, Wrong};

/// The longest first message that is waited for.
const MESSAGE_MAX: usize = 4_096;

/// MySQL: protocol 10, the server's greeting (the client says nothing before it).
pub(crate) mod mysql {
    use super::{MESSAGE_MAX, Parsed, Wrong};

    const HEADER_LEN: usize = 4;
    const PROTOCOL_VERSION: u8 = 10;
    /// Behind the version's text: thread id, salt, filler, capabilities.
    const FIXED_MIN: usize = 4 + 8 + 1 + 2;

    /// The greeting.
    pub(crate) fn greeting() -> Vec<u8> {
        let mut body = vec![PROTOCOL_VERSION];
        body.extend_from_slice(b"8.0.36-ringfence\0");
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(b"ringfenc\0");
        // capabilities (low), utf8mb4, autocommit, capabilities (high), salt length
        body.extend_from_slice(&[0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]);
        body.extend_from_slice(&[0; 10]);
        body.extend_from_slice(b"e-ringfence1\0caching_sha2_password\0");
        let len = u8::try_from(body.len()).expect("the greeting is short");
        let mut packet = vec![len, 0, 0, 0];
        packet.extend_from_slice(&body);
        packet
    }

    /// The server's version.
    pub(crate) fn read_greeting(input: &[u8]) -> Parsed<String> {
        let Some(header) = input.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
        if !(2..=MESSAGE_MAX).contains(&len) || header[3] != 0 {
            return Err(Wrong);
        }
        let Some(body) = input.get(HEADER_LEN..HEADER_LEN + len) else {
            return Ok(None);
        };
        let end = body.iter().position(|&byte| byte == 0).ok_or(Wrong)?;
        if body[0] != PROTOCOL_VERSION || end < 2 || body.len() - end - 1 < FIXED_MIN {
            return Err(Wrong);
        }
        let version = String::from_utf8_lossy(&body[1..end]);
        Ok(Some((format!("MySQL {version}"), HEADER_LEN + len)))
    }
}

/// Oracle: TNS connect and accept.
pub(crate) mod oracle {
    use super::{MESSAGE_MAX, Parsed, Wrong};

    const CONNECT: u8 = 1;
    const ACCEPT: u8 = 2;
    const HEADER_LEN: usize = 8;
    const CONNECT_LEN: usize = 58;
    const ACCEPT_LEN: usize = 32;
    const DESCRIPTOR: &[u8] =
        b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=ORCL)(CID=(PROGRAM=ringfence))))";

    /// Asks for the service ORCL.
    pub(crate) fn connect() -> Vec<u8> {
        let descriptor_len = u8::try_from(DESCRIPTOR.len()).expect("the descriptor is short");
        let mut body = vec![0; CONNECT_LEN - HEADER_LEN];
        // version 314, compatible with 300, SDU 8192, TDU 32767
        body[..4].copy_from_slice(&[0x01, 0x3a, 0x01, 0x2c]);
        body[6..10].copy_from_slice(&[0x20, 0x00, 0x7f, 0xff]);
        // the value 1 in this machine's byte order, then length and offset of the descriptor
        body[14..16].copy_from_slice(&[0, 1]);
        body[16..20].copy_from_slice(&[0, descriptor_len, 0, 58]);
        body.extend_from_slice(DESCRIPTOR);
        packet(CONNECT, &body)
    }

    /// Accepts.
    pub(crate) fn accept() -> Vec<u8> {
        let mut body = [0; ACCEPT_LEN - HEADER_LEN];
        body[..2].copy_from_slice(&[0x01, 0x3a]);
        body[4..8].copy_from_slice(&[0x20, 0x00, 0x7f, 0xff]);
        body[8..10].copy_from_slice(&[0, 1]);
        body[12..14].copy_from_slice(&[0, 32]);
        packet(ACCEPT, &body)
    }

    /// Reads a connect packet.
    pub(crate) fn read_connect(input: &[u8]) -> Parsed<()> {
        let Some((packet, len)) = read(input, CONNECT)? else {
            return Ok(None);
        };
        if packet.len() < CONNECT_LEN {
            return Err(Wrong);
        }
        let descriptor_len = usize::from(u16::from_be_bytes([packet[24], packet[25]]));
        let offset = usize::from(u16::from_be_bytes([packet[26], packet[27]]));
        match packet.get(offset..offset + descriptor_len) {
            Some(descriptor) if descriptor.starts_with(b"(") => Ok(Some(((), len))),
            _ => Err(Wrong),
        }
    }

    /// Reads an accept packet.
    pub(crate) fn read_accept(input: &[u8]) -> Parsed<()> {
        let Some((packet, len)) = read(input, ACCEPT)? else {
            return Ok(None);
        };
        if packet.len() < ACCEPT_LEN { Err(Wrong) } else { Ok(Some(((), len))) }
    }

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(HEADER_LEN + body.len()).expect("both packets are short");
        let [high, low] = len.to_be_bytes();
        let mut packet = vec![high, low, 0, 0, kind, 0, 0, 0];
        packet.extend_from_slice(body);
        packet
    }

    fn read(input: &[u8], kind: u8) -> Parsed<&[u8]> {
        let Some(header) = input.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes([header[0], header[1]]));
        if !(HEADER_LEN..=MESSAGE_MAX).contains(&len) || header[4] != kind {
            return Err(Wrong);
        }
        Ok(input.get(..len).map(|packet| (packet, len)))
    }
}

/// SQL Server: the TDS prelogin and its answer.
pub(crate) mod sql_server {
    use super::{MESSAGE_MAX, Parsed, Wrong};

    const PRELOGIN: u8 = 0x12;
    const RESPONSE: u8 = 0x04;
    const HEADER_LEN: usize = 8;
    const VERSION_OPTION: u8 = 0;
    const VERSION_LEN: usize = 6;
    const TERMINATOR: u8 = 0xff;

    /// The client's prelogin.
    pub(crate) fn prelogin() -> Vec<u8> {
        packet(PRELOGIN)
    }

    /// The server's answer.
    pub(crate) fn response() -> Vec<u8> {
        packet(RESPONSE)
    }

    /// Reads a prelogin.
    pub(crate) fn read_prelogin(input: &[u8]) -> Parsed<()> {
        read(input, PRELOGIN)
    }

    /// Reads the answer to one.
    pub(crate) fn read_response(input: &[u8]) -> Parsed<()> {
        read(input, RESPONSE)
    }

    fn packet(kind: u8) -> Vec<u8> {
        // version at 16 and encryption at 22, then the values: 16.0.1000.0, not supported
        let options = [0, 0, 16, 0, 6, 1, 0, 22, 0, 1, TERMINATOR];
        let padding = [0; 5];
        let values = [16, 0, 0x03, 0xe8, 0, 0, 2];
        let body = [&options[..], &padding, &values].concat();
        let len = u8::try_from(HEADER_LEN + body.len()).expect("both packets are short");
        [&[kind, 1, 0, len, 0, 0, 1, 0], &body[..]].concat()
    }

    fn read(input: &[u8], kind: u8) -> Parsed<()> {
        if input.first().is_some_and(|&first| first != kind) {
            return Err(Wrong);
        }
        let Some(header) = input.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if !(HEADER_LEN + 1..=MESSAGE_MAX).contains(&len) {
            return Err(Wrong);
        }
        let Some(body) = input.get(HEADER_LEN..len) else {
            return Ok(None);
        };
        if has_version(body) { Ok(Some(((), len))) } else { Err(Wrong) }
    }

    /// "The VERSION token is a required token, and it MUST be the first token" (MS-TDS 2.2.6.5).
    fn has_version(body: &[u8]) -> bool {
        let Some(&[option, offset_high, offset_low, len_high, len_low]) = body.first_chunk::<5>()
        else {
            return false;
        };
        let offset = usize::from(u16::from_be_bytes([offset_high, offset_low]));
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        option == VERSION_OPTION && len == VERSION_LEN && offset + len <= body.len()
    }
}

/// PostgreSQL: SSLRequest, refused with `N`, then start-up and AuthenticationOk.
pub(crate) mod postgresql {
    use super::{MESSAGE_MAX, Parsed, Wrong};

    const SSL_REQUEST_CODE: u32 = 80_877_103;
    const PROTOCOL_3_0: u32 = 196_608;
    const HEADER_LEN: usize = 8;

    /// May we speak TLS?
    pub(crate) const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    /// No.
    pub(crate) const NO_SSL: u8 = b'N';
    /// AuthenticationOk, then ReadyForQuery.
    pub(crate) const AUTHENTICATION_OK: &[u8] =
        &[b'R', 0, 0, 0, 8, 0, 0, 0, 0, b'Z', 0, 0, 0, 5, b'I'];

    /// What a client may say before it is known.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) enum First {
        /// SSLRequest.
        SslRequest,
        /// The start-up message.
        StartUp,
    }

    /// Starts up as user `ringfence`.
    pub(crate) fn start_up() -> Vec<u8> {
        let parameters = b"user\0ringfence\0database\0postgres\0\0";
        let len = u8::try_from(HEADER_LEN + parameters.len()).expect("the message is short");
        [&[0, 0, 0, len, 0, 3, 0, 0], &parameters[..]].concat()
    }

    /// Reads what a client says first.
    pub(crate) fn read_first(input: &[u8]) -> Parsed<First> {
        let Some(&[l0, l1, l2, l3, c0, c1, c2, c3]) = input.first_chunk::<HEADER_LEN>() else {
            return if input.first().is_some_and(|&byte| byte != 0) {
                Err(Wrong)
            } else {
                Ok(None)
            };
        };
        let len = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if !(HEADER_LEN..=MESSAGE_MAX).contains(&len) {
            return Err(Wrong);
        }
        let first = match u32::from_be_bytes([c0, c1, c2, c3]) {
            SSL_REQUEST_CODE if len == HEADER_LEN => First::SslRequest,
            PROTOCOL_3_0 => First::StartUp,
            _ => return Err(Wrong),
        };
        Ok(input.get(..len).map(|_| (first, len)))
    }

    /// Reads `N`, or `S`, which we cannot use.
    pub(crate) fn read_ssl_answer(input: &[u8]) -> Parsed<()> {
        match input.first() {
            None => Ok(None),
            Some(&NO_SSL) => Ok(Some(((), 1))),
            Some(_) => Err(Wrong),
        }
    }

    /// Reads AuthenticationOk.
    pub(crate) fn read_authentication(input: &[u8]) -> Parsed<()> {
        const MESSAGE_LEN: usize = 9;
        let seen = input.len().min(MESSAGE_LEN);
        if input[..seen] != AUTHENTICATION_OK[..seen] {
            return Err(Wrong);
        }
        Ok((seen == MESSAGE_LEN).then_some(((), MESSAGE_LEN)))
    }
}
