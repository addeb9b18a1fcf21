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
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Appends the time of day to the millisecond, in UTC (RFC 3339).
pub(crate) fn append_rfc3339(line: &mut Vec<u8>) {
    let now = since_1970();
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
    let now = since_1970().as_secs();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now || text.is_empty() {
            *second = now;
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        }
        bytes.extend_from_slice(text.as_bytes());
    });
}
