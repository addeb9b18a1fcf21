//! What the reference does not say with one true line: places, constants, closures, what is refused at the first look.

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

/// Logs get the reason as it is written; what the client sent is not in it.
#[test]
fn a_denial_has_its_reason_as_it_is_written() {
    let head = "const WHY = \"closed\"; const WHO = #{ name: \"x\" }; const ANY = [\"a\", 2]; fn no(name) { deny(`no ${name}`) }";
    for (call, reason, template) in [
        ("deny(\"no\")", "no", "no"),
        ("deny(\"no\", 451);", "no", "no"),
        ("return deny(WHY)", "closed", "closed"),
        (
            "deny(WHY + \": \" + req.path)",
            "closed: /secret",
            "closed: ${req.path}",
        ),
        (
            "deny(`${req.path} is closed`)",
            "/secret is closed",
            "${req.path} is closed",
        ),
        (
            "let p = req.path; deny(`not ${p}, ${WHY}`)",
            "not /secret, closed",
            "not ${p}, closed",
        ),
        // Constants say nothing of a request.
        ("deny(`it is ${WHY}…`)", "it is closed…", "it is closed…"),
        (
            "deny(`${WHO.name} of ${ANY.join(\" or \")}, ${ANY[1]}, not ${req.path}`)",
            "x of a or 2, 2, not /secret",
            "x of a or 2, 2, not ${req.path}",
        ),
        // A sum is no text.
        (
            "let n = req.path.len(); deny(`${ANY[1] + 3} of ${n + 1}`)",
            "5 of 8",
            "5 of ${…}",
        ),
        // A variable of the name of a constant.
        (
            "let WHY = req.path; deny(`no ${WHY}`)",
            "no /secret",
            "no ${WHY}",
        ),
        ("deny(`${req.path.to_upper()}!`)", "/SECRET!", "${…}!"),
        (
            "deny(`${req.query[\"a\"]} is bad`)",
            "secret is bad",
            "${…} is bad",
        ),
        ("deny(req.path)", "/secret", "${req.path}"),
        ("req.path.deny()", "/secret", "${…}"),
        ("no(req.path)", "no /secret", "no ${name}"),
        (
            "[req.path].some(|x| deny(`${x} is one`))",
            "/secret is one",
            "${x} is one",
        ),
        (
            "deny(`a ${if req.path == \"/\" { 1 } else { req.path }} b`)",
            "a /secret b",
            "a ${…} b",
        ),
        (
            "req.query.only([\"b\"])",
            "the query parameter `a` is not allowed",
            "`${name}` is not allowed",
        ),
        (
            "no_such(\"container\", req.path)",
            "No such container: /secret",
            "no such object",
        ),
    ] {
        let source =
            format!("{head} fn decide(req) {{ {call} allow() }}").replace(") allow", "); allow");
        let script =
            Script::compile("p", source.as_bytes()).unwrap_or_else(|e| panic!("{e} {call}"));
        let decision = Ask::new("GET", "/secret?a=secret").of(&script, None);
        let Decision::Deny {
            reason: got,
            template: written,
            ..
        } = decision
        else {
            panic!("{call}: {decision:?}");
        };
        assert_eq!(
            (got.as_str(), written.as_str()),
            (reason, template),
            "{call}"
        );
    }
}

