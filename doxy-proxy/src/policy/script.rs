//! What a policy script is told about a request, and what its answer means.
//!
//! Nothing of Rhai is here; `doxy-script` has all of it. Whatever fails there is a denial.

use std::sync::Arc;

use doxy_filter::api::object_of;
use doxy_filter::{Request, Verdict};
use doxy_script::{
    Body, Certificate as ScriptCertificate, Decision, Identity, Literals, Peer as ScriptPeer,
    PeerContainer, Rewrite, ScriptRequest,
};
pub(crate) use doxy_script::{Lookup, Lookups, Unanswered};

use crate::http::collect::RequestBody;
use crate::http::request::ValidRequest;
use crate::http::rewritten::Change;
use crate::log::escape::escaped;
use crate::log::limit::LineLimit;
use crate::net::container::Container;
use crate::net::peer::Peer;
use crate::policy::denial::Denial;
use crate::policy::origin::Origin;

/// The labels that compose gives to its containers.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// A policy script.
#[derive(Debug)]
pub(crate) struct Script {
    script: doxy_script::Script,
    /// Every request of a client may make it fail.
    failures: LineLimit,
}

/// What a script says about a request.
#[derive(Debug)]
pub(crate) enum ScriptDecision {
    Allow,
    /// Allowed as the script has changed it, if it allows that too.
    Rewrite(Change),
    /// The rules decide.
    Pass,
    Deny(Denial),
    /// It failed or ran past a limit: what the client may know, and what its author must.
    Failed {
        public: String,
        log: String,
        /// Whether it ran past a limit.
        limit: bool,
    },
    /// It has to see the body first.
    NeedsBody,
    /// It has to know first what the engine says to this.
    NeedsLookup(Lookup),
    /// It has to know first which container the peer is in.
    NeedsContainer,
}

/// What a script is told beside the request's head.
pub(crate) struct Seen<'a> {
    pub(crate) peer: Option<ScriptPeer>,
    pub(crate) container: &'a PeerContainer,
    pub(crate) socket: &'a str,
    pub(crate) body: Body<'a>,
}

impl Script {
    /// Whether it can leave a request to the rules.
    pub(crate) fn asks_rules(&self) -> bool {
        self.script.asks_rules()
    }

    pub(crate) fn new(script: doxy_script::Script) -> Self {
        Self {
            script,
            failures: LineLimit::default(),
        }
    }

    /// What is written in it.
    pub(crate) fn literals(&self) -> &Literals {
        self.script.literals()
    }

    /// The name of its file.
    pub(crate) fn name(&self) -> &str {
        self.script.name()
    }

    /// Asks the script. `verdict` is what the rules say.
    pub(crate) fn ask(
        &self,
        request: &ValidRequest<'_, '_>,
        verdict: Verdict<'_>,
        origin: Origin<'_>,
        lookups: &mut Lookups,
    ) -> ScriptDecision {
        let peer = match origin.peer {
            Peer::Unix(peer) => ScriptPeer::Unix {
                uid: peer.uid,
                gid: peer.gid,
                pid: (peer.pid > 0).then_some(peer.pid),
            },
            Peer::Net(peer) => ScriptPeer::Net {
                address: peer.address,
                certificate: peer.certificate.as_deref().map(|shown| ScriptCertificate {
                    subject: Arc::clone(&shown.subject),
                    sans: Arc::clone(&shown.sans),
                    spki: shown.spki,
                }),
            },
        };
        let container = match origin.container.filter(|_| self.script.reads_container()) {
            None => PeerContainer::NotAsked,
            Some(Err(_)) => PeerContainer::Unknown,
            Some(Ok(container)) => shown(container),
        };
        let body = match &request.body {
            RequestBody::Unread => Body::NotRead,
            RequestBody::Collected(body) => Body::Read(body.bytes()),
            RequestBody::Unreadable(reason) => Body::Unreadable(reason),
        };
        let seen = Seen {
            peer: Some(peer),
            container: &container,
            socket: origin.socket,
            body,
        };
        self.ask_seeing(request, verdict, seen, lookups)
    }

