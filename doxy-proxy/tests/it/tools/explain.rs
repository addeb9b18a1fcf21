//! `doxy explain`: the verdict on one request, why, and the rule that would allow it.

use serde_json::{Value, json};

use crate::support::Setup;
use crate::support::process::Ended;

const RULES: &str = r"# comment
(/v[\d.]+)?/containers/[^/]+/json
/containers/web/.*
POST (/v[\d.]+)?/containers/[^/]+/start
!.*/vault/.*
";

#[track_caller]
fn explain(args: &[&str]) -> Ended {
    Setup::new().rules(RULES).args(["explain"]).args(args).run()
}

#[track_caller]
fn json(args: &[&str]) -> Value {
    let ended = explain(&[args, &["--format", "json"]].concat());
    assert_eq!(ended.code, Some(0), "{args:?}: {ended}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn the_verdict_its_reason_and_the_rule_that_is_missing() {
    let containers = "/containers/{name:.*}";
    for (method, target, verdict, endpoint, rule, suggestion) in [
        (
            "GET",
            "/containers/x/json?size=1",
            "allow",
            Some("/json"),
            Some("rules:2"),
            None,
        ),
        (
            "HEAD",
            "/v1.41/containers/web/json",
            "allow",
            None,
            Some("rules:2"),
            None,
        ),
        (
            "POST",
            "/containers/x/start",
            "allow",
            Some("/start"),
            Some("rules:4"),
            None,
        ),
        // Decoded once, as the engine does.
        (
            "GET",
            "/containers/we%62/top",
            "allow",
            Some("/top"),
            Some("rules:3"),
            None,
        ),
        (
            "POST",
            "/v1.41/containers/x/stop",
            "deny",
            Some("/stop"),
            None,
            Some(r"POST (/v[\d.]+)?/containers/[^/]+/stop"),
        ),
        (
            "GET",
            "/v1.41/containers/x/top?ps_args=e",
            "deny",
            Some("/top"),
            None,
            Some(r"GET (/v[\d.]+)?/containers/[^/]+/top"),
        ),
        // No rule allows the method at all.
        (
            "DELETE",
            "/containers/x",
            "deny",
            Some(""),
            None,
            Some(r"DELETE (/v[\d.]+)?/containers/[^/]+"),
        ),
        // No suggestion helps against a `!` rule, nor where the usual rule would not do.
        (
            "GET",
            "/containers/vault/json",
            "deny",
            Some("/json"),
            Some("rules:5"),
            None,
        ),
        (
            "DELETE",
            "/containers/vault/x",
            "deny",
            Some(""),
            None,
            None,
        ),
        ("DELETE", "/containers/a/b", "deny", Some(""), None, None),
        ("GET", "/nothing", "deny", None, None, None),
        ("GET", "/containers/../json", "deny", None, None, None),
        ("GET", "/containers//json", "deny", None, None, None),
        ("G T", "/info", "deny", None, None, None),
    ] {
        let got = json(&[method, target]);
        let endpoint = endpoint.map(|end| format!("{containers}{end}"));
        let keys: Vec<_> = got.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["endpoint", "reason", "rule", "suggestion", "verdict"]
        );
        assert_eq!(
            got["reason"].is_null(),
            verdict == "allow",
            "{method} {target}: {got}"
        );
        let expected = json!({
            "verdict": verdict,
            "endpoint": endpoint,
            "rule": rule,
            "reason": got["reason"],
            "suggestion": suggestion,
        });
        assert_eq!(got, expected, "{method} {target}");
    }
}

#[test]
fn people_read_every_rule_that_matches_and_what_a_suggestion_opens() {
    for (args, lines) in [
        (
            &["GET", "/containers/web/json"][..],
            &[
                "allow         GET /containers/web/json",
                "endpoint      GET /containers/{name:.*}/json (secrets, info)",
                r"decided by    rule rules:2: (/v[\d.]+)?/containers/[^/]+/json",
                "also matches  rules:3: /containers/web/.*",
            ][..],
        ),
        (
            &["GET", "/v1.41/containers/x/archive"],
            &[
                "decided by    no rule allows it",
                "answer        403 '/v1.41/containers/x/archive' is not allowed.",
                r"suggestion    GET (/v[\d.]+)?/containers/[^/]+/archive",
                "              opens it for every name, in every version",
                "              opens HEAD /containers/{name:.*}/archive (files-out, info), which goes with GET",
                "              gives the client: secrets, files-out, dos",
            ],
        ),
        (
            &["GET", "/containers/vault/json"],
            &[
                "decided by    rule rules:5: !.*/vault/.*",
                r"also matches  rules:2: (/v[\d.]+)?/containers/[^/]+/json",
            ],
        ),
        // What a client wrote stays on its line.
        (
            &["GET", "/containers/x%0Ay/\u{202e}json"],
            &["deny          GET /containers/x%0Ay/\\u{202e}json"],
        ),
    ] {
        let ended = explain(args);
        assert_eq!(ended.code, Some(0), "{ended}");
        for line in lines {
            assert!(
                ended.stdout.lines().any(|it| it == *line),
                "{line}\n{ended}"
            );
        }
    }
}

#[test]
fn wrong_arguments() {
    for (args, words) in [
        (&["GET"][..], "<TARGET> is missing"),
        (&["GET", "/x", "--header", "no colon"], "not a header line"),
        (
            &["GET", "/x", "--body", "missing"],
            "--body missing: no such file",
        ),
        (&["GET", "/x", "--uid", "root"], "--uid"),
        (&["GET", "/x", "--socket", "y"], "no such socket"),
    ] {
        let ended = explain(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}

#[cfg(feature = "script")]
#[test]
fn a_script_sees_body_headers_and_peer() {
    let script = r#"
fn decide(req) {
    if req.method == "POST" {
        if req.json().Privileged == true && req.peer.uid == 7 { return deny("not for 7"); }
        if req.headers["x-key"] == "sesame" { return allow(); }
    }
    pass()
}
"#;
    let ask = |args: &[&str]| {
        let setup = Setup::new()
            .rules("POST /containers/x/start\n")
            .file("policy.rhai", script)
            .file("body", r#"{"Privileged": true}"#)
            .file("plain", "{}");
        let args = [args, &["--script", "policy.rhai", "--format", "json"]].concat();
        let ended = setup.args(["explain", "POST"]).args(args).run();
        assert_eq!(ended.code, Some(0), "{ended}");
        let got: Value = serde_json::from_str(&ended.stdout).unwrap();
        (got, ended.stderr)
    };
    let (denied, _) = ask(&["/networks/prune", "--body", "body", "--uid", "7"]);
    assert_eq!(denied["verdict"], "deny");
    assert_eq!(denied["rule"], "policy.rhai:4:72", "{denied}");
    assert_eq!(denied["suggestion"], Value::Null, "a rule would not help");
    let (allowed, _) = ask(&["/networks/prune", "--body=plain", "--header=X-Key: sesame"]);
    assert_eq!(
        (&allowed["verdict"], &allowed["rule"]),
        (&"allow".into(), &"policy.rhai".into())
    );
    let (passed, _) = ask(&["/networks/prune", "--body", "plain"]);
    let rule = r"POST (/v[\d.]+)?/networks/prune";
    assert_eq!(
        (&passed["verdict"], &passed["suggestion"]),
        (&"deny".into(), &rule.into())
    );
    // Without a body, it is asked as for none, and says so.
    let (_, said) = ask(&["/networks/create"]);
    assert!(said.contains("the script asks for the body"), "{said}");
}
