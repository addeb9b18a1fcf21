//! The translated pattern as it grows. It does not know what the pieces mean.

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
    pub(super) fn mark(&mut self, origin: usize) {
        self.origins.push((self.text.len(), origin));
    }

    pub(super) fn push(&mut self, syntax: &str) {
        self.text.push_str(syntax);
    }

    pub(super) fn literal(&mut self, c: char) {
        if regex_syntax::is_meta_character(c) {
            self.text.push('\\');
        }
        self.text.push(c);
    }
}
