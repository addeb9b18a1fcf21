//! Runs cases against a policy: what was expected, what came, and whether that is the same.

use std::sync::Arc;

use doxy_filter::cases::{Case, CasePeer, Expected};
use doxy_proxy::{
    Answer, Asker, AskingContainer, DecidedBy, Explanation, KnownObject, ObjectAnswer, Policy,
    Question,
};

use serde_json::Value;

use crate::config::NO_RULES;
use crate::tools::check::finding::{Finding, Level, placed};

/// The socket of a case that names none.
const SOCKET: &str = "/run/doxy.sock";

/// What judges the cases.
pub(super) struct Judge {
    policy: Arc<Policy>,
}

impl Judge {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self { policy }
    }

    /// An error, if the body of a case is meant to be JSON and is none: what the policy says of it would
    /// say nothing about the request that is meant.
    pub(super) fn json_error(file: &str, case: &Case) -> Option<Finding> {
        let body = case.body.as_deref().filter(|_| case.claims_json())?;
        let error = serde_json::from_str::<Value>(body).err()?;
        // A column of the body, which has one line, counted in bytes.
        let before = body.get(..error.column().saturating_sub(1)).unwrap_or(body);
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        let mut finding = Finding::of(Level::Error, "");
        let (line, column) = case.body_at;
        finding.place = Some((file.to_owned(), line, column + before.chars().count()));
        finding.message = format!("the body is not JSON: {why}");
        finding.help =
            "mend it; what is meant to be no JSON goes with `header Content-Type: text/plain`"
                .to_owned();
        Some(finding)
    }

    /// Runs a case. None if it got what it expects.
    pub(super) fn run(&self, file: &str, case: &Case) -> Option<Finding> {
        let got = self.explain(case);
        let verdict = self.verdict(&got);
        // Nobody has written the rule that stands where there are none.
        let decided = decided(&got).filter(|(file, _)| file != NO_RULES);
        let at = decided.as_ref().map(|(file, line)| (file.as_str(), *line));
        let texts = || {
            let failure = got.failure.iter();
            [&got.message, &got.reason].into_iter().chain(failure)
        };
        let because = |part: &String| texts().any(|text| text.contains(part.as_str()));
        let agrees = verdict == Ok(case.expected)
            && case.rule.as_ref().is_none_or(|rule| rule.is_at(at))
            && case.because.iter().all(because);
        if agrees {
            return None;
        }
        let mut finding = Finding::of(Level::Case, "");
        finding.place = Some((file.to_owned(), case.line, 1));
        finding.message = case.to_string();
        finding.expected = case.expected.word().to_owned();
        if let Some(rule) = &case.rule {
            finding.expected.push_str(&format!(", by {rule}"));
        }
        for part in &case.because {
            finding.expected.push_str(&format!(", because {part}"));
        }
        finding.got = match verdict {
            Ok(verdict) => verdict.word().to_owned(),
            Err(missing) => format!("no verdict: it depends on {missing}"),
        };
        if let Some((file, line)) = at {
            finding.got.push_str(&format!(", by {file}:{line}"));
        }
        // The reason of a script is a template, and its message has the values.
        let text = match (&got.failure, &got.by) {
            (Some(failure), _) => failure,
            (None, DecidedBy::Script(_)) => &got.message,
            (None, _) => &got.reason,
        };
        if !text.is_empty() {
            finding.got.push_str(&format!(", because {text}"));
        }
        Some(finding)
    }

    fn explain(&self, case: &Case) -> Explanation {
        let headers: Vec<_> = case
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_bytes().to_owned()))
            .collect();
        let peer = case.peer.as_ref().map(|peer| match *peer {
            CasePeer::Unix { uid, gid, pid } => Asker::Unix { uid, gid, pid },
            CasePeer::Net(address) => Asker::Net {
                address,
                certificate: None,
            },
        });
        let lookups: Vec<_> = case
            .lookups
            .iter()
            .map(|lookup| KnownObject {
                what: lookup.what.clone(),
                answer: ObjectAnswer::Found(lookup.answer.as_bytes().to_owned()),
            })
            .collect();
        self.policy.explain(&Question {
            method: &case.method,
            target: &case.target,
            headers: &headers,
            body: Some(case.body.as_deref().unwrap_or_default().as_bytes()),
            peer: peer.as_ref(),
            container: match &case.container {
                Some(json) => AskingContainer::Known(json.as_bytes()),
                None => AskingContainer::Unknown,
            },
            socket: case.socket.as_deref().unwrap_or(SOCKET),
            lookups: &lookups,
            only_these: true,
        })
    }

    fn verdict<'e>(&self, got: &'e Explanation) -> Result<Expected, &'e str> {
        match (&got.answer, &got.by) {
            (Answer::Depends(missing), _) => Err(missing),
            (Answer::Allow, _) => Ok(Expected::Allow),
            // The body alone may make a request that has a path one that is denied.
            (Answer::Deny, DecidedBy::Reading) if got.path.is_none() => Ok(Expected::Refused),
            // A script without rules leaves the request to nobody.
            (Answer::Deny, DecidedBy::Rule(_)) if self.policy.rules().source() == NO_RULES => {
                Ok(Expected::Pass)
            }
            (Answer::Deny, _) => Ok(Expected::Deny),
        }
    }
}

/// The line that decided: `FILE:LINE` of a rule, `FILE:LINE:COLUMN` of a script.
fn decided(got: &Explanation) -> Option<(String, usize)> {
    let place = match (&got.by, &got.failure) {
        (_, Some(failure)) => return placed(failure).map(|((file, line, _), _)| (file, line)),
        (DecidedBy::Rule(place), _) => place,
        (DecidedBy::Script(place), _) => place.rsplit_once(':')?.0,
        (DecidedBy::Reading | DecidedBy::NoRule | DecidedBy::Open, _) => return None,
    };
    let (file, line) = place.rsplit_once(':')?;
    Some((file.to_owned(), line.parse().ok()?))
}
