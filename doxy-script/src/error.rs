//! Errors in a policy: where, what, and how to fix it. It does not know what a policy means.

use std::error::Error;
use std::fmt;

use rhai::Position;

/// An error in a policy: where it is, what is wrong, and how to fix it.
///
/// Displayed as exactly two lines, `FILE:LINE:COLUMN: what is wrong` and `help: what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The name that the policy was compiled under, usually the path of its file.
    pub source_name: String,
    /// The line, counted from 1; 0 if the file as a whole is at fault.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if the file as a whole is at fault.
    pub column: usize,
    message: String,
    help: String,
}

impl ScriptError {
    pub(crate) fn new(source: &str, fault: Fault) -> Self {
        Self {
            source_name: source.to_owned(),
            line: fault.at.line().unwrap_or_default(),
            column: fault.at.position().unwrap_or(1),
            message: fault.message,
            help: fault.help,
        }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source_name,
            line,
            column,
            message,
            help,
        } = self;
        match line {
            0 => write!(f, "{source_name}: {message}\nhelp: {help}"),
            _ => write!(f, "{source_name}:{line}:{column}: {message}\nhelp: {help}"),
        }
    }
}

impl Error for ScriptError {}

/// An error in a policy, without the name of its file.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(at: Position, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: help.into(),
        }
    }
}
