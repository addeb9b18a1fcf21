//! The head of the engine's answer: read, and written anew for the client.

use crate::http::body::Framing;
use crate::http::headers::{self, Line, all};
use crate::http::hijack;
use crate::http::request::{self, Exchange};

/// What the engine says to a request, before the body of its answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The head as the client gets it.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Framing,
    /// The connection is out of HTTP from here on.
    pub(crate) switched: bool,
    /// The engine goes on serving requests on the connection.
    pub(crate) engine_stays: bool,
    /// So does doxy on the client's.
    pub(crate) client_stays: bool,
}

/// Why an answer cannot be passed on; what is wrong with it.
pub(crate) type BadResponse = &'static str;

/// Reads a whole head. Nothing if it only announces the answer.
pub(crate) fn read(
    bytes: &[u8],
    exchange: &Exchange,
    stopping: bool,
) -> Result<Option<Response>, BadResponse> {
    // The parser would skip empty lines; the status is taken from where it has to be.
    if !bytes.starts_with(b"HTTP/1.") {
        return Err("it answered with a head that is not HTTP");
    }
    let mut room = request::header_slots();
    let mut parsed = httparse::Response::new(&mut []);
    let complete = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        &mut room,
    );
    if !matches!(complete, Ok(httparse::Status::Complete(length)) if length == bytes.len()) {
        return Err("it answered with a head that is not HTTP");
    }
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err("it answered with a head that is not HTTP");
    };
    let lines: &[Line<'_>] = parsed.headers;
    if exchange.may_upgrade && hijack::switches(status, lines) {
        return Ok(Some(Response {
            status,
            // As it is: only the two ends know what it means.
            head: bytes.to_vec(),
            body: Framing::None,
            switched: true,
            engine_stays: false,
            client_stays: false,
        }));
    }
    match status {
        // Nobody asked for that. Passed on, it would open a tunnel that no rule knows of.
        101 => return Err("it switched protocols unasked"),
        100..200 => return Ok(None),
        _ => {}
    }
    let body = framing(status, minor, lines, exchange)?;
    let client_stays = exchange.keep_alive && !stopping;
    let reason = parsed.reason.unwrap_or_default();
    let mut head = Vec::with_capacity(bytes.len() + 64);
    head.extend_from_slice(if exchange.http10 {
        b"HTTP/1.0 "
    } else {
        b"HTTP/1.1 "
    });
    head.extend_from_slice(bytes.get(9..12).unwrap_or_default());
    head.push(b' ');
    head.extend_from_slice(reason.as_bytes());
    head.extend_from_slice(b"\r\n");
    // What only the end of the connection would end is chunked anew, so that the client's stays.
    let chunked = matches!(body, Framing::Chunked | Framing::Close);
    headers::write_lines(&mut head, bytes, lines, |line| {
        let framing = line.name.eq_ignore_ascii_case("transfer-encoding");
        !framing && !headers::hop_by_hop(line.name)
    });
    if chunked && !exchange.http10 {
        headers::write(&mut head, "Transfer-Encoding", b"chunked");
    }
    if !client_stays && !exchange.http10 {
        headers::write(&mut head, "Connection", b"close");
    }
    head.extend_from_slice(b"\r\n");
    Ok(Some(Response {
        status,
        head,
        body,
        switched: false,
        engine_stays: minor == 1
            && body != Framing::Close
            && !headers::lists(lines, "connection", "close"),
        client_stays,
    }))
}

/// RFC 9112 section 6.3, with what is ambiguous refused.
fn framing(
    status: u16,
    minor: u8,
    lines: &[Line<'_>],
    exchange: &Exchange,
) -> Result<Framing, BadResponse> {
    if exchange.is_head || matches!(status, 204 | 304) {
        return Ok(Framing::None);
    }
    let mut codings = all(lines, "transfer-encoding");
    let mut lengths = all(lines, "content-length");
    match (codings.next(), lengths.next()) {
        (None, None) => return Ok(Framing::Close),
        (Some(coding), None)
            if minor == 1
                && coding.eq_ignore_ascii_case(b"chunked")
                && codings.next().is_none() =>
        {
            return Ok(Framing::Chunked);
        }
        (None, Some(length)) => {
            let length = request::parse_length(length).ok();
            if let (Some(length), None) = (length, lengths.next()) {
                return Ok(Framing::Length(length));
            }
        }
        _ => {}
    }
    Err("it answered with a body of which it is not clear where it ends")
}
