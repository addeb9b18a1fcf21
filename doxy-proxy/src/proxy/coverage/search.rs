//! Asks a script about an endpoint until its answers differ or nothing is left to ask.
//!
//! First typical requests, then ones with what is written in the script, in the parts of a request
//! that the script has read. What is asked is bounded: over the bound it must not say `denied`, nor
//! `allowed`.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use doxy_filter::api::{Api, Body, Endpoint, endpoint_of, examples};
use doxy_filter::{Access, Coverage, split_version};
use doxy_script::{Literals, Part, Reads};

use crate::policy::Policy;
use crate::proxy::coverage::asked::Asked;
use crate::proxy::coverage::guesses::Guesses;
use crate::proxy::coverage::question::{encoded, open, way};
use crate::proxy::coverage::samples::{Samples, samples};
use crate::proxy::explain::{Answer, Asker, Explanation, Question};

/// How many requests a script is asked about.
const MAX_QUESTIONS: usize = 150_000;
/// What no script means.
const NOBODY: &str = "doxy-has-no-such-name";

/// Asks the script of one policy.
pub(super) struct Search<'p> {
    policy: &'p Policy,
    socket: &'p str,
    literals: &'p Literals,
    guesses: Guesses,
    left: usize,
    failures: Option<(usize, String)>,
    /// What it reads of a request for no endpoint, by method and caller.
    usual: BTreeMap<(&'static str, Option<u32>), Reads>,
}

/// Requests that differ from each other in one part.
struct Family {
    /// Where the first of them was denied, and after how many steps.
    first: Option<(String, u32)>,
    computed: u32,
}

impl<'p> Search<'p> {
    pub(super) fn new(policy: &'p Policy, literals: &'p Literals, socket: &'p str) -> Self {
        Self {
            policy,
            socket,
            literals,
            guesses: Guesses::new(literals),
            left: MAX_QUESTIONS,
            failures: None,
            usual: BTreeMap::new(),
        }
    }

    /// How often the script failed, and how it did so first.
    pub(super) fn failures(self) -> Option<(usize, String)> {
        self.failures
    }

    /// What the script says about an endpoint of which the rules open so much.
    pub(super) fn row(&mut self, row: &Coverage) -> Asked {
        let (endpoint, rules) = (row.endpoint, row.access);
        let mut asked = Asked::default();
        let samples = samples(endpoint);
        let reads = self.typical(endpoint, &samples, rules, &mut asked);
        let Some(plain) = samples.paths.last() else {
            return asked;
        };
        let is_open = |asked: &Asked| asked.access(rules) == Access::Partly;
        if is_open(&asked) {
            return asked;
        }
        if reads.contain(Part::Endpoint) || reads.contain(Part::Object) {
            self.names(endpoint, plain, rules, &mut asked);
        }
        if reads.contain(Part::Version) && !is_open(&asked) {
            self.versions(endpoint, plain, rules, &mut asked);
        }
        if reads.contain(Part::Query) && !is_open(&asked) {
            self.query(endpoint, plain, rules, reads.parameters.clone(), &mut asked);
        }
        let peer = [Part::User, Part::Process, Part::Network];
        if peer.iter().any(|part| reads.contain(*part)) && !is_open(&asked) {
            self.peers(endpoint, plain, rules, &reads, &mut asked);
        }
        asked.depends |= self.left == 0 || !self.literals.complete;
        asked
    }

    /// Asks about typical requests. Returns what the script has read of them.
    fn typical(
        &mut self,
        endpoint: &'static Endpoint,
        samples: &Samples,
        rules: Access,
        asked: &mut Asked,
    ) -> Reads {
        let first = samples.paths.first().map_or("", |path| &**path);
        let question = self.question(endpoint, first);
        let mut reads = Reads::default();
        let mut needs_body = false;
        for uid in [None, Some(0), Some(1000)] {
            let peer = uid.map(|uid| Asker::Unix {
                uid,
                gid: uid,
                pid: None,
            });
            let peer = peer.as_ref();
            let said = self.ask(Question { peer, ..question }, asked);
            self.look_closer(endpoint, rules, &said, uid, asked);
            needs_body |= said.answer == Answer::Depends("the body".to_owned());
            reads.add(said.reads);
        }
        let with_query = samples
            .queries
            .iter()
            .map(|name| format!("{first}?{name}=1"));
        let targets: Vec<_> = samples.paths.iter().cloned().chain(with_query).collect();
        for target in &targets {
            let said = self.ask(Question { target, ..question }, asked);
            self.look_closer(endpoint, rules, &said, None, asked);
            needs_body |= said.answer == Answer::Depends("the body".to_owned());
        }
        let json = [("Content-Type".to_owned(), b"application/json".to_vec())];
        for body in samples.bodies.iter().filter(|_| needs_body) {
            let question = Question {
                headers: &json,
                body: Some(body),
                ..question
            };
            self.ask(question, asked);
        }
        // A script can read a body where the engine does not.
        let chunked = [("Transfer-Encoding".to_owned(), b"chunked".to_vec())];
        if !needs_body && !matches!(endpoint.body, Body::Refused) {
            let question = Question {
                headers: &chunked,
                ..question
            };
            self.ask(question, asked);
        }
        reads
    }

