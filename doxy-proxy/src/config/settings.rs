//! Settings as they were given: text, each with the name under which it was given.
//!
//! Nothing is checked here, and nothing here knows what a setting means.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use crate::config::error::ConfigError;

/// One setting. It is displayed as it was given: `--socket-mode 0660` or `DOXY_SOCKET_MODE=0660`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setting {
    name: String,
    value: OsString,
    /// What stands between name and value.
    separator: &'static str,
}

impl Setting {
    /// A setting from the command line. `name` is the option's, without dashes.
    pub(crate) fn option(name: &str, value: &OsStr) -> Self {
        Self {
            name: format!("--{name}"),
            value: value.to_owned(),
            separator: " ",
        }
    }

    /// A setting from the environment.
    pub(crate) fn variable(name: &str, value: &OsStr) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            separator: "=",
        }
    }

    /// `--socket-mode` or `DOXY_SOCKET_MODE`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn value(&self) -> &OsStr {
        &self.value
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(&self.value)
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

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.value.is_empty() {
            write!(f, "{}{}", self.separator, self.value.display())?;
        }
        Ok(())
    }
}

/// All settings of a doxy with one socket.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) docker_socket: Setting,
    pub(crate) proxy_socket: Setting,
    pub(crate) socket_mode: Setting,
    pub(crate) socket_owner: Option<Setting>,
    pub(crate) socket_group: Option<Setting>,
    pub(crate) pattern_file: Option<Setting>,
    pub(crate) script: Option<Setting>,
    pub(crate) max_body: Setting,
    pub(crate) allow_uid: Vec<Setting>,
    pub(crate) allow_gid: Vec<Setting>,
    pub(crate) max_connections: Setting,
    pub(crate) threads: Setting,
    pub(crate) head_timeout: Setting,
    pub(crate) idle_timeout: Setting,
    pub(crate) shutdown_grace: Setting,
    pub(crate) access_log: Setting,
    pub(crate) log_format: Setting,
    pub(crate) debug: bool,
    pub(crate) user: Option<Setting>,
    pub(crate) group: Option<Setting>,
    pub(crate) sandbox: Setting,
}
