//! One pattern: from the user's text to something that can be matched, or to what is wrong with it.
//!
//! A pattern is compiled by itself before it is anchored, and is anchored as a structure, never as text;
//! so neither an alternation (`^/version|/_ping`) nor a stray parenthesis (`/a)|(/b`) gets out of the anchors.

use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::ast::Span;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, Look};
use regex_syntax::{Error, ParserBuilder};

use crate::error::Fault;
use crate::go_regex::translate;

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 4096;
/// How deep groups, classes and repetitions may be nested.
const MAX_NESTING: u32 = 64;
/// The memory one compiled pattern may take. `(\w{100}){100}` is small to write and large to match.
const MAX_SIZE: usize = 1 << 20;

/// A pattern that matches whole paths.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) hir: Hir,
    /// The memory it takes compiled, in bytes.
    pub(crate) size: usize,
}

/// Compiles a pattern. Offsets in faults are bytes of `text`.
pub(crate) fn compile(text: &str) -> Result<Pattern, Fault> {
    let hir = parse(text)?;
    if matches_no_path(&hir) {
        // `POST/x` and `POST: /x` are meant otherwise.
        let help = match text.starts_with(|c: char| c.is_ascii_uppercase()) {
            true => "put a blank between the methods and the pattern, as in `GET,POST /info`",
            false => "begin the pattern with `/`, or with `.*` for any beginning",
        };
        return Err(Fault::new(
            0,
            "matches no path: every path begins with `/`",
            help,
        ));
    }
    bound(whole(hir))
}

/// Reads a pattern in Go's language; nothing is said yet of what it is matched against.
pub(crate) fn parse(text: &str) -> Result<Hir, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::new(
            0,
            format!("the pattern is longer than {MAX_LENGTH} bytes"),
            "make several rules of it: whatever any rule allows is allowed",
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

/// The pattern, anchored at both ends: as a structure, so that nothing in it can leave the anchors.
pub(crate) fn whole(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
}

/// Refuses what is small to write and large to match.
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

/// Whether it is certain that the pattern cannot be the whole of a path. No pattern that could be is refused.
fn matches_no_path(hir: &Hir) -> bool {
    // Either a prefix for everything the pattern matches, or nothing. What is exact is all that is matched.
    let prefixes = Extractor::new().extract(hir);
    prefixes.literals().is_some_and(|prefixes| {
        prefixes
            .iter()
            .all(|prefix| match prefix.as_bytes().first() {
                Some(first) => *first != b'/',
                None => prefix.is_exact(),
            })
    })
}

/// What is left to Rust's parser to find, in our words: where, what, and what to do.
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
                    "a repetition with nothing to repeat",
                    r"put what it repeats before it, or a `\` for the character: `.` is any character, `.*` any text",
                ),
                Syntax::NestLimitExceeded(_) => (
                    format!("nested more than {MAX_NESTING} deep"),
                    "take the inner groups apart, or make several rules of it".to_owned(),
                ),
                Syntax::GroupNameDuplicate { .. } => words(
                    "two groups of the same name",
                    "rules need no names: `(?:…)` will do",
                ),
                kind => (kind.to_string(), language.to_owned()),
            };
            (Some(*error.span()), message, help)
        }
        Error::Translate(error) => {
            let (message, help) = match error.kind() {
                Meaning::UnicodePropertyNotFound | Meaning::UnicodePropertyValueNotFound => words(
                    "an unknown class of characters",
                    r"name a category as in `\p{Lu}` or a script as in `\p{Greek}`",
                ),
                kind => (kind.to_string(), language.to_owned()),
            };
            (Some(*error.span()), message, help)
        }
        // The enum is open; a kind added to it has no place to tell of.
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
            r"\b/x",
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
