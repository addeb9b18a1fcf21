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

#[test]
fn shape() {
    check("", "p.rhai: there is no function `decide` in it");
    check(
        "fn other(req) { allow() }",
        "p.rhai: there is no function `decide` in it",
    );
    check(
        "fn decide() { allow() }",
        "p.rhai: `decide` takes 0 arguments instead of one",
    );
    check(
        "fn decide(a, b) { allow() }",
        "p.rhai: `decide` takes 2 arguments instead of one",
    );
    check(
        "fn decide(a) { allow() }\nfn decide(a, b) { allow() }",
        "p.rhai: `decide` is defined more than once",
    );
    check(
        "fn decide(a) { allow() }\nfn decide(b) { allow() }",
        "p.rhai:2:1: function decide with 1 parameter already exists",
    );
    check(
        "let x = 1;\nfn decide(req) { allow() }",
        "p.rhai:1:1: only constants and functions may stand here",
    );
    check(
        "fn decide(req) { allow() }\nloop {}",
        "p.rhai:2:1: only constants and functions may stand here",
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
        "p.rhai:1:32: `&&` in a class means different things in different regex dialects",
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
        "p.rhai:1:11: a constant takes too much to work out",
    );
}
