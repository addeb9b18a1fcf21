//! The answers that doxy gives itself: the only file that names a status code.
//!
//! Every one is JSON with one member, `message`, and the content type `application/json` to the
//! letter: the docker CLI compares that string, and prints raw JSON when a charset follows.

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Response, StatusCode};

use crate::error::{Denial, Error, Upstream};
use crate::headers;

/// The answer that tells a client of an error.
pub(crate) fn answer(error: &Error) -> Response<Bytes> {
    let body = serde_json::json!({ "message": error.to_string() }).to_string();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status(error);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::stamp(response.headers_mut());
    response
}

/// The same answer as bytes, for a connection that hyper has given up. It closes it.
pub(crate) fn last_words(error: &Error) -> Vec<u8> {
    let (mut parts, body) = answer(error).into_parts();
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("close"));
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = head(&parts);
    bytes.extend_from_slice(&body);
    bytes
}

/// The head of an answer as bytes, for a connection that hyper does not write to any more.
pub(crate) fn head(parts: &Parts) -> Vec<u8> {
    let reason = match parts.extensions.get::<ReasonPhrase>() {
        Some(reason) => reason.as_bytes(),
        None => parts
            .status
            .canonical_reason()
            .unwrap_or_default()
            .as_bytes(),
    };
    let mut bytes = Vec::new();
    for part in [
        b"HTTP/1.1 ",
        parts.status.as_str().as_bytes(),
        b" ",
        reason,
        b"\r\n",
    ] {
        bytes.extend_from_slice(part);
    }
    for (name, value) in &parts.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The status that goes with an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        // The original answers a wrong method with 400, and clients know it so.
        Error::Denied(Denial::Method { .. }) => StatusCode::BAD_REQUEST,
        Error::Denied(Denial::Path { .. }) => StatusCode::FORBIDDEN,
        Error::Denied(Denial::FormBody) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Upstream(Upstream::NotAccepting { .. }) => StatusCode::GATEWAY_TIMEOUT,
        Error::Upstream(_) => StatusCode::BAD_GATEWAY,
    }
}
