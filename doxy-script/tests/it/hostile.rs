//! Policies that loop, recurse, grow, throw and return nonsense: each is denied, and soon.

use std::time::Duration;

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
    let Decision::Failed {
        public, log: got, ..
    } = ask(&source, Limits::default())
    else {
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
    fails("req.method.name; allow()", "p.rhai:1:");
    fails(
        "[\"a\"].some(|x| x.find(\"a\")); allow()",
        "p.rhai:1:47: the closure of `some` returned a value of type string instead of true or false",
    );
    for call in [
        "all(|x| 1)",
        "filter(|x| \"\")",
        "find(|x| ())",
        "some(|x| [])",
    ] {
        fails(
            &format!("let l = [1]; l.{call}; allow()"),
            "instead of true or false",
        );
    }
    fails(
        "req.query.a > 100; allow()",
        "p.rhai:1:53: a text is compared with a number, which is never true: `parse_int()`",
    );
    for comparison in [
        "req.version < 1.40",
        "req.query.a == 1",
        "1 != req.query.a",
        "req.query.a == true",
        "req.json()[\"a\"] == \"1\"",
        "1 == true",
        "[\"x\"].contains(1)",
        "1 in [\"x\"]",
    ] {
        fails(
            &format!("let x = {comparison}; allow()"),
            "which is never true",
        );
    }
    fails(
        "let s = \"aaaaaaaaaaaaaaaa\"; for i in 0..14 { s += s; } let l = []; for i in 0..9 { l.push(s); } l.join(s); allow()",
        "a text is longer than 1 MiB",
    );
    fails(
        "let l = [1]; for i in 0..14 { l += l; } allow()",
        "a list has more than 10000 items, nested ones included",
    );
    fails(
        "let s = 200; deny(\"x\", s); allow()",
        "200 is not a valid status",
    );
    fails(
        "let p = req.path; if p.matches(p) { allow() }",
        "must be in the policy",
    );
    fails(
        "\"1.2.3.4\".in_range(\"nonsense\"); allow()",
        "is not a network",
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
    "same(1)",
    "[1].map(|x| again(x))",
    "let f = |x| x; loop { f.call(1); }",
    "let l = [1]; loop { for x in l { req.json(); } }",
    "loop { print(\"x\"); }",
    "do { } until false",
    "let x = 1; loop { x = switch x { 1 => 2, _ => 1 }; }",
];

/// Each step of these takes long, so that the clock may end them before the count of steps does.
const HEAVY: &[&str] = &[
    "let s = \"a\"; for i in 0..18 { s += s; } loop { s.contains(\"b\"); s.to_upper(); }",
    "let s = \"a\"; for i in 0..18 { s += s; } let t = []; loop { t = s.split(\"a\"); }",
    "let s = \"a\"; for i in 0..18 { s += s; } loop { s.glob(s); }",
    "let s = \"a\"; for i in 0..18 { s += s; } loop { s.matches(\"(a|b|ab)*c\"); }",
];

/// What the log says of a call that a bound has ended.
const BOUNDS: [&str; 7] = [
    "took more than 20000 steps",
    "a text is longer than 1 MiB",
    "a list has more than 10000 items",
    "a map has more than 10000 keys",
    "nested more than 100 deep",
    "stack overflow",
    "the glob are too long",
];

/// Which bound ends a call is told by the log, not by a clock of the test's: were one missing, the test would hang.
#[test]
fn whatever_has_no_end_is_ended() {
    let never = Duration::MAX;
    let soon = Duration::from_millis(500);
    let endless = ENDLESS.iter().map(|body| (body, never));
    let heavy = HEAVY.iter().map(|body| (body, soon));
    for (body, time) in endless.chain(heavy) {
        let source = format!(
            "fn same(x) {{ same(x) + 1 }} fn again(x) {{ [x].map(|y| again(y)) }} fn decide(req) {{ {body}; allow() }}"
        );
        let limits = Limits {
            steps: 20_000,
            time,
        };
        let Decision::Failed { log, .. } = ask(&source, limits) else {
            panic!("not ended by a bound: {body}");
        };
        let by_clock = time == soon && log.contains("took more than 500 ms");
        let by_bound = BOUNDS.iter().any(|bound| log.contains(bound));
        assert!(by_clock || by_bound, "{body}: {log}");
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
        // Only the clock can end it.
        let decision = ask(&format!("fn decide(req) {{ {body}; allow() }}"), limits);
        assert!(
            words(&decision).contains("took more than 30 ms"),
            "{}",
            words(&decision)
        );
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

/// What is at a place can be a whole body to be gone through, so each look is a step.
#[test]
fn looking_takes_steps() {
    let limits = Limits {
        steps: 1000,
        ..Limits::default()
    };
    for (condition, times) in [
        ("is_set(b.Image)", 2000),
        ("b.Image == 5", 2000),
        ("!is_set(b.Image) && b.Env == 1 || b.Cmd == 2", 1000),
    ] {
        let guards = format!("if {condition} {{ return pass(); }} ").repeat(times);
        let source = format!("fn decide(req) {{ let b = req.json(); {guards} allow() }}");
        let decision = ask(&source, limits);
        assert!(
            words(&decision).contains("more than 1000 steps"),
            "{condition}: {decision:?}"
        );
    }
}

/// An object of a client's has as many keys as there is room for, and all are gone through for one that is not there.
#[test]
fn a_large_object_takes_steps() {
    let keys: Vec<_> = (0..20_000).map(|n| format!(r#""a{n:05}":0"#)).collect();
    let body = format!(r#"{{"HostConfig":{{{}}}}}"#, keys.join(","));
    let limits = Limits {
        steps: 1000,
        ..Limits::default()
    };
    for look in [
        "c.Memory == 5",
        "c[`Mem${\"ory\"}`] == 5",
        "c.contains(\"Memory\")",
    ] {
        let looks = |times: u32| {
            let source = format!(
                "fn decide(req) {{ let c = req.json().HostConfig; for i in 0..{times} {{ if {look} {{ return pass(); }} }} allow() }}"
            );
            let script = Script::compile("p", source.as_bytes())
                .unwrap()
                .with_limits(limits);
            words(
                &Ask::new("POST", "/containers/create")
                    .body(body.clone())
                    .of(&script, None),
            )
        };
        assert_eq!(looks(2), "allow", "{look}");
        assert!(looks(20).contains("more than 1000 steps"), "{look}");
    }
}

/// The memory of a call is used again by the next, whatever the policy did to it.
#[test]
fn what_a_policy_does_to_the_request_is_gone_with_the_call() {
    let deny = "if req.method == \"DELETE\" { return deny(req.path); }";
    for body in [
        "req = 5; allow()".to_owned(),
        "let req = 5; allow()".to_owned(),
        "let f = |x| req.path; [1].map(f); allow()".to_owned(),
        "let kept = [req, req.query, req.headers]; kept.push(kept); return allow(); ".to_owned(),
        "if is_set(req.query.a) { req = (); } allow()".to_owned(),
        "req".to_owned(),
    ] {
        let script = format!("fn decide(req) {{ {deny} {body} }}");
        let script = Script::compile("p", script.as_bytes()).unwrap();
        let other = Script::compile(
            "q",
            b"fn decide(r) { if r.path == \"/x\" { allow() } else { pass() } }",
        );
        let other = other.unwrap();
        for _ in 0..3 {
            let _ = Ask::new("GET", "/x?a=b").header("a", "b").of(&script, None);
            assert_eq!(
                words(&Ask::new("DELETE", "/y").of(&script, None)),
                "deny /y",
                "{body}"
            );
            assert_eq!(words(&Ask::new("GET", "/x").of(&other, None)), "allow");
            assert_eq!(words(&Ask::new("GET", "/y").of(&other, None)), "pass");
        }
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

/// What is dropped, compared or printed is gone through by calls within calls: were it deep enough, the process
/// would end. This thread has the stack that the standard library gives, two megabytes.
#[test]
fn nothing_is_nested_deeper_than_a_stack_is() {
    for body in [
        "let l = [1]; for i in 0..9000 { l = [l]; }",
        "let l = [1]; let m = [1]; for i in 0..9000 { l = [l]; m = [m]; } l == m;",
        "let m = #{}; for i in 0..9000 { m = #{ a: m }; } print(m);",
        "let f = || 1; for i in 0..9000 { let g = f; f = || g; }",
        "let f = || 1; for i in 0..3000 { let g = [[[[[[[[f]]]]]]]]; let h = [[[[[[[[g]]]]]]]]; f = || h; }",
        "let f = || 1; for i in 0..9000 { let g = f; f = || g; } debug(f);",
        "let l = []; for i in 0..2000 { l.push(0); } l.reduce(|acc, x| || acc, 0);",
        "let l = []; for i in 0..2000 { l.push(0); } l.reduce(|acc, x| [acc], 0);",
        "let l = []; for i in 0..9000 { let m = l; l = []; l.push(m); }",
        "let l = [1]; for i in 0..9000 { l[0] = l; }",
        "let l = [1]; for i in 0..9000 { l = wrap(l); }",
    ] {
        let source = format!("fn wrap(x) {{ [x] }} fn decide(req) {{ {body} allow() }}");
        let limits = Limits {
            time: Duration::from_secs(60),
            ..Limits::default()
        };
        let words = words(&ask(&source, limits));
        assert!(
            words.contains("nested more than 100 deep"),
            "{body}: {words}"
        );
    }
    // What a constant holds too.
    let source =
        "const A = { let l = [1]; for i in 0..9000 { l = [l]; } l }; fn decide(req) { allow() }";
    let error = Script::compile("p", source.as_bytes()).unwrap_err();
    assert!(
        error.to_string().contains("nested more than 100 deep"),
        "{error}"
    );
}
