//! Go's pattern language to Rust's, in one pass.
//!
//! Go patterns mean something slightly different to Rust in many small places, and a rule that allows more
//! than its author wrote is a hole. So every construct is read here as Go's `regexp/syntax` reads it, and
//! written down in a form that Rust can read in one way only. What Go refuses and what cannot be written so
//! is refused. Whether groups are closed and repetitions have something to repeat is left to Rust's parser.
//!
//! Nothing is compiled here.

mod class;
mod escape;
mod group;
mod reader;
mod repetition;
#[cfg(test)]
mod tests;
mod translated;

use self::reader::Reader;
pub(crate) use self::translated::Translated;
use crate::error::Fault;

/// Translates a pattern. Offsets in faults are bytes of `pattern`.
pub(crate) fn translate(pattern: &str) -> Result<Translated, Fault> {
    let mut reader = Reader::new(pattern);
    let mut out = Translated::default();
    let mut repeated = false;

    while let Some(c) = reader.peek() {
        let start = reader.at();
        out.mark(start);
        if let Some(operator) = repetition::read(&mut reader)? {
            // Rust would repeat the repetition; readers of other dialects expect `a*+` to mean something else.
            if repeated {
                return Err(Fault::new(
                    start,
                    format!("`{operator}` repeats a repetition"),
                    "put the first one in a group, as in `(?:a*)+`",
                ));
            }
            out.push(operator);
            repeated = true;
            continue;
        }
        repeated = false;
        match c {
            '\\' => escape::translate(&mut reader, &mut out)?,
            '[' => class::translate(&mut reader, &mut out)?,
            '(' => group::open(&mut reader, &mut out)?,
            '|' | ')' | '.' | '^' | '$' => {
                reader.next();
                out.push(reader.since(start));
            }
            _ => {
                reader.next();
                out.literal(c);
            }
        }
    }
    Ok(out)
}
