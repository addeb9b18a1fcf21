//! Policies that are refused at start: the whole message, with its place and what to do.

use doxy_script::Script;

#[track_caller]
fn check(source: impl AsRef<[u8]>, message: &str) {
    let source = source.as_ref();
    let Err(error) = Script::compile("p.rhai", source) else {
        panic!("compiled: {}", String::from_utf8_lossy(source));
    };
    let text = error.to_string();
    let (first, help) = text.split_once('\n').unwrap();
    assert_eq!(first, message, "{}", String::from_utf8_lossy(source));
    assert!(
        help.starts_with("help: ") && help.len() > 12 && !help.contains('\n'),
        "{help}"
    );
}

/// All at once for whoever asks; a start tells one of them.
#[test]
fn all_errors_at_once() {
    let source = "fn decide(req) {\n    if req.paht == \"/x\" { allow() }\n    nope(1);\n    \
                  let x = \"a\".is_match(\"(\");\n    deny();\n    pass()\n}\n";
    let errors = Script::check("p.rhai", source.as_bytes()).err().unwrap();
    let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [2, 2, 3, 4, 5], "{errors:#?}");
    let first = Script::compile("p.rhai", source.as_bytes()).err().unwrap();
    assert!(errors.contains(&first), "{first}");
    assert!(Script::check("p.rhai", b"fn decide(req) { pass() }").is_ok());
}

#[test]
fn shape() {
    check("", "p.rhai: there is no function `decide` in it");
    check(
        "fn other(req) { allow() }",
        "p.rhai: there is no function `decide` in it",
    );
    check(
        "fn decide() { allow() }",
        "p.rhai:1:13: `decide` takes 0 arguments instead of one",
    );
    check(
        "fn string.decide(req) { allow() }",
        "p.rhai: `decide` is defined as a method of a type, so nothing calls it",
    );
    check(
        "fn decide(a, b) { allow() }",
        "p.rhai:1:17: `decide` takes 2 arguments instead of one",
    );
    check(
        "fn decide(a) { allow() }\nfn decide(a, b) { allow() }",
        "p.rhai:2:17: `decide` is defined more than once",
    );
    check(
        "fn decide(a) { allow() }\nfn decide(b) { allow() }",
        "p.rhai:2:1: function decide with 1 parameter already exists",
    );
    check(
        "let x = 1;\nfn decide(req) { allow() }",
        "p.rhai:1:1: only constants and functions are allowed here",
    );
    check(
        "fn decide(req) { allow() }\nloop {}",
        "p.rhai:2:1: only constants and functions are allowed here",
    );
}

#[test]
fn syntax() {
    check(
        "fn decide(req) {\n    if req.method = \"GET\" { allow() }\n}",
        "p.rhai:2:19: possibly a typo of '=='?",
    );
    check(
        "fn decide(req) { allow() ",
        "p.rhai:1:26: expecting ';' to terminate this statement",
    );
    check(
        "fn decide(req) { \"x }",
        "p.rhai:1:18: open string is not terminated",
    );
    check(
        "fn decide(req) { req.method == 'GET' }",
        "p.rhai:1:32: invalid character: 'GET'",
    );
    check(
        "fn decide(req) { import \"x\" as y; allow() }",
        "p.rhai:1:18: 'import' is a reserved keyword",
    );
    check(
        "fn decide(req) { eval(\"1\") }",
        "p.rhai:1:18: reserved keyword 'eval' is disabled",
    );
    check(
        b"fn decide(req) {\n  \xff }",
        "p.rhai:2:3: the policy is not valid UTF-8",
    );
    check(
        vec![b' '; 300_000],
        "p.rhai: the policy is longer than 256 KiB",
    );
}

