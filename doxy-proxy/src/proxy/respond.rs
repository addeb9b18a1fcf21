//! The answers that doxy gives itself: the only file that names a status code.
//!
//! Every one is JSON with one member, `message`, and the content type `application/json` to the
//! letter: the docker CLI compares that string, and prints raw JSON when a charset follows.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::error::{Denial, Error, PATH_DENIED, Upstream};
use crate::log::json;

/// The answer that tells a client of an error, whole, as it goes over the wire.
///
/// `is_head` leaves the body out, `http10` is for a client of version 1.0, `closes` says that the
/// connection ends with it.
pub(crate) fn answer(error: &Error, is_head: bool, http10: bool, closes: bool) -> Vec<u8> {
    thread_local! {
        static ROOM: RefCell<(String, Vec<u8>)> = const { RefCell::new((String::new(), Vec::new())) };
    }
    ROOM.with_borrow_mut(|(message, body)| {
        message.clear();
        body.clear();
        if let Error::Denied(Denial::Path { path, .. }) = error {
            // By far the most frequent of all: put together without the machinery for any text.
            let [before, behind] = PATH_DENIED;
            message.extend([before, path, behind]);
        } else {
            // Text takes what is written to it.
            let _ = write!(message, "{error}");
        }
        body.extend_from_slice(b"{\"message\":");
        json::write_text(body, message);
        body.push(b'}');
        let mut bytes = Vec::with_capacity(256 + body.len());
        let mut put = |part: &[u8]| bytes.extend_from_slice(part);
        let status = status(error);
        put(if http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        put(status.as_str().as_bytes());
        put(b" ");
        put(status.canonical_reason().unwrap_or_default().as_bytes());
        put(b"\r\nContent-Type: application/json\r\nDate: ");
        with_date(|date| put(date.as_bytes()));
        put(b"\r\nContent-Length: ");
        put(itoa::Buffer::new().format(body.len()).as_bytes());
        put(if closes && !http10 {
            b"\r\nConnection: close\r\n\r\n"
        } else {
            b"\r\n\r\n"
        });
        if !is_head {
            put(body);
        }
        // An error may quote a path, or what a script says: that room is not kept.
        message.shrink_to(1024);
        body.shrink_to(1024);
        bytes
    })
}

/// The date as HTTP writes it. Written anew once a second.
fn with_date(put: impl FnOnce(&str)) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    // Before 1970 it is always the first moment of it.
    let second = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    LAST.with_borrow_mut(|(last, text)| {
        if *last != second || text.is_empty() {
            *last = second;
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
        }
        put(text);
    });
}

/// The status that goes with an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Error::Unjudged => StatusCode::INTERNAL_SERVER_ERROR,
        Error::HeadTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
        Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Peer { .. } => StatusCode::FORBIDDEN,
        // The original answers a wrong method with 400, and clients know it so.
        Error::Denied(Denial::Method { .. }) => StatusCode::BAD_REQUEST,
        Error::Denied(Denial::Path { .. }) => StatusCode::FORBIDDEN,
        Error::Denied(Denial::Script { status, .. }) => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN)
        }
        Error::Denied(Denial::FormBody) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Upstream(Upstream::NotAccepting { .. }) => StatusCode::GATEWAY_TIMEOUT,
        Error::Upstream(_) => StatusCode::BAD_GATEWAY,
    }
}
