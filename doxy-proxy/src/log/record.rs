//! Step six, log: the record of one request.
//!
//! Every request fills one, logged or not: small plain values. Text is added only if somebody logs
//! the request. The record is written when it is dropped, so a request is logged whatever became of
//! it. No record has a query, a byte of a body, or any header but `X-Request-Id` and (with `--debug`)
//! `Host`.
//!
//! Values known before the request goes to the engine are set while the record is exclusively
//! borrowed. During forwarding several futures share it, so only atomics change.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use doxy_filter::Request as Judged;
use doxy_filter::api::{Endpoint, endpoint_of};
use memchr::memchr;

use crate::http::headers::{Line, values};
use crate::http::request::Head;
use crate::log::access::Format;
use crate::log::context::{LogContext, ResponseStart, Traffic, debugging};
use crate::log::denials::FirstDenial;
use crate::log::escape::escaped;
use crate::log::facts::{Outcome, Reason, Verdict};
use crate::log::format::{LogLine, by, micros};
use crate::log::request_id::RequestId;
use crate::log::text::Text;

/// The record of one request.
#[derive(Debug)]
pub(crate) struct RequestRecord<'a> {
    context: &'a LogContext,
    pub(crate) id: RequestId,
    /// Set if the request is the first denial of its kind.
    first_denial: Option<Box<FirstDenial>>,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    /// What the engine serves at the path, if anything. Only for a request that is logged.
    endpoint: Option<&'static Endpoint>,
    /// When the response began, if it has.
    response_start: AtomicU64,
    outcome: AtomicU8,
    pub(crate) traffic: Traffic,
    /// None if nobody logs the request.
    logged: Option<Logged>,
}

/// What only a logged request has.
#[derive(Debug)]
struct Logged {
    started: Instant,
    text: Box<Text>,
}

/// The most that `--debug` shows of a script's words, in characters.
const MAX_SAID: usize = 200;
/// The most that is logged of what a client calls its request, in bytes.
const MAX_CLIENT_ID: usize = 128;
/// The bits of `response_start` that are the status; those above are the time.
const STATUS_BITS: u32 = 16;
/// The time of a response that is sent as one piece, when the request ends.
const AT_THE_END: u64 = u64::MAX >> STATUS_BITS;

impl<'a> RequestRecord<'a> {
    /// Begins the record of a request that has just arrived.
    pub(crate) fn open(context: &'a LogContext, id: RequestId) -> Self {
        let logged = context.log.is_some() || debugging();
        Self {
            context,
            id,
            first_denial: None,
            verdict: Verdict::Refused,
            reason: Reason::None,
            endpoint: None,
            response_start: AtomicU64::new(0),
            outcome: AtomicU8::new(Outcome::Cut as u8),
            traffic: Traffic::default(),
            logged: logged.then(|| Logged {
                started: Instant::now(),
                text: Text::take(),
            }),
        }
    }

    fn text(&mut self) -> Option<&mut Text> {
        self.logged.as_mut().map(|logged| &mut *logged.text)
    }

    /// Notes the head as it was sent.
    pub(crate) fn head(&mut self, head: &Head<'_, '_>) {
        let Some(text) = self.text() else {
            return;
        };
        let end = memchr(b'?', head.target.as_bytes());
        let path = end.and_then(|end| head.target.get(..end));
        let mut path = path.unwrap_or(head.target);
        // An absolute target may have a password before its host.
        if !path.starts_with('/')
            && let Some((_, rest)) = path.rsplit_once('@')
        {
            path = rest;
        }
        if debugging() {
            let host = values(&head.lines, "host").next().unwrap_or_default();
            text.host = text.quote(&escaped(host));
        }
        text.client_id = text.quote(&client_id(&head.lines));
        text.method = text.quote(head.method);
        text.path = text.quote(path);
    }

    /// Notes the path as the policy sees it, instead of as it was sent, and its endpoint.
    pub(crate) fn judged(&mut self, judged: &Judged<'_>) {
        let Some(text) = self.text() else {
            return;
        };
        if text.get(text.path) != judged.path {
            text.path = text.quote(judged.path);
        }
        self.endpoint = endpoint_of(judged.method, judged.path);
    }

    /// A rule, or a script as a whole, allowed the request.
    pub(crate) fn allowed(&mut self, file: &str, line: Option<usize>) {
        self.verdict = Verdict::Allowed;
        if let Some(text) = self.text() {
            text.quote_rule(file, line);
        }
    }

    /// The policy denies the request, at this place of its script if that did it; [`Self::refused`]
    /// says why.
    pub(crate) fn denied(&mut self, judged: &Judged<'_>, place: Option<&str>) {
        let peer = self.context.peer.named();
        let last = &self.context.noted().last_denial;
        self.first_denial = self.context.denials.count(judged, peer, place, last);
    }

