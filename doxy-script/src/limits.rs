//! The limits of one call: those that the caller may set, and fixed sizes.

use std::time::Duration;

/// The longest list and the longest text in a script: enough for any body of the default limit.
pub(crate) const MAX_LIST: usize = 10_000;
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// Limits of one call of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps: statements, calls, loop iterations.
    pub steps: u32,
    /// Wall time. It is checked between steps.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 100_000,
            // A step takes about 50 ns; the rest is for a thread that waits for a CPU.
            time: Duration::from_millis(500),
        }
    }
}
