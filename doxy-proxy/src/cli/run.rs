//! `doxy run`: one command with a socket of its own.
//!
//! `--user` and `--group` are the command's here. Those of the proxy come from variables or the file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use doxy_proxy::listening_program;

use crate::cli::help;
use crate::command::{self, Order};
use crate::config::{ConfigError, Setting, Source};
use crate::startup::Failure;

/// Where clients that know nothing of doxy are told where the engine is.
const DOCKER_HOST: &str = "DOCKER_HOST";

pub(super) fn command() -> Command {
    Command::new("run")
        .about("Run a command with a socket of its own, and deny it the engine's")
        .override_help(help::RUN_HELP)
        .args([
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(OsStringValueParser::new()),
            Arg::new("advisory")
                .long("advisory")
                .action(ArgAction::SetTrue),
            Arg::new("command")
                .value_name("COMMAND")
                .value_parser(OsStringValueParser::new())
                .num_args(1..)
                .last(true),
        ])
}

pub(super) fn run(matches: &ArgMatches, mut source: Source) -> Result<u8, Failure> {
    let words = matches.get_many::<OsString>("command");
    let command: Vec<_> = words.into_iter().flatten().cloned().collect();
    if command.is_empty() {
        return Err(Failure::Config(ConfigError::new(
            "doxy run",
            "there is no command",
            "write it behind `--`, as in `doxy run -- docker ps`",
        )));
    }
    if let Some(given) = source.take_option("proxy-socket") {
        return Err(Failure::Config(given.wrong(
            "the command gets a socket of its own",
            "leave it out, or name its path with --socket",
        )));
    }
    if let Some(name) = source.table()? {
        return Err(Failure::Config(ConfigError::new(
            format_args!("[socket.{name}]"),
            "the command gets one socket, which has no table",
            "name a file without tables: what stands at its top holds",
        )));
    }
    if let Some(host) = std::env::var_os(DOCKER_HOST).filter(|host| !host.is_empty()) {
        let engine = Setting::named(DOCKER_HOST, "docker-socket", &host);
        if !is_doxy(&host) {
            source.default(engine)?;
        }
    }
    let (user, group) = (source.take_option("user"), source.take_option("group"));
    let login = match (user, group) {
        (Some(user), group) => Some(source.login(&user, group.as_ref())?),
        (None, Some(group)) => {
            return Err(Failure::Config(group.wrong(
                "this is the group of --user, which is not given",
                "name the user as well, or leave it out",
            )));
        }
        (None, None) => None,
    };
    // The option has hidden them.
    for (key, variable) in [("user", "DOXY_USER"), ("group", "DOXY_GROUP")] {
        if let (Some(value), Some(_)) = (std::env::var_os(variable), &login) {
            source.default(Setting::variable(key, &value))?;
        }
    }
    command::run(
        Order {
            command,
            login,
            socket: matches.get_one::<OsString>("socket").map(PathBuf::from),
            advisory: matches.get_flag("advisory"),
        },
        source,
    )
}

/// Whether a doxy listens there: the command was started by another `doxy run`.
fn is_doxy(host: &OsString) -> bool {
    let path = host.to_str().and_then(|host| host.strip_prefix("unix://"));
    let listens = path.and_then(|path| listening_program(Path::new(path)));
    let own = std::fs::read_to_string("/proc/self/comm").ok();
    listens.is_some() && listens.as_deref() == own.as_deref().map(str::trim_end)
}
