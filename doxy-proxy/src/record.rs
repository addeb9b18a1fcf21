//! Step six, log: what is said of a request, written at its very end.
//!
//! A [`Record`] is opened before the request is read and written when it is dropped, so that a
//! request is logged whatever became of it: as a line with `--debug`, and as a record in the access
//! log. Neither has a query, a byte of a body, or any header but (the line) `Host`. With both off it
//! costs nothing but a look at two flags.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use doxy_filter::Request as Judged;
use memchr::{memchr, memchr2};

use crate::access::{AccessLog, Format};
use crate::error::{Denial, Error};
use crate::headers::all;
use crate::peer::Caller;
use crate::request::Head;

/// Who hears of the requests on one connection, and who makes them.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    pub(crate) log: Option<AccessLog>,
    /// Known if anything is written of the requests, and else if somebody has asked.
    pub(crate) caller: Option<Arc<Caller>>,
}

/// What will be said of one request.
#[derive(Debug)]
pub(crate) struct Record {
    entry: Option<Box<Mutex<Entry>>>,
    pub(crate) traffic: Traffic,
}

/// How many bytes of bodies, or through a tunnel, have been passed on.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) to_engine: AtomicU64,
    pub(crate) to_client: AtomicU64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client has its whole answer.
    Complete,
    /// The connection was switched, and both sides have ended.
    Tunnel,
    ClientGone,
    EngineGone,
    /// Doxy stopped first.
    Cut,
}

#[derive(Debug)]
struct Entry {
    audit: Audit,
    started: Instant,
    host: String,
    method: String,
    path: String,
    verdict: &'static str,
    rule: String,
    reason: String,
    status: Option<u16>,
    first_byte: Option<Duration>,
    outcome: Outcome,
}

/// Entries that wait for the next request, with the room that their texts have.
const KEPT: usize = 64;

thread_local! {
    #[expect(clippy::vec_box, reason = "they are handed out and taken back as they are")]
    static SPARE: RefCell<Vec<Box<Mutex<Entry>>>> = const { RefCell::new(Vec::new()) };
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            audit: Audit {
                log: None,
                caller: None,
            },
            started: Instant::now(),
            host: String::new(),
            method: String::new(),
            path: String::new(),
            verdict: "refused",
            rule: String::new(),
            reason: String::new(),
            status: None,
            first_byte: None,
            outcome: Outcome::Cut,
        }
    }
}

fn debugging() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

impl Audit {
    /// Is anything written of the requests on a connection?
    pub(crate) fn is_wanted(log: Option<&AccessLog>) -> bool {
        log.is_some() || debugging()
    }
}

impl Record {
    /// Begins the record of a request that has just arrived.
    pub(crate) fn open(audit: &Audit) -> Self {
        let entry = Audit::is_wanted(audit.log.as_ref()).then(|| {
            let mut entry = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
            let fresh = entry.get_mut().unwrap_or_else(PoisonError::into_inner);
            fresh.audit = audit.clone();
            fresh.started = Instant::now();
            entry
        });
        Self {
            entry,
            traffic: Traffic::default(),
        }
    }

