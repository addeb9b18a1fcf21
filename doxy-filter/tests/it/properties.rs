//! What holds for any path and any rules. A failure found here becomes a case of its own elsewhere.

use std::mem::discriminant;

use doxy_filter::{MAX_PATH, Reason, Request, RuleSet, Verdict, canonical_path, split_version};
use proptest::prelude::*;

/// Pieces that rules are made of, good and bad.
pub(crate) const PIECES: [&str; 42] = [
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
    // No files of past failures: tests keep no state.
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

/// The verdict without the rule that it names.
fn kind(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Allow(_) => "allow".to_owned(),
        Verdict::Deny(Reason::Rule(_)) => "rule".to_owned(),
        Verdict::Deny(reason) => format!("{reason:?}"),
    }
}

/// Unlikely rules, most of which load. They use few words, so that they often overlap.
fn odd_rule() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(&["", "", "GET ", "HEAD ", "POST,PUT ", "* "][..]);
    let pattern = prop_oneof![
        "/(a|b|[ab]|a[*]|[.]|.|(a|b)|[^a]|/){0,4}",
        "/(a/)?[(](a|b)[|](b|/)[)][?*+]?",
        "[(][?]i[)]/(A|b){1,3}",
        "/[.][*](a|b)",
        prop::sample::select(&RULES[..]).prop_map(|rule| rule.trim_start_matches('!').to_owned()),
    ];
    (methods, pattern).prop_map(|(methods, pattern)| match pattern.starts_with(['/', '(']) {
        true => format!("{methods}{pattern}"),
        false => pattern,
    })
}

/// A pattern that matches this text only.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '/' | 'a'..='z' | 'A'..='Z' | '0'..='9' => c.to_string(),
        c if c.is_ascii_punctuation() => format!("\\{c}"),
        c => format!("\\x{{{:x}}}", u32::from(c)),
    };
    text.chars().map(escape).collect()
}

