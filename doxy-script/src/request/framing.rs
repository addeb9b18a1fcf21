//! Bodies that no policy may let pass unread.

use doxy_filter::api::{Body, endpoint_of};

use crate::request::Input;

/// Bodies that change what the head of a request says, without being asked for: status and reason.
pub(crate) fn refuse_framing(input: &Input<'_>) -> Option<(u16, &'static str)> {
    if !input.has_body || !matches!(input.method, "POST" | "PUT" | "PATCH") {
        return None;
    }
    let endpoint = endpoint_of(input.method, input.path);
    if endpoint.is_some_and(|endpoint| matches!(endpoint.body, Body::Refused)) {
        return Some((
            403,
            "a body on start is not allowed: old API versions rewrite the container with it",
        ));
    }
    // Go trims and folds by Unicode's rules, and takes more than this crate does for the name of a form.
    if input.header("content-type").any(|value| !value.is_ascii()) {
        return Some((415, "a Content-Type that is not ASCII is not allowed"));
    }
    let form = input.header("content-type").any(|value| {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii().to_ascii_lowercase();
        kind == b"application/x-www-form-urlencoded" || kind.starts_with(b"multipart/")
    });
    form.then_some((
        415,
        "a form body is not allowed: the Docker engine would read it as part of the query; send the \
         parameters in the query, or a body of type application/json",
    ))
}
