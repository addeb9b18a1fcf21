//! What begins with `(`: groups, their names and flags.
//!
//! Go knows the flags `i`, `m`, `s` and `U`. Rust knows more, and gives `x` the power to hide half a rule.

use super::reader::Reader;
use super::translated::Translated;
use crate::error::Fault;

/// Translates the opening of a group; its content and its `)` are the caller's.
pub(super) fn open(reader: &mut Reader<'_>, out: &mut Translated) -> Result<(), Fault> {
    let start = reader.at();
    for look in ["(?=", "(?!", "(?<=", "(?<!"] {
        if reader.eat(look) {
            return Err(Fault::new(
                start,
                format!("`{look}` looks around, which no pattern can"),
                "allow with one rule and deny the exceptions with a `!` rule",
            ));
        }
    }
    if reader.eat("(?P<") || reader.eat("(?<") {
        return named(reader, out, start);
    }
    if !reader.eat("(?") {
        reader.next();
        out.push("(");
        return Ok(());
    }
    let flags = reader.eat_while(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-'));
    if reader.eat(":") || (!flags.is_empty() && reader.eat(")")) {
        // Rust's parser reads flags as Go's does, and refuses a stray `-`.
        out.push(reader.since(start));
        return Ok(());
    }
    let flag = reader.next();
    let seen = reader.since(start);
    Err(match flag {
        None => unclosed(start, seen),
        Some('#') => Fault::new(
            start,
            "`(?#` is no comment here",
            "put comments on lines of their own, after a `#`",
        ),
        Some('P' | '&' | '\'' | '|' | '>' | '(' | ')') => Fault::new(
            start,
            format!("`{seen}` begins nothing that a pattern can have"),
            "groups are written `(…)`, `(?:…)` or `(?P<name>…)`",
        ),
        Some(flag) => Fault::new(
            start,
            format!("unknown flag `{flag}`"),
            "the flags are `i`, `m`, `s` and `U`",
        ),
    })
}

fn named(reader: &mut Reader<'_>, out: &mut Translated, start: usize) -> Result<(), Fault> {
    let at = reader.at();
    let Some(name) = reader.eat_until(">") else {
        return Err(unclosed(start, reader.since(start)));
    };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Fault::new(
            at,
            format!("`{name}` cannot name a group"),
            "a name has letters, digits and `_`; rules need none, `(?:…)` will do",
        ));
    }
    out.push("(?P<");
    out.push(name);
    out.push(">");
    Ok(())
}

fn unclosed(start: usize, seen: &str) -> Fault {
    Fault::new(
        start,
        format!("`{seen}` is never closed"),
        "close it with `)`, or write `\\(` for the character",
    )
}
