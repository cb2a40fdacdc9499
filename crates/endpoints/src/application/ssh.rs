//! SSH: the identification strings that both sides send first (RFC 4253, section 4.2).

use super::{Parsed, Wrong};

/// The longest line that is waited for: "The maximum length of the string is 255 characters".
const LINE_MAX: usize = 255;

/// What both sides say, CR LF included.
pub(crate) const IDENTIFICATION: &[u8] = b"SSH-2.0-ringfence\r\n";

/// The other side's identification, without CR LF.
pub(crate) fn read_identification(input: &[u8]) -> Parsed<String> {
    const PREFIX: &[u8] = b"SSH-2.0-";
    let start = input.len().min(PREFIX.len());
    if input[..start] != PREFIX[..start] {
        return Err(Wrong);
    }
    let Some(end) = input.iter().take(LINE_MAX).position(|&byte| byte == b'\n') else {
        return if input.len() >= LINE_MAX { Err(Wrong) } else { Ok(None) };
    };
    let line = String::from_utf8_lossy(&input[..end]).trim_end_matches('\r').to_owned();
    Ok(Some((line, end + 1)))
}
