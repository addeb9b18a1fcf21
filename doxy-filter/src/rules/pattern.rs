//! One pattern: parsed, checked and bounded, or refused with an error.
//!
//! A pattern is parsed by itself and then anchored as a syntax tree, never as text. So neither an
//! alternation (`^/version|/_ping`) nor an unbalanced parenthesis (`/a)|(/b`) can escape the
//! anchors.

use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::ast::Span;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, Look};
use regex_syntax::{Error, ParserBuilder};

use super::reach::{self, Flaw, Language, Paths};
use crate::error::Fault;
use crate::go_regex::translate;
use crate::path::canonical_path;

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 4096;
/// The deepest nesting of groups, classes and repetitions.
const MAX_NESTING: u32 = 64;
/// The largest compiled pattern, in bytes. `(\w{100}){100}` is short, but compiles to a large
/// program.
const MAX_SIZE: usize = 1 << 20;

/// A pattern that matches whole paths.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) hir: Hir,
    /// Its compiled size, in bytes.
    pub(crate) size: usize,
}

/// Compiles a pattern. Offsets in errors are bytes of `text`.
pub(crate) fn compile(text: &str) -> Result<Pattern, Fault> {
    let hir = parse(text)?;
    if matches_no_path(&hir) {
        // `POST/x` and `POST: /x` are meant as a method and a path.
        let help = match text.starts_with(|c: char| c.is_ascii_uppercase()) {
            true => "put a space between the methods and the pattern, as in `GET,POST /info`",
            false => "begin the pattern with `/`, or with `.*` for any beginning",
        };
        return Err(Fault::new(
            0,
            "matches no path: every path begins with `/`",
            help,
        ));
    }
    let pattern = bound(whole(hir))?;
    match hopeless(text, &pattern.hir) {
        Some(fault) => Err(fault),
        None => Ok(pattern),
    }
}

/// The error for a pattern that matches no canonical path, which is what rules are asked about.
fn hopeless(text: &str, whole: &Hir) -> Option<Fault> {
    let example = reach::example(whole);
    if example.is_some_and(|path| canonical_path(&path).is_ok_and(|canonical| canonical == path)) {
        return None;
    }
    let mut language = Language::of(whole)?;
    if reach::meet(&mut [&mut language], Paths::ALL)? {
        return None;
    }
    let only_with = |(flaw, _, _): &&(Flaw, &str, &str)| {
        reach::meet(&mut [&mut language], Paths::with(*flaw)) == Some(true)
    };
    let (why, help) = match FLAWS.iter().find(only_with) {
        // A rule of CetusGuard: `%API_PREFIX_CONTAINERS%/json`.
        Some((Flaw::Percent, why, _)) if has_variable(text) => (
            *why,
            r"`%NAME%` is a variable of CetusGuard, write what it stands for: `(/v[\d.]+)?/…`",
        ),
        Some((_, why, help)) => (*why, *help),
        None => (
            "its parts exclude each other",
            r"look at `^`, `$` and `\b` inside it: a rule must match the whole path",
        ),
    };
    Some(Fault::new(0, format!("matches no path: {why}"), help))
}

/// What no path has when rules are asked: why, and what may be meant.
const FLAWS: &[(Flaw, &str, &str)] = &[
    (
        Flaw::Percent,
        "doxy decodes `%` escapes before it asks the rules",
        "write the character itself, such as `/` for `%2F`",
    ),
    (
        Flaw::Backslash,
        "doxy refuses paths with a backslash",
        r"a single backslash escapes the next character, as in `\.` for a dot",
    ),
    (
        Flaw::Control,
        "doxy refuses paths with control characters",
        "remove the control character",
    ),
    (
        Flaw::EmptySegment,
        "doxy refuses paths with `//`",
        "write one slash",
    ),
    (
        Flaw::DotSegment,
        "doxy refuses paths with a `.` or `..` segment",
        "write the path without these segments",
    ),
];

/// Whether a text has a word in capitals between two `%`.
fn has_variable(text: &str) -> bool {
    let word =
        |part: &str| part.len() > 2 && part.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    text.split('%').skip(1).any(word)
}

/// Parses a pattern in Go's language, whatever it will be matched against.
pub(crate) fn parse(text: &str) -> Result<Hir, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::new(
            0,
            format!("the pattern is longer than {MAX_LENGTH} bytes"),
            "split it into several rules: a request is allowed if any rule allows it",
        ));
    }
    let translated = translate(text)?;
    let parsed = ParserBuilder::new()
        .nest_limit(MAX_NESTING)
        .build()
        .parse(translated.text());
    parsed.map_err(|error| {
        let (span, message, help) = explain(&error);
        let at = span.map_or(0, |span| translated.origin(span.start.offset));
        Fault::new(at, message, help)
    })
}

/// The pattern, anchored at both ends as a syntax tree, so that nothing in it can escape the
/// anchors.
pub(crate) fn whole(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
}

