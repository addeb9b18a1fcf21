//! The command line and the environment: text becomes settings, errors, a page of help, or the run of a
//! tool.
//!
//! Only the form is checked here. What a value means is for `config` to check.

mod admin;
mod args;
mod check;
mod config;
mod coverage;
mod environment;
mod explain;
mod given;
mod healthcheck;
mod help;
mod import;
mod learn;
mod misuse;
mod pages;
mod presets;
mod print;
mod replay;
mod run;
mod tool_help;
mod tools;
mod top;
mod verify;
mod which;

use clap::ArgMatches;

pub(crate) use self::environment::{unknown_variables, warnings};
pub(crate) use self::given::{Call, Task};
use crate::config::Source;
use crate::startup::Failure;

/// Why there are no settings.
pub(crate) enum Stop {
    /// The user asked for this page, help or version.
    Page(clap::Error),
    /// The command line is wrong: two lines that say how.
    Misused(String),
}

/// Reads the command line and the environment of this process.
pub(crate) fn parse() -> Result<Call, Stop> {
    if let Some(text) = environment::to_come(|name| std::env::var_os(name)) {
        return Err(Stop::Misused(text));
    }
    match args::command().try_get_matches() {
        Ok(matches) => Ok(page(&matches, given::call(&matches))),
        Err(error) if error.use_stderr() => Err(Stop::Misused(misuse::explain(&error))),
        Err(page) => Err(Stop::Page(page)),
    }
}

/// The call, or instead of its task one that needs the definition of the command line.
fn page(matches: &ArgMatches, call: Call) -> Call {
    let run: fn(&ArgMatches, Source) -> Result<u8, Failure> = match matches.subcommand_name() {
        Some(pages::COMPLETIONS) => |matches, _| pages::completions(matches, args::command()),
        Some(pages::MAN) => |matches, _| pages::man(matches, args::command()),
        _ => return call,
    };
    let arguments = matches.subcommand().map(|(_, arguments)| arguments.clone());
    Call {
        task: Task::Tool {
            run,
            arguments: arguments.unwrap_or_default(),
        },
        ..call
    }
}
