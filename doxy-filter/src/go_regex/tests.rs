//! Tests of the translator: what it writes and what it refuses, construct by construct.
//! `tests/it/go.rs` tests what the result matches.

use super::translate;

#[test]
fn writes_what_rust_can_read_in_one_way_only() {
    for (go, rust) in [
        ("/info", "/info"),
        (r"^/(v\d\.\d+/)?x$", r"^/(v[0-9]\.[0-9]+/)?x$"),
        (r"\D\w\W", "[^0-9][0-9A-Za-z_][^0-9A-Za-z_]"),
        (r"\s\S", r"[\t\n\x0C\r\x20][^\t\n\x0C\r\x20]"),
        (r"\b\B\A\z", r"(?-u:\b)(?-u:\B)\A\z"),
        (r"\b{start}", r"(?-u:\b)\{start\}"),
        (r"\Qa.b\E+", r"a\.b+"),
        (r"\Qa\d", r"a\\d"),
        ("{", r"\{"),
        ("a{,3}", r"a\{,3\}"),
        ("a{01}", r"a\{01\}"),
        ("a{ 2 }", r"a\{ 2 \}"),
        ("a{2", r"a\{2"),
        ("a{2}b{2,}c{2,3}?", "a{2}b{2,}c{2,3}?"),
        ("a*?b+?c??", "a*?b+?c??"),
        (r"\<\>\/\_\@", "<>/_@"),
        (r"\x2f\x{2F}\t", "//\t"),
        (r"\a\f\n\r\v", "\u{7}\u{c}\n\r\u{b}"),
        (
            r"\pL\P{Greek}\p{^Lu}\p{Any}",
            r"\p{gc=L}\P{sc=Greek}\P{gc=Lu}\p{any}",
        ),
        ("(?P<n>a)(?<m>b)(?:c)", "(?P<n>a)(?P<m>b)(?:c)"),
        ("(?i)a(?s-m:b)(?U)", "(?i)a(?s-m:b)(?U)"),
        ("#&-~ é", r"\#\&\-\~ é"),
    ] {
        assert_eq!(
            translate(go).as_ref().map(super::Translated::text),
            Ok(rust),
            "{go}"
        );
    }
}

#[test]
fn writes_classes_without_syntax_of_rusts_own() {
    for (go, rust) in [
        ("[a-z0-9_]", r"[a-z0-9\x5F]"),
        ("[^a]", "[^a]"),
        ("[]a]", r"[\x5Da]"),
        ("[^]a]", r"[^\x5Da]"),
        ("[[a]", r"[\x5Ba]"),
        ("[[:foo]", r"[\x5B\x3Afoo]"),
        ("[a-]", r"[a\x2D]"),
        ("[-a]", r"[\x2Da]"),
        (r"[\w-.]", r"[[0-9A-Za-z_]\x2D\x2E]"),
        ("[a-c-e]", r"[a-c\x2De]"),
        ("[[:alpha:][:^digit:]]", "[[:alpha:][:^digit:]]"),
        (r"[\d\pL]", r"[[0-9]\p{gc=L}]"),
        (r"[\&&]", r"[\x26\x26]"),
        (r"[\x41-\x43]", "[A-C]"),
        ("[&a~b-]", r"[\x26a\x7Eb\x2D]"),
        ("[^^]", r"[^\x5E]"),
        ("[é-ü]", "[é-ü]"),
        ("[a-a]", "[a-a]"),
    ] {
        assert_eq!(
            translate(go).as_ref().map(super::Translated::text),
            Ok(rust),
            "{go}"
        );
    }
}

#[test]
fn refuses_what_go_refuses_or_rust_reads_otherwise() {
    for (go, at) in [
        ("/[a&&b]", 3),
        ("/[a--b]", 3),
        ("/[a~~b]", 3),
        ("/[--a]", 2),
        ("/[a", 1),
        ("/[", 1),
        ("/[]", 1),
        ("/[z-a]", 2),
        (r"/[a-\d]", 4),
        (r"/[\b]", 2),
        (r"/[\Qa\E]", 2),
        (r"/a+\Q\E?", 3),
        (r"/\Q", 1),
        ("/[[:foo:]]", 2),
        ("/a**", 3),
        ("/a{2}{3}", 5),
        ("/a*+", 3),
        ("/a???", 4),
        ("/a{1001}", 2),
        ("/a{3,2}", 2),
        ("/a{99999999999}", 2),
        ("/(?x)a", 1),
        ("/(?u)a", 1),
        ("/(?iR:a)", 1),
        ("/(?=a)", 1),
        ("/(?<!a)", 1),
        ("/(?P=a)", 1),
        ("/(?#a)", 1),
        ("/(?>a)", 1),
        ("/(?", 1),
        ("/(?i", 1),
        ("/(?P<a", 1),
        ("/(?P<a.b>c)", 5),
        ("/(?P<>c)", 5),
        (r"/\1", 1),
        (r"/\07", 1),
        (r"/\123", 1),
        (r"/\8", 1),
        (r"/\Z", 1),
        (r"/\E", 1),
        (r"/\u0041", 1),
        (r"/\é", 1),
        (r"/\C", 1),
        ("/\\", 1),
        (r"/\x", 1),
        (r"/\x4", 1),
        (r"/\x{}", 1),
        (r"/\x{+4}", 1),
        (r"/\x{110000}", 1),
        (r"/\x{D800}", 1),
        (r"/\p", 1),
        (r"/\pC", 1),
        (r"/\p{Greek", 1),
        (r"/\p{sc=Greek}", 1),
        (r"/\p{}", 1),
    ] {
        assert_eq!(translate(go).err().map(|fault| fault.at), Some(at), "{go}");
    }
}

#[test]
fn remembers_where_things_came_from() {
    let pattern = r"\Q((\E\d)";
    let translated = translate(pattern).ok();
    let at = translated
        .as_ref()
        .and_then(|translated| translated.text().rfind(')'));
    let origin = at
        .zip(translated)
        .map(|(at, translated)| translated.origin(at));
    assert_eq!(origin, pattern.rfind(')'));
}
