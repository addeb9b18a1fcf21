//! Reads what a client received: one well-framed response for each request, and nothing else.

use crate::wire::Message;

/// For each response the number that the engine put into it, or none if doxy made it.
///
/// # Errors
/// Describes what is wrong with the responses to `sent`.
pub(crate) fn read(mut output: &[u8], sent: &[Message]) -> Result<Vec<Option<usize>>, String> {
    let mut replies = Vec::new();
    while !output.is_empty() {
        let end = output.windows(4).position(|part| part == b"\r\n\r\n");
        let (head, rest) = output.split_at(end.ok_or("a head without end")? + 4);
        output = rest;
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("http/1.1 ")
            .or_else(|| first.strip_prefix("http/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse::<u16>().ok())
            .ok_or_else(|| format!("no status: {first:?}"))?;
        if status == 100 {
            continue;
        }
        let value = |wanted: &str| {
            let lines = head.split("\r\n").skip(1);
            let mut named = lines.filter_map(|line| line.split_once(": "));
            named
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value)
        };
        let number = value("x-engine").and_then(|number| number.parse::<usize>().ok());
        let length = value("content-length").and_then(|length| length.parse::<usize>().ok());
        let closes = value("connection") == Some("close") || first.starts_with("http/1.0");
        let head_only = sent
            .get(replies.len())
            .is_some_and(|request| request.method == "HEAD");
        // The response to a malformed request has a body, even if the request was meant as HEAD.
        let told = number.is_none() && closes && length == Some(output.len());
        // A redirected HEAD is not among what was sent.
        let no_body = status == 204 || status == 301 && output.is_empty();
        let length = if no_body || head_only && !told {
            0
        } else if value("transfer-encoding") == Some("chunked") {
            // The engine's last chunk, or the one that doxy adds if the engine gave no length.
            let ends = [&b"0\r\nx-sum: 1\r\n\r\n"[..], b"0\r\n\r\n"];
            let lower = output.to_ascii_lowercase();
            let find = |end: &[u8]| lower.windows(end.len()).position(|part| part == end);
            let found = ends.iter().filter_map(|end| Some(find(end)? + end.len()));
            found.min().ok_or("chunks without end")?
        } else {
            length.unwrap_or(output.len())
        };
        output = output.get(length..).ok_or("a body that is cut off")?;
        if closes && !output.is_empty() {
            return Err(format!("something behind the last answer: {head}"));
        }
        replies.push(number);
    }
    Ok(replies)
}
