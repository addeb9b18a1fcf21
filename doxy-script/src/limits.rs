//! What one call of a policy may take: its default limits and its fixed ones.

use std::time::Duration;

/// The longest list and the longest text a script may hold: what a body of the usual limit has at most.
pub(crate) const MAX_LIST: usize = 10_000;
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// The most that one call of a script may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps: statements, calls, rounds of loops.
    pub steps: u32,
    /// Time by the clock. It is looked at between steps.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 100_000,
            // A step takes 50 ns; this leaves room for a thread that has to wait for its processor.
            time: Duration::from_millis(500),
        }
    }
}
