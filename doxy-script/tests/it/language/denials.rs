//! What logs get of a denial: the reason as it is written, and the place that says most.

use super::*;

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
