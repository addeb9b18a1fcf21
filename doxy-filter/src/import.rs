//! Policies of other socket proxies, translated to rules and settings of doxy.
//!
//! Each tool has a file: it takes what that tool is given (variables, arguments, labels, rules) and
//! returns the same policy as a commented pattern file, with the settings that go with it. What has no
//! counterpart is named, never dropped. `env_file` reads the files that people keep variables in. It must
//! never read a file, the environment or a clock, and never print.

mod alternatives;
pub mod cetusguard;
pub mod env_file;
mod go_flags;
mod haproxy;
mod named_parts;
mod page;
pub mod switches;
pub mod wollomatic;

use std::fmt;

/// A policy of another tool, as doxy would have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// A pattern file with comments.
    pub patterns: String,
    /// Options of doxy that go with it: a name, and a value unless it is a flag.
    pub options: Vec<(&'static str, Option<String>)>,
    /// What is not translated, a line each.
    pub left_out: Vec<String>,
    /// What is translated and may not be what was meant, a line each.
    pub notes: Vec<String>,
}

/// A variable or a label: its name and its value.
pub type Variable = (String, String);

/// What cannot be read, and what to do about it. Displayed as two lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    what: String,
    help: String,
}

impl ImportError {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.what, self.help)
    }
}

impl std::error::Error for ImportError {}

/// A text on one line, without characters that a terminal obeys.
fn on_one_line(text: &str) -> String {
    let shown = |c: char| match c.is_control() || !c.is_ascii() && !c.is_alphanumeric() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}
