//! Runs `tests/data/NAME.cases` against `tests/data/NAME.pattern`. A case is a line:
//!
//! - `allow METHOD PATH [LINE]`, where LINE is that of the rule;
//! - `deny METHOD PATH [REASON]`, where REASON is `method`, `no-rule` or `rule:LINE`;
//! - `refuse PATH`, for a path that is not judged at all.
//!
//! Paths are written as they are sent. Files are included, not read: this crate reads none.

use doxy_filter::{DEFAULT_PATTERNS, Reason, Request, RuleSet, Verdict, canonical_path};

#[test]
fn defaults() {
    check(
        "default",
        DEFAULT_PATTERNS,
        include_str!("../data/default.cases"),
    );
}

#[test]
fn language() {
    check(
        "language",
        include_str!("../data/language.pattern"),
        include_str!("../data/language.cases"),
    );
}

#[test]
fn anchors() {
    check(
        "anchors",
        include_str!("../data/anchors.pattern"),
        include_str!("../data/anchors.cases"),
    );
}

#[test]
fn any_method() {
    check(
        "any-method",
        include_str!("../data/any-method.pattern"),
        include_str!("../data/any-method.cases"),
    );
}

#[test]
fn head_alone() {
    check(
        "head-alone",
        include_str!("../data/head-alone.pattern"),
        include_str!("../data/head-alone.cases"),
    );
}

#[test]
fn deny_only() {
    check(
        "deny-only",
        include_str!("../data/deny-only.pattern"),
        include_str!("../data/deny-only.cases"),
    );
}

#[test]
fn the_embedded_rules_are_the_ten() {
    let rules = RuleSet::embedded().unwrap();
    assert_eq!(rules.rule_count(), 10);
    assert_eq!(rules.source(), "embedded rules");
}

#[test]
fn what_is_allowed_is_listed_for_messages() {
    for (text, listed) in [
        ("/x", "GET"),
        ("GET /x", "GET"),
        ("HEAD /x", "HEAD"),
        ("HEAD,POST /x", "HEAD, POST"),
        ("DELETE,POST /x\nGET /y", "GET, POST, DELETE"),
        (
            "OPTIONS,PATCH,PUT /x\n/x\n!POST /x",
            "GET, PUT, PATCH, OPTIONS",
        ),
        (
            "GET,POST,PUT,PATCH,DELETE,OPTIONS /x",
            "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
    ] {
        let rules = RuleSet::parse("f", text.as_bytes()).unwrap();
        let verdict = rules.decide(&Request {
            method: "BREW",
            path: "/x",
            query: None,
        });
        assert_eq!(
            verdict,
            Verdict::Deny(Reason::Method { allowed: listed }),
            "{text}"
        );
    }
}

#[test]
fn the_other_methods_of_a_path_are_those_that_the_rules_allow() {
    for (text, method, path, methods) in [
        ("/x\nPOST /y", "POST", "/x", "GET and HEAD"),
        ("/x\nPOST /y", "POST", "/z", ""),
        ("HEAD /x\n/y", "GET", "/x", "HEAD"),
        ("HEAD /x", "BREW", "/x", "HEAD"),
        (
            "/.*\nPOST /x\nPUT,POST /y",
            "PUT",
            "/x",
            "GET, HEAD and POST",
        ),
        (
            "/.*\nPOST /x\nPUT,POST /y",
            "PATCH",
            "/y",
            "GET, HEAD, POST and PUT",
        ),
        // A denial beats every allowance.
        ("GET,POST /x\n!POST /x\nPUT /y", "PUT", "/x", "GET and HEAD"),
        ("GET,POST /x\n!/x\nPUT /y", "PUT", "/x", ""),
    ] {
        let rules = RuleSet::parse("f", text.as_bytes()).unwrap();
        let request = Request {
            method,
            path,
            query: None,
        };
        let case = format!("{text:?} {method} {path}");
        assert_eq!(rules.other_methods(&request), methods, "{case}");
    }
}

#[test]
fn the_query_changes_nothing() {
    let rules = RuleSet::parse("f", b"/x").unwrap();
    for query in [None, Some(""), Some("a=/y"), Some("../../")] {
        assert!(matches!(
            rules.decide(&Request {
                method: "GET",
                path: "/x",
                query
            }),
            Verdict::Allow(_)
        ));
        assert!(matches!(
            rules.decide(&Request {
                method: "GET",
                path: "/y",
                query
            }),
            Verdict::Deny(_)
        ));
    }
}

#[test]
fn a_rule_is_named_by_file_and_line() {
    let rules = RuleSet::parse("some.pattern", b"\xEF\xBB\xBF# first\r\n\r\n/x\r\n/.*").unwrap();
    let Verdict::Allow(rule) = rules.decide(&Request {
        method: "GET",
        path: "/x",
        query: None,
    }) else {
        panic!("denied");
    };
    assert_eq!(rule.to_string(), "some.pattern:3");
}

fn check(name: &str, pattern: &str, cases: &str) {
    let rules = RuleSet::parse(name, pattern.as_bytes()).unwrap();
    let mut failures = Vec::new();
    let cases: Vec<_> = cases
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    for case in &cases {
        let words: Vec<_> = case.split_whitespace().collect();
        let agrees = match *words.as_slice() {
            ["refuse", path] => canonical_path(path).is_err(),
            [verdict @ ("allow" | "deny"), method, path, ref more @ ..] => {
                let path =
                    canonical_path(path).unwrap_or_else(|error| panic!("{name}: {case}: {error}"));
                let got = words_for(rules.decide(&Request {
                    method,
                    path: &path,
                    query: None,
                }));
                let expected = [verdict].into_iter().chain(more.iter().copied());
                got.split(' ')
                    .zip(expected)
                    .all(|(got, expected)| got == expected)
            }
            _ => panic!("{name}: not a case: {case}"),
        };
        if !agrees {
            failures.push(*case);
        }
    }
    assert!(
        failures.is_empty(),
        "{name}: {} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

fn words_for(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Allow(rule) => format!("allow {}", rule.line),
        Verdict::Deny(Reason::Method { .. }) => "deny method".to_owned(),
        Verdict::Deny(Reason::NoRule) => "deny no-rule".to_owned(),
        Verdict::Deny(Reason::Rule(rule)) => format!("deny rule:{}", rule.line),
        Verdict::Deny(reason) => format!("deny {reason:?}"),
    }
}
