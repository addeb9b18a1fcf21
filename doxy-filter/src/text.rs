//! Patterns that match any text, in the pattern language of the rules.
//!
//! For policy scripts: a pattern there looks like a rule's, so it must mean the same. A
//! [`TextPattern`] is compiled once, not per request, by the same translator and with the same
//! limits.

mod examples;

use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta::Regex;
use thiserror::Error;

use crate::error::Fault;
use crate::rules::pattern;
pub use crate::text::examples::texts_matching;

/// Why a pattern was refused, worded as in the messages for pattern files.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

/// A compiled pattern for any text.
#[derive(Debug)]
pub struct TextPattern {
    regex: Regex,
}

impl TextPattern {
    /// A pattern that must match the whole text, as a rule must match the whole path.
    ///
    /// # Errors
    ///
    /// If the pattern is not valid in a rule, except that it need not begin with `/`.
    pub fn whole(text: &str) -> Result<Self, PatternError> {
        Self::build(text, true)
    }

    /// A pattern that may match anywhere in the text.
    ///
    /// # Errors
    ///
    /// As for [`TextPattern::whole`].
    pub fn anywhere(text: &str) -> Result<Self, PatternError> {
        Self::build(text, false)
    }

    fn build(text: &str, anchored: bool) -> Result<Self, PatternError> {
        let hir = pattern::parse(text)?;
        let hir = if anchored { pattern::whole(hir) } else { hir };
        let bounded = pattern::bound(hir)?;
        let regex = Regex::builder().build_from_hir(&bounded.hir).map_err(|_| {
            Fault::new(0, "the pattern is too large", "lower its repetition counts")
        })?;
        Ok(Self { regex })
    }

    /// Whether the text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The byte range of the first match.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.regex.find(text).map(|found| found.range())
    }

    /// The byte ranges of the first match and of its groups; `None` for a group that did not match.
    #[must_use]
    pub fn captures(&self, text: &str) -> Option<Vec<Option<Range<usize>>>> {
        let mut groups = self.regex.create_captures();
        self.regex.search_captures(&Input::new(text), &mut groups);
        groups.is_match().then(|| {
            groups
                .iter()
                .map(|group| group.map(|span| span.range()))
                .collect()
        })
    }
}

impl From<Fault> for PatternError {
    fn from(fault: Fault) -> Self {
        Self {
            message: fault.message,
            help: fault.help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TextPattern;

    #[test]
    fn a_whole_match_is_what_a_rule_would_match() {
        for (pattern, text, matches) in [
            ("^ci-|prod$", "ci-", true),
            ("^ci-|prod$", "ci-x", false),
            ("^ci-|prod$", "x-prod", false),
            (r"\d+", "12", true),
            (r"\d+", "１２", false),
            (r"\w+", "é", false),
            (r"\Qa.b\E", "axb", false),
            ("", "", true),
            ("(?m)^a$", "b\na", false),
        ] {
            assert_eq!(
                TextPattern::whole(pattern).map(|p| p.is_match(text)),
                Ok(matches),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn groups_and_places() {
        let found = TextPattern::anywhere("b+").map(|p| p.find("abbc"));
        assert_eq!(found, Ok(Some(1..3)));
        let groups = TextPattern::whole("(a)|(b)").map(|p| p.captures("b"));
        assert_eq!(groups, Ok(Some(vec![Some(0..1), None, Some(0..1)])));
    }

    #[test]
    fn what_a_rule_may_not_say_is_refused() {
        for pattern in [
            "a)|(b",
            "[a-z&&[^b]]",
            "(?x)a",
            "((a{1000}){1000}){1000}",
            "*",
        ] {
            assert!(TextPattern::whole(pattern).is_err(), "{pattern}");
            assert!(TextPattern::anywhere(pattern).is_err(), "{pattern}");
        }
    }
}
