//! The translated pattern while it is written. It must never interpret what is written.

/// A pattern in Rust's dialect, with the origin of each part in the user's pattern.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    text: String,
    /// Pairs of an offset in this text and one in the user's, both ascending.
    origins: Vec<(usize, usize)>,
}

impl Translated {
    /// The pattern in Rust's dialect.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The offset in the user's pattern of what is at `at` in this text.
    pub(crate) fn origin(&self, at: usize) -> usize {
        let after = self.origins.partition_point(|(here, _)| *here <= at);
        self.origins
            .iter()
            .take(after)
            .next_back()
            .map_or(0, |(_, there)| *there)
    }

    /// Records that what is written next comes from `origin` in the user's pattern.
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
