//! Requests that a policy changes: what the engine gets, and what is denied instead.

use std::fmt::Write as _;

use crate::support::{Binary, Client, Fake, Recorded, Setup};

/// A doxy with this function of a policy, and its engine.
fn start(decide: &str, args: &[&str]) -> (Binary, Fake) {
    let fake = Fake::start();
    let doxy = Setup::new()
        .engine(fake.path())
        .file("policy.rhai", &format!("fn decide(req) {{ {decide} }}"))
        .rules("POST /containers/create")
        .args(["--script", "policy.rhai"])
        .args(args)
        .start();
    (doxy, fake)
}

fn post(target: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: d\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What the engine got, but for what every request has.
fn shown(got: &Recorded) -> String {
    let mut shown = format!("{} {}", got.method(), got.target());
    for name in [
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "trailer",
        "x-team",
    ] {
        for value in got.header(name) {
            write!(shown, "|{name}: {value}").expect("text");
        }
    }
    shown + "|" + str::from_utf8(&got.body).expect("UTF-8")
}

const PINNED: &str = "
    let body = req.json().as_user(req.peer.uid, req.peer.gid).with_label(\"team\", \"a\");
    allow_with(body)";

/// A request, as it comes in each way; the policy; and what the engine gets.
#[test]
fn the_engine_gets_what_the_policy_has_made() {
    let me = rustix::process::getuid().as_raw();
    let group = rustix::process::getgid().as_raw();
    let pinned = format!(r#"{{"Image":"i","Labels":{{"team":"a"}},"User":"{me}:{group}"}}"#);
    let length = pinned.len();
    let json = "Content-Type: application/json\r\n";
    let create = post(
        "/containers/create?name=x",
        json,
        r#"{"User":"0","Image":"i"}"#,
    );
    let chunked = format!(
        "POST /containers/create?name=x HTTP/1.1\r\nHost: d\r\n{json}Transfer-Encoding: chunked\r\n\
         Trailer: X-End\r\n\r\na\r\n{{\"User\":\"0\r\n10\r\n\",  \"Image\":\"i\"}}\r\n0\r\nX-End: 1\r\n\r\n"
    );
    let as_pinned = format!(
        "POST /containers/create?name=x|content-type: application/json|content-length: {length}|{pinned}"
    );
    for (decide, request, expected) in [
        (PINNED, create.clone(), as_pinned.clone()),
        (PINNED, chunked, as_pinned),
        (
            "if req.method == \"GET\" { return allow(); } allow_with(#{ Image: \"i\" })",
            post("/containers/create", "", ""),
            "POST /containers/create|content-type: application/json|content-length: 13|{\"Image\":\"i\"}".to_owned(),
        ),
        // Its body is never read by the policy, and must not get through.
        (
            "allow_with(#{ Image: \"i\" })",
            post("/containers/create", json, r#"{"HostConfig":{"Privileged":true}}"#),
            "POST /containers/create|content-type: application/json|content-length: 13|{\"Image\":\"i\"}".to_owned(),
        ),
        (
            "allow().with_query(\"name\", prefixed(req.query.name, \"t-\"))",
            create.replace("name=x", "a=%20&name=x&name=y"),
            "POST /containers/create?a=%20&name=t-x|content-type: application/json|content-length: 24|{\"User\":\"0\",\"Image\":\"i\"}".to_owned(),
        ),
        (
            "allow().with_header(\"X-Team\", \"a\")",
            "GET /info HTTP/1.1\r\nHost: d\r\nx-TEAM: b\r\nX-Team: c\r\n\r\n".to_owned(),
            "GET /info|x-team: a|".to_owned(),
        ),
        // What is there already is not changed.
        (
            "allow().with_header(\"X-Team\", \"a\").with_query(\"b\", \"c\")",
            "GET /info?b=c HTTP/1.1\r\nHost: d\r\nX-Team: a\r\n\r\n".to_owned(),
            "GET /info?b=c|x-team: a|".to_owned(),
        ),
    ] {
        let (doxy, fake) = start(decide, &[]);
        let mut client = Client::connect(&doxy.socket());
        // The next request begins where this one ends.
        for round in 0..2 {
            let reply = client.ask(&request);
            assert_eq!(reply.status(), 200, "{decide}: {reply:?}");
            let got = fake.wait_for(round + 1).remove(round);
            assert_eq!(shown(&got), expected, "{decide}");
        }
    }
}

/// Whatever a policy makes is judged once more.
#[test]
fn what_the_policy_does_not_allow_as_it_made_it_reaches_nobody() {
    let unsettled = "the policy does not allow the request as it has changed it";
    for (decide, status, words) in [
        // It makes something else each time.
        (
            "allow().with_query(\"n\", `${req.query.n}x`)",
            403,
            unsettled,
        ),
        (
            "let n = req.json().Labels.n; allow_with(req.json().with_label(\"n\", `${n}x`))",
            403,
            unsettled,
        ),
        // The rules would decide about what they have not seen.
        (
            "if req.query.n == \"2\" { return pass(); } allow().with_query(\"n\", \"2\")",
            403,
            unsettled,
        ),
        (
            "if req.query.n == \"2\" { deny(\"not two\", 418); } allow().with_query(\"n\", \"2\")",
            418,
            "not two",
        ),
        // The engine would read another field.
        (
            "allow_with(#{ image: \"i\" })",
            403,
            "the field Image is misspelled",
        ),
        (
            "req.json(); allow_with(#{ hostconfig: #{} })",
            403,
            "misspelled",
        ),
        ("allow_with([1])", 403, "must be an object"),
        (
            "let long = \"x\"; for n in range(0, 17) { long += long; } allow_with(#{ Image: long })",
            403,
            "the policy cannot change this body",
        ),
        ("allow_with(#{ Image: req })", 403, "the policy failed"),
    ] {
        let (doxy, fake) = start(decide, &[]);
        let json = "Content-Type: application/json\r\n";
        let reply = doxy.ask(post("/containers/create?n=1", json, r#"{"Image":"i"}"#));
        assert_eq!(reply.status(), status, "{decide}: {reply:?}");
        assert!(
            reply.message().contains(words),
            "{decide}: {}",
            reply.message()
        );
        assert!(fake.requests().is_empty(), "{decide}");
    }
}
