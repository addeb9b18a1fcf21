//! When a request is due.
//!
//! Without a rate, one is due whenever a connection is free, until the time is over. At a fixed
//! rate each has its own moment, and a request that waits for a free connection is measured from
//! that moment. Otherwise a proxy that stalls would delay the very requests that would show it
//! (coordinated omission). Nothing here sends anything.

use std::time::{Duration, Instant};

/// The due times of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    FlatOut {
        until: Instant,
    },
    Fixed {
        start: Instant,
        per_second: u32,
        /// How many were handed out, and how many there are.
        taken: u32,
        total: u32,
    },
}

/// What a free connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send a request now; it was due at this time.
    Due(Instant),
    /// Wait: nothing is due before this time.
    At(Instant),
    /// All requests were handed out.
    Never,
}

impl Pace {
    pub(crate) fn flat_out(start: Instant, time: Duration) -> Self {
        Self::FlatOut {
            until: start + time,
        }
    }

    pub(crate) fn fixed(start: Instant, per_second: u32, time: Duration) -> Self {
        let total = time.as_secs_f64() * f64::from(per_second);
        Self::Fixed {
            start,
            per_second,
            taken: 0,
            total: total as u32,
        }
    }

    /// Takes the next request, if one is due.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        match self {
            Self::FlatOut { until } if now < *until => Next::Due(now),
            Self::Fixed {
                start,
                per_second,
                taken,
                total,
            } if *taken < *total => {
                let due = *start + Duration::from_secs(u64::from(*taken)) / *per_second;
                if due > now {
                    return Next::At(due);
                }
                *taken += 1;
                Next::Due(due)
            }
            _ => Next::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn flat_out_is_always_due_until_it_is_over() {
        let start = Instant::now();
        let mut pace = Pace::flat_out(start, 10 * MS);
        assert_eq!(pace.next(start), Next::Due(start));
        assert_eq!(pace.next(start + 9 * MS), Next::Due(start + 9 * MS));
        assert_eq!(pace.next(start + 10 * MS), Next::Never);
    }

    #[test]
    fn a_fixed_rate_does_not_wait_for_anyone() {
        let start = Instant::now();
        let mut pace = Pace::fixed(start, 1000, 5 * MS);
        assert_eq!(pace.next(start), Next::Due(start));
        assert_eq!(pace.next(start), Next::At(start + MS));
        // No connection was free for a while: the due times stay as they were.
        let late = start + 100 * MS;
        for n in 1..5 {
            assert_eq!(pace.next(late), Next::Due(start + n * MS));
        }
        assert_eq!(pace.next(late), Next::Never);
    }

    #[test]
    fn due_times_do_not_drift() {
        let start = Instant::now();
        let mut pace = Pace::fixed(start, 30_000, Duration::from_secs(1));
        let end = start + Duration::from_secs(2);
        let mut last = start;
        let mut count = 0;
        while let Next::Due(due) = pace.next(end) {
            last = due;
            count += 1;
        }
        assert_eq!(count, 30_000);
        let expected = Duration::from_secs(1) * 29_999 / 30_000;
        assert_eq!((last - start).as_micros(), expected.as_micros());
    }
}
