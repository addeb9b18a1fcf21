//! Errors and warnings about pattern files and files of cases, worded for the person who wrote the
//! file.
//!
//! A message is lower case without a full stop, quotes the user's text in backticks and never names
//! a type of this crate. Every message has a help text that says how to fix the error.

use std::error::Error;
use std::fmt;

/// How many errors of one file are told.
pub(crate) const MAX_ERRORS: usize = 100;

/// Declares an error in a kind of file.
macro_rules! file_error {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Displayed as exactly two lines, `FILE:LINE:COLUMN: what is wrong` and `help: how to fix it`.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            /// The name that the text was read under, usually the path of its file.
            pub source_name: String,
            /// The line, counted from 1; 0 if the error concerns the whole file.
            pub line: usize,
            /// The column in characters, counted from 1; 0 if the error concerns the whole file.
            pub column: usize,
            /// What is wrong.
            pub message: String,
            /// How to fix it.
            pub help: String,
        }

        impl $name {
            /// An error in one line of the file. `text` is that line.
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

            /// An error that concerns the whole file.
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

        impl fmt::Display for $name {
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

        impl Error for $name {}
    };
}

file_error! {
    /// Why a pattern file was refused: where the error is, what it is, and how to fix it.
    RuleError
}

file_error! {
    /// Why a file of cases was refused: where the error is, what it is, and how to fix it.
    CaseError
}

/// A rule that is valid and probably a mistake.
///
/// Displayed on one line, for a log: `FILE:LINE:COLUMN: what is odd; how to mend it`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWarning {
    /// The name that the rules were parsed under, usually the path of their file.
    pub source_name: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column of the pattern in characters, counted from 1.
    pub column: usize,
    /// What is odd.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl fmt::Display for RuleWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source_name,
            line,
            column,
            message,
            help,
        } = self;
        write!(f, "{source_name}:{line}:{column}: {message}; {help}")
    }
}

/// An error in a piece of text. Only the caller knows where that text is in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The byte offset in the text.
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

    /// The same error, as an offset in a longer text that has this one at byte `start`.
    pub(crate) fn shifted(self, start: usize) -> Self {
        Self {
            at: self.at.saturating_add(start),
            ..self
        }
    }
}
