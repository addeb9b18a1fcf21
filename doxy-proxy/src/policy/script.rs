//! Step three, decide, where there is a policy script: what it is told, and what its word means.
//!
//! Nothing of Rhai is here; `doxy-script` has all of it. Whatever goes wrong there is a denial.

use doxy_filter::Verdict;
pub(crate) use doxy_script::Script;
use doxy_script::{Body, Decision, Input, Peer};

use crate::error::Denial;
use crate::http::request::Inbound;
use crate::log::quote::escaped;
use crate::net::peer::Caller;
use crate::policy::{Seen, Unpermitted};

/// A script, and where the requests come in that it is asked about.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) script: Script,
    pub(crate) socket: String,
}

/// What a script says when it does not deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    /// The rules decide.
    Passed,
}

impl Scripted {
    /// Asks the script.
    pub(crate) fn ask(
        &self,
        inbound: &Inbound<'_>,
        body: Seen<'_>,
        caller: Option<&Caller>,
        verdict: Verdict<'_>,
    ) -> Result<Answer, Unpermitted> {
        let judged = inbound.judged();
        let headers: Vec<_> = inbound.passed_on().collect();
        let input = Input {
            method: judged.method,
            path: judged.path,
            query: judged.query,
            headers: &headers,
            peer: caller.map(|caller| Peer {
                uid: caller.uid,
                gid: caller.gid,
                pid: (caller.pid > 0).then_some(caller.pid),
            }),
            socket: &self.socket,
            has_body: inbound.has_body(),
            verdict,
        };
        let body = match body {
            Seen::Nothing => Body::NotRead,
            Seen::Whole(bytes) => Body::Read(bytes),
            Seen::Unreadable(reason) => Body::Unreadable(reason),
        };
        let denial = match self.script.decide(&input, body) {
            // It speaks of the request that it saw; this body would change it.
            Decision::Allow if inbound.has_form_body() => Denial::FormBody,
            Decision::Allow => return Ok(Answer::Allowed),
            Decision::Pass => return Ok(Answer::Passed),
            Decision::NeedsBody => return Err(Unpermitted::NeedsBody),
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
        Err(Unpermitted::Denied(denial))
    }
}
