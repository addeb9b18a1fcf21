//! A request that a policy has changed. What it was changed to is judged once more, so it must be what
//! is sent. Nothing here knows why it was changed.

use crate::http::collect::{CollectedBody, RequestBody};
use crate::http::framing::Framing;
use crate::http::headers::Line;
use crate::http::request::ValidRequest;

/// What a policy changes: whole parts of a request. What is None stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) query: Option<String>,
    /// A body in JSON.
    pub(crate) body: Option<String>,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
}

/// What was changed of a request's head.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    pub(super) query: Option<String>,
    /// They take the place of all lines of their names.
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the body is new, and the lines that described the old one are gone.
    pub(crate) body: bool,
}

/// Headers that describe the body that was sent.
const OF_THE_BODY: [&str; 4] = ["content-type", "content-encoding", "content-md5", "digest"];

/// What a body in JSON is called.
const JSON: (&str, &str) = ("content-type", "application/json");

impl Rewritten {
    /// Whether a line that was sent is still the request's.
    pub(crate) fn keeps(&self, line: &Line<'_>) -> bool {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        let replaced = self.headers.iter().any(|(name, _)| is(name));
        !replaced && !(self.body && OF_THE_BODY.iter().any(|name| is(name)))
    }

    /// The lines that were not sent.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let set = self.headers.iter();
        let set = set.map(|(name, value)| (name.as_str(), value.as_bytes()));
        set.chain(self.body.then_some((JSON.0, JSON.1.as_bytes())))
    }
}

impl ValidRequest<'_, '_> {
    /// Whether its body is still to come.
    pub(crate) fn waits_for_body(&self) -> bool {
        self.has_body() && matches!(self.body, RequestBody::Unread)
    }

    /// Whether this would change anything.
    pub(crate) fn differs_from(&self, change: &Change) -> bool {
        let body = change.body.as_ref().is_some_and(|body| {
            !matches!(&self.body, RequestBody::Collected(now) if now.bytes() == body.as_bytes())
                || self.rewritten.as_ref().is_none_or(|it| !it.body)
        });
        let query = change.query.as_deref();
        let query = query.is_some_and(|query| query != self.judged().query.unwrap_or_default());
        let headers = change.headers.iter().any(|(name, value)| {
            let mut lines = self.end_to_end_headers().filter(|line| {
                let (other, _) = line;
                other.eq_ignore_ascii_case(name)
            });
            lines.next().is_none_or(|(_, now)| now != value.as_bytes()) || lines.next().is_some()
        });
        body || query || headers
    }

    /// Changes the request. Its body was read, if it has one. False if that cannot be done: then the
    /// request must not be forwarded.
    #[must_use]
    pub(crate) fn rewrite(&mut self, change: Change) -> bool {
        let Change {
            query,
            body,
            headers,
        } = change;
        let rewritten = self.rewritten.get_or_insert_default();
        for (name, value) in headers {
            rewritten.headers.retain(|(set, _)| *set != name);
            rewritten.headers.push((name, value));
        }
        if let Some(query) = query {
            let path = self.path_and_query.split('?').next().unwrap_or_default();
            self.path_and_query = match query.is_empty() {
                true => path.to_owned().into(),
                false => format!("{path}?{query}").into(),
            };
            rewritten.query = Some(query);
        }
        let Some(body) = body else {
            return true;
        };
        rewritten.body = true;
        let unreadable = RequestBody::Unreadable("its new body is too long".into());
        let read = match std::mem::replace(&mut self.body, unreadable) {
            RequestBody::Collected(read) => read,
            RequestBody::Unread if !self.has_body() => CollectedBody::of(Vec::new()),
            _ => return false,
        };
        let Some(made) = read.replaced(body.into_bytes()) else {
            return false;
        };
        self.exchange.framing = Framing::Length(made.bytes().len() as u64);
        self.body = RequestBody::Collected(made);
        true
    }
}
