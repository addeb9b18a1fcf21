//! The command line and the environment: text becomes settings, errors, or a page of help.
//!
//! Only the form is checked here. What a value means is for `config` to check.

mod args;
mod environment;
mod explain;
mod help;

use crate::config::Layer;

pub(crate) use self::environment::warnings;

/// Why there are no settings.
pub(crate) enum Stop {
    /// The user asked for this page, help or version.
    Page(clap::Error),
    /// The command line is wrong: two lines that say how.
    Misused(String),
}

/// Reads the command line and the environment of this process.
pub(crate) fn parse() -> Result<Layer, Stop> {
    match args::command().try_get_matches() {
        Ok(matches) => Ok(args::given(&matches)),
        Err(error) if error.use_stderr() => Err(Stop::Misused(explain::explain(&error))),
        Err(page) => Err(Stop::Page(page)),
    }
}
