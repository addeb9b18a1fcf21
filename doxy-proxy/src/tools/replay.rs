//! Asks a changed policy about recorded requests, and counts what would change.
//!
//! The log is read line by line. What is kept grows with the kinds of changes, up to a limit, and not
//! with the requests. It must never say `the same` where the log lacks what decides.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use doxy_filter::api::{Endpoint, endpoint_of};
use doxy_proxy::{
    Answer, DecidedBy, Explanation, Policy, RecordedPeer, RecordedRequest, io_reason,
};

use crate::config::ConfigError;
use crate::startup::Failure;
use crate::tools::records::{Line, Record, Records, Verdict};
use crate::tools::say::say;

/// How many answers of the policy are remembered.
const MAX_REMEMBERED: usize = 4096;
/// How many changes are kept one by one; further ones are counted by their endpoints.
const MAX_CHANGES: usize = 1000;
/// How many lines that are no records are told one by one.
const MAX_TOLD: u64 = 5;
/// If so many lines at the beginning are no records, the file is something else.
const MAX_FOREIGN: u64 = 100;
/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);
/// How many lines are read between two looks at the clock.
const LINES_A_LOOK: u64 = 1000;

/// What a script may read and a log does not have.
const IN_NO_LOG: [&str; 8] = [
    "the body",
    "the query",
    "the headers",
    "the caller's user",
    "the caller's process",
    "the caller's container",
    "the caller's address and certificate",
    PATH_END,
];
const PATH_END: &str = "the end of the path";
const LOOKUPS: &str = "what the engine says of an object";

/// What a policy would change.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) requests: u64,
    /// The policy says the same about so many.
    pub(crate) same: u64,
    pub(crate) would_be_denied: u64,
    pub(crate) would_be_allowed: u64,
    pub(crate) depends: u64,
    /// What the log lacks to decide about those.
    pub(crate) lacks: BTreeMap<&'static str, u64>,
    /// Requests that no policy was asked about.
    pub(crate) refused: u64,
    /// Requests that the log has lost.
    pub(crate) lost: u64,
    /// Lines that are no records.
    pub(crate) faults: u64,
    changes: BTreeMap<Change, u64>,
}

/// One kind of change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) to: To,
    pub(crate) method: String,
    /// None for several paths that are not told apart.
    pub(crate) path: Option<String>,
    pub(crate) endpoint: Option<&'static str>,
    pub(crate) from: &'static str,
    /// What decides now: a rule, a script, or why it is denied; or what the log lacks.
    pub(crate) by: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    Denied,
    Allowed,
    Depends,
}

/// What the policy says about requests that a log does not tell apart.
#[derive(Debug, Clone)]
struct Said {
    to: To,
    by: String,
}

/// The policy, and what it has said.
struct Asked<'p> {
    policy: &'p Policy,
    socket: &'p str,
    said: HashMap<(String, String, RecordedPeer), Said>,
}

impl To {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Allowed => "allowed",
            Self::Depends => "depends",
        }
    }
}

impl Replayed {
    /// The changes, those to denials first, with their numbers of requests.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Change, u64)> {
        self.changes.iter().map(|(change, count)| (change, *count))
    }

    fn note(&mut self, record: Record, asked: &mut Asked<'_>) {
        self.requests += 1;
        if record.verdict == Verdict::Refused {
            self.refused += 1;
            return;
        }
        let from = match record.verdict {
            Verdict::Allowed => To::Allowed,
            _ => To::Denied,
        };
        let said = match &record.path {
            Some(path) => asked.ask(&record, path),
            None => Said {
                to: To::Depends,
                by: PATH_END.to_owned(),
            },
        };
        match said.to {
            to if to == from => {
                self.same += 1;
                return;
            }
            To::Denied => self.would_be_denied += 1,
            To::Allowed => self.would_be_allowed += 1,
            To::Depends => {
                self.depends += 1;
                *self.lacks.entry(lacking(&said.by)).or_default() += 1;
            }
        }
        let path = record.path.as_deref().unwrap_or_default();
        let endpoint = endpoint_of(&record.method, path);
        let mut change = Change {
            to: said.to,
            method: record.method,
            path: record.path,
            endpoint: endpoint.map(|endpoint| endpoint.template),
            from: record.verdict.name(),
            by: said.by,
        };
        if let Some(count) = self.changes.get_mut(&change) {
            *count += 1;
            return;
        }
        if self.changes.len() >= MAX_CHANGES {
            change = change.of_endpoint(endpoint);
        }
        *self.changes.entry(change).or_default() += 1;
    }
}

