//! One endpoint that was seen, and its rules.
//!
//! It must never make a rule of anything but the table, or the whole path of a request, escaped.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::api::{Api, Endpoint, Risk, suggest};
use crate::path::split_version;
use crate::request::Request;
use crate::rules::RuleSet;
use crate::verdict::Verdict;

/// How many paths of one endpoint get rules of their own.
const MAX_PATHS: usize = 20;

/// One endpoint.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) endpoint: &'static Endpoint,
    pub(super) requests: u64,
    /// How many of them the policy in force denied.
    pub(super) denied: u64,
    suggested: String,
    /// The suggested rule, to ask whether it allows a request.
    rules: Option<RuleSet>,
    /// Whether it has allowed one.
    fits: bool,
    /// Paths that the suggested rule does not allow.
    pub(super) paths: BTreeSet<String>,
    /// How many of those were not kept.
    pub(super) more_paths: u64,
}

/// An endpoint that was seen and that no rule of the file allows.
#[derive(Debug)]
pub struct Withheld {
    /// The endpoint.
    pub endpoint: &'static Endpoint,
    /// Its risks for which nobody has been asked.
    pub risks: Vec<Risk>,
    /// Whether the policy in force denied some request for it. Nothing is learned against a policy.
    pub denied: bool,
}

impl Row {
    pub(super) fn new(endpoint: &'static Endpoint) -> Self {
        let suggested = suggest(endpoint);
        Self {
            endpoint,
            requests: 0,
            denied: 0,
            rules: RuleSet::parse("suggested", suggested.as_bytes()).ok(),
            suggested,
            fits: false,
            paths: BTreeSet::new(),
            more_paths: 0,
        }
    }

    pub(super) fn note(&mut self, method: &str, path: &str) {
        self.requests += 1;
        let request = Request {
            method,
            path,
            query: None,
        };
        let rules = self.rules.as_ref();
        let allowed =
            rules.is_some_and(|rules| matches!(rules.decide(&request), Verdict::Allow(_)));
        self.fits |= allowed;
        if allowed || self.paths.contains(path) {
            return;
        }
        if self.paths.len() < MAX_PATHS {
            self.paths.insert(path.to_owned());
        } else {
            self.more_paths += 1;
        }
    }

    /// Its rules: the suggested one if it allows something that was seen, and one for each path that
    /// it does not allow.
    pub(super) fn rules(&self) -> impl Iterator<Item = String> {
        let suggested = self.fits.then(|| self.suggested.clone());
        let paths = self.paths.iter().map(|path| {
            let pattern = match (self.endpoint.api, split_version(path)) {
                (Api::Docker, (_, plain)) => format!(r"(/v[\d.]+)?{}", escaped(plain)),
                (Api::Libpod, _) => escaped(path),
            };
            format!("{} {pattern}", self.endpoint.method)
        });
        suggested.into_iter().chain(paths)
    }
}

/// A pattern that matches this text and no other.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for char in text.chars() {
        match char {
            '/' | '-' | '_' | ':' | '@' | ',' => pattern.push(char),
            _ if char.is_ascii_alphanumeric() => pattern.push(char),
            _ if char.is_ascii_punctuation() => pattern.extend(['\\', char]),
            _ => {
                let _ = write!(pattern, r"\x{{{:x}}}", u32::from(char));
            }
        }
    }
    pattern
}
