//! A policy that was read: what it is for the log, what is odd about it, and which risks it opens.
//!
//! It must never know where its text came from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use doxy_filter::api::Risk;
use doxy_proxy::Policy;

use crate::config::risks::{self, Opened};

/// How many warnings about a policy are logged.
const MAX_WARNINGS: usize = 20;

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Arc<Policy>,
    /// What it is and where it comes from, for the log.
    pub(crate) described: String,
    /// What is probably a mistake in it, a line each.
    warnings: Vec<String>,
    /// Every risk that it opens at a socket, by its name, once somebody has asked: a script can tell
    /// sockets apart.
    risks: Mutex<BTreeMap<String, Arc<[Opened]>>>,
    /// The risks that samples show, once somebody has asked.
    in_samples: OnceLock<Vec<Risk>>,
    /// A hash of what it was made of: whether a reload changes it, and whether two hosts have the same.
    pub(crate) hash: u64,
}

impl LoadedPolicy {
    pub(super) fn new(policy: Policy, described: String, warnings: Vec<String>, hash: u64) -> Self {
        Self {
            policy: Arc::new(policy),
            described,
            warnings,
            risks: Mutex::default(),
            in_samples: OnceLock::new(),
            hash,
        }
    }

    /// Every risk that it opens at the socket of this name. The first time takes up to a second.
    pub(super) fn risks(&self, socket: &str) -> Arc<[Opened]> {
        let mut risks = self.risks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = risks.entry(socket.to_owned());
        Arc::clone(known.or_insert_with(|| risks::of(&self.policy, socket).into()))
    }

    /// The risks that it opens at a socket, for the log: all, if somebody had to know them, and else
    /// what samples show.
    pub(crate) fn opens(&self, socket: &str) -> String {
        let known = self.known(socket).is_some();
        let names = self.risk_names(socket);
        let script = !known && self.policy.has_script();
        match (names.is_empty(), script) {
            (true, true) => "what the script allows".to_owned(),
            (true, false) => "nothing of risk".to_owned(),
            (false, true) => format!("{}, and what the script allows", names.join(", ")),
            (false, false) => names.join(", "),
        }
    }

    /// The names of these risks.
    pub(crate) fn risk_names(&self, socket: &str) -> Vec<&'static str> {
        let risks = match self.known(socket) {
            Some(opened) => opened.iter().map(|(risk, _)| *risk).collect(),
            None => {
                let sampled = || risks::in_samples(&self.policy);
                self.in_samples.get_or_init(sampled).clone()
            }
        };
        risks.into_iter().map(Risk::name).collect()
    }

    fn known(&self, socket: &str) -> Option<Arc<[Opened]>> {
        let risks = self.risks.lock().unwrap_or_else(PoisonError::into_inner);
        risks.get(socket).map(Arc::clone)
    }

    /// The same of everything that it opens. The first time takes up to a second.
    pub(crate) fn opens_in_full(&self, socket: &str) -> String {
        self.risks(socket);
        self.opens(socket)
    }

    /// Logs what is probably a mistake in the policy.
    pub(crate) fn warn(&self) {
        for warning in self.warnings.iter().take(MAX_WARNINGS) {
            tracing::warn!("{warning}");
        }
        if let Some(more @ 1..) = self.warnings.len().checked_sub(MAX_WARNINGS) {
            tracing::warn!("{more} more warnings about the policy");
        }
    }

    /// What is probably a mistake in the policy. What is found by a thorough look has a line of help.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
