//! What a running proxy has counted, for whoever looks at it from outside.
//!
//! Looking changes nothing, and holds up accepting only for as long as a list of sockets is copied. It
//! must never give away more than counts and what the log may have.

use std::sync::{Arc, Mutex, PoisonError};

use crate::facts::Outcome;
use crate::log::denials::DeniedKind;
use crate::metrics::Metrics;
use crate::metrics::SocketMetrics;
use crate::metrics::counter::Counter;
use crate::metrics::denials::{self, DenialTotal};
use crate::metrics::histogram::{Histogram, HistogramTotals};
use crate::metrics::requests::{self, RequestTotal};
use crate::metrics::script::ScriptTotals;
use crate::metrics::shares::{self, ShareTotal};
use crate::proxy::door::{Door, SocketId};
use crate::proxy::service::Service;

/// Looks at a running proxy, from any thread.
#[derive(Debug, Clone)]
pub struct Observer(pub(super) Arc<Mutex<Door>>);

/// What was counted of one socket, on all threads.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SocketTotals {
    /// The socket.
    pub id: SocketId,
    /// Requests that have ended.
    pub requests: Vec<RequestTotal>,
    /// Requests that doxy answered itself, or would have.
    pub denials: Vec<DenialTotal>,
    /// How requests ended, by a closed set of names.
    pub outcomes: Vec<(&'static str, u64)>,
    /// From the end of a request's head to the first byte of the engine's response.
    pub first_byte: HistogramTotals,
    /// What doxy took to judge requests that it then forwarded.
    pub judging: HistogramTotals,
    /// Connections that are open.
    pub connections: u64,
    /// Responses whose body is not through.
    pub streams: u64,
    /// Upgraded connections.
    pub tunnels: u64,
    /// Bytes of bodies and tunnels from clients.
    pub to_engine: u64,
    /// Bytes of bodies and tunnels from the engine.
    pub to_client: u64,
    /// Connections to the engine that were made.
    pub dialled: u64,
    /// Requests for which a kept connection was good.
    pub reused: u64,
    /// What the script took, if there is one.
    pub script: ScriptTotals,
    /// What peers were refused.
    pub shares: Vec<ShareTotal>,
    /// Handshakes of TLS that failed.
    pub failed_handshakes: u64,
    /// Connections that were closed without an answer.
    pub unanswered: u64,
}

impl Observer {
    /// What was counted of each socket that is served now and has its requests counted.
    pub fn totals(&self) -> Vec<SocketTotals> {
        let sockets = self.sockets();
        let totals = sockets.iter().filter_map(|(id, services, connections)| {
            let all: Vec<_> = services
                .iter()
                .filter_map(|service| service.metrics.as_ref())
                .collect();
            let all: Vec<&SocketMetrics> = all.iter().map(|Metrics(one)| &**one).collect();
            (!all.is_empty()).then(|| totals(*id, services, *connections, &all))
        });
        totals.collect()
    }

    /// Each kind of request that a socket has denied lately, the latest first.
    pub fn denied(&self, id: SocketId) -> Vec<DeniedKind> {
        let sockets = self.sockets();
        let found = sockets.iter().find(|(it, ..)| *it == id);
        let service = found.and_then(|(_, services, _)| services.first());
        service
            .map(|service| service.denials.kinds_so_far())
            .unwrap_or_default()
    }

    fn sockets(&self) -> Vec<(SocketId, Vec<Arc<Service>>, usize)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .served()
    }
}

fn totals(
    id: SocketId,
    services: &[Arc<Service>],
    connections: usize,
    all: &[&SocketMetrics],
) -> SocketTotals {
    let sum = |of: fn(&SocketMetrics) -> &Counter| all.iter().map(|one| of(one).get()).sum();
    let times = |of: fn(&SocketMetrics) -> &Histogram| {
        let mut totals = HistogramTotals::default();
        all.iter().for_each(|one| totals.add(of(one)));
        totals
    };
    let mut script = ScriptTotals::default();
    all.iter().for_each(|one| script.add(&one.script));
    let outcomes = Outcome::ALL.map(|outcome| {
        let counts = all
            .iter()
            .filter_map(|one| one.outcomes.get(outcome as usize));
        (outcome.name(), counts.map(Counter::get).sum())
    });
    SocketTotals {
        id,
        requests: requests::totals(all.iter().map(|one| &one.requests)),
        denials: denials::totals(all.iter().map(|one| &one.denials)),
        outcomes: outcomes.to_vec(),
        first_byte: times(|one| &one.first_byte),
        judging: times(|one| &one.judging),
        connections: connections as u64,
        streams: all.iter().map(|one| one.streams.get()).sum(),
        tunnels: all.iter().map(|one| one.tunnels.get()).sum(),
        to_engine: sum(|one| &one.to_engine),
        to_client: sum(|one| &one.to_client),
        dialled: services.iter().map(|it| it.upstream.dialled.get()).sum(),
        reused: services.iter().map(|it| it.upstream.reused.get()).sum(),
        script,
        shares: shares::totals(all.iter().map(|one| &one.shares)),
        failed_handshakes: sum(|one| &one.failed_handshakes),
        unanswered: sum(|one| &one.unanswered),
    }
}
