//! Policies that loop, recurse, grow, throw and return nonsense: each is denied, and soon.

use std::time::{Duration, Instant};

use doxy_script::{Decision, Limits, Script};

use crate::support::{Ask, words};

fn ask(source: &str, limits: Limits) -> Decision {
    let script = Script::compile("p.rhai", source.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{source}"))
        .with_limits(limits);
    Ask::new("POST", "/x?a=b")
        .body(r#"{"a":[1,2,3]}"#)
        .of(&script, None)
}

#[track_caller]
fn fails(body: &str, log: &str) {
    let source = format!("fn same(x) {{ same(x) }} fn decide(req) {{ {body} }}");
    let Decision::Failed { public, log: got } = ask(&source, Limits::default()) else {
        panic!("not failed: {body}");
    };
    assert!(got.contains(log), "{body}\n{got}");
    assert_eq!(
        public,
        "the policy failed on this request, so it is not allowed"
    );
}

#[test]
fn nonsense_is_a_failure() {
    fails("", "returned nothing instead of allow(), deny(…) or pass()");
    fails("true", "returned a value of type bool");
    fails("\"allow\"", "returned a value of type string");
    fails("[allow()]", "returned a value of type array");
    fails("|| allow()", "returned a value of type Fn");
    fails("throw \"x\"", "p.rhai:1:41: x");
    fails("1 / 0; allow()", "p.rhai:1:43: division by zero");
    fails("9223372036854775807 + 1; allow()", "overflow");
    fails("[1][5]; allow()", "out of bounds");
    fails("req.method.x; allow()", "p.rhai:1:");
    fails("deny(\"x\", 200); allow()", "200 is no status of a refusal");
    fails(
        "let p = req.path; if p.matches(p) { allow() }",
        "written out in the policy",
    );
    fails(
        "\"1.2.3.4\".in_range(\"nonsense\"); allow()",
        "is no network",
    );
}

#[test]
fn a_failure_cannot_be_hidden() {
    for body in [
        "[1, 2].some(|x| { deny(\"no\"); }); allow()",
        "let l = [1, 2]; l.map(|x| { loop {} }); allow()",
    ] {
        let source = format!("fn decide(req) {{ {body} }}");
        let decision = ask(&source, Limits::default());
        assert!(
            matches!(decision, Decision::Failed { .. } | Decision::Deny { .. }),
            "{body}: {}",
            words(&decision)
        );
    }
}

/// Each would take for ever, or as much memory as there is.
const ENDLESS: &[&str] = &[
    "loop {}",
    "while true {}",
    "for i in 0..9223372036854775807 { let x = i; }",
    "for i in range(0, 9223372036854775807) { let x = i; }",
    "let s = \"x\"; loop { s += s; }",
    "let s = \"x\"; loop { s = `${s}${s}`; }",
    "let l = [1]; loop { l += l; }",
    "let l = [1]; loop { l.push(l); }",
    "let l = [1]; loop { l = [l, l, l, l]; }",
    "let m = #{}; loop { m = #{ a: m, b: m }; }",
    "let m = #{}; for i in 0..99999999 { m[`${i}`] = m; }",
    "let s = \"aaaaaaaaaaaaaaaa\"; let l = []; loop { l += s.split(\"\"); }",
    "let l = [3, 2, 1]; loop { l.sort(); l.reverse(); }",
    "let a = []; for i in 0..200 { a.push(i); } let b = a; let c = a; a.map(|w| b.map(|x| c.map(|y| [y, y, y])))",
    "let a = []; for i in 0..200 { a.push(i); } let b = a; let c = a; let d = a; a.all(|w| b.all(|x| c.all(|y| d.all(|z| true))))",
    "let l = []; for i in 0..200 { l.push(i); } loop { l.reduce(|a, b| a + b, 0); }",
    "let l = []; for i in 0..200 { l.push(i); } let m = l; loop { l.filter(|a| m.some(|b| b == -1)); }",
    "let s = \"a\"; for i in 0..18 { s += s; } loop { s.contains(\"b\"); s.to_upper(); }",
    "let s = \"a\"; for i in 0..18 { s += s; } let t = []; loop { t = s.split(\"a\"); }",
    "let s = \"a\"; for i in 0..18 { s += s; } loop { s.glob(s); }",
    "let s = \"a\"; for i in 0..18 { s += s; } loop { s.matches(\"(a|b|ab)*c\"); }",
    "same(1)",
    "[1].map(|x| again(x))",
    "let f = |x| x; loop { f.call(1); }",
    "let l = [1]; loop { for x in l { req.json(); } }",
    "loop { print(\"x\"); }",
    "do { } until false",
    "let x = 1; loop { x = switch x { 1 => 2, _ => 1 }; }",
];

#[test]
fn whatever_has_no_end_is_ended() {
    for body in ENDLESS {
        let source = format!(
            "fn same(x) {{ same(x) + 1 }} fn again(x) {{ [x].map(|y| again(y)) }} fn decide(req) {{ {body}; allow() }}"
        );
        let began = Instant::now();
        let decision = ask(&source, Limits::default());
        let took = began.elapsed();
        assert!(
            matches!(decision, Decision::Failed { .. }),
            "{body}: {}",
            words(&decision)
        );
        // The limit is half a second; the rest is for a build without optimisation on a busy machine.
        assert!(took < Duration::from_secs(20), "{body} took {took:?}");
    }
}

#[test]
fn the_clock_ends_what_the_count_does_not() {
    let limits = Limits {
        steps: u32::MAX,
        time: Duration::from_millis(30),
    };
    for body in [
        "loop {}",
        "let a = []; for i in 0..200 { a.push(i); } let b = a; let c = a; let d = a; a.all(|w| b.all(|x| c.all(|y| d.all(|z| true))))",
    ] {
        let began = Instant::now();
        let decision = ask(&format!("fn decide(req) {{ {body}; allow() }}"), limits);
        assert!(
            words(&decision).contains("took more than 30 ms"),
            "{}",
            words(&decision)
        );
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn one_call_leaves_nothing_for_the_next() {
    let script = Script::compile(
        "p",
        b"fn decide(req) { if req.query.a == \"b\" { loop {} } print(req.path); allow() }",
    )
    .unwrap();
    for _ in 0..3 {
        assert!(words(&Ask::new("GET", "/x?a=b").of(&script, None)).starts_with("fail"));
        assert_eq!(words(&Ask::new("GET", "/x?a=c").of(&script, None)), "allow");
    }
}

#[test]
fn prints_are_few_short_and_said_once() {
    use std::sync::{Arc, Mutex};

    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let source = r#"fn decide(req) {
        let s = "x";
        for i in 0..12 { s += s; }
        print(s);
        req.json();
        for i in 0..100 { print(i.to_string()); }
        allow()
    }"#;
    let script = Script::compile("p", source.as_bytes())
        .unwrap()
        .on_print(move |line| sink.lock().unwrap().push(line.to_owned()));
    let decision = Ask::new("POST", "/x").body("{}").of(&script, None);
    assert_eq!(decision, Decision::Allow);
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0].len(), 1024);
    assert_eq!(lines[7], "6");
}

#[test]
fn threads_share_a_script() {
    fn shared<T: Send + Sync>(_: &T) {}

    let script = Script::compile(
        "p",
        b"fn decide(req) { if req.path.matches(\"/[0-9]+\") { allow() } else { pass() } }",
    )
    .unwrap();
    shared(&script);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let script = &script;
            scope.spawn(move || {
                for n in 0..200 {
                    let (path, expected) = match n % 2 {
                        0 => (format!("/{thread}{n}"), "allow"),
                        _ => (format!("/x{thread}{n}"), "pass"),
                    };
                    assert_eq!(words(&Ask::new("GET", &path).of(script, None)), expected);
                }
            });
        }
    });
}
