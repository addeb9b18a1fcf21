//! `doxy config`: an example of a configuration, and what is in force.

use clap::{ArgMatches, Command};

use crate::cli::print::{format, is_json};
use crate::cli::{help, print};
use crate::config::{EXAMPLE, Source};
use crate::startup::Failure;

pub(super) fn command() -> Command {
    Command::new("config")
        .about(help::CONFIG_COMMAND)
        .subcommand_required(true)
        .override_help(help::CONFIG_HELP)
        .subcommand(
            Command::new("example")
                .about("Print an example with every key")
                .override_help(help::CONFIG_HELP),
        )
        .subcommand(
            Command::new("show")
                .about("Print what is in force")
                .override_help(help::CONFIG_HELP)
                .arg(format()),
        )
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    match matches.subcommand() {
        Some(("show", show)) => {
            let in_force = source.show()?;
            match is_json(show) {
                true => print::result(&in_force.json())?,
                false => print::result(&in_force.to_string())?,
            }
        }
        _ => print::result(EXAMPLE)?,
    }
    Ok(0)
}
