//! FTP: banner, login, a passive data connection and one small file over it (RFC 959, RFC 2428).
//! Says what to send and what an answer means; who opens the data connection stands elsewhere.

use std::net::IpAddr;

use super::{Parsed, Wrong};

/// The longest line that is waited for.
const LINE_MAX: usize = 512;

/// What the one file holds.
pub(crate) const FILE: &[u8] = b"This file came over a passive data connection.\n";

/// A client's place in the dialogue: which reply it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// 220
    Banner,
    /// 331
    User,
    /// 230
    Password,
    /// 200
    Type,
    /// 229
    ExtendedPassive,
    /// 227
    Passive,
    /// Its data connection.
    Connecting,
    /// 150
    Retrieve,
    /// 226
    Transfer,
    /// The file is there.
    Done,
}

/// What a client does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Sends a command and waits in this stage.
    Send(&'static [u8], Stage),
    /// Opens a data connection to this port.
    Open(u16),
    /// Waits in this stage.
    Wait(Stage),
}

/// Asks for the file, once the data connection stands.
pub(crate) const RETRIEVE: &[u8] = b"RETR welcome.txt\r\n";

/// What follows from reply `code` with `text` in `stage`.
pub(crate) fn next(stage: Stage, code: u16, text: &str, target: IpAddr) -> Result<Next, Wrong> {
    const PASSWORD: &[u8] = b"PASS ringfence@example.com\r\n";
    const BINARY: &[u8] = b"TYPE I\r\n";
    Ok(match (stage, code) {
        (Stage::Banner, 220) => Next::Send(b"USER anonymous\r\n", Stage::User),
        (Stage::User, 331) => Next::Send(PASSWORD, Stage::Password),
        (Stage::User | Stage::Password, 230) => Next::Send(BINARY, Stage::Type),
        (Stage::Type, 200) => Next::Send(b"EPSV\r\n", Stage::ExtendedPassive),
        (Stage::ExtendedPassive, 229) => Next::Open(extended_passive_port(text).ok_or(Wrong)?),
        (Stage::ExtendedPassive, 500 | 502 | 522) if target.is_ipv4() => {
            Next::Send(b"PASV\r\n", Stage::Passive)
        }
        (Stage::Passive, 227) => Next::Open(passive_port(text).ok_or(Wrong)?),
        (Stage::Retrieve, 125 | 150) => Next::Wait(Stage::Transfer),
        (Stage::Transfer, 226 | 250) => Next::Wait(Stage::Done),
        _ => return Err(Wrong),
    })
}

/// A reply: its code, and the text of its last line.
pub(crate) fn read_reply(input: &[u8]) -> Parsed<(u16, String)> {
    let mut at = 0;
    loop {
        let rest = &input[at..];
        if !rest.iter().zip(0..3).all(|(byte, _)| byte.is_ascii_digit()) && at == 0 {
            return Err(Wrong);
        }
        let Some((line, len)) = line(rest)? else {
            return Ok(None);
        };
        at += len;
        let code = line.get(..3).and_then(|code| code.parse().ok());
        if let (Some(code), Some(text)) = (code, line.get(3..))
            && !text.starts_with('-')
        {
            return Ok(Some(((code, text.trim_start().to_owned()), at)));
        }
        if at > 8 * LINE_MAX {
            return Err(Wrong);
        }
    }
}

/// A command, and what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// Answered with this.
    Reply(&'static [u8]),
    /// EPSV
    ExtendedPassive,
    /// PASV
    Passive,
    /// RETR
    Retrieve,
    /// QUIT
    Quit,
    /// An empty line.
    Nothing,
}

/// Reads a client's command.
pub(crate) fn read_command(input: &[u8]) -> Parsed<Command> {
    let Some((line, len)) = line(input)? else {
        return Ok(None);
    };
    let verb = line.split(' ').next().unwrap_or("").to_ascii_uppercase();
    let command = match verb.as_str() {
        "" => Command::Nothing,
        "USER" => Command::Reply(b"331 Any password will do.\r\n"),
        "PASS" => Command::Reply(b"230 Logged in.\r\n"),
        "TYPE" | "NOOP" => Command::Reply(b"200 OK.\r\n"),
        "SYST" => Command::Reply(b"215 UNIX Type: L8\r\n"),
        "PWD" => Command::Reply(b"257 \"/\"\r\n"),
        "EPSV" => Command::ExtendedPassive,
        "PASV" => Command::Passive,
        "RETR" => Command::Retrieve,
        "QUIT" => Command::Quit,
        _ => Command::Reply(b"502 Not implemented.\r\n"),
    };
    Ok(Some((command, len)))
}

