//! Why doxy cannot give up its privileges as it was told to.
//!
//! It carries finished text and never decides what happens next: the caller ends the start.

use std::fmt::Display;

/// Two lines: the setting and what is wrong with it, then `help: …`.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}\nhelp: {help}")]
pub struct PrivilegeError {
    what: String,
    why: String,
    help: String,
}

impl PrivilegeError {
    pub(super) fn new(what: impl Display, why: impl Display, help: impl Display) -> Self {
        Self {
            what: what.to_string(),
            why: why.to_string(),
            help: help.to_string(),
        }
    }
}
