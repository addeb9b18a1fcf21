//! Character classes in brackets.
//!
//! Read as Go reads them: only `]` ends a class, and `[` and `-` are characters wherever possible.
//! Rust would read nested classes, intersections and differences.

use super::escape;
use super::reader::Reader;
use super::translated::Translated;
use crate::error::Fault;

/// Rust's operators on classes. In Go they are characters, but an author who writes them probably
/// means the operators.
const OPERATORS: [&str; 3] = ["&&", "--", "~~"];

/// The names that Go knows inside `[:…:]`. They mean the same ASCII characters in both dialects.
const NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Translates a class, from its `[` to its `]`.
pub(super) fn translate(reader: &mut Reader<'_>, out: &mut Translated) -> Result<(), Fault> {
    let start = reader.at();
    reader.next();
    out.push(if reader.eat("^") { "[^" } else { "[" });

    let mut first = true;
    while first || !reader.eat("]") {
        out.mark(reader.at());
        item(reader, out, start)?;
        first = false;
    }
    out.push("]");
    Ok(())
}

fn item(reader: &mut Reader<'_>, out: &mut Translated, class: usize) -> Result<(), Fault> {
    let start = reader.at();
    if named(reader, out)? {
        return Ok(());
    }
    if let Some(escape) = escape::class(reader)? {
        out.push(&escape);
        return Ok(());
    }
    refuse_operator(reader)?;
    let low = character(reader, class)?;
    refuse_operator(reader)?;
    // A `-` at the end of a class is a character.
    let rest = reader.rest();
    if !rest.starts_with('-') || rest.starts_with("-]") {
        push(out, low);
        return Ok(());
    }
    reader.next();
    let high = character(reader, class)?;
    if high < low {
        return Err(Fault::new(
            start,
            format!("`{}` is a reversed range", reader.since(start)),
            r"write the lower character first, or `\-` for the character",
        ));
    }
    push(out, low);
    out.push("-");
    push(out, high);
    Ok(())
}

/// Translates `[:name:]` or `[:^name:]`, if it is next. Without `:]`, Go reads it as characters.
fn named(reader: &mut Reader<'_>, out: &mut Translated) -> Result<bool, Fault> {
    let Some((inner, _)) = reader
        .rest()
        .strip_prefix("[:")
        .and_then(|rest| rest.split_once(":]"))
    else {
        return Ok(false);
    };
    let start = reader.at();
    reader.eat_until(":]");
    let seen = reader.since(start);
    if !NAMES.contains(&inner.strip_prefix('^').unwrap_or(inner)) {
        return Err(Fault::new(
            start,
            format!("unknown character class `{seen}`"),
            format!("the names are {}", NAMES.join(", ")),
        ));
    }
    out.push(seen);
    Ok(true)
}

fn refuse_operator(reader: &Reader<'_>) -> Result<(), Fault> {
    match OPERATORS
        .into_iter()
        .find(|operator| reader.rest().starts_with(operator))
    {
        None => Ok(()),
        Some(operator) => {
            let c = operator.chars().next().unwrap_or_default();
            Err(Fault::new(
                reader.at(),
                format!("`{operator}` in a class has a different meaning in other regex dialects"),
                format!(r"write `\{c}` for the character, or list the characters"),
            ))
        }
    }
}

fn character(reader: &mut Reader<'_>, class: usize) -> Result<char, Fault> {
    if reader.peek() == Some('\\') {
        return escape::character(reader);
    }
    reader.next().ok_or_else(|| {
        Fault::new(
            class,
            "`[` is never closed",
            r"close it with `]`, or write `\[` for the character",
        )
    })
}

/// Writes punctuation by its code, so that Rust cannot read it as syntax.
fn push(out: &mut Translated, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        out.push(&format!(r"\x{:02X}", u32::from(c)));
    } else {
        out.literal(c);
    }
}
