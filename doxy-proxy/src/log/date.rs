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

/// The last second that can be written: years have four digits.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// The time since 1970. A clock that shows a time which cannot be written counts as the nearest one.
pub(super) fn since_1970(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().min(LAST)
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
            // Writing to a string cannot fail.
            let _ = write!(text, "{time}");
        }
        line.extend_from_slice(text.as_bytes());
    });
}

/// Appends the time of day as HTTP writes it (RFC 9110 section 5.6.7).
pub(crate) fn append_http_date(bytes: &mut Vec<u8>) {
    append_http(bytes, SystemTime::now());
}

fn append_http(bytes: &mut Vec<u8>, time: SystemTime) {
    let now = since_1970(time).as_secs();
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

    use super::{append_http, append_time};

    /// A clock may be set to any time, and back.
    #[test]
    fn a_clock_that_jumps_gives_the_time_that_it_shows() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        for (time, expected, http) in [
            (
                at(1_800_000_000),
                "2027-01-15T08:00:00.000Z",
                "Fri, 15 Jan 2027 08:00:00 GMT",
            ),
            (
                at(0),
                "1970-01-01T00:00:00.000Z",
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (
                before_1970,
                "1970-01-01T00:00:00.000Z",
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (
                at(1_800_000_000),
                "2027-01-15T08:00:00.000Z",
                "Fri, 15 Jan 2027 08:00:00 GMT",
            ),
            (
                at(253_402_300_800),
                "9999-12-31T23:59:59.000Z",
                "Fri, 31 Dec 9999 23:59:59 GMT",
            ),
            (
                at(1_700_000_000),
                "2023-11-14T22:13:20.000Z",
                "Tue, 14 Nov 2023 22:13:20 GMT",
            ),
        ] {
            let (mut line, mut header) = (Vec::new(), Vec::new());
            append_time(&mut line, time);
            append_http(&mut header, time);
            assert_eq!(str::from_utf8(&line), Ok(expected));
            assert_eq!(str::from_utf8(&header), Ok(http));
        }
    }
}
