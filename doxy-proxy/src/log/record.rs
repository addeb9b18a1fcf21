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
use std::time::{Duration, Instant};

use doxy_filter::Request as Judged;
use memchr::memchr;

use crate::facts::{Outcome, Reason, Verdict};
use crate::http::headers::{Line, values};
use crate::http::request::Head;
use crate::log::access::Format;
use crate::log::context::{LogContext, ResponseStart, Traffic, debugging};
use crate::log::denials::FirstDenial;
use crate::log::escape::escaped;
use crate::log::format::{LogLine, by, micros};
use crate::log::request_id::RequestId;
use crate::log::text::Text;
use crate::metrics::SocketMetrics;
use crate::metrics::counter::{Meter, Open};
use crate::metrics::endpoints::{Asked, asked};
use crate::metrics::shares::Share;

/// The record of one request.
#[derive(Debug)]
pub(crate) struct RequestRecord<'a> {
    context: &'a LogContext,
    pub(crate) id: RequestId,
    /// Set if the request is the first denial of its kind.
    first_denial: Option<Box<FirstDenial>>,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    /// What it asks for. Only of a request that is logged or counted.
    asked: Asked,
    /// When the response began, if it has.
    response_start: AtomicU64,
    outcome: AtomicU8,
    traffic: Traffic,
    /// Whether it is the denied question of a tool of doxy's, which metrics leave out.
    probe: bool,
    /// Whether it went to the engine, and doxy has not answered it after all.
    forwarded: bool,
    /// None if nobody logs or counts the request.
    started: Option<Instant>,
    /// None if nobody logs the request.
    text: Option<Box<Text>>,
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
        let timed = logged || context.metrics.is_some();
        Self {
            context,
            id,
            first_denial: None,
            verdict: Verdict::Refused,
            reason: Reason::None,
            asked: Asked::default(),
            response_start: AtomicU64::new(0),
            outcome: AtomicU8::new(Outcome::Cut as u8),
            traffic: Traffic::default(),
            probe: false,
            forwarded: false,
            started: timed.then(Instant::now),
            text: logged.then(Text::take),
        }
    }

    fn text(&mut self) -> Option<&mut Text> {
        self.text.as_deref_mut()
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
        if self.started.is_some() {
            self.asked = asked(judged.method, judged.path);
        }
        if let Some(text) = self.text()
            && text.get(text.path) != judged.path
        {
            text.path = text.quote(judged.path);
        }
    }

    /// Notes the method of a request that is malformed, so that nobody knows its endpoint.
    pub(crate) fn malformed(&mut self, method: &str) {
        if self.started.is_some() {
            self.asked = Asked::unknown(method);
        }
    }

    /// The policy has decided, and the request goes on to the engine.
    pub(crate) fn decided(&mut self) {
        self.forwarded = true;
        if let (Some(metrics), Some(started)) = (&self.context.metrics, self.started) {
            metrics.judging.add(micros(started.elapsed()));
        }
    }

    /// A script was asked. Says how long it took, when that is known, to whoever counts.
    #[cfg(feature = "script")]
    pub(crate) fn script_begins(&self) -> Option<Instant> {
        self.context.metrics.is_some().then(Instant::now)
    }

    /// The script that began at this moment has answered.
    #[cfg(feature = "script")]
    pub(crate) fn script_ended(&self, began: Option<Instant>, failed: bool, at_limit: bool) {
        let (Some(metrics), Some(began)) = (&self.context.metrics, began) else {
            return;
        };
        let counts = &metrics.script;
        counts.calls.add(micros(began.elapsed()));
        counts.failures.add(u64::from(failed));
        counts.limits.add(u64::from(at_limit));
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

    /// Doxy answers itself what a tool of its own asks to see whether doxy is well. Neither the log of the
    /// process nor the metrics of denials have that: it is no sign of a wrong policy, and comes every few seconds.
    pub(crate) fn answered_to_probe(&mut self) {
        self.probe = true;
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
        self.forwarded = false;
        if let Some(metrics) = self.context.metrics.as_ref().filter(|_| !self.probe) {
            metrics
                .denials
                .add(verdict, reason, rule.unwrap_or_default());
            if reason == Reason::ConnectionLimit {
                let peer = self.context.peer.identity().kind();
                metrics.shares.add(Share::Connections, peer);
            }
        }
        let first = self.first_denial.take();
        if first.is_none() && self.text.is_none() {
            return;
        }
        let detail = detail();
        let detail = detail.map(|detail| escaped(detail.as_bytes()).into_owned());
        if let Some(first) = first {
            let why = detail.as_deref().unwrap_or(reason.words());
            self.context.denials.log(
                verdict,
                (reason, rule.unwrap_or_default()),
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
        if let Some(started) = self.started {
            let micros = micros(started.elapsed()).min(AT_THE_END - 1);
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

    /// Counts the bytes of the request's body.
    pub(crate) fn to_engine(&self) -> Meter<'_> {
        let metrics = self.context.metrics.as_ref();
        Meter {
            request: &self.traffic.to_engine,
            socket: metrics.map(|metrics| &metrics.to_engine),
        }
    }

    /// Counts the bytes of the response's body.
    pub(crate) fn to_client(&self) -> Meter<'_> {
        let metrics = self.context.metrics.as_ref();
        Meter {
            request: &self.traffic.to_client,
            socket: metrics.map(|metrics| &metrics.to_client),
        }
    }

    /// Counts a response that takes its time, until the returned value is dropped.
    pub(crate) fn streams(&self) -> Option<Open<'a>> {
        let metrics = self.context.metrics.as_ref()?;
        Some(metrics.streams.one_more())
    }

    /// Counts a tunnel, until the returned value is dropped.
    pub(crate) fn tunnels(&self) -> Option<Open<'a>> {
        let metrics = self.context.metrics.as_ref()?;
        Some(metrics.tunnels.one_more())
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

impl RequestRecord<'_> {
    /// Counts the request, when it has ended.
    fn count(&self, metrics: &SocketMetrics, start: Option<ResponseStart>) {
        metrics.requests.add(
            self.asked,
            self.verdict,
            start.map_or(0, |start| start.status),
        );
        if let Some(start) = start.filter(|_| self.forwarded) {
            metrics.first_byte.add(start.micros);
        }
        let outcome = usize::from(self.outcome.load(Relaxed));
        if let Some(counter) = metrics.outcomes.get(outcome) {
            counter.add(1);
        }
    }
}

impl Drop for RequestRecord<'_> {
    fn drop(&mut self) {
        let Some(started) = self.started else {
            return;
        };
        let start = *self.response_start.get_mut();
        let at_the_end = start >> STATUS_BITS == AT_THE_END;
        let text = self.text.take();
        // Only a log wants to know when a response ended that began before, or that is doxy's own.
        let duration = match self.forwarded && at_the_end || text.is_some() {
            true => started.elapsed(),
            false => Duration::ZERO,
        };
        let response_start = (start != 0).then(|| ResponseStart {
            status: (start & ((1 << STATUS_BITS) - 1)) as u16,
            micros: match at_the_end {
                true => micros(duration),
                false => start >> STATUS_BITS,
            },
        });
        if let Some(metrics) = self.context.metrics.as_ref().filter(|_| !self.probe) {
            self.count(metrics, response_start);
        }
        let Some(text) = text else {
            return;
        };
        let line = LogLine {
            id: self.id,
            verdict: self.verdict,
            reason: self.reason,
            endpoint: self.asked.endpoint(),
            text: &text,
            context: self.context,
            traffic: &self.traffic,
            duration,
            response_start,
            outcome: Outcome::of(*self.outcome.get_mut()),
        };
        if let Some(log) = &self.context.log {
            log.record(|out| match log.format() {
                Format::Text => line.text(out),
                Format::Json => line.json(out),
                Format::Journald => line.entry(out),
            });
        }
        line.debug();
        text.give_back();
    }
}