impl Change {
    /// The same, of any request for the endpoint.
    fn of_endpoint(self, endpoint: Option<&'static Endpoint>) -> Self {
        Self {
            method: endpoint.map_or("*", |endpoint| endpoint.method).to_owned(),
            path: None,
            // The reasons of a script can be as many as the requests.
            by: String::new(),
            ..self
        }
    }
}

impl Asked<'_> {
    fn ask(&mut self, record: &Record, path: &str) -> Said {
        let key = (record.method.clone(), path.to_owned(), record.peer);
        if let Some(said) = self.said.get(&key) {
            return said.clone();
        }
        let said = said(&self.policy.explain_recorded(&RecordedRequest {
            method: &record.method,
            path,
            peer: record.peer,
            socket: self.socket,
        }));
        if self.said.len() >= MAX_REMEMBERED {
            self.said.clear();
        }
        self.said.insert(key, said.clone());
        said
    }
}

/// The kind of what a log lacks: objects that are looked up are as many as their names.
fn lacking(what: &str) -> &'static str {
    let mut kinds = IN_NO_LOG.iter();
    kinds.find(|kind| **kind == what).unwrap_or(&LOOKUPS)
}

fn said(explanation: &Explanation) -> Said {
    let place = match &explanation.by {
        DecidedBy::Rule(place) | DecidedBy::Script(place) => place.clone(),
        DecidedBy::Reading | DecidedBy::NoRule | DecidedBy::Open => String::new(),
    };
    match &explanation.answer {
        Answer::Allow => Said {
            to: To::Allowed,
            by: place,
        },
        Answer::Deny => Said {
            to: To::Denied,
            by: match place.is_empty() {
                true => explanation.reason.clone(),
                false => place,
            },
        },
        Answer::Depends(what) => Said {
            to: To::Depends,
            by: what.clone(),
        },
    }
}

/// Reads a whole log. `socket` is the name of the socket that the policy is for.
pub(crate) fn replay(path: &Path, policy: &Policy, socket: &str) -> Result<Replayed, Failure> {
    let unread = |error: io::Error| {
        let help = "name an access log of doxy in the format json";
        ConfigError::new(path.display(), io_reason(&error), help)
    };
    let records = Records::open(path).map_err(unread)?;
    let size = std::fs::metadata(path).map_or(0, |found| found.len());
    let shown = io::stderr().is_terminal();
    let mut replaying = Replaying {
        path,
        records,
        asked: Asked {
            policy,
            socket,
            said: HashMap::new(),
        },
        progress: shown.then(|| (Instant::now(), size)),
    };
    replaying.run(unread)
}

/// A log that is being read.
struct Replaying<'p, R> {
    path: &'p Path,
    records: Records<R>,
    asked: Asked<'p>,
    /// When the progress was shown last, and how long the log is.
    progress: Option<(Instant, u64)>,
}

impl<R: BufRead> Replaying<'_, R> {
    fn run(&mut self, unread: impl Fn(io::Error) -> ConfigError) -> Result<Replayed, Failure> {
        let mut replayed = Replayed::default();
        let mut first = None;
        while let Some(line) = self.records.next().map_err(&unread)? {
            self.show_progress();
            match line {
                Line::Request(record) => replayed.note(*record, &mut self.asked),
                Line::Lost(lost) => replayed.lost = replayed.lost.saturating_add(lost),
                Line::Fault(why) => {
                    let number = self.records.number;
                    first.get_or_insert((number, why));
                    replayed.faults += 1;
                    if replayed.requests == 0 && replayed.faults >= MAX_FOREIGN {
                        break;
                    }
                    if replayed.faults <= MAX_TOLD {
                        say(&format!(
                            "{}:{number}: {why}; left out",
                            self.path.display()
                        ));
                    }
                }
            }
        }
        if self.progress.is_some() {
            clear_line();
        }
        match first {
            Some((number, why)) if replayed.requests == 0 => Err(ConfigError::new(
                format_args!("{}:{number}", self.path.display()),
                why,
                "name an access log of doxy, written with log-format json",
            )
            .into()),
            _ => Ok(replayed),
        }
    }

    fn show_progress(&mut self) {
        let number = self.records.number;
        let Some((shown, size)) = &mut self.progress else {
            return;
        };
        if !number.is_multiple_of(LINES_A_LOOK) || shown.elapsed() < PROGRESS {
            return;
        }
        *shown = Instant::now();
        let share = self.records.bytes.saturating_mul(100).checked_div(*size);
        let share = share.map_or(String::new(), |share| format!(", {}%", share.min(100)));
        // Whoever does not see it misses nothing.
        let _ = write!(io::stderr(), "\rdoxy: {number} lines{share} ");
    }
}

fn clear_line() {
    let _ = write!(io::stderr(), "\r{:40}\r", "");
}

#[cfg(test)]
mod tests;
