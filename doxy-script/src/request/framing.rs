//! Bodies that are denied before the policy is called.

use doxy_filter::api::{Body, endpoint_of};

use crate::request::ScriptRequest;

/// Denies a body on an endpoint where old API versions obey one: status and reason.
pub(crate) fn refuse_framing(input: &ScriptRequest<'_>) -> Option<(u16, &'static str)> {
    if !input.has_body || !matches!(input.method, "POST" | "PUT" | "PATCH") {
        return None;
    }
    let endpoint = endpoint_of(input.method, input.path);
    if endpoint.is_some_and(|endpoint| matches!(endpoint.body, Body::Refused)) {
        return Some((
            403,
            "a body on start is not allowed: old API versions change the container with it",
        ));
    }
    None
}
