//! Recorded requests become a pattern file: the smallest one that allows them, with comments.
//!
//! Names, ids, digests and versions stand for any; methods are those that were seen. Which endpoints
//! are allowed is decided by the table alone: a rule comes from [`suggest`], and where that leaves a
//! request out, from the whole path of that request. It must never allow an endpoint that was not
//! recorded, and never write what a client sent except escaped, on one line.

mod row;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use self::row::Row;
pub use self::row::Withheld;
use crate::api::{Api, Endpoint, Risk, endpoint_of};

/// What nobody allows without having been asked.
const ASKED_FOR: [Risk; 5] = [
    Risk::HostRoot,
    Risk::Exec,
    Risk::Secrets,
    Risk::FilesOut,
    Risk::FilesIn,
];
/// How many requests that are for no endpoint are kept.
const MAX_STRANGERS: usize = 50;

/// The requests that were recorded, by endpoint. It grows with the endpoints, not with the requests.
#[derive(Debug, Default)]
pub struct Learned {
    rows: BTreeMap<Key, Row>,
    /// Method and path of what is for no endpoint.
    strangers: BTreeSet<(String, String)>,
    /// How many of those were not kept.
    more_strangers: u64,
    requests: u64,
}

/// Docker's endpoints before libpod's, each by template and method.
type Key = (bool, &'static str, &'static str);

/// What a request is for.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    /// The endpoint; none if no engine serves one there.
    pub endpoint: Option<&'static Endpoint>,
    /// Whether it is the first request for it.
    pub is_new: bool,
}

/// A pattern file.
#[derive(Debug)]
pub struct PatternFile {
    /// Its text.
    pub text: String,
    /// The endpoints that it allows.
    pub allowed: Vec<&'static Endpoint>,
    /// The endpoints that were seen and are only comments.
    pub withheld: Vec<Withheld>,
}

impl Learned {
    /// Records a request. `path` is what [`canonical_path`](crate::canonical_path) returns; `denied`
    /// says whether the policy in force denied it.
    pub fn note(&mut self, method: &str, path: &str, denied: bool) -> Noted {
        self.requests += 1;
        let Some(endpoint) = endpoint_of(method, path) else {
            return Noted {
                endpoint: None,
                is_new: self.note_stranger(method, path),
            };
        };
        let key = key(endpoint);
        let row = self.rows.entry(key).or_insert_with(|| Row::new(endpoint));
        row.note(method, path);
        row.denied += u64::from(denied);
        Noted {
            endpoint: Some(endpoint),
            is_new: row.requests == 1,
        }
    }

    fn note_stranger(&mut self, method: &str, path: &str) -> bool {
        let request = (method.to_owned(), path.to_owned());
        if self.strangers.contains(&request) {
            return false;
        }
        if self.strangers.len() < MAX_STRANGERS {
            return self.strangers.insert(request);
        }
        self.more_strangers += 1;
        false
    }

    /// How many requests were recorded.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The endpoints that were seen, with the number of requests, in the order of the file.
    pub fn endpoints(&self) -> impl Iterator<Item = (&'static Endpoint, u64)> {
        self.rows.values().map(|row| (row.endpoint, row.requests))
    }

    /// How many kinds of requests were for no endpoint.
    #[must_use]
    pub fn strangers(&self) -> u64 {
        let kept = u64::try_from(self.strangers.len()).unwrap_or(u64::MAX);
        kept.saturating_add(self.more_strangers)
    }

    /// The file. Requests with risks that nobody accepts without a question are comments in it,
    /// unless `accepted` has all of these risks.
    #[must_use]
    pub fn pattern_file(&self, accepted: &[Risk]) -> PatternFile {
        let withhold = |row: &Row| {
            let asked = ASKED_FOR
                .iter()
                .filter(|it| row.endpoint.risks.contains(it));
            let missing = asked.filter(|risk| !accepted.contains(risk));
            Withheld {
                endpoint: row.endpoint,
                risks: missing.copied().collect(),
                denied: row.denied > 0,
            }
        };
        let rows = self.rows.values().map(|row| (row, withhold(row)));
        let (allowed, withheld): (Vec<_>, Vec<_>) =
            rows.partition(|(_, why)| why.risks.is_empty() && !why.denied);
        let allowed: Vec<_> = allowed.into_iter().map(|(row, _)| row).collect();
        PatternFile {
            text: text::write(
                &allowed,
                &withheld,
                &self.strangers,
                self.more_strangers > 0,
            ),
            allowed: allowed.iter().map(|row| row.endpoint).collect(),
            withheld: withheld.into_iter().map(|(_, why)| why).collect(),
        }
    }
}

fn key(endpoint: &Endpoint) -> Key {
    let libpod = endpoint.api == Api::Libpod;
    (libpod, endpoint.template, endpoint.method)
}
