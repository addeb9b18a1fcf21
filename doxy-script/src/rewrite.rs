//! `Rewrite`: how a policy changes a request that it allows. It knows no script, and no request but the
//! parts that it replaces.

use crate::query;

/// How a policy changes a request that it allows. What is not named here stays as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The body that the engine gets instead, as JSON.
    pub body: Option<String>,
    /// Names and values of parameters of the query: each takes the place of all of its name.
    pub query: Vec<(String, String)>,
    /// Names, in lower case, and values of header lines: each takes the place of all of its name.
    pub headers: Vec<(String, String)>,
}

impl Rewrite {
    /// The query that the engine gets instead of this one. None if it cannot be read.
    #[must_use]
    pub fn query_instead_of(&self, sent: Option<&str>) -> Option<String> {
        query::replaced(sent.unwrap_or_default(), &self.query)
    }

    /// Sets a value, instead of an earlier one of its name.
    pub(crate) fn set(values: &mut Vec<(String, String)>, name: &str, value: &str) {
        values.retain(|(set, _)| set != name);
        values.push((name.to_owned(), value.to_owned()));
    }
}
