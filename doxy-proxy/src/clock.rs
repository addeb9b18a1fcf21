//! The clock for timeouts and caches: the kernel's coarse monotonic time.
//!
//! It is a few milliseconds late at most and costs no more than reading memory, so every request may
//! look at it. Never use it for what is logged or measured: that takes `std::time::Instant`.

use std::time::Duration;

/// A moment, to a few milliseconds. Source: `clock_gettime(2)`, `CLOCK_MONOTONIC_COARSE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoarseInstant(coarsetime::Instant);

impl CoarseInstant {
    /// The present moment.
    pub(crate) fn now() -> Self {
        Self(coarsetime::Instant::now())
    }

    /// The time from an earlier moment to this one; zero if that one is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).into()
    }

    /// The moment as a number: the later, the larger.
    pub(crate) fn ticks(self) -> u64 {
        self.0.as_ticks()
    }

    /// This moment, so much later.
    #[cfg(test)]
    pub(crate) fn later(self, by: Duration) -> Self {
        Self(self.0 + by.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CoarseInstant;

    #[test]
    fn an_earlier_moment_is_never_after_a_later_one() {
        let now = CoarseInstant::now();
        let later = now.later(Duration::from_secs(3));
        let since = later.since(now);
        assert!(since.abs_diff(Duration::from_secs(3)) < Duration::from_millis(1));
        assert_eq!(now.since(later), Duration::ZERO);
    }
}
