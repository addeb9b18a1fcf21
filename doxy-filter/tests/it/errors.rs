//! Files that do not load. The two lines of the message are part of what doxy promises.

use doxy_filter::RuleSet;

/// The text is a file called `f`; the first line of its message is expected without that name.
#[track_caller]
fn check(text: impl AsRef<[u8]>, first: &str, help: &str) {
    let text = text.as_ref();
    let error = RuleSet::parse("f", text)
        .err()
        .map(|error| error.to_string());
    let expected = format!("f:{first}\nhelp: {help}");
    assert_eq!(
        error.as_deref(),
        Some(expected.as_str()),
        "{}",
        String::from_utf8_lossy(text)
    );
}

#[test]
fn files() {
    let help =
        r"a rule is a line like `(/v[\d.]+)?/containers/json`; to deny everything, write `!.*`";
    for text in ["", "\n", "# only\n\n", "\u{feff}", " \r\n\t"] {
        check(
            text,
            " the file has no rules, so nothing would be allowed",
            help,
        );
    }
    let help = "save the file as UTF-8; a single byte has no meaning in a path";
    check(b"/x\n/\xff", "2:2: the line is not valid UTF-8", help);
    check(
        b"/x\n  \xc3\xa9/\xff/y\n",
        "2:5: the line is not valid UTF-8",
        help,
    );
    check(b"\xff\xfe/\0x\0", "1:1: the line is not valid UTF-8", help);
}

#[test]
fn an_error_says_where_to_programs_too() {
    let error = RuleSet::parse("some/file", b"/x\n\n  GET /(").unwrap_err();
    assert_eq!(
        (error.source_name.as_str(), error.line, error.column),
        ("some/file", 3, 8)
    );
    let error = RuleSet::parse("some/file", b"").unwrap_err();
    assert_eq!((error.line, error.column), (0, 0));
}

#[test]
fn limits() {
    let deep = format!("/{}{}", "(".repeat(65), ")".repeat(65));
    let help = "remove inner groups, or split it into several rules";
    check(deep, "1:65: nested more than 64 deep", help);
    let help = "split it into several rules: a request is allowed if any rule allows it";
    check(
        format!("/{}", "x".repeat(4096)),
        "1:1: the pattern is longer than 4096 bytes",
        help,
    );
    let longest = format!("/{}", "x".repeat(4095));
    assert!(RuleSet::parse("f", longest.as_bytes()).is_ok());
}

#[test]
fn blanks_at_the_end_are_no_pattern() {
    let help = "write what it denies on the same line, as in `!/secrets(/.*)?`";
    check("!  ", "1:1: `!` without a pattern", help);
    let help = "write the path on the same line, as in `GET /containers/json`";
    check("/x\n  !GET\t", "2:4: `GET` without a pattern", help);
}

#[test]
fn control_characters() {
    let help = "remove it; lines end in a newline, with or without a carriage return before it";
    check(
        "GET /ab\u{1}",
        "1:8: a control character: no path contains one",
        help,
    );
}

#[test]
fn lines() {
    let cases = include_str!("../data/errors.txt").split("\n\n").skip(1);
    for case in cases {
        let (text, message) = case.trim_end_matches('\n').split_once('\n').unwrap();
        let error = RuleSet::parse("f", text.as_bytes())
            .err()
            .map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(message), "{text}");
    }
}
