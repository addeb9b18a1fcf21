//! A second reading of HTTP, which shares no code with doxy's.
//!
//! [`sent`] reads what a client has sent as the documentation says that doxy reads it. [`received`]
//! reads what the engine has been sent, and takes nothing but the one form in which doxy writes.
//! Held against each other they say whether the engine got what was judged, and nothing else.
//! The fuzz target of the whole proxy uses this file, too.

/// A request, by either reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The path, decoded once.
    pub(crate) path: String,
    /// The header lines that go from end to end, in order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Its framing removed.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    /// It is there to its end.
    pub(crate) whole: bool,
    /// The sender has said, or has to know, that no other one follows it.
    pub(crate) last: bool,
}

/// Lines that concern one connection alone, and those that doxy writes itself.
const NOT_END_TO_END: [&str; 11] = [
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
];

/// Those are gone where nobody may ask for an upgrade.
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

/// The requests at the beginning of `bytes` that can be read in one way, up to the first that
/// cannot: behind it there is nothing that anybody may act upon.
pub(crate) fn sent(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    while messages.last().is_none_or(|last| last.whole && !last.last) {
        let Some(message) = one_sent(&mut bytes) else {
            break;
        };
        messages.push(message);
    }
    messages
}

fn one_sent(bytes: &mut &[u8]) -> Option<Message> {
    while let Some(rest) = bytes
        .strip_prefix(b"\r\n")
        .or_else(|| bytes.strip_prefix(b"\n"))
    {
        *bytes = rest;
    }
    let mut lines = Vec::new();
    loop {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        *bytes = &bytes[end + 1..];
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let (first, lines) = lines.split_first()?;
    let [method, target, version] = words(first)?;
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return None,
    };
    let lines: Vec<Line> = lines
        .iter()
        .map(|line| header(line))
        .collect::<Option<_>>()?;
    let values = |name: &'static str| {
        let named = lines.iter().filter(move |(n, _)| n == name);
        named.map(|(_, value)| value.as_slice())
    };
    let target = origin_form(target)?;
    let path = decoded(target.split('?').next()?)?;
    let method = text(method)?;

    let mut message = Message {
        last: old || lists(values("connection"), "close"),
        method: method.to_owned(),
        target: target.to_owned(),
        path,
        ..Message::default()
    };
    let mut body = Vec::new();
    let codings: Vec<_> = values("transfer-encoding").collect();
    let lengths: Vec<_> = values("content-length").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => message.whole = true,
        ([], [length]) => {
            let digits = text(length).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
            let length = digits.parse::<i64>().ok()?;
            let length = usize::try_from(length).ok()?;
            message.whole = bytes.len() >= length;
            let here = length.min(bytes.len());
            body.extend_from_slice(&bytes[..here]);
            *bytes = &bytes[here..];
        }
        ([coding], []) if !old && coding.eq_ignore_ascii_case(b"chunked") => {
            let trailers = chunks(bytes, &mut body, loose_size);
            message.whole = trailers.is_ok();
            message.trailers = trailers.unwrap_or_default();
        }
        _ => return None,
    }
    message.body = body;
    let upgrade = hijackable(&message) && values("upgrade").next().is_some();
    message.headers = lines
        .into_iter()
        .filter(|(name, _)| !NOT_END_TO_END.contains(&name.as_str()))
        .filter(|(name, _)| upgrade || !OF_UPGRADES.contains(&name.as_str()))
        .collect();
    Some(message)
}

/// Takes the next request of what a connection to the engine has carried: in the one form that doxy
/// gives them. None where its head is not there to its end.
///
/// # Errors
/// Says what was in another form.
pub(crate) fn received(bytes: &mut &[u8]) -> Result<Option<Message>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(end + 4);
    *bytes = rest;
    let mut message =
        one_received(head, bytes).ok_or_else(|| String::from_utf8_lossy(head).into_owned())?;
    message.last = !message.whole;
    Ok(Some(message))
}

