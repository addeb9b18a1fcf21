//! Reads an access log of doxy in its JSON format, record by record.
//!
//! A line of any length takes the same memory. A line that is no record is told with its number, and
//! never guessed at.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use doxy_filter::canonical_path;
use doxy_proxy::RecordedPeer;
use serde_json::{Map, Value};

/// The longest line of a record, in bytes. Doxy's own are shorter.
const MAX_LINE: usize = 64 << 10;
/// A log has at most so many bytes of a path, and cuts what is longer.
const MAX_PATH: usize = 768;

/// One line of a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Request(Box<Record>),
    /// So many requests are missing: the log could not be written fast enough.
    Lost(u64),
    /// No record: why not.
    Fault(&'static str),
}

/// A request, as far as a log tells of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) method: String,
    /// As the policy saw it. None if the log has only its beginning.
    pub(crate) path: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) peer: RecordedPeer,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    Allowed,
    Denied,
    /// Denied, and forwarded in a dry run.
    WouldDeny,
    /// No policy was asked.
    Refused,
}

impl Verdict {
    /// As the log has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::WouldDeny => "would_deny",
            Self::Refused => "refused",
        }
    }
}

/// The lines of a log.
pub(crate) struct Records<R> {
    input: R,
    line: Vec<u8>,
    /// The number of the line that was read last.
    pub(crate) number: u64,
    /// How many bytes were read.
    pub(crate) bytes: u64,
}

impl Records<BufReader<File>> {
    /// Opens a log.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self::new(BufReader::with_capacity(128 << 10, file)))
    }
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// The next line that is not blank, or none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.line.clear();
            let most = MAX_LINE as u64 + 1;
            let read = self
                .input
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes += read as u64;
            let ended = self.line.last() == Some(&b'\n');
            if !ended && read > MAX_LINE {
                self.bytes += skip_line(&mut self.input)?;
                return Ok(Some(Line::Fault("the line is too long for a record")));
            }
            let line = self.line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            return Ok(Some(
                match serde_json::from_slice::<Map<String, Value>>(line) {
                    Ok(fields) => read_fields(&fields).unwrap_or_else(Line::Fault),
                    Err(_) if !ended && line.first() == Some(&b'{') => {
                        Line::Fault("the line is cut")
                    }
                    Err(_) if looks_like_text(line) => {
                        Line::Fault("this is the text format; write the log with log-format json")
                    }
                    Err(_) => Line::Fault("not a JSON object"),
                },
            ));
        }
    }
}

/// Reads to the end of the line, and keeps nothing of it.
fn skip_line(input: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let block = input.fill_buf()?;
        let end = memchr::memchr(b'\n', block);
        let length = end.map_or(block.len(), |end| end + 1);
        let done = end.is_some() || block.is_empty();
        input.consume(length);
        skipped += length as u64;
        if done {
            return Ok(skipped);
        }
    }
}

/// Whether a line begins with a time, as those of the text format do.
fn looks_like_text(line: &[u8]) -> bool {
    matches!(line, [a, b, c, d, b'-', ..] if [a, b, c, d].iter().all(|it| it.is_ascii_digit()))
}

fn read_fields(fields: &Map<String, Value>) -> Result<Line, &'static str> {
    if let Some(lost) = fields.get("lost") {
        return Ok(Line::Lost(lost.as_u64().ok_or("`lost` is no number")?));
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let name = text("verdict").ok_or("no record of doxy: it has no `verdict`")?;
    let verdict = [
        Verdict::Allowed,
        Verdict::Denied,
        Verdict::WouldDeny,
        Verdict::Refused,
    ]
    .into_iter()
    .find(|verdict| verdict.name() == name)
    .ok_or("an unknown `verdict`")?;
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let id = |name: &str| number(name).and_then(|id| u32::try_from(id).ok());
    let peer = match (id("uid"), id("gid"), text("address")) {
        (Some(uid), Some(gid), None) => RecordedPeer::Unix { uid, gid },
        (_, _, Some(_)) => RecordedPeer::Net,
        _ => RecordedPeer::Unknown,
    };
    // What could not be read has neither.
    let (method, path) = match (text("method"), text("path")) {
        (Some(method), Some(path)) => (method, path),
        _ if verdict == Verdict::Refused => ("", ""),
        _ => return Err("a record without `method` and `path`"),
    };
    let path = match verdict {
        Verdict::Refused => None,
        _ if path.len() > MAX_PATH && path.ends_with('\u{2026}') => None,
        _ => Some(judged(path)?),
    };
    Ok(Line::Request(Box::new(Record {
        method: method.to_owned(),
        path,
        verdict,
        peer,
    })))
}

/// The path that was judged. The log escapes some characters with a backslash, which no such path has.
fn judged(logged: &str) -> Result<String, &'static str> {
    let mut path = String::with_capacity(logged.len());
    let mut rest = logged;
    while let Some((before, behind)) = rest.split_once(r"\u{") {
        let (digits, more) = behind
            .split_once('}')
            .ok_or("a path with a broken escape")?;
        let code = u32::from_str_radix(digits, 16).ok();
        path.push_str(before);
        path.push(
            code.and_then(char::from_u32)
                .ok_or("a path with a broken escape")?,
        );
        rest = more;
    }
    path.push_str(rest);
    // A log that somebody else has written may have anything in it.
    let canonical = matches!(canonical_path(&path), Ok(Cow::Borrowed(_)));
    canonical
        .then_some(path)
        .ok_or("a path that doxy would have refused")
}

#[cfg(test)]
mod tests;
