//! Redis: PING and +PONG (RESP).

use super::{Parsed, Wrong};

/// The longest request that is waited for.
const REQUEST_MAX: usize = 512;

/// PING as an array of one bulk string.
pub(crate) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
/// Its answer.
pub(crate) const PONG: &[u8] = b"+PONG\r\n";
/// The answer to anything else.
pub(crate) const UNKNOWN_COMMAND: &[u8] = b"-ERR unknown command\r\n";

/// Whether the request is PING, as an array or inline.
pub(crate) fn read_request(input: &[u8]) -> Parsed<bool> {
    let lines_wanted = match input.first() {
        None => return Ok(None),
        Some(b'*') => {
            let Some((count, _)) = line(input) else {
                return too_long(input);
            };
            let count: usize = parse(&count[1..]).filter(|&count| count <= 8).ok_or(Wrong)?;
            1 + 2 * count
        }
        Some(byte) if byte.is_ascii_alphabetic() => 1,
        Some(_) => return Err(Wrong),
    };
    let mut at = 0;
    let mut last: &[u8] = &[];
    for _ in 0..lines_wanted {
        let Some((text, len)) = line(&input[at..]) else {
            return too_long(input);
        };
        last = text;
        at += len;
    }
    Ok(Some((last.eq_ignore_ascii_case(b"PING"), at)))
}

/// Reads +PONG.
pub(crate) fn read_pong(input: &[u8]) -> Parsed<()> {
    let len = input.len().min(PONG.len());
    if input[..len] != PONG[..len] {
        return Err(Wrong);
    }
    Ok((len == PONG.len()).then_some(((), len)))
}

/// A line without its end, and its length with it.
fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    Some((input[..end].trim_ascii_end(), end + 1))
}

fn parse(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn too_long(input: &[u8]) -> Parsed<bool> {
    if input.len() > REQUEST_MAX { Err(Wrong) } else { Ok(None) }
}
