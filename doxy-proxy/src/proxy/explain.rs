//! What a policy says about a request that nobody has sent: for tools that explain, check and compare
//! policies.
//!
//! The question becomes a head, and goes the way of a request up to the decision: read strictly, made
//! canonical, judged by the rules and the script. It makes no permit and reaches no engine.

mod question;
mod recorded;

use doxy_filter::api::{Endpoint, endpoint_of};
#[cfg(feature = "script")]
use doxy_script::{Body, PeerContainer, Reads, watch_reads};

#[cfg(feature = "script")]
use crate::http::collect::{CollectedBody, RequestBody};
use crate::http::malformed::Malformed;
use crate::http::request::{Head, Rejected, ValidRequest, header_slots};
use crate::policy::{Denial, Judgement, Policy};
#[cfg(feature = "script")]
use crate::policy::{Lookups, ScriptDecision, Seen, Settled};
use crate::proxy::error::Error;
pub use crate::proxy::explain::question::{
    Asker, AskingCertificate, AskingContainer, KnownObject, ObjectAnswer, Question,
};
pub use crate::proxy::explain::recorded::{RecordedPeer, RecordedRequest};
use crate::proxy::respond;

/// What a policy says about a question.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Allowed, denied, or not to be said.
    pub answer: Answer,
    /// What decided.
    pub by: DecidedBy,
    /// The status that the client gets from doxy; 0 if the request is forwarded or that depends.
    pub status: u16,
    /// The message that the client gets from doxy; empty if the request is forwarded or that depends.
    pub message: String,
    /// Why the request is denied, as logs have it; empty otherwise.
    pub reason: String,
    /// What the engine gets instead of the request, if the policy allows it and changes it.
    pub changed: Option<Changed>,
    /// The path as it is judged: decoded, with its version. `None` if it cannot be judged.
    pub path: Option<String>,
    /// What the engine serves there.
    pub endpoint: Option<&'static Endpoint>,
    /// Why the script failed, for its author: with its file and line.
    pub failure: Option<String>,
    /// What a script has read of the request.
    #[cfg(feature = "script")]
    pub(in crate::proxy) reads: Reads,
    /// Whether the request is refused where the engine is not known to be Docker: the path means
    /// something else with its escapes than without, or the query has a parameter twice.
    pub only_docker: bool,
}

/// Whether a request is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is forwarded.
    Allow,
    /// Doxy answers it.
    Deny,
    /// The policy asks for what the question leaves open: a word for what that is, `the body`, `the
    /// caller's container`, or the kind and name of an object.
    Depends(String),
}

/// A request as a policy has changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Path and query.
    pub target: String,
    /// The header lines that the policy has set.
    pub headers: Vec<(String, String)>,
    /// The body that the policy has made, as JSON; `None` if it was not changed.
    pub body: Option<String>,
}

/// What decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedBy {
    /// It was refused before any policy was asked: it is malformed or ambiguous.
    Reading,
    /// This rule, as `FILE:LINE`.
    Rule(String),
    /// This script: `FILE`, with the line where it denied.
    Script(String),
    /// No rule allows it.
    NoRule,
    /// Nobody: it depends.
    Open,
}

