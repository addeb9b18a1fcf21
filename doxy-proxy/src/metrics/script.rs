//! What a policy script costs.

use crate::metrics::counter::Counter;
use crate::metrics::histogram::{Histogram, HistogramTotals};

/// What the script of one socket took on one thread.
#[derive(Debug, Default)]
pub(crate) struct ScriptCounts {
    /// How long each call took.
    pub(crate) calls: Histogram,
    /// Calls that failed, by an error of the script's or at a limit.
    pub(crate) failures: Counter,
    /// Of these, those that ran past a limit.
    pub(crate) limits: Counter,
    pub(crate) lookups: Counter,
    pub(crate) failed_lookups: Counter,
}

/// What a socket's script took on all threads.
#[derive(Debug, Clone, Default)]
pub struct ScriptTotals {
    /// How long each call took.
    pub calls: HistogramTotals,
    /// Calls that failed.
    pub failures: u64,
    /// Of these, those that ran past a limit.
    pub limits: u64,
    /// What it asked the engine.
    pub lookups: u64,
    /// What the engine gave no answer to.
    pub failed_lookups: u64,
}

impl ScriptTotals {
    pub(crate) fn add(&mut self, one: &ScriptCounts) {
        self.calls.add(&one.calls);
        self.failures += one.failures.get();
        self.limits += one.limits.get();
        self.lookups += one.lookups.get();
        self.failed_lookups += one.failed_lookups.get();
    }
}
