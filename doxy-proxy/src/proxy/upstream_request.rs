//! Step four, forward: the head that the engine gets, made from a permit.
//!
//! Target, end-to-end headers and body are those that the client sent, but for what the policy has
//! changed and for `X-Doxy-Request-Id`, which is doxy's own. Doxy sets the version, `Host` and the
//! framing of its own connection, and nothing else.

use doxy_filter::api::upgrade_of;

use crate::http::collect::{CollectedBody, RequestBody};
use crate::http::framing::Framing;
use crate::http::headers::{self, REQUEST_ID};
use crate::http::malformed::Ambiguous;
use crate::http::request::{Exchange, ValidRequest};
#[cfg(feature = "script")]
use crate::http::rewritten::Rewritten;
use crate::policy::{Permit, WouldDeny};

/// A permitted request, ready to be written to the engine.
#[derive(Debug)]
pub(crate) struct UpstreamRequest {
    pub(crate) head: Vec<u8>,
    pub(crate) exchange: Exchange,
    /// The body, if it was judged. Otherwise it streams from the client.
    pub(crate) body: Option<CollectedBody>,
    /// It may go only to an engine that is known to be Docker.
    pub(crate) needs_docker: Option<Ambiguous>,
}

impl UpstreamRequest {
    /// Writes the head that the engine gets. None if the body could not be read: then there is
    /// nothing to forward.
    ///
    /// An upgrade is passed on where the engine may take the connection out of HTTP, if it is to the
    /// protocol that the engine speaks there. `Expect` is not passed on: doxy itself sends `100 Continue`, when the engine has got
    /// the head.
    pub(crate) fn new(permit: Permit<'_, '_>) -> Option<Self> {
        Self::write(permit.redeem())
    }

    /// The same, for a request that the policy denies and that a dry run forwards.
    pub(crate) fn in_dry_run(permit: WouldDeny<'_, '_>) -> Option<Self> {
        Self::write(permit.redeem())
    }

    fn write(request: ValidRequest<'_, '_>) -> Option<Self> {
        let mut exchange = request.exchange;
        let needs_docker = request.needs_docker();
        let judged = request.judged();
        let protocol = upgrade_of(judged.method, judged.path);
        exchange.may_upgrade = protocol.is_some();
        let body = match request.body {
            RequestBody::Unread => None,
            RequestBody::Collected(body) => Some(body),
            RequestBody::Unreadable(_) => return None,
        };
        if let Some(body) = &body {
            exchange.framing = Framing::Length(body.bytes().len() as u64);
            exchange.expect_continue = false;
        }
        let lines = &*request.head.lines;
        #[cfg(feature = "script")]
        let rewritten = request.rewritten.as_deref();
        let upgrade = protocol.is_some_and(|protocol| headers::is_only(lines, "upgrade", protocol));
        let lengths = lines
            .iter()
            .map(|line| line.name.len() + line.value.len() + 4);
        let mut head =
            Vec::with_capacity(request.path_and_query.len() + lengths.sum::<usize>() + 96);
        head.extend_from_slice(request.head.method.as_bytes());
        head.push(b' ');
        head.extend_from_slice(request.path_and_query.as_bytes());
        // The engine refuses some of what clients put into Host, and routes by none of it.
        head.extend_from_slice(b" HTTP/1.1\r\nHost: docker\r\n");
        headers::write_lines(&mut head, request.head.bytes, lines, |line| {
            let set_here = [
                "host",
                "expect",
                "transfer-encoding",
                "content-length",
                REQUEST_ID,
            ]
            .iter()
            .any(|name| line.name.eq_ignore_ascii_case(name));
            let passes = if upgrade && line.name.eq_ignore_ascii_case("upgrade") {
                true
            } else {
                !headers::is_hop_by_hop(line.name)
                    && (upgrade || !headers::is_upgrade_detail(line.name))
            };
            // A collected body has no trailers any more.
            let dropped = body.is_some() && line.name.eq_ignore_ascii_case("trailer");
            #[cfg(feature = "script")]
            let dropped = dropped || rewritten.is_some_and(|it| !it.keeps(line));
            passes && !set_here && !dropped
        });
        #[cfg(feature = "script")]
        for (name, value) in rewritten.into_iter().flat_map(Rewritten::lines) {
            headers::write(&mut head, name, value);
        }
        match exchange.framing {
            Framing::Length(length) => {
                let mut digits = itoa::Buffer::new();
                let length = digits.format(length);
                headers::write(&mut head, "Content-Length", length.as_bytes());
            }
            Framing::Chunked => headers::write(&mut head, "Transfer-Encoding", b"chunked"),
            Framing::None | Framing::Close => {}
        }
        if upgrade {
            // The engine looks at `Upgrade` alone; HTTP asks for this line too.
            headers::write(&mut head, "Connection", b"Upgrade");
        }
        head.extend_from_slice(b"\r\n");
        Some(Self {
            head,
            exchange,
            body,
            needs_docker,
        })
    }

    /// The length of the body that is still to be read from the client, if it is known.
    pub(crate) fn unread_body(&self) -> Option<usize> {
        match self.body {
            Some(_) => Some(0),
            None => self.exchange.framing.length(),
        }
    }
}
