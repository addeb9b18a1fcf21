//! The table of the tools: the subcommands that do not serve, but answer a question or print a result.
//!
//! Each is a file of this folder with its arguments, its help and its printing. What it finds out is
//! found out elsewhere.

use clap::{ArgMatches, Command};

use crate::cli::{check, config, coverage, explain, import, learn, presets, replay, run};
use crate::config::Source;
use crate::startup::Failure;

/// A subcommand.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// Its arguments and its help.
    pub(crate) command: fn() -> Command,
    /// Runs it: its own arguments, and where the settings come from. Returns the exit code.
    pub(crate) run: fn(&ArgMatches, Source) -> Result<u8, Failure>,
}

/// All tools, in the order of their names.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "check",
        command: check::command,
        run: check::run,
    },
    Tool {
        name: "config",
        command: config::command,
        run: config::run,
    },
    Tool {
        name: "coverage",
        command: coverage::command,
        run: coverage::run,
    },
    Tool {
        name: "explain",
        command: explain::command,
        run: explain::run,
    },
    Tool {
        name: "import",
        command: import::command,
        run: import::run,
    },
    Tool {
        name: "learn",
        command: learn::command,
        run: learn::run,
    },
    Tool {
        name: "presets",
        command: presets::command,
        run: presets::run,
    },
    Tool {
        name: "replay",
        command: replay::command,
        run: replay::run,
    },
    Tool {
        name: "run",
        command: run::command,
        run: run::run,
    },
];
