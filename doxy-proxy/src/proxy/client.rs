//! A client's connection, and what becomes of it after a request.

use std::sync::Arc;

use crate::log::context::LogContext;
use crate::metrics::Metrics;
use crate::net::buffer::ReadBuf;
use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::proxy::service::Service;

/// A client's connection, and what has been read from it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) input: ReadBuf,
    pub(crate) log: LogContext,
}

impl Client {
    pub(crate) fn new(stream: Stream, peer: Peer, service: &Service) -> Self {
        let denials = Arc::clone(&service.denials);
        let metrics = service.metrics.as_ref();
        let metrics = metrics.map(|Metrics(metrics)| Arc::clone(metrics));
        Self {
            stream,
            input: ReadBuf::default(),
            log: LogContext::new(service.access_log.clone(), peer, denials, metrics),
        }
    }
}

/// What becomes of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It serves the next request.
    Request,
    /// Doxy closes it, and the client is sending nothing.
    Close,
    /// Doxy closes it, and the client may still be sending.
    Linger,
    /// The client is gone.
    Gone,
}
