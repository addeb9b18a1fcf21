//! A request as a script can hold it.
//!
//! A script's values outlive no call, but Rhai wants them to own what they hold. So the head is copied, into
//! buffers that `desk` keeps; nothing is parsed or converted before the script asks.

use std::mem;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use doxy_filter::api::{endpoint_of, schema};
use doxy_filter::{RuleRef, Verdict};

use rhai::ImmutableString;

use super::{Body, Peer, ScriptRequest};
use crate::json::{self, Doc};

/// Names and values of a query, decoded, in their order.
pub(crate) type Pairs = Arc<Vec<(ImmutableString, ImmutableString)>>;

/// Which parts of a request a policy can look at. What it cannot is not copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UsedProperties {
    pub(crate) headers: bool,
    pub(crate) matched: bool,
}

impl UsedProperties {
    pub(crate) const ALL: Self = Self {
        headers: true,
        matched: true,
    };
}

/// The body, as far as a script is concerned.
#[derive(Debug, Default)]
pub(crate) enum Content {
    #[default]
    NotRead,
    Read(Arc<Doc>),
    Refused(String),
}

/// A request that owns what it holds.
#[derive(Debug, Default)]
pub(crate) struct OwnedRequest {
    text: String,
    method: Range<usize>,
    path: Range<usize>,
    query: Range<usize>,
    socket: Range<usize>,
    /// The query once it was looked at; `None` inside if not everybody would read it alike.
    pub(crate) pairs: OnceLock<Option<Pairs>>,
    rule: Option<String>,
    pub(crate) allowed: bool,
    raw: Vec<u8>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    pub(crate) peer: Option<Peer>,
    pub(crate) has_body: bool,
    pub(crate) content: Content,
}

impl OwnedRequest {
    /// Takes a request down, in the place of the one before.
    pub(crate) fn fill(&mut self, input: &ScriptRequest<'_>, body: Body<'_>, used: UsedProperties) {
        self.clear();
        let text = &mut self.text;
        let mut keep = |part: &str| {
            let start = text.len();
            text.push_str(part);
            start..text.len()
        };
        self.method = keep(input.method);
        self.path = keep(input.path);
        self.query = keep(input.query.unwrap_or_default());
        self.socket = keep(input.socket);
        let raw = &mut self.raw;
        let mut keep = |bytes: &[u8]| {
            let start = raw.len();
            raw.extend_from_slice(bytes);
            start..raw.len()
        };
        let sent = if used.headers { input.headers } else { &[] };
        let headers = sent.iter();
        self.headers
            .extend(headers.map(|(name, value)| (keep(name.as_bytes()), keep(value))));
        let (allowed, rule) = verdict(input.verdict);
        self.allowed = allowed;
        self.rule = rule.filter(|_| used.matched).map(|rule| rule.to_string());
        self.peer = input.peer;
        self.has_body = input.has_body;
        self.content = content(input, body);
    }

    /// Forgets what it holds. How much memory it keeps for the next, in bytes.
    pub(crate) fn clear(&mut self) -> usize {
        let (mut text, mut raw, mut headers) = (
            mem::take(&mut self.text),
            mem::take(&mut self.raw),
            mem::take(&mut self.headers),
        );
        text.clear();
        raw.clear();
        headers.clear();
        *self = Self {
            text,
            raw,
            headers,
            ..Self::default()
        };
        self.text.capacity()
            + self.raw.capacity()
            + self.headers.capacity() * size_of::<[usize; 4]>()
    }

    fn part(&self, part: &Range<usize>) -> &str {
        self.text.get(part.clone()).unwrap_or_default()
    }

    pub(crate) fn method(&self) -> &str {
        self.part(&self.method)
    }

    pub(crate) fn path(&self) -> &str {
        self.part(&self.path)
    }

    pub(crate) fn query(&self) -> &str {
        self.part(&self.query)
    }

    pub(crate) fn socket(&self) -> &str {
        self.part(&self.socket)
    }

    pub(crate) fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// The values of a header, in their order. The case of its name does not matter.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let bytes = |range: &Range<usize>| self.raw.get(range.clone()).unwrap_or_default();
        self.headers
            .iter()
            .filter(move |(other, _)| bytes(other).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |(_, value)| bytes(value))
    }
}

fn verdict(verdict: Verdict<'_>) -> (bool, Option<RuleRef<'_>>) {
    match verdict {
        Verdict::Allow(rule) => (true, Some(rule)),
        Verdict::Deny(doxy_filter::Reason::Rule(rule)) => (false, Some(rule)),
        Verdict::Deny(_) => (false, None),
    }
}

fn content(input: &ScriptRequest<'_>, body: Body<'_>) -> Content {
    let bytes = match body {
        Body::NotRead => return Content::NotRead,
        Body::Unreadable(reason) => return Content::Refused(reason.to_owned()),
        Body::Read(bytes) => bytes,
    };
    // The engine never decodes; whoever sends such a body means it to be read otherwise.
    let coded = input
        .header("content-encoding")
        .any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    if coded {
        return Content::Refused(
            "the body is compressed, which the engine does not undo".to_owned(),
        );
    }
    let endpoint = endpoint_of(input.method, input.path);
    let schema = endpoint.map_or(&schema::ANY, |endpoint| endpoint.body.schema());
    match json::parse(bytes, schema) {
        Ok(doc) => Content::Read(Arc::new(doc)),
        Err(reason) => Content::Refused(reason),
    }
}
