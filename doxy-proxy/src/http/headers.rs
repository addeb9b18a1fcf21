//! Header lines: which are end-to-end and which are hop-by-hop.
//!
//! The list of hop-by-hop headers is fixed. What a `Connection` line names is never removed: a client
//! could otherwise remove `Content-Length` or `Content-Type` after the policy has judged them.

use std::ops::Range;

/// One header line, its name as it was sent.
pub(crate) type Line<'b> = httparse::Header<'b>;

/// Has the id of a request in answers of doxy's own. In a request it is no client's to set.
pub(crate) const REQUEST_ID: &str = "x-doxy-request-id";

/// The hop-by-hop headers, removed in both directions.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "upgrade",
];

/// Headers that describe a requested upgrade. Removed wherever `Upgrade` is.
const UPGRADE_DETAILS: [&str; 6] = [
    "http2-settings",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
];

/// Headers that are not allowed in a trailer: those of framing, routing and authentication, and those
/// that change how a body is read (RFC 9110 section 6.5.1), and doxy's own. None may replace what was
/// judged.
const NO_TRAILER: [&str; 14] = [
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
    REQUEST_ID,
];

fn among(names: &[&str], name: &[u8]) -> bool {
    names
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a header belongs to one connection only.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    among(&HOP_BY_HOP, name.as_bytes())
}

/// Whether a header describes a requested upgrade.
pub(crate) fn is_upgrade_detail(name: &str) -> bool {
    among(&UPGRADE_DETAILS, name.as_bytes())
}

/// Whether a header is not allowed in a trailer.
pub(crate) fn forbidden_in_trailer(name: &[u8]) -> bool {
    among(&NO_TRAILER, name)
}

/// The values of every line of this name, in order.
pub(crate) fn values<'b>(lines: &'b [Line<'b>], name: &'b str) -> impl Iterator<Item = &'b [u8]> {
    lines
        .iter()
        .filter(move |line| line.name.eq_ignore_ascii_case(name))
        .map(|line| line.value)
}

/// Whether a line of this name lists this token.
pub(crate) fn contains_token(lines: &[Line<'_>], name: &str, word: &str) -> bool {
    values(lines, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether there is one line of this name, and it has this word and nothing else.
pub(crate) fn is_only(lines: &[Line<'_>], name: &str, word: &str) -> bool {
    let mut values = values(lines, name);
    let first = values.next();
    first.is_some_and(|value| value.eq_ignore_ascii_case(word.as_bytes()))
        && values.next().is_none()
}

/// Writes one line.
pub(crate) fn write(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the lines that pass. `head` is where they were read from.
///
/// Neighbouring lines that already have the form in which they are written are copied together: most
/// lines of most heads.
pub(crate) fn write_lines(
    out: &mut Vec<u8>,
    head: &[u8],
    lines: &[Line<'_>],
    passes: impl Fn(&Line<'_>) -> bool,
) {
    let mut run = 0..0;
    for line in lines.iter().filter(|line| passes(line)) {
        match place(head, line) {
            Some(place) if place.start == run.end => run.end = place.end,
            place => {
                out.extend_from_slice(head.get(run).unwrap_or_default());
                if place.is_none() {
                    write(out, line.name, line.value);
                }
                run = place.unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(head.get(run).unwrap_or_default());
}

/// Where a line stands in its head, if it already has the form in which it is written.
fn place(head: &[u8], line: &Line<'_>) -> Option<Range<usize>> {
    let base = head.as_ptr().addr();
    let start = line.name.as_ptr().addr().checked_sub(base)?;
    let value = line.value.as_ptr().addr().checked_sub(base)?;
    let colon = start.checked_add(line.name.len())?;
    let end = value.checked_add(line.value.len())?;
    let parted = head.get(colon..value)? == b": ";
    let ended = head.get(end..)?.starts_with(b"\r\n");
    (parted && ended).then(|| start..end + 2)
}

#[cfg(test)]
mod tests {
    use super::{Line, write, write_lines};

    #[test]
    fn copied_or_written_it_is_the_same() {
        for head in [
            &b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n"[..],
            b"A:1\r\nB: 2\r\nC:  3\r\n\r\n",
            b"A: 1 \r\nB: 2\t\r\nC:\t3\r\n\r\n",
            b"A: 1\nB: 2\nC: 3\n\n",
            b"A:\r\nB: \r\nC:  \r\n\r\n",
            b"A: : \r\nB: x: y\r\nC: \xff\r\n\r\n",
        ] {
            let mut room = [httparse::EMPTY_HEADER; 4];
            let parsed = httparse::parse_headers(head, &mut room);
            assert!(
                matches!(parsed, Ok(httparse::Status::Complete(_))),
                "{head:?}"
            );
            let lines: Vec<_> = room
                .into_iter()
                .filter(|line| !line.name.is_empty())
                .collect();
            assert_eq!(lines.len(), 3);
            // Every choice of lines.
            for chosen in 0..8 {
                let passes = |line: &Line<'_>| {
                    let at = b"ABC"
                        .iter()
                        .position(|name| line.name.as_bytes() == [*name]);
                    at.is_some_and(|at| chosen >> at & 1 == 1)
                };
                let mut copied = Vec::new();
                write_lines(&mut copied, head, &lines, passes);
                let mut written = Vec::new();
                for line in lines.iter().filter(|line| passes(line)) {
                    write(&mut written, line.name, line.value);
                }
                assert_eq!(copied, written, "{chosen:b} of {head:?}");
            }
        }
    }
}
