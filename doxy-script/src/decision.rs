//! What comes out of a policy.

use std::fmt;

use rhai::Position;

/// What a policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is allowed, whatever the patterns say.
    Allow,
    /// It is denied.
    Deny {
        /// The reason, for the client.
        reason: String,
        /// The status of the answer.
        status: u16,
        /// Where the policy denied it; `None` if doxy did so itself, before the policy was asked.
        location: Option<Location>,
    },
    /// The patterns decide.
    Pass,
    /// The policy wants to see the body, which was not read. Read it and ask again: a policy has no memory, so
    /// asking twice is sound.
    NeedsBody,
    /// The policy failed, or the request cannot be judged. Denied.
    Failed {
        /// What the client may know.
        public: String,
        /// What the log should say: file, line, column and cause.
        log: String,
    },
}

/// A place in a policy. Displayed as `policy.rhai:12:5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The name that the policy was compiled under.
    pub source: std::sync::Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl Location {
    pub(crate) fn new(source: &std::sync::Arc<str>, at: Position) -> Self {
        Self {
            source: std::sync::Arc::clone(source),
            line: at.line().unwrap_or_default(),
            column: at.position().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            line,
            column,
        } = self;
        match line {
            0 => write!(f, "{source}"),
            _ => write!(f, "{source}:{line}:{column}"),
        }
    }
}

/// What `decide` may return. `deny` is not among it: it ends the call where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnValue {
    Allow,
    Pass,
}
