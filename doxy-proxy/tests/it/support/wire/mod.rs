//! A second reader of HTTP, which shares no code with doxy's.
//!
//! [`sent()`] reads what a client has sent, as the documentation says that doxy reads it.
//! [`received()`] reads what the engine has received, and accepts only the form in which doxy
//! writes. Comparing the two shows whether the engine received what was judged, and nothing else.
//! The fuzz target `proxy` uses this module, too.

mod received;
mod sent;

pub(crate) use received::received;
pub(crate) use sent::sent;

/// A request, as either function reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The path, decoded once.
    pub(crate) path: String,
    /// The end-to-end header lines, in order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    /// It is complete.
    pub(crate) whole: bool,
    /// The sender has announced, or must assume, that no further request follows.
    pub(crate) last: bool,
}

/// What doxy sends to find out what the engine is. Requests of clients never arrive with this
/// `Connection` line.
pub(crate) const WHAT_ARE_YOU: &[u8] =
    b"GET /version HTTP/1.1\r\nhost: docker\r\nconnection: close\r\n\r\n";
/// What Docker answers, shortened.
pub(crate) const DOCKER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n{\"Components\":[{\"Name\":\"Engine\"}]}\r\n";

/// Hop-by-hop header lines, and those that doxy writes itself or has for itself.
const NOT_END_TO_END: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "upgrade",
    "host",
    "expect",
    "transfer-encoding",
    "content-length",
    "x-doxy-request-id",
];

/// These are removed where the client does not ask for the endpoint's protocol.
const OF_UPGRADES: [&str; 6] = [
    "http2-settings",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
];

/// A line's name in lower case, and its value.
type Line = (String, Vec<u8>);

/// The protocol that a client may switch this endpoint to. None if the engine hijacks no connection
/// here.
pub(crate) fn protocol(message: &Message) -> Option<&'static str> {
    let all: Vec<_> = message.path.split('/').skip(1).collect();
    let follows_v = |allowed: fn(u8) -> bool| {
        let (first, rest) = all.split_first()?;
        let version = first.strip_prefix('v').filter(|text| !text.is_empty())?;
        (!rest.is_empty() && version.bytes().all(allowed)).then_some(rest)
    };
    let docker = follows_v(|byte| byte.is_ascii_digit() || byte == b'.').unwrap_or(&all);
    // Podman has its own endpoints below a version alone, and its versions may have letters.
    let podman = follows_v(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let named = |name: &[&str]| name.iter().any(|part| !part.is_empty());
    if let ("POST", Some(["libpod", "containers", _, "attach"] | ["libpod", "exec", _, "start"])) =
        (message.method.as_str(), podman)
    {
        return Some("tcp");
    }
    match (message.method.as_str(), docker) {
        ("POST", ["session" | "grpc"]) => Some("h2c"),
        ("POST", ["containers", name @ .., "attach"] | ["exec", name @ .., "start"]) => {
            named(name).then_some("tcp")
        }
        ("GET", ["containers", name @ .., "attach", "ws"]) => named(name).then_some("websocket"),
        _ => None,
    }
}

/// Whether these values of `Upgrade` ask for the endpoint's protocol and nothing else.
fn upgrades<'v>(message: &Message, mut values: impl Iterator<Item = &'v [u8]>) -> bool {
    let (first, second) = (values.next(), values.next());
    let asked = first.filter(|_| second.is_none());
    protocol(message)
        .zip(asked)
        .is_some_and(|(protocol, asked)| asked.eq_ignore_ascii_case(protocol.as_bytes()))
}

/// A path, decoded once. None if it is ambiguous.
pub(crate) fn decoded(raw: &str) -> Option<String> {
    let mut pieces = raw.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    let path = String::from_utf8(bytes).ok()?;
    let plain = raw.starts_with('/')
        && path.len() <= 4096
        && !path.contains(|c: char| c == '%' || c == '\\' || c.is_control())
        && !path.contains("//")
        && !format!("{path}/").contains("/./")
        && !format!("{path}/").contains("/../");
    plain.then_some(path)
}

/// The end-to-end header lines, sorted by name.
pub(crate) fn end_to_end(mut lines: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    lines.retain(|(name, _)| !NOT_END_TO_END.contains(&name.as_str()));
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines
}

/// A line of a trailer section, with its line end.
pub(crate) fn trailer(line: &[u8]) -> Option<(String, Vec<u8>)> {
    header(line.strip_suffix(b"\r\n")?)
}

/// Exactly three words, separated by single spaces.
fn words(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut words = line.split(|byte| *byte == b' ');
    let three = [words.next()?, words.next()?, words.next()?];
    let full = three.iter().all(|word| !word.is_empty());
    (full && words.next().is_none()).then_some(three)
}

fn header(line: &[u8]) -> Option<Line> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let plain = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
    if name.is_empty() || !name.iter().all(token) || !value.iter().all(plain) {
        return None;
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |at| at + 1);
    Some((text(name)?.to_ascii_lowercase(), value[start..end].to_vec()))
}

fn lists<'v>(values: impl Iterator<Item = &'v [u8]>, word: &str) -> bool {
    values
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Why a chunked body cannot be read to its end.
enum Stop {
    /// The bytes end before the body.
    Short,
    /// The framing is invalid.
    Bad,
}

/// Reads a chunked body as far as its framing is valid, and returns its trailers.
fn chunks(
    bytes: &mut &[u8],
    body: &mut Vec<u8>,
    size: fn(&[u8]) -> Option<u64>,
) -> Result<Vec<u8>, Stop> {
    loop {
        let size = size(line(bytes)?).ok_or(Stop::Bad)?;
        if size == 0 {
            break;
        }
        let here = usize::try_from(size).map_or(bytes.len(), |size| size.min(bytes.len()));
        body.extend_from_slice(&bytes[..here]);
        *bytes = &bytes[here..];
        if !line(bytes)?.is_empty() {
            return Err(Stop::Bad);
        }
    }
    let mut trailers = Vec::new();
    loop {
        match line(bytes)? {
            [] => return Ok(trailers),
            trailer => {
                let (name, _) = header(trailer).ok_or(Stop::Bad)?;
                let framing = [
                    "content-length",
                    "transfer-encoding",
                    "host",
                    "content-type",
                ];
                if framing.contains(&name.as_str()) {
                    return Err(Stop::Bad);
                }
                trailers.extend_from_slice(trailer);
                trailers.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// A line that ends in CR LF, without them.
fn line<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Stop> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(Stop::Short)?;
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Stop::Bad);
    *bytes = &bytes[end + 1..];
    line
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
