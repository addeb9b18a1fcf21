//! The time of day in log records and responses.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

thread_local! {
    /// The last millisecond that was formatted: formatting costs as much as the rest of a record.
    static MILLISECOND: RefCell<(u128, String)> = const { RefCell::new((0, String::new())) };
    /// The last second that was formatted for a response.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// The time since 1970. A clock before 1970 counts as its first moment.
pub(super) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Appends the time of day to the millisecond, in UTC (RFC 3339).
pub(crate) fn append_rfc3339(line: &mut Vec<u8>) {
    append_time(line, SystemTime::now());
}

fn append_time(line: &mut Vec<u8>, time: SystemTime) {
    let now = since_1970(time);
    MILLISECOND.with_borrow_mut(|(millisecond, text)| {
        if *millisecond != now.as_millis() || text.is_empty() {
            *millisecond = now.as_millis();
            text.clear();
            let time = humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + now);
            // This fails after the year 9999, and then the record has no time.
            let _ = write!(text, "{time}");
        }
        line.extend_from_slice(text.as_bytes());
    });
}

/// Appends the time of day as HTTP writes it (RFC 9110 section 5.6.7).
pub(crate) fn append_http_date(bytes: &mut Vec<u8>) {
    let now = since_1970(SystemTime::now()).as_secs();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now || text.is_empty() {
            *second = now;
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        }
        bytes.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::append_time;

    /// A clock may be set to any time, and back.
    #[test]
    fn a_clock_that_jumps_gives_the_time_that_it_shows() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (time, expected) in [
            (at(1_800_000_000), "2027-01-15T08:00:00.000Z"),
            (at(0), "1970-01-01T00:00:00.000Z"),
            (
                SystemTime::UNIX_EPOCH - Duration::from_secs(1),
                "1970-01-01T00:00:00.000Z",
            ),
            (at(1_800_000_000), "2027-01-15T08:00:00.000Z"),
            // There is no such time in RFC 3339.
            (at(253_402_300_800), ""),
            (at(1_700_000_000), "2023-11-14T22:13:20.000Z"),
        ] {
            let mut line = Vec::new();
            append_time(&mut line, time);
            assert_eq!(str::from_utf8(&line), Ok(expected));
        }
    }
}
