//! Bodies that no policy may let pass unread.

use doxy_filter::api::{Body, endpoint_of};

use crate::request::ScriptRequest;

/// Bodies that change what the head of a request says, without being asked for: status and reason.
pub(crate) fn refuse_framing(input: &ScriptRequest<'_>) -> Option<(u16, &'static str)> {
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
    None
}
