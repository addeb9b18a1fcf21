//! How much of each endpoint a policy opens.
//!
//! Of rules that is decided by what they match. A script can only be asked: with typical requests for
//! each endpoint. It must never say `denied` of what a script decides by a body or by a lookup, nor where
//! the script looks closer at an endpoint than at most.

mod samples;

use std::collections::{BTreeMap, BTreeSet};

use doxy_filter::api::{Api, Endpoint};
use doxy_filter::{Access, Coverage};
use doxy_proxy::{Answer, Asker, AskingContainer, DecidedBy, Explanation, Policy, Question};

use crate::tools::coverage::samples::samples;

/// What a policy opens.
#[derive(Debug)]
pub(crate) struct Covered {
    /// Each endpoint of the table, in its order.
    pub(crate) endpoints: Vec<Coverage>,
    /// Whether a script was asked.
    pub(crate) has_script: bool,
    /// How often the script failed, and how it did so first.
    pub(crate) failures: Option<(usize, String)>,
}

/// Finds out what a policy opens at a socket of this name.
pub(crate) fn covered(policy: &Policy, socket: &str) -> Covered {
    let mut covered = Covered {
        endpoints: policy.rules().coverage(),
        has_script: policy.has_script(),
        failures: None,
    };
    if !covered.has_script {
        return covered;
    }
    let mut failures = None;
    let ask = |row: &Coverage| Asked::of(policy, row.endpoint, socket, &mut failures);
    let asked: Vec<_> = covered.endpoints.iter().map(ask).collect();
    covered.failures = failures;
    let mut denied_at: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (row, asked) in covered.endpoints.iter().zip(&asked) {
        for place in &asked.places {
            denied_at
                .entry(place)
                .or_default()
                .insert(group(row.endpoint));
        }
    }
    let general = |place: &String| {
        let groups = denied_at.get(&**place);
        groups.is_some_and(|groups| groups.len() >= GENERAL)
    };
    for (row, asked) in covered.endpoints.iter_mut().zip(&asked) {
        row.access = asked.access(row.access);
        if row.access == Access::Denied && !asked.places.iter().all(general) {
            row.access = Access::Partly;
        }
    }
    covered
}

/// A place in a script that denies endpoints of so many groups denies whatever is not named before. One
/// that denies fewer looks closer at these, and another query or body may pass it.
const GENERAL: usize = 3;

/// What the objects of an endpoint are: the first segment of its path.
fn group(endpoint: &Endpoint) -> &'static str {
    let mut segments = endpoint.template.split('/').filter(|it| !it.is_empty());
    let first = segments.next().unwrap_or_default();
    match endpoint.api {
        Api::Docker => first,
        Api::Libpod => segments.next().unwrap_or_default(),
    }
}

/// What a script says about an endpoint.
#[derive(Debug, Default)]
struct Asked {
    /// Of how many requests it says so.
    allowed: usize,
    denied: usize,
    /// It leaves them to the rules.
    passed: usize,
    /// It wants to know more than a sample has.
    depends: bool,
    /// Where in the script it denies.
    places: BTreeSet<String>,
}

impl Asked {
    fn of(
        policy: &Policy,
        endpoint: &Endpoint,
        socket: &str,
        failures: &mut Option<(usize, String)>,
    ) -> Self {
        let mut asked = Self::default();
        let peers = [None, Some(0), Some(1000)].map(|uid| {
            uid.map(|uid| Asker::Unix {
                uid,
                gid: uid,
                pid: None,
            })
        });
        let json = [(
            "Content-Type".to_owned(),
            "application/json".as_bytes().to_vec(),
        )];
        let (paths, queries, bodies) = samples(endpoint);
        let first = paths.first().cloned().unwrap_or_default();
        let with_query = queries.iter().map(|query| format!("{first}?{query}=1"));
        let targets: Vec<_> = paths.into_iter().chain(with_query).collect();
        let question = Question {
            method: endpoint.method,
            target: &first,
            headers: &[],
            body: None,
            peer: None,
            container: AskingContainer::Open,
            socket,
            lookups: &[],
            only_these: false,
        };
        let mut ask = |question: Question<'_>| {
            let (said, closer) = policy.explain_closely(&question);
            asked.depends |= closer;
            asked.add(&said, failures);
        };
        for peer in &peers {
            ask(Question {
                peer: peer.as_ref(),
                ..question
            });
        }
        for target in targets.iter().skip(1) {
            ask(Question { target, ..question });
        }
        for body in &bodies {
            ask(Question {
                headers: &json,
                body: Some(body),
                ..question
            });
        }
        asked
    }

    fn add(&mut self, said: &Explanation, failures: &mut Option<(usize, String)>) {
        if let Some(failure) = &said.failure {
            let (count, _) = failures.get_or_insert_with(|| (0, failure.clone()));
            *count += 1;
        }
        match (&said.answer, &said.by) {
            (Answer::Depends(_), _) => self.depends = true,
            (Answer::Allow, DecidedBy::Script(_)) => self.allowed += 1,
            (Answer::Deny, DecidedBy::Script(place)) => {
                self.denied += 1;
                self.places.insert(place.clone());
            }
            (_, DecidedBy::Rule(_) | DecidedBy::NoRule) => self.passed += 1,
            // A sample that is no request for it says nothing.
            (_, DecidedBy::Reading | DecidedBy::Open) => {}
        }
    }

    /// How much of the endpoint is open, if the rules open so much of it.
    fn access(&self, rules: Access) -> Access {
        let passed = (self.passed > 0).then_some(rules);
        let allowed = (self.allowed > 0).then_some(Access::Allowed);
        let denied = (self.denied > 0).then_some(Access::Denied);
        let depends = self.depends.then_some(Access::Partly);
        let mut all = [passed, allowed, denied, depends].into_iter().flatten();
        let Some(first) = all.next() else {
            // No sample got as far as the policy.
            return Access::Partly;
        };
        match all.all(|other| other == first) {
            true => first,
            false => Access::Partly,
        }
    }
}

#[cfg(test)]
mod tests {
    use doxy_filter::Access::{Allowed, Denied, Partly};

    use super::Asked;

    #[test]
    fn what_a_script_says_and_what_it_leaves_to_the_rules() {
        for (allowed, denied, passed, depends, rules, expected) in [
            (0, 0, 3, false, Allowed, Allowed),
            (0, 0, 3, false, Partly, Partly),
            (0, 0, 3, false, Denied, Denied),
            (3, 0, 0, false, Denied, Allowed),
            (0, 3, 0, false, Allowed, Denied),
            (1, 2, 0, false, Allowed, Partly),
            (1, 0, 2, false, Allowed, Allowed),
            (1, 0, 2, false, Denied, Partly),
            (0, 1, 2, false, Denied, Denied),
            (0, 1, 2, false, Allowed, Partly),
            // It decides by what a sample does not have.
            (0, 3, 0, true, Denied, Partly),
            (0, 0, 0, true, Denied, Partly),
            (0, 0, 0, false, Denied, Partly),
        ] {
            let asked = Asked {
                allowed,
                denied,
                passed,
                depends,
                ..Asked::default()
            };
            assert_eq!(asked.access(rules), expected, "{asked:?} {rules}");
        }
    }
}
