//! What a policy is asked about, as the caller gives it and as the script can hold it.
//!
//! A script's values outlive no call, but Rhai wants them to own what they hold. So the head is copied once, into
//! two buffers; nothing is parsed or converted before the script asks.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use doxy_filter::{RuleRef, Verdict};

use rhai::ImmutableString;

use crate::body::{self, Doc};

/// Names and values of a query, decoded, in their order.
pub(crate) type Pairs = Arc<Vec<(ImmutableString, ImmutableString)>>;

/// A request as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as [`doxy_filter::canonical_path`] gave it.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: Option<&'a str>,
    /// The headers that are passed on, in the order in which they came: names and values.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Who connected, as the kernel tells; `None` over TCP.
    pub peer: Option<Peer>,
    /// The socket on which the request came.
    pub socket: &'a str,
    /// Whether the request has a body, or may have one: a length beyond zero, or a transfer coding.
    pub has_body: bool,
    /// What the patterns say.
    pub verdict: Verdict<'a>,
}

/// The process that connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its number, where the kernel can tell. Good for a log; another process may have it by now.
    pub pid: Option<i32>,
}

/// What there is of the body.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// It was not read yet. If the policy asks for it, the decision is [`Decision::NeedsBody`](crate::Decision).
    NotRead,
    /// All of it: the very bytes that will be forwarded.
    Read(&'a [u8]),
    /// It could not be read: longer than the limit, broken off. The reason goes to the client.
    Unreadable(&'a str),
}

impl<'a> Input<'a> {
    /// The values of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// Which parts of a request a script may look at: whose names appear in its text. What it cannot name is not copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interest {
    headers: bool,
    matched: bool,
}

impl Interest {
    pub(crate) fn of(source: &str) -> Self {
        Self {
            headers: source.contains("headers"),
            matched: source.contains("matched"),
        }
    }
}

/// The body, as far as a script is concerned.
#[derive(Debug)]
pub(crate) enum Content {
    NotRead,
    Read(Arc<Doc>),
    Refused(String),
}

/// A request that owns what it holds.
#[derive(Debug)]
pub(crate) struct Facts {
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

impl Facts {
    pub(crate) fn new(input: &Input<'_>, body: Body<'_>, interest: Interest) -> Self {
        let parts = [
            input.method,
            input.path,
            input.query.unwrap_or_default(),
            input.socket,
        ];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let [method, path, query, socket] = parts.map(|part| {
            let start = text.len();
            text.push_str(part);
            start..text.len()
        });
        let sent = if interest.headers { input.headers } else { &[] };
        let mut raw = Vec::with_capacity(
            sent.iter()
                .map(|(name, value)| name.len() + value.len())
                .sum(),
        );
        let mut keep = |bytes: &[u8]| {
            let start = raw.len();
            raw.extend_from_slice(bytes);
            start..raw.len()
        };
        let headers = sent
            .iter()
            .map(|(name, value)| (keep(name.as_bytes()), keep(value)))
            .collect();
        let (allowed, rule) = verdict(input.verdict);
        Self {
            text,
            method,
            path,
            query,
            socket,
            pairs: OnceLock::new(),
            rule: rule
                .filter(|_| interest.matched)
                .map(|rule| rule.to_string()),
            allowed,
            raw,
            headers,
            peer: input.peer,
            has_body: input.has_body,
            content: content(input, body),
        }
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

    /// Names and values of the headers, in their order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let bytes = |range: &Range<usize>| self.raw.get(range.clone()).unwrap_or_default();
        self.headers
            .iter()
            .map(move |(name, value)| (bytes(name), bytes(value)))
    }
}

fn verdict(verdict: Verdict<'_>) -> (bool, Option<RuleRef<'_>>) {
    match verdict {
        Verdict::Allow(rule) => (true, Some(rule)),
        Verdict::Deny(doxy_filter::Reason::Rule(rule)) => (false, Some(rule)),
        Verdict::Deny(_) => (false, None),
    }
}

fn content(input: &Input<'_>, body: Body<'_>) -> Content {
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
    let (_, endpoint) = doxy_filter::split_version(input.path);
    match body::parse(bytes, body::shape_of(input.method, endpoint)) {
        Ok(doc) => Content::Read(Arc::new(doc)),
        Err(reason) => Content::Refused(reason),
    }
}