impl Policy {
    /// Says what this policy would do with a request. The browser check of TCP sockets, who may
    /// connect at all, and limits of size and number are not the policy's.
    #[must_use]
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let bytes = question.head();
        let mut slots = header_slots();
        let read = Head::parse(&bytes, &mut slots)
            .map_err(Rejected::from)
            .and_then(|head| match question.is(&head) {
                true => head.validate(),
                false => Err(Malformed::Target.into()),
            });
        let mut request = match read {
            Ok(request) => request,
            Err(refused) => return Explanation::refused(&Error::BadRequest(refused.error)),
        };
        #[cfg(feature = "script")]
        let mut explanation = {
            let (mut explanation, reads) = watch_reads(|| self.judged(&mut request, question));
            explanation.reads = reads;
            if explanation.answer == Answer::Allow {
                explanation.changed = changed(&request);
            }
            explanation
        };
        #[cfg(not(feature = "script"))]
        let mut explanation = self.judged(&mut request, question);
        request.query_judged = self.has_script();
        let needs_docker = request.needs_docker().is_some();
        let judged = request.judged();
        explanation.endpoint = endpoint_of(judged.method, judged.path);
        explanation.only_docker = needs_docker;
        explanation.path = Some(judged.path.to_owned());
        explanation
    }

    /// Whether a script is asked before the rules.
    #[must_use]
    pub fn has_script(&self) -> bool {
        self.asks_script()
    }

    /// Whether the rules decide about any request: not beside a script that leaves nothing to them.
    #[must_use]
    pub fn asks_rules(&self) -> bool {
        #[cfg(feature = "script")]
        return self.script().is_none_or(|script| script.asks_rules());
        #[cfg(not(feature = "script"))]
        return true;
    }

    #[cfg(feature = "script")]
    fn judged(&self, request: &mut ValidRequest<'_, '_>, question: &Question<'_>) -> Explanation {
        let verdict = self.match_rules(request);
        let mut lookups = Lookups::default();
        let mut container = PeerContainer::NotAsked;
        let mut failure = None;
        // A policy asks for each thing once. One that asks again is not to be trusted with a loop.
        for _ in 0..MAX_ASKED {
            let said = self.script().map(|script| {
                let body = match &request.body {
                    RequestBody::Collected(body) => Body::Read(body.bytes()),
                    _ => Body::NotRead,
                };
                let seen = Seen {
                    peer: question.peer.map(Asker::shown),
                    container: &container,
                    socket: question.socket,
                    body,
                };
                script.ask_seeing(request, verdict, seen, &mut lookups)
            });
            if let Some(ScriptDecision::Failed { log, .. }) = &said {
                failure = Some(log.clone());
            }
            let judgement = self.judge(&request.judged(), verdict, said);
            let judgement = match self.settle(request, judgement) {
                Settled::Rewritten => continue,
                Settled::Judged(judgement) => judgement,
            };
            let missing = match judgement {
                Judgement::Allowed { file, line } => {
                    let by = DecidedBy::at(file, line);
                    return match self.script().map(|it| it.identify(request, &lookups)) {
                        Some(Err(denial)) => Explanation::denied(denial, failure),
                        _ => Explanation::allowed(by),
                    };
                }
                Judgement::Denied(denial) => return Explanation::denied(denial, failure),
                // A change was settled above.
                Judgement::NeedsBody | Judgement::Changed(_) => match question.body {
                    Some(bytes) => {
                        request.body = RequestBody::Collected(CollectedBody::of(bytes.to_vec()));
                        continue;
                    }
                    None => "the body".to_owned(),
                },
                Judgement::NeedsContainer => {
                    container = match question.container {
                        AskingContainer::Open => {
                            return Explanation::open("the caller's container".to_owned());
                        }
                        AskingContainer::Unknown => PeerContainer::Unknown,
                        AskingContainer::Known(json) => PeerContainer::known(json),
                    };
                    continue;
                }
                Judgement::NeedsLookup(lookup) => match question.answer_to(&lookup) {
                    Some(answer) => {
                        lookups.answer(lookup, answer);
                        continue;
                    }
                    None => lookup.to_string(),
                },
            };
            return Explanation::open(missing);
        }
        Explanation::refused(&Error::Internal)
    }

    #[cfg(not(feature = "script"))]
    fn judged(&self, request: &mut ValidRequest<'_, '_>, _: &Question<'_>) -> Explanation {
        match self.judge(&request.judged(), self.match_rules(request)) {
            Judgement::Allowed { file, line } => Explanation::allowed(DecidedBy::at(file, line)),
            Judgement::Denied(denial) => Explanation::denied(denial, None),
        }
    }
}

/// What a policy has changed of a request.
#[cfg(feature = "script")]
fn changed(request: &ValidRequest<'_, '_>) -> Option<Changed> {
    let rewritten = request.rewritten.as_deref()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let body = match &request.body {
        RequestBody::Collected(body) if rewritten.body => Some(text(body.bytes())),
        _ => None,
    };
    let set = rewritten.headers.iter().cloned();
    Some(Changed {
        target: request.path_and_query.clone().into_owned(),
        headers: set.collect(),
        body,
    })
}

/// More than a policy can ask for: a body, a container, and its lookups.
#[cfg(feature = "script")]
const MAX_ASKED: usize = 32;

impl DecidedBy {
    fn at(file: &str, line: Option<usize>) -> Self {
        match line {
            Some(line) => Self::Rule(format!("{file}:{line}")),
            None => Self::Script(file.to_owned()),
        }
    }
}

impl Explanation {
    fn new(answer: Answer, by: DecidedBy) -> Self {
        Self {
            answer,
            by,
            status: 0,
            message: String::new(),
            reason: String::new(),
            path: None,
            endpoint: None,
            changed: None,
            failure: None,
            #[cfg(feature = "script")]
            reads: Reads::default(),
            only_docker: false,
        }
    }

    fn allowed(by: DecidedBy) -> Self {
        Self::new(Answer::Allow, by)
    }

    fn open(missing: String) -> Self {
        Self::new(Answer::Depends(missing), DecidedBy::Open)
    }

    fn denied(denial: Denial, failure: Option<String>) -> Self {
        let by = match &denial {
            Denial::Path {
                rule: Some(rule), ..
            } => DecidedBy::Rule(rule.clone()),
            Denial::Script {
                place: Some(place), ..
            } => DecidedBy::Script(place.clone()),
            // The body alone decided.
            Denial::Script { place: None, .. } => DecidedBy::Reading,
            _ => DecidedBy::NoRule,
        };
        let error = Error::from(denial);
        let reason = match &error {
            Error::Denied(Denial::Path { rule: Some(_), .. }) => "denied by a rule".to_owned(),
            Error::Denied(Denial::Script { template, .. }) if !template.is_empty() => {
                template.clone()
            }
            Error::Denied(Denial::MethodOnPath {
                method, allowed, ..
            }) => format!("not allowed for {method}, only for {allowed}"),
            error => match error.reason().0.words() {
                "" => error.to_string(),
                words => words.to_owned(),
            },
        };
        Self {
            reason,
            failure,
            ..Self::answered(&error, by)
        }
    }

    fn refused(error: &Error) -> Self {
        Self {
            reason: error.to_string(),
            ..Self::answered(error, DecidedBy::Reading)
        }
    }

    fn answered(error: &Error, by: DecidedBy) -> Self {
        Self {
            status: respond::status(error).as_u16(),
            message: error.to_string(),
            ..Self::new(Answer::Deny, by)
        }
    }
}

#[cfg(test)]
mod tests;
