//! One line of a pattern file: `[!][METHODS ]REGEX`.
//!
//! Splits the line into its parts. It must never interpret the pattern, except to find what cannot
//! be meant as one.

use super::method::MethodSet;
use crate::error::Fault;

const BLANKS: [char; 2] = [' ', '\t'];

/// A line with a rule.
#[derive(Debug)]
pub(crate) struct Line<'t> {
    pub(crate) deny: bool,
    pub(crate) methods: MethodSet,
    pub(crate) pattern: &'t str,
    /// The byte offset of the pattern in the line.
    pub(crate) pattern_at: usize,
}

/// Parses a line, given without its line ending. `None` for blank lines and comments.
pub(crate) fn parse(line: &str) -> Result<Option<Line<'_>>, Fault> {
    let line = line.trim_end_matches(BLANKS);
    let body = line.trim_start_matches(BLANKS);
    if body.is_empty() || body.starts_with('#') {
        return Ok(None);
    }
    // Every part extends to the end of the line, so its length gives its offset.
    let start = |part: &str| line.len().saturating_sub(part.len());

    let (deny, rest) = match body.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start_matches(BLANKS)),
        None => (false, body),
    };
    if rest.is_empty() {
        return Err(Fault::new(
            start(body),
            "`!` without a pattern",
            "write what it denies on the same line, as in `!/secrets(/.*)?`",
        ));
    }

    let (methods, pattern) = match rest.split_once(BLANKS) {
        Some((list, pattern)) if is_method_list(list) => (
            methods(list, start(rest))?,
            pattern.trim_start_matches(BLANKS),
        ),
        // A single word may be a pattern, unless it names a method.
        None if is_method_list(rest)
            && rest
                .split(',')
                .any(|name| MethodSet::in_rule(name).is_some()) =>
        {
            methods(rest, start(rest))?;
            return Err(Fault::new(
                start(rest),
                format!("`{rest}` without a pattern"),
                format!("write the path on the same line, as in `{rest} /containers/json`"),
            ));
        }
        _ => (
            if deny {
                MethodSet::ANY
            } else {
                MethodSet::READ
            },
            rest,
        ),
    };
    let pattern_at = start(pattern);
    if let Some(at) = [" #", "\t#"]
        .iter()
        .find_map(|comment| pattern.find(comment))
    {
        // As part of the pattern, it would make the rule match nothing: dangerous for a `!` rule.
        return Err(Fault::new(
            pattern_at + at + 1,
            "a comment after a rule",
            r"put it on its own line, or write `\#` for the character",
        ));
    }
    if let Some((before, _)) = pattern
        .split_once(", ")
        .filter(|(_, behind)| begins_with_methods(behind))
    {
        return Err(Fault::new(
            pattern_at + before.len() + 2,
            "another rule on the same line",
            "give each rule a line of its own",
        ));
    }
    if let Some(at) = pattern.find(|c: char| c.is_control() && c != '\t') {
        return Err(Fault::new(
            pattern_at + at,
            "a control character: no path contains one",
            "remove it; lines end in a newline, with or without a carriage return before it",
        ));
    }
    Ok(Some(Line {
        deny,
        methods,
        pattern,
        pattern_at,
    }))
}

/// The error, with another help where a comment of CetusGuard's rule files may be meant: `! List
/// containers`.
pub(crate) fn or_comment(line: &str, fault: Fault) -> Fault {
    let words = line.trim_start_matches(BLANKS).strip_prefix("! ");
    let words = words.map(|words| words.trim_start_matches(BLANKS));
    if !words.is_some_and(|words| words.starts_with(|c: char| c.is_alphabetic())) {
        return fault;
    }
    Fault {
        help: "a line that begins with `!` denies; a comment begins with `#`".to_owned(),
        ..fault
    }
}

fn begins_with_methods(text: &str) -> bool {
    let word = text.trim_start_matches(BLANKS).split(BLANKS).next();
    word.is_some_and(|word| {
        word.split(',')
            .all(|name| MethodSet::in_rule(name).is_some())
    })
}

fn is_method_list(token: &str) -> bool {
    token
        .chars()
        .all(|c| c.is_ascii_alphabetic() || c == ',' || c == '*')
}

fn methods(list: &str, start: usize) -> Result<MethodSet, Fault> {
    let mut methods = MethodSet::NONE;
    let mut at = start;
    for name in list.split(',') {
        methods = methods.union(MethodSet::in_rule(name).ok_or_else(|| unknown_method(at, name))?);
        at += name.len() + 1;
    }
    Ok(methods)
}

fn unknown_method(at: usize, name: &str) -> Fault {
    let upper = name.to_ascii_uppercase();
    if name.is_empty() {
        Fault::new(
            at,
            "an empty name in the method list",
            "write the list without spaces, as in `GET,POST`",
        )
    } else if upper == "CONNECT" || upper == "TRACE" {
        Fault::new(
            at,
            format!("`{name}` cannot be used in a rule"),
            "remove it: doxy never forwards CONNECT or TRACE",
        )
    } else if MethodSet::in_rule(&upper).is_some() {
        Fault::new(
            at,
            format!("unknown method `{name}`"),
            format!("methods are written in capitals: `{upper}`"),
        )
    } else {
        Fault::new(
            at,
            format!("unknown method `{name}`"),
            format!(
                "the methods are HEAD, {}, or `*` for any, joined by commas",
                MethodSet::ANY.list()
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{MethodSet, parse};

    /// (deny, methods, pattern, offset of the pattern)
    type Parts<'t> = (bool, MethodSet, &'t str, usize);

    #[track_caller]
    fn check(line: &str, expected: Option<Parts<'_>>) {
        let parsed =
            parse(line).map(|line| line.map(|l| (l.deny, l.methods, l.pattern, l.pattern_at)));
        assert_eq!(parsed, Ok(expected), "{line:?}");
    }

    #[test]
    fn lines_without_a_rule() {
        for line in ["", " ", "\t \t", "# x", "  # GET /x", "#"] {
            check(line, None);
        }
    }

    #[test]
    fn the_parts_of_a_rule() {
        let post = MethodSet::of_request("POST");
        check("/x", Some((false, MethodSet::READ, "/x", 0)));
        check("  /x y\t ", Some((false, MethodSet::READ, "/x y", 2)));
        check("POST /x", Some((false, post, "/x", 5)));
        check("POST \t /x", Some((false, post, "/x", 7)));
        check(
            "GET,POST /x",
            Some((false, MethodSet::READ.union(post), "/x", 9)),
        );
        check("* /x", Some((false, MethodSet::ANY, "/x", 2)));
        check("!/x", Some((true, MethodSet::ANY, "/x", 1)));
        check("! /x", Some((true, MethodSet::ANY, "/x", 2)));
        check("!POST /x", Some((true, post, "/x", 6)));
        check(" !  GET  /x", Some((true, MethodSet::READ, "/x", 9)));
    }

    #[test]
    fn what_only_looks_like_a_method_list_is_a_pattern() {
        check(".* /x", Some((false, MethodSet::READ, ".* /x", 0)));
        check(
            "GET\u{a0}/x",
            Some((false, MethodSet::READ, "GET\u{a0}/x", 0)),
        );
        check("info", Some((false, MethodSet::READ, "info", 0)));
        check("!!/x", Some((true, MethodSet::ANY, "!/x", 1)));
        check("/x#y", Some((false, MethodSet::READ, "/x#y", 0)));
        check("/x, y", Some((false, MethodSet::READ, "/x, y", 0)));
        check("/x\ty", Some((false, MethodSet::READ, "/x\ty", 0)));
    }
}
