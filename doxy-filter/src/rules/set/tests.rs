//! Rules as one set: which share an automaton, and where each stands.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use super::{Class, MethodSet, Reason, Request, RuleSet, RuleText, Verdict};

fn class<'s>(set: &'s RuleSet, method: &str) -> &'s Class {
    set.classes
        .iter()
        .find(|class| class.methods.contains(MethodSet::of_request(method)))
        .unwrap()
}

#[test]
fn a_thousand_rules_are_one_automaton() {
    let text: String = (0..1000)
        .map(|n| format!("^/(v\\d\\.\\d+/)?containers/c{n}/json$\n"))
        .collect();
    let set = RuleSet::parse("many", text.as_bytes()).unwrap();
    assert_eq!(set.rule_count(), 1000);
    assert_eq!(set.classes.len(), 2, "GET and HEAD, and all others");
    assert_eq!(class(&set, "GET").methods, MethodSet::READ);
    assert!(class(&set, "GET").allow.is_some());
    assert!(class(&set, "POST").allow.is_none());
}

#[test]
fn methods_with_the_same_rules_share_their_automata() {
    let set = RuleSet::parse("f", b"* /a\n* /b\n!POST /b\nDELETE /c").unwrap();
    assert_eq!(set.classes.len(), 3, "POST, DELETE, and all others");
    let other = class(&set, "BREW");
    assert!(super::same(&other.allow, &class(&set, "POST").allow));
    assert!(!super::same(&other.allow, &class(&set, "DELETE").allow));
    assert!(super::same(&class(&set, "GET").deny, &None));
}

#[test]
fn texts_are_one_set_and_keep_their_names_and_lines() {
    let text = |source, first_line, text: &'static str| RuleText {
        source,
        first_line,
        text: text.as_bytes(),
    };
    let texts = [
        text("a", 1, "/x\n\n/y"),
        text("b", 12, "# more\n/z\n/y\n!/x"),
    ];
    let (set, warnings) = RuleSet::parse_all(&texts).unwrap();
    let judged = |path| match set.decide(&Request {
        method: "GET",
        path,
        query: None,
    }) {
        Verdict::Allow(rule) => format!("allow {rule}"),
        Verdict::Deny(Reason::Rule(rule)) => format!("deny {rule}"),
        Verdict::Deny(_) => "deny".to_owned(),
    };
    for (path, expected) in [
        ("/x", "deny b:15"),
        ("/y", "allow a:3"),
        ("/z", "allow b:13"),
        ("/w", "deny"),
    ] {
        assert_eq!(judged(path), expected, "{path}");
    }
    let warned = warnings.iter().map(ToString::to_string);
    let twice = "b:14:1: the same rule as a:3; remove one of them";
    assert!(warned.into_iter().any(|it| it == twice), "{warnings:?}");
    let error = |texts: &[RuleText<'_>]| RuleSet::parse_all(texts).unwrap_err().to_string();
    let broken = [text("a", 1, "/x\n"), text("b", 7, "/y\n/a)")];
    assert!(error(&broken).starts_with("b:8:3: "));
    // A text without a rule is a mistake, whatever stands beside it.
    let empty = [text("a", 1, "/x"), text("b", 1, "#")];
    assert!(error(&empty).starts_with("b: the file has no rules"));
    assert!(error(&[]).contains("no rules"));
}

#[test]
fn large_patterns_are_counted_together() {
    let rule = r"* /(\w{100}){80}".to_owned() + "\n";
    assert!(RuleSet::parse("f", rule.as_bytes()).is_ok());
    let error = RuleSet::parse("f", rule.repeat(200).as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("f: the patterns together are too large\nhelp: ")
    );
}