/// A path like this one, and yet another: a character more, less, or of the other case.
fn nearly(path: &str, at: prop::sample::Index, c: char) -> [String; 5] {
    let chars: Vec<_> = path.chars().collect();
    let at = at.index(chars.len());
    let with = |change: &dyn Fn(&mut Vec<char>)| {
        let mut chars = chars.clone();
        change(&mut chars);
        chars.into_iter().collect::<String>()
    };
    [
        with(&|chars| chars.insert(at, c)),
        with(&|chars| {
            chars.remove(at);
        }),
        with(&|chars| chars[at] = c),
        with(&|chars| {
            let other = chars[at].to_uppercase().chain(chars[at].to_lowercase());
            if let Some(other) = other.into_iter().find(|other| *other != chars[at]) {
                chars[at] = other;
            }
        }),
        with(&|chars| chars.truncate(at)),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_path_that_is_canonical_is_its_own_canonical_path(
        path in "/(\\PC|[/.%a-f0-9]){0,24}",
        hidden in prop::collection::vec(any::<bool>(), 100),
    ) {
        let canonical = canonical_path(&path);
        if let Ok(canonical) = &canonical {
            // Decoding it again would change nothing.
            let again = canonical_path(canonical);
            prop_assert_eq!(again.as_deref(), Ok(&**canonical));
        }
        // Whatever of it is encoded, it is the same path: or the same refusal, if its first byte is
        // bare.
        if !path.contains('%') {
            let encode = |(at, byte): (usize, u8)| match hidden[at % hidden.len()] && at > 0 {
                true => format!("%{byte:02x}").into_bytes(),
                false => vec![byte],
            };
            let encoded: Vec<u8> = path.bytes().enumerate().flat_map(encode).collect();
            if let Ok(encoded) = String::from_utf8(encoded) {
                prop_assert_eq!(canonical_path(&encoded), canonical, "{}", encoded);
            }
        }
    }

    #[test]
    fn any_bytes_are_one_path_or_none(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        if let Ok(path) = canonical_path(&format!("/{encoded}")) {
            prop_assert_eq!(path.as_bytes().get(1..), Some(&*bytes));
            prop_assert!(!path.contains(char::is_control));
        }
    }

    #[test]
    fn an_escaped_path_as_a_rule_accepts_that_path_alone(
        path in "(/[a-zA-Z0-9_.@:+é~ ,;=!$&'()*-]{1,9}){1,4}/?",
        other in "(/[a-zA-Z0-9_.]{1,3}){1,3}",
        at: prop::sample::Index,
        c in prop::sample::select(&['/', '.', 'a', 'Z', '\n', '(', 'é', ' '][..]),
    ) {
        let rules = RuleSet::parse("f", escaped(&path).as_bytes());
        // A rule for what no path can be does not load.
        let canonical = canonical_path(&path);
        prop_assert_eq!(rules.is_ok(), canonical.as_deref() == Ok(&*path), "{} {:?}", path, rules);
        let Ok(rules) = rules else { return Ok(()) };
        fn request(path: &str) -> Request<'_> {
            Request { method: "GET", path, query: None }
        }
        prop_assert!(allows(&rules, &request(&path)));
        for not in nearly(&path, at, c).into_iter().chain([other]) {
            prop_assert_eq!(allows(&rules, &request(&not)), not == path, "{} {}", &path, &not);
        }
        for method in ["POST", "PUT", "DELETE", "get", "GETX", ""] {
            prop_assert!(!allows(&rules, &Request { method, ..request(&path) }), "{}", method);
        }
    }

    #[test]
    fn any_denial_only_narrows(
        rules in prop::collection::vec(odd_rule(), 1..6),
        denials in prop::collection::vec(odd_rule(), 1..3),
        at: prop::sample::Index,
        path in "/[ab/]{0,4}",
    ) {
        let Ok(before) = RuleSet::parse("f", rules.join("\n").as_bytes()) else { return Ok(()) };
        let mut more = rules.clone();
        for denial in denials {
            more.insert(at.index(more.len() + 1), format!("!{denial}"));
        }
        let Ok(after) = RuleSet::parse("f", more.join("\n").as_bytes()) else { return Ok(()) };
        for request in METHODS.map(|method| Request { method, path: &path, query: None }) {
            prop_assert!(allows(&before, &request) || !allows(&after, &request), "{more:?} {request:?}");
        }
    }

    #[test]
    fn any_order_of_any_rules_says_the_same(
        (rules, shuffled) in prop::collection::vec((any::<bool>(), odd_rule()), 1..7)
            .prop_map(|rules| {
                let rule = |(deny, rule): (bool, String)| format!("{}{rule}", if deny { "!" } else { "" });
                rules.into_iter().map(rule).collect::<Vec<_>>()
            })
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        path in "/[abA/]{0,4}",
    ) {
        let (one, other) = (rules.join("\n"), shuffled.join("\n"));
        let (one, other) = (RuleSet::parse("f", one.as_bytes()), RuleSet::parse("f", other.as_bytes()));
        prop_assert_eq!(one.is_ok(), other.is_ok());
        let (Ok(one), Ok(other)) = (one, other) else { return Ok(()) };
        for request in METHODS.map(|method| Request { method, path: &path, query: None }) {
            prop_assert_eq!(kind(one.decide(&request)), kind(other.decide(&request)), "{:?} {:?}", rules, request);
        }
    }

    #[test]
    fn nothing_that_is_asked_panics(
        rules in prop::collection::vec(odd_rule(), 1..5),
        method in any::<String>(),
        path in any::<String>(),
        query in any::<Option<String>>(),
    ) {
        if let Ok(rules) = RuleSet::parse("f", rules.join("\n").as_bytes()) {
            let _ = rules.decide(&Request { method: &method, path: &path, query: query.as_deref() });
        }
        let _ = split_version(&path);
    }

    #[test]
    fn no_lines_of_any_bytes_panic(lines in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        odd_rule().prop_map(String::into_bytes),
        prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
    ], 0..6)) {
        let text = lines.join(&b'\n');
        match RuleSet::parse("f", &text) {
            Ok(rules) => prop_assert!(rules.rule_count() > 0 && rules.rule_count() <= lines.len().max(text.len())),
            Err(error) => prop_assert!(error.line <= text.split(|byte| *byte == b'\n').count()),
        }
    }

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
        prop_assume!(canonical_path(&path).as_deref() == Ok(&*path));
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
