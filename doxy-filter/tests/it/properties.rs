//! What holds for any path and any rules. A failure found here becomes a case of its own elsewhere.

use std::mem::discriminant;

use doxy_filter::{MAX_PATH, Reason, Request, RuleSet, Verdict, canonical_path};
use proptest::prelude::*;

/// Pieces that rules are made of, good and bad.
const PIECES: [&str; 42] = [
    "/",
    "a",
    "json",
    ".",
    "*",
    "+",
    "?",
    "(",
    ")",
    "(?:",
    "(?i)",
    "(?P<n>",
    "(?x)",
    "|",
    "[",
    "[^",
    "]",
    "[:alpha:]",
    "[:",
    "-",
    "--",
    "&&",
    "^",
    "$",
    "{",
    "}",
    "{2}",
    "{,3}",
    "{2,1}",
    "\\",
    "\\d",
    "\\w",
    "\\b",
    "\\Q",
    "\\E",
    "\\pL",
    "\\p{",
    "\\x2f",
    "\\1",
    " ",
    "é",
    "!",
];

/// Lines that load, of both kinds, with paths they may match.
const RULES: [&str; 10] = [
    "/a",
    "/a/.*",
    "POST /a",
    "* /b",
    "DELETE,PUT /.*",
    "!/a/b",
    "!POST /.*",
    "!GET /b",
    "HEAD /c",
    "! /[bc]",
];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "BREW"];
const PATHS: [&str; 6] = ["/a", "/a/b", "/a/c", "/b", "/c", "/d"];

fn config() -> ProptestConfig {
    // Files of past failures would be state beside the tests; this crate keeps none.
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn requests() -> impl Iterator<Item = Request<'static>> {
    METHODS.into_iter().flat_map(|method| {
        PATHS.into_iter().map(move |path| Request {
            method,
            path,
            query: None,
        })
    })
}

fn allows(rules: &RuleSet, request: &Request<'_>) -> bool {
    matches!(rules.decide(request), Verdict::Allow(_))
}