/// A function that denies with a text of its caller's: the log has the caller's words, and its place.
#[test]
fn a_denial_for_a_caller_has_the_caller_s_words_and_place() {
    const HEAD: &str = "const WHO = \"x\";
fn must(ok, why) { if !ok { deny(why); } }
fn no(what, key) { if true { deny(`${what} has no ${key}`); } }
fn both(key) { must(false, `no ${key}`); }
fn twice(what) { must(false, `${what}: no`); }
fn changed(why) { why = \"other\"; deny(why); }
fn looped(why) { for why in [\"other\"] { deny(why); } }
fn hidden(why) { let why = \"other\"; deny(why); }
fn inside(why) { [1].some(|x| deny(why)); }
fn deny_it(why) { deny(why); }
fn deeper(why) { deny_it(why); }
fn decide(req) {
  ";
    for (call, reason, template, place) in [
        ("must(false, \"no\")", "no", "no", "13:3"),
        (
            "must(false, `no ${req.path}, ${WHO}`)",
            "no /secret, x",
            "no ${req.path}, x",
            "13:3",
        ),
        // The caller has no words.
        ("must(false, req.path)", "/secret", "${why}", "2:29"),
        (
            "no(\"a box\", req.path)",
            "a box has no /secret",
            "a box has no ${key}",
            "13:3",
        ),
        // The words are where they are written, and a name belongs to one function alone.
        ("both(req.path)", "no /secret", "no ${key}", "4:16"),
        ("both(\"b\")", "no b", "no b", "13:3"),
        ("twice(req.path)", "/secret: no", "${what}: no", "5:18"),
        // The caller's text is not what the function denies with.
        ("changed(\"no\")", "other", "${why}", "6:34"),
        ("looped(\"no\")", "other", "${why}", "7:41"),
        ("hidden(\"no\")", "other", "${why}", "8:37"),
        // What cannot be followed stays where it was denied.
        ("inside(\"no\")", "no", "${why}", "9:31"),
        ("deeper(\"no\")", "no", "${why}", "10:19"),
    ] {
        let source = format!("{HEAD}{call};\n  allow() }}");
        let script =
            Script::compile("p", source.as_bytes()).unwrap_or_else(|e| panic!("{e} {call}"));
        let decision = Ask::new("GET", "/secret").of(&script, None);
        let Decision::Deny {
            reason: got,
            template: written,
            location,
            ..
        } = decision
        else {
            panic!("{call}: {decision:?}");
        };
        assert_eq!(
            (got.as_str(), written.as_str()),
            (reason, template),
            "{call}"
        );
        assert_eq!(
            location.unwrap().to_string(),
            format!("p:{place}"),
            "{call}"
        );
    }
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

#[test]
fn what_is_not_known_of_a_peer_is_unit() {
    let unix = Peer::Unix {
        uid: 7,
        gid: 8,
        pid: Some(9),
    };
    let no_pid = Peer::Unix {
        uid: 7,
        gid: 8,
        pid: None,
    };
    let (v4, v6) = ("192.0.2.7:1024", "[2001:db8::7]:65535");
    let net = |address: &str| Peer::Net {
        address: address.parse().unwrap(),
        certificate: None,
    };
    for (peer, uid, gid, pid, address, port) in [
        (Some(unix), "7", "8", "9", "()", "()"),
        (Some(no_pid), "7", "8", "()", "()", "()"),
        (Some(net(v4)), "()", "()", "()", "\"192.0.2.7\"", "1024"),
        (Some(net(v6)), "()", "()", "()", "\"2001:db8::7\"", "65535"),
        (None, "()", "()", "()", "()", "()"),
    ] {
        let source = format!(
            "fn decide(req) {{
                let p = req.peer;
                if p.uid == {uid} && p.gid == {gid} && p.pid == {pid}
                    && p.address == {address} && p.port == {port} {{ return allow(); }}
                pass()
            }}"
        );
        let mut ask = Ask::new("GET", "/x");
        ask.peer.clone_from(&peer);
        assert_eq!(run(&source, &ask), "allow", "{peer:?}");
    }
}

/// A client's container, as doxy describes it.
const CONTAINER: &str = r#"{"id":"0a","name":"web","image":"web:1","labels":{"a.b":"1","A.B":"2"},
    "project":"shop","service":null}"#;

#[test]
fn the_container_of_a_peer_is_asked_for_only_when_it_is_read() {
    for (body, container, expected) in [
        ("req.peer.container == ()", None, "allow"),
        ("req.peer.container.name == ()", None, "allow"),
        ("req.peer.container != ()", Some(CONTAINER), "allow"),
        (
            "req.peer.container.name == \"web\"",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.image == \"web:1\"",
            Some(CONTAINER),
            "allow",
        ),
        ("req.peer.container.id == \"0a\"", Some(CONTAINER), "allow"),
        // Labels are compared as they are.
        (
            "req.peer.container.labels[\"a.b\"] == \"1\"",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.labels[\"A.B\"] == \"2\"",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.labels[\"A.b\"] == ()",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.labels.len() == 2",
            Some(CONTAINER),
            "allow",
        ),
        (
            "req.peer.container.project == \"shop\"",
            Some(CONTAINER),
            "allow",
        ),
        ("req.peer.container.service == ()", Some(CONTAINER), "allow"),
        // However it is reached.
        (
            "[req].map(|r| r.peer)[0].container.name == \"web\"",
            Some(CONTAINER),
            "allow",
        ),
        ("of(req.peer) == \"web\"", Some(CONTAINER), "allow"),
        // A description that cannot be read is none.
        ("req.peer.container == ()", Some("{"), "allow"),
        (
            "req.peer.container == ()",
            Some("{\"id\":1,\"id\":2}"),
            "allow",
        ),
    ] {
        let source = format!(
            "fn of(peer) {{ peer.container.name }}
             fn decide(req) {{ if {body} {{ return allow(); }} pass() }}"
        );
        let mut ask = Ask::new("GET", "/x");
        ask.container = container.map(str::to_owned);
        assert_eq!(run(&source, &ask), expected, "{body}");
    }
    for (body, reads, expected) in [
        (
            "if req.method == \"GET\" { return pass(); } if req.peer.container == () { return pass(); } allow()",
            true,
            Decision::Pass,
        ),
        (
            "if req.peer.container == () { return pass(); } allow()",
            true,
            Decision::NeedsContainer,
        ),
        (
            "if req.peer.uid == () { return pass(); } allow()",
            false,
            Decision::Pass,
        ),
    ] {
        let script = Script::compile("p.rhai", format!("fn decide(req) {{ {body} }}").as_bytes());
        let script = script.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(script.reads_container(), reads, "{body}");
        let input = ScriptRequest {
            method: "GET",
            path: "/x",
            query: None,
            headers: &[],
            peer: None,
            container: &PeerContainer::NotAsked,
            socket: "",
            has_body: false,
            verdict: Verdict::Deny(Reason::NoRule),
        };
        let decision = script.decide(&input, Body::NotRead, &mut Lookups::default());
        assert_eq!(decision, expected, "{body}");
    }
}

#[test]
fn what_a_certificate_says_is_known_only_where_one_was_shown() {
    let certificate = Certificate {
        subject: "CN=alice,O=ops".into(),
        sans: [
            "dns:alice.example".to_owned(),
            "uri:spiffe://a/b".to_owned(),
        ]
        .into(),
        spki: [0xa1; 32],
    };
    let hash = "a1".repeat(32);
    let net = |certificate| Peer::Net {
        address: "192.0.2.7:1024".parse().unwrap(),
        certificate,
    };
    for (peer, expression) in [
        (
            net(Some(certificate.clone())),
            "p.subject == \"CN=alice,O=ops\"",
        ),
        (
            net(Some(certificate.clone())),
            "p.sans.contains(\"uri:spiffe://a/b\") && p.sans.len() == 2",
        ),
        (
            net(Some(certificate.clone())),
            &format!("p.spki == \"{hash}\""),
        ),
        (
            net(Some(certificate)),
            "p.address == \"192.0.2.7\" && p.uid == ()",
        ),
        (net(None), "p.subject == () && p.sans == () && p.spki == ()"),
        (
            Peer::Unix {
                uid: 1,
                gid: 1,
                pid: None,
            },
            "p.subject == () && p.sans == () && p.spki == ()",
        ),
    ] {
        let source = format!(
            "fn decide(req) {{ let p = req.peer; if {expression} {{ return allow(); }} pass() }}"
        );
        let mut ask = Ask::new("GET", "/x");
        ask.peer = Some(peer);
        assert_eq!(run(&source, &ask), "allow", "{expression}");
    }
}

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
