//! A cursor over a pattern. It only moves forward and never slices by index.

use std::str::Chars;

/// Reads a pattern character by character and tracks the offset.
#[derive(Debug)]
pub(super) struct Reader<'p> {
    pattern: &'p str,
    chars: Chars<'p>,
}

impl<'p> Reader<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        Self {
            pattern,
            chars: pattern.chars(),
        }
    }

    /// The offset, in bytes.
    pub(super) fn at(&self) -> usize {
        self.pattern.len().saturating_sub(self.rest().len())
    }

    pub(super) fn rest(&self) -> &'p str {
        self.chars.as_str()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.clone().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        self.chars.next()
    }

    /// Skips `text` if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        match self.rest().strip_prefix(text) {
            Some(rest) => {
                self.chars = rest.chars();
                true
            }
            None => false,
        }
    }

    /// Skips the characters that `accept` accepts, and returns them.
    pub(super) fn eat_while(&mut self, accept: impl Fn(char) -> bool) -> &'p str {
        let rest = self.rest();
        let after = rest.trim_start_matches(accept);
        self.chars = after.chars();
        rest.strip_suffix(after).unwrap_or_default()
    }

    /// Skips everything up to and including `end`, and returns what is before it. Does not move if
    /// there is no `end`.
    pub(super) fn eat_until(&mut self, end: &str) -> Option<&'p str> {
        let (before, after) = self.rest().split_once(end)?;
        self.chars = after.chars();
        Some(before)
    }

    /// The text from `start` to the current offset.
    pub(super) fn since(&self, start: usize) -> &'p str {
        self.pattern.get(start..self.at()).unwrap_or_default()
    }
}
