//! TLS: a ClientHello with a server name, and the ServerHello that answers it. No handshake
//! beyond that.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg32;

use super::{Parsed, Wrong};

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const TLS_1_2: u16 = 0x0303;
const RECORD_HEADER_LEN: usize = 5;
/// The longest record body: 2^14 bytes.
const RECORD_MAX: usize = 16_384;
const SERVER_NAME: &[u8] = b"ringfence.test";
/// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
const CIPHER_SUITE: u16 = 0xc02f;

/// A ClientHello that offers TLS 1.3 and 1.2; its random fields come from `seed`.
pub(crate) fn client_hello(seed: u64) -> Vec<u8> {
    let mut random = Pcg32::seed_from_u64(seed);
    let mut hello = TLS_1_2.to_be_bytes().to_vec();
    push_random(&mut hello, &mut random);
    hello.push(32);
    push_random(&mut hello, &mut random);
    // TLS_AES_128_GCM_SHA256, ..._AES_256_..., ECDHE_RSA with AES 128 and 256
    push_u16_list(&mut hello, &[0x1301, 0x1302, CIPHER_SUITE, 0xc030]);
    hello.extend_from_slice(&[1, 0]);

    let mut extensions = Vec::new();
    let mut name = vec![0];
    name.extend(len_u16(SERVER_NAME.len()));
    name.extend_from_slice(SERVER_NAME);
    let mut names = len_u16(name.len()).to_vec();
    names.extend_from_slice(&name);
    push_extension(&mut extensions, 0, &names);
    // x25519 and secp256r1
    push_extension(&mut extensions, 10, &[0, 4, 0, 0x1d, 0, 0x17]);
    push_extension(&mut extensions, 11, &[1, 0]);
    push_extension(&mut extensions, 13, &[0, 6, 4, 3, 8, 4, 4, 1]);
    push_extension(&mut extensions, 43, &[4, 3, 4, 3, 3]);
    let mut share = vec![0, 36, 0, 0x1d, 0, 32];
    push_random(&mut share, &mut random);
    push_extension(&mut extensions, 51, &share);
    hello.extend(len_u16(extensions.len()));
    hello.extend_from_slice(&extensions);
    // the record of a first ClientHello says TLS 1.0, for old middleboxes
    record(0x0301, CLIENT_HELLO, &hello)
}

/// A TLS 1.2 ServerHello to a client whose session id is `session_id`.
pub(crate) fn server_hello(session_id: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Pcg32::seed_from_u64(seed);
    let mut hello = TLS_1_2.to_be_bytes().to_vec();
    push_random(&mut hello, &mut random);
    hello.push(u8::try_from(session_id.len()).expect("a session id has at most 32 bytes"));
    hello.extend_from_slice(session_id);
    hello.extend(CIPHER_SUITE.to_be_bytes());
    hello.push(0);
    // renegotiation_info, empty
    hello.extend_from_slice(&[0, 5, 0xff, 0x01, 0, 1, 0]);
    record(TLS_1_2, SERVER_HELLO, &hello)
}

/// The session id of a ClientHello.
pub(crate) fn read_client_hello(input: &[u8]) -> Parsed<Vec<u8>> {
    let Some((body, len)) = read(input, CLIENT_HELLO)? else {
        return Ok(None);
    };
    let (session_id, rest) = session_id(body)?;
    let (suites_len, suites) = rest.split_first_chunk::<2>().ok_or(Wrong)?;
    let suites_len = usize::from(u16::from_be_bytes(*suites_len));
    if suites_len == 0 || suites_len % 2 != 0 || suites.len() < suites_len + 2 {
        return Err(Wrong);
    }
    Ok(Some((session_id.to_vec(), len)))
}

/// The version of a ServerHello.
pub(crate) fn read_server_hello(input: &[u8]) -> Parsed<String> {
    let Some((body, len)) = read(input, SERVER_HELLO)? else {
        return Ok(None);
    };
    let (_, rest) = session_id(body)?;
    // the suite, the compression method
    if rest.len() < 3 {
        return Err(Wrong);
    }
    Ok(Some(("TLS ServerHello".to_owned(), len)))
}

/// The hello of type `kind` in the record at the front.
fn read(input: &[u8], kind: u8) -> Parsed<&[u8]> {
    let starts_well = [HANDSHAKE, 3];
    let seen = input.len().min(starts_well.len());
    if input[..seen] != starts_well[..seen] {
        return Err(Wrong);
    }
    let Some(header) = input.first_chunk::<RECORD_HEADER_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([header[3], header[4]]));
    if !(4..=RECORD_MAX).contains(&len) {
        return Err(Wrong);
    }
    let Some(message) = input.get(RECORD_HEADER_LEN..RECORD_HEADER_LEN + len) else {
        return Ok(None);
    };
    let body_len = u32::from_be_bytes([0, message[1], message[2], message[3]]) as usize;
    if message[0] != kind || body_len != len - 4 {
        return Err(Wrong);
    }
    Ok(Some((&message[4..], RECORD_HEADER_LEN + len)))
}

/// The session id of a hello, and what follows it.
fn session_id(hello: &[u8]) -> Result<(&[u8], &[u8]), Wrong> {
    let len = usize::from(*hello.get(34).ok_or(Wrong)?);
    let rest = &hello[35..];
    match len <= 32 && len <= rest.len() && hello[0] == 3 {
        true => Ok(rest.split_at(len)),
        false => Err(Wrong),
    }
}

fn record(version: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![HANDSHAKE];
    bytes.extend(version.to_be_bytes());
    bytes.extend(len_u16(body.len() + 4));
    bytes.extend([kind, 0]);
    bytes.extend(len_u16(body.len()));
    bytes.extend_from_slice(body);
    bytes
}

fn push_random(bytes: &mut Vec<u8>, random: &mut Pcg32) {
    let mut field = [0; 32];
    random.fill_bytes(&mut field);
    bytes.extend_from_slice(&field);
}

fn push_u16_list(bytes: &mut Vec<u8>, values: &[u16]) {
    bytes.extend(len_u16(values.len() * 2));
    bytes.extend(values.iter().flat_map(|value| value.to_be_bytes()));
}

fn push_extension(bytes: &mut Vec<u8>, kind: u16, body: &[u8]) {
    bytes.extend(kind.to_be_bytes());
    bytes.extend(len_u16(body.len()));
    bytes.extend_from_slice(body);
}

fn len_u16(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("hellos are short").to_be_bytes()
}
