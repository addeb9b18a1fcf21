//! A request as a script sees it, and as it changes it. What it was changed to is judged once more, so it
//! must be what is sent. Nothing here knows why it is changed.

use crate::http::collect::{CollectedBody, RequestBody};
use crate::http::framing::Framing;
use crate::http::headers;
use crate::http::request::ValidRequest;
use crate::http::rewritten::{Change, Rewritten};

impl ValidRequest<'_, '_> {
    /// Whether a body follows the head, or may follow.
    pub(crate) fn has_body(&self) -> bool {
        !matches!(self.exchange.framing, Framing::None | Framing::Length(0))
    }

    /// Names and values of the end-to-end headers, which are the request's and not the connection's.
    pub(crate) fn end_to_end_headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let rewritten = self.rewritten.as_deref();
        let sent = self.head.lines.iter().filter(move |line| {
            !headers::is_hop_by_hop(line.name) && rewritten.is_none_or(|it| it.keeps(line))
        });
        let made = rewritten.into_iter().flat_map(Rewritten::lines);
        sent.map(|line| (line.name, line.value)).chain(made)
    }

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
