//! What doxy answered itself, or would have: by reason, and by the rule or the place in the script that
//! decided it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::facts::{Reason, Verdict};

/// The most rules and places that are told apart on a socket. A policy has that many lines only if it is
/// reloaded often, each time with others.
const MAX_RULES: usize = 1000;
/// What stands for further ones.
const OTHER: &str = "other";

/// The denials of one socket on one thread.
///
/// The lock is the thread's own: only a scrape contends for it, for as long as a copy takes.
#[derive(Debug, Default)]
pub(crate) struct DenialCounts(Mutex<Counts>);

type Counts = BTreeMap<(Verdict, Reason), BTreeMap<Box<str>, u64>>;

impl DenialCounts {
    /// Counts a request that doxy answered itself. `rule` is empty if none decided it.
    pub(crate) fn add(&self, verdict: Verdict, reason: Reason, rule: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = counts.entry((verdict, reason)).or_default();
        if let Some(count) = rules.get_mut(rule) {
            *count += 1;
            return;
        }
        let rule = if rules.len() < MAX_RULES { rule } else { OTHER };
        *rules.entry(rule.into()).or_default() += 1;
    }
}

/// How often doxy answered itself for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialTotal {
    /// `denied`, `would_deny`, `refused`, or `allowed` where the engine failed.
    pub verdict: &'static str,
    /// One of [`reasons`](crate::reasons).
    pub reason: &'static str,
    /// The rule or the place in the script that decided it; empty if none did.
    pub rule: Box<str>,
    /// How often.
    pub count: u64,
}

/// Reasons that are there from the start, with 0: the first denial is to be an increase.
const USUAL: [Reason; 3] = [Reason::Method, Reason::Path, Reason::MethodOnPath];

/// The denials of several threads together.
pub(crate) fn totals<'a>(all: impl Iterator<Item = &'a DenialCounts>) -> Vec<DenialTotal> {
    let usual = USUAL.map(|reason| ((Verdict::Denied, reason), [(Box::default(), 0)].into()));
    let mut together = Counts::from(usual);
    for one in all {
        let counts = one.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, rules) in counts {
            let sums = together.entry(key).or_default();
            for (rule, count) in rules {
                *sums.entry(rule).or_default() += count;
            }
        }
    }
    let together = together.into_iter().flat_map(|((verdict, reason), rules)| {
        rules.into_iter().map(move |(rule, count)| DenialTotal {
            verdict: verdict.name(),
            reason: reason.name(),
            rule,
            count,
        })
    });
    together.collect()
}
