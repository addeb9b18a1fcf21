#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use doxy_filter::RuleSet;

use super::{Answer, AskingContainer, DecidedBy, Explanation, Question};
use crate::policy::Policy;

const RULES: &str = r"(/v[\d.]+)?/containers/[^/]+/json
POST (/v[\d.]+)?/containers/[^/]+/restart
!.*/vault/.*";

const NOBODY: Question<'static> = Question {
    method: "GET",
    target: "/",
    headers: &[],
    body: Some(b""),
    peer: None,
    container: AskingContainer::Open,
    socket: "s",
    lookups: &[],
    only_these: true,
};

fn rules() -> Policy {
    Policy::new(RuleSet::parse("r.pattern", RULES.as_bytes()).unwrap())
}

fn short(explanation: &Explanation) -> String {
    let by = match &explanation.by {
        DecidedBy::Rule(rule) => rule,
        DecidedBy::Script(place) => place,
        DecidedBy::Reading => "reading",
        DecidedBy::NoRule => "no rule",
        DecidedBy::Open => "open",
    };
    match &explanation.answer {
        Answer::Allow => format!("allow by {by}"),
        Answer::Deny => format!("{} by {by}: {}", explanation.status, explanation.reason),
        Answer::Depends(missing) => format!("depends on {missing}"),
    }
}

#[test]
fn rules_are_asked_about_the_path_that_the_engine_serves() {
    for (method, target, expected) in [
        (
            "GET",
            "/v1.41/containers/a%62/json?size=1",
            "allow by r.pattern:1",
        ),
        ("HEAD", "/containers/ab/json", "allow by r.pattern:1"),
        ("POST", "/containers/ab/restart", "allow by r.pattern:2"),
        (
            "GET",
            "/containers/vault/json",
            "403 by r.pattern:3: denied by a rule",
        ),
        ("GET", "/info", "403 by no rule: no rule allows this path"),
        (
            "GET",
            "/containers/ab/restart",
            "403 by no rule: not allowed for GET, only for POST",
        ),
        ("PUT", "/info", "400 by no rule: no rule allows this method"),
        (
            "GET",
            "/containers/../json",
            "400 by reading: malformed request: the path has a `.` or `..` segment",
        ),
        (
            "TRACE",
            "/",
            "400 by reading: malformed request: TRACE is never forwarded",
        ),
    ] {
        let question = Question {
            method,
            target,
            ..NOBODY
        };
        assert_eq!(
            short(&rules().explain(&question)),
            expected,
            "{method} {target}"
        );
    }
}

#[test]
fn what_is_no_line_of_a_head_is_no_way_to_another_question() {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    for (method, target, headers) in [
        ("GET", "/info HTTP/1.1\r\nX: y", vec![]),
        ("GET /info HTTP/1.1\r\nX:", "/x", vec![]),
        ("GET", "/in fo", vec![]),
        ("GET", "/info", vec![header("X", "a\r\nContent-Length: 5")]),
        ("GET", "/info", vec![header("X\r\nY", "a")]),
        ("GET", "/info", vec![header("", "")]),
        ("", "", vec![]),
    ] {
        let policy = Policy::new(RuleSet::parse("r", b"* .*").unwrap());
        let question = Question {
            method,
            target,
            headers: &headers,
            ..NOBODY
        };
        let explanation = policy.explain(&question);
        assert_eq!(explanation.by, DecidedBy::Reading, "{method} {target}");
        assert_eq!(explanation.answer, Answer::Deny);
    }
}

#[test]
fn the_endpoint_and_the_path_are_told() {
    let question = Question {
        target: "/v1.41/containers%2Fa/json",
        ..NOBODY
    };
    let explanation = rules().explain(&question);
    assert_eq!(
        explanation.path.as_deref(),
        Some("/v1.41/containers/a/json")
    );
    let template = explanation.endpoint.map(|endpoint| endpoint.template);
    assert_eq!(template, Some("/containers/{name:.*}/json"));
    assert!(explanation.only_docker);
}

#[cfg(feature = "script")]
#[test]
fn a_script_gets_what_the_question_has_and_the_rest_is_left_open() {
    use super::{Asker, KnownObject, ObjectAnswer};

    let script = r#"
const LOOKUPS = ["container"];
fn decide(req) {
    if req.endpoint == "/containers/create" {
        if req.json().Image == "bad" { return deny("no bad images"); }
        return allow();
    }
    if req.endpoint == "/mine" && req.peer.container?.name == "web" { return allow(); }
    if req.endpoint == "/me" && req.peer?.uid == 7 { return allow(); }
    if req.endpoint == "/fails" { return 1; }
    if req.endpoint == "/containers/x/json" {
        let known = inspect("container", "x");
        if known == () { return deny("nothing there"); }
        return allow();
    }
    pass()
}"#;
    let script = doxy_script::Script::compile("p.rhai", script.as_bytes()).unwrap();
    let rules = RuleSet::parse("r", b"/info").unwrap();
    let policy = Policy::with_script(rules, script);
    let create = Question {
        method: "POST",
        target: "/containers/create",
        ..NOBODY
    };
    let get = |target| Question { target, ..NOBODY };
    let seven = Asker::Unix {
        uid: 7,
        gid: 7,
        pid: None,
    };
    let id = "0123456789ab";
    let found = [KnownObject {
        what: "container x".to_owned(),
        answer: ObjectAnswer::Found(format!("{{\"Id\":\"{id}\"}}").into_bytes()),
    }];
    for (question, expected) in [
        (
            Question {
                body: Some(br#"{"Image":"good"}"#),
                ..create
            },
            "allow by p.rhai",
        ),
        (
            Question {
                body: Some(br#"{"Image":"bad"}"#),
                ..create
            },
            "403 by p.rhai:5:47: no bad images",
        ),
        (
            Question {
                body: None,
                ..create
            },
            "depends on the body",
        ),
        (get("/mine"), "depends on the caller's container"),
        (
            Question {
                container: AskingContainer::Known(br#"{"name":"web"}"#),
                ..get("/mine")
            },
            "allow by p.rhai",
        ),
        (
            Question {
                container: AskingContainer::Unknown,
                ..get("/mine")
            },
            "403 by no rule: no rule allows this path",
        ),
        (
            Question {
                peer: Some(&seven),
                ..get("/me")
            },
            "allow by p.rhai",
        ),
        (get("/me"), "403 by no rule: no rule allows this path"),
        (get("/info"), "allow by r:1"),
        (get("/fails"), "403 by p.rhai: the policy failed"),
        (
            Question {
                only_these: false,
                ..get("/containers/x/json")
            },
            "depends on container x",
        ),
        (
            get("/containers/x/json"),
            "403 by p.rhai:13:33: nothing there",
        ),
        (
            Question {
                lookups: &found,
                ..get("/containers/x/json")
            },
            "allow by p.rhai",
        ),
    ] {
        assert_eq!(short(&policy.explain(&question)), expected, "{question:?}");
    }
    let failed = policy.explain(&get("/fails"));
    let failure = failed.failure.unwrap_or_default();
    assert!(
        failure.starts_with("p.rhai:3:16: `decide` returned"),
        "{failure}"
    );
}
