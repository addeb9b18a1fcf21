//! Step six, log: one line a request, written at its very end.
//!
//! A [`Record`] is opened before the request is read and written when it is dropped, so that a
//! request is logged whatever became of it. It carries no query, no header but `Host` and no
//! byte of a body. With `--debug` off it costs nothing but a look at a flag.

use std::fmt::Write as _;
use std::time::Instant;

use doxy_filter::{Request as Judged, RuleRef};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, StatusCode};

use crate::error::{Denial, Error};
use crate::tunnel::Outcome;

/// What will be said of one request.
#[derive(Debug)]
pub(crate) struct Record(Option<Box<Entry>>);

#[derive(Debug)]
struct Entry {
    started: Instant,
    host: String,
    method: String,
    path: String,
    status: Option<StatusCode>,
    why: String,
}

fn enabled() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

impl Record {
    /// Begins the record of a request that has just arrived.
    pub(crate) fn open(request: &Request<Incoming>) -> Self {
        Self(enabled().then(|| {
            let host = request
                .headers()
                .get(HOST)
                .map_or(&b""[..], |value| value.as_bytes());
            Box::new(Entry {
                started: Instant::now(),
                host: escaped(host),
                method: escaped(request.method().as_str().as_bytes()),
                path: escaped(request.uri().path().as_bytes()),
                status: None,
                why: "the client went away before the engine answered".to_owned(),
            })
        }))
    }

    /// The record of a request that hyper could not read.
    pub(crate) fn unread(error: &Error, status: StatusCode) {
        if enabled() {
            let entry = Entry {
                started: Instant::now(),
                host: "-".to_owned(),
                method: "-".to_owned(),
                path: "-".to_owned(),
                status: Some(status),
                why: escaped(error.to_string().as_bytes()),
            };
            drop(Self(Some(Box::new(entry))));
        }
    }

    /// The path as the policy sees it, instead of as it was sent.
    pub(crate) fn judged(&mut self, judged: &Judged<'_>) {
        if let Some(entry) = &mut self.0 {
            entry.path = escaped(judged.path.as_bytes());
        }
    }

    /// A rule allowed the request.
    pub(crate) fn allowed(&mut self, rule: RuleRef<'_>) {
        if let Some(entry) = &mut self.0 {
            entry.why = format!("allowed by {rule}");
        }
    }

    /// Doxy answers the request itself.
    pub(crate) fn refused(&mut self, error: &Error) {
        if let Some(entry) = &mut self.0 {
            entry.why = match error {
                Error::Denied(Denial::Method { .. }) => {
                    "denied: no rule allows this method".to_owned()
                }
                Error::Denied(Denial::Path { rule: None, .. }) => {
                    "denied: no rule allows this path".to_owned()
                }
                Error::Denied(Denial::Path {
                    rule: Some(rule), ..
                }) => format!("denied by {rule}"),
                Error::Denied(Denial::FormBody) => "denied: form body".to_owned(),
                other => escaped(other.to_string().as_bytes()),
            };
        }
    }

    /// The status that the client is told.
    pub(crate) fn status(&mut self, status: StatusCode) {
        if let Some(entry) = &mut self.0 {
            entry.status = Some(status);
        }
    }

    /// The connection was switched, and this is what became of it.
    pub(crate) fn tunnel(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Complete => {}
            Outcome::ClientGone => self.broke_off("the client went away"),
            Outcome::EngineGone => self.broke_off("the engine went away"),
        }
    }

    /// The answer had begun and could not be brought to its end.
    pub(crate) fn broke_off(&mut self, by: &str) {
        if let Some(entry) = &mut self.0 {
            let _ = write!(entry.why, "; {by}");
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(entry) = self.0.take() {
            let Entry {
                started,
                host,
                method,
                path,
                status,
                why,
            } = *entry;
            let status = status.as_ref().map_or("-", StatusCode::as_str);
            let took = started.elapsed();
            // The columns of the original, and the reason behind them.
            tracing::debug!("{status} | {took:.3?} | {host} | {method} {path} | {why}");
        }
    }
}

/// The most that is logged of one thing that a client sent, in characters.
const LONGEST: usize = 768;

/// Text from a client as it may stand in a log: one line, one column, and not without end.
fn escaped(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            if out.len() > LONGEST {
                out.push('\u{2026}');
                return out;
            }
            // `|` parts the columns; what is neither a letter nor a figure may turn the line around.
            let plain = char.is_alphanumeric() || (char.is_ascii() && !char.is_ascii_control());
            if plain && char != '|' {
                out.push(char);
            } else {
                out.extend(char.escape_unicode());
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_client_sends_stays_on_one_line() {
        for (text, line) in [
            (&b"/v1.41/info?"[..], "/v1.41/info?"),
            (b"/a\r\nGET /b", "/a\\u{d}\\u{a}GET /b"),
            (b"\x1b[31m", "\\u{1b}[31m"),
            (
                b"a | GET /info | allowed",
                "a \\u{7c} GET /info \\u{7c} allowed",
            ),
            (
                "n\u{fc}\u{85}\u{2028}\u{202e}x".as_bytes(),
                "n\u{fc}\\u{85}\\u{2028}\\u{202e}x",
            ),
            (b"/\xff", "/\\xff"),
        ] {
            assert_eq!(escaped(text), line);
        }
        let long = escaped(&[b'x'; 100_000]);
        assert!(long.len() < 800 && long.ends_with('\u{2026}'));
    }
}
