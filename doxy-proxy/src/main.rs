//! The binary `doxy`: one straight way from settings to a running proxy, and the exit codes.
//!
//! What it runs is the library's. Its own folders, the lowest first:
//!
//! | floor | what it is for | what it must never know |
//! |---|---|---|
//! | `config` | settings as text become values that can run, or an error | the command line, the environment; how anything is started |
//! | `admin` | the admin side: metrics, health, the live page | how anything is served or put in force |
//! | `signals` | SIGTERM, SIGINT and SIGHUP | what they do |
//! | `notify` | what the service manager is told | why |
//! | `startup` | the states of the process: bound, confined, serving | where settings come from; exit codes |
//! | `tools` | what the tools find out and do: logs read, files written, a proxy for one tool | the command line |
//! | `command` | one command with a socket of its own: its user, what it cannot reach, its signals and its end | the command line; what is allowed |
//! | `cli` | command line and environment become settings; the tools: their arguments, and printing | what a value means; how anything is started |

mod admin;
mod cli;
mod command;
mod config;
mod notify;
mod signals;
mod startup;
mod tools;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use doxy_proxy::log::diagnostics::error_with_priority;
use tracing::Level;

use crate::cli::{Stop, Task};
use crate::config::{ConfigError, Source};
use crate::notify::Notifier;
use crate::signals::Signals;
use crate::startup::{
    Bound, Failure, log_to_stderr, raise_descriptor_limit, runtime, stderr_is_journal,
};
use crate::tools::say::say;

/// Failed while running.
const FAILED: u8 = 1;
/// Bad arguments, configuration or rules.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let call = match cli::parse() {
        Ok(call) => call,
        Err(Stop::Misused(text)) => return complain(&text, MISUSED),
        Err(Stop::Page(page)) => {
            // Printing fails if nobody reads it.
            let _ = page.print();
            return ExitCode::SUCCESS;
        }
    };
    let mut source = Source::new(call.given);
    // A tool tells what is wrong in its own way.
    let compat = config::compat(&mut source, std::env::vars_os()).unwrap_or_else(|error| {
        source.refuse(error);
        None
    });
    let done = match call.task {
        Task::Serve => serve(source, compat).map(|()| 0),
        Task::Tool { run, arguments } => {
            for warning in cli::unknown_variables(std::env::vars_os()) {
                say(&format!("warning: {warning}"));
            }
            run(&arguments, source)
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Config(error)) => complain(&error, MISUSED),
        Err(Failure::Running(error)) => complain(&error, FAILED),
    }
}

/// `compat` is what is to be said of the variables of another proxy, if they are in force.
fn serve(source: Source, compat: Option<Vec<String>>) -> Result<(), Failure> {
    let config = source.load()?;
    let level = match config.shared.debug {
        true => Level::DEBUG,
        false => Level::INFO,
    };
    log_to_stderr(level);
    let warnings = cli::warnings(std::env::vars_os(), compat.is_some());
    for warning in compat.into_iter().flatten().chain(warnings) {
        tracing::warn!("{warning}");
    }
    raise_descriptor_limit();
    runtime()?.block_on(async {
        let signals = Signals::handle()?;
        let notifier = Notifier::connect().map_err(|error| {
            ConfigError::new(
                "NOTIFY_SOCKET",
                format_args!("cannot reach the service manager: {error}"),
                "it sets this variable; unset it where there is none",
            )
        })?;
        let bound = Bound::bind(source, config, &signals)?;
        let confined = bound.confine()?;
        let serving = confined.start()?;
        serving.until_stopped(signals, &notifier).await;
        Ok(())
    })
}

/// Prints an error for the person who started doxy. The log may not be set up yet.
fn complain(error: &dyn Display, code: u8) -> ExitCode {
    let mut text = format!("doxy: {error}");
    if stderr_is_journal() {
        text = error_with_priority(&text);
    }
    // If printing fails, the exit code still says it.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}
