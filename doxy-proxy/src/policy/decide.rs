//! Step three, decide: the only file that makes a permit. A dry run has a way of its own.
//!
//! A [`Permit`] holds the very request that was judged. Its field is private, it can be neither
//! copied nor made elsewhere, and forwarding takes nothing else: code that forgets to ask the policy
//! does not compile. Nothing here knows sockets.

#![cfg_attr(
    not(feature = "script"),
    allow(
        dead_code,
        unused_variables,
        reason = "only scripts look at bodies and peers"
    )
)]

use doxy_filter::{Reason, Request, RuleSet, Verdict, api};

use crate::http::request::ValidRequest;
#[cfg(feature = "script")]
use crate::http::rewritten::Change;
use crate::log::probe;
use crate::log::record::RequestRecord;
use crate::policy::denial::Denial;
use crate::policy::origin::Origin;
#[cfg(feature = "script")]
use crate::policy::script::{Lookup, Lookups, Script, ScriptDecision};

/// Rules, and a script that is asked before them.
#[derive(Debug)]
pub struct Policy {
    rules: RuleSet,
    #[cfg(feature = "script")]
    script: Option<Script>,
}

/// What the policy has looked up for one request. Rules look nothing up.
#[cfg(not(feature = "script"))]
#[derive(Debug, Default)]
pub(crate) struct Lookups {}

/// What the policy says about a request.
#[derive(Debug)]
pub(crate) enum Decision<'s, 'b> {
    Permit(Permit<'s, 'b>),
    /// The request is given back, for a dry run.
    Denied(ValidRequest<'s, 'b>, Denial),
    /// It has to see the body first. The request is given back, to be judged again with it.
    NeedsBody(ValidRequest<'s, 'b>),
    /// It has changed the request, which is given back, to be judged again.
    #[cfg(feature = "script")]
    Rewritten(ValidRequest<'s, 'b>),
    /// It has to know first what the engine says to this. The request is given back as well.
    #[cfg(feature = "script")]
    NeedsLookup(ValidRequest<'s, 'b>, Lookup),
    /// It has to know first which container the peer is in. The request is given back as well.
    #[cfg(feature = "script")]
    NeedsContainer(ValidRequest<'s, 'b>),
}

/// What rules and script say about a request.
#[derive(Debug)]
pub(crate) enum Judgement<'p> {
    /// Allowed by a line of this file, or by a script as a whole.
    Allowed {
        file: &'p str,
        line: Option<usize>,
    },
    Denied(Denial),
    /// Allowed by the script with this change, if it allows what comes of it.
    #[cfg(feature = "script")]
    Changed(Change),
    /// The script has to see the body first.
    #[cfg(feature = "script")]
    NeedsBody,
    /// It has to know first what the engine says to this.
    #[cfg(feature = "script")]
    NeedsLookup(Lookup),
    /// It has to know first which container the peer is in.
    #[cfg(feature = "script")]
    NeedsContainer,
}

/// A judgement that stands, or a request that was changed and is to be judged again.
#[cfg(feature = "script")]
pub(crate) enum Settled<'p> {
    Judged(Judgement<'p>),
    Rewritten,
}

/// The proof that a request was judged and allowed; good for forwarding it once.
#[derive(Debug)]
pub(crate) struct Permit<'s, 'b> {
    request: ValidRequest<'s, 'b>,
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

    /// A policy of a script that is asked first, and of rules for what it leaves to them.
    #[cfg(feature = "script")]
    pub fn with_script(rules: RuleSet, script: doxy_script::Script) -> Self {
        Self {
            rules,
            script: Some(Script::new(script)),
        }
    }

    /// Whether `decide` asks a script, which may take time.
    pub(crate) fn asks_script(&self) -> bool {
        #[cfg(feature = "script")]
        return self.script.is_some();
        #[cfg(not(feature = "script"))]
        return false;
    }

