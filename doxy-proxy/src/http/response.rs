//! The head of the engine's response: read, and written anew for the client.
//!
//! An upgrade is believed only where the engine may take the connection out of HTTP. Anywhere else
//! the engine ignores `Upgrade` and goes on serving HTTP; a proxy that copied bytes there because the
//! client asked for it would hand it requests that nobody judged.

use crate::http::framing::{Framing, parse_length};
use crate::http::headers::{self, Line, values};
use crate::http::request::{self, Exchange};

/// The head of a response, and what it says about the connections.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The head as the client gets it. Unless the connection is upgraded, [`Self::end_head`] is still
    /// to be called.
    pub(crate) head: Vec<u8>,
    pub(crate) framing: Framing,
    /// The connection is out of HTTP from here on.
    pub(crate) upgraded: bool,
    /// The engine has taken its side out of HTTP at an endpoint that is not known to do so. What it
    /// sends goes to the client as it comes; what the client sends stays here.
    pub(crate) raw: bool,
    /// The engine will serve further requests on its connection.
    pub(crate) engine_stays: bool,
}

/// What is wrong with a response that cannot be passed on.
pub(crate) type BadResponse = &'static str;

/// Reads a complete head. None if it is informational (1xx), and the response is still to come.
pub(crate) fn read(bytes: &[u8], exchange: &Exchange) -> Result<Option<Response>, BadResponse> {
    // The parser would skip empty lines, and the status is copied from its fixed place below.
    if !bytes.starts_with(b"HTTP/1.") {
        return Err("it answered with a head that is not HTTP");
    }
    let mut slots = request::header_slots();
    let mut parsed = httparse::Response::new(&mut []);
    let complete = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        &mut slots,
    );
    if !matches!(complete, Ok(httparse::Status::Complete(length)) if length == bytes.len()) {
        return Err("it answered with a head that is not HTTP");
    }
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err("it answered with a head that is not HTTP");
    };
    let lines: &[Line<'_>] = parsed.headers;
    if exchange.may_upgrade && is_upgrade(status, lines) {
        return Ok(Some(Response {
            status,
            // Unchanged: only the two ends know what it means.
            head: bytes.to_vec(),
            framing: Framing::None,
            upgraded: true,
            raw: false,
            engine_stays: false,
        }));
    }
    match status {
        // Nobody asked for an upgrade. Passed on, it would open a tunnel that no rule allowed.
        101 => return Err("it switched protocols unasked"),
        100..200 => return Ok(None),
        _ => {}
    }
    let framing = framing(status, minor, lines, exchange)?;
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
    let raw = framing == Framing::Close && is_upgrade(status, lines);
    // A body that only the end of the connection would end is chunked, so that the client's
    // connection can stay. A client that knows how to read a raw stream does not expect chunks.
    let chunked = matches!(framing, Framing::Chunked | Framing::Close) && !raw;
    headers::write_lines(&mut head, bytes, lines, |line| {
        let framing = line.name.eq_ignore_ascii_case("transfer-encoding");
        !framing && !headers::is_hop_by_hop(line.name)
    });
    if chunked && !exchange.http10 {
        headers::write(&mut head, "Transfer-Encoding", b"chunked");
    }
    Ok(Some(Response {
        status,
        head,
        framing,
        upgraded: false,
        raw,
        engine_stays: minor == 1
            && framing != Framing::Close
            && !headers::contains_token(lines, "connection", "close"),
    }))
}

impl Response {
    /// Ends the head. `closes` says that doxy closes the client's connection behind the response; a
    /// client of version 1.0 expects that anyway.
    pub(crate) fn end_head(&mut self, exchange: &Exchange, closes: bool) {
        if closes && !exchange.http10 {
            headers::write(&mut self.head, "Connection", b"close");
        }
        self.head.extend_from_slice(b"\r\n");
    }
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
    let mut codings = values(lines, "transfer-encoding");
    let mut lengths = values(lines, "content-length");
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
            let length = parse_length(length).ok();
            if let (Some(length), None) = (length, lengths.next()) {
                return Ok(Framing::Length(length));
            }
        }
        _ => {}
    }
    Err("it answered with a body of which it is not clear where it ends")
}

/// Whether this response, to a request that may upgrade, takes the connection out of HTTP.
///
/// It does so by its status, or in the old way, without a request for it: a raw stream that has
/// neither a length nor `Connection: close`. HTTP has no such response.
pub(crate) fn is_upgrade(status: u16, lines: &[Line<'_>]) -> bool {
    let has = |name| values(lines, name).next().is_some();
    match status {
        101 => true,
        200 => {
            values(lines, "content-type")
                .next()
                .is_some_and(|kind| kind.starts_with(b"application/vnd.docker."))
                && !has("content-length")
                && !has("transfer-encoding")
                && !has("connection")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, is_upgrade};

    #[test]
    fn how_the_engine_says_so() {
        let raw = ("content-type", "application/vnd.docker.raw-stream");
        for (status, headers, expected) in [
            (101, &[][..], true),
            (200, &[raw], true),
            (
                200,
                &[("content-type", "application/vnd.docker.multiplexed-stream")],
                true,
            ),
            (200, &[raw, ("content-length", "0")], false),
            (200, &[raw, ("transfer-encoding", "chunked")], false),
            (200, &[raw, ("connection", "close")], false),
            (200, &[("content-type", "application/json")], false),
            (200, &[], false),
            (404, &[raw], false),
        ] {
            let lines: Vec<_> = headers
                .iter()
                .map(|(name, value): &(&str, &str)| Line {
                    name,
                    value: value.as_bytes(),
                })
                .collect();
            assert_eq!(is_upgrade(status, &lines), expected, "{status} {headers:?}");
        }
    }
}
