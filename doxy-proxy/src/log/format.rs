//! How a record is written: as the line of `--debug`, and for the access log as text or JSON.
//!
//! Nothing is decided here, and nothing looked up: what is written has been noted in the record.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::log::date;
use crate::log::escape::escaped;
use crate::log::json;
use crate::log::record::{Entry, Outcome, Traffic, debugging};
use crate::net::peer::Peer;

/// What is said of a request that has ended.
pub(crate) struct LogLine<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) caller: Option<&'a Peer>,
    pub(crate) traffic: &'a Traffic,
    pub(crate) now: Instant,
    pub(crate) took: Duration,
    /// Status and time of the answer's beginning, in microseconds.
    pub(crate) told: Option<(u64, u64)>,
    pub(crate) outcome: Outcome,
}

impl LogLine<'_> {
    /// The columns of the original, and the reason and the caller behind them.
    pub(crate) fn debug(&self) {
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
                let Peer {
                    uid,
                    gid,
                    pid,
                    comm,
                    written: _,
                } = caller;
                let comm = escaped(comm.as_bytes());
                format!("uid {uid}, gid {gid}, pid {pid} {comm}")
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

    pub(crate) fn text(&self, line: &mut Vec<u8>) {
        let Self { entry, .. } = self;
        date::append(line, self.now);
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
                word(&mut line, " command=", &escaped(caller.comm.as_bytes()));
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

    pub(crate) fn json(&self, line: &mut Vec<u8>) {
        let Self { entry, .. } = self;
        put(line, "{\"time\":\"");
        date::append(line, self.now);
        put(line, "\"");
        if let Some(caller) = self.caller {
            line.extend_from_slice(caller.written.get_or_init(|| {
                let mut line = Vec::new();
                number(&mut line, ",\"uid\":", caller.uid);
                number(&mut line, ",\"gid\":", caller.gid);
                number(&mut line, ",\"pid\":", caller.pid);
                let comm = escaped(caller.comm.as_bytes());
                quoted(&mut line, ",\"command\":", &comm, true);
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

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
