//! What one socket serves: its policy, its engine, its limits and its log.
//!
//! A service knows neither its listener nor its connections.

use std::sync::Arc;
use std::time::Duration;

use crate::log::access::AccessLog;
use crate::log::denials::Denials;
use crate::log::request_id::RequestIds;
use crate::metrics::Metrics;
use crate::net::peer::{Peer, PeerAcl};
use crate::net::tls::server::TlsServer;
use crate::policy::{DryRun, Policy, PolicyHandle};
use crate::shares::Shares;
use crate::shares::turns::Turns;
use crate::upstream::Upstream;

/// What the requests of one socket have in common.
#[derive(Debug, Clone)]
pub struct Service {
    /// What scripts call the socket.
    pub name: Arc<str>,
    /// What is allowed.
    pub policy: PolicyHandle,
    /// Who answers.
    pub upstream: Arc<Upstream>,
    /// If its TCP addresses speak TLS.
    pub tls: Option<TlsServer>,
    /// Which peers may connect.
    pub peers: PeerAcl,
    /// Names with dots by which clients on a network call doxy in `Host`. IP addresses, names without
    /// dots and those below `localhost` are always served.
    pub hosts: Arc<[String]>,
    /// What a client may cost.
    pub limits: Limits,
    /// Whether denials are only recorded.
    pub dry_run: Option<DryRun>,
    /// Whether a denial ends with the rule that would allow the request.
    pub explain_denials: bool,
    /// Where requests are recorded.
    pub access_log: Option<AccessLog>,
    /// Where requests are counted, if anybody wants to see that.
    pub metrics: Option<Metrics>,
    /// What peers share.
    pub(crate) shares: Shares,
    /// What the log says of denials.
    pub(crate) denials: Arc<Denials>,
    /// The numbers of its requests. A clone of the service has others.
    pub(crate) request_ids: RequestIds,
}

/// What was denied on a socket, to be asked for when it has been served.
#[derive(Debug, Clone)]
pub struct Denied(Arc<Denials>);

impl Denied {
    /// Each kind of request that was denied, the most often first: how often, and what. The text may stand
    /// in a log.
    pub fn so_far(&self) -> Vec<(u64, String)> {
        self.0.so_far()
    }
}

/// What a client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are served at a time, and a tenth more for peers that have none. The next
    /// one makes an idle connection of the peer with most end, or is answered 503.
    pub connections: usize,
    /// How long the head of a request may take, from its first byte to its last, and how long a body
    /// that a script asks for.
    pub head: Duration,
    /// The largest body that a script may see, in bytes.
    pub body: usize,
    /// How long a connection may wait for its next request. Never a limit on a response.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(30),
            body: 1 << 20,
            idle: Duration::from_secs(600),
        }
    }
}

impl Service {
    /// A service for every peer that can open the socket, with the default limits and no access log.
    pub fn new(name: &str, policy: impl Into<Arc<Policy>>, upstream: Upstream) -> Self {
        let name = Arc::from(name);
        Self {
            denials: Arc::new(Denials::new(Arc::clone(&name))),
            name,
            policy: PolicyHandle::new(policy),
            upstream: Arc::new(upstream),
            tls: None,
            peers: PeerAcl::default(),
            hosts: Arc::default(),
            limits: Limits::default(),
            dry_run: None,
            explain_denials: false,
            access_log: None,
            metrics: None,
            shares: Shares::default(),
            request_ids: RequestIds::default(),
        }
    }

    /// What is denied on this socket.
    pub fn denied(&self) -> Denied {
        Denied(Arc::clone(&self.denials))
    }

    /// The same service for another thread, on which scripts take these turns. What every request
    /// changes is not shared.
    pub(crate) fn for_another_thread(&self, turns: &Arc<Turns>) -> Self {
        Self {
            policy: self.policy.for_another_thread(),
            upstream: Arc::new(self.upstream.for_another_thread()),
            metrics: self.metrics.as_ref().map(|_| Metrics::default()),
            ..self.with_turns(turns)
        }
    }

    /// The same service, on a thread on which scripts take these turns.
    pub(crate) fn with_turns(&self, turns: &Arc<Turns>) -> Self {
        let shares = Shares {
            turns: Arc::clone(turns),
            ..self.shares.clone()
        };
        Self {
            shares,
            ..self.clone()
        }
    }

    /// What a client's handshake takes, if it has to go through one.
    pub(crate) fn tls_for(&self, peer: &Peer) -> Option<&TlsServer> {
        self.tls.as_ref().filter(|_| matches!(peer, Peer::Net(_)))
    }

    /// Takes over what goes on when another service takes the place of `old` on the same thread: the
    /// policy's handle, what is counted, and the connections to the engine if that is the same.
    pub(crate) fn succeed(&mut self, old: &Self) {
        self.policy = old.policy.clone();
        self.denials = Arc::clone(&old.denials);
        if self.metrics.is_some() && old.metrics.is_some() {
            self.metrics = old.metrics.clone();
        }
        if self.upstream.is_same(&old.upstream) {
            self.upstream = Arc::clone(&old.upstream);
        }
    }
}
