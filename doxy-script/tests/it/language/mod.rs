//! What the reference does not say with one true line: places, constants, closures, what is refused at the first look.

mod denials;
mod peers;

use doxy_filter::{Reason, RuleSet, Verdict};
use doxy_script::{
    Body, Certificate, Decision, Lookups, Peer, PeerContainer, Script, ScriptRequest,
};

use crate::support::{Ask, run, words};

#[test]
fn a_denial_names_its_place() {
    let script = Script::compile(
        "p.rhai",
        b"fn no() {\n  deny(\"no\", 451)\n}\nfn decide(req) { no(); allow() }",
    )
    .unwrap();
    let decision = Ask::new("GET", "/").of(&script, None);
    let Decision::Deny {
        reason,
        status,
        location,
        ..
    } = decision
    else {
        panic!("{decision:?}");
    };
    assert_eq!((reason.as_str(), status), ("no", 451));
    assert_eq!(location.unwrap().to_string(), "p.rhai:2:3");
}

#[test]
fn a_policy_that_allows_nothing_is_warned_about() {
    for (body, warned) in [
        ("deny(\"closed\")", true),
        ("if req.method == \"GET\" { deny(\"no\"); }", true),
        (
            "if req.method == \"GET\" { return allow(); } deny(\"no\")",
            false,
        ),
        ("pass()", false),
        ("one(req)", false),
        ("[1].map(|x| pass())[0]", false),
        ("loop { break pass(); }", false),
    ] {
        let source = format!("fn one(req) {{ 1 }} fn decide(req) {{ {body} }}");
        let source = match body {
            "one(req)" => source.replace("{ 1 }", "{ pass() }"),
            _ => source,
        };
        let script = Script::compile("p.rhai", source.as_bytes()).unwrap();
        let warnings: Vec<_> = script.warnings().iter().map(ToString::to_string).collect();
        let expected = "this policy denies every request: it has neither allow() nor pass()";
        assert_eq!(warnings.len(), usize::from(warned), "{body}");
        assert!(
            warnings.iter().all(|text| text.contains(expected)),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_denial_needs_no_return() {
    let get = Ask::new("GET", "/");
    assert_eq!(
        run("fn decide(req) { if true { deny(\"no\"); } allow() }", &get),
        "deny no"
    );
    assert_eq!(
        run("fn decide(req) { deny(`a\nb`); allow() }", &get),
        "deny a b"
    );
}

#[test]
fn constants_are_seen_in_functions_and_closures() {
    let get = Ask::new("GET", "/b");
    for body in [
        "PATHS.contains(req.path)",
        "PATHS.some(|path| req.path == path)",
        "PATHS.some(|path| path == BOTH.path)",
        "BOTH.path == req.path",
        "BOTH[\"path\"] == PATHS[1]",
        "req.path.matches(\"/[\" + LETTERS + \"]\")",
        "helper(req.path)",
        "N + 1 == 3",
    ] {
        let source = format!(
            "const PATHS = [\"/a\", \"/b\"]; const N = PATHS.len(); const BOTH = #{{ path: \"/b\" }}; const LETTERS = \"abc\";
             fn helper(x) {{ [x].all(|y| PATHS.contains(y)) }}
             fn decide(req) {{ if {body} {{ allow() }} else {{ pass() }} }}"
        );
        assert_eq!(run(&source, &get), "allow", "{body}");
    }
}

/// A client's container, as doxy describes it.
const CONTAINER: &str = r#"{"id":"0a","name":"web","image":"web:1","labels":{"a.b":"1","A.B":"2"},
    "project":"shop","service":null}"#;

#[test]
fn the_body_is_asked_for_only_when_it_is_needed() {
    let script = Script::compile(
        "p",
        b"fn decide(req) { if req.path == \"/x\" { req.json(); } allow() }",
    )
    .unwrap();
    let mut input = ScriptRequest {
        method: "POST",
        path: "/x",
        query: None,
        headers: &[],
        peer: None,
        container: &PeerContainer::NotAsked,
        socket: "s",
        has_body: true,
        changed: false,
        verdict: Verdict::Deny(Reason::NoRule),
    };
    assert_eq!(
        script.decide(&input, Body::NotRead, &mut Lookups::default()),
        Decision::NeedsBody
    );
    assert_eq!(
        script.decide(&input, Body::Read(b"{}"), &mut Lookups::default()),
        Decision::Allow
    );
    let unreadable = script.decide(
        &input,
        Body::Unreadable("the body is longer than 1 MiB"),
        &mut Lookups::default(),
    );
    assert!(
        matches!(unreadable, Decision::Failed { public, .. } if public == "the body is longer than 1 MiB")
    );
    input.path = "/y";
    assert_eq!(
        script.decide(&input, Body::NotRead, &mut Lookups::default()),
        Decision::Allow
    );
    input.path = "/x";
    input.has_body = false;
    assert_eq!(
        script.decide(&input, Body::NotRead, &mut Lookups::default()),
        Decision::Allow
    );
}

#[test]
fn queries_that_not_everybody_reads_alike() {
    let policy = "fn decide(req) { if req.query.a == () { pass() } else { allow() } }";
    for (query, expected) in [
        ("a", "allow"),
        ("a=", "allow"),
        ("%61=1", "allow"),
        ("A=1", "pass"),
        ("b=1&&a=1", "allow"),
        ("", "pass"),
    ] {
        assert_eq!(
            run(policy, &Ask::new("GET", &format!("/x?{query}"))),
            expected,
            "{query}"
        );
    }
    for query in ["b=1;a=1", "b=%zz", "b=%", "b=%ff", "b=1&c=%a"] {
        let got = run(policy, &Ask::new("GET", &format!("/x?{query}")));
        assert!(
            got.starts_with("fail p: the query") || got.contains("the query has"),
            "{query}: {got}"
        );
    }
}

#[test]
fn a_header_that_is_no_text() {
    let mut ask = Ask::new("GET", "/");
    ask.headers.push(("x-a".to_owned(), vec![0xff]));
    ask.headers.push(("x-b".to_owned(), b"b".to_vec()));
    let policy = |name: &str| {
        format!(
            "fn decide(req) {{ if req.headers[\"{name}\"] == \"b\" {{ allow() }} else {{ pass() }} }}"
        )
    };
    assert!(run(&policy("X-A"), &ask).contains("not valid UTF-8"));
    assert_eq!(run(&policy("X-B"), &ask), "allow");
}

/// Only what a policy looks at is copied for it. Wherever it could look in a way that cannot be told, everything is.
#[test]
fn a_header_is_seen_however_it_is_reached() {
    let ask = Ask::new("GET", "/").header("x-a", "b");
    for body in [
        "req.headers[\"x-a\"] == \"b\"",
        "req?.headers[\"x-a\"] == \"b\"",
        "{ let h = req.headers; h[\"x-a\"] == \"b\" }",
        "{ let r = req; r.headers[\"x-a\"] == \"b\" }",
        "{ let l = [req]; l[0].headers[\"x-a\"] == \"b\" }",
        "{ let m = #{ r: req }; m.r.headers[\"x-a\"] == \"b\" }",
        "of(req) == \"b\"",
        "req.own() == \"b\"",
        "[1].some(|x| req.headers[\"x-a\"] == \"b\")",
        "[req].some(|r| r.headers[\"x-a\"] == \"b\")",
        "(loop { break req.headers[\"x-a\"]; }) == \"b\"",
        "(loop { break of(req); }) == \"b\"",
        "switch req.headers[\"x-a\"] { \"b\" => true, _ => false }",
        "`${req.headers[\"x-a\"]}` == \"b\"",
        "req.headers.values(\"x-a\") == [\"b\"]",
        "of(if true { req } else { () }) == \"b\"",
    ] {
        let source = format!(
            "fn of(r) {{ r.headers[\"x-a\"] }} fn own() {{ this.headers[\"x-a\"] }}
             fn decide(req) {{ let seen = {body}; if seen {{ allow() }} else {{ pass() }} }}"
        );
        assert_eq!(run(&source, &ask), "allow", "{body}");
    }
}

#[test]
fn the_rule_is_seen_however_it_is_reached() {
    let rules = RuleSet::parse("r", b"/x").unwrap();
    for body in [
        "req.matched.rule",
        "{ let r = req; r.matched.rule }",
        "of(req)",
    ] {
        let source = format!(
            "fn of(r) {{ r.matched.rule }}
             fn decide(req) {{ let rule = {body}; if rule == \"r:1\" {{ deny(\"seen\"); }} pass() }}"
        );
        let script = Script::compile("p", source.as_bytes()).unwrap();
        let decision = Ask::new("GET", "/x").of(&script, Some(&rules));
        assert_eq!(words(&decision), "deny seen", "{body}");
    }
}