    /// What is to be said, if anything is.
    fn entry(&self) -> Option<MutexGuard<'_, Entry>> {
        let entry = self.entry.as_ref()?;
        Some(entry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What its head says, as it was sent.
    pub(crate) fn head(&self, head: &Head<'_>) {
        if let Some(mut entry) = self.entry() {
            let end = memchr(b'?', head.target.as_bytes());
            let path = end.and_then(|end| head.target.get(..end));
            let mut path = path.unwrap_or(head.target);
            // An address may have a password before its host.
            if !path.starts_with('/')
                && let Some((_, rest)) = path.rsplit_once('@')
            {
                path = rest;
            }
            if debugging() {
                entry.host = escaped(all(head.lines, "host").next().unwrap_or_default()).into();
            }
            set(&mut entry.method, head.method);
            set(&mut entry.path, path);
        }
    }

    /// The path as the policy sees it, instead of as it was sent.
    pub(crate) fn judged(&self, judged: &Judged<'_>) {
        if let Some(mut entry) = self.entry()
            && entry.path != judged.path
        {
            set(&mut entry.path, judged.path);
        }
    }

    /// A rule, or a script as a whole, allowed the request.
    pub(crate) fn allowed(&self, file: &str, rule: Option<usize>) {
        if let Some(mut entry) = self.entry() {
            entry.verdict = "allowed";
            entry.rule.push_str(&escaped(file.as_bytes()));
            if let Some(line) = rule {
                entry.rule.push(':');
                entry.rule.push_str(itoa::Buffer::new().format(line));
            }
        }
    }

    /// Doxy answers the request itself.
    pub(crate) fn refused(&self, error: &Error) {
        if let Some(mut entry) = self.entry() {
            if let Error::Denied(denial) = error {
                entry.verdict = "denied";
                entry.rule.clear();
                let reason = match denial {
                    Denial::Method { .. } => "no rule allows this method",
                    Denial::Path { rule: None, .. } => "no rule allows this path",
                    Denial::Path {
                        rule: Some(rule), ..
                    } => {
                        entry.rule = escaped(rule.as_bytes()).into();
                        ""
                    }
                    // Its words may be made of what is in a body.
                    Denial::Script {
                        place: Some(place),
                        failed,
                        ..
                    } => {
                        entry.rule = escaped(place.as_bytes()).into();
                        failed.then_some("the policy failed").unwrap_or_default()
                    }
                    Denial::Script { place: None, .. } => "a body that is never judged",
                    Denial::FormBody => "form body",
                };
                set(&mut entry.reason, reason);
            } else {
                entry.reason = escaped(error.to_string().as_bytes()).into();
            }
        }
    }

    /// The status that the client is told.
    pub(crate) fn status(&self, status: u16) {
        if let Some(mut entry) = self.entry() {
            entry.status = Some(status);
            entry.first_byte = Some(entry.started.elapsed());
        }
    }

    /// The client has not been told the status after all.
    pub(crate) fn untold(&self) {
        if let Some(mut entry) = self.entry() {
            (entry.status, entry.first_byte) = (None, None);
        }
    }

    /// How it ended.
    pub(crate) fn ended(&self, outcome: Outcome) {
        if let Some(mut entry) = self.entry() {
            entry.outcome = outcome;
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(mut spare) = self.entry.take() {
            let entry = spare.get_mut().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if let Some(log) = &entry.audit.log {
                log.record(|line| match log.format {
                    Format::Text => entry.text(line, &self.traffic, now),
                    Format::Json => entry.json(line, &self.traffic, now),
                });
            }
            entry.debug(now);
            entry.clear();
            SPARE.with_borrow_mut(|spares| {
                if spares.len() < KEPT {
                    spares.push(spare);
                }
            });
        }
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Tunnel => "tunnel",
            Self::ClientGone => "client_gone",
            Self::EngineGone => "engine_gone",
            Self::Cut => "cut",
        }
    }
}

impl Entry {
    /// Makes it as good as new, but for its start. Nothing of one request is left for the next.
    fn clear(&mut self) {
        // Every field is named, so that none can be forgotten.
        let Self {
            audit,
            started: _,
            host,
            method,
            path,
            verdict,
            rule,
            reason,
            status,
            first_byte,
            outcome,
        } = self;
        *audit = Audit {
            log: None,
            caller: None,
        };
        for text in [host, method, path, rule, reason] {
            text.clear();
            // What is common fits; the room of what is not is given back.
            text.shrink_to(256);
        }
        *verdict = "refused";
        (*status, *first_byte) = (None, None);
        *outcome = Outcome::Cut;
    }