#[test]
fn names() {
    check(
        "fn decide(req) { nope(1) }",
        "p.rhai:1:18: there is no function `nope`",
    );
    check(
        "fn decide(req) { req.path.startswith(\"/\") }",
        "p.rhai:1:27: there is no function `startswith`",
    );
    check(
        "fn decide(req) { deny() }",
        "p.rhai:1:18: `deny` does not take 0 arguments",
    );
    check(
        "fn f(x) { x }\nfn decide(req) { f() }",
        "p.rhai:2:18: `f` does not take 0 arguments",
    );
    check(
        "fn decide(req) { if x == 1 { allow() } }",
        "p.rhai:1:21: undefined variable: x",
    );
    check(
        "fn decide(req) { req.metod == \"GET\" }",
        "p.rhai:1:22: a request has no `metod`",
    );
    check(
        "fn decide(req) { let x = req.bodies.length; allow() }",
        "p.rhai:1:30: a request has no `bodies`",
    );
    for name in [
        "sleep(1)",
        "exit()",
        "timestamp()",
        "import_file(\"x\")",
        "open(\"x\")",
        "is_def_fn(\"x\", 1)",
        "\"a\".replace(\"a\", \"b\")",
        "[1].pad(9, 1)",
    ] {
        let source = format!("fn decide(req) {{ {name}; allow() }}");
        assert!(Script::compile("p", source.as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn patterns() {
    check(
        "fn decide(req) {\n  req.path.matches(\"/a)|(/b\")\n}",
        "p.rhai:2:20: `)` closes no group",
    );
    check(
        "fn decide(req) { req.path.find(\"[a-z&&[^b]]\") }",
        "p.rhai:1:32: `&&` in a class has a different meaning in other regex dialects",
    );
}

#[test]
fn constants() {
    check(
        "const A = 1 / 0;\nfn decide(req) { allow() }",
        "p.rhai:1:13: division by zero: 1 / 0",
    );
    check(
        "const A = f();\nfn f() { loop {} }\nfn decide(req) { allow() }",
        "p.rhai:1:11: evaluating a constant takes too long",
    );
}

/// The help is the part that matters: what to write instead.
#[track_caller]
fn helps(source: &str, line: usize, words: &str) {
    let Err(error) = Script::compile("p.rhai", source.as_bytes()) else {
        panic!("compiled: {source}");
    };
    let text = error.to_string();
    let (_, help) = text.split_once('\n').unwrap();
    assert!(help.contains(words), "{source}\n{text}");
    assert_eq!(error.line, line, "{source}\n{text}");
}

#[test]
fn words_of_other_languages() {
    for (body, words) in [
        ("if req.method == 'GET' { }", "double quotes"),
        (
            "if req.method == \u{201c}GET\u{201d} { }",
            "straight quotes",
        ),
        ("# a comment", "comments begin with //"),
        ("req.method == \"GET\" ? allow() : pass()", "no `? :`"),
        ("if true and false { }", "write &&"),
        ("if true or false { }", "write ||"),
        ("if not true { }", "write !"),
        ("var a = 1;", "write `let`"),
        ("if true { } elif false { }", "write `else if`"),
        ("try { } catch { }", "no `try`"),
        ("return pass;", "write `pass()`"),
        ("if req.method == null { }", "a missing value is `()`"),
        ("if req.method === \"GET\" { }", "`==`"),
        ("if req.json.Image == \"x\" { }", "write req.json()"),
        (
            "if req.method() == \"x\" { }",
            "write req.method, without ()",
        ),
        ("req.path.startswith(\"/\");", "did you mean `starts_with`?"),
        ("let a = 1", "end of the line before"),
        ("return Allow();", "did you mean `allow`?"),
    ] {
        // Without a `;` Rhai stops at the line behind.
        let line = 2 + usize::from(body.starts_with("let"));
        helps(
            &format!("fn decide(req) {{\n  {body}\n  pass()\n}}"),
            line,
            words,
        );
    }
    helps(
        "# comment\nfn decide(req) { pass() }",
        1,
        "comments begin with //",
    );
    helps("def decide(req):\n  pass()", 1, "write `fn decide(req)");
    helps("\nfn decied(req) { pass() }", 2, "call it `decide`");
    helps("\nfn Decide(req) { pass() }", 2, "call it `decide`");
    helps("\nfn decide(req, x) { pass() }", 2, "fn decide(req)");
}

#[test]
fn names_that_no_body_has() {
    for (expression, message, help) in [
        (
            "req.json().HostConfig.Priviledged",
            "unknown field `Priviledged`",
            "did you mean Privileged?",
        ),
        (
            "req.json().Hostconfig.Privileged",
            "unknown field `Hostconfig`",
            "did you mean HostConfig?",
        ),
        (
            "req.json().HostConfig.Mounts[0].Tipe",
            "unknown field `Tipe`",
            "did you mean Type?",
        ),
        ("req.peer.uuid", "unknown field `uuid`", "did you mean uid?"),
        (
            "bind(\"a:b\").soource",
            "unknown field `soource`",
            "did you mean source?",
        ),
        (
            "req.json().Binds.len",
            "unknown field `len`",
            "write len(): it is a function",
        ),
        (
            "req.json().Zzzzzzzzz",
            "unknown field `Zzzzzzzzz`",
            "[\"Zzzzzzzzz\"]",
        ),
        (
            "LIMITS.memori",
            "unknown field `memori`",
            "did you mean memory?",
        ),
    ] {
        let source = format!(
            "const LIMITS = #{{ memory: 1 }};\nfn decide(req) {{\nlet a = {expression};\nallow() }}"
        );
        helps(&source, 3, help);
        let error = Script::compile("p", source.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    for expression in [
        "req.json()[\"Priviledged\"]",
        "req.json().HostConfig[\"Brandnew\"].Type",
        "req.query.anything",
        "req.query.json(\"filters\").anything.at.all",
        "req.json().Labels.anything",
        "req.json().NetworkingConfig.EndpointsConfig.mynet.Aliases",
        "LIMITS.memory",
        "#{ mine: 1 }.mine",
    ] {
        let source = format!(
            "const LIMITS = #{{ memory: 1 }}; fn decide(req) {{ let a = {expression}; allow() }}"
        );
        Script::compile("p", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn verdicts_that_nobody_takes() {
    for body in [
        "if req.method != \"GET\" { pass() } allow()",
        "if req.method != \"GET\" { pass(); } allow()",
        "if req.path == \"/\" { } else { allow() } pass()",
        "pass(); allow()",
        "for x in [1] { pass() } allow()",
        "while true { if true { pass() } } allow()",
        "switch req.method { \"GET\" => pass(), _ => { } } allow()",
        "switch req.method { \"GET\" => { pass() } _ => { } } allow()",
        "{ pass() } allow()",
    ] {
        helps(
            &format!("fn decide(req) {{\n{body}\n}}"),
            2,
            "write `return ",
        );
    }
    for body in [
        "if true { return pass(); } allow()",
        "if req.path == \"/\" { pass() } else { allow() }",
        "if req.path == \"/\" { pass() } else if req.path == \"/a\" { allow() } else { pass() }",
        "switch req.method { \"GET\" => pass(), \"PUT\" => { allow() } _ => { pass() } }",
        "return switch req.method { \"GET\" => pass(), _ => allow() };",
        "let verdict = if req.path == \"/\" { pass() } else { allow() }; verdict",
        "return if req.path == \"/\" { deny(\"x\") } else { allow() };",
        "let l = [1]; l.map(|x| pass())[0]",
        "other(); allow();",
    ] {
        let source = format!("fn other() {{ pass() }} fn decide(req) {{ {body} }}");
        Script::compile("p", source.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{source}"));
    }
}

#[test]
fn functions_in_the_place_of_others() {
    for name in ["deny(x)", "is_set(x)", "contains(a, b)", "allow()"] {
        let source = format!("fn {name} {{ }}\nfn decide(req) {{ pass() }}");
        helps(&source, 1, "rename your function");
    }
}

#[test]
fn closures_that_would_hold_themselves() {
    for body in [
        "let l = (); let f = || l; l = f;",
        "let l = []; let f = || l; l.push(f);",
        "let l = []; let f = || l; l += [f];",
        "let l = [1]; let f = || l; l[0] = f;",
        "let m = #{}; let f = || m; m.a = f;",
        "let l = (); for i in 0..2 { let g = l; let f = || l; l = f; }",
        "let l = (); for i in 0..2 { l = [l]; let f = || l; }",
        "let l = (); let f = |x| { l = x; }; f.call(f);",
        "let l = []; let f = || l; put(l, f); l.put(f);",
    ] {
        let source = format!("fn put(x) {{ this.push(x) }} fn decide(req) {{ {body} allow() }}");
        let source = source
            .replace("m.a =", "m[\"a\"] =")
            .replace("put(l, f); ", "");
        let Err(error) = Script::compile("p", source.as_bytes()) else {
            panic!("compiled: {source}");
        };
        let text = error.to_string();
        assert!(
            text.contains("after a closure has captured it"),
            "{source}\n{text}"
        );
    }
    for body in [
        "let names = []; for x in [1, 2] { names.push(x); } [1].all(|x| names.contains(x));",
        "let most = 0; for x in [1, 2] { most += 1; } [1].all(|x| x < most);",
        "let bad = false; [1].some(|x| { bad = x == 1; false });",
        "let l = [1]; let n = 0; l.all(|x| n < x); n = 7; n += 1;",
    ] {
        let source = format!("fn decide(req) {{ {body} allow() }}");
        Script::compile("p", source.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{source}"));
    }
}

#[test]
fn what_deny_gets() {
    let swapped = "`deny` takes the reason first, and then the status";
    for (call, at, message) in [
        ("deny(403, \"no\")", 18, swapped),
        ("deny(403)", 18, swapped),
        ("deny(\"no\", \"403\")", 18, swapped),
        ("deny(\"no\", `403`)", 18, swapped),
        ("return deny(403, \"no\")", 25, swapped),
        ("deny(STATUS, \"no\")", 18, swapped),
        ("deny(\"no\", 200)", 29, "200 is not a valid status"),
        ("deny(\"no\", 600)", 29, "600 is not a valid status"),
        ("deny(\"no\", 399)", 29, "399 is not a valid status"),
    ] {
        let source = format!("fn decide(req) {{ {call}; allow() }} const STATUS = 403;");
        check(source, &format!("p.rhai:1:{at}: {message}"));
    }
    for call in [
        "deny(\"no\", 400)",
        "deny(\"no\", 599)",
        "deny(req.path, STATUS)",
    ] {
        let source =
            format!("const STATUS = 403; fn decide(req) {{ if false {{ {call}; }} allow() }}");
        assert!(Script::compile("p", source.as_bytes()).is_ok(), "{call}");
    }
}
