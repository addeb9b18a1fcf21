//! The kinds of denials: what is counted together, and what is known of each.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use doxy_filter::api::{Endpoint, suggest};

use crate::facts::{Reason, Verdict};
use crate::log::escape::escaped;
use crate::net::peer::Identity;

/// How many kinds are kept. The oldest gives way to a new one, whose first denial is then logged.
pub(super) const MAX_KINDS: usize = 1000;

/// The kinds of one socket.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    pub(super) counts: HashMap<Kind, Arc<Seen>>,
    /// The oldest is in front.
    pub(super) order: VecDeque<Kind>,
}

/// What is known of a kind.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) count: AtomicU64,
    /// When it came last, in seconds since 1970.
    pub(super) last: AtomicU64,
    /// What was logged of the first of its kind.
    pub(super) first: OnceLock<Box<FirstSeen>>,
}

/// The first denial of a kind.
#[derive(Debug)]
pub(super) struct FirstSeen {
    /// In seconds since 1970.
    pub(super) at: u64,
    /// Method and path, as they may stand in a log.
    pub(super) request: String,
    pub(super) endpoint: Option<&'static Endpoint>,
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    pub(super) rule: String,
}

/// A kind of request that was denied: an endpoint, a peer, and the place in the script that did it.
#[derive(Debug, Clone)]
pub struct DeniedKind {
    /// What the engine serves there, if anything.
    pub endpoint: Option<&'static Endpoint>,
    /// Who asked, by user, address or certificate.
    pub peer: String,
    /// Method and path of the first such request, escaped.
    pub request: String,
    /// `denied`, or `would_deny` in a dry run.
    pub verdict: &'static str,
    /// The code of the reason.
    pub reason: &'static str,
    /// The rule or the place in the script that decided it; empty if none did.
    pub rule: String,
    /// The rule that would allow its endpoint, written from the table of endpoints alone, whatever that
    /// opens. None if more than a rule is missing.
    pub suggestion: Option<String>,
    /// How often it came.
    pub count: u64,
    /// When it came first.
    pub first: SystemTime,
    /// When it came last.
    pub last: SystemTime,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    /// Method and template; empty where the engine serves nothing.
    pub(super) endpoint: (&'static str, &'static str),
    pub(super) peer: Identity,
    /// Where the script denied it. None if rules did.
    pub(super) place: Option<Arc<str>>,
}

impl Seen {
    /// What is known of the kind. None until its first denial is complete.
    fn known(&self, kind: &Kind) -> Option<DeniedKind> {
        let first = self.first.get()?;
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let endpoint = first.endpoint.filter(|_| first.reason.wants_a_rule());
        Some(DeniedKind {
            endpoint: first.endpoint,
            peer: kind.peer.to_string(),
            request: first.request.clone(),
            verdict: first.verdict.name(),
            reason: first.reason.name(),
            rule: first.rule.clone(),
            suggestion: endpoint.map(suggest),
            count: self.count.load(Relaxed),
            first: at(first.at),
            last: at(self.last.load(Relaxed)),
        })
    }
}

impl Kind {
    /// What was denied, and by which place of a script.
    pub(super) fn words(&self) -> (String, String) {
        let what = match self.endpoint {
            ("", _) => "paths that the engine does not serve".to_owned(),
            (method, template) => format!("{method} {template}"),
        };
        let by = match self.place.as_deref().unwrap_or_default() {
            "" => String::new(),
            place => format!(", by {}", escaped(place.as_bytes())),
        };
        (what, by)
    }
}

impl Kinds {
    /// What is known of a kind, and whether the kind is new.
    pub(super) fn seen(&mut self, kind: &Kind) -> (Arc<Seen>, bool) {
        if let Some(seen) = self.counts.get(kind) {
            return (Arc::clone(seen), false);
        }
        if self.order.len() >= MAX_KINDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        let seen = Arc::<Seen>::default();
        self.counts.insert(kind.clone(), Arc::clone(&seen));
        self.order.push_back(kind.clone());
        (seen, true)
    }

    /// What is known of each, the latest first.
    pub(super) fn known(&self) -> Vec<DeniedKind> {
        let kinds = self.counts.iter();
        let mut known: Vec<_> = kinds.filter_map(|(kind, seen)| seen.known(kind)).collect();
        known.sort_unstable_by(|one, other| {
            (other.last, other.count, &one.request).cmp(&(one.last, one.count, &other.request))
        });
        known
    }
}
