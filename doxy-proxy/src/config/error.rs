//! What is wrong with the settings, in two lines: the error, then `help: …`.
//!
//! It carries finished text. What happens next, and the exit code, is for the caller to decide.

use std::fmt::Display;

use doxy_proxy::privilege::PrivilegeError;

/// Why doxy cannot start as it was told to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(String);

impl ConfigError {
    /// The setting or file, what is wrong with it, and what to do.
    pub(crate) fn new(what: impl Display, why: impl Display, help: impl Display) -> Self {
        Self(format!("{what}: {why}\nhelp: {help}"))
    }

    /// An error that has both lines already.
    pub(crate) fn of(error: impl Display) -> Self {
        Self(error.to_string())
    }
}

impl From<PrivilegeError> for ConfigError {
    fn from(error: PrivilegeError) -> Self {
        Self::of(error)
    }
}