/// Greets.
pub(crate) fn banner(name: &str) -> Vec<u8> {
    format!("220 {name} FTP ready.\r\n").into_bytes()
}

/// Answers EPSV.
pub(crate) fn extended_passive(port: u16) -> Vec<u8> {
    format!("229 Entering Extended Passive Mode (|||{port}|)\r\n").into_bytes()
}

/// Answers PASV; IPv6 has no way to say it.
pub(crate) fn passive(address: IpAddr, port: u16) -> Vec<u8> {
    let IpAddr::V4(address) = address else {
        return b"522 Use EPSV.\r\n".to_vec();
    };
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})\r\n").into_bytes()
}

/// The port in `(|||50000|)`.
fn extended_passive_port(text: &str) -> Option<u16> {
    let inner = text.split_once("(|||")?.1;
    inner.split_once("|)")?.0.parse().ok()
}

/// The port in `(172,16,1,10,195,80)`. The address is not used: behind an address translation it
/// is the wrong one, and clients have long gone by the control connection's.
fn passive_port(text: &str) -> Option<u16> {
    let inner = text.split_once('(')?.1.split_once(')')?.0;
    let numbers: Vec<u8> = inner.split(',').map_while(|part| part.trim().parse().ok()).collect();
    match numbers[..] {
        [_, _, _, _, high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// A line without its end, and its length with it.
fn line(input: &[u8]) -> Parsed<String> {
    let Some(end) = input.iter().take(LINE_MAX).position(|&byte| byte == b'\n') else {
        return if input.len() >= LINE_MAX { Err(Wrong) } else { Ok(None) };
    };
    let text = std::str::from_utf8(&input[..end]).map_err(|_| Wrong)?;
    Ok(Some((text.trim_end().to_owned(), end + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 16, 1, 10));
    const IPV6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn replies_may_have_several_lines() {
        let check = |input: &str, expected: Parsed<(u16, &str)>| {
            let expected =
                expected.map(|reply| reply.map(|((c, t), len)| ((c, t.to_owned()), len)));
            assert_eq!(read_reply(input.as_bytes()), expected, "{input:?}");
        };
        check("", Ok(None));
        check("22", Ok(None));
        check("220 Hi.\r", Ok(None));
        check("220 Hi.\r\nrest", Ok(Some(((220, "Hi."), 9))));
        check("230-One\r\n two\r\n230 Three\r\n", Ok(Some(((230, "Three"), 26))));
        check("230-One\r\n two\r\n", Ok(None));
        check("SSH-2.0-x\r\n", Err(Wrong));
        check(&"2".repeat(LINE_MAX), Err(Wrong));
    }

    #[test]
    fn passive_falls_back_where_extended_is_unknown() {
        let asked = Next::Send(b"PASV\r\n", Stage::Passive);
        assert_eq!(next(Stage::ExtendedPassive, 502, "No.", IPV4), Ok(asked));
        assert_eq!(next(Stage::ExtendedPassive, 502, "No.", IPV6), Err(Wrong));
        let text = String::from_utf8_lossy(&passive_reply(50_000)).into_owned();
        assert_eq!(next(Stage::Passive, 227, &text, IPV4), Ok(Next::Open(50_000)));
        for text in ["", "(1,2,3,4,5)", "(1,2,3,4,5,256)", "(|||x|)", "(1,2,3,4,5,6,7)"] {
            assert_eq!(next(Stage::Passive, 227, text, IPV4), Err(Wrong), "{text}");
            assert_eq!(next(Stage::ExtendedPassive, 229, text, IPV4), Err(Wrong), "{text}");
        }
        assert_eq!(passive(IPV6, 50_000), b"522 Use EPSV.\r\n");
    }

    fn passive_reply(port: u16) -> Vec<u8> {
        let reply = passive(IPV4, port);
        assert_eq!(reply, b"227 Entering Passive Mode (172,16,1,10,195,80)\r\n");
        reply
    }
}
