//! Step six, log: what is said of a request, written at its very end.
//!
//! A [`Record`] is opened before the request is read and written when it is dropped, so that a
//! request is logged whatever became of it: as a line with `--debug`, and as a record in the access
//! log. Neither has a query, a byte of a body, or any header but (the line) `Host`. With both off it
//! costs nothing but a look at two flags.
//!
//! What is known before the request goes to the engine is noted by who has the record for itself; after
//! that several look at it at once, and what they note are numbers, each set in one go.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use doxy_filter::Request as Judged;
use memchr::memchr;

use crate::access::{AccessLog, Format};
use crate::error::{Denial, Error};
use crate::headers::all;
use crate::json;
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
pub(crate) struct Record<'a> {
    audit: &'a Audit,
    /// None if nothing is written of it.
    entry: Option<Box<Entry>>,
    /// The status that the client was told, and in the bits above it when, in microseconds since the
    /// request began. Nought if it was told nothing.
    told: AtomicU64,
    outcome: AtomicU8,
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
#[repr(u8)]
pub(crate) enum Outcome {
    /// Doxy stopped first.
    Cut,
    /// The client has its whole answer.
    Complete,
    /// The connection was switched, and both sides have ended.
    Tunnel,
    ClientGone,
    EngineGone,
}

/// All of them, each at its number.
const OUTCOMES: [Outcome; 5] = [
    Outcome::Cut,
    Outcome::Complete,
    Outcome::Tunnel,
    Outcome::ClientGone,
    Outcome::EngineGone,
];

/// So many bits of what a client was told are the status.
const STATUS_BITS: u32 = 16;
/// Told when the request ended, that is.
const AT_THE_END: u64 = u64::MAX >> STATUS_BITS;

/// What is known of a request when it goes to the engine, or is refused.
#[derive(Debug)]
struct Entry {
    started: Instant,
    verdict: &'static str,
    /// All that is quoted of the request and of what decided it, one behind the other.
    quoted: String,
    /// Is there something in it that JSON escapes?
    escapes: bool,
    host: Span,
    method: Span,
    path: Span,
    rule: Span,
    /// In words of doxy's own.
    reason: Cow<'static, str>,
}

/// Where something is quoted; nowhere if it is empty.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// Entries that wait for the next request, with the room that their text has.
const KEPT: usize = 512;