    /// The columns of the original, and the reason and the caller behind them.
    fn debug(&self, now: Instant) {
        if !debugging() {
            return;
        }
        let took = now - self.started;
        let status = self
            .status
            .map_or_else(|| "-".to_owned(), |status| status.to_string());
        let or_none = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
        let why = match (self.verdict, &*self.rule, &*self.reason) {
            ("refused", _, reason) => reason.to_owned(),
            (verdict, "", reason) => format!("{verdict}: {reason}"),
            (verdict, rule, "") => format!("{verdict} by {rule}"),
            (verdict, rule, reason) => format!("{verdict} by {rule}; {reason}"),
        };
        let end = match self.outcome {
            Outcome::ClientGone => "; the client went away",
            Outcome::EngineGone => "; the engine broke off",
            Outcome::Cut => "; cut",
            Outcome::Complete | Outcome::Tunnel => "",
        };
        let caller = match self.audit.caller.as_deref() {
            Some(caller) => {
                let Caller {
                    uid,
                    gid,
                    pid,
                    command,
                    written: _,
                } = caller;
                let command = escaped(command.as_bytes());
                format!("uid {uid}, gid {gid}, pid {pid} {command}")
            }
            None => "-".to_owned(),
        };
        tracing::debug!(
            "{status} | {took:.3?} | {} | {} {} | {why}{end} | {caller}",
            or_none(&self.host),
            or_none(&self.method),
            or_none(&self.path),
        );
    }

    fn text(&self, line: &mut Vec<u8>, traffic: &Traffic, now: Instant) {
        let caller = self.audit.caller.as_deref();
        append_date(line, now);
        number_or(line, " ", self.status, "-");
        word(line, " ", self.verdict);
        word(line, " ", &self.method);
        word(line, " ", &self.path);
        match caller {
            Some(caller) => line.extend_from_slice(caller.written.get_or_init(|| {
                let mut line = Vec::new();
                number(&mut line, " uid=", caller.uid);
                number(&mut line, " gid=", caller.gid);
                number(&mut line, " pid=", caller.pid);
                word(&mut line, " command=", &escaped(caller.command.as_bytes()));
                line.into()
            })),
            None => put(line, " uid=- gid=- pid=- command=-"),
        }
        word(line, " rule=", &self.rule);
        number(line, " to_engine=", traffic.to_engine.load(Relaxed));
        number(line, " to_client=", traffic.to_client.load(Relaxed));
        number_or(line, " first_byte=", self.first_byte.map(micros), "-");
        number(line, " took=", micros(now - self.started));
        word(line, " ", self.outcome.name());
        // The last, and the only one with blanks in it.
        put(line, " ");
        put(
            line,
            if self.reason.is_empty() {
                "-"
            } else {
                &self.reason
            },
        );
        put(line, "\n");
    }

