//! What records and the lines made of them share.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::log::access::AccessLog;
use crate::net::peer::Peer;

/// What the records of one connection have in common.
#[derive(Debug)]
pub(crate) struct LogContext {
    pub(crate) log: Option<AccessLog>,
    pub(crate) peer: Peer,
    /// The peer as the access log has it, once a record was written.
    pub(crate) peer_text: OnceLock<Box<[u8]>>,
}

/// The bytes of bodies, or of a tunnel, that doxy has forwarded.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) to_engine: AtomicU64,
    pub(crate) to_client: AtomicU64,
}

/// The status that a client got, and when, in microseconds since the request began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseStart {
    pub(crate) status: u64,
    pub(crate) micros: u64,
}

/// Whether `--debug` is on.
pub(crate) fn debugging() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

impl LogContext {
    /// The context of a connection.
    pub(crate) fn new(log: Option<AccessLog>, peer: Peer) -> Self {
        Self {
            log,
            peer,
            peer_text: OnceLock::new(),
        }
    }
}