    /// Asks the script, which is told this.
    pub(crate) fn ask_seeing(
        &self,
        request: &ValidRequest<'_, '_>,
        verdict: Verdict<'_>,
        seen: Seen<'_>,
        lookups: &mut Lookups,
    ) -> ScriptDecision {
        let judged = request.judged();
        let headers: Vec<_> = request.end_to_end_headers().collect();
        let input = ScriptRequest {
            method: judged.method,
            path: judged.path,
            query: judged.query,
            headers: &headers,
            peer: seen.peer,
            container: seen.container,
            socket: seen.socket,
            has_body: request.has_body(),
            changed: request.rewritten.is_some(),
            verdict,
        };
        match self.script.decide(&input, seen.body, lookups) {
            Decision::Allow => ScriptDecision::Allow,
            Decision::Rewrite(rewrite) => self.change(rewrite, judged.query),
            Decision::Pass => ScriptDecision::Pass,
            Decision::NeedsBody => ScriptDecision::NeedsBody,
            Decision::NeedsLookup(lookup) => ScriptDecision::NeedsLookup(lookup),
            Decision::NeedsContainer => ScriptDecision::NeedsContainer,
            Decision::Deny {
                reason,
                template,
                status,
                location,
            } => ScriptDecision::Deny(Denial::Script {
                reason,
                template,
                status,
                place: location.map(|location| location.to_string()),
                failed: false,
            }),
            Decision::Failed { public, log, limit } => {
                ScriptDecision::Failed { public, log, limit }
            }
        }
    }

    /// What a script changes of a request with this query.
    fn change(&self, rewrite: Rewrite, query: Option<&str>) -> ScriptDecision {
        let query = match rewrite.query.is_empty() {
            true => None,
            false => match rewrite.query_instead_of(query) {
                Some(query) => Some(query),
                None => {
                    let reason =
                        "the query has a `;`, an invalid escape, or bytes that are not UTF-8";
                    return ScriptDecision::Failed {
                        public: reason.to_owned(),
                        log: format!("{}: {reason}", self.name()),
                        limit: false,
                    };
                }
            },
        };
        ScriptDecision::Rewrite(Change {
            query,
            body: rewrite.body,
            headers: rewrite.headers,
        })
    }

    /// The denial of a request that the script has changed and does not allow as it is now.
    pub(crate) fn unsettled(&self) -> Denial {
        self.failure("the policy does not allow the request as it has changed it".to_owned())
    }

    /// The denial of a request on which the script failed.
    pub(crate) fn failure(&self, public: String) -> Denial {
        Denial::Script {
            reason: public,
            template: String::new(),
            status: 403,
            place: Some(self.name().to_owned()),
            failed: true,
        }
    }

    /// Has an allowed request name the object that was judged: the path gets the full id of what
    /// the script has looked up. Returns the id, if there is one to note.
    pub(crate) fn identify<'l>(
        &self,
        request: &mut ValidRequest<'_, '_>,
        lookups: &'l Lookups,
    ) -> Result<Option<&'l str>, Denial> {
        if lookups.is_empty() {
            return Ok(None);
        }
        let judged = request.judged();
        let Some(object) = object_of(judged.method, judged.path) else {
            return Ok(None);
        };
        let absent = || {
            let name = judged.path.get(object.name.clone()).unwrap_or_default();
            Denial::Script {
                reason: object.kind.absent(name),
                template: "no such object".to_owned(),
                status: 404,
                place: Some(self.name().to_owned()),
                failed: false,
            }
        };
        let id = match lookups.identified(&object, judged.path) {
            None => return Ok(None),
            // What takes the name from now on was not judged.
            Some(Identity::Absent) => return Err(absent()),
            Some(Identity::Id(id)) => id,
        };
        let denial = absent();
        if request.identify(&object.name, id) {
            Ok(Some(id))
        } else {
            Err(denial)
        }
    }

    /// Logs that the script failed, if it did.
    pub(crate) fn log_failure(&self, said: &ScriptDecision, judged: &Request<'_>) {
        let ScriptDecision::Failed { log, .. } = said else {
            return;
        };
        let Some(dropped) = self.failures.admit() else {
            return;
        };
        if dropped > 0 {
            tracing::error!("({dropped} failures of the policy script not logged)");
        }
        let (log, path) = (escaped(log.as_bytes()), escaped(judged.path.as_bytes()));
        tracing::error!("{log} (asked about {} {path})", judged.method);
    }
}

/// A container as scripts see it.
fn shown(container: &Container) -> PeerContainer {
    let json = serde_json::json!({
        "id": container.id,
        "name": container.name,
        "image": container.image,
        "labels": container.labels,
        "project": container.labels.get(PROJECT),
        "service": container.labels.get(SERVICE),
    });
    PeerContainer::known(json.to_string().as_bytes())
}