/// Refuses a pattern that is too large when compiled.
pub(crate) fn bound(hir: Hir) -> Result<Pattern, Fault> {
    let limits = thompson::Config::new()
        .nfa_size_limit(Some(MAX_SIZE))
        .which_captures(WhichCaptures::None);
    match thompson::Compiler::new()
        .configure(limits)
        .build_from_hir(&hir)
    {
        Ok(nfa) => Ok(Pattern {
            size: nfa.memory_usage(),
            hir,
        }),
        Err(_) => Err(Fault::new(
            0,
            format!(
                "the pattern is too large: compiled, it takes more than {} KiB",
                MAX_SIZE / 1024
            ),
            "lower its repetition counts, or use `*` and `+`",
        )),
    }
}

/// Whether the pattern certainly matches no whole path. May return `false` for a pattern that
/// matches none.
fn matches_no_path(hir: &Hir) -> bool {
    // The literals are a complete set of prefixes, or `None`. An exact one is the whole match.
    // One byte of each is enough.
    let prefixes = Extractor::new().limit_literal_len(1).extract(hir);
    prefixes.literals().is_some_and(|prefixes| {
        prefixes
            .iter()
            .all(|prefix| match prefix.as_bytes().first() {
                Some(first) => *first != b'/',
                None => prefix.is_exact(),
            })
    })
}

/// An error of Rust's parser, in the words of a pattern file's messages: where, what, and how to fix
/// it.
fn explain(error: &Error) -> (Option<Span>, String, String) {
    use regex_syntax::ast::ErrorKind as Syntax;
    use regex_syntax::hir::ErrorKind as Meaning;

    let words = |message: &str, help: &str| (message.to_owned(), help.to_owned());
    let language = "patterns are in the language of Go's regexp package";
    match error {
        Error::Parse(error) => {
            let (message, help) = match error.kind() {
                Syntax::GroupUnclosed => words(
                    "`(` is never closed",
                    r"close it with `)`, or write `\(` for the character",
                ),
                Syntax::GroupUnopened => words(
                    "`)` closes no group",
                    r"remove it, or write `\)` for the character",
                ),
                Syntax::RepetitionMissing => words(
                    "nothing to repeat before the repetition",
                    r"put something before it, or `\` for the character itself: `.` is any character, `.*` any text",
                ),
                Syntax::NestLimitExceeded(_) => (
                    format!("nested more than {MAX_NESTING} deep"),
                    "remove inner groups, or split it into several rules".to_owned(),
                ),
                Syntax::GroupNameDuplicate { .. } => words(
                    "two groups with the same name",
                    "rules need no group names: write `(?:…)`",
                ),
                kind => (kind.to_string(), language.to_owned()),
            };
            (Some(*error.span()), message, help)
        }
        Error::Translate(error) => {
            let (message, help) = match error.kind() {
                Meaning::UnicodePropertyNotFound | Meaning::UnicodePropertyValueNotFound => words(
                    "unknown Unicode class",
                    r"name a category as in `\p{Lu}` or a script as in `\p{Greek}`",
                ),
                kind => (kind.to_string(), language.to_owned()),
            };
            (Some(*error.span()), message, help)
        }
        // The enum is non-exhaustive; a new kind has no position.
        _ => (
            None,
            "the pattern cannot be read".to_owned(),
            language.to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn a_pattern_that_could_match_a_path_is_never_called_hopeless() {
        for pattern in [
            "/",
            "^/",
            ".*foo",
            "(?i)/x",
            "[/x]y",
            "[^a]x",
            "a*/x",
            "(a|/b)",
            "(|x)/",
            "/?x/y",
            r"\/x",
            r"\Q/\E",
            "^^/",
            r"\A/x",
            "(?:x|.)y",
            r"\W",
            "x{0}/",
            "(?s).",
            r"/\bx",
            r"\x2F",
            "(?m)^/x$",
            ".*",
            "(a*)(b*)/",
        ] {
            assert!(compile(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_matches_no_path_is_an_error() {
        for pattern in [
            "x",
            "^containers/json$",
            "()",
            "^$",
            r"\d",
            "(a|b)/",
            "[ab]",
            "x?",
            r"[^\s\S]",
            r"\^/x",
        ] {
            let message = compile(pattern).err().map(|fault| fault.message);
            assert_eq!(
                message.as_deref(),
                Some("matches no path: every path begins with `/`"),
                "{pattern}"
            );
        }
    }

    #[test]
    fn hostile_patterns_are_refused_or_small() {
        let deep = format!("/{}{}", "(".repeat(500), ")".repeat(500));
        let long = format!("/({})", vec!["x"; 10_000].join("|"));
        let nested = "/((((a{1000}){1000}){1000}){1000})";
        let empty = "/((((){1000}){1000}){1000}){1000}";
        for pattern in [
            r"/(\w{100}){100}",
            nested,
            empty,
            &deep,
            &long,
            r"/(\pL{1000}){9}",
            "/(x{500}|y*){900}",
        ] {
            if let Ok(compiled) = compile(pattern) {
                assert!(compiled.size <= super::MAX_SIZE, "{pattern}");
            }
        }
        for pattern in [nested, deep.as_str(), long.as_str(), r"/(\pL{1000}){9}"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
