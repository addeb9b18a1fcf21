//! What doxy counts of itself: for each socket, on each thread that serves it.
//!
//! A thread counts in memory of its own, without locks, and whoever looks adds up what all threads
//! have. Every set of values is closed: whatever clients send, nothing here grows with it. Nothing here
//! knows how the figures are shown.

pub(crate) mod counter;
pub(crate) mod denials;
pub(crate) mod endpoints;
pub(crate) mod histogram;
pub(crate) mod requests;
pub(crate) mod script;
pub(crate) mod shares;

use std::sync::Arc;

use crate::facts::Outcome;
use crate::metrics::counter::{Counter, Gauge};
use crate::metrics::denials::DenialCounts;
use crate::metrics::histogram::Histogram;
use crate::metrics::requests::Requests;
use crate::metrics::script::ScriptCounts;
use crate::metrics::shares::ShareCounts;

/// What one thread counts of one socket.
#[derive(Debug, Default)]
pub(crate) struct SocketMetrics {
    pub(crate) requests: Requests,
    pub(crate) denials: DenialCounts,
    /// How requests ended, by the number of [`Outcome`].
    pub(crate) outcomes: [Counter; Outcome::ALL.len()],
    /// From the end of a request's head to the first byte of the engine's response.
    pub(crate) first_byte: Histogram,
    /// What doxy took to judge a request.
    pub(crate) judging: Histogram,
    /// Responses whose body is not through.
    pub(crate) streams: Gauge,
    pub(crate) tunnels: Gauge,
    /// Bytes of bodies and tunnels.
    pub(crate) to_engine: Counter,
    pub(crate) to_client: Counter,
    pub(crate) script: ScriptCounts,
    pub(crate) shares: ShareCounts,
    /// Handshakes of TLS that failed.
    pub(crate) failed_handshakes: Counter,
    /// Connections that were closed without an answer: too many were turned away at once.
    pub(crate) unanswered: Counter,
}

/// Has the requests of a socket counted. Without it nothing is.
#[derive(Debug, Clone, Default)]
pub struct Metrics(pub(crate) Arc<SocketMetrics>);
