//! Translates a pattern of Go's regexp package to one of Rust's regex crate, in one pass.
//!
//! The two languages differ in many details, and a rule that allows more than its author meant is a
//! security hole. So this module reads each construct as Go's `regexp/syntax` does, and writes it
//! in a form that has one meaning in Rust. It refuses what Go refuses and what has no such form.
//! Rust's parser checks that groups are closed and that repetitions have something to repeat.
//!
//! It must never compile a pattern.

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

/// Translates a pattern. Offsets in errors are bytes of `pattern`.
pub(crate) fn translate(pattern: &str) -> Result<Translated, Fault> {
    let mut reader = Reader::new(pattern);
    let mut out = Translated::default();
    let mut repeated = false;

    while let Some(c) = reader.peek() {
        let start = reader.at();
        out.mark(start);
        if let Some(operator) = repetition::read(&mut reader)? {
            // Rust would repeat the repetition. In other dialects `a*+` means something else.
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

/// The alternatives of a pattern that stand in no group. One, if there is no `|` there.
pub(crate) fn alternatives(pattern: &str) -> Result<Vec<&str>, Fault> {
    let mut reader = Reader::new(pattern);
    let mut out = Translated::default();
    let mut bars = vec![];
    let mut depth = 0_usize;
    while let Some(c) = reader.peek() {
        let at = reader.at();
        match c {
            '\\' => escape::translate(&mut reader, &mut out)?,
            '[' => class::translate(&mut reader, &mut out)?,
            '(' => {
                group::open(&mut reader, &mut out)?;
                // Flags alone open nothing.
                if !reader.since(at).ends_with(')') {
                    depth += 1;
                }
            }
            _ => {
                match c {
                    ')' => depth = depth.saturating_sub(1),
                    '|' if depth == 0 => bars.push(at),
                    _ => {}
                }
                reader.next();
            }
        }
    }
    let mut from = 0;
    let ends = bars.into_iter().chain([pattern.len()]);
    let parts = ends.map(|end| {
        let part = pattern.get(from..end).unwrap_or_default();
        from = end + 1;
        part
    });
    Ok(parts.collect())
}
