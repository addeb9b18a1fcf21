//! What may go wrong between doxy and the engine. The texts are for the client.

use std::io;

use crate::net::reason::io_reason;

/// Why the engine gave no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("cannot reach the Docker engine at {engine}: {}", io_reason(reason))]
    Unreachable { engine: String, reason: io::Error },
    #[error("the Docker engine at {engine} does not accept connections: gave up after {seconds} s")]
    NotAccepting { engine: String, seconds: u64 },
    #[error("cannot reach the Docker engine at {engine}: {reason}")]
    NoTls { engine: String, reason: String },
    #[error("the Docker engine at {engine} broke off before it answered: {reason}")]
    BrokeOff { engine: String, reason: String },
}
