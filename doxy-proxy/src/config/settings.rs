//! Settings as they were given: text, each with the place where it was given.
//!
//! Nothing is checked here, and nothing here knows what a setting means.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::error::ConfigError;
use crate::config::keys::{self, Key, Kind};

/// One setting. It is displayed as it was given: `--socket-mode 0660`, `DOXY_SOCKET_MODE=0660` or
/// `doxy.toml:3:15: socket-mode = "0660"`.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    key: &'static str,
    value: OsString,
    origin: Origin,
}

/// Where a setting was given.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Nowhere: it is the default.
    Default,
    Option,
    Variable,
    /// By another name: an option of a tool, `--socket`, or a variable that is not doxy's, `DOCKER_HOST`.
    Named(&'static str),
    /// In the file.
    File(Spelled),
}

/// A value in the file.
#[derive(Debug, Clone)]
pub(crate) struct Spelled {
    pub(super) place: Place,
    /// How it is written there, on one line.
    pub(super) spelling: Arc<str>,
    /// Where its text begins, if its lines are the lines of the file.
    pub(super) text_at: Option<Place>,
}

/// A place in the file. It is displayed as `doxy.toml:3:15`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
    /// In characters.
    pub(super) column: usize,
}

impl Place {
    /// An error about what stands here.
    pub(super) fn wrong(&self, why: impl fmt::Display, help: impl fmt::Display) -> ConfigError {
        ConfigError::new(self, why, help)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl Setting {
    /// A setting from the command line, by its key.
    pub(crate) fn option(key: &'static str, value: &OsStr) -> Self {
        Self::new(key, value, Origin::Option)
    }

    /// A setting from the environment, by its key.
    pub(crate) fn variable(key: &'static str, value: &OsStr) -> Self {
        Self::new(key, value, Origin::Variable)
    }

    /// A setting that was given by another name than its key's.
    pub(crate) fn named(name: &'static str, key: &'static str, value: &OsStr) -> Self {
        Self::new(key, value, Origin::Named(name))
    }

    /// The default of a key.
    pub(super) fn default_of(key: &'static str) -> Self {
        let value = keys::find(key).and_then(|key| key.default);
        Self::new(key, value.unwrap_or_default().as_ref(), Origin::Default)
    }

    /// A setting from the file.
    pub(super) fn spelled(key: &'static str, value: &str, spelled: Spelled) -> Self {
        Self::new(key, value.as_ref(), Origin::File(spelled))
    }

    fn new(key: &'static str, value: &OsStr, origin: Origin) -> Self {
        Self {
            key,
            value: value.to_owned(),
            origin,
        }
    }

    pub(super) fn key(&self) -> &'static str {
        self.key
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it is a variable without a value: one of an image cannot be taken away from a container,
    /// only emptied.
    pub(super) fn is_emptied(&self) -> bool {
        matches!(self.origin, Origin::Variable) && self.value.is_empty()
    }

    /// The place in the file, if it stands there.
    pub(super) fn place(&self) -> Option<&Place> {
        match &self.origin {
            Origin::File(spelled) => Some(&spelled.place),
            _ => None,
        }
    }

    /// `--socket-mode`, `DOXY_SOCKET_MODE` or `doxy.toml:3:15: socket-mode`.
    pub(crate) fn name(&self) -> String {
        let key = self.key;
        match &self.origin {
            Origin::Default | Origin::Option => format!("--{key}"),
            Origin::Variable => keys::find(key).map_or_else(String::new, Key::variable),
            Origin::Named(name) => (*name).to_owned(),
            Origin::File(Spelled { place, .. }) => format!("{place}: {key}"),
        }
    }

    pub(crate) fn value(&self) -> &OsStr {
        &self.value
    }

    /// The value as a path. In the file, relative ones begin at the folder of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.resolve(Path::new(&self.value))
    }

    /// A path that is a part of the value.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        // Nothing joined with a folder would be the folder.
        let folder = self.place().and_then(|place| place.file.parent());
        match folder.filter(|_| !path.as_os_str().is_empty()) {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }

    /// The value of a setting that is not a path.
    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        self.value.to_str().ok_or_else(|| {
            self.wrong(
                "the value is not valid UTF-8",
                "only paths may have any byte",
            )
        })
    }

    /// An error that names this setting and its value.
    pub(crate) fn wrong(&self, why: impl fmt::Display, help: impl fmt::Display) -> ConfigError {
        ConfigError::new(self, why, help)
    }
}

/// The first line of a text, and whether there are more: an error has one line for what is wrong.
pub(super) fn on_one_line(text: &str) -> Cow<'_, str> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        Some(_) => Cow::Owned(format!("{first}…")),
        None => Cow::Borrowed(first),
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        let value = self.value.to_string_lossy();
        let value = on_one_line(&value);
        let flag = keys::find(self.key).is_some_and(|key| key.kind == Kind::Flag);
        match &self.origin {
            Origin::File(Spelled { spelling, .. }) => write!(f, " = {spelling}"),
            _ if self.value.is_empty() => Ok(()),
            Origin::Variable => write!(f, "={value}"),
            Origin::Named(name) if !name.starts_with("--") => write!(f, "={value}"),
            Origin::Option if flag => Ok(()),
            Origin::Default | Origin::Option | Origin::Named(_) => write!(f, " {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_as_they_were_given() {
        for (setting, expected) in [
            (
                Setting::option("socket-mode", "0660".as_ref()),
                "--socket-mode 0660",
            ),
            (
                Setting::variable("socket-mode", "0660".as_ref()),
                "DOXY_SOCKET_MODE=0660",
            ),
            (Setting::option("debug", "true".as_ref()), "--debug"),
            (Setting::option("script", "".as_ref()), "--script"),
            (
                Setting::variable("patterns", "/a\n/b\n".as_ref()),
                "DOXY_PATTERNS=/a…",
            ),
            (Setting::default_of("threads"), "--threads 1"),
            (
                Setting::named("--socket", "proxy-socket", "/run/x".as_ref()),
                "--socket /run/x",
            ),
            (
                Setting::named("DOCKER_HOST", "docker-socket", "unix:///x".as_ref()),
                "DOCKER_HOST=unix:///x",
            ),
        ] {
            assert_eq!(setting.to_string(), expected);
        }
    }
}
