//! Which header lines pass through and which belong to one connection only.
//!
//! The list of hop-by-hop headers is fixed. What a `Connection` line names is never removed: a
//! client could otherwise strike `Content-Length` or `Content-Type` out of a request between
//! the judging of it and the engine.

/// One header line, its name as it was sent.
pub(crate) type Line<'b> = httparse::Header<'b>;

/// Removed in both directions.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "upgrade",
];

/// What a request says of the upgrade it asks for. Gone where `Upgrade` itself is.
const UPGRADE_DETAILS: [&str; 6] = [
    "http2-settings",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
];

/// Fields of framing, routing and authentication, and those that change how a body is read: they
/// may not come behind one (RFC 9110 section 6.5.1), and none may replace what was judged.
const NO_TRAILER: [&str; 13] = [
    "transfer-encoding",
    "content-length",
    "trailer",
    "host",
    "te",
    "expect",
    "cache-control",
    "max-forwards",
    "authorization",
    "set-cookie",
    "content-encoding",
    "content-type",
    "content-range",
];

fn among(names: &[&str], name: &[u8]) -> bool {
    names
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Does it belong to one connection only?
pub(crate) fn hop_by_hop(name: &str) -> bool {
    among(&HOP_BY_HOP, name.as_bytes())
}

/// Does it belong to the request for an upgrade?
pub(crate) fn upgrade_detail(name: &str) -> bool {
    among(&UPGRADE_DETAILS, name.as_bytes())
}

/// May it not come behind a body?
pub(crate) fn no_trailer(name: &[u8]) -> bool {
    among(&NO_TRAILER, name)
}

/// The values of every line of this name, in order.
pub(crate) fn all<'b>(lines: &'b [Line<'b>], name: &'b str) -> impl Iterator<Item = &'b [u8]> {
    lines
        .iter()
        .filter(move |line| line.name.eq_ignore_ascii_case(name))
        .map(|line| line.value)
}

/// Does a line of this name list this word?
pub(crate) fn lists(lines: &[Line<'_>], name: &str, word: &str) -> bool {
    all(lines, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Writes one line.
pub(crate) fn write(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
