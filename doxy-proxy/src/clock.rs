//! The clock for timeouts and caches: the kernel's coarse monotonic time.
//!
//! It is a few milliseconds late at most and costs no more than reading memory, so every request may
//! look at it. Never use it for what is logged or measured: that takes `Instant`.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment, to a few milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoarseInstant(Duration);

impl CoarseInstant {
    /// The present moment. Source: `clock_gettime(2)`, `CLOCK_MONOTONIC_COARSE`.
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::MonotonicCoarse);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// The time from an earlier moment to this one; zero if that one is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment, so much later.
    #[cfg(test)]
    pub(crate) fn later(self, by: Duration) -> Self {
        Self(self.0 + by)
    }
}
