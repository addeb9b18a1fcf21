//! The table of the tools: the subcommands that do not serve, but answer a question or print a result.
//!
//! Each is a file of this folder with its arguments, its help and its printing. What it finds out is
//! found out elsewhere.

use clap::{ArgMatches, Command};

use crate::cli::{
    check, config, coverage, explain, healthcheck, import, learn, presets, replay, run, top, verify,
};
use crate::config::Source;
use crate::startup::Failure;

/// A subcommand.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// Its arguments and its help.
    pub(crate) command: fn() -> Command,
    /// Runs it: its own arguments, and where the settings come from. Returns the exit code.
    pub(crate) run: fn(&ArgMatches, Source) -> Result<u8, Failure>,
    /// The options of doxy that its help shows.
    pub(crate) shown: &'static [&'static str],
}

/// Those that say which policy it is about.
const POLICY: &[&str] = &["config", "preset", "pattern-file", "patterns", "script"];
/// Those, the engine, and who the command is.
const RUNNING: &[&str] = &[
    "config",
    "docker-socket",
    "preset",
    "pattern-file",
    "patterns",
    "script",
    "user",
    "group",
];
/// Those that say where doxy and its engine are.
const REACH: &[&str] = &[
    "config",
    "proxy-socket",
    "docker-socket",
    "docker-tls-ca",
    "docker-tls-cert",
    "docker-tls-key",
];
/// Those of the policy count with `--observe`.
const LEARNING: &[&str] = &[
    "config",
    "docker-socket",
    "preset",
    "pattern-file",
    "patterns",
    "script",
];

/// All tools, in the order of their names.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "check",
        command: check::command,
        run: check::run,
        shown: POLICY,
    },
    Tool {
        name: "config",
        command: config::command,
        run: config::run,
        shown: &[],
    },
    Tool {
        name: "coverage",
        command: coverage::command,
        run: coverage::run,
        shown: POLICY,
    },
    Tool {
        name: "explain",
        command: explain::command,
        run: explain::run,
        shown: POLICY,
    },
    Tool {
        name: "healthcheck",
        command: healthcheck::command,
        run: healthcheck::run,
        shown: REACH,
    },
    Tool {
        name: "import",
        command: import::command,
        run: import::run,
        shown: &[],
    },
    Tool {
        name: "learn",
        command: learn::command,
        run: learn::run,
        shown: LEARNING,
    },
    Tool {
        name: "presets",
        command: presets::command,
        run: presets::run,
        shown: &[],
    },
    Tool {
        name: "replay",
        command: replay::command,
        run: replay::run,
        shown: POLICY,
    },
    Tool {
        name: "run",
        command: run::command,
        run: run::run,
        shown: RUNNING,
    },
    Tool {
        name: "top",
        command: top::command,
        run: top::run,
        shown: &["config"],
    },
    Tool {
        name: "verify",
        command: verify::command,
        run: verify::run,
        shown: REACH,
    },
];
