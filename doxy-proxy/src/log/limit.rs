//! A limit for lines that clients can cause: so many a second, and a count of the rest.
//!
//! Nothing is written here. Who writes a line asks first.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many lines of one kind are written in a second.
const LINES: u32 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// The lines of one kind.
#[derive(Debug, Default)]
pub struct LineLimit(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    lines: u32,
    dropped: u64,
}

impl LineLimit {
    /// Whether one more line may be written now: then, how many were dropped since the one before.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since| now.saturating_duration_since(since) >= SECOND;
        if window.since.is_none_or(over) {
            (window.since, window.lines) = (Some(now), 0);
        }
        if window.lines == LINES {
            window.dropped += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LINES, LineLimit};

    #[test]
    fn lines_beyond_the_limit_are_counted_once() {
        let limit = LineLimit::default();
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        for line in 0..LINES {
            assert_eq!(limit.admit_at(later(u64::from(line))), Some(0));
        }
        for ms in [100, 500, 999] {
            assert_eq!(limit.admit_at(later(ms)), None);
        }
        assert_eq!(limit.admit_at(later(1000)), Some(3));
        assert_eq!(limit.admit_at(later(1001)), Some(0));
        // Clocks of several threads may be read in another order than they are used in.
        assert_eq!(limit.admit_at(start), Some(0));
    }
}