    /// What the rules say about a request. A body does not change it.
    pub(crate) fn match_rules(&self, request: &ValidRequest<'_, '_>) -> Verdict<'_> {
        self.rules.decide(&request.judged())
    }

    /// Judges one request by what the rules say and by the script, and notes in `record` what
    /// allowed it.
    pub(crate) fn decide<'s, 'b>(
        &self,
        #[cfg_attr(
            not(feature = "script"),
            expect(unused_mut, reason = "only scripts change requests")
        )]
        mut request: ValidRequest<'s, 'b>,
        verdict: Verdict<'_>,
        origin: Origin<'_>,
        lookups: &mut Lookups,
        record: &mut RequestRecord<'_>,
    ) -> Decision<'s, 'b> {
        let judged = request.judged();
        #[cfg(feature = "script")]
        let said = self.script.as_ref().map(|script| {
            let began = record.script_begins();
            let said = script.ask(&request, verdict, origin, lookups);
            let failed = match said {
                ScriptDecision::Failed { limit, .. } => Some(limit),
                _ => None,
            };
            record.script_ended(began, failed.is_some(), failed.unwrap_or_default());
            script.log_failure(&said, &judged);
            said
        });
        let judgement = self.judge(
            &judged,
            verdict,
            #[cfg(feature = "script")]
            said,
        );
        #[cfg(feature = "script")]
        let judgement = match self.settle(&mut request, judgement) {
            Settled::Rewritten => return Decision::Rewritten(request),
            Settled::Judged(judgement) => judgement,
        };
        match judgement {
            Judgement::Allowed { file, line } => {
                record.allowed(file, line);
                self.permit(request, lookups, record)
            }
            Judgement::Denied(denial) => {
                // Nobody is to be told every few seconds that doxy was asked whether it lives.
                if probe::is_one(&request.judged(), &request.head.lines) {
                    record.answered_to_probe();
                } else {
                    record.denied(&request.judged(), denial.place());
                }
                Decision::Denied(request, denial)
            }
            #[cfg(feature = "script")]
            // A change was settled above.
            Judgement::NeedsBody | Judgement::Changed(_) => Decision::NeedsBody(request),
            #[cfg(feature = "script")]
            Judgement::NeedsLookup(lookup) => Decision::NeedsLookup(request, lookup),
            #[cfg(feature = "script")]
            Judgement::NeedsContainer => Decision::NeedsContainer(request),
        }
    }

    /// Changes a request as the script wants it. It may do so once: it has to allow what it has made, or
    /// to make the same of it.
    #[cfg(feature = "script")]
    pub(crate) fn settle<'p>(
        &'p self,
        request: &mut ValidRequest<'_, '_>,
        judgement: Judgement<'p>,
    ) -> Settled<'p> {
        let Some(script) = &self.script else {
            return Settled::Judged(judgement);
        };
        let again = request.rewritten.is_some();
        let change = match judgement {
            Judgement::Changed(change) => change,
            // The rules have not seen what was changed.
            Judgement::Allowed { line: Some(_), .. } if again => {
                return Settled::Judged(Judgement::Denied(script.unsettled()));
            }
            judgement => return Settled::Judged(judgement),
        };
        Settled::Judged(if !request.differs_from(&change) {
            Judgement::Allowed {
                file: script.name(),
                line: None,
            }
        } else if again {
            Judgement::Denied(script.unsettled())
        } else if change.body.is_some() && request.waits_for_body() {
            Judgement::NeedsBody
        } else if request.rewrite(change) {
            return Settled::Rewritten;
        } else {
            let reason = "the policy cannot change this body: it is too long, or could not be read";
            Judgement::Denied(script.failure(reason.to_owned()))
        })
    }

    /// What rules and script together say: what the rules say, and what the script says if there is one.
    /// It permits nothing and notes nothing.
    pub(crate) fn judge<'p>(
        &'p self,
        judged: &Request<'_>,
        verdict: Verdict<'p>,
        #[cfg(feature = "script")] said: Option<ScriptDecision>,
    ) -> Judgement<'p> {
        #[cfg(feature = "script")]
        if let (Some(script), Some(said)) = (&self.script, said) {
            match said {
                ScriptDecision::Allow => {
                    return Judgement::Allowed {
                        file: script.name(),
                        line: None,
                    };
                }
                ScriptDecision::Rewrite(change) => return Judgement::Changed(change),
                ScriptDecision::Pass => {}
                ScriptDecision::NeedsBody => return Judgement::NeedsBody,
                ScriptDecision::NeedsLookup(lookup) => return Judgement::NeedsLookup(lookup),
                ScriptDecision::NeedsContainer => return Judgement::NeedsContainer,
                ScriptDecision::Deny(denial) => return Judgement::Denied(denial),
                ScriptDecision::Failed { public, .. } => {
                    return Judgement::Denied(script.failure(public));
                }
            }
        }
        let reason = match verdict {
            Verdict::Allow(rule) => {
                return Judgement::Allowed {
                    file: rule.source,
                    line: Some(rule.line),
                };
            }
            Verdict::Deny(reason) => reason,
        };
        Judgement::Denied(match reason {
            Reason::Method { allowed } => Denial::Method {
                allowed: allowed.to_owned(),
                method: judged.method.to_owned(),
            },
            Reason::Rule(rule) => Denial::Path {
                path: judged.path.to_owned(),
                rule: Some(rule.to_string()),
            },
            _ => {
                let path = judged.path.to_owned();
                match self.rules.other_methods(judged) {
                    none if none.is_empty() => Denial::Path { path, rule: None },
                    allowed => Denial::MethodOnPath {
                        path,
                        method: judged.method.to_owned(),
                        allowed,
                    },
                }
            }
        })
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The script, which is asked before the rules.
    #[cfg(feature = "script")]
    pub(crate) fn script(&self) -> Option<&Script> {
        self.script.as_ref()
    }

    /// The rule that would allow a denied request, written from the table of endpoints alone. None if
    /// more than a rule is missing, and none for what leads to root on the host or runs commands.
    pub(crate) fn suggestion(&self, judged: &Request<'_>, denial: &Denial) -> Option<String> {
        if !denial.wants_a_rule() || self.rules.matching(judged).iter().any(|rule| rule.denies) {
            return None;
        }
        let endpoint = api::endpoint_of(judged.method, judged.path)?;
        let never = [api::Risk::HostRoot, api::Risk::Exec];
        let harmless = !never.iter().any(|risk| endpoint.risks.contains(risk));
        harmless.then(|| api::suggest(endpoint))
    }

    /// The permit for a request that is allowed. What its path names is what was judged.
    fn permit<'s, 'b>(
        &self,
        #[cfg_attr(
            not(feature = "script"),
            expect(unused_mut, reason = "only scripts look up")
        )]
        mut request: ValidRequest<'s, 'b>,
        lookups: &Lookups,
        record: &mut RequestRecord<'_>,
    ) -> Decision<'s, 'b> {
        #[cfg(feature = "script")]
        if let Some(script) = &self.script {
            request.query_judged = true;
            match script.identify(&mut request, lookups) {
                Ok(None) => {}
                Ok(Some(id)) => record.identified(id),
                Err(denial) => {
                    record.denied(&request.judged(), denial.place());
                    return Decision::Denied(request, denial);
                }
            }
        }
        Decision::Permit(Permit { request })
    }
}

impl<'s, 'b> Permit<'s, 'b> {
    /// Uses the permit up and gives out the request that it is for.
    pub(crate) fn redeem(self) -> ValidRequest<'s, 'b> {
        self.request
    }
}
