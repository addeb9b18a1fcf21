//! Step four, forward: the request that a permit is for goes to the engine, once.
//!
//! Target, end-to-end headers and body are those the client sent. Set by doxy are the version,
//! `Host` and the framing of its own connection.

use std::sync::Arc;

use hyper::{StatusCode, Uri, Version};

use crate::error::Error;
use crate::headers;
use crate::policy::Permit;
use crate::upstream::{Reply, Upstream};

/// Sends the permitted request; gives the engine's answer, its body still on the way.
pub(crate) async fn send(permit: Permit, upstream: &Arc<Upstream>) -> Result<Reply, Error> {
    let inbound = permit.redeem();
    let may_switch = inbound.may_switch();
    let mut request = inbound.into_request();
    headers::to_engine(request.headers_mut(), may_switch);
    // A request of version 1.0 could not carry a chunked body, nor be answered with one.
    *request.version_mut() = Version::HTTP_11;
    if request.uri().scheme().is_some() {
        // From absolute to origin form; the authority decides nothing on a unix socket.
        let origin = request.uri().path_and_query().cloned();
        *request.uri_mut() = origin.map_or_else(Uri::default, Uri::from);
    }
    let mut reply = if may_switch {
        upstream.send_to_hijack(request).await?
    } else {
        let (response, lease) = upstream.send(request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for that. Passed on, it would open a tunnel that no rule knows of.
            return Err(upstream.broke_off("it switched protocols unasked"));
        }
        Reply::Answer(response, lease)
    };
    if let Reply::Answer(response, _) = &mut reply {
        headers::to_client(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
    }
    Ok(reply)
}