fn one_received(head: &[u8], bytes: &mut &[u8]) -> Option<Message> {
    let head = head.strip_suffix(b"\r\n\r\n")?;
    let mut lines = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        lines.push(line.strip_suffix(b"\r").unwrap_or(line));
    }
    // Every line but the last lost a CR with its LF, and there is no other of either.
    let ends = head.iter().filter(|byte| **byte == b'\r').count();
    if ends + 1 != lines.len() || lines.iter().any(|line| line.contains(&b'\r')) {
        return None;
    }
    let (first, lines) = lines.split_first()?;
    let [method, target, b"HTTP/1.1"] = words(first)? else {
        return None;
    };
    let target = text(target).filter(|target| target.starts_with('/') && !target.contains('#'))?;
    let lines: Vec<Line> = lines
        .iter()
        .map(|line| header(line))
        .collect::<Option<_>>()?;
    let values = |name: &'static str| {
        let named = lines.iter().filter(move |(n, _)| n == name);
        named.map(|(_, value)| value.as_slice())
    };
    if values("host").collect::<Vec<_>>() != [b"docker"] {
        return None;
    }
    let mut message = Message {
        method: text(method)?.to_owned(),
        target: target.to_owned(),
        path: decoded(target.split('?').next()?)?,
        ..Message::default()
    };
    let codings: Vec<_> = values("transfer-encoding").collect();
    let lengths: Vec<_> = values("content-length").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => message.whole = true,
        ([], [length]) => {
            let plain = text(length)?;
            let length: usize = plain.parse().ok()?;
            if length.to_string() != plain {
                return None;
            }
            message.whole = bytes.len() >= length;
            let here = length.min(bytes.len());
            message.body.extend_from_slice(&bytes[..here]);
            *bytes = &bytes[here..];
        }
        ([b"chunked"], []) => match chunks(bytes, &mut message.body, strict_size) {
            Ok(trailers) => (message.whole, message.trailers) = (true, trailers),
            Err(Stop::Short) => *bytes = &[],
            Err(Stop::Bad) => return None,
        },
        _ => return None,
    }
    let asks: Vec<_> = values("connection").collect();
    let upgrade = values("upgrade").next().is_some();
    let hop = ["keep-alive", "proxy-connection", "te", "expect"];
    if !(asks.is_empty() && !upgrade || asks == [b"Upgrade"] && upgrade && hijackable(&message))
        || hop.iter().any(|name| values(name).next().is_some())
    {
        return None;
    }
    message.headers = lines
        .into_iter()
        .filter(|(name, _)| !NOT_END_TO_END.contains(&name.as_str()))
        .collect();
    Some(message)
}

/// May the engine take the connection over?
pub(crate) fn hijackable(message: &Message) -> bool {
    let mut segments: Vec<_> = message.path.split('/').skip(1).collect();
    let version = |text: &str| {
        text.len() > 1
            && text.starts_with('v')
            && text[1..].bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    if segments.len() > 1 && version(segments[0]) {
        segments.remove(0);
    }
    match (message.method.as_str(), &segments[..]) {
        ("POST", ["session" | "grpc"]) => true,
        ("POST", ["containers", name @ .., "attach"])
        | ("POST", ["exec", name @ .., "start"])
        | ("GET", ["containers", name @ .., "attach", "ws"]) => {
            !name.is_empty() && name.iter().any(|part| !part.is_empty())
        }
        _ => false,
    }
}

/// A path, decoded once; none where it could be read in two ways.
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

fn origin_form(target: &[u8]) -> Option<&str> {
    let target = text(target).filter(|target| !target.contains('#'))?;
    if target.starts_with('/') {
        return Some(target);
    }
    let (scheme, rest) = target.split_at_checked(7)?;
    let path = rest.find('/').filter(|at| *at > 0)?;
    let authority = rest.get(..path)?;
    (scheme.eq_ignore_ascii_case("http://") && !authority.contains('?')).then(|| &rest[path..])
}

/// The lines that go from end to end, sorted by their names.
pub(crate) fn end_to_end(mut lines: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    lines.retain(|(name, _)| !NOT_END_TO_END.contains(&name.as_str()));
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines
}

/// A line of a trailer section, with its end.
pub(crate) fn trailer(line: &[u8]) -> Option<(String, Vec<u8>)> {
    header(line.strip_suffix(b"\r\n")?)
}

/// Exactly three words, with one blank between them.
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

/// Why a chunked body is not read to its end.
enum Stop {
    /// There is not more of it.
    Short,
    /// It is not well framed.
    Bad,
}

/// Takes a chunked body, as far as it is there and well framed, and gives its trailers.
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

/// A line that ends in CR LF, without them, and with no LF before.
fn line<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Stop> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(Stop::Short)?;
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Stop::Bad);
    *bytes = &bytes[end + 1..];
    line
}

fn loose_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let extension = rest.trim_ascii_start();
    let plain = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    let good = (extension.is_empty() || extension[0] == b';') && rest.iter().all(plain);
    let size = u64::from_str_radix(text(digits)?, 16).ok()?;
    good.then_some(size)
}

fn strict_size(line: &[u8]) -> Option<u64> {
    let plain = text(line)?;
    let size = u64::from_str_radix(plain, 16).ok()?;
    (format!("{size:x}") == plain).then_some(size)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
