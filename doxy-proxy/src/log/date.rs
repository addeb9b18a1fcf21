//! The time of day as records have it: read once a second, written out once a millisecond.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

/// What time of day it was at some instant, and how a millisecond is written.
struct Date {
    read: Instant,
    since_1970: Duration,
    /// The millisecond that is written out, from its beginning until the next.
    from: Instant,
    until: Instant,
    text: String,
}

/// How long the time of day is reckoned from the instant: a clock that is set is noticed after that.
const RECKONED: Duration = Duration::from_secs(1);

/// Appends the time of day to the millisecond, in UTC. Both to read it and to write it out cost as much as the rest
/// of a record; so the one is done once a second, the other once a millisecond.
pub(crate) fn append(line: &mut Vec<u8>, now: Instant) {
    thread_local! {
        static DATE: RefCell<Option<Date>> = const { RefCell::new(None) };
    }
    DATE.with_borrow_mut(|date| {
        let known = match date {
            Some(date) if date.from <= now && now < date.until => date,
            date => {
                let known = date.take();
                date.insert(Date::at(now, known))
            }
        };
        line.extend_from_slice(known.text.as_bytes());
    });
}

impl Date {
    /// Writes out a millisecond, by what is known already if that is not too old.
    fn at(now: Instant, known: Option<Self>) -> Self {
        let (read, since_1970) = known
            .filter(|date| date.read <= now && now < date.read + RECKONED)
            .map_or_else(
                || {
                    // Before 1970 every record has the first moment of it.
                    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                    (now, since_1970.unwrap_or_default())
                },
                |date| (date.read, date.since_1970),
            );
        let time = since_1970 + (now - read);
        let into = Duration::from_nanos(u64::from(time.subsec_nanos() % 1_000_000));
        let from = now.checked_sub(into).unwrap_or(now);
        let mut text = String::new();
        // It fails behind the year 9999, and then there is none.
        let _ = write!(
            text,
            "{}",
            humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + time)
        );
        Self {
            read,
            since_1970,
            from,
            until: from + Duration::from_millis(1),
            text,
        }
    }
}
