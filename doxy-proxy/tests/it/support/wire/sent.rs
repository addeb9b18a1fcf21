//! Reads what a client has sent, as the documentation says that doxy reads it.

use super::{
    Line, Message, NOT_END_TO_END, OF_UPGRADES, chunks, decoded, header, lists, text, upgrades,
    words,
};

/// The unambiguous requests at the beginning of `bytes`, up to the first ambiguous one. Nothing
/// behind that may be forwarded.
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
    let upgrade = upgrades(&message, values("upgrade"));
    message.headers = lines
        .into_iter()
        .filter(|(name, _)| !NOT_END_TO_END.contains(&name.as_str()))
        .filter(|(name, _)| upgrade || !OF_UPGRADES.contains(&name.as_str()))
        .collect();
    Some(message)
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

fn loose_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let extension = rest.trim_ascii_start();
    let plain = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    let good = (extension.is_empty() || extension[0] == b';') && rest.iter().all(plain);
    let size = u64::from_str_radix(text(digits)?, 16).ok()?;
    good.then_some(size)
}
