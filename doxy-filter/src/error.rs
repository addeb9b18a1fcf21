//! What is wrong with a rule file, in the words of whoever wrote it.
//!
//! Messages are lower case without a full stop, quote the user's own text in backticks, and never speak of
//! this crate's types. Every one comes with what to do about it.

use std::error::Error;
use std::fmt;

/// Why a rule file was refused: where, what, and what to do.
///
/// Displayed as exactly two lines, `FILE:LINE:COLUMN: what is wrong` and `help: what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The name that the rules were parsed under, usually the path of their file.
    pub source_name: String,
    /// The line, counted from 1; 0 if the file as a whole is at fault.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if the file as a whole is at fault.
    pub column: usize,
    message: String,
    help: String,
}

impl RuleError {
    /// A fault in one line of the file. `text` is that line.
    pub(crate) fn in_line(source: &str, line: usize, text: &str, fault: Fault) -> Self {
        let before = text
            .char_indices()
            .take_while(|(at, _)| *at < fault.at)
            .count();
        Self {
            source_name: source.to_owned(),
            line,
            column: before.saturating_add(1),
            message: fault.message,
            help: fault.help,
        }
    }

    /// A fault of the file as a whole.
    pub(crate) fn in_file(source: &str, message: &str, help: &str) -> Self {
        Self {
            source_name: source.to_owned(),
            line: 0,
            column: 0,
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }
}

impl fmt::Display for RuleError {
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

impl Error for RuleError {}

/// A fault in a piece of text whose place in the file is known to the caller alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where in the text, in bytes.
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: help.into(),
        }
    }

    /// The same fault, seen from a text in which this one begins at `start`.
    pub(crate) fn shifted(self, start: usize) -> Self {
        Self {
            at: self.at.saturating_add(start),
            ..self
        }
    }
}