thread_local! {
    #[expect(clippy::vec_box, reason = "they are handed out and taken back as they are")]
    static SPARE: RefCell<Vec<Box<Entry>>> = const { RefCell::new(Vec::new()) };
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

impl<'a> Record<'a> {
    /// Begins the record of a request that has just arrived.
    pub(crate) fn open(audit: &'a Audit) -> Self {
        let entry =
            Audit::is_wanted(audit.log.as_ref()).then(|| match SPARE.with_borrow_mut(Vec::pop) {
                Some(mut entry) => {
                    entry.clear();
                    entry
                }
                None => Box::new(Entry::new(String::new())),
            });
        Self {
            audit,
            entry,
            told: AtomicU64::new(0),
            outcome: AtomicU8::new(Outcome::Cut as u8),
            traffic: Traffic::default(),
        }
    }

    /// What its head says, as it was sent.
    pub(crate) fn head(&mut self, head: &Head<'_>) {
        if let Some(entry) = &mut self.entry {
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
                let host = all(head.lines, "host").next().unwrap_or_default();
                entry.host = entry.quote(&escaped(host));
            }
            entry.method = entry.quote(head.method);
            entry.path = entry.quote(path);
        }
    }

    /// The path as the policy sees it, instead of as it was sent.
    pub(crate) fn judged(&mut self, judged: &Judged<'_>) {
        if let Some(entry) = &mut self.entry
            && entry.text(entry.path) != judged.path
        {
            entry.path = entry.quote(judged.path);
        }
    }

    /// A rule, or a script as a whole, allowed the request.
    pub(crate) fn allowed(&mut self, file: &str, rule: Option<usize>) {
        if let Some(entry) = &mut self.entry {
            entry.verdict = "allowed";
            entry.rule = entry.quote(file);
            if let Some(line) = rule {
                entry.quoted.push(':');
                entry.quoted.push_str(itoa::Buffer::new().format(line));
                entry.rule.end = entry.quoted.len();
            }
        }
    }

    /// Doxy answers the request itself.
    pub(crate) fn refused(&mut self, error: &Error) {
        let Some(entry) = &mut self.entry else {
            return;
        };
        let Error::Denied(denial) = error else {
            entry.reason = escaped(error.to_string().as_bytes()).into_owned().into();
            return;
        };
        entry.verdict = "denied";
        let (rule, reason) = match denial {
            Denial::Method { .. } => ("", "no rule allows this method"),
            Denial::Path { rule: None, .. } => ("", "no rule allows this path"),
            Denial::Path {
                rule: Some(rule), ..
            } => (&**rule, ""),
            // Its words may be made of what is in a body.
            Denial::Script {
                place: Some(place),
                failed,
                ..
            } => {
                let reason = failed.then_some("the policy failed");
                (&**place, reason.unwrap_or_default())
            }
            Denial::Script { place: None, .. } => ("", "a body that is never judged"),
            Denial::FormBody => ("", "form body"),
        };
        entry.rule = entry.quote(rule);
        entry.reason = reason.into();
    }

    /// The status that the client is told from now on.
    pub(crate) fn status(&self, status: u16) {
        if let Some(entry) = &self.entry {
            self.tell(status, micros(entry.started.elapsed()).min(AT_THE_END - 1));
        }
    }

    /// The status of an answer that is told in one go, at the very end.
    pub(crate) fn answered(&self, status: u16) {
        self.tell(status, AT_THE_END);
    }

    fn tell(&self, status: u16, when: u64) {
        let told = when << STATUS_BITS | u64::from(status);
        self.told.store(told, Relaxed);
    }

    /// The client has not been told the status after all.
    pub(crate) fn untold(&self) {
        self.told.store(0, Relaxed);
    }

    /// How it ended.
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.outcome.store(outcome as u8, Relaxed);
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        let now = Instant::now();
        let told = *self.told.get_mut();
        let took = now.saturating_duration_since(entry.started);
        let said = Said {
            entry: &entry,
            caller: self.audit.caller.as_deref(),
            traffic: &self.traffic,
            now,
            took,
            told: (told != 0).then(|| {
                let status = told & ((1 << STATUS_BITS) - 1);
                let when = told >> STATUS_BITS;
                (
                    status,
                    if when == AT_THE_END {
                        micros(took)
                    } else {
                        when
                    },
                )
            }),
            outcome: OUTCOMES
                .get(usize::from(*self.outcome.get_mut()))
                .copied()
                .unwrap_or(Outcome::Cut),
        };
        if let Some(log) = &self.audit.log {
            log.record(|line| match log.format {
                Format::Text => said.text(line),
                Format::Json => said.json(line),
            });
        }
        said.debug();
        SPARE.with_borrow_mut(|spares| {
            if spares.len() < KEPT {
                spares.push(entry);
            }
        });
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
    fn new(quoted: String) -> Self {
        Self {
            started: Instant::now(),
            verdict: "refused",
            quoted,
            escapes: false,
            host: Span::default(),
            method: Span::default(),
            path: Span::default(),
            rule: Span::default(),
            reason: Cow::Borrowed(""),
        }
    }

    /// Makes it as good as new. Nothing of one request is left for the next.
    fn clear(&mut self) {
        let mut quoted = std::mem::take(&mut self.quoted);
        quoted.clear();
        // What is common fits; the room of what is not is given back.
        quoted.shrink_to(512);
        *self = Self::new(quoted);
    }

    /// Quotes something that a client sent, or a file has: on one line, and not without end.
    fn quote(&mut self, text: &str) -> Span {
        let start = self.quoted.len();
        match look(text.as_bytes()) {
            Look::Plain => self.quoted.push_str(text),
            Look::Escapes => {
                self.quoted.push_str(text);
                self.escapes = true;
            }
            Look::Odd => {
                self.quoted.push_str(&escaped(text.as_bytes()));
                self.escapes = true;
            }
        }
        let end = self.quoted.len();
        Span { start, end }
    }

    fn text(&self, span: Span) -> &str {
        self.quoted.get(span.start..span.end).unwrap_or_default()
    }
}

/// What is said of a request that has ended.
struct Said<'a> {
    entry: &'a Entry,
    caller: Option<&'a Caller>,
    traffic: &'a Traffic,
    now: Instant,
    took: Duration,
    /// Status and time of the answer's beginning, in microseconds.
    told: Option<(u64, u64)>,
    outcome: Outcome,
}

