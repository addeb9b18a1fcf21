//! Step six, log: what is said of a request, written at its very end.
//!
//! A [`RequestRecord`] is opened before the request is read and written when it is dropped, so that a
//! request is logged whatever became of it: as a line with `--debug`, and as a record in the access
//! log. Neither has a query, a byte of a body, or any header but (the line) `Host`. With both off it
//! costs nothing but a look at two flags.
//!
//! What is known before the request goes to the engine is noted by who has the record for itself; after
//! that several look at it at once, and what they note are numbers, each set in one go.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use doxy_filter::Request as Judged;
use memchr::memchr;

use crate::error::{Denial, Error};
use crate::http::headers::all;
use crate::http::request::Head;
use crate::log::access::{AccessLog, Format};
use crate::log::escape::{Escape, escape_for, escaped};
use crate::log::format::{LogLine, micros};
use crate::net::peer::Peer;

/// Who hears of the requests on one connection, and who makes them.
#[derive(Debug, Clone)]
pub(crate) struct LogContext {
    pub(crate) log: Option<AccessLog>,
    /// Known if anything is written of the requests, and else if somebody has asked.
    pub(crate) caller: Option<Arc<Peer>>,
}

/// What will be said of one request.
#[derive(Debug)]
pub(crate) struct RequestRecord<'a> {
    audit: &'a LogContext,
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
pub(crate) struct Entry {
    started: Instant,
    pub(crate) verdict: &'static str,
    /// All that is quoted of the request and of what decided it, one behind the other.
    quoted: String,
    /// Is there something in it that JSON escapes?
    pub(crate) escapes: bool,
    pub(crate) host: Span,
    pub(crate) method: Span,
    pub(crate) path: Span,
    pub(crate) rule: Span,
    /// In words of doxy's own.
    pub(crate) reason: Cow<'static, str>,
}

/// Where something is quoted; nowhere if it is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

/// Entries that wait for the next request, with the room that their text has.
const KEPT: usize = 512;

thread_local! {
    #[expect(clippy::vec_box, reason = "they are handed out and taken back as they are")]
    static SPARE: RefCell<Vec<Box<Entry>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn debugging() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

impl LogContext {
    /// Is anything written of the requests on a connection?
    pub(crate) fn is_wanted(log: Option<&AccessLog>) -> bool {
        log.is_some() || debugging()
    }
}

impl<'a> RequestRecord<'a> {
    /// Begins the record of a request that has just arrived.
    pub(crate) fn open(audit: &'a LogContext) -> Self {
        let entry = LogContext::is_wanted(audit.log.as_ref()).then(|| {
            let mut entry = SPARE
                .with_borrow_mut(Vec::pop)
                .unwrap_or_else(|| Box::new(Entry::new(Instant::now(), String::new())));
            entry.started = Instant::now();
            entry
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

impl Drop for RequestRecord<'_> {
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let now = Instant::now();
        let told = *self.told.get_mut();
        let took = now.saturating_duration_since(entry.started);
        let said = LogLine {
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
        entry.clear();
        SPARE.with_borrow_mut(|spares| {
            if spares.len() < KEPT {
                spares.push(entry);
            }
        });
    }
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
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
    fn new(started: Instant, quoted: String) -> Self {
        Self {
            started,
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

    /// Makes it as good as new, but for its start. Nothing of one request is left for the next.
    fn clear(&mut self) {
        let mut quoted = std::mem::take(&mut self.quoted);
        quoted.clear();
        // What is common fits; the room of what is not is given back.
        quoted.shrink_to(512);
        *self = Self::new(self.started, quoted);
    }

    /// Quotes something that a client sent, or a file has: on one line, and not without end.
    fn quote(&mut self, text: &str) -> Span {
        let start = self.quoted.len();
        match escape_for(text.as_bytes()) {
            Escape::Plain => self.quoted.push_str(text),
            Escape::Escapes => {
                self.quoted.push_str(text);
                self.escapes = true;
            }
            Escape::Odd => {
                self.quoted.push_str(&escaped(text.as_bytes()));
                self.escapes = true;
            }
        }
        let end = self.quoted.len();
        Span { start, end }
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        self.quoted.get(span.start..span.end).unwrap_or_default()
    }
}
