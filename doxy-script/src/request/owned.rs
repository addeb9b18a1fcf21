//! A request as a script can hold it.
//!
//! Rhai's values must own their data, so the head is copied into buffers that the request cell
//! reuses. Nothing is parsed or converted before the script reads it, except the body.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use doxy_filter::api::{endpoint_of, schema};
use doxy_filter::{RuleRef, Verdict, split_version};

use rhai::ImmutableString;

use super::{Body, Peer, PeerContainer, ScriptRequest};
use crate::json::{self, Doc};

/// Names and values of a query, decoded, in their order.
pub(crate) type Pairs = Arc<Vec<(ImmutableString, ImmutableString)>>;

/// Which parts of a request a policy can read. The others are not copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UsedProperties {
    pub(crate) headers: bool,
    pub(crate) matched: bool,
    /// Of the peer.
    pub(crate) container: bool,
}

impl UsedProperties {
    pub(crate) const ALL: Self = Self {
        headers: true,
        matched: true,
        container: true,
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

/// A part of the head, and the value that a script gets of it. The value is made when the script
/// reads it, and used again while requests have the same text there.
#[derive(Debug, Default)]
struct Part {
    range: Range<usize>,
    value: OnceLock<ImmutableString>,
}

/// A request that owns its data.
#[derive(Debug, Default)]
pub(crate) struct OwnedRequest {
    text: String,
    method: Part,
    path: Part,
    /// The path without the version, and the version.
    endpoint: Part,
    version: Part,
    query: Range<usize>,
    socket: Part,
    /// The parsed query, after the first read; `None` inside if it is ambiguous.
    pub(crate) pairs: OnceLock<Option<Pairs>>,
    rule: Option<String>,
    pub(crate) allowed: bool,
    raw: Vec<u8>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    pub(crate) peer: Option<Peer>,
    pub(crate) container: PeerContainer,
    pub(crate) has_body: bool,
    pub(crate) content: Content,
}

impl OwnedRequest {
    /// Puts a request into it. It is new, or cleared.
    pub(crate) fn fill(&mut self, input: &ScriptRequest<'_>, body: Body<'_>, used: UsedProperties) {
        let text = &mut self.text;
        let mut keep = |part: &str| {
            let start = text.len();
            text.push_str(part);
            start..text.len()
        };
        let (version, endpoint) = split_version(input.path);
        self.method.set(keep(input.method), input.method);
        self.path.set(keep(input.path), input.path);
        self.endpoint.set(keep(endpoint), endpoint);
        self.version.set(keep(version), version);
        self.socket.set(keep(input.socket), input.socket);
        self.query = keep(input.query.unwrap_or_default());
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
        self.peer.clone_from(&input.peer);
        if used.container {
            self.container.clone_from(input.container);
        }
        self.has_body = input.has_body;
        self.content = content(input, body);
    }

    /// Removes the request and keeps the buffers. Returns how many bytes it still holds.
    pub(crate) fn clear(&mut self) -> usize {
        let Self {
            text,
            method,
            path,
            endpoint,
            version,
            query,
            socket,
            pairs,
            rule,
            allowed,
            raw,
            headers,
            peer,
            container,
            has_body,
            content,
        } = self;
        text.clear();
        raw.clear();
        headers.clear();
        let parts = [method, path, endpoint, version, socket];
        let values = parts.map(Part::clear);
        *query = 0..0;
        *pairs = OnceLock::new();
        *rule = None;
        *allowed = false;
        *peer = None;
        *container = PeerContainer::NotAsked;
        *has_body = false;
        *content = Content::NotRead;
        text.capacity()
            + raw.capacity()
            + headers.capacity() * size_of::<[usize; 4]>()
            + values.iter().sum::<usize>()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn value(&self, part: &Part) -> ImmutableString {
        part.value
            .get_or_init(|| self.text(&part.range).into())
            .clone()
    }

    pub(crate) fn method(&self) -> ImmutableString {
        self.value(&self.method)
    }

    pub(crate) fn path(&self) -> ImmutableString {
        self.value(&self.path)
    }

    pub(crate) fn endpoint(&self) -> ImmutableString {
        self.value(&self.endpoint)
    }

    pub(crate) fn version(&self) -> ImmutableString {
        self.value(&self.version)
    }

    pub(crate) fn query(&self) -> &str {
        self.text(&self.query)
    }

    pub(crate) fn socket(&self) -> ImmutableString {
        self.value(&self.socket)
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

impl Part {
    /// Replaces the text, and forgets the value if it was made of another one.
    fn set(&mut self, range: Range<usize>, text: &str) {
        self.range = range;
        if self.value.get().is_some_and(|value| value.as_str() != text) {
            self.value.take();
        }
    }

    /// Removes the text. Returns how long the value is that is kept.
    fn clear(&mut self) -> usize {
        self.range = 0..0;
        self.value.get().map_or(0, |value| value.len())
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

#[cfg(test)]
mod tests {
    use std::ptr;

    use doxy_filter::{Reason, Verdict};

    use super::{OwnedRequest, UsedProperties};
    use crate::request::{Body, PeerContainer, ScriptRequest};

    /// The values that a script reads, of requests that follow each other in one buffer.
    #[test]
    fn a_value_is_used_again_only_for_the_same_text() {
        let mut request = OwnedRequest::default();
        let mut before = None;
        for (method, path, socket, same) in [
            ("GET", "/v1.41/info", "/run/a.sock", [false; 5]),
            ("GET", "/v1.41/info", "/run/a.sock", [true; 5]),
            (
                "GET",
                "/v1.42/info",
                "/run/a.sock",
                [true, false, true, false, true],
            ),
            (
                "GET",
                "/info",
                "/run/a.sock",
                [true, false, true, false, true],
            ),
            (
                "POST",
                "/build",
                "/run/b.sock",
                [false, false, false, true, false],
            ),
            ("", "", "", [false, false, false, true, false]),
        ] {
            let input = ScriptRequest {
                method,
                path,
                query: None,
                headers: &[],
                peer: None,
                container: &PeerContainer::NotAsked,
                socket,
                has_body: false,
                changed: false,
                verdict: Verdict::Deny(Reason::NoRule),
            };
            request.fill(&input, Body::NotRead, UsedProperties::default());
            let (version, endpoint) = doxy_filter::split_version(path);
            let values = [
                request.method(),
                request.path(),
                request.endpoint(),
                request.version(),
                request.socket(),
            ];
            assert_eq!(
                values.each_ref().map(|v| v.as_str()),
                [method, path, endpoint, version, socket]
            );
            if let Some(before) = before.replace(values.clone()) {
                let reused: Vec<_> = before
                    .iter()
                    .zip(&values)
                    .map(|(one, other)| ptr::eq(one.as_str(), other.as_str()))
                    .collect();
                assert_eq!(reused, same, "{method} {path}");
            }
            let kept: usize = values.iter().map(|value| value.len()).sum();
            assert!(request.clear() >= kept, "{method} {path}");
            assert_eq!(request.query(), "");
        }
    }
}
