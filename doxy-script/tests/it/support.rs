//! Requests to ask about, and answers in words.

use doxy_filter::{Reason, RuleSet, Verdict, canonical_path};
use doxy_script::{Body, Decision, Peer, Script, ScriptRequest};

/// A request that owns its parts. The default is `GET /`.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// The target as sent: path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) peer: Option<Peer>,
    pub(crate) socket: String,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
            peer: None,
            socket: "/run/doxy.sock".to_owned(),
        }
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Asks as doxy does: without the body, and again with it if the script wants it.
    pub(crate) fn of(&self, script: &Script, rules: Option<&RuleSet>) -> Decision {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let path = canonical_path(path).unwrap_or_else(|error| panic!("{}: {error}", self.target));
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let verdict = rules.map_or(Verdict::Deny(Reason::NoRule), |rules| {
            rules.decide(&doxy_filter::Request {
                method: &self.method,
                path: &path,
                query,
            })
        });
        let input = ScriptRequest {
            method: &self.method,
            path: &path,
            query,
            headers: &headers,
            peer: self.peer,
            socket: &self.socket,
            has_body: self.body.is_some(),
            verdict,
        };
        let body = self.body.as_deref().unwrap_or_default();
        match script.decide(&input, Body::NotRead) {
            Decision::NeedsBody => script.decide(&input, Body::Read(body)),
            Decision::Pass => match verdict {
                Verdict::Allow(_) => Decision::Allow,
                Verdict::Deny(_) if rules.is_some() => Decision::Deny {
                    reason: "no rule allows it".to_owned(),
                    status: 403,
                    location: None,
                },
                Verdict::Deny(_) => Decision::Pass,
            },
            decision => decision,
        }
    }
}

/// `allow`, `pass`, `deny REASON` or `fail LOG`.
pub(crate) fn words(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allow".to_owned(),
        Decision::Pass => "pass".to_owned(),
        Decision::Deny { reason, .. } => format!("deny {reason}"),
        Decision::Failed { log, .. } => format!("fail {log}"),
        Decision::NeedsBody => "needs-body".to_owned(),
    }
}

/// What a script says of `GET /` or another request.
pub(crate) fn run(source: &str, ask: &Ask) -> String {
    let script = Script::compile("p.rhai", source.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{source}"));
    words(&ask.of(&script, None))
}
