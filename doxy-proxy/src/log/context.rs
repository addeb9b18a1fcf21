//! What records and the lines made of them share.

use std::sync::{Arc, Mutex, OnceLock};

use crate::log::access::AccessLog;
use crate::log::denials::{Denials, LastDenial};
use crate::metrics::SocketMetrics;
use crate::metrics::counter::Counter;
use crate::net::container::{Container, Unknown};
use crate::net::peer::Peer;

/// What the records of one connection have in common.
#[derive(Debug)]
pub(crate) struct LogContext {
    pub(crate) log: Option<AccessLog>,
    pub(crate) peer: Peer,
    /// Where denials are counted.
    pub(crate) denials: Arc<Denials>,
    /// Where requests are counted, if anybody wants to see that.
    pub(crate) metrics: Option<Arc<SocketMetrics>>,
    noted: OnceLock<Box<Noted>>,
}

/// What is kept from one request to the next. An idle connection that needs none of it has none.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The peer as the access log has it.
    pub(crate) peer_text: OnceLock<Box<[u8]>>,
    pub(crate) last_denial: Mutex<Option<LastDenial>>,
    /// The container of the peer, once somebody wanted to know.
    container: OnceLock<Result<Container, Unknown>>,
}

/// The bytes of bodies, or of a tunnel, that doxy has forwarded.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) to_engine: Counter,
    pub(crate) to_client: Counter,
}

/// The status that a client got, and when, in microseconds since the request began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseStart {
    pub(crate) status: u16,
    pub(crate) micros: u64,
}

/// Whether `--debug` is on.
pub(crate) fn debugging() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

impl LogContext {
    /// The context of a connection.
    pub(crate) fn new(
        log: Option<AccessLog>,
        peer: Peer,
        denials: Arc<Denials>,
        metrics: Option<Arc<SocketMetrics>>,
    ) -> Self {
        Self {
            log,
            peer,
            denials,
            metrics,
            noted: OnceLock::new(),
        }
    }

    /// The container that the peer is in, or why that is not known. None if nobody has asked.
    pub(crate) fn container(&self) -> Option<&Result<Container, Unknown>> {
        self.noted.get()?.container.get()
    }

    /// Notes the container that the peer is in.
    pub(crate) fn note_container(&self, container: Result<Container, Unknown>) {
        let _ = self.noted().container.set(container);
    }

    /// Forgets that the engine gave no answer: the next request asks again.
    pub(crate) fn forget_failure(&mut self) {
        if let Some(noted) = self.noted.get_mut()
            && let Some(Err(Unknown::NoAnswer(_))) = noted.container.get()
        {
            noted.container.take();
        }
    }

    pub(crate) fn noted(&self) -> &Noted {
        self.noted.get_or_init(Box::default)
    }
}
