//! Escapes: what begins with `\`.
//!
//! Lists every escape that Go knows and refuses all others: some of them (`\<`, `\u`, `\b{start}`)
//! have a meaning in Rust but not in Go.

use super::reader::Reader;
use super::translated::Translated;
use crate::error::Fault;

/// Translates an escape outside a class.
pub(super) fn translate(reader: &mut Reader<'_>, out: &mut Translated) -> Result<(), Fault> {
    let start = reader.at();
    if reader.eat(r"\A") {
        out.push(r"\A");
    } else if reader.eat(r"\z") {
        out.push(r"\z");
    } else if reader.eat(r"\b") {
        out.push(r"(?-u:\b)");
    } else if reader.eat(r"\B") {
        out.push(r"(?-u:\B)");
    } else if reader.eat(r"\Q") {
        let quoted = reader
            .eat_until(r"\E")
            .unwrap_or_else(|| reader.eat_while(|_| true));
        if quoted.is_empty() {
            // A repetition after it would apply to what is before it, even to another repetition.
            return Err(Fault::new(
                start,
                r"`\Q` without text to quote",
                r"remove it, or put text between `\Q` and `\E`",
            ));
        }
        quoted.chars().for_each(|c| out.literal(c));
    } else if let Some(class) = class(reader)? {
        out.push(&class);
    } else {
        out.literal(character(reader)?);
    }
    Ok(())
}

/// Reads an escape for a class of characters, if one is next. Returns it as a class in brackets,
/// which means the same inside and outside another class.
pub(super) fn class(reader: &mut Reader<'_>) -> Result<Option<String>, Fault> {
    for (escape, class) in [
        (r"\d", "[0-9]"),
        (r"\D", "[^0-9]"),
        (r"\s", r"[\t\n\x0C\r\x20]"),
        (r"\S", r"[^\t\n\x0C\r\x20]"),
        (r"\w", "[0-9A-Za-z_]"),
        (r"\W", "[^0-9A-Za-z_]"),
    ] {
        if reader.eat(escape) {
            return Ok(Some(class.to_owned()));
        }
    }
    let start = reader.at();
    let negated = if reader.eat(r"\p") {
        false
    } else if reader.eat(r"\P") {
        true
    } else {
        return Ok(None);
    };
    let name = if reader.eat("{") {
        reader.eat_until("}")
    } else {
        let at = reader.at();
        reader.next().map(|_| reader.since(at))
    };
    let seen = reader.since(start);
    let Some(name) = name else {
        return Err(Fault::new(
            start,
            format!("`{seen}` is not complete"),
            r"write it as in `\pL` or `\p{Greek}`",
        ));
    };
    let (negated, name) = match name.strip_prefix('^') {
        Some(name) => (!negated, name),
        None => (negated, name),
    };
    // Rust's `C` also contains the unassigned code points.
    if name == "C" || name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
    {
        return Err(Fault::new(
            start,
            format!("unknown character class `{seen}`"),
            r"name a category as in `\p{Lu}` or a script as in `\p{Greek}`",
        ));
    }
    // Rust knows more properties, some of them under names that mean something else in Go. The key
    // (`gc=`, `sc=`) excludes them.
    let property = match name {
        "Any" => "any".to_owned(),
        name if name.len() <= 2 && name != "Yi" => format!("gc={name}"),
        name => format!("sc={name}"),
    };
    Ok(Some(format!(
        "{}{{{property}}}",
        if negated { r"\P" } else { r"\p" }
    )))
}

/// Reads an escape for one character.
pub(super) fn character(reader: &mut Reader<'_>) -> Result<char, Fault> {
    let start = reader.at();
    reader.next();
    let Some(c) = reader.next() else {
        return Err(Fault::new(
            start,
            r"the pattern ends in `\`",
            r"write `\\` for a backslash, `\x20` for a space at the end",
        ));
    };
    match c {
        'a' => Ok('\u{7}'),
        'f' => Ok('\u{c}'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\u{b}'),
        'x' => hex(reader, start),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
        _ => Err(unknown(reader, start, c)),
    }
}

fn hex(reader: &mut Reader<'_>, start: usize) -> Result<char, Fault> {
    let (digits, complete) = if reader.eat("{") {
        let digits = reader.eat_until("}").unwrap_or_default();
        (digits, !digits.is_empty())
    } else {
        let at = reader.at();
        reader.next();
        reader.next();
        let digits = reader.since(at);
        (digits, digits.len() == 2)
    };
    // `from_str_radix` also accepts a sign.
    let valid = complete && digits.chars().all(|c| c.is_ascii_hexdigit());
    let code = valid
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten();
    code.and_then(char::from_u32).ok_or_else(|| {
        Fault::new(
            start,
            format!("`{}` is not a character", reader.since(start)),
            r"write two hexadecimal digits, as in `\x2F`, or any number of them in braces, as in `\x{2F}`",
        )
    })
}

fn unknown(reader: &mut Reader<'_>, start: usize, c: char) -> Fault {
    let more = reader.eat_while(|c| c.is_digit(8));
    let seen = reader.since(start);
    match c {
        '0'..='7' if c == '0' || !more.is_empty() => Fault::new(
            start,
            format!("`{seen}` is an octal number, or a reference to a group"),
            r"write a character in hexadecimal, as in `\x2F`",
        ),
        '1'..='9' => Fault::new(
            start,
            format!("`{seen}` is a backreference, which patterns do not support"),
            "write out what the group may match",
        ),
        'Z' => Fault::new(
            start,
            r"unknown escape `\Z`",
            r"the end of the path is `$` or `\z`",
        ),
        'E' => Fault::new(
            start,
            r"`\E` without a `\Q` before it",
            r"remove it, or put `\Q` before the literal text",
        ),
        'b' | 'B' | 'A' | 'z' | 'Q' => Fault::new(
            start,
            format!(r"`\{c}` has no meaning inside `[…]`"),
            "list the characters themselves",
        ),
        c => Fault::new(
            start,
            format!(r"unknown escape `\{c}`"),
            "patterns are in the language of Go's regexp package; only punctuation may always be escaped",
        ),
    }
}