    /// Notes whether a script looks closer at a request than at one for no endpoint: another request
    /// for the same endpoint could then get another answer.
    fn look_closer(
        &mut self,
        endpoint: &'static Endpoint,
        rules: Access,
        said: &Explanation,
        uid: Option<u32>,
        asked: &mut Asked,
    ) {
        let reads = &said.reads;
        let is_denied = said.answer == Answer::Deny;
        let named = endpoint.template.contains('{');
        let names = reads.contain(Part::Endpoint) && !self.literals.compares_path
            || reads.contain(Part::Object) && !self.literals.compares_name;
        let matched = reads.contain(Part::Matched) && rules == Access::Partly;
        if reads.contain(Part::Headers)
            || reads.contain(Part::Path)
            || is_denied && (named && names || matched || reads.contain(Part::Parsed))
        {
            asked.depends = true;
        }
        let peer = |reads: &Reads| {
            let parts = [Part::User, Part::Process, Part::Network];
            parts.iter().any(|part| reads.contain(*part))
        };
        if reads.contain(Part::Query) || peer(reads) {
            let usual = self.usual(endpoint.method, uid);
            asked.depends |= reads.contain(Part::Query) && !usual.contain(Part::Query)
                || peer(reads) && !peer(usual);
        }
    }

    fn usual(&mut self, method: &'static str, uid: Option<u32>) -> &Reads {
        let (policy, socket) = (self.policy, self.socket);
        self.usual.entry((method, uid)).or_insert_with(|| {
            let peer = uid.map(|uid| Asker::Unix {
                uid,
                gid: uid,
                pid: None,
            });
            let question = Question {
                peer: peer.as_ref(),
                ..open(method, "/doxy-has-no-such-endpoint", socket)
            };
            policy.explain(&question).reads
        })
    }

    /// Asks with names and paths that are written in the script.
    fn names(
        &mut self,
        endpoint: &'static Endpoint,
        plain: &str,
        rules: Access,
        asked: &mut Asked,
    ) {
        let (version, _) = split_version(plain);
        let version = match version {
            "" => String::new(),
            version => format!("/v{version}"),
        };
        let paths = self.guesses.paths.iter();
        let mut targets: Vec<_> = paths.map(|path| format!("{version}{path}")).collect();
        if endpoint.template.contains('{') {
            let named = self.guesses.names.iter();
            targets.extend(named.filter_map(|name| examples(endpoint, name).pop()));
        }
        targets.retain(|path| {
            let found = endpoint_of(endpoint.method, path);
            found.is_some_and(|found| ptr::eq(found, endpoint))
        });
        let question = self.question(endpoint, plain);
        let mut family = self.family(question, asked);
        for target in &targets {
            if !self.differs(&mut family, Question { target, ..question }, rules, asked) {
                return;
            }
        }
    }

    /// Asks in versions that are written in the script, and in those that clients use.
    fn versions(
        &mut self,
        endpoint: &'static Endpoint,
        plain: &str,
        rules: Access,
        asked: &mut Asked,
    ) {
        let (_, path) = split_version(plain);
        let versions = self.guesses.versions(endpoint).iter();
        let targets: Vec<_> = versions
            .map(|version| format!("/v{version}{path}"))
            .collect();
        let usual = match endpoint.api {
            Api::Libpod => format!("/v5.0.0{path}"),
            Api::Docker => format!("/v1.44{path}"),
        };
        let question = self.question(endpoint, &usual);
        let mut family = self.family(question, asked);
        // The number of a version is taken out of its text.
        family.computed = u32::MAX;
        for target in &targets {
            if !self.differs(&mut family, Question { target, ..question }, rules, asked) {
                return;
            }
        }
    }

