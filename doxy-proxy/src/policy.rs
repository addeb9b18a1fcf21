//! Step three, decide: the only file that makes a permit.
//!
//! A [`Permit`] holds the very request that was judged. Its field is private, it can be neither
//! copied nor made elsewhere, and forwarding takes nothing else: a path through the code that
//! forgets to ask the policy does not compile.

#![cfg_attr(
    not(feature = "script"),
    allow(
        dead_code,
        unused_variables,
        reason = "only scripts look at bodies and callers"
    )
)]

use std::sync::{Arc, PoisonError, RwLock};

use doxy_filter::{Reason, RuleSet, Verdict};

use crate::connection::Client;
use crate::error::Denial;
use crate::peer::Caller;
use crate::record::Record;
use crate::request::Inbound;
#[cfg(feature = "script")]
use crate::scripted::{Answer, Script, Scripted};

/// What doxy goes by when it judges a request.
#[derive(Debug)]
pub struct Policy {
    rules: RuleSet,
    #[cfg(feature = "script")]
    script: Option<Scripted>,
}

/// What has been read of a request's body when it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'a> {
    /// Nothing: nobody has asked for it.
    Nothing,
    /// All of it, which is what will be forwarded.
    Whole(&'a [u8]),
    /// It cannot be judged; the reason is for the client.
    Unreadable(&'a str),
}

/// Why there is no permit.
#[derive(Debug)]
pub(crate) enum Unpermitted {
    /// The policy says no.
    Denied(Denial),
    /// The policy wants to see the body first, and has not said anything yet.
    NeedsBody,
}

/// The policy in force; a clone is the same. A request keeps the one it began with.
#[derive(Debug, Clone)]
pub struct CurrentPolicy(Arc<RwLock<Arc<Policy>>>);

impl CurrentPolicy {
    /// Puts a policy in force.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// Puts another one in its place, for all requests that begin from now on.
    pub fn replace(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    pub(crate) fn now(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The proof that a request was judged and allowed; good for forwarding it once.
#[derive(Debug)]
pub(crate) struct Permit<'b> {
    inbound: Inbound<'b>,
}

impl Policy {
    /// A policy of rules alone.
    pub fn new(rules: RuleSet) -> Self {
        Self {
            rules,
            #[cfg(feature = "script")]
            script: None,
        }
    }

    /// A policy of a script that is asked first, and of rules for what it leaves to them. `socket` is
    /// what the script is told of where a request came in.
    #[cfg(feature = "script")]
    pub fn with_script(rules: RuleSet, script: Script, socket: String) -> Self {
        Self {
            rules,
            script: Some(Scripted { script, socket }),
        }
    }

    /// Who has connected, if the policy is going to ask.
    pub(crate) fn caller(&self, client: &mut Client) -> Option<Arc<Caller>> {
        #[cfg(feature = "script")]
        if self.script.is_some() {
            return client.caller();
        }
        None
    }

    /// Judges one request, and notes in `record` what was decided and why.
    pub(crate) fn decide<'b>(
        &self,
        inbound: Inbound<'b>,
        body: Seen<'_>,
        caller: Option<&Caller>,
        record: &Record,
    ) -> Result<Permit<'b>, Unpermitted> {
        let judged = inbound.judged();
        record.judged(&judged);
        let verdict = self.rules.decide(&judged);
        #[cfg(feature = "script")]
        if let Some(scripted) = &self.script {
            match scripted.ask(&inbound, body, caller, verdict)? {
                Answer::Allowed => {
                    record.allowed(scripted.script.name());
                    return Ok(Permit { inbound });
                }
                Answer::Passed => {}
            }
        }
        let denial = match verdict {
            // A rule allows the request that its head describes; this body would change it.
            Verdict::Allow(_) if inbound.has_form_body() => Denial::FormBody,
            Verdict::Allow(rule) => {
                record.allowed(rule);
                return Ok(Permit { inbound });
            }
            Verdict::Deny(Reason::Method { allowed }) => Denial::Method {
                allowed: allowed.to_owned(),
                method: judged.method.to_owned(),
            },
            Verdict::Deny(Reason::Rule(rule)) => Denial::Path {
                path: judged.path.to_owned(),
                rule: Some(rule.to_string()),
            },
            Verdict::Deny(_) => Denial::Path {
                path: judged.path.to_owned(),
                rule: None,
            },
        };
        Err(Unpermitted::Denied(denial))
    }
}

impl<'b> Permit<'b> {
    /// Uses the permit up and gives out the request that it is for.
    pub(crate) fn redeem(self) -> Inbound<'b> {
        self.inbound
    }
}
