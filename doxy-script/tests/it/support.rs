//! Requests to ask about, and answers in words.

use std::collections::HashMap;

use doxy_filter::api::{ENGINE_INFO, ObjectKind};
use doxy_filter::{Reason, RuleSet, Verdict, canonical_path};
use doxy_script::{Body, Decision, Lookups, Peer, PeerContainer, Script, ScriptRequest};

/// A request that owns its parts. The default is `GET /`.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// The target as sent: path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) peer: Option<Peer>,
    /// The container that the peer is in, as JSON. Without one it is in none.
    pub(crate) container: Option<String>,
    pub(crate) socket: String,
    /// What the engine answers to lookups, by target. It knows nothing else.
    pub(crate) engine: HashMap<String, String>,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
            peer: None,
            container: None,
            socket: "/run/doxy.sock".to_owned(),
            engine: HashMap::new(),
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

    /// What the engine answers to one lookup: `container NAME JSON`, or `engine JSON`.
    pub(crate) fn looks_up(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (target, answer) = match ObjectKind::of(kind) {
            Some(kind) => {
                let (name, answer) = rest.split_once(' ').unwrap();
                (kind.target(name).unwrap(), answer)
            }
            None => (ENGINE_INFO.to_owned(), rest),
        };
        self.engine.insert(target, answer.to_owned());
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
        let mut input = ScriptRequest {
            method: &self.method,
            path: &path,
            query,
            headers: &headers,
            peer: self.peer.clone(),
            container: &PeerContainer::NotAsked,
            socket: &self.socket,
            has_body: self.body.is_some(),
            changed: false,
            verdict,
        };
        let body = self.body.as_deref().unwrap_or_default();
        let container = self
            .container
            .as_ref()
            .map(|json| PeerContainer::known(json.as_bytes()));
        let container = container.unwrap_or(PeerContainer::Unknown);
        let mut lookups = Lookups::default();
        let mut read = Body::NotRead;
        let decision = loop {
            match script.decide(&input, read, &mut lookups) {
                Decision::NeedsContainer => input.container = &container,
                Decision::NeedsBody => read = Body::Read(body),
                Decision::NeedsLookup(lookup) => {
                    let answer = self.engine.get(lookup.target()).map(String::as_bytes);
                    lookups.answer(lookup, Ok(answer));
                }
                decision => break decision,
            }
        };
        match decision {
            Decision::Pass => match verdict {
                Verdict::Allow(_) => Decision::Allow,
                Verdict::Deny(_) if rules.is_some() => Decision::Deny {
                    reason: "no rule allows it".to_owned(),
                    template: "no rule allows it".to_owned(),
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
        Decision::Rewrite(rewrite) => format!("rewrite {rewrite:?}"),
        Decision::NeedsContainer => "needs-container".to_owned(),
        Decision::NeedsBody => "needs-body".to_owned(),
        Decision::NeedsLookup(lookup) => format!("needs-lookup {lookup}"),
    }
}

/// What a script says of `GET /` or another request.
pub(crate) fn run(source: &str, ask: &Ask) -> String {
    let script = Script::compile("p.rhai", source.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{source}"));
    words(&ask.of(&script, None))
}
