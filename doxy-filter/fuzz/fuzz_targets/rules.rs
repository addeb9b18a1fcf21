//! A pattern file, and its verdict on a path.
//!
//! The input is the file and, after the last byte 0xFF (which no UTF-8 text contains), the path.

#![no_main]

use doxy_filter::{Reason, Request, RuleError, RuleRef, RuleSet, Verdict, canonical_path};
use libfuzzer_sys::fuzz_target;

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "BREW",
];

fuzz_target!(|data: &[u8]| {
    let (text, path) = match data.iter().rposition(|byte| *byte == 0xFF) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &b""[..]),
    };
    let rules = match RuleSet::parse("f", text) {
        Ok(rules) => rules,
        Err(error) => return check_error(&error, text),
    };
    assert!(rules.rule_count() > 0);
    let lines: Vec<_> = lines(text).collect();

    // Any text must be judged without a panic; doxy asks about canonical paths only.
    let path = String::from_utf8_lossy(path);
    let canonical = canonical_path(&path);
    let paths = [Some(&*path), canonical.as_deref().ok(), Some("/info")];
    for path in paths.into_iter().flatten() {
        for method in METHODS {
            check_verdict(&rules, &lines, method, path);
        }
    }

    // A denial more never allows anything, wherever it is; this one denies everything.
    for closed in [
        [
            b"!(?s:.*)\n",
            text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text),
        ]
        .concat(),
        [text, b"\n!(?s:.*)"].concat(),
    ] {
        let Ok(closed) = RuleSet::parse("f", &closed) else {
            continue; // too large now
        };
        for method in METHODS {
            assert!(!allows(&closed, method, &path), "{method} {path:?}");
        }
    }
});

/// The line that a verdict names gives that verdict alone; if none is named, no line does.
fn check_verdict(rules: &RuleSet, lines: &[&[u8]], method: &str, path: &str) {
    let request = Request {
        method,
        path,
        query: None,
    };
    let alone = |number: usize| {
        let line = lines[number.checked_sub(1).expect("lines count from 1")];
        RuleSet::parse("f", line).expect("a rule that is good by itself")
    };
    let says = |number: usize, what: fn(&Verdict<'_>) -> bool| {
        RuleSet::parse("f", lines[number]).is_ok_and(|rule| what(&rule.decide(&request)))
    };
    match rules.decide(&request) {
        Verdict::Allow(RuleRef { source, line }) => {
            assert_eq!(source, "f");
            assert!(allows(&alone(line), method, path), "line {line}");
            assert!(!(0..lines.len()).any(|number| says(number, is_denial)));
            if method == "GET" {
                // HEAD is allowed wherever GET is, unless a rule denies HEAD alone.
                let head = rules.decide(&Request {
                    method: "HEAD",
                    ..request
                });
                assert!(
                    matches!(head, Verdict::Allow(_)) || is_denial(&head),
                    "{head:?}"
                );
            }
        }
        Verdict::Deny(Reason::Rule(RuleRef { line, .. })) => {
            assert!(is_denial(&alone(line).decide(&request)), "line {line}");
        }
        Verdict::Deny(_) => {
            let allowed = |number| says(number, |verdict| matches!(verdict, Verdict::Allow(_)));
            assert!(!(0..lines.len()).any(allowed), "{method} {path:?}");
        }
    }
}

fn is_denial(verdict: &Verdict<'_>) -> bool {
    matches!(verdict, Verdict::Deny(Reason::Rule(_)))
}

fn allows(rules: &RuleSet, method: &str, path: &str) -> bool {
    let request = Request {
        method,
        path,
        query: None,
    };
    matches!(rules.decide(&request), Verdict::Allow(_))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    text.split(|byte| *byte == b'\n')
}

/// Two lines; the first begins with the position, unless the error concerns the whole file.
fn check_error(error: &RuleError, text: &[u8]) {
    let words = error.to_string();
    let (place, help) = words.split_once('\n').expect("two lines");
    assert!(
        help.starts_with("help: ") && !help.contains('\n'),
        "{words}"
    );
    if error.line == 0 {
        let whole = ["the file has no rules", "too large", "together"];
        assert!(whole.iter().any(|part| place.contains(part)), "{words}");
        return;
    }
    let line = lines(text).nth(error.line - 1).expect("a line of the file");
    let columns = String::from_utf8_lossy(line).chars().count();
    assert!((1..=columns + 1).contains(&error.column), "{words}");
    let begins = format!("f:{}:{}: ", error.line, error.column);
    assert!(place.starts_with(&begins), "{words}");
}
