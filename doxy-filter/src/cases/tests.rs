#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test is meant to panic"
)]

use proptest::prelude::*;

use super::{Case, CaseLookup, CasePeer, Expected, ExpectedRule, parse};

fn one(text: &str) -> Case {
    let mut cases =
        parse("f.cases", text.as_bytes()).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
    assert_eq!(cases.len(), 1, "{text:?}");
    cases.remove(0)
}

fn errors(text: impl AsRef<[u8]>) -> Vec<String> {
    let errors = parse("f.cases", text.as_ref()).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_detail_of_a_case() {
    let case = one("\u{FEFF}# who asks\r\n\
         deny POST /v1.51/containers/create?name=x\r\n\
         \x20 body {\"Image\":  \"x\"}\r\n\
         \x20 header X-Registry-Auth: e30=\r\n\
         \x20 header X-Empty:\r\n\
         \n\
         \x20 # a comment\n\
         \tpeer uid=1000 gid=100 pid=7\n\
         \x20 container {\"id\":\"ab\"}\n\
         \x20 socket /run/a b.sock\n\
         \x20   lookup image x:1 {\"Id\":\"sha256:a\"}\n\
         \x20 lookup engine {}\n\
         \x20 rule scripts/agent.rhai:12\n\
         \x20 because too much\n\
         \x20 because of it");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let lookup = |what: &str, target: &str, answer: &str| CaseLookup {
        what: what.to_owned(),
        target: target.to_owned(),
        answer: answer.to_owned(),
    };
    let expected = Case {
        line: 2,
        expected: Expected::Deny,
        method: "POST".to_owned(),
        target: "/v1.51/containers/create?name=x".to_owned(),
        headers: vec![
            pair("X-Registry-Auth", "e30="),
            pair("X-Empty", ""),
            pair("Content-Type", "application/json"),
        ],
        body: Some("{\"Image\":  \"x\"}".to_owned()),
        body_at: (3, 8),
        peer: Some(CasePeer::Unix {
            uid: 1000,
            gid: 100,
            pid: Some(7),
        }),
        container: Some("{\"id\":\"ab\"}".to_owned()),
        socket: Some("/run/a b.sock".to_owned()),
        lookups: vec![
            lookup("image x:1", "/images/x:1/json", "{\"Id\":\"sha256:a\"}"),
            lookup("engine", "/info", "{}"),
        ],
        rule: Some(ExpectedRule::At {
            file: Some("scripts/agent.rhai".to_owned()),
            line: 12,
        }),
        because: vec!["too much".to_owned(), "of it".to_owned()],
    };
    assert_eq!(case, expected);
    assert_eq!(
        case.to_string(),
        "deny POST /v1.51/containers/create?name=x"
    );
}

#[test]
fn what_a_case_sends_by_default() {
    let case = one("refused GET //");
    assert_eq!(case.expected, Expected::Refused);
    assert_eq!((case.peer, case.container, case.body), (None, None, None));
    assert!(case.headers.is_empty() && case.lookups.is_empty());
    // Text has no type of its own; a type that is given is not given twice.
    for (text, types) in [
        ("  text {}", 0),
        ("  text", 0),
        ("  body {}", 1),
        ("  body {}\n  header content-type: text/plain", 1),
        ("  header Content-Type: text/plain\n  body {}", 1),
    ] {
        let case = one(&format!("allow POST /build\n{text}"));
        assert_eq!(case.headers.len(), types, "{text}");
        assert!(case.body.is_some(), "{text}");
    }
}

#[test]
fn what_stands_before_the_first_case_holds_for_all() {
    let cases = parse(
        "f",
        b"  peer uid=1 gid=2\n  container {\"id\":\"c\"}\n  lookup engine {\"a\":1}\n\
          pass GET /a\n\
          allow GET /b\n  peer unknown\n  container unknown\n  lookup engine {\"a\":2}\n\
          allow GET /c\n  peer address=[::1]:7",
    )
    .unwrap();
    let [a, b, c] = cases.as_slice() else {
        panic!("{cases:?}");
    };
    assert!(a.peer.is_some() && a.container.is_some());
    assert_eq!(a.lookups[0].answer, "{\"a\":1}");
    assert!(b.peer.is_none() && b.container.is_none());
    assert_eq!(b.lookups.len(), 1);
    assert_eq!(b.lookups[0].answer, "{\"a\":2}");
    assert_eq!(c.peer, Some(CasePeer::Net("[::1]:7".parse().unwrap())));
    assert_eq!(c.lookups, a.lookups);
}

#[test]
fn each_error_with_its_place() {
    for (text, expected) in [
        ("", "f.cases: the file has no cases"),
        ("# x\n\n", "f.cases: the file has no cases"),
        ("  peer uid=1 gid=1", "f.cases: the file has no cases"),
        ("permit GET /", "f.cases:1:1: `permit` is no verdict"),
        ("Allow GET /", "f.cases:1:1: `Allow` is no verdict"),
        ("allow GET", "f.cases:1:10: the case has no target"),
        ("allow", "f.cases:1:6: the case has no target"),
        ("allow GET  /ä b", "f.cases:1:15: a target has no blanks"),
        (
            "  body {}\nallow GET /",
            "f.cases:1:3: `body` before the first case",
        ),
        (" allow GET /", "f.cases:1:2: `allow` before the first case"),
        (
            "allow GET /\n  form x",
            "f.cases:2:3: `form` is no detail of a case",
        ),
        ("allow GET /\n  body", "f.cases:2:7: `body` has no value"),
        ("allow GET /\n  body  ", "f.cases:2:7: `body` has no value"),
        (
            "allow GET /\n  body 1\n  text 2",
            "f.cases:3:3: a second `body`",
        ),
        (
            "allow GET /\n  rule 1\n  rule 1",
            "f.cases:3:3: a second `rule`",
        ),
        (
            "allow GET /\n  header X",
            "f.cases:2:10: a header without a colon",
        ),
        (
            "allow GET /\n  header : x",
            "f.cases:2:10: a header without a colon",
        ),
        (
            "allow GET /\n  peer uid=1",
            "f.cases:2:8: a peer has a uid and a gid",
        ),
        (
            "allow GET /\n  peer uid=1 gid=-1",
            "f.cases:2:8: `gid=-1` says nothing about a peer",
        ),
        (
            "allow GET /\n  peer uid=1 gid=1 uid=2",
            "f.cases:2:8: a second `uid`",
        ),
        (
            "allow GET /\n  peer uid=1 gid=1 pid=0",
            "f.cases:2:8: no process has this pid",
        ),
        (
            "allow GET /\n  peer address=localhost:1",
            "f.cases:2:8: an address is an IP address and a port",
        ),
        (
            "allow GET /\n  lookup secret x {}",
            "f.cases:2:10: `secret` cannot be looked up",
        ),
        (
            "allow GET /\n  lookup container a/b {}",
            "f.cases:2:10: no container has the name `a/b`",
        ),
        (
            "allow GET /\n  lookup container a",
            "f.cases:2:10: the answer is missing",
        ),
        (
            "allow GET /\n  lookup engine",
            "f.cases:2:10: the answer is missing",
        ),
        (
            "allow GET /\n  lookup engine {}\n  lookup engine []",
            "f.cases:3:10: a second answer to the same lookup",
        ),
        (
            "allow GET /\n  rule 0",
            "f.cases:2:8: `0` is no line of a file",
        ),
        (
            "allow GET /\n  rule :3",
            "f.cases:2:8: `:3` is no line of a file",
        ),
        (
            "allow GET /\n  rule a.pattern",
            "f.cases:2:8: `a.pattern` is no line",
        ),
        ("allow GET /\u{1b}[0m", "f.cases:1:12: a control character"),
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{text:?}: {errors:?}");
        assert!(errors[0].starts_with(expected), "{text:?}: {errors:?}");
        let (_, help) = errors[0].split_once("\nhelp: ").unwrap();
        assert!(!help.is_empty() && !help.contains('\n'), "{errors:?}");
    }
    let not_utf8 = errors(b"allow GET /\n  text \xff\n");
    assert!(not_utf8[0].starts_with("f.cases:2:8: the line is not valid UTF-8"));
}

/// The details below a wrong case are its own; they are no further errors, nor the case's before.
#[test]
fn all_errors_at_once() {
    let text = "allow GET /a\nalow GET /b\n  body {}\n  body {}\n  because x\n\
                allow GET /c\n  bcause y\n  peer root\n";
    let places: Vec<_> = errors(text)
        .iter()
        .map(|error| error.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        places,
        ["f.cases:2:1", "f.cases:4:3", "f.cases:7:3", "f.cases:8:8"]
    );
    // A file that is none of cases does not fill the screen, nor the memory.
    assert_eq!(errors("x\n".repeat(100_000)).len(), 100);
}

#[test]
fn the_rule_that_decided() {
    let at = |file: Option<&str>, line| ExpectedRule::At {
        file: file.map(str::to_owned),
        line,
    };
    let decided = Some(("/etc/doxy/a.pattern", 3));
    for (rule, decided, expected) in [
        (ExpectedRule::None, None, true),
        (ExpectedRule::None, decided, false),
        (at(None, 3), decided, true),
        (at(None, 4), decided, false),
        (at(None, 3), None, false),
        (at(Some("a.pattern"), 3), decided, true),
        (at(Some("doxy/a.pattern"), 3), decided, true),
        (at(Some("/etc/doxy/a.pattern"), 3), decided, true),
        (at(Some(".pattern"), 3), decided, false),
        (at(Some("b.pattern"), 3), decided, false),
        (at(Some("a.pattern"), 2), decided, false),
    ] {
        assert_eq!(rule.is_at(decided), expected, "{rule} {decided:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is read, nothing panics, and each error names a line that the text has.
    #[test]
    fn garbage_is_cases_or_errors(text in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&text);
    }

    /// The same with the words of the dialect, which reach further.
    #[test]
    fn words_in_any_order_are_cases_or_errors(
        words in prop::collection::vec(prop::sample::select(vec![
            "allow", "deny", "refused", "GET", "/x", " ", "  ", "\n", "\n  ", "\t", "\r\n", "#", "body",
            "text", "header", "X: y", "peer", "uid=1", "gid=4294967296", "pid=99999999999", "address=",
            "unknown", "container", "{}", "socket", "lookup", "engine", "image", "ä/é", "rule", "none",
            "18446744073709551616", ":1", "because", "\u{0}", "\u{FEFF}",
        ]), 0..40),
    ) {
        check(words.concat().as_bytes());
    }

    /// A case that is written is read again as it was.
    #[test]
    fn what_is_written_is_read(
        at in 0..4_usize,
        method in "[A-Z]{1,8}",
        target in "/[!-~]{0,30}",
        because in "[!-~]([ -~]{0,20}[!-~])?",
    ) {
        let expected = Expected::ALL[at];
        let text = format!("{} {method} {target}\n  because {because}\n", expected.word());
        let case = one(&text);
        prop_assert_eq!(case.expected, expected);
        prop_assert_eq!(case.method, method);
        prop_assert_eq!(case.target, target);
        prop_assert_eq!(case.because, vec![because]);
    }
}

fn check(text: &[u8]) {
    let lines = text.split(|byte| *byte == b'\n').count();
    match parse("f", text) {
        Ok(cases) => {
            assert!(!cases.is_empty());
            for case in cases {
                assert!(case.line >= 1 && case.line <= lines, "{case:?}");
                assert!(!case.method.is_empty() && !case.target.is_empty());
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.line <= lines, "{error}");
                assert!(!error.help.contains('\n') && !error.message.contains('\n'));
            }
        }
    }
}
