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

use self::reader::Reader;
use crate::error::Fault;

/// A pattern in Rust's dialect that remembers where its pieces came from.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    text: String,
    /// Pairs of offsets, in this text and in the user's. Ascending in both.
    origins: Vec<(usize, usize)>,
}

impl Translated {
    /// The pattern in Rust's dialect.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where in the user's pattern the piece at `at` of this text came from.
    pub(crate) fn origin(&self, at: usize) -> usize {
        let after = self.origins.partition_point(|(here, _)| *here <= at);
        self.origins
            .iter()
            .take(after)
            .next_back()
            .map_or(0, |(_, there)| *there)
    }

    /// What is written next comes from `origin` in the user's pattern.
    fn mark(&mut self, origin: usize) {
        self.origins.push((self.text.len(), origin));
    }

    fn push(&mut self, syntax: &str) {
        self.text.push_str(syntax);
    }

    fn literal(&mut self, c: char) {
        if regex_syntax::is_meta_character(c) {
            self.text.push('\\');
        }
        self.text.push(c);
    }
}

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
