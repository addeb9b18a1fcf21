//! Step five, stream: the body of an answer on its way to the client.
//!
//! Frames are passed on one by one as they come, and the next is asked for only when the client
//! has taken the last: nothing is collected. When the client goes away hyper drops the body,
//! and with it the lease on the engine's connection, which ends the request there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::Response;
use hyper::body::Incoming;

use crate::client_io::Client;
use crate::record::Record;
use crate::upstream::Lease;

/// The body of an answer; the request's record is written when it is dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    source: Source,
    record: Record,
    client: Arc<Client>,
}

#[derive(Debug)]
enum Source {
    /// An answer of doxy's own; taken when it has been handed over.
    Own(Option<Bytes>),
    /// The engine's. The lease is there until the end of the body.
    Engine(Incoming, Option<Lease>),
}

/// Gives the engine's answer the body that relays it.
pub(crate) fn relay(
    response: Response<Incoming>,
    lease: Lease,
    mut record: Record,
    client: Arc<Client>,
) -> Response<Answer> {
    record.status(response.status());
    response.map(|body| {
        let lease = if body.is_end_stream() {
            lease.give_back();
            None
        } else {
            Some(lease)
        };
        Answer {
            source: Source::Engine(body, lease),
            record,
            client,
        }
    })
}

/// Gives an answer of doxy's own its body.
pub(crate) fn own(
    response: Response<Bytes>,
    mut record: Record,
    client: Arc<Client>,
) -> Response<Answer> {
    record.status(response.status());
    response.map(|body| Answer {
        source: Source::Own(Some(body)),
        record,
        client,
    })
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Own(body) => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Engine(body, lease) => {
                let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                match &frame {
                    Some(Err(_)) => {
                        *lease = None;
                        this.record.broke_off("the engine broke off");
                    }
                    // hyper does not ask again once a body of known length is complete.
                    Some(Ok(_)) if !body.is_end_stream() => {}
                    _ => {
                        if let Some(lease) = lease.take() {
                            lease.give_back();
                        }
                    }
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Source::Engine(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
            Source::Engine(body, _) => body.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.client.answered();
        if let Source::Engine(_, Some(_)) = self.source {
            self.record.broke_off("the client went away");
        }
    }
}
