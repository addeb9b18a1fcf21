//! A request as a script can hold it.
//!
//! Rhai's values must own their data, so the head is copied into buffers that the request cell
//! reuses. Nothing is parsed or converted before the script reads it, except the body.

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

/// Which parts of a request a policy can read. The others are not copied.
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

/// The body as a script can read it.
#[derive(Debug, Default)]
pub(crate) enum Content {
    #[default]
    NotRead,
    Read(Arc<Doc>),
    Refused(String),
}

/// A request that owns its data.
#[derive(Debug, Default)]
pub(crate) struct OwnedRequest {
    text: String,
    method: Range<usize>,
    path: Range<usize>,
    query: Range<usize>,
    socket: Range<usize>,
    /// The parsed query, after the first read; `None` inside if it is ambiguous.
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
    /// Replaces the request in it by another.
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

    /// Removes the request and keeps the buffers. Returns their size in bytes.
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

    /// The values of a header, in their order. The name is case-insensitive.
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
    // The engine never decodes a body, so it would read other bytes than such a sender means.
    let coded = input
        .header("content-encoding")
        .any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    if coded {
        return Content::Refused(
            "the body is compressed, but the engine does not decompress it".to_owned(),
        );
    }
    let endpoint = endpoint_of(input.method, input.path);
    let schema = endpoint.map_or(&schema::ANY, |endpoint| endpoint.body.schema());
    match json::parse(bytes, schema) {
        Ok(doc) => Content::Read(Arc::new(doc)),
        Err(reason) => Content::Refused(reason),
    }
}