    fn json(&self, line: &mut Vec<u8>, traffic: &Traffic, now: Instant) {
        put(line, "{\"time\":\"");
        append_date(line, now);
        put(line, "\"");
        if let Some(caller) = self.audit.caller.as_deref() {
            line.extend_from_slice(caller.written.get_or_init(|| {
                let mut line = Vec::new();
                number(&mut line, ",\"uid\":", caller.uid);
                number(&mut line, ",\"gid\":", caller.gid);
                number(&mut line, ",\"pid\":", caller.pid);
                let command = escaped(caller.command.as_bytes());
                quoted(&mut line, ",\"command\":", &command);
                line.into()
            }));
        }
        quoted(line, ",\"method\":", &self.method);
        quoted(line, ",\"path\":", &self.path);
        put(line, ",\"verdict\":\"");
        put(line, self.verdict);
        put(line, "\"");
        quoted(line, ",\"rule\":", &self.rule);
        quoted(line, ",\"reason\":", &self.reason);
        number_or(line, ",\"status\":", self.status, "null");
        number(line, ",\"to_engine\":", traffic.to_engine.load(Relaxed));
        number(line, ",\"to_client\":", traffic.to_client.load(Relaxed));
        let first_byte = self.first_byte.map(micros);
        number_or(line, ",\"first_byte_us\":", first_byte, "null");
        number(line, ",\"took_us\":", micros(now - self.started));
        put(line, ",\"outcome\":\"");
        put(line, self.outcome.name());
        put(line, "\"}\n");
    }
}

// A record is written for every request, piece by piece: going through `write!` costs thrice as much.

fn put(line: &mut Vec<u8>, text: &str) {
    line.extend_from_slice(text.as_bytes());
}

fn number(line: &mut Vec<u8>, before: &str, number: impl itoa::Integer) {
    put(line, before);
    put(line, itoa::Buffer::new().format(number));
}

fn number_or(line: &mut Vec<u8>, before: &str, value: Option<impl itoa::Integer>, none: &str) {
    match value {
        Some(value) => number(line, before, value),
        None => {
            put(line, before);
            put(line, none);
        }
    }
}

/// A word of its own, whatever is in it.
fn word(line: &mut Vec<u8>, before: &str, text: &str) {
    put(line, before);
    match text {
        "" => put(line, "-"),
        text if text.contains(' ') => put(line, &text.replace(' ', "\\u{20}")),
        text => put(line, text),
    }
}

/// A JSON string, or null where there is no text. Without control characters, as whatever is
/// escaped is, or doxy's own.
fn quoted(line: &mut Vec<u8>, before: &str, text: &str) {
    put(line, before);
    if text.is_empty() {
        put(line, "null");
    } else if memchr2(b'"', b'\\', text.as_bytes()).is_some() {
        // A vector takes what is written to it, and text is always JSON.
        let _ = serde_json::to_writer(&mut *line, text);
    } else {
        put(line, "\"");
        put(line, text);
        put(line, "\"");
    }
}

/// Puts text from a client in the place of what was there.
fn set(text: &mut String, to: &str) {
    text.clear();
    if is_plain(to.as_bytes()) {
        text.push_str(to);
    } else {
        text.push_str(&escaped(to.as_bytes()));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What time of day it was at some instant, and how that is written to the millisecond.
struct Date {
    instant: Instant,
    since_1970: Duration,
    millisecond: u128,
    text: String,
}

/// How long the time of day is reckoned from the instant: a clock that is set is noticed after that.
const RECKONED: Duration = Duration::from_secs(1);

/// Appends the time of day to the millisecond, in UTC. Both to read it and to write it out cost as much as the rest
/// of a record; so the one is done once a second, the other once a millisecond.
fn append_date(line: &mut Vec<u8>, now: Instant) {
    thread_local! {
        static DATE: RefCell<Option<Date>> = const { RefCell::new(None) };
    }
    DATE.with_borrow_mut(|date| {
        let known = date.take().filter(|date| {
            let since = now.checked_duration_since(date.instant);
            since.is_some_and(|since| since < RECKONED)
        });
        let known = date.insert(known.unwrap_or_else(|| {
            Date {
                instant: now,
                // Before 1970 every record has the first moment of it.
                since_1970: SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap_or_default(),
                millisecond: 0,
                text: String::new(),
            }
        }));
        let since_1970 = known.since_1970 + (now - known.instant);
        if known.millisecond != since_1970.as_millis() || known.text.is_empty() {
            known.millisecond = since_1970.as_millis();
            known.text.clear();
            let date = humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since_1970);
            // A string takes what is written to it.
            let _ = write!(known.text, "{date}");
        }
        line.extend_from_slice(known.text.as_bytes());
    });
}

/// The most that is logged of one thing that a client sent, in characters.
const LONGEST: usize = 768;

/// Whether text may stand in a log as it is.
fn is_plain(text: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'|';
    text.len() <= LONGEST && text.iter().all(plain)
}

/// Text from a client as it may stand in a log: one line, one column, and not without end.
pub(crate) fn escaped(text: &[u8]) -> Cow<'_, str> {
    if is_plain(text)
        && let Ok(text) = str::from_utf8(text)
    {
        return text.into();
    }
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            if out.len() > LONGEST {
                out.push('\u{2026}');
                return out.into();
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
    out.into()
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
