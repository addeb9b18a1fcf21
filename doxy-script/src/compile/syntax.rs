//! Explains syntax errors.
//!
//! Most come from words of other languages. Rhai reports where it stopped; the word there, or just
//! before, shows what the author meant.

use rhai::{ParseError, ParseErrorType as Kind, Position};

use crate::error::Fault;
use crate::run::lower;

/// Words of other languages, and what to write instead.
const FOREIGN_WORDS: [(&str, &str); 20] = [
    ("and", "write && for `and`"),
    ("or", "write || for `or`"),
    ("not", "write ! for `not`"),
    ("var", "write `let` for `var`"),
    ("elif", "write `else if` for `elif`"),
    ("elsif", "write `else if` for `elsif`"),
    ("def", "write `fn decide(req) { … }`"),
    ("function", "write `fn decide(req) { … }`"),
    ("func", "write `fn decide(req) { … }`"),
    ("null", "a missing value is `()`"),
    ("nil", "a missing value is `()`"),
    ("None", "a missing value is `()`"),
    ("undefined", "a missing value is `()`"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("try", "there is no `try`: an error is a denial"),
    ("catch", "there is no `try`: an error is a denial"),
    ("allow", "write `allow()`: it is a function"),
    ("pass", "write `pass()`: it is a function"),
    ("deny", "write `deny(\"why\")`: it is a function"),
];

/// Converts a syntax error of Rhai's.
pub(super) fn fault(error: &ParseError, source: &str) -> Fault {
    Fault::new(error.1, lower(&error.0.to_string()), help(error, source))
}

fn help(error: &ParseError, source: &str) -> &'static str {
    let (before, at) = around(source, error.1);
    let word = |text: &str| -> usize {
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        text.find(|c| !letter(c)).unwrap_or(text.len())
    };
    let here = at.get(..word(at)).unwrap_or_default();
    let trimmed = before.trim_end();
    let last = trimmed
        .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default();
    let known = |word: &str| {
        let found = FOREIGN_WORDS.iter().find(|(other, _)| *other == word);
        found.map(|(_, help)| *help)
    };
    // A call such as `pass()` is correct; the `;` of the line before is missing.
    let called = at
        .get(here.len()..)
        .is_some_and(|rest| rest.starts_with('('));
    if let Some(help) = known(here).filter(|_| !called).or_else(|| known(last)) {
        return help;
    }
    if at.starts_with([
        '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}',
    ]) {
        return "write text in straight quotes: \"GET\"";
    }
    if at.starts_with('\'') {
        return "write text in double quotes: \"GET\"";
    }
    if at.starts_with('#') {
        return "comments begin with //";
    }
    if at.starts_with('?') || trimmed.ends_with('?') {
        return "there is no `? :`; an `if` has a value: `let a = if b { 1 } else { 2 };`";
    }
    if at.starts_with("===") || at.starts_with("!==") {
        return "write `==` or `!=`";
    }
    match &*error.0 {
        Kind::FnDuplicatedDefinition(..) => "rename one of them",
        Kind::VariableUndefined(_) => {
            "declare it with `let`, or as a `const` at the top of the file; write text in double quotes"
        }
        Kind::MissingToken(..) => "check this line and the end of the line before",
        Kind::ExprTooDeep => "split the expression",
        _ => "docs/scripts.md describes the language",
    }
}

/// The text before a place, and from there on.
fn around(source: &str, at: Position) -> (&str, &str) {
    let (Some(line), Some(column)) = (at.line(), at.position()) else {
        return (source, "");
    };
    let start: usize = source
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = source.get(start..).unwrap_or_default();
    let into = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(index, _)| index);
    source
        .split_at_checked(start + into)
        .unwrap_or((source, ""))
}
