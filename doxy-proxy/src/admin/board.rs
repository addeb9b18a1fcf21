//! What is served, as it was put in force last: written by whoever serves, read by the admin side.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use doxy_proxy::{AccessLog, Observer, SocketId, Upstream, WebRefusals};

use crate::config::{LoadedPolicy, hash_of};

/// Where what is in force is posted. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    facts: Arc<Mutex<Arc<Facts>>>,
    pub(crate) observer: Observer,
    /// Whom the admin side itself gave no place.
    pub(crate) refusals: WebRefusals,
}

/// What is in force.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) started: SystemTime,
    /// What the start said of the sandbox.
    pub(crate) sandbox: String,
    pub(crate) reloads: Reloads,
    pub(crate) sockets: Vec<SocketFacts>,
    /// The access logs, by where they are.
    pub(crate) logs: Vec<(String, AccessLog)>,
}

/// What became of reloads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reloads {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// When the last one was.
    pub(crate) last: Option<SystemTime>,
    /// Why the last one failed, if it did.
    pub(crate) last_error: Option<String>,
}

/// A socket in force.
#[derive(Debug, Clone)]
pub(crate) struct SocketFacts {
    pub(crate) id: SocketId,
    pub(crate) name: String,
    pub(crate) addresses: Vec<AddressFacts>,
    pub(crate) engine: Arc<Upstream>,
    pub(crate) policy: Arc<LoadedPolicy>,
    pub(crate) dry_run: Option<doxy_proxy::DryRun>,
    /// When the certificate ends that clients see.
    pub(crate) certificate_ends: Option<SystemTime>,
}

/// An address in force.
#[derive(Debug, Clone)]
pub(crate) struct AddressFacts {
    pub(crate) address: String,
    /// `unix`, `tcp` or `tls`.
    pub(crate) kind: &'static str,
    /// The permissions of a unix socket.
    pub(crate) mode: Option<u32>,
}

impl Board {
    pub(crate) fn new(observer: Observer, facts: Facts) -> Self {
        Self {
            facts: Arc::new(Mutex::new(Arc::new(facts))),
            observer,
            refusals: WebRefusals::default(),
        }
    }

    /// Changes what is posted.
    pub(crate) fn post(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.lock();
        change(Arc::make_mut(&mut facts));
    }

    /// What is posted.
    pub(super) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Facts>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// A hash of all sockets' names and policies: equal where the same is in force.
    pub(super) fn policy_hash(&self) -> String {
        let sockets = self.sockets.iter();
        let policies = sockets.map(|socket| (&*socket.name, socket.policy.hash));
        format!("{:016x}", hash_of(&policies.collect::<Vec<_>>()))
    }
}
