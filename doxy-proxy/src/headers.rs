//! Which header lines pass through and which belong to one connection only.
//!
//! The list of hop-by-hop headers is fixed. What a `Connection` line names is never removed: a
//! client could otherwise strike `Content-Length` or `Content-Type` out of a request between
//! the judging of it and the engine.

use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, DATE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Removed in both directions.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    UPGRADE,
];

/// What a request says of the upgrade it asks for. Gone where `Upgrade` itself is.
const UPGRADE_DETAILS: [HeaderName; 6] = [
    HTTP2_SETTINGS,
    hyper::header::SEC_WEBSOCKET_ACCEPT,
    hyper::header::SEC_WEBSOCKET_EXTENSIONS,
    hyper::header::SEC_WEBSOCKET_KEY,
    hyper::header::SEC_WEBSOCKET_PROTOCOL,
    hyper::header::SEC_WEBSOCKET_VERSION,
];

/// Turns the client's headers into those of doxy's own request to the engine.
///
/// A request for an upgrade is passed on where the engine `may_switch`, and nowhere else.
/// `Transfer-Encoding` stays, in one spelling: the parse step let nothing but `chunked` through,
/// and with it hyper frames the body anew, also behind a GET, where it would drop it otherwise.
/// `Expect` goes: doxy itself says `100 Continue`, as soon as the engine takes the body.
pub(crate) fn to_engine(headers: &mut HeaderMap, may_switch: bool) {
    let upgrade = may_switch && headers.contains_key(UPGRADE);
    for name in &HOP_BY_HOP {
        if !(upgrade && *name == UPGRADE) {
            headers.remove(name);
        }
    }
    if upgrade {
        // The engine looks for `Upgrade` alone, but this is how it is said.
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    } else {
        for name in &UPGRADE_DETAILS {
            headers.remove(name);
        }
    }
    headers.remove(EXPECT);
    if let Some(coding) = headers.get_mut(TRANSFER_ENCODING) {
        *coding = HeaderValue::from_static("chunked");
    }
    // The engine refuses some of what clients put here, and routes by none of it.
    headers.insert(HOST, HeaderValue::from_static("docker"));
}

/// Turns the engine's headers into those of doxy's answer to the client.
///
/// `Transfer-Encoding` goes: how the body is framed depends on the client's version of HTTP.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(TRANSFER_ENCODING);
    stamp(headers);
}

/// Adds a `Date` where there is none.
///
/// INVARIANT: every answer that passes through doxy or is made by it has a `Date`. The refusals
/// that the HTTP library writes by itself have none; `client_io` tells them apart by this.
pub(crate) fn stamp(headers: &mut HeaderMap) {
    if !headers.contains_key(DATE)
        && let Ok(now) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now()))
    {
        headers.insert(DATE, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_list_is_fixed_whatever_connection_names() {
        let mut headers = map(&[
            (
                "connection",
                "content-length, content-type, x-registry-auth, host",
            ),
            ("content-length", "5"),
            ("content-type", "application/json"),
            ("x-registry-auth", "e30="),
            ("host", "a/b"),
        ]);
        to_engine(&mut headers, true);
        let left = map(&[
            ("content-length", "5"),
            ("content-type", "application/json"),
            ("x-registry-auth", "e30="),
            ("host", "docker"),
        ]);
        assert_eq!(headers, left);
    }

    #[test]
    fn repeated_end_to_end_lines_stay() {
        let mut headers = map(&[("accept", "a"), ("accept", "b"), ("te", "trailers")]);
        to_engine(&mut headers, true);
        let accepts: Vec<_> = headers.get_all("accept").iter().collect();
        assert_eq!(accepts, ["a", "b"]);
        assert!(!headers.contains_key("te"));
    }

    #[test]
    fn an_upgrade_is_asked_for_only_where_the_engine_may_switch() {
        let asked = [
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AA"),
            ("sec-websocket-key", "x"),
        ];
        let mut headers = map(&asked);
        to_engine(&mut headers, false);
        assert_eq!(headers, map(&[("host", "docker")]));
        let mut headers = map(&asked);
        to_engine(&mut headers, true);
        let passed = map(&[
            ("connection", "Upgrade"),
            ("upgrade", "h2c"),
            ("http2-settings", "AA"),
            ("sec-websocket-key", "x"),
            ("host", "docker"),
        ]);
        assert_eq!(headers, passed);
    }

    #[test]
    fn an_answer_keeps_the_engines_date_and_gets_one_where_there_is_none() {
        let mut dated = map(&[("date", "Mon, 01 Jan 2001 00:00:00 GMT")]);
        to_client(&mut dated);
        assert_eq!(
            dated.get(DATE).map(HeaderValue::as_bytes),
            Some(&b"Mon, 01 Jan 2001 00:00:00 GMT"[..])
        );
        let mut bare = map(&[("transfer-encoding", "chunked"), ("keep-alive", "5")]);
        to_client(&mut bare);
        assert_eq!(bare.len(), 1);
        assert!(bare.contains_key(DATE));
    }
}