    /// Asks with parameters of the query that the script asks for, and values that are written in it.
    fn query(
        &mut self,
        endpoint: &'static Endpoint,
        plain: &str,
        rules: Access,
        mut wanted: BTreeSet<String>,
        asked: &mut Asked,
    ) {
        let values: Vec<_> = self.guesses.values.iter().map(|it| encoded(it)).collect();
        let question = self.question(endpoint, plain);
        let before = self.ask(question, asked).reads.computed;
        let mut all = false;
        if asked.access(rules) == Access::Denied {
            let target = format!("{plain}?{NOBODY}={NOBODY}");
            let target = &target;
            let reads = self.ask(Question { target, ..question }, asked).reads;
            all = reads.contain(Part::Parameters);
            wanted.extend(reads.parameters);
            if all {
                wanted.extend(self.guesses.values.iter().cloned());
            }
        } else {
            // What is open counts as it is for the parameters that clients send.
            wanted.retain(|name| endpoint.query().any(|known| known == name));
        }
        for name in wanted.iter().map(|name| encoded(name)) {
            let target = format!("{plain}?{name}={NOBODY}");
            let mut family = self.family(
                Question {
                    target: &target,
                    ..question
                },
                asked,
            );
            asked.depends |= family.first.is_some() && family.computed > before;
            family.computed = family.computed.max(before);
            let values = match all {
                true => values.get(..FEW.min(values.len())).unwrap_or_default(),
                false => &values,
            };
            for value in values {
                let target = format!("{plain}?{name}={value}");
                let target = &target;
                if !self.differs(&mut family, Question { target, ..question }, rules, asked) {
                    return;
                }
            }
        }
    }

    /// Asks for callers that are written in the script.
    fn peers(
        &mut self,
        endpoint: &'static Endpoint,
        plain: &str,
        rules: Access,
        reads: &Reads,
        asked: &mut Asked,
    ) {
        let question = self.question(endpoint, plain);
        let nobody = Asker::Unix {
            uid: 4_294_967_000,
            gid: 4_294_967_000,
            pid: None,
        };
        let stranger = Asker::Net {
            address: ([192, 0, 2, 2], 1).into(),
            certificate: None,
        };
        let users = match reads.contain(Part::User) || reads.contain(Part::Process) {
            true => self.guesses.users.clone(),
            false => vec![],
        };
        let clients = match reads.contain(Part::Network) {
            true => self.guesses.clients.clone(),
            false => vec![],
        };
        for (neutral, peers) in [(nobody, users), (stranger, clients)] {
            let peer = Some(&neutral);
            let mut family = self.family(Question { peer, ..question }, asked);
            for peer in &peers {
                let peer = Some(peer);
                if !self.differs(&mut family, Question { peer, ..question }, rules, asked) {
                    return;
                }
            }
        }
    }

    /// Asks about the first request of a family.
    fn family(&mut self, question: Question<'_>, asked: &mut Asked) -> Family {
        let said = self.ask(question, asked);
        Family {
            computed: said.reads.computed,
            first: way(&said),
        }
    }

    /// Asks about another request of a family. Returns whether there is any use in going on.
    fn differs(
        &mut self,
        family: &mut Family,
        question: Question<'_>,
        rules: Access,
        asked: &mut Asked,
    ) -> bool {
        let said = self.ask(question, asked);
        if let (Some((place, steps)), Some((first, usual))) = (way(&said), &family.first) {
            // To the same denial by another way: more of the same kind may get through.
            asked.depends |= place == *first && steps != *usual;
        }
        self.left > 0 && asked.access(rules) != Access::Partly
    }

    fn ask(&mut self, question: Question<'_>, asked: &mut Asked) -> Explanation {
        self.left = self.left.saturating_sub(1);
        let said = self.policy.explain(&question);
        if let Some(failure) = &said.failure {
            let (count, _) = self.failures.get_or_insert_with(|| (0, failure.clone()));
            *count += 1;
        }
        asked.add(&said);
        said
    }

    fn question<'q>(&self, endpoint: &'static Endpoint, target: &'q str) -> Question<'q>
    where
        'p: 'q,
    {
        open(endpoint.method, target, self.socket)
    }
}

/// How many values are tried where any parameter may count.
const FEW: usize = 1;
