//! Patterns for any text, in the language of the rules.
//!
//! For policy scripts: what is written there reads like a rule, so it must mean what it means in a rule. A
//! [`TextPattern`] is compiled once, by the same translator and within the same bounds, and never per request.

use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta::Regex;
use thiserror::Error;

use crate::error::Fault;
use crate::rules::pattern;

/// Why a pattern was refused, in the words of a rule file's messages.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// A compiled pattern for text of any kind.
#[derive(Debug)]
pub struct TextPattern {
    regex: Regex,
}

impl TextPattern {
    /// A pattern that matches a whole text, as a rule matches a whole path.
    ///
    /// # Errors
    ///
    /// If a rule could not have that pattern either, but that it need not begin with `/`.
    pub fn whole(text: &str) -> Result<Self, PatternError> {
        Self::build(text, true)
    }

    /// A pattern that is looked for anywhere in a text.
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

    /// Where the first match is, in bytes.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.regex.find(text).map(|found| found.range())
    }

    /// The first match and its groups, in bytes: the whole of it first, `None` for a group that took no part.
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
