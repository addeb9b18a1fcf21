//! Patterns that Go's regexp and Rust's regex read differently, or that look as if they might. Each
//! stands with paths that Go matches as a whole, and paths that it does not.

use doxy_filter::{Request, RuleSet, Verdict};

#[track_caller]
fn check(pattern: &str, matched: &[&str], unmatched: &[&str]) {
    let rules = RuleSet::parse("f", pattern.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let allows = |path| {
        matches!(
            rules.decide(&Request {
                method: "GET",
                path,
                query: None
            }),
            Verdict::Allow(_)
        )
    };
    for path in matched {
        assert!(allows(path), "{pattern} should match {path}");
    }
    for path in unmatched {
        assert!(!allows(path), "{pattern} should not match {path}");
    }
}

#[test]
fn perl_classes_are_ascii() {
    check(r"/\d", &["/0", "/9"], &["/٣", "/１", "/a"]);
    check(r"/\D", &["/٣", "/a", "/é"], &["/0"]);
    check(r"/\w", &["/a", "/Z", "/_", "/5"], &["/é", "/ñ", "/ſ", "/-"]);
    check(r"/\W", &["/é", "/-"], &["/a", "/_"]);
    check(
        r"/\s",
        &["/ ", "/\t", "/\n", "/\u{c}", "/\r"],
        &["/\u{b}", "/\u{a0}", "/\u{2003}"],
    );
    check(r"/\S", &["/\u{b}", "/\u{a0}", "/x"], &["/ ", "/\n"]);
    check(r"/[\d]", &["/0"], &["/٣"]);
    check(r"/[^\d]", &["/٣"], &["/0"]);
    check(r"/[\D]", &["/٣"], &["/0"]);
    check(r"/[^\W]", &["/a"], &["/é", "/-"]);
    check(r"/[\s.]", &["/ ", "/."], &["/\u{b}", "/x"]);
    check("/[[:word:]]", &["/a", "/_"], &["/é"]);
    check("/[[:space:]]", &["/ ", "/\u{b}"], &["/\u{a0}"]);
    check("/[[:^alpha:]]", &["/é", "/1"], &["/a"]);
}

#[test]
fn word_boundaries_are_ascii() {
    check(r"/a\b.*", &["/a", "/a/x", "/aé"], &["/ab"]);
    check(r"/a\B.*", &["/ab"], &["/a", "/aé"]);
    check(r"/é\b.*", &["/éa"], &["/é", "/é/"]);
    check(r"/a\b{start}", &["/a{start}"], &["/a", "/a b"]);
    check(r"/\<a\>", &["/<a>"], &["/a"]);
}

#[test]
fn quoted_text_is_literal() {
    check(r"\Q/a.b\E", &["/a.b"], &["/axb"]);
    check(r"/\Qa*\E+", &["/a*", "/a**"], &["/a", "/a*a*"]);
    check(r"/\Q[", &["/["], &["/"]);
    check(r"/(\Qa\d\E)?", &["/", r"/a\d"], &["/a1"]);
}

#[test]
fn a_brace_that_repeats_nothing_is_a_brace() {
    check("/a{,3}", &["/a{,3}"], &["/", "/a", "/aaa"]);
    check("/a{3", &["/a{3"], &["/aaa"]);
    check("/a{03}", &["/a{03}"], &["/aaa"]);
    check("/a{ 3 }", &["/a{ 3 }"], &["/aaa"]);
    check("/a{b}", &["/a{b}"], &["/a"]);
    check("/{", &["/{"], &["/"]);
    check("/}", &["/}"], &["/"]);
    check("/a{3}", &["/aaa"], &["/a{3}", "/aa"]);
    check("/a{2,}", &["/aa", "/aaaa"], &["/a"]);
    check("/a{0,2}", &["/", "/aa"], &["/aaa"]);
}

#[test]
fn classes_have_no_arithmetic() {
    check("/[[a]", &["/[", "/a"], &["/[a"]);
    check("/[[a]]", &["/[]", "/a]"], &["/a", "/["]);
    check("/[[:foo]", &["/[", "/:", "/f", "/o"], &["/x"]);
    check(r"/[\w-.]", &["/a", "/-", "/."], &["/,"]);
    check(r"/[\w-a-c]", &["/-", "/_"], &["/."]);
    check("/[a-c-e]", &["/b", "/-", "/e"], &["/d"]);
    check("/[]a]", &["/]", "/a"], &["/[", "/"]);
    check("/[^]a]", &["/x"], &["/]", "/a"]);
    check("/[a-]", &["/a", "/-"], &["/b"]);
    check("/[-a]", &["/a", "/-"], &["/b"]);
    check("/[a&b~c]", &["/&", "/~", "/a"], &["/d"]);
    check(r"/[a\&&b]", &["/a", "/&", "/b"], &["/c"]);
    check(r"/[+-\-]", &["/+", "/,", "/-"], &["/."]);
    check("/[#x ]", &["/#", "/ "], &["/y"]);
    check(r"/[\x41-\x43]", &["/B"], &["/D"]);
    check(r"/[\pL\d]", &["/é", "/1"], &["/-"]);
}

#[test]
fn flags_and_groups() {
    check("/(?i)k", &["/k", "/K", "/\u{212a}"], &["/x"]);
    check("/(?i)s", &["/S", "/ſ"], &[]);
    check(r"/(?i)\w", &["/k", "/\u{212a}", "/ſ"], &["/é"]);
    check("/(?i:a)b", &["/Ab"], &["/AB"]);
    check("/(?i)a(?-i)b", &["/Ab"], &["/AB"]);
    check("/a(?i)b|/c", &["/aB", "/C"], &["/Ab"]);
    check("/(?U)a+", &["/a", "/aa"], &["/"]);
    check("/(?P<x>a)(?<y>b)", &["/ab"], &["/a"]);
    check("/a.b", &["/axb", "/aéb"], &["/a\nb"]);
    check("/(?s)a.b", &["/a\nb"], &[]);
    check("/a$", &["/a"], &["/a\n"]);
    check("(?m)^/a$", &["/a"], &["/a\n", "x\n/a", "/a\nb"]);
}

#[test]
fn unicode_classes() {
    check(r"/\p{Greek}", &["/α"], &["/a"]);
    check(r"/\P{Greek}", &["/a"], &["/α"]);
    check(r"/\p{^Greek}", &["/a"], &["/α"]);
    check(r"/\P{^Greek}", &["/α"], &["/a"]);
    check(r"/\pN", &["/1", "/٣", "/Ⅷ"], &["/a"]);
    check(r"/\p{Lu}", &["/A", "/É"], &["/a"]);
    check(r"/\p{Yi}", &["/ꀀ"], &["/a"]);
    check(r"/\p{Any}", &["/a", "/é"], &["/"]);
    check(r"/\p{Sc}", &["/$", "/€"], &["/a"]);
}

#[test]
fn escapes() {
    check(r"/\x2e\x{2e}a", &["/..a"], &["/xxa"]);
    check(r"/\.\-\_\ \@\/", &["/.-_ @/"], &["/x-_ @/"]);
    check(r"\A/a\z", &["/a"], &["/a/"]);
    check(r"/\x{e9}", &["/é"], &["/e"]);
    check(r"/\xe9", &["/é"], &["/\u{fffd}"]);
    check("/#&~-]", &["/#&~-]"], &["/"]);
}
