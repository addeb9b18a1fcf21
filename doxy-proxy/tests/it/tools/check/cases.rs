//! Cases: what a policy must answer.

use super::{GOOD, check, json, text};

#[test]
fn cases_that_agree_and_cases_that_do_not() {
    let files = [
        ("a.pattern", "(/v[\\d.]+)?/info\n!.*/secret\n"),
        (
            "a.cases",
            "allow GET /v1.41/info\n  rule 1\n\
             allow HEAD /info\n  rule a.pattern:1\n\
             deny GET /secret\n  rule 2\n\
             deny GET /events\n  rule none\n  because is not allowed\n\
             deny POST /info\n  because Only GET\n\
             refused GET /../info\n\
             refused GET /info\n  header Host:\n  header Host: a\n",
        ),
    ];
    let ended = check(&files, &["a.cases"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "checked a.cases\n0 errors, 0 warnings, 7 cases, 0 disagree\n"
    );

    let wrong = "deny GET /info\n\
                 allow GET /info\n  rule 2\n\
                 allow GET /events\n\
                 deny GET /secret\n  because you may not\n\
                 deny GET //\n\
                 refused GET /info\n";
    let files = [files[0], ("a.cases", wrong)];
    let ended = check(&files, &["a.cases"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "a.cases:1:1: case: deny GET /info\n  \
         expected  deny\n  \
         got       allow, by a.pattern:1\n\
         a.cases:2:1: case: allow GET /info\n  \
         expected  allow, by line 2\n  \
         got       allow, by a.pattern:1\n\
         a.cases:4:1: case: allow GET /events\n  \
         expected  allow\n  \
         got       deny, because no rule allows this path\n\
         a.cases:5:1: case: deny GET /secret\n  \
         expected  deny, because you may not\n  \
         got       deny, by a.pattern:2, because denied by a rule\n\
         a.cases:7:1: case: deny GET //\n  \
         expected  deny\n  \
         got       refused, because the path has repeated slashes, ask for the one in the header Location\n\
         a.cases:8:1: case: refused GET /info\n  \
         expected  refused\n  \
         got       allow, by a.pattern:1\n\
         checked a.cases\n0 errors, 0 warnings, 6 cases, 6 disagree\n"
    );
    let ended = check(&files, &["a.cases", "--format", "json"]);
    assert_eq!(ended.code, Some(3));
    let json = json(&ended);
    assert_eq!((&json["cases"], &json["disagree"]), (&6.into(), &6.into()));
    let first = &json["findings"][0];
    assert_eq!(text(first, "level"), "case");
    assert_eq!(text(first, "expected"), "deny");
    assert_eq!(text(first, "got"), "allow, by a.pattern:1");
    // What doxy would not start with is worse than a case that disagrees.
    let ended = check(&[("a.pattern", "/a)"), files[1]], &["a.cases"]);
    assert_eq!(ended.code, Some(2));
}

#[test]
#[cfg(feature = "script")]
fn cases_of_scripts() {
    const SCRIPT: &str = r#"const LOOKUPS = ["container"];
fn decide(req) {
    if req.path == "/fail" { return 1; }
    if req.template == "/containers/{name:.*}/stop" {
        if inspect("container", req.object.name).Config.Labels["own"] != "yes" { deny("not your container"); }
        return allow();
    }
    if req.method == "POST" {
        if req.json().Image != "good" { deny(`not the image ${req.json().Image}`); }
        return allow();
    }
    if req.peer.uid == 0 { deny("not for root"); }
    pass()
}
"#;
    const CASES: &str = r#"  peer uid=1000 gid=1000
pass GET /info
allow POST /containers/create
  body {"Image":"good"}
  rule none
deny POST /containers/create
  body {"Image":"bad"}
  because not the image bad
  rule a.rhai:9
deny POST /containers/create
  body {"Image":"good","Image":"bad"}
deny GET /info
  peer uid=0 gid=0
  because not for root
deny GET /fail
  because instead of allow()
allow POST /containers/web/stop
  lookup container web {"Id":"abababababababababababababababababababababababababababababababab","Config":{"Labels":{"own":"yes"}}}
deny POST /containers/web/stop
  lookup container web {"Id":"abababababababababababababababababababababababababababababababab","Config":{"Labels":{}}}
  because not your container
refused GET /%2e%2e/info
"#;
    let ended = check(
        &[("a.rhai", SCRIPT), ("a.cases", CASES)],
        &["a.rhai", "a.cases"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .ends_with("0 errors, 0 warnings, 9 cases, 0 disagree\n")
    );
    // With rules beside it, what the script leaves to them is theirs to decide.
    let with_rules = [("a.rhai", SCRIPT), ("a.pattern", GOOD), ("a.cases", CASES)];
    let ended = check(&with_rules, &["a.cases"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "a.cases:2:1: case: pass GET /info\n  expected  pass\n  got       allow, by a.pattern:1\n\
         checked a.cases\n0 errors, 0 warnings, 9 cases, 1 disagree\n"
    );
    // A policy from the settings, for cases that stand alone.
    let files = [
        ("x.rhai", SCRIPT),
        ("x.pattern", GOOD),
        ("a.cases", "allow GET /info\n  rule x.pattern:1\n"),
    ];
    for (args, code) in [
        (
            &["--script=x.rhai", "--pattern-file=x.pattern", "a.cases"][..],
            0,
        ),
        (&["--preset=uptime-kuma", "a.cases"], 3),
        (&["--script=none.rhai", "a.cases"], 2),
    ] {
        let ended = check(&files, args);
        assert_eq!(ended.code, Some(code), "{args:?} {ended:?}");
    }
}

/// Never against the embedded rules, which nobody has chosen.
#[test]
fn cases_without_a_policy() {
    let files = [("alone.cases", "allow GET /info\n")];
    let ended = check(&files, &["alone.cases"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stdout.starts_with(
            "error: alone.cases: nothing says which policy these cases are for\n  help: put NAME.pattern or NAME.rhai beside"
        ),
        "{ended:?}"
    );
    let ended = check(&files, &["--preset=original", "alone.cases"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// What the policy says of a broken body says nothing about the body that is meant.
#[test]
fn bodies_that_are_no_json() {
    for (details, place) in [
        ("  body {\"a\":1}", None),
        ("  body {\"ä\": 1,}", Some("2:16")),
        ("  body a=b", Some("2:8")),
        ("  text {\"a\":", Some("2:12")),
        ("  text a=b", None),
        ("  text [", None),
        (
            "  header Content-Type: application/json\n   text a=b",
            Some("3:9"),
        ),
        (
            "  text [1\n  header content-type: application/vnd.x+JSON",
            Some("2:9"),
        ),
        ("  text {\"a\":\n  header Content-Type: text/plain", None),
    ] {
        let case = format!("deny POST /build\n{details}\ndeny POST /x\n");
        let ended = check(&[("a.pattern", GOOD), ("a.cases", &case)], &["a.cases"]);
        let code = if place.is_some() { 2 } else { 0 };
        assert_eq!(ended.code, Some(code), "{details}: {ended:?}");
        let said = place.map(|place| format!("a.cases:{place}: error: the body is not JSON: "));
        assert!(
            ended.stdout.starts_with(&said.unwrap_or_default()),
            "{details}: {ended:?}"
        );
    }
}

#[test]
fn methods_are_in_capitals() {
    for (case, said) in [
        (
            "allow get /info",
            "a.cases:1:7: error: the method `get` is not in capitals\n  help: write `GET`\n",
        ),
        (
            "deny  Post /info",
            "a.cases:1:7: error: the method `Post` is not in capitals\n  help: write `POST`\n",
        ),
    ] {
        let ended = check(&[("a.pattern", GOOD), ("a.cases", case)], &["a.cases"]);
        assert_eq!(ended.code, Some(2), "{case}: {ended:?}");
        assert!(ended.stdout.starts_with(said), "{case}: {ended:?}");
    }
}
