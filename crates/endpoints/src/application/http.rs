//! HTTP/1.1: one GET and its answer, on a connection that stays open.

use std::net::IpAddr;

use super::{Parsed, Wrong};

/// Header fields that a message may have.
const HEADERS_MAX: usize = 32;
/// The longest body that is waited for.
const BODY_MAX: usize = 65_536;

/// A GET of `/` from `host`.
pub(crate) fn request(host: IpAddr) -> Vec<u8> {
    let host = match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    };
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ringfence\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

/// The status line without the version: `200 OK`.
pub(crate) fn read_response(input: &[u8]) -> Parsed<String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(input).map_err(|_| Wrong)?;
    let httparse::Status::Complete(head_len) = status else {
        return Ok(None);
    };
    let body_len = body_len(response.headers)?;
    if input.len() < head_len + body_len {
        return Ok(None);
    }
    let code = response.code.unwrap_or(0);
    let reason = response.reason.unwrap_or("");
    Ok(Some((format!("{code} {reason}").trim_end().to_owned(), head_len + body_len)))
}

/// Whether the request is a GET.
pub(crate) fn read_request(input: &[u8]) -> Parsed<bool> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(input).map_err(|_| Wrong)?;
    let httparse::Status::Complete(head_len) = status else {
        return Ok(None);
    };
    let body_len = body_len(request.headers)?;
    if input.len() < head_len + body_len {
        return Ok(None);
    }
    Ok(Some((request.method == Some("GET"), head_len + body_len)))
}

/// The answer of the server called `name`.
pub(crate) fn response(name: &str, is_get: bool) -> Vec<u8> {
    match is_get {
        true => message("200 OK", &format!("Hello from {name}.\n")),
        false => message("405 Method Not Allowed", "Only GET is served here.\n"),
    }
}

/// The answer to something that is no request.
pub(crate) fn bad_request() -> Vec<u8> {
    message("400 Bad Request", "This is not HTTP/1.1.\n")
}

fn message(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nServer: ringfence\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn body_len(headers: &[httparse::Header<'_>]) -> Result<usize, Wrong> {
    let Some(header) = headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"))
    else {
        return Ok(0);
    };
    let len = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
    len.filter(|&len| len <= BODY_MAX).ok_or(Wrong)
}
