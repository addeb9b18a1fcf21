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

#[cfg(feature = "script")]
mod script;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use doxy_filter::{Reason, RuleSet, Verdict};

use crate::error::Denial;
use crate::http::request::ValidRequest;
use crate::log::record::RequestRecord;
use crate::net::peer::Peer;
#[cfg(feature = "script")]
use crate::policy::script::{Script, ScriptDecision, Scripted};
use crate::proxy::connection::Client;

/// What doxy goes by when it judges a request.
#[derive(Debug)]
pub struct Policy {
    rules: RuleSet,
    #[cfg(feature = "script")]
    script: Option<Scripted>,
}

/// What has been read of a request's body when it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BodyView<'a> {
    /// Nothing: nobody has asked for it.
    Nothing,
    /// All of it, which is what will be forwarded.
    Whole(&'a [u8]),
    /// It cannot be judged; the reason is for the client.
    Unreadable(&'a str),
}

/// Why there is no permit.
#[derive(Debug)]
pub(crate) enum NotPermitted {
    /// The policy says no.
    Denied(Denial),
    /// The policy wants to see the body first, and has not said anything yet.
    NeedsBody,
}

/// The policy in force; a clone is the same. A request keeps the one it began with.
#[derive(Debug, Clone)]
pub struct PolicyHandle {
    mine: Slot,
    /// One for each thread that serves, so that none waits for another to look at its own.
    all: Arc<Mutex<Vec<Slot>>>,
}

/// Where one thread looks. The count of references that each request changes is the thread's own: that
/// is what the outer one is for.
type Slot = Arc<RwLock<Arc<Arc<Policy>>>>;

impl PolicyHandle {
    /// Puts a policy in force.
    pub fn new(policy: Policy) -> Self {
        let mine = Slot::new(RwLock::new(Arc::new(Arc::new(policy))));
        Self {
            all: Arc::new(Mutex::new(vec![Arc::clone(&mine)])),
            mine,
        }
    }

    /// Puts another one in its place, for all requests that begin from now on.
    pub fn replace(&self, policy: Policy) {
        let policy = Arc::new(policy);
        for place in self
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let own = Arc::new(Arc::clone(&policy));
            *place.write().unwrap_or_else(PoisonError::into_inner) = own;
        }
    }

    /// The same policy, and all that will replace it, for another thread to look at.
    pub(crate) fn for_another_thread(&self) -> Self {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = Arc::clone(&*self.load());
        let mine = Slot::new(RwLock::new(Arc::new(policy)));
        all.push(Arc::clone(&mine));
        Self {
            mine,
            all: Arc::clone(&self.all),
        }
    }

    #[expect(clippy::redundant_allocation, reason = "as in `Slot`")]
    pub(crate) fn load(&self) -> Arc<Arc<Policy>> {
        Arc::clone(&self.mine.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The proof that a request was judged and allowed; good for forwarding it once.
#[derive(Debug)]
pub(crate) struct Permit<'b> {
    request: ValidRequest<'b>,
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
    pub(crate) fn caller(&self, client: &mut Client) -> Option<Arc<Peer>> {
        #[cfg(feature = "script")]
        if self.script.is_some() {
            return client.caller();
        }
        None
    }

    /// Judges one request, and notes in `record` what was decided and why.
    pub(crate) fn decide<'b>(
        &self,
        request: ValidRequest<'b>,
        body: BodyView<'_>,
        caller: Option<&Peer>,
        record: &mut RequestRecord<'_>,
    ) -> Result<Permit<'b>, NotPermitted> {
        let judged = request.judged();
        record.judged(&judged);
        let verdict = self.rules.decide(&judged);
        #[cfg(feature = "script")]
        if let Some(scripted) = &self.script {
            match scripted.ask(&request, body, caller, verdict)? {
                ScriptDecision::Allow => {
                    record.allowed(scripted.script.name(), None);
                    return Ok(Permit { request });
                }
                ScriptDecision::Pass => {}
            }
        }
        let denial = match verdict {
            // A rule allows the request that its head describes; this body would change it.
            Verdict::Allow(_) if request.has_form_body() => Denial::FormBody,
            Verdict::Allow(rule) => {
                record.allowed(rule.source, Some(rule.line));
                return Ok(Permit { request });
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
        Err(NotPermitted::Denied(denial))
    }
}

impl<'b> Permit<'b> {
    /// Uses the permit up and gives out the request that it is for.
    pub(crate) fn redeem(self) -> ValidRequest<'b> {
        self.request
    }
}