/// The verdict but for the rule it names.
fn kind(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Allow(_) => "allow".to_owned(),
        Verdict::Deny(Reason::Rule(_)) => "rule".to_owned(),
        Verdict::Deny(reason) => format!("{reason:?}"),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_canonical_path_is_its_own_canonical_path(raw in "(/|%2[fFeE5]|%[0-9a-f]{2}|[.%a-z\\\\é ]){0,20}") {
        if let Ok(path) = canonical_path(&format!("/{raw}")) {
            let again = canonical_path(&path);
            prop_assert_eq!(again.as_deref(), Ok(&*path));
            prop_assert!(path.starts_with('/') && path.len() <= MAX_PATH);
            prop_assert!(!path.contains("//") && !path.contains(['%', '\\']));
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
        }
    }

    #[test]
    fn encoding_changes_no_path(path in "(/[a-z0-9_.é-]{1,8}){1,4}", upper: bool) {
        let encoded: String = path
            .bytes()
            .skip(1)
            .map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") })
            .collect();
        let encoded = format!("/{encoded}");
        prop_assert_eq!(canonical_path(&encoded), canonical_path(&path));
    }

    #[test]
    fn no_path_panics(raw in any::<String>()) {
        let _ = canonical_path(&raw);
        let _ = canonical_path(&format!("/{raw}"));
    }

    #[test]
    fn no_bytes_panic(text in any::<Vec<u8>>()) {
        let _ = RuleSet::parse("f", &text);
    }

    #[test]
    fn no_syntax_panics(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12)) {
        let pattern = pieces.concat();
        if let Err(error) = RuleSet::parse("f", format!("/{pattern}").as_bytes()) {
            let message = error.to_string();
            prop_assert_eq!(message.lines().count(), 2, "{}", &message);
            prop_assert!(message.lines().nth(1).is_some_and(|line| line.starts_with("help: ")));
            prop_assert!(!message.contains("Error") && error.line == 1, "{}", &message);
            prop_assert!(error.column >= 1 && error.column <= pattern.chars().count() + 2, "{}", &message);
        }
        let _ = RuleSet::parse("f", pattern.as_bytes());
    }

    #[test]
    fn quoted_text_matches_itself_alone(text in "[!-~é]{1,12}", other in "[!-~é]{1,12}") {
        prop_assume!(!text.contains("\\E"));
        let path = format!("/{text}");
        let escaped: String = path.chars().map(|c| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.into() }).collect();
        let in_class: String = path.chars().map(|c| format!("[\\x{{{:x}}}]", u32::from(c))).collect();
        for pattern in [format!("\\Q{path}\\E"), escaped, in_class] {
            let rules = RuleSet::parse("f", pattern.as_bytes()).unwrap();
            prop_assert!(allows(&rules, &Request { method: "GET", path: &path, query: None }), "{}", &pattern);
            for not in [format!("/{other}"), format!("{path}x"), format!("/x{path}"), format!("{path}\n")] {
                let request = Request { method: "GET", path: &not, query: None };
                prop_assert_eq!(allows(&rules, &request), not == path, "{} {}", &pattern, &not);
            }
        }
    }

    #[test]
    fn a_pattern_never_reaches_past_its_ends(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8)) {
        // Blanks at the end belong to the line; in a group they would belong to the pattern.
            let pattern = format!("/{}", pieces.concat().trim_end_matches(' '));
        let (Ok(one), Ok(grouped)) = (
            RuleSet::parse("f", pattern.as_bytes()),
            RuleSet::parse("f", format!("(?:{pattern})").as_bytes()),
        ) else {
            return Ok(());
        };
        for path in ["/", "/a", "/aa", "/json", "/a/json", "//", "/-", "/a\n", "/é"] {
            let request = Request { method: "GET", path, query: None };
            prop_assert_eq!(allows(&one, &request), allows(&grouped, &request), "{} {}", &pattern, path);
        }
    }

    #[test]
    fn denials_only_narrow(
        rules in prop::collection::vec(prop::sample::select(&RULES[..]), 1..8),
        denial in prop::sample::select(&["!/a", "!POST /.*", "!GET,PUT /b", "!.*"][..]),
        at in any::<prop::sample::Index>(),
    ) {
        let before = RuleSet::parse("f", rules.join("\n").as_bytes()).unwrap();
        let mut more = rules.clone();
        more.insert(at.index(rules.len() + 1), denial);
        let after = RuleSet::parse("f", more.join("\n").as_bytes()).unwrap();
        for request in requests() {
            prop_assert!(allows(&before, &request) || !allows(&after, &request), "{request:?}");
        }
    }

    #[test]
    fn the_order_of_rules_changes_no_verdict(
        (rules, shuffled) in prop::collection::vec(prop::sample::select(&RULES[..]), 1..8)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
    ) {
        let one = RuleSet::parse("f", rules.join("\n").as_bytes()).unwrap();
        let other = RuleSet::parse("f", shuffled.join("\n").as_bytes()).unwrap();
        for request in requests() {
            let (one, other) = (one.decide(&request), other.decide(&request));
            prop_assert_eq!(discriminant(&one), discriminant(&other));
            prop_assert_eq!(kind(one), kind(other), "{:?}", request);
        }
    }

    #[test]
    fn many_rules_say_what_each_says_alone(rules in prop::collection::vec(prop::sample::select(&RULES[..]), 1..8)) {
        let all = RuleSet::parse("f", rules.join("\n").as_bytes()).unwrap();
        let alone: Vec<_> = rules.iter().map(|rule| RuleSet::parse("f", rule.as_bytes()).unwrap()).collect();
        for request in requests() {
            let denies = |rules: &RuleSet| matches!(rules.decide(&request), Verdict::Deny(Reason::Rule(_)));
            let expected = alone.iter().any(|rule| allows(rule, &request)) && !alone.iter().any(denies);
            prop_assert_eq!(allows(&all, &request), expected, "{:?}", request);
        }
    }
}
