//! The decision of a policy. It does not know how it was made.

use std::fmt;

use rhai::Position;

use crate::lookup::Lookup;
use crate::rewrite::Rewrite;

/// The decision of a policy about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request is allowed, whatever the rules say.
    Allow,
    /// The request is allowed as the policy has changed it. Change it, and call `decide` again: with
    /// the changed request the policy must answer `Allow`, or change nothing more.
    Rewrite(Rewrite),
    /// The request is denied.
    Deny {
        /// The reason, for the client.
        reason: String,
        /// The reason for logs: as it is written in the policy, with constants filled in and the
        /// rest as `${…}`. It has nothing of the request.
        template: String,
        /// The status of the response.
        status: u16,
        /// Where the policy denied it, or where it called its function that denies with a text of
        /// the caller's; `None` if doxy denied it before it called the policy.
        location: Option<Location>,
    },
    /// The rules decide.
    Pass,
    /// The policy needs the body, which was not read. Read it and call `decide` again: a policy
    /// keeps nothing between calls, so calling it twice is sound.
    NeedsBody,
    /// The policy looks something up. Ask the engine, note the answer, and call `decide` again.
    NeedsLookup(Lookup),
    /// The policy wants to know which container the peer is in. Find it out, and call `decide` again.
    NeedsContainer,
    /// The policy failed, or the request cannot be judged. This is a denial.
    Failed {
        /// The message for the client.
        public: String,
        /// The message for the log: file, line, column and cause.
        log: String,
        /// Whether it ran past a limit: of steps, time, depth or size.
        limit: bool,
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

/// What `decide` may return. `deny` returns nothing: it ends the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReturnValue {
    Allow,
    Rewrite(Rewrite),
    Pass,
}
