//! Verdicts: whether a request is allowed, why, and by which rule.
//!
//! They borrow from the rule set, so that a verdict allocates nothing.

use std::fmt;

/// The result of judging a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'s> {
    /// Allowed by this rule.
    Allow(RuleRef<'s>),
    /// Denied.
    Deny(Reason<'s>),
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason<'s> {
    /// No rule allows this method on any path.
    Method {
        /// The methods that some rule allows, for a message: `GET` or `GET, POST`. HEAD is left out
        /// if GET is listed.
        allowed: &'s str,
    },
    /// No rule allows this path with this method.
    NoRule,
    /// Denied by this `!` rule.
    Rule(RuleRef<'s>),
}

/// The position of a rule. Displayed as `file:12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleRef<'s> {
    /// The name that the rules were parsed under, usually the path of their file.
    pub source: &'s str,
    /// The line, counted from 1.
    pub line: usize,
}

/// A rule that matches a request, whether or not it decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchingRule<'s> {
    /// Where it stands.
    pub rule: RuleRef<'s>,
    /// Its line, as it was written.
    pub text: &'s str,
    /// Whether it is a `!` rule.
    pub denies: bool,
}

impl fmt::Display for RuleRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}
