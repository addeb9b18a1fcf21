//! The responses that are doxy's own: the only file that names a status code.
//!
//! Each is JSON with one member, `message`. The content type is exactly `application/json`: the
//! docker CLI compares that string, and prints raw JSON if a charset follows.

use std::cell::RefCell;
use std::fmt::Write as _;

use http::StatusCode;

use crate::http::malformed::BadRequest;
use crate::http::request::Exchange;
use crate::log::date::append_http_date;
use crate::log::json;
use crate::log::request_id::RequestId;
use crate::policy::{Denial, PATH_DENIED};
use crate::proxy::error::Error;
use crate::upstream::UpstreamError;

/// The most text that a thread keeps for the next response, in bytes.
const KEPT_CAPACITY: usize = 1024;

/// A response of doxy's own, as it goes over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
}

/// What stands between a denial and the rule that would allow the request.
const ALLOWED_BY: &str = " This rule would allow it: ";

/// The response that tells a client about an error of this request, and of a denial the rule that would allow the
/// request, if it is to know that. `exchange` is None if nothing is known about the
/// request's framing; `closes` says that the connection ends with the response.
pub(crate) fn reply(
    error: &Error,
    id: RequestId,
    suggestion: Option<&str>,
    exchange: Option<Exchange>,
    closes: bool,
) -> Reply {
    thread_local! {
        static SCRATCH: RefCell<(String, Vec<u8>)> = const { RefCell::new((String::new(), Vec::new())) };
    }
    let http10 = exchange.is_some_and(|exchange| exchange.http10);
    let is_head = exchange.is_some_and(|exchange| exchange.is_head);
    let status = status(error);
    SCRATCH.with_borrow_mut(|(message, body)| {
        message.clear();
        body.clear();
        if let Error::Denied(Denial::Path { path, .. }) = error {
            // By far the most frequent one, so it is built without the formatting machinery.
            let [before, behind] = PATH_DENIED;
            message.extend([before, path, behind]);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(message, "{error}");
        }
        if let Some(rule) = suggestion {
            message.extend([ALLOWED_BY, rule]);
        }
        body.extend_from_slice(b"{\"message\":");
        json::write_text(body, message);
        body.push(b'}');
        let mut bytes = Vec::with_capacity(256 + body.len());
        bytes.extend_from_slice(if http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        bytes.extend_from_slice(status.as_str().as_bytes());
        bytes.push(b' ');
        let reason = status.canonical_reason().unwrap_or_default();
        bytes.extend_from_slice(reason.as_bytes());
        if let Error::BadRequest(BadRequest::Redirect { location }) = error {
            bytes.extend_from_slice(b"\r\nLocation: ");
            bytes.extend_from_slice(location.as_bytes());
        }
        bytes.extend_from_slice(b"\r\nContent-Type: application/json\r\nDate: ");
        append_http_date(&mut bytes);
        bytes.extend_from_slice(b"\r\nX-Doxy-Request-Id: ");
        bytes.extend_from_slice(&id.digits());
        bytes.extend_from_slice(b"\r\nContent-Length: ");
        bytes.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        bytes.extend_from_slice(if closes && !http10 {
            b"\r\nConnection: close\r\n\r\n"
        } else {
            b"\r\n\r\n"
        });
        if !is_head {
            bytes.extend_from_slice(body);
        }
        // An error may quote a path, or a script's words.
        message.shrink_to(KEPT_CAPACITY);
        body.shrink_to(KEPT_CAPACITY);
        Reply {
            status: status.as_u16(),
            bytes,
        }
    })
}

/// The status that goes with an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::BadRequest(BadRequest::Malformed(_)) | Error::NotTls | Error::NotPlain => {
            StatusCode::BAD_REQUEST
        }
        Error::BadRequest(BadRequest::HeadTooLarge) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Error::BadRequest(BadRequest::FormBody) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        // The engine's own status for such a path.
        Error::BadRequest(BadRequest::Redirect { .. }) => StatusCode::MOVED_PERMANENTLY,
        Error::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Error::HeadTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
        Error::ConnectionLimit { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::PeerNotAllowed { .. } | Error::ContainerNotAllowed { .. } | Error::FromWeb(_) => {
            StatusCode::FORBIDDEN
        }
        // The original answers a wrong method with 400, and clients know it so.
        Error::Denied(Denial::Method { .. }) => StatusCode::BAD_REQUEST,
        Error::Denied(Denial::Path { .. } | Denial::MethodOnPath { .. }) => StatusCode::FORBIDDEN,
        Error::Denied(Denial::Script { status, .. }) => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN)
        }
        Error::Upstream(UpstreamError::NotAccepting { .. }) => StatusCode::GATEWAY_TIMEOUT,
        Error::Upstream(_) => StatusCode::BAD_GATEWAY,
    }
}
