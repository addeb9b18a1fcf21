//! Every rule that matches a request, not only the one that decides.

use doxy_filter::{Reason, Request, RuleSet, RuleText, Verdict};
use proptest::prelude::*;

/// Rules of all kinds that overlap.
const RULES: [&str; 9] = [
    "/a",
    "/a/.*",
    "/(a|b)(/b)?",
    "POST /a",
    "* /b",
    "!/a/b",
    "!POST /.*",
    "HEAD /[ab]",
    "(?i)/A",
];

fn request<'a>(method: &'a str, path: &'a str) -> Request<'a> {
    Request {
        method,
        path,
        query: None,
    }
}

/// `!` before the line of a rule that denies.
fn matching(set: &RuleSet, method: &str, path: &str) -> Vec<String> {
    let found = set.matching(&request(method, path)).into_iter();
    found
        .map(|it| format!("{}{}", if it.denies { "!" } else { "" }, it.rule))
        .collect()
}

#[test]
fn all_rules_that_match_are_named_in_the_order_in_which_they_decide() {
    let texts = [
        RuleText {
            source: "one",
            first_line: 1,
            text: b"/a\n# a comment\n/.*\nPOST /a\n",
        },
        RuleText {
            source: "two",
            first_line: 5,
            text: b"!/b\n/b\n/a\n!GET /[ab]\n",
        },
    ];
    let (set, _) = RuleSet::parse_all(&texts).unwrap();
    for (method, path, expected) in [
        ("GET", "/a", &["!two:8", "one:1", "one:3", "two:7"][..]),
        ("HEAD", "/a", &["!two:8", "one:1", "one:3", "two:7"]),
        ("POST", "/a", &["one:4"]),
        ("GET", "/b", &["!two:5", "!two:8", "one:3", "two:6"]),
        ("DELETE", "/b", &["!two:5"]),
        ("BREW", "/b", &["!two:5"]),
        ("GET", "/c", &["one:3"]),
        ("DELETE", "/c", &[]),
    ] {
        assert_eq!(matching(&set, method, path), expected, "{method} {path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_matches_among_others_as_it_does_alone(
        rules in prop::collection::vec(prop::sample::select(&RULES[..]), 1..9),
        path in "/[abA/]{0,4}",
    ) {
        let all = RuleSet::parse("f", rules.join("\n").as_bytes()).unwrap();
        for method in ["GET", "HEAD", "POST", "BREW"] {
            let mut expected = Vec::new();
            for denies in [true, false] {
                for (at, rule) in rules.iter().enumerate() {
                    // A rule that denies is asked as one that allows: of one rule, both match alike.
                    let bare = match (rule.strip_prefix('!'), rule.contains(' ')) {
                        (Some(bare), false) => format!("* {bare}"),
                        (Some(bare), true) => bare.to_owned(),
                        (None, _) => (*rule).to_owned(),
                    };
                    let alone = RuleSet::parse("f", bare.as_bytes()).unwrap();
                    let matches = matches!(alone.decide(&request(method, &path)), Verdict::Allow(_));
                    if rule.starts_with('!') == denies && matches {
                        expected.push(format!("{}f:{}", if denies { "!" } else { "" }, at + 1));
                    }
                }
            }
            let found = matching(&all, method, &path);
            prop_assert_eq!(&found, &expected, "{:?} {} {}", &rules, method, &path);
            let decided = match all.decide(&request(method, &path)) {
                Verdict::Allow(rule) => Some(rule.to_string()),
                Verdict::Deny(Reason::Rule(rule)) => Some(format!("!{rule}")),
                // No rule allows the method at all, so none was asked.
                Verdict::Deny(Reason::Method { .. }) => continue,
                Verdict::Deny(_) => None,
            };
            prop_assert_eq!(found.first(), decided.as_ref());
        }
    }
}