    /// The policy denies the request, and a dry run forwards it; [`Self::refused`] says why.
    pub(crate) fn would_deny(&mut self) {
        self.verdict = Verdict::WouldDeny;
    }

    /// The engine would serve another request than the one that was allowed.
    pub(crate) fn revoke(&mut self) {
        self.verdict = Verdict::Refused;
    }

    /// The engine gets this full id in the path, in the place of what the client sent.
    #[cfg(feature = "script")]
    pub(crate) fn identified(&mut self, id: &str) {
        if let Some(text) = self.text() {
            text.object = text.quote(id);
        }
    }

    /// Doxy answers the request itself, or would without a dry run. `rule` decided that, if there is one; `detail` says more
    /// than the reason's own words, if there is more to say.
    pub(crate) fn refused(
        &mut self,
        verdict: Verdict,
        reason: Reason,
        rule: Option<&str>,
        detail: impl FnOnce() -> Option<String>,
    ) {
        // The policy had allowed it when the engine failed.
        let verdict = match (self.verdict, verdict) {
            (Verdict::WouldDeny, _) => Verdict::WouldDeny,
            (Verdict::Allowed, Verdict::Refused) => Verdict::Allowed,
            (_, verdict) => verdict,
        };
        self.verdict = verdict;
        self.reason = reason;
        let first = self.first_denial.take();
        if first.is_none() && self.logged.is_none() {
            return;
        }
        let detail = detail();
        let detail = detail.map(|detail| escaped(detail.as_bytes()).into_owned());
        if let Some(first) = first {
            let why = detail.as_deref().unwrap_or(reason.words());
            self.context.denials.log(
                verdict,
                &first,
                &by(&escaped(rule.unwrap_or_default().as_bytes()), why),
            );
        }
        if let Some(text) = self.text() {
            if let Some(rule) = rule {
                text.quote_rule(rule, None);
            }
            if let Some(detail) = detail {
                text.detail = Cow::Owned(detail);
            }
        }
    }

    /// Notes what a script said to the client, for `--debug` alone: it may have parts of a body in it.
    pub(crate) fn said(&mut self, words: &str) {
        if let Some(text) = self.text().filter(|_| debugging()) {
            let cut: String = words.chars().take(MAX_SAID).collect();
            text.said = text.quote(&cut);
        }
    }

    /// The client gets this status from now on.
    pub(crate) fn response_started(&self, status: u16) {
        if let Some(logged) = &self.logged {
            let micros = micros(logged.started.elapsed()).min(AT_THE_END - 1);
            self.set_response_start(status, micros);
        } else {
            self.set_response_start(status, AT_THE_END);
        }
    }

    /// The client gets this status, and the whole response with it, when the request ends.
    pub(crate) fn response_sent(&self, status: u16) {
        self.set_response_start(status, AT_THE_END);
    }

    fn set_response_start(&self, status: u16, micros: u64) {
        let value = micros << STATUS_BITS | u64::from(status);
        self.response_start.store(value, Relaxed);
    }

    /// No byte of the response has reached the client after all.
    pub(crate) fn response_dropped(&self) {
        self.response_start.store(0, Relaxed);
    }

    /// How the request ended.
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.outcome.store(outcome as u8, Relaxed);
    }
}

/// What the client calls its request, if it says so once.
fn client_id<'b>(lines: &'b [Line<'b>]) -> Cow<'b, str> {
    let mut ids = values(lines, "x-request-id");
    let id = ids.next().filter(|_| ids.next().is_none());
    let id = id.unwrap_or_default();
    match id.get(..MAX_CLIENT_ID) {
        Some(start) if id.len() > MAX_CLIENT_ID => escaped(start) + "\u{2026}",
        _ => escaped(id),
    }
}

impl Drop for RequestRecord<'_> {
    fn drop(&mut self) {
        let Some(Logged { started, text }) = self.logged.take() else {
            return;
        };
        let duration = started.elapsed();
        let start = *self.response_start.get_mut();
        let line = LogLine {
            id: self.id,
            verdict: self.verdict,
            reason: self.reason,
            endpoint: self.endpoint,
            text: &text,
            context: self.context,
            traffic: &self.traffic,
            duration,
            response_start: (start != 0).then(|| ResponseStart {
                status: start & ((1 << STATUS_BITS) - 1),
                micros: match start >> STATUS_BITS {
                    AT_THE_END => micros(duration),
                    earlier => earlier,
                },
            }),
            outcome: Outcome::of(*self.outcome.get_mut()),
        };
        if let Some(log) = &self.context.log {
            log.record(|out| match log.format {
                Format::Text => line.text(out),
                Format::Json => line.json(out),
                Format::Journald => line.entry(out),
            });
        }
        line.debug();
        text.give_back();
    }
}
