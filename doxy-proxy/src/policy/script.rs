//! Step three, decide, where there is a policy script: what it is told, and what its word means.
//!
//! Nothing of Rhai is here; `doxy-script` has all of it. Whatever goes wrong there is a denial.

use doxy_filter::Verdict;
pub(crate) use doxy_script::Script;
use doxy_script::{Body, Decision, Input, Peer as ScriptPeer};

use crate::error::Denial;
use crate::http::request::ValidRequest;
use crate::log::escape::escaped;
use crate::net::peer::Peer;
use crate::policy::{BodyView, NotPermitted};

/// A script, and where the requests come in that it is asked about.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) script: Script,
    pub(crate) socket: String,
}

/// What a script says when it does not deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScriptDecision {
    Allow,
    /// The rules decide.
    Pass,
}

impl Scripted {
    /// Asks the script.
    pub(crate) fn ask(
        &self,
        request: &ValidRequest<'_>,
        body: BodyView<'_>,
        caller: Option<&Peer>,
        verdict: Verdict<'_>,
    ) -> Result<ScriptDecision, NotPermitted> {
        let judged = request.judged();
        let headers: Vec<_> = request.end_to_end_headers().collect();
        let input = Input {
            method: judged.method,
            path: judged.path,
            query: judged.query,
            headers: &headers,
            peer: caller.map(|caller| ScriptPeer {
                uid: caller.uid,
                gid: caller.gid,
                pid: (caller.pid > 0).then_some(caller.pid),
            }),
            socket: &self.socket,
            has_body: request.has_body(),
            verdict,
        };
        let body = match body {
            BodyView::Nothing => Body::NotRead,
            BodyView::Whole(bytes) => Body::Read(bytes),
            BodyView::Unreadable(reason) => Body::Unreadable(reason),
        };
        let denial = match self.script.decide(&input, body) {
            // It speaks of the request that it saw; this body would change it.
            Decision::Allow if request.has_form_body() => Denial::FormBody,
            Decision::Allow => return Ok(ScriptDecision::Allow),
            Decision::Pass => return Ok(ScriptDecision::Pass),
            Decision::NeedsBody => return Err(NotPermitted::NeedsBody),
            Decision::Deny { reason, status, by } => Denial::Script {
                reason,
                status,
                place: by.map(|place| place.to_string()),
                failed: false,
            },
            Decision::Failed { public, log } => {
                let path = escaped(judged.path.as_bytes());
                tracing::error!("{log} (asked about {} {path})", judged.method);
                Denial::Script {
                    reason: public,
                    status: 403,
                    place: Some(self.script.name().to_owned()),
                    failed: true,
                }
            }
        };
        Err(NotPermitted::Denied(denial))
    }
}
