//! Step three, decide: the only file that makes a permit.
//!
//! A [`Permit`] holds the very request that was judged. Its field is private, it can be neither
//! copied nor made elsewhere, and forwarding takes nothing else: a path through the code that
//! forgets to ask the policy does not compile.

use doxy_filter::{Reason, RuleSet, Verdict};

use crate::error::Denial;
use crate::record::Record;
use crate::request::Inbound;

/// What doxy goes by when it judges a request.
#[derive(Debug)]
pub struct Policy {
    rules: RuleSet,
}

/// The proof that a request was judged and allowed; good for forwarding it once.
#[derive(Debug)]
pub(crate) struct Permit {
    inbound: Inbound,
}

impl Policy {
    /// A policy of rules alone.
    pub fn new(rules: RuleSet) -> Self {
        Self { rules }
    }

    /// Judges one request, and notes in `record` what was decided and why.
    pub(crate) fn decide(&self, inbound: Inbound, record: &mut Record) -> Result<Permit, Denial> {
        let judged = inbound.judged();
        record.judged(&judged);
        let denial = match self.rules.decide(&judged) {
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
        Err(denial)
    }
}

impl Permit {
    /// Uses the permit up and gives out the request that it is for.
    pub(crate) fn redeem(self) -> Inbound {
        self.inbound
    }
}
