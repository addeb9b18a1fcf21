//! Groups: what begins with `(`, with names and flags.
//!
//! Go knows the flags `i`, `m`, `s` and `U`. Rust knows more; `x` would turn part of a rule into a
//! comment.

use super::reader::Reader;
use super::translated::Translated;
use crate::error::Fault;

/// Translates the start of a group. The caller translates its content and its `)`.
pub(super) fn open(reader: &mut Reader<'_>, out: &mut Translated) -> Result<(), Fault> {
    let start = reader.at();
    for look in ["(?=", "(?!", "(?<=", "(?<!"] {
        if reader.eat(look) {
            return Err(Fault::new(
                start,
                format!("`{look}` is look-around, which patterns do not support"),
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
        // Rust's parser reads flags as Go's does, and refuses a `-` without flags.
        out.push(reader.since(start));
        return Ok(());
    }
    let flag = reader.next();
    let seen = reader.since(start);
    Err(match flag {
        None => unclosed(start, seen),
        Some('#') => Fault::new(
            start,
            "`(?#` does not begin a comment here",
            "put a comment on its own line, after a `#`",
        ),
        Some('P' | '&' | '\'' | '|' | '>' | '(' | ')') => Fault::new(
            start,
            format!("`{seen}` is not supported in a pattern"),
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
            format!("invalid group name `{name}`"),
            "a name has letters, digits and `_`; rules need no group names: write `(?:…)`",
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