impl Said<'_> {
    /// The columns of the original, and the reason and the caller behind them.
    fn debug(&self) {
        if !debugging() {
            return;
        }
        let Self { entry, took, .. } = self;
        let status = self
            .told
            .map_or_else(|| "-".to_owned(), |(status, _)| status.to_string());
        let or_none = |span| match entry.text(span) {
            "" => "-",
            text => text,
        };
        let (rule, reason) = (entry.text(entry.rule), &*entry.reason);
        let why = match (entry.verdict, rule, reason) {
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
        let caller = match self.caller {
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
            or_none(entry.host),
            or_none(entry.method),
            or_none(entry.path),
        );
    }

    fn text(&self, line: &mut Vec<u8>) {
        let Self { entry, .. } = self;
        append_date(line, self.now);
        number_or(line, " ", self.told.map(|(status, _)| status), "-");
        word(line, " ", entry.verdict);
        word(line, " ", entry.text(entry.method));
        word(line, " ", entry.text(entry.path));
        match self.caller {
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
        word(line, " rule=", entry.text(entry.rule));
        number(line, " to_engine=", self.traffic.to_engine.load(Relaxed));
        number(line, " to_client=", self.traffic.to_client.load(Relaxed));
        number_or(line, " first_byte=", self.told.map(|(_, when)| when), "-");
        number(line, " took=", micros(self.took));
        word(line, " ", self.outcome.name());
        // The last, and the only one with blanks in it.
        put(line, " ");
        put(
            line,
            match &*entry.reason {
                "" => "-",
                reason => reason,
            },
        );
        put(line, "\n");
    }

    fn json(&self, line: &mut Vec<u8>) {
        let Self { entry, .. } = self;
        put(line, "{\"time\":\"");
        append_date(line, self.now);
        put(line, "\"");
        if let Some(caller) = self.caller {
            line.extend_from_slice(caller.written.get_or_init(|| {
                let mut line = Vec::new();
                number(&mut line, ",\"uid\":", caller.uid);
                number(&mut line, ",\"gid\":", caller.gid);
                number(&mut line, ",\"pid\":", caller.pid);
                let command = escaped(caller.command.as_bytes());
                quoted(&mut line, ",\"command\":", &command, true);
                line.into()
            }));
        }
        quoted(
            line,
            ",\"method\":",
            entry.text(entry.method),
            entry.escapes,
        );
        quoted(line, ",\"path\":", entry.text(entry.path), entry.escapes);
        put(line, ",\"verdict\":\"");
        put(line, entry.verdict);
        put(line, "\"");
        quoted(line, ",\"rule\":", entry.text(entry.rule), entry.escapes);
        quoted(
            line,
            ",\"reason\":",
            &entry.reason,
            matches!(entry.reason, Cow::Owned(_)),
        );
        let status = self.told.map(|(status, _)| status);
        number_or(line, ",\"status\":", status, "null");
        number(
            line,
            ",\"to_engine\":",
            self.traffic.to_engine.load(Relaxed),
        );
        number(
            line,
            ",\"to_client\":",
            self.traffic.to_client.load(Relaxed),
        );
        let first_byte = self.told.map(|(_, when)| when);
        number_or(line, ",\"first_byte_us\":", first_byte, "null");
        number(line, ",\"took_us\":", micros(self.took));
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

/// A JSON string, or null where there is no text. It `escapes` if something in it may have to be
/// escaped: only then is it looked through.
fn quoted(line: &mut Vec<u8>, before: &str, text: &str, escapes: bool) {
    put(line, before);
    if text.is_empty() {
        put(line, "null");
    } else if escapes {
        json::write_text(line, text);
    } else {
        put(line, "\"");
        put(line, text);
        put(line, "\"");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What time of day it was at some instant, and how a millisecond is written.
struct Date {
    read: Instant,
    since_1970: Duration,
    /// The millisecond that is written out, from its beginning until the next.
    from: Instant,
    until: Instant,
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
        let known = match date {
            Some(date) if date.from <= now && now < date.until => date,
            date => {
                let known = date.take();
                date.insert(Date::at(now, known))
            }
        };
        line.extend_from_slice(known.text.as_bytes());
    });
}

impl Date {
    /// Writes out a millisecond, by what is known already if that is not too old.
    fn at(now: Instant, known: Option<Self>) -> Self {
        let (read, since_1970) = known
            .filter(|date| date.read <= now && now < date.read + RECKONED)
            .map_or_else(
                || {
                    // Before 1970 every record has the first moment of it.
                    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                    (now, since_1970.unwrap_or_default())
                },
                |date| (date.read, date.since_1970),
            );
        let time = since_1970 + (now - read);
        let into = Duration::from_nanos(u64::from(time.subsec_nanos() % 1_000_000));
        let from = now.checked_sub(into).unwrap_or(now);
        let mut text = String::new();
        // It fails behind the year 9999, and then there is none.
        let _ = write!(
            text,
            "{}",
            humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + time)
        );
        Self {
            read,
            since_1970,
            from,
            until: from + Duration::from_millis(1),
            text,
        }
    }
}

/// The most that is logged of one thing that a client sent, in characters.
const LONGEST: usize = 768;

/// What text takes to stand in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing.
    Plain,
    /// Nothing, but JSON escapes something in it.
    Escapes,
    /// It cannot stand there as it is.
    Odd,
}

fn look(text: &[u8]) -> Look {
    // Asked of every byte, without stopping: so they are looked at by the dozen.
    let found = text.iter().fold(0, |found, byte| {
        let odd = u8::from(!(b' '..=b'~').contains(byte)) | u8::from(*byte == b'|');
        let escapes = u8::from(*byte == b'"') | u8::from(*byte == b'\\');
        found | odd << 1 | escapes
    });
    match found {
        _ if text.len() > LONGEST => Look::Odd,
        0 => Look::Plain,
        1 => Look::Escapes,
        _ => Look::Odd,
    }
}

/// Text from a client as it may stand in a log: one line, one column, and not without end.
pub(crate) fn escaped(text: &[u8]) -> Cow<'_, str> {
    if look(text) != Look::Odd
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
