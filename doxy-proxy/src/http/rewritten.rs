//! What a policy changes of a request. Nothing here knows the request, or why it is changed.

use crate::http::headers::Line;

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
    pub(crate) query: Option<String>,
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
        let of_the_body = self.body && OF_THE_BODY.iter().any(|name| is(name));
        !of_the_body && !self.headers.iter().any(|(name, _)| is(name))
    }

    /// The lines that were not sent.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let set = self.headers.iter();
        let set = set.map(|(name, value)| (name.as_str(), value.as_bytes()));
        set.chain(self.body.then_some((JSON.0, JSON.1.as_bytes())))
    }
}
