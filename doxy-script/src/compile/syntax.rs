//! What is wrong with a policy that cannot be read, with the help that its author needs.
//!
//! Most such mistakes are words of another language. Rhai tells where it stopped; what stands there, or just before,
//! tells what was meant.

use rhai::{ParseError, ParseErrorType as Kind, Position};

use crate::error::Fault;
use crate::run::lower;

/// Words and signs of other languages, and what to write.
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
    ("null", "what is not there is `()`"),
    ("nil", "what is not there is `()`"),
    ("None", "what is not there is `()`"),
    ("undefined", "what is not there is `()`"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("try", "there is no `try`: what fails is denied"),
    ("catch", "there is no `try`: what fails is denied"),
    ("allow", "write `allow()`: it is a function"),
    ("pass", "write `pass()`: it is a function"),
    ("deny", "write `deny(\"why\")`: it is a function"),
];

/// A fault for what Rhai says of a text.
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
    // A call is nobody's mistake: `pass()` behind a line that has no `;`.
    let called = at
        .get(here.len()..)
        .is_some_and(|rest| rest.starts_with('('));
    if let Some(help) = known(here).filter(|_| !called).or_else(|| known(last)) {
        return help;
    }
    if at.starts_with([
        '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}',
    ]) {
        return "text stands in straight quotes: \"GET\"";
    }
    if at.starts_with('\'') {
        return "text stands in double quotes: \"GET\"";
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
        Kind::FnDuplicatedDefinition(..) => "give one of them another name",
        Kind::VariableUndefined(_) => {
            "declare it with `let`, or as a `const` at the top of the file; text stands in double quotes"
        }
        Kind::MissingToken(..) => "look at this line and at the end of the one before",
        Kind::ExprTooDeep => "take the expression apart",
        _ => "the reference has the language on one page",
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
