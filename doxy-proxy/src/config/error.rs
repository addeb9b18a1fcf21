//! What is wrong with the settings, in two lines: the error, then `help: …`.
//!
//! It carries finished text. What happens next, and the exit code, is for the caller to decide.

use std::fmt::Display;

use doxy_proxy::privilege::PrivilegeError;

/// Why doxy cannot start as it was told to. It is displayed as the first thing that is wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{first}")]
pub(crate) struct ConfigError {
    first: String,
    /// What else was found on the way.
    more: Vec<String>,
}

impl ConfigError {
    /// The setting or file, what is wrong with it, and what to do.
    pub(crate) fn new(what: impl Display, why: impl Display, help: impl Display) -> Self {
        Self::of(format_args!("{what}: {why}\nhelp: {help}"))
    }

    /// An error that has both lines already.
    pub(crate) fn of(error: impl Display) -> Self {
        Self {
            first: error.to_string(),
            more: vec![],
        }
    }

    /// Several errors, at least one, that have both lines already.
    pub(super) fn of_all(errors: impl IntoIterator<Item = impl Display>) -> Self {
        let mut texts = errors.into_iter().map(|error| error.to_string());
        Self {
            first: texts.next().unwrap_or_default(),
            more: texts.collect(),
        }
    }

    /// Everything that is wrong, two lines each.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        let more = self.more.iter().map(String::as_str);
        [self.first.as_str()].into_iter().chain(more)
    }
}

/// Gathers what is wrong with several parts, so that all of it can be told.
#[derive(Debug, Default)]
pub(super) struct Gathered(Option<ConfigError>);

impl Gathered {
    /// A part, if nothing is wrong with it.
    pub(super) fn take<T>(&mut self, part: Result<T, ConfigError>) -> Option<T> {
        match (part, &mut self.0) {
            (Ok(part), _) => return Some(part),
            (Err(error), Some(first)) => {
                first.more.push(error.first);
                first.more.extend(error.more);
            }
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    /// The whole, made of all parts, unless something was wrong with one of them.
    pub(super) fn whole<T>(self, whole: Option<T>) -> Result<T, ConfigError> {
        match (self.0, whole) {
            (Some(error), _) => Err(error),
            (None, Some(whole)) => Ok(whole),
            // A part is missing only if something was wrong with it.
            (None, None) => Err(ConfigError::new(
                "settings",
                "they cannot be used",
                "this is a mistake in doxy: please report it",
            )),
        }
    }
}

impl From<PrivilegeError> for ConfigError {
    fn from(error: PrivilegeError) -> Self {
        Self::of(error)
    }
}
