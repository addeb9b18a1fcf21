//! The words for a judgement: what came out, and which rule it rests on.
//!
//! They borrow from the rules, so that judging allocates nothing.

use std::fmt;

/// What the rules say of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'s> {
    /// This rule allows it.
    Allow(RuleRef<'s>),
    /// It is denied.
    Deny(Reason<'s>),
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason<'s> {
    /// No rule allows this method on any path.
    Method {
        /// The methods that are allowed somewhere, for a message: `GET` or `GET, POST`. HEAD is not named
        /// where it goes with GET.
        allowed: &'s str,
    },
    /// No rule allows this path with this method.
    NoRule,
    /// This `!` rule denies it.
    Rule(RuleRef<'s>),
}

/// Where a rule stands. Displayed as `file:12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleRef<'s> {
    /// The name that the rules were parsed under, usually the path of their file.
    pub source: &'s str,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for RuleRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}
