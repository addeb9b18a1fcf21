//! A place in a pattern, moving forward. It never goes back and never slices by number.

use std::str::Chars;

/// Reads a pattern character by character and knows where it is.
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

    /// The place, in bytes.
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

    /// Passes over `text` if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        match self.rest().strip_prefix(text) {
            Some(rest) => {
                self.chars = rest.chars();
                true
            }
            None => false,
        }
    }

    /// Passes over all characters that `accept` takes, and gives them.
    pub(super) fn eat_while(&mut self, accept: impl Fn(char) -> bool) -> &'p str {
        let rest = self.rest();
        let after = rest.trim_start_matches(accept);
        self.chars = after.chars();
        rest.strip_suffix(after).unwrap_or_default()
    }

    /// Passes over everything up to and including `end`, and gives what is before it. Stays where it is
    /// if `end` does not come.
    pub(super) fn eat_until(&mut self, end: &str) -> Option<&'p str> {
        let (before, after) = self.rest().split_once(end)?;
        self.chars = after.chars();
        Some(before)
    }

    /// What was read since `start`.
    pub(super) fn since(&self, start: usize) -> &'p str {
        self.pattern.get(start..self.at()).unwrap_or_default()
    }
}
