//! What a policy says about a request of which only a record is left.
//!
//! A record has neither query, headers nor body. A policy that has read what is not there could have
//! decided otherwise, so then nothing is said. It must never guess what was in a request.

use std::fmt::Write as _;

use doxy_filter::api::{Body, endpoint_of};
#[cfg(feature = "script")]
use doxy_script::{Part, watch_reads};

use crate::policy::Policy;
use crate::proxy::explain::question::{Asker, AskingContainer, Question};
use crate::proxy::explain::{Answer, Explanation};

/// A request as the access log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedRequest<'r> {
    /// The method.
    pub method: &'r str,
    /// The path as it was judged: decoded, with its version.
    pub path: &'r str,
    /// Who asked.
    pub peer: RecordedPeer,
    /// The name of the socket.
    pub socket: &'r str,
}

/// Who asked, as far as a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordedPeer {
    /// This user and group, over a unix socket.
    Unix {
        /// The user.
        uid: u32,
        /// Its primary group.
        gid: u32,
    },
    /// Somebody over TCP.
    Net,
    /// Nothing is known.
    Unknown,
}

impl Policy {
    /// Says what this policy would do with a recorded request, or what it would have to know.
    #[must_use]
    pub fn explain_recorded(&self, recorded: &RecordedRequest<'_>) -> Explanation {
        let target = encoded(recorded.path);
        let asker = match recorded.peer {
            RecordedPeer::Unix { uid, gid } => Some(Asker::Unix {
                uid,
                gid,
                pid: None,
            }),
            RecordedPeer::Net | RecordedPeer::Unknown => None,
        };
        let question = Question {
            method: recorded.method,
            target: &target,
            headers: &[],
            body: None,
            peer: asker.as_ref(),
            container: AskingContainer::Open,
            socket: recorded.socket,
            lookups: &[],
            only_these: false,
        };
        #[cfg(feature = "script")]
        let (mut explanation, reads) = watch_reads(|| self.explain(&question));
        #[cfg(not(feature = "script"))]
        let mut explanation = self.explain(&question);
        #[cfg(feature = "script")]
        let lacking = {
            let unix = matches!(recorded.peer, RecordedPeer::Unix { .. });
            let unknown = recorded.peer == RecordedPeer::Unknown;
            [
                (Part::Query, true, "the query"),
                (Part::Headers, true, "the headers"),
                (Part::Process, true, "the caller's process"),
                (Part::User, unknown, "the caller's user"),
                (Part::Network, !unix, "the caller's address and certificate"),
            ]
            .into_iter()
            .find(|(part, lacks, _)| *lacks && reads.contain(*part))
            .map(|(_, _, word)| word)
        };
        #[cfg(not(feature = "script"))]
        let lacking = None;
        // Before any policy is asked, a body is refused here; a record does not say whether there was one.
        let refuses_body = || {
            let endpoint = endpoint_of(recorded.method, recorded.path);
            endpoint.is_some_and(|endpoint| matches!(endpoint.body, Body::Refused))
        };
        let lacking = match explanation.answer {
            Answer::Allow if self.has_script() && refuses_body() => Some("the body"),
            _ => lacking,
        };
        if let Some(word) = lacking {
            let (path, endpoint) = (explanation.path.take(), explanation.endpoint);
            explanation = Explanation {
                path,
                endpoint,
                ..Explanation::open(word.to_owned())
            };
        }
        explanation
    }
}

