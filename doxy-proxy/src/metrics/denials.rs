//! What doxy answered itself, or would have: by reason, and by the rule or the place in the script that
//! decided it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::facts::{Reason, Verdict};
use crate::metrics::counter::Counter;

/// The most rules and places that are told apart on a socket. A policy has that many lines only if it is
/// reloaded often, each time with others.
const MAX_RULES: usize = 1000;
/// What stands for further ones.
const OTHER: &str = "other";

/// The denials of one socket on one thread.
#[derive(Debug, Default)]
pub(crate) struct DenialCounts {
    /// Those that no rule decided, by the numbers of verdict and reason.
    plain: [[Counter; Reason::ALL.len()]; Verdict::ALL.len()],
    /// The others. The lock is the thread's own: only a scrape contends for it, for as long as a copy
    /// takes.
    by_rule: Mutex<ByRule>,
}

type ByRule = BTreeMap<(Verdict, Reason), BTreeMap<Box<str>, u64>>;

impl DenialCounts {
    /// Counts a request that doxy answered itself. `rule` is empty if none decided it.
    pub(crate) fn add(&self, verdict: Verdict, reason: Reason, rule: &str) {
        if rule.is_empty() {
            let row = self.plain.get(verdict as usize);
            if let Some(counter) = row.and_then(|row| row.get(reason as usize)) {
                counter.add(1);
            }
            return;
        }
        let mut counts = self.lock();
        let rules = counts.entry((verdict, reason)).or_default();
        if let Some(count) = rules.get_mut(rule) {
            *count += 1;
            return;
        }
        let rule = if rules.len() < MAX_RULES { rule } else { OTHER };
        *rules.entry(rule.into()).or_default() += 1;
    }

    /// All counts that are not zero.
    fn counts(&self) -> ByRule {
        let mut counts = self.lock().clone();
        for (verdict, row) in Verdict::ALL.into_iter().zip(&self.plain) {
            for (reason, counter) in Reason::ALL.into_iter().zip(row) {
                let count = counter.get();
                if count > 0 {
                    let rules = counts.entry((verdict, reason)).or_default();
                    rules.insert("".into(), count);
                }
            }
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, ByRule> {
        self.by_rule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often doxy answered itself for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialTotal {
    /// `denied`, `would_deny`, `refused`, or `allowed` where the engine failed.
    pub verdict: &'static str,
    /// The code of the reason, as docs/metrics.md lists them.
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
    let mut together = ByRule::from(usual);
    for one in all {
        for (key, rules) in one.counts() {
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
