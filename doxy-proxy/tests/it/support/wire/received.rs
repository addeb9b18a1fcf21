//! Reads what the engine has received, in the one form in which doxy writes.

use super::{
    Line, Message, NOT_END_TO_END, Stop, chunks, decoded, find, header, text, upgrades, words,
};

/// Reads the next request from the bytes of a connection to the engine. None if its head is
/// incomplete.
///
/// # Errors
/// Returns the head that is in another form.
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
    // Every line but the last ended in CR LF, and there is no other CR or LF.
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
    if !(asks.is_empty() && !upgrade
        || asks == [b"Upgrade"] && upgrades(&message, values("upgrade")))
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

fn strict_size(line: &[u8]) -> Option<u64> {
    let plain = text(line)?;
    let size = u64::from_str_radix(plain, 16).ok()?;
    (format!("{size:x}") == plain).then_some(size)
}