/// A target of this path: every reader decodes it to the same.
fn encoded(path: &str) -> String {
    let mut target = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b':' | b'@' | b'+' | b',' | b'=' | b'!' => {
                target.push(char::from(byte));
            }
            _ if byte.is_ascii_alphanumeric() => target.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(target, "%{byte:02X}");
            }
        }
    }
    target
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

    use doxy_filter::RuleSet;
    use doxy_filter::canonical_path;

    use super::{Answer, Policy, RecordedPeer, RecordedRequest, encoded};

    const UNIX: RecordedPeer = RecordedPeer::Unix { uid: 1000, gid: 7 };

    fn answer(policy: &Policy, line: &str, peer: RecordedPeer) -> Answer {
        let (method, path) = line.split_once(' ').unwrap_or_default();
        let recorded = RecordedRequest {
            method,
            path,
            peer,
            socket: "/run/doxy.sock",
        };
        policy.explain_recorded(&recorded).answer
    }

    #[test]
    fn a_target_is_decoded_to_its_path() {
        for path in [
            "/v1.41/containers/a b/json",
            "/a?b#c;d|\"<script>",
            "/n\u{fc}\u{202e}/~x/a=b&c",
            "/containers/json",
        ] {
            assert_eq!(canonical_path(&encoded(path)).as_deref(), Ok(path));
            assert!(!encoded(path).contains(['?', '#', ' ']));
        }
    }

    #[test]
    fn rules_need_nothing_that_a_record_lacks() {
        let rules = b"/info\nPOST /containers/[^/]+/start\n/a b\\?";
        let policy = Policy::new(RuleSet::parse("rules", rules).unwrap());
        for (line, expected) in [
            ("GET /info", Answer::Allow),
            ("POST /containers/web/start", Answer::Allow),
            ("GET /a b?", Answer::Allow),
            ("GET /version", Answer::Deny),
            ("DELETE /info", Answer::Deny),
        ] {
            for peer in [UNIX, RecordedPeer::Net, RecordedPeer::Unknown] {
                assert_eq!(answer(&policy, line, peer), expected, "{line}");
            }
        }
    }

    #[cfg(feature = "script")]
    #[test]
    fn a_script_that_reads_what_a_record_lacks_decides_nothing() {
        let script = r#"fn decide(req) {
            let e = req.endpoint;
            if e == "/info" { return allow(); }
            if e == "/events" { if req.query.filters == () { return deny("x"); } return allow(); }
            if e == "/version" { if req.headers["user-agent"] == () { return deny("x"); } }
            if e == "/_ping" { if req.peer.uid == 1000 { return allow(); } return deny("x"); }
            if e == "/images/json" { if req.peer.address == () { return allow(); } return deny("x"); }
            if e == "/volumes" { if req.peer.pid == 1 { return allow(); } return deny("x"); }
            if e == "/networks" { if req.peer.container == () { return allow(); } return deny("x"); }
            if e == "/containers/create" { if req.json().Image == "x" { return allow(); } }
            pass()
        }"#;
        let rules = RuleSet::parse("rules", b"/swarm\nPOST /containers/[^/]+/(start|stop)");
        let script = doxy_script::Script::compile("p.rhai", script.as_bytes());
        let policy = Policy::with_script(rules.unwrap(), script.unwrap());
        let depends = |word: &str| Answer::Depends(word.to_owned());
        for (line, unix, net, unknown) in [
            ("GET /info", Answer::Allow, Answer::Allow, Answer::Allow),
            (
                "GET /events",
                depends("the query"),
                depends("the query"),
                depends("the query"),
            ),
            (
                "GET /version",
                depends("the headers"),
                depends("the headers"),
                depends("the headers"),
            ),
            (
                "GET /_ping",
                Answer::Allow,
                Answer::Deny,
                depends("the caller's user"),
            ),
            (
                "GET /images/json",
                Answer::Allow,
                depends("the caller's address and certificate"),
                depends("the caller's address and certificate"),
            ),
            (
                "GET /volumes",
                depends("the caller's process"),
                depends("the caller's process"),
                depends("the caller's process"),
            ),
            (
                "GET /networks",
                depends("the caller's container"),
                depends("the caller's container"),
                depends("the caller's container"),
            ),
            (
                "POST /containers/create",
                depends("the body"),
                depends("the body"),
                depends("the body"),
            ),
            ("GET /swarm", Answer::Allow, Answer::Allow, Answer::Allow),
            ("GET /tasks", Answer::Deny, Answer::Deny, Answer::Deny),
            (
                "POST /containers/x/stop",
                Answer::Allow,
                Answer::Allow,
                Answer::Allow,
            ),
            (
                "POST /containers/x/start",
                depends("the body"),
                depends("the body"),
                depends("the body"),
            ),
        ] {
            assert_eq!(answer(&policy, line, UNIX), unix, "{line}");
            assert_eq!(answer(&policy, line, RecordedPeer::Net), net, "{line}");
            assert_eq!(
                answer(&policy, line, RecordedPeer::Unknown),
                unknown,
                "{line}"
            );
        }
    }
}
